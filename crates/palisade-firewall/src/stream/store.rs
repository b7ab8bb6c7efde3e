//! The tables of what hosts have told. Times are milliseconds since 1970.

use super::record::{Connections, Hit, LoggedRow};
use crate::group::model::Direction;
use palisade_core::{Event, HostId, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::at;
use sqlx::SqliteConnection;

/// Rows of denied packets that are kept; the oldest make room.
pub const DENIED_MAX: i64 = 50_000;
/// Denied packets are kept so long.
const DENIED_DAYS: i64 = 30;
/// What rules have counted is kept so long.
const HITS_DAYS: i64 = 90;
/// What rules have counted rests by the hour for two days, then by the day.
const HOURS_KEPT_DAYS: i64 = 2;
/// Rows by the hour older than this are no longer looked for.
const HOURS_SOUGHT_DAYS: i64 = 10;
/// Events that wait; more are no longer put there.
const EVENTS_MAX: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Adds what a rule has counted to its hour.
pub async fn hit_add(db: &mut SqliteConnection, host: &HostId, hit: &Hit) -> Result<(), GuardError> {
    let last = hit.last.as_millisecond();
    sqlx::query(
        "INSERT INTO firewall_hit (host, rule, hour, packets, bytes, last_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (host, rule, hour) DO UPDATE SET packets = firewall_hit.packets + excluded.packets,
           bytes = firewall_hit.bytes + excluded.bytes,
           last_at = CASE WHEN excluded.last_at > firewall_hit.last_at THEN excluded.last_at ELSE firewall_hit.last_at END",
    )
    .bind(host.as_str())
    .bind(&hit.rule)
    .bind(last - last.rem_euclid(HOUR_MS))
    .bind(signed(hit.packets))
    .bind(signed(hit.bytes))
    .bind(last)
    .execute(db)
    .await?;
    Ok(())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / 1_000_000) // a host that tells nonsense must not overflow sums
}

/// What a rule has decided about on all chosen hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HitRow {
    /// Its id.
    pub rule: String,
    /// On how many hosts.
    pub hosts: u64,
    /// Packets, of all that is kept.
    pub packets: u64,
    /// Bytes likewise.
    pub bytes: u64,
    /// Packets of the last 24 hours.
    pub packets_24h: u64,
    /// When it was hit last.
    pub last_at: Timestamp,
    /// Since when it is counted here.
    pub since: Timestamp,
}

/// By rule, of one host or of all.
pub async fn hits(db: &mut SqliteConnection, host: Option<&HostId>, now: Timestamp) -> Result<Vec<HitRow>, GuardError> {
    let rows: Vec<(String, i64, i64, i64, i64, i64, i64)> = sqlx::query_as(
        "SELECT rule, COUNT(DISTINCT host), SUM(packets), SUM(bytes),
           SUM(CASE WHEN hour > $2 THEN packets ELSE 0 END), MAX(last_at), MIN(hour)
         FROM firewall_hit WHERE $1 IS NULL OR host = $1 GROUP BY rule ORDER BY rule",
    )
    .bind(host.map(HostId::as_str))
    .bind(now.as_millisecond() - DAY_MS)
    .fetch_all(db)
    .await?;
    let row = |(rule, hosts, packets, bytes, day, last, since): (String, i64, i64, i64, i64, i64, i64)| HitRow {
        rule,
        hosts: hosts as u64,
        packets: packets as u64,
        bytes: bytes as u64,
        packets_24h: day as u64,
        last_at: at(last),
        since: at(since),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Adds denied packets to those that are alike.
pub async fn denied_add(db: &mut SqliteConnection, host: &HostId, row: &LoggedRow) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_denied (host, rule, source, protocol, port, direction, packets, first_at, last_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (host, rule, source, protocol, port, direction) DO UPDATE SET
           packets = firewall_denied.packets + excluded.packets,
           last_at = CASE WHEN excluded.last_at > firewall_denied.last_at THEN excluded.last_at ELSE firewall_denied.last_at END",
    )
    .bind(host.as_str())
    .bind(&row.rule)
    .bind(row.peer.to_string())
    .bind(&row.protocol)
    .bind(row.port.map_or(-1, i64::from))
    .bind(if row.direction == Direction::In { "in" } else { "out" })
    .bind(signed(row.packets))
    .bind(row.first.as_millisecond())
    .bind(row.last.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// Makes room when there are too many rows: the oldest go.
pub async fn denied_trim(db: &mut SqliteConnection) -> Result<(), GuardError> {
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM firewall_denied").fetch_one(&mut *db).await?;
    if count <= DENIED_MAX {
        return Ok(());
    }
    let found: Option<(i64,)> =
        sqlx::query_as("SELECT last_at FROM firewall_denied ORDER BY last_at LIMIT 1 OFFSET $1")
            .bind(count - DENIED_MAX - 1)
            .fetch_optional(&mut *db)
            .await?;
    let Some((newest,)) = found else { return Ok(()) };
    sqlx::query("DELETE FROM firewall_denied WHERE last_at <= $1").bind(newest).execute(db).await?;
    Ok(())
}

/// Denied packets that are alike, as stored.
pub type DeniedTuple = (String, String, String, String, i64, String, i64, i64, i64);

/// Which rows of denied packets, and in which order.
#[derive(Debug, Clone, Default)]
pub struct DeniedFilter {
    /// Of this host.
    pub host: Option<HostId>,
    /// Words that must all occur.
    pub words: Vec<String>,
    /// A column of [`DENIED_SORTS`]; by the last packet if absent.
    pub sort: Option<&'static str>,
    /// The smallest first.
    pub ascending: bool,
}

/// By what denied packets can be sorted.
pub const DENIED_SORTS: [&str; 7] = ["last_at", "first_at", "packets", "host", "rule", "source", "port"];

/// A part of the rows, and how many there are in all.
pub async fn denied(
    db: &mut SqliteConnection,
    filter: &DeniedFilter,
    offset: usize,
    limit: usize,
) -> Result<(Vec<DeniedTuple>, u64), GuardError> {
    let mut count = sqlx::QueryBuilder::new("SELECT COUNT(*) FROM firewall_denied");
    denied_where(&mut count, filter);
    let (total,): (i64,) = count.build_query_as().fetch_one(&mut *db).await?;
    let mut query = sqlx::QueryBuilder::new(
        "SELECT host, rule, source, protocol, port, direction, packets, first_at, last_at FROM firewall_denied",
    );
    denied_where(&mut query, filter);
    let order = if filter.ascending { "" } else { " DESC" };
    query.push(format!(" ORDER BY {}{order}, host, rule, source, port", filter.sort.unwrap_or(DENIED_SORTS[0])));
    query.push(" LIMIT ").push_bind(limit as i64).push(" OFFSET ").push_bind(offset as i64);
    Ok((query.build_query_as().fetch_all(db).await?, total as u64))
}

fn denied_where(query: &mut sqlx::QueryBuilder<sqlx::Sqlite>, filter: &DeniedFilter) {
    query.push(" WHERE 1 = 1");
    if let Some(host) = &filter.host {
        query.push(" AND host = ").push_bind(host.as_str().to_owned());
    }
    for word in &filter.words {
        let escaped: String = word.to_lowercase().chars().flat_map(|c| escaped(c).into_iter().flatten()).collect();
        query.push(" AND LOWER(host || ' ' || rule || ' ' || source || ' ' || protocol || '/' || port || ' ' || direction) LIKE ");
        query.push_bind(format!("%{escaped}%")).push(" ESCAPE '!'");
    }
}

fn escaped(c: char) -> [Option<char>; 2] {
    [matches!(c, '%' | '_' | '!').then_some('!'), Some(c)]
}

/// When the journal was told of a source at a rule, and how many packets came since.
pub async fn told(
    db: &mut SqliteConnection,
    host: &HostId,
    rule: &str,
    source: &str,
) -> Result<Option<(i64, i64)>, GuardError> {
    let row = sqlx::query_as(
        "SELECT told_at, packets FROM firewall_denied_told WHERE host = $1 AND rule = $2 AND source = $3",
    );
    Ok(row.bind(host.as_str()).bind(rule).bind(source).fetch_optional(db).await?)
}

/// Of how many sources of a host the journal was told since.
pub async fn told_count(db: &mut SqliteConnection, host: &HostId, since: Timestamp) -> Result<i64, GuardError> {
    let row = sqlx::query_as("SELECT COUNT(*) FROM firewall_denied_told WHERE host = $1 AND told_at > $2");
    let (count,): (i64,) = row.bind(host.as_str()).bind(since.as_millisecond()).fetch_one(db).await?;
    Ok(count)
}

/// Stores when the journal was told, and what came since.
pub async fn told_put(
    db: &mut SqliteConnection,
    host: &HostId,
    rule: &str,
    source: &str,
    (told_at, packets): (i64, i64),
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_denied_told (host, rule, source, told_at, packets) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (host, rule, source) DO UPDATE SET told_at = excluded.told_at, packets = excluded.packets",
    )
    .bind(host.as_str())
    .bind(rule)
    .bind(source)
    .bind(told_at)
    .bind(packets)
    .execute(db)
    .await?;
    Ok(())
}

/// Puts an event where the journal fetches it. One beyond [`EVENTS_MAX`] is dropped and said in the log.
pub async fn event_put(db: &mut SqliteConnection, event: &Event) -> Result<(), GuardError> {
    let text = serde_json::to_string(event).map_err(decode)?;
    let (count, last): (i64, i64) =
        sqlx::query_as("SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM firewall_event").fetch_one(&mut *db).await?;
    if count >= EVENTS_MAX {
        tracing::warn!(guard = crate::WORD, kind = event.kind, "an event is dropped, too many wait");
        return Ok(());
    }
    sqlx::query("INSERT INTO firewall_event (seq, event) VALUES ($1, $2)")
        .bind(last + 1)
        .bind(text)
        .execute(db)
        .await?;
    Ok(())
}

/// The oldest events that wait, at most `max`, with the number of the last.
pub async fn events(db: &mut SqliteConnection, max: i64) -> Result<Option<(i64, Vec<Event>)>, GuardError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT seq, event FROM firewall_event ORDER BY seq LIMIT $1").bind(max).fetch_all(db).await?;
    let Some(last) = rows.last().map(|(seq, _)| *seq) else { return Ok(None) };
    let events: Result<Vec<Event>, _> = rows.iter().map(|(_, text)| serde_json::from_str(text)).collect();
    Ok(Some((last, events.map_err(decode)?)))
}

/// Forgets events up to this number.
pub async fn events_delete(db: &mut SqliteConnection, last: i64) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM firewall_event WHERE seq <= $1").bind(last).execute(db).await?;
    Ok(())
}

/// Keeps who speaks with whom, in the place of what was told before.
pub async fn connections_put(
    db: &mut SqliteConnection,
    host: &HostId,
    connections: &Connections,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_connections (host, at, body) VALUES ($1, $2, $3)
         ON CONFLICT (host) DO UPDATE SET at = excluded.at, body = excluded.body",
    )
    .bind(host.as_str())
    .bind(connections.at.as_millisecond())
    .bind(serde_json::to_string(connections).map_err(decode)?)
    .execute(db)
    .await?;
    Ok(())
}

/// Who spoke with whom when the host was asked last.
pub async fn connections(db: &mut SqliteConnection, host: &HostId) -> Result<Option<Connections>, GuardError> {
    let row = sqlx::query_as("SELECT body FROM firewall_connections WHERE host = $1");
    let row: Option<(String,)> = row.bind(host.as_str()).fetch_optional(db).await?;
    row.map(|(body,)| serde_json::from_str(&body).map_err(decode)).transpose()
}

fn decode(source: serde_json::Error) -> GuardError {
    GuardError::Decode { what: "record", guard: crate::WORD, source }
}

/// Clears away what is old. What rules have counted becomes rows by the day once an hour.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let before = |days: i64| now.as_millisecond() - days * DAY_MS;
    for (sql, days) in [
        ("DELETE FROM firewall_denied WHERE last_at < $1", DENIED_DAYS),
        ("DELETE FROM firewall_hit WHERE hour < $1", HITS_DAYS),
        ("DELETE FROM firewall_denied_told WHERE told_at < $1", 1),
        ("DELETE FROM firewall_connections WHERE at < $1", 1),
    ] {
        sqlx::query(sql).bind(before(days)).execute(&mut *db).await?;
    }
    denied_trim(db).await?;
    let minute = now.as_second().div_euclid(60).rem_euclid(60);
    if minute == 0 { hits_by_day(db, now).await } else { Ok(()) }
}

/// Rows by the hour become rows by the day, whose hour is the day's first.
pub async fn hits_by_day(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let today = now.as_millisecond() - now.as_millisecond().rem_euclid(DAY_MS);
    let (to, from) = (today - HOURS_KEPT_DAYS * DAY_MS, today - HOURS_SOUGHT_DAYS * DAY_MS);
    sqlx::query(
        "INSERT INTO firewall_hit (host, rule, hour, packets, bytes, last_at)
         SELECT host, rule, hour - hour % $3, SUM(packets), SUM(bytes), MAX(last_at) FROM firewall_hit
         WHERE hour < $1 AND hour >= $2 AND hour % $3 <> 0 GROUP BY host, rule, hour - hour % $3
         ON CONFLICT (host, rule, hour) DO UPDATE SET packets = firewall_hit.packets + excluded.packets,
           bytes = firewall_hit.bytes + excluded.bytes,
           last_at = CASE WHEN excluded.last_at > firewall_hit.last_at THEN excluded.last_at ELSE firewall_hit.last_at END",
    )
    .bind(to)
    .bind(from)
    .bind(DAY_MS)
    .execute(&mut *db)
    .await?;
    sqlx::query("DELETE FROM firewall_hit WHERE hour < $1 AND hour >= $2 AND hour % $3 <> 0")
        .bind(to)
        .bind(from)
        .bind(DAY_MS)
        .execute(db)
        .await?;
    Ok(())
}
