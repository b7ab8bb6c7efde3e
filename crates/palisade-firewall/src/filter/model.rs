//! The rules of one host, resolved: no name is left to look up.

use crate::group::model::{Action, Direction, Ports, Protocol};
use crate::ruleset::Range;
use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one host enforces. Lists, so that a change of one entry travels as one entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// In the order of evaluation, both directions: the first that matches decides. Sorted by layer,
    /// priority, deny before allow, and id.
    pub rules: Vec<Rule>,
    /// The sets that rules name, by name, each once.
    pub sets: Vec<AddressSet>,
    /// What becomes of the rest; `None` if this host is filtered by no group and no policy.
    pub defaults: Option<Defaults>,
}

impl Filter {
    /// The addresses of a set; none if there is no such set.
    pub fn ranges(&self, set: &str) -> &[Range] {
        self.sets.iter().find(|s| s.name == set).map_or(&[], |s| &s.ranges)
    }

    /// When the next of its rules begins or ends.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.rules.iter().flat_map(|rule| [rule.starts_at, rule.ends_at]).flatten().filter(|at| *at > now).min()
    }

    /// Without the rules that have ended, or have not begun.
    pub fn at(&self, now: Timestamp) -> Filter {
        let rules = self.rules.iter().filter(|rule| super::judge::alive(rule, now)).cloned().collect();
        Filter { rules, sets: self.sets.clone(), defaults: self.defaults }
    }
}

/// What becomes of packets that no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// Of what comes in: allow on a host that only the port policy governs.
    pub inbound: Action,
    /// Of what goes out.
    pub outbound: Action,
}

impl Defaults {
    /// Of what is begun in this direction.
    pub fn of(self, direction: Direction) -> Action {
        match direction {
            Direction::In => self.inbound,
            Direction::Out => self.outbound,
        }
    }
}

/// What a rule belongs to; in the order of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The host is cut off from everything but the failsafe addresses.
    Isolation,
    /// The port policy.
    Policy,
    /// Security domains kept apart.
    Domain,
    /// A rule of a security group.
    Group,
    /// Members of a group among each other.
    Intra,
}

impl Layer {
    /// Its name, for people.
    pub fn word(self) -> &'static str {
        match self {
            Layer::Isolation => "isolation",
            Layer::Policy => "policy",
            Layer::Domain => "domain",
            Layer::Group => "group",
            Layer::Intra => "intra",
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// `GROUP/ID` for rules of groups, else the layer and a word: `policy/high-risk-tcp`,
    /// `policy/databases`, `isolation/in`, `intra/GROUP`. Unique in the filter; also the name of its
    /// counter.
    pub id: String,
    /// What it belongs to.
    pub layer: Layer,
    /// 1 to 100 within its layer.
    pub priority: u8,
    /// Who begins.
    pub direction: Direction,
    /// What becomes of it.
    pub action: Action,
    /// What is spoken.
    pub protocol: Protocol,
    /// Sorted, without overlap; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Ports>,
    /// Types of ICMP; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<u8>,
    /// The other side.
    pub peers: Peers,
    /// What it decides about is recorded; of a deny it always is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// It holds from then on: what shuts once an exception has ended, whether the server is there or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// It holds until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peers {
    /// Everybody.
    Any,
    /// Who is in one of these sets, or comes by one of these interfaces. Both lists empty: nobody.
    Of {
        /// Names of sets.
        #[serde(default)]
        sets: Vec<String>,
        /// Names of interfaces.
        #[serde(default)]
        interfaces: Vec<String>,
    },
    /// Who is in none of these sets.
    Except {
        /// Names of sets.
        sets: Vec<String>,
    },
}

/// Addresses under a name: `group/web`, `list/office`, `host/db-1`, `domain/prod`,
/// `rule/GROUP/ID` for the networks that a rule names itself, `policy/private`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressSet {
    /// Its name.
    pub name: String,
    /// Both families, sorted, without overlap; may be empty: then it matches nobody.
    pub ranges: Vec<Range>,
}
