//! Signing in and out, and the first sign-in by a one-time link.

use super::access::{self, COOKIE, Origin};
use super::{Server, access_store as store};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use palisade_core::{Actor, Event, Outcome, Severity, Timestamp};
use palisade_guard::api::{Admin, ApiError, Body, Caller, ErrorBody, Role};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// A session ends this long after the sign-in.
const SESSION_S: i64 = 12 * 3600;
/// A one-time link ends this long after it was made.
const LINK_S: i64 = 24 * 3600;
const NAME_BYTES_MAX: usize = 64;

/// What anybody may see before signing in.
#[derive(Serialize, ToSchema)]
pub struct SignInView {
    /// The server's name.
    server_name: String,
    /// SHA-256 of its certificate.
    fingerprint: String,
    /// True while nobody can sign in yet and a one-time link is needed.
    first_run: bool,
}

/// The server, for somebody signed in.
#[derive(Serialize, ToSchema)]
pub struct ServerView {
    name: String,
    fingerprint: String,
    version: String,
    /// Its clock.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    name: String,
    role: Role,
    /// When the session ends; absent for a token.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// To be sent as `X-Palisade-Csrf` with every change.
    csrf: String,
    server: ServerView,
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionParams {
    name: String,
    password: String,
}

/// The first user of a server.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WelcomeParams {
    /// What stands behind `#` in the one-time link.
    token: String,
    name: String,
    password: String,
}

/// A new one-time link.
#[derive(Serialize, ToSchema)]
pub struct LinkView {
    /// The path with the secret behind `#`.
    path: String,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Which server this is, for the sign-in page.
#[utoipa::path(get, path = "/api/v1/sign-in", tag = "frame", responses((status = 200, body = SignInView)))]
pub async fn sign_in(State(server): State<Server>) -> Result<Json<SignInView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let first_run = store::user_count(&mut db).await? == 0;
    Ok(Json(SignInView {
        server_name: server.name.to_string(),
        fingerprint: server.authority.fingerprint(),
        first_run,
    }))
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "frame", responses((status = 200, body = SessionView), (status = 401, body = ErrorBody)))]
pub async fn show(
    State(server): State<Server>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<SessionView>, ApiError> {
    let mut session = None;
    if let Some(secret) = access::cookie(&headers) {
        let mut db = server.context.db.read().acquire().await?;
        session = store::session(&mut db, &access::secret_hash(secret), server.context.now()).await?;
    }
    let (csrf, expires_at) = session.map_or((String::new(), None), |s| (s.csrf, Some(s.expires_at)));
    Ok(Json(view(&server, caller.name, caller.role, csrf, expires_at)))
}

fn view(server: &Server, name: String, role: Role, csrf: String, expires_at: Option<Timestamp>) -> SessionView {
    let server = ServerView {
        name: server.name.to_string(),
        fingerprint: server.authority.fingerprint(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: server.context.now(),
    };
    SessionView { name, role, expires_at, csrf, server }
}

/// Signs in with name and password.
#[utoipa::path(post, path = "/api/v1/session", tag = "frame", request_body = SessionParams,
    responses((status = 200, body = SessionView), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn create(
    State(server): State<Server>,
    ConnectInfo(origin): ConnectInfo<Origin>,
    Body(params): Body<SessionParams>,
) -> Result<Response, ApiError> {
    let (from, now) = (address(origin), server.context.now());
    let name: String = params.name.chars().take(NAME_BYTES_MAX).collect();
    if let Some(until) = server.access.locked_until(&name, from, now) {
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "locked", "too many wrong passwords")
            .hint(format!("sign-in is locked until {}", until.strftime("%H:%M UTC"))));
    }
    let mut db = server.context.db.read().acquire().await?;
    let hash = store::user_password(&mut db, &name).await?;
    drop(db);
    let ok = server.access.password_ok(params.password, hash).await;
    server.access.tried(&name, from, ok, now);
    if !ok {
        note(&server, &name, from, Outcome::Failure, "sign-in failed").await;
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_credentials", "name or password wrong"));
    }
    note(&server, &name, from, Outcome::Success, "signed in").await;
    start(&server, &name).await
}

/// Makes the first user, by a one-time link, and signs in.
#[utoipa::path(post, path = "/api/v1/welcome", tag = "frame", request_body = WelcomeParams,
    responses((status = 200, body = SessionView), (status = 401, body = ErrorBody)))]
pub async fn welcome(
    State(server): State<Server>,
    ConnectInfo(origin): ConnectInfo<Origin>,
    Body(params): Body<WelcomeParams>,
) -> Result<Response, ApiError> {
    let now = server.context.now();
    user_name_rule(&params.name)?;
    access::password_rule(&params.name, &params.password)?;
    let hash = server.access.password_hash(params.password).await?;
    let mut tx = server.begin().await?;
    if !store::link_take(&mut tx, &access::secret_hash(&params.token), now).await? {
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "link_used", "this link was used or has expired")
            .hint("make a new one on the server's machine with `palisade user link`"));
    }
    if store::user_password(&mut tx, &params.name).await?.is_some() {
        return Err(ApiError::conflict(format!("a user `{}` exists already", params.name)));
    }
    store::user_insert(&mut tx, &params.name, Role::Admin, &hash, now).await?;
    tx.commit().await?;
    note(&server, &params.name, address(origin), Outcome::Success, "made the first user and signed in").await;
    start(&server, &params.name).await
}

/// Makes a one-time link with which one admin can be made.
#[utoipa::path(post, path = "/api/v1/user-links", tag = "frame", responses((status = 200, body = LinkView)))]
pub async fn link_create(State(server): State<Server>, Admin(_caller): Admin) -> Result<Json<LinkView>, ApiError> {
    let secret = access::new_secret("");
    let expires_at = server.context.now() + jiff::SignedDuration::from_secs(LINK_S);
    let mut tx = server.begin().await?;
    store::link_insert(&mut tx, &access::secret_hash(&secret), expires_at).await?;
    tx.commit().await?;
    Ok(Json(LinkView { path: format!("/welcome#{secret}"), expires_at }))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "frame", responses((status = 204)))]
pub async fn delete(State(server): State<Server>, _caller: Caller, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(secret) = access::cookie(&headers) {
        let mut tx = server.begin().await?;
        store::session_delete(&mut tx, &access::secret_hash(secret)).await?;
        tx.commit().await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie("", 0))]).into_response())
}

async fn start(server: &Server, name: &str) -> Result<Response, ApiError> {
    let (secret, csrf) = (access::new_secret(""), access::new_secret(""));
    let expires_at = server.context.now() + jiff::SignedDuration::from_secs(SESSION_S);
    let mut tx = server.begin().await?;
    store::session_insert(&mut tx, &access::secret_hash(&secret), name, &csrf, expires_at).await?;
    let session = store::session(&mut tx, &access::secret_hash(&secret), server.context.now()).await?;
    tx.commit().await?;
    let role = session.map_or(Role::Viewer, |s| s.role);
    let body = Json(view(server, name.to_owned(), role, csrf, Some(expires_at)));
    Ok(([(header::SET_COOKIE, set_cookie(&secret, SESSION_S))], body).into_response())
}

fn set_cookie(secret: &str, seconds: i64) -> HeaderValue {
    let text = format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    HeaderValue::from_str(&text).expect("base64 and numbers are valid in a header")
}

fn user_name_rule(name: &str) -> Result<(), ApiError> {
    let ok = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(ok) {
        return Err(ApiError::invalid("`name` must be 1 to 64 of letters, digits, `.`, `_`, `-`, `@`"));
    }
    Ok(())
}

/// The address that failures are counted by.
pub fn address(origin: Origin) -> IpAddr {
    match origin {
        Origin::Network(address) => address,
        Origin::Socket => IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// Writes a sign-in into the audit log; a full disk must not keep anybody out.
async fn note(server: &Server, name: &str, from: IpAddr, outcome: Outcome, message: &str) {
    let event = Event {
        time: server.context.now(),
        kind: "frame.session.create".to_owned(),
        host: None,
        severity: if outcome == Outcome::Success { Severity::Informational } else { Severity::Low },
        outcome,
        actor: Actor { name: name.to_owned(), from: Some(from.to_string()) },
        message: message.to_owned(),
        object: Some(name.to_owned()),
        audit: true,
        data: serde_json::Value::Null,
    };
    if let Err(error) = server.record(&event).await {
        tracing::warn!(error = palisade_guard::contract::chain(&error), "could not record a sign-in");
    }
}

impl Server {
    /// Records one event in a transaction of its own.
    pub async fn record(&self, event: &Event) -> Result<(), palisade_guard::GuardError> {
        let mut tx = self.begin().await?;
        self.context.record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(())
    }
}
