//! The endpoints of probes.

use super::look;
use super::spec::ProbeSpec;
use super::store::{self, LastLook, Probe};
use crate::Monitor;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use palisade_core::{HostId, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, Can, Operator, Page, PageParams, Role};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Looks that are asked for by hand at a time.
const RUNS_MAX: usize = 16;
static RUNS: Semaphore = Semaphore::const_new(RUNS_MAX);

/// The router.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new().routes(routes!(probes_list)).routes(routes!(probe_run))
}

/// What may be done with a probe.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeCan {
    /// Look now.
    run: Can,
}

/// A probe and how it stands.
#[derive(Debug, Serialize, ToSchema)]
struct ProbeView {
    /// Its name.
    name: String,
    /// The version of its document.
    version: u64,
    /// What it looks at.
    spec: ProbeSpec,
    /// The host whose series it becomes; absent when the server has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    host: Option<HostId>,
    /// How the newest look ended; absent before the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastLook>,
    /// The share of the looks of the last 24 hours at which the target was up.
    #[serde(skip_serializing_if = "Option::is_none")]
    up_share_24h: Option<f64>,
    /// What may be done with it.
    can: ProbeCan,
}

/// Every probe and how its newest look ended.
#[utoipa::path(get, path = "/api/v1/monitor/probes", tag = "monitor", params(PageParams), responses((status = 200, body = Page<ProbeView>)))]
async fn probes_list(
    caller: Caller,
    State(context): State<ServerContext>,
    Extension(monitor): Extension<Monitor>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<ProbeView>>, ApiError> {
    let mut db = context.db.read().acquire().await?;
    let own = context.own.as_ref();
    let all = store::probes(&mut db).await?;
    let wanted = all.into_iter().filter(|probe| params.matches(&[&probe.name, &probe.spec.target])).collect();
    let mut page = Page::of(wanted, &params)?.because("there are no probes; apply a document of kind `Probe`");
    let hosts: BTreeSet<HostId> = page.items.iter().filter_map(|probe: &Probe| probe.host(own)).collect();
    let hosts: Vec<HostId> = hosts.into_iter().collect();
    let shares = store::up_shares(&mut db, &monitor.store, &hosts, context.now()).await?;
    let mut looks = store::last_looks(&mut db).await?;
    let items = std::mem::take(&mut page.items).into_iter().map(|probe| view(probe, own, &shares, &mut looks, &caller));
    let items = items.collect();
    Ok(Json(Page { items, total: page.total, next_cursor: page.next_cursor, reason: page.reason }))
}

fn view(
    probe: Probe,
    own: Option<&HostId>,
    shares: &HashMap<(HostId, String), f64>,
    looks: &mut HashMap<String, (u64, LastLook)>,
    caller: &Caller,
) -> ProbeView {
    let host = probe.host(own);
    let up_share_24h = host.clone().and_then(|host| shares.get(&(host, probe.name.clone())).copied());
    let last = looks.remove(&probe.name).map(|(_, look)| look);
    let can = ProbeCan { run: caller.can(Role::Operator) };
    ProbeView { host, last, up_share_24h, can, name: probe.name, version: probe.version, spec: probe.spec }
}

/// Looks now, and answers with how that ended.
#[utoipa::path(post, path = "/api/v1/monitor/probes/{name}/run", tag = "monitor", params(("name" = String, Path, description = "The probe")), responses((status = 200, body = LastLook)))]
async fn probe_run(
    _: Operator,
    State(context): State<ServerContext>,
    Extension(monitor): Extension<Monitor>,
    Path(name): Path<String>,
) -> Result<Json<LastLook>, ApiError> {
    let probe = store::probe_named(&mut *context.db.read().acquire().await?, &name).await?;
    let probe = probe.ok_or_else(|| ApiError::not_found(format!("probe `{}`", name.escape_default())))?;
    let place = RUNS.try_acquire().map_err(|_| {
        ApiError::conflict(format!("{RUNS_MAX} looks that were asked for are under way")).hint("try again in a minute")
    })?;
    let began: Timestamp = context.now();
    let outcome = look::look(&probe.spec).await;
    drop(place);
    let mut tx = context.begin().await?;
    let look = store::look_put(&mut tx, &monitor.store, context.own.as_ref(), (&probe, &outcome), began).await?;
    tx.commit().await?;
    context.publish(&["monitor"]);
    Ok(Json(look))
}
