//! What a simulated host has sent and not had acknowledged, and the judge of what the server says.
//!
//! As in the agent, a record is dropped when it is acknowledged. A server that acknowledges and
//! forgets therefore shows: it says less than before, and the record is nowhere any more.

use palisade_core::Timestamp;
use palisade_guard::Record;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Records of one stream that one report carries, as in the agent.
pub const RECORDS_MAX: usize = 500;
/// Records of one stream that wait; more are given up, oldest first, and counted.
pub const WAITING_MAX: usize = 20_000;

/// One stream of one host.
#[derive(Debug, Default)]
struct Stream {
    waiting: VecDeque<Record>,
    /// The last number given.
    last: u64,
    /// How far the server says that it has stored.
    acknowledged: u64,
    given_up: u64,
}

/// The streams of one host, by guard.
#[derive(Debug, Default)]
pub struct Spool(BTreeMap<&'static str, Stream>);

/// What became of the records of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records made.
    pub made: u64,
    /// Records that the server has acknowledged.
    pub acknowledged: u64,
    /// Records that were given up because too many waited.
    pub given_up: u64,
}

/// The server said something about a stream that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It had acknowledged more than it now says that it has stored.
    #[error("the server acknowledged the {guard} stream up to {before} and now says {now}")]
    Forgotten {
        /// The stream.
        guard: String,
        /// Acknowledged before.
        before: u64,
        /// Said now.
        now: u64,
    },
    /// It acknowledges what was never made.
    #[error("the server says that it has stored the {guard} stream up to {now}, of which {last} was the last")]
    NeverMade {
        /// The stream.
        guard: String,
        /// The last number made.
        last: u64,
        /// Said now.
        now: u64,
    },
}

impl Spool {
    /// A new record of a stream.
    pub fn push(&mut self, guard: &'static str, at: Timestamp, body: Value) {
        let stream = self.0.entry(guard).or_default();
        stream.last += 1;
        stream.waiting.push_back(Record { seq: stream.last, at, body });
        if stream.waiting.len() > WAITING_MAX {
            stream.waiting.pop_front();
            stream.given_up += 1;
        }
    }

    /// The next records of every stream that has some.
    pub fn next(&self) -> BTreeMap<String, Vec<Record>> {
        let waiting = self.0.iter().filter(|(_, stream)| !stream.waiting.is_empty());
        waiting
            .map(|(guard, stream)| ((*guard).to_owned(), stream.waiting.iter().take(RECORDS_MAX).cloned().collect()))
            .collect()
    }

    /// The server says how far it has stored; returns how many records that newly acknowledges.
    pub fn stored(&mut self, said: &BTreeMap<String, u64>) -> Result<u64, Broken> {
        let mut new = 0;
        for (guard, stream) in &mut self.0 {
            let Some(&now) = said.get(*guard) else { continue };
            let (guard, before, last) = ((*guard).to_owned(), stream.acknowledged, stream.last);
            if now < before {
                return Err(Broken::Forgotten { guard, before, now });
            }
            if now > last {
                return Err(Broken::NeverMade { guard, last, now });
            }
            while stream.waiting.front().is_some_and(|record| record.seq <= now) {
                stream.waiting.pop_front();
                new += 1;
            }
            stream.acknowledged = now;
        }
        Ok(new)
    }

    /// True when nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|stream| stream.waiting.is_empty())
    }

    /// What became of the records of one stream.
    pub fn counts(&self, guard: &str) -> Counts {
        self.0.get(guard).map_or_else(Counts::default, |stream| Counts {
            made: stream.last,
            acknowledged: stream.acknowledged,
            given_up: stream.given_up,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spool(records: u64) -> Spool {
        let mut spool = Spool::default();
        (0..records).for_each(|n| spool.push("monitor", Timestamp::UNIX_EPOCH, n.into()));
        spool
    }

    fn said(seq: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([("monitor".to_owned(), seq)])
    }

    fn waiting(spool: &Spool) -> Vec<u64> {
        spool.next().remove("monitor").unwrap_or_default().iter().map(|r| r.seq).collect()
    }

    #[test]
    fn what_is_acknowledged_goes_and_the_rest_is_sent_again() {
        let mut spool = spool(5);
        assert_eq!(waiting(&spool), [1, 2, 3, 4, 5]);
        assert_eq!(spool.stored(&said(3)), Ok(3));
        assert_eq!(waiting(&spool), [4, 5]);
        assert_eq!(spool.stored(&said(5)), Ok(2));
        assert!(spool.is_empty());
        assert_eq!(spool.counts("monitor"), Counts { made: 5, acknowledged: 5, given_up: 0 });
    }

    #[test]
    fn a_server_that_forgets_or_invents_is_found_out() {
        let mut spool = spool(5);
        spool.stored(&said(4)).unwrap();
        let forgotten = Broken::Forgotten { guard: "monitor".to_owned(), before: 4, now: 3 };
        assert_eq!(spool.stored(&said(3)), Err(forgotten));
        let never = Broken::NeverMade { guard: "monitor".to_owned(), last: 5, now: 6 };
        assert_eq!(spool.stored(&said(6)), Err(never));
        assert_eq!(spool.stored(&BTreeMap::new()), Ok(0), "a stream that is not named has not moved");
    }

    #[test]
    fn a_full_spool_gives_up_the_oldest_and_counts_them() {
        let spool = spool(WAITING_MAX as u64 + 3);
        assert_eq!(waiting(&spool).first(), Some(&4));
        assert_eq!(waiting(&spool).len(), RECORDS_MAX);
        assert_eq!(spool.counts("monitor").given_up, 3);
    }
}
