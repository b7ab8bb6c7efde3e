//! One-time links: for the first admin of a server, and for a user to set a password.

use super::access::{self, Origin};
use super::password::{self, PAST_KEPT};
use super::user_store::{self as store, UserRow};
use super::{Server, access_store, proof, session, tokens};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;
use palisade_core::Timestamp;
use palisade_guard::api::{Admin, ApiError, Body, Caller, ErrorBody, Role};
use palisade_guard::db::Write;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A one-time link ends this long after it was made.
const LINK_S: i64 = 24 * 3600;

/// A one-time link is used.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WelcomeParams {
    /// What stands behind `#` in the one-time link.
    token: String,
    /// Needed for the first admin; a link for a user has its name already.
    name: Option<String>,
    password: String,
    /// For a user with a second factor: six digits, or a recovery code.
    totp_code: Option<String>,
}

/// A new one-time link.
#[derive(Serialize, ToSchema)]
pub struct LinkView {
    /// The path with the secret behind `#`, and `&name=` for a link of a user.
    pub path: String,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Sets a password by a one-time link, and signs in. A link without a name makes an admin.
#[utoipa::path(post, path = "/api/v1/welcome", tag = "frame", request_body = WelcomeParams,
    responses((status = 200, body = session::SessionView), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub async fn use_link(
    State(server): State<Server>,
    ConnectInfo(origin): ConnectInfo<Origin>,
    Body(params): Body<WelcomeParams>,
) -> Result<Response, ApiError> {
    let (now, from) = (server.context.now(), session::address(origin));
    // behind `&` stands what the page shows
    let link = access::secret_hash(params.token.split('&').next().unwrap_or_default());
    let (name, user) = addressed(&server, &link, params.name).await?;
    password::rule(&name, &params.password)?;
    if let Some(user) = &user {
        not_used_before(&server, &name, &params.password).await?;
        proof::prove_code(&server, user, params.totp_code.as_deref(), from).await?;
    }
    let hash = server.access.hasher.hash(params.password).await?;
    let mut tx = server.begin().await?;
    if !store::link_take(&mut tx, &link, now).await? {
        return Err(link_ended());
    }
    let caller = |role| Caller { name: name.clone(), role, address: Some(from) };
    let event = match &user {
        Some(user) => {
            password_put(&mut tx, &name, &hash, "", now).await?;
            tokens::event(
                now,
                "frame.user.password",
                &caller(user.role),
                &name,
                "set a password by a one-time link".to_owned(),
            )
        }
        None => {
            if !store::user_insert(&mut tx, &name, Role::Admin, Some(&hash), now).await? {
                return Err(exists(&name));
            }
            tokens::event(
                now,
                "frame.user.create",
                &caller(Role::Admin),
                &name,
                "made an admin by a one-time link".to_owned(),
            )
        }
    };
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.access.less();
    session::start(&server, &name, from, "signed in by a one-time link").await
}

/// Makes a one-time link with which one admin can be made.
#[utoipa::path(post, path = "/api/v1/user-links", tag = "frame", responses((status = 200, body = LinkView)))]
pub async fn link_create(State(server): State<Server>, Admin(caller): Admin) -> Result<Json<LinkView>, ApiError> {
    let mut tx = server.begin().await?;
    let view = link_put(&mut tx, None, server.context.now()).await?;
    let message = "made a one-time link for a new admin".to_owned();
    let event = tokens::event(server.context.now(), "frame.user.link", &caller, "admin", message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["users", "journal"]);
    Ok(Json(view))
}

/// Stores a new link, for a user or for a new admin.
pub async fn link_put(tx: &mut Write, name: Option<&str>, now: Timestamp) -> Result<LinkView, ApiError> {
    let secret = access::new_secret("");
    let expires_at = now + jiff::SignedDuration::from_secs(LINK_S);
    store::link_insert(tx, &access::secret_hash(&secret), name, expires_at).await?;
    let suffix = name.map(|name| format!("&name={name}")).unwrap_or_default();
    Ok(LinkView { path: format!("/welcome#{secret}{suffix}"), expires_at })
}

/// Stores a password in place of the one before, and ends the user's sessions but `but`.
pub async fn password_put(tx: &mut Write, name: &str, hash: &str, but: &str, now: Timestamp) -> Result<(), ApiError> {
    store::password_set(tx, name, hash, PAST_KEPT, now).await?;
    store::links_delete(tx, name).await?;
    access_store::sessions_delete(tx, name, but).await?;
    Ok(())
}

/// Refuses a password that is one of the last.
pub async fn not_used_before(server: &Server, name: &str, password: &str) -> Result<(), ApiError> {
    let past = {
        let mut db = server.context.db.read().acquire().await?;
        store::passwords(&mut db, name, PAST_KEPT).await?
    };
    if server.access.hasher.is_among(password.to_owned(), past).await? {
        let message = format!("`password` needs to differ from the last {PAST_KEPT}");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "weak_password", message));
    }
    Ok(())
}

/// Refuses a user name that has no place in a path or log.
pub fn name_rule(name: &str) -> Result<(), ApiError> {
    let ok = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if name.is_empty() || name.len() > proof::NAME_BYTES_MAX || !name.chars().all(ok) || name.starts_with(['.', '-']) {
        return Err(ApiError::invalid(
            "`name` must be 1 to 64 of letters, digits, `.`, `_`, `-`, `@`, and begin with none of `.` and `-`",
        ));
    }
    if [access::LOCAL_ROOT, "server", "agent"].contains(&name) {
        return Err(ApiError::invalid(format!("`name`: `{name}` is what Palisade calls itself in the audit log")));
    }
    Ok(())
}

/// The answer when a name is taken.
pub fn exists(name: &str) -> ApiError {
    ApiError::conflict(format!("a user `{name}` exists already"))
}

/// Whom a link is for: the user, or the name of an admin to be made.
async fn addressed(server: &Server, link: &str, name: Option<String>) -> Result<(String, Option<UserRow>), ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let Some(named) = store::link(&mut db, link, server.context.now()).await? else { return Err(link_ended()) };
    let Some(own) = named else {
        let name = name.ok_or_else(|| ApiError::invalid("`name` is missing"))?;
        name_rule(&name)?;
        return match store::user(&mut db, &name).await? {
            Some(_) => Err(exists(&name)),
            None => Ok((name, None)),
        };
    };
    if name.is_some_and(|name| name != own) {
        return Err(ApiError::invalid(format!("`name`: this link is for `{own}`")));
    }
    let user = store::user(&mut db, &own).await?.filter(|user| !user.disabled).ok_or_else(link_ended)?;
    Ok((own, Some(user)))
}

fn link_ended() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "link_used", "this link was used or has expired")
        .hint("ask an admin for a new one, or make one on the server's machine with `palisade user link`")
}
