//! Sealing: the raw rows of a window that is over become chunks of each tier, in one transaction, and
//! go. What comes late is a row again, and joined with the chunks at the next sealing.

use super::points::{Strands, summed};
use super::tier::{WINDOW_S, floor};
use super::{Tier, row, sealed};
use crate::Monitor;
use palisade_core::Timestamp;
use palisade_guard::contract::{BoxFuture, chain};
use palisade_guard::{GuardError, ServerContext};
use sqlx::SqliteConnection;
use std::time::{Duration, Instant};

/// How long after its end a window is sealed, so that few samples come late.
const GRACE_S: i64 = 600;
/// How often windows that are over are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Windows that one look finds.
const FOUND_MAX: i64 = 1_000;
/// Sealing takes one part in so many of the time that there is for writing.
const SHARE: u32 = 4;
/// Rows of a window; one of a sample each second has 7,200.
const ROWS_MAX: i64 = WINDOW_S;

/// What runs beside the requests: seals what is due, a window of one host in a transaction.
pub fn tasks(_monitor: &Monitor, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    let context = context.clone();
    vec![Box::pin(async move {
        loop {
            if let Err(error) = seal_all(&context).await {
                tracing::warn!(error = chain(&error), "sealing metrics; tried again");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })]
}

async fn seal_all(context: &ServerContext) -> Result<(), GuardError> {
    loop {
        let now = context.now();
        let mut reader = context.db.read().acquire().await?;
        let due = due(&mut reader, now, FOUND_MAX).await?;
        drop(reader);
        for (host, start_s) in &due {
            let mut tx = context.begin().await?;
            let begun = Instant::now();
            window(&mut tx, host, *start_s, now).await?;
            tx.commit().await?;
            tokio::time::sleep(begun.elapsed() * (SHARE - 1)).await;
        }
        if due.is_empty() {
            return Ok(());
        }
    }
}

/// Windows that are over and have rows, the oldest of each host: its name and the window's start.
pub async fn due(db: &mut SqliteConnection, now: Timestamp, limit: i64) -> Result<Vec<(String, i64)>, GuardError> {
    let before_s = floor(now.as_second() - GRACE_S, WINDOW_S);
    let oldest = row::raw_oldest(db, before_s, limit).await?;
    Ok(oldest.into_iter().map(|(host, at_s)| (host, floor(at_s, WINDOW_S))).collect())
}

/// Seals one window of a host.
pub async fn window(db: &mut SqliteConnection, host: &str, start_s: i64, now: Timestamp) -> Result<(), GuardError> {
    let range = (start_s, start_s + WINDOW_S);
    if range.1 <= now.as_second() - Tier::Raw.kept_s() {
        tracing::warn!(host.id = host, at = start_s, "samples came when their time was over; not kept");
        return row::raw_remove(db, host, range).await;
    }
    let rows = row::raw(db, host, range, ROWS_MAX).await?;
    let new = row::strands(host, &rows, |_| true);
    let all = sealed::put(db, host, Tier::Raw, &new).await?;
    for tier in [Tier::FiveMinutes, Tier::Hour] {
        let sums: Strands = new.keys().map(|id| (*id, summed(&all[id], tier.step_s()))).collect();
        sealed::put(db, host, tier, &sums).await?;
    }
    row::raw_remove(db, host, range).await
}
