//! The typed messages between an agent and its server.
//!
//! Up: `POST /link/v1/hello`, then `POST /link/v1/report` as often as there is something, at least
//! every [`HEARTBEAT_S`]. Down: `GET /link/v1/orders` answers with one JSON document per line for
//! as long as the connection lives.

use palisade_core::{Generation, HostId, Job, Order, Report, Timestamp};
use palisade_guard::Record;
use palisade_guard::store::{HostFacts, LookReport};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An agent that has said nothing for this long is silent.
pub const SILENT_AFTER_S: i64 = 45;
/// An agent says something at least this often, in seconds; the server too, on the orders stream.
pub const HEARTBEAT_S: u64 = 15;
/// The largest report that a server reads, in bytes.
pub const REPORT_BYTES_MAX: usize = 32 << 20;

/// The first message of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// Who it is.
    pub host: HostId,
    /// What it says about its host.
    pub facts: HostFacts,
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
}

/// The answer: all of it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Acknowledged {
    /// How far each guard's stream is stored now.
    pub streams: BTreeMap<String, u64>,
}

/// What a server sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// What a guard shall hold.
    Spec {
        /// The guard.
        guard: String,
        /// Its version.
        generation: Generation,
        /// The guard's own typed spec.
        spec: Value,
    },
    /// Somebody looks on: a sample every second until then.
    Live {
        /// Until when.
        until: Timestamp,
    },
    /// A one-off act. Sent again on every connection until its job is over.
    Order(Order),
    /// Nothing; the line is alive.
    Heartbeat,
}
