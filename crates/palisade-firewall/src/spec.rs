//! What a host should hold: bans and the one address allow-list. Travels from server to agent, and
//! is stored by both.

use crate::exposure::Notes;
use crate::filter::Filter;
use palisade_core::{Cidr, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One shut-out address or network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ban {
    /// Who is shut out.
    pub cidr: Cidr,
    /// Why, for people.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; absent = until it is released.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// It runs out by itself then, unless its plan is kept.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probation_until: Option<Timestamp>,
    /// The plan that made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plan: Option<String>,
}

/// One address or network that no ban ever cuts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Allow {
    /// Who is never shut out.
    pub cidr: Cidr,
    /// Why, for people.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; absent = until it is removed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
}

/// What the host's own operator decided about a plan on probation while the server was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Its bans stay until their end.
    Kept,
    /// Its bans are gone.
    RolledBack,
}

/// A filter that is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The plan that it belongs to.
    pub plan: String,
    /// When the kernel goes back by itself.
    pub until: Timestamp,
    /// What is tried.
    pub filter: Filter,
}

/// What the host's own operator says about cutting it off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnIsolation {
    /// It is cut off; or, if not, it speaks although the server has cut it off.
    pub cut_off: bool,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; until it is released if absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_at: Option<Timestamp>,
    /// It ends by itself then, unless its plan is kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub probation_until: Option<Timestamp>,
    /// The plan that made it.
    pub plan: String,
}

impl OwnIsolation {
    /// When it ends by itself: at its end, or that of its probation if that is sooner.
    pub fn end(&self) -> Option<Timestamp> {
        self.ends_at.into_iter().chain(self.probation_until).min()
    }
}

/// The whole spec. The agent holds two: the server's, and the local one of the host's operator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Who is shut out.
    pub bans: Vec<Ban>,
    /// Who never is.
    pub allow: Vec<Allow>,
    /// Who may reach this host and whom it may reach. Its lists stand at the top of the spec, so that a
    /// change of one entry travels as one entry.
    #[serde(flatten)]
    pub filter: Filter,
    /// A filter on probation: in force in the place of `filter` until its end, unless its plan is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// What the host's checks need to know of the policy beside the rules.
    #[serde(skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
    /// Local only: decisions by plan id.
    pub decisions: BTreeMap<String, Decision>,
    /// Local only: addresses that the operator released although the server's spec bans them.
    pub released: Vec<Cidr>,
    /// Local only: whether the operator has cut this host off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<OwnIsolation>,
}
