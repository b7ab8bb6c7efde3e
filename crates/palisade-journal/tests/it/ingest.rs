//! What hosts send: many at a time, whatever they say.

use crate::server::{context, event, moment, put};
use palisade_core::{Event, HostId, Timestamp};
use palisade_guard::{Record, ServerContext};
use palisade_journal::store::{self, Filter};
use serde_json::{Value, json};

fn record(seq: u64, body: Value) -> Record {
    Record { seq, at: Timestamp::UNIX_EPOCH, body }
}

/// An event as a host writes it: without its host.
fn body(second: i64, message: &str) -> Value {
    let mut event = event(second, "intrusion.login.fail", message);
    event.host = None;
    serde_json::to_value(event).unwrap()
}

async fn ingest(ctx: &ServerContext, host: &str, records: &[Record]) {
    let host: HostId = host.parse().unwrap();
    let mut tx = ctx.begin().await.unwrap();
    store::ingest(&mut tx, &host, records, moment(0)).await.unwrap();
    tx.commit().await.unwrap();
}

/// Oldest first.
async fn list(ctx: &ServerContext, filter: &Filter) -> Vec<Event> {
    let mut db = ctx.db.read().acquire().await.unwrap();
    let mut events: Vec<_> = store::event_list(&mut db, filter, 20_000).await.unwrap();
    events.reverse();
    events.into_iter().map(|s| s.event).collect()
}

#[tokio::test]
async fn events_of_a_host_are_stored_in_order_with_their_words_and_its_name() {
    let (_dir, ctx) = context().await;
    let records: Vec<Record> = (0..150).map(|n| record(n + 1, body(n as i64 - 200, &format!("attempt{n}")))).collect();
    ingest(&ctx, "db-1", &records).await;
    let stored = list(&ctx, &Filter::default()).await;
    let wanted: Vec<String> = (0..150).map(|n| format!("attempt{n}")).collect();
    assert_eq!(stored.iter().map(|e| e.message.clone()).collect::<Vec<_>>(), wanted);
    assert!(stored.iter().all(|e| e.host.as_ref().is_some_and(|h| h.as_str() == "db-1")));
    let found = list(&ctx, &Filter { words: Some("attempt77".to_owned()), ..Filter::default() }).await;
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_host_cannot_speak_for_another_one_or_for_the_server() {
    let (_dir, ctx) = context().await;
    let with = |field: &str, value: Value| {
        let mut body = body(-1, "forged");
        body[field] = value;
        body
    };
    let bodies = [
        with("host", json!("web-9")),
        with("audit", json!(true)),
        with("kind", json!("frame.token.add")),
        with("kind", json!("hello")),
        with("severity", json!("terrible")),
        json!("\u{1b}[31m"),
        json!(null),
    ];
    let records: Vec<Record> = (1..).zip(bodies).map(|(seq, body)| record(seq, body)).collect();
    ingest(&ctx, "db-1", &records).await;
    let stored = list(&ctx, &Filter::default()).await;
    let said: Vec<_> = stored.iter().map(|e| (e.kind.as_str(), e.host.as_ref().unwrap().as_str())).collect();
    assert_eq!(said, [("intrusion.login.fail", "db-1"), ("journal.record.skip", "db-1")]);
    assert_eq!(stored[1].data, json!({ "skipped": 6, "first_seq": 2 }));
    assert!(stored[1].message.contains("audit log"), "{}", stored[1].message);
}

#[tokio::test]
async fn events_of_many_hosts_in_one_moment_are_all_kept() {
    let (_dir, ctx) = context().await;
    // more than a host's share of a millisecond, and ids that others have taken before
    put(&ctx, &(0..3_000).map(|_| event(-1, "a.b.c", "before")).collect::<Vec<_>>()).await;
    let records: Vec<Record> = (1..=1_100).map(|seq| record(seq, body(-1, &seq.to_string()))).collect();
    for host in ["db-1", "db-2", "db-3"] {
        ingest(&ctx, host, &records).await;
        let filter = Filter { host: Some(host.parse().unwrap()), ..Filter::default() };
        let mut seen: Vec<u64> = list(&ctx, &filter).await.into_iter().filter_map(|e| e.message.parse().ok()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=1_100).collect::<Vec<u64>>(), "{host}");
    }
    let mut db = ctx.db.read().acquire().await.unwrap();
    assert_eq!(store::event_count(&mut db, &Filter::default()).await.unwrap(), 6_300);
}

#[tokio::test]
async fn an_event_from_the_future_stands_at_the_present() {
    let (_dir, ctx) = context().await;
    let year_s = 366 * 86_400;
    ingest(&ctx, "db-1", &[record(1, body(year_s, "ahead")), record(2, body(60, "nearly right"))]).await;
    let times: Vec<_> = list(&ctx, &Filter::default()).await.into_iter().map(|e| (e.message, e.time)).collect();
    assert_eq!(times, [("ahead".to_owned(), moment(0)), ("nearly right".to_owned(), moment(60))]);
}

#[tokio::test]
async fn no_records_are_no_events() {
    let (_dir, ctx) = context().await;
    ingest(&ctx, "db-1", &[]).await;
    assert!(list(&ctx, &Filter::default()).await.is_empty());
}
