//! A server's context on a real database file, and events to put into it.

use palisade_core::{Actor, Event, Outcome, Severity, SystemClock, Timestamp};
use palisade_guard::context::RecordEvent;
use palisade_guard::db::Database;
use palisade_guard::{Serve, ServerContext};
use palisade_journal::Journal;
use std::sync::Arc;

pub async fn context() -> (tempfile::TempDir, ServerContext) {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(&dir.path().join("db")).await.unwrap();
    db.migrate("journal", Journal.migrations()).await.unwrap();
    (dir, ServerContext::new(db, Arc::new(SystemClock), Arc::new(Journal), Vec::new()))
}

/// Second 0 is 2026-11-22T12:00:00Z.
pub fn moment(second: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    Timestamp::from_second(noon.as_second() + second).unwrap()
}

pub fn event(second: i64, kind: &str, message: &str) -> Event {
    Event {
        time: moment(second),
        kind: kind.to_owned(),
        host: Some("web-1".parse().unwrap()),
        severity: Severity::Low,
        outcome: Outcome::Success,
        actor: Actor { name: "anna".to_owned(), from: Some("203.0.113.9".to_owned()) },
        message: message.to_owned(),
        object: Some("198.51.100.7".to_owned()),
        audit: false,
        data: serde_json::Value::Null,
    }
}

pub async fn put(ctx: &ServerContext, events: &[Event]) {
    let mut tx = ctx.begin().await.unwrap();
    for event in events {
        Journal.record(&mut tx, event).await.unwrap();
    }
    tx.commit().await.unwrap();
}
