//! Something that happened, in the shape of an OCSF event cut down to what is always there.

use crate::{HostId, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// A user's or token's name, `local-root`, `agent` or `server`.
    pub name: String,
    /// Where from: an address, `admin socket`, or nothing for Palisade itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done.
    Success,
    /// Tried, not done.
    Failure,
    /// Not allowed.
    Refused,
}

/// One thing that happened. `kind` is `guard.noun.verb` (`firewall.ban.add`), or `frame.…` for
/// the frame; changes made by people are events whose `audit` is true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// When, by the clock of the machine where it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// `guard.noun.verb`.
    pub kind: String,
    /// Where; absent for the server itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostId>,
    /// How much it matters.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// One sentence for people; may contain hostile text, always shown escaped.
    pub message: String,
    /// What it was done to: address, plan id, account name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// True for a change made or refused, which the audit log shows.
    #[serde(default)]
    pub audit: bool,
    /// More, as structured data.
    #[serde(skip_serializing_if = "serde_json::Value::is_null", default)]
    pub data: serde_json::Value,
}
