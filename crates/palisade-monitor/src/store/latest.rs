//! The newest frame of each host as it came, and what was counted about its frames. The rows are the
//! list of hosts.

use crate::model::Frame;
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::HashMap;

/// A frame of a probe stands beside one of the host itself that is at most this far away.
const TOGETHER_S_MAX: i64 = 600;

/// What some frames of a host leave in its row.
#[derive(Debug)]
pub struct Newest {
    /// The newest of them.
    pub frame: Frame,
    /// Values of all of them that made no sense.
    pub rejected: u64,
    /// The series of one of these values.
    pub rejected_last: String,
}

/// Puts the newest frame in its place unless there is a newer one. Returns the stamp of the host's
/// dictionary, 0 if it has none.
pub async fn latest_put(db: &mut SqliteConnection, host: &HostId, newest: Newest) -> Result<i64, GuardError> {
    let Newest { mut frame, rejected, rejected_last } = newest;
    if !is_of_system(&frame) {
        frame = beside_system(db, host, frame).await?;
    }
    let body = serde_json::to_string(&frame).expect("a frame has string keys and finite numbers");
    let put = sqlx::query_as(
        "INSERT INTO monitor_latest (host, at, body, step_s, rejected, rejected_last) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (host) DO UPDATE SET
           body = CASE WHEN excluded.at >= monitor_latest.at THEN excluded.body ELSE monitor_latest.body END,
           step_s = CASE WHEN excluded.at >= monitor_latest.at THEN excluded.step_s ELSE monitor_latest.step_s END,
           at = CASE WHEN excluded.at >= monitor_latest.at THEN excluded.at ELSE monitor_latest.at END,
           rejected = monitor_latest.rejected + excluded.rejected,
           rejected_last = CASE WHEN excluded.rejected > 0 THEN excluded.rejected_last ELSE monitor_latest.rejected_last END
         RETURNING stamp",
    );
    let (stamp,): (i64,) = put
        .bind(host.as_str())
        .bind(frame.at.as_second())
        .bind(body)
        .bind(i64::from(frame.step_s))
        .bind(rejected as i64)
        .bind(rejected_last)
        .fetch_one(db)
        .await?;
    Ok(stamp)
}

/// A frame with nothing of the system itself (a probe made it) does not hide what the host has just
/// said, but stands beside it.
async fn beside_system(db: &mut SqliteConnection, host: &HostId, frame: Frame) -> Result<Frame, GuardError> {
    let Some(mut all) = latest(db, host).await?.filter(is_of_system) else { return Ok(frame) };
    if (frame.at.as_second() - all.at.as_second()).abs() > TOGETHER_S_MAX {
        return Ok(frame);
    }
    all.missing.retain(|source| !source.starts_with(OWN));
    all.metrics.extend(frame.metrics);
    all.missing.extend(frame.missing);
    Ok(all)
}

fn is_of_system(frame: &Frame) -> bool {
    ["uptime_seconds", "cpu_usage_ratio", "load1"].iter().any(|name| frame.metrics.contains_key(*name))
}

/// The dictionary of a host has changed.
pub async fn stamp_put(db: &mut SqliteConnection, host: &str, stamp: i64, unstored: usize) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_latest SET stamp = $2, unstored = unstored + $3 WHERE host = $1")
        .bind(host)
        .bind(stamp)
        .bind(unstored as i64)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets newest frames that a wrong clock put after `after_s`; the rows stay.
pub async fn latest_forget(db: &mut SqliteConnection, after_s: i64) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_latest SET at = 0 WHERE at > $1").bind(after_s).execute(db).await?;
    Ok(())
}

/// Every host that has ever sent a frame, by name.
pub async fn hosts(db: &mut SqliteConnection) -> Result<Vec<String>, GuardError> {
    let rows: Vec<(String,)> = sqlx::query_as("SELECT host FROM monitor_latest ORDER BY host").fetch_all(db).await?;
    Ok(rows.into_iter().map(|(host,)| host).collect())
}

/// How what the server itself has to say about a host's frames begins.
const OWN: &str = "server: ";

/// The newest frame of a host; among what is `missing` stands what the server has refused to store. A
/// frame from the future (0, see [`crate::tend`]) is none.
pub async fn latest(db: &mut SqliteConnection, host: &HostId) -> Result<Option<Frame>, GuardError> {
    let row: Option<(String, i64, String, i64)> =
        sqlx::query_as("SELECT body, rejected, rejected_last, unstored FROM monitor_latest WHERE host = $1 AND at > 0")
            .bind(host.as_str())
            .fetch_optional(db)
            .await?;
    let Some((body, rejected, last, unstored)) = row else { return Ok(None) };
    let mut frame: Frame = decode(&body)?;
    if rejected > 0 {
        frame
            .missing
            .push(format!("{OWN}{rejected} values made no sense and were not stored; the last was of `{last}`"));
    }
    if unstored > 0 {
        let most = super::dictionary::DICTIONARY_MAX;
        frame
            .missing
            .push(format!("{OWN}{unstored} times a new series was not stored: it has {most} that are not silent"));
    }
    Ok(Some(frame))
}

/// The newest frames of these hosts; those that have none, or one from the future, are left out.
pub async fn latest_of(db: &mut SqliteConnection, hosts: &[HostId]) -> Result<HashMap<HostId, Frame>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT host, body FROM monitor_latest WHERE at > 0 AND host IN (");
    let mut list = query.separated(", ");
    hosts.iter().for_each(|host| _ = list.push_bind(host.as_str()));
    query.push(")");
    let rows: Vec<(String, String)> = query.build_query_as().fetch_all(db).await?;
    let frame = |(host, body): (String, String)| Ok(host.parse().ok().zip(Some(decode(&body)?)));
    rows.into_iter().map(frame).filter_map(Result::transpose).collect()
}

fn decode(body: &str) -> Result<Frame, GuardError> {
    serde_json::from_str(body).map_err(|source| GuardError::Decode { what: "frame", guard: "monitor", source })
}

/// When a host was last heard of by this guard.
pub async fn latest_at(db: &mut SqliteConnection, host: &HostId) -> Result<Option<Timestamp>, GuardError> {
    Ok(latest_step(db, host).await?.map(|(at, _)| at))
}

/// The same, and the step at which the host samples, in seconds.
pub async fn latest_step(db: &mut SqliteConnection, host: &HostId) -> Result<Option<(Timestamp, i64)>, GuardError> {
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT at, step_s FROM monitor_latest WHERE host = $1 AND at > 0")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.and_then(|(at_s, step_s)| Some((Timestamp::from_second(at_s).ok()?, step_s))))
}
