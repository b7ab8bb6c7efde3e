//! What a query over 100 hosts and a day costs: evaluation alone, and with reading the samples.
//!
//! `cargo bench -p palisade-monitor --bench query`. CPU time of the whole process, best of several; the
//! database lies in the directory for temporary files.

use palisade_core::{HostId, Timestamp};
use palisade_guard::db::Database;
use palisade_guard::store::{HostRow, MIGRATIONS, host_put};
use palisade_monitor::model::Frame;
use palisade_monitor::promql::budget::{Budget, Stop};
use palisade_monitor::promql::eval::Evaluator;
use palisade_monitor::promql::run::{Ask, run};
use palisade_monitor::promql::value::Grid;
use palisade_monitor::promql::{load, need, query};
use palisade_monitor::store::{self, Store};
use std::time::Instant;

const HOSTS: i64 = 100;
const MINUTES: i64 = 1_440;
const FIRST_S: i64 = 1_790_000_040;
const ROUNDS: usize = 5;
const QUERIES: [&str; 3] = [
    "avg by (tag_role) (rate(oom_kills_total[5m]))",
    "cpu_usage_ratio",
    "quantile by (tag_role) (0.9, avg_over_time(cpu_usage_ratio[1h]))",
];
type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let db = Database::open(&dir.path().join("db")).await?;
    db.migrate("frame", MIGRATIONS).await?;
    db.migrate("monitor", store::MIGRATIONS).await?;
    let samples = Store::default();
    fill(&db, &samples).await?;
    let (start_ms, end_ms) = (FIRST_S * 1_000, (FIRST_S + MINUTES * 60) * 1_000);
    let grid = Grid { start_ms, end_ms, step_ms: 60_000 };
    for text in QUERIES {
        let (mut whole_ms, mut alone_ms) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            run(&db, &samples, Ask { text: text.to_owned(), grid, is_instant: false, now_ms: end_ms }).await?;
            whole_ms = whole_ms.min(begun.elapsed().as_secs_f64() * 1e3);
            let (expr, budget) = (query::parse(text)?, Budget::new(Stop::default()));
            let mut connection = db.read().acquire().await?;
            let loaded =
                load::load(&mut connection, &samples, &need::needs(&expr, grid, end_ms, samples.retention()), &budget)
                    .await?;
            let begun = Instant::now();
            Evaluator { loaded: &loaded, budget: &budget, top: grid }.evaluate(&expr)?;
            alone_ms = alone_ms.min(begun.elapsed().as_secs_f64() * 1e3);
        }
        println!("bench: {text}, {HOSTS} hosts x {MINUTES} steps, evaluation = {alone_ms:.1} ms");
        println!("bench: {text}, {HOSTS} hosts x {MINUTES} steps, with reading = {whole_ms:.1} ms");
    }
    Ok(())
}

async fn fill(db: &Database, samples: &Store) -> Result<(), Failure> {
    let mut tx = db.begin().await?;
    for host in 0..HOSTS {
        let id: HostId = format!("sim-{host:03}").parse()?;
        let mut row = HostRow::new(id, Timestamp::from_second(FIRST_S)?);
        row.tags.set("role", ["web", "db", "cache"][host as usize % 3])?;
        host_put(&mut tx, &row).await?;
        let frames = (0..MINUTES).map(|minute| frame(host, minute)).collect::<Result<Vec<_>, _>>()?;
        samples.put(&mut tx, &row.id, &frames).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn frame(host: i64, minute: i64) -> Result<Frame, Failure> {
    let busy = ((host * 31 + minute * 17) % 100) as f64 / 128.0;
    let metrics = [("cpu_usage_ratio", busy), ("oom_kills_total", (minute * (host % 7)) as f64), ("load1", busy * 4.0)];
    Ok(Frame {
        at: Timestamp::from_second(FIRST_S + minute * 60)?,
        interval_s: 60.0,
        step_s: 60,
        metrics: metrics.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        ..Frame::default()
    })
}
