//! Changes of a host's place in the fleet: region, tags and profile, retiring, revoking.

use super::super::host_kind::HostResource;
use super::super::{Server, tokens, trust_store};
use super::{HostView, find, row, view};
use axum::Json;
use axum::extract::{Path, State as Inject};
use palisade_core::{Event, HostId, HostKind, Profile, Severity, Standing, VerdictWord, region_rule};
use palisade_guard::api::{Admin, ApiError, Body, Caller, ErrorBody, Operator};
use palisade_guard::cli::printable;
use palisade_guard::db::Write;
use palisade_guard::resource;
use palisade_guard::store::{self, HostRow};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What shall be different about a host; what is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostParams {
    /// Where it stands; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    region: Option<Option<String>>,
    /// Tags to set; null takes one away.
    #[serde(default)]
    tags: BTreeMap<String, Option<String>>,
    profile: Option<Profile>,
}

/// Tells null from absent.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Why a host's certificate is withdrawn.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeParams {
    /// Goes into the audit log.
    reason: String,
}

/// Changes region, tags or profile of a host.
#[utoipa::path(patch, path = "/api/v1/hosts/{host}", tag = "frame", params(("host" = String, Path)), request_body = HostParams,
    responses((status = 200, body = HostView), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn change(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Path(host): Path<HostId>,
    Body(params): Body<HostParams>,
) -> Result<Json<HostView>, ApiError> {
    let mut tx = server.begin().await?;
    let before = row(&mut tx, &host).await?;
    if before.standing != Standing::Active {
        return Err(ApiError::conflict(format!("host `{host}` is {}", before.standing.as_str())));
    }
    let mut after = before.clone();
    params.apply(&mut after)?;
    if place(&after) != place(&before) {
        store::host_put(&mut tx, &after).await?;
        store::generations_raise_of(&mut tx, &host).await?;
        let others = server.context.host_changed(&mut tx, &host).await?;
        resource::noted(&mut tx, &HostResource, host.as_str(), &caller.name, server.context.now()).await?;
        let message = format!("changed host {host}: {}", said(&before, &after).join(", "));
        let mut event = event(&server, "frame.host.tag", &caller, &host, message);
        event.data = json!({ "before": place(&before), "after": place(&after) });
        server.context.record(&mut tx, &event).await?;
        tx.commit().await?;
        server.context.publish(&["hosts", "resources", "journal"]);
        server.context.wake_agents_of(std::slice::from_ref(&host));
        server.context.wake_agents_of(&others);
    }
    shown(&server, &host, &caller).await
}

impl HostParams {
    fn apply(&self, row: &mut HostRow) -> Result<(), ApiError> {
        if let Some(region) = &self.region {
            let wrong = |why| ApiError::invalid(format!("`region`: {why}"));
            region.as_deref().map_or(Ok(()), region_rule).map_err(wrong)?;
            row.region.clone_from(region);
        }
        // what goes makes room for what comes
        self.tags.iter().filter(|(_, value)| value.is_none()).for_each(|(key, _)| _ = row.tags.remove(key));
        for (key, value) in self.tags.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            row.tags.set(key, value).map_err(|e| ApiError::invalid(format!("`tags`: {e}")))?;
        }
        row.profile = self.profile.unwrap_or(row.profile);
        Ok(())
    }
}

/// One line of plain text that is not empty.
fn line(name: &str, text: &str, chars_max: usize) -> Result<(), ApiError> {
    let plain = printable(text) == text && text.trim() == text && !text.is_empty();
    if !plain || text.chars().count() > chars_max {
        return Err(ApiError::invalid(format!(
            "`{name}` must be 1 to {chars_max} characters of plain text on one line"
        )));
    }
    Ok(())
}

/// A host's place, for comparing and for the audit log.
fn place(row: &HostRow) -> serde_json::Value {
    json!({ "region": row.region, "tags": row.tags, "profile": row.profile })
}

/// What has changed, in words.
fn said(before: &HostRow, after: &HostRow) -> Vec<String> {
    let mut said = Vec::new();
    if before.region != after.region {
        said.push(after.region.as_ref().map_or("no region".to_owned(), |region| format!("region {region}")));
    }
    let set = after.tags.iter().filter(|(key, value)| before.tags.get(key) != Some(value));
    said.extend(set.map(|(key, value)| format!("tag {key}={value}")));
    let gone = before.tags.iter().filter(|(key, _)| after.tags.get(key).is_none());
    said.extend(gone.map(|(key, _)| format!("no tag {key}")));
    if before.profile != after.profile {
        said.push(format!("profile {}", after.profile.as_str()));
    }
    said
}

/// Takes a host out of service: its certificates are withdrawn, its history stays, and its name is
/// free for another host.
#[utoipa::path(post, path = "/api/v1/hosts/{host}/retire", tag = "frame", params(("host" = String, Path)),
    responses((status = 200, body = HostView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn retire(
    Inject(server): Inject<Server>,
    Admin(caller): Admin,
    Path(host): Path<HostId>,
) -> Result<Json<HostView>, ApiError> {
    let mut tx = server.begin().await?;
    let row = row(&mut tx, &host).await?;
    if row.standing == Standing::Retired {
        return Err(ApiError::conflict(format!("host `{host}` is retired already")));
    }
    refuse(in_the_way(&row), &host)?;
    let event = event(&server, "frame.host.retire", &caller, &host, format!("retired host {host}"));
    let verdict = (VerdictWord::Ended, format!("retired by {}", caller.name));
    end(&server, tx, row, Standing::Retired, verdict, event).await?;
    shown(&server, &host, &caller).await
}

/// Withdraws a host's certificates: whoever holds them is cut off and not let in again.
#[utoipa::path(post, path = "/api/v1/hosts/{host}/revoke", tag = "frame", params(("host" = String, Path)), request_body = RevokeParams,
    responses((status = 200, body = HostView), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn revoke(
    Inject(server): Inject<Server>,
    Admin(caller): Admin,
    Path(host): Path<HostId>,
    Body(params): Body<RevokeParams>,
) -> Result<Json<HostView>, ApiError> {
    line("reason", &params.reason, REASON_CHARS_MAX)?;
    let mut tx = server.begin().await?;
    let row = row(&mut tx, &host).await?;
    if row.standing != Standing::Active {
        return Err(ApiError::conflict(format!("host `{host}` is {} already", row.standing.as_str())));
    }
    refuse(no_certificate(&row), &host)?;
    let message = format!("revoked host {host}: {}", params.reason);
    let mut event = event(&server, "frame.host.revoke", &caller, &host, message);
    event.severity = Severity::Medium;
    let verdict = (VerdictWord::Revoked, format!("revoked by {}: {}", caller.name, params.reason));
    end(&server, tx, row, Standing::Revoked, verdict, event).await?;
    shown(&server, &host, &caller).await
}

/// Why a host cannot be retired: as long as the server's own agent runs, it would come back at once.
pub(super) fn in_the_way(row: &HostRow) -> Option<&'static str> {
    let own = row.kind == HostKind::Agent && row.serial.is_none() && row.standing == Standing::Active;
    (own && row.verdict == VerdictWord::Online).then_some("the server runs on it, and its agent is online")
}

/// Why a host has nothing that could be revoked.
pub(super) fn no_certificate(row: &HostRow) -> Option<&'static str> {
    row.serial.is_none().then_some("it has no certificate")
}

fn refuse(why: Option<&str>, host: &HostId) -> Result<(), ApiError> {
    why.map_or(Ok(()), |why| Err(ApiError::conflict(format!("host `{host}`: {why}"))))
}

/// Ends a host's membership in one transaction, then its live connections.
async fn end(
    server: &Server,
    mut tx: Write,
    mut row: HostRow,
    standing: Standing,
    (word, reason): (VerdictWord, String),
    event: Event,
) -> Result<(), ApiError> {
    let now = server.context.now();
    row.standing = standing;
    store::host_put(&mut tx, &row).await?;
    trust_store::certificates_revoke(&mut tx, &row.id, &[], &reason, now).await?;
    store::verdict_put(&mut tx, &row.id, word, Some(&reason), row.seen_at, now).await?;
    let others = server.context.host_changed(&mut tx, &row.id).await?;
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.wake_agents_of(&others);
    server.context.publish(&["hosts", "findings", "journal"]);
    server.context.cut(&row.id);
    Ok(())
}

fn event(server: &Server, kind: &str, caller: &Caller, host: &HostId, message: String) -> Event {
    let event = tokens::event(server.context.now(), kind, caller, host.as_str(), message);
    Event { host: Some(host.clone()), ..event }
}

async fn shown(server: &Server, host: &HostId, caller: &Caller) -> Result<Json<HostView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let snapshot = find(server, &mut db, host).await?;
    Ok(Json(view::one(server, &mut db, snapshot, caller).await?))
}
