//! net/dev, net/snmp and net/sockstat: constant work, however many connections there are.

use super::fields::{lines, number, numbers, set_text, words};
use super::rows::Rows;

/// What went through one interface since it was made. Receive is towards this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each name says it
pub struct Interface {
    /// `eth0`.
    pub name: String,
    pub receive_bytes: u64,
    pub receive_packets: u64,
    pub receive_errors: u64,
    pub receive_drops: u64,
    pub transmit_bytes: u64,
    pub transmit_packets: u64,
    pub transmit_errors: u64,
    pub transmit_drops: u64,
}

/// TCP over IPv4 and IPv6 together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Connections established or in CLOSE-WAIT now.
    pub established: u64,
    /// Segments sent, without those sent again.
    pub segments_out: u64,
    /// Segments sent again.
    pub segments_retransmitted: u64,
}

/// Sockets in use now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sockets {
    /// In TIME-WAIT.
    pub tcp_time_wait: u64,
    /// Not attached to a file any more.
    pub tcp_orphans: u64,
    /// Allocated TCP sockets of any state.
    pub tcp_allocated: u64,
}

const INTERFACES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 32;
/// The host's ends of containers, and interfaces that carry nothing from outside.
const LEFT_OUT: [&[u8]; 7] = [b"veth", b"cali", b"lxc", b"ifb", b"dummy", b"tunl", b"sit"];

pub(super) fn dev(text: &[u8], into: &mut Rows<Interface>) -> bool {
    for line in lines(text).skip(2) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let name = line[..colon].trim_ascii();
        let mut n = [0_u64; 16];
        let wanted = name != b"lo" && !name.is_empty() && !LEFT_OUT.iter().any(|prefix| name.starts_with(prefix));
        if wanted && into.len() < INTERFACES_MAX && numbers(&mut words(&line[colon + 1..]), &mut n) {
            let row = into.add();
            set_text(&mut row.name, name, NAME_BYTES_MAX);
            [row.receive_bytes, row.receive_packets, row.receive_errors, row.receive_drops] = [n[0], n[1], n[2], n[3]];
            [row.transmit_bytes, row.transmit_packets, row.transmit_errors, row.transmit_drops] =
                [n[8], n[9], n[10], n[11]];
        }
    }
    true
}

/// A line `Tcp:` with names, then one with values: columns differ from kernel to kernel.
pub(super) fn snmp(text: &[u8], into: &mut Option<Tcp>) -> bool {
    let mut tcp_lines = lines(text).filter(|line| line.starts_with(b"Tcp: "));
    let (Some(names), Some(values)) = (tcp_lines.next(), tcp_lines.next()) else { return false };
    let value = |wanted: &[u8]| {
        let position = words(names).position(|name| name == wanted)?;
        words(values).nth(position).and_then(number)
    };
    *into = (|| {
        Some(Tcp {
            established: value(b"CurrEstab")?,
            segments_out: value(b"OutSegs")?,
            segments_retransmitted: value(b"RetransSegs")?,
        })
    })();
    into.is_some()
}

/// `TCP: inuse 5 orphan 0 tw 12 alloc 7 mem 1`.
pub(super) fn sockstat(text: &[u8], into: &mut Option<Sockets>) -> bool {
    let Some(line) = lines(text).find(|line| line.starts_with(b"TCP: ")) else { return false };
    let value = |wanted: &[u8]| words(line).skip_while(|word| *word != wanted).nth(1).and_then(number);
    *into = (|| {
        Some(Sockets { tcp_time_wait: value(b"tw")?, tcp_orphans: value(b"orphan")?, tcp_allocated: value(b"alloc")? })
    })();
    into.is_some()
}
