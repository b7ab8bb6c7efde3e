//! A part of PromQL, and the addresses by which Grafana and Prometheus read.

pub mod cli;

use palisade_guard::ServerContext;
use utoipa_axum::router::OpenApiRouter;

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
}
