//! TCP sockets by state: netlink questions with a filter on the state (sock_diag(7)), so that the
//! kernel hands over what is rare and not its table of connections, as reading `/proc/net/tcp` would.
//!
//! ESTABLISHED and TIME-WAIT are never asked for: counters of constant cost have them. For the
//! other states the kernel still passes over every connection, which takes some milliseconds where
//! there are very many: such a walk is made at most once in a thousand times as long as it took.

use super::clock::thread_cpu_ns;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Counting stops here: a flood of half-open connections must not hold the sample.
const SOCKETS_MAX: u64 = 100_000;
/// Walks over the table of connections cost at most one part in so many of a core.
const WALK_SHARE: u64 = 1_000;
const HEAD_BYTES: usize = 16;
/// `1 << TCP_LISTEN` (include/net/tcp_states.h).
const LISTEN_ONLY: u32 = 1 << 10;
/// Every other state but ESTABLISHED (1) and TIME-WAIT (6); 12 is how newer kernels have SYN-RECV.
const RARE: u32 = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 11 | 1 << 12;
const STATES: usize = 13;
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// TCP sockets in the states that are rare, IPv4 and IPv6.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of tcp(7) and ss(8)
pub struct TcpStates {
    pub syn_sent: u64,
    pub syn_recv: u64,
    pub fin_wait1: u64,
    pub fin_wait2: u64,
    pub close: u64,
    pub close_wait: u64,
    pub last_ack: u64,
    pub closing: u64,
}

/// Counts sockets. The default one counts nothing.
#[derive(Debug, Default)]
pub struct Diag {
    live: bool,
    socket: Option<OwnedFd>,
    states: Option<TcpStates>,
    /// CLOCK_BOOTTIME before which the table is not walked again.
    walk_after_ns: u64,
}

impl Diag {
    /// Of the running system.
    pub fn live() -> Diag {
        Diag { live: true, ..Diag::default() }
    }

    /// Forgets the socket: it belongs to the network namespace in which it was made.
    pub fn close(&mut self) {
        (self.socket, self.states, self.walk_after_ns) = (None, None, 0);
    }

    /// Listeners over IPv4 and IPv6; `None` if the kernel does not say. Its list of them is short.
    pub fn listening(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        self.count(LISTEN_ONLY, buffer).map(|counts| counts.iter().sum())
    }

    /// The rare states, as of the last walk over the table of connections.
    pub fn states(&mut self, boot_ns: u64, buffer: &mut Vec<u8>) -> Option<TcpStates> {
        if boot_ns >= self.walk_after_ns {
            let begun_ns = thread_cpu_ns();
            self.states = self.count(RARE, buffer).map(|n| TcpStates {
                syn_sent: n[2],
                syn_recv: n[3] + n[12],
                fin_wait1: n[4],
                fin_wait2: n[5],
                close: n[7],
                close_wait: n[8],
                last_ack: n[9],
                closing: n[11],
            });
            let took_ns = thread_cpu_ns().saturating_sub(begun_ns);
            self.walk_after_ns = boot_ns.saturating_add(took_ns.saturating_mul(WALK_SHARE));
        }
        self.states
    }

    fn count(&mut self, states: u32, buffer: &mut Vec<u8>) -> Option<[u64; STATES]> {
        if !self.live {
            return None;
        }
        if self.socket.is_none() {
            self.socket = open();
        }
        let socket = self.socket.as_ref()?;
        let mut counts = [0; STATES];
        let families = [libc::AF_INET, libc::AF_INET6];
        let counted = families.iter().try_for_each(|&f| count(socket, question(f as u8, states), buffer, &mut counts));
        if counted.is_none() || counts.iter().sum::<u64>() >= SOCKETS_MAX {
            self.socket = None; // what is left of an answer must not be read as the next one
        }
        counted.map(|()| counts)
    }
}

fn open() -> Option<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket has no preconditions.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
    // SAFETY: the kernel has just handed us this descriptor.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: 72 bytes.
fn question(family: u8, states: u32) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[0..4].copy_from_slice(&72_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    bytes[16] = family;
    bytes[17] = libc::IPPROTO_TCP as u8;
    bytes[20..24].copy_from_slice(&states.to_ne_bytes());
    bytes
}

fn count(socket: &OwnedFd, question: [u8; 72], buffer: &mut Vec<u8>, counts: &mut [u64; STATES]) -> Option<()> {
    // SAFETY: the bytes live across the call and their length is given.
    let sent = unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) };
    if sent != question.len() as isize {
        return None;
    }
    buffer.resize(buffer.len().max(32 << 10), 0);
    while counts.iter().sum::<u64>() < SOCKETS_MAX {
        // SAFETY: the kernel writes at most the given length into the buffer.
        let got =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
        let mut left = buffer.get(..usize::try_from(got).ok()?)?;
        while let Some(head) = left.get(..HEAD_BYTES) {
            let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
            match i32::from(u16::from_ne_bytes([head[4], head[5]])) {
                libc::NLMSG_DONE => return Some(()),
                libc::NLMSG_ERROR => return None,
                // struct inet_diag_msg: family, state
                _ => *counts.get_mut(usize::from(*left.get(HEAD_BYTES + 1)?))? += 1,
            }
            left = left.get(length.max(HEAD_BYTES).next_multiple_of(4)..).unwrap_or_default();
        }
    }
    Some(())
}
