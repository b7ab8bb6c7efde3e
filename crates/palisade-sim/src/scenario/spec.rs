//! A ban on all hosts: when each of them has it.

use super::{Row, Settings, Stage, all_connected, end, ms, number, row, until};
use crate::host::Fleet;
use crate::server::Server;
use crate::tally::{Arrival, quantile};
use anyhow::{Context, Result, bail};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bans that are measured.
const ROUNDS: u8 = 5;
/// How long one may take before the scenario fails.
const ARRIVE_MAX: Duration = Duration::from_secs(300);
const DELIVERED_MAX: Duration = Duration::from_secs(2);

pub(super) async fn run(settings: &Settings) -> Result<Vec<Row>> {
    let mut rows = delivered(settings, 0).await?;
    rows.extend(delivered(settings, settings.size.bans).await?);
    Ok(rows)
}

/// Figures with so many bans before.
async fn delivered(settings: &Settings, bans: usize) -> Result<Vec<Row>> {
    let hosts = settings.size.spec_hosts;
    let stage = Stage::set(settings, hosts, async |server: &Server| ban_many(server, bans).await).await?;
    let fleet = Arc::new(Fleet::new(settings.address));
    let living = stage.live(&fleet, |_| None);
    all_connected(&fleet.tally, hosts).await.with_context(|| stage.server.log_end())?;
    // the first one brings the whole spec to every host
    let whole = round(&stage, &fleet, "198.51.100.1", hosts).await?;
    let (mut times, mut bytes, mut deltas) = (Vec::new(), 0, 0);
    let (before, begun) = (stage.server.usage()?, Instant::now());
    for n in 0..ROUNDS {
        for (time, arrival) in round(&stage, &fleet, &format!("198.51.100.{}", 10 + n), hosts).await? {
            times.push(time);
            bytes = bytes.max(arrival.bytes);
            deltas += usize::from(arrival.is_delta);
        }
    }
    let (after, took) = (stage.server.usage()?, begun.elapsed());
    end(&fleet, living).await?;
    if let Some(fault) = fleet.tally.faults().first() {
        bail!("{fault}");
    }
    times.sort_unstable();
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share));
    let what = format!("a ban for {} hosts, {} bans before", number(hosts as u64), number(bans as u64));
    let largest = whole.iter().map(|(_, arrival)| arrival.bytes).max().unwrap_or(0);
    Ok(vec![
        row(format!("{what}: from the request, p50"), ms(p50), ""),
        row(format!("{what}: p99"), ms(p99), format!("≤ {} s", DELIVERED_MAX.as_secs())),
        row(format!("{what}: the last host"), ms(most), ""),
        row(format!("{what}: sent to a host, at most"), format!("{} bytes", number(bytes as u64)), ""),
        row(
            format!("{what}: sent as a change"),
            format!("{:.0} %", 100.0 * deltas as f64 / times.len() as f64),
            "100 %",
        ),
        row(format!("{what}: the whole spec"), format!("{} bytes", number(largest as u64)), ""),
        row(
            format!("{what}: server, CPU of one ban"),
            format!("{:.2} s", (after.cpu_s - before.cpu_s) / f64::from(ROUNDS)),
            "",
        ),
        row(format!("{what}: {ROUNDS} in a row took"), format!("{:.1} s", took.as_secs_f64()), ""),
    ])
}

/// Bans while no host is there to be told.
async fn ban_many(server: &Server, bans: usize) -> Result<()> {
    for n in 0..bans {
        server.local().ban(&format!("203.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)).await?;
    }
    Ok(())
}

/// Bans an address, and waits until every host has it; each with the time since the request began.
async fn round(stage: &Stage, fleet: &Fleet, address: &str, hosts: usize) -> Result<Vec<(Duration, Arrival)>> {
    fleet.tally.take_arrivals();
    let begun = Instant::now();
    stage.server.local().ban(address).await?;
    until("every host has the ban", ARRIVE_MAX, || fleet.tally.arrivals_waiting() >= hosts)
        .await
        .with_context(|| format!("{} hosts have it\n{}", fleet.tally.arrivals_waiting(), stage.server.log_end()))?;
    let arrivals = fleet.tally.take_arrivals();
    Ok(arrivals.into_iter().map(|a| (a.at.saturating_duration_since(begun), a)).collect())
}
