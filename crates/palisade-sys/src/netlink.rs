//! Netlink sockets (netlink(7)): sending, receiving, and the messages that go over them.

mod message;

pub use message::{Buffer, Message, attribute, attributes, messages, text, u32_be, u64_be};

use crate::SysError;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The largest transaction in bytes; one million set elements take about 40 MB.
pub const SEND_BYTES_MAX: usize = 64 << 20;
/// The largest datagram that is received; the kernel fills dumps up to 32 KiB.
const RECEIVE_BYTES_MAX: usize = 256 << 10;
/// The socket's buffer for answers: 100,000 refused messages with capped acknowledgements fit.
const RECEIVE_QUEUE_BYTES: i32 = 16 << 20;
/// What every socket's send buffer holds without raising it; the kernel's own default is larger.
const SEND_QUEUE_BYTES: usize = 64 << 10;
/// How long a single answer may take; the kernel answers at once or not at all.
const ANSWER_S: libc::time_t = 10;

/// A netlink socket. It belongs to the network namespace in which it was opened, whatever the
/// thread does later.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    send_queue_bytes: usize,
    inbox: Vec<u8>,
}

impl Socket {
    /// Opens a socket for `protocol` (`libc::NETLINK_NETFILTER`).
    pub fn open(protocol: i32) -> Result<Socket, SysError> {
        // SAFETY: socket takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
        if fd < 0 {
            return Err(kernel("opening a netlink socket", io::Error::last_os_error()));
        }
        // SAFETY: the kernel has just handed us this descriptor.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Socket { fd, send_queue_bytes: SEND_QUEUE_BYTES, inbox: vec![0; RECEIVE_BYTES_MAX] };
        // capped: an acknowledgement does not repeat the message. Missing before Linux 4.3: only longer answers.
        let _ = socket.option(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1i32);
        // without CAP_NET_ADMIN the default queue stays; a full one is reported as ENOBUFS
        let _ = socket.option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &RECEIVE_QUEUE_BYTES);
        let patience = libc::timeval { tv_sec: ANSWER_S, tv_usec: 0 };
        socket
            .option(libc::SOL_SOCKET, libc::SO_RCVTIMEO, &patience)
            .map_err(|e| kernel("setting up a netlink socket", e))?;
        Ok(socket)
    }

    /// Sets the socket's buffer for what the kernel sends of itself; without `CAP_NET_ADMIN` it stays.
    pub fn set_receive_queue(&self, bytes: i32) {
        let _ = self.option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes);
    }

    /// Subscribes to a multicast group (`NFNLGRP_*`): the kernel sends its messages from now on.
    pub fn join(&self, group: u32) -> Result<(), SysError> {
        self.port()?; // a socket without a port is passed over
        self.option(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &group)
            .map_err(|e| kernel(&format!("subscribing to netlink group {group}"), e))
    }

    /// The number by which the kernel knows this socket in its namespace, and by which messages about
    /// a change say who asked for it.
    pub fn port(&self) -> Result<u32, SysError> {
        // SAFETY: sockaddr_nl is plain data for which all zeroes is a valid value.
        let mut own: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        own.nl_family = libc::AF_NETLINK as u16;
        let mut own_bytes = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: the address lives across both calls and its length is given. Binding to port 0 has the
        // kernel choose one; a socket that has one already refuses, which is as good.
        let asked = unsafe {
            let _ = libc::bind(self.fd.as_raw_fd(), (&raw const own).cast(), own_bytes);
            libc::getsockname(self.fd.as_raw_fd(), (&raw mut own).cast(), &raw mut own_bytes)
        };
        match asked {
            0 if own.nl_pid != 0 => Ok(own.nl_pid),
            _ => Err(kernel("asking for the port of a netlink socket", io::Error::last_os_error())),
        }
    }

    /// Sends everything in one piece, which the kernel takes as one transaction.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), SysError> {
        self.make_room(bytes.len())?;
        // SAFETY: the buffer lives across the call and its length is given; an unconnected netlink
        // socket sends to the kernel.
        let sent = unsafe { libc::send(self.fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), 0) };
        if sent < 0 {
            let doing = format!("sending {} bytes over netlink in one piece", bytes.len());
            return Err(kernel(&doing, io::Error::last_os_error()));
        }
        Ok(())
    }

    /// The next datagram from the kernel; `None` when there is none and `wait` is false.
    pub fn receive(&mut self, wait: bool) -> Result<Option<&[u8]>, SysError> {
        let flags = libc::MSG_TRUNC | if wait { 0 } else { libc::MSG_DONTWAIT };
        loop {
            // SAFETY: sockaddr_nl is plain data for which all zeroes is a valid value.
            let mut from: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
            let mut from_bytes = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            // SAFETY: both buffers live across the call and their lengths are given.
            let got = unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    self.inbox.as_mut_ptr().cast(),
                    self.inbox.len(),
                    flags,
                    (&raw mut from).cast(),
                    &raw mut from_bytes,
                )
            };
            if got < 0 {
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock if !wait => return Ok(None),
                    _ => return Err(kernel("receiving over netlink", error)),
                }
            }
            let got = got as usize;
            if from.nl_pid != 0 {
                continue; // another process may write to us; only the kernel is believed
            }
            if got > self.inbox.len() {
                let message = format!("a datagram of {got} bytes is larger than {RECEIVE_BYTES_MAX}");
                return Err(SysError::Malformed { what: "receiving over netlink".to_owned(), message });
            }
            return Ok(Some(&self.inbox[..got]));
        }
    }

    /// Throws away answers to requests that were given up.
    pub fn drain(&mut self) {
        while let Ok(Some(_)) = self.receive(false) {}
    }

    /// The kernel takes a datagram only if it fits the send buffer (212,992 bytes by default), and
    /// answers EMSGSIZE otherwise; splitting would lose the transaction.
    fn make_room(&mut self, bytes: usize) -> Result<(), SysError> {
        if bytes > SEND_BYTES_MAX {
            let message = format!("{bytes} bytes in one transaction are more than {SEND_BYTES_MAX}");
            return Err(SysError::Malformed { what: "sending over netlink".to_owned(), message });
        }
        let wanted = bytes + 4_096;
        if wanted <= self.send_queue_bytes {
            return Ok(());
        }
        self.option(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &(wanted as i32))
            .map_err(|e| kernel(&format!("raising the netlink send buffer to {wanted} bytes"), e))?;
        self.send_queue_bytes = wanted;
        Ok(())
    }

    fn option<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        // SAFETY: the value lives across the call and its length is given.
        let done = unsafe {
            let length = size_of::<T>() as libc::socklen_t;
            libc::setsockopt(self.fd.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

fn kernel(doing: &str, source: io::Error) -> SysError {
    SysError::Kernel { doing: doing.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_for_one_transaction_is_refused_before_it_is_sent() -> Result<(), SysError> {
        let mut socket = Socket::open(libc::NETLINK_NETFILTER)?;
        let said = socket.make_room(SEND_BYTES_MAX + 1).map_err(|e| e.to_string());
        assert_eq!(
            said,
            Err(format!(
                "sending over netlink: {} bytes in one transaction are more than {SEND_BYTES_MAX}",
                SEND_BYTES_MAX + 1
            ))
        );
        Ok(())
    }
}
