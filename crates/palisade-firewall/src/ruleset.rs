//! The one table that Palisade keeps in the kernel: `inet palisade`.
//!
//! A chain at prerouting, before connection tracking and every other tool's filter (`raw` - 10),
//! whose rules in order accept loopback, the failsafe addresses and the allow-list, and then count
//! and drop the bans. "Accept" ends this chain only: other tools' chains still decide afterwards.
//! So nothing that is written into the ban sets can cut a failsafe address, and an allow entry wins
//! over every ban, by the order of the rules and not by anybody's care.
//!
//! Beside it stands the filter, if there is one ([`gates`], [`lower`]): three chains at which packets
//! enter, and one or two *generations* of chains, sets and maps that they go on to. A change of
//! rules makes a new generation in one transaction; a change of who is in a set changes elements.
//!
//! Where the kernel can do both (Linux 6.9), the table belongs to the keeper's socket and persists
//! ([`OWN`]): no other process changes or flushes it, and it stays in force when the keeper ends, until
//! the next one takes it up. A table that is owned and does not persist would be gone with its owner, so
//! that a crash of the agent would open the host: elsewhere it is a plain one.

mod change;
mod gate;
mod held;
mod kernel;
mod layout;
mod lower;
mod range;
mod uncut;

pub use change::{change, missing};
pub use gate::{Enter, GATE_FORWARDED, GATE_IN, GATE_OUT, PROBATION, armed, gates};
pub use held::{Generation, Held};
pub use kernel::{Present, Structure, read, read_owned};
pub use layout::{Chain as ChainLayout, Elements, Layout};
pub use lower::{ALLOW, STAMP, lower, stamp_set, stamping};
pub use range::{Range, merged, subtracted};
pub use uncut::Uncut;

use palisade_core::{Cidr, Timestamp};
use palisade_sys::nft::{
    Base, Chain, Expr, Family, HOOK_PREROUTING, Set, SetKey, TABLE_OWNED, TABLE_PERSISTS, TableName, Verdict,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The chain that all packets pass.
pub const CHAIN: &str = "bans";
/// `NF_IP_PRI_RAW` is -300: before it, and after the reassembly of fragments at -400.
const PRIORITY: i32 = -310;
/// The most single addresses of one family that can be banned at once.
pub const BANS_MAX: u32 = 1_000_000;
/// The most ranges that can be banned, and the most that can be allowed, at once.
pub const RANGES_MAX: usize = 65_536;

/// The bits of a conversation's mark that are ours; all others are left as they are.
pub const MARK_MASK: u32 = 0xffff_0000;
/// Where they begin.
pub const MARK_SHIFT: u32 = 16;
/// The greatest number of a generation or stamp; they begin at 1, and after this one again.
pub const NUMBER_MAX: u16 = 65_534;
/// The group of nflog that is told of packets. High, since other tools begin to count at 0.
pub const LOG_GROUP: u16 = 5_841;
/// So many packets a second of one rule are told.
pub const LOGS_PER_SECOND: u64 = 10;
/// And so many at once.
pub const LOGS_AT_ONCE: u32 = 20;
/// So much of a packet is told: the headers of IPv6 with some extensions, and of TCP.
pub const SNAP_BYTES: u32 = 128;

/// The flags of a table that is ours alone.
pub const OWN: u32 = TABLE_OWNED | TABLE_PERSISTS;

/// What a set is for. Each is two sets in the kernel, one per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Ranges that can never be cut.
    Failsafe,
    /// Ranges that no ban cuts, each with its end.
    Allow,
    /// Banned single addresses, each with its end. A hash: adding one costs the same whatever is there.
    Ban,
    /// Banned ranges, each with its end.
    BanNetwork,
}

/// All purposes, in the order of the rules.
pub const PURPOSES: [Purpose; 4] = [Purpose::Failsafe, Purpose::Allow, Purpose::Ban, Purpose::BanNetwork];

impl Purpose {
    /// The name of the set for addresses of the family of `of`.
    pub fn set_name(self, of: IpAddr) -> &'static str {
        match (self, of.is_ipv4()) {
            (Purpose::Failsafe, true) => "failsafe4",
            (Purpose::Failsafe, false) => "failsafe6",
            (Purpose::Allow, true) => "allow4",
            (Purpose::Allow, false) => "allow6",
            (Purpose::Ban, true) => "ban4",
            (Purpose::Ban, false) => "ban6",
            (Purpose::BanNetwork, true) => "bannet4",
            (Purpose::BanNetwork, false) => "bannet6",
        }
    }

    fn set(self, of: IpAddr) -> Set {
        Set {
            table: table(),
            name: self.set_name(of).to_owned(),
            key: if of.is_ipv4() { SetKey::Ipv4 } else { SetKey::Ipv6 },
            interval: self != Purpose::Ban,
            timeout: self != Purpose::Failsafe,
            verdicts: false,
            flags_other: 0,
            size_max: (self == Purpose::Ban).then_some(BANS_MAX),
        }
    }

    fn rule(self, of: IpAddr) -> Vec<Expr> {
        // offset and length of the source address in the headers of IPv4 (RFC 791) and IPv6 (RFC 8200)
        let (family, offset, length) = if of.is_ipv4() { (2, 12, 4) } else { (10, 8, 16) };
        let mut rule = vec![
            Expr::PacketFamily,
            Expr::Equals(vec![family]),
            Expr::NetworkHeader { offset, length },
            Expr::In(self.set_name(of).to_owned()),
        ];
        match self {
            Purpose::Failsafe | Purpose::Allow => rule.push(Expr::Verdict(Verdict::Accept)),
            Purpose::Ban | Purpose::BanNetwork => {
                rule.extend([Expr::Counter { packets: 0, bytes: 0 }, Expr::Verdict(Verdict::Drop)]);
            }
        }
        rule
    }
}

/// Which table it is.
pub fn table() -> TableName {
    TableName { family: Family::Inet, name: "palisade".to_owned() }
}

/// The chain, as it has to be.
pub fn chain() -> Chain {
    let base = Base { kind: "filter".to_owned(), hook: HOOK_PREROUTING, priority: PRIORITY, accepts: true };
    Chain { table: table(), name: CHAIN.to_owned(), base: Some(base) }
}

/// One address of each family, to speak of both.
pub(crate) const FAMILIES: [IpAddr; 2] =
    [IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)];

/// The sets, as they have to be.
pub fn sets() -> Vec<Set> {
    PURPOSES.iter().flat_map(|purpose| FAMILIES.map(|of| purpose.set(of))).collect()
}

/// The rules, as they have to be, in order.
pub fn rules() -> Vec<Vec<Expr>> {
    let loopback = vec![Expr::InterfaceIn, Expr::Equals(1u32.to_ne_bytes().to_vec()), Expr::Verdict(Verdict::Accept)];
    let rules = PURPOSES.iter().flat_map(|purpose| FAMILIES.map(|of| purpose.rule(of)));
    std::iter::once(loopback).chain(rules).collect()
}

/// When an entry of a set ends by itself. Ordered: any moment before never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Option<i64>", into = "Option<i64>")]
pub enum Until {
    /// Milliseconds since 1970.
    At(i64),
    /// It stays.
    Never,
}

impl Until {
    /// The end that a spec writes as an optional moment.
    pub fn of(end: Option<Timestamp>) -> Until {
        end.map_or(Until::Never, |at| Until::At(at.as_millisecond()))
    }

    /// Milliseconds left at `now_ms`; negative when it has ended; `None` when it stays.
    pub fn left_ms(self, now_ms: i64) -> Option<i64> {
        match self {
            Until::At(ms) => Some(ms.saturating_sub(now_ms)),
            Until::Never => None,
        }
    }

    /// True when it has ended, or ends within `margin_ms`.
    pub fn ends_by(self, now_ms: i64, margin_ms: i64) -> bool {
        self.left_ms(now_ms).is_some_and(|left| left <= margin_ms)
    }
}

impl From<Option<i64>> for Until {
    fn from(ms: Option<i64>) -> Until {
        ms.map_or(Until::Never, Until::At)
    }
}

impl From<Until> for Option<i64> {
    fn from(until: Until) -> Option<i64> {
        until.left_ms(0)
    }
}

/// What the sets hold, both families together: IPv4 before IPv6, sorted, ranges without overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Ranges that can never be cut.
    pub failsafe: Vec<Range>,
    /// Ranges that no ban cuts.
    pub allow: Vec<(Range, Until)>,
    /// Banned single addresses.
    pub bans: Vec<(IpAddr, Until)>,
    /// Banned ranges.
    pub networks: Vec<(Range, Until)>,
}

/// The networks as sorted ranges that do not overlap.
pub fn ranges(cidrs: &[Cidr]) -> Vec<Range> {
    merged(cidrs.iter().map(|cidr| (Range::from(*cidr), Until::Never))).into_iter().map(|(range, _)| range).collect()
}
