//! The processes that stand out in an interval.

use super::Draft;
use crate::model::{TOP_MAX, TopProcess};
use palisade_core::mask;
use palisade_sys::sample::{Detail, Process, Sample};

/// USER_HZ (proc(5)).
const TICKS_PER_S: f64 = 100.0;

type Lists = (Vec<TopProcess>, Vec<TopProcess>);

/// The lists by CPU time and by memory. Only of these few are command line and user read.
pub(super) fn lists(
    before: &Sample,
    after: &Sample,
    draft: &mut Draft,
    detail: &mut dyn FnMut(&Process) -> Option<Detail>,
) -> Lists {
    let cores = after.kernel.cpus.len().max(1) as f64;
    let used = cpu(&before.processes, &after.processes, cores, draft);
    let mut by_cpu: Vec<usize> = (0..used.len()).filter(|&n| used[n].is_some_and(|cpu| cpu > 0.0)).collect();
    by_cpu.sort_unstable_by(|&a, &b| used[b].unwrap_or(0.0).total_cmp(&used[a].unwrap_or(0.0)).then(a.cmp(&b)));
    let mut by_memory: Vec<usize> = (0..used.len()).filter(|&n| after.processes[n].rss_bytes > 0).collect();
    by_memory.sort_unstable_by_key(|&n| (std::cmp::Reverse(after.processes[n].rss_bytes), n));
    by_cpu.truncate(TOP_MAX);
    by_memory.truncate(TOP_MAX);
    let mut described: Vec<(usize, TopProcess)> = Vec::with_capacity(2 * TOP_MAX);
    let mut describe = |n: usize| {
        if let Some((_, done)) = described.iter().find(|(m, _)| *m == n) {
            return done.clone(); // stands in both lists
        }
        let row = describe(&after.processes[n], used[n], detail);
        described.push((n, row.clone()));
        row
    };
    (by_cpu.into_iter().map(&mut describe).collect(), by_memory.into_iter().map(&mut describe).collect())
}

fn describe(process: &Process, cpu: Option<f64>, detail: &mut dyn FnMut(&Process) -> Option<Detail>) -> TopProcess {
    let (user, line) = detail(process).map(|d| (d.user, d.command_line)).unzip();
    TopProcess {
        pid: process.pid,
        name: process.name.clone(),
        user,
        cmdline: line.filter(|line| !line.is_empty()).map(|line| mask(&line)),
        cpu,
        rss_bytes: process.rss_bytes,
        ..TopProcess::default()
    }
}

/// The share of one core that each process of `after` used; both lists are sorted by pid.
fn cpu(before: &[Process], after: &[Process], cores: f64, draft: &mut Draft) -> Vec<Option<f64>> {
    // a tick may fall on either side of the interval's ends
    let possible = cores * 1.25 + 2.0 / TICKS_PER_S / draft.interval_s;
    let mut old = before.iter().peekable();
    let mut share = |new: &Process| {
        while old.next_if(|o| o.pid < new.pid).is_some() {}
        let before = old.peek().filter(|o| o.pid == new.pid)?;
        if before.start_ticks != new.start_ticks {
            return None; // the pid was given to another process
        }
        let share = draft.rise((before.cpu_ticks, new.cpu_ticks))? / TICKS_PER_S / draft.interval_s;
        let is_possible = share <= possible;
        draft.rejected += u64::from(!is_possible);
        is_possible.then_some(share)
    };
    after.iter().map(&mut share).collect()
}
