//! What storing a frame of 120 series costs in CPU time, as reported by one host or twenty in a
//! transaction.
//!
//! `cargo bench -p palisade-monitor --bench ingest`. CPU time of the whole process, SQLite's threads
//! included; the file lies in the directory for temporary files and every commit is on disk when it
//! returns.

use palisade_core::{HostId, Timestamp};
use palisade_guard::Record;
use palisade_guard::db::Database;
use palisade_monitor::catalogue::{CATALOGUE, Metric};
use palisade_monitor::model::{Frame, SeriesKey};
use palisade_monitor::store;
use std::time::Instant;

const HOSTS: usize = 500;
const MINUTES: usize = 4;
const SERIES: usize = 120;
type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (hosts_of_a_write, what) in [(1, "1 host in a transaction"), (20, "20 hosts in a transaction")] {
        let cpu_us = runtime.block_on(measure(hosts_of_a_write))?;
        println!("bench: storing a frame of {SERIES} series, {what}, CPU = {cpu_us:.0} µs");
    }
    Ok(())
}

/// Microseconds of CPU time of a frame, without the first minute, which also makes the dictionaries.
async fn measure(hosts_of_a_write: usize) -> Result<f64, Failure> {
    let dir = tempfile::tempdir()?;
    let db = Database::open(&dir.path().join("db")).await?;
    db.migrate("monitor", store::MIGRATIONS).await?;
    let store = store::Store::default();
    let hosts: Vec<HostId> = (0..HOSTS).map(|n| format!("sim-{n:05}").parse()).collect::<Result<_, _>>()?;
    let (mut cpu_us, mut begun) = (0.0, Instant::now());
    for minute in 0..MINUTES {
        let records: Vec<Record> = (0..HOSTS).map(|n| record(minute, n)).collect::<Result<_, _>>()?;
        let cpu_before = cpu_s();
        if minute == 1 {
            (cpu_us, begun) = (0.0, Instant::now());
        }
        for part in hosts.iter().zip(&records).collect::<Vec<_>>().chunks(hosts_of_a_write) {
            let mut tx = db.begin().await?;
            for (host, record) in part {
                store::ingest(&mut tx, &store, host, std::slice::from_ref(record)).await?;
            }
            tx.commit().await?;
        }
        cpu_us += (cpu_s() - cpu_before) * 1e6;
    }
    let frames = (HOSTS * (MINUTES - 1)) as f64;
    println!("{frames} frames in {:.2} s", begun.elapsed().as_secs_f64());
    Ok(cpu_us / frames)
}

fn record(minute: usize, host: usize) -> Result<Record, Failure> {
    let at = Timestamp::from_second(1_790_000_000 + 60 * minute as i64)?;
    let all = CATALOGUE.iter().flat_map(|metric| (0..4).map(move |n| (key(metric, n), metric.max)));
    let value =
        |n: usize, max: f64| ((n * 7_919 + host * 104_729 + minute * 13) % 9_973) as f64 / 9_973.0 * max.min(1e9);
    let metrics = all.enumerate().map(|(n, (key, max))| (key, value(n, max))).take(SERIES * 2);
    // a metric without a label has one series only: the map keeps it once
    let metrics = metrics.collect::<std::collections::BTreeMap<_, _>>().into_iter().take(SERIES).collect();
    let frame = Frame { at, interval_s: 60.0, metrics, ..Frame::default() };
    Ok(Record { seq: minute as u64 + 1, at, body: serde_json::to_value(frame)? })
}

fn key(metric: &Metric, n: usize) -> String {
    SeriesKey::new(
        metric.name,
        metric.label.map(|label| (label, format!("value-{n}"))).as_ref().map(|(l, v)| (*l, v.as_str())),
    )
    .to_string()
}

fn cpu_s() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a structure that is ours
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let time = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    time(usage.ru_utime) + time(usage.ru_stime)
}
