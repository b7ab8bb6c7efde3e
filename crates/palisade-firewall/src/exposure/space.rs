//! What a set of addresses is: the world, private networks, named ones.

use super::Open;
use crate::filter::sweep::Space;
use crate::ruleset::Range;

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

/// What is no public address, and what is said to be private beside.
pub fn private(more: &Space) -> Space {
    let texts = PRIVATE_V4.iter().chain(&PRIVATE_V6);
    let ranges: Vec<Range> = texts.filter_map(|text| text.parse().ok()).collect();
    Space::of(&ranges).or(more)
}

/// What a set is, with `private` as the private addresses.
pub fn open(space: &Space, private: &Space) -> Open {
    let public = space.without(private);
    let size =
        |family: usize| public.0[family].iter().fold(0u128, |sum, (a, b)| sum.saturating_add(b - a).saturating_add(1));
    if size(0) >= WORLD_V4_MIN || size(1) >= WORLD_V6_MIN {
        Open::World
    } else if !public.is_empty() {
        Open::Named
    } else if !space.is_empty() {
        Open::Private
    } else {
        Open::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(list: &[&str]) -> Space {
        let ranges: Vec<Range> = list.iter().map(|t| t.parse().expect("a network")).collect();
        Space::of(&ranges)
    }

    fn said(list: &[&str]) -> Open {
        open(&space(list), &private(&Space::default()))
    }

    #[test]
    fn the_world_is_a_large_part_of_the_public_addresses_and_private_is_what_no_router_carries() {
        assert_eq!(open(&Space::all(), &private(&Space::default())), Open::World);
        for world in ["0.0.0.0/0", "8.0.0.0/8", "::/0", "2000::/3", "2001::/16"] {
            assert_eq!(said(&[world]), Open::World, "{world}");
        }
        for named in ["203.0.113.9", "8.0.0.0/9", "2001:db8::/32"] {
            assert_eq!(said(&[named, "10.0.0.0/8"]), Open::Named, "{named}");
        }
        for inner in ["10.1.2.3", "192.168.0.0/16", "100.64.0.0/10", "fd00::/8", "fe80::1", "169.254.1.1"] {
            assert_eq!(said(&[inner]), Open::Private, "{inner}");
        }
        assert_eq!(said(&[]), Open::None);
        let offices = space(&["203.0.113.0/24"]);
        assert_eq!(open(&space(&["203.0.113.9"]), &private(&offices)), Open::Private, "said to be private");
    }

    #[test]
    fn two_halves_are_the_world_together_and_what_is_taken_out_is_gone() {
        assert_eq!(said(&["0.0.0.0/1", "128.0.0.0/1"]), Open::World);
        let rest = Space::all().without(&space(&["0.0.0.0/0", "::/0"]));
        assert!(rest.is_empty());
    }
}
