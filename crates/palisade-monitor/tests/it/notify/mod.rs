//! Notifications: what is told when (pure), and from the notice to receivers on the loopback.

mod channels;
mod documents;
mod due;
mod outbox;
mod scale;
mod sink;

use palisade_core::{Clock, Event, Severity, Timestamp};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::notice::{NoticeState, Urgency, Vault};
use palisade_guard::store as frame_store;
use palisade_guard::{GuardError, Notice, Notify, ServerContext};
use palisade_monitor::notify::deliver::Deliver;
use palisade_monitor::notify::dispatch::Dispatch;
use palisade_monitor::notify::{self, Desk, outbox as stored_outbox};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// 2026-11-22T12:00:00Z, a Sunday, in milliseconds.
pub const NOON_MS: i64 = 1_795_348_800_000;

pub fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

/// A notice about `web-1` that fires since noon.
pub fn notice(key: &str, alertname: &str) -> Notice {
    Notice {
        key: key.to_owned(),
        state: NoticeState::Firing,
        urgency: Urgency::Page,
        severity: Severity::High,
        title: format!("{alertname} on web-1"),
        text: "It is more than it should be.".to_owned(),
        host: Some("web-1".parse().unwrap()),
        labels: BTreeMap::from([("alertname".to_owned(), alertname.to_owned())]),
        annotations: BTreeMap::from([("cause".to_owned(), "stress-ng (pid 7, unit hog.service)".to_owned())]),
        starts_at: at_ms(NOON_MS),
        ends_at: None,
        settle_ms: 0,
    }
}

/// The same thing, over.
pub fn resolved(notice: &Notice, ends_ms: i64) -> Notice {
    Notice { state: NoticeState::Resolved, ends_at: Some(at_ms(ends_ms)), ..notice.clone() }
}

#[derive(Clone)]
pub struct FakeClock(pub Arc<AtomicI64>);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        at_ms(self.0.load(Ordering::SeqCst))
    }
}

struct NoJournal;

impl RecordEvent for NoJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Seals by reversing: enough to see that what is stored is not what was given.
pub struct Reversed;

impl Vault for Reversed {
    fn seal(&self, name: &str, secret: &[u8]) -> Result<String, GuardError> {
        let text = String::from_utf8_lossy(secret).chars().rev().collect::<String>();
        Ok(format!("{name}:{text}"))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, GuardError> {
        let text = sealed.strip_prefix(&format!("{name}:"));
        let text = text.ok_or_else(|| GuardError::Refused("sealed for another name".to_owned()))?;
        Ok(text.chars().rev().collect::<String>().into_bytes())
    }
}

/// A server's database with a clock of the test's own.
pub struct Server {
    pub context: ServerContext,
    pub clock: FakeClock,
    dispatch: Dispatch,
    deliver: Deliver,
    _stored: crate::stored::Stored,
}

impl Server {
    pub async fn new() -> Server {
        let stored = crate::stored::Stored::new().await;
        let clock = FakeClock(Arc::new(AtomicI64::new(NOON_MS)));
        let context = ServerContext::new(stored.db.clone(), Arc::new(clock.clone()), Arc::new(NoJournal), Vec::new());
        let context = context.with(Arc::new(Desk), Arc::new(Reversed), None);
        let (dispatch, deliver) = (Dispatch::new(context.clone()), Deliver::new(context.clone()));
        Server { context, clock, dispatch, deliver, _stored: stored }
    }

    /// Everything that was in memory is gone.
    pub fn restart(&mut self) {
        self.dispatch = Dispatch::new(self.context.clone());
        self.deliver = Deliver::new(self.context.clone());
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn put(&self, kind: &str, name: &str, spec: Value) {
        let mut tx = self.context.begin().await.unwrap();
        let author = frame_store::Author { by: "ada", at: self.now(), source: frame_store::Source::File, plan: "" };
        frame_store::resource_put(&mut tx, kind, name, Some(&spec), author).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn secret(&self, name: &str, value: &str) {
        let mut tx = self.context.begin().await.unwrap();
        let now = self.now();
        notify::secret::put(&mut tx, &Reversed, (name, value), ("ada", now)).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn say(&self, notice: &Notice) {
        let mut tx = self.context.begin().await.unwrap();
        Desk.notify(&mut tx, notice).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Decides what is due; returns how many messages are on their way.
    pub async fn decide(&mut self) -> usize {
        self.dispatch.round().await.unwrap()
    }

    /// Sends until nothing is due any more.
    pub async fn send(&mut self) {
        while self.deliver.start().await.unwrap() > 0 {
            self.deliver.ended().await.unwrap();
        }
    }

    /// Second by second: decides and sends.
    pub async fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.pass(1);
            self.decide().await;
            self.send().await;
        }
    }

    pub async fn deliveries(&self) -> Vec<stored_outbox::DeliveryView> {
        let mut db = self.context.db.read().acquire().await.unwrap();
        stored_outbox::list(&mut db, None, 1_000).await.unwrap()
    }
}
