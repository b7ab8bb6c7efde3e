//! Expressions, elements and batches without a kernel. Against the kernel they are tested by the
//! firewall guard, in namespaces.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::netlink::{Buffer, attribute, messages};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

fn written(fill: impl FnOnce(&mut Buffer)) -> Vec<u8> {
    let mut out = Buffer::default();
    out.message(1, 0, 0, fill);
    messages(out.finished().unwrap()).next().unwrap().body.to_vec()
}

fn address(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(n))
}

#[test]
fn every_expression_reads_back_as_it_was_written() {
    let mut all = vec![
        Expr::InterfaceIn,
        Expr::InterfaceOut,
        Expr::InterfaceInName,
        Expr::InterfaceOutName,
        Expr::PacketFamily,
        Expr::Protocol,
        Expr::NetworkHeader { offset: 12, length: 4 },
        Expr::TransportHeader { offset: 0, length: 1 },
        Expr::DestinationKind,
        Expr::MarkConversation,
        Expr::Mask { mask: vec![0, 0, 255, 255], xor: vec![1, 0, 0, 0] },
        Expr::Equals(vec![10]),
        Expr::Differs(vec![10]),
        Expr::AtLeast(vec![0, 22]),
        Expr::AtMost(vec![0, 80]),
        Expr::In("ban4".to_owned()),
        Expr::NotIn("ban4".to_owned()),
        Expr::ByMap("g1/ports".to_owned()),
        Expr::Counter { packets: 7, bytes: 420 },
        Expr::Count("web/a1b2c3d4".to_owned()),
        Expr::Limit { per_second: 10, burst: 20 },
        Expr::Log { group: 5_841, prefix: "pal:g1:web/a:deny".to_owned(), snaplen: 128 },
    ];
    let conversations = [Ct::Direction, Ct::Status, Ct::Mark, Ct::Source4, Ct::Destination4, Ct::Source6];
    all.extend(conversations.map(Expr::Conversation));
    all.extend([Ct::Destination6, Ct::DestinationPort].map(Expr::Conversation));
    let chain = || "g1/in".to_owned();
    let verdicts = [Verdict::Accept, Verdict::Drop, Verdict::Jump(chain()), Verdict::Goto(chain()), Verdict::Return];
    all.extend(verdicts.map(Expr::Verdict));
    let bytes = written(|out| all.iter().for_each(|e| e.write(out)));
    assert_eq!(expr::read_list(&bytes), all);
}

#[test]
fn what_is_not_spoken_here_reads_as_other_and_never_as_ours() {
    let other = |name: &str, fill: &dyn Fn(&mut Buffer)| {
        let bytes = written(|out| {
            out.nest(wire::LIST_ELEM, |out| {
                out.text(wire::EXPR_NAME, name);
                out.nest(wire::EXPR_DATA, fill);
            });
        });
        expr::read_list(&bytes)
    };
    let says = |name: &str| vec![Expr::Other(name.to_owned())];
    let numbers = |list: &'static [(u16, u32)]| move |o: &mut Buffer| list.iter().for_each(|(k, n)| o.u32_be(*k, *n));
    // meta skuid; meta mark that is set, not loaded
    assert_eq!(other("meta", &numbers(&[(1, 1), (2, 10)])), says("meta"));
    assert_eq!(other("meta", &numbers(&[(2, 15), (3, 1)])), says("meta"));
    // a payload that is written; a reply's address; a mark that is set from another register
    assert_eq!(other("payload", &numbers(&[(1, 1), (2, 1), (3, 0), (4, 4), (5, 1)])), says("payload"));
    let reply = |o: &mut Buffer| {
        numbers(&[(1, 1), (2, 19)])(o);
        o.bytes(3, &[1]);
    };
    assert_eq!(other("ct", &reply), says("ct"));
    assert_eq!(other("ct", &numbers(&[(2, 3), (4, 2)])), says("ct"));
    // a lookup that is not "in" nor "not in"; a map with another register; a shift; fib saddr
    let lookup = |list: &'static [(u16, u32)]| {
        move |o: &mut Buffer| {
            o.text(1, "ban4");
            numbers(list)(o);
        }
    };
    assert_eq!(other("lookup", &lookup(&[(2, 1), (5, 2)])), says("lookup"));
    assert_eq!(other("lookup", &lookup(&[(2, 1), (3, 1)])), says("lookup"));
    assert_eq!(other("bitwise", &numbers(&[(1, 1), (2, 1), (3, 4), (6, 1)])), says("bitwise"));
    assert_eq!(other("fib", &numbers(&[(1, 1), (2, 3), (3, 1)])), says("fib"));
    // a verdict that is none of ours; a comparison that is "less"
    let queue = |o: &mut Buffer| {
        o.u32_be(1, 0);
        o.nest(2, |o| o.nest(wire::DATA_VERDICT, |o| o.u32_be(wire::VERDICT_CODE, 3)));
    };
    assert_eq!(other("immediate", &queue), says("immediate"));
    let less = |o: &mut Buffer| {
        numbers(&[(1, 1), (2, 2)])(o);
        o.nest(3, |o| o.bytes(1, &[2]));
    };
    assert_eq!(other("cmp", &less), says("cmp"));
    let level = |o: &mut Buffer| {
        o.bytes(1, &[0, 5]);
        o.u32_be(5, 4);
    };
    assert_eq!(other("log", &level), says("log"));
    assert_eq!(other("queue", &|_| {}), says("queue"));
}

#[test]
fn a_rule_does_the_same_whatever_it_has_counted() {
    let table = TableName { family: Family::Inet, name: "palisade".to_owned() };
    let exprs = vec![Expr::Counter { packets: 9, bytes: 90 }, Expr::Verdict(Verdict::Drop)];
    let rule = Rule { table, chain: "bans".to_owned(), handle: 4, exprs };
    assert_eq!(rule.counted(), Some((9, 90)));
    assert!(rule.does(&[Expr::Counter { packets: 0, bytes: 0 }, Expr::Verdict(Verdict::Drop)]));
    assert!(!rule.does(&[Expr::Counter { packets: 0, bytes: 0 }, Expr::Verdict(Verdict::Accept)]));
    assert!(!rule.does(&[Expr::Verdict(Verdict::Drop)]));
}

#[test]
fn a_range_that_reaches_the_last_address_has_no_end_element() {
    let whole = [Interval { first: address(0), last: address(u32::MAX), timeout_ms: None }];
    assert_eq!(elements_of(&whole), [Element::address(address(0), None)]);
    assert_eq!(intervals_of(elements_of(&whole)), whole);
    assert!(elements_of(&[]).is_empty() && intervals_of(Vec::new()).is_empty());
}

#[test]
fn the_end_of_a_range_that_has_timed_out_is_passed_over() {
    let end = |n| Element { end: true, ..Element::address(address(n), None) };
    let elements = vec![end(0), end(20), Element::address(address(30), None), end(40)];
    assert_eq!(intervals_of(elements), [Interval { first: address(30), last: address(39), timeout_ms: None }]);
}

#[test]
fn names_of_families_and_hooks_are_those_of_nft() {
    let chain = |family, hook| {
        let base = Base { kind: "filter".to_owned(), hook, priority: 0, accepts: true };
        let table = TableName { family, name: "t".to_owned() };
        Chain { table, name: "c".to_owned(), base: Some(base) }.hook().unwrap()
    };
    assert_eq!(chain(Family::Inet, 1), "input");
    assert_eq!(chain(Family::Arp, 1), "output");
    assert_eq!(chain(Family::Netdev, 0), "ingress");
    assert_eq!(chain(Family::Inet, 77), "77");
    for number in 0..=255 {
        assert_eq!(Family::from_number(number).number(), number);
    }
    assert_eq!(Family::Ip6.to_string(), "ip6");
}

/// Ranges that do not overlap, sorted; some are neighbours.
fn any_intervals() -> impl Strategy<Value = Vec<Interval>> {
    let steps = prop::collection::vec((0u32..5, 0u32..5, prop::option::of(1u64..1_000)), 0..30);
    (any::<bool>(), steps).prop_map(|(at_zero, steps)| {
        let mut next = if at_zero { 0 } else { u32::MAX - 10_000 };
        let mut intervals = Vec::new();
        for (gap, length, timeout_ms) in steps {
            let (first, last) = (next + gap, next + gap + length);
            intervals.push(Interval { first: address(first), last: address(last), timeout_ms });
            next = last + 1;
        }
        intervals
    })
}

proptest! {
    #[test]
    fn ranges_read_back_as_they_were_written(intervals in any_intervals()) {
        let bytes = written(|out| elements_of(&intervals).iter().for_each(|e| e.write(out)));
        let read = set::read_list(&bytes).map(|e| Element { expires_ms: e.timeout_ms, ..e });
        prop_assert_eq!(intervals_of(read.collect()), intervals);
    }

    #[test]
    fn any_elements_give_sorted_ranges_and_no_panic(list in prop::collection::vec((any::<u32>(), any::<bool>()), 0..40)) {
        let elements = list.into_iter().map(|(n, end)| Element { end, ..Element::address(address(n), None) });
        let intervals = intervals_of(elements.collect());
        prop_assert!(intervals.windows(2).all(|pair| pair[0].last < pair[1].first));
    }

    #[test]
    fn reading_expressions_and_elements_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (expr::read_list(&bytes), set::read_list(&bytes).count(), attribute(&bytes, 1));
    }
}
