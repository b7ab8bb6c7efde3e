//! The history of the processes that stood out.

use palisade_core::Timestamp;
use palisade_guard::{GuardError, ServerContext};
use sqlx::SqliteConnection;
use utoipa_axum::router::OpenApiRouter;

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
}

/// Periodic work.
pub async fn tend(_db: &mut SqliteConnection, _now: Timestamp) -> Result<(), GuardError> {
    Ok(())
}
