//! Watched processes: how many there are, and what they use together; also zero, which is what tells
//! that one has died.
//!
//! The table of all processes is read anyway. Who a process is (account, command line, unit) is read
//! when it is first seen, once more at the next reading, since a daemon drops its rights and moves to
//! its unit right after it was started, and when it has become another program. Open files and I/O are
//! read of the processes that are meant.

use crate::limit::Level;
use crate::model::SeriesKey;
use crate::setting::rule::Rule;
use palisade_sys::process_files::ProcessFiles;
use palisade_sys::sample::{Process, State};
use std::collections::HashMap;

/// Processes whose files and I/O are read at one reading; where more are meant, these have no value.
const DETAILED_MAX: usize = 512;
/// A process is known after so many looks at who it is.
const LOOKS: u8 = 2;
/// USER_HZ (proc(5)).
const TICKS_PER_S: f64 = 100.0;
const TICK_NS: u64 = 10_000_000;

/// Follows the watched processes from reading to reading.
#[derive(Debug, Default)]
pub struct Watched {
    /// By pid.
    known: Vec<Known>,
    next: Vec<Known>,
    /// Processes that were seen to have been started, by watch.
    starts: HashMap<String, u64>,
    read_ns: Option<u64>,
    values: Vec<(String, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    pid: u32,
    start_ticks: u64,
    name_hash: u32,
    looks: u8,
    /// Which rules mean it, by bit.
    mask: u64,
    cpu_ticks: u64,
    /// Bytes read and written; absent while nobody has asked.
    moved_bytes: Option<u64>,
}

/// What the processes of one watch use.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    count: u64,
    ticks: u64,
    rss_bytes: u64,
    threads: u64,
    open_files: u64,
    moved_bytes: u64,
    starts: u64,
}

/// The interval that ends with this reading.
#[derive(Debug, Clone, Copy)]
struct Interval {
    since_ns: Option<u64>,
    now_ns: u64,
    level: Level,
}

impl Watched {
    /// Forgets who is meant, since other rules hold now; the counts of starts go on.
    pub fn rules_changed(&mut self, rules: &[Rule]) {
        (self.known, self.next) = (Vec::new(), Vec::new());
        self.values.clear();
        self.read_ns = None;
        self.starts.retain(|watch, _| rules.iter().any(|rule| rule.watch == *watch));
    }

    /// The series of the last reading.
    pub fn values(&self) -> &[(String, f64)] {
        &self.values
    }

    /// Nothing is known any more: processes are not read.
    pub fn pause(&mut self) {
        self.values.clear();
    }

    /// What this holds, bytes.
    pub fn bytes(&self) -> u64 {
        ((self.known.capacity() + self.next.capacity()) * size_of::<Known>()) as u64
    }

    /// Takes a reading of all processes, which are sorted by pid.
    pub fn read(&mut self, rules: &[Rule], rows: &[Process], now_ns: u64, files: &mut ProcessFiles, level: Level) {
        if rules.is_empty() {
            return;
        }
        let interval = Interval { since_ns: self.read_ns, now_ns, level };
        let mut totals = vec![Total::default(); rules.len()];
        let mut detailed = 0;
        let known = std::mem::take(&mut self.known);
        let mut before = known.iter().peekable();
        self.next.clear();
        files.refresh();
        for row in rows {
            while before.next_if(|old| old.pid < row.pid).is_some() {}
            let old = before.peek().copied().filter(|old| old.pid == row.pid && old.start_ticks == row.start_ticks);
            let mut new = recognised(rules, row, old, files);
            if new.mask != 0 && row.state != State::Zombie {
                detailed += 1;
                let files = (detailed <= DETAILED_MAX).then_some(&mut *files);
                add(&mut totals, row, old, &mut new, files, interval);
            }
            self.next.push(new);
        }
        self.known = std::mem::replace(&mut self.next, known);
        self.read_ns = Some(now_ns);
        self.say(rules, &totals, interval, detailed <= DETAILED_MAX);
    }

    fn say(&mut self, rules: &[Rule], totals: &[Total], interval: Interval, all_detailed: bool) {
        self.values.clear();
        let seconds =
            interval.since_ns.map(|since| interval.now_ns.saturating_sub(since) as f64 / 1e9).filter(|s| *s > 0.1);
        for (rule, total) in rules.iter().zip(totals) {
            let starts = self.starts.entry(rule.watch.clone()).or_default();
            *starts += total.starts;
            let mut put = |name: &str, value: f64| {
                self.values.push((SeriesKey::new(name, Some(("watch", &rule.watch))).to_string(), value));
            };
            put("watch_processes", total.count as f64);
            put("watch_memory_bytes", total.rss_bytes as f64);
            put("watch_threads", total.threads as f64);
            put("watch_restarts_total", *starts as f64);
            if interval.level < Level::NoFileCounts && all_detailed {
                put("watch_open_files", total.open_files as f64);
            }
            let Some(seconds) = seconds else { continue };
            put("watch_cpu_ratio", total.ticks as f64 / TICKS_PER_S / seconds);
            if interval.level < Level::TopOnly && all_detailed {
                put("watch_io_bytes_rate", total.moved_bytes as f64 / seconds);
            }
        }
    }
}

/// Which rules mean the process, from what was known of it or by asking who it is.
fn recognised(rules: &[Rule], row: &Process, old: Option<&Known>, files: &mut ProcessFiles) -> Known {
    let name_hash = hash(&row.name);
    let same = old.filter(|old| old.name_hash == name_hash);
    let mut known = Known {
        pid: row.pid,
        start_ticks: row.start_ticks,
        name_hash,
        looks: same.map_or(1, |old| old.looks.saturating_add(1).min(LOOKS)),
        mask: same.map_or(0, |old| old.mask),
        cpu_ticks: row.cpu_ticks,
        moved_bytes: old.and_then(|old| old.moved_bytes),
    };
    if same.is_some_and(|old| old.looks >= LOOKS) {
        return known;
    }
    known.mask = 0;
    let mut who = None;
    for (bit, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.may_match(&row.name)) {
        let means = !rule.asks_who() || {
            let who = who.get_or_insert_with(|| files.identity(row.pid, row.start_ticks));
            who.as_ref().is_some_and(|who| rule.matches(who))
        };
        known.mask |= u64::from(means) << bit;
    }
    known
}

/// Adds a process to the totals of the watches that mean it.
fn add(
    totals: &mut [Total],
    row: &Process,
    old: Option<&Known>,
    new: &mut Known,
    files: Option<&mut ProcessFiles>,
    interval: Interval,
) {
    // what was started in this interval has used all of what it used in it
    let is_young = interval.since_ns.is_some_and(|since| (row.start_ticks + 1) * TICK_NS >= since);
    let ticks_before = old.map(|old| old.cpu_ticks).or_else(|| is_young.then_some(0));
    let ticks = ticks_before.map_or(0, |before| row.cpu_ticks.saturating_sub(before));
    let (mut open_files, mut moved) = (0, 0);
    if let Some(files) = files {
        if interval.level < Level::NoFileCounts {
            open_files = files.open_files(row.pid).unwrap_or(0);
        }
        if interval.level < Level::TopOnly {
            let before = old.map_or(is_young.then_some(0), |old| old.moved_bytes);
            new.moved_bytes = files.moved(row.pid).map(|m| m.read_bytes.saturating_add(m.written_bytes));
            moved = new.moved_bytes.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        }
    }
    for (bit, total) in totals.iter_mut().enumerate().filter(|(bit, _)| new.mask >> bit & 1 == 1) {
        total.count += 1;
        total.ticks += ticks;
        total.rss_bytes += row.rss_bytes;
        total.threads += row.threads;
        total.open_files += open_files;
        total.moved_bytes += moved;
        let was_meant = old.is_some_and(|old| old.mask >> bit & 1 == 1);
        total.starts += u64::from(interval.since_ns.is_some() && !was_meant);
    }
}

/// FNV-1a, to notice that a process has become another program.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h: u32, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}
