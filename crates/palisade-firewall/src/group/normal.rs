//! Documents in normal form: two that mean the same are equal. Pure; an error names the place.

use super::model::{
    Action, Direction, EXCEPTION_DAYS_MAX, GroupRule, PEERS_PER_RULE_MAX, PORTS_PER_RULE_MAX, PREFIXES_MAX, Peer,
    PortException, PortPolicySpec, Ports, PrefixListSpec, Protocol, RULES_PER_GROUP_MAX, SecurityGroupSpec,
};
use super::resolve::private_networks;
use crate::services::{CUSTOM_PORT_MIN, DATABASES};
use palisade_core::{Cidr, Selector, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::link::spec_hash;
use serde_json::json;
use std::collections::BTreeMap;

/// The longest name of a rule.
const RULE_ID_BYTES_MAX: usize = 32;
/// The longest description, comment or reason, in characters.
const TEXT_CHARS_MAX: usize = 500;
/// Letters of the name that a rule without one gets.
const HASH_CHARS: usize = 8;
/// Exceptions of one policy.
const EXCEPTIONS_MAX: usize = 100;
const SECONDS_PER_DAY: i64 = 86_400;

/// A security group: every rule has an id, ports and peers are merged and sorted, and the rules stand
/// in the order of evaluation.
pub fn group(spec: SecurityGroupSpec) -> Result<SecurityGroupSpec, ApiError> {
    if spec.rules.len() > RULES_PER_GROUP_MAX {
        let why = format!("{} rules are more than the {RULES_PER_GROUP_MAX} of one group", spec.rules.len());
        return Err(ApiError::invalid(why).at("spec.rules").hint("split it: a host may be in several groups"));
    }
    text(&spec.description).map_err(|e| e.at("spec.description"))?;
    let mut rules = Vec::with_capacity(spec.rules.len());
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for (n, given) in spec.rules.into_iter().enumerate() {
        let place = format!("spec.rules[{n}]");
        let rule = rule(given).map_err(|e| e.at(place.as_str()))?;
        if let Some(id) = &rule.id
            && let Some(first) = ids.insert(id.clone(), n)
        {
            let why = format!("the id `{id}` is there twice: spec.rules[{first}] and {place}");
            return Err(ApiError::invalid(why).at(format!("{place}.id")));
        }
        rules.push(rule);
    }
    name(&mut rules, ids);
    rules.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(SecurityGroupSpec { members: selector(spec.members), rules, ..spec })
}

fn order(rule: &GroupRule) -> (Direction, u8, Action, &Option<String>) {
    (rule.direction, rule.priority, rule.action, &rule.id)
}

/// Rules without an id get one from what they match; those that match the same are counted, in an
/// order that does not depend on where they stand.
fn name(rules: &mut [GroupRule], mut taken: BTreeMap<String, usize>) {
    rules.sort_by_cached_key(|rule| (matched(rule), rule.priority, rule.ends_at, rule.comment.clone(), rule.enabled));
    for rule in rules.iter_mut().filter(|rule| rule.id.is_none()) {
        let hash = short_hash(&matched(rule));
        let counted = (2..).map(|n| format!("{hash}-{n}"));
        let id = std::iter::once(hash.clone()).chain(counted).find(|id| !taken.contains_key(id));
        let id = id.unwrap_or(hash);
        taken.insert(id.clone(), 0);
        rule.id = Some(id);
    }
}

/// What a rule matches, and what becomes of it.
fn matched(rule: &GroupRule) -> String {
    json!([rule.direction, rule.action, rule.protocol, rule.ports, rule.types, rule.peers]).to_string()
}

/// A short name for a text.
pub fn short_hash(text: &str) -> String {
    spec_hash(&json!(text)).chars().take(HASH_CHARS).collect()
}

fn rule(mut rule: GroupRule) -> Result<GroupRule, ApiError> {
    if let Some(id) = &rule.id {
        id_checked(id).map_err(|e| e.at("id"))?;
    }
    if !(1..=100).contains(&rule.priority) {
        let why = format!("priority {} is not between 1 and 100", rule.priority);
        return Err(ApiError::invalid(why).at("priority").hint("lower is earlier; 50 if it is left out"));
    }
    text(&rule.comment).map_err(|e| e.at("comment"))?;
    let portless = !matches!(rule.protocol, Protocol::Tcp | Protocol::Udp);
    if portless && !rule.ports.is_empty() {
        let why = format!("{} has no ports", word(rule.protocol));
        let hint = if rule.protocol == Protocol::All { "write one rule for tcp and one for udp" } else { NO_PORTS };
        return Err(ApiError::invalid(why).at("ports").hint(hint));
    }
    if !matches!(rule.protocol, Protocol::Icmp | Protocol::Icmpv6) && !rule.types.is_empty() {
        let why = format!("{} has no types", word(rule.protocol));
        return Err(ApiError::invalid(why).at("types").hint("leave `types` out; only icmp and icmpv6 have them"));
    }
    rule.ports = ports(rule.ports)?;
    rule.types.sort_unstable();
    rule.types.dedup();
    rule.peers = peers(rule.peers)?;
    families(&rule)?;
    rule.ends_at = rule.ends_at.map(whole_ms);
    Ok(rule)
}

const NO_PORTS: &str = "leave `ports` out; only tcp and udp have them";

fn id_checked(id: &str) -> Result<(), ApiError> {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !id.is_empty() && id.len() <= RULE_ID_BYTES_MAX && id.chars().all(ok) {
        return Ok(());
    }
    let shown: String = id.chars().take(80).flat_map(char::escape_default).collect();
    Err(ApiError::invalid(format!("`{shown}` is no id of a rule: 1 to {RULE_ID_BYTES_MAX} of a-z, 0-9 and `-`")))
}

/// The ports sorted and merged; none for all of them.
fn ports(given: Vec<Ports>) -> Result<Vec<Ports>, ApiError> {
    if given.len() > PORTS_PER_RULE_MAX {
        let why = format!("{} port ranges are more than the {PORTS_PER_RULE_MAX} of one rule", given.len());
        return Err(ApiError::invalid(why).at("ports").hint("join neighbours to ranges, or write a second rule"));
    }
    let all = ports_merged(given);
    Ok(if all == [Ports::ALL] { Vec::new() } else { all })
}

/// Sorted, without overlap; neighbours are joined.
pub fn ports_merged(mut given: Vec<Ports>) -> Vec<Ports> {
    given.sort_unstable();
    let mut all: Vec<Ports> = Vec::with_capacity(given.len());
    for ports in given {
        match all.last_mut() {
            Some(last) if u32::from(ports.first) <= u32::from(last.last) + 1 => last.last = last.last.max(ports.last),
            _ => all.push(ports),
        }
    }
    all
}

/// The peers sorted, their networks merged; `any` is all of them.
fn peers(given: Vec<Peer>) -> Result<Vec<Peer>, ApiError> {
    if given.is_empty() {
        return Err(ApiError::invalid("it names nobody").at("peers").hint("write `any` for everybody"));
    }
    if given.len() > PEERS_PER_RULE_MAX {
        let why = format!("{} peers are more than the {PEERS_PER_RULE_MAX} of one rule", given.len());
        return Err(ApiError::invalid(why).at("peers").hint("put networks into a PrefixList and name it `list:NAME`"));
    }
    let networks = given.iter().filter_map(|peer| if let Peer::Cidr(cidr) = peer { Some(*cidr) } else { None });
    let networks = Cidr::merged(networks.collect());
    if given.contains(&Peer::Any) || [Cidr::ANY_V4, Cidr::ANY_V6].iter().all(|all| networks.contains(all)) {
        return Ok(vec![Peer::Any]);
    }
    let named = given.into_iter().filter(|peer| !matches!(peer, Peer::Cidr(_)));
    let mut all: Vec<Peer> = networks.into_iter().map(Peer::Cidr).chain(named).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// A rule of one family needs a peer that may be of it.
fn families(rule: &GroupRule) -> Result<(), ApiError> {
    let wrong = |is_v4: bool| {
        rule.peers.iter().all(|peer| matches!(peer, Peer::Cidr(cidr) if cidr.network().is_ipv4() != is_v4))
    };
    let (is_v4, other) = match rule.protocol {
        Protocol::Icmp => (true, "icmpv6"),
        Protocol::Icmpv6 => (false, "icmp"),
        _ => return Ok(()),
    };
    if !wrong(is_v4) {
        return Ok(());
    }
    let family = if is_v4 { "IPv4" } else { "IPv6" };
    let why = format!("{} is of {family}, and none of the peers is", word(rule.protocol));
    Err(ApiError::invalid(why).at("peers").hint(format!("did you mean protocol `{other}`?")))
}

/// A prefix list: sorted, what lies in another or joins with it is merged.
pub fn list(spec: PrefixListSpec) -> Result<PrefixListSpec, ApiError> {
    text(&spec.description).map_err(|e| e.at("spec.description"))?;
    if spec.prefixes.len() > PREFIXES_MAX {
        let why = format!("{} networks are more than the {PREFIXES_MAX} of one list", spec.prefixes.len());
        return Err(ApiError::invalid(why).at("spec.prefixes").hint("split it, and name both lists in the rule"));
    }
    Ok(PrefixListSpec { prefixes: Cidr::merged(spec.prefixes), ..spec })
}

/// A port policy.
pub fn policy(spec: PortPolicySpec) -> Result<PortPolicySpec, ApiError> {
    if spec.exceptions.len() > EXCEPTIONS_MAX {
        let why = format!("{} exceptions are more than the {EXCEPTIONS_MAX} of one policy", spec.exceptions.len());
        return Err(ApiError::invalid(why).at("spec.exceptions"));
    }
    let private = Cidr::merged(spec.private);
    if let Some(all) = private.iter().find(|cidr| cidr.prefix_len() == 0) {
        let why = format!("`{all}` as a private network would let everybody in");
        return Err(ApiError::invalid(why).at("spec.private").hint("name the networks that are yours"));
    }
    let mut exceptions = Vec::with_capacity(spec.exceptions.len());
    for (n, given) in spec.exceptions.into_iter().enumerate() {
        exceptions.push(exception(given, &private).map_err(|e| e.at(format!("spec.exceptions[{n}]")))?);
    }
    Ok(PortPolicySpec {
        hosts: selector(spec.hosts),
        private,
        web_ports: ports_merged(spec.web_ports),
        exceptions,
        ..spec
    })
}

fn exception(given: PortException, private: &[Cidr]) -> Result<PortException, ApiError> {
    if !matches!(given.protocol, Protocol::Tcp | Protocol::Udp) {
        let why = format!("{} has no ports that a policy could shut", word(given.protocol));
        return Err(ApiError::invalid(why).at("protocol").hint("tcp or udp"));
    }
    if given.ports.is_empty() {
        return Err(ApiError::invalid("it names no port").at("ports").hint("name the ports that are to be let past"));
    }
    if given.reason.trim().is_empty() {
        return Err(ApiError::invalid("it gives no reason").at("reason").hint("say who needs it, and what for"));
    }
    text(&given.reason).map_err(|e| e.at("reason"))?;
    let ports = ports(given.ports)?;
    let ports = if ports.is_empty() { vec![Ports::ALL] } else { ports };
    let peers = peers(given.peers)?;
    if let Some(peer) = peers.iter().find(|peer| matches!(peer, Peer::Interface(_))) {
        let why = format!("`{peer}`: an exception is for addresses");
        return Err(ApiError::invalid(why).at("peers").hint("name networks, lists, groups or hosts"));
    }
    let exception = PortException { ports, peers, ends_at: whole_ms(given.ends_at), ..given };
    database(&exception, private)?;
    Ok(PortException { hosts: exception.hosts.map(selector), ..exception })
}

/// The usual ports of databases lie below 30000, where only private networks may come in.
fn database(exception: &PortException, private: &[Cidr]) -> Result<(), ApiError> {
    let is_tcp = exception.protocol == Protocol::Tcp;
    let covers = |port: u16| exception.ports.iter().any(|p| p.contains(port));
    let usual = DATABASES.iter().flat_map(|s| s.ports.iter().map(move |p| (s.name, p)));
    let found = usual.filter(|(_, p)| (p.0 == crate::model::Protocol::Tcp) == is_tcp).find(|(_, p)| covers(p.1));
    let Some((name, (_, port, _))) = found else { return Ok(()) };
    if exception.peers.iter().all(|peer| is_private(peer, private)) {
        return Ok(());
    }
    let why = format!("port {port} is that of {name}, which only private networks may reach");
    let hint = format!("let it listen on a port from {CUSTOM_PORT_MIN} on, and name who may reach that");
    Err(ApiError::invalid(why).at("ports").hint(hint))
}

fn is_private(peer: &Peer, private: &[Cidr]) -> bool {
    let Peer::Cidr(cidr) = peer else { return false };
    private_networks().iter().chain(private).any(|p| p.contains(cidr.network()) && p.contains(cidr.last()))
}

/// Whether the ends of a policy's exceptions are near enough at `now`; `old` are those that stand.
pub fn exceptions_end(new: &PortPolicySpec, old: &[PortException], now: Timestamp) -> Result<(), ApiError> {
    let latest = now.as_second() + EXCEPTION_DAYS_MAX * SECONDS_PER_DAY;
    let late = |e: &PortException| e.ends_at.as_second() > latest && !old.contains(e);
    match new.exceptions.iter().position(late) {
        None => Ok(()),
        Some(n) => {
            let why = format!("an exception ends after at most {EXCEPTION_DAYS_MAX} days");
            Err(ApiError::invalid(why).at(format!("spec.exceptions[{n}].ends_at")).hint("renew it when it is due"))
        }
    }
}

fn selector(selector: Selector) -> Selector {
    let mut hosts = selector.hosts;
    hosts.sort();
    hosts.dedup();
    Selector { hosts, ..selector }
}

/// Plain text on one line, which may be empty.
fn text(text: &str) -> Result<(), ApiError> {
    if palisade_guard::cli::printable(text) != text {
        return Err(ApiError::invalid("it holds control characters").hint("write plain text on one line"));
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(ApiError::invalid(format!("it has more than {TEXT_CHARS_MAX} characters")));
    }
    Ok(())
}

/// The tables hold milliseconds.
fn whole_ms(at: Timestamp) -> Timestamp {
    palisade_guard::store::at(at.as_millisecond())
}

/// The protocol as it is written.
pub fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Icmp => "icmp",
        Protocol::Icmpv6 => "icmpv6",
        Protocol::Gre => "gre",
        Protocol::All => "all",
    }
}
