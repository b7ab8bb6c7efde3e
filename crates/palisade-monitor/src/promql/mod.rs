//! A part of PromQL, and the addresses by which Grafana and Prometheus read.
//!
//! **In order.** [`query`] reads the text and refuses what is not supported; [`need`] finds out which
//! samples it needs; [`load`] reads them; [`eval`] evaluates all steps at once, without knowing of a
//! database; [`answer`] writes the JSON. `docs/promql.md` says what is supported, and the tests compare
//! it with Prometheus 2.42 on the same samples.
//!
//! **Limits.** 8 KiB of text, 64 deep, 10 regular expressions; 11,000 points of a series, 20,000
//! series, 20 million samples, 30 s; two queries at a time.

pub mod aggregate;
pub mod answer;
pub mod api;
pub mod binary;
pub mod budget;
pub mod cli;
pub mod error;
pub mod eval;
pub mod exposition;
pub mod function;
pub mod labels;
pub mod list;
pub mod load;
pub mod loaded;
pub mod need;
pub mod params;
pub mod query;
pub mod run;
pub mod time;
pub mod value;
pub mod window;

use palisade_guard::ServerContext;
use utoipa_axum::router::OpenApiRouter;

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    api::router().merge(exposition::router())
}
