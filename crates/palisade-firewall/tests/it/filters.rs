//! Random filters, and the packets at the borders of what they say.

use jiff::Timestamp;
use palisade_firewall::filter::judge::{Payload, Probe};
use palisade_firewall::filter::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
use palisade_firewall::group::model::{Action, Direction, Ports, Protocol};
use palisade_firewall::ruleset::{Range, Until, merged};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const INTERFACES: [&str; 2] = ["wg0", "tun0"];
const PORTS: [&str; 12] =
    ["0", "22", "23-24", "80-90", "85-100", "100", "101", "1024-65535", "0-65535", "65535", "20-30", "5432"];
const NETWORKS: [&str; 16] = [
    "0.0.0.0/0",
    "0.0.0.0",
    "10.0.0.0/8",
    "10.0.0.0/24",
    "10.0.0.5",
    "10.0.0.6-10.0.1.7",
    "203.0.113.0/24",
    "203.0.113.128/25",
    "255.255.255.255",
    "::/0",
    "::",
    "fd00::/8",
    "2001:db8::/32",
    "2001:db8::5-2001:db8::9",
    "2001:db8::9-2001:db9::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];
const TYPES: [u8; 6] = [0, 8, 13, 128, 129, 255];
pub const SETS: [&str; 7] =
    ["group/web", "list/office", "host/db-1", "domain/prod", "rule/web/a", "policy/private", "x/y"];

pub fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

pub fn range(text: &str) -> Range {
    text.parse().unwrap()
}

pub fn set(name: &str, ranges: impl IntoIterator<Item = Range>) -> AddressSet {
    let ranges = merged(ranges.into_iter().map(|range| (range, Until::Never))).into_iter().map(|(range, _)| range);
    AddressSet { name: name.to_owned(), ranges: ranges.collect() }
}

fn ports() -> impl Strategy<Value = Vec<Ports>> {
    subsequence(PORTS.to_vec(), 0..=3).prop_map(|texts| {
        let mut all: Vec<Ports> = texts.iter().map(|text| text.parse().unwrap()).collect();
        all.sort_unstable();
        let mut out: Vec<Ports> = Vec::new();
        for ports in all {
            match out.last_mut() {
                Some(last) if ports.first <= last.last => last.last = last.last.max(ports.last),
                _ => out.push(ports),
            }
        }
        out
    })
}

fn peers() -> impl Strategy<Value = Peers> {
    // the last set is in no filter
    let sets = |n| subsequence(SETS.map(str::to_owned).to_vec(), 0..=n);
    let interfaces = subsequence(INTERFACES.map(str::to_owned).to_vec(), 0..=2);
    prop_oneof![
        1 => Just(Peers::Any),
        4 => sets(3).prop_map(|sets| Peers::Of { sets, interfaces: Vec::new() }),
        2 => sets(7).prop_map(|sets| Peers::Of { sets, interfaces: Vec::new() }),
        1 => (sets(2), interfaces).prop_map(|(sets, interfaces)| Peers::Of { sets, interfaces }),
        1 => sets(2).prop_map(|sets| Peers::Except { sets }),
    ]
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::In, Direction::In, Direction::Out])
}

fn action() -> impl Strategy<Value = Action> {
    select(vec![Action::Allow, Action::Deny])
}

fn rule() -> impl Strategy<Value = Rule> {
    use Protocol::{All, Gre, Icmp, Icmpv6, Tcp, Udp};
    let layer = select(vec![Layer::Policy, Layer::Group, Layer::Group, Layer::Intra]);
    let protocol = select(vec![Tcp, Tcp, Tcp, Udp, Icmp, Icmpv6, Gre, All]);
    let ends_at = select(vec![None, None, None, Some(-1), Some(0), Some(1)]);
    let head = (layer, 1_u8..4, direction(), action(), protocol);
    (head, ports(), subsequence(TYPES.to_vec(), 0..=2), peers(), any::<bool>(), ends_at).prop_map(
        |((layer, priority, direction, action, protocol), ports, types, peers, log, ends)| Rule {
            id: String::new(),
            layer,
            priority,
            direction,
            action,
            protocol,
            ports: if matches!(protocol, Tcp | Udp) { ports } else { Vec::new() },
            types: if matches!(protocol, Icmp | Icmpv6) { types } else { Vec::new() },
            peers,
            log,
            starts_at: None,
            ends_at: ends.map(|s| now() + jiff::SignedDuration::from_secs(s)),
        },
    )
}

/// As the contract says: sorted, with unique ids.
pub fn filter() -> impl Strategy<Value = Filter> {
    let contents = vec(subsequence(NETWORKS.to_vec(), 0..=4), SETS.len() - 1);
    let defaults = (action(), action()).prop_map(|(inbound, outbound)| Some(Defaults { inbound, outbound }));
    let defaults = prop_oneof![1 => Just(None), 20 => defaults];
    (vec(rule(), 0..14), contents, defaults).prop_map(|(rules, contents, defaults)| {
        let sets = SETS.iter().zip(contents).map(|(name, texts)| set(name, texts.into_iter().map(range))).collect();
        Filter { rules: sorted(rules), sets, defaults }
    })
}

/// In the order of evaluation, named by their place.
pub fn sorted(mut rules: Vec<Rule>) -> Vec<Rule> {
    rules.sort_by_key(|rule| (rule.layer, rule.priority, rule.action));
    for (place, rule) in rules.iter_mut().enumerate() {
        rule.id = format!("g/{place}");
    }
    rules
}

/// The addresses at the borders of all sets.
pub fn border_addresses(filter: &Filter) -> Vec<IpAddr> {
    let ends = filter.sets.iter().flat_map(|set| &set.ranges).flat_map(|range| [range.first(), range.last()]);
    let mut all: Vec<IpAddr> = ends.flat_map(|end| [beside(end, -1), end, beside(end, 1)]).collect();
    all.extend(["203.0.113.9", "2001:db8::7"].map(|text| text.parse::<IpAddr>().unwrap()));
    all.sort_unstable();
    all.dedup();
    all.retain(|address| !address.is_loopback());
    all
}

fn beside(address: IpAddr, step: i32) -> IpAddr {
    match address {
        IpAddr::V4(a) => Ipv4Addr::from(u32::from(a).wrapping_add_signed(step)).into(),
        IpAddr::V6(a) => Ipv6Addr::from(u128::from(a).wrapping_add_signed(step.into())).into(),
    }
}

/// What can be carried, at the borders of all ports and types.
pub fn border_payloads(filter: &Filter) -> Vec<Payload> {
    let ends = filter.rules.iter().flat_map(|rule| &rule.ports).flat_map(|ports| [ports.first, ports.last]);
    let mut numbers: Vec<u16> = ends.flat_map(|p| [p.wrapping_sub(1), p, p.wrapping_add(1)]).collect();
    numbers.push(443);
    numbers.sort_unstable();
    numbers.dedup();
    let types = TYPES.into_iter().map(Payload::Icmp);
    let ports = numbers.into_iter().flat_map(|port| [Payload::Tcp(port), Payload::Udp(port)]);
    ports.chain(types).chain([Payload::Gre, Payload::Other(132)]).collect()
}

/// Every direction, and interfaces that rules name and do not name.
pub fn border_probes(filter: &Filter) -> Vec<Probe> {
    let (addresses, payloads) = (border_addresses(filter), border_payloads(filter));
    let mut all = Vec::new();
    let interfaces = [None, Some("eth0"), Some(INTERFACES[0]), Some(INTERFACES[1])];
    for (n, payload) in payloads.iter().enumerate() {
        for (m, peer) in addresses.iter().enumerate() {
            for direction in [Direction::In, Direction::Out] {
                // each pair of address and payload with one of the interfaces, in turn
                let interface = interfaces[(n + m) % interfaces.len()].map(str::to_owned);
                all.push(Probe { direction, payload: *payload, peer: *peer, interface });
            }
        }
    }
    all
}
