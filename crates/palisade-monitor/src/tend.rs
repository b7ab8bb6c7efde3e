//! Periodic work on the server: rollups and retention, a bounded piece at each call.

use crate::pack::{Summary, pack_rollup};
use crate::store::{Tier, due_list, due_put, due_remove, hosts, latest_forget, row_put, rows, rows_remove};
use palisade_core::Timestamp;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// Rollups made in one call; 1,000 hosts need 217 a minute.
pub const ROLLUPS_MAX: i64 = 1_000;
/// Rows of one table and host removed in one call.
const REMOVED_MAX: i64 = 2_000;
/// Every host's old rows are looked at once in so many calls.
const TURNS: i64 = 10;
/// How long after its end a bucket is rolled up, so that the frames of its last minute are there.
const GRACE_S: i64 = 60;
/// A host's clock may be this far ahead; what lies further in the future is removed.
pub const AHEAD_S_MAX: i64 = 3_600;

/// One call, about once a minute.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let now_s = now.as_second();
    let made = roll_up(db, Tier::Minute, now_s, ROLLUPS_MAX).await?;
    roll_up(db, Tier::FiveMinutes, now_s, ROLLUPS_MAX - made).await?;
    forget(db, now_s).await
}

/// Makes the due rollups from the rows of `from`. Returns how many.
async fn roll_up(db: &mut SqliteConnection, from: Tier, now_s: i64, limit: i64) -> Result<i64, GuardError> {
    let Some(rollup) = from.next() else { return Ok(0) };
    let until_s = now_s - rollup.step_s() - GRACE_S;
    let due = due_list(db, rollup, until_s, limit).await?;
    for (at_s, host) in &due {
        let sources = rows(db, from, host, (*at_s, at_s + rollup.step_s()), rollup.step_s()).await?;
        if let Some(body) = summary(from, &sources) {
            row_put(db, rollup, host, *at_s, &body).await?;
            if let Some(next) = rollup.next() {
                due_put(db, next, host, *at_s).await?;
            }
        }
        due_remove(db, rollup, host, *at_s).await?;
    }
    Ok(due.len() as i64)
}

/// One rollup of several rows; nothing if none can be read.
fn summary(from: Tier, sources: &[(i64, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut series: BTreeMap<u32, Summary> = BTreeMap::new();
    for (at_s, body) in sources {
        let add = |id, value: Summary| {
            series.entry(id).and_modify(|s| *s = s.with(value)).or_insert(value);
        };
        if from.unpack(body, add).is_err() {
            tracing::warn!(at = at_s, "stored metrics cannot be read; left out of the rollup");
        }
    }
    let series: Vec<_> = series.into_iter().collect();
    (!series.is_empty()).then(|| pack_rollup(&series))
}

/// Removes what is older than its table keeps, and what a wrong clock put into the future.
async fn forget(db: &mut SqliteConnection, now_s: i64) -> Result<(), GuardError> {
    let after_s = now_s + AHEAD_S_MAX;
    latest_forget(db, after_s).await?;
    let hosts = hosts(db).await?;
    let turn = now_s.div_euclid(60).rem_euclid(TURNS);
    for (n, host) in (0..).zip(&hosts) {
        rows_remove(db, Tier::Second, host, (now_s - Tier::Second.kept_s(), after_s), REMOVED_MAX).await?;
        if n % TURNS == turn {
            for tier in [Tier::Minute, Tier::FiveMinutes, Tier::Hour] {
                rows_remove(db, tier, host, (now_s - tier.kept_s(), after_s), REMOVED_MAX).await?;
            }
        }
    }
    Ok(())
}
