//! Every record that is acknowledged is counted, whatever the server and the network do.

use crate::fake::{Fake, Fault};
use palisade_core::Timestamp;
use palisade_sim::host::{Fleet, Host, Phase};
use palisade_sim::identity::Identity;
use palisade_sim::scenario::{Balance, balance};
use palisade_sim::source::{Load, Source};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const LOAD: Load = Load { hosts: 4, series: 120, events_per_s: 400.0, step_s: 60, is_chorus: false };
const LIMIT: Duration = Duration::from_secs(60);

/// Lets the hosts work until the server has had `reports` reports, then end.
async fn worked(fake: &Fake, fleet: Fleet, reports: u64) -> (Arc<Fleet>, Vec<Host>) {
    let fleet = Arc::new(Fleet { reconnect: |_, random| Duration::from_millis(20).mul_f64(random), ..fleet });
    let mut living = JoinSet::new();
    for index in 0..LOAD.hosts {
        let source = Source::new(LOAD, index, Timestamp::now());
        living.spawn(Host::new(fake.identity(index), Some(source), index == 0).live(Arc::clone(&fleet)));
    }
    let begun = Instant::now();
    while fake.rows.lock().unwrap().reports < reports {
        assert!(begun.elapsed() < LIMIT, "only {} reports", fake.rows.lock().unwrap().reports);
        tokio::task::yield_now().await;
    }
    fleet.phase.send_replace(Phase::Ending);
    let mut hosts = Vec::new();
    while let Some(host) = tokio::time::timeout(LIMIT, living.join_next()).await.unwrap() {
        hosts.push(host.unwrap());
    }
    (fleet, hosts)
}

async fn balanced(fault: Fault, cut_within: Option<Duration>) -> (Balance, Vec<String>) {
    let fake = Fake::start(fault).await;
    let (fleet, hosts) = worked(&fake, Fleet { cut_within, ..Fleet::new(fake.address) }, 90).await;
    assert_eq!(fake.rows.lock().unwrap().byes.len(), LOAD.hosts, "all say goodbye");
    (balance(&hosts, &fake.stored(LOAD.series), LOAD.series), fleet.tally.faults())
}

#[tokio::test]
async fn an_honest_server_balances() {
    let (balance, faults) = balanced(Fault::None, None).await;
    assert_eq!((balance.wrong, faults), (Vec::new(), Vec::new()));
    assert!(balance.made > 90 && balance.made == balance.acknowledged && balance.made == balance.stored);
}

#[tokio::test]
async fn lost_answers_and_refusals_cost_nothing_and_double_nothing() {
    for fault in [Fault::LosesAnswers, Fault::Busy] {
        let (balance, faults) = balanced(fault, None).await;
        assert_eq!((balance.wrong, faults), (Vec::new(), Vec::new()), "{fault:?}");
        assert_eq!(balance.made, balance.stored, "{fault:?}");
    }
}

#[tokio::test]
async fn connections_that_are_cut_at_any_moment_cost_nothing() {
    let (balance, faults) = balanced(Fault::None, Some(Duration::from_millis(60))).await;
    assert_eq!((balance.wrong, faults), (Vec::new(), Vec::new()));
    assert_eq!(balance.made, balance.stored);
}

#[tokio::test]
async fn a_server_that_forgets_or_doubles_does_not_balance() {
    let (forgot, _) = balanced(Fault::Forgets, None).await;
    assert!(!forgot.wrong.is_empty() && forgot.stored < forgot.acknowledged, "{forgot:?}");
    let (doubled, _) = balanced(Fault::Doubles, None).await;
    assert!(!doubled.wrong.is_empty() && doubled.stored > doubled.acknowledged, "{doubled:?}");
}

#[tokio::test]
async fn a_server_that_takes_an_acknowledgement_back_is_found_out() {
    let fake = Fake::start(Fault::GoesBack).await;
    let fleet = Arc::new(Fleet { reconnect: |_, _| Duration::from_millis(5), ..Fleet::new(fake.address) });
    let host = Host::new(fake.identity(0), Some(Source::new(LOAD, 0, Timestamp::now())), true);
    let living = tokio::spawn(host.live(Arc::clone(&fleet)));
    let begun = Instant::now();
    while fleet.tally.faults().is_empty() {
        assert!(begun.elapsed() < LIMIT, "nobody noticed");
        tokio::task::yield_now().await;
    }
    living.abort();
    let fault = &fleet.tally.faults()[0];
    assert!(fault.contains("sim-0: the server acknowledged the "), "{fault}");
}

#[tokio::test]
async fn another_root_than_the_pinned_one_is_nobody_to_talk_to() {
    let (fake, other) = (Fake::start(Fault::None).await, Fake::start(Fault::None).await);
    let mine: Identity = fake.identity(0);
    let dialled = palisade_sim::line::Line::dial(other.address, mine.tls).await;
    let error = format!("{:#}", dialled.err().expect("refused"));
    assert!(error.contains("UnknownIssuer"), "{error}");
}
