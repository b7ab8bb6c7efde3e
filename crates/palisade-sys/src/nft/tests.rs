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
    let all = [
        Expr::InterfaceIn,
        Expr::PacketFamily,
        Expr::NetworkHeader { offset: 12, length: 4 },
        Expr::Equals(vec![10]),
        Expr::In("ban4".to_owned()),
        Expr::Counter { packets: 7, bytes: 420 },
        Expr::Verdict(Verdict::Accept),
        Expr::Verdict(Verdict::Drop),
    ];
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
    // meta l4proto; "not in the set"; jump; a comparison that is not "equal"
    assert_eq!(
        other("meta", &|o| {
            o.u32_be(1, 1);
            o.u32_be(2, 16);
        }),
        says("meta")
    );
    assert_eq!(
        other("lookup", &|o| {
            o.text(1, "ban4");
            o.u32_be(2, 1);
            o.u32_be(5, 1);
        }),
        says("lookup")
    );
    let jump = (-3i32).cast_unsigned();
    let verdict = |o: &mut Buffer| o.nest(wire::DATA_VERDICT, |o| o.u32_be(wire::VERDICT_CODE, jump));
    assert_eq!(
        other("immediate", &|o| {
            o.u32_be(1, 0);
            o.nest(2, verdict);
        }),
        says("immediate")
    );
    assert_eq!(
        other("cmp", &|o| {
            o.u32_be(1, 1);
            o.u32_be(2, 1);
            o.nest(3, |o| o.bytes(1, &[2]));
        }),
        says("cmp")
    );
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
