//! Which processes stand out between two readings of all of them; pure.

use crate::model::TOP_MAX;
use palisade_sys::sample::{Process, State};
use std::collections::HashMap;

/// Processes whose I/O is read at one reading: those that used the most CPU time, since who moves data
/// uses some, and those that wait for a disk.
const ACTIVE_MAX: usize = 64;
/// USER_HZ (proc(5)).
const TICKS_PER_S: f64 = 100.0;
const TICK_NS: u64 = 10_000_000;

/// What is remembered of every process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) pid: u32,
    /// The lower half of what proc(5) has: it comes again after 497 days.
    pub(super) start: u32,
    ticks: u64,
}

/// Replaces what is remembered.
pub(super) fn standing(rows: &[Process], into: &mut Vec<Standing>) {
    into.clear();
    let of = |row: &Process| Standing { pid: row.pid, start: row.start_ticks as u32, ticks: row.cpu_ticks };
    into.extend(rows.iter().map(of));
    if into.capacity() > 2 * into.len() + 1_024 {
        into.shrink_to_fit();
    }
}

/// True if it was started after `since_ns` (CLOCK_BOOTTIME).
pub(super) fn is_young(row: &Process, since_ns: u64) -> bool {
    (row.start_ticks + 1).saturating_mul(TICK_NS) >= since_ns
}

/// The share of one core that each process used; 0 where it cannot be told, or cannot be.
pub(super) fn cpu_shares(before: &[Standing], rows: &[Process], since_ns: u64, span_s: f64, cores: usize) -> Vec<f32> {
    let possible = cores.max(1) as f64 * 1.25 + 2.0 / TICKS_PER_S / span_s;
    let mut old = before.iter().peekable();
    let mut share = |row: &Process| {
        while old.next_if(|o| o.pid < row.pid).is_some() {}
        let same = old.peek().filter(|o| o.pid == row.pid && o.start == row.start_ticks as u32);
        let ticks_before = same.map(|o| o.ticks).or_else(|| is_young(row, since_ns).then_some(0));
        let rise = ticks_before.and_then(|ticks| row.cpu_ticks.checked_sub(ticks))?;
        let share = rise as f64 / TICKS_PER_S / span_s;
        (share.is_finite() && share <= possible).then_some(share as f32)
    };
    rows.iter().map(|row| share(row).unwrap_or(0.0)).collect()
}

/// Those whose I/O is worth reading.
pub(super) fn active(rows: &[Process], shares: &[f32]) -> Vec<usize> {
    let mut busy: Vec<usize> =
        (0..rows.len()).filter(|&n| shares[n] > 0.0 || rows[n].state == State::Blocked).collect();
    first(&mut busy, ACTIVE_MAX, |n| shares[n] + if rows[n].state == State::Blocked { 1e6 } else { 0.0 });
    busy
}

/// Those that used the most CPU time, hold the most memory, or moved the most, each once.
pub(super) fn chosen(rows: &[Process], shares: &[f32], moving: &HashMap<usize, (f32, f32)>) -> Vec<usize> {
    let mut by_cpu: Vec<usize> = (0..rows.len()).filter(|&n| shares[n] > 0.0).collect();
    let mut by_memory: Vec<usize> = (0..rows.len()).filter(|&n| rows[n].rss_bytes > 0).collect();
    let mut by_io: Vec<usize> = moving.iter().filter(|(_, (r, w))| r + w > 0.0).map(|(n, _)| *n).collect();
    first(&mut by_cpu, TOP_MAX, |n| shares[n]);
    first(&mut by_memory, TOP_MAX, |n| rows[n].rss_bytes as f32);
    first(&mut by_io, TOP_MAX, |n| moving[&n].0 + moving[&n].1);
    let mut all = [by_cpu, by_memory, by_io].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Keeps the `max` ones with the greatest `size`.
fn first(list: &mut Vec<usize>, max: usize, size: impl Fn(usize) -> f32) {
    if list.len() > max {
        list.select_nth_unstable_by(max, |&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
        list.truncate(max);
    }
}
