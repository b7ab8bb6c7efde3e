//! The numbers that stand for the series of a host, kept in memory.
//!
//! A copy in memory is right only as long as the database holds the same, and a transaction that gave
//! new numbers may be rolled back. So every change of a host's dictionary also writes a *stamp* that
//! was never used before into its row of `monitor_latest`: a copy with the stamp that the database
//! holds is what the database holds, whatever was rolled back.

use super::known::{Known, Names};
use crate::model::SeriesKey;
use palisade_core::HostId;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Dictionaries in memory, about 3 kB each; others are read when they are needed.
const HOSTS_CACHED_MAX: usize = 10_000;
/// Series that one host may ever have had; more are not stored. Disks and interfaces come and go.
pub const DICTIONARY_MAX: usize = 4_000;

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

    /// The largest number in use.
    pub(super) fn last(&self) -> u32 {
        self.by_id.keys().copied().max().unwrap_or(0)
    }

    /// With these series too, as far as there is room. Returns how many there was no room for.
    pub(super) async fn extend(
        &mut self,
        db: &mut SqliteConnection,
        host: &HostId,
        new: Vec<Arc<Known>>,
    ) -> Result<usize, GuardError> {
        let room = DICTIONARY_MAX.saturating_sub(self.entries.len());
        let refused = new.len().saturating_sub(room);
        let mut entries = std::mem::take(&mut self.entries);
        for (id, known) in (self.last() + 1..).zip(new.into_iter().take(room)) {
            sqlx::query("INSERT INTO monitor_series (host, id, key) VALUES ($1, $2, $3)")
                .bind(host.as_str())
                .bind(i64::from(id))
                .bind(known.text.as_ref())
                .execute(&mut *db)
                .await?;
            entries.push((known, id));
        }
        *self = Dictionary::of(entries);
        Ok(refused)
    }
}

/// Dictionaries in memory, each with its stamp.
#[derive(Debug, Default)]
pub struct Dictionaries {
    hosts: Mutex<HashMap<HostId, (i64, Arc<Dictionary>)>>,
    pub(super) names: Names,
}

impl Dictionaries {
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
