//! Findings of all hosts.

use super::Server;
use axum::Json;
use axum::extract::{Path, Query, State};
use palisade_core::{Finding, FindingState, HostId, Severity, Timestamp};
use palisade_guard::api::{ApiError, Caller, Can, ErrorBody, Page, PageParams};
use palisade_guard::store::{self, FindingFilter, FindingOrder, FindingRow};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A finding stays in lists this long after it was mended.
const MENDED_SHOWN_S: i64 = 24 * 3600;
/// Findings among which words are looked for.
const SEARCHED_MAX: usize = 200_000;

/// Which findings.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindingParams {
    /// Of one host.
    host: Option<HostId>,
    /// Of one practice.
    practice: Option<String>,
    /// Of one check.
    check: Option<String>,
    /// Of one severity.
    severity: Option<Severity>,
    /// In one state.
    state: Option<FindingState>,
    /// At most this many, 1 to 1,000; 100 if absent.
    limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    cursor: Option<String>,
    /// Words that must all occur.
    q: Option<String>,
    /// `severity`, `host`, `check`, `first_seen` or `last_seen`, with `-` before it for descending.
    sort: Option<String>,
}

/// A finding with its history.
#[derive(Clone, Serialize, ToSchema)]
pub struct FindingView {
    #[serde(flatten)]
    finding: Finding,
    /// The guard that found it.
    guard: String,
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    mended_at: Option<Timestamp>,
    can: BTreeMap<String, Can>,
}

/// A page of findings, and how many checks it rests on.
#[derive(Serialize, ToSchema)]
pub struct FindingPage {
    #[serde(flatten)]
    page: Page<FindingView>,
    /// Checks that ran on the hosts asked for.
    checks_run: usize,
    /// Checks that could not run.
    checks_unknown: usize,
    /// The oldest observation among them.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
}

impl FindingView {
    fn new(row: FindingRow) -> FindingView {
        let cannot = Can::No("not built yet in this version".to_owned());
        FindingView {
            finding: row.finding,
            guard: row.guard,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            mended_at: row.mended_at,
            can: BTreeMap::from([("mend".to_owned(), cannot.clone()), ("accept".to_owned(), cannot)]),
        }
    }
}

/// Findings, worst first; those of hosts that are not in service only when their host is named.
#[utoipa::path(get, path = "/api/v1/findings", tag = "frame", params(FindingParams), responses((status = 200, body = FindingPage)))]
pub async fn list(
    State(server): State<Server>,
    _caller: Caller,
    Query(params): Query<FindingParams>,
) -> Result<Json<FindingPage>, ApiError> {
    let order = order(params.sort.as_deref())?;
    let page =
        PageParams { limit: params.limit, cursor: params.cursor.clone(), q: params.q.clone(), ..PageParams::default() };
    let filter = FindingFilter {
        host: params.host.clone(),
        practice: params.practice,
        check: params.check,
        severity: params.severity,
        state: params.state,
        words: page.q.iter().flat_map(|q| q.split_whitespace()).map(str::to_owned).collect(),
        mended_since: server.context.now() - jiff::SignedDuration::from_secs(MENDED_SHOWN_S),
    };
    let mut db = server.context.db.read().acquire().await?;
    let looks = Looks::read(&mut db, params.host.as_ref()).await?;
    let page = match &page.q {
        None => in_order(&mut db, &filter, order, &page).await?,
        Some(_) => with_words(&mut db, &filter, order, &page).await?,
    };
    let reason = format!("{} checks ran and found nothing that this filter shows", looks.checks_run);
    Ok(Json(FindingPage {
        page: page.because(reason),
        checks_run: looks.checks_run,
        checks_unknown: looks.checks_unknown,
        observed_at: looks.observed_at,
    }))
}

/// What the list rests on.
#[derive(Default)]
struct Looks {
    checks_run: usize,
    checks_unknown: usize,
    observed_at: Option<Timestamp>,
}

impl Looks {
    async fn read(db: &mut SqliteConnection, host: Option<&HostId>) -> Result<Looks, ApiError> {
        let hosts = match host {
            Some(host) => vec![host.clone()],
            None => store::hosts_in_service(db).await?,
        };
        let said = store::fleet_freshness(db, host.is_some().then_some(hosts.as_slice())).await?;
        let mut looks = Looks::default();
        for look in hosts.iter().filter_map(|host| said.get(host)).flatten() {
            for practice in look.tally.practices.values() {
                looks.checks_run += (practice.runs - practice.unknown) as usize;
                looks.checks_unknown += practice.unknown as usize;
            }
            looks.observed_at = looks.observed_at.into_iter().chain([look.observed_at]).min();
        }
        Ok(looks)
    }
}

type Order = (FindingOrder, bool);

/// The page as the database sorts it.
async fn in_order(
    db: &mut SqliteConnection,
    filter: &FindingFilter,
    order: Order,
    page: &PageParams,
) -> Result<Page<FindingView>, ApiError> {
    let (offset, limit) = (page.offset()?, page.limit());
    let (rows, total) = store::findings(db, filter, order, (limit, offset)).await?;
    let next_cursor = ((offset + limit) < total as usize).then(|| (offset + limit).to_string());
    Ok(Page { items: rows.into_iter().map(FindingView::new).collect(), total, next_cursor, reason: None })
}

/// Words are looked for in what people read; the database only knows whose text may hold them.
async fn with_words(
    db: &mut SqliteConnection,
    filter: &FindingFilter,
    order: Order,
    page: &PageParams,
) -> Result<Page<FindingView>, ApiError> {
    let (rows, _) = store::findings(db, filter, order, (SEARCHED_MAX, 0)).await?;
    Page::of(rows.into_iter().filter(|row| says(row, page)).map(FindingView::new).collect(), page)
}

fn says(row: &FindingRow, page: &PageParams) -> bool {
    let f = &row.finding;
    page.matches(&[&f.title, f.host.as_str(), &f.object, &f.evidence, &f.check])
}

/// One finding.
#[utoipa::path(get, path = "/api/v1/findings/{id}", tag = "frame", params(("id" = String, Path)),
    responses((status = 200, body = FindingView), (status = 404, body = ErrorBody)))]
pub async fn show(
    State(server): State<Server>,
    _caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<FindingView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let row = store::finding(&mut db, &id).await?;
    row.map(|row| Json(FindingView::new(row))).ok_or_else(|| ApiError::not_found("this finding"))
}

fn order(by: Option<&str>) -> Result<Order, ApiError> {
    let Some(text) = by else { return Ok((FindingOrder::Severity, true)) };
    let (column, descending) = text.strip_prefix('-').map_or((text, false), |column| (column, true));
    let column = match column {
        "severity" => FindingOrder::Severity,
        "host" => FindingOrder::Host,
        "check" => FindingOrder::Check,
        "first_seen" => FindingOrder::FirstSeen,
        "last_seen" => FindingOrder::LastSeen,
        other => {
            return Err(ApiError::invalid(format!("`sort`: there is no column `{other}`"))
                .hint("use severity, host, check, first_seen or last_seen, with - before it for descending"));
        }
    };
    Ok((column, descending))
}
