//! The sampler's loop in the agent: a frame a minute, and one a second while somebody looks on.

use crate::difference;
use crate::model::{Frame, TopProcess};
use crate::setting::Settings;
use palisade_core::{Clock, HostId, SystemClock, Timestamp};
use palisade_guard::{Host, Watch, WatchContext};
use palisade_sys::sample::{Sample, Sampler, boot_time_ns};
use std::sync::Arc;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
/// Hosts are spread over the first part of each minute, so that a fleet does not report at once.
const JITTER_MS_MAX: u64 = 45_000;
/// The first frame comes this long after the start.
const FIRST: Duration = Duration::from_secs(1);
/// While somebody looks on, up to so many processes are read every second, twice as many every
/// other second, and so on: at 8 µs each that stays below 0.4 % of a core.
const LIVE_PROCESSES: usize = 500;
/// A frame of a longer interval says nothing about a second.
const LIVE_INTERVAL_S_MAX: f64 = 5.0;

/// Samples this host, as it is told to.
#[derive(Debug, Clone, Default)]
pub struct Sampling(pub Arc<Settings>);

impl Watch for Sampling {
    fn watch(&self, host: &Host, context: &WatchContext) {
        if !host.root.is_live() {
            return; // a scratch root has no counters
        }
        match Sampler::live().map(Sampler::with_hardware) {
            Ok(sampler) => Loop::new(sampler, &host.id).run(context, &SystemClock),
            Err(error) => {
                tracing::error!(guard = "monitor", error = palisade_guard::contract::chain(&error), "cannot sample")
            }
        }
    }
}

/// The loop and its three samples.
struct Loop {
    sampler: Sampler,
    jitter_ms: i64,
    /// At the last frame of a minute.
    minute: Sample,
    /// At the last sample.
    last: Sample,
    now: Sample,
    /// At the last reading of processes while somebody looked on.
    processes: Sample,
    /// What stood out then.
    top: (Vec<TopProcess>, Vec<TopProcess>),
}

impl Loop {
    fn new(sampler: Sampler, host: &HostId) -> Loop {
        Loop {
            sampler,
            jitter_ms: jitter_ms(host),
            minute: Sample::default(),
            last: Sample::default(),
            now: Sample::default(),
            processes: Sample::default(),
            top: Default::default(),
        }
    }

    fn run(mut self, context: &WatchContext, clock: &dyn Clock) {
        self.take(true);
        self.minute.clone_from(&self.now);
        context.wait(FIRST);
        let mut next_minute = clock.now();
        while !context.ended() {
            let (now, live) = (clock.now(), context.live());
            let minute_due = now >= next_minute;
            if live || minute_due {
                self.tick(context, live, minute_due);
            }
            if minute_due {
                next_minute = following_minute(now, self.jitter_ms);
            }
            let now_ms = clock.now().as_millisecond();
            let mut wait_ms = next_minute.as_millisecond() - now_ms;
            if wait_ms > MINUTE_MS {
                // the clock was set back: that must not stop the samples
                next_minute = following_minute(clock.now(), self.jitter_ms);
                wait_ms = MINUTE_MS;
            }
            if context.live() {
                // in the middle of a second, so that each sample falls into one of its own
                wait_ms = wait_ms.min(1_000 - (now_ms + 500).rem_euclid(1_000));
            }
            context.wait(Duration::from_millis(wait_ms.max(1) as u64));
        }
    }

    fn tick(&mut self, context: &WatchContext, live: bool, minute_due: bool) {
        let with_processes = minute_due || self.processes_due();
        self.take(with_processes);
        if live {
            self.live_frame(context, with_processes);
        }
        if minute_due {
            let sampler = &mut self.sampler;
            let frame = difference::frame(&self.minute, &self.now, &mut |process| sampler.detail(process));
            self.minute.clone_from(&self.now);
            emit(context, &frame);
        }
    }

    fn take(&mut self, with_processes: bool) {
        std::mem::swap(&mut self.last, &mut self.now);
        self.sampler.take_system(&mut self.now);
        if with_processes {
            self.sampler.take_processes(&mut self.now);
        }
    }

    /// Processes are read less often where there are many.
    fn processes_due(&self) -> bool {
        let every_ms = 1_000 * (1 + self.minute.processes.len() / LIVE_PROCESSES) as u64;
        let age_ms = boot_time_ns().saturating_sub(self.processes.boot_ns) / 1_000_000;
        age_ms + 500 >= every_ms
    }

    /// The lists of processes stand until they are read again.
    fn live_frame(&mut self, context: &WatchContext, with_processes: bool) {
        let sampler = &mut self.sampler;
        if with_processes {
            let before = if self.processes.boot_ns > self.minute.boot_ns { &self.processes } else { &self.minute };
            let frame = difference::frame(before, &self.now, &mut |process| sampler.detail(process));
            self.top = (frame.by_cpu, frame.by_memory);
            self.processes.clone_from(&self.now);
        }
        let mut frame = difference::frame(&self.last, &self.now, &mut |_| None);
        if frame.interval_s > LIVE_INTERVAL_S_MAX {
            return; // the first one after a pause is no second
        }
        (frame.by_cpu, frame.by_memory) = self.top.clone();
        frame.live = true;
        emit(context, &frame);
    }
}

fn emit(context: &WatchContext, frame: &Frame) {
    match serde_json::to_value(frame) {
        Ok(body) => context.emit(frame.at, body),
        Err(error) => tracing::error!(guard = "monitor", error = error.to_string(), "a frame cannot be written"),
    }
}

/// The same for a host at every start, spread evenly over hosts (FNV-1a).
fn jitter_ms(host: &HostId) -> i64 {
    let hash =
        host.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (hash % JITTER_MS_MAX) as i64
}

/// The next moment that lies `jitter_ms` after the beginning of a minute.
fn following_minute(now: Timestamp, jitter_ms: i64) -> Timestamp {
    let into_ms = (now.as_millisecond() - jitter_ms).rem_euclid(MINUTE_MS);
    now.checked_add(Duration::from_millis((MINUTE_MS - into_ms) as u64)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_at_the_same_second_of_every_minute() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let next = following_minute(at("2026-11-22T12:00:07Z"), 7_000);
        assert_eq!(next, at("2026-11-22T12:01:07Z"));
        assert_eq!(following_minute(at("2026-11-22T12:00:06.5Z"), 7_000), at("2026-11-22T12:00:07Z"));
    }
}
