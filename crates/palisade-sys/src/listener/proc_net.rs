//! `/proc/net/{tcp,tcp6,udp,udp6}` (proc_pid_net(5)): the way without sock_diag.

use super::{LISTENERS_MAX, Listener, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The waiting sockets in such a file; lines that make no sense are passed over.
pub(super) fn parse(protocol: Protocol, text: &str) -> Vec<Listener> {
    text.lines().skip(1).filter_map(|line| socket(protocol, line)).take(LISTENERS_MAX).collect()
}

fn socket(protocol: Protocol, line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
    // include/net/tcp_states.h: 0A is LISTEN; an unconnected UDP socket is in 07, CLOSE
    let waiting = match protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp => "07",
    };
    if *fields.get(3)? != waiting {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok().filter(|p| *p != 0)?;
    Some(Listener {
        protocol,
        address: self::address(address)?,
        port,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
        ..Listener::default()
    })
}

/// Both ends, ours first, of the established connections in such a file of TCP.
pub(crate) fn connections(text: &str) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (own, peer, state) = (fields.next()?, fields.next()?, fields.next()?);
        // include/net/tcp_states.h
        if state == "01" { Some((end(own)?, end(peer)?)) } else { None }
    })
}

/// An IPv4 address that IPv6 carries is an IPv4 address.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    Some(SocketAddr::new(self::address(address)?.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

/// The kernel prints the address as 32-bit numbers in the byte order of the machine.
fn address(hex: &str) -> Option<IpAddr> {
    if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (i, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(i * 8)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}
