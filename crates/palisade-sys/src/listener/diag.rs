//! The kernel's own list of sockets: `SOCK_DIAG_BY_FAMILY` over netlink (sock_diag(7),
//! include/uapi/linux/inet_diag.h).

use super::{LISTENERS_MAX, Listener, Protocol};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INET_DIAG_SKV6ONLY: u16 = 11;
const HEADER_BYTES: usize = 16;
/// struct inet_diag_msg.
const MESSAGE_BYTES: usize = 72;
/// The kernel fills at most 32 KiB of a dump at once.
const BUFFER_BYTES: usize = 64 << 10;
/// include/net/tcp_states.h.
const TCP_ESTABLISHED: u32 = 1;
const TCP_CLOSE: u32 = 7;
const TCP_LISTEN: u32 = 10;
/// The kernel answers from memory; this only guards against waiting for ever.
const TIMEOUT_S: i64 = 5;

/// All waiting sockets of one protocol and family.
pub(super) fn dump(protocol: Protocol, v6: bool) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    let state = match protocol {
        Protocol::Tcp => TCP_LISTEN,
        Protocol::Udp => TCP_CLOSE,
    };
    each(protocol, state, v6, |body| {
        listeners.extend(listener(body, protocol));
        listeners.len() < LISTENERS_MAX
    })?;
    Ok(listeners)
}

/// Both ends, ours first, of the established TCP connections of one family; at most `connections_max`
/// that `wanted` lets through.
pub(crate) fn connections(
    v6: bool,
    connections_max: usize,
    wanted: impl Fn(SocketAddr, SocketAddr) -> bool,
) -> io::Result<Vec<(SocketAddr, SocketAddr)>> {
    let mut all = Vec::new();
    each(Protocol::Tcp, TCP_ESTABLISHED, v6, |body| {
        all.extend(ends(body).filter(|(own, peer)| wanted(*own, *peer)));
        all.len() < connections_max
    })?;
    Ok(all)
}

/// Both ends, ours first, and the inode of the connected sockets of one protocol and family; at most
/// `connections_max` that `wanted` lets through.
pub(crate) fn connected(
    protocol: Protocol,
    v6: bool,
    connections_max: usize,
    wanted: impl Fn(SocketAddr, SocketAddr) -> bool,
) -> io::Result<Vec<(SocketAddr, SocketAddr, u64)>> {
    let mut all = Vec::new();
    // a connected UDP socket is in the state of an established TCP connection
    each(protocol, TCP_ESTABLISHED, v6, |body| {
        let inode = u64::from(u32_at(body, 68));
        all.extend(ends(body).filter(|(own, peer)| wanted(*own, *peer)).map(|(own, peer)| (own, peer, inode)));
        all.len() < connections_max
    })?;
    Ok(all)
}

/// Calls `each` with the body of every message of a dump, until it returns false.
fn each(protocol: Protocol, state: u32, v6: bool, each: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let netlink =
        socket(AddressFamily::Netlink, SockType::Datagram, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)?;
    setsockopt(&netlink, sockopt::ReceiveTimeout, &TimeVal::seconds(TIMEOUT_S))?;
    send(netlink.as_raw_fd(), &request(protocol, state, v6), MsgFlags::empty())?;
    receive(&netlink, each)
}

/// nlmsghdr and inet_diag_req_v2; its socket id stays empty, since a dump asks for all.
fn request(protocol: Protocol, state: u32, v6: bool) -> Vec<u8> {
    let number = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
    };
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let mut message = Vec::with_capacity(HEADER_BYTES + 56);
    message.extend((HEADER_BYTES as u32 + 56).to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    message.extend([0; 8]); // sequence number and port id
    message.extend([family as u8, number as u8, 0, 0]);
    message.extend((1u32 << state).to_ne_bytes());
    message.extend([0; 48]);
    message
}

fn receive(netlink: &OwnedFd, mut each: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if walk(&buffer[..length], &mut each)? {
            return Ok(());
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Takes the messages of one datagram; true when the dump has ended, or `each` wants no more.
pub(super) fn walk(mut datagram: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
    while datagram.len() >= HEADER_BYTES {
        let length = u32_at(datagram, 0) as usize;
        let Some(body) = datagram.get(HEADER_BYTES..length) else { return Err(io::ErrorKind::InvalidData.into()) };
        match i32::from(u16_at(datagram, 4)) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR if body.len() >= 4 => {
                return Err(io::Error::from_raw_os_error(-(u32_at(body, 0) as i32)));
            }
            _ if !each(body) => return Ok(true),
            _ => {}
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Local and remote end of a socket; an IPv4 address that IPv6 carries is an IPv4 address.
pub(crate) fn ends(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (message, _) = body.split_at_checked(MESSAGE_BYTES)?;
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let end = |address: IpAddr, port: u16| SocketAddr::new(address.to_canonical(), port);
    Some((end(address(message, 8)?, port(4)), end(address(message, 24)?, port(6))))
}

fn address(message: &[u8], at: usize) -> Option<IpAddr> {
    match i32::from(message[0]) {
        libc::AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(&message[at..at + 4]).ok()?).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&message[at..at + 16]).ok()?).into()),
        _ => None,
    }
}

fn listener(body: &[u8], protocol: Protocol) -> Option<Listener> {
    let (message, attributes) = body.split_at_checked(MESSAGE_BYTES)?;
    let address = address(message, 8)?;
    let port = u16::from_be_bytes([message[4], message[5]]);
    (port != 0).then(|| Listener {
        protocol,
        address,
        port,
        interface: interface(u32_at(message, 40)),
        uid: u32_at(message, 64),
        inode: u64::from(u32_at(message, 68)),
        v6only: attribute(attributes, INET_DIAG_SKV6ONLY).and_then(<[u8]>::first).map(|v| *v != 0),
        ..Listener::default()
    })
}

fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while attributes.len() >= 4 {
        let length = usize::from(u16_at(attributes, 0));
        let body = attributes.get(4..length)?;
        if u16_at(attributes, 2) == wanted {
            return Some(body);
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

pub(crate) fn interface(index: u32) -> Option<String> {
    if index == 0 {
        return None;
    }
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: name has the IF_NAMESIZE bytes that if_indextoname(3) asks for.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    if found.is_null() {
        return Some(format!("#{index}")); // gone since
    }
    let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
    Some(String::from_utf8_lossy(&name[..end]).into_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
}
