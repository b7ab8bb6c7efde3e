//! What the rest of the guard asks of the store: series of several hosts in columns, and all of one
//! host since a moment.

use super::dictionary::{Dictionaries, Dictionary};
use super::points::{Points, Strands, join};
use super::sealed::Which;
use super::tier::WINDOW_S;
use super::{Retention, Tier, put, read, row, sealed};
use crate::model::{Frame, SeriesKey};
use palisade_core::HostId;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Sealed windows of a host; 15 days have 180. Not fewer than there are: one may have nothing to give.
const WINDOWS_MAX: i64 = 1_000;

/// The store of samples. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Store {
    pub(super) dictionaries: Arc<Dictionaries>,
    arrivals: Arc<Mutex<Arrivals>>,
    retention: Retention,
}

/// Hosts of which samples came, each with the oldest moment of them (Unix seconds).
pub type Arrivals = HashMap<HostId, i64>;

/// One series of one host over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The host.
    pub host: HostId,
    /// The series.
    pub key: SeriesKey,
    /// The beginning of each step that has values (Unix seconds, rising), and what they were. On the
    /// raw tier a step is one sample.
    pub points: Points,
}

/// All values of a host at one moment: Unix seconds, and value by series.
pub type SamplesRow = (i64, Vec<(SeriesKey, f64)>);

impl Store {
    /// One that keeps what it is given for so long.
    pub fn new(retention: Retention) -> Store {
        Store { retention, ..Store::default() }
    }

    /// For how long it keeps what.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Stores frames of a host; one of the same moment is merged, newer values win. What makes no
    /// sense is left out and counted.
    pub async fn put(&self, db: &mut SqliteConnection, host: &HostId, frames: &[Frame]) -> Result<(), GuardError> {
        put::frames_put(db, self, host, frames).await?;
        if let Some(oldest_s) = frames.iter().map(put::moment_s).min() {
            let mut arrivals = self.arrivals.lock().expect("no panic while held");
            arrivals.entry(host.clone()).and_modify(|s| *s = oldest_s.min(*s)).or_insert(oldest_s);
        }
        Ok(())
    }

    /// What came since the last call; some of it may not be committed yet, or never be.
    pub fn arrivals_take(&self) -> Arrivals {
        std::mem::take(&mut self.arrivals.lock().expect("no panic while held"))
    }

    /// The series of a metric of these hosts in `from_s..to_s`, host by host; those without a value
    /// are left out. What no chunk holds yet is read from the raw rows.
    pub async fn columns(
        &self,
        db: &mut SqliteConnection,
        hosts: &[HostId],
        name: &str,
        tier: Tier,
        range: (i64, i64),
    ) -> Result<Vec<Column>, GuardError> {
        let mut columns = Vec::new();
        for host in hosts {
            let wanted = self.dictionaries.read(db, host).await?.of_metric(name);
            let ids: BTreeSet<u32> = wanted.iter().map(|(id, _)| *id).collect();
            let mut found = read::strands(db, host.as_str(), &ids, tier, range).await?;
            columns.extend(
                wanted
                    .into_iter()
                    .filter_map(|(id, key)| found.remove(&id).map(|points| Column { host: host.clone(), key, points })),
            );
        }
        Ok(columns)
    }

    /// All raw samples of a host that begin after `after_s`, oldest first, at most `limit` moments.
    pub async fn samples_since(
        &self,
        db: &mut SqliteConnection,
        host: &HostId,
        after_s: i64,
        limit: i64,
    ) -> Result<Vec<SamplesRow>, GuardError> {
        let dictionary = self.dictionaries.read(db, host).await?;
        let moments = usize::try_from(limit).unwrap_or(0);
        let found = raw_since(db, host.as_str(), &dictionary, after_s, moments).await?;
        let mut rows: BTreeMap<i64, Vec<(SeriesKey, f64)>> = BTreeMap::new();
        for (key, points) in found.iter().filter_map(|(id, points)| Some((dictionary.key(*id)?, points))) {
            let after = points.partition_point(|(at, _)| *at <= after_s);
            for (at, value) in &points[after..] {
                rows.entry(*at).or_default().push((key.clone(), value.avg));
            }
        }
        Ok(rows.into_iter().take(moments).collect())
    }

    /// Every series that a host has ever had.
    pub async fn series_of(&self, db: &mut SqliteConnection, host: &HostId) -> Result<Vec<SeriesKey>, GuardError> {
        Ok(self.dictionaries.read(db, host).await?.keys())
    }

    /// How many seconds of a host are stored in a range, at most `limit`.
    pub(crate) async fn seconds_count(
        &self,
        db: &mut SqliteConnection,
        host: &HostId,
        range: (i64, i64),
        limit: i64,
    ) -> Result<i64, GuardError> {
        Ok(row::seconds(db, host.as_str(), range, limit).await?.len() as i64)
    }

    /// The series of a host by number.
    pub(crate) async fn dictionary(
        &self,
        db: &mut SqliteConnection,
        host: &HostId,
    ) -> Result<Arc<Dictionary>, GuardError> {
        self.dictionaries.read(db, host).await
    }
}

/// The raw samples after `after_s`, at least the first `moments` of them, or all.
async fn raw_since(
    db: &mut SqliteConnection,
    host: &str,
    dictionary: &Dictionary,
    after_s: i64,
    moments: usize,
) -> Result<Strands, GuardError> {
    let mut all = Strands::new();
    if dictionary.is_empty() {
        return Ok(all);
    }
    let rows = row::raw(db, host, (after_s.saturating_add(1), i64::MAX), moments as i64).await?;
    let blocks = sealed::blocks(dictionary.ids());
    let starts = sealed::starts(db, host, &blocks, after_s.saturating_sub(WINDOW_S), WINDOWS_MAX).await?;
    let mut found = BTreeSet::new();
    for start_s in starts {
        if found.len() >= moments {
            break;
        }
        let range = (start_s, start_s + WINDOW_S);
        let chunk = sealed::read(db, host, Which::All(Tier::Raw), &blocks, range, |_| true).await?;
        found.extend(chunk.values().flatten().map(|(at, _)| *at).filter(|at| *at > after_s));
        chunk.into_iter().for_each(|(id, points)| all.entry(id).or_default().extend(points));
    }
    join(&mut all, row::strands(host, &rows, |_| true));
    Ok(all)
}
