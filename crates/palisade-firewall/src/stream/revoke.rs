//! Which conversations have to be judged anew when the elements of sets change. Pure, but for
//! [`judge_anew`].
//!
//! A change of chains or rules is a new generation: all is judged anew by itself. When only elements
//! change, a conversation that an element allowed carries the mark of the present generation and would
//! go on for ever; so the marks of those whose peer has lost something are cleared. What is still
//! allowed is marked again by its next packet and loses none, so too many are no harm, too few are.

use super::MARK_MASK;
use crate::filter::{Filter, Peers, Rule};
use crate::group::model::Action;
use crate::ruleset::{Range, Until, merged, subtracted};
use palisade_sys::SysError;
use palisade_sys::conntrack::{self, Flow};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The peers that may have lost what they were allowed: who is gone from a set that allows or spares, and
/// who has come into one that denies. Sorted, without overlap. Rules are taken from `new`, since a change
/// of rules makes a new generation.
pub fn suspects(old: &Filter, new: &Filter) -> Vec<Range> {
    let (before, after) = (by_name(old), by_name(new));
    let mut suspects = Vec::new();
    for (name, lost_by) in losing(&new.rules) {
        let none: &[Range] = &[];
        let (before, after) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        if lost_by.leaving {
            suspects.extend(difference(before, after));
        }
        if lost_by.coming {
            suspects.extend(difference(after, before));
        }
    }
    merged(suspects.into_iter().map(|range| (range, Until::Never))).into_iter().map(|(range, _)| range).collect()
}

/// True if no end of the conversation is one of `suspects`: it need not be judged anew. Both ends of both
/// directions are looked at, since addresses may be translated and this host may only pass it on.
pub fn keeps(suspects: &[Range], flow: &Flow) -> bool {
    let ends = [flow.original.source, flow.original.destination, flow.reply.source, flow.reply.destination];
    !ends.iter().any(|end| holds(suspects, *end))
}

/// Has the conversations of `suspects` judged anew. Returns how many were marked.
pub fn judge_anew(suspects: &[Range]) -> Result<usize, SysError> {
    if suspects.is_empty() {
        return Ok(0);
    }
    conntrack::clear_marks(MARK_MASK, &|flow| keeps(suspects, flow))
}

/// By which change of a set a peer may lose something.
#[derive(Debug, Clone, Copy, Default)]
struct LostBy {
    leaving: bool,
    coming: bool,
}

fn losing(rules: &[Rule]) -> BTreeMap<&str, LostBy> {
    let mut all: BTreeMap<&str, LostBy> = BTreeMap::new();
    for rule in rules {
        let (sets, inside) = match &rule.peers {
            Peers::Any => continue,
            Peers::Of { sets, .. } => (sets, true),
            Peers::Except { sets } => (sets, false),
        };
        // an allow holds for those inside, or for those outside
        let leaving = (rule.action == Action::Allow) == inside;
        for set in sets {
            let lost_by = all.entry(set).or_default();
            *lost_by = LostBy { leaving: lost_by.leaving | leaving, coming: lost_by.coming | !leaving };
        }
    }
    all
}

fn by_name(filter: &Filter) -> BTreeMap<&str, &[Range]> {
    filter.sets.iter().map(|set| (set.name.as_str(), set.ranges.as_slice())).collect()
}

/// What of `from` is not in `without`; both sorted, without overlap. One pass over both.
fn difference(from: &[Range], without: &[Range]) -> Vec<Range> {
    let (mut left, mut first) = (Vec::new(), 0);
    for range in from {
        while without.get(first).is_some_and(|hole| hole.last() < range.first()) {
            first += 1;
        }
        let holes = without[first..].iter().take_while(|hole| hole.first() <= range.last()).count();
        left.extend(subtracted(*range, &without[first..first + holes]));
    }
    left
}

fn holds(ranges: &[Range], address: IpAddr) -> bool {
    let place = ranges.partition_point(|range| range.last() < address);
    ranges.get(place).is_some_and(|range| range.first() <= address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::filter::{AddressSet, Layer};
    use crate::group::model::{Direction, Protocol};
    use palisade_sys::conntrack::Tuple;
    use proptest::prelude::*;

    fn filter(action: Action, peers: Peers, members: &[&str]) -> Filter {
        let ranges = members.iter().map(|text| text.parse().unwrap()).collect();
        let rule = Rule {
            id: "web/ssh".to_owned(),
            layer: Layer::Group,
            priority: 50,
            direction: Direction::In,
            action,
            protocol: Protocol::Tcp,
            ports: Vec::new(),
            types: Vec::new(),
            peers,
            log: false,
            starts_at: None,
            ends_at: None,
        };
        Filter { rules: vec![rule], sets: vec![AddressSet { name: "s".to_owned(), ranges }], defaults: None }
    }

    fn said(action: Action, peers: &Peers, old: &[&str], new: &[&str]) -> Vec<String> {
        let suspects = suspects(&filter(action, peers.clone(), old), &filter(action, peers.clone(), new));
        suspects.iter().map(Range::to_string).collect()
    }

    fn of() -> Peers {
        Peers::Of { sets: vec!["s".to_owned()], interfaces: Vec::new() }
    }

    fn except() -> Peers {
        Peers::Except { sets: vec!["s".to_owned()] }
    }

    fn flow(from: &str, to: &str) -> Flow {
        let (a, b) = (from.parse().unwrap(), to.parse().unwrap());
        let tuple =
            |source, destination| Tuple { source, destination, source_port: 1, destination_port: 2, icmp: None };
        let (original, reply) = (tuple(a, b), tuple(b, a));
        Flow { protocol: 6, original, reply, mark: 0, state: None, timeout_s: None, counted: None, zone: 0 }
    }

    #[test]
    fn who_leaves_a_set_that_allows_and_who_comes_into_one_that_denies_is_judged_anew() {
        let (old, new) = (["10.0.0.1", "10.0.0.4-10.0.0.9"], ["10.0.0.4-10.0.0.6", "10.0.0.20"]);
        let (left, came) = (["10.0.0.1", "10.0.0.7-10.0.0.9"], ["10.0.0.20"]);
        assert_eq!(said(Action::Allow, &of(), &old, &new), left);
        assert_eq!(said(Action::Deny, &of(), &old, &new), came);
        assert_eq!(said(Action::Allow, &except(), &old, &new), came);
        assert_eq!(said(Action::Deny, &except(), &old, &new), left);
        assert!(said(Action::Allow, &Peers::Any, &old, &new).is_empty());
    }

    #[test]
    fn only_conversations_of_suspects_are_judged_anew_in_either_direction() {
        let suspects: Vec<Range> = ["10.0.0.7-10.0.0.9", "2001:db8::/64"].iter().map(|r| r.parse().unwrap()).collect();
        assert!(!keeps(&suspects, &flow("10.0.0.8", "192.0.2.1")));
        assert!(!keeps(&suspects, &flow("192.0.2.1", "10.0.0.9")));
        assert!(!keeps(&suspects, &flow("2001:db8::5", "2001:db8:1::1")));
        assert!(keeps(&suspects, &flow("10.0.0.10", "192.0.2.1")));
        assert!(keeps(&[], &flow("10.0.0.8", "192.0.2.1")));
    }

    proptest! {
        #[test]
        fn a_difference_is_what_is_in_one_and_not_in_the_other(a in 0u64.., b in 0u64..) {
            let ranges = |bits: u64| -> Vec<Range> {
                let one = |n: u64| IpAddr::from((n as u32 + 0x0a00_0000).to_be_bytes());
                let each = (0..64).filter(|n| bits >> n & 1 == 1).map(|n| (Range::new(one(n), one(n)).unwrap(), Until::Never));
                merged(each).into_iter().map(|(range, _)| range).collect()
            };
            prop_assert_eq!(difference(&ranges(a), &ranges(b)), ranges(a & !b));
        }
    }
}
