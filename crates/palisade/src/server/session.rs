//! Signing in and out.

use super::access::{self, COOKIE, Origin, SignedIn};
use super::access_store::{self as store, SessionRow};
use super::guessing::place;
use super::proof::{self, Claim};
use super::{Server, password, tokens, user_store};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use palisade_core::Timestamp;
use palisade_guard::api::{ApiError, Body, Caller, ErrorBody, Role};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// A session ends this long after the sign-in, used or not.
const SESSION_S: i64 = 12 * 3600;

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
    /// When the session ends at the latest; two hours without use end it before. Absent for a token.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// To be sent as `X-Palisade-Csrf` with every change.
    csrf: String,
    /// True when the password is too old: until it is changed, everything else is refused with
    /// `password_due`.
    password_due: bool,
    server: ServerView,
}

/// Name and password, and the code of a second factor if the user has one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionParams {
    name: String,
    password: String,
    /// Six digits, or a recovery code. Asked for by the code `totp_required` after a right password.
    code: Option<String>,
}

/// Which server this is, for the sign-in page.
#[utoipa::path(get, path = "/api/v1/sign-in", tag = "frame", responses((status = 200, body = SignInView)))]
pub async fn sign_in(State(server): State<Server>) -> Result<Json<SignInView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let first_run = user_store::user_count(&mut db).await? == 0;
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
    session: Result<SignedIn, ApiError>,
) -> Json<SessionView> {
    let session = session.ok().map(|SignedIn(session)| session);
    Json(view(&server, caller.name, caller.role, session.as_ref()))
}

fn view(server: &Server, name: String, role: Role, session: Option<&SessionRow>) -> SessionView {
    let now = server.context.now();
    let server = ServerView {
        name: server.name.to_string(),
        fingerprint: server.authority.fingerprint(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time: now,
    };
    SessionView {
        name,
        role,
        expires_at: session.map(|s| s.expires_at),
        csrf: session.map(|s| s.csrf.clone()).unwrap_or_default(),
        password_due: session.is_some_and(|s| password::is_due(s.password_at, now)),
        server,
    }
}

/// Signs in with name and password, and a code if the user has a second factor.
#[utoipa::path(post, path = "/api/v1/session", tag = "frame", request_body = SessionParams,
    responses((status = 200, body = SessionView), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn create(
    State(server): State<Server>,
    ConnectInfo(origin): ConnectInfo<Origin>,
    Body(params): Body<SessionParams>,
) -> Result<Response, ApiError> {
    let from = address(origin);
    let claim = Claim { name: &params.name, password: params.password, code: params.code.as_deref(), from };
    let user = proof::prove(&server, claim).await?;
    start(&server, &user.name, from, "signed in").await
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "frame", responses((status = 204)))]
pub async fn delete(
    State(server): State<Server>,
    caller: Caller,
    session: Result<SignedIn, ApiError>,
) -> Result<Response, ApiError> {
    if let Ok(SignedIn(session)) = session {
        let mut tx = server.begin().await?;
        store::session_delete(&mut tx, &session.id).await?;
        let event = tokens::event(
            server.context.now(),
            "frame.session.delete",
            &caller,
            &session.name,
            "signed out".to_owned(),
        );
        server.context.record(&mut tx, &event).await?;
        tx.commit().await?;
        server.access.less();
        server.context.publish(&["sessions", "journal"]);
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie("", 0))]).into_response())
}

/// Starts a session of a user that has proven to be it, and answers with its cookie.
pub async fn start(server: &Server, name: &str, from: IpAddr, message: &str) -> Result<Response, ApiError> {
    let (secret, now) = (access::new_secret(""), server.context.now());
    let hash = access::secret_hash(&secret);
    let new = SessionRow {
        id: access::new_secret("")[..SESSION_ID_CHARS].to_owned(),
        name: name.to_owned(),
        role: Role::Viewer,
        csrf: access::new_secret(""),
        address: from.to_string(),
        created_at: now,
        used_at: now,
        expires_at: now + jiff::SignedDuration::from_secs(SESSION_S),
        password_at: now,
    };
    let mut tx = server.begin().await?;
    store::session_insert(&mut tx, &hash, &new).await?;
    user_store::user_signed_in(&mut tx, name, &place(from), now).await?;
    // as stored, with the user's role; none if the user was disabled in between
    let session = store::session(&mut tx, &hash, now).await?.ok_or_else(ApiError::unauthenticated)?;
    let caller = Caller { name: name.to_owned(), role: session.role, address: Some(from) };
    let event = tokens::event(now, "frame.session.create", &caller, name, message.to_owned());
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["sessions", "users", "journal"]);
    let body = Json(view(server, name.to_owned(), session.role, Some(&session)));
    Ok(([(header::SET_COOKIE, set_cookie(&secret, SESSION_S))], body).into_response())
}

/// 72 random bits: it names a session, and opens nothing.
const SESSION_ID_CHARS: usize = 12;

fn set_cookie(secret: &str, seconds: i64) -> HeaderValue {
    let text = format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    HeaderValue::from_str(&text).expect("base64 and numbers are valid in a header")
}

/// Where a sign-in comes from.
pub fn address(origin: Origin) -> IpAddr {
    match origin {
        Origin::Network(address) => address,
        Origin::Socket => IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}
