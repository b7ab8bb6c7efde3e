//! How the server itself is.

use super::ca::standing::KeyView;
use super::{Server, fleet};
use axum::Json;
use axum::extract::State;
use palisade_core::{Standing, Timestamp, VerdictWord};
use palisade_guard::api::{ApiError, Caller};
use palisade_guard::store;
use serde::Serialize;
use utoipa::ToSchema;

/// How the server is.
#[derive(Serialize, ToSchema)]
pub struct StatusView {
    version: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    now: Timestamp,
    hosts_total: usize,
    hosts_online: usize,
    guards: Vec<String>,
    /// Where the console and the API are.
    listen: Option<String>,
    /// Whether the root key, which agents trust in the end, is on this server and can be used.
    root_key: KeyView,
    /// The user that the server's process runs as.
    uid: u32,
}

/// Version, start, hosts, guards.
#[utoipa::path(get, path = "/api/v1/status", tag = "frame", responses((status = 200, body = StatusView)))]
pub async fn show(State(server): State<Server>, _caller: Caller) -> Result<Json<StatusView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let mut hosts = store::hosts(&mut db).await?;
    hosts.retain(|host| host.standing != Standing::Retired);
    Ok(Json(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: server.started_at,
        now: server.context.now(),
        hosts_total: hosts.len(),
        hosts_online: hosts.iter().filter(|h| fleet::verdict(h) == VerdictWord::Online).count(),
        guards: server.guards.iter().map(|g| g.word.to_owned()).collect(),
        listen: server.address.get().map(ToString::to_string),
        root_key: server.authority.root_key(),
        uid: nix::unistd::geteuid().as_raw(),
    }))
}
