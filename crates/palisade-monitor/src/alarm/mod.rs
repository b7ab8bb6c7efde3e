//! Alarms: what makes one ([`rule`]), judging samples against that ([`judge`], pure), the states of
//! alarms ([`engine`]), what is told of them ([`tell`]), and what caused them ([`cause`]).
//!
//! **Words.** A *policy* is one reason for an alarm; a rule has several, and any of them makes one. An
//! *alarm* is a policy that is wrong on one series of one host, from the moment it fires to its end.
//! It is *pending* before, *resolved* when samples have shown that it is over, *expired* when its rule
//! has gone, and *stale* while it fires and samples no longer come.
//!
//! **Limits.** 1,000 rules, 50 policies each, 180 periods; alarms that are over are kept 180 days.

pub mod api;
pub mod backtest;
pub mod book;
pub mod builtin;
pub mod cause;
pub mod cli;
pub mod engine;
pub mod event;
pub mod judge;
pub mod kinds;
pub mod live;
pub mod rule;
pub mod script;
pub mod store;
pub mod tell;
pub mod view;
pub mod word;

pub use api::router;
pub use kinds::kinds;

use crate::Monitor;
use crate::model::Cause;
use crate::notify::Desk;
use crate::store::SamplesRow;
use book::{Book, Page};
use judge::Phase;
use live::{LiveHost, Outcome};
use palisade_core::{Event, HostId, Timestamp};
use palisade_guard::contract::BoxFuture;
use palisade_guard::store::FindingChange;
use palisade_guard::{GuardError, ServerContext};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Pages that show alarms look at this topic.
pub const TOPIC: &str = "monitor/alarms";
/// Rules, templates or groups have changed.
pub const RULES_TOPIC: &str = "monitor/rules";

/// Rules and alarms, as far as they live in memory. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Alarms(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    live: HashMap<HostId, LiveHost>,
    evaluated_at: Option<Timestamp>,
}

/// How many series stand where, by rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Right.
    pub ok: u64,
    /// About to fire.
    pub pending: u64,
    /// Firing.
    pub firing: u64,
    /// Without data.
    pub no_data: u64,
}

impl Alarms {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic while held")
    }

    fn knows(&self, host: &HostId) -> bool {
        self.inner().live.contains_key(host)
    }

    fn at_s(&self, host: &HostId) -> Option<i64> {
        self.inner().live.get(host).map(LiveHost::at_s)
    }

    fn put(&self, host: &HostId, live: LiveHost) {
        self.inner().live.insert(host.clone(), live);
    }

    fn remove(&self, host: &HostId) {
        self.inner().live.remove(host);
    }

    fn rows(&self, host: &HostId, rows: &[SamplesRow], ran_s: i64, now: Timestamp) -> Vec<Outcome> {
        let mut inner = self.inner();
        inner.evaluated_at = Some(now);
        inner.live.get_mut(host).map(|live| live.rows(rows, ran_s)).unwrap_or_default()
    }

    fn pass(&self, ran_s: i64) -> Vec<(HostId, Vec<Outcome>)> {
        let mut inner = self.inner();
        let all = inner.live.iter_mut().map(|(host, live)| (host.clone(), live.pass(ran_s)));
        all.filter(|(_, outcomes)| !outcomes.is_empty()).collect()
    }

    /// Where judging stands on a host, if that is to be stored now.
    fn save(&self, host: &HostId, now: bool, every_s: i64) -> Option<(i64, String)> {
        let mut inner = self.inner();
        let live = inner.live.get_mut(host)?;
        (now || live.unkept_s() >= every_s).then(|| (live.at_s(), live.save()))
    }

    /// Goes by these rules from now on; hosts that are out of service are dropped.
    fn adopt(&self, book: &Book, pages: &HashMap<HostId, Arc<Page>>) {
        let mut inner = self.inner();
        inner.live.retain(|host, live| match pages.get(host) {
            Some(page) => {
                live.adopt(Arc::clone(page));
                live.retain(|key| book.is_measured(key));
                true
            }
            None => false,
        });
    }

    /// Whether a rule of today still holds this alarm.
    fn is_held(&self, book: &Book, pages: &HashMap<HostId, Arc<Page>>, row: &store::AlarmRow) -> bool {
        if row.policy < 0 {
            let rule = book.rule(&row.rule).filter(|rule| rule.edition == row.edition && rule.spec.enabled);
            let in_service = row.read_host().is_none_or(|host| pages.contains_key(&host));
            return in_service && rule.is_some_and(|rule| rule.spec.event.is_some());
        }
        let Some(host) = row.read_host() else { return false };
        let inner = self.inner();
        let is_measured = crate::model::SeriesKey::parse(&row.object).is_none_or(|key| book.is_measured(&key));
        is_measured
            && inner
                .live
                .get(&host)
                .is_some_and(|live| live.is_judged((&row.rule, &row.edition, row.policy), &row.object))
    }

    /// How many series of each rule stand where.
    pub fn counts(&self) -> HashMap<String, Counts> {
        let mut counts: HashMap<String, Counts> = HashMap::new();
        let inner = self.inner();
        for (_, judged) in inner.live.values().flat_map(LiveHost::judged) {
            if !counts.contains_key(&judged.watched.rule) {
                counts.insert(judged.watched.rule.clone(), Counts::default());
            }
            let Some(count) = counts.get_mut(&judged.watched.rule) else { continue };
            match judged.state.phase {
                Phase::Ok => count.ok += 1,
                Phase::Pending => count.pending += 1,
                Phase::Firing => count.firing += 1,
                Phase::NoData => count.no_data += 1,
            }
        }
        counts
    }

    /// When samples were last judged.
    pub fn evaluated_at(&self) -> Option<Timestamp> {
        self.inner().evaluated_at
    }

    /// What is about to fire.
    pub fn pending(&self) -> Vec<(HostId, Outcome)> {
        let mut all = Vec::new();
        for (host, live) in &self.inner().live {
            let pending = live.judged().filter(|(_, judged)| judged.state.phase == Phase::Pending);
            all.extend(pending.map(|(key, judged)| {
                let (at_s, value) = (judged.state.since_s, judged.state.value);
                let transition = judge::Transition { at_s, to: judge::Change::Pending, value };
                (host.clone(), Outcome { watched: Arc::clone(&judged.watched), key: key.clone(), transition })
            }));
        }
        all
    }
}

/// An event was recorded, in this transaction.
pub async fn event_recorded(db: &mut SqliteConnection, event: &Event) -> Result<(), GuardError> {
    event::recorded(db, &Desk, event).await
}

/// A look has found something new, or no longer found something, in this transaction.
pub async fn findings_changed(
    db: &mut SqliteConnection,
    host: &HostId,
    change: &FindingChange,
    at: Timestamp,
) -> Result<(), GuardError> {
    event::findings_changed(db, &Desk, host, change, at).await
}

/// A host has sent what it saw around the moment when an alarm fired.
pub async fn cause_arrived(db: &mut SqliteConnection, host: &HostId, cause: &Cause) -> Result<(), GuardError> {
    cause::arrived(db, &Desk, host, cause).await
}

/// What runs beside the requests.
pub fn tasks(monitor: &Monitor, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    vec![Box::pin(engine::run(monitor.clone(), context.clone()))]
}

/// Periodic work.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    store::forget(db, now).await
}
