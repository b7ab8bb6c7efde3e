//! What a simulated host reports and when: a frame of the monitor every step, and events.
//!
//! Everything is a function of the host's number and of time: two runs are alike, and what was made can
//! be worked out afterwards. The load is even: the frames of the hosts are spread over the step, and
//! their events over the seconds.

mod frame;

pub use frame::{CPU, cpu_share, keys};

use crate::spool::Spool;
use palisade_core::{Actor, Event, Outcome, Severity, Timestamp};
use serde_json::{Value, json};

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
    /// Seconds from one frame of a host to the next.
    pub step_s: u32,
    /// All hosts do the same in the same moment, instead of each something else at another time.
    pub is_chorus: bool,
}

/// A frame as it was made: what the judges of alarms go by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Made {
    /// When, in milliseconds since 1970.
    pub made_ms: i64,
    /// The moment that it is stored under: the beginning of its step, in seconds since 1970.
    pub at_s: i64,
    /// The busy share of the processor in it.
    pub cpu: f64,
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
        if self.load.is_chorus { 0.0 } else { self.index as f64 / self.load.hosts as f64 }
    }

    /// When the next frame is due, in milliseconds since 1970.
    fn next_frame_ms(&self) -> f64 {
        self.frame_ms(self.frames)
    }

    fn frame_ms(&self, number: u64) -> f64 {
        self.begun_ms + ((number as f64 + self.phase()) * f64::from(self.load.step_s) * 1_000.0).round()
    }

    /// The host that it does the same as.
    fn singer(&self) -> u64 {
        if self.load.is_chorus { 0 } else { self.index as u64 }
    }

    /// Every frame that was made so far, oldest first.
    pub fn made(&self) -> impl Iterator<Item = Made> {
        let step_s = i64::from(self.load.step_s);
        (0..self.frames).map(move |number| {
            let made_ms = moment(self.frame_ms(number)).as_millisecond();
            let at_s = made_ms.div_euclid(1_000).div_euclid(step_s) * step_s;
            Made { made_ms, at_s, cpu: cpu_share(self.singer(), number) }
        })
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
            let body = frame::frame(&self.keys, at, self.load.step_s, (self.singer(), self.frames));
            spool.push("monitor", at, body);
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

    const LOAD: Load = Load { hosts: 4, series: 120, events_per_s: 2.0, step_s: 60, is_chorus: false };

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

    #[test]
    fn what_was_made_can_be_worked_out_afterwards() {
        for load in [Load { step_s: 5, ..LOAD }, Load { step_s: 5, is_chorus: true, ..LOAD }] {
            let mut spool = Spool::default();
            let mut source = Source::new(load, 3, Timestamp::from_second(1_790_000_001).unwrap());
            (0..300).for_each(|s| source.make(Timestamp::from_second(1_790_000_000 + s).unwrap(), &mut spool));
            let made: Vec<Made> = source.made().collect();
            let frames = spool.next().remove("monitor").unwrap();
            assert_eq!(made.len(), frames.len());
            for (made, frame) in made.iter().zip(&frames) {
                assert_eq!(made.made_ms, frame.at.as_millisecond());
                assert_eq!(Some(made.cpu), frame.body["metrics"][CPU].as_f64());
                assert_eq!((frame.body["step_s"].as_u64(), made.at_s % 5), (Some(5), 0));
            }
            assert!(made.windows(2).all(|pair| pair[1].at_s == pair[0].at_s + 5), "no step twice, none left out");
        }
    }
}
