//! A host joins: it shows a token and a certificate request, and becomes one of the fleet.
//!
//! Anybody may call this. What keeps others out is the token, 256 random bits of which only a hash is
//! stored; a token that is not known costs one look into an index, whatever else stands in the request.
//! All that a join changes is one transaction: one that fails uses nothing up.

use super::access::Origin;
use super::ca::SignedHost;
use super::guessing::{self, Blocked};
use super::join_name::{self, NoPlace, Place};
use super::join_store::{self as store, JoinTokenRow};
use super::{Server, access, fleet, session, trust_store as certificates};
use crate::link::join::{JoinParams, JoinToken, Joined};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use palisade_core::{Actor, Event, HostId, Outcome, Severity, Standing, Timestamp, VerdictWord};
use palisade_guard::api::{ApiError, Body, ErrorBody};
use palisade_guard::db::Write;
use palisade_guard::store::{self as frame, HostRow};
use std::net::IpAddr;

/// Under which tokens that were refused are counted by address; no user can have this name.
const COUNTED_AS: &str = "join token";
/// The longest request that is read, in bytes; one with a key on P-256 has about 400.
const CSR_BYTES_MAX: usize = 8 << 10;
const MACHINE_BYTES_MAX: usize = 64;
/// Of what a host says about itself.
const ADDRESSES_MAX: usize = 1_024;
const FACT_BYTES_MAX: usize = 256;

/// Joins a host to the fleet.
#[utoipa::path(post, path = "/api/v1/join", tag = "frame", request_body = JoinParams, responses(
    (status = 200, body = Joined), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 409, body = ErrorBody), (status = 429, body = ErrorBody)))]
pub async fn join(
    State(server): State<Server>,
    ConnectInfo(origin): ConnectInfo<Origin>,
    Body(params): Body<JoinParams>,
) -> Result<Json<Joined>, ApiError> {
    let (from, now) = (session::address(origin), server.context.now());
    checked(&params)?;
    // counted by address alone: strangers must not slow the joining of others
    let tried = server.access.guessing.begin(COUNTED_AS, &guessing::place(from), true, now);
    let tried = tried.map_err(|blocked| locked(&blocked))?;
    match admit(&server, &params, from, now).await {
        Err(Refusal::Noted(error)) => {
            server.access.guessing.failed(&tried, 1);
            note_refusal(&server, &params.name, from, now, error.message()).await;
            Err(error)
        }
        Err(Refusal::Other(error)) => {
            server.access.guessing.undone(&tried);
            Err(error)
        }
        Ok(joined) => {
            server.access.guessing.succeeded(&tried);
            // a connection with the certificate of before must not live on
            server.context.cut(&joined.host);
            server.context.publish(&["hosts", "join-tokens", "journal"]);
            Ok(Json(joined))
        }
    }
}

fn locked(blocked: &Blocked) -> ApiError {
    let (Blocked::Locked(until) | Blocked::Slowed(until)) = blocked;
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "locked", "joining was refused too often from here")
        .hint(format!("joining from this address is locked until {}", until.strftime("%H:%M UTC")))
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BadToken {
    Unknown,
    Expired,
    Used,
}

enum Refusal {
    /// It is counted, and stands in the audit log.
    Noted(ApiError),
    /// A mistake of the caller or a fault of ours.
    Other(ApiError),
}

impl Refusal {
    fn noted(why: impl Into<ApiError>) -> Refusal {
        Refusal::Noted(why.into())
    }
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal::Other(error.into())
    }
}

/// What can be told without the database.
fn checked(params: &JoinParams) -> Result<(), ApiError> {
    let too_long = |what: &str, bytes: usize| ApiError::invalid(format!("`{what}` is longer than {bytes} bytes"));
    if params.csr.len() > CSR_BYTES_MAX {
        return Err(too_long("csr", CSR_BYTES_MAX));
    }
    let hexadecimal =
        |m: &str| m.len() <= MACHINE_BYTES_MAX && !m.is_empty() && m.bytes().all(|b| b.is_ascii_hexdigit());
    if !params.machine.as_deref().is_none_or(hexadecimal) {
        return Err(ApiError::invalid(format!("`machine` must be 1 to {MACHINE_BYTES_MAX} hexadecimal digits")));
    }
    let Some(facts) = &params.facts else { return Ok(()) };
    let lists = facts.addresses.len().max(facts.permit.len());
    if lists > ADDRESSES_MAX {
        return Err(ApiError::invalid(format!("`facts` has a list of more than {ADDRESSES_MAX} entries")));
    }
    let texts =
        [&facts.os, &facts.kernel, &facts.agent_version].into_iter().chain(&facts.addresses).chain(&facts.permit);
    match texts.map(String::len).max() {
        Some(bytes) if bytes > FACT_BYTES_MAX => Err(too_long("facts", FACT_BYTES_MAX)),
        _ => Ok(()),
    }
}

/// The join itself: all of it or nothing.
async fn admit(server: &Server, params: &JoinParams, from: IpAddr, now: Timestamp) -> Result<Joined, Refusal> {
    let token: JoinToken = params.token.parse().map_err(|_| Refusal::noted(BadToken::Unknown))?;
    let hash = access::secret_hash(&token.secret());
    let row = known(server, &hash, now).await?;
    let mut tx = server.begin().await?;
    if !store::join_token_take(&mut tx, &hash, now).await? {
        // another host was faster
        return Err(Refusal::noted(BadToken::Used));
    }
    // the others matter only when the name is taken
    let is_free = frame::host(&mut tx, &params.name).await?.is_none();
    let hosts = if is_free { Vec::new() } else { frame::hosts(&mut tx).await? };
    let place = join_name::place(&params.name, params.machine.as_deref(), &hosts).map_err(Refusal::noted)?;
    let (host, before) = match place {
        Place::New(id) => (HostRow::new(id, now), None),
        Place::Taken(id) => {
            let row = hosts.into_iter().find(|h| h.id == id).ok_or_else(|| ApiError::not_found("the host"))?;
            (row.clone(), Some(row))
        }
    };
    let signed = server.authority.sign_host(&params.csr, &host.id, now)?;
    let host = with_what_it_joined(host, &row, params, &signed);
    let others = store_host(server, &mut tx, &host, &signed, before.as_ref(), now).await?;
    store::join_put(&mut tx, &row.id, host.id.as_str(), now).await?;
    server.context.record(&mut tx, &joined_event(&host, before.as_ref(), params, &row, from, now)).await?;
    tx.commit().await?;
    server.context.wake_agents_of(&others);
    Ok(Joined {
        host: host.id,
        chain: signed.chain_pem,
        root: server.authority.root_pem(),
        profile: host.profile,
        region: host.region,
        tags: host.tags,
    })
}

/// The token, if it can be used now. Nothing is written for one that cannot.
async fn known(server: &Server, hash: &str, now: Timestamp) -> Result<JoinTokenRow, Refusal> {
    let mut db = server.context.db.read().acquire().await?;
    let row = store::join_token(&mut db, hash).await?.ok_or_else(|| Refusal::noted(BadToken::Unknown))?;
    if row.expires_at <= now {
        return Err(Refusal::noted(BadToken::Expired));
    }
    if row.uses_left == 0 {
        return Err(Refusal::noted(BadToken::Used));
    }
    Ok(row)
}

/// The host as it is from now on. Region and tags that operators gave to a host that joins again stay
/// where the token has none.
fn with_what_it_joined(mut host: HostRow, token: &JoinTokenRow, params: &JoinParams, signed: &SignedHost) -> HostRow {
    host.profile = token.profile;
    host.region = token.region.clone().or(host.region);
    for (key, value) in token.tags.iter() {
        if let Err(error) = host.tags.set(key, value) {
            tracing::warn!(host.id = %host.id, %error, "a tag of the join token is left out");
        }
    }
    host.standing = Standing::Active;
    host.kind = palisade_core::HostKind::Agent;
    host.machine = params.machine.clone();
    host.serial = Some(signed.serial.clone());
    host.facts = params.facts.clone().unwrap_or(host.facts);
    host
}

/// The host with its one certificate: whatever it had before lets nobody in any more. Returns the
/// other hosts that get other specs by it.
async fn store_host(
    server: &Server,
    tx: &mut Write,
    host: &HostRow,
    signed: &SignedHost,
    before: Option<&HostRow>,
    now: Timestamp,
) -> Result<Vec<HostId>, Refusal> {
    frame::host_put(tx, host).await?;
    fleet::welcome(server, tx, &host.id).await?;
    let others = server.context.host_changed(tx, &host.id).await?;
    certificates::certificate_insert(tx, &host.id, signed, now).await?;
    certificates::certificates_revoke(tx, &host.id, &[&signed.serial], "the host has joined again", now).await?;
    if before.is_some_and(|b| b.standing == Standing::Retired) {
        let reason = "has joined again and was not heard of yet";
        frame::verdict_put(tx, &host.id, VerdictWord::Never, Some(reason), now, now).await?;
    }
    Ok(others)
}

fn joined_event(
    host: &HostRow,
    before: Option<&HostRow>,
    params: &JoinParams,
    token: &JoinTokenRow,
    from: IpAddr,
    now: Timestamp,
) -> Event {
    let again = match before.map(|b| b.standing) {
        None => "joined",
        Some(Standing::Retired) => "joined in place of the retired host of this name",
        Some(_) => "joined again; its certificate of before is no longer taken",
    };
    let asked = if params.name == host.id { String::new() } else { format!("; it asked to be `{}`", params.name) };
    Event {
        host: Some(host.id.clone()),
        data: serde_json::json!({ "token": token.id, "serial": host.serial, "asked": params.name }),
        ..event(&host.id, from, now, format!("{again} with the token {}{asked}", token.id))
    }
}

/// An event about a host that joins or wants to.
fn event(host: &HostId, from: IpAddr, now: Timestamp, message: String) -> Event {
    Event {
        time: now,
        kind: "frame.host.join".to_owned(),
        host: None,
        severity: Severity::Informational,
        outcome: Outcome::Success,
        actor: Actor { name: "agent".to_owned(), from: Some(from.to_string()) },
        message,
        object: Some(host.to_string()),
        audit: true,
        data: serde_json::Value::Null,
    }
}

/// Writes a refusal into the audit log. The address is locked after a few, so that nobody can fill
/// the log from one.
async fn note_refusal(server: &Server, name: &HostId, from: IpAddr, now: Timestamp, why: &str) {
    let message = format!("a host that wants to be `{name}` was refused: {why}");
    let refused = Event { severity: Severity::Low, outcome: Outcome::Refused, ..event(name, from, now, message) };
    if let Err(error) = server.record(&refused).await {
        tracing::warn!(error = palisade_guard::contract::chain(&error), "could not record a refused join");
    }
}

impl BadToken {
    fn message(self) -> &'static str {
        match self {
            BadToken::Unknown => "this server does not know the join token",
            BadToken::Expired => "the join token has expired",
            BadToken::Used => "the join token is used up",
        }
    }
}

impl From<BadToken> for ApiError {
    fn from(why: BadToken) -> ApiError {
        let code = match why {
            BadToken::Unknown => "join_token_unknown",
            BadToken::Expired => "join_token_expired",
            BadToken::Used => "join_token_used",
        };
        ApiError::new(StatusCode::UNAUTHORIZED, code, why.message())
            .hint("make a new one on the server with `palisade join-token create`")
    }
}

impl From<NoPlace> for ApiError {
    fn from(why: NoPlace) -> ApiError {
        let hint = match &why {
            NoPlace::Revoked(_) => "join under another name with --name",
            NoPlace::Full(_) => "retire hosts that are gone, or join under another name with --name",
        };
        let code = if matches!(why, NoPlace::Revoked(_)) { "host_revoked" } else { "name_taken" };
        ApiError::new(StatusCode::CONFLICT, code, why.to_string()).hint(hint)
    }
}

#[cfg(test)]
mod tests;
