//! Findings of all hosts.

use super::{Server, fleet};
use axum::Json;
use axum::extract::{Path, Query, State as Inject};
use palisade_core::{CheckOutcome, Finding, FindingState, HostId, Severity, Timestamp};
use palisade_guard::api::{ApiError, Caller, Can, ErrorBody, Page, PageParams};
use palisade_guard::store::FindingRow;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

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

/// Findings, worst first.
#[utoipa::path(get, path = "/api/v1/findings", tag = "frame", params(FindingParams), responses((status = 200, body = FindingPage)))]
pub async fn list(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Query(params): Query<FindingParams>,
) -> Result<Json<FindingPage>, ApiError> {
    let hosts = fleet::snapshot(&server, params.host.as_ref()).await?;
    let runs: Vec<_> = hosts.iter().flat_map(|h| h.freshness.iter().flat_map(|f| f.runs.iter())).collect();
    let checks_run = runs.iter().filter(|r| r.outcome != CheckOutcome::Unknown).count();
    let checks_unknown = runs.len() - checks_run;
    let observed_at = hosts.iter().map(|h| h.observed().0).min();
    let page = PageParams {
        limit: params.limit,
        cursor: params.cursor.clone(),
        q: params.q.clone(),
        sort: params.sort.clone(),
    };
    let mut rows: Vec<_> = hosts
        .into_iter()
        .flat_map(|h| h.findings)
        .filter(|row| wanted(row, &params, &page))
        .map(FindingView::new)
        .collect();
    sort(&mut rows, page.sort.as_deref())?;
    let page =
        Page::of(rows, &page)?.because(format!("{checks_run} checks ran and found nothing that this filter shows"));
    Ok(Json(FindingPage { page, checks_run, checks_unknown, observed_at }))
}

/// One finding.
#[utoipa::path(get, path = "/api/v1/findings/{id}", tag = "frame", params(("id" = String, Path)),
    responses((status = 200, body = FindingView), (status = 404, body = ErrorBody)))]
pub async fn show(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<FindingView>, ApiError> {
    let hosts = fleet::snapshot(&server, None).await?;
    let row = hosts.into_iter().flat_map(|h| h.findings).find(|row| row.finding.id == id);
    row.map(|row| Json(FindingView::new(row))).ok_or_else(|| ApiError::not_found("this finding"))
}

fn wanted(row: &FindingRow, params: &FindingParams, page: &PageParams) -> bool {
    let f = &row.finding;
    params.practice.as_ref().is_none_or(|p| *p == f.practice)
        && params.check.as_ref().is_none_or(|c| *c == f.check)
        && params.severity.is_none_or(|s| s == f.severity)
        && params.state.is_none_or(|s| s == f.state)
        && page.matches(&[&f.title, f.host.as_str(), &f.object, &f.evidence, &f.check])
}

fn sort(rows: &mut [FindingView], by: Option<&str>) -> Result<(), ApiError> {
    let (column, descending) = match by {
        None => ("severity", true),
        Some(text) => text.strip_prefix('-').map_or((text, false), |column| (column, true)),
    };
    // ties keep one order, so that pages do not repeat or lose rows
    rows.sort_by(|a, b| {
        (&a.finding.check, &a.finding.host, &a.finding.object).cmp(&(
            &b.finding.check,
            &b.finding.host,
            &b.finding.object,
        ))
    });
    let by: fn(&FindingView, &FindingView) -> Ordering = match column {
        "severity" => |a, b| a.finding.severity.cmp(&b.finding.severity),
        "host" => |a, b| a.finding.host.cmp(&b.finding.host),
        "check" => |a, b| a.finding.check.cmp(&b.finding.check),
        "first_seen" => |a, b| a.first_seen.cmp(&b.first_seen),
        "last_seen" => |a, b| a.last_seen.cmp(&b.last_seen),
        other => {
            return Err(ApiError::invalid(format!("`sort`: there is no column `{other}`"))
                .hint("use severity, host, check, first_seen or last_seen, with - before it for descending"));
        }
    };
    rows.sort_by(|a, b| if descending { by(b, a) } else { by(a, b) });
    Ok(())
}
