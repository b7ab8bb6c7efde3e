//! A kernel that lacks something: named, with what is lost, and nothing half in force.

use crate::filtered::spec;
use crate::filtered_linear::{filter, rule, set};
use crate::sandbox::{act, ban, entered, firewall};
use jiff::Timestamp;
use palisade_firewall::keep::parts::FIB;
use palisade_firewall::spec::Spec;
use palisade_guard::Keep;
use palisade_sys::nft::Reader;

#[test]
fn without_a_part_that_filters_need_bans_go_on_and_what_is_missing_is_named() {
    if !entered() {
        return;
    }
    let keeper = firewall(&[]).lacking(FIB);
    let rules = vec![rule("web/ssh", "in allow tcp 22 group/web")];
    let asked = filter(rules, vec![set("group/web", &["10.99.0.2"])]);
    let wanted = Spec { bans: vec![ban("203.0.113.9", None)], ..spec(asked) };
    let now = Timestamp::now();
    for step in keeper.plan(&wanted, &Spec::default(), now).unwrap() {
        keeper.apply(&act(&step), now).unwrap();
    }
    let said = keeper.plan(&wanted, &Spec::default(), now).unwrap_err().to_string();
    assert!(said.contains("no `fib`") && said.contains("not enforced"), "{said}");
    let chains = Reader::open().unwrap().chains().unwrap();
    let names: Vec<&str> = chains.iter().map(|chain| chain.name.as_str()).collect();
    assert_eq!(names, ["bans"], "nothing of the filter is in force");
    assert!(keeper.plan(&Spec { bans: wanted.bans, ..Spec::default() }, &Spec::default(), now).unwrap().is_empty());
}
