//! When something is due. Intervals are measured with the clock that nobody can set; only the moment
//! within a minute that a host's frames are taken at goes by the wall clock.

use palisade_core::{HostId, Timestamp};
use palisade_sys::sample::{agent_use, boot_time_ns, thread_cpu_ns};
use std::time::Duration;

/// The length of a step of the ring, in seconds.
pub const RING_STEP_S: u32 = 5;
/// The part of a core that reading all processes may cost.
pub const PASS_RATIO_MAX: f64 = 0.005;
/// However long it takes, processes are read once in so many seconds.
pub const PASS_GAP_S_MAX: u64 = 60;
/// Frames are taken within this part of their interval, so that a fleet does not report at once and
/// that one which comes a little late still falls into its own.
const JITTER_SHARES: (f64, f64) = (0.05, 0.75);
pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// The clocks of the machine; a test has its own.
pub trait Clocks {
    /// The wall clock; may be set, forward or back.
    fn wall(&self) -> Timestamp;
    /// CLOCK_BOOTTIME, nanoseconds: rises evenly, sleep included.
    fn boot_ns(&self) -> u64;
    /// CPU time of this thread, nanoseconds.
    fn thread_cpu_ns(&self) -> u64;
    /// CPU time of this process, microseconds.
    fn process_cpu_us(&self) -> u64;
}

/// The clocks of the machine that we run on.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClocks;

impl Clocks for MachineClocks {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn boot_ns(&self) -> u64 {
        boot_time_ns()
    }

    fn thread_cpu_ns(&self) -> u64 {
        thread_cpu_ns()
    }

    fn process_cpu_us(&self) -> u64 {
        agent_use().cpu_us
    }
}

/// Where in its interval a host's frames are taken, from 0 to 1: the same at every start, spread
/// evenly over hosts (FNV-1a).
pub fn jitter(host: &HostId) -> f64 {
    let hash =
        host.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let (first, last) = JITTER_SHARES;
    first + (hash % 10_000) as f64 / 10_000.0 * (last - first)
}

/// Nanoseconds until the next moment that lies `share` of a step after a whole multiple of it, by the
/// wall clock. Never less than half a step: one that came a little early is not taken twice.
pub fn following_ns(wall: Timestamp, step_s: u32, share: f64) -> u64 {
    let step_ns = i128::from(step_s) * i128::from(SECOND_NS);
    let offset_ns = (share * step_ns as f64) as i128;
    let left_ns = step_ns - (wall.as_nanosecond() - offset_ns).rem_euclid(step_ns);
    let next_ns = if left_ns * 2 < step_ns { left_ns + step_ns } else { left_ns };
    u64::try_from(next_ns).unwrap_or(SECOND_NS)
}

/// How long from one reading of all processes to the next, in nanoseconds, when one costs `cost_ns` of
/// CPU time and `wanted_s` would be best.
pub fn gap_ns(cost_ns: u64, wanted_s: u64) -> u64 {
    let affordable_ns = (cost_ns as f64 / PASS_RATIO_MAX) as u64;
    affordable_ns.max(wanted_s * SECOND_NS).min(PASS_GAP_S_MAX * SECOND_NS)
}

/// What is left until `at_ns`.
pub(super) fn left(now_ns: u64, at_ns: u64) -> Duration {
    Duration::from_nanos(at_ns.saturating_sub(now_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_frame_comes_at_the_same_moment_of_every_interval() {
        let after_s = |wall: &str, step_s| following_ns(at(wall), step_s, 0.25) as f64 / 1e9;
        assert_eq!(after_s("2026-11-22T12:00:15Z", 60), 60.0);
        assert_eq!(after_s("2026-11-22T12:00:17Z", 60), 58.0);
        assert_eq!(after_s("2026-11-22T12:00:02.5Z", 10), 10.0);
        // a moment too early is the frame of this interval all the same
        assert_eq!(after_s("2026-11-22T12:00:14.9Z", 60), 60.1);
        assert_eq!(after_s("2026-11-22T12:00:00.2Z", 1), 1.05);
    }

    #[test]
    fn the_dearer_the_processes_the_rarer_they_are_read() {
        let gap_s = |cost_ms: u64, wanted_s| gap_ns(cost_ms * 1_000_000, wanted_s) / SECOND_NS;
        assert_eq!(gap_s(2, 5), 5);
        assert_eq!(gap_s(160, 5), 32);
        assert_eq!(gap_s(2_000, 5), PASS_GAP_S_MAX);
        assert_eq!(gap_s(2, 1), 1);
    }

    #[test]
    fn jitter_is_the_same_at_every_start_and_differs_among_hosts() {
        let of = |name: &str| jitter(&name.parse().expect("a name"));
        assert_eq!(of("web-1"), of("web-1"));
        let shares: Vec<f64> = (0..100).map(|n| of(&format!("web-{n}"))).collect();
        assert!(shares.iter().all(|share| (JITTER_SHARES.0..=JITTER_SHARES.1).contains(share)));
        let early = shares.iter().filter(|share| **share < 0.4).count();
        assert!((25..=75).contains(&early), "{early} of 100 in the first half");
    }
}
