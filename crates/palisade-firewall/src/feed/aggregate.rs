//! Networks that are shut out because many of their addresses are. Pure and incremental.
//!
//! A /24 with at least [`V4_MEMBERS_MIN`] banned addresses is shut out, a /64 with at least
//! [`V6_MEMBERS_MIN`], and a /48 with at least [`V6_PARTS_MIN`] such /64s; not one that holds a released
//! address, or an address that must never be cut. It is shut out for as long as so many of them are:
//! of the ends of its members, sorted, the one from which on there are too few. So the kernel's own
//! timer lets the network in again, and the members that are left stay shut out by themselves.
//!
//! A change costs the logarithm of the size of its network, whatever else there is.

use super::State;
use crate::ruleset::{Range, Until};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Banned addresses that make a /24 banned.
pub const V4_MEMBERS_MIN: usize = 16;
/// Banned addresses that make a /64 banned.
pub const V6_MEMBERS_MIN: usize = 4;
/// Banned /64s that make a /48 banned.
pub const V6_PARTS_MIN: usize = 16;

/// What one network holds.
#[derive(Debug, Clone, Default)]
struct Group {
    members: BTreeSet<(Until, IpAddr)>,
    /// Released addresses.
    holes: usize,
}

impl Group {
    /// Until when it has `least` members; `None` if it has fewer, or a hole.
    fn until(&self, least: usize) -> Option<Until> {
        let nth = || self.members.iter().rev().nth(least - 1).map(|(until, _)| *until);
        if self.holes > 0 { None } else { nth() }
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.holes == 0
    }
}

/// The banned addresses by network.
#[derive(Debug, Clone, Default)]
pub struct Aggregate {
    groups: HashMap<Range, Group>,
    networks: BTreeMap<Range, Until>,
}

type Standing = Option<(Until, State)>;

impl Aggregate {
    /// An address stands otherwise now. Returns whether any network does too.
    pub fn change(&mut self, address: IpAddr, old: Standing, new: Standing) -> bool {
        let (network, wider) = networks_of(address);
        let least = if address.is_ipv4() { V4_MEMBERS_MIN } else { V6_MEMBERS_MIN };
        let (before, after) = self.edit(network, least, |group| group.replace(address, old, new));
        let Some(wider) = wider else { return before != after };
        let part = |until: Option<Until>| until.map(|until| (until, State::Banned));
        let (wide_before, wide_after) = self.edit(wider, V6_PARTS_MIN, |group| {
            group.replace(network.first(), part(before), part(after));
            // a hole of a part is a hole of the whole
            group.holes = group.holes - hole(old) + hole(new);
        });
        before != after || wide_before != wide_after
    }

    /// The networks that are shut out and share no address with `safe` (sorted, without overlaps).
    pub fn networks<'a>(&'a self, safe: &'a [Range]) -> impl Iterator<Item = (Range, Until)> + 'a {
        self.networks.iter().map(|(range, until)| (*range, *until)).filter(|(range, _)| !touches(safe, *range))
    }

    /// Changes one group; says how long its network was shut out before, and is now.
    fn edit(
        &mut self,
        network: Range,
        least: usize,
        change: impl FnOnce(&mut Group),
    ) -> (Option<Until>, Option<Until>) {
        let group = self.groups.entry(network).or_default();
        let before = group.until(least);
        change(group);
        let after = group.until(least);
        if group.is_empty() {
            self.groups.remove(&network);
        }
        match after {
            _ if before == after => {}
            Some(until) => drop(self.networks.insert(network, until)),
            None => drop(self.networks.remove(&network)),
        }
        (before, after)
    }
}

impl Group {
    fn replace(&mut self, member: IpAddr, old: Standing, new: Standing) {
        match old {
            Some((until, State::Banned)) => drop(self.members.remove(&(until, member))),
            other => self.holes -= hole(other),
        }
        match new {
            Some((until, State::Banned)) => drop(self.members.insert((until, member))),
            other => self.holes += hole(other),
        }
    }
}

fn hole(standing: Standing) -> usize {
    usize::from(matches!(standing, Some((_, State::Released))))
}

/// The network that an address counts for, and the wider one that this network counts for.
fn networks_of(address: IpAddr) -> (Range, Option<Range>) {
    let range = |first: IpAddr, last: IpAddr| Range::new(first, last).expect("the last is no lower than the first");
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::from(v4);
            (range(IpAddr::from((bits & !0xff).to_be_bytes()), IpAddr::from((bits | 0xff).to_be_bytes())), None)
        }
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            let of = |hosts: u32| {
                let mask = (1_u128 << hosts) - 1;
                range(IpAddr::from((bits & !mask).to_be_bytes()), IpAddr::from((bits | mask).to_be_bytes()))
            };
            (of(64), Some(of(80)))
        }
    }
}

/// True if `range` shares an address with one of `sorted`, which do not overlap each other.
pub fn touches(sorted: &[Range], range: Range) -> bool {
    let next = sorted.partition_point(|other| other.last() < range.first());
    sorted.get(next).is_some_and(|other| other.first() <= range.last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::ranges;
    use proptest::prelude::*;

    fn range(text: &str) -> Range {
        text.parse().expect("a range")
    }

    fn banned(aggregate: &mut Aggregate, address: &str, until: i64) {
        aggregate.change(address.parse().expect("an address"), None, Some((Until::At(until), State::Banned)));
    }

    fn shown(aggregate: &Aggregate, safe: &[Range]) -> Vec<(String, Until)> {
        aggregate.networks(safe).map(|(range, until)| (range.to_string(), until)).collect()
    }

    #[test]
    fn sixteen_addresses_of_a_network_shut_it_out_until_there_are_fewer() {
        let mut aggregate = Aggregate::default();
        (0..15).for_each(|n| banned(&mut aggregate, &format!("203.0.113.{n}"), 100 + n));
        assert!(shown(&aggregate, &[]).is_empty());
        banned(&mut aggregate, "203.0.113.200", 500);
        assert_eq!(shown(&aggregate, &[]), [("203.0.113.0/24".to_owned(), Until::At(100))]);
        banned(&mut aggregate, "203.0.113.201", 500);
        assert_eq!(shown(&aggregate, &[]), [("203.0.113.0/24".to_owned(), Until::At(101))], "one may end");
    }

    #[test]
    fn a_released_or_a_safe_address_keeps_its_network_open() {
        let mut aggregate = Aggregate::default();
        (0..20).for_each(|n| banned(&mut aggregate, &format!("203.0.113.{n}"), 100));
        assert!(shown(&aggregate, &[range("203.0.113.77")]).is_empty());
        assert_eq!(shown(&aggregate, &[range("203.0.112.0/24"), range("203.0.114.0/24")]).len(), 1);
        let (was, is) = (Some((Until::At(100), State::Banned)), Some((Until::At(100), State::Released)));
        let address = "203.0.113.3".parse().expect("an address");
        assert!(aggregate.change(address, was, is));
        assert!(shown(&aggregate, &[]).is_empty());
        assert!(aggregate.change(address, is, None), "and no longer than it is remembered");
        assert_eq!(shown(&aggregate, &[]).len(), 1);
    }

    #[test]
    fn networks_of_ipv6_make_a_wider_one() {
        let mut aggregate = Aggregate::default();
        for part in 0..16 {
            (1..=4).for_each(|n| banned(&mut aggregate, &format!("2001:db8:0:{part:x}::{n}"), 100));
        }
        let all = shown(&aggregate, &[]);
        assert_eq!(all.len(), 17);
        assert!(all.contains(&("2001:db8::/48".to_owned(), Until::At(100))));
        assert_eq!(shown(&aggregate, &[range("2001:db8:0:5::9")]).len(), 15, "neither the /48 nor that /64");
    }

    /// From nothing, in order.
    fn made<'a>(entries: impl IntoIterator<Item = (&'a IpAddr, &'a (Until, State))>) -> Aggregate {
        let mut aggregate = Aggregate::default();
        for (address, standing) in entries {
            aggregate.change(*address, None, Some(*standing));
        }
        aggregate
    }

    fn entries() -> impl Strategy<Value = Vec<(IpAddr, Option<(i64, bool)>)>> {
        let v4 = (0u8..2, 0u8..40).prop_map(|(net, host)| IpAddr::from([203, 0, net, host]));
        let v6 = (0u16..24, 1u16..7).prop_map(|(net, host)| IpAddr::from([0x2001, 0xdb8, 0, net, 0, 0, 0, host]));
        let standing = proptest::option::weighted(0.9, (0i64..50, proptest::bool::weighted(0.01)));
        proptest::collection::vec((prop_oneof![v4, v6], standing), 0..400)
    }

    proptest! {
        #[test]
        fn what_is_shut_out_has_enough_members_at_every_moment_and_nothing_safe(
            changes in entries(), safe in proptest::collection::vec(0u8..250, 0..2), now in 0i64..50,
        ) {
            let mut entries: BTreeMap<IpAddr, (Until, State)> = BTreeMap::new();
            let mut aggregate = Aggregate::default();
            for (address, standing) in changes {
                let state = |released| if released { State::Released } else { State::Banned };
                let new = standing.map(|(until, released)| (Until::At(until), state(released)));
                let old = match new {
                    Some(new) => entries.insert(address, new),
                    None => entries.remove(&address),
                };
                aggregate.change(address, old, new);
            }
            let safe: Vec<_> = safe.into_iter().map(|n| palisade_core::Cidr::from(IpAddr::from([203, 0, 0, n]))).collect();
            let safe = ranges(&safe);
            let networks: Vec<_> = aggregate.networks(&safe).collect();
            // the same whatever the way to it
            prop_assert_eq!(&networks, &made(&entries).networks(&safe).collect::<Vec<_>>());
            prop_assert_eq!(&networks, &made(entries.iter().rev()).networks(&safe).collect::<Vec<_>>());
            for network in [0, 1].map(|n| range(&format!("203.0.{n}.0/24"))) {
                let inside = || entries.iter().filter(|(a, _)| network.contains(Range::from(palisade_core::Cidr::from(**a))));
                let alive = inside().filter(|(_, (until, state))| *state == State::Banned && !until.ends_by(now, 0)).count();
                let open = touches(&safe, network) || inside().any(|(_, (_, state))| *state == State::Released);
                let shut = networks.iter().any(|(range, until)| *range == network && !until.ends_by(now, 0));
                prop_assert_eq!(shut, alive >= V4_MEMBERS_MIN && !open);
            }
            for (range, _) in &networks {
                prop_assert!(!touches(&safe, *range));
                let released = entries.iter().any(|(a, (_, state))| {
                    *state == State::Released && range.contains(Range::from(palisade_core::Cidr::from(*a)))
                });
                prop_assert!(!released);
            }
        }
    }
}
