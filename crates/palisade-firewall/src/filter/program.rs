//! A filter as the kernel carries it out: chains, maps of ports and addresses, sets and counters.
//!
//! Names here are without the generation; [`crate::ruleset`] puts `gN/` before the names of chains,
//! sets and maps of generation N. Counters have no generation, so that they survive it.
//!
//! Two entry chains are there in every program that filters: [`IN`] for the first packets of
//! conversations that others begin (and, evaluated with [`Side::Reply`], for our answers in a
//! conversation whose permission is stale), [`OUT`] for those that this host begins.

use crate::ruleset::Range;

/// The entry for conversations that others begin.
pub const IN: &str = "in";
/// The entry for conversations that this host begins.
pub const OUT: &str = "out";
/// As [`IN`], for packets in the direction of the answer.
pub const IN_REPLY: &str = "in-reply";
/// As [`OUT`], for packets in the direction of the answer.
pub const OUT_REPLY: &str = "out-reply";

/// What goes into the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Sets of addresses.
    pub sets: Vec<Set>,
    /// Maps from the port to a chain.
    pub port_maps: Vec<PortMap>,
    /// Maps from the peer's address to a chain.
    pub address_maps: Vec<AddressMap>,
    /// Chains, each after those that it names, so that they can be made in order.
    pub chains: Vec<Chain>,
    /// Names of counters: one per rule, `default/in` and `default/out`.
    pub counters: Vec<String>,
}

/// The family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A set of addresses of one family: `group/web/4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Of what.
    pub family: Family,
    /// Sorted, without overlap; may be empty.
    pub ranges: Vec<Range>,
}

/// From the destination port to the chain that decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortMap {
    /// Its name.
    pub name: String,
    /// First and last port, and the chain; sorted, without overlap.
    pub entries: Vec<(u16, u16, String)>,
}

/// From the peer's address to the chain that decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressMap {
    /// Its name.
    pub name: String,
    /// Of what.
    pub family: Family,
    /// Sorted, without overlap.
    pub entries: Vec<(Range, String)>,
}

/// A list of lines, carried out in order until one decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// What it does.
    pub lines: Vec<Line>,
}

/// What is done with packets for which all matches are true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// All must be true; none: every packet.
    pub matches: Vec<Match>,
    /// Done in order.
    pub acts: Vec<Act>,
}

/// What is asked of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The conversation was allowed by this generation (its mark says so).
    Stamped,
    /// The protocol by its number: 1, 6, 17, 47, 58.
    Protocol(u8),
    /// The family.
    Family(Family),
    /// The peer's address (of the conversation's first packet) is in this set; `not`: it is not.
    /// Implies the set's family, also with `not`.
    Peer {
        /// Of the set's addresses.
        family: Family,
        /// Its name.
        set: String,
        /// Turned round.
        not: bool,
    },
    /// It comes in by this interface, or in the direction of the answer goes out by it; for what this
    /// host begins the other way round.
    Interface(String),
    /// The destination port of the conversation's first packet, first and last.
    Port(u16, u16),
    /// The type of an ICMP message.
    IcmpType(u8),
}

/// What is done with a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Counts in the counter of this name.
    Count(String),
    /// Tells the agent, within a rate; the text is the id of the rule.
    Log {
        /// Of the rule, or `default/in`.
        rule: String,
        /// It is dropped.
        denied: bool,
    },
    /// Marks the conversation as allowed by this generation.
    Stamp,
    /// It goes on.
    Accept,
    /// It is gone.
    Drop,
    /// Goes on in another chain, for good.
    Goto(String),
    /// Goes on in the chain that the map names for the port; with the next line if it names none.
    ByPort(String),
    /// Goes on in the chain that the map names for the peer; with the next line if it names none.
    ByAddress(String),
}

/// In which direction of a conversation packets are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// That of its first packet.
    Original,
    /// That of the answer.
    Reply,
}
