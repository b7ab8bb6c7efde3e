//! Judging end to end: samples that are read from the database, alarms that are stored and told, where
//! judging stands, hosts and rules read again. Storing the samples themselves is not counted.

use crate::{BEGIN_S, Failure, HOSTS, PAIRS_OF_HOST, cpu_s, keys, metrics, specs};
use palisade_core::{Clock, Event, Timestamp};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::db::Database;
use palisade_guard::notice::{NoVault, Notice};
use palisade_guard::store::{self as frame_store, Author, HostRow, Source, host_put, resource_put};
use palisade_guard::{GuardError, Notify, ServerContext};
use palisade_monitor::Monitor;
use palisade_monitor::alarm::engine::Engine;
use palisade_monitor::model::{Frame, SeriesKey};
use palisade_monitor::store;
use sqlx::SqliteConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Twelve, so that where judging stands is stored once.
const MINUTES: i64 = 12;
/// The engine looks so often at what time alone has changed.
const TICK_S: i64 = 2;
/// Hosts whose samples come together.
const TOGETHER: usize = 20;
/// One host in so many is wrong in everything that is judged, for some minutes.
const WRONG_EACH: usize = 50;
const WRONG_MINUTES: std::ops::Range<i64> = 3..8;

#[derive(Clone, Default)]
struct Now(Arc<AtomicI64>);

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

/// Takes everything and does nothing.
struct Nobody;

impl RecordEvent for Nobody {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

impl Notify for Nobody {
    fn notify<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Notice) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    fn acknowledge<'a>(
        &'a self,
        _: &'a mut SqliteConnection,
        _: &'a str,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

pub async fn measure() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let db = Database::open(&dir.path().join("db")).await?;
    db.migrate("frame", frame_store::MIGRATIONS).await?;
    db.migrate("monitor", store::MIGRATIONS).await?;
    let rows = prepare(&db).await?;
    let now = Now::default();
    now.0.store(BEGIN_S, Ordering::Relaxed);
    let context = ServerContext::new(db.clone(), Arc::new(now.clone()), Arc::new(Nobody), Vec::new());
    let context = context.with(Arc::new(Nobody), Arc::new(NoVault), None);
    let monitor = Monitor::default();
    let mut engine = Engine::new(monitor.clone(), context);
    let (keys, mut cpu) = (keys(), [0.0; 2]);
    for minute in 0..=MINUTES {
        for (part, hosts) in rows.chunks(TOGETHER).enumerate() {
            let at_s = BEGIN_S + 60 * minute + (part * TOGETHER * 60 / HOSTS) as i64;
            now.0.store(at_s, Ordering::Relaxed);
            put(&db, &monitor, &keys, minute, part * TOGETHER, hosts).await?;
            let (before, ran_s) = (cpu_s(), at_s - BEGIN_S);
            engine.changed(&["monitor".to_owned()], ran_s).await?;
            let changed = cpu_s();
            if (part * TOGETHER * 60 / HOSTS) as i64 % TICK_S == 0 {
                engine.tick(ran_s).await?;
            }
            if minute > 0 {
                // the first minute also makes the maps
                cpu = [cpu[0] + changed - before, cpu[1] + cpu_s() - changed];
            }
        }
    }
    let [changed, tick] = cpu.map(|s| s * 1e3 / MINUTES as f64);
    let (alarms,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM monitor_alarm").fetch_one(db.read()).await?;
    let (pairs, all) = (HOSTS * PAIRS_OF_HOST, changed + tick);
    println!("bench: end to end, {pairs} policies on series of {HOSTS} hosts, a minute, CPU = {all:.0} ms");
    println!("bench: end to end, share of a core = {:.1} % (goal ≤ 10 %)", all / 600.0);
    println!("bench: end to end, of it as samples come, and every {TICK_S} s = {changed:.0} ms, {tick:.0} ms");
    println!("bench: end to end, alarms that were stored and told = {alarms}");
    Ok(())
}

/// Hosts and rules.
async fn prepare(db: &Database) -> Result<Vec<HostRow>, Failure> {
    let begin = Timestamp::from_second(BEGIN_S)?;
    let rows: Vec<HostRow> =
        (0..HOSTS).map(|n| Ok(HostRow::new(format!("sim-{n:05}").parse()?, begin))).collect::<Result<_, Failure>>()?;
    let mut tx = db.begin().await?;
    for row in &rows {
        host_put(&mut tx, row).await?;
    }
    let kinds = palisade_monitor::alarm::kinds();
    for (n, spec) in specs().iter().enumerate() {
        let (_, spec) = kinds[0].normalise("r", spec).map_err(|error| error.message().to_owned())?;
        let author = Author { by: "bench", at: Timestamp::UNIX_EPOCH, source: Source::File, plan: "" };
        resource_put(&mut tx, "AlarmRule", &format!("r{n}"), Some(&spec), author).await?;
    }
    tx.commit().await?;
    Ok(rows)
}

/// What the hosts send in this minute.
async fn put(
    db: &Database,
    monitor: &Monitor,
    keys: &[SeriesKey],
    minute: i64,
    first: usize,
    hosts: &[HostRow],
) -> Result<(), Failure> {
    let mut tx = db.begin().await?;
    for (n, row) in hosts.iter().enumerate() {
        let is_wrong = (first + n).is_multiple_of(WRONG_EACH) && WRONG_MINUTES.contains(&minute);
        let value = |k: usize| match metrics().get(k) {
            Some(metric) if is_wrong => metric.max * 0.95,
            _ => (k % 7) as f64 / 10.0,
        };
        let values = keys.iter().enumerate().map(|(k, key)| (key.to_string(), value(k))).collect();
        let at = Timestamp::from_second(BEGIN_S + 60 * minute)?;
        let frame = Frame { at, interval_s: 60.0, step_s: 60, metrics: values, ..Frame::default() };
        let record = palisade_guard::Record { seq: minute as u64 + 1, at, body: serde_json::to_value(frame)? };
        store::ingest(&mut tx, &monitor.store, &row.id, &[record]).await?;
    }
    tx.commit().await?;
    Ok(())
}
