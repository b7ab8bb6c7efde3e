//! The samples of all hosts in the database.
//!
//! A frame becomes a *row* of its host and moment, series by number in a *dictionary* of the host, and
//! is on disk before the host is told so. Rows of a window of two hours that is over are *sealed*
//! ([`seal`]): blocks of series become compressed *chunks* of each tier ([`chunk`]), and the rows go.
//! Reading joins both ([`read`]). The newest frame stays as it came ([`latest`]).

mod chunk;
mod column;
pub mod dictionary;
mod known;
mod latest;
mod points;
mod put;
mod read;
mod retention;
mod row;
pub mod seal;
mod sealed;
mod tier;

pub use column::{Arrivals, Column, SamplesRow, Store};
pub use latest::{hosts, latest, latest_at, latest_of, latest_step};
pub use points::Points;
pub use retention::Retention;
pub use seal::tasks;
pub use tier::{Tier, WINDOW_S};

use crate::model::{Cause, Sent};
use palisade_core::HostId;
use palisade_guard::{GuardError, Record};
use serde::Deserialize;
use sqlx::SqliteConnection;

/// The tables of this guard.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1_series.sql"),
    include_str!("../../migrations/2_store.sql"),
    include_str!("../../migrations/3_alarm.sql"),
    include_str!("../../migrations/4_notify.sql"),
    include_str!("../../migrations/5_probe.sql"),
    include_str!("../../migrations/6_process.sql"),
    include_str!("../../migrations/7_cover.sql"),
    include_str!("../../migrations/8_seen.sql"),
];
/// Chunks of one tier, and rows, that go in one call of [`forget`].
pub const REMOVED_MAX: i64 = 2_000;

/// Stores what a host has sent, and returns the causes that were among it. A record that makes no
/// sense is passed over, so that it does not hold the stream; one that was stored before changes
/// nothing.
pub async fn ingest(
    db: &mut SqliteConnection,
    store: &Store,
    host: &HostId,
    records: &[Record],
) -> Result<Vec<Cause>, GuardError> {
    let (mut frames, mut causes) = (Vec::with_capacity(records.len()), Vec::new());
    for record in records {
        match Sent::deserialize(&record.body) {
            Ok(Sent::Frame(frame)) => frames.push(frame),
            Ok(Sent::Cause { cause }) => causes.push(cause),
            Err(error) => {
                tracing::warn!(host.id = %host, seq = record.seq, %error, "a record of the monitor guard makes no sense; passed over");
            }
        }
    }
    store.put(db, host, &frames).await?;
    for frame in &frames {
        crate::process::put(db, host, frame).await?;
    }
    Ok(causes)
}

/// Removes what is older than it is kept, and what a wrong clock put after `after_s`: a bounded
/// piece of it.
pub async fn forget(
    db: &mut SqliteConnection,
    retention: Retention,
    now_s: i64,
    after_s: i64,
) -> Result<(), GuardError> {
    if row::raw_remove_future(db, after_s, REMOVED_MAX).await? < REMOVED_MAX {
        latest::latest_forget(db, after_s).await?;
    }
    row::seconds_remove(db, (now_s - retention.kept_s(Tier::Second), after_s), REMOVED_MAX).await?;
    for tier in Tier::SEALED {
        sealed::remove(db, tier, now_s - retention.kept_s(tier) - tier.chunk_s(), REMOVED_MAX).await?;
    }
    Ok(())
}
