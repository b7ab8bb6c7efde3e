//! Sets of addresses of both families, and what such a set is: the world, private networks, named ones.

use super::Open;
use crate::ruleset::Range;
use std::net::IpAddr;

/// Public IPv4 addresses from which on a set counts as the world: those of a /8.
pub const WORLD_V4_MIN: u128 = 1 << 24;
/// Public IPv6 addresses from which on a set counts as the world: those of a /16.
pub const WORLD_V6_MIN: u128 = 1 << 112;

/// Addresses that no public router carries: RFC 1918, RFC 3927, RFC 6598, multicast, broadcast and
/// reserved; the same as [`crate::model::scope`] calls private, and loopback.
const PRIVATE_V4: [&str; 9] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// All of IPv6 but 2000::/3, from which the public addresses are given out (RFC 4291).
const PRIVATE_V6: [&str; 3] = ["::/3", "4000::/2", "8000::/1"];

type Spans = Vec<(u128, u128)>;

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    v4: Spans,
    v6: Spans,
}

impl Space {
    /// Every address.
    pub fn all() -> Space {
        Space { v4: vec![(0, u128::from(u32::MAX))], v6: vec![(0, u128::MAX)] }
    }

    /// Those of `ranges`, in any order.
    pub fn of<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> Space {
        let mut space = Space::default();
        for range in ranges {
            match (range.first(), range.last()) {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    space.v4.push((u128::from(u32::from(first)), u128::from(u32::from(last))));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => space.v6.push((u128::from(first), u128::from(last))),
                _ => {} // a range has one family
            }
        }
        Space { v4: merged(space.v4), v6: merged(space.v6) }
    }

    /// What is no public address, and what is said to be private beside.
    pub fn private(more: &Space) -> Space {
        let texts = PRIVATE_V4.iter().chain(&PRIVATE_V6);
        let ranges: Vec<Range> = texts.filter_map(|text| text.parse().ok()).collect();
        Space::of(&ranges).or(more)
    }

    /// True for the empty set.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// What is in both.
    pub fn and(&self, other: &Space) -> Space {
        Space { v4: common(&self.v4, &other.v4), v6: common(&self.v6, &other.v6) }
    }

    /// What is in one of them.
    pub fn or(&self, other: &Space) -> Space {
        let joined = |a: &Spans, b: &Spans| merged(a.iter().chain(b).copied().collect());
        Space { v4: joined(&self.v4, &other.v4), v6: joined(&self.v6, &other.v6) }
    }

    /// What is in `self` alone.
    pub fn minus(&self, other: &Space) -> Space {
        Space { v4: without(&self.v4, &other.v4), v6: without(&self.v6, &other.v6) }
    }

    /// What it is, with `private` as the private addresses.
    pub fn open(&self, private: &Space) -> Open {
        let public = self.minus(private);
        let size = |spans: &Spans| spans.iter().fold(0u128, |sum, (a, b)| sum.saturating_add(b - a).saturating_add(1));
        if size(&public.v4) >= WORLD_V4_MIN || size(&public.v6) >= WORLD_V6_MIN {
            Open::World
        } else if !public.is_empty() {
            Open::Named
        } else if !self.is_empty() {
            Open::Private
        } else {
            Open::None
        }
    }
}

/// Sorted, without overlap, neighbours joined.
fn merged(mut spans: Spans) -> Spans {
    spans.sort_unstable();
    let mut out: Spans = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match out.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

fn common(a: &[(u128, u128)], b: &[(u128, u128)]) -> Spans {
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (first, last) = (x.0.max(y.0), x.1.min(y.1));
        if first <= last {
            out.push((first, last));
        }
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    out
}

fn without(a: &[(u128, u128)], b: &[(u128, u128)]) -> Spans {
    let (mut j, mut out) = (0, Vec::new());
    for &(first, last) in a {
        while b.get(j).is_some_and(|y| y.1 < first) {
            j += 1;
        }
        let (mut from, mut k) = (Some(first), j);
        while let (Some(start), Some(y)) = (from, b.get(k).filter(|y| y.0 <= last)) {
            if y.0 > start {
                out.push((start, y.0 - 1));
            }
            from = y.1.checked_add(1).filter(|next| *next <= last);
            k += 1;
        }
        out.extend(from.map(|start| (start, last)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn space(list: &[&str]) -> Space {
        let ranges: Vec<Range> = list.iter().map(|t| t.parse().expect("a network")).collect();
        Space::of(&ranges)
    }

    fn open(list: &[&str]) -> Open {
        space(list).open(&Space::private(&Space::default()))
    }

    #[test]
    fn the_world_is_a_large_part_of_the_public_addresses_and_private_is_what_no_router_carries() {
        assert_eq!(Space::all().open(&Space::private(&Space::default())), Open::World);
        for world in ["0.0.0.0/0", "8.0.0.0/8", "::/0", "2000::/3", "2001::/16"] {
            assert_eq!(open(&[world]), Open::World, "{world}");
        }
        for named in ["203.0.113.9", "8.0.0.0/9", "2001:db8::/32"] {
            assert_eq!(open(&[named, "10.0.0.0/8"]), Open::Named, "{named}");
        }
        for private in ["10.1.2.3", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8", "fe80::1", "169.254.1.1"] {
            assert_eq!(open(&[private]), Open::Private, "{private}");
        }
        assert_eq!(open(&[]), Open::None);
        let offices = space(&["203.0.113.0/24"]);
        assert_eq!(space(&["203.0.113.9"]).open(&Space::private(&offices)), Open::Private, "said to be private");
    }

    #[test]
    fn two_halves_are_the_world_together_and_what_is_taken_out_is_gone() {
        assert_eq!(open(&["0.0.0.0/1", "128.0.0.0/1"]), Open::World);
        let rest = Space::all().minus(&space(&["0.0.0.0/0", "::/0"]));
        assert!(rest.is_empty());
    }

    fn any() -> impl Strategy<Value = Spans> {
        proptest::collection::vec((0u128..40, 0u128..9), 0..6)
            .prop_map(|list| merged(list.into_iter().map(|(first, length)| (first, first + length)).collect()))
    }

    proptest! {
        #[test]
        fn sets_do_what_their_members_do(a in any(), b in any()) {
            let holds = |spans: &Spans, n: u128| spans.iter().any(|(first, last)| (*first..=*last).contains(&n));
            let (both, alone) = (common(&a, &b), without(&a, &b));
            for n in 0..60 {
                prop_assert_eq!(holds(&both, n), holds(&a, n) && holds(&b, n));
                prop_assert_eq!(holds(&alone, n), holds(&a, n) && !holds(&b, n));
            }
        }
    }
}
