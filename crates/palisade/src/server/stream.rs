//! Changes as server-sent events: small references that tell a page what to read again.

use super::Server;
use super::access::{self, Origin};
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use palisade_guard::api::Caller;
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is asked anew whether the caller may still look; a session or token that somebody
/// ends is noticed at once.
const ADMITTED_EVERY: Duration = Duration::from_secs(60);

/// Changes as they happen: `change` with the topics, `reset` when the page lagged behind and must
/// read all again, `heartbeat` every 15 s.
#[utoipa::path(get, path = "/api/v1/stream", tag = "frame", responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn changes(
    State(server): State<Server>,
    _caller: Caller,
    ConnectInfo(origin): ConnectInfo<Origin>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = BroadcastStream::new(server.context.changes()).map(|change| {
        Ok(match change {
            Ok(change) => Event::default()
                .event("change")
                .id(change.seq.to_string())
                .data(serde_json::json!({ "seq": change.seq, "topics": change.topics }).to_string()),
            Err(BroadcastStreamRecvError::Lagged(_)) => Event::default().event("reset").data("{}"),
        })
    });
    let first = futures_util::stream::once(async { Ok(Event::default().event("heartbeat").data("{}")) });
    let alive = KeepAlive::new().interval(HEARTBEAT).event(Event::default().event("heartbeat").data("{}"));
    let stream = first.chain(stream).take_until(Box::pin(until_shut_out(server, origin, headers)));
    Sse::new(stream).keep_alive(alive)
}

/// Ends when the session or token that a stream was opened with has ended.
async fn until_shut_out(server: Server, origin: Origin, headers: HeaderMap) {
    let mut less = server.access.ended.subscribe();
    while origin == Origin::Socket || access::still_admitted(&server, &headers).await {
        // the sender lives as long as the server
        let _ = tokio::time::timeout(ADMITTED_EVERY, less.changed()).await;
    }
}
