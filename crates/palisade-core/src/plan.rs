//! A change before, while and after it is made.

use crate::{HostId, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Which version of a host's spec: the epoch rises when a server is restored from an old copy, `n`
/// with every change. An agent refuses an older one. Ordered by epoch, then `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
pub struct Generation {
    /// Raised by an act of an admin after a restore.
    pub epoch: u32,
    /// Raised by every change.
    pub n: u64,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.n)
    }
}

/// What kind of effect a change has, for sorting and icons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Something becomes reachable.
    Opens,
    /// Something stops being reachable.
    Closes,
    /// A live connection is cut.
    Cuts,
    /// Something is changed otherwise.
    Changes,
    /// Said so that nobody worries: left alone.
    Keeps,
}

/// One consequence of a plan, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// What kind.
    pub kind: EffectKind,
    /// How much it matters if it is a mistake.
    pub severity: Severity,
    /// What happens, for people.
    pub sentence: String,
    /// On which hosts.
    pub hosts: Vec<HostId>,
}

/// One act of a plan, so exact that nothing is left to choose when it is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Named as a command: `AddBan`.
    pub name: String,
    /// What it acts on: `203.0.113.9`.
    pub object: String,
    /// Why it is needed.
    pub reason: String,
    /// The word that `permit.toml` must contain: `ban`, `firewall`, ….
    pub permit: String,
    /// The guard's own typed act.
    #[serde(default)]
    pub act: serde_json::Value,
}

/// Where a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// A dry run; nothing is stored.
    Preview,
    /// Handed to the hosts, not yet confirmed by all that are heard of.
    Applying,
    /// In force and verified on some hosts only: the others have failed, or are silent and take it
    /// up when they come back.
    Partial,
    /// In force and verified, for good.
    Applied,
    /// In force until the deadline, unless kept.
    Probation,
    /// Kept after probation.
    Kept,
    /// Undone, by hand or by the deadline.
    RolledBack,
    /// Not carried out; the report says why.
    Failed,
}

impl PlanState {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PlanState::Preview => "preview",
            PlanState::Applying => "applying",
            PlanState::Partial => "partial",
            PlanState::Applied => "applied",
            PlanState::Probation => "probation",
            PlanState::Kept => "kept",
            PlanState::RolledBack => "rolled_back",
            PlanState::Failed => "failed",
        }
    }

    /// Where a plan stands after its hosts have reported so far. `heard` of the waiting hosts are
    /// online, so that their report will come; the others are silent, and nobody waits for them.
    ///
    /// A plan is applied only when every host has verified it. What was decided (kept, rolled back)
    /// and a probation that runs are not changed by a report.
    pub fn after_reports(self, of: &PlanProgress, heard: u64, on_probation: bool) -> PlanState {
        let undecided =
            matches!(self, PlanState::Applying | PlanState::Partial | PlanState::Applied | PlanState::Failed);
        let nobody = of.applied + of.failed == 0;
        match self {
            _ if !undecided || (of.waiting > 0 && nobody) => self,
            PlanState::Applying if heard > 0 => self,
            _ if of.applied == 0 => PlanState::Failed,
            _ if on_probation => PlanState::Probation,
            _ if of.waiting + of.failed > 0 => PlanState::Partial,
            _ => PlanState::Applied,
        }
    }
}

/// How far one host is with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanHostState {
    /// It has not reported yet.
    Waiting,
    /// In force and verified there.
    Applied,
    /// Not as it should be there; the error says why.
    Failed,
    /// Undone and verified there.
    RolledBack,
}

impl PlanHostState {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            PlanHostState::Waiting => "waiting",
            PlanHostState::Applied => "applied",
            PlanHostState::Failed => "failed",
            PlanHostState::RolledBack => "rolled_back",
        }
    }
}

/// How many hosts of a plan stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanProgress {
    /// All that it touches.
    pub hosts: u64,
    /// Those that have not reported yet.
    pub waiting: u64,
    /// Those where it is in force.
    pub applied: u64,
    /// Those where it has failed.
    pub failed: u64,
    /// Those where it is undone.
    pub rolled_back: u64,
}

/// How one step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// Carried out and verified.
    Done,
    /// Tried and failed.
    Failed,
    /// Not tried: not permitted, or refused by the guard.
    Refused,
}

/// One step and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Why it failed or was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

/// What one host did about one generation of one guard's spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// The host.
    pub host: HostId,
    /// The guard.
    pub guard: String,
    /// The generation in force afterwards.
    pub generation: Generation,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// True when observing and planning again gave an empty plan.
    pub verified: bool,
    /// True when the host had drifted from a spec that was in force before.
    pub drift: bool,
    /// Why the host is not as it should be, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was done.
    pub steps: Vec<StepReport>,
    /// What the host's own operator decided about plans on probation while the server was away, by
    /// plan id: true = kept, false = rolled back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decisions: BTreeMap<String, bool>,
}

/// A change: what it does, to whom, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Unique on its server or agent; empty in a preview.
    pub id: String,
    /// The guard that it belongs to.
    pub guard: String,
    /// What it does, in one line.
    pub title: String,
    /// Where it stands.
    pub state: PlanState,
    /// Its consequences, in sentences.
    pub effects: Vec<Effect>,
    /// What is carried out, by host, as planned from the last observation.
    pub steps: Vec<Step>,
    /// The hosts that it touches.
    pub hosts: Vec<HostId>,
    /// Who asked for it.
    pub by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The age of the observation that it was planned from; absent when nothing was observed yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed_at: Option<Timestamp>,
    /// When it is undone by itself unless kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<Timestamp>,
    /// Length of the probation in seconds; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probation_s: Option<u32>,
    /// The generation that carries it, once stored.
    pub generation: Generation,
    /// What the hosts reported.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// Why it failed or was rolled back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::PlanState::*;
    use super::*;

    #[test]
    fn a_plan_is_applied_only_when_every_host_has_verified_it() {
        let cases = [
            // state, waiting (heard), applied, failed, on probation → state
            (Applying, (2, 2), 1, 0, false, Applying),
            (Applying, (2, 1), 1, 1, false, Applying),
            (Applying, (2, 0), 1, 0, false, Partial),
            (Applying, (2, 0), 0, 0, false, Applying),
            (Applying, (0, 0), 3, 0, false, Applied),
            (Applying, (0, 0), 2, 1, false, Partial),
            (Applying, (0, 0), 0, 3, false, Failed),
            (Applying, (1, 0), 0, 2, false, Failed),
            (Applying, (0, 0), 2, 1, true, Probation),
            (Applying, (1, 0), 2, 0, true, Probation),
            (Applying, (0, 0), 0, 1, true, Failed),
            (Partial, (1, 1), 2, 0, false, Partial),
            (Partial, (0, 0), 3, 0, false, Applied),
            (Failed, (0, 0), 3, 0, false, Applied),
            (Failed, (1, 1), 1, 1, false, Partial),
            (Probation, (0, 0), 3, 0, true, Probation),
            (Kept, (3, 3), 0, 0, false, Kept),
            (RolledBack, (0, 0), 0, 1, false, RolledBack),
        ];
        for (before, (waiting, heard), applied, failed, on_probation, after) in cases {
            let hosts = waiting + applied + failed;
            let of = PlanProgress { hosts, waiting, applied, failed, rolled_back: 0 };
            assert_eq!(before.after_reports(&of, heard, on_probation), after, "{before:?} {of:?}, {heard} heard");
        }
    }
}
