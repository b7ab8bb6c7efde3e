//! What all simulated hosts together have measured.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Measurements of one kind that are kept; later ones are not.
const KEPT_MAX: usize = 4_000_000;
/// Faults that are told in words.
const FAULTS_MAX: usize = 20;

/// A spec or a change of one that a host was sent.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// When all of it was there.
    pub at: Instant,
    /// How many bytes it took on the stream of orders.
    pub bytes: usize,
    /// A change, not the whole.
    pub is_delta: bool,
}

/// The measurements; shared by all hosts.
#[derive(Debug, Default)]
pub struct Tally {
    connected: AtomicI64,
    acknowledged: AtomicU64,
    reports: AtomicU64,
    later: AtomicU64,
    broken_lines: AtomicU64,
    handshakes: Mutex<Vec<Instant>>,
    welcomes: Mutex<Vec<Instant>>,
    latencies: Mutex<Vec<Duration>>,
    arrivals: Mutex<Vec<Arrival>>,
    faults: Mutex<Vec<String>>,
}

fn keep<T>(list: &Mutex<Vec<T>>, value: T) {
    let mut list = list.lock().expect("no panic while held");
    if list.len() < KEPT_MAX {
        list.push(value);
    }
}

fn taken<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut list.lock().expect("no panic while held"))
}

impl Tally {
    /// A TLS handshake is done.
    pub fn handshake(&self) {
        keep(&self.handshakes, Instant::now());
    }

    /// A host was welcomed; the result lives as long as its connection.
    pub fn welcome(&self) -> Connected<'_> {
        keep(&self.welcomes, Instant::now());
        self.connected.fetch_add(1, Ordering::Relaxed);
        Connected(self)
    }

    /// A report was acknowledged, with so many records.
    pub fn acknowledged(&self, after: Duration, records: u64) {
        self.reports.fetch_add(1, Ordering::Relaxed);
        self.acknowledged.fetch_add(records, Ordering::Relaxed);
        if records > 0 {
            keep(&self.latencies, after);
        }
    }

    /// The server asked to come later.
    pub fn later(&self) {
        self.later.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection could not be made, or broke.
    pub fn broken(&self) {
        self.broken_lines.fetch_add(1, Ordering::Relaxed);
    }

    /// A spec has arrived.
    pub fn arrived(&self, arrival: Arrival) {
        keep(&self.arrivals, arrival);
    }

    /// The server did something that it must never do.
    pub fn fault(&self, what: String) {
        let mut faults = self.faults.lock().expect("no panic while held");
        if faults.len() < FAULTS_MAX {
            faults.push(what);
        }
    }

    /// Hosts that are connected now.
    pub fn connected_now(&self) -> usize {
        self.connected.load(Ordering::Relaxed).max(0).unsigned_abs() as usize
    }

    /// Reports answered, records acknowledged, requests to come later, and broken connections.
    pub fn counts(&self) -> [u64; 4] {
        [&self.reports, &self.acknowledged, &self.later, &self.broken_lines].map(|n| n.load(Ordering::Relaxed))
    }

    /// How many specs have arrived since they were last taken.
    pub fn arrivals_waiting(&self) -> usize {
        self.arrivals.lock().expect("no panic while held").len()
    }

    /// Takes the specs that have arrived.
    pub fn take_arrivals(&self) -> Vec<Arrival> {
        taken(&self.arrivals)
    }

    /// Takes the times that acknowledgements took.
    pub fn take_latencies(&self) -> Vec<Duration> {
        taken(&self.latencies)
    }

    /// Takes the moments of handshakes.
    pub fn take_handshakes(&self) -> Vec<Instant> {
        taken(&self.handshakes)
    }

    /// Takes the moments of welcomes.
    pub fn take_welcomes(&self) -> Vec<Instant> {
        taken(&self.welcomes)
    }

    /// What the server must never do and did.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().expect("no panic while held").clone()
    }
}

/// A host that is connected, until dropped.
pub struct Connected<'a>(&'a Tally);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The value that `share` (0 to 1) of the sorted values do not exceed; nothing of nothing.
pub fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// The most moments that lie in one second after `start`.
pub fn most_in_a_second(moments: &[Instant], start: Instant) -> usize {
    let mut seconds: Vec<u64> = moments.iter().map(|at| at.saturating_duration_since(start).as_secs()).collect();
    seconds.sort_unstable();
    seconds.chunk_by(|a, b| a == b).map(<[u64]>::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&times, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&times, 1.0), Duration::from_millis(100));
        assert_eq!(quantile(&times[..1], 0.5), Duration::from_millis(1));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn the_fullest_second_counts() {
        let start = Instant::now();
        let moments = [0, 100, 1_000, 1_100, 1_999, 2_000].map(|ms| start + Duration::from_millis(ms));
        assert_eq!(most_in_a_second(&moments, start), 3);
        assert_eq!(most_in_a_second(&[], start), 0);
    }

    #[test]
    fn a_host_counts_as_connected_until_its_connection_ends() {
        let tally = Tally::default();
        let one = tally.welcome();
        assert_eq!(tally.connected_now(), 1);
        drop(one);
        assert_eq!(tally.connected_now(), 0);
        assert_eq!(tally.take_welcomes().len(), 1);
    }
}
