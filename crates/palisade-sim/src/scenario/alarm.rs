//! Alarms of many hosts in the same moment: how long from the sample until a webhook has been told.

use super::{Row, Settings, Stage, all_connected, end, judged, ms, number, row};
use crate::host::{Fleet, Host};
use crate::sink::Sink;
use crate::source::Load;
use crate::tally::quantile;
use crate::verdict;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Frames of each host, of which some begin an alarm.
const FRAMES: u32 = 20;
const TOLD_MAX: Duration = Duration::from_secs(2);

pub(super) async fn run(settings: &Settings) -> Result<Vec<Row>> {
    let mut rows = told(settings, false).await?;
    rows.extend(told(settings, true).await?);
    Ok(rows)
}

/// Figures with and without a cause that is asked for; simulated hosts never answer, so that the server
/// waits as long as it ever does.
async fn told(settings: &Settings, cause: bool) -> Result<Vec<Row>> {
    let size = &settings.size;
    let sink = Sink::start(true).await?;
    let documents = verdict::documents(&sink.url, cause);
    let stage = Stage::set(settings, size.alarms, async |server| {
        server.local().post("/api/v1/apply", &documents).await.map(drop)
    })
    .await?;
    let fleet = Arc::new(Fleet::new(settings.address));
    let load = Load { hosts: size.alarms, series: size.series, events_per_s: 0.0, step_s: size.step, is_chorus: true };
    let hosts = stage.report(&fleet, load);
    all_connected(&fleet.tally, size.alarms).await.with_context(|| stage.server.log_end())?;
    let connected_ms = palisade_core::Timestamp::now().as_millisecond();
    tokio::time::sleep(Duration::from_secs(u64::from(size.step * FRAMES))).await;
    let hosts = end(&fleet, hosts).await.with_context(|| stage.server.log_end())?;
    let settled = judged::settled(&stage.server.local(), &hosts, &sink).await;
    let checked = settled.with_context(|| stage.server.log_end())?;
    let mut times = times(&hosts, &sink, connected_ms);
    times.sort_unstable();
    let what = if cause { "a cause is asked for and does not come" } else { "without a cause" };
    let [p50, p99, last] = [0.5, 0.99, 1.0].map(|share| ms(quantile(&times, share)));
    let mut rows = vec![
        row(format!("{what}: alarms, {} at a time", number(size.alarms as u64)), number(times.len() as u64), ""),
        row(
            format!("{what}: from the sample to the webhook, p50, p99, the last"),
            format!("{p50}, {p99}, {last}"),
            format!("≤ {} s", TOLD_MAX.as_secs()),
        ),
    ];
    rows.extend(checked.into_iter().map(|row| Row { what: format!("{what}: {}", row.what), ..row }));
    Ok(rows)
}

/// From the making of each frame that began an alarm until it was told; frames of hosts that were not
/// connected yet do not count.
fn times(hosts: &[Host], sink: &Sink, connected_ms: i64) -> Vec<Duration> {
    let mut made: HashMap<(String, i64), i64> = HashMap::new();
    for host in hosts {
        let of_host = host.frames().into_iter().filter(|frame| frame.made_ms > connected_ms);
        made.extend(of_host.map(|frame| ((host.identity.host.to_string(), frame.at_s), frame.made_ms)));
    }
    let heard = sink.heard();
    let told = heard.alarms.values().filter_map(|told| {
        let made_ms = made.get(&(told.host.clone(), told.from_s))?;
        Some(Duration::from_millis((told.first_ms - made_ms).max(0).unsigned_abs()))
    });
    told.collect()
}
