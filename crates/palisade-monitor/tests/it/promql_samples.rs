//! Samples for the tests of PromQL: counters that begin anew, gauges, gaps, several hosts and labels.
//! All values are exact in 32 bits, so that the store gives back what was put in.

use crate::stored::{Stored, at};
use palisade_guard::store::{HostRow, host_put};
use palisade_monitor::model::{Frame, SeriesKey};
use palisade_monitor::store::Store;
use std::collections::BTreeMap;
use std::fmt::Write;

/// 2026-01-01T00:00:00Z.
pub const FIRST: i64 = 1_767_225_600;
/// Minutes of samples.
pub const MINUTES: i64 = 240;

type Tags = &'static [(&'static str, &'static str)];

/// Name, region, and tags.
pub const HOSTS: [(&str, &str, Tags); 4] = [
    ("db-1", "eu", &[("role", "db"), ("env", "live")]),
    ("web-1", "eu", &[("role", "web"), ("env", "live")]),
    ("web-2", "us", &[("role", "web"), ("env", "live")]),
    ("web-3", "", &[("role", "web"), ("env", "test")]),
];

/// One sample: host, series, minute, value.
pub struct Sample {
    pub host: usize,
    pub key: SeriesKey,
    pub minute: i64,
    pub value: f64,
}

/// Repeatable numbers below `below`.
fn number(host: usize, salt: i64, minute: i64, below: i64) -> i64 {
    let mut x = (host as u64 + 1) * 0x9E37_79B9 + (salt as u64) * 0x85EB_CA6B + minute as u64;
    for _ in 0..3 {
        x = (x ^ (x >> 15)).wrapping_mul(0x2C1B_3C6D_1B56_C4F5);
    }
    ((x >> 20) % below as u64) as i64
}

/// Every sample, in time.
pub fn samples() -> Vec<Sample> {
    let mut out = Vec::new();
    let mut counters = [0i64; 4];
    for minute in 0..MINUTES {
        for (host, counter) in counters.iter_mut().enumerate() {
            *counter = if number(host, 1, minute, 40) == 0 {
                number(host, 2, minute, 5)
            } else {
                *counter + number(host, 3, minute, 9)
            };
            if is_away(host, minute) {
                continue;
            }
            let series = of_minute(host, minute, *counter);
            out.extend(series.into_iter().map(|(key, value)| Sample { host, key, minute, value }));
        }
    }
    out
}

fn is_away(host: usize, minute: i64) -> bool {
    match host {
        0 => minute < 30,
        2 => (60..65).contains(&minute) || (100..123).contains(&minute) || number(2, 9, minute, 7) == 0,
        3 => minute > 200,
        _ => minute == 90,
    }
}

fn of_minute(host: usize, minute: i64, counter: i64) -> Vec<(SeriesKey, f64)> {
    let plain = |name: &str| SeriesKey::new(name, None);
    let n = |salt: i64, below: i64| number(host, salt, minute, below) as f64;
    let mut out = vec![
        (plain("oom_kills_total"), counter as f64),
        (plain("uptime_seconds"), ((minute + 37 * host as i64) % 77 * 60 + 3) as f64),
        (plain("load1"), n(10, 256) / 64.0),
        (plain("load5"), (n(11, 200) + 1.0) / 64.0),
        (plain("cpu_usage_ratio"), n(12, 64) / 64.0),
        (plain("cpu_count"), if minute < 120 { 2.0 } else { (2 + host) as f64 }),
        (plain("memory_available_bytes"), (4_000_000 + minute * 1_024 * (host as i64 + 1)) as f64 + n(13, 1_000)),
    ];
    for (salt, mode) in [(20, "user"), (21, "system"), (22, "iowait")] {
        out.push((SeriesKey::new("cpu_mode_ratio", Some(("mode", mode))), n(salt, 1_024) / 4_096.0));
    }
    for (salt, mount) in [(30, "/"), (31, "/srv"), (32, "/a \"b\" \\c")] {
        // one of them is mounted now and then only
        if mount != "/srv" || minute % 50 < 40 {
            out.push((SeriesKey::new("disk_used_ratio", Some(("mount", mount))), n(salt, 1_024) / 1_024.0));
            let free = 9_000_000 - minute * 4_096 * (host as i64 + 1) + number(host, salt + 5, minute, 1_000);
            out.push((SeriesKey::new("disk_free_bytes", Some(("mount", mount))), free as f64));
        }
    }
    for (salt, state) in [(40, "running"), (41, "sleeping")] {
        out.push((SeriesKey::new("processes", Some(("state", state))), n(salt, 3)));
    }
    out
}

/// Puts them into a database of ours.
pub async fn store(stored: &Stored, samples: &[Sample]) {
    let mut tx = stored.db.begin().await.unwrap();
    for (n, (name, region, tags)) in HOSTS.iter().enumerate() {
        let mut row = HostRow::new(name.parse().unwrap(), at(FIRST));
        row.region = Some((*region).to_owned()).filter(|region| !region.is_empty());
        tags.iter().for_each(|(key, value)| row.tags.set(key, value).unwrap());
        host_put(&mut tx, &row).await.unwrap();
        let mut frames = BTreeMap::<i64, Frame>::new();
        for sample in samples.iter().filter(|sample| sample.host == n) {
            let end = at(FIRST + sample.minute * 60);
            let frame = frames.entry(sample.minute).or_insert_with(|| Frame {
                at: end,
                interval_s: 60.0,
                step_s: 60,
                ..Frame::default()
            });
            frame.metrics.insert(sample.key.to_string(), sample.value);
        }
        Store::default().put(&mut tx, &row.id, &frames.into_values().collect::<Vec<_>>()).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Writes them as OpenMetrics, with the labels that we give them.
pub fn open_metrics(samples: &[Sample]) -> String {
    let mut text = String::new();
    for sample in samples {
        let (host, region, tags) = HOSTS[sample.host];
        write!(text, "{}{{host=\"{host}\"", sample.key.name).unwrap();
        if !region.is_empty() {
            write!(text, ",region=\"{region}\"").unwrap();
        }
        tags.iter().for_each(|(key, value)| write!(text, ",tag_{key}=\"{value}\"").unwrap());
        if let Some((label, value)) = &sample.key.label {
            write!(text, ",{label}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")).unwrap();
        }
        writeln!(text, "}} {} {}", sample.value, FIRST + sample.minute * 60).unwrap();
    }
    text + "# EOF\n"
}
