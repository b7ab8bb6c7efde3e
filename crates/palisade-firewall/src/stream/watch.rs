//! The watcher in the agent: one thread, which fetches what the kernel has for it.

use super::connections;
use super::denied::Gathered;
use super::foreign::{Changes, canary};
use super::hits::Hits;
use super::record::{Asked, Changer, Told, cut};
use super::{LOG_GROUP, MARK_MASK};
use crate::ruleset::table;
use palisade_core::{Clock, SystemClock, Timestamp};
use palisade_guard::contract::chain;
use palisade_guard::{Host, Watch, WatchContext};
use palisade_sys::SysError;
use palisade_sys::nflog::{Nflog, interface_name};
use palisade_sys::nft::{Batch, Change, Monitor, Reader, Writer};
use palisade_sys::process;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the kernel has is fetched so often.
const TURN: Duration = Duration::from_millis(200);
/// Packets that are fetched in one turn; what is beyond waits in the kernel, or is lost and counted.
const PACKETS_PER_TURN_MAX: usize = 20_000;
/// Changes that are fetched in one turn.
const CHANGES_PER_TURN_MAX: usize = 10_000;
/// Counters are read, and the canary is looked after, so often.
const COUNTERS_EVERY_S: i64 = 10;
/// A source that cannot be opened is tried again after this time.
const RETRY_S: i64 = 60;
/// A question is answered at most so often: the server may be in hostile hands.
const ANSWER_EVERY_S: i64 = 2;

/// Follows the firewall of this host. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Watching(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    asked: AtomicBool,
    fares: Mutex<Fares>,
}

/// How the watcher fares.
#[derive(Debug, Clone, Default)]
struct Fares {
    nflog: Option<String>,
    monitor: Option<String>,
    counters: Option<String>,
    packets: u64,
    packets_foreign: u64,
    packets_lost: u64,
    changes: u64,
    overruns: u64,
}

impl Watch for Watching {
    fn watch(&self, host: &Host, context: &WatchContext) {
        if !host.root.is_live() {
            return; // a scratch root has no kernel
        }
        let mut round = Round::new(self.clone());
        while !context.ended() {
            for told in round.turn(SystemClock.now()) {
                emit(context, &told);
            }
            context.wait_or(TURN, &|| self.0.asked.load(Ordering::Relaxed));
        }
    }

    fn asked(&self, body: &Value) {
        match Asked::deserialize(body) {
            Ok(Asked::Connections) => self.0.asked.store(true, Ordering::Relaxed),
            Err(_) => tracing::warn!(guard = crate::WORD, "passed over a question that makes no sense"),
        }
    }

    fn status(&self) -> Value {
        let fares = self.0.fares.lock().unwrap_or_else(PoisonError::into_inner).clone();
        json!({
            "table": crate::keep::owning().unwrap_or_default().to_string(),
            "kernel_lacks": crate::keep::parts::told(),
            "denied_packets": fares.nflog.as_deref().unwrap_or("followed"),
            "denied_packets_group": LOG_GROUP,
            "changes_by_others": fares.monitor.as_deref().unwrap_or("followed"),
            "counters": fares.counters.as_deref().unwrap_or("read"),
            "packets": fares.packets,
            "packets_of_others": fares.packets_foreign,
            "packets_lost": fares.packets_lost,
            "changes": fares.changes,
            "changes_overruns": fares.overruns,
            "mark_mask": format!("{MARK_MASK:#010x}"),
        })
    }
}

fn emit(context: &WatchContext, told: &Told) {
    match serde_json::to_value(told) {
        Ok(body) => context.emit(SystemClock.now(), body),
        Err(error) => tracing::error!(guard = crate::WORD, error = chain(&error), "a record cannot be written"),
    }
}

/// Something that is opened when it can be.
#[derive(Debug)]
struct Source<T> {
    open: Option<T>,
    tried: Option<Timestamp>,
}

impl<T> Default for Source<T> {
    fn default() -> Source<T> {
        Source { open: None, tried: None }
    }
}

impl<T> Source<T> {
    /// The source, opened if it is not and it is time to try; `said` holds why not.
    fn get(
        &mut self,
        now: Timestamp,
        said: &mut Option<String>,
        open: impl FnOnce() -> Result<T, SysError>,
    ) -> Option<&mut T> {
        let due = |tried: Timestamp| !(0..RETRY_S).contains(&(now.as_second() - tried.as_second()));
        if self.open.is_none() && self.tried.is_none_or(due) {
            self.tried = Some(now);
            match open() {
                Ok(opened) => (self.open, *said) = (Some(opened), None),
                Err(error) => self.fail(said, &error),
            }
        }
        self.open.as_mut()
    }

    /// Closes it; it is tried again later.
    fn fail(&mut self, said: &mut Option<String>, error: &SysError) {
        let why = chain(error);
        if said.as_ref() != Some(&why) {
            tracing::warn!(guard = crate::WORD, error = why, "a part of the firewall is not followed");
        }
        (self.open, *said) = (None, Some(why));
    }
}

/// The eyes of the watcher, in the network namespace in which they were made.
pub struct Round {
    shared: Watching,
    fares: Fares,
    nflog: Source<Nflog>,
    monitor: Source<Monitor>,
    tables: Source<(Reader, Writer)>,
    gathered: Gathered,
    changes: Changes,
    hits: Hits,
    counted_at: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    present: bool,
    /// Our table was made: the canary is missing.
    made: bool,
}

impl Round {
    /// Looks at nothing yet.
    pub fn new(shared: Watching) -> Round {
        Round {
            shared,
            fares: Fares::default(),
            nflog: Source::default(),
            monitor: Source::default(),
            tables: Source::default(),
            gathered: Gathered::default(),
            changes: Changes::default(),
            hits: Hits::default(),
            counted_at: None,
            answered_at: None,
            present: false,
            made: false,
        }
    }

    /// Fetches what is there, and returns what is to be told now.
    pub fn turn(&mut self, now: Timestamp) -> Vec<Told> {
        let mut told = Vec::new();
        self.fetch_packets(now);
        self.fetch_changes(now);
        told.extend(self.gathered.flush(now, &interface_name).map(Told::Logged));
        if self.changes.is_pending() || self.made || past(self.counted_at, COUNTERS_EVERY_S, now) {
            self.read_tables(now);
        }
        told.extend(self.hits.due(now).map(Told::Hits));
        told.extend(self.changes.due(self.present, now));
        if self.shared.0.asked.load(Ordering::Relaxed) && past(self.answered_at, ANSWER_EVERY_S, now) {
            self.shared.0.asked.store(false, Ordering::Relaxed);
            self.answered_at = Some(now);
            told.push(Told::Connections(connections::look(now)));
        }
        *self.shared.0.fares.lock().unwrap_or_else(PoisonError::into_inner) = self.fares.clone();
        told
    }

    fn fetch_packets(&mut self, now: Timestamp) {
        let Round { nflog, fares, gathered, .. } = self;
        let Some(source) = nflog.get(now, &mut fares.nflog, || Nflog::open(LOG_GROUP)) else { return };
        let fetched = source.drain(PACKETS_PER_TURN_MAX, |packet| {
            fares.packets += 1;
            fares.packets_foreign += u64::from(!gathered.add(&packet, now));
        });
        let lost = source.take_lost();
        gathered.add_lost(lost, now);
        fares.packets_lost += lost;
        if let Err(error) = fetched {
            nflog.fail(&mut fares.nflog, &error);
        }
    }

    fn fetch_changes(&mut self, now: Timestamp) {
        let Round { monitor, fares, changes, made, .. } = self;
        let Some(source) = monitor.get(now, &mut fares.monitor, Monitor::open) else { return };
        let fetched = source.drain(CHANGES_PER_TURN_MAX, |change| {
            fares.changes += 1;
            *made |= change.tables.get(&table()).is_some_and(|touched| touched.made);
            changes.note(&change, || changer(&change), now);
        });
        fares.overruns += source.take_overruns();
        if let Err(error) = fetched {
            monitor.fail(&mut fares.monitor, &error);
        }
    }

    /// Whether our table is there, what its counters say, and the canary: there if and only if ours is.
    fn read_tables(&mut self, now: Timestamp) {
        let counted = past(self.counted_at, COUNTERS_EVERY_S, now);
        let Round { tables, fares, .. } = self;
        let open = || Ok((Reader::open()?, Writer::open()?));
        let Some((reader, writer)) = tables.get(now, &mut fares.counters, open) else { return };
        match look(reader, writer, self.changes.is_pending(), counted) {
            Ok((present, counters)) => {
                (self.present, self.made) = (present, false);
                if counted {
                    self.counted_at = Some(now);
                    self.hits.read(counters, now);
                }
            }
            Err(error) => tables.fail(&mut fares.counters, &error),
        }
    }
}

type Counters = Vec<(String, u64, u64)>;

fn look(reader: &mut Reader, writer: &mut Writer, pending: bool, counted: bool) -> Result<(bool, Counters), SysError> {
    let names: Vec<_> = reader.tables()?.into_iter().map(|t| t.name).collect();
    let (ours, bird) = (names.contains(&table()), names.contains(&canary()));
    if ours != bird && (ours || !pending) {
        let mut batch = Batch::new();
        if ours {
            batch.add_table(&canary())
        } else {
            batch.delete_table(&canary())
        }
        match writer.commit(batch) {
            Err(error) if !error.is_not_found() => return Err(error), // gone meanwhile is as good
            _ => {}
        }
    }
    let counters = if ours && counted { reader.counters(&table())? } else { Vec::new() };
    Ok((ours, counters))
}

fn past(since: Option<Timestamp>, length_s: i64, now: Timestamp) -> bool {
    since.is_none_or(|since| !(0..length_s).contains(&(now.as_second() - since.as_second())))
}

/// Who made a change, as far as it can still be seen. The kernel's number is one of the first pid
/// namespace: a process of another name under it is somebody else.
fn changer(change: &Change) -> Changer {
    let seen = process::Reader::new().ok().and_then(|reader| reader.process(change.pid));
    let seen = seen.filter(|process| process.name == change.process);
    Changer {
        pid: change.pid,
        process: cut(&change.process),
        cmdline: seen.as_ref().map(|process| cut(&process.cmdline)),
        user: seen.as_ref().and_then(|process| process.user.as_deref().map(cut)),
    }
}
