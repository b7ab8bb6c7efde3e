//! First groups for hosts that have none, from what listens on them. Pure.
//!
//! One group for all of the hosts (SSH from the caller's own network, ping), and one for each sort of
//! service: the web from everywhere, all else from private networks. High-risk ports are left to the
//! port policy, which shuts them.

use super::model::{Action, Direction, GroupRule, Intra, Peer, Ports, Protocol, SecurityGroupSpec};
use crate::exposure::Joined;
use crate::model::{Protocol as Transport, Scope};
use crate::services::{self, DHCP_CLIENT};
use palisade_core::{Cidr, HostId, Selector};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use utoipa::ToSchema;

/// Groups that are proposed at most; what serves the most hosts comes first by name.
const GROUPS_MAX: usize = 100;
/// Ports of one proposed rule at most.
const PORTS_MAX: usize = super::model::PORTS_PER_RULE_MAX;
/// Where services are let in from that are not meant for everybody.
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Documents to look at, change, and apply.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Starter {
    /// As `POST /api/v1/apply` takes them.
    pub resources: Vec<StarterGroup>,
    /// What listens and is not let in by them, and why.
    pub left_out: Vec<String>,
}

/// One proposed group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StarterGroup {
    /// `SecurityGroup`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub spec: SecurityGroupSpec,
}

/// What listens on one host.
pub struct Looked {
    /// Its name.
    pub host: HostId,
    /// Its sockets and published ports.
    pub rows: Vec<Joined>,
}

/// What one sort of service needs.
#[derive(Default)]
struct Role {
    hosts: BTreeSet<HostId>,
    tcp: BTreeSet<u16>,
    udp: BTreeSet<u16>,
    everybody: bool,
    comment: String,
}

/// Groups for `hosts`; `caller` is the address of the operator who asks.
pub fn starter(hosts: &[Looked], caller: Option<IpAddr>) -> Starter {
    let (mut roles, mut ssh) = (BTreeMap::<String, Role>::new(), BTreeSet::new());
    let mut left_out = Vec::new();
    for (host, row) in hosts.iter().flat_map(|h| h.rows.iter().map(move |row| (&h.host, row))) {
        if row.scope == Scope::Host || row.protocol == Transport::Udp && DHCP_CLIENT.contains(&row.port) {
            continue;
        }
        if row.high_risk || row.port != row.port_last {
            let why = if row.high_risk { "a high-risk port" } else { "a published range" };
            left_out.push(format!("{host}: {}/{} is {why}", row.protocol, row.port));
        } else if is_ssh(row) {
            ssh.insert(row.port);
        } else {
            role(&mut roles, row).take(host, row);
        }
    }
    let mut resources = vec![base(hosts, &ssh, caller)];
    resources.extend(roles.into_iter().take(GROUPS_MAX).map(|(name, role)| role.group(name)));
    resources.retain(|group| !group.spec.members.hosts.is_empty());
    Starter { resources, left_out }
}

fn is_ssh(row: &Joined) -> bool {
    let process = row.listener.as_ref().and_then(|l| l.process.as_deref());
    row.protocol == Transport::Tcp && (process == Some("sshd") || process.is_none() && row.port == 22)
}

fn role<'r>(roles: &'r mut BTreeMap<String, Role>, row: &Joined) -> &'r mut Role {
    let process = row.listener.as_ref().and_then(|l| l.process.clone());
    let web = matches!((row.protocol, row.port), (Transport::Tcp, 80 | 443) | (Transport::Udp, 443));
    let own = process.as_deref().is_some_and(|p| p.starts_with("palisade"));
    let (name, comment) = match (row.database, &process) {
        (Some(database), _) => (format!("database-{}", slug(database)), database.to_owned()),
        _ if web => ("web".to_owned(), "the web, for everybody".to_owned()),
        _ if own => ("palisade".to_owned(), "consoles and agents, which prove who they are".to_owned()),
        (None, Some(process)) => (slug(process), format!("served by {}", palisade_guard::cli::printable(process))),
        (None, None) => {
            let service = services::common(row.protocol, row.port).map(slug);
            (service.unwrap_or_else(|| format!("{}-{}", row.protocol, row.port)), "nobody knows by whom".to_owned())
        }
    };
    let role = roles.entry(format!("starter-{name}")).or_default();
    role.everybody |= web && row.database.is_none() || own;
    role.comment = comment;
    role
}

/// What a name of a document may hold.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let all: String = text.chars().take(40).map(plain).collect();
    let words: Vec<&str> = all.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "service".to_owned() } else { words.join("-") }
}

impl Role {
    fn take(&mut self, host: &HostId, row: &Joined) {
        self.hosts.insert(host.clone());
        let ports = if row.protocol == Transport::Tcp { &mut self.tcp } else { &mut self.udp };
        ports.insert(row.port);
    }

    fn group(self, name: String) -> StarterGroup {
        let peers = if self.everybody { vec![Peer::Any] } else { networks(&PRIVATE) };
        let protocols = [(Protocol::Tcp, &self.tcp), (Protocol::Udp, &self.udp)];
        let rules = protocols.into_iter().filter(|(_, ports)| !ports.is_empty());
        let rules = rules.map(|(protocol, ports)| rule(protocol, ports, peers.clone(), &self.comment)).collect();
        group(name, format!("proposed from what listens: {}", self.comment), self.hosts, rules)
    }
}

/// SSH and ping for all of them.
fn base(hosts: &[Looked], ssh: &BTreeSet<u16>, caller: Option<IpAddr>) -> StarterGroup {
    let all = hosts.iter().map(|h| h.host.clone()).collect();
    let mut rules = Vec::new();
    if !ssh.is_empty() {
        let (peers, comment) = match caller.and_then(own_network) {
            Some(network) => (vec![Peer::Cidr(network)], "the network that this was proposed from"),
            None => (networks(&PRIVATE), "private networks"),
        };
        rules.push(rule(Protocol::Tcp, ssh, peers, comment));
    }
    for (protocol, kind) in [(Protocol::Icmp, 8), (Protocol::Icmpv6, 128)] {
        let ping = rule(protocol, &BTreeSet::new(), vec![Peer::Any], "ping");
        rules.push(GroupRule { types: vec![kind], ..ping });
    }
    group("starter-base".to_owned(), "proposed from what listens: logon and ping".to_owned(), all, rules)
}

/// A private address stands for its /24 or /64, a public one for itself.
fn own_network(caller: IpAddr) -> Option<Cidr> {
    let caller = caller.to_canonical();
    let cut = |bits: u8| match caller {
        IpAddr::V4(v4) => {
            let network = u32::from(v4) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            format!("{}/{bits}", std::net::Ipv4Addr::from(network)).parse().ok()
        }
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            format!("{}/{bits}", std::net::Ipv6Addr::from(network)).parse().ok()
        }
    };
    match caller {
        _ if caller.is_loopback() => None,
        IpAddr::V4(v4) if v4.is_private() => cut(24),
        IpAddr::V4(_) => Some(Cidr::from(caller)),
        IpAddr::V6(_) => cut(64),
    }
}

fn networks(list: &[&str]) -> Vec<Peer> {
    list.iter().filter_map(|text| text.parse().ok().map(Peer::Cidr)).collect()
}

fn group(name: String, description: String, hosts: BTreeSet<HostId>, rules: Vec<GroupRule>) -> StarterGroup {
    let members = Selector { hosts: hosts.into_iter().collect(), ..Selector::default() };
    let spec = SecurityGroupSpec { description, members, intra: Intra::Isolate, rules };
    StarterGroup { kind: "SecurityGroup".to_owned(), name, spec }
}

fn rule(protocol: Protocol, ports: &BTreeSet<u16>, peers: Vec<Peer>, comment: &str) -> GroupRule {
    GroupRule {
        id: None,
        direction: Direction::In,
        priority: 50,
        action: Action::Allow,
        protocol,
        ports: ports.iter().take(PORTS_MAX).map(|port| Ports::one(*port)).collect(),
        types: Vec::new(),
        peers,
        enabled: true,
        log: false,
        ends_at: None,
        comment: comment.to_owned(),
    }
}
