//! stat, meminfo, loadavg, vmstat, uptime, file-nr and pressure (proc(5), Documentation/accounting/psi.rst).

use super::AgentUse;
use super::fields::{decimal, lines, number, numbers, words};
use super::rows::Rows;

/// Time that CPUs spent, in ticks of 1/100 s, since the host was started. Guest time is part of
/// `user` and `nice` already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of proc(5)
pub struct CpuTimes {
    pub user: u64,
    pub nice: u64,
    pub system: u64,
    pub idle: u64,
    pub iowait: u64,
    pub irq: u64,
    pub softirq: u64,
    pub steal: u64,
    pub guest: u64,
    pub guest_nice: u64,
}

/// meminfo, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of proc(5)
pub struct Memory {
    pub total: u64,
    pub free: u64,
    /// Free + buffers + cached where the kernel (before 3.14) does not say.
    pub available: u64,
    pub buffers: u64,
    pub cached: u64,
    pub slab: u64,
    pub dirty: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

/// Time lost to one resource since the start, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one task waited.
    pub some_us: u64,
    /// All tasks waited; absent for the CPU of old kernels.
    pub full_us: Option<u64>,
}

/// What concerns the whole host.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    /// All CPUs together.
    pub cpu: Option<CpuTimes>,
    /// Each CPU that is on line.
    pub cpus: Rows<CpuTimes>,
    /// Context switches.
    pub context_switches: Option<u64>,
    /// Processes and threads made.
    pub forks: Option<u64>,
    /// When the host was started, Unix seconds.
    pub booted_s: Option<u64>,
    /// Averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
    /// Page faults that had to read from disk.
    pub major_faults: Option<u64>,
    /// Since the start.
    pub uptime_s: Option<f64>,
    /// File handles in use, and the most there may be.
    pub files: Option<(u64, u64)>,
    /// Waiting for a CPU.
    pub pressure_cpu: Option<Pressure>,
    /// Waiting for memory.
    pub pressure_memory: Option<Pressure>,
    /// Waiting for disks.
    pub pressure_io: Option<Pressure>,
    /// Connections that the packet filter tracks.
    pub conntrack: Option<u64>,
    /// The most it tracks.
    pub conntrack_max: Option<u64>,
}

const CPUS_MAX: usize = 8_192;

impl Kernel {
    pub(super) fn clear(&mut self) {
        let mut cpus = std::mem::take(&mut self.cpus);
        cpus.clear();
        *self = Kernel { cpus, ..Kernel::default() };
    }
}

pub(super) fn stat(text: &[u8], into: &mut Kernel) -> bool {
    for line in lines(text) {
        let mut words = words(line);
        match words.next() {
            Some(b"cpu") => into.cpu = cpu_times(words),
            Some(word) if word.starts_with(b"cpu") && into.cpus.len() < CPUS_MAX => {
                if let Some(times) = cpu_times(words) {
                    *into.cpus.add() = times;
                }
            }
            Some(b"ctxt") => into.context_switches = words.next().and_then(number),
            Some(b"btime") => into.booted_s = words.next().and_then(number),
            Some(b"processes") => into.forks = words.next().and_then(number),
            _ => {}
        }
    }
    into.cpu.is_some()
}

fn cpu_times<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<CpuTimes> {
    let mut ticks = [0_u64; 10];
    let mut given = 0;
    for (slot, word) in ticks.iter_mut().zip(words) {
        *slot = number(word)?;
        given += 1;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice] = ticks;
    let times = CpuTimes { user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice };
    (given >= 4).then_some(times) // the fields after idle came with later kernels
}

pub(super) fn meminfo(text: &[u8], into: &mut Kernel) -> bool {
    let mut memory = Memory::default();
    let mut available = None;
    for line in lines(text) {
        let mut words = words(line);
        let (Some(name), Some(kib)) = (words.next(), words.next().and_then(number)) else { continue };
        let bytes = kib.saturating_mul(1024);
        match name {
            b"MemTotal:" => memory.total = bytes,
            b"MemFree:" => memory.free = bytes,
            b"MemAvailable:" => available = Some(bytes),
            b"Buffers:" => memory.buffers = bytes,
            b"Cached:" => memory.cached = bytes,
            b"Slab:" => memory.slab = bytes,
            b"Dirty:" => memory.dirty = bytes,
            b"SwapTotal:" => memory.swap_total = bytes,
            b"SwapFree:" => memory.swap_free = bytes,
            _ => {}
        }
    }
    let guess = || memory.free.saturating_add(memory.buffers).saturating_add(memory.cached);
    memory.available = available.unwrap_or_else(guess);
    into.memory = (memory.total > 0).then_some(memory);
    into.memory.is_some()
}

pub(super) fn loadavg(text: &[u8], into: &mut Kernel) -> bool {
    let mut words = words(text).map(decimal);
    let mut next = || words.next().flatten();
    into.load = (|| Some([next()?, next()?, next()?]))();
    into.load.is_some()
}

pub(super) fn vmstat(text: &[u8], into: &mut Kernel) -> bool {
    for line in lines(text) {
        let mut words = words(line);
        match words.next() {
            Some(b"oom_kill") => into.oom_kills = words.next().and_then(number),
            Some(b"pgmajfault") => into.major_faults = words.next().and_then(number),
            _ => {}
        }
    }
    into.major_faults.is_some()
}

pub(super) fn uptime(text: &[u8], into: &mut Kernel) -> bool {
    into.uptime_s = words(text).next().and_then(decimal);
    into.uptime_s.is_some()
}

pub(super) fn file_nr(text: &[u8], into: &mut Kernel) -> bool {
    let mut three = [0; 3]; // in use, always 0 since Linux 2.6, limit
    let line = lines(text).next().unwrap_or_default();
    let read = numbers(&mut words(line), &mut three);
    into.files = read.then_some((three[0], three[2]));
    read
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=123` and the same with `full`.
pub(super) fn pressure(text: &[u8], into: &mut Option<Pressure>) -> bool {
    let total = |line: &[u8]| words(line).find_map(|w| w.strip_prefix(b"total=").and_then(number));
    let of = |kind: &[u8]| lines(text).find(|l| words(l).next() == Some(kind)).and_then(total);
    *into = of(b"some").map(|some_us| Pressure { some_us, full_us: of(b"full") });
    into.is_some()
}

/// A file that holds one number.
pub(super) fn one_number(text: &[u8], into: &mut Option<u64>) -> bool {
    *into = number(text.trim_ascii());
    into.is_some()
}

pub(super) fn statm(text: &[u8], into: &mut AgentUse) -> bool {
    let line = lines(text).next().unwrap_or_default();
    let pages = words(line).nth(1).and_then(number);
    into.rss_bytes = pages.unwrap_or(0).saturating_mul(super::process::page_bytes());
    pages.is_some()
}
