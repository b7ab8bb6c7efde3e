//! What becomes of a packet, in words: which rule decides, of what group, and which others would
//! have matched later. Pure.

use super::judge::{self, Decider, Host, Probe};
use super::{Filter, Layer, Peers, Rule};
use crate::group::model::{Action, Direction};
use crate::ruleset::Range;
use palisade_core::{Failsafe, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Networks of a rule that are named before the rest is only counted.
const NETWORKS_NAMED_MAX: usize = 8;
/// Later rules that are named.
const LATER_MAX: usize = 10;

/// What becomes of a packet, and what decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FirewallVerdict)]
pub struct Verdict {
    /// What becomes of it.
    pub action: Action,
    /// What decides.
    pub by: By,
    /// The rule that decides: `GROUP/ID`, or the layer and a word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// What the rule belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<Layer>,
    /// The group that the rule belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub group: Option<String>,
    /// The rule's priority within its layer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub priority: Option<u8>,
    /// The other side as the rule has it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub peers: Vec<String>,
    /// For people.
    pub sentence: String,
    /// Rules that match too and were not asked, in order, the first ten.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub later: Vec<Later>,
}

/// What decides about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FirewallDecider)]
pub enum By {
    /// A rule.
    Rule,
    /// No rule: the default.
    Default,
    /// The peer must always reach this host, and be reached.
    Failsafe,
    /// The peer is banned.
    Ban,
    /// The host speaks with itself.
    Loopback,
    /// IP cannot work without it.
    Essential,
    /// Nothing is filtered on this host.
    Unfiltered,
}

/// A rule that comes too late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FirewallLaterRule)]
pub struct Later {
    /// The rule.
    pub id: String,
    /// What it would do.
    pub action: Action,
    /// Its priority within its layer.
    pub priority: u8,
}

/// Judges `probe` and says why.
pub fn verdict(host: &Host<'_>, probe: &Probe, now: Timestamp) -> Verdict {
    let decision = judge::judge(host, probe, now);
    let (by, rule) = match &decision.decider {
        Decider::Rule { id, .. } => (By::Rule, host.filter.rules.iter().find(|rule| rule.id == *id)),
        Decider::Default => (By::Default, None),
        Decider::Failsafe => (By::Failsafe, None),
        Decider::Ban => (By::Ban, None),
        Decider::Loopback => (By::Loopback, None),
        Decider::Essential => (By::Essential, None),
        Decider::Unfiltered => (By::Unfiltered, None),
    };
    Verdict {
        action: decision.action,
        by,
        id: rule.map(|rule| rule.id.clone()),
        layer: rule.map(|rule| rule.layer),
        group: rule.and_then(group_of).map(str::to_owned),
        priority: rule.map(|rule| rule.priority),
        peers: rule.map(|rule| peers_said(host.filter, rule)).unwrap_or_default(),
        sentence: sentence(decision.action, by, rule),
        later: if by == By::Rule { later(host.filter, rule, probe, now) } else { Vec::new() },
    }
}

/// The entries that hold for `probe`: one with a port is meant for what comes in to that port.
pub fn failsafe(entries: &[Failsafe], probe: &Probe) -> Vec<Range> {
    let meant = |entry: &&Failsafe| match entry.port {
        None => true,
        port => probe.direction == Direction::In && port == probe.port(),
    };
    entries.iter().filter(meant).map(|entry| Range::from(entry.cidr)).collect()
}

/// The group that a rule is of, by its id.
pub fn group_of(rule: &Rule) -> Option<&str> {
    let (first, rest) = rule.id.split_once('/')?;
    match rule.layer {
        Layer::Group => Some(first),
        Layer::Intra => Some(rest),
        Layer::Isolation | Layer::Policy | Layer::Domain => None,
    }
}

fn sentence(action: Action, by: By, rule: Option<&Rule>) -> String {
    let verb = match action {
        Action::Allow => "allowed",
        Action::Deny => "denied",
    };
    let why = match by {
        By::Rule => rule.map_or_else(String::new, rule_said),
        By::Default => "by the default: no rule matches".to_owned(),
        By::Failsafe => "because the address is failsafe: nothing ever cuts it".to_owned(),
        By::Ban => "because the address is banned".to_owned(),
        By::Loopback => "because the host speaks with itself".to_owned(),
        By::Essential => "because IP cannot work without it".to_owned(),
        By::Unfiltered => "because no group and no policy filters this host".to_owned(),
    };
    format!("{verb} {why}")
}

fn rule_said(rule: &Rule) -> String {
    let (id, priority) = (&rule.id, rule.priority);
    match (rule.layer, group_of(rule)) {
        (Layer::Isolation, _) => format!("by `{id}`: the host is cut off"),
        (Layer::Policy, _) => format!("by `{id}` of the port policy"),
        (Layer::Domain, _) => format!("by `{id}`: security domains are kept apart"),
        (Layer::Intra, Some(group)) => format!("between members of the group `{group}`"),
        (_, Some(group)) => format!("by `{id}` of the group `{group}`, priority {priority}"),
        (_, None) => format!("by `{id}`, priority {priority}"),
    }
}

/// The rules behind the deciding one that match too.
fn later(filter: &Filter, decided: Option<&Rule>, probe: &Probe, now: Timestamp) -> Vec<Later> {
    let behind = filter.rules.iter().skip_while(|rule| decided.is_none_or(|d| d.id != rule.id)).skip(1);
    let matching = behind.filter(|rule| judge::alive(rule, now) && judge::matches(filter, rule, probe));
    let one = |rule: &Rule| Later { id: rule.id.clone(), action: rule.action, priority: rule.priority };
    matching.take(LATER_MAX).map(one).collect()
}

/// The other side of a rule as people write it: `any`, `group:web`, networks; `all but …`.
pub fn peers_said(filter: &Filter, rule: &Rule) -> Vec<String> {
    match &rule.peers {
        Peers::Any => vec!["any".to_owned()],
        Peers::Of { sets, interfaces } if sets.is_empty() && interfaces.is_empty() => vec!["nobody".to_owned()],
        Peers::Of { sets, interfaces } => {
            let interfaces = interfaces.iter().map(|name| format!("interface:{name}"));
            sets.iter().flat_map(|set| set_said(filter, set)).chain(interfaces).collect()
        }
        Peers::Except { sets } => {
            sets.iter().map(|set| format!("all but {}", set_said(filter, set).join(", "))).collect()
        }
    }
}

/// A set as it is written in a rule; the networks that a rule names itself, one by one.
fn set_said(filter: &Filter, set: &str) -> Vec<String> {
    let written = match set.split_once('/') {
        Some((kind @ ("group" | "list" | "host" | "domain"), name)) => Some(format!("{kind}:{name}")),
        // a policy with private networks of its own has a set of its own: `policy/private/HASH`
        Some(("policy", name)) if name.starts_with("private") => Some("private networks".to_owned()),
        _ => None,
    };
    if let Some(written) = written {
        return vec![written];
    }
    let Some(found) = filter.sets.iter().find(|s| s.name == set) else { return vec![set.to_owned()] };
    let mut said: Vec<String> = found.ranges.iter().take(NETWORKS_NAMED_MAX).map(ToString::to_string).collect();
    let more = found.ranges.len().saturating_sub(NETWORKS_NAMED_MAX);
    said.extend((more > 0).then(|| format!("{more} more networks")));
    said
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::filter::AddressSet;
    use crate::group::model::{Ports, Protocol};

    fn rule(id: &str, layer: Layer, action: Action, peers: Peers) -> Rule {
        Rule {
            id: id.to_owned(),
            layer,
            priority: 20,
            direction: Direction::In,
            action,
            protocol: Protocol::Tcp,
            ports: vec![Ports::one(22)],
            types: Vec::new(),
            peers,
            log: false,
            starts_at: None,
            ends_at: None,
        }
    }

    #[test]
    fn peers_are_said_as_people_write_them() {
        let ranges = (0..10).map(|n| format!("203.0.113.{}", n * 2).parse().unwrap()).collect();
        let own = AddressSet { name: "rule/web/ssh".to_owned(), ranges };
        let filter = Filter { sets: vec![own], ..Filter::default() };
        let said = |peers| peers_said(&filter, &rule("web/ssh", Layer::Group, Action::Allow, peers)).join(" + ");
        let of = |sets: &[&str], interfaces: &[&str]| Peers::Of {
            sets: sets.iter().map(|s| (*s).to_owned()).collect(),
            interfaces: interfaces.iter().map(|s| (*s).to_owned()).collect(),
        };
        assert_eq!(said(Peers::Any), "any");
        assert_eq!(said(of(&[], &[])), "nobody");
        assert_eq!(said(of(&["group/web", "host/db-1"], &["wg0"])), "group:web + host:db-1 + interface:wg0");
        assert_eq!(said(Peers::Except { sets: vec!["policy/private".to_owned()] }), "all but private networks");
        let networks = said(of(&["rule/web/ssh"], &[]));
        assert!(networks.starts_with("203.0.113.0 + 203.0.113.2 + ") && networks.ends_with(" + 2 more networks"));
    }

    #[test]
    fn the_group_of_a_rule_is_read_from_its_id() {
        for (id, layer, group) in [
            ("web/ssh", Layer::Group, Some("web")),
            ("intra/web", Layer::Intra, Some("web")),
            ("policy/databases", Layer::Policy, None),
            ("isolation/in", Layer::Isolation, None),
        ] {
            assert_eq!(group_of(&rule(id, layer, Action::Deny, Peers::Any)), group, "{id}");
        }
    }
}
