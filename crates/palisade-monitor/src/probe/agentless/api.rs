//! The endpoints of hosts without an agent.

use super::judge::Known;
use super::{key, line, store};
use axum::Json;
use axum::extract::{Path, State};
use palisade_core::{Event, HostId, HostKind, Outcome, Severity, Standing, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Body, Caller, Operator};
use palisade_guard::store as frame_store;
use russh::keys::ssh_key::Fingerprint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The router.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new().routes(routes!(agentless_show)).routes(routes!(agentless_pin))
}

/// A host key.
#[derive(Debug, Serialize, ToSchema)]
struct HostKeyView {
    /// `SHA256:…`, as `ssh-keygen -lf` prints it.
    fingerprint: String,
    /// When an operator has confirmed it; absent while nobody has, and nothing is logged in to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pinned_at: Option<Timestamp>,
}

/// How the newest login ended.
#[derive(Debug, Serialize, ToSchema)]
struct LastVisit {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// True if it brought the host's figures.
    ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A host without an agent: what it needs to let the server in, and how that goes.
#[derive(Debug, Serialize, ToSchema)]
struct AgentlessView {
    /// The host.
    #[schema(value_type = String)]
    host: HostId,
    /// Where it is reached.
    address: String,
    /// The account that the server logs in to.
    user: String,
    /// The port of its SSH service.
    port: u16,
    /// The public half of the server's key.
    public_key: String,
    /// The line for `~/.ssh/authorized_keys` of that account: the key, and the one command that it may run.
    authorized_line: String,
    /// The key that is confirmed, or, while none is, the one that the host shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_key: Option<HostKeyView>,
    /// The key that the host shows, where it is another one than the confirmed: it is not logged in to.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown_key: Option<HostKeyView>,
    /// How the newest login ended; absent before the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastVisit>,
}

/// What a host without an agent needs, and how it stands.
#[utoipa::path(get, path = "/api/v1/monitor/agentless/{host}", tag = "monitor", params(("host" = String, Path, description = "The host")), responses((status = 200, body = AgentlessView)))]
async fn agentless_show(
    _: Caller,
    State(context): State<ServerContext>,
    Path(host): Path<String>,
) -> Result<Json<AgentlessView>, ApiError> {
    let (host, address) = agentless(&context, &host).await?;
    Ok(Json(view(&context, host, address).await?))
}

/// Which key to confirm.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PinParams {
    /// `SHA256:…`, as the host itself says it: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`.
    fingerprint: String,
}

/// Confirms the key of a host: from then on it is logged in to, and refused with any other key.
#[utoipa::path(post, path = "/api/v1/monitor/agentless/{host}/pin", tag = "monitor", params(("host" = String, Path, description = "The host")), request_body = PinParams, responses((status = 200, body = AgentlessView)))]
async fn agentless_pin(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Path(host): Path<String>,
    Body(params): Body<PinParams>,
) -> Result<Json<AgentlessView>, ApiError> {
    let (host, address) = agentless(&context, &host).await?;
    let fingerprint = fingerprint_checked(&params.fingerprint)?;
    let now = context.now();
    let mut tx = context.begin().await?;
    let known = store::known(&mut tx, &host).await?;
    store::known_put(&mut tx, &host, &pinned(known, &fingerprint, now)).await?;
    let event = Event {
        time: now,
        kind: "monitor.host-key.pin".to_owned(),
        host: Some(host.clone()),
        severity: Severity::Medium,
        outcome: Outcome::Success,
        actor: caller.actor(),
        message: format!("{} confirmed the host key of {host}", caller.name),
        object: Some(fingerprint),
        audit: true,
        data: serde_json::Value::Null,
    };
    context.record(&mut tx, &event).await?;
    tx.commit().await?;
    // the round that looks reads the hosts again, and finds this one due
    context.publish(&["hosts", "journal"]);
    Ok(Json(view(&context, host, address).await?))
}

/// Looked at again at once, and told of anew if it then shows another key.
fn pinned(known: Known, fingerprint: &str, now: Timestamp) -> Known {
    let seen = known.seen.clone().filter(|seen| seen == fingerprint);
    Known { pinned: Some(fingerprint.to_owned()), pinned_at: Some(now), seen, looked_at: None, error: None, ..known }
}

fn fingerprint_checked(text: &str) -> Result<String, ApiError> {
    let read = text.trim().parse::<Fingerprint>().ok().filter(|fingerprint| fingerprint.is_sha256());
    read.map(|fingerprint| fingerprint.to_string()).ok_or_else(|| {
        let error = ApiError::invalid("no fingerprint of the form SHA256:…").at("fingerprint");
        error.hint("on the host: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    })
}

async fn agentless(context: &ServerContext, host: &str) -> Result<(HostId, String), ApiError> {
    let unknown = || ApiError::not_found(format!("host `{}`", host.escape_default()));
    let id: HostId = host.parse().map_err(|_| unknown())?;
    let row = frame_store::host(&mut *context.db.read().acquire().await?, &id).await?;
    let row = row.filter(|row| row.standing == Standing::Active).ok_or_else(unknown)?;
    match (row.kind, row.address) {
        (HostKind::Agentless, Some(address)) => Ok((id, address)),
        _ => Err(ApiError::conflict(format!("host `{id}` has an agent: nobody logs in to it"))),
    }
}

async fn view(context: &ServerContext, host: HostId, address: String) -> Result<AgentlessView, ApiError> {
    let public_key = key::public(&*key::key(context).await?)?;
    let known = store::known(&mut *context.db.read().acquire().await?, &host).await?;
    let reached: palisade_core::HostAddress = address.parse().map_err(ApiError::invalid)?;
    let key = |fingerprint: String, pinned_at| HostKeyView { fingerprint, pinned_at };
    let shown_key = known.seen.clone().filter(|seen| known.pinned.as_ref().is_some_and(|pinned| pinned != seen));
    Ok(AgentlessView {
        user: reached.user().to_owned(),
        port: reached.port(),
        authorized_line: line::authorized(&public_key),
        public_key,
        host_key: known.pinned.or(known.seen).map(|fingerprint| key(fingerprint, known.pinned_at)),
        shown_key: shown_key.map(|fingerprint| key(fingerprint, None)),
        last: known.looked_at.map(|at| LastVisit { at, ok: known.ok, error: known.error }),
        host,
        address,
    })
}
