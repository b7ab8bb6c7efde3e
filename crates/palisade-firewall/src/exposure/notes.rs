//! What the checks of a host need to know beside its rules, told by the server with the spec.

use crate::group::model::{PortPolicySpec, Ports, Protocol};
use crate::group::resolve::{Fleet, Member};
use palisade_core::{HostId, Timestamp};
use serde::{Deserialize, Serialize};

/// Exceptions that one host is told of at most.
const EXCEPTIONS_MAX: usize = 100;
/// Peers that one exception names at most.
const PEERS_NAMED_MAX: usize = 16;

/// What the policy says about one host, as far as no rule says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// Ports below 30000 that may be open to everybody; the policy's own if absent: 80 and 443.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_ports: Option<Vec<Ports>>,
    /// Exceptions of the port policy for this host, ended ones that nobody has removed too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// How many groups there are, if this host is in none of them while others are.
    #[serde(skip_serializing_if = "is_zero")]
    pub groups_without: u64,
}

/// A port that the policy does not shut for some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// The policy that it stands in.
    pub policy: String,
    /// tcp or udp.
    pub protocol: Protocol,
    /// Which.
    pub ports: Vec<Ports>,
    /// For whom, as written.
    pub peers: Vec<String>,
    /// Why.
    pub reason: String,
    /// Until when.
    pub ends_at: Timestamp,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Notes {
    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Notes::default()
    }

    /// Ports below 30000 that may be open to everybody.
    pub fn web_ports(&self) -> Vec<Ports> {
        self.web_ports.clone().unwrap_or_else(|| PortPolicySpec::default().web_ports)
    }
}

/// The protocol of a rule as it is written.
pub fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
        Protocol::Icmpv6 => "icmpv6",
        Protocol::Gre => "gre",
        Protocol::All => "all",
    }
}

/// What `host` is told.
pub fn notes(fleet: &Fleet, host: &HostId) -> Notes {
    let Some(member) = fleet.hosts.iter().find(|member| member.id == *host) else { return Notes::default() };
    let in_group = |member: &Member| {
        fleet.groups.values().any(|g| g.members.holds(&member.id, &member.tags, member.region.as_deref()))
    };
    let alone = !fleet.groups.is_empty() && !in_group(member) && fleet.hosts.iter().any(in_group);
    let groups_without = if alone { fleet.groups.len() as u64 } else { 0 };
    let holds = |policy: &PortPolicySpec| policy.hosts.holds(&member.id, &member.tags, member.region.as_deref());
    let Some((name, policy)) = fleet.policies.iter().find(|(_, policy)| holds(policy)) else {
        return Notes { groups_without, ..Notes::default() };
    };
    let default = PortPolicySpec::default().web_ports;
    Notes {
        web_ports: (policy.web_ports != default).then(|| policy.web_ports.clone()),
        exceptions: exceptions(name, policy, member),
        groups_without,
    }
}

fn exceptions(name: &str, policy: &PortPolicySpec, member: &Member) -> Vec<Exception> {
    let here = policy.exceptions.iter().filter(|exception| {
        let chosen = exception.hosts.as_ref();
        chosen.is_none_or(|hosts| hosts.holds(&member.id, &member.tags, member.region.as_deref()))
    });
    here.take(EXCEPTIONS_MAX)
        .map(|exception| Exception {
            policy: name.to_owned(),
            protocol: exception.protocol,
            ports: exception.ports.clone(),
            peers: exception.peers.iter().take(PEERS_NAMED_MAX).map(ToString::to_string).collect(),
            reason: exception.reason.clone(),
            ends_at: exception.ends_at,
        })
        .collect()
}
