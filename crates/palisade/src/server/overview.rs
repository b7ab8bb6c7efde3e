//! The first page: does anything need the operator, and how well are the hosts protected?

use super::Server;
use super::fleet::{self, HostSnapshot};
use crate::guards;
use axum::Json;
use axum::extract::State as Inject;
use palisade_core::{
    Finding, HostId, PRACTICES, PlanState, PracticeState, Severity, State, Timestamp, VerdictWord, score,
};
use palisade_guard::api::{ApiError, Caller};
use palisade_guard::store;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// At most this many things are proposed to do next.
const NEXT_MAX: usize = 7;

/// A practice over all hosts; the worst host decides.
#[derive(Serialize, ToSchema)]
pub struct PracticeView {
    #[serde(flatten)]
    practice: PracticeState,
    /// Hosts that are not good.
    hosts_affected: usize,
    hosts_total: usize,
}

/// One cell of the host grid.
#[derive(Serialize, ToSchema)]
pub struct HostCell {
    name: HostId,
    state: State,
    verdict: VerdictWord,
}

/// The worst finding of a check, standing for all of that check.
#[derive(Serialize, ToSchema)]
pub struct NextView {
    #[serde(flatten)]
    finding: Finding,
    /// Further open findings of the same check.
    more: usize,
}

/// What there is of everything.
#[derive(Serialize, ToSchema)]
pub struct Counts {
    silent: usize,
    plans_on_probation: usize,
    /// Open findings by severity.
    findings_open: BTreeMap<String, usize>,
}

/// How many guards have reported; in the first minute not all have.
#[derive(Serialize, ToSchema)]
pub struct GuardsReported {
    done: usize,
    total: usize,
}

/// The first page.
#[derive(Serialize, ToSchema)]
pub struct OverviewView {
    hosts_total: usize,
    /// Hosts with a high or critical finding, and silent ones.
    need_you: usize,
    counts: Counts,
    /// 0 to 100.
    score: u32,
    practices: Vec<PracticeView>,
    /// The worst findings, one per check, by severity and by how many there are.
    do_next: Vec<NextView>,
    hosts: Vec<HostCell>,
    guards_reported: GuardsReported,
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    fresh_until: Option<Timestamp>,
}

/// Whether anything needs the operator, and how well the hosts are protected.
#[utoipa::path(get, path = "/api/v1/overview", tag = "frame", responses((status = 200, body = OverviewView)))]
pub async fn show(Inject(server): Inject<Server>, _caller: Caller) -> Result<Json<OverviewView>, ApiError> {
    let hosts = fleet::snapshot(&server, None).await?;
    let mut db = server.context.db.read().acquire().await?;
    let open_plans = store::plans(&mut db, true).await?;
    drop(db);
    let practices = practices(&server, &hosts);
    let states: Vec<_> = practices.iter().map(|p| p.practice.clone()).collect();
    Ok(Json(OverviewView {
        hosts_total: hosts.len(),
        need_you: hosts.iter().filter(|h| needs_you(h)).count(),
        counts: Counts {
            silent: hosts.iter().filter(|h| h.verdict.is_silent()).count(),
            plans_on_probation: open_plans.iter().filter(|p| p.state == PlanState::Probation).count(),
            findings_open: by_severity(&hosts),
        },
        score: score(&states),
        practices,
        do_next: do_next(&hosts),
        hosts: hosts
            .iter()
            .map(|h| HostCell { name: h.row.id.clone(), state: h.state(), verdict: h.verdict })
            .collect(),
        guards_reported: reported(&server, &hosts),
        observed_at: hosts.iter().map(|h| h.observed().0).min(),
        fresh_until: hosts.iter().map(|h| h.observed().1).min(),
    }))
}

/// Every practice over these hosts.
pub fn practices(server: &Server, hosts: &[HostSnapshot]) -> Vec<PracticeView> {
    let nothing = guards::practices(&server.guards, &[], &[]);
    PRACTICES
        .iter()
        .enumerate()
        .map(|(i, _)| {
            let worst = hosts.iter().map(|h| &h.practices[i]).max_by_key(|p| p.state.badness()).unwrap_or(&nothing[i]);
            let affected = hosts.iter().filter(|h| h.practices[i].state != State::Good).count();
            PracticeView { practice: worst.clone(), hosts_affected: affected, hosts_total: hosts.len() }
        })
        .collect()
}

fn needs_you(host: &HostSnapshot) -> bool {
    host.verdict.is_silent() || host.open().any(|f| f.finding.severity >= Severity::High)
}

fn by_severity(hosts: &[HostSnapshot]) -> BTreeMap<String, usize> {
    let count = |severity| hosts.iter().flat_map(HostSnapshot::open).filter(|f| f.finding.severity == severity).count();
    Severity::ALL.into_iter().map(|s| (s.as_str().to_owned(), count(s))).collect()
}

/// One finding per check, worst first, then those of which there are most.
fn do_next(hosts: &[HostSnapshot]) -> Vec<NextView> {
    let mut checks: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    let open = hosts.iter().flat_map(HostSnapshot::open).map(|row| &row.finding);
    for finding in open.filter(|f| f.severity > Severity::Informational) {
        checks.entry(&finding.check).or_default().push(finding);
    }
    let mut list: Vec<NextView> = checks
        .into_values()
        .filter_map(|all| {
            let finding = (*all.iter().max_by_key(|f| f.severity)?).clone();
            Some(NextView { finding, more: all.len() - 1 })
        })
        .collect();
    list.sort_by_key(|next| std::cmp::Reverse((next.finding.severity, next.more)));
    list.truncate(NEXT_MAX);
    list
}

/// For the host that has reported least.
fn reported(server: &Server, hosts: &[HostSnapshot]) -> GuardsReported {
    let total = server.guards.len();
    let done = hosts.iter().map(|h| h.freshness.len().min(total)).min().unwrap_or(0);
    GuardsReported { done, total }
}
