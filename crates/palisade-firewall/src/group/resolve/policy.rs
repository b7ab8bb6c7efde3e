//! The layer of the port policy: what is shut before any group is asked.

use super::{Member, blank, sets};
use crate::filter::{Layer, Peers, Rule};
use crate::group::model::{Action, Direction, Peer, PortException, PortPolicySpec, Ports, Protocol};
use crate::group::normal::{ports_merged, short_hash};
use crate::model;
use crate::services::{self, CUSTOM_PORT_MIN, DATABASES, HIGH_RISK_TCP, HIGH_RISK_UDP};
use palisade_core::{Cidr, Timestamp};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Rules of this layer that a host may have; more exceptions than that make no further rules.
pub const RULES_MAX: usize = 300;

/// Who is private: RFC 1918, RFC 6598 (overlays and carriers), RFC 4193, and the local link.
static PRIVATE: LazyLock<Vec<Cidr>> = LazyLock::new(|| {
    let all =
        ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"];
    all.iter().map(|cidr| cidr.parse().expect("a constant")).collect()
});

/// The networks that are private everywhere.
pub fn private_networks() -> &'static [Cidr] {
    &PRIVATE
}

/// The networks that are private for a policy.
pub fn private(policy: &PortPolicySpec) -> Vec<Cidr> {
    private_networks().iter().chain(&policy.private).copied().collect()
}

/// The name of their set: one per content, as hosts of several policies share the names of sets.
pub fn private_set(policy: &PortPolicySpec) -> String {
    if policy.private.is_empty() {
        return "policy/private".to_owned();
    }
    let own: Vec<String> = policy.private.iter().map(Cidr::to_string).collect();
    format!("policy/private/{}", short_hash(&own.join(" ")))
}

/// The name of the set of the networks that an exception names itself.
pub fn exception_set(exception: &PortException) -> String {
    let own: Vec<String> = exception.peers.iter().map(Peer::to_string).collect();
    format!("policy/exception/{}", short_hash(&own.join(" ")))
}

/// The exceptions of `policy` for a host, with their places, ended ones too.
pub fn of_host<'p>(policy: &'p PortPolicySpec, host: &Member) -> impl Iterator<Item = (usize, &'p PortException)> {
    let chosen = |e: &PortException| {
        e.hosts.as_ref().is_none_or(|hosts| hosts.holds(&host.id, &host.tags, host.region.as_deref()))
    };
    policy.exceptions.iter().enumerate().filter(move |(_, e)| chosen(e))
}

/// The rules that `policy` gives a host: those in force at `now`, and those that begin when exceptions
/// end, so that they end on the host without the server too.
pub fn rules(policy: &PortPolicySpec, host: &Member, now: Timestamp) -> Vec<Rule> {
    let exceptions: Vec<&PortException> = of_host(policy, host).map(|(_, e)| e).filter(|e| e.ends_at > now).collect();
    let mut rules = Vec::new();
    if policy.high_risk == Action::Deny {
        for (id, protocol, ports) in [
            ("policy/high-risk-tcp", Protocol::Tcp, HIGH_RISK_TCP),
            ("policy/high-risk-udp", Protocol::Udp, HIGH_RISK_UDP),
        ] {
            let ports = ports.iter().map(|p| Ports { first: p.1, last: p.2 }).collect();
            rules.extend(shut(id, protocol, ports, &exceptions, None));
        }
    }
    if policy.databases == Action::Deny {
        let private = private_set(policy);
        let named: Vec<&PortException> = exceptions.into_iter().filter(|e| !e.peers.iter().any(everybody)).collect();
        for (id, protocol) in [("policy/databases", Protocol::Tcp), ("policy/databases-udp", Protocol::Udp)] {
            rules.extend(shut(id, protocol, databases(host, protocol), &named, Some(&private)));
        }
    }
    // what begins later is what is left out first: the server tells it when it is due
    rules.sort_by(|a, b| (a.starts_at, a.priority, &a.id).cmp(&(b.starts_at, b.priority, &b.id)));
    rules.truncate(RULES_MAX);
    rules.sort_by(|a, b| (a.priority, a.action, &a.id).cmp(&(b.priority, b.action, &b.id)));
    rules
}

fn everybody(peer: &Peer) -> bool {
    matches!(peer, Peer::Any) || matches!(peer, Peer::Cidr(cidr) if cidr.prefix_len() == 0)
}

/// The usual ports of databases, and those on which one listens.
fn databases(host: &Member, protocol: Protocol) -> Vec<Ports> {
    let is_udp = protocol == Protocol::Udp;
    let usual = DATABASES.iter().flat_map(|service| service.ports).copied();
    let usual = usual.filter(|(p, ..)| (*p == model::Protocol::Udp) == is_udp);
    let usual = usual.map(|(_, first, last): services::Ports| Ports { first, last });
    let found = host.databases.iter().filter(|(udp, _)| *udp == is_udp).map(|(_, port)| Ports::one(*port));
    ports_merged(usual.chain(found).collect())
}

/// Denies `ports` to all but `private` and those whom exceptions let past. Ports with the same
/// exceptions are one rule; `private` means databases, which only exceptions from port 30000 on let
/// out.
fn shut(
    id: &str,
    protocol: Protocol,
    ports: Vec<Ports>,
    exceptions: &[&PortException],
    private: Option<&String>,
) -> Vec<Rule> {
    let mut parts: BTreeMap<Vec<usize>, Vec<Ports>> = BTreeMap::new();
    for part in ports.into_iter().flat_map(|ports| cut(ports, exceptions)) {
        let for_databases = private.is_some() && part.first < CUSTOM_PORT_MIN;
        let covers = |e: &PortException| e.protocol == protocol && e.ports.iter().any(|p| p.contains(part.first));
        let of = exceptions.iter().enumerate().filter(|(_, e)| !for_databases && covers(e)).map(|(n, _)| n).collect();
        parts.entry(of).or_default().push(part);
    }
    parts.into_iter().flat_map(|(of, ports)| stages(id, protocol, ports, &of, exceptions, private)).collect()
}

/// The rule about `ports` as long as all of the exceptions `of` hold, and one from each of their ends on.
/// What is denied grows by every end, so none of them has to end.
fn stages(
    id: &str,
    protocol: Protocol,
    ports: Vec<Ports>,
    of: &[usize],
    exceptions: &[&PortException],
    private: Option<&String>,
) -> Vec<Rule> {
    let ports = ports_merged(ports);
    let id = match ports.first() {
        Some(first) if !of.is_empty() => format!("{id}/{first}"),
        _ => id.to_owned(),
    };
    let mut ends: Vec<Timestamp> = of.iter().map(|n| exceptions[*n].ends_at).collect();
    ends.sort_unstable();
    ends.dedup();
    let starts = std::iter::once(None).chain(ends.into_iter().map(Some));
    let rule = |(n, starts_at): (usize, Option<Timestamp>)| {
        let holds = |e: &&PortException| starts_at.is_none_or(|start| e.ends_at > start);
        let left: Vec<&PortException> = of.iter().map(|n| exceptions[*n]).filter(holds).collect();
        let id = if n == 0 { id.clone() } else { format!("{id}/after-{n}") };
        let denies = blank(id, Layer::Policy, Direction::In, Action::Deny);
        Some(Rule { protocol, ports: ports.clone(), peers: all_but(&left, private)?, starts_at, ..denies })
    };
    let mut rules: Vec<Rule> = starts.enumerate().filter_map(rule).collect();
    // an exception whose peers another one lets past for longer ends without a trace
    rules.dedup_by(|later, before| later.peers == before.peers);
    rules
}

/// `ports` in parts over each of which every exception covers all or nothing.
fn cut(ports: Ports, exceptions: &[&PortException]) -> Vec<Ports> {
    let mut begins: Vec<u32> = vec![ports.first.into()];
    for edge in exceptions.iter().flat_map(|e| &e.ports) {
        begins.extend([u32::from(edge.first), u32::from(edge.last) + 1]);
    }
    begins.retain(|n| (u32::from(ports.first)..=u32::from(ports.last)).contains(n));
    begins.sort_unstable();
    begins.dedup();
    let ends = begins.iter().skip(1).map(|next| next - 1).chain([u32::from(ports.last)]);
    let port = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    begins.iter().zip(ends).map(|(first, last)| Ports { first: port(*first), last: port(last) }).collect()
}

/// Everybody but these; `None` if nobody is left.
fn all_but(exceptions: &[&PortException], private: Option<&String>) -> Option<Peers> {
    if exceptions.iter().any(|e| e.peers.contains(&Peer::Any)) {
        return None;
    }
    let named = exceptions.iter().flat_map(|e| &e.peers).filter_map(sets::name_of);
    let own = exceptions.iter().filter(|e| e.peers.iter().any(|p| matches!(p, Peer::Cidr(_))));
    let mut sets: Vec<String> = named.chain(own.map(|e| exception_set(e))).chain(private.cloned()).collect();
    sets.sort_unstable();
    sets.dedup();
    Some(if sets.is_empty() { Peers::Any } else { Peers::Except { sets } })
}
