//! What a prober beside a host sees is what the meaning of its rules predicts: generated documents,
//! resolved, compiled, in the kernel, and asked with raw packets in both directions.

mod generate;
mod wire;

use crate::sandbox::{converge, firewall};
use jiff::Timestamp;
use palisade_firewall::filter::judge::{Host, Payload, Probe, judge};
use palisade_firewall::group::model::{Action, Direction};
use palisade_firewall::group::resolve::resolve;
use palisade_firewall::spec::Spec;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;
use wire::{Shot, Wire};

/// Generated sets of documents.
const SETS: u64 = 500;
/// Of these, how many nmap looks at too.
const SETS_NMAP: u64 = 20;

/// How long no datagram comes before the rest counts as unanswered, and when it is tried again.
const QUICK: Duration = Duration::from_millis(15);
const SLOW: Duration = Duration::from_millis(300);
const TRIES: usize = 3;

#[test]
fn what_a_prober_sees_is_what_was_predicted_on_500_generated_sets_of_groups() {
    let Some(mut wire) = Wire::new() else { return };
    let keeper = firewall(&[wire::SENTINEL_V4, wire::SENTINEL_V6]);
    let (mut shots_all, mut allowed_all) = (0, 0);
    for seed in 1..=SETS {
        let fleet = generate::fleet(seed);
        let now = Timestamp::now();
        let filter = resolve(&fleet, &generate::host(), now).expect("the host is in the fleet");
        let spec = Spec { filter: filter.clone(), ..Spec::default() };
        converge(&keeper, &spec);
        let host = Host { failsafe: &[], allow: &[], banned: &[], filter: &filter };
        let shots = generate::shots(seed, &fleet);
        let allowed = |shot: &&Shot| judge(&host, &probe(shot), now).action == Action::Allow;
        let mut answered = wire.fire(&shots, QUICK);
        for _ in 0..TRIES {
            // the thread that answers datagrams may have been late; what is denied stays unanswered
            let late: Vec<Shot> = shots.iter().filter(allowed).filter(|s| !answered.contains(s)).copied().collect();
            answered.extend(if late.is_empty() { HashSet::new() } else { wire.fire(&late, SLOW) });
        }
        for shot in &shots {
            let decision = judge(&host, &probe(shot), now);
            let seen = answered.contains(shot);
            assert_eq!(
                seen,
                decision.action == Action::Allow,
                "set {seed}: {shot:?} was {}, predicted {decision:?}\n{}",
                if seen { "answered" } else { "not answered" },
                serde_json::to_string_pretty(&filter).unwrap_or_default(),
            );
            allowed_all += usize::from(seen);
        }
        shots_all += shots.len();
        if seed <= SETS_NMAP {
            nmap_agrees(&wire, &host, seed);
        }
    }
    println!("{SETS} sets, {shots_all} packets, {allowed_all} let through");
    assert!(allowed_all * 20 > shots_all && allowed_all * 20 < shots_all * 19, "one verdict alone would prove nothing");
    drop(keeper);
}

/// The prober itself: without a rule everything is answered, so what is not was denied.
#[test]
fn without_a_rule_every_packet_is_answered() {
    let Some(mut wire) = Wire::new() else { return };
    let fleet = generate::fleet(1);
    for seed in 1..=5 {
        let shots = generate::shots(seed, &fleet);
        let answered = wire.fire(&shots, SLOW);
        let missing: Vec<_> = shots.iter().filter(|shot| !answered.contains(shot)).collect();
        assert!(missing.is_empty(), "round {seed}: {} of {} not answered: {missing:?}", missing.len(), shots.len());
    }
    assert_eq!(wire.nmap(generate::PORTS).len(), generate::PORTS.len());
}

fn probe(shot: &Shot) -> Probe {
    Probe {
        direction: shot.direction,
        payload: shot.payload,
        peer: shot.peer,
        interface: Some(wire::INTERFACE.to_owned()),
    }
}

/// nmap's SYN scan tells `filtered` from `closed` and `open`.
fn nmap_agrees(wire: &Wire, host: &Host<'_>, seed: u64) {
    let seen: BTreeSet<u16> = wire.nmap(generate::PORTS).into_iter().collect();
    let peer = wire::NMAP_FROM.parse().expect("an address");
    for port in generate::PORTS {
        let probe = Probe {
            direction: Direction::In,
            payload: Payload::Tcp(*port),
            peer,
            interface: Some(wire::INTERFACE.to_owned()),
        };
        let decision = judge(host, &probe, Timestamp::now());
        assert_eq!(seen.contains(port), decision.action == Action::Allow, "set {seed}: nmap, tcp/{port}: {decision:?}");
    }
}
