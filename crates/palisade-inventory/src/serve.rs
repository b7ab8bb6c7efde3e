//! The guard's half on the server: lists, and the history of changes.

use crate::difference::{SectionName, difference};
use crate::{api, store};
use palisade_core::{HostId, Timestamp};
use palisade_guard::contract::BoxFuture;
use palisade_guard::{GuardError, Serve, ServerContext};
use serde_json::Value;
use sqlx::SqliteConnection;
use utoipa_axum::router::OpenApiRouter;

/// The half on the server.
#[derive(Debug, Clone, Copy)]
pub struct Half;

impl Serve for Half {
    fn migrations(&self) -> &'static [&'static str] {
        store::MIGRATIONS
    }

    fn api(&self) -> OpenApiRouter<ServerContext> {
        api::router()
    }

    /// The first body of a section is what the host had when it joined: no change.
    fn section_changed<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        section: &'a str,
        old: Option<&'a Value>,
        new: &'a Value,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<HostId>, GuardError>> {
        Box::pin(async move {
            let (Some(section), Some(old)) = (SectionName::parse(section), old) else { return Ok(Vec::new()) };
            store::changes_put(db, host, section, at, &difference(section, old, new)).await?;
            Ok(Vec::new())
        })
    }

    fn tend<'a>(&'a self, db: &'a mut SqliteConnection, now: Timestamp) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(store::changes_expire(db, now))
    }
}
