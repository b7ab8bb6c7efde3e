//! Server and connections are killed at random moments, while all hosts report, alarms begin and end,
//! and a webhook that refuses now and then is told of them.

use super::{Row, Settings, Stage, balanced, end, judged, number, row};
use crate::host::Fleet;
use crate::random;
use crate::sink::Sink;
use crate::source::Load;
use crate::verdict;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server lives for a random part of this before it is killed.
const LIVES_MAX: Duration = Duration::from_secs(20);
/// A connection lives for a random part of this before it is cut.
const CUT_WITHIN: Duration = Duration::from_secs(60);

pub(super) async fn run(settings: &Settings) -> Result<Vec<Row>> {
    let size = &settings.size;
    let sink = Sink::start(false).await?;
    let documents = verdict::documents(&sink.url, false);
    let mut stage = Stage::set(settings, size.hosts, async |server| {
        server.local().post("/api/v1/apply", &documents).await.map(drop)
    })
    .await?;
    let fleet = Arc::new(Fleet { cut_within: Some(CUT_WITHIN), ..Fleet::new(settings.address) });
    let hosts = stage.report(&fleet, Load { step_s: size.step, ..size.load() });
    let (begun, length, mut kills) = (Instant::now(), Duration::from_secs(size.chaos), 0);
    while begun.elapsed() < length {
        tokio::time::sleep(LIVES_MAX.min(length / 2).mul_f64(random())).await;
        stage.server.kill()?;
        kills += 1;
        stage.server.start_again().await?;
    }
    let hosts = end(&fleet, hosts).await.with_context(|| stage.server.log_end())?;
    let [reports, _, later, broken] = fleet.tally.counts();
    let mut rows = vec![
        row(format!("in {} s: servers killed", length.as_secs()), number(kills), ""),
        row("connections cut or refused", number(broken), ""),
        row("reports acknowledged, asked to come later", format!("{}, {}", number(reports), number(later)), ""),
    ];
    rows.extend(balanced(&stage.server, &fleet, &hosts, size.series).await?);
    rows.extend(judged::settled(&stage.server.local(), &hosts, &sink).await.with_context(|| stage.server.log_end())?);
    Ok(rows)
}
