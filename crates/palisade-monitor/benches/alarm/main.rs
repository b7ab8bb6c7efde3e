//! What judging costs: 100,000 policies on series a minute, without the store and with it, and a rule
//! tried on 30 days of 100 hosts, judging only; with the store that is in the bench `store`.
//!
//! `cargo bench -p palisade-monitor --bench alarm`. CPU time of the process.

mod whole;

use palisade_core::HostId;
use palisade_guard::store::HostRow;
use palisade_monitor::alarm::backtest::{self, Ask};
use palisade_monitor::alarm::book::Book;
use palisade_monitor::alarm::live::LiveHost;
use palisade_monitor::alarm::rule::RuleSpec;
use palisade_monitor::catalogue::{CATALOGUE, Metric};
use palisade_monitor::model::SeriesKey;
use palisade_monitor::pack::Summary;
use palisade_monitor::store::{Column, SamplesRow};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HOSTS: usize = 1_000;
const PAIRS_OF_HOST: usize = 100;
const MINUTES: i64 = 20;
const BEGIN_S: i64 = 1_728_000_000;
const PERIODS: [&str; 4] = ["raw", "1m", "5m", "1h"];
type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    live()?;
    past()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(whole::measure())
}

fn metrics() -> Vec<&'static Metric> {
    CATALOGUE.iter().filter(|m| m.label.is_none()).take(25).collect()
}

/// Two rules with half of the policies each.
fn specs() -> [Value; 2] {
    let metrics = metrics();
    let policy = |n: usize| {
        let metric = metrics[n % metrics.len()];
        json!({ "metric": metric.name, "operator": ">", "threshold": metric.max * 0.9, "period": PERIODS[n % 4], "count": 3 })
    };
    [0, 1].map(|half| json!({ "policies": (0..50).map(|n| policy(half * 50 + n)).collect::<Vec<_>>() }))
}

/// The series of each host.
fn keys() -> Vec<SeriesKey> {
    let others = (0..95).map(|n| SeriesKey::new("disk_free_bytes", Some(("mount", &format!("/mnt/{n}")))));
    metrics().iter().map(|m| SeriesKey::new(m.name, None)).chain(others).collect()
}

fn live() -> Result<(), Failure> {
    let rules =
        specs().into_iter().zip(["r0", "r1"]).map(|(spec, name)| Ok((name.to_owned(), serde_json::from_value(spec)?)));
    let rules = rules.collect::<Result<_, Failure>>()?;
    let book = Book::of(rules);
    let rows: Vec<HostRow> = (0..HOSTS)
        .map(|n| Ok(HostRow::new(format!("sim-{n:05}").parse()?, palisade_core::Timestamp::UNIX_EPOCH)))
        .collect::<Result<_, Failure>>()?;
    let pages = book.pages(&rows);
    let mut hosts: Vec<LiveHost> =
        rows.iter().map(|row| LiveHost::new(pages[&row.id].clone(), BEGIN_S - 1, 0)).collect();
    let keys = keys();
    let mut cpu_before = cpu_s();
    for minute in 0..=MINUTES {
        if minute == 1 {
            cpu_before = cpu_s(); // the first minute also makes the maps
        }
        let row: SamplesRow = (
            BEGIN_S + 60 * minute,
            keys.iter().enumerate().map(|(n, key)| (key.clone(), (n % 7) as f64 / 10.0)).collect(),
        );
        for host in &mut hosts {
            host.rows(std::slice::from_ref(&row), 60 * minute);
            (0..30).for_each(|tick| _ = host.pass(60 * minute + 2 * tick));
        }
    }
    let cpu_ms = (cpu_s() - cpu_before) * 1e3 / MINUTES as f64;
    let pairs = HOSTS * PAIRS_OF_HOST;
    println!("bench: judging {pairs} policies on series, a minute of samples and 30 ticks, CPU = {cpu_ms:.1} ms");
    println!("bench: share of a core = {:.2} %", cpu_ms / 600.0);
    let cpu_before = cpu_s();
    let bytes: usize = hosts.iter_mut().map(|host| host.save().len()).sum();
    println!(
        "bench: saving all of it (every 10 minutes), CPU = {:.1} ms, {} bytes a host",
        (cpu_s() - cpu_before) * 1e3,
        bytes / HOSTS
    );
    Ok(())
}

fn past() -> Result<(), Failure> {
    let points = 30 * 1_440;
    let noise = |n: usize, host: usize| ((n * 7_919 + host * 104_729) % 9_973) as f64 / 9_973.0;
    let column = |host: usize| -> Result<Column, Failure> {
        let value = |n: usize| if n % 3_000 < 40 { 0.9 + noise(n, host) / 10.0 } else { noise(n, host) * 0.85 };
        let id: HostId = format!("sim-{host:05}").parse()?;
        let points = (0..points).map(|n| (BEGIN_S + 60 * n as i64, Summary::of(value(n)))).collect();
        Ok(Column { host: id, key: SeriesKey::new("cpu_usage_ratio", None), points })
    };
    let columns: Vec<Column> = (0..100).map(column).collect::<Result<_, _>>()?;
    let columns = BTreeMap::from([("cpu_usage_ratio", columns)]);
    for period in ["raw", "5m"] {
        let spec: RuleSpec = serde_json::from_value(
            json!({ "policies": [{ "metric": "cpu_usage_ratio", "operator": ">", "threshold": 0.9, "recover": 0.8, "period": period, "count": 3 }] }),
        )?;
        let end_s = BEGIN_S + 60 * points as i64;
        let watched = Book::of(vec![("r".to_owned(), spec.clone())]).rules[0].watched.clone();
        let cpu_before = cpu_s();
        let retention = palisade_monitor::store::Retention::default();
        let ask = Ask { spec, from_s: BEGIN_S, to_s: end_s, now_s: end_s, retention };
        let answer = backtest::judged(&watched, &columns, &ask);
        let cpu_ms = (cpu_s() - cpu_before) * 1e3;
        println!(
            "bench: trying a rule ({period}) on 30 days of 100 hosts, judging only, CPU = {cpu_ms:.0} ms ({} firings)",
            answer.fired
        );
    }
    Ok(())
}

fn cpu_s() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a structure that is ours
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let time = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    time(usage.ru_utime) + time(usage.ru_stime)
}
