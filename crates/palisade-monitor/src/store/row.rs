//! Rows of a host and moment: raw samples that wait to be sealed, and seconds.

use super::points::Strands;
use crate::pack::{Summary, pack_frame, unpack_frame};
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are unpacked at once to see whose values they hold.
const IDS_ROWS_MAX: i64 = 1_000;

/// Moment in Unix seconds, and packed values.
pub type Row = (i64, Vec<u8>);

/// Stores the raw samples of a moment; values of samples that are there already are replaced.
pub async fn raw_put(
    db: &mut SqliteConnection,
    host: &str,
    at_s: i64,
    interval_s: f64,
    values: &[(u32, f64)],
) -> Result<(), GuardError> {
    let put =
        sqlx::query("INSERT INTO monitor_raw (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO NOTHING");
    let put = put.bind(host).bind(at_s).bind(pack_frame(interval_s, values)).execute(&mut *db).await?;
    if put.rows_affected() > 0 {
        return Ok(());
    }
    let mut all: BTreeMap<u32, f64> = BTreeMap::new();
    for (_, body) in raw(db, host, (at_s, at_s + 1), 1).await? {
        if unpack_frame(&body, |id, value| _ = all.insert(id, value)).is_err() {
            tracing::warn!(host.id = host, at = at_s, "stored metrics cannot be read; replaced by newer ones");
        }
    }
    all.extend(values.iter().copied());
    let body = pack_frame(interval_s, &all.into_iter().collect::<Vec<_>>());
    sqlx::query("UPDATE monitor_raw SET body = $3 WHERE host = $1 AND at = $2")
        .bind(host)
        .bind(at_s)
        .bind(body)
        .execute(db)
        .await?;
    Ok(())
}

/// The raw rows of a host that begin in `from_s..to_s`, oldest first, at most `limit`.
pub async fn raw(
    db: &mut SqliteConnection,
    host: &str,
    (from_s, to_s): (i64, i64),
    limit: i64,
) -> Result<Vec<Row>, GuardError> {
    let rows = sqlx::query_as(
        "SELECT at, body FROM monitor_raw WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4",
    );
    Ok(rows.bind(host).bind(from_s).bind(to_s).bind(limit).fetch_all(db).await?)
}

/// The numbers of the series that have a value in the raw rows of a host.
pub async fn raw_ids(db: &mut SqliteConnection, host: &str) -> Result<BTreeSet<u32>, GuardError> {
    let mut ids = BTreeSet::new();
    let mut from_s = i64::MIN;
    loop {
        let rows = raw(db, host, (from_s, i64::MAX), IDS_ROWS_MAX).await?;
        for (_, body) in &rows {
            // what cannot be read is nobody's
            let _ = unpack_frame(body, |id, _| _ = ids.insert(id));
        }
        match rows.last() {
            Some((at_s, _)) if rows.len() as i64 == IDS_ROWS_MAX => from_s = at_s + 1,
            _ => return Ok(ids),
        }
    }
}

/// Removes raw rows: they are sealed, or too old.
pub async fn raw_remove(db: &mut SqliteConnection, host: &str, (from_s, to_s): (i64, i64)) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_raw WHERE host = $1 AND at >= $2 AND at < $3")
        .bind(host)
        .bind(from_s)
        .bind(to_s)
        .execute(db)
        .await?;
    Ok(())
}

/// The hosts whose oldest raw row lies before `before_s`, with the moment of that row; at most `limit`.
pub async fn raw_oldest(
    db: &mut SqliteConnection,
    before_s: i64,
    limit: i64,
) -> Result<Vec<(String, i64)>, GuardError> {
    let rows = sqlx::query_as(
        "SELECT host, oldest FROM (SELECT host, (SELECT MIN(at) FROM monitor_raw r WHERE r.host = l.host) AS oldest
         FROM monitor_latest l) AS hosts WHERE oldest < $1 ORDER BY oldest LIMIT $2",
    );
    Ok(rows.bind(before_s).bind(limit).fetch_all(db).await?)
}

/// Removes raw rows that a wrong clock put after `after_s`, at most `limit`. Returns how many went.
pub async fn raw_remove_future(db: &mut SqliteConnection, after_s: i64, limit: i64) -> Result<i64, GuardError> {
    let done = sqlx::query(
        "DELETE FROM monitor_raw WHERE (host, at) IN (SELECT r.host, r.at FROM monitor_latest l
         JOIN monitor_raw r ON r.host = l.host WHERE l.at > $1 AND r.at > $1 LIMIT $2)",
    );
    Ok(done.bind(after_s).bind(limit).execute(db).await?.rows_affected() as i64)
}

/// Stores a second; one of the same moment is replaced.
pub async fn second_put(db: &mut SqliteConnection, host: &str, at_s: i64, body: &[u8]) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO monitor_second (host, at, body) VALUES ($1, $2, $3)
         ON CONFLICT (host, at) DO UPDATE SET body = excluded.body",
    )
    .bind(host)
    .bind(at_s)
    .bind(body)
    .execute(db)
    .await?;
    Ok(())
}

/// The seconds of a host in `from_s..to_s`, oldest first, at most `limit`.
pub async fn seconds(
    db: &mut SqliteConnection,
    host: &str,
    (from_s, to_s): (i64, i64),
    limit: i64,
) -> Result<Vec<Row>, GuardError> {
    let rows = sqlx::query_as(
        "SELECT at, body FROM monitor_second WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4",
    );
    Ok(rows.bind(host).bind(from_s).bind(to_s).bind(limit).fetch_all(db).await?)
}

/// Removes seconds before `before_s` and after `after_s` (a clock was wrong), at most `limit`.
pub async fn seconds_remove(
    db: &mut SqliteConnection,
    (before_s, after_s): (i64, i64),
    limit: i64,
) -> Result<(), GuardError> {
    sqlx::query(
        "DELETE FROM monitor_second WHERE (host, at) IN
         (SELECT host, at FROM monitor_second WHERE at < $1 OR at > $2 LIMIT $3)",
    )
    .bind(before_s)
    .bind(after_s)
    .bind(limit)
    .execute(db)
    .await?;
    Ok(())
}

/// The series of rows that `wanted` says yes to. A row that cannot be read is a gap.
pub fn strands(host: &str, rows: &[Row], wanted: impl Fn(u32) -> bool) -> Strands {
    let mut all = Strands::new();
    for (at_s, body) in rows {
        let add = |id, value| {
            if wanted(id) {
                all.entry(id).or_default().push((*at_s, Summary::of(value)));
            }
        };
        if unpack_frame(body, add).is_err() {
            tracing::warn!(host.id = host, at = at_s, "stored metrics cannot be read; shown as a gap");
        }
    }
    all
}
