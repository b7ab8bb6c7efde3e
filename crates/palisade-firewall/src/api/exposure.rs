//! `/api/v1/firewall/exposure`, `/matrix` and `/ruleset`: what hosts have reported, and what it means.

use super::{given, look, with_nearest};
use crate::WORD;
use crate::exposure::{Cell, HostLook, Joined, Matrix, joined, matrix};
use crate::group::fleet::Fleets;
use crate::model::{Protocol, Ruleset, Scope};
use crate::services;
use crate::views::{ExposureParams, ExposureView, HostParams, MatrixParams, RulesetView};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use palisade_core::{Finding, HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams};
use palisade_guard::store as frame;
use palisade_guard::{GuardError, ServerContext};
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::Arc;

/// What is open on one host or on all: sockets and published ports, joined with the rules.
#[utoipa::path(get, path = "/api/v1/firewall/exposure", tag = "firewall", params(ExposureParams, PageParams),
    responses((status = 200, body = Page<ExposureView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn exposure_list(
    State(ctx): State<ServerContext>,
    Extension(fleets): Extension<Arc<Fleets>>,
    _: Caller,
    which: Result<Query<ExposureParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<ExposureView>>, ApiError> {
    let (which, params) = (given::query(which)?, given::query(params)?);
    let mut db = ctx.db.read().acquire().await?;
    let hosts = chosen(&mut db, which.host.as_deref()).await?;
    let only = which.host.as_ref().and(hosts.first());
    let worst = worst_findings(frame::findings_open(&mut db, only, WORD).await?);
    let ready = fleets.ready(&mut db, ctx.now(), true).await?;
    let looks = look::looks(&mut db, &ready, &hosts, ctx.now()).await?;
    let why = looks.iter().find_map(|l| Some(format!("{}: {}", l.host, l.unreadable.as_ref()?)));
    let mut views: Vec<ExposureView> = looks
        .into_iter()
        .flat_map(|l| {
            let (host, seen) = (l.host.clone(), l.seen);
            let rows = joined(&l.listeners, &l.published, &l.rules);
            rows.into_iter().map(|row| view(&host, row, &worst, seen)).collect::<Vec<_>>()
        })
        .collect();
    views.retain(|v| matches(v, &params) && which.open.is_none_or(|open| v.open == open));
    let filtered = params.q.is_some() || which.open.is_some();
    let reason = if filtered { "no socket matches".to_owned() } else { why.unwrap_or_else(|| nothing(&hosts)) };
    Ok(Json(Page::of(views, &params)?.because(reason)))
}

/// Hosts by ports: what is open where.
#[utoipa::path(get, path = "/api/v1/firewall/matrix", tag = "firewall", params(MatrixParams),
    responses((status = 200, body = Matrix), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub(super) async fn matrix_show(
    State(ctx): State<ServerContext>,
    Extension(fleets): Extension<Arc<Fleets>>,
    _: Caller,
    params: Result<Query<MatrixParams>, QueryRejection>,
) -> Result<Json<Matrix>, ApiError> {
    let params = given::query(params)?;
    let mut db = ctx.db.read().acquire().await?;
    let hosts = frame::hosts_in_service(&mut db).await?;
    let ready = fleets.ready(&mut db, ctx.now(), true).await?;
    let looks = look::looks(&mut db, &ready, &hosts, ctx.now()).await?;
    let looks: Vec<HostLook> = hosts.iter().map(|host| host_look(host, &looks, ctx.now())).collect();
    let words = PageParams { q: params.q, ..PageParams::default() };
    let mut answer = matrix(&looks, |host, port, cell| cell_matches(&words, host, port, cell));
    if answer.ports.is_empty() {
        let reason = if words.q.is_some() { "nothing matches".to_owned() } else { nothing(&hosts) };
        answer.reason = Some(reason);
    }
    if words.q.is_some() {
        answer.hosts.retain(|row| !row.cells.is_empty());
    }
    Ok(Json(answer))
}

/// A host that has reported nothing has no sockets; what its rules open is all that is known of it.
fn host_look(host: &HostId, looks: &[look::Seen], now: Timestamp) -> HostLook {
    let Ok(place) = looks.binary_search_by(|l| l.host.cmp(host)) else {
        return HostLook { host: host.clone(), observed_at: None, stale: true, rows: Vec::new(), rules: Vec::new() };
    };
    let look = &looks[place];
    let listened = look.seen.filter(|_| look.reported && look.unreadable.is_none());
    HostLook {
        host: host.clone(),
        observed_at: listened.map(|(observed_at, _)| observed_at),
        stale: look.seen.is_none_or(|(_, fresh_until)| fresh_until < now),
        rows: joined(&look.listeners, &look.published, &look.rules),
        rules: look.rules.wanted.clone(),
    }
}

fn cell_matches(words: &PageParams, host: &HostId, (protocol, port): (Protocol, u16), cell: &Cell) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (place, service) = (format!("{protocol}/{port}"), services::common(protocol, port).unwrap_or_default());
    words.matches(&[host.as_str(), &place, service, &text(&cell.process), &text(&cell.package), &text(&cell.rule)])
}

pub(crate) type Worst = HashMap<(HostId, String), Finding>;
pub(crate) type Seen = Option<(Timestamp, Timestamp)>;

/// One socket or published port with the worst finding about it.
pub(crate) fn view(host: &HostId, joined: Joined, worst: &Worst, seen: Seen) -> ExposureView {
    let mut view = ExposureView::of(host, joined);
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
        view.rule.clone().unwrap_or_default(),
        view.database.clone().unwrap_or_default(),
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

pub(super) fn nothing(hosts: &[HostId]) -> String {
    match hosts {
        [] => "no host has joined yet".to_owned(),
        [one] => format!("{one} has not reported its network side yet"),
        _ => "no host has reported its network side yet".to_owned(),
    }
}
