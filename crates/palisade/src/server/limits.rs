//! How much one agent may send: a bucket per host that fills with time.

use palisade_core::HostId;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Reports that a host may send at once; then [`REPORTS_PER_S`].
const REPORTS_BURST: f64 = 60.0;
const REPORTS_PER_S: f64 = 4.0;
/// Bytes that a host may send at once, as they travel; then [`BYTES_PER_S`].
const BYTES_BURST: f64 = (96u32 << 20) as f64;
const BYTES_PER_S: f64 = (1u32 << 20) as f64;
/// A host that goes on is told of in the journal once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(600);

/// What is left for one host.
struct Bucket {
    reports: f64,
    bytes: f64,
    filled_at: Instant,
    told_at: Option<Instant>,
}

/// Why a report is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch {
    /// When to come again.
    pub after: Duration,
    /// True once in [`TOLD_EVERY`]: somebody should be told.
    pub tell: bool,
}

/// The buckets of all hosts.
#[derive(Default)]
pub struct Limits(Mutex<HashMap<HostId, Bucket>>);

impl Limits {
    /// Takes one report of so many bytes from the host's bucket.
    pub fn take(&self, host: &HostId, bytes: u64, now: Instant) -> Result<(), TooMuch> {
        let mut buckets = self.0.lock().expect("no panic while held");
        let full = || Bucket { reports: REPORTS_BURST, bytes: BYTES_BURST, filled_at: now, told_at: None };
        let bucket = buckets.entry(host.clone()).or_insert_with(full);
        let passed_s = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        bucket.reports = (bucket.reports + passed_s * REPORTS_PER_S).min(REPORTS_BURST);
        bucket.bytes = (bucket.bytes + passed_s * BYTES_PER_S).min(BYTES_BURST);
        bucket.filled_at = now;
        let missing_s = ((1.0 - bucket.reports) / REPORTS_PER_S).max((bytes as f64 - bucket.bytes) / BYTES_PER_S);
        if missing_s <= 0.0 {
            bucket.reports -= 1.0;
            bucket.bytes -= bytes as f64;
            return Ok(());
        }
        let tell = bucket.told_at.is_none_or(|at| now.saturating_duration_since(at) >= TOLD_EVERY);
        if tell {
            bucket.told_at = Some(now);
        }
        Err(TooMuch { after: Duration::from_secs_f64(missing_s.clamp(1.0, 60.0)), tell })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_that_floods_is_held_back_told_of_once_and_others_are_not_touched() {
        let (limits, start) = (Limits::default(), Instant::now());
        let (loud, quiet): (HostId, HostId) = ("loud".parse().unwrap(), "quiet".parse().unwrap());
        assert!((0..60).all(|_| limits.take(&loud, 1, start).is_ok()));
        assert!(limits.take(&loud, 1, start).unwrap_err().tell);
        assert!(!limits.take(&loud, 1, start).unwrap_err().tell);
        assert!(limits.take(&quiet, 1, start).is_ok());
        assert!(limits.take(&loud, 1, start + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn bytes_count_too() {
        let (limits, start) = (Limits::default(), Instant::now());
        let host: HostId = "web-1".parse().unwrap();
        (0..3).for_each(|_| limits.take(&host, 32 << 20, start).unwrap());
        let refused = limits.take(&host, 32 << 20, start).unwrap_err();
        assert!(refused.after >= Duration::from_secs(31), "{refused:?}");
        limits.take(&host, 32 << 20, start + refused.after).unwrap();
    }
}
