//! What is open: sockets and published ports joined with the rules that stand before them. Pure.
//!
//! *Open by rule* is from where the rules of the host let packets in to a port, whether somebody
//! listens or not. *Open in fact* is what is left when the socket's own address is asked too: a
//! database on 127.0.0.1 is open to nobody, whatever the rules say. Rules of other tools are not
//! evaluated. The rules are those that the host's agent has in force; where it has reported none, those
//! that the server would give it.

mod join;
mod kept;
mod matrix;
mod notes;
mod open;
mod space;

pub use join::{Joined, Path, Rules, joined};
pub use kept::{Kept, kept, kept_now};
pub use matrix::{Cell, HOSTS_MAX, HostLook, Matrix, MatrixPort, MatrixRow, PORTS_MAX, State, matrix};
pub use notes::{Exception, Notes, notes, protocol_word};
pub use open::{DEFAULT_IN, SEGMENTS_MAX, Segment, at, segments};
pub use space::{WORLD_V4_MIN, WORLD_V6_MIN};

use crate::filter::Defaults;
use crate::group::model::Action;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// To whom something is open; ordered, the later the more there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OpenTo)]
pub enum Open {
    /// To nobody but the failsafe addresses.
    None,
    /// To private networks, or addresses in them, only.
    Private,
    /// To named public networks: fewer addresses than a /8 (IPv4) or a /16 (IPv6).
    Named,
    /// To anybody.
    World,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Open::None => "none",
            Open::Private => "private",
            Open::Named => "named",
            Open::World => "world",
        })
    }
}

/// From where rules let packets in to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ByRule {
    /// Neither a group nor a policy chooses the host.
    Unfiltered,
    /// From anywhere.
    World,
    /// From named public networks.
    Named,
    /// From private networks only.
    Private,
    /// From nowhere.
    None,
}

impl From<Open> for ByRule {
    fn from(open: Open) -> ByRule {
        match open {
            Open::World => ByRule::World,
            Open::Named => ByRule::Named,
            Open::Private => ByRule::Private,
            Open::None => ByRule::None,
        }
    }
}

/// What the agent of a host says about the rules that it holds: a section of its observation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filtering {
    /// The kernel holds them. False where the permit does not let the agent do so, or somebody has
    /// removed them.
    pub in_force: bool,
    /// A candidate on probation decides.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub probation: bool,
    /// What becomes of the rest; absent if neither a group nor a policy chooses the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Defaults>,
    /// From where each port is let in, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// Rules that match nobody, since their peers resolve to nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<Unresolved>,
    /// What the server has told beside the rules.
    #[serde(skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
}

/// A rule whose peers resolve to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// Its id.
    pub rule: String,
    /// What it would do.
    pub action: Action,
}

impl Filtering {
    /// The rules decide what comes in on this host.
    pub fn filters(&self) -> bool {
        self.in_force && self.defaults.is_some()
    }

    /// What no rule lets in stays out.
    pub fn shuts_by_default(&self) -> bool {
        self.in_force && self.defaults.is_some_and(|d| d.inbound == Action::Deny)
    }
}
