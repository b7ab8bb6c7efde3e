//! The frame's own tables: hosts, sections of observations, findings, plans, generations.

use crate::GuardError;
use crate::entry::Look;
use palisade_core::{CheckRun, Finding, HostId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::HashMap;

mod epoch;
mod finding;
mod generation;
mod host;
mod order;
mod plan;
mod plan_host;
mod resource;
mod tally;

pub use epoch::{epoch, epoch_proof, epoch_raise};
pub use finding::{
    FindingChange, FindingFilter, FindingOrder, FindingRow, finding, findings, findings_backfill, findings_of,
    findings_open,
};
pub use generation::{generation, generations, generations_raise, generations_raise_of, spec_version};
pub use host::{
    HostFacts, HostRow, host, host_delete, host_put, host_seen, hosts, hosts_agentless, hosts_in_service, lost_put,
    machine_put, verdict_put,
};
pub use order::{job_put, order, order_id, order_put, orders, orders_open};
pub use plan::{
    PlanRow, plan, plan_count, plan_decide, plan_id, plan_insert, plans, plans_expire, plans_overdue, plans_split,
};
pub use plan_host::{HostAim, PlanHostRow, PlanMoved, plan_hosts, plans_settle, report_put};
pub use resource::{
    Author, ResourceRow, Source, VersionRow, resource_put, resource_tend, resource_versions, resources,
    resources_of_plan,
};
pub use tally::{Freshness, GuardTally, OpenCheck, fleet_freshness, freshness, freshness_oldest, tallies_backfill};

use finding::finding_put;
use tally::freshness_put;

/// The frame's migrations.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1_frame.sql"),
    include_str!("../../migrations/2_order.sql"),
    include_str!("../../migrations/3_fleet.sql"),
    include_str!("../../migrations/4_plan_host.sql"),
    include_str!("../../migrations/5_resource.sql"),
    include_str!("../../migrations/6_tally.sql"),
];

fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A stored moment, in milliseconds since 1970.
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the frame's types have string keys and finite numbers")
}

fn from_json<T: for<'a> Deserialize<'a>>(what: &'static str, text: &str) -> Result<T, GuardError> {
    serde_json::from_str(text).map_err(|source| GuardError::Decode { what, guard: "frame", source })
}

/// One look of one guard at one host, as it travels from agent to server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LookReport {
    /// The guard.
    pub guard: String,
    /// When it observed.
    pub observed_at: Timestamp,
    /// Until when that counts as fresh.
    pub fresh_until: Timestamp,
    /// The sections that have changed since the last acknowledged look.
    pub sections: serde_json::Map<String, Value>,
    /// All findings of the guard on this host.
    pub findings: Vec<Finding>,
    /// Which checks ran.
    pub runs: Vec<CheckRun>,
    /// Why nothing could be observed, if so; the sections and findings of before then stand.
    pub error: Option<String>,
}

impl LookReport {
    /// A look, complete.
    pub fn new(guard: &str, look: Look, observed_at: Timestamp, fresh_until: Timestamp) -> LookReport {
        LookReport {
            guard: guard.to_owned(),
            observed_at,
            fresh_until,
            sections: look.sections,
            findings: look.findings,
            runs: look.runs,
            error: look.error,
        }
    }
}

/// Stores a look: sections, findings (those no longer seen become mended), freshness.
/// The caller tells the guard's [`crate::Serve::section_changed`] of each section, with the body of
/// before, in the same transaction.
pub async fn look_put(
    db: &mut SqliteConnection,
    host: &HostId,
    look: &LookReport,
) -> Result<FindingChange, GuardError> {
    for (section, body) in &look.sections {
        sqlx::query(
            "INSERT INTO frame_section (host, guard, section, body, observed_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (host, guard, section) DO UPDATE SET body = excluded.body, observed_at = excluded.observed_at",
        )
        .bind(host.as_str())
        .bind(&look.guard)
        .bind(section)
        .bind(body.to_string())
        .bind(ms(look.observed_at))
        .execute(&mut *db)
        .await?;
    }
    freshness_put(db, host, look).await?;
    if look.error.is_some() {
        return Ok(FindingChange::default());
    }
    let mut open = finding::finding_ids_open(db, host, &look.guard).await?;
    let opened = look.findings.iter().filter(|finding| !open.remove(&finding.id)).cloned().collect();
    sqlx::query(
        "UPDATE frame_finding SET state = 'mended', mended_at = $3 WHERE host = $1 AND guard = $2 AND mended_at IS NULL AND last_seen < $3",
    )
    .bind(host.as_str())
    .bind(&look.guard)
    .bind(ms(look.observed_at))
    .execute(&mut *db)
    .await?;
    for finding in &look.findings {
        finding_put(db, host, &look.guard, finding, look.observed_at).await?;
    }
    Ok(FindingChange { opened, mended: open.into_iter().collect() })
}

/// One section of an observation: when it was last changed, and what it holds.
pub async fn section(
    db: &mut SqliteConnection,
    host: &HostId,
    guard: &str,
    section: &str,
) -> Result<Option<(Timestamp, Value)>, GuardError> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT observed_at, body FROM frame_section WHERE host = $1 AND guard = $2 AND section = $3")
            .bind(host.as_str())
            .bind(guard)
            .bind(section)
            .fetch_optional(db)
            .await?;
    row.map(|(seen, body)| Ok((at(seen), from_json("section", &body)?))).transpose()
}

/// The same section of many hosts: what it holds, by host.
pub async fn sections(
    db: &mut SqliteConnection,
    hosts: &[HostId],
    guard: &str,
    section: &str,
) -> Result<HashMap<HostId, Value>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT host, body FROM frame_section WHERE guard = ");
    query.push_bind(guard).push(" AND section = ").push_bind(section);
    among(&mut query, " AND host IN (", hosts);
    let rows: Vec<(String, String)> = query.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(|(host, body)| Ok((host_id(&host)?, from_json("section", &body)?))).collect()
}

/// `start` and the names of the hosts; a list that is empty lets nothing through.
fn among(query: &mut QueryBuilder<Sqlite>, start: &str, hosts: &[HostId]) {
    query.push(start);
    let mut list = query.separated(", ");
    hosts.iter().for_each(|host| _ = list.push_bind(host.as_str().to_owned()));
    query.push(")");
}

fn host_id(text: &str) -> Result<HostId, GuardError> {
    text.parse().map_err(|e: palisade_core::HostIdError| GuardError::Refused(format!("a stored host: {e}")))
}

/// How far the stream of a guard on a host has been stored; 0 before the first record.
pub async fn stream_seq(db: &mut SqliteConnection, host: &HostId, guard: &str) -> Result<u64, GuardError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT seq FROM frame_stream WHERE host = $1 AND guard = $2")
        .bind(host.as_str())
        .bind(guard)
        .fetch_optional(db)
        .await?;
    Ok(row.map_or(0, |(seq,)| seq as u64))
}

/// Stores how far the stream has been stored.
pub async fn stream_seq_put(db: &mut SqliteConnection, host: &HostId, guard: &str, seq: u64) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_stream (host, guard, seq) VALUES ($1, $2, $3)
         ON CONFLICT (host, guard) DO UPDATE SET seq = excluded.seq",
    )
    .bind(host.as_str())
    .bind(guard)
    .bind(seq as i64)
    .execute(db)
    .await?;
    Ok(())
}
