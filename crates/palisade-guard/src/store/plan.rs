//! Plans: one row each, which is written when it is made and when it is decided, and one row per
//! host that it touches ([`super::plan_host`]), which a report of that host moves on.

use super::epoch::first_number;
use super::plan_host::{HostAim, aims_insert, host_moved, reports};
use super::{at, from_json, json, ms};
use crate::GuardError;
use palisade_core::{Generation, HostId, Plan, PlanHostState, PlanProgress, PlanState, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

/// Plans that are remembered; the oldest ones that are not under way go first.
pub const PLANS_MAX: i64 = 10_000;

/// A plan and how far its hosts are. Its reports are left out.
#[derive(Debug, Clone)]
pub struct PlanRow {
    /// The plan.
    pub plan: Plan,
    /// How far its hosts are.
    pub progress: PlanProgress,
}

/// A new plan id: `p-1`, `p-2`, …; from `p-1000001` on in the second epoch.
pub async fn plan_id(db: &mut SqliteConnection) -> Result<String, GuardError> {
    let first = first_number(&mut *db).await?;
    let (n,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(n), 0) + 1 FROM frame_plan").fetch_one(db).await?;
    Ok(format!("p-{}", n.max(first)))
}

pub(super) fn plan_number(id: &str) -> i64 {
    id.strip_prefix("p-").and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn is_open(state: PlanState) -> bool {
    matches!(state, PlanState::Applying | PlanState::Probation)
}

/// Stores a new plan with the generation that carries it on each of its hosts. One that was stored
/// without hosts, so that its id is its own, is replaced.
pub async fn plan_insert(
    db: &mut SqliteConnection,
    plan: &Plan,
    generations: &[(HostId, Generation)],
) -> Result<(), GuardError> {
    let body = Plan { reports: Vec::new(), ..plan.clone() };
    sqlx::query(
        "INSERT INTO frame_plan (n, guard, open, deadline, body, state, reason, hosts, waiting)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         ON CONFLICT (n) DO UPDATE SET guard = excluded.guard, open = excluded.open, deadline = excluded.deadline,
           body = excluded.body, state = excluded.state, reason = excluded.reason, hosts = excluded.hosts,
           waiting = excluded.waiting",
    )
    .bind(plan_number(&plan.id))
    .bind(&plan.guard)
    .bind(i64::from(is_open(plan.state)))
    .bind(plan.deadline.map(ms))
    .bind(json(&body))
    .bind(plan.state.as_str())
    .bind(&plan.reason)
    .bind(generations.len() as i64)
    .execute(&mut *db)
    .await?;
    aims_insert(db, plan_number(&plan.id), &plan.guard, generations).await
}

/// Decides a plan: its state, and what its hosts shall hold from these generations on. All of them
/// are waited for again: until a host has reported, it holds what was before.
pub async fn plan_decide(
    db: &mut SqliteConnection,
    id: &str,
    state: PlanState,
    reason: Option<&str>,
    aim: &HostAim<'_>,
) -> Result<(), GuardError> {
    aim.put(db, plan_number(id)).await?;
    sqlx::query(
        "UPDATE frame_plan SET state = $2, open = 0, deadline = NULL, reason = $3, waiting = hosts, applied = 0,
           failed = 0, rolled_back = 0 WHERE n = $1",
    )
    .bind(plan_number(id))
    .bind(state.as_str())
    .bind(reason)
    .execute(db)
    .await?;
    Ok(())
}

/// One plan with its reports.
pub async fn plan(db: &mut SqliteConnection, id: &str) -> Result<Option<PlanRow>, GuardError> {
    let found = sqlx::query("SELECT * FROM frame_plan WHERE n = $1").bind(plan_number(id)).fetch_optional(&mut *db);
    let Some(found) = found.await? else { return Ok(None) };
    let mut row = plan_row(&found)?;
    row.plan.reports = reports(db, plan_number(id)).await?;
    Ok(Some(row))
}

/// Plans, newest first, in one state or in any, and how many there are.
pub async fn plans(
    db: &mut SqliteConnection,
    state: Option<PlanState>,
    limit: usize,
    offset: usize,
) -> Result<(Vec<PlanRow>, u64), GuardError> {
    let word = state.map(PlanState::as_str);
    let (total,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM frame_plan WHERE ($1 IS NULL OR state = $1)")
        .bind(word)
        .fetch_one(&mut *db)
        .await?;
    let rows =
        sqlx::query("SELECT * FROM frame_plan WHERE ($1 IS NULL OR state = $1) ORDER BY n DESC LIMIT $2 OFFSET $3")
            .bind(word)
            .bind(limit as i64)
            .bind(offset as i64)
            .fetch_all(db)
            .await?;
    Ok((rows.iter().map(plan_row).collect::<Result<_, _>>()?, total as u64))
}

/// How many plans are in this state.
pub async fn plan_count(db: &mut SqliteConnection, state: PlanState) -> Result<u64, GuardError> {
    let (n,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM frame_plan WHERE state = $1").bind(state.as_str()).fetch_one(db).await?;
    Ok(n as u64)
}

/// The ids of plans under way whose deadline has passed.
pub async fn plans_overdue(db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<String>, GuardError> {
    let rows: Vec<(i64,)> = sqlx::query_as("SELECT n FROM frame_plan WHERE open = 1 AND deadline <= $1 ORDER BY n")
        .bind(ms(now))
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().map(|(n,)| format!("p-{n}")).collect())
}

/// Forgets the oldest plans beyond [`PLANS_MAX`] that are not under way, with the rows of their hosts.
pub async fn plans_expire(db: &mut SqliteConnection) -> Result<(), GuardError> {
    const OLD: &str = "SELECT n FROM frame_plan WHERE open = 0 AND n <= (SELECT MAX(n) FROM frame_plan) - ";
    for (table, column) in [("frame_plan_host", "plan"), ("frame_plan", "n")] {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM ");
        query.push(table).push(" WHERE ").push(column).push(" IN (").push(OLD).push_bind(PLANS_MAX).push(")");
        query.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// What is known of a plan beside what it does.
pub(super) struct Standing {
    pub(super) state: PlanState,
    pub(super) on_probation: bool,
    pub(super) progress: PlanProgress,
}

/// Where a plan stands.
pub(super) async fn standing(db: &mut SqliteConnection, n: i64) -> Result<Standing, GuardError> {
    let row = sqlx::query(
        "SELECT state, deadline, hosts, waiting, applied, failed, rolled_back FROM frame_plan WHERE n = $1",
    );
    let row = row.bind(n).fetch_one(db).await?;
    let on_probation = row.try_get::<Option<i64>, _>("deadline")?.is_some();
    Ok(Standing { state: state(&row)?, on_probation, progress: progress(&row)? })
}

/// Stores where a plan stands after a report.
pub(super) async fn standing_put(
    db: &mut SqliteConnection,
    n: i64,
    state: PlanState,
    reason: Option<&str>,
) -> Result<(), GuardError> {
    sqlx::query("UPDATE frame_plan SET state = $2, open = $3, reason = $4 WHERE n = $1")
        .bind(n)
        .bind(state.as_str())
        .bind(i64::from(is_open(state)))
        .bind(reason)
        .execute(db)
        .await?;
    Ok(())
}

fn state(row: &SqliteRow) -> Result<PlanState, GuardError> {
    from_json("state of a plan", &format!("\"{}\"", row.try_get::<String, _>("state")?))
}

fn progress(row: &SqliteRow) -> Result<PlanProgress, GuardError> {
    let count = |column: &str| row.try_get::<i64, _>(column).map(|n| n as u64);
    Ok(PlanProgress {
        hosts: count("hosts")?,
        waiting: count("waiting")?,
        applied: count("applied")?,
        failed: count("failed")?,
        rolled_back: count("rolled_back")?,
    })
}

/// What changes is in columns; the rest stays as it was written.
fn plan_row(row: &SqliteRow) -> Result<PlanRow, GuardError> {
    let mut plan: Plan = from_json("plan", &row.try_get::<String, _>("body")?)?;
    (plan.state, plan.reason) = (state(row)?, row.try_get("reason")?);
    plan.deadline = row.try_get::<Option<i64>, _>("deadline")?.map(at);
    Ok(PlanRow { plan, progress: progress(row)? })
}

/// Plans of a database from before there was a row per host get theirs, from the reports in their
/// body. Returns how many.
pub async fn plans_split(db: &mut SqliteConnection) -> Result<u64, GuardError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT n, body FROM frame_plan WHERE state = '' ORDER BY n").fetch_all(&mut *db).await?;
    for (n, body) in &rows {
        let plan: Plan = from_json("plan", body)?;
        sqlx::query("DELETE FROM frame_plan WHERE n = $1").bind(n).execute(&mut *db).await?;
        let generations: Vec<_> = plan.hosts.iter().map(|h| (h.clone(), plan.generation)).collect();
        plan_insert(db, &plan, &generations).await?;
        let done = if plan.state == PlanState::RolledBack { PlanHostState::RolledBack } else { PlanHostState::Applied };
        for report in &plan.reports {
            host_moved(db, *n, report, PlanHostState::Waiting, done).await?;
        }
        let reason = plan.reason.as_deref();
        standing_put(db, *n, plan.state, reason).await?;
    }
    Ok(rows.len() as u64)
}
