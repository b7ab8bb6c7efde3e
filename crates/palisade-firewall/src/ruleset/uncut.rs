//! What no rule ever cuts: it is let through at every gate before any rule is asked.
//!
//! Whole addresses pass on every port, both ways. An address that is meant for one port passes to
//! that port of this host over TCP and UDP, and so do the answers. The server passes to where it is
//! reached, and its answers come in. Answers are known by the first packet of their conversation, so
//! that a port which is sent on to a container or to another port is covered too.

use super::gate::{TCP, UDP, accept, family_of};
use super::layout::{Elements, intervals, keys};
use super::{FAMILIES, Range, ranges, table};
use palisade_core::Cidr;
use palisade_guard::contract::AgentFacts;
use palisade_sys::nft::{Ct, Expr, Set, SetKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// How names of the sets here begin.
const PREFIX: &str = "uncut";

/// What no rule cuts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Uncut {
    /// On every port, both ways.
    pub addresses: Vec<Range>,
    /// To one TCP or UDP port of this host.
    pub ports: BTreeMap<u16, Vec<Range>>,
    /// What this host reaches over TCP.
    pub server: Vec<SocketAddr>,
}

impl Uncut {
    /// What the agent knows about itself.
    pub fn of(facts: &AgentFacts) -> Uncut {
        let mut ports: BTreeMap<u16, Vec<Cidr>> = BTreeMap::new();
        facts.failsafe_ports.iter().for_each(|(cidr, port)| ports.entry(*port).or_default().push(*cidr));
        let mut server = facts.server.clone();
        server.sort();
        server.dedup();
        let ports = ports.into_iter().map(|(port, list)| (port, ranges(&list))).collect();
        Uncut { ports, server, ..Uncut::everywhere(&facts.failsafe) }
    }

    /// These networks on every port.
    pub fn everywhere(networks: &[Cidr]) -> Uncut {
        Uncut { addresses: ranges(networks), ..Uncut::default() }
    }

    /// True if there is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Uncut::default()
    }

    /// The sets that the rules name.
    pub fn sets(&self) -> BTreeMap<String, Elements> {
        let mut sets = BTreeMap::new();
        for of in FAMILIES {
            sets.insert(name(of, None), elements(of, None, &self.addresses));
            for (port, list) in self.ports.iter().filter(|(_, list)| has(list, of)) {
                sets.insert(name(of, Some(*port)), elements(of, Some(*port), list));
            }
        }
        sets
    }

    /// What comes in.
    pub fn inbound(&self) -> Vec<Vec<Expr>> {
        let mut rules = self.whole(true);
        rules.extend(self.each_port(|of, port| {
            let destination =
                [Expr::TransportHeader { offset: 2, length: 2 }, Expr::Equals(port.to_be_bytes().to_vec())];
            let source = [header(of, true), Expr::In(name(of, Some(port)))];
            destination.into_iter().chain(source).collect()
        }));
        rules.extend(self.server.iter().map(|server| {
            let begun_here = began(destination(server.ip()), Expr::Equals(octets(server.ip())), server.port());
            [over(server.ip(), TCP), begun_here, vec![accept()]].concat()
        }));
        rules
    }

    /// What goes out.
    pub fn outbound(&self) -> Vec<Vec<Expr>> {
        let mut rules = self.whole(false);
        rules.extend(self.answers());
        rules.extend(self.server.iter().map(|server| {
            let mut rule = over(server.ip(), TCP);
            rule.extend([header(server.ip(), false), Expr::Equals(octets(server.ip()))]);
            rule.push(Expr::TransportHeader { offset: 2, length: 2 });
            rule.extend([Expr::Equals(server.port().to_be_bytes().to_vec()), accept()]);
            rule
        }));
        rules
    }

    /// What passes through.
    pub fn forwarded(&self) -> Vec<Vec<Expr>> {
        [self.whole(true), self.whole(false), self.answers()].concat()
    }

    fn whole(&self, from: bool) -> Vec<Vec<Expr>> {
        let rule = |of: IpAddr| [family_is(of), vec![header(of, from), Expr::In(name(of, None)), accept()]].concat();
        FAMILIES.map(rule).to_vec()
    }

    fn answers(&self) -> Vec<Vec<Expr>> {
        self.each_port(|of, port| began(source(of), Expr::In(name(of, Some(port))), port))
    }

    /// A rule for each port, family and protocol.
    fn each_port(&self, what: impl Fn(IpAddr, u16) -> Vec<Expr>) -> Vec<Vec<Expr>> {
        let mut rules = Vec::new();
        for (port, list) in &self.ports {
            for of in FAMILIES.into_iter().filter(|of| has(list, *of)) {
                rules.extend([TCP, UDP].map(|protocol| [over(of, protocol), what(of, *port), vec![accept()]].concat()));
            }
        }
        rules
    }
}

/// True if the filter has a set of this name for what is never cut.
pub(super) fn is_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let (family, port) = rest.split_once('/').map_or((rest, None), |(family, port)| (family, Some(port)));
    ["4", "6"].contains(&family) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn name(of: IpAddr, port: Option<u16>) -> String {
    let family = if of.is_ipv4() { 4 } else { 6 };
    port.map_or_else(|| format!("{PREFIX}{family}"), |port| format!("{PREFIX}{family}/{port}"))
}

fn has(list: &[Range], of: IpAddr) -> bool {
    list.iter().any(|range| range.first().is_ipv4() == of.is_ipv4())
}

fn elements(of: IpAddr, port: Option<u16>, list: &[Range]) -> Elements {
    let head = Set {
        table: table(),
        name: name(of, port),
        key: if of.is_ipv4() { SetKey::Ipv4 } else { SetKey::Ipv6 },
        interval: true,
        timeout: false,
        verdicts: false,
        flags_other: 0,
        size_max: None,
    };
    let family = list.iter().filter(|range| range.first().is_ipv4() == of.is_ipv4());
    Elements { head, entries: intervals(family.map(|range| (keys(*range).0, keys(*range).1, None))) }
}

fn family_is(of: IpAddr) -> Vec<Expr> {
    vec![Expr::PacketFamily, Expr::Equals(vec![family_of(of)])]
}

fn over(of: IpAddr, protocol: u8) -> Vec<Expr> {
    [family_is(of), vec![Expr::Protocol, Expr::Equals(vec![protocol])]].concat()
}

/// Source or destination in the headers of IPv4 (RFC 791) and IPv6 (RFC 8200).
fn header(of: IpAddr, source: bool) -> Expr {
    let (offset, length) = match (of.is_ipv4(), source) {
        (true, true) => (12, 4),
        (true, false) => (16, 4),
        (false, true) => (8, 16),
        (false, false) => (24, 16),
    };
    Expr::NetworkHeader { offset, length }
}

/// An answer in a conversation whose first packet went to this port, and has `key` for `is`.
fn began(key: Ct, is: Expr, port: u16) -> Vec<Expr> {
    vec![
        Expr::Conversation(Ct::Direction),
        Expr::Equals(vec![1]),
        Expr::Conversation(Ct::DestinationPort),
        Expr::Equals(port.to_be_bytes().to_vec()),
        Expr::Conversation(key),
        is,
    ]
}

fn source(of: IpAddr) -> Ct {
    if of.is_ipv4() { Ct::Source4 } else { Ct::Source6 }
}

fn destination(of: IpAddr) -> Ct {
    if of.is_ipv4() { Ct::Destination4 } else { Ct::Destination6 }
}

fn octets(of: IpAddr) -> Vec<u8> {
    match of {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
