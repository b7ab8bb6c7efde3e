//! Changes as server-sent events: small references that tell a page what to read again.

use super::Server;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use palisade_guard::api::Caller;
use std::convert::Infallible;
use std::time::Duration;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes as they happen: `change` with the topics, `reset` when the page lagged behind and must
/// read all again, `heartbeat` every 15 s.
#[utoipa::path(get, path = "/api/v1/stream", tag = "frame", responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn changes(
    State(server): State<Server>,
    _caller: Caller,
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
    Sse::new(first.chain(stream)).keep_alive(alive)
}
