//! nf_tables in the kernel, spoken to over netlink (linux/netfilter/nf_tables.h), without the
//! `nft` program. [`Reader`] looks, [`Writer`] commits a [`Batch`]: different types, so that code
//! that only looks cannot change anything.
//!
//! The vocabulary is as small as Palisade needs: sets and verdict maps of addresses and ports, named
//! counters, chains, and rules about interfaces, addresses, ports and conversations. What it does not know it reads
//! as [`Expr::Other`], so that a rule of somebody else is never mistaken for one of ours.

mod decode;
mod disturb;
mod expr;
mod map;
mod monitor;
mod published;
mod read;
mod set;
mod wire;
mod write;

pub use disturb::Disturbs;
pub use expr::{
    ADDRESS_ANYCAST, ADDRESS_BROADCAST, ADDRESS_LOCAL, ADDRESS_MULTICAST, Ct, Expr, LOG_PREFIX_BYTES_MAX,
    STATUS_SOURCE_TRANSLATED, Verdict,
};
pub use map::{Entry, Key};
pub use monitor::{Change, Monitor, Touched};
pub use published::{PUBLISHED_MAX, Published};
pub use read::{ENTRIES_MAX, Reader};
pub use set::{Element, Interval, elements_of, intervals_of};
pub use write::{Batch, Writer};

use std::fmt;

/// The protocol family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6 together.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// ARP.
    Arp,
    /// Bridged frames.
    Bridge,
    /// Frames of one device.
    Netdev,
    /// One that this version does not know.
    Other(u8),
}

const FAMILIES: [(Family, u8, &str); 6] = [
    (Family::Inet, 1, "inet"),
    (Family::Ip, 2, "ip"),
    (Family::Arp, 3, "arp"),
    (Family::Netdev, 5, "netdev"),
    (Family::Bridge, 7, "bridge"),
    (Family::Ip6, 10, "ip6"),
];

impl Family {
    fn from_number(number: u8) -> Family {
        FAMILIES.iter().find(|(_, n, _)| *n == number).map_or(Family::Other(number), |(family, ..)| *family)
    }

    fn number(self) -> u8 {
        match self {
            Family::Other(number) => number,
            known => FAMILIES.iter().find(|(family, ..)| *family == known).map_or(0, |(_, n, _)| *n),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match FAMILIES.iter().find(|(family, ..)| family == self) {
            Some((_, _, word)) => f.pad(word),
            None => write!(f, "family {}", self.number()),
        }
    }
}

/// Which table; two families may each have one of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Which.
    pub name: TableName,
    /// `NFT_TABLE_F_*`: 1 dormant (its chains are switched off), 2 owned by a process, 4 persistent.
    pub flags: u32,
    /// The netlink port of the socket that owns it, if one does.
    pub owner: Option<u32>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: String,
    /// Where packets enter it; `None` for a chain that is only jumped to.
    pub base: Option<Base>,
}

/// Where packets enter a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// The hook's number in its family.
    pub hook: u32,
    /// Smaller is earlier.
    pub priority: i32,
    /// Whether packets that reach the end go on (`policy accept`) or are dropped.
    pub accepts: bool,
}

/// The hook of prerouting in the families inet, ip, ip6 and bridge (`NF_INET_PRE_ROUTING`).
pub const HOOK_PREROUTING: u32 = 0;
/// The hook of packets that pass through (`NF_INET_FORWARD`).
pub const HOOK_FORWARD: u32 = 2;
/// The hook of packets that this host sends (`NF_INET_LOCAL_OUT`).
pub const HOOK_OUTPUT: u32 = 3;
/// The table belongs to the process that made it, and nobody else can change it (`NFT_TABLE_F_OWNER`).
pub const TABLE_OWNED: u32 = 2;
/// The table stays when its owner is gone, who can take it up again (`NFT_TABLE_F_PERSIST`, Linux 6.9).
pub const TABLE_PERSISTS: u32 = 4;

impl Chain {
    /// The hook's name (`input`), or its number where the family has no names here.
    pub fn hook(&self) -> Option<String> {
        const INET: &[&str] = &["prerouting", "input", "forward", "output", "postrouting", "ingress"];
        let names: &[&str] = match self.table.family {
            Family::Inet | Family::Ip | Family::Ip6 | Family::Bridge => INET,
            Family::Arp => &["input", "output", "forward"],
            Family::Netdev => &["ingress", "egress"],
            Family::Other(_) => &[],
        };
        let base = self.base.as_ref()?;
        Some(names.get(base.hook as usize).map_or_else(|| base.hook.to_string(), |name| (*name).to_owned()))
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its table.
    pub table: TableName,
    /// Its chain.
    pub chain: String,
    /// Its number in the table.
    pub handle: u64,
    /// What it does, in order.
    pub exprs: Vec<Expr>,
}

impl Rule {
    /// Packets and bytes of its first counter.
    pub fn counted(&self) -> Option<(u64, u64)> {
        self.exprs.iter().find_map(|e| match e {
            Expr::Counter { packets, bytes } => Some((*packets, *bytes)),
            _ => None,
        })
    }

    /// True if it does exactly `exprs`, whatever its counters say.
    pub fn does(&self, exprs: &[Expr]) -> bool {
        self.exprs.len() == exprs.len() && self.exprs.iter().zip(exprs).all(|(a, b)| a.same(b))
    }
}

/// What the elements of a set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKey {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// Ports.
    Port,
    /// Families of packets (`meta nfproto`).
    Family,
    /// Marks.
    Mark,
    /// Something else, by nft's number of its type.
    Other(u32),
}

/// A set, without its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub name: String,
    /// What its elements are.
    pub key: SetKey,
    /// Holds ranges rather than single values.
    pub interval: bool,
    /// Its elements may end by themselves.
    pub timeout: bool,
    /// A map whose elements say what becomes of the packet.
    pub verdicts: bool,
    /// Any other `NFT_SET_*` flag (another map, concatenation, …).
    pub flags_other: u32,
    /// The most elements that it takes.
    pub size_max: Option<u32>,
}

#[cfg(test)]
mod tests;
