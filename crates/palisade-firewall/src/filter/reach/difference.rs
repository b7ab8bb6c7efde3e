//! What a change of a filter opens and closes.

use super::words::{Names, sentence};
use super::{Reach, Segments};
use crate::filter::Filter;
use crate::filter::segment::Spoken;
use crate::filter::sweep::Space;
use crate::group::model::{Direction, Ports, Protocol};
use crate::ruleset::Range;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

/// What one filter lets through and another does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// What the new one lets through in addition.
    pub opened: Vec<Class>,
    /// What it lets through no longer.
    pub closed: Vec<Class>,
}

/// Packets that are treated alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Who begins.
    pub direction: Direction,
    /// What is spoken; `all` is everything, or what has no name here if `unnamed`.
    pub protocol: Protocol,
    /// Only protocols that have no name here.
    pub unnamed: bool,
    /// Destination ports; all if empty.
    pub ports: Vec<Ports>,
    /// Types of ICMP, from the first to the last; all if empty.
    pub types: Vec<Ports>,
    /// The other side: sorted, without overlap, never empty.
    pub peers: Vec<Range>,
    /// Only by this interface, beyond what holds for any; `None`: by any interface that no rule names
    /// (and by those that rules name, unless they had or have it anyway).
    pub interface: Option<String>,
    /// The peers in words.
    pub(super) who: String,
}

impl fmt::Display for Class {
    /// `tcp/22 from 0.0.0.0/0`, `everything to list:office (3 networks) by wg0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sentence(self, f)
    }
}

/// What `new` opens and closes, compared with `old`. Ends of rules are not looked at.
pub fn difference(old: &Filter, new: &Filter) -> Difference {
    let mut found = Difference::default();
    if old == new {
        return found;
    }
    let names = Names::new(&[new, old]);
    for direction in [Direction::In, Direction::Out] {
        let mut compare = Compare {
            old: Reach::new(old, direction),
            new: Reach::new(new, direction),
            known: HashMap::new(),
            opened: Gathered::default(),
            closed: Gathered::default(),
        };
        compare.all();
        found.opened.extend(compare.opened.classes(direction, &names));
        found.closed.extend(compare.closed.classes(direction, &names));
    }
    found
}

struct Compare<'a> {
    old: Reach<'a>,
    new: Reach<'a>,
    known: HashMap<(*const Space, *const Space), Rc<Space>>,
    opened: Gathered,
    closed: Gathered,
}

impl Compare<'_> {
    fn all(&mut self) {
        let mut interfaces = self.old.interfaces();
        interfaces.extend(self.new.interfaces());
        for spoken in Spoken::ALL {
            for (ports, old, new) in refined(&self.old.segments(spoken), &self.new.segments(spoken)) {
                let (opened, closed) = self.one(&old, &new, spoken, None);
                for interface in &interfaces {
                    let (more_opened, more_closed) = self.one(&old, &new, spoken, Some(interface));
                    let beyond = |more: &Rc<Space>, any: &Rc<Space>| {
                        if Rc::ptr_eq(more, any) { Space::default() } else { more.without(any) }
                    };
                    self.opened.add(Some(interface), &Rc::new(beyond(&more_opened, &opened)), spoken, ports);
                    self.closed.add(Some(interface), &Rc::new(beyond(&more_closed, &closed)), spoken, ports);
                }
                self.opened.add(None, &opened, spoken, ports);
                self.closed.add(None, &closed, spoken, ports);
            }
        }
    }

    fn one(&mut self, old: &[usize], new: &[usize], spoken: Spoken, interface: Option<&str>) -> (Rc<Space>, Rc<Space>) {
        let old = self.old.allowed(old, spoken, interface);
        let new = self.new.allowed(new, spoken, interface);
        (self.less(&new, &old), self.less(&old, &new))
    }

    /// Both spaces live in the memory of their [`Reach`] as long as this, so their addresses are keys.
    fn less(&mut self, a: &Rc<Space>, b: &Rc<Space>) -> Rc<Space> {
        let key = (Rc::as_ptr(a), Rc::as_ptr(b));
        Rc::clone(self.known.entry(key).or_insert_with(|| Rc::new(a.without(b))))
    }
}

/// Cut where either list is cut.
fn refined(old: &Segments, new: &Segments) -> Vec<(Ports, Vec<usize>, Vec<usize>)> {
    let (mut o, mut n) = (old.iter().peekable(), new.iter().peekable());
    let (mut all, mut first) = (Vec::with_capacity(old.len() + new.len()), 0);
    while let (Some((old_ports, old_rules)), Some((new_ports, new_rules))) = (o.peek(), n.peek()) {
        let last = old_ports.last.min(new_ports.last);
        all.push((Ports { first, last }, old_rules.clone(), new_rules.clone()));
        first = last.saturating_add(1);
        if old_ports.last == last {
            o.next();
        }
        if new_ports.last == last {
            n.next();
        }
    }
    all
}

/// Ports by what is spoken.
type Said = BTreeMap<Spoken, Vec<Ports>>;

/// Ports with the same peers, together.
#[derive(Default)]
struct Gathered {
    by_peers: HashMap<(Option<String>, Rc<Space>), usize>,
    found: Vec<(Option<String>, Rc<Space>, Said)>,
}

impl Gathered {
    fn add(&mut self, interface: Option<&str>, peers: &Rc<Space>, spoken: Spoken, ports: Ports) {
        if peers.is_empty() {
            return;
        }
        let interface = interface.map(str::to_owned);
        let place = *self.by_peers.entry((interface.clone(), Rc::clone(peers))).or_insert(self.found.len());
        if place == self.found.len() {
            self.found.push((interface, Rc::clone(peers), Said::new()));
        }
        let list = self.found[place].2.entry(spoken).or_default();
        match list.last_mut() {
            Some(before) if before.last.checked_add(1) == Some(ports.first) => before.last = ports.last,
            _ => list.push(ports),
        }
    }

    fn classes(mut self, direction: Direction, names: &Names) -> Vec<Class> {
        let everything = self.take_everything();
        let all = everything.into_iter().map(|(interface, peers)| (interface, peers, Protocol::All, false, Vec::new()));
        let rest = self.found.into_iter().flat_map(|(interface, peers, said)| {
            said.into_iter().map(move |(spoken, ports)| {
                let whole = ports == [spoken.numbers()];
                let (protocol, unnamed) = protocol(spoken);
                (interface.clone(), Rc::clone(&peers), protocol, unnamed, if whole { Vec::new() } else { ports })
            })
        });
        let class = |(interface, peers, protocol, unnamed, numbers): (_, Rc<Space>, _, _, Vec<Ports>)| {
            let has_types = matches!(protocol, Protocol::Icmp | Protocol::Icmpv6);
            let (ports, types) = if has_types { (Vec::new(), numbers) } else { (numbers, Vec::new()) };
            let who = names.who(&peers, protocol);
            Class { direction, protocol, unnamed, ports, types, peers: peers.ranges(), interface, who }
        };
        all.chain(rest).map(class).collect()
    }

    /// Takes out the peers for whom all of every protocol has changed.
    fn take_everything(&mut self) -> Vec<(Option<String>, Rc<Space>)> {
        let places: Vec<usize> = (0..self.found.len()).filter(|place| self.is_everything(*place)).collect();
        let mut taken = Vec::with_capacity(places.len());
        for place in places {
            let (interface, peers, said) = &mut self.found[place];
            said.retain(|spoken, _| spoken.family().is_some());
            taken.push((interface.clone(), Rc::clone(peers)));
            for spoken in [Spoken::Icmp, Spoken::Icmpv6] {
                if let Some(place) = self.icmp_of(place, spoken) {
                    self.found[place].2.remove(&spoken);
                }
            }
        }
        taken
    }

    fn is_everything(&self, place: usize) -> bool {
        let whole =
            |place: usize, spoken: Spoken| self.found[place].2.get(&spoken).is_some_and(|p| *p == [spoken.numbers()]);
        let peers = &self.found[place].1;
        let icmp = |spoken: Spoken, spans: &[(u128, u128)]| {
            spans.is_empty() || self.icmp_of(place, spoken).is_some_and(|place| whole(place, spoken))
        };
        [Spoken::Tcp, Spoken::Udp, Spoken::Gre, Spoken::Other].into_iter().all(|spoken| whole(place, spoken))
            && icmp(Spoken::Icmp, &peers.0[0])
            && icmp(Spoken::Icmpv6, &peers.0[1])
    }

    /// Where ICMP of the same peers stands: it is spoken in one family only.
    fn icmp_of(&self, place: usize, spoken: Spoken) -> Option<usize> {
        let (interface, peers, _) = &self.found[place];
        let one: Space = Space::clone(peers).family(spoken.family()?);
        self.by_peers.get(&(interface.clone(), Rc::new(one))).copied()
    }
}

fn protocol(spoken: Spoken) -> (Protocol, bool) {
    match spoken {
        Spoken::Tcp => (Protocol::Tcp, false),
        Spoken::Udp => (Protocol::Udp, false),
        Spoken::Icmp => (Protocol::Icmp, false),
        Spoken::Icmpv6 => (Protocol::Icmpv6, false),
        Spoken::Gre => (Protocol::Gre, false),
        Spoken::Other => (Protocol::All, true),
    }
}
