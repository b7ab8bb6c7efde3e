//! Reading a tier: what is sealed, joined with the raw rows that are not yet.

use super::points::{Strands, join, summed};
use super::sealed::Which;
use super::tier::{WINDOW_S, floor};
use super::{Tier, row, sealed};
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::BTreeSet;

/// Rows of one host that one answer unpacks: 15 days of minutes, all unsealed, and as many again.
const ROWS_MAX: i64 = 50_000;

/// The points of these series of a host whose steps begin in `from_s..to_s`.
pub async fn strands(
    db: &mut SqliteConnection,
    host: &str,
    ids: &BTreeSet<u32>,
    tier: Tier,
    range: (i64, i64),
) -> Result<Strands, GuardError> {
    if ids.is_empty() {
        return Ok(Strands::new());
    }
    let mut all = match tier {
        Tier::Second => {
            let rows = row::seconds(db, host, range, ROWS_MAX).await?;
            row::strands(host, &rows, |id| ids.contains(&id))
        }
        Tier::Raw => raw(db, host, ids, range).await?,
        Tier::FiveMinutes | Tier::Hour => summaries(db, host, ids, tier, range).await?,
    };
    for points in all.values_mut() {
        points.truncate(points.partition_point(|(at, _)| *at < range.1));
        points.drain(..points.partition_point(|(at, _)| *at < range.0));
    }
    all.retain(|_, points| !points.is_empty());
    Ok(all)
}

async fn raw(
    db: &mut SqliteConnection,
    host: &str,
    ids: &BTreeSet<u32>,
    range: (i64, i64),
) -> Result<Strands, GuardError> {
    let blocks = sealed::blocks(ids.iter().copied());
    let mut all = sealed::read(db, host, Which::All(Tier::Raw), &blocks, range, |id| ids.contains(&id)).await?;
    let rows = row::raw(db, host, range, ROWS_MAX).await?;
    join(&mut all, row::strands(host, &rows, |id| ids.contains(&id)));
    Ok(all)
}

/// Rollups as sealed, and, for windows that they do not hold yet or not all of, as sealing will make
/// them.
async fn summaries(
    db: &mut SqliteConnection,
    host: &str,
    ids: &BTreeSet<u32>,
    tier: Tier,
    range: (i64, i64),
) -> Result<Strands, GuardError> {
    let wanted = |id| ids.contains(&id);
    let blocks = sealed::blocks(ids.iter().copied());
    let mut all = sealed::read(db, host, Which::All(tier), &blocks, range, wanted).await?;
    let windows = (floor(range.0, WINDOW_S), floor(range.1.saturating_add(WINDOW_S - 1), WINDOW_S));
    let mut open = sealed::read(db, host, Which::Open, &blocks, windows, wanted).await?;
    let rows = row::raw(db, host, windows, ROWS_MAX).await?;
    let starts: BTreeSet<i64> = rows.iter().map(|(at, _)| floor(*at, WINDOW_S)).collect();
    for start_s in starts {
        let window = (start_s, start_s + WINDOW_S);
        join(&mut open, sealed::read(db, host, Which::All(Tier::Raw), &blocks, window, wanted).await?);
    }
    join(&mut open, row::strands(host, &rows, wanted));
    join(&mut all, open.into_iter().map(|(id, points)| (id, summed(&points, tier.step_s()))).collect());
    Ok(all)
}
