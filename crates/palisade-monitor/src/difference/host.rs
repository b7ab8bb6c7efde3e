//! CPU, memory, pressure and the rest that concerns the whole host.

use super::Draft;
use palisade_sys::sample::{CpuTimes, Pressure, Sample};

pub(super) fn gauges(after: &Sample, draft: &mut Draft) {
    let kernel = &after.kernel;
    if let Some(load) = kernel.load {
        for (name, value) in ["load1", "load5", "load15"].into_iter().zip(load) {
            draft.put(name, None, value);
        }
        let cores = kernel.cpus.len().max(1) as f64;
        for (name, value) in ["load1_per_core", "load5_per_core", "load15_per_core"].into_iter().zip(load) {
            draft.put(name, None, value / cores);
        }
    }
    memory(after, draft);
    if !kernel.cpus.is_empty() {
        draft.put("cpu_count", None, kernel.cpus.len() as f64);
    }
    if let Some(kills) = kernel.oom_kills {
        draft.put("oom_kills_total", None, kills as f64);
    }
    if let Some((open, limit)) = kernel.files {
        draft.put("open_files", None, open as f64);
        // where there is no limit the kernel says 2^63 - 1
        if limit < 1 << 50 {
            draft.put("open_files_limit", None, limit as f64);
            draft.put("open_files_ratio", None, open as f64 / limit.max(1) as f64);
        }
    }
    clock_and_tables(after, draft);
    if let Some(uptime_s) = kernel.uptime_s {
        draft.put("uptime_seconds", None, uptime_s);
    }
    if after.agent.rss_bytes > 0 {
        draft.put("agent_memory_bytes", None, after.agent.rss_bytes as f64);
    }
    if let Some(states) = after.process_states {
        let counts = [
            ("running", states.running),
            ("sleeping", states.sleeping),
            ("blocked", states.blocked),
            ("zombie", states.zombie),
            ("stopped", states.stopped),
            ("idle", states.idle),
        ];
        for (state, count) in counts {
            draft.put("processes", Some(state), count as f64);
        }
        draft.put("process_count", None, after.processes.len() as f64);
    }
}

fn clock_and_tables(after: &Sample, draft: &mut Draft) {
    if let Some(clock) = after.wall_clock {
        draft.put("clock_offset_seconds", None, clock.offset_s.abs());
        draft.put("clock_error_seconds", None, clock.error_s);
        draft.put("clock_synchronised", None, f64::from(u8::from(clock.synchronised)));
    }
    if let Some(entries) = after.kernel.conntrack {
        draft.put("conntrack_entries", None, entries as f64);
        if let Some(limit) = after.kernel.conntrack_max.filter(|&n| n > 0) {
            // it may have been lowered below what is there
            draft.put("conntrack_used_ratio", None, (entries as f64 / limit as f64).min(1.0));
        }
    }
}

fn memory(after: &Sample, draft: &mut Draft) {
    let Some(m) = after.kernel.memory else { return };
    draft.put("memory_used_ratio", None, 1.0 - m.available as f64 / m.total as f64);
    let amounts = [
        ("memory_available_bytes", m.available),
        ("memory_total_bytes", m.total),
        ("memory_free_bytes", m.free),
        ("memory_buffers_bytes", m.buffers),
        ("memory_cached_bytes", m.cached),
        ("memory_slab_bytes", m.slab),
        ("memory_dirty_bytes", m.dirty),
        ("swap_total_bytes", m.swap_total),
        ("swap_used_bytes", m.swap_total.saturating_sub(m.swap_free)),
    ];
    for (name, bytes) in amounts {
        draft.put(name, None, bytes as f64);
    }
    if m.swap_total > 0 {
        draft.put("swap_used_ratio", None, 1.0 - m.swap_free as f64 / m.swap_total as f64);
    }
}

pub(super) fn rates(before: &Sample, after: &Sample, draft: &mut Draft) {
    let (old, new) = (&before.kernel, &after.kernel);
    if let (Some(old), Some(new)) = (old.cpu, new.cpu) {
        cpu(&old, &new, draft);
    }
    if old.cpus.len() == new.cpus.len() {
        let usages = old.cpus.iter().zip(new.cpus.iter()).filter_map(|(old, new)| spent(old, new)?.usage());
        if let Some(busiest) = usages.reduce(f64::max) {
            draft.put("cpu_core_max_ratio", None, busiest);
        }
    }
    draft.rate_if("context_switches_rate", old.context_switches, new.context_switches, 1.0);
    draft.rate_if("processes_created_rate", old.forks, new.forks, 1.0);
    draft.rate_if("major_page_faults_rate", old.major_faults, new.major_faults, 1.0);
    let some = |p: &Option<Pressure>| p.map(|p| p.some_us);
    let full = |p: &Option<Pressure>| p.and_then(|p| p.full_us);
    draft.rate_if("pressure_cpu_some_ratio", some(&old.pressure_cpu), some(&new.pressure_cpu), 1e-6);
    draft.rate_if("pressure_memory_some_ratio", some(&old.pressure_memory), some(&new.pressure_memory), 1e-6);
    draft.rate_if("pressure_memory_full_ratio", full(&old.pressure_memory), full(&new.pressure_memory), 1e-6);
    draft.rate_if("pressure_io_some_ratio", some(&old.pressure_io), some(&new.pressure_io), 1e-6);
    draft.rate_if("pressure_io_full_ratio", full(&old.pressure_io), full(&new.pressure_io), 1e-6);
    draft.rate("agent_cpu_ratio", None, (before.agent.cpu_us, after.agent.cpu_us), 1e-6);
}

fn cpu(old: &CpuTimes, new: &CpuTimes, draft: &mut Draft) {
    let Some(spent) = spent(old, new) else {
        draft.rejected += 1;
        return;
    };
    let Some(usage) = spent.usage() else { return };
    draft.put("cpu_usage_ratio", None, usage);
    let total = spent.total();
    for (mode, ticks) in MODES.into_iter().zip(spent.0) {
        draft.put("cpu_mode_ratio", Some(mode), ticks / total);
    }
    let [user, _, system, idle, ..] = spent.0;
    draft.put("cpu_other_ratio", None, (1.0 - (user + system + idle) / total).max(0.0));
    let guest = draft.rise((old.guest, new.guest)).zip(draft.rise((old.guest_nice, new.guest_nice)));
    if let Some((guest, guest_nice)) = guest {
        draft.put("cpu_guest_ratio", None, (guest + guest_nice) / total);
    }
}

const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];

/// Ticks by [`MODES`].
struct Spent([f64; 8]);

impl Spent {
    fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// `None` when no tick has passed.
    fn usage(&self) -> Option<f64> {
        let total = self.total();
        (total > 0.0).then(|| 1.0 - (self.0[3] + self.0[4]) / total)
    }
}

/// `None` when a counter fell. Idle and iowait may fall a little by themselves (proc(5)): that
/// counts as no time.
fn spent(old: &CpuTimes, new: &CpuTimes) -> Option<Spent> {
    let rise = |old: u64, new: u64| new.checked_sub(old).map(|n| n as f64);
    let rise_or_none = |old: u64, new: u64| new.saturating_sub(old) as f64;
    Some(Spent([
        rise(old.user, new.user)?,
        rise(old.nice, new.nice)?,
        rise(old.system, new.system)?,
        rise_or_none(old.idle, new.idle),
        rise_or_none(old.iowait, new.iowait),
        rise(old.irq, new.irq)?,
        rise(old.softirq, new.softirq)?,
        rise_or_none(old.steal, new.steal),
    ]))
}
