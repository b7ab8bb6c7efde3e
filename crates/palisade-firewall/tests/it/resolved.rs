//! The filter of one host, from documents and a fleet. Each file of `tests/golden-resolve` holds hosts,
//! documents and questions as TOML, a line `-----`, and the filter of one host in words, with the answers.
//! The moment is 2026-11-22T12:00:00Z; `UPDATE_GOLDEN=1` writes the second halves anew.

use palisade_core::{HostId, Timestamp};
use palisade_firewall::filter::judge::{Decider, Host, Payload, Probe, judge};
use palisade_firewall::filter::{Filter, Peers, Rule};
use palisade_firewall::group::model::{Direction, PortPolicySpec, PrefixListSpec, SecurityGroupSpec};
use palisade_firewall::group::normal;
use palisade_firewall::group::resolve::{Fleet, Member, Resolver};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// Port ranges, and networks of a set, that are written; of more, how many there are.
const WRITTEN_MAX: usize = 6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// Whose filter.
    host: HostId,
    hosts: BTreeMap<HostId, Described>,
    #[serde(default)]
    groups: BTreeMap<String, SecurityGroupSpec>,
    #[serde(default)]
    lists: BTreeMap<String, PrefixListSpec>,
    #[serde(default)]
    policies: BTreeMap<String, PortPolicySpec>,
    /// Who asks for which port of the host, and when.
    #[serde(default)]
    asked: Vec<(Timestamp, IpAddr, u16)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    addresses: Vec<IpAddr>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    region: Option<String>,
    /// On which TCP ports databases listen.
    #[serde(default)]
    databases: Vec<u16>,
    #[serde(default)]
    isolated: bool,
    #[serde(default)]
    isolated_until: Option<Timestamp>,
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn member(id: &HostId, host: &Described) -> Member {
    Member {
        id: id.clone(),
        tags: serde_json::from_value(serde_json::json!(host.tags)).unwrap(),
        region: host.region.clone(),
        addresses: host.addresses.clone(),
        databases: host.databases.iter().map(|port| (false, *port)).collect(),
        isolated: host.isolated,
    }
}

fn fleet(given: &Given) -> Fleet {
    let ends = given.hosts.iter().filter_map(|(id, host)| Some((id.clone(), host.isolated_until?)));
    Fleet {
        hosts: given.hosts.iter().map(|(id, host)| member(id, host)).collect(),
        groups: given.groups.iter().map(|(n, g)| (n.clone(), normal::group(g.clone()).unwrap())).collect(),
        lists: given.lists.iter().map(|(n, l)| (n.clone(), normal::list(l.clone()).unwrap())).collect(),
        policies: given.policies.iter().map(|(n, p)| (n.clone(), normal::policy(p.clone()).unwrap())).collect(),
        isolation_ends: ends.collect(),
    }
}

fn some(all: Vec<String>) -> String {
    match all.len() {
        0 => "nobody".to_owned(),
        n if n > WRITTEN_MAX => format!("{}, and {} more", all[..3].join(", "), n - 3),
        _ => all.join(", "),
    }
}

fn peers(rule: &Rule) -> String {
    match &rule.peers {
        Peers::Any => "anybody".to_owned(),
        Peers::Of { sets, interfaces } => {
            let interfaces = interfaces.iter().map(|name| format!("interface {name}"));
            some(sets.iter().cloned().chain(interfaces).collect())
        }
        Peers::Except { sets } => format!("all but {}", some(sets.clone())),
    }
}

fn rule(rule: &Rule) -> String {
    let action = format!("{:?}", rule.action).to_lowercase();
    let toward = if rule.direction == Direction::In { "from" } else { "to" };
    let ports = if rule.ports.is_empty() {
        String::new()
    } else {
        format!(" {}", some(rule.ports.iter().map(ToString::to_string).collect()))
    };
    let mut text = format!(
        "{} {}: {action} {}{ports} {toward} {}",
        rule.priority,
        rule.id,
        normal::word(rule.protocol),
        peers(rule)
    );
    rule.starts_at.iter().for_each(|at| write!(text, ", from {at} on").unwrap());
    rule.ends_at.iter().for_each(|at| write!(text, ", until {at}").unwrap());
    text
}

fn said(given: &Given) -> String {
    let resolver = Resolver::new(Arc::new(fleet(given)), now());
    let filter = resolver.filter(&given.host).expect("a host of the fleet");
    let Some(defaults) = filter.defaults else { return "not filtered\n".to_owned() };
    let mut text = String::new();
    filter.rules.iter().for_each(|r| writeln!(text, "{}", rule(r)).unwrap());
    writeln!(text, "else: in {:?}, out {:?}", defaults.inbound, defaults.outbound).unwrap();
    for set in filter.sets.iter().filter(|set| set.name != "policy/private") {
        writeln!(text, "set {}: {}", set.name, some(set.ranges.iter().map(ToString::to_string).collect())).unwrap();
    }
    for asked in &given.asked {
        writeln!(text, "{}", answer(&filter, asked)).unwrap();
    }
    text
}

fn answer(filter: &Filter, (at, peer, port): &(Timestamp, IpAddr, u16)) -> String {
    let host = Host { failsafe: &[], allow: &[], banned: &[], filter };
    let probe = Probe { direction: Direction::In, payload: Payload::Tcp(*port), peer: *peer, interface: None };
    let decision = judge(&host, &probe, *at);
    let by = match decision.decider {
        Decider::Rule { id, .. } => id,
        other => format!("{other:?}"),
    };
    format!("{at} {peer} to tcp/{port}: {:?}, {by}", decision.action)
}

#[test]
fn every_filter_is_what_its_golden_says() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden-resolve");
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 12, "{} goldens", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let (given, expected) = text.split_once("\n-----\n").unwrap_or((text.trim_end(), ""));
        let read: Given = toml::from_str(given).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let actual = said(&read);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{given}\n-----\n{actual}")).unwrap();
        } else if actual != expected {
            wrong.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hosts_with_the_same_key_have_equal_filters_and_each_rule_has_a_name_of_its_own() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden-resolve");
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let (given, _) = text.split_once("\n-----\n").unwrap_or((text.trim_end(), ""));
        let resolver = Resolver::new(Arc::new(fleet(&toml::from_str(given).unwrap())), now());
        let mut known: BTreeMap<String, Filter> = BTreeMap::new();
        for host in &resolver.fleet().hosts {
            let filter = resolver.filter(&host.id).unwrap();
            let ids: BTreeSet<&str> = filter.rules.iter().map(|rule| rule.id.as_str()).collect();
            assert_eq!(ids.len(), filter.rules.len(), "{ids:?}");
            let first = known.entry(resolver.key(&host.id).unwrap()).or_insert(filter.clone());
            assert_eq!(*first, filter, "{}", host.id);
        }
    }
}
