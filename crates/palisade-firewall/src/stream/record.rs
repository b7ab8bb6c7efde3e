//! What travels from host to server. Names of processes, prefixes and addresses come from whoever made
//! them: hostile text, shown escaped.

use crate::group::model::Direction;
use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::ToSchema;

/// The longest name in a record, in characters; longer ones are cut.
pub const NAME_CHARS_MAX: usize = 128;

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// What rules have denied, or allowed and were to record.
    Logged(Logged),
    /// What rules have counted.
    Hits(Vec<Hit>),
    /// Another tool has changed tables of its own.
    Foreign(Foreign),
    /// Another tool has changed the table of Palisade, or has flushed the ruleset.
    Tampered(Tampered),
    /// Who speaks with whom.
    Connections(Connections),
}

/// Logged packets of some seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Logged {
    /// By who tried what.
    pub rows: Vec<LoggedRow>,
    /// Packets that are in no row, since there were too many different ones.
    #[serde(default)]
    pub more: u64,
    /// Packets that the kernel logged and nobody fetched in time.
    #[serde(default)]
    pub lost: u64,
}

/// Packets that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedRow {
    /// The id of the rule, or `default/in`.
    pub rule: String,
    /// By which generation of the filter.
    pub generation: u32,
    /// It was let through and was to be recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allowed: bool,
    /// The other side.
    pub peer: IpAddr,
    /// `tcp`, `udp`, `icmp`, …, or the number of the protocol.
    pub protocol: String,
    /// The port that was to be reached; of ICMP the type. Absent where there is none, and for further
    /// ports of a peer that tries many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who began the conversation.
    pub direction: Direction,
    /// By which interface it came or was to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// How many.
    pub packets: u64,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

/// What one rule has decided about since the last record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The id of the rule: the name of its counter.
    pub rule: String,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// When the counter was last seen to rise, to some seconds.
    pub last: Timestamp,
}

/// A process that changed nftables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changer {
    /// Its id, as the kernel gives it; 0 if it does not.
    pub pid: u32,
    /// Its name.
    pub process: String,
    /// Its command line, if it still ran when it was looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmdline: Option<String>,
    /// Its user, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl std::fmt::Display for Changer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.process.as_str(), self.pid) {
            ("", 0) => f.write_str("a process that the kernel does not name"),
            (name, pid) => write!(f, "{name} (pid {pid})"),
        }
    }
}

/// A change of tables that are not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Changer,
    /// Which tables: `ip filter`.
    pub tables: Vec<String>,
    /// What: `2 rules added or removed in ip filter`.
    pub what: String,
    /// How many transactions this sums up.
    pub transactions: u32,
}

/// A change of our table, or of the whole ruleset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tampered {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Changer,
    /// The whole ruleset was flushed.
    pub flushed: bool,
    /// What was done to our table; empty if it was not touched.
    pub what: String,
    /// What became of our table.
    pub outcome: Outcome,
}

/// What became of our table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The kernel kept it: it belongs to the agent.
    Kept,
    /// It was changed or removed and is as it should be again.
    Repaired,
    /// It was removed and was not back after a while.
    Gone,
}

/// Who speaks with whom on a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// When.
    pub at: Timestamp,
    /// The conversations.
    pub rows: Vec<Connection>,
    /// How many there were in all.
    pub total: u64,
    /// What could not be seen, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// One conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Connection {
    /// Who began it.
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp`, …, or the number of the protocol.
    pub protocol: String,
    /// The other side.
    #[schema(value_type = String)]
    pub peer: IpAddr,
    /// Its port; 0 where there is none.
    pub peer_port: u16,
    /// The port that was to be reached: of this host for `in`, of the peer for `out`; of ICMP the type.
    pub port: u16,
    /// It goes through this host, to or from a container or another host behind it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// The process on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Bytes in both directions, if the kernel counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The filter has let it in and marked it so.
    pub marked: bool,
}

/// What the server may ask the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Who speaks with whom now.
    Connections,
}

/// `tcp` for 6.
pub fn protocol_name(number: u8) -> String {
    let known = [(1, "icmp"), (6, "tcp"), (17, "udp"), (47, "gre"), (58, "icmpv6"), (132, "sctp")];
    known.iter().find(|(n, _)| *n == number).map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// Cut to what a record carries.
pub fn cut(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}
