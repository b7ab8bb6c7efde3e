//! A plan as lists and pages show it: how far its hosts are, what is proven, what can be done.

use super::super::Server;
use super::super::access::ConnectedAt;
use palisade_core::{HostId, Plan, PlanHostState, PlanProgress, PlanState, Timestamp, VerdictWord};
use palisade_guard::api::{Caller, Can, Role};
use palisade_guard::store::{PlanHostRow, PlanRow};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Hosts that a reason names.
const NAMED_MAX: usize = 3;

/// A plan, and what can be done with it.
#[derive(Serialize, ToSchema)]
pub struct PlanView {
    #[serde(flatten)]
    plan: Plan,
    /// How many hosts stand where.
    progress: PlanProgress,
    /// How far each host is; in a list, left empty for plans over many hosts that are not on probation.
    hosts_state: Vec<PlanHostView>,
    /// Only for a plan on probation.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    can: BTreeMap<String, Can>,
}

/// How far one host is.
#[derive(Serialize, ToSchema)]
pub struct PlanHostView {
    host: HostId,
    state: PlanHostState,
    /// When it reported, by its own clock.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// Why it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How it was last heard of, if it is not online.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<VerdictWord>,
    /// By which way the operator has reached it since the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathTried>,
}

/// A way to a host that was tried after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathTried {
    /// The connection of this request, to the server's own host.
    Connection,
    /// A new connection to sshd from outside, as the host's agent saw it.
    Ssh,
}

/// What shows that a change has cut nobody off.
#[derive(Serialize, ToSchema)]
pub struct Proof {
    /// Every agent has connected to the server after the change: its report is the proof.
    agent_reconnected: bool,
    /// The operator's path to every host was tried after the change: the server's own host by the
    /// connection of this request, any other by a new connection to its sshd.
    operator_path: bool,
}

impl Proof {
    /// As of this request.
    pub fn of(server: &Server, hosts: &[PlanHostRow], connected_at: ConnectedAt) -> Proof {
        Proof {
            agent_reconnected: hosts.iter().all(|host| host.at.is_some()),
            operator_path: hosts.iter().all(|host| path(server, host, connected_at).is_some()),
        }
    }

    /// What is missing, if anything.
    pub fn missing(&self) -> Option<&'static str> {
        match (self.agent_reconnected, self.operator_path) {
            (false, _) => Some("not every agent has connected anew since the change"),
            (_, false) => Some("your own path to every host has not been tried since the change"),
            (true, true) => None,
        }
    }
}

/// The host's clock stands behind both times that are compared; on the server's own host it is the
/// same clock.
fn path(server: &Server, host: &PlanHostRow, connected_at: ConnectedAt) -> Option<PathTried> {
    let changed_at = host.at?;
    if host.own && connected_at.0 > changed_at {
        return Some(PathTried::Connection);
    }
    server.operators.seen_at(&host.host).is_some_and(|at| at > changed_at).then_some(PathTried::Ssh)
}

impl PlanView {
    /// As the caller sees it. `hosts` are all of the plan's, or none if they are not to be shown.
    pub fn new(
        server: &Server,
        row: PlanRow,
        hosts: Vec<PlanHostRow>,
        caller: &Caller,
        connected_at: ConnectedAt,
    ) -> PlanView {
        let PlanRow { mut plan, progress } = row;
        let on_probation = plan.state == PlanState::Probation;
        let proof = on_probation.then(|| Proof::of(server, &hosts, connected_at));
        let can = can(&plan, proof.as_ref(), caller);
        plan.reason = reason(&plan, &progress, &hosts);
        let view = |host: PlanHostRow| PlanHostView {
            path: path(server, &host, connected_at).filter(|_| on_probation),
            host: host.host,
            state: host.state,
            at: host.at,
            error: host.error,
            silent: host.silent,
        };
        PlanView { plan, progress, hosts_state: hosts.into_iter().map(view).collect(), proof, can }
    }
}

fn can(plan: &Plan, proof: Option<&Proof>, caller: &Caller) -> BTreeMap<String, Can> {
    let unproven = proof.and_then(Proof::missing);
    let undoable = !matches!(plan.state, PlanState::RolledBack | PlanState::Failed | PlanState::Preview);
    let role = |possible: bool, why: &str| match caller.can(Role::Operator) {
        Can::Yes(_) if !possible => Can::No(why.to_owned()),
        other => other,
    };
    let confirm = proof.is_some() && unproven.is_none();
    BTreeMap::from([
        ("confirm".to_owned(), role(confirm, unproven.unwrap_or("it is not on probation"))),
        ("confirm_waived".to_owned(), role(proof.is_some(), "it is not on probation")),
        ("rollback".to_owned(), role(undoable, "it is not in force")),
    ])
}

/// Why a plan stands where it stands: on how many hosts it is in force, for whom it waits, and what
/// was stored about it.
fn reason(plan: &Plan, progress: &PlanProgress, hosts: &[PlanHostRow]) -> Option<String> {
    let stored = plan.reason.clone();
    let undecided = matches!(plan.state, PlanState::Applying | PlanState::Partial | PlanState::Probation);
    if !undecided || progress.applied == progress.hosts {
        return stored;
    }
    let mut said = format!("{} of {} hosts", progress.applied, progress.hosts);
    if progress.waiting > 0 {
        said.push_str(&format!("; waiting for {}", waiting(progress.waiting, hosts)));
    }
    Some(stored.into_iter().fold(said, |said, failure| format!("{said}; {failure}")))
}

/// The first few hosts that are waited for, the silent ones first, and how many more.
fn waiting(count: u64, hosts: &[PlanHostRow]) -> String {
    let mut waited: Vec<&PlanHostRow> = hosts.iter().filter(|host| host.state == PlanHostState::Waiting).collect();
    waited.sort_by_key(|host| host.silent.is_none());
    let named: Vec<String> = waited
        .iter()
        .take(NAMED_MAX)
        .map(|host| match host.silent {
            Some(word) => format!("{} ({})", host.host, word.as_str().replace('_', " ")),
            None => host.host.to_string(),
        })
        .collect();
    match count as usize - named.len().min(count as usize) {
        0 => named.join(", "),
        more if named.is_empty() => format!("{more} hosts"),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
