//! What a filter means: which rule decides about a packet. Pure; the measure of the compiler.
//!
//! In this order: loopback, the failsafe, bans (less the allow-list), what IP cannot work without,
//! the rules, the default. A ban cuts what the banned address begins and, by dropping its answers,
//! what the host begins with it: both are judged as denied.

use super::{Filter, Layer, Peers, Rule};
use crate::group::model::{Action, Direction, Protocol};
use crate::ruleset::Range;
use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// The first packet of a conversation, as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Who begins.
    pub direction: Direction,
    /// What is spoken.
    pub payload: Payload,
    /// The other side.
    pub peer: IpAddr,
    /// By which interface it comes or goes; unknown matches no rule that names one.
    pub interface: Option<String>,
}

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payload {
    /// TCP to this port.
    Tcp(u16),
    /// UDP to this port.
    Udp(u16),
    /// UDP of the lease of an address (RFC 2131, RFC 8415): the server's answer to the host's port 68
    /// (IPv6: 546) or the host's question to the server's port 67 (IPv6: 547), the other one being
    /// the source.
    Lease,
    /// ICMP or ICMPv6 (by the peer's family) of this type.
    Icmp(u8),
    /// GRE.
    Gre,
    /// Another protocol, by its number.
    Other(u8),
}

/// What decides about a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Decider {
    /// The peer must always reach this host, and be reached.
    Failsafe,
    /// Loopback.
    Loopback,
    /// The peer is banned.
    Ban,
    /// What IP cannot work without: errors of ICMP, neighbours of IPv6, leases of addresses.
    Essential,
    /// This rule.
    Rule {
        /// Its id.
        id: String,
        /// What it belongs to.
        layer: Layer,
        /// Its priority.
        priority: u8,
    },
    /// No rule: the default.
    Default,
    /// Nothing is filtered on this host.
    Unfiltered,
}

/// What becomes of a packet, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// What becomes of it.
    pub action: Action,
    /// Why.
    #[serde(flatten)]
    pub decider: Decider,
}

/// What of a host decides, beside its filter.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Who is never cut.
    pub failsafe: &'a [Range],
    /// Whom no ban cuts.
    pub allow: &'a [Range],
    /// Who is shut out.
    pub banned: &'a [Range],
    /// Its rules.
    pub filter: &'a Filter,
}

/// The first rule that matches, in the order of the layers.
pub fn judge(host: &Host<'_>, probe: &Probe, now: Timestamp) -> Decision {
    before_rules(host, probe).unwrap_or_else(|| {
        let rule = host.filter.rules.iter().find(|rule| alive(rule, now) && matches(host.filter, rule, probe));
        rule.map_or_else(|| default(host.filter, probe), decided_by)
    })
}

/// A decision, and which rules would have matched too had they been asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation<'a> {
    /// What becomes of the packet, and why.
    pub decision: Decision,
    /// The rules that match and were not asked, in order.
    pub not_asked: Vec<&'a Rule>,
}

/// As [`judge`], with the rules that come too late.
pub fn explain<'a>(host: &Host<'a>, probe: &Probe, now: Timestamp) -> Explanation<'a> {
    let filter = host.filter;
    let decision = judge(host, probe, now);
    let asked = usize::from(matches!(decision.decider, Decider::Rule { .. }));
    let matching = filter.rules.iter().filter(|rule| alive(rule, now) && matches(filter, rule, probe));
    let not_asked = if filter.defaults.is_some() { matching.skip(asked).collect() } else { Vec::new() };
    Explanation { decision, not_asked }
}

impl Decision {
    /// For people: `allowed by rule web/ssh (group, priority 10)`.
    pub fn sentence(&self) -> String {
        let verb = match self.action {
            Action::Allow => "allowed",
            Action::Deny => "denied",
        };
        let why = match &self.decider {
            Decider::Failsafe => "the failsafe: this address is never cut".to_owned(),
            Decider::Loopback => "loopback: the host speaks with itself".to_owned(),
            Decider::Ban => "a ban of the address".to_owned(),
            Decider::Essential => "a message that IP cannot work without".to_owned(),
            Decider::Rule { id, layer, priority } => format!("rule {id} ({}, priority {priority})", layer.word()),
            Decider::Default => "the default: no rule matches".to_owned(),
            Decider::Unfiltered => return "allowed: no group and no policy filters this host".to_owned(),
        };
        format!("{verb} by {why}")
    }
}

/// True if `rule` decides about `probe` when none before it does; its end is not looked at.
pub fn matches(filter: &Filter, rule: &Rule, probe: &Probe) -> bool {
    rule.direction == probe.direction
        && protocol_matches(rule, probe)
        && ports_match(rule, probe)
        && peers_match(filter, &rule.peers, probe)
}

/// True from the rule's beginning until its end.
pub fn alive(rule: &Rule, now: Timestamp) -> bool {
    rule.starts_at.is_none_or(|start| start <= now) && rule.ends_at.is_none_or(|end| now < end)
}

/// What is decided without the rules.
fn before_rules(host: &Host<'_>, probe: &Probe) -> Option<Decision> {
    let within = |ranges: &[Range]| ranges.iter().any(|range| holds(*range, probe.peer));
    let decided = |action, decider| Some(Decision { action, decider });
    if probe.interface.as_deref() == Some("lo") || probe.peer.is_loopback() {
        decided(Action::Allow, Decider::Loopback)
    } else if within(host.failsafe) {
        decided(Action::Allow, Decider::Failsafe)
    } else if within(host.banned) && !within(host.allow) {
        decided(Action::Deny, Decider::Ban)
    } else if host.filter.defaults.is_none() {
        decided(Action::Allow, Decider::Unfiltered)
    } else if essential(probe) {
        decided(Action::Allow, Decider::Essential)
    } else {
        None
    }
}

/// ICMP errors (RFC 792), what ICMPv6 reports and finds neighbours, routers and listeners with (RFC
/// 4443, 4861, 3810), and leases.
pub fn essential(probe: &Probe) -> bool {
    match probe.payload {
        Payload::Icmp(kind) if probe.peer.is_ipv4() => matches!(kind, 3 | 11 | 12),
        Payload::Icmp(kind) => matches!(kind, 1..=4 | 130..=136 | 143),
        Payload::Lease => true,
        _ => false,
    }
}

fn decided_by(rule: &Rule) -> Decision {
    let decider = Decider::Rule { id: rule.id.clone(), layer: rule.layer, priority: rule.priority };
    Decision { action: rule.action, decider }
}

fn default(filter: &Filter, probe: &Probe) -> Decision {
    let action = filter.defaults.map_or(Action::Allow, |defaults| defaults.of(probe.direction));
    Decision { action, decider: Decider::Default }
}

fn protocol_matches(rule: &Rule, probe: &Probe) -> bool {
    match rule.protocol {
        Protocol::All => true,
        Protocol::Tcp => matches!(probe.payload, Payload::Tcp(_)),
        Protocol::Udp => matches!(probe.payload, Payload::Udp(_) | Payload::Lease),
        Protocol::Icmp => matches!(probe.payload, Payload::Icmp(_)) && probe.peer.is_ipv4(),
        Protocol::Icmpv6 => matches!(probe.payload, Payload::Icmp(_)) && probe.peer.is_ipv6(),
        Protocol::Gre => probe.payload == Payload::Gre,
    }
}

/// A rule that names ports speaks of nothing without them, and so with types.
fn ports_match(rule: &Rule, probe: &Probe) -> bool {
    let port = probe.port();
    let ports = rule.ports.is_empty() || port.is_some_and(|port| rule.ports.iter().any(|p| p.contains(port)));
    let types = rule.types.is_empty() || matches!(probe.payload, Payload::Icmp(kind) if rule.types.contains(&kind));
    ports && types
}

fn peers_match(filter: &Filter, peers: &Peers, probe: &Probe) -> bool {
    let within = |sets: &[String]| sets.iter().any(|name| in_set(filter.ranges(name), probe.peer));
    match peers {
        Peers::Any => true,
        Peers::Of { sets, interfaces } => {
            within(sets) || probe.interface.as_ref().is_some_and(|interface| interfaces.contains(interface))
        }
        Peers::Except { sets } => !within(sets),
    }
}

/// `ranges` are sorted and do not overlap.
fn in_set(ranges: &[Range], address: IpAddr) -> bool {
    let place = ranges.partition_point(|range| range.first() <= address);
    place > 0 && holds(ranges[place - 1], address)
}

fn holds(range: Range, address: IpAddr) -> bool {
    range.first().is_ipv4() == address.is_ipv4() && (range.first()..=range.last()).contains(&address)
}

impl Probe {
    /// The destination port, of TCP and UDP.
    pub fn port(&self) -> Option<u16> {
        match self.payload {
            Payload::Tcp(port) | Payload::Udp(port) => Some(port),
            Payload::Lease => Some(match (self.direction, self.peer) {
                (Direction::In, IpAddr::V4(_)) => 68,
                (Direction::In, IpAddr::V6(_)) => 546,
                (Direction::Out, IpAddr::V4(_)) => 67,
                (Direction::Out, IpAddr::V6(_)) => 547,
            }),
            _ => None,
        }
    }
}
