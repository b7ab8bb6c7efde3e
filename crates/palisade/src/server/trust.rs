//! The authority and the epoch, for admins. Keys go in and out only over the server's own socket,
//! to root on the same machine: on the network these addresses do not exist.

use super::Server;
use super::ca::standing::AuthorityView;
use super::tokens::event;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, post};
use axum::{Json, Router};
use palisade_core::Severity;
use palisade_guard::api::{Admin, ApiError, Body, Caller, ErrorBody};
use palisade_guard::store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A new epoch.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EpochParams {
    /// Which; the next one if absent. Give a higher one when hosts already hold specs of the next,
    /// because the copy that this server was restored from is older than its last epoch.
    epoch: Option<u32>,
}

/// The epoch that specs carry.
#[derive(Serialize, ToSchema)]
pub struct EpochView {
    epoch: u32,
}

/// The root key, in the clear.
#[derive(Serialize)]
struct RootKeyView {
    /// PEM.
    key: String,
    /// PEM.
    certificate: String,
}

/// The root key, brought back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootKeyParams {
    /// PEM.
    key: String,
}

/// The addresses that only the server's own socket has.
pub fn local_router() -> Router<Server> {
    Router::new()
        .route("/api/v1/server/ca/export", post(export))
        .route("/api/v1/server/ca/import", post(import))
        .route("/api/v1/server/ca/key", delete(remove))
}

/// Root, issuer and the server's certificate.
#[utoipa::path(get, path = "/api/v1/server/ca", tag = "frame", responses((status = 200, body = AuthorityView)))]
pub async fn show(State(server): State<Server>, _caller: Caller) -> Json<AuthorityView> {
    Json(server.authority.standing())
}

/// Makes a new issuer and a new certificate for the server, now. Hosts keep theirs until they end;
/// the root stays.
#[utoipa::path(post, path = "/api/v1/server/ca/rotate", tag = "frame",
    responses((status = 200, body = AuthorityView), (status = 409, body = ErrorBody)))]
pub async fn rotate(State(server): State<Server>, Admin(caller): Admin) -> Result<Json<AuthorityView>, ApiError> {
    server.authority.rotate(server.context.now())?;
    record(&server, &caller, "frame.ca.rotate", "made a new issuer and a new server certificate").await?;
    Ok(Json(server.authority.standing()))
}

/// The epoch that specs carry now.
#[utoipa::path(get, path = "/api/v1/server/epoch", tag = "frame", responses((status = 200, body = EpochView)))]
pub async fn epoch(State(server): State<Server>, _caller: Caller) -> Result<Json<EpochView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    Ok(Json(EpochView { epoch: store::epoch(&mut db).await? }))
}

/// Begins a new epoch: hosts take the specs of this server again, although it was restored from an
/// old copy and their numbers are lower. Needs the root key.
#[utoipa::path(post, path = "/api/v1/server/epoch", tag = "frame", request_body = EpochParams,
    responses((status = 200, body = EpochView), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn epoch_raise(
    State(server): State<Server>,
    Admin(caller): Admin,
    Body(params): Body<EpochParams>,
) -> Result<Json<EpochView>, ApiError> {
    let mut tx = server.begin().await?;
    let current = store::epoch(&mut tx).await?;
    let epoch = params.epoch.unwrap_or(current.saturating_add(1));
    if epoch <= current {
        return Err(ApiError::invalid(format!("`epoch` must be above {current}, which specs carry now")));
    }
    let proof = server.authority.sign_epoch(epoch)?;
    store::epoch_raise(&mut tx, &proof).await?;
    let mut event = event(
        server.context.now(),
        "frame.epoch.raise",
        &caller,
        &epoch.to_string(),
        format!("raised the epoch from {current} to {epoch}: hosts take the specs of this server again"),
    );
    event.severity = Severity::High;
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.wake_agents();
    server.context.publish(&["hosts", "journal"]);
    Ok(Json(EpochView { epoch }))
}

async fn export(State(server): State<Server>, Admin(caller): Admin) -> Result<Json<RootKeyView>, ApiError> {
    let key = server.authority.root_export()?;
    record(&server, &caller, "frame.ca.export", "exported the root key").await?;
    Ok(Json(RootKeyView { key, certificate: server.authority.root_pem() }))
}

async fn import(
    State(server): State<Server>,
    Admin(caller): Admin,
    Body(params): Body<RootKeyParams>,
) -> Result<Json<AuthorityView>, ApiError> {
    server.authority.root_import(&params.key)?;
    record(&server, &caller, "frame.ca.import", "brought the root key back").await?;
    Ok(Json(server.authority.standing()))
}

async fn remove(State(server): State<Server>, Admin(caller): Admin) -> Result<StatusCode, ApiError> {
    server.authority.root_remove()?;
    record(&server, &caller, "frame.ca.remove", "took the root key off this server").await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn record(server: &Server, caller: &Caller, kind: &str, said: &str) -> Result<(), ApiError> {
    let mut tx = server.begin().await?;
    let mut event = event(server.context.now(), kind, caller, "root", said.to_owned());
    event.severity = Severity::High;
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["journal"]);
    Ok(())
}
