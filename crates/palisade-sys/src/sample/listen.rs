//! How many TCP sockets listen: a netlink question with a filter on the state (sock_diag(7)), so
//! that the kernel walks its short list of listeners and not its table of connections, as reading
//! `/proc/net/tcp` would.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const LISTENERS_MAX: u64 = 100_000;
const HEAD_BYTES: usize = 16;
/// `1 << TCP_LISTEN` (include/net/tcp_states.h).
const LISTEN_ONLY: u32 = 1 << 10;
const SOCK_DIAG_BY_FAMILY: u16 = 20;

/// Counts listeners. The default one counts nothing.
#[derive(Debug, Default)]
pub struct Listening {
    live: bool,
    socket: Option<OwnedFd>,
}

impl Listening {
    /// Of the running system.
    pub fn live() -> Listening {
        Listening { live: true, socket: None }
    }

    /// Forgets the socket: it belongs to the network namespace in which it was made.
    pub fn close(&mut self) {
        self.socket = None;
    }

    /// Listeners over IPv4 and IPv6; `None` if the kernel does not say.
    pub fn count(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        if !self.live {
            return None;
        }
        if self.socket.is_none() {
            self.socket = open();
        }
        let socket = self.socket.as_ref()?;
        let counted =
            [libc::AF_INET, libc::AF_INET6].iter().try_fold(0, |n, &f| Some(n + count(socket, f as u8, buffer)?));
        if counted.is_none() {
            self.socket = None; // what is left of an answer must not be read as the next one
        }
        counted
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
fn question(family: u8) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[0..4].copy_from_slice(&72_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    bytes[16] = family;
    bytes[17] = libc::IPPROTO_TCP as u8;
    bytes[20..24].copy_from_slice(&LISTEN_ONLY.to_ne_bytes());
    bytes
}

fn count(socket: &OwnedFd, family: u8, buffer: &mut Vec<u8>) -> Option<u64> {
    let question = question(family);
    // SAFETY: the bytes live across the call and their length is given.
    let sent = unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) };
    if sent != question.len() as isize {
        return None;
    }
    buffer.resize(buffer.len().max(32 << 10), 0);
    let mut listeners = 0;
    while listeners < LISTENERS_MAX {
        // SAFETY: the kernel writes at most the given length into the buffer.
        let got =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
        let mut left = buffer.get(..usize::try_from(got).ok()?)?;
        while let Some(head) = left.get(..HEAD_BYTES) {
            let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
            match i32::from(u16::from_ne_bytes([head[4], head[5]])) {
                libc::NLMSG_DONE => return Some(listeners),
                libc::NLMSG_ERROR => return None,
                _ => listeners += 1,
            }
            left = left.get(length.max(HEAD_BYTES).next_multiple_of(4)..).unwrap_or_default();
        }
    }
    None
}
