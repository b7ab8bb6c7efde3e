//! The first page: does anything need the operator, and how well are the hosts protected?

use super::Server;
use super::fleet::{self, HostSnapshot};
use crate::guards;
use axum::Json;
use axum::extract::State as Inject;
use palisade_core::{
    Finding, HostId, PlanState, PracticeState, Severity, Standing, State, Timestamp, VerdictWord, score,
};
use palisade_guard::api::{ApiError, Caller};
use palisade_guard::{GuardError, store};
use serde::Serialize;
use sqlx::SqliteConnection;
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
    /// Alarms that fire.
    alarms_firing: usize,
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
    let hosts = fleet::snapshot(&server).await?;
    let mut db = server.context.db.read().acquire().await?;
    let plans_on_probation = store::plan_count(&mut db, PlanState::Probation).await? as usize;
    let alarms_firing = guards::alarms_firing(&mut db).await?;
    let do_next = do_next(&mut db, &hosts).await?;
    drop(db);
    let practices = practices(&server, &hosts);
    let states: Vec<_> = practices.iter().map(|p| p.practice.clone()).collect();
    let silent = hosts.iter().filter(|h| h.verdict().is_silent()).count();
    Ok(Json(OverviewView {
        hosts_total: hosts.len(),
        need_you: hosts.iter().filter(|h| needs_you(h)).count(),
        counts: Counts { silent, plans_on_probation, alarms_firing, findings_open: by_severity(&hosts) },
        score: score(&states),
        practices,
        do_next,
        hosts: hosts
            .iter()
            .map(|h| HostCell { name: h.row.id.clone(), state: h.state(), verdict: h.verdict() })
            .collect(),
        guards_reported: reported(&server, &hosts),
        observed_at: in_service(&hosts).map(|h| h.observed().0).min(),
        fresh_until: in_service(&hosts).map(|h| h.observed().1).min(),
    }))
}

/// Every practice over these hosts.
pub fn practices(server: &Server, hosts: &[HostSnapshot]) -> Vec<PracticeView> {
    let nothing = guards::practices(&server.guards, &[], &[]);
    let states: Vec<Vec<State>> = hosts.iter().map(|h| h.practice_states().collect()).collect();
    let view = |(at, nothing): (usize, PracticeState)| {
        let worst = (0..hosts.len()).max_by_key(|host| states[*host][at].badness());
        PracticeView {
            practice: worst.map_or(nothing, |host| hosts[host].practice(at)),
            hosts_affected: states.iter().filter(|of| of[at] != State::Good).count(),
            hosts_total: hosts.len(),
        }
    };
    nothing.into_iter().enumerate().map(view).collect()
}

fn in_service(hosts: &[HostSnapshot]) -> impl Iterator<Item = &HostSnapshot> {
    hosts.iter().filter(|host| host.row.standing == Standing::Active)
}

fn needs_you(host: &HostSnapshot) -> bool {
    host.verdict().is_silent() || host.open_checks().any(|check| check.severity >= Severity::High)
}

fn by_severity(hosts: &[HostSnapshot]) -> BTreeMap<String, usize> {
    let mut sum = [0; 5];
    for open in hosts.iter().map(HostSnapshot::open_by_severity) {
        sum.iter_mut().zip(open).for_each(|(sum, n)| *sum += n as usize);
    }
    Severity::ALL.into_iter().map(|s| s.as_str().to_owned()).zip(sum).collect()
}

/// One finding per check, worst first, then those of which there are most.
async fn do_next(db: &mut SqliteConnection, hosts: &[HostSnapshot]) -> Result<Vec<NextView>, GuardError> {
    let mut checks: BTreeMap<&str, (Severity, usize, &str)> = BTreeMap::new();
    for open in hosts.iter().flat_map(HostSnapshot::open_checks).filter(|o| o.severity > Severity::Informational) {
        let (severity, count, worst) = checks.entry(&open.check).or_insert((open.severity, 0, &open.worst));
        *count += open.open;
        if open.severity > *severity {
            (*severity, *worst) = (open.severity, &open.worst);
        }
    }
    let mut list: Vec<_> = checks.into_values().collect();
    list.sort_by_key(|(severity, count, _)| std::cmp::Reverse((*severity, *count)));
    list.truncate(NEXT_MAX);
    let worst: Vec<&str> = list.iter().map(|(.., worst)| *worst).collect();
    let mut findings: BTreeMap<_, _> =
        store::findings_of(db, &worst).await?.into_iter().map(|row| (row.finding.id.clone(), row.finding)).collect();
    let view =
        |(_, count, worst): (_, usize, &str)| Some(NextView { finding: findings.remove(worst)?, more: count - 1 });
    Ok(list.into_iter().filter_map(view).collect())
}

/// For the host that has reported least, of those that are online.
fn reported(server: &Server, hosts: &[HostSnapshot]) -> GuardsReported {
    let total = server.guards.len();
    let online = hosts.iter().filter(|host| host.verdict() == VerdictWord::Online);
    let done = online.map(|h| h.freshness.len().min(total)).min().unwrap_or(0);
    GuardsReported { done, total }
}
