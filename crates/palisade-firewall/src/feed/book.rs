//! The feed as one host holds it, in memory. Pure.

use super::aggregate::Aggregate;
use super::{Change, HELD_MAX, State};
use crate::ruleset::{Range, Until};
use palisade_core::{Cidr, Generation};
use palisade_guard::GuardError;
use palisade_guard::link::FeedPart;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Until when.
    pub until: Until,
    /// How it stands.
    pub state: State,
    /// Not heard of again since the whole feed began to come: it goes when that has come.
    pub stale: bool,
}

/// What is stored of a book.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// How far.
    pub at: Generation,
    /// How far all of it had come.
    pub settled: Generation,
    /// The entries, in order.
    pub entries: Vec<(Cidr, Entry)>,
}

/// All entries, and how far the feed has come.
#[derive(Debug, Clone, Default)]
pub struct Book {
    at: Generation,
    settled: Generation,
    entries: BTreeMap<Cidr, Entry>,
    aggregate: Aggregate,
    /// Entries may be stale: looking for them costs as much as there are.
    stale: bool,
}

/// What a part has changed: of each entry, until when it was banned, and until when it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// By address or network.
    pub entries: BTreeMap<Cidr, (Option<Until>, Option<Until>)>,
    /// Networks that are shut out for their addresses are others, or for another time.
    pub networks: bool,
}

impl Book {
    /// As it was stored.
    pub fn of(snapshot: Snapshot) -> Book {
        let stale = snapshot.entries.iter().any(|(_, entry)| entry.stale);
        let mut book = Book { at: snapshot.at, settled: snapshot.settled, stale, ..Book::default() };
        snapshot.entries.into_iter().for_each(|(cidr, entry)| {
            book.put(cidr, Some(entry));
        });
        book
    }

    /// To be stored.
    pub fn snapshot(&self) -> Snapshot {
        let entries = self.entries.iter().map(|(cidr, entry)| (*cidr, *entry)).collect();
        Snapshot { at: self.at, settled: self.settled, entries }
    }

    /// How far it has come.
    pub fn at(&self) -> Generation {
        self.at
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without any entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Who is shut out at `now_ms`, in order, and until when.
    pub fn banned(&self, now_ms: i64) -> impl Iterator<Item = (Cidr, Until)> + '_ {
        let banned = self.entries.iter().filter_map(|(cidr, entry)| Some((*cidr, entry.banned()?)));
        banned.filter(move |(_, until)| !until.ends_by(now_ms, 0))
    }

    /// The networks that are shut out for their addresses, and hold none of `safe`.
    pub fn networks<'a>(&'a self, safe: &'a [Range], now_ms: i64) -> impl Iterator<Item = (Range, Until)> + 'a {
        self.aggregate.networks(safe).filter(move |(_, until)| !until.ends_by(now_ms, 0))
    }

    /// Whether `part` brings something new; an error if it does not continue this book, or is too much.
    pub fn takes(&self, part: &FeedPart) -> Result<bool, GuardError> {
        if self.entries.len() + part.changes.len() > HELD_MAX {
            return Err(GuardError::Refused(format!("the feed has more than {HELD_MAX} entries")));
        }
        let newest = Generation { epoch: part.to.epoch, n: part.newest };
        let refused = |why: String| Err(GuardError::Refused(why));
        if part.from > part.to || part.from.epoch != part.to.epoch || part.newest < part.to.n {
            return refused(format!("a part of the feed from {} to {} makes no sense", part.from, part.to));
        }
        if newest < self.settled {
            return refused(format!("the feed ends at {newest}, this host has {} already", self.settled));
        }
        if part.is_whole() {
            return Ok(true);
        }
        if part.from.epoch != self.at.epoch || part.from.n > self.at.n {
            return refused(format!("a part of the feed begins at {}, this host has {}", part.from, self.at));
        }
        Ok(part.to.n > self.at.n)
    }

    /// Takes a part for which [`Book::takes`] has said yes.
    pub fn take(&mut self, part: &FeedPart, changes: &[Change]) -> Changed {
        let mut changed = Changed::default();
        if part.is_whole() {
            self.entries.values_mut().for_each(|entry| entry.stale = true);
            self.stale = true;
        }
        for Change { cidr, until, state } in changes {
            let entry = (*state != State::Dropped).then_some(Entry { until: *until, state: *state, stale: false });
            self.note(*cidr, entry, &mut changed);
        }
        self.at = part.to;
        if !part.more() {
            if std::mem::take(&mut self.stale) {
                let stale: Vec<Cidr> = self.entries.iter().filter(|(_, e)| e.stale).map(|(cidr, _)| *cidr).collect();
                stale.into_iter().for_each(|cidr| self.note(cidr, None, &mut changed));
            }
            self.settled = part.to;
        }
        changed
    }

    /// Forgets what has ended.
    pub fn sweep(&mut self, now_ms: i64) {
        let ended = self.entries.iter().filter(|(_, entry)| entry.until.ends_by(now_ms, 0));
        let ended: Vec<Cidr> = ended.map(|(cidr, _)| *cidr).collect();
        ended.into_iter().for_each(|cidr| {
            self.put(cidr, None);
        });
    }

    fn note(&mut self, cidr: Cidr, entry: Option<Entry>, changed: &mut Changed) {
        let (before, networks) = self.put(cidr, entry);
        let now = changed.entries.entry(cidr).or_insert((before, None));
        now.1 = entry.and_then(Entry::banned);
        changed.networks |= networks;
    }

    /// Until when it was banned before, and whether a network stands otherwise.
    fn put(&mut self, cidr: Cidr, entry: Option<Entry>) -> (Option<Until>, bool) {
        let old = match entry {
            Some(entry) => self.entries.insert(cidr, entry),
            None => self.entries.remove(&cidr),
        };
        let standing = |entry: Option<Entry>| entry.map(|entry| (entry.until, entry.state));
        let single = cidr.is_address().then(|| cidr.network());
        let networks =
            single.is_some_and(|address: IpAddr| self.aggregate.change(address, standing(old), standing(entry)));
        (old.and_then(Entry::banned), networks)
    }
}

impl Entry {
    fn banned(self) -> Option<Until> {
        (self.state == State::Banned).then_some(self.until)
    }
}

/// The changes of a part, typed.
pub fn changes_of(part: &FeedPart) -> Result<Vec<Change>, GuardError> {
    let decode = |source| GuardError::Decode { what: "feed", guard: crate::WORD, source };
    part.changes.iter().map(|value: &Value| Change::deserialize(value).map_err(decode)).collect()
}
