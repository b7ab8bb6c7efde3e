//! What a change opens and closes, in sentences, and whom it would cut. Pure.

use super::fleet::Doors;
use super::resolve::{Resolver, TooMany};
use crate::filter::judge::{self, Decider, Payload, Probe};
use crate::filter::reach::{self, Class};
use crate::filter::{Filter, Layer, Peers};
use crate::group::model::{Action, Direction};
use crate::ruleset::Range;
use palisade_core::{Effect, EffectKind, HostId, Severity, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Hosts that a sentence names.
const HOSTS_NAMED_MAX: usize = 3;
/// Filters in which rules that never decide are looked for; many hosts share one.
const SHADOWED_FILTERS_MAX: usize = 20;
/// Sentences of one sort that a plan holds; the rest is counted.
const SENTENCES_MAX: usize = 40;
/// Agents whose way to the server is tried.
const AGENTS_MAX: usize = 1_000;
/// SSH, where nothing was observed.
const SSH_PORTS: [u16; 1] = [22];

/// A change, and who must not be cut by it.
pub struct Scene<'a> {
    /// The fleet before.
    pub old: &'a Resolver,
    /// The fleet after.
    pub new: &'a Resolver,
    /// From where the change is asked for.
    pub caller: Option<IpAddr>,
    /// Whom the operator wants never to be cut.
    pub failsafe: &'a [Range],
    /// The host that the server runs on.
    pub own: Option<&'a HostId>,
    /// What listens on hosts.
    pub doors: &'a HashMap<HostId, Doors>,
    /// The present moment.
    pub now: Timestamp,
}

/// What a change does.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The hosts whose filter changes, by name.
    pub hosts: Vec<HostId>,
    /// In sentences.
    pub effects: Vec<Effect>,
    /// Who would be cut, in sentences; empty for a change that cuts nobody.
    pub cuts: Vec<String>,
}

/// The first host that would have too many groups or rules, and has not now.
pub fn too_many(old: &Resolver, new: &Resolver) -> Option<TooMany> {
    let over = |host: &HostId| new.too_many(host).filter(|_| old.too_many(host).is_none());
    new.fleet().hosts.iter().find_map(|member| over(&member.id))
}

/// Hosts whose filter a change makes another, those with the same filters together: called with
/// them, the filter before, and the filter after.
pub fn each_changed(old: &Resolver, new: &Resolver, mut with: impl FnMut(Vec<&HostId>, &Filter, &Filter)) {
    let mut alike: BTreeMap<(String, String), Vec<&HostId>> = BTreeMap::new();
    for member in &new.fleet().hosts {
        let keys = (old.key(&member.id).unwrap_or_default(), new.key(&member.id).unwrap_or_default());
        alike.entry(keys).or_default().push(&member.id);
    }
    for hosts in alike.into_values() {
        let Some(host) = hosts.first() else { continue };
        let (before, after) = (old.filter(host).unwrap_or_default(), new.filter(host).unwrap_or_default());
        if before != after {
            with(hosts, &before, &after);
        }
    }
}

/// What the change of `scene` does.
pub fn judged(scene: &Scene<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut said: BTreeMap<(Order, String), BTreeSet<HostId>> = BTreeMap::new();
    let mut filters = 0;
    let mut checked = Vec::new();
    each_changed(scene.old, scene.new, |hosts, before, after| {
        let (before, after) = (before.at(scene.now), after.at(scene.now));
        for (order, sentence) in sentences(&before, &after, filters < SHADOWED_FILTERS_MAX) {
            said.entry((order, sentence)).or_default().extend(hosts.iter().map(|h| (*h).clone()));
        }
        filters += 1;
        for host in &hosts {
            outcome.cuts.extend(cuts(scene, host, &before, &after, &mut checked));
        }
        outcome.hosts.extend(hosts.into_iter().cloned());
    });
    outcome.hosts.sort();
    outcome.effects = effects(said);
    outcome.effects.extend(claims(scene, &outcome.hosts));
    if outcome.cuts.is_empty()
        && let (Some(caller), false) = (scene.caller, checked.is_empty())
    {
        let sentence =
            format!("does not touch your own path ({caller} → {}, checked)", listed(&checked, HOSTS_NAMED_MAX));
        let hosts = outcome.hosts.clone();
        outcome.effects.push(Effect { kind: EffectKind::Keeps, severity: Severity::Informational, sentence, hosts });
    }
    outcome
}

/// What a sentence is about, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    OpensWorld,
    Filters,
    Opens,
    Closes,
    Empty,
    Shadowed,
}

fn sentences(before: &Filter, after: &Filter, with_shadowed: bool) -> Vec<(Order, String)> {
    let mut all = Vec::new();
    match (before.defaults.is_some(), after.defaults.is_some()) {
        (false, true) => all.push((Order::Filters, "begins to filter".to_owned())),
        (true, false) => all.push((Order::OpensWorld, "no longer filters anything on".to_owned())),
        _ => {}
    }
    // what begins or ceases to be filtered at all is one sentence, not one per port
    if before.defaults.is_some() && after.defaults.is_some() {
        let difference = reach::difference(before, after);
        for class in difference.opened {
            let order = if is_world(&class) { Order::OpensWorld } else { Order::Opens };
            all.push((order, direction(&class, "newly opens", "newly allows")));
        }
        all.extend(
            difference.closed.iter().map(|class| (Order::Closes, direction(class, "closes", "no longer allows"))),
        );
    } else if after.defaults.is_some() {
        // from where a host that begins to be filtered is still reached
        let shut = Filter { rules: Vec::new(), ..after.clone() };
        let difference = reach::difference(&shut, after);
        for class in difference.opened {
            let order = if is_world(&class) { Order::OpensWorld } else { Order::Opens };
            all.push((order, direction(&class, "leaves open", "leaves allowed")));
        }
    }
    for rule in after.rules.iter().filter(|rule| rule.layer == Layer::Group && !before.rules.contains(rule)) {
        if matches_nobody(after, &rule.peers) {
            all.push((Order::Empty, format!("rule {} matches nobody: its peers resolve to nothing", rule.id)));
        }
    }
    if with_shadowed {
        let known: BTreeSet<(String, String)> = reach::shadowed(before).into_iter().collect();
        let new = reach::shadowed(after).into_iter().filter(|pair| !known.contains(pair));
        all.extend(new.map(|(id, by)| (Order::Shadowed, format!("rule {id} never decides: {by} comes before it"))));
    }
    all
}

fn direction(class: &Class, inbound: &str, outbound: &str) -> String {
    match class.direction {
        Direction::In => format!("{inbound} {class}"),
        Direction::Out => format!("{outbound} {class}"),
    }
}

/// Everybody of a family, or nearly: networks this wide belong to nobody.
fn is_world(class: &Class) -> bool {
    const WIDE_V4: u128 = 1 << 30;
    let wide = |range: &Range| match (range.first(), range.last()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => u128::from(u32::from(last) - u32::from(first)) + 1 >= WIDE_V4,
        (IpAddr::V6(first), IpAddr::V6(last)) => u128::from(last) - u128::from(first) >= u128::MAX >> 4,
        _ => false,
    };
    class.direction == Direction::In && class.peers.iter().any(wide)
}

/// True if no address and no interface is left to match.
pub fn matches_nobody(filter: &Filter, peers: &Peers) -> bool {
    let Peers::Of { sets, interfaces } = peers else { return false };
    let empty =
        |name: &String| filter.sets.iter().find(|set| set.name == *name).is_none_or(|set| set.ranges.is_empty());
    interfaces.is_empty() && sets.iter().all(empty)
}

fn effects(said: BTreeMap<(Order, String), BTreeSet<HostId>>) -> Vec<Effect> {
    let mut counts: BTreeMap<Order, usize> = BTreeMap::new();
    let mut effects = Vec::new();
    for ((order, sentence), hosts) in said {
        let count = counts.entry(order).or_default();
        *count += 1;
        if *count > SENTENCES_MAX {
            continue;
        }
        let hosts: Vec<HostId> = hosts.into_iter().collect();
        let (kind, severity, word) = match order {
            Order::OpensWorld => (EffectKind::Opens, Severity::High, "to"),
            Order::Opens => (EffectKind::Opens, Severity::Medium, "to"),
            Order::Filters => (EffectKind::Closes, Severity::Medium, ""),
            Order::Closes => (EffectKind::Closes, Severity::Medium, "on"),
            Order::Empty | Order::Shadowed => (EffectKind::Changes, Severity::Low, "on"),
        };
        let named = listed(&hosts.iter().map(HostId::to_string).collect::<Vec<_>>(), HOSTS_NAMED_MAX);
        let word = if sentence.ends_with(" on") { "" } else { word };
        let sentence = format!("{sentence} {word} {named}").replace("  ", " ");
        effects.push(Effect { kind, severity, sentence, hosts });
    }
    let more: usize = counts.values().map(|n| n.saturating_sub(SENTENCES_MAX)).sum();
    if more > 0 {
        let sentence = format!("and {more} more differences of the same sorts");
        effects.push(Effect { kind: EffectKind::Changes, severity: Severity::Medium, sentence, hosts: Vec::new() });
    }
    effects
}

/// `web-1`, `web-1 and web-2`, `5 hosts`.
fn listed(names: &[String], named_max: usize) -> String {
    match names {
        [one] => one.clone(),
        [first @ .., last] if names.len() <= named_max => format!("{} and {last}", first.join(", ")),
        _ => format!("{} hosts", names.len()),
    }
}

/// Addresses that two hosts claim, where one of them is touched: each gets what is meant for the other.
fn claims(scene: &Scene<'_>, touched: &[HostId]) -> Vec<Effect> {
    let concerned = |hosts: &[&HostId]| hosts.iter().any(|host| touched.binary_search(host).is_ok());
    let claimed = scene.new.claimed_twice();
    let effect = |(address, hosts): (&IpAddr, &Vec<&HostId>)| Effect {
        kind: EffectKind::Changes,
        severity: Severity::Medium,
        sentence: format!(
            "{address} is claimed by {}: who has it in fact gets what rules give to each of them",
            listed(&hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), HOSTS_NAMED_MAX)
        ),
        hosts: hosts.iter().map(|h| (*h).clone()).collect(),
    };
    claimed.iter().filter(|(_, hosts)| concerned(hosts)).take(SENTENCES_MAX).map(effect).collect()
}

/// Who would be cut off from `host`: the caller from its SSH or the server's port, other agents from
/// the server, a failsafe address by a rule that names it.
fn cuts(scene: &Scene<'_>, host: &HostId, before: &Filter, after: &Filter, checked: &mut Vec<String>) -> Vec<String> {
    let none = Doors::default();
    let doors = scene.doors.get(host).unwrap_or(&none);
    let ssh: &[u16] = if doors.ssh.is_empty() { &SSH_PORTS } else { &doors.ssh };
    let is_own = scene.own == Some(host);
    let server: &[u16] = if is_own { &doors.server } else { &[] };
    let lost = |peer: IpAddr, port: u16| {
        let reached = |filter: &Filter| allowed(scene, filter, peer, port);
        reached(before) && !reached(after)
    };
    let mut all = Vec::new();
    for port in ssh.iter().chain(server) {
        let Some(caller) = scene.caller.filter(|caller| !caller.is_loopback()) else { break };
        if lost(caller, *port) {
            all.push(format!("your own address {caller} could no longer reach tcp/{port} on {host}"));
        } else {
            checked.push(format!(":{port} on {host}"));
        }
    }
    if is_own {
        let others = scene.new.fleet().hosts.iter().filter(|m| m.id != *host).take(AGENTS_MAX);
        for member in others {
            let cut = |port: &&u16| member.addresses.iter().any(|a| lost(*a, **port));
            if let Some(port) = server.iter().find(cut) {
                all.push(format!("the agent of {} could no longer reach the server, tcp/{port} on {host}", member.id));
            }
        }
    }
    for range in scene.failsafe {
        for port in ssh.iter().chain(server) {
            if let Some(rule) = denied_by_name(scene, after, range.first(), *port)
                && denied_by_name(scene, before, range.first(), *port).is_none()
            {
                all.push(format!("rule {rule} denies the failsafe address {range} tcp/{port} on {host}"));
            }
        }
    }
    all
}

fn probe(peer: IpAddr, port: u16) -> Probe {
    Probe { direction: Direction::In, payload: Payload::Tcp(port), peer, interface: None }
}

fn allowed(scene: &Scene<'_>, filter: &Filter, peer: IpAddr, port: u16) -> bool {
    let host = judge::Host { failsafe: scene.failsafe, allow: &[], banned: &[], filter };
    judge::judge(&host, &probe(peer, port), scene.now).action == Action::Allow
}

/// The rule of a group that denies a failsafe address and means it: one for everybody does not.
fn denied_by_name(scene: &Scene<'_>, filter: &Filter, peer: IpAddr, port: u16) -> Option<String> {
    let host = judge::Host { failsafe: &[], allow: &[], banned: &[], filter };
    let decision = judge::judge(&host, &probe(peer, port), scene.now);
    let Decider::Rule { id, layer: Layer::Group, .. } = decision.decider else { return None };
    let rule = filter.rules.iter().find(|rule| rule.id == id)?;
    (decision.action == Action::Deny && rule.peers != Peers::Any).then_some(id)
}
