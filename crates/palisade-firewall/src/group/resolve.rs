//! From documents and the fleet to the filter of each host. Pure.
//!
//! [`Resolver`] does once what all hosts share: who is in which group, what each set holds, and the
//! rules of each group. A host's filter is then its groups' rules, merged and sorted, with the layers
//! of the [`policy`] and of isolation before them. Hosts with the same [`Resolver::key`] have equal
//! filters.

mod bounded;
mod domain;
mod policy;
mod sets;

pub use policy::private_networks;

use super::model::{
    Action, Direction, GROUPS_PER_HOST_MAX, GroupRule, Intra, Peer, PortPolicySpec, PrefixListSpec, Protocol,
    RULES_PER_HOST_MAX, SecurityGroupSpec,
};
use crate::filter::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
use crate::ruleset::Range;
use palisade_core::{HostId, Selector, Tags, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A host, as groups see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub id: HostId,
    /// By which groups choose it.
    pub tags: Tags,
    /// By which groups choose it.
    pub region: Option<String>,
    /// Its addresses, as it reports them: loopback, link-local and multicast left out.
    pub addresses: Vec<IpAddr>,
    /// Ports on which a database listens, as last observed: (is udp, port).
    pub databases: Vec<(bool, u16)>,
    /// It is cut off from everything.
    pub isolated: bool,
}

/// All that a filter is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    /// The hosts in service, by name.
    pub hosts: Vec<Member>,
    /// Security groups by name.
    pub groups: BTreeMap<String, SecurityGroupSpec>,
    /// Prefix lists by name.
    pub lists: BTreeMap<String, PrefixListSpec>,
    /// Port policies by name.
    pub policies: BTreeMap<String, PortPolicySpec>,
    /// Until when hosts are cut off, of those for which that is known.
    pub isolation_ends: BTreeMap<HostId, Timestamp>,
}

/// The tag whose value is the security domain of a host.
pub const DOMAIN_TAG: &str = "domain";
/// The priority of rules that nobody wrote.
const PRIORITY: u8 = 50;

/// The filter of one host; empty if no group and no policy chooses it. `None` for a host that is not
/// in the fleet.
pub fn resolve(fleet: &Fleet, host: &HostId, now: Timestamp) -> Option<Filter> {
    Resolver::new(Arc::new(fleet.clone()), now).filter(host)
}

/// A group, ready to be merged.
struct Group {
    name: String,
    /// Places in the fleet's hosts.
    members: Vec<usize>,
    /// In the order of evaluation.
    rules: Vec<Rule>,
    /// Names of sets that they use.
    sets: BTreeSet<String>,
    intra: Intra,
}

/// What is more than a host may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    /// The host.
    pub host: HostId,
    /// `rules` or `groups`.
    pub what: &'static str,
    /// How many.
    pub count: usize,
    /// How many there may be.
    pub max: usize,
}

impl std::fmt::Display for TooMany {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let doing = if self.what == "rules" { "would evaluate" } else { "would be in" };
        write!(f, "`{}` {doing} {} {}, and a host has at most {}", self.host, self.count, self.what, self.max)
    }
}

/// The fleet at one moment, with what all of its filters share.
pub struct Resolver {
    fleet: Arc<Fleet>,
    now: Timestamp,
    place: HashMap<HostId, usize>,
    /// By name.
    groups: Vec<Group>,
    /// The groups of each host, by its place.
    groups_of: Vec<Vec<usize>>,
    /// Every set that a rule names.
    sets: HashMap<String, Vec<Range>>,
    /// Policies by name, and which hosts they choose.
    policies: Vec<(String, Vec<usize>)>,
    /// The policy of each host, by its place.
    policy_of: Vec<Option<usize>>,
}

impl Resolver {
    /// Does what all hosts share.
    pub fn new(fleet: Arc<Fleet>, now: Timestamp) -> Resolver {
        let place: HashMap<HostId, usize> = fleet.hosts.iter().enumerate().map(|(n, h)| (h.id.clone(), n)).collect();
        let mut groups_of = vec![Vec::new(); fleet.hosts.len()];
        let mut groups = Vec::with_capacity(fleet.groups.len());
        for (name, spec) in &fleet.groups {
            let members = chosen(&spec.members, &fleet.hosts, &place);
            members.iter().for_each(|n| groups_of[*n].push(groups.len()));
            groups.push(prepared(name, spec, members, now));
        }
        let mut policy_of = vec![None; fleet.hosts.len()];
        let mut policies = Vec::new();
        for (name, spec) in &fleet.policies {
            let hosts = chosen(&spec.hosts, &fleet.hosts, &place);
            hosts.iter().for_each(|n| _ = policy_of[*n].get_or_insert(policies.len()));
            policies.push((name.clone(), hosts));
        }
        let mut resolver = Resolver { fleet, now, place, groups, groups_of, sets: HashMap::new(), policies, policy_of };
        resolver.sets = sets::all(&resolver);
        resolver
    }

    /// The fleet that it was made of.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// One host.
    pub fn member(&self, host: &HostId) -> Option<&Member> {
        self.place.get(host).map(|n| &self.fleet.hosts[*n])
    }

    /// The names of the groups that a host is in.
    pub fn groups_of(&self, host: &HostId) -> Vec<&str> {
        let Some(n) = self.place.get(host) else { return Vec::new() };
        self.groups_of[*n].iter().map(|g| self.groups[*g].name.as_str()).collect()
    }

    /// The hosts in a group, by name.
    pub fn members(&self, group: &str) -> Vec<&HostId> {
        let found = self.groups.iter().find(|g| g.name == group);
        found.map(|g| g.members.iter().map(|n| &self.fleet.hosts[*n].id).collect()).unwrap_or_default()
    }

    /// What a set holds; nothing if no rule names it.
    pub fn set(&self, name: &str) -> &[Range] {
        self.sets.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The filter of one host, within the bound of its rules; `None` for a host that is not in the fleet.
    pub fn filter(&self, host: &HostId) -> Option<Filter> {
        self.whole(host).map(bounded::bounded)
    }

    fn whole(&self, host: &HostId) -> Option<Filter> {
        let n = *self.place.get(host)?;
        let member = &self.fleet.hosts[n];
        let (groups, policy) = (&self.groups_of[n], self.policy_of[n]);
        if groups.is_empty() && policy.is_none() && !member.isolated {
            return Some(Filter::default());
        }
        let defaults = self.defaults(n);
        let mut rules = if member.isolated { isolation(self.isolation_end(host)).to_vec() } else { Vec::new() };
        let mut names: BTreeSet<&str> = BTreeSet::new();
        rules.extend(self.policy_rules(n));
        rules.extend(domain::rule(self, n));
        let of_policy: BTreeSet<String> = rules.iter().flat_map(|rule| sets_of(&rule.peers)).cloned().collect();
        names.extend(of_policy.iter().map(String::as_str));
        let begin = rules.len();
        for group in groups.iter().map(|g| &self.groups[*g]) {
            rules.extend(group.rules.iter().cloned());
            names.extend(group.sets.iter().map(String::as_str));
        }
        rules[begin..].sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        for group in groups.iter().map(|g| &self.groups[*g]).filter(|g| g.intra == Intra::Allow) {
            rules.extend(intra(&group.name, defaults));
        }
        let set = |name: &&str| AddressSet { name: (*name).to_owned(), ranges: self.set(name).to_vec() };
        Some(Filter { rules, sets: names.iter().map(set).collect(), defaults: Some(defaults) })
    }

    fn isolation_end(&self, host: &HostId) -> Option<Timestamp> {
        self.fleet.isolation_ends.get(host).copied()
    }

    fn defaults(&self, n: usize) -> Defaults {
        let grouped = !self.groups_of[n].is_empty();
        let policy = self.policy_of[n].and_then(|p| self.fleet.policies.get(&self.policies[p].0));
        let outbound = policy.map_or(Action::Allow, |p| p.default_out);
        let inbound = if grouped { Action::Deny } else { Action::Allow };
        Defaults { inbound, outbound: if grouped { outbound } else { Action::Allow } }
    }

    fn policy_rules(&self, n: usize) -> Vec<Rule> {
        let member = &self.fleet.hosts[n];
        let default = PortPolicySpec::default();
        let policy = match self.policy_of[n] {
            Some(p) => self.fleet.policies.get(&self.policies[p].0),
            None if self.groups_of[n].is_empty() => None,
            None => Some(&default),
        };
        policy.map(|policy| policy::rules(policy, member, self.now)).unwrap_or_default()
    }

    /// Hosts with the same key have equal filters.
    pub fn key(&self, host: &HostId) -> Option<String> {
        let n = *self.place.get(host)?;
        let member = &self.fleet.hosts[n];
        let policy = self.policy_of[n].and_then(|p| self.fleet.policies.get(&self.policies[p].0));
        // ended ones too: a host is told of them until somebody removes them
        let exceptions = policy.map(|p| policy::of_host(p, member).map(|(n, e)| (n, e.ends_at > self.now)).collect());
        let exceptions: Vec<(usize, bool)> = exceptions.unwrap_or_default();
        let (groups, of, databases) = (&self.groups_of[n], self.policy_of[n], &member.databases);
        if groups.is_empty() && of.is_none() && !member.isolated {
            return Some("unfiltered".to_owned());
        }
        let isolated = member.isolated.then(|| self.isolation_end(host));
        let domain = domain::isolated(self, n);
        Some(format!("{groups:?} {of:?} {exceptions:?} {databases:?} {isolated:?} {domain:?}"))
    }

    /// The first thing of which a host would have too many.
    pub fn too_many(&self, host: &HostId) -> Option<TooMany> {
        let n = *self.place.get(host)?;
        let groups = &self.groups_of[n];
        let over = |what, count, max| (count > max).then(|| TooMany { host: host.clone(), what, count, max });
        let own = |g: &usize| self.groups[*g].rules.len() + usize::from(self.groups[*g].intra == Intra::Allow);
        let rules = groups.iter().map(own).sum::<usize>();
        // the layers before the groups' are a handful, and are counted only when it matters
        let rules = if rules + policy::RULES_MAX > RULES_PER_HOST_MAX {
            bounded::counted(&self.whole(host)?.rules)
        } else {
            rules
        };
        over("groups", groups.len(), GROUPS_PER_HOST_MAX).or(over("rules", rules, RULES_PER_HOST_MAX))
    }

    /// The names of the sets that hold a host's addresses.
    pub fn sets_with(&self, host: &HostId) -> Vec<String> {
        let Some(n) = self.place.get(host) else { return Vec::new() };
        let groups = self.groups_of[*n].iter().map(|g| format!("group/{}", self.groups[*g].name));
        let domain = self.fleet.hosts[*n].tags.get(DOMAIN_TAG).map(|domain| format!("domain/{domain}"));
        groups.chain(domain).chain([format!("host/{host}")]).collect()
    }

    /// As [`Resolver::sets_with`], for a host as it was, or will be.
    pub fn sets_of(&self, member: &Member) -> Vec<String> {
        let groups = self.groups_with(member).map(|(name, _)| format!("group/{name}"));
        let domain = member.tags.get(DOMAIN_TAG).map(|domain| format!("domain/{domain}"));
        groups.chain(domain).chain([format!("host/{}", member.id)]).collect()
    }

    fn groups_with<'a>(&'a self, member: &'a Member) -> impl Iterator<Item = (&'a String, &'a SecurityGroupSpec)> {
        let holds = |spec: &SecurityGroupSpec| spec.members.holds(&member.id, &member.tags, member.region.as_deref());
        self.fleet.groups.iter().filter(move |(_, spec)| holds(spec))
    }

    /// In how many groups a host would be, and how many rules it would evaluate: as
    /// [`Resolver::too_many`], for a host as it was, or will be.
    pub fn weight(&self, member: &Member) -> (usize, usize) {
        let holds = |p: &&PortPolicySpec| p.hosts.holds(&member.id, &member.tags, member.region.as_deref());
        let policy = self.fleet.policies.values().find(holds);
        let default = PortPolicySpec::default();
        let shut = policy::rules(policy.unwrap_or(&default), member, self.now).len();
        let domain = usize::from(policy.is_some_and(|p| p.domains.isolate));
        let own = |spec: &SecurityGroupSpec| {
            let between = if spec.intra == Intra::Allow { 2 } else { 0 };
            between + spec.rules.iter().filter(|rule| rule.enabled).count()
        };
        let count = |(groups, sum), (_, spec): (_, &SecurityGroupSpec)| (groups + 1, sum + own(spec));
        self.groups_with(member).fold((0, shut + domain), count)
    }

    /// The hosts whose filter names one of these sets.
    pub fn users(&self, sets: &[String]) -> BTreeSet<&HostId> {
        let uses = |group: &&Group| sets.iter().any(|s| group.sets.contains(s));
        let of_groups = self.groups.iter().filter(uses).flat_map(|g| g.members.iter());
        let excepted = |(name, _): &&(String, Vec<usize>)| {
            let exceptions = self.fleet.policies.get(name).map(|p| p.exceptions.as_slice()).unwrap_or_default();
            exceptions.iter().flat_map(|e| &e.peers).filter_map(sets::name_of).any(|s| sets.contains(&s))
        };
        let of_policies = self.policies.iter().filter(excepted).flat_map(|(_, hosts)| hosts.iter());
        let all = of_groups.chain(of_policies).copied().chain(domain::users(self, sets));
        all.map(|n| &self.fleet.hosts[n].id).collect()
    }

    /// Addresses that more than one host says are its own, with who does.
    pub fn claimed_twice(&self) -> BTreeMap<IpAddr, Vec<&HostId>> {
        let mut by_address: BTreeMap<IpAddr, Vec<&HostId>> = BTreeMap::new();
        for member in &self.fleet.hosts {
            member.addresses.iter().for_each(|address| by_address.entry(*address).or_default().push(&member.id));
        }
        by_address.retain(|_, hosts| hosts.len() > 1);
        by_address
    }
}

/// The places of the hosts that a selector chooses. Names are looked up: a list of a thousand of them
/// must not be searched once per host.
fn chosen(selector: &Selector, hosts: &[Member], place: &HashMap<HostId, usize>) -> Vec<usize> {
    let described = Selector { hosts: Vec::new(), ..selector.clone() };
    let by_name = selector.hosts.iter().filter_map(|host| place.get(host).copied());
    let mut all: Vec<usize> = by_name.collect();
    if described != Selector::default() {
        let holds = |(_, h): &(usize, &Member)| described.holds(&h.id, &h.tags, h.region.as_deref());
        all.extend(hosts.iter().enumerate().filter(holds).map(|(n, _)| n));
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn prepared(name: &str, spec: &SecurityGroupSpec, members: Vec<usize>, now: Timestamp) -> Group {
    let holds = |rule: &&GroupRule| rule.enabled && rule.ends_at.is_none_or(|end| end > now);
    let mut rules: Vec<Rule> = spec.rules.iter().filter(holds).map(|rule| of_group(name, rule)).collect();
    rules.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    let mut sets: BTreeSet<String> = rules.iter().flat_map(|rule| sets_of(&rule.peers)).cloned().collect();
    if spec.intra == Intra::Allow {
        sets.insert(format!("group/{name}"));
    }
    Group { name: name.to_owned(), members, rules, sets, intra: spec.intra }
}

fn order(rule: &Rule) -> (Layer, u8, Action, &str) {
    (rule.layer, rule.priority, rule.action, &rule.id)
}

/// The id of a rule of a group, in filters and counters.
pub fn rule_id(group: &str, rule: &GroupRule) -> String {
    format!("{group}/{}", rule.id.as_deref().unwrap_or("unnamed"))
}

fn of_group(group: &str, rule: &GroupRule) -> Rule {
    let id = rule_id(group, rule);
    Rule {
        layer: Layer::Group,
        priority: rule.priority,
        direction: rule.direction,
        action: rule.action,
        protocol: rule.protocol,
        ports: rule.ports.clone(),
        types: rule.types.clone(),
        peers: peers(&id, &rule.peers),
        log: rule.log,
        starts_at: None,
        ends_at: rule.ends_at,
        id,
    }
}

/// Names of sets, each once; the networks that the rule names itself are the set `rule/ID`.
fn peers(id: &str, given: &[Peer]) -> Peers {
    if given.contains(&Peer::Any) {
        return Peers::Any;
    }
    let own = given.iter().any(|p| matches!(p, Peer::Cidr(_))).then(|| format!("rule/{id}"));
    let mut sets: Vec<String> = given.iter().filter_map(sets::name_of).chain(own).collect();
    sets.sort_unstable();
    sets.dedup();
    let interface = |peer: &Peer| if let Peer::Interface(name) = peer { Some(name.clone()) } else { None };
    Peers::Of { sets, interfaces: given.iter().filter_map(interface).collect() }
}

fn sets_of(peers: &Peers) -> &[String] {
    match peers {
        Peers::Any => &[],
        Peers::Of { sets, .. } | Peers::Except { sets } => sets,
    }
}

fn isolation(ends_at: Option<Timestamp>) -> [Rule; 2] {
    let rule = |id: &str, direction| Rule {
        peers: Peers::Any,
        ends_at,
        ..blank(id.to_owned(), Layer::Isolation, direction, Action::Deny)
    };
    [rule("isolation/in", Direction::In), rule("isolation/out", Direction::Out)]
}

/// The members of a group reach each other; where a host may begin everything, no rule is needed for
/// what it begins.
fn intra(group: &str, defaults: Defaults) -> Vec<Rule> {
    let rule = |id: String, direction| Rule {
        peers: Peers::Of { sets: vec![format!("group/{group}")], interfaces: Vec::new() },
        ..blank(id, Layer::Intra, direction, Action::Allow)
    };
    let mut rules = vec![rule(format!("intra/{group}"), Direction::In)];
    if defaults.outbound == Action::Deny {
        rules.push(rule(format!("intra/{group}/out"), Direction::Out));
    }
    rules
}

fn blank(id: String, layer: Layer, direction: Direction, action: Action) -> Rule {
    Rule {
        id,
        layer,
        priority: PRIORITY,
        direction,
        action,
        protocol: Protocol::All,
        ports: Vec::new(),
        types: Vec::new(),
        peers: Peers::Any,
        log: false,
        starts_at: None,
        ends_at: None,
    }
}
