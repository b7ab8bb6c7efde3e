//! What the server has really stored, from its database file, opened for reading only.

use anyhow::{Context, Result};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use std::collections::HashMap;
use std::path::Path;

/// What is stored of one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Minutes of the monitor.
    pub frames: u64,
    /// Series in its dictionary.
    pub series: u64,
    /// Simulated events.
    pub events: u64,
    /// Different ones among them.
    pub events_distinct: u64,
    /// The largest number of one.
    pub event_last: u64,
}

/// Counts by host. `kind` is that of the simulated events; the object of each is its number.
pub async fn counts(database: &Path, kind: &str) -> Result<HashMap<String, Stored>> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    let mut db = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("opening `{}` for reading", database.display()))?;
    let mut all: HashMap<String, Stored> = HashMap::new();
    // rows that wait to be sealed, and the moments of chunks: the longest of each window
    let frames: Vec<(String, i64)> = sqlx::query_as(
        "SELECT host, SUM(frames) FROM (
           SELECT host, COUNT(*) AS frames FROM monitor_raw GROUP BY host UNION ALL
           SELECT host, MAX(points) FROM monitor_chunk WHERE tier = 1 GROUP BY host, start
         ) GROUP BY host",
    )
    .fetch_all(&mut db)
    .await?;
    for (host, count) in frames {
        all.entry(host).or_default().frames = count.unsigned_abs();
    }
    let series: Vec<(String, i64)> =
        sqlx::query_as("SELECT host, COUNT(*) FROM monitor_series GROUP BY host").fetch_all(&mut db).await?;
    for (host, count) in series {
        all.entry(host).or_default().series = count.unsigned_abs();
    }
    let events: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT host, COUNT(*), COUNT(DISTINCT object), MAX(CAST(object AS INTEGER)) FROM journal_event
         WHERE kind = $1 AND host IS NOT NULL GROUP BY host",
    )
    .bind(kind)
    .fetch_all(&mut db)
    .await?;
    for (host, count, distinct, last) in events {
        let stored = all.entry(host).or_default();
        stored.events = count.unsigned_abs();
        stored.events_distinct = distinct.unsigned_abs();
        stored.event_last = last.unsigned_abs();
    }
    Ok(all)
}

/// How many pages of the file hold data, by table and with its indexes, in bytes.
pub async fn bytes_by_table(database: &Path) -> Result<HashMap<String, u64>> {
    let options = SqliteConnectOptions::new().filename(database).read_only(true);
    let mut db = SqliteConnection::connect_with(&options).await?;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT s.tbl_name, SUM(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name GROUP BY s.tbl_name",
    )
    .fetch_all(&mut db)
    .await?;
    Ok(rows.into_iter().map(|(table, bytes)| (table, bytes.unsigned_abs())).collect())
}
