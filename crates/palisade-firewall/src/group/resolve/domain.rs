//! Security domains kept apart: one rule that denies what hosts of all other domains begin.

use super::{DOMAIN_TAG, Resolver, blank};
use crate::filter::{Layer, Peers, Rule};
use crate::group::model::{Action, Direction, PortPolicySpec};
use std::collections::BTreeSet;

/// The domain of the host at `n`, if its policy keeps it apart.
pub fn isolated(resolver: &Resolver, n: usize) -> Option<&str> {
    let policy = resolver.policy_of[n].and_then(|p| resolver.fleet.policies.get(&resolver.policies[p].0));
    policy.filter(|policy| policy.domains.isolate)?;
    resolver.fleet.hosts[n].tags.get(DOMAIN_TAG)
}

/// Its rule, if there is another domain.
pub fn rule(resolver: &Resolver, n: usize) -> Option<Rule> {
    let own = isolated(resolver, n)?;
    let sets: Vec<String> =
        domains(resolver).into_iter().filter(|d| *d != own).map(|d| format!("domain/{d}")).collect();
    let peers = Peers::Of { sets, interfaces: Vec::new() };
    let denies = Rule { peers, ..blank(format!("domain/{own}"), Layer::Domain, Direction::In, Action::Deny) };
    (domains(resolver).len() > 1).then_some(denies)
}

/// The names of the sets that such rules need.
pub fn sets(resolver: &Resolver) -> Vec<String> {
    let isolate = |policy: &PortPolicySpec| policy.domains.isolate;
    if !resolver.fleet.policies.values().any(isolate) {
        return Vec::new();
    }
    domains(resolver).into_iter().map(|domain| format!("domain/{domain}")).collect()
}

/// The hosts that deny what comes from one of these sets.
pub fn users(resolver: &Resolver, sets: &[String]) -> Vec<usize> {
    let domains: Vec<&str> = sets.iter().filter_map(|set| set.strip_prefix("domain/")).collect();
    let denies = |n: &usize| isolated(resolver, *n).is_some_and(|own| domains.iter().any(|domain| *domain != own));
    if domains.is_empty() { Vec::new() } else { (0..resolver.fleet.hosts.len()).filter(denies).collect() }
}

fn domains(resolver: &Resolver) -> BTreeSet<&str> {
    resolver.fleet.hosts.iter().filter_map(|member| member.tags.get(DOMAIN_TAG)).collect()
}
