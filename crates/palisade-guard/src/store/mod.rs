//! The frame's own tables: hosts, sections of observations, findings, plans, generations.

use crate::GuardError;
use crate::entry::Look;
use crate::link::EpochProof;
use palisade_core::{CheckRun, Finding, Generation, HostId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;

mod finding;
mod host;
mod order;
mod plan;
mod resource;

pub use finding::{FindingRow, findings};
pub use host::{HostFacts, HostRow, host, host_delete, host_put, host_seen, hosts, lost_put, verdict_put};
pub use order::{job_put, order, order_id, order_put, orders, orders_open};
pub use plan::{plan, plan_id, plan_put, plans, report_put};
pub use resource::{
    Author, ResourceRow, Source, VersionRow, resource_put, resource_tend, resource_versions, resources,
    resources_of_plan,
};

use finding::finding_put;

/// The frame's migrations.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1_frame.sql"),
    include_str!("../../migrations/2_order.sql"),
    include_str!("../../migrations/3_fleet.sql"),
    include_str!("../../migrations/5_resource.sql"),
];

/// What one guard last said about one host: one row per host and guard.
#[derive(Debug, Clone)]
pub struct Freshness {
    /// The guard.
    pub guard: String,
    /// When it last observed.
    pub observed_at: Timestamp,
    /// Until when that counts as fresh.
    pub fresh_until: Timestamp,
    /// Why it could not observe, if so.
    pub error: Option<String>,
    /// Which checks ran.
    pub runs: Vec<CheckRun>,
}

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
pub async fn look_put(db: &mut SqliteConnection, host: &HostId, look: &LookReport) -> Result<(), GuardError> {
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
    sqlx::query(
        "INSERT INTO frame_freshness (host, guard, observed_at, fresh_until, error, runs) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (host, guard) DO UPDATE SET observed_at = excluded.observed_at, fresh_until = excluded.fresh_until,
           error = excluded.error, runs = excluded.runs",
    )
    .bind(host.as_str())
    .bind(&look.guard)
    .bind(ms(look.observed_at))
    .bind(ms(look.fresh_until))
    .bind(&look.error)
    .bind(json(&look.runs))
    .execute(&mut *db)
    .await?;
    if look.error.is_some() {
        return Ok(());
    }
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
    Ok(())
}

/// What every guard last said about one host.
pub async fn freshness(db: &mut SqliteConnection, host: &HostId) -> Result<Vec<Freshness>, GuardError> {
    let rows: Vec<(String, i64, i64, Option<String>, String)> =
        sqlx::query_as("SELECT guard, observed_at, fresh_until, error, runs FROM frame_freshness WHERE host = $1")
            .bind(host.as_str())
            .fetch_all(db)
            .await?;
    rows.into_iter()
        .map(|(guard, observed, fresh, error, runs)| {
            Ok(Freshness {
                guard,
                observed_at: at(observed),
                fresh_until: at(fresh),
                error,
                runs: from_json("check runs", &runs)?,
            })
        })
        .collect()
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

/// Raises the generation of a guard's spec on a host, and returns the new one.
pub async fn generation_raise(db: &mut SqliteConnection, host: &HostId, guard: &str) -> Result<Generation, GuardError> {
    sqlx::query(
        "INSERT INTO frame_spec (host, guard, epoch, n) VALUES ($1, $2, 1, 1)
         ON CONFLICT (host, guard) DO UPDATE SET n = frame_spec.n + 1",
    )
    .bind(host.as_str())
    .bind(guard)
    .execute(&mut *db)
    .await?;
    generation(db, host, guard).await
}

/// The generation of a guard's spec on a host; 0.0 if it never had one.
pub async fn generation(db: &mut SqliteConnection, host: &HostId, guard: &str) -> Result<Generation, GuardError> {
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT epoch, n FROM frame_spec WHERE host = $1 AND guard = $2")
        .bind(host.as_str())
        .bind(guard)
        .fetch_optional(db)
        .await?;
    Ok(row.map_or_else(Generation::default, |(epoch, n)| Generation { epoch: epoch as u32, n: n as u64 }))
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

/// The newest epoch that an admin has begun, with its proof; `None` in the first one.
pub async fn epoch(db: &mut SqliteConnection) -> Result<Option<EpochProof>, GuardError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT proof FROM frame_epoch ORDER BY epoch DESC LIMIT 1").fetch_optional(db).await?;
    row.map(|(proof,)| from_json("epoch", &proof)).transpose()
}
