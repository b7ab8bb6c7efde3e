//! The typed messages between an agent and its server.
//!
//! Up: `POST /link/v1/hello`, then `POST /link/v1/report` as often as there is something, and
//! `POST /link/v1/bye` before an end in order. Down: `GET /link/v1/orders` answers with one JSON
//! document per line for as long as the connection lives. Over the network all of it travels on one
//! HTTP/2 connection with mutual TLS, chosen by [`ALPN`]; bodies may be LZ4 frames
//! (`content-encoding: lz4`). On the server's own machine it travels over the server's socket.

use crate::Record;
use crate::store::{HostFacts, LookReport};
use palisade_core::{Generation, HostId, Job, Order, Report, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The protocol that an agent asks for in its TLS greeting; browsers ask for another one and are
/// never asked for a certificate.
pub const ALPN: &[u8] = b"palisade-agent/1";
/// The name in every server's certificate that agents check, whatever address they dial.
pub const SERVER_NAME: &str = "palisade-server";
/// An agent that has said nothing for this long is silent.
pub const SILENT_AFTER_S: i64 = 45;
/// An agent says something at least this often, in seconds; the server too, on the orders stream.
pub const HEARTBEAT_S: u64 = 15;
/// The largest report that a server reads, in bytes, after decompression.
pub const REPORT_BYTES_MAX: usize = 32 << 20;
/// A body larger than this is sent compressed.
pub const COMPRESS_FROM_BYTES: usize = 4 << 10;
/// A host whose clock is further away than this, in seconds, has a wrong clock.
pub const CLOCK_SKEW_MAX_S: i64 = 300;

/// The first try to connect again comes within this many seconds.
const RECONNECT_FIRST_S: f64 = 10.0;
/// From the third try on, tries are at most this many seconds apart.
const RECONNECT_LONGEST_S: f64 = 30.0;

/// How long an agent waits before it connects again, so that a server that comes back is not overrun
/// and yet has all of its hosts again within a minute.
///
/// `attempt` counts from 0 since the connection was lost and starts anew with every [`Welcome`];
/// `random` is between 0 and 1, fresh for every try. All connections end in the same moment when a
/// server ends, so the first tries are spread evenly over 10 s: of n hosts about n ÷ 10 come in one
/// second, and at no time more. Later tries fall into the second half of a window of 20 s, then of
/// 30 s, which keeps them spread whatever the moment in which the server is back. After that moment
/// the last host tries within 30 s.
pub fn reconnect_after(attempt: u32, random: f64) -> Duration {
    // no number is no spread: the middle does no harm
    let random = if (0.0..=1.0).contains(&random) { random } else { 0.5 };
    let wait_s = match attempt {
        0 => RECONNECT_FIRST_S * random,
        1 => RECONNECT_FIRST_S * (1.0 + random),
        _ => RECONNECT_LONGEST_S * (0.5 + 0.5 * random),
    };
    Duration::from_secs_f64(wait_s)
}

/// The first message of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// Who it is; over TLS it must be the subject of its certificate.
    pub host: HostId,
    /// What it says about its host.
    pub facts: HostFacts,
    /// Its clock.
    #[serde(default)]
    pub now: Option<Timestamp>,
    /// What tells this machine from a copy of its disk: a hash over hardware ids.
    #[serde(default)]
    pub machine: Option<String>,
    /// A new random id of every run of the agent: two at once under one name are two machines.
    #[serde(default)]
    pub run: Option<String>,
    /// Which spec each of its guards has stored.
    #[serde(default)]
    pub specs: BTreeMap<String, SpecHeld>,
    /// The epoch whose proof it has accepted.
    #[serde(default)]
    pub epoch: u32,
    /// How far the feed of each of its guards is stored; a guard that is not named takes none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feeds: BTreeMap<String, Generation>,
}

/// A spec that an agent has stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecHeld {
    /// Its version.
    pub generation: Generation,
    /// [`spec_hash`] of it.
    pub hash: String,
}

/// The answer to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's clock.
    pub now: Timestamp,
    /// How far each guard's stream is stored.
    pub streams: BTreeMap<String, u64>,
}

/// What an agent reports; any part may be empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Up {
    /// Who it is.
    pub host: HostId,
    /// Looks, each with only the sections that changed.
    #[serde(default)]
    pub looks: Vec<LookReport>,
    /// Records of streams, by guard, in order.
    #[serde(default)]
    pub records: BTreeMap<String, Vec<Record>>,
    /// What was done about specs.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// How far jobs are.
    #[serde(default)]
    pub jobs: Vec<Job>,
    /// Records that had to be given up since the agent was installed, by guard.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lost: BTreeMap<String, u64>,
    /// When an operator last made a new connection to this host (to sshd, from outside).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_at: Option<Timestamp>,
    /// How far the feed of each guard is stored on the host, where that has changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feeds: BTreeMap<String, Generation>,
}

/// The answer: all of it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Acknowledged {
    /// How far each guard's stream is stored now.
    pub streams: BTreeMap<String, u64>,
    /// Wait at least this long before the next report, in milliseconds.
    #[serde(default)]
    pub after_ms: u64,
}

/// The last message of an agent that ends in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bye {
    /// Who it is.
    pub host: HostId,
    /// Why, for people: `stopped`.
    pub why: String,
}

/// What a server sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// What a guard shall hold, whole.
    Spec {
        /// The guard.
        guard: String,
        /// Its version.
        generation: Generation,
        /// The guard's own typed spec.
        spec: Value,
    },
    /// What a guard shall hold, as changes to the spec that the agent has.
    Delta {
        /// The guard.
        guard: String,
        /// The version that it applies to.
        from: Generation,
        /// The version that it leads to.
        generation: Generation,
        /// The changes.
        splices: Vec<Splice>,
        /// [`spec_hash`] of the result.
        hash: String,
    },
    /// What is new in a guard's feed.
    Feed {
        /// The guard.
        guard: String,
        /// The next part of it.
        #[serde(flatten)]
        part: FeedPart,
    },
    /// The epoch that specs carry from now on, with its proof.
    Epoch(EpochProof),
    /// Somebody looks on: a sample every second until then.
    Live {
        /// Until when.
        until: Timestamp,
    },
    /// A guard's half on the server asks its other half; answered in the guard's stream.
    Ask {
        /// The guard.
        guard: String,
        /// The guard's own typed question.
        body: Value,
    },
    /// A one-off act. Sent again on every connection until its job is over.
    Order(Order),
    /// Nothing; the line is alive.
    Heartbeat,
}

/// A part of a guard's feed: many small changes for all hosts, each with a number that rises.
///
/// A feed is beside the specs: it changes too fast to be resolved for each host. `n` of a position is
/// the number of the last change up to there. The whole feed begins `from` number 0 and may come in
/// several parts; what the host held before stays in force until the last of them has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedPart {
    /// It continues what is stored up to here.
    pub from: Generation,
    /// It leads to here.
    pub to: Generation,
    /// The number of the last change of the whole feed: when `to` is before it, more parts follow.
    pub newest: u64,
    /// The guard's own typed changes, in order.
    pub changes: Vec<Value>,
}

impl FeedPart {
    /// More parts follow at once.
    pub fn more(&self) -> bool {
        self.to.n < self.newest
    }

    /// It is the beginning of the whole feed.
    pub fn is_whole(&self) -> bool {
        self.from.n == 0
    }
}

/// One change of a spec: in the list at `field` (or the whole field if it is no list), `removed`
/// entries from `at` on are replaced by `inserted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Splice {
    /// The top-level field of the spec.
    pub field: String,
    /// Where in the list; `None` replaces the whole field by the one value of `inserted`.
    pub at: Option<usize>,
    /// How many entries go.
    #[serde(default)]
    pub removed: usize,
    /// What comes in their place.
    #[serde(default)]
    pub inserted: Vec<Value>,
}

/// `POST /link/v1/renew`: the next certificate of a host, asked for with the one before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renew {
    /// Who it is; must be the subject of the certificate that it shows.
    pub host: HostId,
    /// A certificate request (PEM) for a new key. Only the key of it counts.
    pub csr: String,
    /// True for a copy of the host, which was refused with the code `clone`: it is given a name of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clone: bool,
}

/// The answer to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Renewed {
    /// The new certificate and its issuer's (PEM).
    pub chain: String,
}

/// An epoch that an admin has begun, signed by the root key: after a server was restored from an old
/// copy, hosts take its specs again although their numbers are lower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochProof {
    /// The epoch.
    pub epoch: u32,
    /// Signature over [`epoch_message`] by the root key, ECDSA P-256 with SHA-256, DER in base64.
    pub signature: String,
}

/// What is signed for an epoch.
pub fn epoch_message(epoch: u32) -> Vec<u8> {
    format!("palisade epoch {epoch}").into_bytes()
}

/// A hash over a spec, the same on both ends: BLAKE3 of its JSON with sorted keys, hexadecimal.
pub fn spec_hash(spec: &Value) -> String {
    // serde_json keeps the keys of objects sorted
    blake3::hash(spec.to_string().as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which seconds after the end of a server `hosts` connect, when it is away for `away_s`.
    fn arrivals(hosts: u32, away_s: f64) -> BTreeMap<u64, u32> {
        let mut seconds = BTreeMap::new();
        // a fixed sequence, so that the test says the same every time (xorshift64)
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..hosts {
            let mut at_s = 0.0;
            for attempt in 0.. {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                at_s += reconnect_after(attempt, (state >> 11) as f64 / (1_u64 << 53) as f64).as_secs_f64();
                if at_s >= away_s {
                    break;
                }
            }
            *seconds.entry(at_s as u64).or_default() += 1;
        }
        seconds
    }

    #[test]
    fn hosts_come_back_spread_out_and_all_of_them_within_half_a_minute() {
        for away_s in [0.0, 2.0, 15.0, 60.0, 600.0] {
            let seconds = arrivals(10_000, away_s);
            let (last, most) = (seconds.keys().max().copied(), seconds.values().max().copied());
            assert!(last <= Some((away_s + 30.0) as u64), "away {away_s} s: the last came at {last:?} s");
            assert!(most <= Some(1_150), "away {away_s} s: {most:?} in one second");
        }
    }

    #[test]
    fn a_random_number_that_is_none_is_no_panic() {
        for random in [f64::NAN, f64::INFINITY, -1.0, 2.0] {
            assert!(reconnect_after(0, random) <= Duration::from_secs(10));
        }
        assert_eq!(reconnect_after(u32::MAX, 1.0), Duration::from_secs(30));
    }
}
