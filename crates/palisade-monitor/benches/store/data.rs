//! Frames: of this machine, recorded each second, and made ones like those of a busy server.

use palisade_core::{HostId, Timestamp};
use palisade_monitor::catalogue::{CATALOGUE, Metric};
use palisade_monitor::difference;
use palisade_monitor::model::{Frame, SeriesKey};
use palisade_sys::sample::{Sample, Sampler};
use std::collections::BTreeMap;
use std::time::Duration;

/// The beginning of the first window: a multiple of ten days.
pub const START_S: i64 = 1_789_344_000;
/// Frames of this machine; each stands for a minute.
const RECORDED: i64 = 120;
const RECORDED_EVERY: Duration = Duration::from_secs(1);
const SERIES: usize = 120;

/// Frames of one host, a minute apart.
pub struct Frames {
    pub list: Vec<Frame>,
}

impl Frames {
    pub fn samples(&self) -> usize {
        self.list.iter().map(|frame| frame.metrics.len()).sum()
    }

    pub fn series(&self) -> usize {
        self.list.last().map_or(0, |frame| frame.metrics.len())
    }
}

pub fn host(n: usize) -> HostId {
    format!("sim-{n:05}").parse().expect("it is a name of a host")
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(START_S + minute * 60 + 17).expect("it lies in this century")
}

/// What this machine does while this runs.
pub fn recorded() -> Result<Frames, super::Failure> {
    let mut sampler = Sampler::live()?;
    let (mut before, mut now) = (Sample::default(), Sample::default());
    sampler.take_system(&mut before);
    let mut list = Vec::new();
    for minute in 0..RECORDED {
        std::thread::sleep(RECORDED_EVERY);
        sampler.take_system(&mut now);
        let frame = difference::frame(&before, &now, &mut |_| None);
        list.push(Frame { at: at(minute), interval_s: 60.0, step_s: 60, ..frame });
        std::mem::swap(&mut before, &mut now);
    }
    Ok(Frames { list })
}

/// Frames of a server that is never idle: shares of CPU time and rates are counters of whole events
/// divided by an interval that is never quite a minute, sizes are pages, totals stay.
pub fn made(minutes: i64) -> Frames {
    let all = CATALOGUE.iter().flat_map(|metric| (0..4).map(move |n| (metric, n)));
    let all = all.filter(|(metric, n)| metric.label.is_some() || *n == 0);
    let series: Vec<(&Metric, usize, String)> = all.map(|(m, n)| (m, n, key(m, n))).take(SERIES).collect();
    let mut random = Random(1);
    let mut levels: Vec<f64> = series.iter().map(|_| random.share()).collect();
    let list = (0..minutes).map(|minute| {
        let interval_s = 60.0 + random.share() * 0.01;
        let mut metrics = BTreeMap::new();
        for ((metric, n, key), level) in series.iter().zip(&mut levels) {
            *level = (*level + (random.share() - 0.5) * 0.1).clamp(0.0, 1.0);
            metrics.insert(key.clone(), value(metric, *n, *level, interval_s, minute));
        }
        Frame { at: at(minute), interval_s, step_s: 60, metrics, ..Frame::default() }
    });
    Frames { list: list.collect() }
}

fn value(metric: &Metric, n: usize, level: f64, interval_s: f64, minute: i64) -> f64 {
    // every fourth disk, interface and mode has nothing to do
    let is_idle = n == 3;
    match metric.unit {
        _ if metric.name.contains("total") || metric.name.contains("limit") => 16_777_216.0,
        "ratio" if is_idle => 0.0,
        "ratio" => (level * 24_000.0).floor() / (interval_s * 400.0).floor(),
        "bytes" => (level * 4e6).floor() * 4_096.0,
        "bytes/s" | "1/s" if is_idle => 0.0,
        "bytes/s" => (level * 4e8).floor() / interval_s,
        "1/s" => (level * 4e5).floor() / interval_s,
        "seconds" => (minute * 60) as f64 + (level * 100.0).floor() / 100.0,
        _ => (level * 300.0).floor(),
    }
    .min(if metric.unit == "ratio" { 1.0 } else { metric.max })
}

fn key(metric: &Metric, n: usize) -> String {
    let value = format!("value-{n}");
    SeriesKey::new(metric.name, metric.label.map(|label| (label, value.as_str()))).to_string()
}

/// The same numbers in each run (splitmix64).
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
