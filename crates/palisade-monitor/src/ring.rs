//! The last quarter of an hour in steps of five seconds, kept on the host: the metrics that tell what
//! was the matter, and the processes that stood out, also those that have ended since. It is sent only
//! when an alarm asks for it ([`Ring::cause`]).
//!
//! At most [`RING_BYTES_MAX`] are held. A process is described once, however often it stands in a list;
//! when the descriptions of very many short-lived ones do not fit, the oldest lists go first.

mod cause;
mod pick;

use crate::limit::Level;
use crate::watch::pace::RING_STEP_S;
use palisade_core::{Timestamp, mask};
use palisade_sys::process_files::{Moved, ProcessFiles};
use palisade_sys::sample::Process;
use pick::Standing;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

/// How far it reaches back, in seconds.
pub const RING_S: u32 = 900;
/// What it holds at most, bytes; the numbers of all processes, 16 bytes each, come on top.
pub const RING_BYTES_MAX: usize = 3 << 19;
const STEPS_MAX: usize = (RING_S / RING_STEP_S) as usize;
/// Series that it keeps at most.
const SERIES_MAX: usize = 64;
/// Processes whose I/O is remembered from list to list.
const MOVED_MAX: usize = 512;
/// The metrics that it keeps, all series of each as long as there is room.
pub const RING_METRICS: [&str; 30] = [
    "cpu_usage_ratio",
    "cpu_mode_ratio",
    "cpu_core_max_ratio",
    "load1",
    "pressure_cpu_some_ratio",
    "memory_used_ratio",
    "memory_available_bytes",
    "memory_dirty_bytes",
    "swap_used_bytes",
    "major_page_faults_rate",
    "pressure_memory_some_ratio",
    "pressure_memory_full_ratio",
    "pressure_io_some_ratio",
    "pressure_io_full_ratio",
    "disk_used_ratio",
    "disk_free_bytes",
    "disk_io_read_bytes_rate",
    "disk_io_write_bytes_rate",
    "disk_io_utilization_ratio",
    "disk_io_queue_length",
    "network_receive_bytes_rate",
    "network_transmit_bytes_rate",
    "tcp_connections",
    "tcp_retransmit_ratio",
    "process_count",
    "processes",
    "processes_created_rate",
    "context_switches_rate",
    "open_files",
    "oom_kills_total",
];

/// A process, described once.
#[derive(Debug, PartialEq)]
struct Who {
    pid: u32,
    start_ticks: u64,
    name: Box<str>,
    user: Option<Box<str>>,
    command: Option<Box<str>>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
}

/// A process in one list.
#[derive(Debug, Clone)]
struct Row {
    who: Rc<Who>,
    /// Share of one core.
    cpu: f32,
    rss_kib: u32,
    /// Bytes a second.
    read: f32,
    written: f32,
    threads: u32,
}

/// The metrics of one step, by the numbers of the series; NaN where there was none.
#[derive(Debug)]
struct Step {
    at: Timestamp,
    values: Box<[f32]>,
}

/// The processes that stood out in one interval.
#[derive(Debug)]
struct List {
    at: Timestamp,
    boot_ns: u64,
    span_s: f32,
    rows: Box<[Row]>,
}

/// The ring.
#[derive(Debug, Default)]
pub struct Ring {
    series: Vec<String>,
    steps: VecDeque<Step>,
    lists: VecDeque<List>,
    who: HashMap<(u32, u64), Rc<Who>>,
    who_bytes: usize,
    /// Every process at the last reading, by pid.
    standing: Vec<Standing>,
    standing_ns: u64,
    moved: HashMap<(u32, u64), (u64, Moved)>,
}

impl Ring {
    /// Adds a step: what a frame of its five seconds says.
    pub fn step(&mut self, at: Timestamp, metrics: &BTreeMap<String, f64>) {
        let mut values = vec![f32::NAN; self.series.len()];
        for (key, value) in metrics {
            let name = key.split('{').next().unwrap_or_default();
            if !RING_METRICS.contains(&name) {
                continue;
            }
            let place = self.series.iter().position(|known| known == key).or_else(|| self.place_for(key));
            if let Some(place) = place {
                values.resize(self.series.len().max(values.len()), f32::NAN);
                values[place] = *value as f32;
            }
        }
        self.steps.push_back(Step { at, values: values.into() });
        if self.steps.len() > STEPS_MAX {
            self.steps.pop_front();
        }
    }

    /// A place for a new series; that of one which no step has any more, if there is no room.
    fn place_for(&mut self, key: &str) -> Option<usize> {
        if self.series.len() < SERIES_MAX {
            self.series.push(key.to_owned());
            return Some(self.series.len() - 1);
        }
        let is_empty = |place: &usize| self.steps.iter().all(|s| s.values.get(*place).is_none_or(|v| v.is_nan()));
        let free = (0..self.series.len()).find(is_empty)?;
        key.clone_into(&mut self.series[free]);
        Some(free)
    }

    /// Adds a list: the processes that stood out since the last reading. `rows` are all, by pid.
    pub fn list(
        &mut self,
        at: Timestamp,
        boot_ns: u64,
        (rows, cores): (&[Process], usize),
        files: &mut ProcessFiles,
        level: Level,
    ) {
        let before_ns = std::mem::replace(&mut self.standing_ns, boot_ns);
        let span_s = boot_ns.saturating_sub(before_ns) as f64 / 1e9;
        let shares = pick::cpu_shares(&self.standing, rows, before_ns, span_s, cores);
        let is_first = self.standing.is_empty();
        pick::standing(rows, &mut self.standing);
        if is_first || span_s <= 0.0 {
            return; // nothing to compare with
        }
        files.refresh();
        let mut moving = HashMap::new();
        if level < Level::TopOnly {
            for n in pick::active(rows, &shares) {
                moving.extend(self.moving(&rows[n], boot_ns, before_ns, files).map(|rates| (n, rates)));
            }
        }
        let chosen = pick::chosen(rows, &shares, &moving);
        let row = |n: usize| {
            let (read, written) = moving.get(&n).copied().unwrap_or_default();
            let who = self.described(&rows[n], files);
            let rss_kib = u32::try_from(rows[n].rss_bytes >> 10).unwrap_or(u32::MAX);
            Row { who, cpu: shares[n], rss_kib, read, written, threads: rows[n].threads as u32 }
        };
        let rows: Box<[Row]> = chosen.into_iter().map(row).collect();
        self.lists.push_back(List { at, boot_ns, span_s: span_s as f32, rows });
        self.forget(boot_ns);
    }

    /// Bytes a second that a process reads and writes; `None` when that is not known yet.
    fn moving(&mut self, row: &Process, now_ns: u64, before_ns: u64, files: &mut ProcessFiles) -> Option<(f32, f32)> {
        let now = files.moved(row.pid)?;
        let key = (row.pid, row.start_ticks);
        let is_young = pick::is_young(row, before_ns);
        let before =
            self.moved.insert(key, (now_ns, now)).or_else(|| is_young.then_some((before_ns, Moved::default())));
        let (since_ns, before) = before?;
        let seconds = now_ns.saturating_sub(since_ns) as f64 / 1e9;
        let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as f32;
        (seconds > 0.0)
            .then(|| (rate(now.read_bytes, before.read_bytes), rate(now.written_bytes, before.written_bytes)))
    }

    fn described(&mut self, row: &Process, files: &mut ProcessFiles) -> Rc<Who> {
        let key = (row.pid, row.start_ticks);
        if let Some(known) = self.who.get(&key).filter(|known| *known.name == *row.name) {
            return Rc::clone(known);
        }
        let boxed = |text: String| Some(text.into_boxed_str()).filter(|text| !text.is_empty());
        let identity = files.identity(row.pid, row.start_ticks).unwrap_or_default();
        let who = Rc::new(Who {
            pid: row.pid,
            start_ticks: row.start_ticks,
            name: row.name.as_str().into(),
            user: boxed(identity.user),
            command: boxed(mask(&identity.command)),
            unit: identity.unit.and_then(boxed),
            container: identity.container.and_then(boxed),
        });
        self.who_bytes += who.bytes();
        self.who_bytes -= self.who.insert(key, Rc::clone(&who)).map_or(0, |old| old.bytes());
        who
    }

    /// Lets go what is too old or too much.
    fn forget(&mut self, now_ns: u64) {
        let oldest_ns = now_ns.saturating_sub(u64::from(RING_S) * 1_000_000_000);
        while self.lists.front().is_some_and(|list| list.boot_ns < oldest_ns || list.boot_ns > now_ns) {
            self.lists.pop_front();
        }
        self.sweep();
        while self.bytes_bounded() > RING_BYTES_MAX && self.lists.pop_front().is_some() {
            self.sweep();
        }
        if self.moved.len() > MOVED_MAX {
            let mut ages: Vec<u64> = self.moved.values().map(|(at_ns, _)| *at_ns).collect();
            ages.sort_unstable_by(|a, b| b.cmp(a));
            let keep_from_ns = ages[MOVED_MAX / 2];
            self.moved.retain(|_, (at_ns, _)| *at_ns > keep_from_ns);
        }
    }

    /// Descriptions that no list needs any more.
    fn sweep(&mut self) {
        let bytes = &mut self.who_bytes;
        self.who.retain(|_, who| {
            let is_needed = Rc::strong_count(who) > 1;
            *bytes -= if is_needed { 0 } else { who.bytes() };
            is_needed
        });
    }

    fn bytes_bounded(&self) -> usize {
        let steps: usize = self.steps.iter().map(|s| size_of::<Step>() + s.values.len() * 4).sum();
        let lists: usize = self.lists.iter().map(|l| size_of::<List>() + l.rows.len() * size_of::<Row>()).sum();
        let series: usize = self.series.iter().map(|key| key.capacity() + size_of::<String>()).sum();
        steps + lists + series + self.who_bytes + self.moved.capacity() * size_of::<((u32, u64), (u64, Moved))>()
    }

    /// What it holds, bytes.
    pub fn bytes(&self) -> usize {
        self.bytes_bounded() + self.standing.capacity() * size_of::<Standing>()
    }
}

impl Who {
    /// With its places in the table.
    fn bytes(&self) -> usize {
        let texts = [&self.user, &self.command, &self.unit, &self.container];
        let text: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        size_of::<Who>() + self.name.len() + text + 64
    }
}
