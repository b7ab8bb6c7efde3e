//! What is known of hosts without an agent, in the database.

use super::judge::Known;
use crate::probe::store::moment;
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::HashMap;

/// There is one key.
const KEY_ID: i64 = 1;

/// The key: sealed private half, public half.
pub async fn key(db: &mut SqliteConnection) -> Result<Option<(String, String)>, GuardError> {
    let row = sqlx::query_as("SELECT sealed, public FROM monitor_agentless_key WHERE id = $1").bind(KEY_ID);
    Ok(row.fetch_optional(db).await?)
}

/// Stores the key.
pub async fn key_put(db: &mut SqliteConnection, sealed: &str, public: &str, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query("INSERT INTO monitor_agentless_key (id, sealed, public, made_at) VALUES ($1, $2, $3, $4)")
        .bind(KEY_ID)
        .bind(sealed)
        .bind(public)
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

type KnownTuple =
    (String, Option<String>, Option<i64>, Option<String>, Option<i64>, Option<i64>, i64, Option<String>, i64, i64);

fn known_row(row: KnownTuple) -> Option<(HostId, Known)> {
    let (host, pinned, pinned_at, seen, seen_at, looked_at, ok, error, failures, told) = row;
    let known = Known {
        pinned,
        pinned_at: moment(pinned_at),
        seen,
        seen_at: moment(seen_at),
        looked_at: moment(looked_at),
        ok: ok != 0,
        error,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        told: told != 0,
    };
    Some((host.parse().ok()?, known))
}

/// What is known of every host without an agent.
pub async fn all(db: &mut SqliteConnection) -> Result<HashMap<HostId, Known>, GuardError> {
    let rows: Vec<KnownTuple> = sqlx::query_as(
        "SELECT host, pinned, pinned_at, seen, seen_at, looked_at, ok, error, failures, told FROM monitor_agentless",
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().filter_map(known_row).collect())
}

/// What is known of one.
pub async fn known(db: &mut SqliteConnection, host: &HostId) -> Result<Known, GuardError> {
    let row: Option<KnownTuple> = sqlx::query_as(
        "SELECT host, pinned, pinned_at, seen, seen_at, looked_at, ok, error, failures, told FROM monitor_agentless
         WHERE host = $1",
    )
    .bind(host.as_str())
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(known_row).map(|(_, known)| known).unwrap_or_default())
}

/// Stores what is known of a host.
pub async fn known_put(db: &mut SqliteConnection, host: &HostId, known: &Known) -> Result<(), GuardError> {
    let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millisecond);
    sqlx::query(
        "INSERT INTO monitor_agentless (host, pinned, pinned_at, seen, seen_at, looked_at, ok, error, failures, told)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (host) DO UPDATE SET pinned = excluded.pinned, pinned_at = excluded.pinned_at,
           seen = excluded.seen, seen_at = excluded.seen_at, looked_at = excluded.looked_at, ok = excluded.ok,
           error = excluded.error, failures = excluded.failures, told = excluded.told",
    )
    .bind(host.as_str())
    .bind(&known.pinned)
    .bind(millis(known.pinned_at))
    .bind(&known.seen)
    .bind(millis(known.seen_at))
    .bind(millis(known.looked_at))
    .bind(i64::from(known.ok))
    .bind(&known.error)
    .bind(i64::from(known.failures))
    .bind(i64::from(known.told))
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a host that is gone, its confirmed key with it.
pub async fn remove(db: &mut SqliteConnection, host: &HostId) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_agentless WHERE host = $1").bind(host.as_str()).execute(db).await?;
    Ok(())
}
