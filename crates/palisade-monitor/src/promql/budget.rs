//! What one query may take.

use super::error::QueryError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Samples that one query may read and make, all its steps together; 16 bytes each.
pub const SAMPLES_MAX: usize = 20_000_000;
/// Series that one query may read.
pub const SERIES_MAX: usize = 20_000;
/// Points of a series in an answer, as Prometheus has it.
pub const POINTS_MAX: usize = 11_000;
/// How long one query may take.
pub const TIMEOUT_S: u64 = 30;

/// Stops a query from outside: it took too long, or nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Stops it.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Stops the query when it is dropped.
#[derive(Debug)]
pub struct StopOnDrop(pub Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What is left for one query.
#[derive(Debug)]
pub struct Budget {
    samples: AtomicUsize,
    stop: Stop,
}

impl Budget {
    /// All of it.
    pub fn new(stop: Stop) -> Budget {
        Budget { samples: AtomicUsize::new(SAMPLES_MAX), stop }
    }

    /// Takes so many samples, or says that there are not so many left.
    pub fn take(&self, samples: usize) -> Result<(), QueryError> {
        if self.stop.0.load(Ordering::Relaxed) {
            return Err(QueryError::Timeout(TIMEOUT_S));
        }
        let left = |left: usize| left.checked_sub(samples);
        match self.samples.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(QueryError::TooMuch(format!(
                "the query would take more than {SAMPLES_MAX} samples; narrow the selector, shorten the range or make `step` longer"
            ))),
        }
    }
}
