//! Who did it: what a host saw around the moment when an alarm fired, in one sentence.

use super::store::{self, AlarmRow};
use super::tell;
use crate::model::{Cause, CauseProcess, Frame, TopProcess};
use palisade_core::HostId;
use palisade_guard::notice::NoticeState;
use palisade_guard::{GuardError, Notify};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Points of each series of the ring that are kept; 15 minutes of 5 s.
const POINTS_MAX: usize = 240;
/// Series of the ring that are kept.
const SERIES_MAX: usize = 64;
/// Processes that are kept.
const PROCESSES_MAX: usize = 10;

/// What is kept of a cause.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// One sentence without its full stop.
    pub sentence: String,
    /// `process`, `command`, `unit`, `pid` of the first process, for annotations.
    pub first: BTreeMap<String, String>,
    /// First the one that did most.
    pub processes: Vec<CauseProcess>,
    /// The fine samples; absent when it was guessed from the newest frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
}

/// Fine samples around the moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ring {
    /// The end of the first step, Unix seconds.
    pub from: i64,
    /// Seconds of a step.
    pub step_s: u32,
    /// A value per step by series; null where there was none.
    pub metrics: BTreeMap<String, Vec<Option<f64>>>,
}

/// What is kept with an alarm.
pub fn kept(row: &AlarmRow) -> Option<Kept> {
    row.cause.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// Whether its host has answered.
pub fn is_answered(row: &AlarmRow) -> bool {
    kept(row).is_some_and(|kept| kept.ring.is_some())
}

/// What a process was ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Cpu,
    Memory,
    Io,
}

/// Which processes matter to a metric; none do to a certificate.
fn by(metric: &str) -> Option<By> {
    if metric == "watch_processes" {
        return None; // nobody that runs is why one does not
    }
    let own = metric.strip_prefix("watch_").or_else(|| metric.strip_prefix("container_")).unwrap_or(metric);
    let begins = |words: &[&str]| words.iter().any(|word| own.starts_with(word));
    if begins(&["cpu_", "load", "pressure_cpu", "context_", "process", "threads"]) {
        Some(By::Cpu)
    } else if begins(&["memory_", "swap_", "oom_", "pressure_memory", "major_page"]) {
        Some(By::Memory)
    } else if begins(&["disk_", "pressure_io", "io_", "read_bytes", "write_bytes"]) {
        Some(By::Io)
    } else {
        None
    }
}

/// Whether a host is asked about this metric.
pub fn is_asked(metric: &str) -> bool {
    by(metric).is_some() || metric.starts_with("network_") || metric.starts_with("tcp_")
}

/// From the newest frame, at once.
pub fn of_frame(metric: &str, frame: &Frame) -> Option<Kept> {
    let by = by(metric)?;
    let list = match by {
        By::Cpu => &frame.by_cpu,
        By::Memory => &frame.by_memory,
        By::Io => &frame.by_io,
    };
    let of = |process: &TopProcess| CauseProcess {
        cpu_max: process.cpu.unwrap_or(0.0),
        rss_bytes_max: process.rss_bytes,
        first_at: frame.at,
        last_at: frame.at,
        ended: false,
        process: process.clone(),
    };
    let processes: Vec<_> = list.iter().take(PROCESSES_MAX).map(of).collect();
    let first = processes.first()?;
    Some(Kept { sentence: sentence(by, first), first: named(first), processes, ring: None })
}

fn of_cause(metric: &str, cause: &Cause) -> Kept {
    let processes: Vec<_> = cause.processes.iter().take(PROCESSES_MAX).cloned().collect();
    let cut = |values: &Vec<Option<f64>>| values.iter().take(POINTS_MAX).copied().collect();
    let metrics = cause.metrics.iter().take(SERIES_MAX).map(|(key, values)| (key.clone(), cut(values))).collect();
    let first = processes.first();
    Kept {
        sentence: first.map(|first| sentence(by(metric).unwrap_or(By::Cpu), first)).unwrap_or_default(),
        first: first.map(named).unwrap_or_default(),
        ring: Some(Ring { from: cause.from.as_second(), step_s: cause.step_s, metrics }),
        processes,
    }
}

/// `mysqld (pid 812, unit mysql.service) used 71 % CPU`.
fn sentence(by: By, cause: &CauseProcess) -> String {
    let process = &cause.process;
    let mut inside = format!("pid {}", process.pid);
    let more = [("unit", &process.unit), ("container", &process.container)];
    more.iter().for_each(|(word, value)| {
        if let Some(value) = value {
            inside.push_str(&format!(", {word} {}", plain(value)));
        }
    });
    let did = match by {
        By::Cpu => format!("used {} CPU", tell::shown(process.cpu.unwrap_or(cause.cpu_max), "ratio")),
        By::Memory => {
            format!("held {} of memory", tell::shown(cause.rss_bytes_max.max(process.rss_bytes) as f64, "bytes"))
        }
        By::Io => format!("read and wrote {}", tell::shown(process.io_bytes_rate.unwrap_or(0.0), "bytes/s")),
    };
    let ended = if cause.ended { ", and has ended" } else { "" };
    format!("{} ({inside}) {did}{ended}", plain(&process.name))
}

fn named(cause: &CauseProcess) -> BTreeMap<String, String> {
    let process = &cause.process;
    let all = [
        ("process", Some(plain(&process.name))),
        ("command", process.cmdline.as_deref().map(plain)),
        ("unit", process.unit.as_deref().map(plain)),
        ("pid", Some(process.pid.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// A process says of itself what it likes: no control characters, and not for long.
fn plain(text: &str) -> String {
    palisade_guard::cli::printable(&text.chars().take(256).collect::<String>())
}

/// A host has answered: what is told of the alarm is told with its cause.
pub async fn arrived(
    db: &mut SqliteConnection,
    notify: &dyn Notify,
    host: &HostId,
    cause: &Cause,
) -> Result<(), GuardError> {
    let Ok(id) = cause.alarm.parse::<i64>() else { return Ok(()) };
    let Some(mut row) = store::alarm(db, id).await? else { return Ok(()) };
    // a host speaks of itself only, and once
    if row.host != host.as_str() || is_answered(&row) {
        return Ok(());
    }
    let guessed = kept(&row);
    let mut said = of_cause(&row.read_body().metric, cause);
    if said.processes.is_empty() {
        let ring = said.ring.take();
        said = Kept { ring, ..guessed.unwrap_or_default() };
    }
    row.cause = Some(serde_json::to_string(&said).expect("strings and finite numbers"));
    store::alarm_put(db, &mut row, "").await?;
    if row.ended.is_none() && !said.sentence.is_empty() {
        notify.notify(db, &tell::notice(&row, NoticeState::Firing, None)).await?;
    }
    Ok(())
}
