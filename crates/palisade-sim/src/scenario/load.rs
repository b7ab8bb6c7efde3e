//! Metrics and events of all hosts, for some minutes.

use super::{Row, Settings, Stage, all_connected, balanced, end, megabytes, ms, number, row};
use crate::host::Fleet;
use crate::store;
use crate::tally::quantile;
use crate::usage::{Usage, usage};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Threads that a row of its own is worth.
const THREADS_SHOWN: usize = 4;

pub(super) async fn run(settings: &Settings) -> Result<Vec<Row>> {
    let size = &settings.size;
    let stage = Stage::set(settings, size.hosts, async |_| Ok(())).await?;
    let fleet = Arc::new(Fleet::new(settings.address));
    let hosts = stage.report(&fleet, size.load());
    all_connected(&fleet.tally, size.hosts).await.with_context(|| stage.server.log_end())?;
    fleet.tally.take_latencies();
    let (before, own_before, begun) = (stage.server.usage()?, usage(std::process::id())?, Instant::now());
    let [reports_before, records_before, ..] = fleet.tally.counts();
    tokio::time::sleep(Duration::from_secs(size.minutes * 60)).await;
    let (after, own_after, took_s) = (stage.server.usage()?, usage(std::process::id())?, begun.elapsed().as_secs_f64());
    let [reports, records, later, broken] = fleet.tally.counts();
    let mut latencies = fleet.tally.take_latencies();
    latencies.sort_unstable();
    let hosts = end(&fleet, hosts).await.with_context(|| stage.server.log_end())?;

    let mut rows = balanced(&stage.server, &fleet, &hosts, size.series).await?;
    rows.push(row("records acknowledged a second", number(((records - records_before) as f64 / took_s) as u64), ""));
    rows.push(row("reports a second", number(((reports - reports_before) as f64 / took_s) as u64), ""));
    rows.push(row("asked to come later, connections lost", format!("{later}, {broken}"), ""));
    let [p50, p99] = [0.5, 0.99].map(|share| ms(quantile(&latencies, share)));
    rows.push(row("acknowledgement, p50 and p99", format!("{p50}, {p99}"), ""));
    rows.push(row("server, share of a core", share(&after, &before, took_s), ""));
    rows.extend(by_thread(&after, &before, took_s));
    rows.push(row("simulator, share of a core", share(&own_after, &own_before, took_s), ""));
    rows.push(row("server, memory", megabytes(after.resident_bytes), ""));
    rows.extend(on_disk(settings, &stage, &hosts).await?);
    Ok(rows)
}

fn share(after: &Usage, before: &Usage, took_s: f64) -> String {
    format!("{:.0} %", (after.cpu_s - before.cpu_s) / took_s * 100.0)
}

/// Where the server spends its time.
fn by_thread(after: &Usage, before: &Usage, took_s: f64) -> Vec<Row> {
    let spent = |(name, cpu_s): (&String, &f64)| {
        (name.clone(), (cpu_s - before.threads.get(name).copied().unwrap_or(0.0)) / took_s * 100.0)
    };
    let mut threads: Vec<(String, f64)> = after.threads.iter().map(spent).collect();
    threads.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown = threads.into_iter().take(THREADS_SHOWN).filter(|(_, percent)| *percent >= 0.5);
    shown.map(|(name, percent)| row(format!("– of it threads `{name}`"), format!("{percent:.0} %"), "")).collect()
}

async fn on_disk(settings: &Settings, stage: &Stage, hosts: &[crate::host::Host]) -> Result<Vec<Row>> {
    let tables = store::bytes_by_table(&stage.server.database()).await?;
    let bytes =
        |prefix: &str| tables.iter().filter(|(t, _)| t.starts_with(prefix)).map(|(_, b)| *b).sum::<u64>() as f64;
    let made = |guard: &str| hosts.iter().map(|h| h.spool.counts(guard).made).sum::<u64>().max(1) as f64;
    let samples = made("monitor") * settings.size.series as f64;
    Ok(vec![
        row("a sample on disk", format!("{:.1} bytes", (bytes("monitor_raw") + bytes("monitor_chunk")) / samples), ""),
        row("an event on disk, with its words", format!("{:.0} bytes", bytes("journal_event") / made("journal")), ""),
    ])
}
