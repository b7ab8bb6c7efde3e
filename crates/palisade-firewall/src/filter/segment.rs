//! What is spoken, cut at every port and type of ICMP where the rules that apply change. Pure.

use super::Rule;
use crate::group::model::{Ports, Protocol};
use std::collections::{BTreeMap, BTreeSet};

/// What is spoken, as far as rules tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spoken {
    /// TCP, by its ports.
    Tcp,
    /// UDP, by its ports.
    Udp,
    /// ICMP, by its types.
    Icmp,
    /// ICMPv6, by its types.
    Icmpv6,
    /// GRE.
    Gre,
    /// All other protocols.
    Other,
}

impl Spoken {
    /// Each.
    pub const ALL: [Spoken; 6] = [Spoken::Tcp, Spoken::Udp, Spoken::Icmp, Spoken::Icmpv6, Spoken::Gre, Spoken::Other];

    /// All of its ports, or types; one number for what has neither.
    pub fn numbers(self) -> Ports {
        match self {
            Spoken::Tcp | Spoken::Udp => Ports::ALL,
            Spoken::Icmp | Spoken::Icmpv6 => Ports { first: 0, last: 255 },
            Spoken::Gre | Spoken::Other => Ports::one(0),
        }
    }

    /// The only family in which it is spoken, 0 being IPv4.
    pub fn family(self) -> Option<usize> {
        match self {
            Spoken::Icmp => Some(0),
            Spoken::Icmpv6 => Some(1),
            _ => None,
        }
    }

    /// What `rule` says about it: ports or types, sorted.
    pub(crate) fn said_by(self, rule: &Rule) -> Vec<Ports> {
        let speaks = match rule.protocol {
            Protocol::All => true,
            Protocol::Tcp => self == Spoken::Tcp,
            Protocol::Udp => self == Spoken::Udp,
            Protocol::Icmp => self == Spoken::Icmp,
            Protocol::Icmpv6 => self == Spoken::Icmpv6,
            Protocol::Gre => self == Spoken::Gre,
        };
        let has_ports = matches!(self, Spoken::Tcp | Spoken::Udp);
        let has_types = self.family().is_some();
        if !speaks || (!has_ports && !rule.ports.is_empty()) || (!has_types && !rule.types.is_empty()) {
            return Vec::new();
        }
        match (rule.ports.is_empty(), rule.types.is_empty()) {
            (true, true) => vec![self.numbers()],
            (false, _) => rule.ports.clone(),
            (true, false) => rule.types.iter().map(|kind| Ports::one(u16::from(*kind))).collect(),
        }
    }
}

/// Calls `visit` with every segment in order and the places (in `rules`) of the rules that apply to
/// it; neighbours to which the same rules apply are one. Stops when `visit` says false.
pub fn segments(rules: &[&Rule], spoken: Spoken, mut visit: impl FnMut(Ports, &BTreeSet<usize>) -> bool) {
    let whole = spoken.numbers();
    let mut points: BTreeMap<u16, Vec<(i32, usize)>> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        for ports in spoken.said_by(rule) {
            points.entry(ports.first).or_default().push((1, place));
            if let Some(after) = ports.last.checked_add(1).filter(|after| *after <= whole.last) {
                points.entry(after).or_default().push((-1, place));
            }
        }
    }
    // ports of one rule may overlap if somebody wrote them so: counted
    let mut depth: Vec<i32> = vec![0; rules.len()];
    let mut applying: BTreeSet<usize> = BTreeSet::new();
    let mut from = whole.first;
    for (at, changes) in points {
        let mut after = applying.clone();
        for (step, place) in changes {
            depth[place] += step;
            if depth[place] > 0 {
                after.insert(place)
            } else {
                after.remove(&place)
            };
        }
        if after == applying {
            continue;
        }
        if at > from && !visit(Ports { first: from, last: at - 1 }, &applying) {
            return;
        }
        (from, applying) = (at, after);
    }
    visit(Ports { first: from, last: whole.last }, &applying);
}
