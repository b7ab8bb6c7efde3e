//! The table that belongs to the keeper alone, against a real kernel.

use crate::filtered::{connect, echoing, is_echoed, peer, spec};
use crate::filtered_linear::{compile, filter, rule, set};
use crate::sandbox::{act, ban, converge, nft, plan};
use crate::watch::{Turns, tampered};
use jiff::Timestamp;
use palisade_firewall::keep::{Firewall, owning};
use palisade_firewall::ruleset::OWN;
use palisade_firewall::spec::Spec;
use palisade_firewall::stream::record::Outcome;
use palisade_firewall::stream::watch::Watching;
use palisade_guard::Keep;
use palisade_guard::contract::AgentFacts;
use palisade_sandbox::{Child, is_isolated, run};
use palisade_sys::nft::{Batch, Expr, Family, Reader, TableName, Verdict, Writer};

/// Keepers that own; `None` (after saying why) on a kernel that keeps no table for a process.
fn owner() -> Option<Firewall> {
    assert!(is_isolated(), "rules are applied in namespaces of the test's own only");
    let mut batch = Batch::new();
    batch.add_table_with(&TableName { family: Family::Inet, name: "probe".to_owned() }, OWN);
    if let Some(why) = Writer::open().unwrap().refusal_of(batch).unwrap() {
        println!("skipped: {why}");
        return None;
    }
    Some(plain().owning().unwrap())
}

fn plain() -> Firewall {
    Firewall::new(Vec::new()).unwrap().with_compiler(compile)
}

/// TCP to this port from 10.99.0.2 only, and a ban.
fn allowing(port: u16) -> Spec {
    let rules = vec![rule("web/x", &format!("in allow tcp {port} group/web"))];
    let spec = spec(filter(rules, vec![set("group/web", &["10.99.0.2"])]));
    Spec { bans: vec![ban("203.0.113.9", None)], ..spec }
}

fn refused(command: &str) {
    let said = run("nft", &command.split_whitespace().collect::<Vec<_>>()).unwrap_err();
    assert!(said.contains("Operation not permitted"), "`{command}`: {said}");
}

#[test]
fn no_other_process_changes_or_flushes_the_table_and_a_flush_is_told() {
    let Some(peer) = peer() else { return };
    let Some(keeper) = owner() else { return };
    let at = echoing("10.99.0.1:0");
    let wanted = allowing(at.port());
    assert_eq!(converge(&keeper, &wanted), ["CreateTable", "ReplaceRuleset"]);
    let mut turns = Turns::new(&Watching::default());
    turns.until(|_| nft("list tables").contains("palisade_canary"));
    let mut open = connect(&peer, "10.99.0.2", at).unwrap();
    nft("flush ruleset");
    for command in [
        "delete table inet palisade",
        "flush chain inet palisade in",
        "insert rule inet palisade in accept",
        "add element inet palisade ban4 { 198.51.100.1 }",
    ] {
        refused(command);
    }
    assert!(plan(&keeper, &wanted).is_empty(), "{:?}", plan(&keeper, &wanted));
    assert!(connect(&peer, "10.99.0.3", at).is_none(), "filtered on");
    assert!(is_echoed(&mut open));
    turns.until(|told| !tampered(told).is_empty());
    let told = tampered(&turns.told);
    assert_eq!((told[0].by.process.as_str(), told[0].flushed, told[0].outcome), ("nft", true, Outcome::Kept));
    // the keeper itself goes on changing it
    assert_eq!(converge(&keeper, &Spec { bans: Vec::new(), ..wanted.clone() }), ["RemoveBan"]);
    assert_eq!(converge(&keeper, &allowing(1)), ["AddBan", "ReplaceRuleset"]);
    assert!(!is_echoed(&mut open));
}

#[test]
fn the_table_stays_in_force_without_its_keeper_and_the_next_one_takes_it_up() {
    let Some(peer) = peer() else { return };
    let Some(keeper) = owner() else { return };
    drop(keeper);
    let at = echoing("10.99.0.1:0");
    let wanted = allowing(at.port());
    // in a process of its own, which is killed
    let ready = tempfile::tempdir().unwrap();
    let done = ready.path().join("done");
    let child = Child::start(|| {
        let keeper = plain().owning().unwrap();
        converge(&keeper, &wanted);
        std::fs::write(&done, "").unwrap();
        std::thread::park();
    });
    let began = std::time::Instant::now();
    while !done.exists() {
        assert!(began.elapsed() < crate::filtered::LIMIT, "the keeper does not come to its end");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    refused("delete table inet palisade");
    child.kill();
    assert!(connect(&peer, "10.99.0.2", at).is_some(), "in force without a process");
    let mut open = connect(&peer, "10.99.0.2", at).unwrap();
    assert!(connect(&peer, "10.99.0.3", at).is_none(), "in force without a process");
    let next = plain().owning().unwrap();
    assert_eq!(converge(&next, &wanted), ["OwnTable"], "nothing else is amiss");
    assert!(is_echoed(&mut open), "not interrupted");
    refused("delete table inet palisade");
    // what was changed while nobody owned it is repaired by the one after
    drop(next);
    nft("flush chain inet palisade bans");
    let next = plain().owning().unwrap();
    assert_eq!(converge(&next, &wanted), ["ReplaceTable"]);
    refused("delete table inet palisade");
}

#[test]
fn a_plain_table_becomes_the_keepers_own_and_plain_again_in_one_transaction() {
    let Some(peer) = peer() else { return };
    let Some(owner) = owner() else { return };
    let at = echoing("10.99.0.1:0");
    let wanted = allowing(at.port());
    let before = plain();
    converge(&before, &wanted);
    let mut open = connect(&peer, "10.99.0.2", at).unwrap();
    drop(before);
    assert!(plan(&owner, &wanted)[0].reason.contains("everybody may change"), "{:?}", plan(&owner, &wanted));
    assert_eq!(converge(&owner, &wanted), ["ReplaceTable"]);
    refused("delete table inet palisade");
    assert!(is_echoed(&mut open));
    // a second keeper, as long as the first one lives, changes nothing and says why
    let second = plain().owning().unwrap();
    let steps = plan(&second, &wanted);
    assert_eq!(steps[0].reason, "another process owns the table");
    let error = second.apply(&act(&steps[0]), Timestamp::now()).unwrap_err();
    assert!(palisade_guard::contract::chain(&error).contains("Operation not permitted"), "{error}");
    assert!(plan(&owner, &wanted).is_empty());
    drop((owner, second));
    assert_eq!(converge(&plain(), &wanted), ["ReplaceTable"]);
    nft("delete table inet palisade");
}

#[test]
fn the_agents_keeper_owns_when_it_is_told_to_and_says_so() {
    let Some(_peer) = peer() else { return };
    if owner().is_none() {
        return;
    }
    let keeper = palisade_firewall::keep::keeper(&AgentFacts { own_table: true, ..AgentFacts::default() }).unwrap();
    assert!(owning().unwrap().to_string().starts_with("own: "));
    drop(keeper);
    let _plain = palisade_firewall::keep::keeper(&AgentFacts::default()).unwrap();
    assert!(owning().unwrap().to_string().starts_with("plain: "));
}

#[test]
fn what_the_kernel_would_refuse_is_found_out_without_a_change() {
    let Some(_peer) = peer() else { return };
    let (mut writer, table) = (Writer::open().unwrap(), TableName { family: Family::Inet, name: "probe".to_owned() });
    let before = Reader::open().unwrap().generation().unwrap();
    let mut good = Batch::new();
    good.add_table(&table);
    assert!(writer.refusal_of(good).unwrap().is_none());
    let mut bad = Batch::new();
    bad.add_table(&table);
    bad.add_rule(&table, "nowhere", &[Expr::Verdict(Verdict::Accept)]);
    let said = writer.refusal_of(bad).unwrap().unwrap().to_string();
    assert!(said.contains("adding a rule to chain `nowhere`"), "{said}");
    assert_eq!(Reader::open().unwrap().generation().unwrap(), before);
    assert_eq!(nft("list tables"), "");
}
