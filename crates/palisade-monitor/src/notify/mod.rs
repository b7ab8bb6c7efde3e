//! Notifications: who is told what, when, by which channel, and whether it arrived.

pub mod cli;

use crate::Monitor;
use palisade_core::Timestamp;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{GuardError, Kind, Notice, Notify, ServerContext};
use sqlx::SqliteConnection;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// Takes notices from every guard.
#[derive(Debug, Clone, Copy, Default)]
pub struct Desk;

impl Notify for Desk {
    fn notify<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    fn acknowledge<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _key: &'a str,
        _by: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

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

/// Periodic work.
pub async fn tend(_db: &mut SqliteConnection, _now: Timestamp) -> Result<(), GuardError> {
    Ok(())
}
