//! How far a port is open.

use super::Reach;
use crate::filter::Filter;
use crate::filter::segment::Spoken;
use crate::filter::sweep::Space;
use crate::group::model::{Action, Direction, Protocol};
use crate::ruleset::Range;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// From where the rules let packets in to a port. Ordered: the later, the further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenTo {
    /// From nowhere.
    None,
    /// From addresses that rules name: fewer than would count as private or world, or an interface.
    Named,
    /// From private networks at large: of their addresses as many as a /16 of IPv4, or a /48 of IPv6.
    Private,
    /// From anywhere: of the public addresses as many as a /8 of IPv4, or a /16 of IPv6, or more.
    World,
}

/// A /8.
const WORLD_V4_MIN: u128 = 1 << 24;
/// A /16.
const WORLD_V6_MIN: u128 = 1 << 112;
/// A /16.
const PRIVATE_V4_MIN: u128 = 1 << 16;
/// A /48, as one site gets it (RFC 4193).
const PRIVATE_V6_MIN: u128 = 1 << 80;

/// What [`crate::model::scope`] calls private.
const PRIVATE: [&str; 10] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "224.0.0.0/4",
    "255.255.255.255",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];
/// The host itself.
const HOST: [&str; 2] = ["127.0.0.0/8", "::1"];

/// How far a port is open, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedBy {
    /// How far.
    pub to: OpenTo,
    /// The rule that lets the most in, or, where nobody gets in, that keeps the most out; `None` if it
    /// is the default.
    pub rule: Option<String>,
}

/// How far `filter` opens this port for others. A host that nothing filters is open to the world.
/// Protocols without ports are open as far as the first of their messages.
pub fn open_to(filter: &Filter, protocol: Protocol, port: u16) -> OpenTo {
    opened_by(filter, protocol, port).to
}

/// As [`open_to`], with the rule.
pub fn opened_by(filter: &Filter, protocol: Protocol, port: u16) -> OpenedBy {
    let spoken = match protocol {
        Protocol::Tcp => Spoken::Tcp,
        Protocol::Udp => Spoken::Udp,
        Protocol::Icmp => Spoken::Icmp,
        Protocol::Icmpv6 => Spoken::Icmpv6,
        Protocol::Gre => Spoken::Gre,
        Protocol::All => Spoken::Other,
    };
    let mut reach = Reach::new(filter, Direction::In);
    let port = if spoken.numbers().contains(port) { port } else { 0 };
    let places = reach.segments(spoken).into_iter().find(|(ports, _)| ports.contains(port));
    let places = places.map(|(_, places)| places).unwrap_or_default();
    let to = extent(&reach.allowed(&places, spoken, None));
    if let (OpenTo::None, Some(rule)) = (to, by_interface(&mut reach, &places, spoken)) {
        return OpenedBy { to: OpenTo::Named, rule: Some(rule) };
    }
    let wanted = if to == OpenTo::None { Action::Deny } else { Action::Allow };
    OpenedBy { to, rule: widest(&mut reach, &places, spoken, wanted) }
}

/// The rule that decides about the most addresses with this action; `None` if that is the default.
fn widest(reach: &mut Reach<'_>, places: &[usize], spoken: Spoken, wanted: Action) -> Option<String> {
    let swept = reach.swept(places, spoken, None);
    let mut left = reach.universe(spoken);
    let mut shares: Vec<(Weight, Option<usize>)> = Vec::new();
    for (nth, place) in places.iter().enumerate() {
        let of = |family: usize| {
            let mine = swept.decided[family].iter().filter(|(_, _, rule)| *rule == nth);
            mine.map(|(first, last, _)| (*first, *last)).collect()
        };
        let share = Space::of_spans([of(0), of(1)]);
        left = left.without(&share);
        if reach.rules[*place].action == wanted && !share.is_empty() {
            shares.push((weight(&share), Some(*place)));
        }
    }
    if reach.default == wanted && !left.is_empty() {
        shares.push((weight(&left), None));
    }
    // of equals the earlier: the last maximum of the reversed list
    let place = shares.into_iter().rev().max_by_key(|(weight, _)| *weight)?.1?;
    Some(reach.rules[place].id.clone())
}

/// A rule that lets packets in by the name of an interface.
fn by_interface(reach: &mut Reach<'_>, places: &[usize], spoken: Spoken) -> Option<String> {
    let interfaces = reach.interfaces();
    let open = interfaces.into_iter().find(|i| !reach.allowed(places, spoken, Some(i)).is_empty())?;
    let swept = reach.swept(places, spoken, Some(open));
    let allows = |rule: &usize| reach.rules[places[*rule]].action == Action::Allow;
    let rule = swept.decided.iter().flatten().map(|(_, _, rule)| *rule).find(allows)?;
    Some(reach.rules[places[rule]].id.clone())
}

/// How far, and of those that reach as far, how many addresses of IPv4, then of IPv6.
type Weight = (OpenTo, u128, u128);

fn weight(space: &Space) -> Weight {
    (extent(space), count(space, 0), count(space, 1))
}

fn extent(allowed: &Space) -> OpenTo {
    let private_space = Space::of(&constant(&PRIVATE));
    let host = Space::of(&constant(&HOST));
    let outside = allowed.without(&host);
    let (public, private) = (outside.without(&private_space), outside.and(&private_space));
    if count(&public, 0) >= WORLD_V4_MIN || count(&public, 1) >= WORLD_V6_MIN {
        OpenTo::World
    } else if count(&private, 0) >= PRIVATE_V4_MIN || count(&private, 1) >= PRIVATE_V6_MIN {
        OpenTo::Private
    } else if outside.is_empty() {
        OpenTo::None
    } else {
        OpenTo::Named
    }
}

fn constant(networks: &[&str]) -> Vec<Range> {
    networks.iter().map(|text| text.parse().expect("a constant network")).collect()
}

fn count(space: &Space, family: usize) -> u128 {
    space.0[family].iter().fold(0, |sum: u128, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Listener, Scope, scope};
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn scope_here(address: IpAddr) -> Scope {
        let one = Space::of(&[Range::new(address, address).unwrap()]);
        if !one.and(&Space::of(&constant(&HOST))).is_empty() {
            Scope::Host
        } else if one.and(&Space::of(&constant(&PRIVATE))).is_empty() {
            Scope::World
        } else {
            Scope::Private
        }
    }

    proptest! {
        #[test]
        fn private_is_what_the_listeners_call_private(n: u32, high in prop::sample::select(vec![0xfc00_u16, 0xfd12, 0xfe80, 0xfebf, 0xfec0, 0xff02, 0x2001, 0]), low: u64) {
            let v6 = std::net::Ipv6Addr::from((u128::from(high) << 112) | u128::from(low));
            for address in [IpAddr::V4(n.into()), IpAddr::V4((0x0a00_0000 | n & 0xff_ffff).into()), IpAddr::V4((0x6440_0000 | n & 0x3f_ffff).into()), IpAddr::V6(v6)] {
                prop_assume!(address.to_canonical() == address);
                prop_assert_eq!(scope_here(address), scope(&Listener { address, ..Listener::default() }), "{}", address);
            }
        }
    }
}
