//! Judging as samples come and as time passes. One task owns it; what it has decided is stored and
//! told in one transaction, together with where judging stands: after a crash it goes on from there,
//! judges the samples since then once more, and comes to the same.

use super::book::{Book, Page};
use super::judge::Change;
use super::live::{LiveHost, Outcome};
use super::store::{self, AlarmRow};
use super::{RULES_TOPIC, TOPIC, cause, tell};
use crate::Monitor;
use crate::model::Asked;
use crate::store::Arrivals;
use palisade_core::{HostId, Standing};
use palisade_guard::contract::chain;
use palisade_guard::notice::NoticeState;
use palisade_guard::store::{self as frame_store, at};
use palisade_guard::{GuardError, ServerContext};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;

/// Between two looks at what time alone has changed.
const TICK: Duration = Duration::from_secs(2);
/// Changes of hosts (tags, standing) are taken up so often; those of rules at once.
const HOSTS_EVERY_S: i64 = 10;
/// Where judging stands is stored so often, in seconds of samples.
const KEPT_EVERY_S: i64 = 600;
/// Rows read at once.
const ROWS_MAX: i64 = 500;
/// Rows of one host judged in one go; the rest follows.
const ROWS_ROUND_MAX: usize = 20_000;
/// A host that was never judged begins at most so far back.
const BACK_S: i64 = 3_600;
/// Samples further ahead of the server's clock than this wait until they are not.
const AHEAD_S: i64 = palisade_guard::link::CLOCK_SKEW_MAX_S;
/// Sources of one host may differ by so much in the moments that their samples stand for.
const SPREAD_S: i64 = 600;
/// Samples are judged that come so late, behind the newest of their host: what a spool holds.
const LATE_S: i64 = 86_400;
/// The ring that a host is asked for reaches so far back.
const RING_S: i64 = 900;

/// Judges.
pub struct Engine {
    monitor: Monitor,
    context: ServerContext,
    book: Arc<Book>,
    pages: HashMap<HostId, Arc<Page>>,
    read_at_s: i64,
    /// What came and may not have been committed when it was looked for.
    again: Arrivals,
}

/// Runs until the server ends.
pub async fn run(monitor: Monitor, context: ServerContext) {
    let (started, mut changes) = (Instant::now(), context.changes());
    let mut engine = Engine::new(monitor, context);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let ran_s = || started.elapsed().as_secs() as i64;
        let done = tokio::select! {
            change = changes.recv() => match change {
                Ok(change) => engine.changed(&change.topics, ran_s()).await,
                Err(RecvError::Lagged(_)) => engine.changed(&[RULES_TOPIC.to_owned(), crate::WORD.to_owned()], ran_s()).await,
                Err(RecvError::Closed) => return,
            },
            _ = tick.tick() => engine.tick(ran_s()).await,
        };
        if let Err(error) = done {
            tracing::warn!(error = chain(&error), "judging alarms; tried again");
        }
    }
}

impl Engine {
    /// Knows nothing yet.
    pub fn new(monitor: Monitor, context: ServerContext) -> Engine {
        let (book, pages) = (Arc::default(), HashMap::new());
        Engine { monitor, context, book, pages, read_at_s: i64::MIN, again: Arrivals::new() }
    }

    /// Something was committed.
    pub async fn changed(&mut self, topics: &[String], ran_s: i64) -> Result<(), GuardError> {
        if self.read_at_s == i64::MIN || topics.iter().any(|topic| topic == RULES_TOPIC) {
            self.read(ran_s).await?;
        }
        if topics.iter().any(|topic| topic == crate::WORD) {
            let arrivals = self.monitor.store.arrivals_take();
            // what is still being stored while this looks is seen at the next tick
            merge(&mut self.again, &arrivals);
            self.judge(&arrivals, ran_s).await?;
        }
        Ok(())
    }

    /// Time has passed.
    pub async fn tick(&mut self, ran_s: i64) -> Result<(), GuardError> {
        if self.read_at_s == i64::MIN || ran_s - self.read_at_s >= HOSTS_EVERY_S {
            self.read(ran_s).await?;
        }
        self.monitor.pulse.beat("alarms", self.context.now());
        let again = std::mem::take(&mut self.again);
        if let Err(error) = self.judge(&again, ran_s).await {
            merge(&mut self.again, &again);
            return Err(error);
        }
        let mut done = Ok(());
        for (host, outcomes) in self.monitor.alarms.pass(ran_s) {
            // one that fails is judged again from what is stored; the others are not held up
            done = self.write(&host, outcomes).await.and(done);
        }
        done
    }

    /// Reads rules, groups and hosts; alarms that no rule holds any more end.
    async fn read(&mut self, ran_s: i64) -> Result<(), GuardError> {
        let mut db = self.context.db.read().acquire().await?;
        self.book = Arc::new(Book::read(&mut db).await?);
        let mut hosts = frame_store::hosts(&mut db).await?;
        hosts.retain(|host| host.standing == Standing::Active);
        self.pages = self.book.pages(&hosts);
        self.read_at_s = ran_s;
        self.monitor.alarms.adopt(&self.book, &self.pages);
        let unknown: Vec<HostId> = self.pages.keys().filter(|host| !self.monitor.alarms.knows(host)).cloned().collect();
        let mut new = Arrivals::new();
        for host in unknown {
            let from_s = self.load(&mut db, &host, ran_s).await?;
            new.insert(host, from_s);
        }
        let open = store::alarms_open(&mut db).await?;
        drop(db);
        self.judge(&new, ran_s).await?;
        let holds = |row: &AlarmRow| self.monitor.alarms.is_held(&self.book, &self.pages, row);
        let over: Vec<AlarmRow> = open.into_iter().filter(|row| !holds(row)).collect();
        if over.is_empty() { Ok(()) } else { self.expire(over).await }
    }

    /// Takes up a host where judging it was left; the moment from which its samples have to be looked at.
    async fn load(&mut self, db: &mut SqliteConnection, host: &HostId, ran_s: i64) -> Result<i64, GuardError> {
        let page = &self.pages[host];
        let live = match store::judged(db, host).await? {
            Some((at_s, body)) => LiveHost::restore(Arc::clone(page), at_s, &body, ran_s),
            None => LiveHost::new(Arc::clone(page), self.context.now().as_second() - BACK_S, ran_s),
        };
        let from_s = live.at_s() - SPREAD_S;
        self.monitor.alarms.put(host, live);
        Ok(from_s)
    }

    async fn judge(&mut self, arrivals: &Arrivals, ran_s: i64) -> Result<(), GuardError> {
        for (host, from_s) in arrivals {
            if !self.pages.contains_key(host) {
                self.read_at_s = self.read_at_s.min(ran_s - HOSTS_EVERY_S); // a new host: looked up at the next tick
                merge(&mut self.again, &Arrivals::from([(host.clone(), *from_s)]));
                continue;
            }
            if let Err(error) = self.judge_host(host, *from_s, ran_s).await {
                // what was decided is not stored: forgotten here too, and judged again
                self.monitor.alarms.remove(host);
                self.read_at_s = i64::MIN;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn judge_host(&mut self, host: &HostId, from_s: i64, ran_s: i64) -> Result<(), GuardError> {
        let until_s = self.context.now().as_second() + AHEAD_S;
        let Some(at_s) = self.monitor.alarms.at_s(host) else { return Ok(()) };
        let (mut after_s, mut judged) = (at_s.min((from_s - 1).max(at_s - LATE_S)), 0);
        while judged < ROWS_ROUND_MAX {
            let mut db = self.context.db.read().acquire().await?;
            let mut rows = self.monitor.store.samples_since(&mut db, host, after_s, ROWS_MAX).await?;
            drop(db);
            let is_all = (rows.len() as i64) < ROWS_MAX;
            rows.retain(|(at_s, _)| *at_s <= until_s);
            judged += rows.len();
            after_s = rows.last().map_or(after_s, |(at_s, _)| *at_s);
            let outcomes = self.monitor.alarms.rows(host, &rows, ran_s, self.context.now());
            self.write(host, outcomes).await?;
            if is_all || rows.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Stores and tells what was decided, and where judging stands now.
    async fn write(&mut self, host: &HostId, outcomes: Vec<Outcome>) -> Result<(), GuardError> {
        let shown = !outcomes.is_empty();
        let kept: Vec<Outcome> = outcomes.into_iter().filter(Outcome::is_kept).collect();
        let Some((at_s, body)) = self.monitor.alarms.save(host, !kept.is_empty(), KEPT_EVERY_S) else {
            if shown {
                self.context.publish(&[TOPIC]);
            }
            return Ok(());
        };
        let written = self.write_all(host, &kept, at_s, &body).await;
        if written.is_err() {
            self.monitor.alarms.remove(host);
            self.read_at_s = i64::MIN;
        }
        for (alarm, metric, fired_s) in written? {
            let (from, to) = (at((fired_s - RING_S) * 1_000), at(fired_s * 1_000));
            let asked = Asked::Freeze { alarm: alarm.to_string(), metric, from, to };
            self.context.ask(host, crate::WORD, serde_json::to_value(asked).expect("a plain enum"));
        }
        if shown {
            self.context.publish(&[TOPIC]);
        }
        Ok(())
    }

    /// In one transaction. Returns what the host shall be asked: alarm, metric, moment.
    async fn write_all(
        &self,
        host: &HostId,
        kept: &[Outcome],
        at_s: i64,
        body: &str,
    ) -> Result<Vec<(i64, String, i64)>, GuardError> {
        let mut tx = self.context.begin().await?;
        let mut asks = Vec::new();
        for outcome in kept {
            if let Some(row) = self.outcome_put(&mut tx, host, outcome).await? {
                asks.push((row.id, outcome.watched.metric.name.to_owned(), outcome.transition.at_s));
            }
        }
        store::judged_put(&mut tx, host, at_s, body).await?;
        tx.commit().await?;
        Ok(asks)
    }

    /// Returns the alarm if its cause shall be asked for.
    async fn outcome_put(
        &self,
        tx: &mut SqliteConnection,
        host: &HostId,
        outcome: &Outcome,
    ) -> Result<Option<AlarmRow>, GuardError> {
        let Some(rule) = self.book.rule(&outcome.watched.rule) else { return Ok(None) };
        let (watched, transition) = (&outcome.watched, outcome.transition);
        let (object, index) = (outcome.key.to_string(), watched.index as i64);
        let open = store::alarm_open(tx, (&rule.name, index), host.as_str(), &object).await?;
        let mut row = match (open, transition.to) {
            (Some(row), _) => row,
            (None, Change::Firing | Change::NoData) => fresh(outcome, host, object),
            (None, _) => return Ok(None),
        };
        (row.value, row.changed) = (transition.value, transition.at_s * 1_000);
        let asks = match transition.to {
            Change::Firing => {
                (row.state, row.stale) = ("firing".to_owned(), 0);
                row.body =
                    serde_json::to_string(&tell::body(rule, watched, host, &outcome.key, transition)).expect("finite");
                rule.spec.cause && cause::is_asked(watched.metric.name)
            }
            Change::NoData => {
                row.state = "no_data".to_owned();
                row.body =
                    serde_json::to_string(&tell::body_no_data(rule, watched, host, &outcome.key)).expect("finite");
                false
            }
            Change::Resolved => {
                (row.state, row.stale, row.ended) = ("resolved".to_owned(), 0, Some(row.changed));
                false
            }
            Change::Stale | Change::Fresh => {
                row.stale = i64::from(transition.to == Change::Stale);
                let word = if row.stale == 1 { "stale" } else { "fresh" };
                store::alarm_put(tx, &mut row, word).await?;
                return Ok(None);
            }
            Change::Pending | Change::Ok => return Ok(None),
        };
        if asks && let Some(frame) = crate::store::latest(tx, host).await? {
            let guessed = cause::of_frame(watched.metric.name, &frame);
            row.cause = guessed.map(|kept| serde_json::to_string(&kept).expect("finite"));
        }
        let word = row.state.clone();
        store::alarm_put(tx, &mut row, &word).await?;
        let state = if row.ended.is_some() { NoticeState::Resolved } else { NoticeState::Firing };
        self.context.notify.notify(tx, &tell::notice(&row, state, None)).await?;
        Ok(asks.then_some(row))
    }

    /// Ends alarms whose rule was changed or deleted, or whose host is out of it: not because samples
    /// have shown that all is well.
    async fn expire(&self, rows: Vec<AlarmRow>) -> Result<(), GuardError> {
        let now = self.context.now().as_millisecond();
        let mut tx = self.context.begin().await?;
        for mut row in rows {
            (row.state, row.ended, row.changed) = ("expired".to_owned(), Some(now.max(row.since)), now);
            store::alarm_put(&mut tx, &mut row, "expired").await?;
            let reason = "the rule was changed, or is no longer for this";
            self.context.notify.notify(&mut tx, &tell::notice(&row, NoticeState::Resolved, Some(reason))).await?;
        }
        tx.commit().await?;
        self.context.publish(&[TOPIC]);
        Ok(())
    }
}

fn merge(into: &mut Arrivals, more: &Arrivals) {
    for (host, from_s) in more {
        into.entry(host.clone()).and_modify(|s| *s = (*s).min(*from_s)).or_insert(*from_s);
    }
}

fn fresh(outcome: &Outcome, host: &HostId, object: String) -> AlarmRow {
    let (watched, at_ms) = (&outcome.watched, outcome.transition.at_s * 1_000);
    AlarmRow {
        id: 0,
        rule: watched.rule.clone(),
        edition: watched.edition.clone(),
        policy: watched.index as i64,
        host: host.to_string(),
        object,
        state: String::new(),
        stale: 0,
        severity: watched.severity.to_string(),
        value: 0.0,
        since: at_ms,
        ended: None,
        changed: at_ms,
        acknowledged_by: None,
        acknowledged_at: None,
        acknowledged_note: None,
        body: String::new(),
        cause: None,
    }
}
