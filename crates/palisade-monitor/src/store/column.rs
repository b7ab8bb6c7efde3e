//! What the rest of the guard asks of the store: series of several hosts in columns, and all of one
//! host since a moment.

use super::{Dictionary, Tier, rows};
use crate::model::{Frame, SeriesKey};
use crate::pack::Summary;
use palisade_core::HostId;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;

/// Rows of one host in one answer.
const ROWS_MAX: i64 = 100_000;

/// The store of samples. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Store;

/// One series of one host over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The host.
    pub host: HostId,
    /// The series.
    pub key: SeriesKey,
    /// The beginning of each step that has values (Unix seconds, rising), and what they were. On the
    /// raw tier a step is one sample.
    pub points: Vec<(i64, Summary)>,
}

/// All values of a host at one moment: Unix seconds, and value by series.
pub type SamplesRow = (i64, Vec<(SeriesKey, f64)>);

impl Store {
    /// Stores frames of a host; one of the same moment is merged, newer values win. What makes no
    /// sense is left out and counted.
    pub async fn put(&self, db: &mut SqliteConnection, host: &HostId, frames: &[Frame]) -> Result<(), GuardError> {
        super::frames_put(db, host, frames).await
    }

    /// The series of a metric of these hosts in `from_s..to_s`, host by host; those without a value
    /// are left out. Newest data that no rollup holds yet is read from the raw tier.
    pub async fn columns(
        &self,
        db: &mut SqliteConnection,
        hosts: &[HostId],
        name: &str,
        tier: Tier,
        (from_s, to_s): (i64, i64),
    ) -> Result<Vec<Column>, GuardError> {
        let mut columns = Vec::new();
        for host in hosts {
            let wanted = Dictionary::read(db, host).await?.of_metric(name);
            let mut own: Vec<Column> = wanted
                .iter()
                .map(|(_, key)| Column { host: host.clone(), key: key.clone(), points: Vec::new() })
                .collect();
            for (at_s, body) in rows(db, tier, host.as_str(), (from_s, to_s), ROWS_MAX).await? {
                let add = |id, value| {
                    if let Some(n) = wanted.iter().position(|(wanted, _)| *wanted == id) {
                        own[n].points.push((at_s, value));
                    }
                };
                if tier.unpack(&body, add).is_err() {
                    tracing::warn!(at = at_s, "stored metrics cannot be read; shown as a gap");
                }
            }
            columns.extend(own.into_iter().filter(|column| !column.points.is_empty()));
        }
        Ok(columns)
    }

    /// All raw samples of a host that begin after `after_s`, oldest first, at most `limit` rows.
    pub async fn samples_since(
        &self,
        db: &mut SqliteConnection,
        host: &HostId,
        after_s: i64,
        limit: i64,
    ) -> Result<Vec<SamplesRow>, GuardError> {
        let dictionary = Dictionary::read(db, host).await?;
        let stored = rows(db, Tier::Minute, host.as_str(), (after_s + 1, i64::MAX), limit).await?;
        let unpacked = stored.into_iter().map(|(at_s, body)| {
            let mut values = Vec::new();
            let add = |id, value: Summary| values.extend(dictionary.key(id).map(|key| (key, value.avg)));
            if Tier::Minute.unpack(&body, add).is_err() {
                tracing::warn!(at = at_s, "stored metrics cannot be read; passed over");
            }
            (at_s, values)
        });
        Ok(unpacked.collect())
    }

    /// Every series that a host has ever had.
    pub async fn series_of(&self, db: &mut SqliteConnection, host: &HostId) -> Result<Vec<SeriesKey>, GuardError> {
        Ok(Dictionary::read(db, host).await?.keys())
    }
}
