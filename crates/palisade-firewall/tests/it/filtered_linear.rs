//! The plainest compiler: one line after the other, for tests of the kernel's part.

use palisade_firewall::filter::program::{Act, Chain, Family, IN, Line, Match, OUT, Program, Set};
use palisade_firewall::filter::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
use palisade_firewall::group::model::{Action, Direction, Ports, Protocol};

pub fn compile(filter: &Filter) -> Program {
    let mut program = Program::default();
    let Some(defaults) = filter.defaults else { return program };
    for set in &filter.sets {
        for (family, v4) in [(Family::V4, true), (Family::V6, false)] {
            let ranges = set.ranges.iter().copied().filter(|r| r.first().is_ipv4() == v4).collect();
            program.sets.push(Set { name: format!("{}/{}", set.name, if v4 { 4 } else { 6 }), family, ranges });
        }
    }
    for (name, direction, default, id) in
        [(IN, Direction::In, defaults.inbound, "default/in"), (OUT, Direction::Out, defaults.outbound, "default/out")]
    {
        let mut lines = vec![Line { matches: vec![Match::Stamped], acts: vec![Act::Accept] }];
        let rules = filter.rules.iter().filter(|rule| rule.direction == direction);
        rules.for_each(|rule| lines.extend(of(rule)));
        lines.push(Line { matches: Vec::new(), acts: acts(default, id) });
        program.chains.push(Chain { name: name.to_owned(), lines });
        program.counters.push(id.to_owned());
    }
    program.counters.extend(filter.rules.iter().map(|rule| rule.id.clone()));
    program
}

fn of(rule: &Rule) -> Vec<Line> {
    let mut first = match rule.protocol {
        Protocol::Tcp => vec![Match::Protocol(6)],
        Protocol::Udp => vec![Match::Protocol(17)],
        Protocol::Icmp => vec![Match::Protocol(1)],
        _ => Vec::new(),
    };
    assert!(rule.ports.len() <= 1 && rule.types.is_empty(), "as plain as can be");
    first.extend(rule.ports.iter().map(|p| Match::Port(p.first, p.last)));
    let peers: Vec<Vec<Match>> = match &rule.peers {
        Peers::Any => vec![Vec::new()],
        Peers::Of { sets, interfaces } => {
            let peer = |set: &String, family| {
                let set = format!("{set}/{}", if family == Family::V4 { 4 } else { 6 });
                vec![Match::Peer { family, set, not: false }]
            };
            let sets = sets.iter().flat_map(|set| [peer(set, Family::V4), peer(set, Family::V6)]);
            sets.chain(interfaces.iter().map(|name| vec![Match::Interface(name.clone())])).collect()
        }
        Peers::Except { .. } => panic!("as plain as can be"),
    };
    let line = |more: Vec<Match>| Line { matches: [first.clone(), more].concat(), acts: acts(rule.action, &rule.id) };
    peers.into_iter().map(line).collect()
}

fn acts(action: Action, id: &str) -> Vec<Act> {
    let count = Act::Count(id.to_owned());
    match action {
        Action::Allow => vec![count, Act::Stamp, Act::Accept],
        Action::Deny => vec![count, Act::Log { rule: id.to_owned(), denied: true }, Act::Drop],
    }
}

/// `in allow tcp 22 group/web`, or `any` for everybody, `%name` for an interface, `all` for all ports.
pub fn rule(id: &str, text: &str) -> Rule {
    let words: Vec<&str> = text.split(' ').collect();
    let [direction, action, protocol, port, peer] = words[..] else { panic!("{text}") };
    let port = port.parse::<u16>().ok();
    Rule {
        id: id.to_owned(),
        layer: Layer::Group,
        priority: 10,
        direction: if direction == "in" { Direction::In } else { Direction::Out },
        action: if action == "allow" { Action::Allow } else { Action::Deny },
        protocol: match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "icmp" => Protocol::Icmp,
            _ => Protocol::All,
        },
        ports: port.map(|p| p.to_string().parse::<Ports>().unwrap()).into_iter().collect(),
        types: Vec::new(),
        peers: match peer {
            "any" => Peers::Any,
            name => match name.strip_prefix('%') {
                Some(interface) => Peers::Of { sets: Vec::new(), interfaces: vec![interface.to_owned()] },
                None => Peers::Of { sets: vec![name.to_owned()], interfaces: Vec::new() },
            },
        },
        log: false,
        starts_at: None,
        ends_at: None,
    }
}

pub fn set(name: &str, ranges: &[&str]) -> AddressSet {
    AddressSet { name: name.to_owned(), ranges: ranges.iter().map(|r| r.parse().unwrap()).collect() }
}

/// In: deny; out: allow.
pub fn filter(rules: Vec<Rule>, sets: Vec<AddressSet>) -> Filter {
    Filter { rules, sets, defaults: Some(Defaults { inbound: Action::Deny, outbound: Action::Allow }) }
}
