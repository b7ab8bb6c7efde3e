//! Hosts: the list, and one with its guards and practices.

mod change;
mod filter;
mod view;

pub use change::{__path_change, __path_retire, __path_revoke, change, retire, revoke};
pub use view::HostView;

use super::Server;
use super::fleet::{self, HostSnapshot};
use crate::guards;
use axum::Json;
use axum::extract::{Path, Query, State as Inject};
use filter::{HostListParams, Wanted};
use palisade_core::{Generation, HostId, PracticeState, State, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams};
use palisade_guard::store::{self, Freshness};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use utoipa::{IntoParams, ToSchema};
use view::views;

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

/// Hosts. Without `standing` all that were not retired.
#[utoipa::path(get, path = "/api/v1/hosts", tag = "frame", params(HostListParams), responses((status = 200, body = Page<HostView>)))]
pub async fn list(
    Inject(server): Inject<Server>,
    caller: Caller,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Page<HostView>>, ApiError> {
    let wanted = Wanted::read(&pairs)?;
    let mut db = server.context.db.read().acquire().await?;
    let mut rows = store::hosts(&mut db).await?;
    rows.retain(|row| wanted.lets_in(row));
    // only a column that is made of what the guards said needs more than the page
    let (page, shown) = if wanted.sort.needs_snapshots() {
        let mut all = fleet::of(&server, &mut db, rows).await?;
        wanted.sort.snapshots(&mut all);
        cut(Page::of(all, &wanted.page)?)
    } else {
        wanted.sort.rows(&mut rows);
        let (page, rows) = cut(Page::of(rows, &wanted.page)?);
        (page, fleet::of(&server, &mut db, rows).await?)
    };
    let items = views(&server, &mut db, &shown, &caller).await?;
    Ok(Json(Page { items, ..page }.because("no host has joined yet, or none matches the filter")))
}

/// A page apart from its rows.
fn cut<T, V>(page: Page<T>) -> (Page<V>, Vec<T>) {
    let Page { items, total, next_cursor, reason } = page;
    (Page { items: Vec::new(), total, next_cursor, reason }, items)
}

/// One host with its guards and practices.
#[utoipa::path(get, path = "/api/v1/hosts/{host}", tag = "frame", params(("host" = String, Path)),
    responses((status = 200, body = HostDetail), (status = 404, body = ErrorBody)))]
pub async fn show(
    Inject(server): Inject<Server>,
    caller: Caller,
    Path(host): Path<HostId>,
) -> Result<Json<HostDetail>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let snapshot = find(&server, &mut db, &host).await?;
    let mut guards = Vec::new();
    for (word, will) in guards::WORDS {
        let generation = store::generation(&mut db, &host, word).await?;
        guards.push(guard_view(&server, &snapshot, generation, word, will));
    }
    let practices = snapshot.practices();
    let host = view::one(&server, &mut db, snapshot, &caller).await?;
    Ok(Json(HostDetail { host, guards, practices }))
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
        Some(id) => {
            let mut db = server.context.db.read().acquire().await?;
            vec![find(&server, &mut db, id).await?]
        }
        None => fleet::snapshot(&server).await?,
    };
    let page = PageParams { limit: Some(1000), ..PageParams::default() };
    Ok(Json(Page::of(super::overview::practices(&server, &hosts), &page)?))
}

/// The host, or an error that names the nearest ones.
async fn find(server: &Server, db: &mut SqliteConnection, id: &HostId) -> Result<HostSnapshot, ApiError> {
    let row = row(db, id).await?;
    let found = fleet::of(server, db, vec![row]).await?.pop();
    found.ok_or_else(|| ApiError::not_found(format!("a host `{id}`")))
}

/// What is stored of the host, or an error that names the nearest ones.
pub async fn row(db: &mut SqliteConnection, id: &HostId) -> Result<store::HostRow, ApiError> {
    if let Some(row) = store::host(db, id).await? {
        return Ok(row);
    }
    let mut names: Vec<_> = store::hosts(db).await?.into_iter().map(|row| row.id).collect();
    let likeness = |name: &HostId| strsim::jaro_winkler(name.as_str(), id.as_str());
    names.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    let nearest: Vec<_> = names.iter().take(3).map(ToString::to_string).collect();
    let hint = match nearest.as_slice() {
        [] => "no host has joined yet".to_owned(),
        nearest => format!("the nearest names are {}", nearest.join(", ")),
    };
    Err(ApiError::not_found(format!("a host `{id}`")).hint(hint))
}

fn guard_view(server: &Server, host: &HostSnapshot, generation: Generation, word: &str, will: &str) -> GuardView {
    let seen = host.freshness.iter().find(|f| f.guard == word);
    let built = server.guard(word).is_some();
    let (state, reason) = match seen {
        _ if !built => (State::Unprotected, format!("not built yet: {will}")),
        None => (State::Unknown, "has not reported yet".to_owned()),
        Some(Freshness { error: Some(error), .. }) => (State::Unknown, format!("could not observe: {error}")),
        Some(_) => judged(host, word),
    };
    GuardView {
        guard: word.to_owned(),
        built,
        state,
        reason,
        observed_at: seen.map(|f| f.observed_at),
        fresh_until: seen.map(|f| f.fresh_until),
        generation,
        error: seen.and_then(|f| f.error.clone()),
    }
}

/// The worst practice that the guard serves, and why it stands so.
fn judged(host: &HostSnapshot, word: &str) -> (State, String) {
    let practices = host.practices();
    let served = practices.iter().filter(|p| p.guard == word && p.state != State::Unprotected);
    served
        .max_by_key(|p| p.state.badness())
        .map_or((State::Unknown, "no check ran".to_owned()), |p| (p.state, format!("{}: {}", p.title, p.reason)))
}
