//! Which rule decides about each address, for all addresses at once: one sweep over the points where
//! a network begins or ends. Pure; what [`super::reach`] and [`super::compile`] share.

use super::{Filter, Peers};
use crate::ruleset::Range;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses of one family by number, first and last; sorted, without overlap and not touching.
pub type Spans = Vec<(u128, u128)>;

/// Both families, IPv4 first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Space(pub [Spans; 2]);

/// The last address of each family.
const LAST: [u128; 2] = [u32::MAX as u128, u128::MAX];

impl Space {
    /// Every address.
    pub fn all() -> Space {
        Space(LAST.map(|last| vec![(0, last)]))
    }

    /// The addresses of `ranges`, in any order.
    pub fn of<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> Space {
        let mut space = Space::default();
        for range in ranges {
            space.0[usize::from(range.first().is_ipv6())].push((number(range.first()), number(range.last())));
        }
        Space(space.0.map(joined))
    }

    /// The addresses of spans in any order, IPv4 first.
    pub fn of_spans(spans: [Spans; 2]) -> Space {
        Space(spans.map(joined))
    }

    /// True if no address is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Who is not in it.
    pub fn complement(&self) -> Space {
        Space::all().without(self)
    }

    /// Who is in it and not in `other`.
    pub fn without(&self, other: &Space) -> Space {
        Space([less(&self.0[0], &other.0[0]), less(&self.0[1], &other.0[1])])
    }

    /// Who is in both.
    pub fn and(&self, other: &Space) -> Space {
        Space([common(&self.0[0], &other.0[0]), common(&self.0[1], &other.0[1])])
    }

    /// Who is in one of them.
    pub fn or(&self, other: &Space) -> Space {
        let both = |family: usize| self.0[family].iter().chain(&other.0[family]).copied().collect();
        Space::of_spans([both(0), both(1)])
    }

    /// Only one family, 0 being IPv4.
    pub fn family(mut self, family: usize) -> Space {
        self.0[1 - family].clear();
        self
    }

    /// As ranges, IPv4 first.
    pub fn ranges(&self) -> Vec<Range> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(family, spans)| spans.iter().filter_map(move |s| range(family, *s)))
            .collect()
    }
}

fn common(a: &[(u128, u128)], b: &[(u128, u128)]) -> Spans {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (first, last) = (x.0.max(y.0), x.1.min(y.1));
        if first <= last {
            out.push((first, last));
        }
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    out
}

/// The addresses that the peers of a rule are, by name of an interface: those of `None` for any
/// interface that the rule does not name. A set that is not there holds nobody.
pub fn space_of(filter: &Sets<'_>, peers: &Peers, interface: Option<&str>) -> Space {
    let of = |sets: &[String]| Space::of(sets.iter().flat_map(|name| filter.ranges(name)));
    match peers {
        Peers::Any => Space::all(),
        Peers::Of { interfaces, .. } if interface.is_some_and(|i| interfaces.iter().any(|n| n == i)) => Space::all(),
        Peers::Of { sets, .. } => of(sets),
        Peers::Except { sets } => of(sets).complement(),
    }
}

/// The sets of a filter by name.
#[derive(Debug)]
pub struct Sets<'a>(HashMap<&'a str, &'a [Range]>);

impl<'a> Sets<'a> {
    /// Those of `filter`.
    pub fn new(filter: &'a Filter) -> Sets<'a> {
        Sets(filter.sets.iter().map(|set| (set.name.as_str(), set.ranges.as_slice())).collect())
    }

    /// The addresses of a set; none if there is no such set.
    pub fn ranges(&self, name: &str) -> &'a [Range] {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// Who decides where.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Per family, the addresses that some rule decides, and which, by its place in the list given;
    /// neighbours that the same rule decides are one.
    pub decided: [Vec<(u128, u128, usize)>; 2],
    /// Per rule that decides nothing though it matches somebody: an earlier one that does.
    pub covered_by: Vec<Option<usize>>,
}

/// Sweeps over the spaces of rules in their order; the first that holds an address decides it.
pub fn swept(rules: &[&Space]) -> Swept {
    let mut out = Swept { decided: Default::default(), covered_by: vec![None; rules.len()] };
    let mut decides = vec![false; rules.len()];
    for family in 0..2 {
        let decided = sweep_family(rules, family, &mut out.covered_by);
        decided.iter().for_each(|(_, _, rule)| decides[*rule] = true);
        out.decided[family] = decided;
    }
    for (covered, decides) in out.covered_by.iter_mut().zip(decides) {
        if decides {
            *covered = None;
        }
    }
    out
}

/// The set holds the rules that cover the present point.
fn sweep_family(rules: &[&Space], family: usize, covered_by: &mut [Option<usize>]) -> Vec<(u128, u128, usize)> {
    // a point is (address, it begins there, rule)
    let mut points: Vec<(u128, bool, usize)> = Vec::new();
    for (rule, space) in rules.iter().enumerate() {
        for (first, last) in &space.0[family] {
            points.push((*first, true, rule));
            if *last < LAST[family] {
                points.push((last + 1, false, rule));
            }
        }
    }
    points.sort_unstable();
    let mut covering: BTreeSet<usize> = BTreeSet::new();
    let mut out: Vec<(u128, u128, usize)> = Vec::new();
    for at in points.chunk_by(|a, b| a.0 == b.0) {
        for (_, begins, rule) in at {
            // spans of one rule do not touch, so it never ends and begins at one point
            if *begins {
                covering.insert(*rule)
            } else {
                covering.remove(rule)
            };
        }
        if let Some((_, last, _)) = out.last_mut()
            && *last == LAST[family]
        {
            *last = at[0].0 - 1; // open until now
        }
        let Some(decider) = covering.first().copied() else { continue };
        for (_, _, rule) in at.iter().filter(|(_, begins, rule)| *begins && *rule != decider) {
            covered_by[*rule].get_or_insert(decider);
        }
        match out.last_mut() {
            Some((_, last, same)) if *same == decider && *last + 1 == at[0].0 => *last = LAST[family],
            _ => out.push((at[0].0, LAST[family], decider)),
        }
    }
    out
}

/// `range` of family 0 (IPv4) or 1 from its numbers.
pub fn range(family: usize, (first, last): (u128, u128)) -> Option<Range> {
    Range::new(address(family, first), address(family, last))
}

fn address(family: usize, n: u128) -> IpAddr {
    match family {
        0 => IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap_or(u32::MAX))),
        _ => IpAddr::V6(Ipv6Addr::from(n)),
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}

fn joined(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut out: Spans = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out
}

fn less(spans: &Spans, holes: &Spans) -> Spans {
    let mut out = Spans::with_capacity(spans.len());
    let mut holes = holes.iter().peekable();
    for (first, last) in spans {
        let mut from = Some(*first);
        while let (Some(start), Some(hole)) = (from, holes.peek()) {
            if hole.0 > *last {
                break;
            }
            if hole.0 > start {
                out.push((start, hole.0 - 1));
            }
            if hole.1 >= *last {
                from = None; // the hole may reach into the next span: it stays
            } else {
                from = Some(start.max(hole.1 + 1));
                holes.next();
            }
        }
        if let Some(start) = from {
            out.push((start, *last));
        }
    }
    out
}
