//! A database of the version before there were rows per host of a plan, and counts of looks.

use crate::database::{Base, at, finding, host, plan, report};
use palisade_core::{CheckOutcome, CheckRun, Plan, PlanState, Severity};
use palisade_guard::store;

async fn stored(tx: &mut sqlx::SqliteConnection, n: i64, plan: &Plan) {
    let open = i64::from(plan.state == PlanState::Applying);
    sqlx::query("INSERT INTO frame_plan (n, guard, open, deadline, body) VALUES ($1, 'firewall', $2, NULL, $3)")
        .bind(n)
        .bind(open)
        .bind(serde_json::to_string(plan).unwrap())
        .execute(tx)
        .await
        .unwrap();
}

#[tokio::test]
async fn old_plans_and_findings_are_read_as_new_ones() {
    let base = Base::without_tables().await;
    base.db.migrate("frame", &store::MIGRATIONS[..3]).await.unwrap();
    let mut tx = base.begin().await;
    let failed = Plan {
        state: PlanState::Failed,
        reason: Some("web-1: no room".to_owned()),
        reports: vec![report("web-1", 1, Some("no room"))],
        ..plan("p-1".to_owned(), vec![host("web-1")])
    };
    stored(&mut tx, 1, &failed).await;
    let undone = Plan {
        state: PlanState::RolledBack,
        reports: vec![report("web-1", 1, None)],
        ..plan("p-2".to_owned(), vec![host("web-1")])
    };
    stored(&mut tx, 2, &undone).await;
    stored(&mut tx, 3, &plan("p-3".to_owned(), vec![host("web-1")])).await;
    let seen = finding("web-1", "firewall.a", Severity::High);
    let run = CheckRun { check: seen.check.clone(), practice: seen.practice.clone(), outcome: CheckOutcome::Failed };
    sqlx::query("INSERT INTO frame_finding (id, host, guard, state, body, first_seen, last_seen) VALUES ($1, 'web-1', 'firewall', 'open', $2, 0, 0)")
        .bind(&seen.id)
        .bind(serde_json::to_string(&seen).unwrap())
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("INSERT INTO frame_freshness (host, guard, observed_at, fresh_until, runs) VALUES ('web-1', 'firewall', 0, 0, $1)")
        .bind(serde_json::to_string(&[run]).unwrap())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    base.db.migrate("frame", store::MIGRATIONS).await.unwrap();
    let mut tx = base.begin().await;
    assert_eq!(store::plans_split(&mut tx).await.unwrap(), 3);
    assert_eq!(store::findings_backfill(&mut tx).await.unwrap(), 1);
    assert_eq!(store::tallies_backfill(&mut tx).await.unwrap(), 1);
    assert_eq!(store::plans_split(&mut tx).await.unwrap(), 0, "once");

    let ids = ["p-1", "p-2", "p-3"].map(str::to_owned);
    let hosts = store::plan_hosts(&mut tx, &ids, 9).await.unwrap();
    assert_eq!(hosts.iter().map(|h| h.state.as_str()).collect::<Vec<_>>(), ["failed", "rolled_back", "waiting"]);
    let row = store::plan(&mut tx, "p-1").await.unwrap().unwrap();
    assert_eq!((row.plan.state, row.plan.reason.as_deref()), (PlanState::Failed, Some("web-1: no room")));
    assert_eq!(row.plan.reports[0].error.as_deref(), Some("no room"));
    store::report_put(&mut tx, &report("web-1", 1, None)).await.unwrap();
    assert_eq!(store::plan(&mut tx, "p-3").await.unwrap().unwrap().plan.state, PlanState::Applied, "it goes on");
    let tally = store::freshness(&mut tx, &host("web-1")).await.unwrap().remove(0).tally;
    assert_eq!((tally.open(), tally.checks[0].severity), (1, Severity::High));
    let filter = store::FindingFilter {
        severity: Some(Severity::High),
        mended_since: at(0),
        host: Some(host("web-1")),
        ..Default::default()
    };
    let found = store::findings(&mut tx, &filter, (store::FindingOrder::Host, false), (9, 0)).await.unwrap();
    assert_eq!(found.1, 1);
}
