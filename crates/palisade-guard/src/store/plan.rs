//! Plans, and what the hosts reported about them.

use super::{from_json, json, ms};
use crate::GuardError;
use palisade_core::{Plan, PlanState, Report};
use sqlx::SqliteConnection;

/// A new plan id: `p-1`, `p-2`, ….
pub async fn plan_id(db: &mut SqliteConnection) -> Result<String, GuardError> {
    let (n,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(n), 0) + 1 FROM frame_plan").fetch_one(db).await?;
    Ok(format!("p-{n}"))
}

fn plan_number(id: &str) -> i64 {
    id.strip_prefix("p-").and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Stores a plan, new or changed.
pub async fn plan_put(db: &mut SqliteConnection, plan: &Plan) -> Result<(), GuardError> {
    let open = matches!(plan.state, PlanState::Applying | PlanState::Probation);
    sqlx::query(
        "INSERT INTO frame_plan (n, guard, open, deadline, body) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (n) DO UPDATE SET open = excluded.open, deadline = excluded.deadline, body = excluded.body",
    )
    .bind(plan_number(&plan.id))
    .bind(&plan.guard)
    .bind(i64::from(open))
    .bind(plan.deadline.map(ms))
    .bind(json(plan))
    .execute(db)
    .await?;
    Ok(())
}

/// One plan.
pub async fn plan(db: &mut SqliteConnection, id: &str) -> Result<Option<Plan>, GuardError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM frame_plan WHERE n = $1").bind(plan_number(id)).fetch_optional(db).await?;
    row.map(|(body,)| from_json("plan", &body)).transpose()
}

/// All plans, newest first; only those under way if `open`.
pub async fn plans(db: &mut SqliteConnection, open: bool) -> Result<Vec<Plan>, GuardError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT body FROM frame_plan WHERE open >= $1 ORDER BY n DESC LIMIT 10000")
            .bind(i64::from(open))
            .fetch_all(db)
            .await?;
    rows.into_iter().map(|(body,)| from_json("plan", &body)).collect()
}

/// Takes in what a host did about a spec: plans whose generation it has reached move on.
/// Returns the plans that changed.
pub async fn report_put(db: &mut SqliteConnection, report: &Report) -> Result<Vec<Plan>, GuardError> {
    let mut changed = Vec::new();
    for mut plan in plans(db, true).await? {
        let concerned =
            plan.guard == report.guard && plan.hosts.contains(&report.host) && plan.generation <= report.generation;
        if !concerned || plan.reports.iter().any(|r| r.host == report.host) {
            continue;
        }
        plan.reports.push(report.clone());
        if plan.state == PlanState::Applying && plan.hosts.iter().all(|h| plan.reports.iter().any(|r| r.host == *h)) {
            plan.state = settled(&plan);
            plan.reason = first_failure(&plan);
        }
        plan_put(db, &plan).await?;
        changed.push(plan);
    }
    Ok(changed)
}

fn settled(plan: &Plan) -> PlanState {
    if plan.reports.iter().any(|r| !r.verified) {
        PlanState::Failed
    } else if plan.deadline.is_some() {
        PlanState::Probation
    } else {
        PlanState::Applied
    }
}

fn first_failure(plan: &Plan) -> Option<String> {
    let failed = plan.reports.iter().find(|r| !r.verified)?;
    Some(format!("{}: {}", failed.host, failed.error.as_deref().unwrap_or("the host is not as it should be")))
}
