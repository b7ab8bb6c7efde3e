//! Watching from outside: hosts without an agent, and probes.

pub mod cli;

use crate::Monitor;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{Kind, ServerContext};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
}

/// The kinds of resources.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    Vec::new()
}

/// What runs beside the requests.
pub fn tasks(_monitor: &Monitor, _context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    Vec::new()
}
