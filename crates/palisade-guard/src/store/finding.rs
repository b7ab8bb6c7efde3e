//! Findings and their history.

use super::{at, from_json, json, ms};
use crate::GuardError;
use palisade_core::{Finding, FindingState, HostId, Timestamp};
use sqlx::SqliteConnection;

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

/// The findings of one host or of all: those seen now, and those mended since `mended_since`.
pub async fn findings(
    db: &mut SqliteConnection,
    host: Option<&HostId>,
    mended_since: Timestamp,
) -> Result<Vec<FindingRow>, GuardError> {
    let rows: Vec<(String, String, String, i64, i64, Option<i64>)> = sqlx::query_as(
        "SELECT guard, state, body, first_seen, last_seen, mended_at FROM frame_finding
         WHERE ($1 IS NULL OR host = $1) AND (mended_at IS NULL OR mended_at >= $2)",
    )
    .bind(host.map(HostId::as_str))
    .bind(ms(mended_since))
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(guard, state, body, first, last, mended)| {
            let mut finding: Finding = from_json("finding", &body)?;
            if state == "mended" {
                finding.state = FindingState::Mended;
            }
            Ok(FindingRow { finding, guard, first_seen: at(first), last_seen: at(last), mended_at: mended.map(at) })
        })
        .collect()
}

pub(super) async fn finding_put(
    db: &mut SqliteConnection,
    host: &HostId,
    guard: &str,
    finding: &Finding,
    seen: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_finding (id, host, guard, state, body, first_seen, last_seen, mended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, NULL)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body, last_seen = excluded.last_seen,
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
