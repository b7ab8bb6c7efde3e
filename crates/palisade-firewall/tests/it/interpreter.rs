//! Carries out a program as the kernel does, to compare it with what the filter means.

use palisade_firewall::filter::judge::{Payload, Probe};
use palisade_firewall::filter::program::{
    Act, Chain, Family, IN, IN_REPLY, Line, Match, OUT, OUT_REPLY, Program, Side,
};
use palisade_firewall::group::model::{Action, Direction};
use std::collections::{BTreeSet, HashMap};

/// The kernel refuses chains that lead through more than 16; some of them stand before the entry.
const DEPTH_MAX: usize = 10;

/// What became of a packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The end of its way.
    pub action: Option<Action>,
    /// The counters that have counted it.
    pub counted: Vec<String>,
    /// Rules that were logged.
    pub logged: Vec<String>,
    /// The conversation was marked.
    pub stamped: bool,
}

/// A program with its chains by name.
pub struct Machine<'a> {
    program: &'a Program,
    chains: HashMap<&'a str, &'a Chain>,
}

impl<'a> Machine<'a> {
    /// # Panics
    /// When the program is not well-formed.
    pub fn new(program: &'a Program) -> Machine<'a> {
        let chains = program.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect();
        let machine = Machine { program, chains };
        machine.check();
        machine
    }

    /// The fate of the first packet of a conversation, or of an answer in one that has no mark.
    pub fn run(&self, probe: &Probe, side: Side) -> Outcome {
        let entry = match (probe.direction, side) {
            (Direction::In, Side::Original) => IN,
            (Direction::In, Side::Reply) => IN_REPLY,
            (Direction::Out, Side::Original) => OUT,
            (Direction::Out, Side::Reply) => OUT_REPLY,
        };
        let (mut at, mut outcome) = (entry.to_owned(), Outcome::default());
        for _ in 0..DEPTH_MAX {
            match self.chain(&at, probe, &mut outcome) {
                Some(next) => at = next,
                None => return outcome,
            }
        }
        panic!("a way through more than {DEPTH_MAX} chains");
    }

    /// The chain that it goes on in; none if it ends here.
    fn chain(&self, name: &str, probe: &Probe, outcome: &mut Outcome) -> Option<String> {
        for line in &self.chains[name].lines {
            if !line.matches.iter().all(|m| self.is_true(m, probe)) {
                continue;
            }
            for act in &line.acts {
                match act {
                    Act::Count(counter) => outcome.counted.push(counter.clone()),
                    Act::Log { rule, .. } => outcome.logged.push(rule.clone()),
                    Act::Stamp => outcome.stamped = true,
                    Act::Goto(chain) => return Some(chain.clone()),
                    Act::ByPort(map) => match self.by_port(map, probe) {
                        Some(chain) => return Some(chain),
                        None => break,
                    },
                    Act::ByAddress(map) => match self.by_address(map, probe) {
                        Some(chain) => return Some(chain),
                        None => break,
                    },
                    Act::Accept | Act::Drop => {
                        outcome.action = Some(if *act == Act::Accept { Action::Allow } else { Action::Deny });
                        return None;
                    }
                }
            }
        }
        panic!("chain `{name}` does not decide about {probe:?}");
    }

    fn is_true(&self, asked: &Match, probe: &Probe) -> bool {
        let v4 = probe.peer.is_ipv4();
        match asked {
            Match::Stamped => false,
            Match::Protocol(number) => *number == protocol(probe),
            Match::Family(family) => (*family == Family::V4) == v4,
            Match::Peer { family, set, not } => {
                let set = self.program.sets.iter().find(|s| s.name == *set).unwrap();
                let within = set.ranges.iter().any(|r| (r.first()..=r.last()).contains(&probe.peer));
                (*family == Family::V4) == v4 && within != *not
            }
            Match::Interface(name) => probe.interface.as_ref() == Some(name),
            Match::Port(first, last) => probe.port().is_some_and(|port| (*first..=*last).contains(&port)),
            Match::IcmpType(kind) => probe.payload == Payload::Icmp(*kind),
        }
    }

    fn by_port(&self, map: &str, probe: &Probe) -> Option<String> {
        let map = self.program.port_maps.iter().find(|m| m.name == map).unwrap();
        let port = probe.port()?;
        map.entries.iter().find(|(first, last, _)| (*first..=*last).contains(&port)).map(|(_, _, chain)| chain.clone())
    }

    fn by_address(&self, map: &str, probe: &Probe) -> Option<String> {
        let map = self.program.address_maps.iter().find(|m| m.name == map).unwrap();
        let holds = |(range, _): &&(palisade_firewall::ruleset::Range, String)| {
            (range.first()..=range.last()).contains(&probe.peer)
        };
        map.entries.iter().find(holds).map(|(_, chain)| chain.clone())
    }

    /// Names are unique, each chain stands after those that it names, what is named is there, and maps
    /// and sets hold nothing twice.
    fn check(&self) {
        let mut before: BTreeSet<&str> = BTreeSet::new();
        for chain in &self.program.chains {
            for line in &chain.lines {
                for next in self.named(line) {
                    assert!(before.contains(next), "`{}` names `{next}`, which is not there yet", chain.name);
                }
            }
            assert!(before.insert(&chain.name), "`{}` is there twice", chain.name);
        }
        let maps = self.program.address_maps.iter().map(|m| &m.name);
        let sets = self.program.sets.iter().map(|s| &s.name);
        let names: Vec<_> = maps.chain(sets).chain(self.program.port_maps.iter().map(|m| &m.name)).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for map in &self.program.port_maps {
            assert!(map.entries.windows(2).all(|w| w[0].1 < w[1].0) && map.entries.iter().all(|e| e.0 <= e.1));
        }
        for map in &self.program.address_maps {
            assert!(map.entries.windows(2).all(|w| w[0].0.last() < w[1].0.first()), "{map:?}");
            let v4 = map.family == Family::V4;
            assert!(map.entries.iter().all(|(range, _)| range.first().is_ipv4() == v4));
        }
    }

    fn named<'b>(&'b self, line: &'b Line) -> Vec<&'b str> {
        let mut all = Vec::new();
        for act in &line.acts {
            match act {
                Act::Goto(chain) => all.push(chain.as_str()),
                Act::ByPort(name) => {
                    let map = self.program.port_maps.iter().find(|m| m.name == *name).unwrap();
                    all.extend(map.entries.iter().map(|(_, _, chain)| chain.as_str()));
                }
                Act::ByAddress(name) => {
                    let map = self.program.address_maps.iter().find(|m| m.name == *name).unwrap();
                    all.extend(map.entries.iter().map(|(_, chain)| chain.as_str()));
                }
                _ => {}
            }
        }
        all
    }
}

fn protocol(probe: &Probe) -> u8 {
    match probe.payload {
        Payload::Tcp(_) => 6,
        Payload::Udp(_) | Payload::Lease => 17,
        Payload::Icmp(_) if probe.peer.is_ipv4() => 1,
        Payload::Icmp(_) => 58,
        Payload::Gre => 47,
        Payload::Other(number) => number,
    }
}
