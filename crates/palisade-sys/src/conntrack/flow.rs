//! One conversation, to and from ctnetlink.

use crate::netlink::{Buffer, attribute, u32_be, u64_be};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const PROTOCOL_INFO: u16 = 4;
const TIMEOUT: u16 = 7;
const MARK: u16 = 8;
const COUNTERS_ORIGINAL: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const ZONE: u16 = 18;
const MARK_MASK: u16 = 21;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PORT_SOURCE: u16 = 2;
const PORT_DESTINATION: u16 = 3;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const TCP_INFO: u16 = 1;
const TCP_STATE: u16 = 1;

/// One direction of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// From which port; of ICMP the id.
    pub source_port: u16,
    /// To which port; of ICMP 0.
    pub destination_port: u16,
    /// Type and code, of ICMP.
    pub icmp: Option<(u8, u8)>,
}

/// Where a TCP connection is (`enum tcp_conntrack`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpState {
    /// Begun, not answered to the end.
    Opening,
    /// Open.
    Established,
    /// Being closed, or closed.
    Closing,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// By its number: 6 is TCP.
    pub protocol: u8,
    /// As its first packet was.
    pub original: Tuple,
    /// As an answer is; differs from the reverse of `original` where addresses are translated.
    pub reply: Tuple,
    /// Its mark.
    pub mark: u32,
    /// Of TCP.
    pub state: Option<TcpState>,
    /// It is forgotten after so many seconds without a packet; absent for one that is never.
    pub timeout_s: Option<u32>,
    /// Packets and bytes in both directions, if the kernel counts them (`nf_conntrack_acct`).
    pub counted: Option<(u64, u64)>,
    /// Its zone; 0 unless somebody uses zones.
    pub zone: u16,
}

impl Flow {
    /// True if it is one of IPv4.
    pub fn is_v4(&self) -> bool {
        self.original.source.is_ipv4()
    }

    pub(super) fn read(body: &[u8]) -> Option<Flow> {
        let body = body.get(4..)?;
        let (protocol, original) = tuple(attribute(body, TUPLE_ORIGINAL)?)?;
        let (_, reply) = tuple(attribute(body, TUPLE_REPLY)?)?;
        let number = |kind| attribute(body, kind).and_then(u32_be);
        let state = attribute(body, PROTOCOL_INFO).and_then(|info| attribute(info, TCP_INFO));
        let counted = [COUNTERS_ORIGINAL, COUNTERS_REPLY].map(|kind| attribute(body, kind).and_then(counters));
        Some(Flow {
            protocol,
            original,
            reply,
            mark: number(MARK).unwrap_or(0),
            state: state.and_then(|tcp| attribute(tcp, TCP_STATE)?.first().map(|state| state_of(*state))),
            timeout_s: number(TIMEOUT),
            counted: match counted {
                [Some(a), Some(b)] => Some((a.0.saturating_add(b.0), a.1.saturating_add(b.1))),
                _ => None,
            },
            zone: attribute(body, ZONE).and_then(u16_be).unwrap_or(0),
        })
    }

    /// The request to set the bits of `mask` in its mark.
    pub(super) fn write_mark(&self, out: &mut Buffer, value: u32, mask: u32) {
        let family = if self.is_v4() { libc::AF_INET } else { libc::AF_INET6 };
        out.raw(&[family as u8, 0, 0, 0]);
        out.nest(TUPLE_ORIGINAL, |out| self.write_tuple(out));
        if self.zone != 0 {
            out.bytes(ZONE, &self.zone.to_be_bytes());
        }
        out.u32_be(MARK, value);
        out.u32_be(MARK_MASK, mask);
    }

    fn write_tuple(&self, out: &mut Buffer) {
        let tuple = &self.original;
        out.nest(TUPLE_IP, |out| match (tuple.source, tuple.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                out.bytes(1, &source.octets());
                out.bytes(2, &destination.octets());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                out.bytes(3, &source.octets());
                out.bytes(4, &destination.octets());
            }
            _ => {} // both are of one family as they are read; the kernel refuses a tuple without addresses
        });
        out.nest(TUPLE_PROTOCOL, |out| {
            out.bytes(PROTOCOL_NUMBER, &[self.protocol]);
            let Some((kind, code)) = tuple.icmp else {
                out.bytes(PORT_SOURCE, &tuple.source_port.to_be_bytes());
                out.bytes(PORT_DESTINATION, &tuple.destination_port.to_be_bytes());
                return;
            };
            let first = icmp_first(self.protocol);
            out.bytes(first, &tuple.source_port.to_be_bytes());
            out.bytes(first + 1, &[kind]);
            out.bytes(first + 2, &[code]);
        });
    }
}

/// The attribute that holds the id of a message; type and code follow it.
fn icmp_first(protocol: u8) -> u16 {
    if protocol == ICMP { 4 } else { 7 }
}

fn tuple(bytes: &[u8]) -> Option<(u8, Tuple)> {
    let (ip, spoken) = (attribute(bytes, TUPLE_IP)?, attribute(bytes, TUPLE_PROTOCOL)?);
    let (source, destination) = match attribute(ip, 1) {
        Some(source) => (v4(source)?, v4(attribute(ip, 2)?)?),
        None => (v6(attribute(ip, 3)?)?, v6(attribute(ip, 4)?)?),
    };
    let protocol = *attribute(spoken, PROTOCOL_NUMBER)?.first()?;
    let number = |kind| attribute(spoken, kind).and_then(u16_be);
    let byte = |kind| attribute(spoken, kind).and_then(|value| value.first().copied());
    let first = icmp_first(protocol);
    let icmp = if matches!(protocol, ICMP | ICMPV6) { byte(first + 1).zip(byte(first + 2)) } else { None };
    let source_port = if icmp.is_some() { number(first) } else { number(PORT_SOURCE) }.unwrap_or(0);
    let destination_port = number(PORT_DESTINATION).unwrap_or(0);
    Some((protocol, Tuple { source, destination, source_port, destination_port, icmp }))
}

fn v4(value: &[u8]) -> Option<IpAddr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(value).ok()?).into())
}

fn v6(value: &[u8]) -> Option<IpAddr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(value).ok()?).into())
}

fn u16_be(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.try_into().ok()?))
}

fn counters(value: &[u8]) -> Option<(u64, u64)> {
    Some((attribute(value, 1).and_then(u64_be)?, attribute(value, 2).and_then(u64_be)?))
}

/// 1 and 2 are the handshake, 9 two that open at once.
fn state_of(number: u8) -> TcpState {
    match number {
        0..=2 | 9 => TcpState::Opening,
        3 => TcpState::Established,
        _ => TcpState::Closing,
    }
}
