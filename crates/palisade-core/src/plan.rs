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
    /// Handed to the hosts, not yet confirmed by all.
    Applying,
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
