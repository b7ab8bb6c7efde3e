//! What is observed of a host's network side, and from where a socket can be reached. Pure.

use crate::exposure::Filtering;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use utoipa::ToSchema;

/// Most sockets that one observation carries; what is beyond is counted.
pub const SOCKETS_MAX: usize = 4_096;

/// What one look brings. In a scratch root there is no kernel: both sections are absent, and no
/// check runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// What listens.
    pub listeners: Option<Listeners>,
    /// What the kernel filters.
    pub ruleset: Option<Ruleset>,
    /// Ports that the kernel forwards elsewhere; absent where that cannot be read.
    pub published: Option<Vec<Published>>,
    /// The rules that the agent in this process holds; absent outside of the agent.
    pub filter: Option<Filtering>,
}

/// All sockets that wait for somebody else to begin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listeners {
    /// Why they could not be listed, if so.
    pub unreadable: Option<String>,
    /// Looked at as root: the owner of every socket should be known.
    pub as_root: bool,
    /// How many there were beyond [`SOCKETS_MAX`].
    pub left_out: u64,
    /// The sockets, by protocol, port and address.
    pub sockets: Vec<Listener>,
    /// Ports on which a database listens, or that are forwarded to one; those that only this host
    /// reaches are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<(Protocol, u16)>,
}

/// Ports that packets from outside are sent on from, before any socket of the host is asked: by a rule
/// of nat at prerouting (DNAT or redirect), as container engines write them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// tcp or udp.
    pub protocol: Protocol,
    /// The first port.
    pub port: u16,
    /// The last port; the first again for a single one.
    pub port_last: u16,
    /// Only packets to this address of the host; to all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// Where they are sent: `10.0.0.2:80`, `10.0.0.2`, `:8080` for the host itself; absent if the rule
    /// takes it from a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The table and the chain of the rule: `ip nat DOCKER`.
    pub rule: String,
}

/// Entries of the section `published` at most.
pub const PUBLISHED_MAX: usize = 4_096;

impl Published {
    /// From where it can be reached, by the address that packets are sent to.
    pub fn scope(&self) -> Scope {
        self.address.map_or(Scope::World, |address| scope(&Listener { address, ..Listener::default() }))
    }

    /// The port that packets arrive at in the end.
    pub fn port_inside(&self) -> Option<u16> {
        self.to.as_ref()?.rsplit_once(':')?.1.parse().ok()
    }

    /// True for a rule of a container engine.
    pub fn is_docker(&self) -> bool {
        self.rule.split(' ').any(|word| word.starts_with("DOCKER"))
    }
}

/// One listening socket: a TCP socket in state LISTEN, or an unconnected UDP socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address that it is bound to; `0.0.0.0` and `::` are all of the host's.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// The only interface that it is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// An IPv6 socket that takes no IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6only: Option<bool>,
    /// The process that holds it, as the kernel names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The package that its program came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Its systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A socket of the kernel itself, which no process owns (NFS, WireGuard, VXLAN).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kernel: bool,
}

impl Default for Listener {
    fn default() -> Self {
        Listener {
            protocol: Protocol::Tcp,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 0,
            interface: None,
            v6only: None,
            process: None,
            pid: None,
            package: None,
            unit: None,
            kernel: false,
        }
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// From where a socket can be reached, by the address that it is bound to. Ordered: the later, the
/// further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// From this host only.
    Host,
    /// From private networks and the local link.
    Private,
    /// From anywhere that routes to this host.
    World,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Scope::Host => "host",
            Scope::Private => "private",
            Scope::World => "world",
        })
    }
}

/// From where `listener` can be reached.
pub fn scope(listener: &Listener) -> Scope {
    if listener.interface.as_deref() == Some("lo") {
        return Scope::Host;
    }
    match listener.address.to_canonical() {
        IpAddr::V4(v4) => scope_v4(v4),
        IpAddr::V6(v6) => scope_v6(v6),
    }
}

/// Private are RFC 1918, link-local (RFC 3927), and the shared space of carriers and overlay
/// networks (RFC 6598), which no public router carries; a socket bound to a multicast or broadcast
/// address hears the local link only.
fn scope_v4(address: Ipv4Addr) -> Scope {
    let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
    if address.is_loopback() {
        Scope::Host
    } else if address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || shared
    {
        Scope::Private
    } else {
        Scope::World
    }
}

/// Private are fc00::/7 (RFC 4193), fe80::/10 and multicast.
fn scope_v6(address: Ipv6Addr) -> Scope {
    if address.is_loopback() {
        Scope::Host
    } else if address.is_unique_local() || address.is_unicast_link_local() || address.is_multicast() {
        Scope::Private
    } else {
        Scope::World
    }
}

impl Listener {
    /// `0.0.0.0:22`, `[::]:22`.
    pub fn endpoint(&self) -> String {
        SocketAddr::new(self.address, self.port).to_string()
    }

    /// Who holds it, for people: `ncat, pid 812, package ncat`.
    pub fn owner(&self) -> String {
        let Some(process) = &self.process else {
            let nobody = if self.kernel { "the kernel" } else { "a process that could not be named" };
            return nobody.to_owned();
        };
        let pid = self.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let package = self.package.as_ref().map(|p| format!(", package {p}")).unwrap_or_default();
        format!("{process}{pid}{package}")
    }
}

/// What nftables holds on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Ruleset {
    /// Why it could not be read, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// All tables, foreign ones too.
    pub tables: Vec<Table>,
    /// Our own.
    pub ours: Ours,
    /// Tables of the older iptables in the kernel, such as `ip filter`: nftables does not show them.
    pub legacy: Vec<String>,
    /// The host has an IPv6 address that is routed.
    pub ipv6: bool,
    /// Chains of others whose rules write bits of conntrack marks that Palisade uses: `ip mangle PREROUTING`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mark_writers: Vec<String>,
    /// Chains of others whose rules have packets not tracked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untracking: Vec<String>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Table {
    /// `ip`, `ip6`, `inet`, `arp`, `bridge`, `netdev`.
    pub family: String,
    /// Its name.
    pub name: String,
    /// Its chains.
    pub chains: Vec<Chain>,
}

/// One chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where the kernel calls it: `input`, `prerouting`, …; absent for a chain that others jump to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
    /// In which order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// What happens to a packet that no rule decides: `accept` or `drop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// How many rules it has.
    pub rules: u64,
    /// What its last rule does to every packet, whatever it is: `drop` or `reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_in: Option<String>,
}

impl Chain {
    /// True if what no rule lets in stays out.
    pub fn shuts(&self) -> bool {
        self.policy.as_deref() == Some("drop") || matches!(self.ends_in.as_deref(), Some("drop" | "reject"))
    }
}

/// The table that Palisade keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Ours {
    /// The table is there.
    pub present: bool,
    /// Banned addresses and networks in the kernel.
    pub bans: u64,
    /// Entries of the allow-list in the kernel.
    pub allow: u64,
    /// Addresses that nothing cuts, in the kernel: `203.0.113.9`, or `first-last`.
    pub failsafe: Vec<String>,
    /// How many bans the agent in this process keeps; absent outside of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(address: &str) -> Scope {
        scope(&Listener { address: address.parse().expect("an address"), ..Listener::default() })
    }

    #[test]
    fn a_socket_that_is_bound_to_the_loopback_interface_is_reached_from_the_host_only() {
        let lo = Listener { interface: Some("lo".to_owned()), ..Listener::default() };
        assert_eq!(scope(&lo), Scope::Host);
    }

    #[test]
    fn loopback_is_reached_from_the_host_only() {
        for address in ["127.0.0.1", "127.0.0.53", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(address), Scope::Host, "{address}");
        }
    }

    #[test]
    fn private_and_link_local_addresses_are_private() {
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.3.4",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "224.0.0.251",
            "::ffff:10.1.2.3",
            "ff02::fb",
        ] {
            assert_eq!(of(address), Scope::Private, "{address}");
        }
    }

    #[test]
    fn any_and_public_addresses_are_the_world() {
        for address in ["0.0.0.0", "::", "203.0.113.9", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert_eq!(of(address), Scope::World, "{address}");
        }
    }

    proptest! {
        #[test]
        fn a_mapped_address_has_the_scope_of_its_ipv4_address(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            prop_assert_eq!(of(&v4.to_string()), of(&v4.to_ipv6_mapped().to_string()));
        }

        #[test]
        fn only_loopback_is_the_host_alone(bits: u128) {
            let address = IpAddr::V6(Ipv6Addr::from(bits)).to_canonical();
            prop_assert_eq!(of(&address.to_string()) == Scope::Host, address.is_loopback());
        }
    }
}
