//! A server that looks from outside: a database, a clock that the test sets, and the endpoints.

use crate::stored::{NOON, Stored};
use axum::body::Body;
use axum::{Extension, Router};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_core::{Clock, Event, HostId, Timestamp};
use palisade_guard::api::{Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::notice::{NoNotify, Vault};
use palisade_guard::resource::{self, ApplyError, ApplyParams, Document, Kinds};
use palisade_guard::{GuardError, ServerContext};
use palisade_monitor::{Monitor, probe};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tower::ServiceExt;

/// A condition that is waited for longer has failed.
const WAIT: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOON + self.0.load(Ordering::SeqCst)).unwrap()
    }
}

#[derive(Default)]
struct Journal(Mutex<Vec<Event>>);

impl RecordEvent for Journal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        self.0.lock().unwrap().push(event.clone());
        Box::pin(async { Ok(()) })
    }
}

/// Turns every byte over, so that a test can tell sealed from open.
struct Turned;

impl Vault for Turned {
    fn seal(&self, name: &str, secret: &[u8]) -> Result<String, GuardError> {
        let hex: String = secret.iter().map(|byte| format!("{:02x}", !byte)).collect();
        Ok(format!("{name}:{hex}"))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, GuardError> {
        let hex = sealed.strip_prefix(&format!("{name}:")).unwrap();
        Ok((0..hex.len()).step_by(2).map(|at| !u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect())
    }
}

pub struct Outside {
    pub context: ServerContext,
    pub monitor: Monitor,
    _stored: Stored,
    clock: Arc<Hands>,
    journal: Arc<Journal>,
}

impl Outside {
    pub async fn new() -> Outside {
        let (stored, clock, journal) = (Stored::new().await, Arc::<Hands>::default(), Arc::<Journal>::default());
        let context = ServerContext::new(stored.db.clone(), clock.clone(), journal.clone(), Vec::new());
        let context = context.with(Arc::new(NoNotify), Arc::new(Turned), "own".parse().ok());
        Outside { context, monitor: Monitor::default(), _stored: stored, clock, journal }
    }

    /// Runs the loop that looks, until the runtime ends.
    pub fn run(&self) {
        for task in probe::tasks(&self.monitor, &self.context) {
            tokio::spawn(task);
        }
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// The kinds of events that were recorded.
    pub fn told(&self) -> Vec<String> {
        self.journal.0.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }

    pub async fn call(&self, method: &str, path: &str, role: Role, body: Option<Value>) -> (StatusCode, Value) {
        let (router, _) = palisade_monitor::api::router(self.monitor.clone()).split_for_parts();
        let caller = Caller { name: "anna".to_owned(), role, address: None };
        let router: Router = router.layer(Extension(caller)).with_state(self.context.clone());
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = Request::builder().method(method).uri(format!("/api/v1/monitor/{path}"));
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.call("GET", path, Role::Viewer, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// Applies documents of the kind `Probe`; `Err` is the path and the message.
    pub async fn apply(&self, role: Role, probes: &[(&str, Value)]) -> Result<(), String> {
        let kinds = Kinds::new(probe::kinds());
        let document = |(name, spec): &(&str, Value)| {
            let document = json!({ "kind": "Probe", "name": name, "spec": spec });
            serde_json::from_value::<Document>(document).unwrap()
        };
        let params = json!({ "resources": [], "dry_run": false });
        let params: ApplyParams = serde_json::from_value(params).unwrap();
        let params = ApplyParams { resources: probes.iter().map(document).collect(), ..params };
        let caller = Caller { name: "anna".to_owned(), role, address: None };
        match resource::apply(&self.context, &kinds, &caller, params).await {
            Ok(_) => Ok(()),
            Err(ApplyError::Other(error)) => Err(format!("{}: {}", error.path().unwrap_or_default(), error.message())),
            Err(_) => Err("a conflict".to_owned()),
        }
    }

    /// The newest values of a host.
    pub async fn newest(&self, host: &str) -> BTreeMap<String, f64> {
        let host: HostId = host.parse().unwrap();
        let mut db = self.context.db.read().acquire().await.unwrap();
        palisade_monitor::store::latest(&mut db, &host).await.unwrap().map(|frame| frame.metrics).unwrap_or_default()
    }
}

/// Waits until `holds` gives something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut holds: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = holds().await {
            return found;
        }
        assert!(started.elapsed() < WAIT, "{what}: not within {} s", WAIT.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
