//! Plans over several hosts: what a report moves, and what it leaves alone.

use crate::database::{Base, at, host, host_put, plan_put, report};
use palisade_core::{PlanHostState, PlanState, VerdictWord};
use palisade_guard::link::EpochProof;
use palisade_guard::store::{self, HostAim};
use sqlx::SqliteConnection;

/// `state: host=state, …` of a plan.
async fn said(db: &mut SqliteConnection, id: &str) -> String {
    let row = store::plan(db, id).await.unwrap().unwrap();
    let hosts = store::plan_hosts(db, &[id.to_owned()], 100).await.unwrap();
    let states: Vec<_> = hosts.iter().map(|h| format!("{}={}", h.host, h.state.as_str())).collect();
    let progress = row.progress;
    let sum = progress.waiting + progress.applied + progress.failed + progress.rolled_back;
    assert_eq!(sum, progress.hosts, "{progress:?}");
    format!("{}: {}", row.plan.state.as_str(), states.join(", "))
}

#[tokio::test]
async fn every_host_counts_by_its_own_generation() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    plan_put(&mut tx, &["web-1"], None).await;
    plan_put(&mut tx, &["web-1"], None).await;
    // web-1 has generation 3 here, web-2 its first
    let plan = plan_put(&mut tx, &["web-1", "web-2"], None).await;
    store::report_put(&mut tx, &report("web-2", 1, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "applying: web-1=waiting, web-2=applied");
    store::report_put(&mut tx, &report("web-1", 2, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "applying: web-1=waiting, web-2=applied", "an older generation");
    assert_eq!(said(&mut tx, "p-2").await, "applied: web-1=applied", "it holds the one before");
    store::report_put(&mut tx, &report("web-1", 3, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "applied: web-1=applied, web-2=applied");
}

#[tokio::test]
async fn plans_and_orders_of_a_new_epoch_have_numbers_that_no_host_knows_from_before() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    assert_eq!(plan_put(&mut tx, &["web-1"], None).await.id, "p-1");
    let proof = EpochProof { epoch: 2, signature: String::new() };
    store::epoch_raise(&mut tx, &proof).await.unwrap();
    assert_eq!(plan_put(&mut tx, &["web-1"], None).await.id, "p-1000001");
    assert_eq!(plan_put(&mut tx, &["web-1"], None).await.id, "p-1000002");
    assert_eq!(store::order_id(&mut tx).await.unwrap(), "o-1000001");
}

#[tokio::test]
async fn a_host_that_fails_fails_alone_and_may_succeed_later() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    let plan = plan_put(&mut tx, &["web-1", "web-2"], None).await;
    store::report_put(&mut tx, &report("web-1", 1, None)).await.unwrap();
    let moved = store::report_put(&mut tx, &report("web-2", 1, Some("no room"))).await.unwrap();
    assert_eq!(moved.iter().map(|m| m.state).collect::<Vec<_>>(), [PlanState::Partial]);
    assert_eq!(said(&mut tx, &plan.id).await, "partial: web-1=applied, web-2=failed");
    let row = store::plan(&mut tx, &plan.id).await.unwrap().unwrap();
    assert_eq!(row.plan.reason.as_deref(), Some("web-2: no room"));
    assert_eq!(row.plan.reports.len(), 2);
    assert!(store::report_put(&mut tx, &report("web-2", 1, Some("no room"))).await.unwrap().is_empty(), "no news");
    store::report_put(&mut tx, &report("web-2", 1, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "applied: web-1=applied, web-2=applied");
    assert_eq!(store::plan(&mut tx, &plan.id).await.unwrap().unwrap().plan.reason, None);
}

#[tokio::test]
async fn silent_hosts_do_not_hold_a_plan_up_and_move_it_on_when_they_are_back() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    for (name, verdict) in
        [("web-1", VerdictWord::Online), ("web-2", VerdictWord::Online), ("web-3", VerdictWord::Unreachable)]
    {
        host_put(&mut tx, name, verdict).await;
    }
    let plan = plan_put(&mut tx, &["web-1", "web-2", "web-3"], None).await;
    assert!(store::plans_settle(&mut tx).await.unwrap().is_empty(), "nobody has reported");
    store::report_put(&mut tx, &report("web-1", 1, None)).await.unwrap();
    assert!(store::plans_settle(&mut tx).await.unwrap().is_empty(), "web-2 will report");
    store::report_put(&mut tx, &report("web-2", 1, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "applying: web-1=applied, web-2=applied, web-3=waiting");
    assert_eq!(store::plans_settle(&mut tx).await.unwrap().len(), 1);
    assert_eq!(said(&mut tx, &plan.id).await, "partial: web-1=applied, web-2=applied, web-3=waiting");
    assert!(store::plans_settle(&mut tx).await.unwrap().is_empty(), "once");
    let hosts = store::plan_hosts(&mut tx, std::slice::from_ref(&plan.id), 9).await.unwrap();
    assert_eq!(hosts.iter().map(|h| h.silent).collect::<Vec<_>>(), [None, None, Some(VerdictWord::Unreachable)]);
    store::report_put(&mut tx, &report("web-3", 1, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "applied: web-1=applied, web-2=applied, web-3=applied");
}

#[tokio::test]
async fn a_probation_begins_without_the_silent_and_what_was_decided_stays_decided() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    host_put(&mut tx, "web-1", VerdictWord::Online).await;
    host_put(&mut tx, "web-2", VerdictWord::Killed).await;
    let plan = plan_put(&mut tx, &["web-1", "web-2"], Some(at(60))).await;
    store::report_put(&mut tx, &report("web-1", 1, None)).await.unwrap();
    store::plans_settle(&mut tx).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "probation: web-1=applied, web-2=waiting");
    assert_eq!(store::plans_overdue(&mut tx, at(59)).await.unwrap(), Vec::<String>::new());
    assert_eq!(store::plans_overdue(&mut tx, at(60)).await.unwrap(), std::slice::from_ref(&plan.id));

    let generations = store::generations_raise(&mut tx, &plan.hosts, "firewall").await.unwrap();
    let aim = HostAim { wanted: PlanHostState::RolledBack, generations: &generations };
    store::plan_decide(&mut tx, &plan.id, PlanState::RolledBack, Some("nobody kept it"), &aim).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "rolled_back: web-1=waiting, web-2=waiting", "both still hold it");
    store::report_put(&mut tx, &report("web-1", 1, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "rolled_back: web-1=waiting, web-2=waiting", "an old report");
    store::report_put(&mut tx, &report("web-1", 2, None)).await.unwrap();
    assert_eq!(said(&mut tx, &plan.id).await, "rolled_back: web-1=rolled_back, web-2=waiting");
    assert!(store::plans_overdue(&mut tx, at(61)).await.unwrap().is_empty());
}

#[tokio::test]
async fn of_a_plan_over_many_hosts_only_the_failures_are_kept_in_full() {
    let base = Base::new().await;
    let mut tx = base.begin().await;
    let names: Vec<String> = (0..60).map(|n| format!("web-{n:02}")).collect();
    let plan = plan_put(&mut tx, &names.iter().map(String::as_str).collect::<Vec<_>>(), None).await;
    for name in &names {
        let error = (name == "web-07").then_some("no room");
        store::report_put(&mut tx, &report(name, 1, error)).await.unwrap();
    }
    let row = store::plan(&mut tx, &plan.id).await.unwrap().unwrap();
    assert_eq!((row.progress.applied, row.progress.failed, row.plan.state), (59, 1, PlanState::Partial));
    assert_eq!(row.plan.reports.iter().map(|r| r.host.clone()).collect::<Vec<_>>(), [host("web-07")]);
}
