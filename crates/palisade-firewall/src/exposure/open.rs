//! From where a filter lets packets in, port by port: one sweep over the ports that its rules name.

use super::Open;
use super::space::{open, private};
use crate::filter::judge::alive;
use crate::filter::sweep::Space;
use crate::filter::{Filter, Peers, Rule};
use crate::group::model::{Action, Direction, Ports, Protocol as RuleProtocol};
use crate::model::Protocol;
use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The id of the default for what comes in, where no rule decides.
pub const DEFAULT_IN: &str = "default/in";
/// How the names of sets begin that hold what a port policy calls private.
const PRIVATE_SET: &str = "policy/private";
/// Interfaces by which only tunnels, containers and virtual machines come; how their names begin.
const INNER_INTERFACES: [&str; 13] =
    ["wg", "tun", "tap", "tailscale", "zt", "nebula", "ipsec", "docker", "br-", "virbr", "veth", "cni", "flannel"];
/// Segments of one host beyond which no more are kept; the ports of the rest are said to be unknown.
pub const SEGMENTS_MAX: usize = 4_096;

/// Neighbouring ports that are open to the same, by the same rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// tcp or udp.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// Who is let in.
    pub from: Open,
    /// Private addresses are let in, too: what reaches a socket on a private address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// The rule that lets the widest in, or that shuts; [`DEFAULT_IN`] for none.
    pub rule: String,
}

/// All ports of tcp and udp in order, as far as [`SEGMENTS_MAX`] goes; empty for a host without a
/// filter.
pub fn segments(filter: &Filter, now: Timestamp) -> Vec<Segment> {
    if filter.defaults.is_none() {
        return Vec::new();
    }
    let sweep = Sweep::new(filter, now);
    let mut all = sweep.protocol(Protocol::Tcp, RuleProtocol::Tcp);
    all.extend(sweep.protocol(Protocol::Udp, RuleProtocol::Udp));
    all.truncate(SEGMENTS_MAX);
    all
}

/// The segment of a port.
pub fn at(segments: &[Segment], protocol: Protocol, port: u16) -> Option<&Segment> {
    let place = segments.partition_point(|s| (s.protocol, s.last) < (protocol, port));
    segments.get(place).filter(|s| s.protocol == protocol && s.first <= port)
}

struct Sweep<'a> {
    filter: &'a Filter,
    rules: Vec<&'a Rule>,
    sets: HashMap<&'a str, Space>,
    private: Space,
}

/// Who is let in by some rules.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    from: Open,
    private: bool,
    rule: String,
}

/// What was decided so far on one way.
#[derive(Default)]
struct Tally<'a> {
    open: Space,
    /// The rule that lets the widest in.
    widest: Option<(Open, &'a str)>,
    /// The rule that shuts the widest out.
    shut: Option<(Open, &'a str)>,
}

impl<'a> Tally<'a> {
    fn take(&mut self, hit: &Space, action: Action, rule: &'a str, private: &Space) {
        if hit.is_empty() {
            return;
        }
        let from = open(hit, private);
        let keeps = if action == Action::Allow { &mut self.widest } else { &mut self.shut };
        if keeps.is_none_or(|(known, _)| from > known) {
            *keeps = Some((from, rule));
        }
        if action == Action::Allow {
            self.open = self.open.or(hit);
        }
    }
}

impl<'a> Sweep<'a> {
    fn new(filter: &'a Filter, now: Timestamp) -> Sweep<'a> {
        let holds = |rule: &&Rule| rule.direction == Direction::In && alive(rule, now);
        let sets: HashMap<&str, Space> = filter.sets.iter().map(|s| (s.name.as_str(), Space::of(&s.ranges))).collect();
        let said = sets.iter().filter(|(name, _)| name.starts_with(PRIVATE_SET));
        let private = private(&said.fold(Space::default(), |sum, (_, set)| sum.or(set)));
        Sweep { filter, rules: filter.rules.iter().filter(holds).collect(), sets, private }
    }

    /// Between two borders of ports the same rules are asked, in the same order.
    fn protocol(&self, protocol: Protocol, spoken: RuleProtocol) -> Vec<Segment> {
        let borders = self.borders(spoken);
        let starts: Vec<u32> = borders.keys().copied().collect();
        let (mut active, mut known) = (BTreeSet::new(), HashMap::<Vec<usize>, Outcome>::new());
        let mut out: Vec<Segment> = Vec::new();
        for (place, start) in starts.iter().enumerate() {
            for (index, begins) in &borders[start] {
                if *begins {
                    active.insert(*index)
                } else {
                    active.remove(index)
                };
            }
            let Ok(first) = u16::try_from(*start) else { break };
            let last = starts.get(place + 1).map_or(u16::MAX, |next| u16::try_from(next - 1).unwrap_or(u16::MAX));
            let asked: Vec<usize> = active.iter().copied().collect();
            let outcome = known.entry(asked).or_insert_with_key(|asked| self.outcome(asked));
            let Outcome { from, private, rule } = outcome.clone();
            match out.last_mut() {
                Some(before) if before.from == from && before.private == private && before.rule == rule => {
                    before.last = last;
                }
                _ => out.push(Segment { protocol, first, last, from, private, rule }),
            }
        }
        out
    }

    /// Where rules begin and end, by port; a rule whose ranges touch ends and begins in order.
    fn borders(&self, spoken: RuleProtocol) -> BTreeMap<u32, Vec<(usize, bool)>> {
        let mut borders: BTreeMap<u32, Vec<(usize, bool)>> = BTreeMap::from([(0, Vec::new())]);
        for (index, rule) in self.rules.iter().enumerate() {
            if rule.protocol != spoken && rule.protocol != RuleProtocol::All {
                continue;
            }
            let ports: &[Ports] = if rule.ports.is_empty() { &[Ports::ALL] } else { &rule.ports };
            for range in ports {
                borders.entry(u32::from(range.first)).or_default().push((index, true));
                borders.entry(u32::from(range.last) + 1).or_default().push((index, false));
            }
        }
        borders.values_mut().for_each(|list| list.sort_by_key(|(_, begins)| *begins));
        borders
    }

    /// The widest over the ways by which a packet may come: each interface that a rule names, and any
    /// other.
    fn outcome(&self, asked: &[usize]) -> Outcome {
        let mut ways: BTreeSet<Option<&str>> = BTreeSet::from([None]);
        for index in asked {
            if let Peers::Of { interfaces, .. } = &self.rules[*index].peers {
                ways.extend(interfaces.iter().map(|name| Some(name.as_str())));
            }
        }
        let mut best: Option<Outcome> = None;
        for way in ways {
            let found = self.by_way(asked, way);
            let private = found.private || best.as_ref().is_some_and(|b| b.private);
            match &mut best {
                Some(best) if best.from >= found.from => best.private = private,
                _ => best = Some(Outcome { private, ..found }),
            }
        }
        best.unwrap_or(Outcome { from: Open::None, private: false, rule: DEFAULT_IN.to_owned() })
    }

    fn by_way(&self, asked: &[usize], way: Option<&str>) -> Outcome {
        let (mut left, mut tally) = (Space::all(), Tally::default());
        for rule in asked.iter().map(|index| self.rules[*index]) {
            let hit = self.hit(&left, &rule.peers, way);
            left = left.without(&hit);
            tally.take(&hit, rule.action, &rule.id, &self.private);
            if left.is_empty() {
                break;
            }
        }
        let default = self.filter.defaults.map_or(Action::Allow, |d| d.inbound);
        tally.take(&left, default, DEFAULT_IN, &self.private);
        let inner = way.is_some_and(|name| INNER_INTERFACES.iter().any(|start| name.starts_with(start)));
        let from = open(&tally.open, &self.private);
        let from = if inner { from.min(Open::Named) } else { from };
        let rule = if tally.open.is_empty() { tally.shut } else { tally.widest };
        let rule = rule.map_or(DEFAULT_IN, |(_, id)| id).to_owned();
        Outcome { from, private: !tally.open.and(&self.private).is_empty(), rule }
    }

    fn hit(&self, left: &Space, peers: &Peers, way: Option<&str>) -> Space {
        let named = |sets: &[String]| {
            let known = sets.iter().filter_map(|name| self.sets.get(name.as_str()));
            known.fold(Space::default(), |sum, set| if sum.is_empty() { set.clone() } else { sum.or(set) })
        };
        match peers {
            Peers::Any => left.clone(),
            Peers::Of { interfaces, .. } if way.is_some_and(|way| interfaces.iter().any(|name| name == way)) => {
                left.clone()
            }
            Peers::Of { sets, .. } => left.and(&named(sets)),
            Peers::Except { sets } => left.without(&named(sets)),
        }
    }
}
