//! The conversations that the kernel keeps track of in this network namespace, and their marks, over
//! ctnetlink (linux/netfilter/nfnetlink_conntrack.h). Needs `CAP_NET_ADMIN` there.
//!
//! The table is read while packets change it: a conversation that begins or ends meanwhile may be
//! missing or stale, and one that is gone when its mark is to be set is passed over.

mod flow;

pub use flow::{Flow, TcpState, Tuple};

use crate::SysError;
use crate::netlink::{Buffer, Socket, messages};
use std::io;

/// The most conversations that one listing brings.
pub const FLOWS_MAX: usize = 1_000_000;
/// Marks that are set with one message to the kernel.
const MARKS_PER_SEND: usize = 1_000;

const SUBSYSTEM: u16 = 1 << 8;
const NEW: u16 = SUBSYSTEM;
const GET: u16 = SUBSYSTEM | 1;
const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const DUMP: u16 = REQUEST | libc::NLM_F_DUMP as u16;
const ACKNOWLEDGED: u16 = REQUEST | libc::NLM_F_ACK as u16;

/// All conversations, at most [`FLOWS_MAX`].
pub fn flows() -> Result<Vec<Flow>, SysError> {
    let mut all = Vec::new();
    Conntrack::open()?.each(|flow| {
        all.push(flow);
        all.len() < FLOWS_MAX
    })?;
    Ok(all)
}

/// Sets the bits of `mask` in the conversation's mark to those of `value`; other bits stay. False if the
/// conversation is gone.
pub fn set_mark(flow: &Flow, value: u32, mask: u32) -> Result<bool, SysError> {
    Ok(Conntrack::open()?.set_marks(std::slice::from_ref(flow), value, mask)? == 1)
}

/// Clears the bits of `mask` in the marks of all conversations that have any of them set, but for those
/// that `keep` is true for. Returns how many were cleared.
pub fn clear_marks(mask: u32, keep: &dyn Fn(&Flow) -> bool) -> Result<usize, SysError> {
    let (mut conntrack, mut stale) = (Conntrack::open()?, Vec::new());
    conntrack.each(|flow| {
        if flow.mark & mask != 0 && !keep(&flow) {
            stale.push(flow);
        }
        stale.len() < FLOWS_MAX
    })?;
    conntrack.set_marks(&stale, 0, mask)
}

/// A socket to ctnetlink.
#[derive(Debug)]
struct Conntrack {
    socket: Socket,
    seq: u32,
}

impl Conntrack {
    fn open() -> Result<Conntrack, SysError> {
        Ok(Conntrack { socket: Socket::open(libc::NETLINK_NETFILTER)?, seq: 0 })
    }

    /// Hands every conversation to `take`, until that returns false.
    fn each(&mut self, mut take: impl FnMut(Flow) -> bool) -> Result<(), SysError> {
        self.seq += 1;
        let mut out = Buffer::default();
        out.message(GET, DUMP, self.seq, |out| out.raw(&[libc::AF_UNSPEC as u8, 0, 0, 0]));
        self.socket.send(out.finished()?)?;
        let mut wanted = true;
        loop {
            let Some(datagram) = self.socket.receive(true)? else { return Ok(()) };
            for message in messages(datagram).filter(|m| m.seq == self.seq) {
                match message.error() {
                    Some(0) => return Ok(()),
                    Some(code) => return Err(kernel("listing conversations", code)),
                    None if wanted => wanted = Flow::read(message.body).is_none_or(&mut take),
                    None => {} // the rest of the listing is passed over
                }
            }
        }
    }

    /// Returns how many of them were still there.
    fn set_marks(&mut self, flows: &[Flow], value: u32, mask: u32) -> Result<usize, SysError> {
        let mut there = 0;
        for part in flows.chunks(MARKS_PER_SEND) {
            let first = self.seq + 1;
            let mut out = Buffer::default();
            for flow in part {
                self.seq += 1;
                out.message(NEW, ACKNOWLEDGED, self.seq, |out| flow.write_mark(out, value & mask, mask));
            }
            self.socket.send(out.finished()?)?;
            there += self.acknowledged(first, self.seq)?;
        }
        Ok(there)
    }

    /// Reads the answers to the messages `first` to `last`.
    fn acknowledged(&mut self, first: u32, last: u32) -> Result<usize, SysError> {
        let mut done = 0;
        loop {
            let Some(datagram) = self.socket.receive(true)? else { return Ok(done) };
            for message in messages(datagram).filter(|m| (first..=last).contains(&m.seq)) {
                match message.error() {
                    Some(0) => done += 1,
                    Some(libc::ENOENT) | None => {} // it has ended meanwhile
                    Some(code) => return Err(kernel("setting the mark of a conversation", code)),
                }
                if message.seq == last {
                    return Ok(done);
                }
            }
        }
    }
}

fn kernel(doing: &str, code: i32) -> SysError {
    SysError::Kernel { doing: doing.to_owned(), source: io::Error::from_raw_os_error(code) }
}

#[cfg(test)]
mod tests;
