//! How far each host is with a plan. A report touches only the rows of its own host that are not
//! done yet, and counters of their plans: however many hosts and plans there are, it costs the same.

use super::plan::{plan_number, standing, standing_put};
use super::{at, from_json, json, ms};
use crate::GuardError;
use palisade_core::{Generation, HostId, PlanHostState, PlanState, Report, Standing, Timestamp, VerdictWord};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

/// Rows of one statement.
const ROWS_MAX: usize = 1_000;
/// Of a plan over more hosts, only the reports of hosts where it has failed are kept.
const REPORTS_KEPT_HOSTS_MAX: u64 = 50;

/// One host of a plan.
#[derive(Debug, Clone)]
pub struct PlanHostRow {
    /// The plan.
    pub plan: String,
    /// The host.
    pub host: HostId,
    /// How far it is.
    pub state: PlanHostState,
    /// When it reported, by its own clock; absent while it is waited for.
    pub at: Option<Timestamp>,
    /// Why it is not as it should be.
    pub error: Option<String>,
    /// How it was last heard of; absent when it is online, or no longer known.
    pub silent: Option<VerdictWord>,
    /// True for the host that the server runs on: it joined over the server's own socket.
    pub own: bool,
}

/// What the hosts of a plan shall hold.
#[derive(Debug)]
pub struct HostAim<'a> {
    /// Where a host stands once it has verified it.
    pub wanted: PlanHostState,
    /// From which generation on, by host.
    pub generations: &'a [(HostId, Generation)],
}

/// A plan that a report has moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanMoved {
    /// The plan.
    pub id: String,
    /// Where it stands now.
    pub state: PlanState,
}

impl HostAim<'_> {
    /// All hosts of the plan are waited for again.
    pub(super) async fn put(&self, db: &mut SqliteConnection, plan: i64) -> Result<(), GuardError> {
        for (host, generation) in self.generations {
            sqlx::query(
                "UPDATE frame_plan_host SET epoch = $3, n = $4, wanted = $5, state = 'waiting', at = NULL, error = NULL
                 WHERE plan = $1 AND host = $2",
            )
            .bind(plan)
            .bind(host.as_str())
            .bind(i64::from(generation.epoch))
            .bind(generation.n as i64)
            .bind(self.wanted.as_str())
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }
}

/// The rows of a new plan.
pub(super) async fn aims_insert(
    db: &mut SqliteConnection,
    plan: i64,
    guard: &str,
    generations: &[(HostId, Generation)],
) -> Result<(), GuardError> {
    for part in generations.chunks(ROWS_MAX) {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT INTO frame_plan_host (plan, host, guard, epoch, n, wanted, state) ");
        query.push_values(part, |mut row, (host, generation)| {
            row.push_bind(plan).push_bind(host.as_str()).push_bind(guard);
            row.push_bind(i64::from(generation.epoch)).push_bind(generation.n as i64);
            row.push_bind(PlanHostState::Applied.as_str()).push_bind(PlanHostState::Waiting.as_str());
        });
        query.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// Takes in what a host did about a spec: its part of every plan whose generation it has reached
/// moves on. A host that has failed moves on too when it is as it should be later. Returns the plans
/// whose own state changed, and those on probation.
pub async fn report_put(db: &mut SqliteConnection, report: &Report) -> Result<Vec<PlanMoved>, GuardError> {
    let rows: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT plan, state, wanted FROM frame_plan_host
         WHERE host = $1 AND guard = $2 AND (state = 'waiting' OR (state = 'failed' AND $3 = 1))
           AND (epoch < $4 OR (epoch = $4 AND n <= $5))
         ORDER BY plan",
    )
    .bind(report.host.as_str())
    .bind(&report.guard)
    .bind(i64::from(report.verified))
    .bind(i64::from(report.generation.epoch))
    .bind(report.generation.n as i64)
    .fetch_all(&mut *db)
    .await?;
    let mut moved = Vec::new();
    for (plan, before, wanted) in rows {
        host_moved(db, plan, report, state(&before)?, state(&wanted)?).await?;
        moved.extend(plan_moved(db, plan, None).await?);
    }
    Ok(moved)
}

/// Writes what a host reported about one plan, and counts it.
pub(super) async fn host_moved(
    db: &mut SqliteConnection,
    plan: i64,
    report: &Report,
    before: PlanHostState,
    wanted: PlanHostState,
) -> Result<(), GuardError> {
    let after = if report.verified { wanted } else { PlanHostState::Failed };
    let change = |state: PlanHostState| i64::from(after == state) - i64::from(before == state);
    let (hosts,): (i64,) = sqlx::query_as(
        "UPDATE frame_plan SET waiting = waiting + $2, applied = applied + $3, failed = failed + $4,
           rolled_back = rolled_back + $5 WHERE n = $1 RETURNING hosts",
    )
    .bind(plan)
    .bind(change(PlanHostState::Waiting))
    .bind(change(PlanHostState::Applied))
    .bind(change(PlanHostState::Failed))
    .bind(change(PlanHostState::RolledBack))
    .fetch_one(&mut *db)
    .await?;
    let kept = !report.verified || hosts as u64 <= REPORTS_KEPT_HOSTS_MAX;
    let error = (!report.verified).then(|| report.error.as_deref().unwrap_or("the host is not as it should be"));
    sqlx::query(
        "UPDATE frame_plan_host SET state = $3, at = $4, error = $5, report = $6 WHERE plan = $1 AND host = $2",
    )
    .bind(plan)
    .bind(report.host.as_str())
    .bind(after.as_str())
    .bind(ms(report.at))
    .bind(error)
    .bind(kept.then(|| json(report)))
    .execute(db)
    .await?;
    Ok(())
}

/// Moves the plan itself on. `heard` of its waiting hosts will report; without it, all are waited for.
async fn plan_moved(db: &mut SqliteConnection, n: i64, heard: Option<u64>) -> Result<Option<PlanMoved>, GuardError> {
    let is = standing(db, n).await?;
    let after = is.state.after_reports(&is.progress, heard.unwrap_or(is.progress.waiting), is.on_probation);
    if after != is.state {
        let reason = first_failure(db, n).await?;
        standing_put(db, n, after, reason.as_deref()).await?;
    }
    let told = after != is.state || after == PlanState::Probation;
    Ok(told.then(|| PlanMoved { id: format!("p-{n}"), state: after }))
}

async fn first_failure(db: &mut SqliteConnection, n: i64) -> Result<Option<String>, GuardError> {
    let row: Option<(String, String)> = sqlx::query_as(
        "SELECT host, error FROM frame_plan_host WHERE plan = $1 AND state = 'failed' ORDER BY host LIMIT 1",
    )
    .bind(n)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|(host, error)| format!("{host}: {error}")))
}

/// Plans that wait only for silent hosts do not wait for ever: they become partial, or begin their
/// probation. Returns those.
pub async fn plans_settle(db: &mut SqliteConnection) -> Result<Vec<PlanMoved>, GuardError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT p.n, COUNT(h.id) FROM frame_plan p
         JOIN frame_plan_host ph ON ph.plan = p.n AND ph.state = 'waiting'
         LEFT JOIN frame_host h ON h.id = ph.host AND h.verdict = 'online' AND h.standing = 'active'
         WHERE p.state = 'applying' AND p.waiting < p.hosts GROUP BY p.n ORDER BY p.n",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut moved = Vec::new();
    for (n, heard) in rows {
        moved.extend(plan_moved(db, n, Some(heard as u64)).await?);
    }
    Ok(moved)
}

/// The hosts of these plans, by name; at most `limit` of each call.
pub async fn plan_hosts(
    db: &mut SqliteConnection,
    plans: &[String],
    limit: usize,
) -> Result<Vec<PlanHostRow>, GuardError> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT ph.plan, ph.host, ph.state, ph.at, ph.error, h.verdict, h.standing, h.id IS NOT NULL AS known, h.serial
         FROM frame_plan_host ph LEFT JOIN frame_host h ON h.id = ph.host WHERE ph.plan IN (",
    );
    let mut list = query.separated(", ");
    plans.iter().for_each(|id| _ = list.push_bind(plan_number(id)));
    query.push(") ORDER BY ph.plan, ph.host LIMIT ").push_bind(limit as i64);
    query.build().fetch_all(db).await?.iter().map(host_row).collect()
}

fn host_row(row: &SqliteRow) -> Result<PlanHostRow, GuardError> {
    let refused = |error: palisade_core::HostIdError| GuardError::Refused(format!("a stored host of a plan: {error}"));
    let serial: Option<String> = row.try_get("serial")?;
    Ok(PlanHostRow {
        plan: format!("p-{}", row.try_get::<i64, _>("plan")?),
        host: row.try_get::<String, _>("host")?.parse().map_err(refused)?,
        state: state(&row.try_get::<String, _>("state")?)?,
        at: row.try_get::<Option<i64>, _>("at")?.map(at),
        error: row.try_get("error")?,
        silent: silent(row)?,
        own: row.try_get::<i64, _>("known")? == 1 && serial.is_none(),
    })
}

fn silent(row: &SqliteRow) -> Result<Option<VerdictWord>, GuardError> {
    let (verdict, standing): (Option<String>, Option<String>) = (row.try_get("verdict")?, row.try_get("standing")?);
    let (Some(verdict), Some(standing)) = (verdict, standing) else { return Ok(None) };
    let word: VerdictWord = from_json("verdict", &format!("\"{verdict}\""))?;
    Ok(match word {
        VerdictWord::Online if standing == Standing::Active.as_str() => None,
        // its connection was cut, and the verdict on that has not come yet
        VerdictWord::Online if standing == Standing::Revoked.as_str() => Some(VerdictWord::Revoked),
        VerdictWord::Online => Some(VerdictWord::Ended),
        word => Some(word),
    })
}

fn state(word: &str) -> Result<PlanHostState, GuardError> {
    from_json("state of a host of a plan", &format!("\"{word}\""))
}

/// The reports that were kept of a plan, oldest first.
pub(super) async fn reports(db: &mut SqliteConnection, plan: i64) -> Result<Vec<Report>, GuardError> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT report FROM frame_plan_host WHERE plan = $1 AND report IS NOT NULL ORDER BY at, host LIMIT $2",
    )
    .bind(plan)
    .bind(ROWS_MAX as i64)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|(report,)| from_json("report", &report)).collect()
}
