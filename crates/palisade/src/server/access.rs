//! Who is calling: tokens, sessions, lock-outs, and the layer that lets nobody through unseen.

use super::body::{self, Kept};
use super::{Server, access_store as store};
use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_core::Timestamp;
use palisade_guard::api::{ApiError, Caller, Role};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

/// The session cookie; the prefix makes browsers insist on Secure, Path=/ and no Domain.
pub const COOKIE: &str = "__Host-palisade";
/// The header that a change by cookie must carry.
pub const CSRF_HEADER: &str = "x-palisade-csrf";
/// What anybody may ask without signing in, beside static files. All else is refused.
pub const ANONYMOUS: [(&str, &str); 3] =
    [("GET", "/api/v1/sign-in"), ("POST", "/api/v1/session"), ("POST", "/api/v1/welcome")];
/// What a viewer may send although it is no GET: it changes nothing that lasts.
const VIEWER_MAY: [(&str, &str); 2] = [("DELETE", "/api/v1/session"), ("POST", "/api/v1/monitor/live")];

const FAILURES_MAX: u32 = 5;
const LOCKED_S: i64 = 15 * 60;
const LOCKS_KEPT_MAX: usize = 10_000;

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

/// Failed sign-ins by name and address, in memory.
#[derive(Default)]
pub struct Access {
    failures: Mutex<HashMap<(String, IpAddr), (u32, Timestamp)>>,
    /// Argon2 is heavy on purpose; two at a time leave the server alive under guessing.
    hashing: std::sync::OnceLock<tokio::sync::Semaphore>,
}

impl Access {
    /// Until when this name is locked from this address.
    pub fn locked_until(&self, name: &str, from: IpAddr, now: Timestamp) -> Option<Timestamp> {
        let failures = self.failures.lock().expect("no panic while held");
        let (count, last) = failures.get(&(name.to_owned(), from))?;
        let until = *last + jiff::SignedDuration::from_secs(LOCKED_S);
        (*count >= FAILURES_MAX && until > now).then_some(until)
    }

    /// Counts a failed or successful sign-in.
    pub fn tried(&self, name: &str, from: IpAddr, ok: bool, now: Timestamp) {
        let mut failures = self.failures.lock().expect("no panic while held");
        if ok {
            failures.remove(&(name.to_owned(), from));
            return;
        }
        if failures.len() >= LOCKS_KEPT_MAX {
            failures.retain(|_, (_, last)| now.duration_since(*last).as_secs() < LOCKED_S);
        }
        let entry = failures.entry((name.to_owned(), from)).or_insert((0, now));
        if now.duration_since(entry.1).as_secs() >= LOCKED_S {
            entry.0 = 0;
        }
        *entry = (entry.0 + 1, now);
    }

    /// Whether the password is the one of the hash; takes as long for a user that does not exist.
    pub async fn password_ok(&self, password: String, hash: Option<String>) -> bool {
        let _turn = self.turn().await;
        let checked = tokio::task::spawn_blocking(move || {
            let hash = hash.unwrap_or_else(|| DUMMY_HASH.to_owned());
            PasswordHash::new(&hash).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
        });
        checked.await.unwrap_or(false)
    }

    /// The hash to store.
    pub async fn password_hash(&self, password: String) -> Result<String, ApiError> {
        let _turn = self.turn().await;
        let hashed = tokio::task::spawn_blocking(move || {
            Argon2::default()
                .hash_password(password.as_bytes(), &SaltString::generate(&mut OsRng))
                .map(|h| h.to_string())
        });
        match hashed.await {
            Ok(Ok(hash)) => Ok(hash),
            _ => Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the password could not be hashed")),
        }
    }

    async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.hashing.get_or_init(|| tokio::sync::Semaphore::new(2)).acquire().await.ok()
    }
}

/// A hash of nothing in particular, for names that do not exist; nobody knows a password for it.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

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

/// The mission's password rule: at least eight characters of four classes.
pub fn password_rule(name: &str, password: &str) -> Result<(), ApiError> {
    let has = |class: fn(char) -> bool| password.chars().any(class);
    let classes =
        [has(|c| c.is_uppercase()), has(|c| c.is_lowercase()), has(|c| c.is_numeric()), has(|c| !c.is_alphanumeric())];
    let weak = password.chars().count() < 8
        || classes.contains(&false)
        || password.to_lowercase().contains(&name.to_lowercase());
    if weak {
        return Err(ApiError::invalid(
            "`password` needs at least eight characters with upper case, lower case, a number and a special character, and must not contain the name",
        ));
    }
    if password.len() > 1024 {
        return Err(ApiError::invalid("`password` is longer than 1,024 bytes"));
    }
    Ok(())
}

/// Finds out who calls, and refuses what they may not do. Everything passes here; what is not
/// listed as anonymous needs a caller, and what changes something needs more than a viewer.
pub async fn layer(State(server): State<Server>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = admitted(&server, &parts).await;
    let kept = match &caller {
        Err(_) => Kept::Nothing,
        Ok(_) if anonymous(&parts.method, parts.uri.path()) => Kept::Little,
        Ok(_) => Kept::by(&parts.method, parts.uri.path()),
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
    let caller = identify(server, request).await?.ok_or_else(ApiError::unauthenticated)?;
    permitted(&caller, &request.method, request.uri.path())?;
    extensions.insert(caller);
    Ok(extensions)
}

fn anonymous(method: &Method, path: &str) -> bool {
    ANONYMOUS.contains(&(method.as_str(), path))
}

fn permitted(caller: &Caller, method: &Method, path: &str) -> Result<(), ApiError> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || caller.role > Role::Viewer || VIEWER_MAY.contains(&(method.as_str(), path)) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "needs role operator").hint(format!(
        "you are `{}` with role {}",
        caller.name,
        caller.role.as_str()
    )))
}

async fn identify(server: &Server, request: &Parts) -> Result<Option<Caller>, ApiError> {
    let address = match request.extensions.get::<ConnectInfo<Origin>>().map(|info| info.0) {
        Some(Origin::Socket) => {
            return Ok(Some(Caller { name: "local-root".to_owned(), role: Role::Admin, address: None }));
        }
        Some(Origin::Network(address)) => address,
        None => return Ok(None),
    };
    if let Some(token) = bearer(&request.headers) {
        return token_caller(server, token, address).await.map(Some);
    }
    let Some(secret) = cookie(&request.headers) else { return Ok(None) };
    let now = server.context.now();
    let mut db = server.context.db.read().acquire().await?;
    let Some(session) = store::session(&mut db, &secret_hash(secret), now).await? else { return Ok(None) };
    if !matches!(request.method, Method::GET | Method::HEAD) {
        own_page(request)?;
        csrf_ok(&request.headers, &session.csrf)?;
    }
    Ok(Some(Caller { name: session.name, role: session.role, address: Some(address) }))
}

async fn token_caller(server: &Server, token: &str, address: IpAddr) -> Result<Caller, ApiError> {
    let now = server.context.now();
    let mut db = server.context.db.read().acquire().await?;
    let row = store::token(&mut db, &secret_hash(token), now).await?.ok_or_else(|| {
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", "the token is unknown or has ended")
            .hint("make a new one with `palisade api-token create` on the server's machine")
    })?;
    drop(db);
    // once a minute is enough for "last used"; a full disk must not keep anybody out
    if row.used_at.is_none_or(|used| now.duration_since(used).as_secs() >= 60) {
        let stored = async {
            let mut tx = server.begin().await?;
            store::token_used(&mut tx, &row.name, now, &address.to_string()).await?;
            tx.commit().await.map_err(palisade_guard::GuardError::from)
        };
        if let Err(error) = stored.await {
            tracing::warn!(error = %error, "could not remember the use of a token");
        }
    }
    Ok(Caller { name: format!("token {}", row.name), role: row.role, address: Some(address) })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

/// The session's secret, from the cookie.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
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
    fn the_password_rule_is_the_missions() {
        for (password, ok) in [
            ("Abcdef1!", true),
            ("abcdef1!", false),
            ("Abcdefg!", false),
            ("Abc1!", false),
            ("Abcdefg1", false),
            ("xAnna12!x", false),
        ] {
            assert_eq!(password_rule("anna", password).is_ok(), ok, "{password}");
        }
    }

    #[test]
    fn five_failures_lock_one_name_from_one_address_for_a_quarter_of_an_hour() {
        let (access, now) = (Access::default(), "2026-11-22T12:00:00Z".parse::<Timestamp>().unwrap());
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        (0..5).for_each(|_| access.tried("anna", here, false, now));
        assert!(access.locked_until("anna", here, now).is_some());
        assert!(access.locked_until("anna", there, now).is_none());
        assert!(access.locked_until("anna", here, now + jiff::SignedDuration::from_secs(901)).is_none());
    }

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
