//! The guard's table, and its sections in the frame's.

use crate::difference::{Change, SectionName};
use palisade_core::{HostId, Timestamp};
use palisade_guard::{GuardError, store};
use serde_json::Value;
use sqlx::SqliteConnection;

/// The guard's migrations.
pub const MIGRATIONS: &[&str] = &[include_str!("../migrations/1_inventory.sql")];
/// How long changes are kept, in milliseconds: 90 days.
const CHANGES_KEPT_MS: i64 = 90 * 86_400 * 1_000;
/// How many changes all hosts together keep.
const CHANGES_KEPT_MAX: i64 = 1_000_000;
/// How many changes one question reads, the newest.
const CHANGES_READ_MAX: i64 = 10_000;

/// A stored change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    /// Where.
    pub host: String,
    /// Of which section.
    pub section: String,
    /// When it was observed.
    pub at: Timestamp,
    /// added, removed or changed.
    pub kind: String,
    /// The thing.
    pub key: String,
    /// The row, or what differs.
    pub body: Value,
}

/// Stores the changes of one section of one host.
pub async fn changes_put(
    db: &mut SqliteConnection,
    host: &HostId,
    section: SectionName,
    at: Timestamp,
    changes: &[Change],
) -> Result<(), GuardError> {
    if changes.is_empty() {
        return Ok(());
    }
    let (last,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(n), 0) FROM inventory_change").fetch_one(&mut *db).await?;
    for (n, change) in (last + 1..).zip(changes) {
        sqlx::query(
            "INSERT INTO inventory_change (n, host, section, at, kind, key, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(n)
        .bind(host.as_str())
        .bind(section.as_str())
        .bind(at.as_millisecond())
        .bind(change.kind.as_str())
        .bind(&change.key)
        .bind(change.body.to_string())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Changes of one host or all, of one section or all, the newest first, at most 10,000.
pub async fn changes(
    db: &mut SqliteConnection,
    host: Option<&HostId>,
    section: Option<SectionName>,
    since: Timestamp,
) -> Result<Vec<ChangeRow>, GuardError> {
    let rows: Vec<(String, String, i64, String, String, String)> = sqlx::query_as(
        "SELECT host, section, at, kind, key, body FROM inventory_change
         WHERE ($1 IS NULL OR host = $1) AND ($2 IS NULL OR section = $2) AND at >= $3
         ORDER BY at DESC, n DESC LIMIT $4",
    )
    .bind(host.map(HostId::as_str))
    .bind(section.map(SectionName::as_str))
    .bind(since.as_millisecond())
    .bind(CHANGES_READ_MAX)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(host, section, at, kind, key, body)| {
            let body = serde_json::from_str(&body).map_err(|source| GuardError::Decode {
                what: "change",
                guard: "inventory",
                source,
            })?;
            Ok(ChangeRow { host, section, at: store::at(at), kind, key, body })
        })
        .collect()
}

/// Removes changes that are too old or too many.
pub async fn changes_expire(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query(
        "DELETE FROM inventory_change WHERE at < $1 OR n <= (SELECT COALESCE(MAX(n), 0) FROM inventory_change) - $2",
    )
    .bind(now.as_millisecond() - CHANGES_KEPT_MS)
    .bind(CHANGES_KEPT_MAX)
    .execute(db)
    .await?;
    Ok(())
}

/// The moment so long before `now`.
pub fn before(now: Timestamp, span: palisade_core::Span) -> Timestamp {
    let ms = i64::try_from(span.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000);
    store::at(now.as_millisecond().saturating_sub(ms))
}
