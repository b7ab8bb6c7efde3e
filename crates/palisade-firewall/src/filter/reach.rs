//! Who reaches what, for all packets at once. Pure.
//!
//! Each direction is cut into cells (what is spoken, a segment of its ports) in which the same rules
//! apply; in a cell one sweep over the networks says which rule decides about which address
//! ([`super::sweep`]). Cells whose rules have the same peers share the result. The cost is that of
//! sorting the networks once per different list of peers.
//!
//! Only the rules and the default are looked at: loopback, the failsafe, bans and what IP cannot work
//! without are decided before them, for every filter alike. Ends of rules are not looked at either:
//! [`Filter::at`] leaves out what has ended.

mod difference;
mod words;

pub use difference::{Class, Difference, difference};

use super::segment::{Spoken, segments};
use super::sweep::{Sets, Space, Swept, space_of, swept};
use super::{Filter, Peers, Rule};
use crate::group::model::{Action, Direction, Ports};
use crate::ruleset::Range;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// Segments of ports, each with the places of the rules that apply.
type Segments = Vec<(Ports, Vec<usize>)>;
/// Peers as a key: everybody but these sets, the sets, and the one family.
type PeersKey<'a> = (bool, &'a [String], Option<usize>);

/// What the rules of one direction allow.
pub(crate) struct Reach<'a> {
    sets: Sets<'a>,
    rules: Vec<&'a Rule>,
    default: Action,
    spaces: Vec<Space>,
    known: HashMap<PeersKey<'a>, usize>,
    sweeps: HashMap<Vec<usize>, Rc<Swept>>,
    allowed: HashMap<(Vec<usize>, Vec<Action>), Rc<Space>>,
}

impl<'a> Reach<'a> {
    /// Of a host that nothing filters everything is allowed.
    pub(crate) fn new(filter: &'a Filter, direction: Direction) -> Reach<'a> {
        let filtered = filter.defaults.is_some();
        let rules = filter.rules.iter().filter(|rule| filtered && rule.direction == direction).collect();
        let default = filter.defaults.map_or(Action::Allow, |defaults| defaults.of(direction));
        Reach {
            sets: Sets::new(filter),
            rules,
            default,
            spaces: Vec::new(),
            known: HashMap::new(),
            sweeps: HashMap::new(),
            allowed: HashMap::new(),
        }
    }

    /// The interfaces that rules name.
    pub(crate) fn interfaces(&self) -> BTreeSet<&'a str> {
        self.rules.iter().flat_map(|rule| interfaces(rule)).map(String::as_str).collect()
    }

    /// All ports of what is spoken, in order.
    pub(crate) fn segments(&self, spoken: Spoken) -> Segments {
        let mut all = Vec::new();
        segments(&self.rules, spoken, |ports, places| {
            all.push((ports, places.iter().copied().collect()));
            true
        });
        all
    }

    /// Who is let through by these rules.
    pub(crate) fn allowed(&mut self, places: &[usize], spoken: Spoken, interface: Option<&str>) -> Rc<Space> {
        let spaces = self.spaces_of(places, spoken, interface);
        let actions: Vec<Action> = places.iter().map(|place| self.rules[*place].action).collect();
        let mut key = (spaces, actions);
        key.0.push(self.space(&Peers::Any, spoken, None)); // what the default is about
        if let Some(known) = self.allowed.get(&key) {
            return Rc::clone(known);
        }
        let swept = self.sweep(&key.0[..places.len()]);
        let decided =
            decided_as(&swept, &key.1, if self.default == Action::Allow { Action::Deny } else { Action::Allow });
        let space = match self.default {
            Action::Deny => decided,
            Action::Allow => self.spaces[key.0[places.len()]].without(&decided),
        };
        Rc::clone(self.allowed.entry(key).or_insert(Rc::new(space)))
    }

    /// Which of these rules decides where.
    pub(crate) fn swept(&mut self, places: &[usize], spoken: Spoken, interface: Option<&str>) -> Rc<Swept> {
        let spaces = self.spaces_of(places, spoken, interface);
        self.sweep(&spaces)
    }

    fn sweep(&mut self, spaces: &[usize]) -> Rc<Swept> {
        if let Some(known) = self.sweeps.get(spaces) {
            return Rc::clone(known);
        }
        let rules: Vec<&Space> = spaces.iter().map(|id| &self.spaces[*id]).collect();
        let done = Rc::new(swept(&rules));
        Rc::clone(self.sweeps.entry(spaces.to_vec()).or_insert(done))
    }

    fn spaces_of(&mut self, places: &[usize], spoken: Spoken, interface: Option<&str>) -> Vec<usize> {
        let rules: Vec<&Rule> = places.iter().map(|place| self.rules[*place]).collect();
        rules.into_iter().map(|rule| self.space(&rule.peers, spoken, interface)).collect()
    }

    fn space(&mut self, peers: &'a Peers, spoken: Spoken, interface: Option<&str>) -> usize {
        let named = |i: &&str, interfaces: &[String]| interfaces.iter().any(|name| name == i);
        let key: PeersKey<'a> = match peers {
            Peers::Any => (true, &[], spoken.family()),
            Peers::Of { interfaces, .. } if interface.as_ref().is_some_and(|i| named(i, interfaces)) => {
                (true, &[], spoken.family())
            }
            Peers::Of { sets, .. } => (false, sets, spoken.family()),
            Peers::Except { sets } => (true, sets, spoken.family()),
        };
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let space = space_of(&self.sets, peers, interface);
        self.spaces.push(if let Some(family) = key.2 { space.family(family) } else { space });
        self.known.insert(key, self.spaces.len() - 1);
        self.spaces.len() - 1
    }
}

fn interfaces(rule: &Rule) -> &[String] {
    match &rule.peers {
        Peers::Of { interfaces, .. } => interfaces,
        Peers::Any | Peers::Except { .. } => &[],
    }
}

fn decided_as(swept: &Swept, actions: &[Action], action: Action) -> Space {
    let of = |family: usize| {
        let decided = swept.decided[family].iter().filter(|(_, _, rule)| actions[*rule] == action);
        decided.map(|(first, last, _)| (*first, *last)).collect()
    };
    Space::of_spans([of(0), of(1)])
}

/// Who is let through, by direction, for each interface that rules name and for any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Who begins.
    pub direction: Direction,
    /// What is spoken.
    pub spoken: Spoken,
    /// Ports of tcp and udp, types of ICMP.
    pub numbers: Ports,
    /// By which interface; `None`: by any that no rule names.
    pub interface: Option<String>,
    /// The peers that the rules and the default let through.
    pub allowed: Vec<Range>,
}

/// All cells of a filter.
pub fn cells(filter: &Filter) -> Vec<Cell> {
    let mut all = Vec::new();
    for direction in [Direction::In, Direction::Out] {
        let mut reach = Reach::new(filter, direction);
        let named = reach.interfaces().into_iter().map(Some);
        for interface in std::iter::once(None).chain(named).collect::<Vec<_>>() {
            for spoken in Spoken::ALL {
                for (numbers, places) in reach.segments(spoken) {
                    let allowed = reach.allowed(&places, spoken, interface).ranges();
                    let interface = interface.map(str::to_owned);
                    all.push(Cell { direction, spoken, numbers, interface, allowed });
                }
            }
        }
    }
    all
}

/// Rules that match somebody and never decide, because earlier ones do: the rule's id and that of an
/// earlier one that decides about some of its packets.
pub fn shadowed(filter: &Filter) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for direction in [Direction::In, Direction::Out] {
        let mut reach = Reach::new(filter, direction);
        let (mut decide, mut covered) = (BTreeSet::new(), BTreeMap::new());
        let named = reach.interfaces().into_iter().map(Some);
        for interface in std::iter::once(None).chain(named).collect::<Vec<_>>() {
            for spoken in Spoken::ALL {
                for (_, places) in reach.segments(spoken) {
                    let swept = reach.swept(&places, spoken, interface);
                    decide.extend(swept.decided.iter().flatten().map(|(_, _, rule)| places[*rule]));
                    for (rule, by) in swept.covered_by.iter().enumerate() {
                        let Some(by) = by else { continue };
                        covered.entry(places[rule]).or_insert(places[*by]);
                    }
                }
            }
        }
        let id = |place: usize| reach.rules[place].id.clone();
        all.extend(covered.iter().filter(|(rule, _)| !decide.contains(*rule)).map(|(rule, by)| (id(*rule), id(*by))));
    }
    all
}
