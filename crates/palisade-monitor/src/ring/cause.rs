//! What the ring says about an alarm: the metrics around it, and who did most of what it is about.

use super::{List, Ring, Who};
use crate::catalogue;
use crate::model::{Cause, CauseProcess, TOP_MAX, TopProcess};
use crate::watch::pace::RING_STEP_S;
use palisade_core::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Series of an answer.
const SERIES_MAX: usize = 24;
/// The longest answer, bytes of JSON.
pub const CAUSE_BYTES_MAX: usize = 64 << 10;
/// Digits of a value that are sent.
const DIGITS: i32 = 5;
/// When nothing lies in the time that is asked for, so many of the newest lists answer.
const NEWEST_LISTS: usize = 12;
/// A list stands for the time before it, so that the one after the end counts too.
const LATE: Duration = Duration::from_secs(RING_STEP_S as u64 + 1);
/// What is of interest in any case, after what is asked for.
const BASICS: [&str; 8] = [
    "cpu_usage_ratio",
    "memory_used_ratio",
    "swap_used_bytes",
    "pressure_cpu_some_ratio",
    "pressure_memory_some_ratio",
    "pressure_io_some_ratio",
    "disk_io_utilization_ratio",
    "load1",
];

/// What processes are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    Cpu,
    Memory,
    Moved,
    Written,
    Threads,
}

impl Rank {
    /// By what the metric measures.
    fn of(metric: &str) -> Rank {
        let begins = |words: &[&str]| words.iter().any(|word| metric.starts_with(word));
        if begins(&["memory", "swap", "pressure_memory", "major_page", "oom", "watch_memory", "container_memory"]) {
            Rank::Memory
        } else if begins(&["disk_io", "pressure_io", "watch_io", "container_read", "container_write"]) {
            Rank::Moved
        } else if begins(&["disk_"]) {
            Rank::Written
        } else if begins(&["watch_threads"]) {
            Rank::Threads
        } else {
            Rank::Cpu
        }
    }
}

/// What one process did in the lists that it stands in.
struct Sum<'a> {
    who: &'a Who,
    seconds: f64,
    cpu_s: f64,
    cpu_max: f64,
    rss_sum: f64,
    rss_max: u64,
    read: f64,
    written: f64,
    threads: u32,
    lists: u32,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl Ring {
    /// What was seen from `from` to `to`, with the processes ranked by what `metric` (a name, or a
    /// series) measures.
    pub fn cause(&self, alarm: &str, metric: &str, from: Timestamp, to: Timestamp) -> Cause {
        let name = metric.split('{').next().unwrap_or_default();
        let name = catalogue::meant(name).map_or(name, |meant| meant.metric.name);
        let mut cause = Cause {
            alarm: alarm.to_owned(),
            from,
            step_s: RING_STEP_S,
            metrics: BTreeMap::new(),
            processes: self.ranked(Rank::of(name), from, to),
        };
        let steps: Vec<_> = self.steps.iter().filter(|step| (from..=to).contains(&step.at)).collect();
        cause.from = steps.first().map_or(from, |step| step.at);
        for place in self.places(name, metric) {
            let values: Vec<Option<f64>> =
                steps.iter().map(|s| s.values.get(place).copied().filter(|v| !v.is_nan()).map(short)).collect();
            if values.iter().any(Option::is_some) {
                cause.metrics.insert(self.series[place].clone(), values);
            }
            if cause.metrics.len() >= SERIES_MAX {
                break;
            }
        }
        bounded(cause, name)
    }

    /// The places of the series, those first that say most about the metric.
    fn places(&self, name: &str, asked: &str) -> Vec<usize> {
        let group = catalogue::metric(name).map(|m| m.group);
        let distance = |key: &str| {
            let own = key.split('{').next().unwrap_or_default();
            match own {
                _ if key == asked => 0,
                _ if own == name => 1,
                _ if BASICS.contains(&own) => 2,
                _ if group.is_some() && catalogue::metric(own).map(|m| m.group) == group => 3,
                _ => 4,
            }
        };
        let mut places: Vec<usize> = (0..self.series.len()).collect();
        places.sort_by_key(|place| distance(&self.series[*place]));
        places
    }

    fn ranked(&self, rank: Rank, from: Timestamp, to: Timestamp) -> Vec<CauseProcess> {
        let to = to.checked_add(LATE).unwrap_or(to);
        let mut lists: Vec<&List> = self.lists.iter().filter(|list| (from..=to).contains(&list.at)).collect();
        if lists.is_empty() {
            lists = self.lists.iter().rev().take(NEWEST_LISTS).collect();
            lists.reverse();
        }
        let mut sums: Vec<Sum<'_>> = summed(&lists).into_values().collect();
        let all_s: f64 = lists.iter().map(|list| f64::from(list.span_s)).sum();
        sums.sort_by(|a, b| {
            b.size(rank).total_cmp(&a.size(rank)).then(b.cpu_s.total_cmp(&a.cpu_s)).then(a.who.pid.cmp(&b.who.pid))
        });
        sums.retain(|sum| sum.size(rank) > 0.0 || sum.cpu_s > 0.02 * all_s);
        sums.truncate(TOP_MAX);
        sums.iter().map(|sum| self.said(sum)).collect()
    }

    fn said(&self, sum: &Sum<'_>) -> CauseProcess {
        let who = sum.who;
        let text = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
        let seconds = sum.seconds.max(f64::MIN_POSITIVE);
        CauseProcess {
            process: TopProcess {
                pid: who.pid,
                name: who.name.to_string(),
                user: text(&who.user),
                cmdline: text(&who.command),
                cpu: Some(short((sum.cpu_s / seconds) as f32)),
                rss_bytes: (sum.rss_sum / f64::from(sum.lists.max(1))) as u64,
                unit: text(&who.unit),
                container: text(&who.container),
                io_bytes_rate: Some(short(((sum.read + sum.written) / seconds) as f32)),
                threads: Some(sum.threads),
                open_files: None,
            },
            cpu_max: short(sum.cpu_max as f32),
            rss_bytes_max: sum.rss_max,
            first_at: sum.first_at,
            last_at: sum.last_at,
            ended: !self.is_there(who),
        }
    }

    /// At the last reading.
    fn is_there(&self, who: &Who) -> bool {
        let found = self.standing.binary_search_by_key(&who.pid, |standing| standing.pid);
        found.is_ok_and(|n| self.standing[n].start == who.start_ticks as u32)
    }
}

/// By pid and start; a process that became another program is what it was last.
fn summed<'a>(lists: &[&'a List]) -> HashMap<(u32, u64), Sum<'a>> {
    let mut sums: HashMap<(u32, u64), Sum<'a>> = HashMap::new();
    for list in lists {
        for row in &list.rows {
            let sum = sums.entry((row.who.pid, row.who.start_ticks)).or_insert_with(|| Sum::new(&row.who, list.at));
            let span_s = f64::from(list.span_s);
            sum.who = &row.who;
            sum.seconds += span_s;
            sum.cpu_s += f64::from(row.cpu) * span_s;
            sum.cpu_max = sum.cpu_max.max(f64::from(row.cpu));
            sum.rss_sum += f64::from(row.rss_kib) * 1024.0;
            sum.rss_max = sum.rss_max.max(u64::from(row.rss_kib) << 10);
            sum.read += f64::from(row.read) * span_s;
            sum.written += f64::from(row.written) * span_s;
            sum.threads = sum.threads.max(row.threads);
            sum.lists += 1;
            sum.last_at = list.at;
        }
    }
    sums
}

impl<'a> Sum<'a> {
    fn new(who: &'a Who, at: Timestamp) -> Sum<'a> {
        Sum {
            who,
            seconds: 0.0,
            cpu_s: 0.0,
            cpu_max: 0.0,
            rss_sum: 0.0,
            rss_max: 0,
            read: 0.0,
            written: 0.0,
            threads: 0,
            lists: 0,
            first_at: at,
            last_at: at,
        }
    }

    fn size(&self, rank: Rank) -> f64 {
        match rank {
            Rank::Cpu => self.cpu_s,
            Rank::Memory => self.rss_max as f64,
            Rank::Moved => self.read + self.written,
            Rank::Written => self.written,
            Rank::Threads => f64::from(self.threads),
        }
    }
}

/// Cut to [`DIGITS`]: what was kept as `f32` would have seventeen in JSON.
fn short(value: f32) -> f64 {
    let value = f64::from(value);
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let place = DIGITS - 1 - value.abs().log10().floor() as i32;
    let scale = 10_f64.powi(place.abs());
    if place >= 0 { (value * scale).round() / scale } else { (value / scale).round() * scale }
}

/// Within [`CAUSE_BYTES_MAX`]: series go first, then command lines.
fn bounded(mut cause: Cause, name: &str) -> Cause {
    let bytes = |cause: &Cause| serde_json::to_vec(cause).map_or(usize::MAX, |text| text.len());
    while bytes(&cause) > CAUSE_BYTES_MAX && !cause.metrics.is_empty() {
        // what is asked for goes last
        let other = cause.metrics.keys().rev().find(|key| !key.starts_with(name));
        let key = other.or_else(|| cause.metrics.keys().next_back()).cloned();
        key.map(|key| cause.metrics.remove(&key));
    }
    if bytes(&cause) > CAUSE_BYTES_MAX {
        cause.processes.iter_mut().for_each(|process| process.process.cmdline = None);
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_to_five_digits() {
        assert_eq!(short(0.3), 0.3);
        assert_eq!(short(12_345_678.0), 12_346_000.0);
        assert_eq!(short(0.000_123_456), 0.000_123_46);
        assert_eq!(short(f32::NAN), 0.0);
    }

    #[test]
    fn processes_are_ranked_by_what_the_metric_measures() {
        let of = |metric| Rank::of(metric);
        assert_eq!((of("cpu_usage_ratio"), of("load1"), of("something")), (Rank::Cpu, Rank::Cpu, Rank::Cpu));
        assert_eq!((of("memory_used_ratio"), of("swap_used_bytes")), (Rank::Memory, Rank::Memory));
        assert_eq!((of("disk_io_utilization_ratio"), of("pressure_io_some_ratio")), (Rank::Moved, Rank::Moved));
        assert_eq!((of("disk_used_ratio"), of("disk_inodes_used_ratio")), (Rank::Written, Rank::Written));
    }
}
