//! How looks ended, in the database.

use super::look::Outcome;
use super::spec::ProbeSpec;
use crate::model::{Frame, SeriesKey};
use crate::store::{Store, Tier};
use palisade_core::{HostId, Timestamp};
use palisade_guard::store::{self as frame_store, at};
use palisade_guard::{GuardError, kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use utoipa::ToSchema;

/// The samples of a look stand in rows of a minute, beside those of the host's agent, however seldom
/// looks are.
const STEP_S_MAX: u64 = 60;
const DAY_S: i64 = 86_400;

/// A probe as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Its name.
    pub name: String,
    /// The version of its document.
    pub version: u64,
    /// What it looks at.
    pub spec: ProbeSpec,
}

impl Probe {
    /// The host whose series it becomes.
    pub fn host(&self, own: Option<&HostId>) -> Option<HostId> {
        self.spec.host.clone().or_else(|| own.cloned())
    }
}

/// How the newest look ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LastLook {
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// True if the target answered as expected.
    pub up: bool,
    /// What it took, in seconds.
    pub duration_s: f64,
    /// Why it is not up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What was learnt: `address`, `status`, `issuer`, `not_after`, `answers`, ….
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub facts: BTreeMap<String, Value>,
}

/// Every probe, by name.
pub async fn probes(db: &mut SqliteConnection) -> Result<Vec<Probe>, GuardError> {
    let rows = frame_store::resources(db, "Probe", None).await?;
    Ok(rows.into_iter().filter_map(|row| probe(row.name, row.version, &row.spec)).collect())
}

/// One probe.
pub async fn probe_named(db: &mut SqliteConnection, name: &str) -> Result<Option<Probe>, GuardError> {
    let rows = frame_store::resources(db, "Probe", Some(name)).await?;
    Ok(rows.into_iter().find_map(|row| probe(row.name, row.version, &row.spec)))
}

fn probe(name: String, version: u64, spec: &Value) -> Option<Probe> {
    match kind::spec_of(spec) {
        Ok(spec) => Some(Probe { name, version, spec }),
        Err(error) => {
            tracing::warn!(probe = name, error = error.message(), "a stored probe cannot be read; passed over");
            None
        }
    }
}

/// The newest look of every probe that had one, with the version that it was made for.
pub async fn last_looks(db: &mut SqliteConnection) -> Result<HashMap<String, (u64, LastLook)>, GuardError> {
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT name, version, body FROM monitor_probe_last").fetch_all(db).await?;
    let read = |(name, version, body): (String, i64, String)| {
        let look = serde_json::from_str(&body);
        let look = look.map_err(|source| GuardError::Decode { what: "look", guard: "monitor", source })?;
        Ok((name, (version as u64, look)))
    };
    rows.into_iter().map(read).collect()
}

/// Keeps how a look ended that began at `began`, and its samples under the probe's host.
pub async fn look_put(
    db: &mut SqliteConnection,
    samples: &Store,
    own: Option<&HostId>,
    (probe, outcome): (&Probe, &Outcome),
    began: Timestamp,
) -> Result<LastLook, GuardError> {
    let look = LastLook {
        at: began,
        up: outcome.up,
        duration_s: outcome.duration_s,
        error: outcome.error.clone(),
        facts: outcome.facts.clone(),
    };
    sqlx::query(
        "INSERT INTO monitor_probe_last (name, version, at, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, at = excluded.at, body = excluded.body",
    )
    .bind(&probe.name)
    .bind(probe.version as i64)
    .bind(began.as_millisecond())
    .bind(serde_json::to_string(&look).expect("a look has string keys and finite numbers"))
    .execute(&mut *db)
    .await?;
    if let Some(host) = probe.host(own) {
        samples.put(db, &host, &[frame(probe, outcome, began)]).await?;
    }
    Ok(look)
}

/// The samples of a look.
fn frame(probe: &Probe, outcome: &Outcome, began: Timestamp) -> Frame {
    let own = [("probe_up", f64::from(u8::from(outcome.up))), ("probe_duration_seconds", outcome.duration_s)];
    let key = |name: &str| SeriesKey::new(name, Some(("probe", &probe.name))).to_string();
    let values = own.into_iter().chain(outcome.values.iter().copied());
    Frame {
        at: began,
        interval_s: outcome.duration_s,
        step_s: probe.spec.interval.as_secs().min(STEP_S_MAX) as u32,
        metrics: values.map(|(name, value)| (key(name), value)).collect(),
        ..Frame::default()
    }
}

/// Forgets the look of a probe that is gone.
pub async fn look_remove(db: &mut SqliteConnection, name: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_probe_last WHERE name = $1").bind(name).execute(db).await?;
    Ok(())
}

/// The share of the looks of the last 24 hours at which the target was up, by host and probe.
pub async fn up_shares(
    db: &mut SqliteConnection,
    samples: &Store,
    hosts: &[HostId],
    now: Timestamp,
) -> Result<HashMap<(HostId, String), f64>, GuardError> {
    let range = (now.as_second() - DAY_S, now.as_second() + 1);
    let columns = samples.columns(db, hosts, "probe_up", Tier::FiveMinutes, range).await?;
    let share = |column: crate::store::Column| {
        let count: u64 = column.points.iter().map(|(_, summary)| summary.samples).sum();
        let up: f64 = column.points.iter().map(|(_, summary)| summary.avg * summary.samples as f64).sum();
        let name = column.key.label.map(|(_, name)| name)?;
        (count > 0).then(|| ((column.host, name), up / count as f64))
    };
    Ok(columns.into_iter().filter_map(share).collect())
}

/// A moment of a column that may be empty.
pub(super) fn moment(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(at)
}
