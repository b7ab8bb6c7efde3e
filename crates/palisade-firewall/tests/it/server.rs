//! A server in a test: an in-process router on a real database file.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_core::{Clock, Event, HostId, Plan, Timestamp};
use palisade_guard::api::{Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::db::Database;
use palisade_guard::{Entry, GuardError, Serve, ServerContext, store};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

/// 2026-11-22T12:00:00Z, until a test turns it on.
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub fn new() -> Arc<TestClock> {
        Arc::new(TestClock(Mutex::new("2026-11-22T12:00:00Z".parse().unwrap())))
    }

    pub fn pass_s(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now += jiff::SignedDuration::from_secs(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A journal that keeps events in memory.
#[derive(Default)]
pub struct TestJournal(Mutex<Vec<Event>>);

impl RecordEvent for TestJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        self.0.lock().unwrap().push(event.clone());
        Box::pin(async { Ok(()) })
    }
}

/// The address that the operator of a test calls from.
pub const OWN: &str = "198.51.100.77";
/// The failsafe network of a test.
pub const FAILSAFE: &str = "192.0.2.0/24";

pub struct Server {
    pub context: ServerContext,
    pub clock: Arc<TestClock>,
    pub guard: Entry,
    journal: Arc<TestJournal>,
    _dir: tempfile::TempDir,
}

impl Server {
    /// A server with the hosts `web-1` and `db-1`.
    pub async fn start() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("state.db")).await.unwrap();
        let guard = palisade_firewall::guard();
        db.migrate("frame", store::MIGRATIONS).await.unwrap();
        db.migrate(guard.word, guard.server.as_ref().unwrap().migrations()).await.unwrap();
        let (clock, journal) = (TestClock::new(), Arc::new(TestJournal::default()));
        let context = ServerContext::new(db, clock.clone(), journal.clone(), vec![FAILSAFE.parse().unwrap()]);
        let server = Server { context, clock, guard, journal, _dir: dir };
        for host in ["web-1", "db-1"] {
            let mut tx = server.context.begin().await.unwrap();
            store::host_seen(&mut tx, &host.parse().unwrap(), None, server.context.now()).await.unwrap();
            tx.commit().await.unwrap();
        }
        server
    }

    pub fn serve(&self) -> &dyn Serve {
        self.guard.server.as_deref().unwrap()
    }

    pub async fn call_as(
        &self,
        caller: Option<Role>,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        let (router, _) = self.serve().api().split_for_parts();
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(role) = caller {
            request = request.extension(Caller { name: "ada".to_owned(), role, address: Some(OWN.parse().unwrap()) });
        }
        let request = request.body(body.into()).unwrap();
        answer(router.with_state(self.context.clone()).oneshot(request).await.unwrap()).await
    }

    pub async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.call_as(Some(Role::Operator), method, path, body).await
    }

    /// A change that must succeed.
    pub async fn change(&self, method: &str, path: &str, body: Value) -> Plan {
        let (status, answer) = self.call(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        serde_json::from_value(answer).unwrap()
    }

    /// The bans of a host's spec, as `network until`.
    pub async fn spec_of(&self, host: &str) -> Vec<String> {
        let host: HostId = host.parse().unwrap();
        let mut db = self.context.db.read().acquire().await.unwrap();
        let spec = self.serve().resolve(&mut db, &host, self.context.now()).await.unwrap().unwrap();
        let spec: palisade_firewall::spec::Spec = serde_json::from_value(spec).unwrap();
        let until = |b: &palisade_firewall::spec::Ban| {
            palisade_firewall::resolve::until(b).map_or("never".to_owned(), |t| t.to_string())
        };
        spec.bans.iter().map(|b| format!("{} {}", b.cidr, until(b))).collect()
    }

    /// What was recorded since the last call.
    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.journal.0.lock().unwrap())
    }
}

/// Status and JSON of an answer; every answer is JSON.
pub async fn answer(response: axum::response::Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: not JSON: {text}")))
}
