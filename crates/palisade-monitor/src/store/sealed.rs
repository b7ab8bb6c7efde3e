//! Sealed chunks: a block of series of a host over an aligned window, in one row.

use super::Tier;
use super::chunk::{self, Columns};
use super::points::{Points, Strands, join};
use super::tier::floor;
use palisade_guard::GuardError;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::BTreeSet;

/// Series of one chunk: few enough to read one of them without much of the others, many enough to
/// share their times and to fill pages of the database.
const BLOCK: u32 = 16;

/// The blocks that these series stand in.
pub fn blocks(ids: impl Iterator<Item = u32>) -> BTreeSet<u32> {
    ids.map(|id| id / BLOCK).collect()
}

/// Which chunks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of a tier.
    All(Tier),
    /// Raw ones that no rollup holds yet.
    Open,
}

/// The series of chunks that `wanted` says yes to, with all points of the chunks that touch
/// `from_s..to_s`. A chunk that cannot be read is a gap.
pub async fn read(
    db: &mut SqliteConnection,
    host: &str,
    which: Which,
    blocks: &BTreeSet<u32>,
    (from_s, to_s): (i64, i64),
    wanted: impl Fn(u32) -> bool,
) -> Result<Strands, GuardError> {
    let (tier, open) = match which {
        Which::All(tier) => (tier, ""),
        Which::Open => (Tier::Raw, " AND summed = 0"),
    };
    let mut query = QueryBuilder::<Sqlite>::new("SELECT start, body FROM monitor_chunk WHERE host = ");
    query.push_bind(host).push(" AND tier = ").push_bind(tier.number()).push(open);
    query.push(" AND start >= ").push_bind(floor(from_s, tier.chunk_s())).push(" AND start < ").push_bind(to_s);
    query.push(" AND block IN (");
    let mut list = query.separated(", ");
    blocks.iter().for_each(|block| _ = list.push_bind(i64::from(*block)));
    query.push(") ORDER BY block, start");
    let rows: Vec<(i64, Vec<u8>)> = query.build_query_as().fetch_all(db).await?;
    let mut all = Strands::new();
    for (start_s, body) in &rows {
        let Ok(series) = chunk::decode(body, *start_s, &wanted) else {
            tracing::warn!(host.id = host, ?tier, at = start_s, "sealed metrics cannot be read; shown as a gap");
            continue;
        };
        series.into_iter().for_each(|(id, points)| all.entry(id).or_default().extend(points));
    }
    Ok(all)
}

/// Joins new points, all of one chunk's time, with the chunks that are there.
pub async fn put(db: &mut SqliteConnection, host: &str, tier: Tier, new: Strands) -> Result<(), GuardError> {
    let moment = |points: &Points| points.first().map(|(at, _)| *at);
    let Some(start_s) = new.values().find_map(moment).map(|at| floor(at, tier.chunk_s())) else { return Ok(()) };
    let blocks = blocks(new.keys().copied());
    let mut all = read(db, host, Which::All(tier), &blocks, (start_s, start_s + 1), |_| true).await?;
    join(&mut all, new);
    let columns = if tier == Tier::Raw { Columns::Value } else { Columns::Summary };
    for block in blocks {
        let series: Vec<(u32, Points)> =
            all.range(block * BLOCK..(block + 1) * BLOCK).map(|(id, points)| (*id, points.clone())).collect();
        let most = series.iter().map(|(_, points)| points.len()).max().unwrap_or(0);
        row_put(db, host, tier, (block, start_s), most, &chunk::encode(columns, start_s, &series)).await?;
    }
    Ok(())
}

async fn row_put(
    db: &mut SqliteConnection,
    host: &str,
    tier: Tier,
    (block, start_s): (u32, i64),
    points: usize,
    body: &[u8],
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO monitor_chunk (host, tier, block, start, points, summed, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (host, tier, block, start) DO UPDATE
         SET points = excluded.points, summed = excluded.summed, body = excluded.body",
    )
    .bind(host)
    .bind(tier.number())
    .bind(i64::from(block))
    .bind(start_s)
    .bind(points as i64)
    .bind(i64::from(tier != Tier::Raw))
    .bind(body)
    .execute(db)
    .await?;
    Ok(())
}

/// The first block of each host that has raw chunks before `before_s` which no rollup holds yet: host,
/// block, and the start of one of these chunks; at most `limit`.
pub async fn open_first(
    db: &mut SqliteConnection,
    before_s: i64,
    limit: i64,
) -> Result<Vec<(String, u32, i64)>, GuardError> {
    let rows = sqlx::query_as(
        "SELECT c.host, c.block, MIN(c.start) FROM monitor_chunk c JOIN (SELECT host, MIN(block) AS block
         FROM monitor_chunk WHERE summed = 0 AND start < $1 GROUP BY host LIMIT $2) AS first
         ON c.host = first.host AND c.block = first.block
         WHERE c.summed = 0 AND c.start < $1 GROUP BY c.host, c.block",
    );
    let rows: Vec<(String, i64, i64)> = rows.bind(before_s).bind(limit).fetch_all(db).await?;
    Ok(rows.into_iter().filter_map(|(host, block, start)| Some((host, u32::try_from(block).ok()?, start))).collect())
}

/// Rollups hold the raw chunks of this block and time now.
pub async fn close(
    db: &mut SqliteConnection,
    host: &str,
    block: u32,
    (from_s, to_s): (i64, i64),
) -> Result<(), GuardError> {
    let done = sqlx::query(
        "UPDATE monitor_chunk SET summed = 1
         WHERE host = $1 AND summed = 0 AND start >= $2 AND start < $3 AND block = $4",
    );
    done.bind(host).bind(from_s).bind(to_s).bind(i64::from(block)).execute(db).await?;
    Ok(())
}

/// The starts of raw chunks of a host after `after_s`, oldest first, at most `limit`.
pub async fn starts(
    db: &mut SqliteConnection,
    host: &str,
    blocks: &BTreeSet<u32>,
    after_s: i64,
    limit: i64,
) -> Result<Vec<i64>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT DISTINCT start FROM monitor_chunk WHERE host = ");
    query.push_bind(host).push(" AND tier = ").push_bind(Tier::Raw.number());
    query.push(" AND start > ").push_bind(after_s).push(" AND block IN (");
    let mut list = query.separated(", ");
    blocks.iter().for_each(|block| _ = list.push_bind(i64::from(*block)));
    query.push(") ORDER BY start LIMIT ").push_bind(limit);
    let rows: Vec<(i64,)> = query.build_query_as().fetch_all(db).await?;
    Ok(rows.into_iter().map(|(start,)| start).collect())
}

/// Removes chunks of a tier that begin before `before_s`, at most `limit`; raw ones that no rollup holds
/// yet wait until one does.
pub async fn remove(db: &mut SqliteConnection, tier: Tier, before_s: i64, limit: i64) -> Result<(), GuardError> {
    sqlx::query(
        "DELETE FROM monitor_chunk WHERE (host, tier, block, start) IN
         (SELECT host, tier, block, start FROM monitor_chunk WHERE tier = $1 AND start < $2 AND summed = 1 ORDER BY start LIMIT $3)",
    )
    .bind(tier.number())
    .bind(before_s)
    .bind(limit)
    .execute(db)
    .await?;
    Ok(())
}
