//! A server's database with frames in it.

use palisade_core::{HostId, Timestamp};
use palisade_guard::db::Database;
use palisade_guard::{Record, store as frame_store};
use palisade_monitor::pack::pack_frame;
use palisade_monitor::series::{Ask, SeriesAnswer, series};
use palisade_monitor::{store, tend};
use serde_json::json;

/// 2026-11-22T12:00:00Z, a multiple of an hour.
pub const NOON: i64 = 1_795_348_800;

pub struct Stored {
    pub db: Database,
    pub store: store::Store,
    _dir: tempfile::TempDir,
}

pub fn host() -> HostId {
    "web-1".parse().unwrap()
}

pub fn at(s: i64) -> Timestamp {
    Timestamp::from_second(s).unwrap()
}

/// A record with one CPU value and two disks.
pub fn record(at_s: i64, cpu: f64, live: bool) -> Record {
    let body = json!({
        "at": at(at_s), "interval_s": if live { 1 } else { 60 }, "live": live,
        "metrics": { "cpu_usage_ratio": cpu, "disk_used_ratio{mount=\"/\"}": 0.5, "disk_used_ratio{mount=\"/srv\"}": 0.25 },
        "by_cpu": [{ "pid": 7, "name": "miner\u{1b}[31m", "cpu": 1.5, "rss_bytes": 4096 }],
        "by_memory": [{ "pid": 7, "name": "miner", "cpu": 1.5, "rss_bytes": 4096 }, { "pid": 1, "name": "systemd", "user": "root", "cmdline": "/sbin/init", "cpu": 0.0, "rss_bytes": 4000 }],
        "missing": ["pressure/cpu: absent"],
    });
    Record { seq: at_s as u64, at: at(at_s), body }
}

impl Stored {
    pub async fn new() -> Stored {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("palisade.db")).await.unwrap();
        db.migrate("frame", frame_store::MIGRATIONS).await.unwrap();
        db.migrate("monitor", store::MIGRATIONS).await.unwrap();
        Stored { db, store: store::Store::default(), _dir: dir }
    }

    /// A database of the version before, with two minutes of one series.
    pub async fn old() -> Stored {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("palisade.db")).await.unwrap();
        db.migrate("frame", frame_store::MIGRATIONS).await.unwrap();
        db.migrate("monitor", &store::MIGRATIONS[..1]).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        for statement in [
            "INSERT INTO monitor_series (host, id, key) VALUES ('web-1', 1, 'load1')",
            "INSERT INTO monitor_latest (host, at, body) VALUES ('web-1', 1795348877, '{}')",
        ] {
            sqlx::query(statement).execute(&mut *tx).await.unwrap();
        }
        for (at_s, value) in [(NOON, 0.5), (NOON + 60, 1.5)] {
            let row = sqlx::query("INSERT INTO monitor_minute (host, at, body) VALUES ('web-1', $1, $2)");
            row.bind(at_s).bind(pack_frame(60.0, &[(1, value)])).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
        db.migrate("monitor", store::MIGRATIONS).await.unwrap();
        Stored { db, store: store::Store::default(), _dir: dir }
    }

    pub async fn ingest(&self, records: &[Record]) {
        let mut tx = self.db.begin().await.unwrap();
        store::ingest(&mut tx, &self.store, &host(), records).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A frame a minute from `from_s` on, whose CPU value is the number of the minute, in percent.
    pub async fn minutes(&self, from_s: i64, count: i64) {
        let records: Vec<_> =
            (0..count).map(|n| record(from_s + n * 60 + 17, (n % 100) as f64 / 100.0, false)).collect();
        self.ingest(&records).await;
    }

    /// Seals all that is due.
    pub async fn seal(&self, now_s: i64) {
        let mut tx = self.db.begin().await.unwrap();
        for round in 0.. {
            assert!(round < 10_000, "sealing does not come to an end");
            let due = store::seal::due(&mut tx, at(now_s), 100).await.unwrap();
            for due in &due {
                due.seal(&self.store, &mut tx, at(now_s)).await.unwrap();
            }
            if due.is_empty() {
                break;
            }
        }
        tx.commit().await.unwrap();
    }

    /// Seals all that is due, and forgets.
    pub async fn tend(&self, now_s: i64) {
        self.seal(now_s).await;
        let mut tx = self.db.begin().await.unwrap();
        tend::tend(&mut tx, self.store.retention(), at(now_s)).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn columns(&self, name: &str, tier: store::Tier, range: (i64, i64)) -> Vec<store::Column> {
        let mut db = self.db.read().acquire().await.unwrap();
        self.store.columns(&mut db, &[host()], name, tier, range).await.unwrap()
    }

    pub async fn series(
        &self,
        name: &str,
        (from_s, to_s): (i64, i64),
        step_s: Option<i64>,
        now_s: i64,
    ) -> SeriesAnswer {
        let mut db = self.db.read().acquire().await.unwrap();
        let host = host();
        let ask = Ask { host: &host, name, from: at(from_s), to: at(to_s), step_s, now: at(now_s) };
        series(&mut db, &self.store, &ask).await.unwrap()
    }

    pub async fn count(&self, statement: &'static str) -> i64 {
        let (n,): (i64,) = sqlx::query_as(statement).fetch_one(self.db.read()).await.unwrap();
        n
    }
}

struct At(i64);

impl palisade_core::Clock for At {
    fn now(&self) -> Timestamp {
        at(self.0)
    }
}

pub struct NoJournal;

impl palisade_guard::context::RecordEvent for NoJournal {
    fn record<'a>(
        &'a self,
        _: &'a mut sqlx::SqliteConnection,
        _: &'a palisade_core::Event,
    ) -> palisade_guard::contract::BoxFuture<'a, Result<(), palisade_guard::GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// The endpoints on this database at this moment, as a viewer reaches them.
pub fn app(stored: &Stored, now_s: i64) -> axum::Router {
    use palisade_guard::api::{Caller, Role};
    let (clock, journal) = (std::sync::Arc::new(At(now_s)), std::sync::Arc::new(NoJournal));
    let context = palisade_guard::ServerContext::new(stored.db.clone(), clock, journal, Vec::new());
    let caller = Caller { name: "v".to_owned(), role: Role::Viewer, address: None };
    let (router, _) = palisade_monitor::api::router(palisade_monitor::Monitor::default()).split_for_parts();
    router.layer(axum::Extension(caller)).with_state(context)
}

/// Asks them.
pub async fn get(router: &axum::Router, path: &str) -> (http::StatusCode, serde_json::Value) {
    call(router, http::Request::get(path).body(axum::body::Body::empty()).unwrap()).await
}

/// Asks them.
pub async fn call(
    router: &axum::Router,
    request: http::Request<axum::body::Body>,
) -> (http::StatusCode, serde_json::Value) {
    let (status, _, text) = text(router, request).await;
    (status, serde_json::from_str(&text).unwrap_or(serde_json::Value::Null))
}

/// Asks them; the content type and the body as they came.
pub async fn text(
    router: &axum::Router,
    request: http::Request<axum::body::Body>,
) -> (http::StatusCode, String, String) {
    use http_body_util::BodyExt;
    let answer = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = answer.status();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, kind, String::from_utf8_lossy(&bytes).into_owned())
}
