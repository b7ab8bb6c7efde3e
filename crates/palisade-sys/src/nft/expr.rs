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
    /// Loads the family of the packet: 2 IPv4, 10 IPv6 (`meta nfproto`).
    PacketFamily,
    /// Loads bytes of the network header.
    NetworkHeader {
        /// The first byte.
        offset: u32,
        /// How many.
        length: u32,
    },
    /// Matches if what was loaded equals these bytes.
    Equals(Vec<u8>),
    /// Matches if what was loaded is in the set of this name.
    In(String),
    /// Counts.
    Counter {
        /// Packets so far.
        packets: u64,
        /// Bytes so far.
        bytes: u64,
    },
    /// Decides.
    Verdict(Verdict),
    /// An expression that is not spoken here, by its kernel name.
    Other(String),
}

/// What becomes of the packet in this chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next chain.
    Accept,
    /// It is gone.
    Drop,
}

const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const META_IIF: u32 = 4;
const META_NFPROTO: u32 = 15;
const NETWORK_HEADER: u32 = 1;
const EQUAL: u32 = 0;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

impl Expr {
    /// True if both do the same, whatever their counters say.
    pub fn same(&self, other: &Expr) -> bool {
        matches!((self, other), (Expr::Counter { .. }, Expr::Counter { .. })) || self == other
    }

    fn name(&self) -> &str {
        match self {
            Expr::InterfaceIn | Expr::PacketFamily => "meta",
            Expr::NetworkHeader { .. } => "payload",
            Expr::Equals(_) => "cmp",
            Expr::In(_) => "lookup",
            Expr::Counter { .. } => "counter",
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
            Expr::InterfaceIn => numbers(out, &[(1, REGISTER), (2, META_IIF)]),
            Expr::PacketFamily => numbers(out, &[(1, REGISTER), (2, META_NFPROTO)]),
            Expr::NetworkHeader { offset, length } => {
                numbers(out, &[(1, REGISTER), (2, NETWORK_HEADER), (3, *offset), (4, *length)]);
            }
            Expr::Equals(bytes) => {
                numbers(out, &[(1, REGISTER), (2, EQUAL)]);
                out.nest(3, |out| out.bytes(DATA_VALUE, bytes));
            }
            Expr::In(set) => {
                out.text(1, set);
                out.u32_be(2, REGISTER);
            }
            Expr::Counter { packets, bytes } => {
                out.u64_be(1, *bytes);
                out.u64_be(2, *packets);
            }
            Expr::Verdict(verdict) => {
                let code = if *verdict == Verdict::Accept { NF_ACCEPT } else { NF_DROP };
                out.u32_be(1, REGISTER_VERDICT);
                out.nest(2, |out| out.nest(DATA_VERDICT, |out| out.u32_be(VERDICT_CODE, code)));
            }
            Expr::Other(_) => {} // the kernel refuses what has no data
        }
    }
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
    let number = |kind| attribute(data, kind).and_then(u32_be);
    let is = |list: &[(u16, u32)]| list.iter().all(|(kind, value)| number(*kind) == Some(*value));
    match name {
        "meta" if is(&[(1, REGISTER), (2, META_IIF)]) => Some(Expr::InterfaceIn),
        "meta" if is(&[(1, REGISTER), (2, META_NFPROTO)]) => Some(Expr::PacketFamily),
        "payload" if is(&[(1, REGISTER), (2, NETWORK_HEADER)]) => {
            Some(Expr::NetworkHeader { offset: number(3)?, length: number(4)? })
        }
        "cmp" if is(&[(1, REGISTER), (2, EQUAL)]) => {
            Some(Expr::Equals(attribute(attribute(data, 3)?, DATA_VALUE)?.to_vec()))
        }
        // 3 would be a map's data register, 5 the flags, of which "not in" is one
        "lookup" if is(&[(2, REGISTER)]) && number(3).is_none() && number(5).unwrap_or(0) == 0 => {
            Some(Expr::In(text(attribute(data, 1)?)))
        }
        "counter" => Some(Expr::Counter {
            bytes: attribute(data, 1).and_then(u64_be)?,
            packets: attribute(data, 2).and_then(u64_be)?,
        }),
        "immediate" if is(&[(1, REGISTER_VERDICT)]) => {
            let verdict = attribute(attribute(data, 2)?, DATA_VERDICT)?;
            match attribute(verdict, VERDICT_CODE).and_then(u32_be)? {
                NF_ACCEPT => Some(Expr::Verdict(Verdict::Accept)),
                NF_DROP => Some(Expr::Verdict(Verdict::Drop)),
                _ => None,
            }
        }
        _ => None,
    }
}
