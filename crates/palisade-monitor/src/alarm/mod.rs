//! Alarm rules: what is judged, when it fires, and what caused it.

pub mod cli;

use crate::Monitor;
use crate::model::Cause;
use palisade_core::{Event, HostId, Timestamp};
use palisade_guard::contract::BoxFuture;
use palisade_guard::store::FindingChange;
use palisade_guard::{GuardError, Kind, ServerContext};
use sqlx::SqliteConnection;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// Rules and alarms, as far as they live in memory. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Alarms;

impl Alarms {
    /// New samples of a host are being stored; they are judged once that is committed.
    pub fn arrived(&self, _host: &HostId) {}
}

/// An event was recorded, in this transaction.
pub async fn event_recorded(_db: &mut SqliteConnection, _event: &Event) -> Result<(), GuardError> {
    Ok(())
}

/// A look has found something new, or no longer found something, in this transaction.
pub async fn findings_changed(
    _db: &mut SqliteConnection,
    _host: &HostId,
    _change: &FindingChange,
    _at: Timestamp,
) -> Result<(), GuardError> {
    Ok(())
}

/// A host has sent what it saw around the moment when an alarm fired.
pub async fn cause_arrived(_db: &mut SqliteConnection, _host: &HostId, _cause: &Cause) -> Result<(), GuardError> {
    Ok(())
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
