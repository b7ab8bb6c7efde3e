//! The processes that stand out in an interval.

use super::Draft;
use crate::model::{TOP_MAX, TopProcess};
use palisade_core::mask;
use palisade_sys::sample::{Detail, Process, Sample};

/// USER_HZ (proc(5)).
const TICKS_PER_S: f64 = 100.0;
/// A terabyte a second: no process moves that.
const IO_BYTES_RATE_MAX: f64 = 1e12;

/// By CPU time, by memory and by bytes read from and written to disks.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub by_cpu: Vec<TopProcess>,
    pub by_memory: Vec<TopProcess>,
    pub by_io: Vec<TopProcess>,
}

/// What a process did in the interval; absent in its first one.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    /// As a share of one core.
    cpu: Option<f64>,
    io_bytes_rate: Option<f64>,
}

/// The three lists. Only of these few command line, user, cgroup and open files are read.
pub(super) fn lists(
    before: &Sample,
    after: &Sample,
    draft: &mut Draft,
    detail: &mut dyn FnMut(&Process) -> Option<Detail>,
) -> Lists {
    let cores = after.kernel.cpus.len().max(1) as f64;
    let used = used(&before.processes, &after.processes, cores, draft);
    let mut described: Vec<(usize, TopProcess)> = Vec::with_capacity(3 * TOP_MAX);
    let mut describe = |n: usize| {
        if let Some((_, done)) = described.iter().find(|(m, _)| *m == n) {
            return done.clone(); // stands in another list as well
        }
        let row = describe(&after.processes[n], used[n], detail);
        described.push((n, row.clone()));
        row
    };
    let mut list = |amount: &dyn Fn(usize) -> f64| -> Vec<TopProcess> {
        most(used.len(), amount).into_iter().map(&mut describe).collect()
    };
    Lists {
        by_cpu: list(&|n| used[n].cpu.unwrap_or(0.0)),
        by_memory: list(&|n| after.processes[n].rss_bytes as f64),
        by_io: list(&|n| used[n].io_bytes_rate.unwrap_or(0.0)),
    }
}

/// The places of the largest amounts, the largest first; those with nothing are left out.
fn most(count: usize, amount: &dyn Fn(usize) -> f64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).filter(|&n| amount(n) > 0.0).collect();
    let order = |a: &usize, b: &usize| amount(*b).total_cmp(&amount(*a)).then(a.cmp(b));
    if places.len() > TOP_MAX {
        places.select_nth_unstable_by(TOP_MAX, order);
        places.truncate(TOP_MAX);
    }
    places.sort_unstable_by(order);
    places
}

fn describe(process: &Process, used: Used, detail: &mut dyn FnMut(&Process) -> Option<Detail>) -> TopProcess {
    let detail = detail(process);
    let is_known = detail.is_some();
    let detail = detail.unwrap_or_default();
    let line = detail.command_line;
    TopProcess {
        pid: process.pid,
        name: process.name.clone(),
        user: is_known.then_some(detail.user),
        cmdline: (!line.is_empty()).then(|| mask(&line)),
        cpu: used.cpu,
        rss_bytes: process.rss_bytes,
        unit: detail.unit,
        container: detail.container,
        io_bytes_rate: used.io_bytes_rate,
        threads: u32::try_from(process.threads).ok(),
        open_files: detail.open_files,
    }
}

/// What each process of `after` used; both lists are sorted by pid.
fn used(before: &[Process], after: &[Process], cores: f64, draft: &mut Draft) -> Vec<Used> {
    // a tick may fall on either side of the interval's ends
    let possible = cores * 1.25 + 2.0 / TICKS_PER_S / draft.interval_s;
    let mut old = before.iter().peekable();
    let mut used = |new: &Process| {
        while old.next_if(|o| o.pid < new.pid).is_some() {}
        // a pid may have been given to another process
        let Some(before) = old.peek().filter(|o| o.pid == new.pid && o.start_ticks == new.start_ticks) else {
            return Used::default();
        };
        let ticks = draft.rise((before.cpu_ticks, new.cpu_ticks));
        let cpu = ticks.map(|ticks| ticks / TICKS_PER_S / draft.interval_s);
        let bytes = before.io_bytes.zip(new.io_bytes).and_then(|counters| draft.rise(counters));
        let io_bytes_rate = bytes.map(|bytes| bytes / draft.interval_s);
        Used {
            cpu: possible_or_counted(cpu, possible, draft),
            io_bytes_rate: possible_or_counted(io_bytes_rate, IO_BYTES_RATE_MAX, draft),
        }
    };
    after.iter().map(&mut used).collect()
}

/// A value that cannot be is thrown away and counted.
fn possible_or_counted(value: Option<f64>, max: f64, draft: &mut Draft) -> Option<f64> {
    let sound = value.filter(|value| *value <= max);
    draft.rejected += u64::from(sound.is_none() && value.is_some());
    sound
}
