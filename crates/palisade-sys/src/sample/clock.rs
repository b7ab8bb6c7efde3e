//! Clocks, and what this process has used: the three calls of a sample that read no file.

use super::AgentUse;
use crate::SysError;
use std::io;

/// Nanoseconds since the host was started, sleep included (CLOCK_BOOTTIME).
pub fn boot_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills a timespec that we own.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) } != 0;
    if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
}

/// CPU time of this process so far, all threads; memory is read from a file instead.
pub fn agent_use() -> AgentUse {
    // SAFETY: rusage is plain data for which all zeroes is a valid value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a rusage that we own.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    AgentUse { cpu_us: us(usage.ru_utime) + us(usage.ru_stime), rss_bytes: 0 }
}

/// CPU time of the calling thread so far, nanoseconds (CLOCK_THREAD_CPUTIME_ID).
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills a timespec that we own.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed { 0 } else { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 }
}

/// What the kernel knows about its wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct WallClock {
    /// Something keeps it right.
    pub synchronised: bool,
    /// What was still to be corrected when it was last set right, seconds; may be negative.
    pub offset_s: f64,
    /// The most that it may be wrong by, seconds; grows while nothing keeps it right.
    pub error_s: f64,
}

/// Whether something keeps the clock right. Asking needs no rights.
pub fn clock_synchronised() -> Result<bool, SysError> {
    wall_clock().map(|clock| clock.synchronised)
}

/// adjtimex(2): the offset is in nanoseconds where STA_NANO says so, else in microseconds.
pub fn wall_clock() -> Result<WallClock, SysError> {
    // SAFETY: timex is plain data for which all zeroes is a valid value; modes 0 changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a timex that we own.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    if answer < 0 {
        let source = io::Error::last_os_error();
        return Err(SysError::Kernel { doing: "asking the state of the clock".to_owned(), source });
    }
    let offset_unit_s = if state.status & libc::STA_NANO == 0 { 1e-6 } else { 1e-9 };
    Ok(WallClock {
        synchronised: state.status & libc::STA_UNSYNC == 0,
        offset_s: state.offset as f64 * offset_unit_s,
        error_s: state.maxerror as f64 * 1e-6,
    })
}
