//! What each set holds.

use super::{DOMAIN_TAG, Resolver, domain, policy, rule_id};
use crate::group::model::Peer;
use crate::ruleset::{Range, Until, merged};
use palisade_core::Cidr;
use std::collections::HashMap;
use std::net::IpAddr;

/// The name of the set that holds a peer; none for those that have no set of their own.
pub fn name_of(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Any | Peer::Cidr(_) | Peer::Interface(_) => None,
        Peer::List(name) => Some(format!("list/{name}")),
        Peer::Group(name) => Some(format!("group/{name}")),
        Peer::Domain(name) => Some(format!("domain/{name}")),
        Peer::Host(name) => Some(format!("host/{name}")),
    }
}

/// Every set that a rule of `resolver` names. A name that nothing stands behind is an empty set.
pub fn all(resolver: &Resolver) -> HashMap<String, Vec<Range>> {
    let mut sets = HashMap::new();
    for group in &resolver.groups {
        for name in &group.sets {
            if !sets.contains_key(name) && !name.starts_with("rule/") {
                sets.insert(name.clone(), named(resolver, name));
            }
        }
    }
    for name in domain::sets(resolver) {
        let held = named(resolver, &name);
        sets.entry(name).or_insert(held);
    }
    for (name, spec) in &resolver.fleet.groups {
        for rule in &spec.rules {
            let own = networks(&rule.peers);
            if !own.is_empty() {
                sets.insert(format!("rule/{}", rule_id(name, rule)), ranges(&own));
            }
        }
    }
    for spec in resolver.fleet.policies.values() {
        for peer in spec.exceptions.iter().flat_map(|e| &e.peers) {
            if let Some(name) = name_of(peer) {
                let held = named(resolver, &name);
                sets.entry(name).or_insert(held);
            }
        }
        for exception in &spec.exceptions {
            let own = networks(&exception.peers);
            sets.insert(policy::exception_set(exception), ranges(&own));
        }
        sets.insert(policy::private_set(spec), ranges(&policy::private(spec)));
    }
    let default = crate::group::model::PortPolicySpec::default();
    sets.insert(policy::private_set(&default), ranges(&policy::private(&default)));
    sets
}

fn named(resolver: &Resolver, set: &str) -> Vec<Range> {
    let Some((kind, name)) = set.split_once('/') else { return Vec::new() };
    let fleet = &resolver.fleet;
    let hosts = |wanted: &mut dyn Iterator<Item = usize>| {
        addresses(wanted.flat_map(|n| fleet.hosts[n].addresses.iter().copied()).collect())
    };
    match kind {
        "list" => fleet.lists.get(name).map(|list| ranges(&list.prefixes)).unwrap_or_default(),
        "group" => {
            let members = resolver.groups.iter().find(|g| g.name == name).map(|g| g.members.as_slice());
            hosts(&mut members.unwrap_or_default().iter().copied())
        }
        "domain" => {
            let inside = |n: &usize| fleet.hosts[*n].tags.get(DOMAIN_TAG) == Some(name);
            hosts(&mut (0..fleet.hosts.len()).filter(inside))
        }
        "host" => {
            let place = fleet.hosts.iter().position(|h| h.id.as_str() == name);
            hosts(&mut place.into_iter())
        }
        _ => Vec::new(),
    }
}

fn networks(peers: &[Peer]) -> Vec<Cidr> {
    peers.iter().filter_map(|peer| if let Peer::Cidr(cidr) = peer { Some(*cidr) } else { None }).collect()
}

/// Sorted, without overlap; neighbours are joined.
pub fn ranges(networks: &[Cidr]) -> Vec<Range> {
    let whole = |cidr: &Cidr| (Range::from(*cidr), Until::Never);
    merged(networks.iter().map(whole)).into_iter().map(|(range, _)| range).collect()
}

fn addresses(all: Vec<IpAddr>) -> Vec<Range> {
    ranges(&all.into_iter().map(Cidr::from).collect::<Vec<_>>())
}
