//! The plan, on a described kernel. Each file of `tests/golden-plan` holds two specs, the failsafe
//! addresses and what is in the kernel as TOML, a line `-----`, and the steps with what each
//! carries. The moment is 2026-11-22T12:00:00Z.

use jiff::Timestamp;
use palisade_core::{Cidr, Step};
use palisade_firewall::apply::Act;
use palisade_firewall::plan::{diff, overlaps_any, plan, refuse};
use palisade_firewall::ruleset::{Content, Held, Present, Range, Structure, Until, merged, subtracted};
use palisade_firewall::spec::{Allow, Spec};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    failsafe: Vec<Cidr>,
    #[serde(default)]
    server: Spec,
    #[serde(default)]
    local: Spec,
    present: Kernel,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Kernel {
    structure: String,
    failsafe: Vec<Range>,
    allow: BTreeMap<Range, String>,
    bans: BTreeMap<IpAddr, String>,
    networks: BTreeMap<Range, String>,
}

impl Default for Kernel {
    fn default() -> Kernel {
        let (failsafe, allow, bans, networks) = Default::default();
        Kernel { structure: "sound".to_owned(), failsafe, allow, bans, networks }
    }
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn ends<K: Ord>(list: BTreeMap<K, String>) -> Vec<(K, Until)> {
    let until = |text: String| if text == "never" { Until::Never } else { Until::of(Some(text.parse().unwrap())) };
    list.into_iter().map(|(key, text)| (key, until(text))).collect()
}

fn present(kernel: Kernel) -> Present {
    let structure = match kernel.structure.as_str() {
        "absent" => Structure::Absent,
        "sound" => Structure::Sound,
        different => Structure::Different(different.to_owned()),
    };
    let (allow, bans, networks) = (ends(kernel.allow), ends(kernel.bans), ends(kernel.networks));
    let content = Content { failsafe: kernel.failsafe, allow, bans, networks };
    Present { structure, content, held: Held::default() }
}

fn said(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        assert_eq!(step.permit, "ban");
        writeln!(out, "{} {} | {}", step.name, step.object, step.reason).unwrap();
        let act: Act = serde_json::from_value(step.act.clone()).unwrap();
        match act {
            Act::ReplaceTable(content) => {
                content.failsafe.iter().for_each(|range| writeln!(out, "  failsafe {range}").unwrap());
                list(&mut out, "allow", &content.allow);
                list(&mut out, "ban", &content.bans);
                list(&mut out, "network", &content.networks);
            }
            Act::SetFailsafe(ranges) => ranges.iter().for_each(|r| writeln!(out, "  failsafe {r}").unwrap()),
            Act::SetAllow(ranges) => list(&mut out, "allow", &ranges),
            Act::SetBanNetworks(ranges) => list(&mut out, "network", &ranges),
            Act::AddBans(bans) | Act::ChangeBans(bans) => list(&mut out, "ban", &bans),
            Act::RemoveBans(bans) => bans.iter().for_each(|address| writeln!(out, "  ban {address}").unwrap()),
            filter => panic!("no golden is about the filter: {filter:?}"),
        }
    }
    if out.is_empty() { "nothing\n".to_owned() } else { out }
}

fn list<K: std::fmt::Display>(out: &mut String, word: &str, entries: &[(K, Until)]) {
    for (key, until) in entries {
        let until = match until {
            Until::Never => "never".to_owned(),
            Until::At(ms) => Timestamp::from_millisecond(*ms).unwrap().to_string(),
        };
        writeln!(out, "  {word} {key} until {until}").unwrap();
    }
}

#[test]
fn every_golden_is_planned_as_written() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden-plan");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = String::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let (given, expected) = text.split_once("\n-----\n").unwrap();
        let given: Given = toml::from_str(given).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let steps = plan(&given.server, &given.local, &given.failsafe, &present(given.present), now()).unwrap();
        let actual = said(&steps);
        if actual != expected {
            writeln!(wrong, "{}: expected\n{expected}\nbut got\n{actual}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

#[test]
fn an_address_is_refused_with_the_reason() {
    let failsafe = [cidr("192.0.2.1")];
    let entry = |text: &str, ends: &str| Allow {
        cidr: cidr(text),
        reason: "office".to_owned(),
        by: "ann".to_owned(),
        since: now(),
        ends_at: ends.parse().ok(),
    };
    let allow = [entry("198.51.100.0/28", ""), entry("198.51.100.77", "2026-11-22T12:00:00Z")];
    let refused = |text: &str| refuse(cidr(text), &failsafe, &allow, now()).unwrap_or_else(|| "banned".to_owned());
    for (text, reason) in [
        ("203.0.113.9", "banned"),
        ("198.51.100.77", "banned"),
        ("198.51.100.0/24", "banned"),
        ("10.0.0.0/8", "banned"),
        ("2001:db8::/32", "banned"),
        ("192.0.2.1", "`192.0.2.1` would cut `192.0.2.1`, which must always reach this host (failsafe)"),
        ("192.0.0.0/16", "`192.0.0.0/16` would cut `192.0.2.1`, which must always reach this host (failsafe)"),
        ("198.51.100.3", "`198.51.100.3` is on the allow-list: `198.51.100.0/28` (office); remove that entry first"),
        ("10.0.0.0/7", "`10.0.0.0/7` is larger than /8, the largest network that can be banned"),
        ("0.0.0.0/0", "`0.0.0.0/0` is larger than /8, the largest network that can be banned"),
        ("::/0", "`::/0` is larger than /16, the largest network that can be banned"),
        ("::1", "`::1` is loopback, which is always let in"),
        ("127.0.0.0/8", "`127.0.0.0/8` is loopback, which is always let in"),
    ] {
        assert_eq!(refused(text), reason, "{text}");
    }
    assert!(overlaps_any(cidr("192.0.2.0/24"), &failsafe) && !overlaps_any(cidr("192.0.3.0/24"), &failsafe));
}

#[test]
fn many_addresses_make_few_steps() {
    let ban = |n: u32| crate::sandbox::ban(&crate::sandbox::numbered(n), None);
    let spec = crate::sandbox::bans((0..250_001).map(ban));
    let empty = |structure| Present { structure, content: Content::default(), held: Held::default() };
    let objects = |steps: Vec<Step>| steps.into_iter().map(|s| format!("{} {}", s.name, s.object)).collect::<Vec<_>>();
    let steps = plan(&spec, &Spec::default(), &[], &empty(Structure::Sound), now()).unwrap();
    assert_eq!(objects(steps), ["AddBan 250,000 addresses", "AddBan 10.3.208.144"]);
    let steps = plan(&spec, &Spec::default(), &[], &empty(Structure::Absent), now()).unwrap();
    assert_eq!(objects(steps), ["CreateTable inet palisade", "AddBan 10.3.208.144"]);
}

#[test]
fn what_does_not_fit_is_refused_as_a_whole() {
    let ban = |n: u32| crate::sandbox::ban(&format!("{}/31", crate::sandbox::numbered(n * 4)), None);
    let spec = crate::sandbox::bans((0..65_537).map(ban));
    let absent = Present { structure: Structure::Absent, content: Content::default(), held: Held::default() };
    let error = plan(&spec, &Spec::default(), &[], &absent, now()).unwrap_err();
    assert_eq!(error.to_string(), "65537 networks are to be banned; at most 65536 can be");
}

fn addresses(range: Range) -> std::ops::RangeInclusive<u8> {
    let low = |address| match address {
        IpAddr::V4(a) => a.octets()[3],
        IpAddr::V6(a) => a.octets()[15],
    };
    low(range.first())..=low(range.last())
}

fn any_range() -> impl Strategy<Value = Range> {
    (any::<bool>(), any::<u8>(), any::<u8>()).prop_map(|(v4, a, b)| {
        let address = |n: u8| {
            if v4 {
                IpAddr::from([255, 255, 255, n])
            } else {
                IpAddr::from([[255; 15].as_slice(), &[n]].concat().try_into().map(|b: [u8; 16]| b).unwrap())
            }
        };
        Range::new(address(a.min(b)), address(a.max(b))).unwrap()
    })
}

fn any_until() -> impl Strategy<Value = Until> {
    prop_oneof![Just(Until::Never), (0..5i64).prop_map(Until::At)]
}

proptest! {
    #[test]
    fn merged_ranges_hold_for_each_address_the_latest_end(given in prop::collection::vec((any_range(), any_until()), 0..12)) {
        let merged = merged(given.clone());
        for pair in merged.windows(2) {
            prop_assert!(pair[0].0.last() < pair[1].0.first(), "sorted, without overlap");
        }
        let end = |list: &[(Range, Until)], v4: bool, n: u8| {
            list.iter().filter(|(r, _)| r.first().is_ipv4() == v4 && addresses(*r).contains(&n)).map(|(_, u)| *u).max()
        };
        for (v4, n) in [true, false].into_iter().flat_map(|v4| (0..=255).map(move |n| (v4, n))) {
            prop_assert_eq!(end(&merged, v4, n), end(&given, v4, n));
        }
    }

    #[test]
    fn what_is_subtracted_is_gone_and_nothing_else(range in any_range(), holes in prop::collection::vec(any_range(), 0..6)) {
        let left = subtracted(range, &holes);
        let covers = |list: &[Range], n: u8| list.iter().any(|r| r.first().is_ipv4() == range.first().is_ipv4() && addresses(*r).contains(&n));
        for n in 0..=255 {
            prop_assert_eq!(covers(&left, n), addresses(range).contains(&n) && !covers(&holes, n));
        }
    }

    #[test]
    fn a_range_reads_back_as_it_prints(range in any_range()) {
        prop_assert_eq!(range.to_string().parse::<Range>(), Ok(range));
    }

    #[test]
    fn reading_a_range_never_panics(text in ".{0,80}") {
        let _ = text.parse::<Range>();
    }

    #[test]
    fn after_a_diff_is_carried_out_nothing_is_left(
        is in prop::collection::btree_map(0..20u8, any_until(), 0..20),
        wanted in prop::collection::btree_map(0..20u8, any_until(), 0..20),
    ) {
        let list = |map: &BTreeMap<u8, Until>| map.iter().map(|(k, u)| (*k, *u)).collect::<Vec<_>>();
        let steps = diff(&list(&is), &list(&wanted), -10_000);
        let mut then = is.clone();
        steps.remove.iter().for_each(|key| { then.remove(key); });
        then.extend(steps.retime.iter().chain(&steps.add).copied());
        prop_assert!(diff(&list(&then), &list(&wanted), -10_000).is_empty());
    }
}
