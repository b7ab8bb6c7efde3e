//! What it costs the server to work out filters: 1,000 hosts and 100 groups of 50 rules, each host in
//! ten groups, and in as many as a host may be in; then one host more in a group, and one address
//! more. Run with `cargo bench -p palisade-firewall --bench resolve`.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use palisade_core::{HostId, Timestamp};
use palisade_firewall::group::effects::each_changed;
use palisade_firewall::group::model::{
    Action, Direction, GROUPS_PER_HOST_MAX, GroupRule, Intra, PortPolicySpec, Ports, Protocol, RULES_PER_HOST_MAX,
    SecurityGroupSpec,
};
use palisade_firewall::group::resolve::{Fleet, Member, Resolver};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

const HOSTS: usize = 1_000;
const GROUPS: usize = 100;
const ROUNDS: usize = 7;

fn main() {
    println!("{HOSTS} hosts, {GROUPS} groups, CPU");
    for (what, groups, rules) in [
        ("10 of 100 groups each, 50 rules a group", 10, 50),
        // with the rule of each group about its own members, and those of the policy
        ("50 of 100 groups each, 18 rules a group", GROUPS_PER_HOST_MAX, RULES_PER_HOST_MAX / GROUPS_PER_HOST_MAX - 2),
    ] {
        fleet_of(what, groups, rules);
    }
}

fn fleet_of(what: &str, groups_each: usize, rules: usize) {
    let now = Timestamp::from_second(1_800_000_000).expect("a moment");
    let fleet = Arc::new(fleet(groups_each, rules));
    let resolver = |fleet: &Arc<Fleet>| Resolver::new(Arc::clone(fleet), now);
    say(what, "what all share", || drop(black_box(resolver(&fleet))));
    let old = resolver(&fleet);
    for host in &fleet.hosts {
        assert!(old.too_many(&host.id).is_none(), "{:?}", old.too_many(&host.id));
    }
    say(what, "the filter of each host", || {
        fleet.hosts.iter().for_each(|host| drop(black_box(old.filter(&host.id))));
    });
    // what a server does: hosts with the same key get the same
    let alike: BTreeMap<_, &Member> = fleet.hosts.iter().map(|host| (old.key(&host.id), host)).collect();
    say(what, &format!("the {} different filters as JSON", alike.len()), || {
        let text = |host: &&Member| serde_json::to_value(old.filter(&host.id)).expect("a filter");
        alike.values().for_each(|host| drop(black_box(text(host))));
    });

    let joined = Arc::new(joined(&fleet));
    let new = resolver(&joined);
    let users = new.users(&["group/g000".to_owned()]);
    say(what, "a host more in a group: what all share", || drop(black_box(resolver(&joined))));
    say(what, &format!("a host more in a group: the filters of its {} users", users.len()), || {
        users.iter().for_each(|host| drop(black_box(new.filter(host))));
    });
    let mut changed = 0;
    say(what, "a host more in a group: who is touched, before a plan", || {
        changed = 0;
        each_changed(&old, &new, |hosts, _, _| changed += hosts.len());
    });
    println!("a host more in a group changes {changed} of {HOSTS} filters");
}

/// Each host in `groups_each` of the groups that follow its own number.
fn fleet(groups_each: usize, rules: usize) -> Fleet {
    let mut fleet = Fleet { hosts: (0..HOSTS).map(member).collect(), ..Fleet::default() };
    for g in 0..GROUPS {
        let mut spec = SecurityGroupSpec { intra: Intra::Allow, ..SecurityGroupSpec::default() };
        let holds = |host: &usize| (g + GROUPS - host % GROUPS) % GROUPS < groups_each;
        spec.members.hosts = (0..HOSTS).filter(holds).map(|host| fleet.hosts[host].id.clone()).collect();
        spec.rules = (0..rules).map(|n| rule(g, n)).collect();
        fleet.groups.insert(name(g), spec);
    }
    let mut policy = PortPolicySpec::default();
    policy.hosts.all = true;
    fleet.policies.insert("all".to_owned(), policy);
    fleet
}

fn name(group: usize) -> String {
    format!("g{group:03}")
}

fn member(n: usize) -> Member {
    let last = u32::try_from(n).expect("few hosts");
    Member {
        id: format!("host-{n}").parse::<HostId>().expect("a name"),
        tags: Default::default(),
        region: None,
        addresses: [0x0a00_0000, 0xcb00_0000].map(|base| IpAddr::V4(Ipv4Addr::from(base + last))).to_vec(),
        databases: vec![(false, 5_432)],
        isolated: false,
    }
}

/// Every third about a group, every third about one network, the others about some networks.
fn rule(group: usize, n: usize) -> GroupRule {
    let peers = match n % 3 {
        0 => vec![format!("group:{}", name((group + n) % GROUPS))],
        1 => vec![format!("198.51.{n}.0/24")],
        _ => (0..8).map(|m| format!("203.0.{n}.{}/32", m * 2)).collect(),
    };
    GroupRule {
        id: Some(format!("r{n}")),
        direction: Direction::In,
        priority: 50,
        action: Action::Allow,
        protocol: Protocol::Tcp,
        ports: vec![Ports::one(u16::try_from(8_000 + n).expect("few rules"))],
        types: Vec::new(),
        peers: peers.iter().map(|text| text.parse().expect("a peer")).collect(),
        enabled: true,
        log: false,
        ends_at: None,
        comment: String::new(),
    }
}

/// The first host that is not in the first group comes into it.
fn joined(fleet: &Fleet) -> Fleet {
    let mut fleet = fleet.clone();
    let members = &mut fleet.groups.get_mut("g000").expect("it is there").members.hosts;
    let more = fleet.hosts.iter().map(|host| &host.id).find(|id| !members.contains(id)).expect("not all are in it");
    members.push(more.clone());
    fleet
}

/// The middle one of some runs.
fn say(what: &str, part: &str, mut work: impl FnMut()) {
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let before = cpu();
            work();
            cpu().saturating_sub(before)
        })
        .collect();
    took.sort_unstable();
    println!("bench: {what}: {part} = {:.1} ms", took[ROUNDS / 2].as_secs_f64() * 1e3);
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}
