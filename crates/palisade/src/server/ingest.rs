//! Storing what hosts report: many reports, one transaction.
//!
//! A commit that is on disk costs the same for one report as for hundreds. What waits is taken
//! together; each report is a savepoint of its own, so that one that cannot be stored fails alone. A
//! report is acknowledged after the commit, never before. What does not fit into the queue is
//! refused with "later", and waits in the agent's spool.

use super::{Server, plans};
use axum::http::StatusCode;
use palisade_core::{Actor, Event, HostId, Outcome, PlanState, Report, Severity, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::contract::chain;
use palisade_guard::link::{Acknowledged, Up};
use palisade_guard::{GuardError, Record, Serve, store};
use sqlx::{Acquire, SqliteConnection};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::{mpsc, oneshot};

/// Reports that wait; more are refused.
const WAITING_MAX: usize = 1_024;
/// Reports in one transaction.
const TOGETHER_MAX: usize = 256;
/// The pause that an agent makes after a report, in milliseconds: what comes together travels
/// together.
const PAUSE_MS: u64 = 500;
/// The pause when the queue is full; in between, in proportion.
const PAUSE_MS_MAX: u64 = 10_000;

/// A report that waits, and who waits for its answer.
struct Waiting {
    up: Up,
    answer: oneshot::Sender<Result<Acknowledged, ApiError>>,
}

/// The queue.
#[derive(Clone)]
pub struct Ingest {
    sender: mpsc::Sender<Waiting>,
}

/// The other end of the queue, for [`run`].
pub struct Queue(mpsc::Receiver<Waiting>);

impl Ingest {
    /// A queue and its other end.
    pub fn new() -> (Ingest, Queue) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Ingest { sender }, Queue(receiver))
    }

    /// Stores a report; returns when it is on disk.
    pub async fn store(&self, up: Up) -> Result<Acknowledged, ApiError> {
        let later = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the server has too much to store");
        let (answer, done) = oneshot::channel();
        self.sender.try_send(Waiting { up, answer }).map_err(|_| later())?;
        done.await.map_err(|_| later())?
    }

    /// How long an agent shall wait before its next report, in milliseconds.
    pub fn pause_ms(&self) -> u64 {
        let waiting = (WAITING_MAX - self.sender.capacity()) as u64;
        (PAUSE_MS_MAX * waiting / WAITING_MAX as u64).max(PAUSE_MS)
    }
}

/// Stores what comes until the queue is dropped.
pub async fn run(server: Server, mut queue: Queue) {
    let mut batch = Vec::with_capacity(TOGETHER_MAX);
    while queue.0.recv_many(&mut batch, TOGETHER_MAX).await > 0 {
        store_batch(&server, std::mem::take(&mut batch)).await;
    }
}

async fn store_batch(server: &Server, batch: Vec<Waiting>) {
    let stored = store_all(server, &batch).await;
    match stored {
        Ok((answers, told)) => {
            for (waiting, answer) in batch.into_iter().zip(answers) {
                let taken = answer.is_ok();
                // nobody waits any more: the agent will repeat it and be told that it is stored
                let _ = waiting.answer.send(answer);
                for report in waiting.up.reports.iter().filter(|_| taken) {
                    plans::take_decisions(server, report).await;
                }
                if let Some(at) = waiting.up.operator_at {
                    plans::operator_seen(server, &waiting.up.host, at);
                }
            }
            if !told.hosts.is_empty() {
                server.context.wake_agents_of(&told.hosts.into_iter().collect::<Vec<_>>());
            }
            if !told.topics.is_empty() {
                server.context.publish(&told.topics.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), reports = batch.len(), "reports could not be stored");
            let mut error = Some(ApiError::from(error));
            for waiting in batch {
                let busy = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the report could not be stored");
                let _ = waiting.answer.send(Err(error.take().unwrap_or_else(busy)));
            }
        }
    }
}

type Answers = Vec<Result<Acknowledged, ApiError>>;

/// Whom a batch concerns, told after the commit.
#[derive(Default)]
struct Told {
    topics: BTreeSet<String>,
    /// Hosts that get another spec.
    hosts: BTreeSet<HostId>,
}

async fn store_all(server: &Server, batch: &[Waiting]) -> Result<(Answers, Told), GuardError> {
    let mut told = Told::default();
    let mut answers = Vec::with_capacity(batch.len());
    let mut tx = server.begin().await?;
    for waiting in batch {
        let mut own = tx.begin().await?;
        match store_one(server, &mut own, &waiting.up, &mut told).await {
            Ok(streams) => {
                own.commit().await?;
                answers.push(Ok(Acknowledged { streams, after_ms: server.ingest.pause_ms() }));
            }
            Err(error) => {
                tracing::warn!(host.id = %waiting.up.host, error = chain(&error), "a report could not be stored");
                own.rollback().await?;
                answers.push(Err(error.into()));
            }
        }
    }
    tx.commit().await?;
    Ok((answers, told))
}

async fn store_one(
    server: &Server,
    db: &mut SqliteConnection,
    up: &Up,
    told: &mut Told,
) -> Result<BTreeMap<String, u64>, GuardError> {
    for look in &up.looks {
        for (section, new) in &look.sections {
            let hosts = section_changed(server, db, &up.host, &look.guard, section, new, look.observed_at).await?;
            told.hosts.extend(hosts);
        }
        let change = store::look_put(db, &up.host, look).await?;
        for serve in server.guards.iter().filter_map(|g| g.server.as_ref()) {
            serve.findings_changed(db, &up.host, &change, look.observed_at).await?;
        }
        told.topics.extend(["findings".to_owned(), "hosts".to_owned(), look.guard.clone()]);
    }
    let mut streams = BTreeMap::new();
    for (word, records) in &up.records {
        if let Some(seq) = ingest(server, db, &up.host, word, records).await? {
            streams.insert(word.clone(), seq);
            told.topics.insert(word.clone());
        }
    }
    let now = server.context.now();
    for report in up.reports.iter().filter(|r| r.host == up.host) {
        take_report(server, db, report, now).await?;
        told.topics.extend(["plans".to_owned(), report.guard.clone(), "journal".to_owned()]);
    }
    for job in &up.jobs {
        store::job_put(db, &up.host, job).await?;
        told.topics.insert("orders".to_owned());
    }
    for (word, at) in &up.feeds {
        if let Some(serve) = server.guard(word).and_then(|g| g.server.as_ref()) {
            serve.feed_held(db, &up.host, *at, now).await?;
        }
    }
    if !up.lost.is_empty() {
        store::lost_put(db, &up.host, &up.lost).await?;
        told.topics.insert("hosts".to_owned());
    }
    Ok(streams)
}

async fn section_changed(
    server: &Server,
    db: &mut SqliteConnection,
    host: &HostId,
    word: &str,
    section: &str,
    new: &serde_json::Value,
    at: Timestamp,
) -> Result<Vec<HostId>, GuardError> {
    let Some(serve) = server.guard(word).and_then(|g| g.server.as_ref()) else { return Ok(Vec::new()) };
    let old = store::section(db, host, word, section).await?.map(|(_, body)| body);
    serve.section_changed(db, host, section, old.as_ref(), new, at).await
}

/// Hands over the records that are new; an agent that repeats itself after a lost answer does no
/// harm. Returns how far the stream is stored now; `None` for a guard that this version has not.
async fn ingest(
    server: &Server,
    db: &mut SqliteConnection,
    host: &HostId,
    word: &str,
    records: &[Record],
) -> Result<Option<u64>, GuardError> {
    let Some(serve) = server.guard(word).and_then(|g| g.server.as_ref()) else { return Ok(None) };
    if records.windows(2).any(|pair| pair[0].seq >= pair[1].seq) {
        return Err(GuardError::Refused(format!("the records of {word} are not in order")));
    }
    let stored = store::stream_seq(db, host, word).await?;
    let new = &records[records.partition_point(|r| r.seq <= stored)..];
    let Some(last) = new.last().map(|r| r.seq) else { return Ok(Some(stored)) };
    let mut own = db.begin().await?;
    match serve.ingest(&mut own, host, new).await {
        Err(error @ GuardError::Decode { .. }) => {
            own.rollback().await?;
            tracing::warn!(host.id = %host, guard = word, error = chain(&error), "records that cannot be read are left out");
            ingest_each(serve.as_ref(), db, host, new).await?;
        }
        other => {
            other?;
            own.commit().await?;
        }
    }
    store::stream_seq_put(db, host, word, last).await?;
    Ok(Some(last))
}

/// Records one by one, so that those which this version cannot read do not keep the others out.
async fn ingest_each(
    serve: &dyn Serve,
    db: &mut SqliteConnection,
    host: &HostId,
    records: &[Record],
) -> Result<(), GuardError> {
    for record in records {
        match serve.ingest(db, host, std::slice::from_ref(record)).await {
            Ok(()) | Err(GuardError::Decode { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn take_report(
    server: &Server,
    db: &mut SqliteConnection,
    report: &Report,
    now: Timestamp,
) -> Result<(), GuardError> {
    let changed = store::report_put(db, report).await?;
    if changed.iter().any(|plan| plan.state == PlanState::Probation) {
        // who looks on connects anew: only that proves that the change has not cut them off
        server.connections.send_modify(|n| *n += 1);
    }
    if report.steps.is_empty() {
        return Ok(());
    }
    let (kind, severity, message) = if report.drift {
        let what: Vec<_> = report.steps.iter().map(|s| format!("{} {}", s.step.name, s.step.object)).collect();
        (
            "drift.repair",
            Severity::Medium,
            format!("{} had drifted on {}; repaired: {}", report.guard, report.host, what.join(", ")),
        )
    } else {
        (
            "spec.apply",
            Severity::Informational,
            format!("{} applied {} on {}", report.guard, report.generation, report.host),
        )
    };
    let event = Event {
        time: now,
        kind: format!("{}.{kind}", report.guard),
        host: Some(report.host.clone()),
        severity: if report.verified { severity } else { Severity::High },
        outcome: if report.verified { Outcome::Success } else { Outcome::Failure },
        actor: Actor { name: "agent".to_owned(), from: None },
        message,
        object: None,
        audit: false,
        data: serde_json::to_value(&report.steps).unwrap_or_default(),
    };
    server.context.record(db, &event).await
}
