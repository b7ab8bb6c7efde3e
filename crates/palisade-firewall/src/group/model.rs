//! What a document of the firewall says.

use palisade_core::{Cidr, HostId, Selector, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Rules of one group at most.
pub const RULES_PER_GROUP_MAX: usize = 1_000;
/// Rules that one host evaluates at most, over all of its groups.
pub const RULES_PER_HOST_MAX: usize = 1_000;
/// Groups of one server.
pub const GROUPS_MAX: usize = 1_000;
/// Groups that one host is in at most.
pub const GROUPS_PER_HOST_MAX: usize = 50;
/// Peers of one rule at most; more belong into a prefix list.
pub const PEERS_PER_RULE_MAX: usize = 256;
/// Port ranges of one rule at most.
pub const PORTS_PER_RULE_MAX: usize = 64;
/// Networks of one prefix list at most.
pub const PREFIXES_MAX: usize = 100_000;
/// The longest end of an exception from now, in days.
pub const EXCEPTION_DAYS_MAX: i64 = 366;

/// Hosts that are protected alike: who may reach them and whom they may reach.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroupSpec {
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 500)]
    pub description: String,
    /// The hosts in it.
    #[serde(default)]
    pub members: Selector,
    /// Whether its members reach each other without a rule.
    #[serde(default)]
    pub intra: Intra,
    /// In any order: `priority` decides.
    #[serde(default)]
    pub rules: Vec<GroupRule>,
}

/// Whether the members of a group reach each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Intra {
    /// Only where a rule allows it.
    #[default]
    Isolate,
    /// All of it that no rule denies.
    Allow,
}

/// One rule of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// Its name in the group, for counters and logs: 1 to 32 of `a-z 0-9 -`. Made from what the rule
    /// matches if absent, so that it stays when priority or comment change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 32)]
    pub id: Option<String>,
    /// Who begins: a peer (`in`) or the member (`out`).
    #[serde(default)]
    pub direction: Direction,
    /// 1 to 100; lower is earlier, and where two are the same, deny is before allow.
    #[serde(default = "priority")]
    #[schema(minimum = 1, maximum = 100)]
    pub priority: u8,
    /// What becomes of it.
    pub action: Action,
    /// What is spoken.
    pub protocol: Protocol,
    /// Destination ports, of tcp and udp only: `22`, `8000-8080`; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub ports: Vec<Ports>,
    /// Types of ICMP messages, of icmp and icmpv6 only; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<u8>,
    /// The other side: `any`, a network, `list:NAME`, `group:NAME`, `domain:NAME`, `host:NAME`,
    /// `interface:NAME`; one of them suffices. An empty list is an error.
    #[schema(value_type = Vec<String>)]
    pub peers: Vec<Peer>,
    /// A rule that is switched off is kept and not enforced.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub enabled: bool,
    /// Records what it decides about, within a rate; denied packets are recorded anyway.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub log: bool,
    /// Until when; until it is removed if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 500)]
    pub comment: String,
}

fn priority() -> u8 {
    50
}

fn yes() -> bool {
    true
}

/// Who begins the conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A peer.
    #[default]
    In,
    /// The host.
    Out,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleAction)]
pub enum Action {
    /// It is gone, without an answer.
    Deny,
    /// It goes on.
    Allow,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RuleProtocol)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP for IPv4.
    Icmp,
    /// ICMP for IPv6.
    Icmpv6,
    /// GRE.
    Gre,
    /// Everything, also what has no name here.
    All,
}

/// Ports from the first to the last, both included; written `22` or `8000-8080`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "PortsText", into = "String")]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last, not before the first.
    pub last: u16,
}

/// A port may also be written as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum PortsText {
    Number(u16),
    Text(String),
}

impl Ports {
    /// Every port.
    pub const ALL: Ports = Ports { first: 0, last: u16::MAX };

    /// One port.
    pub const fn one(port: u16) -> Ports {
        Ports { first: port, last: port }
    }

    /// True if `port` is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Ports, String> {
        let shown: String = text.chars().take(40).flat_map(char::escape_default).collect();
        let port = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u16>().ok().filter(|_| digits).ok_or(format!("`{shown}` is no port: 22, or 8000-8080"))
        };
        match text.split_once('-') {
            None => port(text).map(Ports::one),
            Some((first, last)) => {
                let (first, last) = (port(first)?, port(last)?);
                if last < first {
                    return Err(format!("`{shown}` is the wrong way round; did you mean `{last}-{first}`?"));
                }
                Ok(Ports { first, last })
            }
        }
    }
}

impl TryFrom<PortsText> for Ports {
    type Error = String;

    fn try_from(text: PortsText) -> Result<Ports, String> {
        match text {
            PortsText::Number(port) => Ok(Ports::one(port)),
            PortsText::Text(text) => text.parse(),
        }
    }
}

impl From<Ports> for String {
    fn from(ports: Ports) -> String {
        ports.to_string()
    }
}

/// The other side of a rule, as written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Peer {
    /// Everybody, of both families.
    Any,
    /// An address or a network.
    Cidr(Cidr),
    /// A prefix list.
    List(String),
    /// The members of a security group.
    Group(String),
    /// The hosts of a security domain: those with the tag `domain` of this value.
    Domain(String),
    /// One host.
    Host(HostId),
    /// What comes in, or goes out, by this interface.
    Interface(String),
}

/// `IFNAMSIZ` less the byte that ends it.
const INTERFACE_BYTES_MAX: usize = 15;

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Any => f.write_str("any"),
            Peer::Cidr(cidr) => cidr.fmt(f),
            Peer::List(name) => write!(f, "list:{name}"),
            Peer::Group(name) => write!(f, "group:{name}"),
            Peer::Domain(name) => write!(f, "domain:{name}"),
            Peer::Host(name) => write!(f, "host:{name}"),
            Peer::Interface(name) => write!(f, "interface:{name}"),
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        if text == "any" {
            return Ok(Peer::Any);
        }
        let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
        let plain = |name: &str| {
            let ok = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let fits = !name.is_empty() && name.len() <= 63 && name.chars().all(ok);
            if fits { Ok(name.to_owned()) } else { Err(format!("`{shown}` names nothing that could be there")) }
        };
        match text.split_once(':') {
            Some(("list", name)) => plain(name).map(Peer::List),
            Some(("group", name)) => plain(name).map(Peer::Group),
            Some(("domain", name)) => plain(name).map(Peer::Domain),
            Some(("host", name)) => name.parse().map(Peer::Host).map_err(|e: palisade_core::HostIdError| e.to_string()),
            Some(("interface", name)) if name.len() > INTERFACE_BYTES_MAX => {
                Err(format!("`{shown}`: the name of an interface has at most {INTERFACE_BYTES_MAX} bytes"))
            }
            Some(("interface", name)) => plain(name).map(Peer::Interface),
            _ => text.parse().map(Peer::Cidr).map_err(|e: palisade_core::CidrError| {
                format!(
                    "{e}; a peer is `any`, a network, `list:`, `group:`, `domain:`, `host:` or `interface:` and a name"
                )
            }),
        }
    }
}

impl TryFrom<String> for Peer {
    type Error = String;

    fn try_from(text: String) -> Result<Peer, String> {
        text.parse()
    }
}

impl From<Peer> for String {
    fn from(peer: Peer) -> String {
        peer.to_string()
    }
}

/// Networks under one name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrefixListSpec {
    /// What they are.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 500)]
    pub description: String,
    /// Both families, in any order; overlapping ones are merged.
    #[serde(default)]
    pub prefixes: Vec<Cidr>,
}

/// What is shut on hosts before any group is asked: high-risk ports, databases. Where no document
/// chooses a host that is in a group, the defaults hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PortPolicySpec {
    /// For which hosts; where several choose one, the first by name.
    #[serde(default)]
    pub hosts: Selector,
    /// What becomes of the high-risk ports of the mission.
    #[serde(default = "deny")]
    pub high_risk: Action,
    /// What becomes of databases, by port and by what listens: `deny` lets private networks alone in.
    #[serde(default = "deny")]
    pub databases: Action,
    /// Who counts as private, beside RFC 1918, RFC 4193, RFC 6598 and the local link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<Cidr>,
    /// Ports below 30000 that may be open to everybody without a finding.
    #[serde(default = "web_ports")]
    #[schema(value_type = Vec<String>)]
    pub web_ports: Vec<Ports>,
    /// What becomes of what a member of a group begins and no rule decides.
    #[serde(default = "allow")]
    pub default_out: Action,
    /// How its hosts stand to those of other security domains.
    #[serde(default, skip_serializing_if = "Domains::is_default")]
    pub domains: Domains,
    /// What is let past this policy, to the groups, until a date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PortException>,
}

impl Default for PortPolicySpec {
    fn default() -> PortPolicySpec {
        PortPolicySpec {
            hosts: Selector::default(),
            high_risk: deny(),
            databases: deny(),
            private: Vec::new(),
            web_ports: web_ports(),
            default_out: allow(),
            domains: Domains::default(),
            exceptions: Vec::new(),
        }
    }
}

/// Security domains: a host is in the one that its tag `domain` names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Domains {
    /// Whether what hosts of other domains begin is denied before any group is asked. What a host of a
    /// domain begins itself is judged on the other side.
    pub isolate: bool,
}

impl Domains {
    fn is_default(&self) -> bool {
        *self == Domains::default()
    }
}

fn deny() -> Action {
    Action::Deny
}

fn allow() -> Action {
    Action::Allow
}

fn web_ports() -> Vec<Ports> {
    vec![Ports::one(80), Ports::one(443)]
}

/// A port that the policy does not shut for some peers, for a reason and a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PortException {
    /// For which of the policy's hosts; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Selector>,
    /// tcp or udp.
    pub protocol: Protocol,
    /// Which.
    #[schema(value_type = Vec<String>)]
    pub ports: Vec<Ports>,
    /// For whom. A database that is let out to more than private networks needs named peers and a
    /// port from 30000 on.
    #[schema(value_type = Vec<String>)]
    pub peers: Vec<Peer>,
    /// Why.
    #[schema(max_length = 500)]
    pub reason: String,
    /// Until when, at most a year.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
}
