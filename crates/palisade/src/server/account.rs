//! One's own account: the password and the second factor. Only for users, never for tokens.

use super::access::SignedIn;
use super::proof::{self, Claim};
use super::user_store::{self as store, UserRow};
use super::{Server, access_store, password, tokens, totp, welcome};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use palisade_core::Timestamp;
use palisade_guard::api::{ApiError, Body, Caller, ErrorBody, Role};
use palisade_guard::db::Write;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// One's own account.
#[derive(Serialize, ToSchema)]
pub struct AccountView {
    name: String,
    role: Role,
    /// Whether a second factor is in force.
    totp: bool,
    /// Recovery codes that were not used yet.
    recovery_left: i64,
    #[schema(value_type = String, format = DateTime)]
    password_set_at: Timestamp,
    /// When the password has to be changed.
    #[schema(value_type = String, format = DateTime)]
    password_due_at: Timestamp,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordParams {
    old: String,
    new: String,
}

/// A second factor that waits for its first code.
#[derive(Serialize, ToSchema)]
pub struct TotpStarted {
    /// To be typed into an authenticator (base32).
    secret: String,
    /// The same as an address that authenticators read.
    uri: String,
    /// The same as a picture: an SVG document.
    qr_svg: String,
}

/// The first code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpConfirmParams {
    code: String,
}

/// A second factor is in force.
#[derive(Serialize, ToSchema)]
pub struct TotpConfirmed {
    /// Each signs in once without the authenticator; shown this once.
    recovery: Vec<String>,
}

/// Who takes a second factor away must have it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TotpEndParams {
    password: String,
    /// Six digits, or a recovery code.
    code: String,
}

/// The caller's own account.
#[utoipa::path(get, path = "/api/v1/account", tag = "frame",
    responses((status = 200, body = AccountView), (status = 403, body = ErrorBody)))]
pub async fn show(State(server): State<Server>, signed_in: SignedIn) -> Result<Json<AccountView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let user = own(&mut db, &signed_in).await?;
    Ok(Json(AccountView {
        recovery_left: store::recovery_count(&mut db, &user.name).await?,
        name: user.name,
        role: user.role,
        totp: user.totp.is_some(),
        password_set_at: user.password_at,
        password_due_at: password::due_at(user.password_at),
    }))
}

/// Changes the caller's own password; their other sessions end.
#[utoipa::path(post, path = "/api/v1/account/password", tag = "frame", request_body = PasswordParams,
    responses((status = 204), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn password_change(
    State(server): State<Server>,
    caller: Caller,
    signed_in: SignedIn,
    Body(params): Body<PasswordParams>,
) -> Result<StatusCode, ApiError> {
    let (name, now) = (signed_in.0.name.clone(), server.context.now());
    proof::prove_password(&server, &name, params.old, from(&caller)).await.map_err(still_signed_in)?;
    password::rule(&name, &params.new)?;
    welcome::not_used_before(&server, &name, &params.new).await?;
    let hash = server.access.hasher.hash(params.new).await?;
    let mut tx = server.begin().await?;
    welcome::password_put(&mut tx, &name, &hash, &signed_in.0.id, now).await?;
    record(&server, &mut tx, &caller, "frame.user.password", "changed the own password").await?;
    done(&server, tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a second factor: it is in force once its first code is confirmed.
#[utoipa::path(post, path = "/api/v1/account/totp", tag = "frame",
    responses((status = 200, body = TotpStarted), (status = 409, body = ErrorBody)))]
pub async fn totp_begin(
    State(server): State<Server>,
    caller: Caller,
    signed_in: SignedIn,
) -> Result<Json<TotpStarted>, ApiError> {
    let mut tx = server.begin().await?;
    let user = own(&mut tx, &signed_in).await?;
    if user.totp.is_some() {
        return Err(ApiError::conflict("a second factor is in force already").hint("end it first, with a code of it"));
    }
    let secret = totp::new_secret();
    let uri = totp::uri(&server.name, &user.name, &secret);
    let qr_svg = totp::qr_svg(&uri).map_err(|e| ApiError::invalid(format!("the picture: {e}")))?;
    store::totp_begin(&mut tx, &user.name, &secret).await?;
    record(&server, &mut tx, &caller, "frame.user.totp", "began a second factor").await?;
    tx.commit().await?;
    server.context.publish(&["journal"]);
    Ok(Json(TotpStarted { secret, uri, qr_svg }))
}

/// Confirms the first code: the second factor is in force, and the caller's other sessions end.
#[utoipa::path(post, path = "/api/v1/account/totp/confirm", tag = "frame", request_body = TotpConfirmParams,
    responses((status = 200, body = TotpConfirmed), (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn totp_confirm(
    State(server): State<Server>,
    caller: Caller,
    signed_in: SignedIn,
    Body(params): Body<TotpConfirmParams>,
) -> Result<Json<TotpConfirmed>, ApiError> {
    let mut tx = server.begin().await?;
    let user = own(&mut tx, &signed_in).await?;
    let secret = user.totp_pending.ok_or_else(|| {
        ApiError::conflict("no second factor was begun").hint("begin with `POST /api/v1/account/totp`")
    })?;
    let step = totp::step(&secret, params.code.trim(), server.context.now().as_second()).ok_or_else(|| {
        ApiError::new(StatusCode::BAD_REQUEST, "wrong_code", "`code` is not the present one of this secret")
            .hint("codes change every 30 s; check the clock of the telephone, and of the server")
    })?;
    let recovery = totp::new_recovery();
    let hashes: Vec<String> = recovery.iter().map(|code| totp::recovery_hash(code)).collect();
    store::totp_confirm(&mut tx, &user.name, step, &hashes).await?;
    access_store::sessions_delete(&mut tx, &user.name, &signed_in.0.id).await?;
    record(&server, &mut tx, &caller, "frame.user.totp", "put a second factor in force").await?;
    done(&server, tx).await?;
    Ok(Json(TotpConfirmed { recovery }))
}

/// Takes the caller's own second factor away.
#[utoipa::path(delete, path = "/api/v1/account/totp", tag = "frame", request_body = TotpEndParams,
    responses((status = 204), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn totp_end(
    State(server): State<Server>,
    caller: Caller,
    signed_in: SignedIn,
    Body(params): Body<TotpEndParams>,
) -> Result<StatusCode, ApiError> {
    let name = signed_in.0.name.clone();
    {
        let mut db = server.context.db.read().acquire().await?;
        if own(&mut db, &signed_in).await?.totp.is_none() {
            return Err(ApiError::conflict("no second factor is in force"));
        }
    }
    let claim = Claim { name: &name, password: params.password, code: Some(&params.code), from: from(&caller) };
    proof::prove(&server, claim).await.map_err(still_signed_in)?;
    let mut tx = server.begin().await?;
    store::totp_delete(&mut tx, &name).await?;
    record(&server, &mut tx, &caller, "frame.user.totp", "took the own second factor away").await?;
    done(&server, tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user of the session, as stored now.
async fn own(db: &mut sqlx::SqliteConnection, signed_in: &SignedIn) -> Result<UserRow, ApiError> {
    store::user(db, &signed_in.0.name).await?.ok_or_else(ApiError::unauthenticated)
}

/// A wrong password here is no end of the session: 403, since pages take 401 for that.
fn still_signed_in(error: ApiError) -> ApiError {
    if error.status() != StatusCode::UNAUTHORIZED {
        return error;
    }
    ApiError::new(
        StatusCode::FORBIDDEN,
        "wrong_credentials",
        error.message().replace("name, ", "").replace("name or ", ""),
    )
}

fn from(caller: &Caller) -> IpAddr {
    caller.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

async fn record(server: &Server, tx: &mut Write, caller: &Caller, kind: &str, message: &str) -> Result<(), ApiError> {
    let event = tokens::event(server.context.now(), kind, caller, &caller.name, message.to_owned());
    Ok(server.context.record(tx, &event).await?)
}

/// Commits a change after which others may have less.
async fn done(server: &Server, tx: Write) -> Result<(), ApiError> {
    tx.commit().await?;
    server.access.less();
    server.context.publish(&["sessions", "users", "journal"]);
    Ok(())
}
