//! The keeper against a real kernel, in namespaces of the test's own.

use crate::sandbox::{act, allow, ban, bans, converge, entered, firewall, hours, nft, numbered, plan};
use jiff::Timestamp;
use palisade_firewall::apply::{Act, batch};
use palisade_firewall::keep::keeper;
use palisade_firewall::ruleset::{Content, Until, read, table};
use palisade_firewall::spec::{Decision, Spec};
use palisade_guard::conformance::{Fixture, keeper as conforms};
use palisade_guard::contract::AgentFacts;
use palisade_guard::{Keep, SpecPair};
use palisade_sandbox::{Child, is_isolated, run};
use palisade_sys::nft::{Reader, Writer};
use std::time::{Duration, Instant};

/// Minutes that a ban has left in the kernel, rounded; `None` if it stays or is not there.
fn minutes_left(address: &str) -> Option<u64> {
    let found = Reader::open().unwrap().element(&table(), "ban4", address.parse().unwrap()).unwrap();
    found.and_then(|e| e.expires_ms).map(|ms| (ms + 30_000) / 60_000)
}

#[test]
fn the_keeper_keeps_the_contract() {
    if !entered() {
        return;
    }
    assert!(is_isolated());
    let facts = AgentFacts { failsafe: vec![crate::sandbox::cidr("192.0.2.1")], ..AgentFacts::default() };
    let keeper = keeper(&facts).unwrap();
    let mut spec = bans([ban("203.0.113.9", hours(1)), ban("2001:db8::9", None), ban("198.51.100.0/24", hours(2))]);
    spec.allow.push(allow("198.51.100.7"));
    let specs = SpecPair { server: serde_json::to_value(&spec).unwrap(), local: serde_json::Value::Null };
    let destroy = || {
        let _ = run("nft", &["delete", "table", "inet", "palisade"]);
    };
    conforms(&Fixture { keeper: &*keeper, specs, now: Timestamp::now(), destroy: &destroy });
}

#[test]
fn the_ruleset_reads_as_it_should_in_nft() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1", "2001:db8::1"]);
    let mut spec = bans([ban("203.0.113.9", None), ban("2001:db8:bad::/48", None), ban("198.51.100.0/24", None)]);
    spec.bans.extend([ban("2001:db8::9", None), ban("198.51.100.128/25", hours(1)), ban("255.0.0.0/8", None)]);
    spec.allow.push(allow("198.51.100.7"));
    assert_eq!(converge(&firewall, &spec), ["CreateTable"]);
    let expected = include_str!("ruleset.nft");
    assert_eq!(nft("list ruleset"), expected);
}

#[test]
fn whatever_another_tool_does_to_the_table_is_seen_and_repaired() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1"]);
    let mut spec = bans([ban("203.0.113.9", None), ban("203.0.113.10", hours(1)), ban("198.51.100.0/24", hours(1))]);
    spec.allow.push(allow("198.51.100.7"));
    assert_eq!(converge(&firewall, &spec), ["CreateTable"]);
    for (command, step) in [
        ("delete table inet palisade", "CreateTable"),
        ("flush ruleset", "CreateTable"),
        ("flush chain inet palisade bans", "ReplaceTable"),
        ("insert rule inet palisade bans accept", "ReplaceTable"),
        ("add rule inet palisade bans drop", "ReplaceTable"),
        ("add chain inet palisade other { type filter hook input priority 0 ; policy drop ; }", "ReplaceTable"),
        ("add set inet palisade other { type ipv4_addr ; }", "ReplaceTable"),
        ("chain inet palisade bans { policy drop ; }", "ReplaceTable"),
        ("add table inet palisade { flags dormant ; }", "ReplaceTable"),
        ("flush set inet palisade ban4", "AddBan"),
        ("delete element inet palisade ban4 { 203.0.113.9 }", "AddBan"),
        ("add element inet palisade ban4 { 8.8.8.8 }", "RemoveBan"),
        ("flush set inet palisade bannet4", "SetBanNetworks"),
        ("flush set inet palisade allow4", "SetAllow"),
        ("add element inet palisade failsafe4 { 8.8.8.8 }", "SetFailsafe"),
    ] {
        let before = firewall.stamp().unwrap();
        nft(command);
        assert_ne!(firewall.stamp().unwrap(), before, "`{command}` is not seen");
        assert_eq!(converge(&firewall, &spec), [step], "`{command}`");
    }
    // a rule in the middle: delete it, and put an equal one at another place
    let listing = nft("-a list chain inet palisade bans");
    let line = listing.lines().find(|l| l.contains("@allow4")).unwrap();
    let handle = line.rsplit(' ').next().unwrap();
    nft(&format!("delete rule inet palisade bans handle {handle}"));
    assert!(plan(&firewall, &spec)[0].reason.contains("rule 4"), "{:?}", plan(&firewall, &spec));
    nft("add rule inet palisade bans ip saddr @allow4 accept");
    assert_eq!(converge(&firewall, &spec), ["ReplaceTable"]);
}

#[test]
fn other_tables_are_never_touched() {
    if !entered() {
        return;
    }
    nft("add table inet filter");
    nft("add chain inet filter input { type filter hook input priority 0 ; policy accept ; }");
    nft("add rule inet filter input tcp dport 22 counter accept");
    nft("add table ip palisade");
    nft("add set ip palisade ban4 { type ipv4_addr ; }");
    nft("add element ip palisade ban4 { 192.0.2.77 }");
    let foreign = || nft("list table inet filter") + &nft("list table ip palisade");
    let before = foreign();
    let firewall = firewall(&[]);
    converge(&firewall, &bans([ban("203.0.113.9", None), ban("198.51.100.0/24", None)]));
    nft("flush chain inet palisade bans");
    converge(&firewall, &bans([ban("203.0.113.9", hours(1))]));
    converge(&firewall, &Spec::default());
    assert_eq!(foreign(), before);
}

#[test]
fn an_untouched_host_stays_untouched_until_something_is_banned() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1"]);
    assert!(converge(&firewall, &Spec { allow: vec![allow("198.51.100.7")], ..Spec::default() }).is_empty());
    assert_eq!(nft("list ruleset"), "");
}

#[test]
fn ends_change_and_bans_go_one_element_at_a_time() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    converge(&firewall, &bans([ban("203.0.113.9", hours(1)), ban("2001:db8::9", None)]));
    assert_eq!(converge(&firewall, &bans([ban("203.0.113.9", hours(9)), ban("2001:db8::9", hours(1))])), ["ChangeBan"]);
    assert_eq!(minutes_left("203.0.113.9"), Some(9 * 60));
    assert_eq!(converge(&firewall, &bans([ban("203.0.113.9", None), ban("2001:db8::9", hours(1))])), ["ChangeBan"]);
    assert_eq!(minutes_left("203.0.113.9"), None);
    assert_eq!(converge(&firewall, &bans([ban("203.0.113.9", hours(1))])), ["RemoveBan", "ChangeBan"]);
    assert_eq!(converge(&firewall, &Spec::default()), ["RemoveBan"]);
    // an act whose addresses are gone already, and one that bans what is banned, still succeed
    let steps = plan(&firewall, &bans([ban("203.0.113.9", None)]));
    for _ in 0..2 {
        firewall.apply(&act(&steps[0]), Timestamp::now()).unwrap();
    }
    let gone = plan(&firewall, &Spec::default());
    for _ in 0..2 {
        firewall.apply(&act(&gone[0]), Timestamp::now()).unwrap();
    }
    assert!(plan(&firewall, &Spec::default()).is_empty());
}

#[test]
fn an_operators_decision_is_carried_out() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    let mut on_probation = ban("203.0.113.9", hours(5));
    on_probation.probation_until = hours(1).map(|h| Timestamp::now() + h);
    on_probation.plan = Some("p-7".to_owned());
    let server = bans([on_probation]);
    converge(&firewall, &server);
    assert_eq!(minutes_left("203.0.113.9"), Some(60));
    for (decision, left) in [(Decision::Kept, Some(5 * 60)), (Decision::RolledBack, None)] {
        let local = Spec { decisions: [("p-7".to_owned(), decision)].into(), ..Spec::default() };
        for step in firewall.plan(&server, &local, Timestamp::now()).unwrap() {
            firewall.apply(&act(&step), Timestamp::now()).unwrap();
        }
        assert_eq!(minutes_left("203.0.113.9"), left);
        assert_eq!(nft("list set inet palisade ban4").contains("203.0.113.9"), decision == Decision::Kept);
    }
}

#[test]
fn what_another_tool_does_between_our_acts_is_seen() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    let mut spec = bans([ban("203.0.113.1", None), ban("2001:db8::1", None)]);
    converge(&firewall, &spec);
    for n in 2..6 {
        spec.bans.push(ban(&format!("203.0.113.{n}"), hours(n)));
        let steps = plan(&firewall, &spec);
        if n % 2 == 0 {
            nft("delete element inet palisade ban6 { 2001:db8::1 }");
        }
        firewall.apply(&act(&steps[0]), Timestamp::now()).unwrap();
        let left: Vec<_> = plan(&firewall, &spec).into_iter().map(|s| s.object).collect();
        assert_eq!(left, if n % 2 == 0 { vec!["2001:db8::1"] } else { vec![] });
        converge(&firewall, &spec);
        assert_eq!(
            crate::sandbox::firewall(&[]).plan(&spec, &Spec::default(), Timestamp::now()).unwrap(),
            [],
            "as a fresh look says"
        );
    }
    spec.bans.remove(0);
    assert_eq!(converge(&firewall, &spec), ["RemoveBan"]);
    nft("flush ruleset");
    assert_eq!(converge(&firewall, &spec), ["CreateTable"]);
}

#[test]
fn when_somebody_sets_the_wall_clock_the_ends_are_set_anew() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    let spec = bans([ban("203.0.113.9", hours(9)), ban("203.0.113.10", None)]);
    converge(&firewall, &spec);
    let later = Timestamp::now() + Duration::from_secs(3_600);
    let steps = firewall.plan(&spec, &Spec::default(), later).unwrap();
    assert_eq!(steps.iter().map(|s| format!("{} {}", s.name, s.object)).collect::<Vec<_>>(), ["ChangeBan 203.0.113.9"]);
    firewall.apply(&act(&steps[0]), later).unwrap();
    assert!(firewall.plan(&spec, &Spec::default(), later).unwrap().is_empty());
    assert_eq!(minutes_left("203.0.113.9"), Some(8 * 60));
}

#[test]
fn a_hundred_thousand_bans_apply_at_once_and_the_next_plan_is_empty() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1"]);
    let spec = bans((0..100_000).map(|n| ban(&numbered(n), hours(1 + u64::from(n % 50)))));
    let steps = plan(&firewall, &spec);
    assert_eq!(steps.len(), 1, "one step, one transaction");
    let one = act(&steps[0]);
    let began = Instant::now();
    firewall.apply(&one, Timestamp::now()).unwrap();
    let took = began.elapsed();
    let stamp = firewall.stamp().unwrap();
    let left: Vec<_> = plan(&firewall, &spec).into_iter().map(|s| (s.name, s.object)).collect();
    assert!(left.is_empty(), "{left:?}");
    let began = Instant::now();
    assert!(plan(&firewall, &spec).is_empty());
    println!("100,000 bans applied in {took:?}; planned again, kernel unchanged, in {:?}", began.elapsed());
    assert_eq!(firewall.stamp().unwrap(), stamp, "looking changes nothing");
    assert!(took < Duration::from_secs(60), "an unoptimized build took {took:?}");
    let few = bans(spec.bans.iter().take(99_000).cloned());
    let steps = plan(&firewall, &few);
    assert_eq!((steps[0].name.as_str(), steps[0].object.as_str()), ("RemoveBan", "1,000 addresses"));
    assert_eq!(converge(&firewall, &few), ["RemoveBan"]);
}

#[test]
fn the_end_of_a_ban_moves_neither_with_a_slow_transaction_nor_with_a_slow_listing() {
    if !entered() {
        return;
    }
    let content = Content {
        bans: vec![("203.0.113.9".parse().unwrap(), Until::At(Timestamp::now().as_millisecond() + 3_600_000))],
        ..Content::default()
    };
    let mut late = batch(&Act::ReplaceTable(content), Timestamp::now());
    late.count_from(Instant::now().checked_sub(Duration::from_secs(600)).unwrap());
    Writer::open().unwrap().commit(late).unwrap();
    assert_eq!(minutes_left("203.0.113.9"), Some(50), "ten minutes had passed when the kernel got it");

    let mut reader = Reader::open().unwrap();
    reader.count_from(Instant::now().checked_sub(Duration::from_secs(300)).unwrap());
    let found = reader.elements(&table(), "ban4").unwrap();
    let minutes = |ms: u64| (ms + 30_000) / 60_000;
    assert_eq!(found[0].expires_ms.map(minutes), Some(55), "as of five minutes ago");
}

#[test]
fn ten_thousand_networks_that_overlap_are_kept() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    let mut list: Vec<_> =
        (0..10_000u32).map(|n| ban(&format!("{}/24", numbered(n << 8)), hours(1 + u64::from(n % 3)))).collect();
    list.extend([ban("10.0.0.0/8", hours(2)), ban("10.1.0.0/16", None), ban("2001:db8::/32", hours(1))]);
    let spec = bans(list);
    assert_eq!(converge(&firewall, &spec), ["CreateTable"]);
    assert_eq!(converge(&firewall, &bans(spec.bans.iter().skip(5_000).cloned())), ["SetBanNetworks"]);
}

#[test]
fn a_kill_in_the_middle_leaves_one_of_two_whole_states() {
    if !entered() {
        return;
    }
    let empty = Spec::default();
    let many = bans((0..5_000).map(|n| ban(&numbered(n), hours(1))));
    let mut networks = bans((0..2_000).map(|n| ban(&format!("{}/24", numbered(n << 8)), hours(1))));
    networks.bans.push(ban("203.0.113.9", None));
    let state = || {
        let present = read(&mut Reader::open().unwrap(), Timestamp::now()).unwrap();
        let networks: Vec<_> = present.content.networks.iter().map(|(range, _)| *range).collect();
        let bans: Vec<_> = present.content.bans.iter().map(|(address, _)| *address).collect();
        (present.structure, bans, networks)
    };
    let mut killed = 0;
    for (from, to) in [(&empty, &many), (&many, &networks), (&networks, &empty), (&empty, &networks)] {
        for delay_us in [0, 200, 1_000, 5_000, 20_000] {
            let firewall = firewall(&["192.0.2.1"]);
            converge(&firewall, from);
            for step in plan(&firewall, to).iter().map(act) {
                let before = state();
                let child = Child::start(|| firewall.apply(&step, Timestamp::now()).unwrap());
                std::thread::park_timeout(Duration::from_micros(delay_us));
                killed += u32::from(child.kill());
                let middle = state();
                firewall.apply(&step, Timestamp::now()).unwrap();
                let after = state();
                assert!(middle == before || middle == after, "torn after {delay_us} microseconds");
            }
            converge(&firewall, to);
        }
    }
    println!("killed {killed} children before they had ended by themselves");
}

#[test]
fn what_the_kernel_refuses_is_said_with_the_message_that_it_refused() {
    if !entered() {
        return;
    }
    let firewall = firewall(&[]);
    let steps = plan(&firewall, &bans([ban("203.0.113.9", None)]));
    firewall.apply(&act(&steps[0]), Timestamp::now()).unwrap();
    let add = plan(&firewall, &bans([ban("203.0.113.9", None), ban("203.0.113.10", None)]));
    nft("delete table inet palisade");
    let error = firewall.apply(&act(&add[0]), Timestamp::now()).unwrap_err();
    let said = palisade_guard::contract::chain(&error);
    assert!(said.contains("adding 1 elements, set `ban4` (message 1 of 1; nothing was changed)"), "{said}");
    assert!(said.contains("No such file"), "{said}");
    assert_eq!(converge(&firewall, &bans([ban("203.0.113.9", None)])), ["CreateTable"], "the connection still works");
}
