//! Whatever is asked for, a failsafe address is never in a ban that is drafted, resolved or carried out.

use palisade_core::{Cidr, HostId, Timestamp};
use palisade_firewall::draft::{self, Reach, Scene};
use palisade_firewall::plan::wanted;
use palisade_firewall::resolve;
use palisade_firewall::spec::{Allow, Ban, Spec};
use palisade_firewall::store::BanRow;
use palisade_firewall::views::BanParams;
use proptest::prelude::*;
use std::net::IpAddr;

/// A network of a small part of the address space, so that overlaps are frequent.
fn cidr() -> impl Strategy<Value = Cidr> {
    (any::<bool>(), 0u8..8, 0u8..=10).prop_map(|(v6, bits, cut)| {
        let text = if v6 {
            format!("2001:db8::{:x}/{}", (u32::from(bits) >> cut.min(8)) << cut.min(8), 128 - cut)
        } else {
            let low = if cut >= 8 { 0 } else { (bits >> cut) << cut };
            format!("203.0.112.{low}/{}", 32 - cut)
        };
        text.parse().unwrap()
    })
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn params(address: Cidr) -> BanParams {
    BanParams { address, length: None, reason: None, probation: None, hosts: None, dry_run: false }
}

fn ban(cidr: Cidr) -> Ban {
    Ban {
        cidr,
        reason: String::new(),
        by: String::new(),
        since: now(),
        ends_at: None,
        probation_until: None,
        plan: None,
    }
}

proptest! {
    #[test]
    fn a_ban_of_a_failsafe_address_or_of_the_callers_own_is_never_drafted(
        asked in cidr(),
        failsafe in proptest::collection::vec(cidr(), 0..3),
        caller in cidr(),
        allowed in proptest::collection::vec(cidr(), 0..3),
    ) {
        let caller: IpAddr = caller.network();
        let allow: Vec<Allow> = allowed
            .iter()
            .map(|&cidr| Allow { cidr, reason: String::new(), by: String::new(), since: now(), ends_at: None })
            .collect();
        let scene = Scene {
            now: now(), by: "ada", caller: Some(caller), failsafe: &failsafe, reach: Reach::ThisHost,
            bans: &[], allow: &allow, observed_at: None,
        };
        if let Ok((plan, ban)) = draft::ban(&params(asked), &scene) {
            prop_assert!(failsafe.iter().all(|safe| !safe.overlaps(ban.cidr)));
            prop_assert!(!ban.cidr.contains(caller));
            prop_assert!(!ban.cidr.is_address() || allowed.iter().all(|a| !a.overlaps(ban.cidr)));
            prop_assert!(!plan.effects.is_empty() && plan.deadline == ban.probation_until);
        }
    }

    /// Even if the database was written by somebody else: the host has the last word.
    #[test]
    fn a_failsafe_address_is_never_in_what_a_host_carries_out(
        bans in proptest::collection::vec((cidr(), any::<bool>()), 0..8),
        failsafe in proptest::collection::vec(cidr(), 1..3),
    ) {
        let host: HostId = "web-1".parse().unwrap();
        let rows: Vec<BanRow> = bans
            .iter()
            .map(|(cidr, fleet)| BanRow { host: (!fleet).then(|| host.clone()), ban: ban(*cidr) })
            .collect();
        let spec = resolve::spec(&host, &rows, &[], now());
        let content = wanted(&spec, &Spec::default(), &failsafe, now());
        for (address, _) in &content.bans {
            prop_assert!(failsafe.iter().all(|safe| !safe.contains(*address)));
        }
        for (range, _) in &content.networks {
            for safe in &failsafe {
                let apart = range.last() < safe.network() || safe.last() < range.first();
                prop_assert!(apart, "{range:?} {safe}");
            }
        }
    }
}
