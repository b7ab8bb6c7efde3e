//! The server's end of the link to its agents.

use super::{Server, plans};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use palisade_core::{Actor, Event, Generation, HostId, Outcome, PlanState, Report, Severity, Timestamp, VerdictWord};
use palisade_guard::api::ApiError;
use palisade_guard::link::{Acknowledged, Down, HEARTBEAT_S, Hello, Up, Welcome};
use palisade_guard::{GuardError, store};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Messages that wait for a slow agent; then the connection is ended and made anew.
const WAITING_MAX: usize = 64;

/// The three addresses of the link; reachable only through the server's socket.
pub fn router() -> Router<Server> {
    Router::new()
        .route("/link/v1/hello", post(hello))
        .route("/link/v1/report", post(report))
        .route("/link/v1/orders", get(orders))
}

async fn hello(State(server): State<Server>, Json(hello): Json<Hello>) -> Result<Json<Welcome>, ApiError> {
    let now = server.context.now();
    let mut tx = server.begin().await?;
    store::host_seen(&mut tx, &hello.host, Some(&hello.facts), now).await?;
    store::verdict_put(&mut tx, &hello.host, VerdictWord::Online, None, now, now).await?;
    let streams = streams(&server, &mut tx, &hello.host).await?;
    tx.commit().await?;
    server.context.publish(&["hosts"]);
    Ok(Json(Welcome { now, streams }))
}

/// Stores all of a report in one transaction; only then it is acknowledged.
async fn report(State(server): State<Server>, Json(up): Json<Up>) -> Result<Json<Acknowledged>, ApiError> {
    let now = server.context.now();
    let mut topics = Vec::new();
    let mut tx = server.begin().await?;
    store::host_seen(&mut tx, &up.host, None, now).await?;
    for look in &up.looks {
        for (section, new) in &look.sections {
            section_changed(&server, &mut tx, &up.host, &look.guard, section, new, look.observed_at).await?;
        }
        store::look_put(&mut tx, &up.host, look).await?;
        topics.extend(["findings", "hosts", &look.guard]);
    }
    for (word, records) in &up.records {
        ingest(&server, &mut tx, &up.host, word, records).await?;
        topics.push(word);
    }
    for report in up.reports.iter().filter(|r| r.host == up.host) {
        take_report(&server, &mut tx, report, now).await?;
        topics.extend(["plans", &report.guard, "journal"]);
    }
    for job in &up.jobs {
        store::job_put(&mut tx, &up.host, job).await?;
        topics.push("orders");
    }
    let streams = streams(&server, &mut tx, &up.host).await?;
    tx.commit().await?;
    for report in up.reports.iter().filter(|r| r.host == up.host) {
        plans::take_decisions(&server, report).await;
    }
    if let Some(at) = up.operator_at {
        plans::operator_seen(&server, &up.host, at);
    }
    if !topics.is_empty() {
        topics.sort_unstable();
        topics.dedup();
        server.context.publish(&topics);
    }
    Ok(Json(Acknowledged { streams, after_ms: 0 }))
}

async fn section_changed(
    server: &Server,
    db: &mut sqlx::SqliteConnection,
    host: &HostId,
    word: &str,
    section: &str,
    new: &serde_json::Value,
    at: Timestamp,
) -> Result<(), GuardError> {
    let Some(serve) = server.guard(word).and_then(|g| g.server.as_ref()) else { return Ok(()) };
    let old = store::section(db, host, word, section).await?.map(|(_, body)| body);
    serve.section_changed(db, host, section, old.as_ref(), new, at).await
}

/// Hands over the records that are new; an agent that repeats itself after a lost answer does no harm.
async fn ingest(
    server: &Server,
    db: &mut sqlx::SqliteConnection,
    host: &HostId,
    word: &str,
    records: &[palisade_guard::Record],
) -> Result<(), GuardError> {
    let Some(serve) = server.guard(word).and_then(|g| g.server.as_ref()) else { return Ok(()) };
    let stored = store::stream_seq(db, host, word).await?;
    let new: Vec<_> = records.iter().filter(|r| r.seq > stored).cloned().collect();
    if let Some(last) = new.iter().map(|r| r.seq).max() {
        serve.ingest(db, host, &new).await?;
        store::stream_seq_put(db, host, word, last).await?;
    }
    Ok(())
}

async fn take_report(
    server: &Server,
    db: &mut sqlx::SqliteConnection,
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

async fn streams(
    server: &Server,
    db: &mut sqlx::SqliteConnection,
    host: &HostId,
) -> Result<BTreeMap<String, u64>, GuardError> {
    let mut streams = BTreeMap::new();
    for guard in server.guards.iter().filter(|g| g.watcher.is_some()) {
        streams.insert(guard.word.to_owned(), store::stream_seq(db, host, guard.word).await?);
    }
    Ok(streams)
}

#[derive(Deserialize)]
struct OrdersParams {
    host: HostId,
}

/// One line per message, for as long as the agent listens.
async fn orders(
    State(server): State<Server>,
    info: ConnectInfo<super::access::Origin>,
    Query(params): Query<OrdersParams>,
) -> Response {
    if info.0 != super::access::Origin::Socket {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (sender, receiver) = mpsc::channel::<Down>(WAITING_MAX);
    tokio::spawn(async move {
        if let Err(error) = send_orders(&server, &params.host, &sender).await {
            tracing::warn!(host.id = %params.host, error = palisade_guard::contract::chain(&error), "the stream of orders ended");
        }
    });
    let lines = ReceiverStream::new(receiver).map(|down| {
        let mut line = serde_json::to_vec(&down).unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    Body::from_stream(lines).into_response()
}

async fn send_orders(server: &Server, host: &HostId, to: &mpsc::Sender<Down>) -> Result<(), GuardError> {
    let mut changed = server.context.specs_of(host);
    let mut sent: HashMap<&'static str, Generation> = HashMap::new();
    let mut live = None;
    let mut ordered: HashMap<String, bool> = HashMap::new();
    loop {
        changed.mark_unchanged();
        let mut messages = specs(server, host, &mut sent).await?;
        messages.extend(orders_for(server, host, &mut ordered).await?);
        let until = server.context.looked_at_until(host);
        if until != live {
            live = until;
            messages.extend(until.map(|until| Down::Live { until }));
        }
        messages.push(Down::Heartbeat);
        for message in messages {
            // full means that the agent does not read; closed that it is gone: it connects anew
            if to.try_send(message).is_err() {
                return Ok(());
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(HEARTBEAT_S), changed.changed()).await;
    }
}

/// The open orders that this connection has not carried yet, and those that were cancelled since.
async fn orders_for(server: &Server, host: &HostId, sent: &mut HashMap<String, bool>) -> Result<Vec<Down>, GuardError> {
    let mut db = server.context.db.read().acquire().await?;
    let open = store::orders_open(&mut db, host).await?;
    let new = open.into_iter().filter(|o| sent.insert(o.id.clone(), o.cancelled) != Some(o.cancelled));
    Ok(new.map(Down::Order).collect())
}

/// The specs whose generation this connection has not carried yet.
async fn specs(
    server: &Server,
    host: &HostId,
    sent: &mut HashMap<&'static str, Generation>,
) -> Result<Vec<Down>, GuardError> {
    let mut messages = Vec::new();
    for guard in server.guards.iter().filter(|g| g.keeper.is_some()) {
        let Some(serve) = &guard.server else { continue };
        // one read transaction, so that generation and spec belong together
        let mut tx = server.context.db.read().begin().await?;
        let generation = store::generation(&mut tx, host, guard.word).await?;
        if generation == Generation::default() || sent.get(guard.word) == Some(&generation) {
            continue;
        }
        if let Some(spec) = serve.resolve(&mut tx, host, server.context.now()).await? {
            sent.insert(guard.word, generation);
            messages.push(Down::Spec { guard: guard.word.to_owned(), generation, spec });
        }
    }
    Ok(messages)
}
