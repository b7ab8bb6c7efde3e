//! Hosts: the list, and one with its guards and practices.

use super::Server;
use super::fleet::{self, HostSnapshot};
use crate::guards;
use axum::Json;
use axum::extract::{Path, Query, State as Inject};
use palisade_core::{Finding, Generation, HostId, PracticeState, State, Timestamp, VerdictWord};
use palisade_guard::api::{ApiError, Caller, Can, ErrorBody, Page, PageParams, Role};
use palisade_guard::store::{self, Freshness};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// How a host was last heard of, and since when that is so.
#[derive(Serialize, ToSchema)]
pub struct Verdict {
    word: VerdictWord,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// A host in a list.
#[derive(Serialize, ToSchema)]
pub struct HostView {
    name: HostId,
    state: State,
    verdict: Verdict,
    os: String,
    kernel: String,
    uptime_s: Option<i64>,
    addresses: Vec<String>,
    agent_version: String,
    tags: Vec<String>,
    worst: Option<Finding>,
    findings_open: usize,
    /// Busy share of the processors, 0 to 1.
    cpu: Option<f64>,
    /// Used share of the memory, 0 to 1.
    memory: Option<f64>,
    /// Used share of the fullest file system, 0 to 1.
    disk: Option<f64>,
    /// Pending updates.
    updates: Option<u64>,
    /// The words of its permit file: what the server may order.
    permit: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    observed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    fresh_until: Timestamp,
    generation: Generation,
    can: BTreeMap<String, Can>,
}

/// One guard on one host.
#[derive(Serialize, ToSchema)]
pub struct GuardView {
    guard: String,
    /// False while this version has no such guard.
    built: bool,
    state: State,
    reason: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    fresh_until: Option<Timestamp>,
    generation: Generation,
    error: Option<String>,
}

/// One host, whole.
#[derive(Serialize, ToSchema)]
pub struct HostDetail {
    #[serde(flatten)]
    host: HostView,
    guards: Vec<GuardView>,
    practices: Vec<PracticeState>,
}

/// All hosts.
#[utoipa::path(get, path = "/api/v1/hosts", tag = "frame", params(PageParams), responses((status = 200, body = Page<HostView>)))]
pub async fn list(
    Inject(server): Inject<Server>,
    caller: Caller,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<HostView>>, ApiError> {
    let all = fleet::snapshot(&server, None).await?;
    let mut views = Vec::new();
    for host in &all {
        if page.matches(&[host.row.id.as_str(), &host.row.facts.os]) {
            views.push(view(&server, host, &caller).await?);
        }
    }
    Ok(Json(Page::of(views, &page)?.because("no host has joined yet, or none matches the filter")))
}

/// One host with its guards and practices.
#[utoipa::path(get, path = "/api/v1/hosts/{host}", tag = "frame", params(("host" = String, Path)),
    responses((status = 200, body = HostDetail), (status = 404, body = ErrorBody)))]
pub async fn show(
    Inject(server): Inject<Server>,
    caller: Caller,
    Path(host): Path<HostId>,
) -> Result<Json<HostDetail>, ApiError> {
    let snapshot = find(&server, &host).await?;
    let mut guards = Vec::new();
    for (word, will) in guards::WORDS {
        guards.push(guard_view(&server, &snapshot, word, will).await?);
    }
    let practices = snapshot.practices.clone();
    Ok(Json(HostDetail { host: view(&server, &snapshot, &caller).await?, guards, practices }))
}

/// Which host's practices.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PracticeParams {
    /// One host; all if absent.
    host: Option<HostId>,
}

/// How the hosts stand against each practice; the worst host decides.
#[utoipa::path(get, path = "/api/v1/practices", tag = "frame", params(PracticeParams),
    responses((status = 200, body = Page<super::overview::PracticeView>)))]
pub async fn practices(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Query(params): Query<PracticeParams>,
) -> Result<Json<Page<super::overview::PracticeView>>, ApiError> {
    let hosts = match &params.host {
        Some(id) => vec![find(&server, id).await?],
        None => fleet::snapshot(&server, None).await?,
    };
    let page = PageParams { limit: Some(1000), ..PageParams::default() };
    Ok(Json(Page::of(super::overview::practices(&server, &hosts), &page)?))
}

/// The host, or an error that names the nearest ones.
pub async fn find(server: &Server, id: &HostId) -> Result<HostSnapshot, ApiError> {
    if let Some(host) = fleet::snapshot(server, Some(id)).await?.pop() {
        return Ok(host);
    }
    let mut db = server.context.db.read().acquire().await?;
    let mut names: Vec<_> = store::hosts(&mut db).await?.into_iter().map(|row| row.id).collect();
    names.sort_by(|a, b| {
        strsim::jaro_winkler(b.as_str(), id.as_str()).total_cmp(&strsim::jaro_winkler(a.as_str(), id.as_str()))
    });
    let nearest: Vec<_> = names.iter().take(3).map(ToString::to_string).collect();
    let hint = if nearest.is_empty() {
        "no host has joined yet".to_owned()
    } else {
        format!("the nearest names are {}", nearest.join(", "))
    };
    Err(ApiError::not_found(format!("a host `{id}`")).hint(hint))
}

async fn view(server: &Server, host: &HostSnapshot, caller: &Caller) -> Result<HostView, ApiError> {
    let (observed_at, fresh_until) = host.observed();
    let mut db = server.context.db.read().acquire().await?;
    let mut generation = Generation::default();
    for guard in server.guards.iter().filter(|g| g.keeper.is_some()) {
        generation = generation.max(store::generation(&mut db, &host.row.id, guard.word).await?);
    }
    let ban = match caller.can(Role::Operator) {
        Can::Yes(_) if !host.row.facts.permit.iter().any(|w| w == "ban") => {
            Can::No("this host's permit file does not hold `ban`".to_owned())
        }
        other => other,
    };
    let uptime = host.row.facts.booted_at.map(|at| server.context.now().duration_since(at).as_secs());
    Ok(HostView {
        name: host.row.id.clone(),
        state: host.state(),
        verdict: Verdict { word: host.verdict, since: since(host) },
        os: host.row.facts.os.clone(),
        kernel: host.row.facts.kernel.clone(),
        uptime_s: uptime.filter(|_| host.verdict == VerdictWord::Online),
        addresses: host.row.facts.addresses.clone(),
        agent_version: host.row.facts.agent_version.clone(),
        tags: Vec::new(),
        worst: host.open().map(|f| &f.finding).max_by_key(|f| f.severity).cloned(),
        findings_open: host.open().count(),
        cpu: host.figures.cpu,
        memory: host.figures.memory,
        disk: host.figures.disk,
        updates: host.figures.updates,
        permit: host.row.facts.permit.clone(),
        observed_at,
        fresh_until,
        generation,
        can: BTreeMap::from([("ban".to_owned(), ban)]),
    })
}

fn since(host: &HostSnapshot) -> Timestamp {
    match host.verdict {
        VerdictWord::Online => host.row.joined_at,
        _ => host.row.seen_at,
    }
}

async fn guard_view(server: &Server, host: &HostSnapshot, word: &str, will: &str) -> Result<GuardView, ApiError> {
    let seen = host.freshness.iter().find(|f| f.guard == word);
    let mut db = server.context.db.read().acquire().await?;
    let generation = store::generation(&mut db, &host.row.id, word).await?;
    let built = server.guard(word).is_some();
    let (state, reason) = match seen {
        _ if !built => (State::Unprotected, format!("not built yet: {will}")),
        None => (State::Unknown, "has not reported yet".to_owned()),
        Some(Freshness { error: Some(error), .. }) => (State::Unknown, format!("could not observe: {error}")),
        Some(_) => judged(host, word),
    };
    Ok(GuardView {
        guard: word.to_owned(),
        built,
        state,
        reason,
        observed_at: seen.map(|f| f.observed_at),
        fresh_until: seen.map(|f| f.fresh_until),
        generation,
        error: seen.and_then(|f| f.error.clone()),
    })
}

/// The worst practice that the guard serves, and why it stands so.
fn judged(host: &HostSnapshot, word: &str) -> (State, String) {
    let served = host.practices.iter().filter(|p| p.guard == word && p.state != State::Unprotected);
    served
        .max_by_key(|p| p.state.badness())
        .map_or((State::Unknown, "no check ran".to_owned()), |p| (p.state, format!("{}: {}", p.title, p.reason)))
}
