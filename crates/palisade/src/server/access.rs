//! Who is calling: tokens, sessions, lock-outs, and the layer that lets nobody through unseen.

use super::Server;
use super::access_store::{self as store, SessionRow};
use super::body::{self, Kept};
use super::guessing::{self, Guessing};
use super::hasher::Hasher;
use super::password;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_guard::api::{ApiError, Caller, Role};
use std::net::IpAddr;
use tokio::sync::watch;

/// Who calls over the local socket; no user has this name.
pub const LOCAL_ROOT: &str = "local-root";
/// The session cookie; the prefix makes browsers insist on Secure, Path=/ and no Domain.
pub const COOKIE: &str = "__Host-palisade";
/// The header that a change by cookie must carry.
const CSRF_HEADER: &str = "x-palisade-csrf";
/// What anybody may ask without signing in, beside static files: what the sign-in page shows, sign-in,
/// the one-time link, and joining. All else is refused.
pub const ANONYMOUS: [(&str, &str); 4] =
    [("GET", "/api/v1/sign-in"), ("POST", "/api/v1/session"), ("POST", "/api/v1/welcome"), ("POST", "/api/v1/join")];
/// What takes a whole file.
const FILES: [(&str, &str); 2] = [("POST", "/api/v1/apply"), ("POST", "/api/v1/firewall/bans/import")];
/// What a viewer may send although it is no GET: it changes nothing that lasts, or only what is the
/// viewer's own.
const VIEWER_MAY: [(&str, &str); 9] = [
    ("POST", "/api/v1/firewall/simulate"),
    ("DELETE", "/api/v1/session"),
    ("DELETE", "/api/v1/sessions"),
    ("POST", "/api/v1/monitor/live"),
    ("POST", "/api/v1/monitor/backtest"),
    ("POST", "/api/v1/account/password"),
    ("POST", "/api/v1/account/totp"),
    ("POST", "/api/v1/account/totp/confirm"),
    ("DELETE", "/api/v1/account/totp"),
];
/// The same, for all below these paths: the handler finds only what is the caller's own, or a query is
/// too long for an address and comes as a form.
const VIEWER_MAY_BELOW: [(&str, &str); 2] = [("DELETE", "/api/v1/sessions/"), ("POST", "/api/v1/monitor/prometheus/")];
/// What somebody may do whose password has to be changed.
const DUE_MAY: [(&str, &str); 4] = [
    ("GET", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/account"),
    ("POST", "/api/v1/account/password"),
];
/// A page marks with it what it asks by itself, without anybody there: that keeps no session alive.
const BACKGROUND_HEADER: &str = "x-palisade-background";
/// The last use of a session or token is stored to this precision.
const USED_EVERY_S: i64 = 60;

/// Where a request came from, as the listener knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Over TLS.
    Network(IpAddr),
    /// Over the server's own socket, from a process of root or of the server's user.
    Socket,
}

/// When the connection was made that a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectedAt(pub Timestamp);

/// What sign-in keeps in memory.
pub struct Access {
    /// Failed sign-ins.
    pub guessing: Guessing,
    /// Passwords, a few at a time.
    pub hasher: Hasher,
    /// Ticks when a session or token has ended, or may do less: streams ask anew whether they may go on.
    pub ended: watch::Sender<u64>,
}

impl Default for Access {
    fn default() -> Access {
        Access { guessing: Guessing::default(), hasher: Hasher::default(), ended: watch::channel(0).0 }
    }
}

impl Access {
    /// With the failed sign-ins of before the start.
    pub async fn load(db: &palisade_guard::db::Database, now: Timestamp) -> Result<Access, GuardError> {
        let access = Access::default();
        let since = now - jiff::SignedDuration::from_secs(guessing::NAME_WINDOW_S);
        let mut db = db.read().acquire().await?;
        for (name, place, at) in store::failures(&mut db, since, guessing::COUNTS_MAX).await? {
            access.guessing.remember(&name, &place, at);
        }
        Ok(access)
    }

    /// Says that somebody may do less than before.
    pub fn less(&self) {
        self.ended.send_modify(|n| *n += 1);
    }
}

/// A user that is signed in with a session: put up beside [`Caller`], for what only a user has.
#[derive(Debug, Clone)]
pub struct SignedIn(pub SessionRow);

impl FromRequestParts<Server> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Server) -> Result<Self, ApiError> {
        parts.extensions.get::<SignedIn>().cloned().ok_or_else(|| {
            ApiError::new(StatusCode::FORBIDDEN, "needs_session", "only a user who is signed in has an account")
                .hint("sign in with name and password; tokens and the local socket have no account")
        })
    }
}

/// A new secret of 256 bits, as text with `prefix`.
pub fn new_secret(prefix: &str) -> String {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored of a secret. It has 256 random bits, so a plain hash is enough.
pub fn secret_hash(secret: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref())
}

/// Finds out who calls, and refuses what they may not do. Everything passes here; what is not
/// listed as anonymous needs a caller, and what changes something needs more than a viewer.
pub async fn layer(State(server): State<Server>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = admitted(&server, &parts).await;
    let kept = match &caller {
        Err(_) => Kept::Nothing,
        Ok(_) if anonymous(&parts.method, parts.uri.path()) => Kept::Little,
        Ok(_) if FILES.contains(&(parts.method.as_str(), parts.uri.path())) => Kept::File,
        Ok(_) => Kept::Whole,
    };
    // read to its end whatever the answer is: HTTP/2 clients take an answer before it for a fault
    let body = body::read(body, kept).await;
    match caller {
        Ok(caller) => parts.extensions.extend(caller),
        Err(error) => return error.into_response(),
    }
    match body {
        Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Err(error) => error.into_response(),
    }
}

/// The caller, put up as an extension, if they may do this; nobody, if nobody is needed for it.
async fn admitted(server: &Server, request: &Parts) -> Result<Extensions, ApiError> {
    let mut extensions = Extensions::new();
    if anonymous(&request.method, request.uri.path()) {
        // who signs in may hold an old cookie; it must neither help nor hinder
        own_page(request)?;
        return Ok(extensions);
    }
    let (caller, signed_in) = identify(server, request).await?.ok_or_else(ApiError::unauthenticated)?;
    permitted(&caller, &request.method, request.uri.path())?;
    if let Some(session) = signed_in {
        not_due(&session, request, server.context.now())?;
        extensions.insert(SignedIn(session));
    }
    extensions.insert(caller);
    Ok(extensions)
}

fn anonymous(method: &Method, path: &str) -> bool {
    ANONYMOUS.contains(&(method.as_str(), path))
}

fn permitted(caller: &Caller, method: &Method, path: &str) -> Result<(), ApiError> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let below = |(m, prefix): &(&str, &str)| *m == method.as_str() && path.starts_with(prefix);
    let own = VIEWER_MAY.contains(&(method.as_str(), path)) || VIEWER_MAY_BELOW.iter().any(below);
    if safe || caller.role > Role::Viewer || own {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "needs role operator").hint(format!(
        "you are `{}` with role {}",
        caller.name,
        caller.role.as_str()
    )))
}

/// A password that is too old lets in only to change it.
fn not_due(session: &SessionRow, request: &Parts, now: Timestamp) -> Result<(), ApiError> {
    if !password::is_due(session.password_at, now) || DUE_MAY.contains(&(request.method.as_str(), request.uri.path())) {
        return Ok(());
    }
    let message = "your password is older than six months and has to be changed first";
    Err(ApiError::new(StatusCode::FORBIDDEN, "password_due", message).hint("change it under `Account`"))
}

/// Who calls, with the session if it is one.
async fn identify(server: &Server, request: &Parts) -> Result<Option<(Caller, Option<SessionRow>)>, ApiError> {
    let address = match request.extensions.get::<ConnectInfo<Origin>>().map(|info| info.0) {
        Some(Origin::Socket) => {
            let root = Caller { name: LOCAL_ROOT.to_owned(), role: Role::Admin, address: None };
            return Ok(Some((root, None)));
        }
        Some(Origin::Network(address)) => address,
        None => return Ok(None),
    };
    if let Some(token) = bearer(&request.headers) {
        return Ok(Some((token_caller(server, token, address).await?, None)));
    }
    let Some(session) = session(server, &request.headers).await? else { return Ok(None) };
    if !matches!(request.method, Method::GET | Method::HEAD) {
        own_page(request)?;
        csrf_ok(&request.headers, &session.csrf)?;
    }
    let now = server.context.now();
    if !request.headers.contains_key(BACKGROUND_HEADER) && due_to_store(session.used_at, now) {
        remember_use(server, async |tx| store::session_used(tx, &session.id, now).await).await;
    }
    let caller = Caller { name: session.name.clone(), role: session.role, address: Some(address) };
    Ok(Some((caller, Some(session))))
}

/// The session of the cookie, if it has not ended.
pub async fn session(server: &Server, headers: &HeaderMap) -> Result<Option<SessionRow>, GuardError> {
    let Some(secret) = cookie(headers) else { return Ok(None) };
    let mut db = server.context.db.read().acquire().await?;
    store::session(&mut db, &secret_hash(secret), server.context.now()).await
}

/// Whether who opened a long answer with these headers may still have it.
pub async fn still_admitted(server: &Server, headers: &HeaderMap) -> bool {
    let admitted = async {
        let Some(token) = bearer(headers) else { return Ok(session(server, headers).await?.is_some()) };
        let mut db = server.context.db.read().acquire().await?;
        Ok::<_, GuardError>(store::token(&mut db, &secret_hash(token), server.context.now()).await?.is_some())
    };
    admitted.await.unwrap_or(false)
}

fn due_to_store(used_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(used_at).as_secs() >= USED_EVERY_S
}

/// Stores a last use; a full disk must not keep anybody out.
async fn remember_use(server: &Server, put: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> Result<(), GuardError>) {
    let stored = async {
        let mut tx = server.begin().await?;
        put(&mut tx).await?;
        tx.commit().await.map_err(GuardError::from)
    };
    if let Err(error) = stored.await {
        tracing::warn!(error = %error, "could not remember the use of a session or token");
    }
}

async fn token_caller(server: &Server, token: &str, address: IpAddr) -> Result<Caller, ApiError> {
    let now = server.context.now();
    let mut db = server.context.db.read().acquire().await?;
    let row = store::token(&mut db, &secret_hash(token), now).await?.ok_or_else(|| {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "the token is unknown or has ended")
            .hint("make a new one with `palisade api-token create` on the server's machine")
    })?;
    drop(db);
    if row.used_at.is_none_or(|used| due_to_store(used, now)) {
        let from = address.to_string();
        remember_use(server, async |tx| store::token_used(tx, &row.name, now, &from).await).await;
    }
    Ok(Caller { name: format!("token {}", row.name), role: row.role, address: Some(address) })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// The session's secret, from the cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get(header::COOKIE)?.to_str().ok()?;
    all.split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// What a page sends must come from our own pages: a browser says in `Origin` which page it was.
fn own_page(request: &Parts) -> Result<(), ApiError> {
    let Some(origin) = request.headers.get(header::ORIGIN) else { return Ok(()) };
    // HTTP/2 carries the host in the address, HTTP/1 in a header
    let host = request.uri.authority().map(|a| a.as_str());
    let host = host.or_else(|| request.headers.get(header::HOST).and_then(|v| v.to_str().ok()));
    let page = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, page)| page);
    if page.is_some() && page == host { Ok(()) } else { Err(cross_site()) }
}

/// A change by cookie carries the session's own token, which a foreign page cannot read.
fn csrf_ok(headers: &HeaderMap, csrf: &str) -> Result<(), ApiError> {
    let given = headers.get(CSRF_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // compared as hashes, so that the time taken tells nothing about the right one
    if secret_hash(given) == secret_hash(csrf) { Ok(()) } else { Err(cross_site()) }
}

fn cross_site() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "cross_site", "this change does not come from this server's own pages")
        .hint("reload the page and try again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_page_sends_must_come_from_a_page_of_this_server() {
        let sent = |origin: Option<&str>, host: &str| {
            let mut request = axum::http::Request::builder().uri("/api/v1/session").header(header::HOST, host);
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            own_page(&request.body(()).unwrap().into_parts().0).is_ok()
        };
        assert!(sent(Some("https://console:8443"), "console:8443"));
        assert!(sent(None, "console:8443"), "a program sends no Origin");
        for foreign in ["https://evil.example", "https://console", "null", "https://console:8443.evil.example"] {
            assert!(!sent(Some(foreign), "console:8443"), "{foreign}");
        }
    }

    #[test]
    fn a_change_by_cookie_needs_the_sessions_token() {
        let mut headers = HeaderMap::new();
        assert!(csrf_ok(&headers, "right").is_err());
        headers.insert(CSRF_HEADER, "right".parse().unwrap());
        assert!(csrf_ok(&headers, "right").is_ok());
        assert!(csrf_ok(&headers, "other").is_err());
    }
}
