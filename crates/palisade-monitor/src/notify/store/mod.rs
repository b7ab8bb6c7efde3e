//! Notices, what was told of them, and what is on its way, in the database.

pub mod outbox;
pub mod secret;

use super::group::{Flush, SentAt};
use super::message::Message;
use super::standing::{Standing, Standings, Told};
use palisade_core::Timestamp;
use palisade_guard::notice::NoticeState;
use palisade_guard::store::at;
use palisade_guard::{GuardError, Notice};
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// How long what is over is kept, in days.
const KEPT_DAYS: i64 = 7;
/// Deliveries that are over and kept.
const DELIVERIES_KEPT_MAX: i64 = 10_000;
/// Notices that stand at one time; the oldest are told, more wait.
const NOTICES_MAX: i64 = 50_000;

type NoticeTuple = (String, String, i64, i64, Option<String>);
type ToldTuple = (String, String, String, String, i64, i64, i64, String);

/// Puts the newest state of a thing. One that begins anew is not acknowledged any more.
pub async fn notice_put(db: &mut SqliteConnection, notice: &Notice) -> Result<(), GuardError> {
    let body = serde_json::to_string(notice).expect("a notice has string keys");
    sqlx::query(
        "INSERT INTO monitor_notice (key, body, state, starts_at, seen_at, taken, done)
         VALUES ($1, $2, $3, $4, 0, 0, 0)
         ON CONFLICT (key) DO UPDATE SET body = excluded.body, state = excluded.state, starts_at = excluded.starts_at,
           seen_at = CASE WHEN monitor_notice.state = excluded.state
             AND monitor_notice.starts_at = excluded.starts_at THEN monitor_notice.seen_at ELSE 0 END,
           acknowledged_by = CASE WHEN excluded.state <> 'resolved' AND (monitor_notice.state = 'resolved'
             OR monitor_notice.starts_at <> excluded.starts_at) THEN NULL ELSE monitor_notice.acknowledged_by END,
           taken = 0, done = 0",
    )
    .bind(&notice.key)
    .bind(body)
    .bind(word(&notice.state))
    .bind(ms(notice.starts_at))
    .execute(db)
    .await?;
    Ok(())
}

/// Notes who has taken a thing on.
pub async fn acknowledge(db: &mut SqliteConnection, key: &str, by: Option<&str>) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_notice SET acknowledged_by = $1, taken = 0 WHERE key = $2")
        .bind(by)
        .bind(key)
        .execute(db)
        .await?;
    Ok(())
}

/// True if something was said that is not looked at yet.
pub async fn untaken(db: &mut SqliteConnection) -> Result<bool, GuardError> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT 1 FROM monitor_notice WHERE taken = 0 LIMIT 1").fetch_optional(db).await?;
    Ok(row.is_some())
}

/// Looks at what was said since: each gets the moment when it was first seen.
pub async fn take(db: &mut SqliteConnection, now: Timestamp) -> Result<Standings, GuardError> {
    sqlx::query("UPDATE monitor_notice SET seen_at = $1 WHERE taken = 0 AND seen_at = 0")
        .bind(ms(now))
        .execute(&mut *db)
        .await?;
    let rows: Vec<NoticeTuple> = sqlx::query_as(
        "SELECT key, body, seen_at, starts_at, acknowledged_by FROM monitor_notice WHERE taken = 0 ORDER BY key LIMIT $1",
    )
    .bind(NOTICES_MAX)
    .fetch_all(&mut *db)
    .await?;
    let told: Vec<ToldTuple> = sqlx::query_as(
        "SELECT notice, channel, t.state, severity, t.starts_at, first_at, at, group_key
         FROM monitor_told t JOIN monitor_notice n ON n.key = t.notice WHERE n.taken = 0",
    )
    .fetch_all(&mut *db)
    .await?;
    sqlx::query("UPDATE monitor_notice SET taken = 1 WHERE taken = 0").execute(db).await?;
    standings(rows, told)
}

/// Everything that is not done with.
pub async fn standing(db: &mut SqliteConnection) -> Result<Standings, GuardError> {
    let rows: Vec<NoticeTuple> = sqlx::query_as(
        "SELECT key, body, seen_at, starts_at, acknowledged_by FROM monitor_notice
         WHERE done = 0 AND taken = 1 ORDER BY key LIMIT $1",
    )
    .bind(NOTICES_MAX)
    .fetch_all(&mut *db)
    .await?;
    let told: Vec<ToldTuple> = sqlx::query_as(
        "SELECT notice, channel, t.state, severity, t.starts_at, first_at, at, group_key
         FROM monitor_told t JOIN monitor_notice n ON n.key = t.notice WHERE n.done = 0 AND n.taken = 1",
    )
    .fetch_all(db)
    .await?;
    standings(rows, told)
}

/// Everything that fires, whether it was looked at or not, without what was told of it.
pub async fn firing(db: &mut SqliteConnection) -> Result<Standings, GuardError> {
    let rows: Vec<NoticeTuple> = sqlx::query_as(
        "SELECT key, body, seen_at, starts_at, acknowledged_by FROM monitor_notice
         WHERE done = 0 AND state = 'firing' ORDER BY key LIMIT $1",
    )
    .bind(NOTICES_MAX)
    .fetch_all(db)
    .await?;
    standings(rows, Vec::new())
}

fn standings(rows: Vec<NoticeTuple>, told: Vec<ToldTuple>) -> Result<Standings, GuardError> {
    let mut all = Standings::new();
    for (key, body, seen_at, _, acknowledged_by) in rows {
        let mut standing = Standing::new(read("notice", &body)?, at(seen_at));
        standing.acknowledged_by = acknowledged_by;
        all.insert(key, standing);
    }
    for (notice, channel, state, severity, starts_at, first_at, told_at, group) in told {
        let Some(standing) = all.get_mut(&notice) else { continue };
        let (state, severity) = (read("state", &quoted(&state))?, read("severity", &quoted(&severity))?);
        let (starts_at, first_at, told_at) = (at(starts_at), at(first_at), at(told_at));
        standing.told.insert(channel, Told { state, severity, starts_at, first_at, at: told_at, group });
    }
    Ok(all)
}

/// Nobody will be told more of these.
pub async fn done(db: &mut SqliteConnection, keys: &[String]) -> Result<(), GuardError> {
    for key in keys {
        sqlx::query("UPDATE monitor_notice SET done = 1 WHERE key = $1 AND taken = 1")
            .bind(key)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// What a channel was told last of a thing.
pub async fn told_put(
    db: &mut SqliteConnection,
    (notice, channel): (&str, &str),
    told: &Told,
    delivery: i64,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO monitor_told (notice, channel, state, severity, starts_at, first_at, at, group_key, delivery)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (notice, channel) DO UPDATE SET state = excluded.state, severity = excluded.severity,
           starts_at = excluded.starts_at, first_at = excluded.first_at, at = excluded.at,
           group_key = excluded.group_key, delivery = excluded.delivery",
    )
    .bind(notice)
    .bind(channel)
    .bind(word(&told.state))
    .bind(told.severity.as_str())
    .bind(ms(told.starts_at))
    .bind(ms(told.first_at))
    .bind(ms(told.at))
    .bind(&told.group)
    .bind(delivery)
    .execute(db)
    .await?;
    Ok(())
}

/// When each group was last told.
pub async fn sent_at(db: &mut SqliteConnection) -> Result<SentAt, GuardError> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT group_key, channel, sent_at FROM monitor_group").fetch_all(db).await?;
    Ok(rows.into_iter().map(|(group, channel, sent)| ((group, channel), at(sent))).collect())
}

/// Notes that a group is told now, and returns the number of the message. Numbers begin with the
/// seconds since 1970, so that a group that was forgotten does not use one again.
pub async fn group_told(db: &mut SqliteConnection, flush: &Flush, now: Timestamp) -> Result<u64, GuardError> {
    let (sequence,): (i64,) = sqlx::query_as(
        "INSERT INTO monitor_group (group_key, channel, sent_at, sequence) VALUES ($1, $2, $3, $4)
         ON CONFLICT (group_key, channel) DO UPDATE SET sent_at = excluded.sent_at, sequence = monitor_group.sequence + 1
         RETURNING sequence",
    )
    .bind(&flush.group)
    .bind(&flush.channel)
    .bind(ms(now))
    .bind(now.as_second())
    .fetch_one(db)
    .await?;
    Ok(sequence as u64)
}

/// Puts a message on its way. One of the same group that still waits becomes this one: a channel that
/// was down for hours is told how things stand, not how they stood. Returns the delivery.
pub async fn delivery_put(
    db: &mut SqliteConnection,
    channel: &str,
    message: Message,
    now: Timestamp,
) -> Result<i64, GuardError> {
    let waiting: Option<(i64, String)> = sqlx::query_as(
        "SELECT id, body FROM monitor_delivery WHERE channel = $1 AND group_key = $2 AND state = 'waiting'
         ORDER BY id DESC LIMIT 1",
    )
    .bind(channel)
    .bind(&message.group)
    .fetch_optional(&mut *db)
    .await?;
    if let Some((id, body)) = waiting {
        let merged = message.after(read("delivery", &body)?);
        delivery_change(db, id, &merged).await?;
        return Ok(id);
    }
    let (id,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(id), 0) + 1 FROM monitor_delivery").fetch_one(&mut *db).await?;
    sqlx::query(
        "INSERT INTO monitor_delivery
           (id, channel, group_key, sequence, title, body, state, attempts, next_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, $7)",
    )
    .bind(id)
    .bind(channel)
    .bind(&message.group)
    .bind(message.sequence as i64)
    .bind(message.title())
    .bind(json(&message))
    .bind(ms(now))
    .execute(db)
    .await?;
    Ok(id)
}

pub(super) async fn delivery_change(db: &mut SqliteConnection, id: i64, message: &Message) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_delivery SET sequence = $1, title = $2, body = $3 WHERE id = $4")
        .bind(message.sequence as i64)
        .bind(message.title())
        .bind(json(message))
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets what is over for long.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let old = ms(now - jiff::SignedDuration::from_hours(24 * KEPT_DAYS));
    for statement in [
        "DELETE FROM monitor_notice WHERE state <> 'firing' AND taken = 1 AND seen_at < $1",
        "DELETE FROM monitor_told WHERE at < $1 AND NOT EXISTS (SELECT 1 FROM monitor_notice n WHERE n.key = notice)",
        "DELETE FROM monitor_group WHERE sent_at < $1",
        "DELETE FROM monitor_delivery WHERE state IN ('sent', 'dead') AND created_at < $1",
    ] {
        sqlx::query(statement).bind(old).execute(&mut *db).await?;
    }
    sqlx::query(
        "DELETE FROM monitor_delivery WHERE state = 'sent'
         AND id <= (SELECT COALESCE(MAX(id), 0) FROM monitor_delivery) - $1",
    )
    .bind(DELIVERIES_KEPT_MAX)
    .execute(db)
    .await?;
    Ok(())
}

/// What channels were told of these things, and whether it has arrived: by key, then channel.
pub async fn notified(
    db: &mut SqliteConnection,
    key: &str,
) -> Result<Vec<(String, Timestamp, String, Option<String>)>, GuardError> {
    let rows: Vec<(String, i64, Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT t.channel, t.at, d.state, d.error FROM monitor_told t
         LEFT JOIN monitor_delivery d ON d.id = t.delivery WHERE t.notice = $1 ORDER BY t.channel",
    )
    .bind(key)
    .fetch_all(db)
    .await?;
    let row = |(channel, told, state, error): (String, i64, Option<String>, _)| {
        // a delivery that is not kept any more was sent
        (channel, at(told), state.unwrap_or_else(|| "sent".to_owned()), error)
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Documents of the kinds that this guard keeps in the frame's table, by name.
pub async fn documents<T: DeserializeOwned>(
    db: &mut SqliteConnection,
    kind: &str,
) -> Result<BTreeMap<String, T>, GuardError> {
    let rows = palisade_guard::store::resources(db, kind, None).await?;
    let parsed = |row: palisade_guard::store::ResourceRow| match serde_json::from_value(row.spec) {
        Ok(spec) => Some((row.name, spec)),
        Err(error) => {
            tracing::warn!(kind, name = row.name, %error, "a stored document cannot be read; passed over");
            None
        }
    };
    Ok(rows.into_iter().filter_map(parsed).collect())
}

/// The word of a state as it stands in JSON.
pub fn word(state: &NoticeState) -> &'static str {
    match state {
        NoticeState::Firing => "firing",
        NoticeState::Resolved => "resolved",
        NoticeState::Once => "once",
    }
}

/// Milliseconds since 1970.
pub fn ms(moment: Timestamp) -> i64 {
    moment.as_millisecond()
}

pub(super) fn json(message: &Message) -> String {
    serde_json::to_string(message).expect("a message has string keys")
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

/// Stored JSON as its type.
pub fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, GuardError> {
    serde_json::from_str(text).map_err(|source| GuardError::Decode { what, guard: crate::WORD, source })
}
