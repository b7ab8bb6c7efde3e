//! What is on its way, in the database: taken up, sent, put off, given up, and retried by hand.

use super::{delivery_change, ms, read};
use crate::notify::message::Message;
use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_guard::store::at;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An answer or an error, in bytes.
const ERROR_BYTES_MAX: usize = 500;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is sent when its time comes.
    Waiting,
    /// It is being sent.
    Sending,
    /// The receiver has taken it.
    Sent,
    /// It was given up; it can be retried by hand.
    Dead,
}

/// A delivery as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Its number.
    pub id: i64,
    /// To which channel.
    pub channel: String,
    /// Of which group.
    pub group: String,
    /// What it says, in a line.
    pub title: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// What went wrong the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since when it is on its way.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the receiver took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
}

/// A delivery that was taken up.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Its number.
    pub id: i64,
    /// To which channel.
    pub channel: String,
    /// What it says.
    pub message: Message,
    /// How often it was tried before.
    pub attempts: u32,
    /// Since when it is on its way.
    pub created_at: Timestamp,
}

/// How a channel does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// When it last took something.
    pub ok_at: Option<Timestamp>,
    /// What went wrong last, unless something went well since.
    pub error: Option<String>,
    /// Deliveries that wait.
    pub waiting: u64,
    /// Deliveries that were given up.
    pub dead: u64,
}

impl Health {
    /// Whether it took the last thing that went to it; `None` if nothing ever did.
    pub fn works(&self) -> Option<bool> {
        self.error.as_ref().map(|_| false).or(self.ok_at.map(|_| true))
    }
}

type DeliveryTuple = (i64, String, String, String, String, i64, i64, Option<String>, i64, Option<i64>);

/// After a start nothing is being sent: what was, waits again.
pub async fn begin(db: &mut SqliteConnection) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_delivery SET state = 'waiting' WHERE state = 'sending'").execute(db).await?;
    Ok(())
}

/// An error if the database takes no write now.
pub async fn writable(db: &mut SqliteConnection) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_channel SET ok_at = ok_at WHERE name = ''").execute(db).await?;
    Ok(())
}

/// These wait again.
pub async fn put_back(db: &mut SqliteConnection, ids: &[i64]) -> Result<(), GuardError> {
    for id in ids {
        sqlx::query("UPDATE monitor_delivery SET state = 'waiting' WHERE id = $1 AND state = 'sending'")
            .bind(id)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// True if something is due for a channel that is not among `busy`.
pub async fn due(db: &mut SqliteConnection, busy: &[String], now: Timestamp) -> Result<bool, GuardError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT DISTINCT channel FROM monitor_delivery WHERE state = 'waiting' AND next_at <= $1")
            .bind(ms(now))
            .fetch_all(db)
            .await?;
    Ok(rows.iter().any(|(channel,)| !busy.contains(channel)))
}

/// Takes up the oldest due delivery of each channel that is not among `busy`, at most `count`.
pub async fn take(
    db: &mut SqliteConnection,
    busy: &[String],
    count: usize,
    now: Timestamp,
) -> Result<Vec<Taken>, GuardError> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT MIN(id), channel FROM monitor_delivery WHERE state = 'waiting' AND next_at <= $1
         GROUP BY channel ORDER BY MIN(id)",
    )
    .bind(ms(now))
    .fetch_all(&mut *db)
    .await?;
    let mut taken = Vec::new();
    for (id, channel) in rows.into_iter().filter(|(_, channel)| !busy.contains(channel)).take(count) {
        let (body, attempts, created): (String, i64, i64) = sqlx::query_as(
            "UPDATE monitor_delivery SET state = 'sending' WHERE id = $1 RETURNING body, attempts, created_at",
        )
        .bind(id)
        .fetch_one(&mut *db)
        .await?;
        let (message, attempts) = (read("delivery", &body)?, attempts as u32);
        taken.push(Taken { id, channel, message, attempts, created_at: at(created) });
    }
    Ok(taken)
}

/// The receiver has taken it. The channel works again: what waits after failures is due now.
pub async fn sent(db: &mut SqliteConnection, taken: &Taken, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query(
        "UPDATE monitor_delivery SET state = 'sent', attempts = attempts + 1, sent_at = $1, error = NULL WHERE id = $2",
    )
    .bind(ms(now))
    .bind(taken.id)
    .execute(&mut *db)
    .await?;
    if taken.attempts > 0 {
        sqlx::query(
            "UPDATE monitor_delivery SET next_at = $1 WHERE channel = $2 AND state = 'waiting' AND next_at > $1",
        )
        .bind(ms(now))
        .bind(&taken.channel)
        .execute(&mut *db)
        .await?;
    }
    health_put(db, &taken.channel, None, now).await
}

/// It is tried again at `next_at`. When a newer message of its group has come meanwhile, both become
/// one, so that nobody is told of yesterday's state after today's.
pub async fn put_off(
    db: &mut SqliteConnection,
    taken: &Taken,
    (error, next_at): (&str, Timestamp),
    now: Timestamp,
) -> Result<(), GuardError> {
    let newer: Option<(i64, String)> = sqlx::query_as(
        "SELECT id, body FROM monitor_delivery WHERE channel = $1 AND group_key = $2 AND state = 'waiting' AND id > $3
         ORDER BY id DESC LIMIT 1",
    )
    .bind(&taken.channel)
    .bind(&taken.message.group)
    .bind(taken.id)
    .fetch_optional(&mut *db)
    .await?;
    if let Some((newer, body)) = newer {
        let newest: Message = read("delivery", &body)?;
        delivery_change(db, taken.id, &newest.after(taken.message.clone())).await?;
        sqlx::query("UPDATE monitor_told SET delivery = $1 WHERE delivery = $2")
            .bind(taken.id)
            .bind(newer)
            .execute(&mut *db)
            .await?;
        sqlx::query("DELETE FROM monitor_delivery WHERE id = $1").bind(newer).execute(&mut *db).await?;
    }
    sqlx::query(
        "UPDATE monitor_delivery SET state = 'waiting', attempts = attempts + 1, next_at = $1, error = $2 WHERE id = $3",
    )
    .bind(ms(next_at))
    .bind(cut(error))
    .bind(taken.id)
    .execute(&mut *db)
    .await?;
    health_put(db, &taken.channel, Some(error), now).await
}

/// It is given up.
pub async fn give_up(db: &mut SqliteConnection, taken: &Taken, error: &str, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_delivery SET state = 'dead', attempts = attempts + 1, error = $1 WHERE id = $2")
        .bind(cut(error))
        .bind(taken.id)
        .execute(&mut *db)
        .await?;
    health_put(db, &taken.channel, Some(error), now).await
}

/// Tries a delivery that waits or was given up now, with all of its time before it. False if there is
/// none such.
pub async fn retry(db: &mut SqliteConnection, id: i64, now: Timestamp) -> Result<bool, GuardError> {
    let done = sqlx::query(
        "UPDATE monitor_delivery SET state = 'waiting', attempts = 0, next_at = $1, created_at = $1
         WHERE id = $2 AND state IN ('waiting', 'dead')",
    )
    .bind(ms(now))
    .bind(id)
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes how a channel does.
pub async fn health_put(
    db: &mut SqliteConnection,
    channel: &str,
    error: Option<&str>,
    now: Timestamp,
) -> Result<(), GuardError> {
    let ok_at = error.is_none().then(|| ms(now));
    sqlx::query(
        "INSERT INTO monitor_channel (name, ok_at, error, error_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET ok_at = COALESCE(excluded.ok_at, monitor_channel.ok_at),
           error = excluded.error, error_at = excluded.error_at",
    )
    .bind(channel)
    .bind(ok_at)
    .bind(error.map(cut))
    .bind(error.map(|_| ms(now)))
    .execute(db)
    .await?;
    Ok(())
}

/// How each channel does, by name.
pub async fn health(db: &mut SqliteConnection) -> Result<BTreeMap<String, Health>, GuardError> {
    let mut all: BTreeMap<String, Health> = BTreeMap::new();
    let rows: Vec<(String, Option<i64>, Option<String>)> =
        sqlx::query_as("SELECT name, ok_at, error FROM monitor_channel").fetch_all(&mut *db).await?;
    for (name, ok_at, error) in rows {
        all.insert(name, Health { ok_at: ok_at.map(at), error, ..Health::default() });
    }
    let counts: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT channel, state, COUNT(*) FROM monitor_delivery WHERE state <> 'sent' GROUP BY channel, state",
    )
    .fetch_all(db)
    .await?;
    for (channel, state, count) in counts {
        let health = all.entry(channel).or_default();
        let counter = if state == "dead" { &mut health.dead } else { &mut health.waiting };
        *counter += count as u64;
    }
    Ok(all)
}

/// Deliveries, newest first, at most `limit`.
pub async fn list(
    db: &mut SqliteConnection,
    state: Option<DeliveryState>,
    limit: i64,
) -> Result<Vec<DeliveryView>, GuardError> {
    let state = state.map(|state| match state {
        DeliveryState::Waiting => "waiting",
        DeliveryState::Sending => "sending",
        DeliveryState::Sent => "sent",
        DeliveryState::Dead => "dead",
    });
    let rows: Vec<DeliveryTuple> = sqlx::query_as(
        "SELECT id, channel, group_key, title, state, attempts, next_at, error, created_at, sent_at
         FROM monitor_delivery WHERE $1 IS NULL OR state = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(state)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(view).collect()
}

fn view(row: DeliveryTuple) -> Result<DeliveryView, GuardError> {
    let (id, channel, group, title, state, attempts, next_at, last_error, created_at, sent_at) = row;
    let state: DeliveryState = read("delivery", &format!("\"{state}\""))?;
    let next_at = (state == DeliveryState::Waiting).then(|| at(next_at));
    let (created_at, sent_at, attempts) = (at(created_at), sent_at.map(at), attempts as u32);
    Ok(DeliveryView { id, channel, group, title, state, attempts, next_at, last_error, created_at, sent_at })
}

fn cut(error: &str) -> &str {
    let end = (0..=ERROR_BYTES_MAX.min(error.len())).rev().find(|&n| error.is_char_boundary(n));
    &error[..end.unwrap_or(0)]
}
