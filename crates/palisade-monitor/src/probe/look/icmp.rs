//! Echo requests (RFC 792, RFC 4443) on a socket that needs no rights.
//!
//! Linux hands out such a socket to the groups of `net.ipv4.ping_group_range` (icmp(7)); systemd
//! opens it to all. Where it is closed the look says so: it is no verdict on the target.

use super::{Seen, limit, reach, said, unreached};
use crate::outbound;
use crate::probe::spec::ProbeSpec;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Instant;

/// Requests that are sent before the target counts as down: one lost packet is no outage.
const REQUESTS_MAX: u32 = 3;
/// The port of an address that has none; the kernel puts the number of the request there.
const ANY_PORT: u16 = 7;
const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;
const REPLY_V4: u8 = 0;
const REPLY_V6: u8 = 129;
const PAYLOAD: &[u8] = b"palisade probe";

pub(super) async fn look(spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String> {
    let target = if spec.target.contains(':') { format!("[{}]", spec.target) } else { spec.target.clone() };
    let resolved = outbound::resolve(&format!("{target}:{ANY_PORT}"), reach(spec), limit(spec)).await;
    let address = resolved.map_err(unreached)?.first().copied().ok_or("the name has no address")?;
    seen.fact("address", address.ip().to_canonical().to_string());
    let socket = socket(address).map_err(closed)?;
    let socket = tokio::net::UdpSocket::from_std(socket).map_err(|e| said(&e))?;
    let every = limit(spec) / REQUESTS_MAX;
    for number in 1..=REQUESTS_MAX {
        let sent_at = Instant::now();
        socket.send(&request(address, number as u16)).await.map_err(|e| said(&e))?;
        seen.fact("sent", number);
        let answered = tokio::time::timeout(every, reply(&socket, address, number as u16)).await;
        if let Ok(read) = answered {
            read.map_err(|e| said(&e))?;
            seen.fact("round_trip_s", sent_at.elapsed().as_secs_f64());
            return Ok(());
        }
    }
    Err(format!("no reply to {REQUESTS_MAX} echo requests"))
}

/// A datagram socket of ICMP, connected: the kernel fills in identifier and checksum, and hands over
/// only what answers.
fn socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match address {
        SocketAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_ICMP),
        SocketAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_ICMPV6),
    };
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(domain, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just handed us this descriptor.
    let socket = UdpSocket::from(unsafe { OwnedFd::from_raw_fd(fd) });
    socket.connect(address)?;
    Ok(socket)
}

fn closed(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "this server may send no echo requests: `net.ipv4.ping_group_range` of its \
                                            machine does not hold its group; the target was not looked at"
            .to_owned(),
        _ => said(&error),
    }
}

/// Type, code, checksum, identifier, number, payload.
fn request(address: SocketAddr, number: u16) -> Vec<u8> {
    let kind = if address.is_ipv4() { ECHO_V4 } else { ECHO_V6 };
    let mut packet = vec![kind, 0, 0, 0, 0, 0];
    packet.extend(number.to_be_bytes());
    packet.extend(PAYLOAD);
    packet
}

/// Waits for the reply to this request or an earlier one; a late reply is a reply.
async fn reply(socket: &tokio::net::UdpSocket, address: SocketAddr, number: u16) -> io::Result<()> {
    let kind = if address.is_ipv4() { REPLY_V4 } else { REPLY_V6 };
    let mut packet = [0; 256];
    loop {
        let length = socket.recv(&mut packet).await?;
        let is_ours = length == 8 + PAYLOAD.len()
            && packet[0] == kind
            && (1..=number).contains(&u16::from_be_bytes([packet[6], packet[7]]))
            && &packet[8..length] == PAYLOAD;
        if is_ours {
            return Ok(());
        }
    }
}
