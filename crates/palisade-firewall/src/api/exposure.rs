//! `/api/v1/firewall/exposure` and `/api/v1/firewall/ruleset`: what hosts have reported.

use super::{given, with_nearest};
use crate::WORD;
use crate::model::{Listener, Listeners, Ruleset, Scope};
use crate::views::{ExposureView, HostParams, RulesetView};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use palisade_core::{Finding, HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams};
use palisade_guard::store as frame;
use palisade_guard::{GuardError, ServerContext};
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use std::collections::HashMap;

/// What listens on one host or on all, by host, the widest reach first.
#[utoipa::path(get, path = "/api/v1/firewall/exposure", tag = "firewall", params(HostParams, PageParams),
    responses((status = 200, body = Page<ExposureView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn exposure_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    host: Result<Query<HostParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<ExposureView>>, ApiError> {
    let (host, params) = (given::query(host)?, given::query(params)?);
    let mut db = ctx.db.read().acquire().await?;
    let hosts = chosen(&mut db, host.host.as_deref()).await?;
    let only = host.host.as_ref().and(hosts.first());
    let worst = worst_findings(frame::findings_open(&mut db, only, WORD).await?);
    let (mut views, mut why) = (Vec::new(), None);
    for host in &hosts {
        let Some(listeners) = section::<Listeners>(&mut db, host, "listeners").await? else { continue };
        why = why.or(listeners.unreadable.map(|w| format!("{host}: {w}")));
        let seen = seen(&mut db, host).await?;
        views.extend(listeners.sockets.into_iter().map(|listener| view(host, listener, &worst, seen)));
    }
    views.retain(|v| matches(v, &params));
    let reason =
        if params.q.is_some() { "no socket matches".to_owned() } else { why.unwrap_or_else(|| nothing(&hosts)) };
    Ok(Json(Page::of(views, &params)?.because(reason)))
}

pub(crate) type Worst = HashMap<(HostId, String), Finding>;
pub(crate) type Seen = Option<(Timestamp, Timestamp)>;

/// One socket with the worst finding about its port.
pub(crate) fn view(host: &HostId, listener: Listener, worst: &Worst, seen: Seen) -> ExposureView {
    let mut view = ExposureView::of(host, listener);
    let object = format!("{}/{}", view.protocol, view.port);
    if view.scope > Scope::Host {
        view.finding = worst.get(&(host.clone(), object)).map(|f| f.id.clone());
    }
    (view.observed_at, view.fresh_until) = (seen.map(|s| s.0), seen.map(|s| s.1));
    view
}

/// The worst finding per host and port.
pub(crate) fn worst_findings(findings: impl IntoIterator<Item = Finding>) -> Worst {
    let mut worst = Worst::new();
    for finding in findings {
        let key = (finding.host.clone(), finding.object.clone());
        if worst.get(&key).is_none_or(|known| known.severity < finding.severity) {
            worst.insert(key, finding);
        }
    }
    worst
}

pub(crate) fn matches(view: &ExposureView, params: &PageParams) -> bool {
    let texts = [
        view.host.to_string(),
        format!("{}/{}", view.protocol, view.port),
        view.address.to_string(),
        view.scope.to_string(),
        view.process.clone().unwrap_or_default(),
        view.package.clone().unwrap_or_default(),
    ];
    params.matches(&texts.each_ref().map(String::as_str))
}

/// The nftables tables, ours and foreign ones, of one host or of all.
#[utoipa::path(get, path = "/api/v1/firewall/ruleset", tag = "firewall", params(HostParams, PageParams),
    responses((status = 200, body = Page<RulesetView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn ruleset_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    host: Result<Query<HostParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<RulesetView>>, ApiError> {
    let (host, params) = (given::query(host)?, given::query(params)?);
    let mut db = ctx.db.read().acquire().await?;
    let hosts = chosen(&mut db, host.host.as_deref()).await?;
    let mut views = Vec::new();
    for host in hosts.iter().filter(|h| params.matches(&[h.as_str()])) {
        if let Some(ruleset) = section::<Ruleset>(&mut db, host, "ruleset").await? {
            views.push(ruleset_view(host, ruleset, seen(&mut db, host).await?));
        }
    }
    Ok(Json(Page::of(views, &params)?.because(nothing(&hosts))))
}

/// What one host filters.
pub(crate) fn ruleset_view(host: &HostId, ruleset: Ruleset, seen: Seen) -> RulesetView {
    RulesetView {
        host: host.clone(),
        unreadable: ruleset.unreadable,
        tables: ruleset.tables,
        ours: ruleset.ours,
        legacy: ruleset.legacy,
        observed_at: seen.map(|s| s.0),
        fresh_until: seen.map(|s| s.1),
    }
}

pub(super) async fn chosen(db: &mut SqliteConnection, host: Option<&str>) -> Result<Vec<HostId>, ApiError> {
    let all = frame::hosts_in_service(db).await?;
    let Some(wanted) = host else { return Ok(all) };
    let id: HostId = wanted.parse().map_err(ApiError::invalid)?;
    if frame::host(db, &id).await?.is_some() {
        return Ok(vec![id]);
    }
    Err(with_nearest(ApiError::not_found(format!("host `{id}`")), id.as_str(), &all))
}

/// A section as last reported; none if the host has no kernel to look at, or has not reported.
async fn section<T: DeserializeOwned>(
    db: &mut SqliteConnection,
    host: &HostId,
    name: &str,
) -> Result<Option<T>, GuardError> {
    let Some((_, body)) = frame::section(db, host, WORD, name).await? else { return Ok(None) };
    serde_json::from_value(body).map_err(|source| GuardError::Decode { what: "observation", guard: WORD, source })
}

async fn seen(db: &mut SqliteConnection, host: &HostId) -> Result<Seen, GuardError> {
    let all = frame::freshness(db, host).await?;
    Ok(all.into_iter().find(|f| f.guard == WORD).map(|f| (f.observed_at, f.fresh_until)))
}

fn nothing(hosts: &[HostId]) -> String {
    match hosts {
        [] => "no host has joined yet".to_owned(),
        [one] => format!("{one} has not reported its network side yet"),
        _ => "no host has reported its network side yet".to_owned(),
    }
}
