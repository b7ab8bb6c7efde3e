//! The headers of a packet of IPv4 (RFC 791) or IPv6 (RFC 8200). Sent by anybody: all of it is bounded,
//! and nothing in it makes the parser panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Extension headers of IPv6 that are passed over to find the transport; more are no honest packet.
const EXTENSIONS_MAX: usize = 8;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// Who speaks to whom, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// By its number: 6 is TCP.
    pub protocol: u8,
    /// What the transport's own header says; nothing of it in a later fragment, or beyond the copy.
    pub transport: Transport,
    /// The length of the whole packet, as its header says.
    pub length_bytes: u32,
}

/// What is read of the transport's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, UDP and their like.
    Ports {
        /// From.
        source: u16,
        /// To.
        destination: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// The type.
        kind: u8,
        /// The code.
        code: u8,
    },
    /// Nothing.
    Other,
}

impl Packet {
    /// Reads the headers; `None` if this is no IP, or too short to say from whom to whom.
    pub fn parse(bytes: &[u8]) -> Option<Packet> {
        match bytes.first()? >> 4 {
            4 => v4(bytes),
            6 => v6(bytes),
            _ => None,
        }
    }
}

fn v4(bytes: &[u8]) -> Option<Packet> {
    let header = bytes.first_chunk::<20>()?;
    let header_bytes = usize::from(header[0] & 0xf) * 4;
    if header_bytes < 20 {
        return None;
    }
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    let rest = if later_fragment { &[] } else { bytes.get(header_bytes..).unwrap_or_default() };
    let address = |at: usize| IpAddr::V4(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]));
    Some(Packet {
        source: address(12),
        destination: address(16),
        protocol: header[9],
        transport: transport(header[9], rest),
        length_bytes: u32::from(u16::from_be_bytes([header[2], header[3]])),
    })
}

fn v6(bytes: &[u8]) -> Option<Packet> {
    let header = bytes.first_chunk::<40>()?;
    let address = |at: usize| {
        let octets = <[u8; 16]>::try_from(&header[at..at + 16]).ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(octets)))
    };
    let (protocol, rest) = beyond_extensions(header[6], bytes.get(40..).unwrap_or_default());
    Some(Packet {
        source: address(8)?,
        destination: address(24)?,
        protocol,
        transport: transport(protocol, rest),
        length_bytes: 40 + u32::from(u16::from_be_bytes([header[4], header[5]])),
    })
}

/// The transport's number and header; the header is empty where it is not to be found.
fn beyond_extensions(mut next: u8, mut rest: &[u8]) -> (u8, &[u8]) {
    for _ in 0..EXTENSIONS_MAX {
        let Some(head) = rest.first_chunk::<8>() else { return (next, rest) };
        let length = match next {
            0 | 43 | 60 | 135 => (usize::from(head[1]) + 1) * 8, // options, routing, mobility
            51 => (usize::from(head[1]) + 2) * 4,                // authentication
            FRAGMENT if u16::from_be_bytes([head[2], head[3]]) & 0xfff8 != 0 => return (head[0], &[]),
            FRAGMENT => 8,
            _ => return (next, rest),
        };
        next = head[0];
        rest = rest.get(length..).unwrap_or_default();
    }
    (next, &[])
}

fn transport(protocol: u8, bytes: &[u8]) -> Transport {
    match (protocol, bytes) {
        (TCP | UDP | SCTP | UDP_LITE, [a, b, c, d, ..]) => {
            Transport::Ports { source: u16::from_be_bytes([*a, *b]), destination: u16::from_be_bytes([*c, *d]) }
        }
        (ICMP | ICMPV6, [kind, code, ..]) => Transport::Icmp { kind: *kind, code: *code },
        _ => Transport::Other,
    }
}
