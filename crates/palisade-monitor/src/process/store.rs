//! The two tables of process lists.

use super::pack::{Minute, lines, pack, pack_lines, parse, unpack};
use crate::model::{Frame, TOP_MAX, TopProcess};
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
/// For how long lists are kept, seconds: 15 days.
const KEPT_S: i64 = 15 * 86_400;
/// A minute without lists is answered with one before it that is at most so old.
const GAP_S_MAX: i64 = 5 * MINUTE_S;
/// An hour is put together this long after its end, so that little comes late.
const GRACE_S: i64 = 10 * MINUTE_S;
/// A host's clock may be this far ahead; lists further in the future are removed.
const AHEAD_S_MAX: i64 = 3_600;
/// Rows that one call of [`tend`] looks at to find hours that are over.
const ROWS_LOOKED_AT_MAX: i64 = 6_000;
/// Hours that one call of [`tend`] puts together, at about a millisecond each; 1,000 hosts need 17 a
/// minute.
const HOURS_MAX: usize = 100;
/// Rows that one call of [`tend`] removes from each table.
const REMOVED_MAX: i64 = 500;
const TEXT_BYTES_MAX: usize = 256;

/// Stores the lists of a frame; a later frame of the same minute takes its place. Frames of a live
/// view are not kept. A host may be hostile: lists and texts are cut at their limits.
pub async fn put(db: &mut SqliteConnection, host: &HostId, frame: &Frame) -> Result<(), GuardError> {
    let at_s = frame.at.as_second();
    let has_none = frame.by_cpu.is_empty() && frame.by_memory.is_empty() && frame.by_io.is_empty();
    if frame.live || has_none || at_s <= 0 {
        return Ok(());
    }
    let cut = |list: &[TopProcess]| list.iter().take(TOP_MAX).map(sound).collect::<Vec<_>>();
    let lists = [cut(&frame.by_cpu), cut(&frame.by_memory), cut(&frame.by_io)];
    let minute = Minute::new(at_s, [&lists[0], &lists[1], &lists[2]]);
    sqlx::query(
        "INSERT INTO monitor_process (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO UPDATE SET body = excluded.body",
    )
    .bind(host.as_str())
    .bind(at_s.div_euclid(MINUTE_S) * MINUTE_S)
    .bind(pack(&minute))
    .execute(db)
    .await?;
    Ok(())
}

fn sound(process: &TopProcess) -> TopProcess {
    let mut process = process.clone();
    cut(&mut process.name);
    let texts = [&mut process.user, &mut process.cmdline, &mut process.unit, &mut process.container];
    texts.into_iter().flatten().for_each(cut);
    process.cpu = process.cpu.filter(|cpu| (0.0..=1e4).contains(cpu));
    process.io_bytes_rate = process.io_bytes_rate.filter(|rate| (0.0..=1e12).contains(rate));
    process
}

fn cut(text: &mut String) {
    text.truncate((0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0));
}

/// The lists of the minute of `at_s`, or the newest of the five minutes before.
pub async fn at_minute(db: &mut SqliteConnection, host: &HostId, at_s: i64) -> Result<Option<Minute>, GuardError> {
    let until_s = at_s.div_euclid(MINUTE_S) * MINUTE_S;
    let from_s = until_s - GAP_S_MAX;
    let row: Option<(Vec<u8>,)> = sqlx::query_as(
        "SELECT body FROM monitor_process WHERE host = $1 AND at >= $2 AND at <= $3 ORDER BY at DESC LIMIT 1",
    )
    .bind(host.as_str())
    .bind(from_s)
    .bind(until_s)
    .fetch_optional(&mut *db)
    .await?;
    let mut texts = vec![row.map(|(body,)| readable(host.as_str(), &body)).unwrap_or_default()];
    for hour_s in BTreeSet::from([hour(from_s), hour(until_s)]) {
        let body = hour_read(db, host.as_str(), hour_s).await?;
        texts.push(body.map(|body| readable(host.as_str(), &body)).unwrap_or_default());
    }
    let in_range = |at_s: i64| at_s >= from_s && at_s < until_s + MINUTE_S;
    let found = texts.iter().flat_map(|text| lines(text)).filter(|(at_s, _)| in_range(*at_s));
    Ok(found.max_by_key(|(at_s, _)| *at_s).and_then(|(_, line)| parse(line)))
}

/// A body that cannot be read is a gap, not an error.
fn readable(host: &str, body: &[u8]) -> String {
    unpack(body).unwrap_or_else(|| {
        tracing::warn!(host.id = host, "stored processes cannot be read; shown as a gap");
        String::new()
    })
}

fn hour(at_s: i64) -> i64 {
    at_s.div_euclid(HOUR_S) * HOUR_S
}

async fn hour_read(db: &mut SqliteConnection, host: &str, hour_s: i64) -> Result<Option<Vec<u8>>, GuardError> {
    let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT body FROM monitor_process_hour WHERE host = $1 AND at = $2")
        .bind(host)
        .bind(hour_s)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|(body,)| body))
}

/// Puts hours that are over together and forgets what is too old, a bounded piece of each.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let now_s = now.as_second();
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT host, at FROM monitor_process WHERE at < $1 ORDER BY at LIMIT $2")
            .bind(hour(now_s - GRACE_S))
            .bind(ROWS_LOOKED_AT_MAX)
            .fetch_all(&mut *db)
            .await?;
    let due: BTreeSet<(i64, String)> = rows.into_iter().map(|(host, at_s)| (hour(at_s), host)).collect();
    for (hour_s, host) in due.into_iter().take(HOURS_MAX) {
        put_together(db, &host, hour_s).await?;
    }
    forget(db, now_s).await
}

async fn put_together(db: &mut SqliteConnection, host: &str, hour_s: i64) -> Result<(), GuardError> {
    let rows: Vec<(Vec<u8>,)> =
        sqlx::query_as("SELECT body FROM monitor_process WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at")
            .bind(host)
            .bind(hour_s)
            .bind(hour_s + HOUR_S)
            .fetch_all(&mut *db)
            .await?;
    let known = hour_read(db, host, hour_s).await?;
    let bodies = known.iter().chain(rows.iter().map(|(body,)| body));
    let texts: Vec<String> = bodies.map(|body| readable(host, body)).collect();
    // of a minute that is there twice the one that came last stands
    let minutes: BTreeMap<i64, &str> =
        texts.iter().flat_map(|text| lines(text)).map(|(at_s, line)| (at_s.div_euclid(MINUTE_S), line)).collect();
    sqlx::query(
        "INSERT INTO monitor_process_hour (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO UPDATE SET body = excluded.body",
    )
    .bind(host)
    .bind(hour_s)
    .bind(pack_lines(minutes.into_values()))
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM monitor_process WHERE host = $1 AND at >= $2 AND at < $3")
        .bind(host)
        .bind(hour_s)
        .bind(hour_s + HOUR_S)
        .execute(db)
        .await?;
    Ok(())
}

async fn forget(db: &mut SqliteConnection, now_s: i64) -> Result<(), GuardError> {
    let (before_s, after_s) = (hour(now_s - KEPT_S), now_s + AHEAD_S_MAX);
    for (select, delete) in [
        (
            "SELECT host, at FROM monitor_process WHERE at < $1 OR at > $2 LIMIT $3",
            "DELETE FROM monitor_process WHERE host = $1 AND at = $2",
        ),
        (
            "SELECT host, at FROM monitor_process_hour WHERE at < $1 OR at > $2 LIMIT $3",
            "DELETE FROM monitor_process_hour WHERE host = $1 AND at = $2",
        ),
    ] {
        let rows: Vec<(String, i64)> =
            sqlx::query_as(select).bind(before_s).bind(after_s).bind(REMOVED_MAX).fetch_all(&mut *db).await?;
        for (host, at_s) in rows {
            sqlx::query(delete).bind(host).bind(at_s).execute(&mut *db).await?;
        }
    }
    Ok(())
}
