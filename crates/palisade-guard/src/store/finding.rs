//! Findings and their history.

use super::{at, from_json, json, ms};
use crate::GuardError;
use palisade_core::{Finding, FindingState, HostId, Severity, Timestamp};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::BTreeSet;

/// A finding and its history.
#[derive(Debug, Clone)]
pub struct FindingRow {
    /// The finding.
    pub finding: Finding,
    /// The guard that found it.
    pub guard: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When it was no longer seen.
    pub mended_at: Option<Timestamp>,
}

/// What one look has changed.
#[derive(Debug, Clone, Default)]
pub struct FindingChange {
    /// Findings that were not there before.
    pub opened: Vec<Finding>,
    /// Ids of findings that are no longer there.
    pub mended: Vec<String>,
}

/// The ids of the findings of a guard on a host that are not mended.
pub(super) async fn finding_ids_open(
    db: &mut SqliteConnection,
    host: &HostId,
    guard: &str,
) -> Result<BTreeSet<String>, GuardError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM frame_finding WHERE host = $1 AND guard = $2 AND mended_at IS NULL")
            .bind(host.as_str())
            .bind(guard)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Which findings: those seen now and those mended since `mended_since`, of one host, or of all that
/// are in service.
#[derive(Debug, Clone, Default)]
pub struct FindingFilter {
    /// Of one host, whatever its standing.
    pub host: Option<HostId>,
    /// Of one practice.
    pub practice: Option<String>,
    /// Of one check.
    pub check: Option<String>,
    /// Of one severity.
    pub severity: Option<Severity>,
    /// In one state.
    pub state: Option<FindingState>,
    /// Mended ones are left out if they were mended before.
    pub mended_since: Timestamp,
    /// Whose stored text holds all of these words; it holds more than what people read, so that what
    /// comes has to be looked at again.
    pub words: Vec<String>,
}

/// In which order; ties are broken by check, host and object, so that pages neither repeat nor lose rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingOrder {
    /// By severity.
    Severity,
    /// By host.
    Host,
    /// By check.
    Check,
    /// By when it was first seen.
    FirstSeen,
    /// By when it was last seen.
    LastSeen,
}

const COLUMNS: &str = "SELECT f.guard, f.state, f.body, f.first_seen, f.last_seen, f.mended_at";

type Row = (String, String, String, i64, i64, Option<i64>);

/// The findings that the filter lets through, in order: `limit` of them from `offset` on, and how
/// many there are.
pub async fn findings(
    db: &mut SqliteConnection,
    filter: &FindingFilter,
    (order, descending): (FindingOrder, bool),
    (limit, offset): (usize, usize),
) -> Result<(Vec<FindingRow>, u64), GuardError> {
    let mut count = filtered("SELECT COUNT(*)", filter);
    let (total,): (i64,) = count.build_query_as().fetch_one(&mut *db).await?;
    let mut query = filtered(COLUMNS, filter);
    query.push(" ORDER BY ").push(match order {
        FindingOrder::Severity => "f.severity",
        FindingOrder::Host => "f.host",
        FindingOrder::Check => "f.check_id",
        FindingOrder::FirstSeen => "f.first_seen",
        FindingOrder::LastSeen => "f.last_seen",
    });
    query.push(if descending { " DESC" } else { " ASC" }).push(", f.check_id, f.host, f.object, f.id LIMIT ");
    query.push_bind(limit as i64).push(" OFFSET ").push_bind(offset as i64);
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    Ok((rows.into_iter().map(finding_row).collect::<Result<_, _>>()?, total as u64))
}

fn filtered(columns: &str, filter: &FindingFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(columns);
    query.push(" FROM frame_finding f");
    match &filter.host {
        Some(host) => _ = query.push(" WHERE f.host = ").push_bind(host.as_str().to_owned()),
        None => _ = query.push(" JOIN frame_host h ON h.id = f.host WHERE h.standing = 'active'"),
    }
    query.push(" AND (f.mended_at IS NULL OR f.mended_at >= ").push_bind(ms(filter.mended_since)).push(")");
    let texts = [
        (" AND f.practice = ", filter.practice.clone()),
        (" AND f.check_id = ", filter.check.clone()),
        (" AND f.state = ", filter.state.map(|state| state_word(state).to_owned())),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    for word in filter.words.iter().filter(|word| word.bytes().all(is_plain)) {
        query.push(" AND LOWER(f.body) LIKE ").push_bind(format!("%{}%", word.to_lowercase()));
    }
    if let Some(severity) = filter.severity {
        query.push(" AND f.severity = ").push_bind(rank(severity));
    }
    query
}

/// Stands in JSON as it is, and means nothing to LIKE.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"./:-@".contains(&byte)
}

/// One finding.
pub async fn finding(db: &mut SqliteConnection, id: &str) -> Result<Option<FindingRow>, GuardError> {
    Ok(findings_of(db, &[id]).await?.pop())
}

/// The findings with these ids, in no order.
pub async fn findings_of(db: &mut SqliteConnection, ids: &[&str]) -> Result<Vec<FindingRow>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
    query.push(" FROM frame_finding f WHERE f.id IN (");
    let mut list = query.separated(", ");
    ids.iter().for_each(|id| _ = list.push_bind((*id).to_owned()));
    query.push(")");
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(finding_row).collect()
}

/// The open findings of one guard, on one host or on all.
pub async fn findings_open(
    db: &mut SqliteConnection,
    host: Option<&HostId>,
    guard: &str,
) -> Result<Vec<Finding>, GuardError> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT body FROM frame_finding
         WHERE ($1 IS NULL OR host = $1) AND guard = $2 AND state = 'open' AND mended_at IS NULL",
    )
    .bind(host.map(HostId::as_str))
    .bind(guard)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|(body,)| from_json("finding", &body)).collect()
}

fn finding_row((guard, state, body, first, last, mended): Row) -> Result<FindingRow, GuardError> {
    let mut finding: Finding = from_json("finding", &body)?;
    if state == "mended" {
        finding.state = FindingState::Mended;
    }
    Ok(FindingRow { finding, guard, first_seen: at(first), last_seen: at(last), mended_at: mended.map(at) })
}

/// Higher is worse.
fn rank(severity: Severity) -> i64 {
    Severity::ALL.iter().rev().position(|s| *s == severity).unwrap_or_default() as i64
}

/// Findings of a database from before there were columns to filter and sort by. Returns how many.
pub async fn findings_backfill(db: &mut SqliteConnection) -> Result<u64, GuardError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT id, body FROM frame_finding WHERE check_id = ''").fetch_all(&mut *db).await?;
    for (id, body) in &rows {
        let finding: Finding = from_json("finding", body)?;
        sqlx::query("UPDATE frame_finding SET check_id = $2, practice = $3, object = $4, severity = $5 WHERE id = $1")
            .bind(id)
            .bind(&finding.check)
            .bind(&finding.practice)
            .bind(&finding.object)
            .bind(rank(finding.severity))
            .execute(&mut *db)
            .await?;
    }
    Ok(rows.len() as u64)
}

pub(super) async fn finding_put(
    db: &mut SqliteConnection,
    host: &HostId,
    guard: &str,
    finding: &Finding,
    seen: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_finding (id, host, guard, state, body, first_seen, last_seen, mended_at, check_id, practice,
           object, severity)
         VALUES ($1, $2, $3, $4, $5, $6, $6, NULL, $7, $8, $9, $10)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body, last_seen = excluded.last_seen,
           severity = excluded.severity,
           first_seen = CASE WHEN frame_finding.mended_at IS NOT NULL AND frame_finding.mended_at < excluded.last_seen
                        THEN excluded.first_seen ELSE frame_finding.first_seen END,
           mended_at = NULL",
    )
    .bind(&finding.id)
    .bind(host.as_str())
    .bind(guard)
    .bind(state_word(finding.state))
    .bind(json(finding))
    .bind(ms(seen))
    .bind(&finding.check)
    .bind(&finding.practice)
    .bind(&finding.object)
    .bind(rank(finding.severity))
    .execute(db)
    .await?;
    Ok(())
}

fn state_word(state: FindingState) -> &'static str {
    match state {
        FindingState::Open => "open",
        FindingState::Planned => "planned",
        FindingState::Mended => "mended",
        FindingState::Accepted => "accepted",
        FindingState::Unknown => "unknown",
    }
}
