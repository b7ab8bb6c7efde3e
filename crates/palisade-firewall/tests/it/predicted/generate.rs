//! Documents, fleets and packets from a number, the same every time.

use super::wire::{PEERS, Shot};
use palisade_core::{Cidr, HostId, Selector, Tags};
use palisade_firewall::filter::judge::Payload;
use palisade_firewall::group::model::{
    Action, Direction, GroupRule, Intra, Peer, PortPolicySpec, Ports, PrefixListSpec, Protocol, SecurityGroupSpec,
};
use palisade_firewall::group::resolve::{Fleet, Member};
use std::net::IpAddr;

/// The ports that rules and packets are about, and on which UDP is answered.
pub const PORTS: &[u16] = &[
    21, 22, 23, 80, 135, 139, 443, 445, 1434, 3306, 4444, 5432, 6379, 7999, 8000, 8080, 8081, 29999, 30000, 33306,
    65535,
];

/// xorshift64*, so that a failing set can be made again from its number.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The host that is asked.
pub fn host() -> HostId {
    "web-1".parse().expect("a name")
}

fn tags(role: &str) -> Tags {
    let mut tags = Tags::new();
    tags.set("role", role).expect("a tag");
    tags.set("domain", if role == "web" { "front" } else { "back" }).expect("a tag");
    tags
}

/// Up to four groups, two lists, sometimes a policy; the peers' addresses belong to other hosts.
pub fn fleet(seed: u64) -> Fleet {
    let mut dice = Dice::new(seed);
    let mut fleet = Fleet { hosts: hosts(), ..Fleet::default() };
    for name in ["office", "scanners"] {
        let prefixes = (0..dice.below(4)).map(|_| network(&mut dice)).collect();
        fleet.lists.insert(name.to_owned(), PrefixListSpec { prefixes, ..PrefixListSpec::default() });
    }
    for name in ["db", "mail", "ops", "web"].iter().take(1 + dice.below(4)) {
        fleet.groups.insert((*name).to_owned(), SecurityGroupSpec::default());
    }
    let names: Vec<String> = fleet.groups.keys().cloned().collect();
    for name in &names {
        let spec = group(&mut dice, name, &names);
        fleet.groups.insert(name.clone(), spec);
    }
    if dice.chance(60) {
        fleet.policies.insert("standard".to_owned(), policy(&mut dice));
    }
    fleet.hosts.sort_by(|a, b| a.id.cmp(&b.id));
    fleet
}

fn hosts() -> Vec<Member> {
    let member = |name: &str, role: &str, addresses: &[&str]| Member {
        id: name.parse().expect("a name"),
        tags: tags(role),
        region: None,
        addresses: addresses.iter().map(|a| a.parse().expect("an address")).collect(),
        databases: Vec::new(),
        isolated: false,
    };
    vec![
        member("web-1", "web", &["10.99.0.1", "fd00:99::1"]),
        member("web-2", "web", &[PEERS[0], PEERS[6]]),
        member("db-1", "db", &[PEERS[1], PEERS[7]]),
        member("mail-1", "mail", &[PEERS[2]]),
        member("ops-1", "ops", &[PEERS[4]]),
    ]
}

fn group(dice: &mut Dice, name: &str, groups: &[String]) -> SecurityGroupSpec {
    // every host that rules are about is a member of its own group; ours of some more
    let mut members = Selector { tags: tags(name), ..Selector::default() };
    if dice.chance(70) {
        members.hosts.push(host());
    }
    SecurityGroupSpec {
        description: String::new(),
        members,
        intra: if dice.chance(30) { Intra::Allow } else { Intra::Isolate },
        rules: (0..dice.below(12)).map(|n| rule(dice, n, groups)).collect(),
    }
}

fn rule(dice: &mut Dice, n: usize, groups: &[String]) -> GroupRule {
    let protocol = dice.one(&[
        Protocol::Tcp,
        Protocol::Tcp,
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Udp,
        Protocol::Icmp,
        Protocol::Icmpv6,
        Protocol::All,
    ]);
    let ported = matches!(protocol, Protocol::Tcp | Protocol::Udp);
    let mut ports: Vec<Ports> = if ported { (0..dice.below(4)).map(|_| ports(dice)).collect() } else { Vec::new() };
    merge(&mut ports);
    let types = if protocol == Protocol::Icmp && dice.chance(50) { vec![8] } else { Vec::new() };
    let peers =
        if dice.chance(20) { vec![Peer::Any] } else { (0..1 + dice.below(3)).map(|_| peer(dice, groups)).collect() };
    GroupRule {
        id: Some(format!("r{n}")),
        direction: if dice.chance(65) { Direction::In } else { Direction::Out },
        priority: 1 + dice.below(6) as u8,
        action: if dice.chance(65) { Action::Allow } else { Action::Deny },
        protocol,
        ports,
        types,
        peers,
        enabled: dice.chance(95),
        log: dice.chance(10),
        ends_at: None,
        comment: String::new(),
    }
}

fn ports(dice: &mut Dice) -> Ports {
    let (a, b) = (dice.one(PORTS), dice.one(PORTS));
    if dice.chance(60) { Ports::one(a) } else { Ports { first: a.min(b), last: a.max(b) } }
}

/// Sorted and without overlap, as documents are in their normal form.
fn merge(ports: &mut Vec<Ports>) {
    ports.sort_unstable();
    let mut merged: Vec<Ports> = Vec::new();
    for next in ports.drain(..) {
        match merged.last_mut() {
            Some(last) if u32::from(next.first) <= u32::from(last.last) + 1 => last.last = last.last.max(next.last),
            _ => merged.push(next),
        }
    }
    *ports = merged;
}

fn network(dice: &mut Dice) -> Cidr {
    let text = dice.one(&[
        "10.99.0.0/24",
        "10.99.0.2/31",
        "10.99.0.4",
        "198.51.100.0/24",
        "198.51.100.2",
        "203.0.113.0/25",
        "203.0.113.77",
        "0.0.0.0/0",
        "::/0",
        "fd00:99::/64",
        "fd00:99::2",
        "2001:db8:99::/48",
        "10.0.0.0/8",
    ]);
    text.parse().expect("a network")
}

fn peer(dice: &mut Dice, groups: &[String]) -> Peer {
    match dice.below(12) {
        0 => Peer::List("office".to_owned()),
        1 => Peer::List("scanners".to_owned()),
        2 | 3 => Peer::Group(dice.one(groups)),
        4 => Peer::Domain(dice.one(&["front".to_owned(), "back".to_owned(), "nobody".to_owned()])),
        5 => Peer::Host(dice.one(&["db-1", "web-2", "mail-1"]).parse().expect("a name")),
        6 => Peer::Interface(dice.one(&["pal0".to_owned(), "wg0".to_owned()])),
        _ => Peer::Cidr(network(dice)),
    }
}

fn policy(dice: &mut Dice) -> PortPolicySpec {
    PortPolicySpec {
        hosts: Selector { all: dice.chance(80), ..Selector::default() },
        high_risk: if dice.chance(80) { Action::Deny } else { Action::Allow },
        databases: if dice.chance(80) { Action::Deny } else { Action::Allow },
        private: if dice.chance(30) { vec!["198.51.100.0/24".parse().expect("a network")] } else { Vec::new() },
        default_out: if dice.chance(50) { Action::Allow } else { Action::Deny },
        ..PortPolicySpec::default()
    }
}

/// Packets of every protocol from every peer, and to every peer.
pub fn shots(seed: u64, _fleet: &Fleet) -> Vec<Shot> {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut shots = Vec::new();
    for peer in PEERS {
        let peer: IpAddr = peer.parse().expect("an address");
        for port in PORTS {
            shots.push(Shot { direction: Direction::In, payload: Payload::Tcp(*port), peer });
            if dice.chance(50) {
                shots.push(Shot { direction: Direction::In, payload: Payload::Udp(*port), peer });
            }
            if dice.chance(40) {
                shots.push(Shot { direction: Direction::Out, payload: Payload::Tcp(*port), peer });
            }
            if dice.chance(20) {
                shots.push(Shot { direction: Direction::Out, payload: Payload::Udp(*port), peer });
            }
        }
        let echo = if peer.is_ipv4() { 8 } else { 128 };
        for direction in [Direction::In, Direction::Out] {
            shots.push(Shot { direction, payload: Payload::Icmp(echo), peer });
        }
    }
    shots
}
