//! One meaning in three shapes: packet by packet, for all packets at once, and as a program.

use crate::filters::{border_probes, filter, now, range, set};
use crate::interpreter::Machine;
use palisade_firewall::exposure::{DEFAULT_IN, Open, Segment, at, segments};
use palisade_firewall::filter::compile::{LINES_MAX, compile};
use palisade_firewall::filter::judge::{Decider, Decision, Host, Payload, Probe, explain, judge};
use palisade_firewall::filter::program::{Program, Side};
use palisade_firewall::filter::reach::{Class, cells, difference, shadowed};
use palisade_firewall::filter::segment::Spoken;
use palisade_firewall::filter::{Defaults, Filter, Layer, Peers, Rule};
use palisade_firewall::group::model::{Action, Direction, Ports, Protocol};
use palisade_firewall::ruleset::Range;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn host(filter: &Filter) -> Host<'_> {
    Host { failsafe: &[], allow: &[], banned: &[], filter }
}

fn decide(filter: &Filter, probe: &Probe) -> Decision {
    judge(&host(filter), probe, now())
}

fn spoken(probe: &Probe) -> (Spoken, u16) {
    match probe.payload {
        Payload::Tcp(port) => (Spoken::Tcp, port),
        Payload::Udp(port) => (Spoken::Udp, port),
        Payload::Icmp(kind) if probe.peer.is_ipv4() => (Spoken::Icmp, kind.into()),
        Payload::Icmp(kind) => (Spoken::Icmpv6, kind.into()),
        Payload::Gre => (Spoken::Gre, 0),
        Payload::Lease | Payload::Other(_) => (Spoken::Other, 0),
    }
}

fn holds(ranges: &[Range], address: IpAddr) -> bool {
    ranges.iter().any(|r| r.first().is_ipv4() == address.is_ipv4() && (r.first()..=r.last()).contains(&address))
}

/// The program's word on a packet is that of the judge, and the right rule has counted it.
fn agrees(filter: &Filter, machine: &Machine<'_>, probe: &Probe) {
    let wanted = decide(filter, probe);
    let id = match (&wanted.decider, probe.direction) {
        (Decider::Rule { id, .. }, _) => id.as_str(),
        (Decider::Default, Direction::In) => "default/in",
        (Decider::Default, Direction::Out) => "default/out",
        (Decider::Essential, _) => return,
        (other, _) => panic!("{other:?}"),
    };
    let got = machine.run(probe, Side::Original);
    assert_eq!(got.action, Some(wanted.action), "{probe:?}\n{wanted:?}\n{got:?}");
    let plain = got.counted.is_empty() && !got.stamped && id == "default/out" && wanted.action == Action::Allow;
    assert!(plain || got.counted == [id], "{probe:?}\n{wanted:?}\n{got:?}");
    assert!(plain || got.stamped == (wanted.action == Action::Allow), "{got:?}");
    if wanted.action == Action::Deny {
        assert_eq!(got.logged, [id]);
    }
    let answer = machine.run(probe, Side::Reply);
    let wanted = if matches!(probe.payload, Payload::Icmp(_)) { Some(Action::Allow) } else { got.action };
    assert_eq!(answer.action, wanted, "the answer to {probe:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_program_of_a_filter_decides_as_the_filter_means(filter in filter(), start in 0_usize..7) {
        let program = compile(&filter.at(now()));
        if filter.defaults.is_none() {
            prop_assert_eq!(program, Program::default());
            return Ok(());
        }
        prop_assert_eq!(&program, &compile(&filter.at(now())), "twice the same");
        let machine = Machine::new(&program);
        for probe in border_probes(&filter).iter().skip(start).step_by(7) {
            agrees(&filter, &machine, probe);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn who_is_in_the_sets_changes_no_chain(filter in filter(), other in filter()) {
        let changed = Filter { sets: other.sets, ..filter.clone() };
        let (a, b) = (compile(&filter), compile(&changed));
        prop_assert_eq!(a.chains, b.chains);
        prop_assert_eq!(a.port_maps, b.port_maps);
        prop_assert_eq!(a.counters, b.counters);
        let names = |p: &Program| p.sets.iter().map(|s| s.name.clone()).chain(p.address_maps.iter().map(|m| m.name.clone())).collect::<Vec<_>>();
        prop_assert_eq!(names(&compile(&filter)), names(&compile(&changed)));
    }

    #[test]
    fn what_is_reached_is_what_the_judge_allows(filter in filter(), start in 0_usize..7) {
        let filter = filter.at(now());
        let cells = cells(&filter);
        for probe in border_probes(&filter).iter().skip(start).step_by(7) {
            let decision = decide(&filter, probe);
            if decision.decider == Decider::Essential { continue; }
            let (spoken, number) = spoken(probe);
            let of = |interface: Option<&str>| cells.iter().find(|cell| {
                cell.direction == probe.direction && cell.spoken == spoken && cell.numbers.contains(number)
                    && cell.interface.as_deref() == interface
            });
            let cell = of(probe.interface.as_deref()).or_else(|| of(None)).expect("a cell for every packet");
            prop_assert_eq!(holds(&cell.allowed, probe.peer), decision.action == Action::Allow, "{:?}\n{:?}", probe, cell);
        }
    }

    #[test]
    fn a_difference_is_what_one_allows_and_the_other_does_not(old in filter(), new in filter(), start in 0_usize..7) {
        let (old, new) = (old.at(now()), new.at(now()));
        let found = difference(&old, &new);
        let mut probes = border_probes(&old);
        probes.extend(border_probes(&new));
        for probe in probes.iter().skip(start).step_by(7) {
            let (before, after) = (decide(&old, probe), decide(&new, probe));
            if before.decider == Decider::Essential || after.decider == Decider::Essential { continue; }
            let (before, after) = (before.action == Action::Allow, after.action == Action::Allow);
            for (list, changed) in [(&found.opened, after && !before), (&found.closed, before && !after)] {
                let hit = |class: &&Class| class.direction == probe.direction && class_holds(class, probe);
                let own = list.iter().filter(hit).any(|c| c.interface.is_some() && c.interface == probe.interface);
                let any = list.iter().filter(hit).any(|c| c.interface.is_none());
                prop_assert!(!changed || own || any, "{:?} is not in {:?}", probe, list);
                prop_assert!(!own || changed, "{:?} is in {:?}", probe, list);
                let named = probe.interface.as_ref().is_some_and(|i| i != "eth0");
                prop_assert!(named || any == changed, "{:?}: {} in {:?}", probe, changed, list);
            }
        }
    }

    #[test]
    fn filters_of_one_meaning_have_no_difference(filter in filter(), extra in filter()) {
        let filter = filter.at(now());
        let mut same = filter.clone();
        // rules that match nobody, and rules that come after one for everybody
        same.rules.extend(extra.rules.iter().cloned().map(|mut rule| {
            rule.peers = Peers::Of { sets: vec!["nobody".to_owned()], interfaces: Vec::new() };
            rule
        }));
        if let Some(defaults) = filter.defaults {
            for direction in [Direction::In, Direction::Out] {
                let rule = Rule { direction, action: defaults.of(direction), protocol: Protocol::All, ..everybody() };
                same.rules.push(rule);
            }
            same.rules.extend(extra.rules);
        }
        same.sets.reverse();
        let found = difference(&filter, &same);
        prop_assert!(found.opened.is_empty() && found.closed.is_empty(), "{:?}", found);
    }

    #[test]
    fn a_shadowed_rule_can_go_and_any_other_decides_somewhere(filter in filter()) {
        let filter = filter.at(now());
        let shadowed = shadowed(&filter);
        let mut without = filter.clone();
        without.rules.retain(|rule| !shadowed.iter().any(|(id, _)| *id == rule.id));
        let found = difference(&filter, &without);
        prop_assert!(found.opened.is_empty() && found.closed.is_empty(), "{:?} {:?}", shadowed, found);
        for probe in border_probes(&filter).iter().step_by(11) {
            if let Decider::Rule { id, .. } = decide(&filter, probe).decider {
                prop_assert!(!shadowed.iter().any(|(gone, _)| *gone == id), "{} decides about {:?}", id, probe);
            }
        }
    }

    #[test]
    fn the_rule_that_opens_a_port_opens_it(filter in filter(), port in prop::sample::select(vec![0_u16, 22, 85, 100, 5432, 65535])) {
        let filter = filter.at(now());
        let Some(opened) = opened_by(&filter, port) else {
            prop_assert!(filter.defaults.is_none());
            return Ok(());
        };
        let wanted = if opened.from == Open::None { Action::Deny } else { Action::Allow };
        let decided = match filter.rules.iter().find(|rule| rule.id == opened.rule) {
            Some(rule) => rule.action,
            None => filter.defaults.map_or(Action::Allow, |defaults| defaults.inbound),
        };
        prop_assert_eq!(decided, wanted);
    }
}

fn opened_by(filter: &Filter, port: u16) -> Option<Segment> {
    at(&segments(filter, now()), palisade_firewall::model::Protocol::Tcp, port).cloned()
}

fn class_holds(class: &Class, probe: &Probe) -> bool {
    let (spoken, number) = spoken(probe);
    let protocol = match (class.protocol, class.unnamed) {
        (Protocol::All, false) => true,
        (Protocol::All, true) => spoken == Spoken::Other,
        (Protocol::Tcp, _) => spoken == Spoken::Tcp,
        (Protocol::Udp, _) => spoken == Spoken::Udp,
        (Protocol::Icmp, _) => spoken == Spoken::Icmp,
        (Protocol::Icmpv6, _) => spoken == Spoken::Icmpv6,
        (Protocol::Gre, _) => spoken == Spoken::Gre,
    };
    let in_list = |list: &[Ports]| list.is_empty() || list.iter().any(|ports| ports.contains(number));
    protocol && in_list(&class.ports) && in_list(&class.types) && holds(&class.peers, probe.peer)
}

pub fn everybody() -> Rule {
    Rule {
        id: "end".to_owned(),
        layer: Layer::Intra,
        priority: 100,
        direction: Direction::In,
        action: Action::Allow,
        protocol: Protocol::Tcp,
        ports: Vec::new(),
        types: Vec::new(),
        peers: Peers::Any,
        log: false,
        starts_at: None,
        ends_at: None,
    }
}

fn v4(n: u32) -> IpAddr {
    Ipv4Addr::from(n).into()
}

fn of(sets: &[&str]) -> Peers {
    Peers::Of { sets: sets.iter().map(|s| (*s).to_owned()).collect(), interfaces: Vec::new() }
}

fn deny_in() -> Option<Defaults> {
    Some(Defaults { inbound: Action::Deny, outbound: Action::Allow })
}

fn probe(text: &str) -> Probe {
    text.parse::<palisade_firewall::filter::packet::PacketText>().unwrap().probe
}

#[test]
fn port_ranges_that_all_overlap_are_asked_for_in_turn() {
    let rule = |n: u16| Rule {
        id: format!("g/{n}"),
        ports: vec![Ports { first: n, last: 60_000 - n }],
        action: if n.is_multiple_of(2) { Action::Allow } else { Action::Deny },
        peers: of(&["a", "b"]),
        ..everybody()
    };
    let sets = vec![set("a", [range("10.0.0.0/8")]), set("b", [range("2001:db8::/32")])];
    let filter = Filter { rules: (0..300).rev().map(rule).collect(), sets, defaults: deny_in() };
    let program = compile(&filter);
    let lines: usize = program.chains.iter().map(|chain| chain.lines.len()).sum();
    assert!(lines <= LINES_MAX, "{lines} lines");
    let machine = Machine::new(&program);
    let few = Filter { rules: filter.rules.iter().step_by(37).cloned().collect(), ..filter.clone() };
    border_probes(&few).iter().for_each(|probe| agrees(&filter, &machine, probe));
}

#[test]
fn many_rules_for_addresses_are_one_map_until_it_would_be_too_large() {
    let sets = |networks: u32| {
        let of =
            move |n: u32| (0..networks).map(move |m| Range::new(v4(n << 24 | m << 9), v4(n << 24 | m << 9)).unwrap());
        (1..=9).map(move |n| set(&format!("list/{n}"), of(n)))
    };
    let rule = |n: u16| Rule { id: format!("g/{n}"), peers: of(&[&format!("list/{n}")]), ..everybody() };
    let filter =
        |networks| Filter { rules: (1..=9).map(rule).collect(), sets: sets(networks).collect(), defaults: deny_in() };
    let (small, large) = (compile(&filter(100)), compile(&filter(10_000)));
    assert_eq!(small.address_maps.iter().map(|map| map.entries.len()).collect::<Vec<_>>(), [900, 0]);
    assert!(small.sets.is_empty(), "the map holds them all");
    assert!(large.address_maps.is_empty(), "more than the budget");
    assert_eq!(large.sets.len(), 18);
    for (filter, program) in [(filter(100), small), (filter(10_000), large)] {
        let machine = Machine::new(&program);
        for text in ["tcp 1.0.0.0 -> h:1", "tcp 9.0.2.0 -> h:1", "tcp 9.0.2.1 -> h:1", "udp 1.0.0.0 -> h:1"] {
            agrees(&filter, &machine, &probe(text));
        }
    }
}

#[test]
fn what_stands_before_the_rules_decides_first() {
    let deny = Rule { action: Action::Deny, protocol: Protocol::All, ..everybody() };
    let filter = Filter { rules: vec![deny], sets: Vec::new(), defaults: deny_in() };
    let (failsafe, allow, banned) = ([range("192.0.2.1")], [range("192.0.2.8/31")], [range("192.0.2.0/24")]);
    let host = Host { failsafe: &failsafe, allow: &allow, banned: &banned, filter: &filter };
    let by = |text: &str| judge(&host, &probe(text), now());
    let said = |text: &str| by(text).sentence();
    assert_eq!(said("tcp 192.0.2.1 -> h:22"), "allowed by the failsafe: this address is never cut");
    assert_eq!(said("tcp 192.0.2.2 -> h:22"), "denied by a ban of the address");
    assert_eq!(said("tcp h -> 192.0.2.2:22"), "denied by a ban of the address");
    assert_eq!(said("tcp 192.0.2.9 -> h:22"), "denied by rule end (intra, priority 100)");
    assert_eq!(said("tcp 192.0.2.2 -> h:22 by lo"), "allowed by loopback: the host speaks with itself");
    for text in ["icmp 198.51.100.1 -> h type 3", "icmp fe80::1 -> h type 135", "udp 198.51.100.1:67 -> h:68"] {
        assert_eq!(by(text), Decision { action: Action::Allow, decider: Decider::Essential }, "{text}");
    }
    for text in ["icmp 198.51.100.1 -> h type 8", "icmp 198.51.100.1 -> h type 135", "udp 198.51.100.1:1 -> h:68"] {
        assert_eq!(by(text).action, Action::Deny, "{text}");
    }
    let nothing = Filter { defaults: None, ..filter.clone() };
    let unfiltered = Host { filter: &nothing, ..host };
    assert_eq!(judge(&unfiltered, &probe("tcp 198.51.100.1 -> h:22"), now()).decider, Decider::Unfiltered);
    assert_eq!(judge(&unfiltered, &probe("tcp 192.0.2.2 -> h:22"), now()).decider, Decider::Ban);
}

#[test]
fn an_explanation_names_the_rules_that_come_too_late() {
    let rules = vec![
        Rule { id: "a".to_owned(), ports: vec![Ports::one(22)], action: Action::Deny, ..everybody() },
        Rule { id: "b".to_owned(), ports: vec![Ports::one(23)], ..everybody() },
        Rule { id: "c".to_owned(), ..everybody() },
        Rule { id: "d".to_owned(), ends_at: Some(now()), ..everybody() },
    ];
    let filter = Filter { rules, sets: Vec::new(), defaults: deny_in() };
    let late = |text: &str| {
        let probe = probe(text);
        let said = explain(&host(&filter), &probe, now());
        (said.decision.sentence(), said.not_asked.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>())
    };
    let (said, not_asked) = late("tcp 192.0.2.1 -> h:22");
    assert_eq!(
        (said.as_str(), not_asked.as_slice()),
        ("denied by rule a (intra, priority 100)", &["c".to_owned()][..])
    );
    assert_eq!(late("udp 192.0.2.1 -> h:22"), ("denied by the default: no rule matches".to_owned(), Vec::new()));
}

/// A filter with one rule of these peers for port 22, and these sets.
fn with(peers: Peers, ports: &[&str]) -> Filter {
    let sets = vec![
        set("list/office", ["198.51.100.0/24", "203.0.113.0/24", "2001:db8:1::/48"].map(range)),
        set("group/web", [range("10.0.0.5")]),
        set("policy/private", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"].map(range)),
        set("rule/web/a", ["192.0.2.1", "192.0.2.5", "192.0.2.7-192.0.2.9", "192.0.2.77"].map(range)),
        set("list/wide", [range("8.0.0.0/8")]),
    ];
    let ports = ports.iter().map(|text| text.parse().unwrap()).collect();
    Filter { rules: vec![Rule { id: "web/a".to_owned(), ports, peers, ..everybody() }], sets, defaults: deny_in() }
}

fn opened(filter: &Filter) -> Vec<String> {
    let closed = Filter { rules: Vec::new(), ..filter.clone() };
    let found = difference(&closed, filter);
    assert_eq!(found.closed, []);
    let back = difference(filter, &closed);
    assert_eq!(back.closed.iter().map(ToString::to_string).collect::<Vec<_>>(), said(&found.opened), "the way back");
    said(&found.opened)
}

fn said(classes: &[Class]) -> Vec<String> {
    classes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_difference_is_said_in_words() {
    let office = || of(&["list/office"]);
    assert_eq!(opened(&with(Peers::Any, &["22"])), ["tcp/22 from 0.0.0.0/0 and ::/0"]);
    assert_eq!(opened(&with(office(), &["8000-8080", "9000"])), ["tcp/8000-8080,9000 from list:office (3 networks)"]);
    assert_eq!(opened(&with(of(&["group/web"]), &[])), ["all of tcp from group:web (1 network)"]);
    assert_eq!(
        opened(&with(of(&["rule/web/a"]), &["22"])),
        ["tcp/22 from 192.0.2.1, 192.0.2.5, 192.0.2.7-192.0.2.9 and 1 more"]
    );
    assert_eq!(
        opened(&with(Peers::Except { sets: vec!["policy/private".to_owned()] }, &["3306"])),
        ["tcp/3306 from everywhere except policy:private (4 networks)"]
    );
    let wg0 = Peers::Of { sets: Vec::new(), interfaces: vec!["wg0".to_owned()] };
    assert_eq!(opened(&with(wg0, &["22"])), ["tcp/22 from 0.0.0.0/0 and ::/0 by wg0"]);
    let mut all = with(office(), &[]);
    all.rules[0].protocol = Protocol::All;
    assert_eq!(opened(&all), ["everything from list:office (3 networks)"]);
    all.rules[0].direction = Direction::Out;
    all.defaults = Some(Defaults { inbound: Action::Deny, outbound: Action::Deny });
    assert_eq!(opened(&all), ["everything to list:office (3 networks)"]);
    let mut ping = with(office(), &[]);
    ping.rules[0].protocol = Protocol::Icmp;
    ping.rules[0].types = vec![8];
    assert_eq!(opened(&ping), ["icmp type 8 from list:office (3 networks)"]);
    let nothing = Filter { defaults: None, ..all.clone() };
    let inbound = said(&difference(&all, &nothing).opened);
    assert_eq!(inbound[0], "everything from 0.0.0.0/0 and ::/0");
    assert_eq!(inbound[1], "everything to everywhere except list:office (3 networks)");
}

#[test]
fn how_far_a_port_is_open_is_told_by_how_many_addresses_reach_it() {
    let wg0 = Peers::Of { sets: Vec::new(), interfaces: vec!["wg0".to_owned()] };
    for (peers, wanted) in [
        (Peers::Any, Open::World),
        (of(&["list/wide"]), Open::World),
        (of(&["policy/private"]), Open::Private),
        (of(&["policy/private", "list/office"]), Open::Named),
        (of(&["list/office"]), Open::Named),
        (of(&["group/web"]), Open::Private),
        (wg0, Open::Named),
        (of(&[]), Open::None),
        (Peers::Except { sets: vec!["policy/private".to_owned()] }, Open::World),
    ] {
        let filter = with(peers.clone(), &["22"]);
        let opened = opened_by(&filter, 22).expect("it is filtered");
        let rule = if wanted == Open::None { DEFAULT_IN } else { "web/a" };
        assert_eq!((opened.from, opened.rule.as_str()), (wanted, rule), "{peers:?}");
        assert_eq!(opened_by(&filter, 23).map(|s| s.from), Some(Open::None), "another port");
        assert_eq!(opened_by(&Filter { defaults: None, ..filter }, 22), None, "unfiltered");
    }
}

#[test]
fn a_rule_is_shadowed_by_the_earlier_ones_that_take_all_its_packets() {
    let rule =
        |id: &str, peers: Peers, ports: &[&str]| Rule { id: id.to_owned(), ..with(peers, ports).rules.remove(0) };
    let mut filter = with(Peers::Any, &[]);
    filter.rules = vec![
        rule("a", of(&["policy/private"]), &["20-30"]),
        rule("b", of(&["group/web"]), &["22"]),    // within a
        rule("c", of(&["group/web"]), &["22-31"]), // 31 is its own
        rule("d", of(&["list/gone"]), &["22"]),    // matches nobody: not shadowed, unresolved
        rule("e", Peers::Any, &["40"]),
        rule("f", Peers::Of { sets: Vec::new(), interfaces: vec!["wg0".to_owned()] }, &["40"]),
    ];
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(shadowed(&filter), [pair("b", "a"), pair("f", "e")]);
}
