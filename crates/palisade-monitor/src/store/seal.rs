//! Sealing: the raw rows of a window that is over become chunks, in one transaction, and go; the chunks
//! of a day that is over are summed up into the other tiers. What comes late is a row again, joined with
//! the chunk at the next sealing, and summed up once more.
//!
//! Rollups are made once a day, since each time their whole chunk is packed anew: with each window it
//! was four times as much work.

use super::latest::stamp_put;
use super::points::summed;
use super::put::new_stamp;
use super::sealed::Which;
use super::tier::{DAY_S, WINDOW_S, floor};
use super::{Store, Tier, dictionary, row, sealed};
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
pub fn tasks(monitor: &Monitor, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    let (context, store) = (context.clone(), monitor.store.clone());
    vec![Box::pin(async move {
        loop {
            if let Err(error) = seal_all(&store, &context).await {
                tracing::warn!(error = chain(&error), "sealing metrics; tried again");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })]
}

async fn seal_all(store: &Store, context: &ServerContext) -> Result<(), GuardError> {
    loop {
        let now = context.now();
        let mut reader = context.db.read().acquire().await?;
        let due = due(&mut reader, now, FOUND_MAX).await?;
        drop(reader);
        for due in &due {
            let mut tx = context.begin().await?;
            let begun = Instant::now();
            due.seal(store, &mut tx, now).await?;
            tx.commit().await?;
            tokio::time::sleep(begun.elapsed() * (SHARE - 1)).await;
        }
        if due.is_empty() {
            return Ok(());
        }
    }
}

/// What can be sealed of a host in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Raw rows of a window that begins then become chunks.
    Window(String, i64),
    /// Chunks of a block and a day that begins then are summed up.
    Day(String, u32, i64),
}

/// What is over and not sealed, the oldest of each host; at most `limit` windows, or as many blocks of
/// days if there are none.
pub async fn due(db: &mut SqliteConnection, now: Timestamp, limit: i64) -> Result<Vec<Due>, GuardError> {
    let over_s = now.as_second() - GRACE_S;
    let windows = row::raw_oldest(db, floor(over_s, WINDOW_S), limit).await?;
    if !windows.is_empty() {
        return Ok(windows.into_iter().map(|(host, at_s)| Due::Window(host, floor(at_s, WINDOW_S))).collect());
    }
    let days = sealed::open_first(db, floor(over_s, DAY_S), limit).await?;
    Ok(days.into_iter().map(|(host, block, start_s)| Due::Day(host, block, floor(start_s, DAY_S))).collect())
}

impl Due {
    /// Does it.
    pub async fn seal(&self, store: &Store, db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
        match self {
            Due::Window(host, start_s) => window(store, db, host, *start_s, now).await,
            Due::Day(host, block, start_s) => day(db, host, *block, *start_s).await,
        }
    }
}

async fn window(
    store: &Store,
    db: &mut SqliteConnection,
    host: &str,
    start_s: i64,
    now: Timestamp,
) -> Result<(), GuardError> {
    let range = (start_s, start_s + WINDOW_S);
    if range.1 <= now.as_second() - store.retention().kept_s(Tier::Raw) {
        tracing::warn!(host.id = host, at = start_s, "samples came when their time was over; not kept");
        return row::raw_remove(db, host, range).await;
    }
    let rows = row::raw(db, host, range, ROWS_MAX).await?;
    let strands = row::strands(host, &rows, |_| true);
    let ids: Vec<u32> = strands.keys().copied().collect();
    sealed::put(db, host, Tier::Raw, strands).await?;
    row::raw_remove(db, host, range).await?;
    dictionary::seen(db, host, &ids, start_s.div_euclid(DAY_S)).await?;
    forget(store, db, host, now).await
}

/// Forgets series of which no tier can hold a value any more: the last chunk of the coarsest has gone.
async fn forget(store: &Store, db: &mut SqliteConnection, host: &str, now: Timestamp) -> Result<(), GuardError> {
    let gone_s = now.as_second() - store.retention().kept_s(Tier::Hour) - Tier::Hour.chunk_s();
    if dictionary::forget(db, host, gone_s.div_euclid(DAY_S)).await? {
        stamp_put(db, host, new_stamp()?, 0).await?;
    }
    Ok(())
}

/// One block at a time: a day of one is some ten thousand samples, a day of all may be a million.
async fn day(db: &mut SqliteConnection, host: &str, block: u32, start_s: i64) -> Result<(), GuardError> {
    let range = (start_s, start_s + DAY_S);
    let raw = sealed::read(db, host, Which::All(Tier::Raw), &[block].into(), range, |_| true).await?;
    for tier in [Tier::FiveMinutes, Tier::Hour] {
        let sums = raw.iter().map(|(id, points)| (*id, summed(points, tier.step_s()))).collect();
        sealed::put(db, host, tier, sums).await?;
    }
    sealed::close(db, host, block, range).await
}
