//! What a simulated host reports and when: a frame of the monitor every minute, and events.
//!
//! Everything is a function of the host's number and of time, so that the fleet's load is even: the
//! minutes of the hosts are spread over the minute, and their events over the seconds.

mod frame;

pub use frame::keys;

use crate::spool::Spool;
use palisade_core::{Actor, Event, Outcome, Severity, Timestamp};
use serde_json::{Value, json};

const MINUTE_MS: f64 = 60_000.0;
/// The kind of all simulated events.
pub const KIND: &str = "intrusion.login.fail";
const USERS: [&str; 8] = ["root", "admin", "oracle", "git", "ubuntu", "test", "postgres", "pi"];

/// What all hosts together report.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many hosts there are.
    pub hosts: usize,
    /// Series of a frame.
    pub series: usize,
    /// Events of all hosts.
    pub events_per_s: f64,
}

/// What one host reports.
#[derive(Debug)]
pub struct Source {
    load: Load,
    index: usize,
    keys: Vec<String>,
    begun_ms: f64,
    frames: u64,
    events: u64,
}

impl Source {
    /// Of the host with this number, from `begun` on.
    pub fn new(load: Load, index: usize, begun: Timestamp) -> Source {
        let keys = keys(load.series);
        Source { load, index, keys, begun_ms: begun.as_millisecond() as f64, frames: 0, events: 0 }
    }

    /// Where this host stands among the others, from 0 to 1.
    fn phase(&self) -> f64 {
        self.index as f64 / self.load.hosts as f64
    }

    /// When the next frame is due, in milliseconds since 1970.
    fn next_frame_ms(&self) -> f64 {
        self.begun_ms + (self.frames as f64 + self.phase()) * MINUTE_MS
    }

    /// When the next event is due; never if there are none.
    fn next_event_ms(&self) -> f64 {
        let every_ms = 1_000.0 * self.load.hosts as f64 / self.load.events_per_s;
        self.begun_ms + (self.events as f64 + self.phase()) * every_ms
    }

    /// When there is something new, in milliseconds since 1970.
    pub fn next_ms(&self) -> f64 {
        self.next_frame_ms().min(self.next_event_ms())
    }

    /// Makes what has become due.
    pub fn make(&mut self, until: Timestamp, spool: &mut Spool) {
        let until_ms = until.as_millisecond() as f64;
        while self.next_frame_ms() <= until_ms {
            let at = moment(self.next_frame_ms());
            spool.push("monitor", at, frame::frame(&self.keys, at, self.index as u64 + 31 * self.frames));
            self.frames += 1;
        }
        while self.next_event_ms() <= until_ms {
            let at = moment(self.next_event_ms());
            self.events += 1;
            spool.push("journal", at, event(at, self.index as u64, self.events));
        }
    }
}

fn moment(ms: f64) -> Timestamp {
    Timestamp::from_millisecond(ms as i64).unwrap_or_default()
}

/// The `number`th event of a host; its object is the number, by which stored ones are counted.
fn event(at: Timestamp, host: u64, number: u64) -> Value {
    // spread without chance: two runs store the same
    let mixed = (host * 1_000_003 + number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let address = format!("203.0.{}.{}", mixed >> 56, mixed >> 48 & 255);
    let (user, port) = (USERS[(mixed >> 40 & 7) as usize], 1_024 + (mixed >> 20 & 0x7fff));
    let event = Event {
        time: at,
        kind: KIND.to_owned(),
        host: None,
        severity: Severity::Low,
        outcome: Outcome::Failure,
        actor: Actor { name: "sshd".to_owned(), from: Some(address.clone()) },
        message: format!("failed password for {user} from {address} port {port} ssh2"),
        object: Some(number.to_string()),
        audit: false,
        data: json!({ "user": user, "port": port }),
    };
    serde_json::to_value(event).expect("an event has string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    const LOAD: Load = Load { hosts: 4, series: 120, events_per_s: 2.0 };

    fn made(index: usize, seconds: i64) -> Spool {
        let mut spool = Spool::default();
        let mut source = Source::new(LOAD, index, Timestamp::from_second(1_790_000_000).unwrap());
        for second in 0..=seconds {
            source.make(Timestamp::from_second(1_790_000_000 + second).unwrap(), &mut spool);
        }
        spool
    }

    #[test]
    fn the_fleet_makes_what_it_is_asked_for_and_no_minute_twice() {
        let spools: Vec<Spool> = (0..4).map(|index| made(index, 300)).collect();
        let events: u64 = spools.iter().map(|s| s.counts("journal").made).sum();
        assert!((600..=604).contains(&events), "{events} events of 2 a second in 300 s");
        for spool in &spools {
            let frames = spool.next().remove("monitor").unwrap();
            let minutes: BTreeSet<i64> = frames.iter().map(|r| r.at.as_second() / 60).collect();
            assert!(frames.len() >= 5 && minutes.len() == frames.len(), "{minutes:?}");
        }
    }

    #[test]
    fn a_fleet_without_events_makes_frames_only() {
        let mut spool = Spool::default();
        let begun = Timestamp::from_second(1_790_000_000).unwrap();
        let mut source = Source::new(Load { events_per_s: 0.0, ..LOAD }, 1, begun);
        source.make(Timestamp::from_second(1_790_000_100).unwrap(), &mut spool);
        assert_eq!((spool.counts("journal").made, spool.counts("monitor").made), (0, 2));
        assert!(source.next_ms().is_finite());
    }
}
