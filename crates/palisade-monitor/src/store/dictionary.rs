//! The numbers that stand for the series of a host, kept in memory.
//!
//! A copy in memory is right only as long as the database holds the same, and a transaction that gave
//! new numbers may be rolled back. So every change of a host's dictionary also writes a *stamp* that
//! was never used before into its row of `monitor_latest`: a copy with the stamp that the database
//! holds is what the database holds, whatever was rolled back.
//!
//! Containers and disks come and go, and what a host has had once is not its series for ever. Each
//! series has the last day on which it had a sample. One is forgotten when no tier can hold a value of
//! it any more, or, when there is no room for a new one, those that have been silent the longest: what
//! is stored of them is then not shown any more. Numbers are never used twice, so that no chunk is
//! taken for that of another series.

use super::known::{Known, Names};
use super::row;
use crate::model::SeriesKey;
use palisade_core::HostId;
use palisade_guard::GuardError;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Dictionaries in memory, about 3 kB each; others are read when they are needed.
const HOSTS_CACHED_MAX: usize = 10_000;
/// Series of one host. When there are so many, those that have been silent the longest make room; none
/// of which a row waits to be sealed does, so that a host cannot have more within two hours.
pub const DICTIONARY_MAX: usize = 4_000;

/// Series that make room at once, so that a host to which new ones come each minute is not searched
/// through each minute.
const ROOM_MADE: usize = DICTIONARY_MAX / 8;
/// After a host had no room for a series, none is made for it so long: a search through two hours of
/// samples with each of its frames would hold up all others.
const CROWDED: Duration = Duration::from_secs(300);
/// Numbers in one statement.
const IDS_MAX: usize = 500;

/// The series of one host.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    /// By text.
    entries: Vec<(Arc<Known>, u32)>,
    /// By number.
    by_id: HashMap<u32, Arc<Known>>,
}

impl Dictionary {
    fn of(mut entries: Vec<(Arc<Known>, u32)>) -> Dictionary {
        entries.sort_unstable_by(|a, b| a.0.text.cmp(&b.0.text));
        let by_id = entries.iter().map(|(known, id)| (*id, Arc::clone(known))).collect();
        Dictionary { entries, by_id }
    }

    /// The number of a series.
    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.entries.binary_search_by(|(known, _)| known.text.as_ref().cmp(text)).ok().map(|n| self.entries[n].1)
    }

    /// The series of one metric, by label.
    pub fn of_metric(&self, name: &str) -> Vec<(u32, SeriesKey)> {
        let own = self.entries.iter().filter(|(known, _)| known.key.name == name);
        own.map(|(known, id)| (*id, known.key.clone())).collect()
    }

    /// All series.
    pub fn keys(&self) -> Vec<SeriesKey> {
        self.entries.iter().map(|(known, _)| known.key.clone()).collect()
    }

    /// The series of a number.
    pub fn key(&self, id: u32) -> Option<&SeriesKey> {
        self.by_id.get(&id).map(|known| &known.key)
    }

    /// True if the host has never sent anything.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The numbers in use.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.by_id.keys().copied()
    }

    /// With these series too, as far as there is room, or can be made by forgetting some that are not
    /// in `used`; `None`: no room is made. `day` is one on which the new ones had a sample. Returns how many there was no room for.
    pub(super) async fn extend(
        &mut self,
        db: &mut SqliteConnection,
        host: &HostId,
        (new, day): (Vec<Arc<Known>>, i64),
        used: Option<BTreeSet<u32>>,
    ) -> Result<usize, GuardError> {
        if let Some(used) = used.filter(|_| self.entries.len() + new.len() > DICTIONARY_MAX) {
            self.make_room(db, host, new.len(), used).await?;
        }
        let last = series_last(db, host).await?;
        let room = DICTIONARY_MAX.saturating_sub(self.entries.len());
        let refused = new.len().saturating_sub(room);
        let mut entries = std::mem::take(&mut self.entries);
        series_last_put(db, host, last + new.len().min(room) as u32).await?;
        for (id, known) in (last + 1..).zip(new.into_iter().take(room)) {
            sqlx::query("INSERT INTO monitor_series (host, id, key, seen_day) VALUES ($1, $2, $3, $4)")
                .bind(host.as_str())
                .bind(i64::from(id))
                .bind(known.text.as_ref())
                .bind(day)
                .execute(&mut *db)
                .await?;
            entries.push((known, id));
        }
        *self = Dictionary::of(entries);
        Ok(refused)
    }

    async fn make_room(
        &mut self,
        db: &mut SqliteConnection,
        host: &HostId,
        wanted: usize,
        mut used: BTreeSet<u32>,
    ) -> Result<(), GuardError> {
        used.extend(row::raw_ids(db, host.as_str()).await?);
        let count = wanted.max(ROOM_MADE) + self.entries.len().saturating_sub(DICTIONARY_MAX);
        let silent = silent_longest(db, host.as_str()).await?;
        let gone: BTreeSet<u32> = silent.into_iter().filter(|id| !used.contains(id)).take(count).collect();
        remove(db, host.as_str(), &gone).await?;
        self.entries.retain(|(_, id)| !gone.contains(id));
        tracing::info!(host.id = %host, count = gone.len(), "series that are silent made room for new ones");
        Ok(())
    }
}

/// These series of a host had a sample on this day.
pub(super) async fn seen(db: &mut SqliteConnection, host: &str, ids: &[u32], day: i64) -> Result<(), GuardError> {
    for part in ids.chunks(IDS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE monitor_series SET seen_day = ");
        query.push_bind(day).push(" WHERE host = ").push_bind(host).push(" AND seen_day < ").push_bind(day);
        among(&mut query, part);
        query.build().execute(&mut *db).await?;
    }
    Ok(())
}

/// Forgets the series of a host that had no sample since before `before_day`, but those of which a row
/// waits to be sealed. True if there were some: the dictionary has changed.
pub(super) async fn forget(db: &mut SqliteConnection, host: &str, before_day: i64) -> Result<bool, GuardError> {
    let rows: Vec<(i64,)> = sqlx::query_as("SELECT id FROM monitor_series WHERE host = $1 AND seen_day < $2")
        .bind(host)
        .bind(before_day)
        .fetch_all(&mut *db)
        .await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let used = row::raw_ids(db, host).await?;
    let gone = rows.into_iter().filter_map(|(id,)| u32::try_from(id).ok()).filter(|id| !used.contains(id)).collect();
    remove(db, host, &gone).await?;
    Ok(!gone.is_empty())
}

/// The series of a host, those first that have been silent the longest; of the same day the older ones.
async fn silent_longest(db: &mut SqliteConnection, host: &str) -> Result<Vec<u32>, GuardError> {
    let rows: Vec<(i64,)> = sqlx::query_as("SELECT id FROM monitor_series WHERE host = $1 ORDER BY seen_day, id")
        .bind(host)
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().filter_map(|(id,)| u32::try_from(id).ok()).collect())
}

async fn remove(db: &mut SqliteConnection, host: &str, ids: &BTreeSet<u32>) -> Result<(), GuardError> {
    let ids: Vec<u32> = ids.iter().copied().collect();
    for part in ids.chunks(IDS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("DELETE FROM monitor_series WHERE host = ");
        query.push_bind(host);
        among(&mut query, part);
        query.build().execute(&mut *db).await?;
    }
    Ok(())
}

fn among(query: &mut QueryBuilder<Sqlite>, ids: &[u32]) {
    query.push(" AND id IN (");
    let mut list = query.separated(", ");
    ids.iter().for_each(|id| _ = list.push_bind(i64::from(*id)));
    query.push(")");
}

/// The largest number that a series of the host has ever had.
async fn series_last(db: &mut SqliteConnection, host: &HostId) -> Result<u32, GuardError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT series_last FROM monitor_latest WHERE host = $1")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.and_then(|(last,)| u32::try_from(last).ok()).unwrap_or(0))
}

async fn series_last_put(db: &mut SqliteConnection, host: &HostId, last: u32) -> Result<(), GuardError> {
    sqlx::query("UPDATE monitor_latest SET series_last = $2 WHERE host = $1")
        .bind(host.as_str())
        .bind(i64::from(last))
        .execute(db)
        .await?;
    Ok(())
}

/// Dictionaries in memory, each with its stamp.
#[derive(Debug, Default)]
pub struct Dictionaries {
    hosts: Mutex<HashMap<HostId, (i64, Arc<Dictionary>)>>,
    crowded: Mutex<HashMap<HostId, Instant>>,
    pub(super) names: Names,
}

impl Dictionaries {
    /// True if no room could be made for a series of the host a short time ago.
    pub(super) fn is_crowded(&self, host: &HostId) -> bool {
        let mut crowded = self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        crowded.retain(|_, since| since.elapsed() < CROWDED);
        crowded.contains_key(host)
    }

    /// No room could be made for a series of the host.
    pub(super) fn crowded(&self, host: &HostId) {
        self.crowded.lock().unwrap_or_else(PoisonError::into_inner).entry(host.clone()).or_insert_with(Instant::now);
    }

    /// The dictionary of a host as this connection sees it.
    pub(super) async fn read(&self, db: &mut SqliteConnection, host: &HostId) -> Result<Arc<Dictionary>, GuardError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT stamp FROM monitor_latest WHERE host = $1")
            .bind(host.as_str())
            .fetch_optional(&mut *db)
            .await?;
        self.of_stamp(db, host, row.map_or(0, |(stamp,)| stamp)).await
    }

    /// The dictionary of a host whose stamp this connection has just read.
    pub(super) async fn of_stamp(
        &self,
        db: &mut SqliteConnection,
        host: &HostId,
        stamp: i64,
    ) -> Result<Arc<Dictionary>, GuardError> {
        let kept = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        if let Some((_, dictionary)) = kept.filter(|(own, _)| *own == stamp && stamp != 0) {
            return Ok(dictionary);
        }
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT key, id FROM monitor_series WHERE host = $1")
            .bind(host.as_str())
            .fetch_all(db)
            .await?;
        let entry = |(text, id): (String, i64)| Some((self.names.stored(&text)?, u32::try_from(id).ok()?));
        let dictionary = Arc::new(Dictionary::of(rows.into_iter().filter_map(entry).collect()));
        self.keep(host, stamp, Arc::clone(&dictionary));
        Ok(dictionary)
    }

    /// Keeps a dictionary under its stamp; 0 is no stamp.
    pub(super) fn keep(&self, host: &HostId, stamp: i64, dictionary: Arc<Dictionary>) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= HOSTS_CACHED_MAX && !hosts.contains_key(host) {
            let some = hosts.keys().next().cloned();
            some.and_then(|host| hosts.remove(&host));
        }
        if stamp != 0 {
            hosts.insert(host.clone(), (stamp, dictionary));
        }
    }
}
