//! Raw packets between the test's namespace and its peer's.
//!
//! Nothing here waits for a time: after all packets of a direction comes one from (to) a failsafe
//! address, which is always answered. The link keeps their order, so when its answer is there, the
//! answers to all others have come too. Only datagrams are answered by a thread, and may come later.

use super::generate::PORTS;
use crate::sandbox::entered;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use palisade_firewall::filter::judge::Payload;
use palisade_firewall::group::model::Direction;
use palisade_sandbox::{Link, Peer};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where packets come in.
pub const INTERFACE: &str = "pal0";
const HERE: [&str; 5] = ["10.99.0.1/24", "198.51.100.1/24", "203.0.113.1/24", "fd00:99::1/64", "2001:db8:99::1/64"];
/// The other side's addresses that packets are about.
pub const PEERS: &[&str] = &[
    "10.99.0.2",
    "10.99.0.3",
    "10.99.0.4",
    "10.99.0.200",
    "198.51.100.2",
    "203.0.113.77",
    "fd00:99::2",
    "fd00:99::3",
    "2001:db8:99::2",
];
/// The other side's addresses that are failsafe.
pub const SENTINEL_V4: &str = "10.99.0.250";
/// As the other one.
pub const SENTINEL_V6: &str = "fd00:99::250";
/// Where nmap scans from: the first address of the other side, which is what its system chooses.
pub const NMAP_FROM: &str = "10.99.0.2";
/// An unused port: what gets there is answered with a reset.
const SENTINEL_PORT: u16 = 9;
const PATIENCE: Duration = Duration::from_secs(20);

/// One packet that begins a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shot {
    /// `In`: from the peer to the host.
    pub direction: Direction,
    /// What it carries.
    pub payload: Payload,
    /// The peer's address.
    pub peer: IpAddr,
}

/// Both sides.
pub struct Wire {
    peer: Peer,
    round: u16,
}

impl Wire {
    /// Makes it; `None` (after saying why) when the test has to be skipped.
    pub fn new() -> Option<Wire> {
        if !entered() {
            return None;
        }
        let there: Vec<String> = PEERS
            .iter()
            .chain([&SENTINEL_V4, &SENTINEL_V6])
            .map(|a| format!("{a}/{}", if a.contains(':') { 64 } else { 24 }))
            .collect();
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        let peer = match Peer::beside(&Link { here: &HERE, there: &there }) {
            Ok(peer) => peer,
            Err(why) => {
                println!("skipped: {why}");
                return None;
            }
        };
        echo(&HERE);
        peer.run(|| echo(PEERS));
        Some(Wire { peer, round: 0 })
    }

    /// Sends all of them, and returns those that were answered; datagrams until none came for `quiet`.
    pub fn fire(&mut self, shots: &[Shot], quiet: Duration) -> HashSet<Shot> {
        self.round = self.round.wrapping_add(1);
        let source_port = 40_000 + self.round % 20_000;
        let of = |direction| shots.iter().filter(|s| s.direction == direction).copied().collect::<Vec<Shot>>();
        let inward = of(Direction::In);
        let mut answered = self.peer.run(move || volley(&inward, source_port, quiet));
        answered.extend(volley(&of(Direction::Out), source_port, quiet));
        answered
    }

    /// The ports that nmap does not find filtered.
    pub fn nmap(&self, ports: &[u16]) -> Vec<u16> {
        let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
        let output = self.peer.run(move || {
            Command::new("nmap")
                .args([
                    "-sS",
                    "-Pn",
                    "-n",
                    "--max-retries",
                    "1",
                    "--host-timeout",
                    "20s",
                    "-oG",
                    "-",
                    "-p",
                    &list,
                    "10.99.0.1",
                ])
                .output()
        });
        let text = String::from_utf8_lossy(&output.expect("nmap is installed").stdout).into_owned();
        let ports = text.lines().find_map(|line| Some(line.split_once("Ports: ")?.1.to_owned()));
        let ports = ports.unwrap_or_else(|| panic!("nmap says nothing of ports:\n{text}"));
        let shown = ports.split(", ").filter_map(|entry| {
            let mut parts = entry.trim().split('/');
            let (port, state) = (parts.next()?.parse().ok()?, parts.next()?);
            (state == "open" || state == "closed").then_some(port)
        });
        shown.collect()
    }
}

/// Answers every datagram to these addresses, from the address that was asked.
fn echo(addresses: &[&str]) {
    let address = |text: &&str| text.split('/').next().and_then(|a| a.parse::<IpAddr>().ok()).expect("an address");
    let bind = |at: IpAddr| PORTS.iter().map(move |port| UdpSocket::bind((at, *port)).expect("a port of our own"));
    let sockets: Vec<UdpSocket> = addresses.iter().map(address).flat_map(bind).collect();
    sockets.iter().for_each(|socket| socket.set_nonblocking(true).expect("a socket"));
    std::thread::spawn(move || {
        loop {
            let mut ready: Vec<PollFd<'_>> =
                sockets.iter().map(|s| PollFd::new(s.as_fd(), PollFlags::POLLIN)).collect();
            poll(&mut ready, PollTimeout::NONE).expect("sockets");
            for socket in &sockets {
                while let Ok((length, from)) = socket.recv_from(&mut [0; 64]) {
                    let _ = socket.send_to(&[b'x'; 64][..length], from);
                }
            }
        }
    });
}

/// The host's address on the network of `peer`.
fn host_beside(peer: IpAddr) -> IpAddr {
    let mut text = HERE.iter().map(|h| h.split_once('/').expect("a prefix length").0.parse::<IpAddr>().expect("one"));
    text.find(|here| match (here, peer) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        _ => false,
    })
    .expect("every peer has a network in common with the host")
}

/// One direction: all packets, then the sentinels, then the answers until those of the sentinels.
fn volley(shots: &[Shot], source_port: u16, quiet: Duration) -> HashSet<Shot> {
    let Some(direction) = shots.first().map(|s| s.direction) else { return HashSet::new() };
    let guns = Guns::new();
    let udp = UdpGuns::new(shots, source_port);
    for shot in shots {
        match shot.payload {
            Payload::Udp(port) => udp.send(shot, port),
            _ => guns.send(shot, source_port),
        }
    }
    let mut answered = HashSet::new();
    let mut left: HashSet<IpAddr> = [SENTINEL_V4, SENTINEL_V6].iter().map(|a| a.parse().expect("one")).collect();
    let began = Instant::now();
    let mut asked = began - PATIENCE;
    while !left.is_empty() {
        assert!(began.elapsed() < PATIENCE, "the failsafe addresses {left:?} are cut off");
        if asked.elapsed() > Duration::from_millis(300) {
            asked = Instant::now();
            for peer in &left {
                guns.send(&Shot { direction, payload: Payload::Tcp(SENTINEL_PORT), peer: *peer }, source_port);
            }
        }
        for seen in guns.collect(direction, source_port) {
            if seen.payload == Payload::Tcp(SENTINEL_PORT) {
                left.remove(&seen.peer);
            } else {
                answered.insert(seen);
            }
        }
    }
    // the echo's own thread answers UDP: its answers may come a moment later than the kernel's
    udp.collect(shots, quiet, &mut answered);
    answered
}

/// One socket per source and family for datagrams: the kernel's own way, so that answers find it.
struct UdpGuns(Vec<(IpAddr, UdpSocket)>);

impl UdpGuns {
    fn new(shots: &[Shot], source_port: u16) -> UdpGuns {
        let mut sources: Vec<IpAddr> = shots.iter().map(source).collect();
        sources.sort();
        sources.dedup();
        let bind = |from: IpAddr| (from, UdpSocket::bind((from, source_port)).expect("an address of this side"));
        UdpGuns(sources.into_iter().map(bind).collect())
    }

    fn send(&self, shot: &Shot, port: u16) {
        let from = source(shot);
        let gun = &self.0.iter().find(|(a, _)| *a == from).expect("one per source").1;
        // a packet that our own rules deny on its way out is an error here, and no answer
        let _ = gun.send_to(b"x", SocketAddr::new(target(shot), port));
    }

    /// Waits until no answer of the echo has come for `quiet`.
    fn collect(&self, shots: &[Shot], quiet: Duration, answered: &mut HashSet<Shot>) {
        let Some(direction) = shots.first().map(|s| s.direction) else { return };
        let mut last = Instant::now();
        while last.elapsed() < quiet {
            for (own, gun) in &self.0 {
                gun.set_nonblocking(true).expect("a socket");
                while let Ok((_, from)) = gun.recv_from(&mut [0; 64]) {
                    last = Instant::now();
                    let peer = if direction == Direction::In { *own } else { from.ip() };
                    answered.insert(Shot { direction, payload: Payload::Udp(from.port()), peer });
                }
            }
            std::thread::yield_now();
        }
    }
}

fn source(shot: &Shot) -> IpAddr {
    if shot.direction == Direction::In { shot.peer } else { host_beside(shot.peer) }
}

fn target(shot: &Shot) -> IpAddr {
    if shot.direction == Direction::In { host_beside(shot.peer) } else { shot.peer }
}

/// Raw sockets of both families for TCP and ICMP.
struct Guns {
    tcp4: OwnedFd,
    tcp6: OwnedFd,
    icmp4: OwnedFd,
    icmp6: OwnedFd,
}

impl Guns {
    fn new() -> Guns {
        Guns {
            tcp4: raw(libc::AF_INET, libc::IPPROTO_TCP),
            tcp6: raw(libc::AF_INET6, libc::IPPROTO_TCP),
            icmp4: raw(libc::AF_INET, libc::IPPROTO_ICMP),
            icmp6: raw(libc::AF_INET6, libc::IPPROTO_ICMPV6),
        }
    }

    fn send(&self, shot: &Shot, source_port: u16) {
        let (from, to) = (source(shot), target(shot));
        let (fd, bytes) = match (shot.payload, to.is_ipv4()) {
            (Payload::Tcp(port), true) => (&self.tcp4, syn(from, to, source_port, port)),
            (Payload::Tcp(port), false) => (&self.tcp6, syn(from, to, source_port, port)),
            (Payload::Icmp(kind), v4) => {
                (if v4 { &self.icmp4 } else { &self.icmp6 }, echo_request(kind, from, to, source_port))
            }
            (other, _) => panic!("{other:?} is not sent raw"),
        };
        send(fd, from, to, &bytes);
    }

    /// All answers that are there, by what they answer.
    fn collect(&self, direction: Direction, source_port: u16) -> Vec<Shot> {
        let mut seen = Vec::new();
        let mut take = |fd: &OwnedFd, v4: bool, icmp: bool| {
            while let Some((from, to, bytes)) = receive(fd, v4) {
                let peer = if direction == Direction::In { to } else { from };
                let payload = if icmp { answer_icmp(&bytes, v4, source_port) } else { answer_tcp(&bytes, source_port) };
                seen.extend(payload.map(|payload| Shot { direction, payload, peer }));
            }
        };
        take(&self.tcp4, true, false);
        take(&self.tcp6, false, false);
        take(&self.icmp4, true, true);
        take(&self.icmp6, false, true);
        seen
    }
}

fn raw(family: i32, protocol: i32) -> OwnedFd {
    // SAFETY: socket takes no pointers.
    let fd = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, protocol) };
    assert!(fd >= 0, "a raw socket: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just handed us this descriptor.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let big: i32 = 8 << 20;
    set(&fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, big);
    if family == libc::AF_INET6 {
        // the destination of what is received comes with it
        set(&fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1);
    }
    set(&fd, libc::SOL_IP, libc::IP_FREEBIND, 1);
    fd
}

fn set(fd: &OwnedFd, level: i32, name: i32, value: i32) {
    // SAFETY: the value lives across the call and its length is given.
    unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), size_of::<i32>() as u32);
    }
}

/// The source goes along as control data: one socket sends for all addresses of its side.
fn send(fd: &OwnedFd, from: IpAddr, to: IpAddr, bytes: &[u8]) {
    let to = nix::sys::socket::SockaddrStorage::from(SocketAddr::new(to, 0));
    let iov = [std::io::IoSlice::new(bytes)];
    use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
    // EPERM: denied by our own rules on its way out, which is an answer too: none
    let _ = match from {
        IpAddr::V4(a) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(a.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            sendmsg(fd.as_raw_fd(), &iov, &[ControlMessage::Ipv4PacketInfo(&info)], MsgFlags::empty(), Some(&to))
        }
        IpAddr::V6(a) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: a.octets() }, ipi6_ifindex: 0 };
            sendmsg(fd.as_raw_fd(), &iov, &[ControlMessage::Ipv6PacketInfo(&info)], MsgFlags::empty(), Some(&to))
        }
    };
}

/// From whom, to whom, and what follows the header of IP.
fn receive(fd: &OwnedFd, v4: bool) -> Option<(IpAddr, IpAddr, Vec<u8>)> {
    let mut buffer = [0u8; 2048];
    if v4 {
        // SAFETY: the buffer lives across the call and its length is given.
        let got = unsafe { libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        let packet = buffer.get(..usize::try_from(got).ok()?)?;
        let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
        let header = usize::from(packet.first()? & 0xf) * 4;
        return Some((address(12)?, address(16)?, packet.get(header..)?.to_vec()));
    }
    let mut iov = [std::io::IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg};
    let message = recvmsg::<SockaddrIn6>(fd.as_raw_fd(), &mut iov, Some(&mut control), MsgFlags::empty()).ok()?;
    let (length, from) = (message.bytes, IpAddr::V6(message.address?.ip()));
    let to = message.cmsgs().ok()?.find_map(|c| match c {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })?;
    Some((from, to, buffer[..length].to_vec()))
}

/// A reset or a SYN+ACK to our port: it got there.
fn answer_tcp(bytes: &[u8], source_port: u16) -> Option<Payload> {
    let port = |at: usize| Some(u16::from_be_bytes(<[u8; 2]>::try_from(bytes.get(at..at + 2)?).ok()?));
    let flags = *bytes.get(13)?;
    let answers = flags & 0x04 != 0 || flags & 0x12 == 0x12;
    (port(2)? == source_port && answers).then(|| port(0).map(Payload::Tcp))?
}

/// The answer to an echo with our number.
fn answer_icmp(bytes: &[u8], v4: bool, number: u16) -> Option<Payload> {
    let (answer, request) = if v4 { (0, 8) } else { (129, 128) };
    let is = *bytes.first()? == answer && bytes.get(4..6)? == number.to_be_bytes();
    is.then_some(Payload::Icmp(request))
}

/// TCP's header alone with the SYN flag (RFC 9293).
fn syn(from: IpAddr, to: IpAddr, source_port: u16, port: u16) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20);
    segment.extend(source_port.to_be_bytes());
    segment.extend(port.to_be_bytes());
    segment.extend(1u32.to_be_bytes());
    segment.extend(0u32.to_be_bytes());
    segment.extend([5 << 4, 0x02, 0x20, 0x00, 0, 0, 0, 0]);
    let sum = checksum(from, to, 6, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// An echo request (RFC 792, RFC 4443) of this type; the number tells rounds apart.
fn echo_request(kind: u8, from: IpAddr, to: IpAddr, number: u16) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(number.to_be_bytes());
    message.extend(1u16.to_be_bytes());
    let sum = if to.is_ipv4() { folded(&message, 0) } else { checksum(from, to, 58, &message) };
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The checksum over the pseudo header and the segment (RFC 1071).
fn checksum(from: IpAddr, to: IpAddr, protocol: u8, segment: &[u8]) -> u16 {
    let bytes = |address: IpAddr| match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    let pseudo = [bytes(from), bytes(to), vec![0, protocol], (segment.len() as u16).to_be_bytes().to_vec()].concat();
    folded(segment, sum(&pseudo))
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(*two.get(1).unwrap_or(&0))).sum()
}

fn folded(bytes: &[u8], start: u32) -> u16 {
    let mut total = start + sum(bytes);
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}
