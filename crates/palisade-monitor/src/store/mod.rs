//! Frames in the database: a row per host and minute (or second), series by number in a dictionary
//! of the host, and the newest frame as it came.

mod column;
mod tier;

pub use column::{Column, SamplesRow, Store};
pub use tier::{Tier, row_put, rows, rows_remove};

use crate::catalogue;
use crate::model::{Cause, Frame, SERIES_MAX, Sent, SeriesKey, TOP_MAX, TopProcess};
use crate::pack::pack_frame;
use palisade_core::{HostId, Timestamp};
use palisade_guard::{GuardError, Record};
use serde::Deserialize;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::{BTreeMap, HashMap};

/// The tables of this guard.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1_series.sql"),
    include_str!("../../migrations/2_store.sql"),
    include_str!("../../migrations/3_alarm.sql"),
    include_str!("../../migrations/4_notify.sql"),
    include_str!("../../migrations/5_probe.sql"),
    include_str!("../../migrations/6_process.sql"),
];
/// Series that one host may ever have had; more are not stored. Disks and interfaces come and go.
const DICTIONARY_MAX: usize = 4 * SERIES_MAX;
const TEXT_BYTES_MAX: usize = 256;

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

async fn frames_put(db: &mut SqliteConnection, host: &HostId, frames: &[Frame]) -> Result<(), GuardError> {
    let mut dictionary = Dictionary::read(db, host).await?;
    let mut newest: Option<Frame> = None;
    for frame in frames {
        let Some(frame) = sound(frame.clone()) else { continue };
        frame_put(db, host, &frame, &mut dictionary).await?;
        if newest.as_ref().is_none_or(|before| before.at <= frame.at) {
            newest = Some(frame);
        }
    }
    match newest {
        Some(frame) => latest_put(db, host, &frame).await,
        None => Ok(()),
    }
}

/// The frame within its limits and with metrics that this version knows; a host may be hostile.
fn sound(mut frame: Frame) -> Option<Frame> {
    if frame.at.as_second() <= 0 || !(0.0..=1e7).contains(&frame.interval_s) {
        return None;
    }
    let is_sound = |key: &str, value: f64| {
        let Some(key) = SeriesKey::parse(key) else { return false };
        let Some(metric) = catalogue::metric(&key.name) else { return false };
        metric.label == key.label.as_ref().map(|(label, _)| label.as_str()) && (0.0..=metric.max).contains(&value)
    };
    let all = std::mem::take(&mut frame.metrics);
    frame.metrics = all.into_iter().filter(|(key, value)| is_sound(key, *value)).take(SERIES_MAX).collect();
    for list in [&mut frame.by_cpu, &mut frame.by_memory, &mut frame.by_io] {
        list.truncate(TOP_MAX);
        list.iter_mut().for_each(shorten);
    }
    frame.missing.truncate(32);
    frame.missing.iter_mut().for_each(cut);
    Some(frame)
}

fn shorten(process: &mut TopProcess) {
    cut(&mut process.name);
    process.user.iter_mut().chain(process.cmdline.iter_mut()).for_each(cut);
    process.cpu = process.cpu.filter(|cpu| (0.0..=1e4).contains(cpu));
}

fn cut(text: &mut String) {
    text.truncate((0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(0));
}

async fn frame_put(
    db: &mut SqliteConnection,
    host: &HostId,
    frame: &Frame,
    dictionary: &mut Dictionary,
) -> Result<(), GuardError> {
    let mut values = Vec::with_capacity(frame.metrics.len());
    for (key, &value) in &frame.metrics {
        if let Some(id) = dictionary.id(db, host, key).await? {
            values.push((id, value));
        }
    }
    values.sort_unstable_by_key(|(id, _)| *id);
    let tier = if frame.live { Tier::Second } else { Tier::Minute };
    let at_s = tier.floor(frame.at.as_second());
    row_put(db, tier, host.as_str(), at_s, &pack_frame(frame.interval_s, &values)).await?;
    match tier.next() {
        Some(next) => due_put(db, next, host.as_str(), at_s).await,
        None => Ok(()),
    }
}

/// Notes that the rollup of this moment must be made, or made again: data may come late.
pub async fn due_put(db: &mut SqliteConnection, rollup: Tier, host: &str, at_s: i64) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO monitor_due (minutes, at, host) VALUES ($1, $2, $3) ON CONFLICT (minutes, at, host) DO NOTHING",
    )
    .bind(rollup.step_s() / 60)
    .bind(rollup.floor(at_s))
    .bind(host)
    .execute(db)
    .await?;
    Ok(())
}

/// The rollups of one tier that are due until then, oldest first: their bucket and host.
pub async fn due_list(
    db: &mut SqliteConnection,
    rollup: Tier,
    until_s: i64,
    limit: i64,
) -> Result<Vec<(i64, String)>, GuardError> {
    Ok(sqlx::query_as("SELECT at, host FROM monitor_due WHERE minutes = $1 AND at <= $2 ORDER BY at LIMIT $3")
        .bind(rollup.step_s() / 60)
        .bind(until_s)
        .bind(limit)
        .fetch_all(db)
        .await?)
}

/// A rollup is made, or there is nothing to make it of.
pub async fn due_remove(db: &mut SqliteConnection, rollup: Tier, host: &str, at_s: i64) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_due WHERE minutes = $1 AND at = $2 AND host = $3")
        .bind(rollup.step_s() / 60)
        .bind(at_s)
        .bind(host)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets newest frames that a wrong clock put after `after_s`; the rows stay, they are the list of hosts.
pub async fn latest_forget(db: &mut SqliteConnection, after_s: i64) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_latest SET at = 0 WHERE at > $1").bind(after_s).execute(db).await?;
    Ok(())
}

/// Every host that has ever sent a frame, by name.
pub async fn hosts(db: &mut SqliteConnection) -> Result<Vec<String>, GuardError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT host FROM monitor_latest ORDER BY host").fetch_all(db).await?;
    Ok(rows.into_iter().map(|(host,)| host).collect())
}

/// The numbers that stand for the series of one host.
#[derive(Debug, Default)]
pub struct Dictionary {
    ids: BTreeMap<String, u32>,
    last: u32,
}

impl Dictionary {
    /// As stored.
    pub async fn read(db: &mut SqliteConnection, host: &HostId) -> Result<Dictionary, GuardError> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT key, id FROM monitor_series WHERE host = $1")
            .bind(host.as_str())
            .fetch_all(db)
            .await?;
        let ids: BTreeMap<String, u32> =
            rows.into_iter().filter_map(|(key, id)| Some((key, u32::try_from(id).ok()?))).collect();
        let last = ids.values().copied().max().unwrap_or(0);
        Ok(Dictionary { ids, last })
    }

    /// The series of one metric.
    pub fn of_metric(&self, name: &str) -> Vec<(u32, SeriesKey)> {
        let all = self.ids.iter().filter_map(|(key, &id)| Some((id, SeriesKey::parse(key)?)));
        all.filter(|(_, key)| key.name == name).collect()
    }

    /// All series.
    pub fn keys(&self) -> Vec<SeriesKey> {
        self.ids.keys().filter_map(|key| SeriesKey::parse(key)).collect()
    }

    /// The series of a number.
    pub fn key(&self, id: u32) -> Option<SeriesKey> {
        self.ids.iter().find(|(_, own)| **own == id).and_then(|(key, _)| SeriesKey::parse(key))
    }

    /// True if the host has never sent anything.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The number of a series, new if need be; `None` when the host has too many.
    async fn id(&mut self, db: &mut SqliteConnection, host: &HostId, key: &str) -> Result<Option<u32>, GuardError> {
        if let Some(&id) = self.ids.get(key) {
            return Ok(Some(id));
        }
        if self.ids.len() >= DICTIONARY_MAX {
            tracing::warn!(host.id = %host, series_max = DICTIONARY_MAX, "the host has too many series; new ones are not stored");
            return Ok(None);
        }
        let id = self.last + 1;
        sqlx::query("INSERT INTO monitor_series (host, id, key) VALUES ($1, $2, $3)")
            .bind(host.as_str())
            .bind(i64::from(id))
            .bind(key)
            .execute(db)
            .await?;
        self.ids.insert(key.to_owned(), id);
        self.last = id;
        Ok(Some(id))
    }
}

async fn latest_put(db: &mut SqliteConnection, host: &HostId, frame: &Frame) -> Result<(), GuardError> {
    let body = serde_json::to_string(frame).expect("a frame has string keys and finite numbers");
    sqlx::query(
        "INSERT INTO monitor_latest (host, at, body) VALUES ($1, $2, $3)
         ON CONFLICT (host) DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= monitor_latest.at",
    )
    .bind(host.as_str())
    .bind(frame.at.as_second())
    .bind(body)
    .execute(db)
    .await?;
    Ok(())
}

/// The newest frame of a host. A frame from the future (0, see [`crate::tend`]) is none.
pub async fn latest(db: &mut SqliteConnection, host: &HostId) -> Result<Option<Frame>, GuardError> {
    let row: Option<(String,)> = sqlx::query_as("SELECT body FROM monitor_latest WHERE host = $1 AND at > 0")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?;
    let decode = |source| GuardError::Decode { what: "frame", guard: "monitor", source };
    row.map(|(body,)| serde_json::from_str(&body).map_err(decode)).transpose()
}

/// The newest frames of these hosts; those that have none, or one from the future, are left out.
pub async fn latest_of(db: &mut SqliteConnection, hosts: &[HostId]) -> Result<HashMap<HostId, Frame>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT host, body FROM monitor_latest WHERE at > 0 AND host IN (");
    let mut list = query.separated(", ");
    hosts.iter().for_each(|host| _ = list.push_bind(host.as_str()));
    query.push(")");
    let rows: Vec<(String, String)> = query.build_query_as().fetch_all(db).await?;
    let decode = |source| GuardError::Decode { what: "frame", guard: "monitor", source };
    let frame = |(host, body): (String, String)| {
        let frame = serde_json::from_str(&body).map_err(decode)?;
        Ok(host.parse().ok().map(|host: HostId| (host, frame)))
    };
    rows.into_iter().map(frame).filter_map(Result::transpose).collect()
}

/// When a host was last heard of by this guard.
pub async fn latest_at(db: &mut SqliteConnection, host: &HostId) -> Result<Option<Timestamp>, GuardError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT at FROM monitor_latest WHERE host = $1 AND at > 0")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.and_then(|(at_s,)| Timestamp::from_second(at_s).ok()))
}
