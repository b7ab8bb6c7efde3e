//! The server is killed while all hosts report, and started again.

use super::{Row, Settings, Stage, all_connected, balanced, end, number, row, until};
use crate::host::Fleet;
use crate::tally::most_in_a_second;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hosts report for so long before and after.
const WORK: Duration = Duration::from_secs(30);
/// The server is away for so long, besides its own start.
const AWAY: Duration = Duration::from_secs(5);
const BACK_MAX: Duration = Duration::from_secs(120);

pub(super) async fn run(settings: &Settings) -> Result<Vec<Row>> {
    let size = &settings.size;
    let mut stage = Stage::set(settings, size.hosts, async |_| Ok(())).await?;
    let fleet = Arc::new(Fleet::new(settings.address));
    let hosts = stage.report(&fleet, size.load());
    all_connected(&fleet.tally, size.hosts).await.with_context(|| stage.server.log_end())?;
    tokio::time::sleep(WORK).await;
    stage.server.kill()?;
    until("no host is connected", BACK_MAX, || fleet.tally.connected_now() == 0).await?;
    tokio::time::sleep(AWAY).await;
    fleet.tally.take_handshakes();
    fleet.tally.take_welcomes();
    let begun = Instant::now();
    let started = stage.server.start_again().await?;
    until("all hosts are back", BACK_MAX, || fleet.tally.connected_now() == size.hosts)
        .await
        .with_context(|| format!("{} are back\n{}", fleet.tally.connected_now(), stage.server.log_end()))?;
    let (handshakes, mut welcomes) = (fleet.tally.take_handshakes(), fleet.tally.take_welcomes());
    tokio::time::sleep(WORK).await;
    let hosts = end(&fleet, hosts).await.with_context(|| stage.server.log_end())?;

    welcomes.sort_unstable();
    let back = |share: f64| {
        let at = welcomes.get(((welcomes.len() as f64 * share).ceil() as usize).max(1) - 1);
        format!("{:.1} s", at.map_or(0.0, |at| at.saturating_duration_since(begun).as_secs_f64()))
    };
    let mut rows = vec![
        row("killed server listens again after", format!("{:.1} s", started.as_secs_f64()), ""),
        row(format!("{} hosts: half of them back after", number(size.hosts as u64)), back(0.5), ""),
        row("99 % back after", back(0.99), ""),
        row("all back after", back(1.0), "≤ 60 s"),
        row("most handshakes in one second", number(most_in_a_second(&handshakes, begun) as u64), ""),
    ];
    rows.extend(balanced(&stage.server, &fleet, &hosts, size.series).await?);
    Ok(rows)
}
