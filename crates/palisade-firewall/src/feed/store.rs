//! The tables of the feed. Times are milliseconds since 1970; no end is never.

use super::{Change, State};
use crate::ruleset::Until;
use palisade_core::{Cidr, CidrError, Generation, HostId, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::link::FeedPart;
use palisade_guard::store as frame;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

/// Rows in one statement, of eight values each.
const ROWS_PER_STATEMENT: usize = 1_000;

/// One entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which address or network.
    pub cidr: Cidr,
    /// Why, for people.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub since: i64,
    /// Until when.
    pub until: Until,
    /// How it stands.
    pub state: State,
}

/// The one row about all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// The last number given.
    pub seq: u64,
    /// The last number of what was forgotten and was no ban: who has heard less needs the whole.
    pub forgotten: u64,
    /// How many are banned.
    pub entries: u64,
    /// How many were given up to make room, since the server was installed.
    pub dropped: u64,
    /// How many networks are shut out for their addresses, as of the last count.
    pub aggregated: u64,
}

/// The one row about all of it.
pub async fn total(db: &mut SqliteConnection) -> Result<Total, GuardError> {
    let row: (i64, i64, i64, i64, i64) =
        sqlx::query_as("SELECT seq, forgotten, entries, dropped, aggregated FROM firewall_feed_state WHERE id = 1")
            .fetch_one(db)
            .await?;
    let (seq, forgotten, entries, dropped, aggregated) = row;
    Ok(Total {
        seq: seq as u64,
        forgotten: forgotten as u64,
        entries: entries as u64,
        dropped: dropped as u64,
        aggregated: aggregated as u64,
    })
}

/// How far the feed goes, with the epoch that specs carry too.
pub async fn position(db: &mut SqliteConnection) -> Result<Generation, GuardError> {
    Ok(Generation { epoch: frame::epoch(&mut *db).await?, n: total(db).await?.seq })
}

/// What is new after `since`, in parts of at most `limit` changes.
pub async fn parts(db: &mut SqliteConnection, since: Generation, limit: usize) -> Result<Vec<FeedPart>, GuardError> {
    let (newest, total) = (position(&mut *db).await?, total(&mut *db).await?);
    if since >= newest {
        // further than this server ever came: it was restored from an old copy, and hosts would refuse it
        return Ok(Vec::new());
    }
    let continues = since.epoch == newest.epoch && since.n >= total.forgotten;
    let first = if continues { since.n } else { 0 };
    let rows: Vec<(i64, String, Option<i64>, i64)> =
        sqlx::query_as("SELECT seq, cidr, ends_at, state FROM firewall_feed WHERE seq > $1 ORDER BY seq")
            .bind(first as i64)
            .fetch_all(db)
            .await?;
    let at = |n: u64| Generation { n, ..newest };
    let (mut parts, mut from) = (Vec::new(), first);
    for chunk in rows.chunks(limit.max(1)) {
        let to = chunk.last().map_or(from, |(seq, ..)| *seq as u64);
        let changes = chunk.iter().map(change).collect::<Result<Vec<_>, _>>()?;
        parts.push(FeedPart { from: at(from), to: at(to), newest: newest.n, changes });
        from = to;
    }
    match parts.last_mut() {
        Some(last) => last.to = newest,
        None => parts.push(FeedPart { from: at(first), to: newest, newest: newest.n, changes: Vec::new() }),
    }
    Ok(parts)
}

fn change((_, cidr, ends, state): &(i64, String, Option<i64>, i64)) -> Result<serde_json::Value, GuardError> {
    let change = Change { cidr: cidr_stored(cidr)?, until: Until::from(*ends), state: State::of(*state) };
    serde_json::to_value(change).map_err(|source| GuardError::Decode { what: "feed", guard: crate::WORD, source })
}

type RowTuple = (String, String, String, i64, Option<i64>, i64);

fn row((cidr, reason, by, since, ends, state): RowTuple) -> Result<Row, GuardError> {
    Ok(Row { cidr: cidr_stored(&cidr)?, reason, by, since, until: Until::from(ends), state: State::of(state) })
}

/// All that are banned at `now`, in no particular order.
pub async fn banned(db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<Row>, GuardError> {
    let rows: Vec<RowTuple> = sqlx::query_as(
        "SELECT cidr, reason, by_name, since, ends_at, state FROM firewall_feed
         WHERE state = 0 AND (ends_at IS NULL OR ends_at > $1)",
    )
    .bind(now.as_millisecond())
    .fetch_all(db)
    .await?;
    rows.into_iter().map(row).collect()
}

/// Those of `cidrs` that are banned at `now`.
pub async fn banned_of(db: &mut SqliteConnection, cidrs: &[Cidr], now: Timestamp) -> Result<Vec<Row>, GuardError> {
    let mut all = Vec::new();
    for chunk in cidrs.chunks(ROWS_PER_STATEMENT) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT cidr, reason, by_name, since, ends_at, state FROM firewall_feed WHERE state = 0 AND (ends_at IS NULL OR ends_at > ",
        );
        query.push_bind(now.as_millisecond()).push(") AND cidr IN (");
        let mut list = query.separated(", ");
        for cidr in chunk {
            list.push_bind(cidr.to_string());
        }
        query.push(")");
        let rows: Vec<RowTuple> = query.build_query_as().fetch_all(&mut *db).await?;
        all.extend(rows.into_iter().map(row).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

/// Those that are given up first: `count` of those that end first.
pub async fn first_to_end(db: &mut SqliteConnection, count: u64) -> Result<Vec<Row>, GuardError> {
    let sql = |which: &str| {
        format!(
            "SELECT cidr, reason, by_name, since, ends_at, state FROM firewall_feed WHERE state = 0 AND {which} LIMIT $1"
        )
    };
    let mut all = Vec::new();
    for which in ["ends_at IS NOT NULL ORDER BY ends_at", "ends_at IS NULL ORDER BY seq"] {
        let left = count - all.len() as u64;
        let query = sqlx::query_as::<_, RowTuple>(sqlx::AssertSqlSafe(sql(which)));
        let rows: Vec<RowTuple> = query.bind(left as i64).fetch_all(&mut *db).await?;
        all.extend(rows.into_iter().map(row).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

/// Stores entries, each cidr once, with new numbers. A ban that lasts no longer than the one that
/// stands changes nothing. Returns how many rows were written.
pub async fn put(db: &mut SqliteConnection, rows: &[Row], now: Timestamp) -> Result<u64, GuardError> {
    let mut written = 0;
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let (last,): (i64,) =
            sqlx::query_as("UPDATE firewall_feed_state SET seq = seq + $1 WHERE id = 1 RETURNING seq")
                .bind(chunk.len() as i64)
                .fetch_one(&mut *db)
                .await?;
        let first = last - chunk.len() as i64 + 1;
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO firewall_feed (seq, cidr, reason, by_name, since, ends_at, state, at) ",
        );
        query.push_values(chunk.iter().zip(first..), |mut values, (row, seq)| {
            values.push_bind(seq).push_bind(row.cidr.to_string()).push_bind(&row.reason).push_bind(&row.by);
            values.push_bind(row.since).push_bind(Option::<i64>::from(row.until));
            values.push_bind(row.state.number()).push_bind(now.as_millisecond());
        });
        query.push(
            " ON CONFLICT (cidr) DO UPDATE SET seq = excluded.seq, reason = excluded.reason, by_name = excluded.by_name,
               since = excluded.since, ends_at = excluded.ends_at, state = excluded.state, at = excluded.at
             WHERE excluded.state <> 0 OR firewall_feed.state <> 0 OR (firewall_feed.ends_at IS NOT NULL
               AND (excluded.ends_at IS NULL OR excluded.ends_at > firewall_feed.ends_at))",
        );
        written += query.build().execute(&mut *db).await?.rows_affected();
    }
    Ok(written)
}

/// Adds to how many are banned, and to how many were given up.
pub async fn count(db: &mut SqliteConnection, entries: i64, dropped: i64) -> Result<Total, GuardError> {
    sqlx::query("UPDATE firewall_feed_state SET entries = entries + $1, dropped = dropped + $2 WHERE id = 1")
        .bind(entries)
        .bind(dropped)
        .execute(&mut *db)
        .await?;
    total(db).await
}

/// Stores how many are banned, and how many networks are shut out for that.
pub async fn counted(db: &mut SqliteConnection, entries: u64, aggregated: u64) -> Result<(), GuardError> {
    sqlx::query("UPDATE firewall_feed_state SET entries = $1, aggregated = $2 WHERE id = 1")
        .bind(entries as i64)
        .bind(aggregated as i64)
        .execute(db)
        .await?;
    Ok(())
}

/// Clears away what has ended, and of what is no ban all but the newest `keep`.
pub async fn clear(db: &mut SqliteConnection, keep: usize, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM firewall_feed WHERE state = 0 AND ends_at <= $1")
        .bind(now.as_millisecond())
        .execute(&mut *db)
        .await?;
    let beyond: Option<(i64,)> =
        sqlx::query_as("SELECT seq FROM firewall_feed WHERE state <> 0 ORDER BY seq DESC LIMIT 1 OFFSET $1")
            .bind(keep as i64)
            .fetch_optional(&mut *db)
            .await?;
    let beyond = beyond.map_or(0, |(seq,)| seq);
    let (last,): (Option<i64>,) =
        sqlx::query_as("SELECT MAX(seq) FROM firewall_feed WHERE state <> 0 AND (ends_at <= $1 OR seq <= $2)")
            .bind(now.as_millisecond())
            .bind(beyond)
            .fetch_one(&mut *db)
            .await?;
    let Some(last) = last else { return Ok(()) };
    sqlx::query("DELETE FROM firewall_feed WHERE state <> 0 AND (ends_at <= $1 OR seq <= $2)")
        .bind(now.as_millisecond())
        .bind(beyond)
        .execute(&mut *db)
        .await?;
    sqlx::query("UPDATE firewall_feed_state SET forgotten = $1 WHERE id = 1 AND forgotten < $1")
        .bind(last)
        .execute(db)
        .await?;
    Ok(())
}

/// A host has stored it this far.
pub async fn held_put(
    db: &mut SqliteConnection,
    host: &HostId,
    to: Generation,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_feed_host (host, epoch, seq, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, at = excluded.at",
    )
    .bind(host.as_str())
    .bind(i64::from(to.epoch))
    .bind(to.n as i64)
    .bind(now.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// How far each host has stored it, by name.
pub async fn held(db: &mut SqliteConnection) -> Result<Vec<(String, Generation)>, GuardError> {
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT host, epoch, seq FROM firewall_feed_host ORDER BY host").fetch_all(db).await?;
    let at = |epoch: i64, n: i64| Generation { epoch: epoch as u32, n: n as u64 };
    Ok(rows.into_iter().map(|(host, epoch, n)| (host, at(epoch, n))).collect())
}

/// When the first change after this number was made.
pub async fn at_after(db: &mut SqliteConnection, seq: u64) -> Result<Option<i64>, GuardError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT at FROM firewall_feed WHERE seq > $1 ORDER BY seq LIMIT 1")
        .bind(seq as i64)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|(at,)| at))
}

fn cidr_stored(text: &str) -> Result<Cidr, GuardError> {
    text.parse().map_err(|e: CidrError| {
        GuardError::Refused(format!("the firewall's feed holds a row that makes no sense: {e}"))
    })
}
