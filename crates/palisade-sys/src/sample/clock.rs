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

/// Whether something keeps the clock right: STA_UNSYNC of adjtimex(2). Asking needs no rights.
pub fn clock_synchronised() -> Result<bool, SysError> {
    // SAFETY: timex is plain data for which all zeroes is a valid value; modes 0 changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a timex that we own.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    if answer < 0 {
        let source = io::Error::last_os_error();
        return Err(SysError::Kernel { doing: "asking the state of the clock".to_owned(), source });
    }
    Ok(state.status & libc::STA_UNSYNC == 0)
}
