//! The server's end of the link to its agents.

use super::access::Origin;
use super::peer::Peer;
use super::presence::End;
use super::specs::Carried;
use super::{Server, clone, fleet, message};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::contract::chain;
use palisade_guard::link::{Acknowledged, Bye, HEARTBEAT_S, Hello, Up, Welcome};
use palisade_guard::{GuardError, store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Messages that wait for a slow agent; then the connection is ended and made anew.
const WAITING_MAX: usize = 64;
/// Changes of feeds are gathered for this long before they are sent: many bans, one message.
const FEED_GATHER: Duration = Duration::from_millis(100);
/// Characters of a goodbye that are kept.
const WHY_CHARS_MAX: usize = 200;

/// The addresses of the link; reachable only through the server's socket, or with a host's
/// certificate.
pub fn router() -> Router<Server> {
    Router::new()
        .route("/link/v1/hello", post(hello))
        .route("/link/v1/report", post(report))
        .route("/link/v1/orders", get(orders))
        .route("/link/v1/bye", post(bye))
        .route("/link/v1/clock", post(clock))
}

/// The agent at the other end: the one of its certificate, or on the server's own machine the one
/// that root says.
type Agent = Option<Extension<Peer>>;

/// Lets a message through that is for its own sender. Whoever speaks for another host is cut off.
async fn own(server: &Server, agent: &Agent, claimed: &HostId) -> Result<(), ApiError> {
    own_name(server, agent, claimed).await?;
    if agent.is_some() {
        server.presence.heard(claimed, server.context.now());
    }
    Ok(())
}

/// As [`own`], for one that may be a copy of the host: what it says is nothing heard of the original.
async fn own_name(server: &Server, agent: &Agent, claimed: &HostId) -> Result<(), ApiError> {
    let Some(Extension(peer)) = agent else { return Ok(()) };
    if peer.host == *claimed {
        return Ok(());
    }
    let message = format!("{} spoke as {claimed} and was cut off", peer.host);
    tracing::warn!(host.id = %peer.host, claimed = %claimed, "an agent claims to be another host");
    tell(server, &peer.host, "frame.host.impersonation", Severity::Critical, message).await;
    peer.cut();
    Err(ApiError::new(StatusCode::FORBIDDEN, "another_host", format!("this connection is that of `{}`", peer.host)))
}

async fn tell(server: &Server, host: &HostId, kind: &str, severity: Severity, message: String) {
    let event = Event {
        time: server.context.now(),
        kind: kind.to_owned(),
        host: Some(host.clone()),
        severity,
        outcome: Outcome::Failure,
        actor: Actor { name: format!("agent of {host}"), from: None },
        message,
        object: Some(host.to_string()),
        audit: false,
        data: serde_json::Value::Null,
    };
    if let Err(error) = server.record(&event).await {
        tracing::warn!(error = chain(&error), "could not record what an agent did");
    }
}

async fn hello(State(server): State<Server>, agent: Agent, request: Request) -> Result<Json<Welcome>, ApiError> {
    let hello: Hello = message::read(&server, request).await?;
    own_name(&server, &agent, &hello.host).await?;
    let now = server.context.now();
    let mut db = server.context.db.read().acquire().await?;
    let known = store::host(&mut db, &hello.host).await?;
    let streams = streams(&server, &mut db, &hello.host).await?;
    let ahead = ahead(&server, &mut db, &hello).await?;
    drop(db);
    if let (Some(Extension(peer)), Some(row)) = (&agent, &known) {
        clone::admit(&server, peer, row, &hello, server.presence.heard_at(&hello.host)).await?;
    }
    // after a restart of the server all hosts come at once, and hardly any has something new to say
    if known.as_ref().is_none_or(|row| row.facts != hello.facts) {
        let mut tx = server.begin().await?;
        store::host_seen(&mut tx, &hello.host, Some(&hello.facts), now).await?;
        if known.is_none() {
            fleet::welcome(&server, &mut tx, &hello.host).await?;
        }
        let others = server.context.host_changed(&mut tx, &hello.host).await?;
        tx.commit().await?;
        server.context.wake_agents_of(&others);
    }
    if let Some(theirs) = hello.now {
        server.presence.clock(&hello.host, theirs, now);
    }
    if let Some(Extension(peer)) = &agent {
        server.presence.begun(&hello.host, peer.connection, hello.run.clone(), now);
    }
    if let Some(guard) = ahead.filter(|_| server.presence.ahead(&hello.host)) {
        let message = format!(
            "{} holds a newer {guard} spec than this server ever gave: the server was restored from an old copy",
            hello.host
        );
        tell(&server, &hello.host, "frame.server.older", Severity::High, message).await;
    }
    server.hellos.lock().expect("no panic while held").insert(hello.host.clone(), hello);
    server.context.publish(&["hosts"]);
    Ok(Json(Welcome { now, streams }))
}

/// The first guard of which the agent has stored a newer spec, or more of its feed, than this server has.
async fn ahead(server: &Server, db: &mut sqlx::SqliteConnection, hello: &Hello) -> Result<Option<String>, GuardError> {
    for (guard, held) in &hello.specs {
        if held.generation > store::generation(db, &hello.host, guard).await? {
            return Ok(Some(guard.clone()));
        }
    }
    for (guard, at) in &hello.feeds {
        let Some(serve) = server.guard(guard).and_then(|entry| entry.server.as_ref()) else { continue };
        if serve.feed_at(&mut *db).await?.is_some_and(|newest| newest < *at) {
            return Ok(Some(guard.clone()));
        }
    }
    Ok(None)
}

/// Stores all of a report before it is acknowledged.
async fn report(State(server): State<Server>, agent: Agent, request: Request) -> Result<Response, ApiError> {
    if let Some(Extension(peer)) = &agent {
        let bytes = message::length(&request)?;
        if let Err(refused) = server.limits.take(&peer.host, bytes, Instant::now()) {
            return Ok(too_much(&server, &peer.host, refused).await);
        }
    }
    let up: Up = message::read(&server, request).await?;
    own(&server, &agent, &up.host).await?;
    let empty = up.looks.is_empty() && up.records.is_empty() && up.reports.is_empty() && up.jobs.is_empty();
    if empty && up.lost.is_empty() && up.operator_at.is_none() && up.feeds.is_empty() {
        let answer = Acknowledged { streams: BTreeMap::new(), after_ms: server.ingest.pause_ms() };
        return Ok(Json(answer).into_response());
    }
    Ok(Json(server.ingest.store(up).await?).into_response())
}

async fn too_much(server: &Server, host: &HostId, refused: super::limits::TooMuch) -> Response {
    if refused.tell {
        let message = format!("{host} sends more than a host may; it is held back");
        tell(server, host, "frame.host.flood", Severity::Medium, message).await;
    }
    let after = refused.after.as_secs().max(1);
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_much", "this host sends more than a host may");
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, HeaderValue::from(after))], error).into_response()
}

/// The agent ends in order.
async fn bye(State(server): State<Server>, agent: Agent, request: Request) -> Result<StatusCode, ApiError> {
    let bye: Bye = message::read(&server, request).await?;
    own(&server, &agent, &bye.host).await?;
    let why: String = bye.why.chars().filter(|c| !c.is_control()).take(WHY_CHARS_MAX).collect();
    server.presence.bye(&bye.host, &why, server.context.now());
    Ok(StatusCode::NO_CONTENT)
}

/// What an agent sends whose clock is so far off that it cannot trust any certificate.
#[derive(Serialize, Deserialize)]
struct Clock {
    host: HostId,
    now: Timestamp,
}

async fn clock(State(server): State<Server>, agent: Agent, request: Request) -> Result<Json<Clock>, ApiError> {
    let clock: Clock = message::read(&server, request).await?;
    own(&server, &agent, &clock.host).await?;
    let now = server.context.now();
    server.presence.clock(&clock.host, clock.now, now);
    Ok(Json(Clock { host: clock.host, now }))
}

/// How far the streams of a host are stored: of every guard that has one.
async fn streams(
    server: &Server,
    db: &mut sqlx::SqliteConnection,
    host: &HostId,
) -> Result<BTreeMap<String, u64>, GuardError> {
    let mut streams = BTreeMap::new();
    for guard in server.guards.iter().filter(|g| g.server.is_some()) {
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
    agent: Agent,
    info: Option<Extension<ConnectInfo<Origin>>>,
    Query(params): Query<OrdersParams>,
) -> Result<Response, ApiError> {
    let by_root = info.is_some_and(|Extension(ConnectInfo(origin))| origin == Origin::Socket);
    if !by_root && agent.is_none() {
        return Err(ApiError::not_found("this address"));
    }
    own(&server, &agent, &params.host).await?;
    let hello = server.hellos.lock().expect("no panic while held").remove(&params.host);
    let hello = hello.ok_or_else(|| ApiError::conflict("say hello first"))?;
    // of lines, not of messages: tokio makes room for 32 at once, which would be 5 kB of each connection
    let (sender, receiver) = mpsc::channel::<Bytes>(WAITING_MAX);
    tokio::spawn(async move {
        let stream = Stream { server, host: params.host, by_root, sender };
        stream.run(hello).await;
    });
    Ok(Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, Infallible>)).into_response())
}

/// The stream of orders to one agent.
struct Stream {
    server: Server,
    host: HostId,
    /// On the server's own machine this stream is the connection: its end is the host's end.
    by_root: bool,
    sender: mpsc::Sender<Bytes>,
}

impl Stream {
    async fn run(self, hello: Hello) {
        let presence = std::sync::Arc::clone(&self.server.presence);
        let connection = presence.connection();
        if self.by_root {
            presence.begun(&self.host, connection, hello.run.clone(), self.server.context.now());
        }
        if let Err(error) = self.send(&hello).await {
            tracing::warn!(host.id = %self.host, error = chain(&error), "the stream of orders ended");
        }
        if self.by_root {
            presence.ended(&self.host, connection, End::Closed, self.server.context.now());
        }
    }

    async fn send(&self, hello: &Hello) -> Result<(), GuardError> {
        let context = &self.server.context;
        let (mut changed, mut feeds) = (context.specs_of(&self.host), context.feeds());
        let mut carried = Carried::from_hello(hello);
        loop {
            changed.mark_unchanged();
            feeds.mark_unchanged();
            if !self.sent(carried.next(&self.server, &self.host).await?) {
                return Ok(());
            }
            if self.by_root {
                self.server.presence.heard(&self.host, context.now());
            }
            let due = tokio::time::Instant::now() + Duration::from_secs(HEARTBEAT_S);
            loop {
                tokio::select! {
                    _ = changed.changed() => break,
                    () = tokio::time::sleep_until(due) => break,
                    Ok(()) = feeds.changed() => {}
                    () = self.sender.closed() => return Ok(()),
                }
                tokio::time::sleep(FEED_GATHER).await;
                let tick = *feeds.borrow_and_update();
                if !self.sent(carried.next_of_feeds(&self.server, tick).await?) {
                    return Ok(());
                }
            }
        }
    }

    /// False when the agent does not read, or is gone: it connects anew.
    fn sent(&self, parts: Vec<Bytes>) -> bool {
        parts.into_iter().all(|part| self.sender.try_send(part).is_ok())
    }
}
