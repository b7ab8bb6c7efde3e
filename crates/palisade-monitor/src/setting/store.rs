//! How hosts are covered by alarms, as they were told last.

use super::cover::Cover;
use palisade_core::HostId;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::HashMap;

type CoverTuple = (i64, i64, Option<i64>);

/// What this host is told; `None` before the first time.
pub async fn cover(db: &mut SqliteConnection, host: &HostId) -> Result<Option<Cover>, GuardError> {
    let row: Option<CoverTuple> = sqlx::query_as("SELECT rules, channels, works FROM monitor_cover WHERE host = $1")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.map(of))
}

/// What every host is told.
pub async fn covers(db: &mut SqliteConnection) -> Result<HashMap<String, Cover>, GuardError> {
    let rows: Vec<(String, i64, i64, Option<i64>)> =
        sqlx::query_as("SELECT host, rules, channels, works FROM monitor_cover").fetch_all(db).await?;
    Ok(rows.into_iter().map(|(host, rules, channels, works)| (host, of((rules, channels, works)))).collect())
}

/// This host is told this from now on.
pub async fn cover_put(db: &mut SqliteConnection, host: &HostId, cover: &Cover) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO monitor_cover (host, rules, channels, works) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO UPDATE SET rules = excluded.rules, channels = excluded.channels, works = excluded.works",
    )
    .bind(host.as_str())
    .bind(i64::from(cover.rules))
    .bind(i64::from(cover.channels))
    .bind(cover.channel_works.map(i64::from))
    .execute(db)
    .await?;
    Ok(())
}

/// Nobody is told anything about a host that is gone.
pub async fn cover_remove(db: &mut SqliteConnection, host: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_cover WHERE host = $1").bind(host).execute(db).await?;
    Ok(())
}

fn of((rules, channels, works): CoverTuple) -> Cover {
    let count = |n| u32::try_from(n).unwrap_or(0);
    Cover { rules: count(rules), channels: count(channels), channel_works: works.map(|works| works != 0) }
}
