//! Sessions: where a user is signed in, and ending that.

use super::access::SignedIn;
use super::access_store::{self as store, SessionRow};
use super::{Server, tokens};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use palisade_core::Timestamp;
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams, Role};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A session, without its secret.
#[derive(Serialize, ToSchema)]
pub struct SessionRowView {
    /// Names it; no secret.
    id: String,
    user: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(value_type = String, format = DateTime)]
    used_at: Timestamp,
    /// When it ends at the latest; two hours without use end it before.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The address of the sign-in.
    from: String,
    /// Whether it is the one of this request.
    current: bool,
}

/// Whose sessions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SessionListParams {
    /// Of this user; the caller's own if absent. Others' needs role admin.
    user: Option<String>,
    /// Of all users; needs role admin.
    #[serde(default)]
    all: bool,
}

/// Whose sessions are ended.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SessionEndParams {
    /// Of this user, all; the caller's own but the present one if absent. Others' needs role admin.
    user: Option<String>,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
pub struct SessionsEnded {
    ended: u64,
}

/// Where the caller, or for an admin anybody, is signed in; newest first.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "frame", params(SessionListParams),
    responses((status = 200, body = Page<SessionRowView>), (status = 403, body = ErrorBody)))]
pub async fn list(
    State(server): State<Server>,
    caller: Caller,
    signed_in: Result<SignedIn, ApiError>,
    Query(params): Query<SessionListParams>,
) -> Result<Json<Page<SessionRowView>>, ApiError> {
    let own = signed_in.ok().map(|SignedIn(session)| session);
    let whose = params.user.as_deref().unwrap_or(&caller.name);
    if params.all || whose != caller.name {
        needs_admin(&caller)?;
    }
    let mut db = server.context.db.read().acquire().await?;
    let current = own.map(|session| session.id).unwrap_or_default();
    let all = store::sessions(&mut db, server.context.now()).await?.into_iter();
    let wanted = all.filter(|s| params.all || s.name == whose).map(|s| view(s, &current)).collect();
    let page = PageParams { limit: Some(1000), ..PageParams::default() };
    Ok(Json(Page::of(wanted, &page)?.because("nobody of whom this was asked is signed in with a session")))
}

/// Ends one session: an own one, or for an admin anybody's.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "frame", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(server): State<Server>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = server.begin().await?;
    let all = store::sessions(&mut tx, server.context.now()).await?.into_iter();
    // what is not the caller's does not exist for them
    let mine = |s: &SessionRow| caller.role == Role::Admin || s.name == caller.name;
    let session =
        all.filter(mine).find(|s| s.id == id).ok_or_else(|| ApiError::not_found(format!("a session `{id}`")))?;
    store::session_delete(&mut tx, &session.id).await?;
    let message = format!("ended a session of {} from {}", session.name, session.address);
    let event = tokens::event(server.context.now(), "frame.session.delete", &caller, &session.name, message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.access.less();
    server.context.publish(&["sessions", "users", "journal"]);
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the caller's other sessions, or for an admin all of a user.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "frame", params(SessionEndParams),
    responses((status = 200, body = SessionsEnded), (status = 403, body = ErrorBody)))]
pub async fn delete_all(
    State(server): State<Server>,
    caller: Caller,
    signed_in: Result<SignedIn, ApiError>,
    Query(params): Query<SessionEndParams>,
) -> Result<Json<SessionsEnded>, ApiError> {
    let whose = params.user.as_deref().unwrap_or(&caller.name).to_owned();
    if whose != caller.name {
        needs_admin(&caller)?;
    }
    let own = signed_in.ok().map(|SignedIn(session)| session.id).unwrap_or_default();
    let mut tx = server.begin().await?;
    let ended = store::sessions_delete(&mut tx, &whose, &own).await?;
    let message = format!("ended {ended} sessions of {whose}");
    let event = tokens::event(server.context.now(), "frame.session.delete", &caller, &whose, message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.access.less();
    server.context.publish(&["sessions", "users", "journal"]);
    Ok(Json(SessionsEnded { ended }))
}

fn needs_admin(caller: &Caller) -> Result<(), ApiError> {
    if caller.role == Role::Admin {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "others' sessions need role admin"))
}

fn view(session: SessionRow, current: &str) -> SessionRowView {
    SessionRowView {
        current: session.id == current,
        id: session.id,
        user: session.name,
        created_at: session.created_at,
        used_at: session.used_at,
        expires_at: session.expires_at,
        from: session.address,
    }
}
