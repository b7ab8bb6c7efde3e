//! What storing, sealing and reading samples costs, beside Prometheus and VictoriaMetrics with the
//! same samples in the same run.
//!
//! `cargo bench -p palisade-monitor --bench store`. CPU time is that of the whole process, SQLite's
//! threads included. The peers run in a network namespace of their own; without the right to make
//! one, or without them, their rows are skipped.

mod data;
mod disk;
mod peer;

use data::{Frames, START_S};
use disk::Disk;
use palisade_monitor::alarm::rule::RuleSpec;
use palisade_monitor::store::Tier;
use serde_json::json;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const DAY_S: i64 = 86_400;
const DAYS: i64 = 30;
/// Hosts of the chart of many.
const HOSTS: usize = 100;
const ROUNDS: usize = 15;
/// What is recorded is stored as that of so many hosts: two hours of one would be a few pages.
const RECORDED_HOSTS: usize = 50;
/// The metric of the charts.
const METRIC: &str = "cpu_usage_ratio";

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let recorded = data::recorded()?;
    runtime.block_on(own("recorded here", &recorded, RECORDED_HOSTS))?;
    let made = data::made(DAYS * 1_440);
    runtime.block_on(own("made", &made, 1))?;
    for answer in [peer::prometheus(&made), peer::victoria(&made)] {
        answer.unwrap_or_else(|why| println!("skipped: {why}"));
    }
    Ok(())
}

async fn own(what: &str, frames: &Frames, hosts: usize) -> Result<(), Failure> {
    let disk = Disk::new().await?;
    let samples = (frames.samples() * hosts) as f64;
    let (begun, cpu_before) = (Instant::now(), cpu_s());
    disk.put(frames, hosts).await?;
    let (put_s, took_s) = (cpu_s() - cpu_before, begun.elapsed().as_secs_f64());
    let per_s = samples / put_s;
    let of = format!("{} series, {} frames of {hosts} hosts, {what}", frames.series(), frames.list.len());
    println!("bench: {of}: samples stored per second of CPU = {per_s:.0} (goal ≥ 300000)");
    println!("bench: {of}: on the clock = {:.0}/s", samples / took_s);
    println!("bench: {of}: a sample in rows = {:.2} bytes", disk.bytes("monitor_raw").await? / samples);
    let cpu_before = cpu_s();
    let slowest = disk.seal(frames).await?;
    println!("bench: {of}: sealing, CPU of a sample = {:.2} µs", (cpu_s() - cpu_before) * 1e6 / samples);
    println!("bench: {of}: the longest transaction of sealing = {:.0} ms (goal ≤ 200 ms)", ms(slowest));
    let all = disk.bytes("monitor_chunk").await?;
    let raw = all * disk.share_of_raw().await?;
    println!("bench: {of}: a sample sealed, with its pages = {:.2} bytes (goal ≤ 2.5)", raw / samples);
    println!("bench: {of}: rollups of 5 minutes and an hour, a sample = {:.2} bytes", (all - raw) / samples);
    if hosts == 1 {
        charts(&disk).await?;
    }
    Ok(())
}

async fn charts(disk: &Disk) -> Result<(), Failure> {
    let range = (START_S, START_S + DAYS * DAY_S);
    let one = [data::host(0)];
    for (tier, goal) in [(Tier::FiveMinutes, " (goal ≤ 20 ms)"), (Tier::Raw, "")] {
        let took = median(disk, &one, tier, range, DAYS * DAY_S / tier.step_s()).await?;
        println!("bench: 30 days of one series, {tier:?} = {:.1} ms{goal}", ms(took));
    }
    let hosts: Vec<_> = (0..HOSTS).map(data::host).collect();
    disk.copy(HOSTS).await?;
    for (tier, goal) in [(Tier::FiveMinutes, " (goal ≤ 200 ms)"), (Tier::Raw, "")] {
        let took = median(disk, &hosts, tier, range, HOSTS as i64 * DAYS * DAY_S / tier.step_s()).await?;
        println!("bench: 30 days of one series of {HOSTS} hosts, {tier:?} = {:.0} ms{goal}", ms(took));
    }
    for period in ["raw", "5m"] {
        let (took, cpu_s, answer) = disk.backtest(&hosts, rule(period)?, START_S + DAYS * DAY_S).await?;
        let what = format!("trying a rule ({period}) on 30 days of {HOSTS} hosts, reading and suggestions included");
        println!("bench: {what} = {:.0} ms (goal ≤ 2000 ms)", ms(took));
        println!("bench: {what}, CPU = {:.0} ms", cpu_s * 1e3);
        println!("bench: {what}: firings, suggestions = {}, {}", answer.fired, answer.suggestions.len());
    }
    Ok(())
}

fn rule(period: &str) -> Result<RuleSpec, Failure> {
    Ok(serde_json::from_value(json!({ "policies": [{
        "metric": METRIC, "operator": ">", "threshold": 0.9, "recover": 0.8, "period": period, "count": 3,
    }] }))?)
}

/// The middle of several times on the clock.
async fn median(
    disk: &Disk,
    hosts: &[palisade_core::HostId],
    tier: Tier,
    range: (i64, i64),
    points: i64,
) -> Result<Duration, Failure> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let columns = disk.columns(hosts, METRIC, tier, range).await?;
        times.push(begun.elapsed());
        let found: usize = columns.iter().map(|column| column.points.len()).sum();
        if found as i64 != points {
            return Err(format!("{found} points, not {points}").into());
        }
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2])
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills a structure that is ours
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
