//! Two samples of counters make one frame of values.
//!
//! A counter that fell (a driver loaded again, an interface made anew) and a process whose pid was
//! given to another give no value, and a value that cannot be is thrown away: never a spike. Both
//! are counted in `agent_rejected_values`.

mod container;
mod disk;
mod hardware;
mod host;
mod network;
mod top;

pub(crate) use disk::{inodes_used_ratio, used_ratio};

use crate::catalogue;
use crate::model::{Frame, SeriesKey};
use palisade_sys::sample::{Detail, Process, Sample};
use std::collections::BTreeMap;

/// A shorter interval gives no rates: one tick of a counter would be a flood.
const INTERVAL_S_MIN: f64 = 0.1;
/// What rounding may add to a share of 1.
const SHARE_SLACK: f64 = 0.1;

/// The frame of the interval between two samples of one host. `detail` is asked about the few
/// processes that stand out.
pub fn frame(before: &Sample, after: &Sample, detail: &mut dyn FnMut(&Process) -> Option<Detail>) -> Frame {
    let interval_s = after.boot_ns.saturating_sub(before.boot_ns) as f64 / 1e9;
    let mut draft = Draft { metrics: BTreeMap::new(), rejected: 0, interval_s };
    host::gauges(after, &mut draft);
    disk::gauges(after, &mut draft);
    network::gauges(after, &mut draft);
    container::gauges(after, &mut draft);
    hardware::gauges(after, &mut draft);
    let mut top = top::Lists::default();
    if interval_s >= INTERVAL_S_MIN {
        host::rates(before, after, &mut draft);
        disk::rates(before, after, &mut draft);
        network::rates(before, after, &mut draft);
        container::rates(before, after, &mut draft);
        top = top::lists(before, after, &mut draft, detail);
    }
    let rejected = draft.rejected;
    draft.put("agent_rejected_values", None, rejected as f64);
    Frame {
        at: after.at,
        interval_s,
        step_s: 60,
        live: false,
        metrics: draft.metrics,
        by_cpu: top.by_cpu,
        by_memory: top.by_memory,
        by_io: top.by_io,
        missing: after.missing.iter().map(|m| format!("{}: {}", m.file, m.why)).collect(),
    }
}

/// A frame under way.
struct Draft {
    metrics: BTreeMap<String, f64>,
    rejected: u64,
    interval_s: f64,
}

impl Draft {
    /// Adds a value if it can be true.
    fn put(&mut self, name: &'static str, label: Option<&str>, value: f64) {
        let metric = catalogue::metric(name).expect("every name that is put stands in the catalogue");
        let is_share = metric.max == 1.0;
        let max = if is_share { 1.0 + SHARE_SLACK } else { metric.max };
        if !(0.0..=max).contains(&value) {
            self.rejected += 1; // not a number lands here too
            return;
        }
        let key = SeriesKey::new(name, metric.label.zip(label));
        self.metrics.insert(key.to_string(), if is_share { value.min(1.0) } else { value });
    }

    /// Adds what a counter rose by, per second and times `scale`.
    fn rate(&mut self, name: &'static str, label: Option<&str>, counters: (u64, u64), scale: f64) {
        if let Some(rise) = self.rise(counters) {
            self.put(name, label, rise * scale / self.interval_s);
        }
    }

    /// As [`Draft::rate`], where the kernel has the counter.
    fn rate_if(&mut self, name: &'static str, before: Option<u64>, after: Option<u64>, scale: f64) {
        if let (Some(before), Some(after)) = (before, after) {
            self.rate(name, None, (before, after), scale);
        }
    }

    /// Adds what several counters rose by together, per second; nothing if one of them fell.
    fn total(&mut self, name: &'static str, rise: Option<u64>) {
        if let Some(rise) = rise {
            self.put(name, None, rise as f64 / self.interval_s);
        }
    }

    /// What a counter rose by; nothing, and counted, if it fell.
    fn rise(&mut self, (before, after): (u64, u64)) -> Option<f64> {
        let rise = after.checked_sub(before);
        self.rejected += u64::from(rise.is_none());
        rise.map(|n| n as f64)
    }
}

/// Adds what each counter rose by to its total; a total with one that fell is none (and the fall is
/// counted where the counter's own rate is made).
fn add_rises<const N: usize>(totals: &mut [Option<u64>; N], before: [u64; N], after: [u64; N]) {
    for ((total, before), after) in totals.iter_mut().zip(before).zip(after) {
        *total = total.zip(after.checked_sub(before)).and_then(|(sum, rise)| sum.checked_add(rise));
    }
}

/// The row of the same name in the sample before; the kernel keeps the order, so it mostly stands
/// at the same place.
fn same<T>(before: &[T], at: usize, is_same: impl Fn(&T) -> bool) -> Option<&T> {
    before.get(at).filter(|row| is_same(row)).or_else(|| before.iter().find(|row| is_same(row)))
}
