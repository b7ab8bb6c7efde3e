//! The expressions of rules, to and from netlink. All of them work on register 1, as the rules
//! that `nft` itself writes for such matches.

use super::wire::*;
use crate::netlink::{Buffer, attribute, attributes, text, u32_be, u64_be};

/// One step of a rule. A match that fails ends the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// Loads the number of the interface that the packet came in by; loopback is 1 in every
    /// network namespace.
    InterfaceIn,
    /// Loads the number of the interface that the packet goes out by.
    InterfaceOut,
    /// Loads the name of the interface that the packet came in by: 16 bytes, filled up with zeroes.
    InterfaceInName,
    /// Loads the name of the interface that the packet goes out by.
    InterfaceOutName,
    /// Loads the family of the packet: 2 IPv4, 10 IPv6 (`meta nfproto`).
    PacketFamily,
    /// Loads the number of the protocol above IP, extension headers passed over (`meta l4proto`).
    Protocol,
    /// Loads bytes of the network header.
    NetworkHeader {
        /// The first byte.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// Loads bytes of the transport header; no match in a later fragment.
    TransportHeader {
        /// The first byte.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// Loads what the destination address is to this host, as a number of the machine's own byte
    /// order: one of [`ADDRESS_LOCAL`] and its neighbours (`fib daddr type`).
    DestinationKind,
    /// Loads something about the conversation that the packet belongs to; no match where it
    /// belongs to none.
    Conversation(Ct),
    /// Gives the conversation the mark that was loaded; nothing happens where there is none.
    MarkConversation,
    /// What was loaded becomes `(loaded & mask) ^ xor`.
    Mask {
        /// Bits that stay.
        mask: Vec<u8>,
        /// Bits that are turned round afterwards.
        xor: Vec<u8>,
    },
    /// Matches if what was loaded equals these bytes.
    Equals(Vec<u8>),
    /// Matches if what was loaded does not equal these bytes.
    Differs(Vec<u8>),
    /// Matches if what was loaded is not smaller than these bytes.
    AtLeast(Vec<u8>),
    /// Matches if what was loaded is not greater than these bytes.
    AtMost(Vec<u8>),
    /// Matches if what was loaded is in the set of this name.
    In(String),
    /// Matches if what was loaded is not in the set of this name.
    NotIn(String),
    /// Does what the map of this name says about what was loaded; no match if it says nothing.
    ByMap(String),
    /// Counts.
    Counter {
        /// Packets so far.
        packets: u64,
        /// Bytes so far.
        bytes: u64,
    },
    /// Counts in the counter object of this name.
    Count(String),
    /// Matches so often a second, and at once as often as `burst`.
    Limit {
        /// Packets a second.
        per_second: u64,
        /// Packets at once.
        burst: u32,
    },
    /// Sends the first bytes of the packet to who listens to the group (`log group`).
    Log {
        /// The group.
        group: u16,
        /// Goes with it, up to [`LOG_PREFIX_BYTES_MAX`].
        prefix: String,
        /// So many bytes.
        snaplen: u32,
    },
    /// Decides.
    Verdict(Verdict),
    /// An expression that is not spoken here, by its kernel name.
    Other(String),
}

/// What can be asked about a conversation (connection tracking).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ct {
    /// 0 in the direction of its first packet, 1 in that of the answer; one byte.
    Direction,
    /// `enum ip_conntrack_status`, 4 bytes in the machine's own order.
    Status,
    /// Its mark, 4 bytes in the machine's own order.
    Mark,
    /// Who sent its first packet; no match if that was not IPv4.
    Source4,
    /// To whom its first packet went, before any translation; no match if that was not IPv4.
    Destination4,
    /// Who sent its first packet; no match if that was not IPv6.
    Source6,
    /// To whom its first packet went, before any translation; no match if that was not IPv6.
    Destination6,
    /// The destination port of its first packet, 2 bytes; for ICMP type and code.
    DestinationPort,
}

/// `RTN_LOCAL` of linux/rtnetlink.h: an address of this host.
pub const ADDRESS_LOCAL: u32 = 2;
/// `RTN_BROADCAST`.
pub const ADDRESS_BROADCAST: u32 = 3;
/// `RTN_ANYCAST`.
pub const ADDRESS_ANYCAST: u32 = 4;
/// `RTN_MULTICAST`.
pub const ADDRESS_MULTICAST: u32 = 5;
/// `NF_LOG_PREFIXLEN` without the zero byte at its end.
pub const LOG_PREFIX_BYTES_MAX: usize = 127;
/// The bit of [`Ct::Status`] that says that the source is translated (`IPS_SRC_NAT`).
pub const STATUS_SOURCE_TRANSLATED: u32 = 0x10;

/// What becomes of the packet in this chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next chain.
    Accept,
    /// It is gone.
    Drop,
    /// Goes through another chain, and comes back if nothing there decides.
    Jump(String),
    /// Goes on in another chain, for good.
    Goto(String),
    /// Goes back to where the chain was called from.
    Return,
}

const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const METAS: [(Expr, u32); 6] = [
    (Expr::InterfaceIn, 4),
    (Expr::InterfaceOut, 5),
    (Expr::InterfaceInName, 6),
    (Expr::InterfaceOutName, 7),
    (Expr::PacketFamily, 15),
    (Expr::Protocol, 16),
];
/// Key, and the direction where the key needs one: all are asked of the first packet's.
const CTS: [(Ct, u32, Option<u8>); 8] = [
    (Ct::Direction, 1, None),
    (Ct::Status, 2, None),
    (Ct::Mark, 3, None),
    (Ct::DestinationPort, 12, Some(0)),
    (Ct::Source4, 19, Some(0)),
    (Ct::Destination4, 20, Some(0)),
    (Ct::Source6, 21, Some(0)),
    (Ct::Destination6, 22, Some(0)),
];
const CT_MARK: u32 = 3;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const FIB_ADDRTYPE: u32 = 3;
const FIB_DADDR: u32 = 2;
const EQUAL: u32 = 0;
const DIFFERENT: u32 = 1;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;
const NOT_IN: u32 = 1;
const OBJECT_COUNTER: u32 = 1;

impl Verdict {
    pub(super) fn write(&self, out: &mut Buffer) {
        let (code, chain): (i32, Option<&str>) = match self {
            Verdict::Drop => (0, None),
            Verdict::Accept => (1, None),
            Verdict::Jump(chain) => (-3, Some(chain)),
            Verdict::Goto(chain) => (-4, Some(chain)),
            Verdict::Return => (-5, None),
        };
        out.nest(DATA_VERDICT, |out| {
            out.u32_be(VERDICT_CODE, code.cast_unsigned());
            if let Some(chain) = chain {
                out.text(VERDICT_CHAIN, chain);
            }
        });
    }

    /// From the value of an attribute that holds data.
    pub(super) fn read(data: &[u8]) -> Option<Verdict> {
        let verdict = attribute(data, DATA_VERDICT)?;
        let chain = || attribute(verdict, VERDICT_CHAIN).map(text);
        match attribute(verdict, VERDICT_CODE).and_then(u32_be)?.cast_signed() {
            0 => Some(Verdict::Drop),
            1 => Some(Verdict::Accept),
            -3 => chain().map(Verdict::Jump),
            -4 => chain().map(Verdict::Goto),
            -5 => Some(Verdict::Return),
            _ => None,
        }
    }
}

impl Expr {
    /// True if both do the same, whatever their counters say.
    pub fn same(&self, other: &Expr) -> bool {
        matches!((self, other), (Expr::Counter { .. }, Expr::Counter { .. })) || self == other
    }

    fn name(&self) -> &str {
        match self {
            Expr::InterfaceIn | Expr::InterfaceOut | Expr::InterfaceInName | Expr::InterfaceOutName => "meta",
            Expr::PacketFamily | Expr::Protocol => "meta",
            Expr::NetworkHeader { .. } | Expr::TransportHeader { .. } => "payload",
            Expr::DestinationKind => "fib",
            Expr::Conversation(_) | Expr::MarkConversation => "ct",
            Expr::Mask { .. } => "bitwise",
            Expr::Equals(_) | Expr::Differs(_) | Expr::AtLeast(_) | Expr::AtMost(_) => "cmp",
            Expr::In(_) | Expr::NotIn(_) | Expr::ByMap(_) => "lookup",
            Expr::Counter { .. } => "counter",
            Expr::Count(_) => "objref",
            Expr::Limit { .. } => "limit",
            Expr::Log { .. } => "log",
            Expr::Verdict(_) => "immediate",
            Expr::Other(name) => name,
        }
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        out.nest(LIST_ELEM, |out| {
            out.text(EXPR_NAME, self.name());
            out.nest(EXPR_DATA, |out| self.write_data(out));
        });
    }

    /// The attributes are numbered as in the `enum nft_*_attributes` of the expression.
    fn write_data(&self, out: &mut Buffer) {
        match self {
            Expr::NetworkHeader { offset, length } => {
                numbers(out, &[(1, REGISTER), (2, NETWORK_HEADER), (3, *offset), (4, *length)]);
            }
            Expr::TransportHeader { offset, length } => {
                numbers(out, &[(1, REGISTER), (2, TRANSPORT_HEADER), (3, *offset), (4, *length)]);
            }
            Expr::DestinationKind => numbers(out, &[(1, REGISTER), (2, FIB_ADDRTYPE), (3, FIB_DADDR)]),
            Expr::Conversation(ct) => write_ct(out, *ct),
            Expr::MarkConversation => numbers(out, &[(2, CT_MARK), (4, REGISTER)]),
            Expr::Mask { mask, xor } => {
                numbers(out, &[(1, REGISTER), (2, REGISTER), (3, mask.len() as u32)]);
                out.nest(4, |out| out.bytes(DATA_VALUE, mask));
                out.nest(5, |out| out.bytes(DATA_VALUE, xor));
            }
            Expr::Equals(bytes) => compare(out, EQUAL, bytes),
            Expr::Differs(bytes) => compare(out, DIFFERENT, bytes),
            Expr::AtLeast(bytes) => compare(out, AT_LEAST, bytes),
            Expr::AtMost(bytes) => compare(out, AT_MOST, bytes),
            Expr::In(set) => lookup(out, set, &[(2, REGISTER)]),
            Expr::NotIn(set) => lookup(out, set, &[(2, REGISTER), (5, NOT_IN)]),
            Expr::ByMap(map) => lookup(out, map, &[(2, REGISTER), (3, REGISTER_VERDICT)]),
            Expr::Counter { packets, bytes } => {
                out.u64_be(1, *bytes);
                out.u64_be(2, *packets);
            }
            Expr::Count(name) => {
                out.u32_be(1, OBJECT_COUNTER);
                out.text(2, name);
            }
            Expr::Limit { per_second, burst } => {
                out.u64_be(1, *per_second);
                out.u64_be(2, 1);
                numbers(out, &[(3, *burst), (4, 0), (5, 0)]);
            }
            Expr::Log { group, prefix, snaplen } => {
                out.bytes(1, &group.to_be_bytes());
                out.text(2, prefix);
                out.u32_be(3, *snaplen);
            }
            Expr::Verdict(verdict) => {
                out.u32_be(1, REGISTER_VERDICT);
                out.nest(2, |out| verdict.write(out));
            }
            Expr::Other(_) => {} // the kernel refuses what has no data
            meta => {
                let key = METAS.iter().find(|(expr, _)| expr == meta).map_or(0, |(_, key)| *key);
                numbers(out, &[(1, REGISTER), (2, key)]);
            }
        }
    }
}

fn write_ct(out: &mut Buffer, ct: Ct) {
    for (_, key, direction) in CTS.iter().filter(|(known, ..)| *known == ct) {
        numbers(out, &[(1, REGISTER), (2, *key)]);
        if let Some(direction) = direction {
            out.bytes(3, &[*direction]);
        }
    }
}

fn compare(out: &mut Buffer, how: u32, bytes: &[u8]) {
    numbers(out, &[(1, REGISTER), (2, how)]);
    out.nest(3, |out| out.bytes(DATA_VALUE, bytes));
}

fn lookup(out: &mut Buffer, set: &str, list: &[(u16, u32)]) {
    out.text(1, set);
    numbers(out, list);
}

fn numbers(out: &mut Buffer, list: &[(u16, u32)]) {
    for (kind, value) in list {
        out.u32_be(*kind, *value);
    }
}

/// The expressions in the value of `NFTA_RULE_EXPRESSIONS`.
pub(super) fn read_list(bytes: &[u8]) -> Vec<Expr> {
    let elements = attributes(bytes).filter(|(kind, _)| *kind == LIST_ELEM);
    elements
        .map(|(_, value)| {
            let name = attribute(value, EXPR_NAME).map(text).unwrap_or_default();
            let data = attribute(value, EXPR_DATA).unwrap_or_default();
            read(&name, data).unwrap_or(Expr::Other(name))
        })
        .collect()
}

fn read(name: &str, data: &[u8]) -> Option<Expr> {
    match name {
        "meta" => read_meta(data),
        "payload" if is(data, &[(1, REGISTER)]) => read_payload(data),
        "fib" if is(data, &[(1, REGISTER), (2, FIB_ADDRTYPE), (3, FIB_DADDR)]) => Some(Expr::DestinationKind),
        "ct" => read_ct(data),
        "bitwise" if is(data, &[(1, REGISTER), (2, REGISTER)]) && number(data, 6).unwrap_or(0) == 0 => {
            Some(Expr::Mask { mask: value(data, 4)?, xor: value(data, 5)? })
        }
        "cmp" if is(data, &[(1, REGISTER)]) => read_compare(data),
        "lookup" if is(data, &[(2, REGISTER)]) => read_lookup(data),
        "counter" => Some(Expr::Counter {
            bytes: attribute(data, 1).and_then(u64_be)?,
            packets: attribute(data, 2).and_then(u64_be)?,
        }),
        "objref" if is(data, &[(1, OBJECT_COUNTER)]) => Some(Expr::Count(text(attribute(data, 2)?))),
        "limit" => read_limit(data),
        "log" => read_log(data),
        "immediate" if is(data, &[(1, REGISTER_VERDICT)]) => Verdict::read(attribute(data, 2)?).map(Expr::Verdict),
        _ => None,
    }
}

fn number(data: &[u8], kind: u16) -> Option<u32> {
    attribute(data, kind).and_then(u32_be)
}

fn is(data: &[u8], list: &[(u16, u32)]) -> bool {
    list.iter().all(|(kind, value)| number(data, *kind) == Some(*value))
}

fn value(data: &[u8], kind: u16) -> Option<Vec<u8>> {
    Some(attribute(attribute(data, kind)?, DATA_VALUE)?.to_vec())
}

/// 3 would be a register to take the value from: something is written, not loaded.
fn read_meta(data: &[u8]) -> Option<Expr> {
    let key = number(data, 2)?;
    let loads = is(data, &[(1, REGISTER)]) && number(data, 3).is_none();
    METAS.iter().find(|(_, known)| loads && *known == key).map(|(expr, _)| expr.clone())
}

/// 5 would be a register to take bytes from: the packet is changed.
fn read_payload(data: &[u8]) -> Option<Expr> {
    let (offset, length) = (number(data, 3)?, number(data, 4)?);
    match (number(data, 2)?, number(data, 5)) {
        (NETWORK_HEADER, None) => Some(Expr::NetworkHeader { offset, length }),
        (TRANSPORT_HEADER, None) => Some(Expr::TransportHeader { offset, length }),
        _ => None,
    }
}

fn read_ct(data: &[u8]) -> Option<Expr> {
    let (key, direction) = (number(data, 2)?, attribute(data, 3).and_then(|d| d.first().copied()));
    if number(data, 4) == Some(REGISTER) {
        return (key == CT_MARK && direction.is_none()).then_some(Expr::MarkConversation);
    }
    let found = CTS.iter().find(|(_, known, towards)| *known == key && *towards == direction);
    found.filter(|_| is(data, &[(1, REGISTER)])).map(|(ct, ..)| Expr::Conversation(*ct))
}

fn read_compare(data: &[u8]) -> Option<Expr> {
    let bytes = value(data, 3)?;
    match number(data, 2)? {
        EQUAL => Some(Expr::Equals(bytes)),
        DIFFERENT => Some(Expr::Differs(bytes)),
        AT_LEAST => Some(Expr::AtLeast(bytes)),
        AT_MOST => Some(Expr::AtMost(bytes)),
        _ => None,
    }
}

/// 3 is a map's data register, 5 the flags, of which "not in" is one.
fn read_lookup(data: &[u8]) -> Option<Expr> {
    let set = text(attribute(data, 1)?);
    match (number(data, 3), number(data, 5).unwrap_or(0)) {
        (None, 0) => Some(Expr::In(set)),
        (None, NOT_IN) => Some(Expr::NotIn(set)),
        (Some(REGISTER_VERDICT), 0) => Some(Expr::ByMap(set)),
        _ => None,
    }
}

/// 4 is the type (packets), 5 the flags ("over" is one).
fn read_limit(data: &[u8]) -> Option<Expr> {
    let second = attribute(data, 2).and_then(u64_be) == Some(1);
    if !second || !is(data, &[(4, 0)]) || number(data, 5).unwrap_or(0) != 0 {
        return None;
    }
    Some(Expr::Limit { per_second: attribute(data, 1).and_then(u64_be)?, burst: number(data, 3)? })
}

/// 4 is a queue's threshold, 5 and 6 are of logging to the kernel's own log.
fn read_log(data: &[u8]) -> Option<Expr> {
    if [4, 5, 6].into_iter().any(|kind| attribute(data, kind).is_some()) {
        return None;
    }
    let group = u16::from_be_bytes(attribute(data, 1)?.try_into().ok()?);
    let prefix = attribute(data, 2).map(text).unwrap_or_default();
    Some(Expr::Log { group, prefix, snaplen: number(data, 3).unwrap_or(0) })
}
