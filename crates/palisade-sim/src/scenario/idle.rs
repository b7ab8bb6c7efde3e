//! Connections that only live: what each costs the server.

use super::{Row, Settings, Stage, all_connected, end, megabytes, ms, number, row};
use crate::host::Fleet;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hosts send a sign of life every 15 s; after three of them all buffers have been used.
const SETTLE: Duration = Duration::from_secs(50);
const WATCHED: Duration = Duration::from_secs(60);
const BYTES_EACH_MAX: u64 = 60_000;

pub(super) async fn run(settings: &Settings) -> Result<Vec<Row>> {
    let idle = settings.size.idle;
    let mut stage = Stage::set(settings, idle, async |_| Ok(())).await?;
    // a fresh process: what joining has used does not count
    stage.server.kill()?;
    stage.server.start_again().await?;
    let without = stage.server.usage()?;
    let fleet = Arc::new(Fleet::new(settings.address));
    let begun = Instant::now();
    let hosts = stage.live(&fleet, |_| None);
    all_connected(&fleet.tally, idle).await.with_context(|| stage.server.log_end())?;
    let connected = begun.elapsed();
    tokio::time::sleep(SETTLE).await;
    let before = stage.server.usage()?;
    tokio::time::sleep(WATCHED).await;
    let after = stage.server.usage()?;
    let still = fleet.tally.connected_now();
    end(&fleet, hosts).await?;
    let each = after.resident_bytes.saturating_sub(without.resident_bytes) / idle as u64;
    Ok(vec![
        row(format!("{} connections, made within", number(idle as u64)), ms(connected), ""),
        row("still connected after two minutes", number(still as u64), number(idle as u64)),
        row(
            "server, memory without and with them",
            format!("{}, {}", megabytes(without.resident_bytes), megabytes(after.resident_bytes)),
            "",
        ),
        row(
            "memory of a connection",
            format!("{:.1} kB", each as f64 / 1e3),
            format!("≤ {} kB", BYTES_EACH_MAX / 1_000),
        ),
        row(
            "server, share of a core",
            format!("{:.0} %", (after.cpu_s - before.cpu_s) / WATCHED.as_secs_f64() * 100.0),
            "",
        ),
    ])
}
