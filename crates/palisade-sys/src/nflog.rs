//! Packets that rules of nftables have logged to a group (`log group N`), from the kernel's
//! nfnetlink_log (linux/netfilter/nfnetlink_log.h), with the prefix that the rule gives them.
//!
//! A group has one listener in its network namespace; a second one is refused. The kernel gathers
//! packets for [`GATHER_CENTISECONDS`] or [`GATHER_PACKETS`], whichever is first, and throws away
//! what the listener does not fetch in time; each packet has a number, so that what is missing is
//! counted.

mod packet;

pub use packet::{Packet, Transport};

use crate::SysError;
use crate::listener::diag;
use crate::netlink::{Buffer, Message, Socket, attribute, messages, text, u32_be, u64_be};
use std::io;

/// Bytes of each packet that are copied: the headers of IPv6 with some extensions, and TCP.
const COPY_BYTES_MAX: u32 = 128;
/// The kernel hands packets over at the latest after this time.
const GATHER_CENTISECONDS: u32 = 10;
/// The kernel hands packets over when it has so many.
const GATHER_PACKETS: u32 = 64;
/// The buffer in which the kernel gathers packets of a group.
const GATHER_BYTES: u32 = 32 << 10;
/// What waits to be fetched; about 10,000 packets.
const QUEUE_BYTES: i32 = 4 << 20;

const SUBSYSTEM: u16 = 4 << 8;
const PACKET: u16 = SUBSYSTEM;
const CONFIG: u16 = SUBSYSTEM | 1;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_BUFFER: u16 = 3;
const CONFIG_TIMEOUT: u16 = 4;
const CONFIG_THRESHOLD: u16 = 5;
const CONFIG_FLAGS: u16 = 6;
const COMMAND_BIND: u8 = 1;
const MODE_PACKET: u8 = 2;
const FLAG_NUMBERED: u16 = 1;
const FLAG_CONVERSATION: u16 = 4;
const ACKNOWLEDGED: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;

const PACKET_HEADER: u16 = 1;
const TIMESTAMP: u16 = 3;
const INTERFACE_IN: u16 = 4;
const INTERFACE_OUT: u16 = 5;
const PAYLOAD: u16 = 9;
const PREFIX: u16 = 10;
const NUMBER: u16 = 12;
const CONVERSATION_INFO: u16 = 19;
/// `IP_CT_IS_REPLY`: from here on the packet goes in the direction of the answer.
const IS_REPLY: u32 = 3;

/// Where a packet was when it was logged (`NF_INET_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// On its way in, before it is known whether it is for this host.
    Prerouting,
    /// For this host.
    Input,
    /// From somebody else to somebody else.
    Forward,
    /// From this host.
    Output,
    /// On its way out.
    Postrouting,
    /// Elsewhere, by its number.
    Other(u8),
}

impl Hook {
    fn of(number: u8) -> Hook {
        match number {
            0 => Hook::Prerouting,
            1 => Hook::Input,
            2 => Hook::Forward,
            3 => Hook::Output,
            4 => Hook::Postrouting,
            other => Hook::Other(other),
        }
    }

    /// True if the packet leaves this host.
    pub fn outgoing(self) -> bool {
        matches!(self, Hook::Output | Hook::Postrouting)
    }
}

/// A packet that a rule has logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// What the rule says of it.
    pub prefix: String,
    /// Where it was.
    pub hook: Hook,
    /// The number of the interface by which it came.
    pub interface_in: Option<u32>,
    /// The number of the interface by which it goes.
    pub interface_out: Option<u32>,
    /// When it came, in microseconds since 1970; most packets of this host's own have no time.
    pub at_us: Option<i64>,
    /// It goes in the direction of the answer in its conversation, as far as the kernel says.
    pub reply: bool,
    /// Rises by one per packet of the group.
    pub number: Option<u32>,
    /// Its headers, if they make sense.
    pub packet: Option<Packet>,
}

/// Listens to one group in the network namespace in which it was opened. Needs `CAP_NET_ADMIN` there.
#[derive(Debug)]
pub struct Nflog {
    socket: Socket,
    next: Option<u32>,
    lost: u64,
}

impl Nflog {
    /// Takes the group. [`SysError::is_denied`] or `EBUSY` if somebody else has it.
    pub fn open(group: u16) -> Result<Nflog, SysError> {
        let mut socket = Socket::open(libc::NETLINK_NETFILTER)?;
        socket.set_receive_queue(QUEUE_BYTES);
        configure(&mut socket, group, "taking the group", |out| out.bytes(CONFIG_COMMAND, &[COMMAND_BIND]))?;
        configure(&mut socket, group, "asking for packets", |out| {
            let range = COPY_BYTES_MAX.to_be_bytes();
            out.bytes(CONFIG_MODE, &[range[0], range[1], range[2], range[3], MODE_PACKET, 0]);
            out.u32_be(CONFIG_BUFFER, GATHER_BYTES);
            out.u32_be(CONFIG_TIMEOUT, GATHER_CENTISECONDS);
            out.u32_be(CONFIG_THRESHOLD, GATHER_PACKETS);
        })?;
        let flags = |bits: u16| move |out: &mut Buffer| out.bytes(CONFIG_FLAGS, &bits.to_be_bytes());
        // a kernel without ctnetlink does not say which packets are answers; they are numbered all the same
        if configure(&mut socket, group, "numbering packets", flags(FLAG_NUMBERED | FLAG_CONVERSATION)).is_err() {
            configure(&mut socket, group, "numbering packets", flags(FLAG_NUMBERED))?;
        }
        Ok(Nflog { socket, next: None, lost: 0 })
    }

    /// Hands at most `packets_max` packets that are there to `take`, without waiting for more; false if
    /// there may be more.
    pub fn drain(&mut self, packets_max: usize, mut take: impl FnMut(Logged)) -> Result<bool, SysError> {
        let mut taken = 0;
        while taken < packets_max {
            let datagram = match self.socket.receive(false) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(true),
                Err(error) if error.is_overrun() => continue, // the numbers say how many are missing
                Err(error) => return Err(error),
            };
            for logged in messages(datagram).filter_map(|message| read(&message)) {
                self.lost += gap(&mut self.next, logged.number);
                taken += 1;
                take(logged);
            }
        }
        Ok(false)
    }

    /// Packets that the kernel logged and threw away since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// The name of the interface of this number in this thread's network namespace; `#7` if it is gone.
pub fn interface_name(index: u32) -> Option<String> {
    diag::interface(index)
}

/// How many numbers were passed over. The kernel counts from 0, and beyond the last number from 0 again.
fn gap(next: &mut Option<u32>, number: Option<u32>) -> u64 {
    let Some(number) = number else { return 0 };
    let passed = number.wrapping_sub(next.unwrap_or(0));
    *next = Some(number.wrapping_add(1));
    u64::from(passed)
}

fn configure(socket: &mut Socket, group: u16, doing: &str, fill: impl FnOnce(&mut Buffer)) -> Result<(), SysError> {
    let group_be = group.to_be_bytes();
    let mut out = Buffer::default();
    out.message(CONFIG, ACKNOWLEDGED, 1, |out| {
        out.raw(&[libc::AF_UNSPEC as u8, 0, group_be[0], group_be[1]]);
        fill(out);
    });
    socket.send(out.finished()?)?;
    loop {
        // packets may come before the answer: they are the first of many, and not missed
        let Some(datagram) = socket.receive(true)? else { return Ok(()) };
        match messages(datagram).find_map(|message| message.error().filter(|_| message.seq == 1)) {
            Some(0) => return Ok(()),
            Some(code) => {
                let doing = format!("nflog group {group}: {doing}");
                return Err(SysError::Kernel { doing, source: io::Error::from_raw_os_error(code) });
            }
            None => {}
        }
    }
}

/// One message, if it is a packet; hostile in all that the packet's sender chose.
fn read(message: &Message<'_>) -> Option<Logged> {
    if message.kind != PACKET {
        return None;
    }
    let body = message.body.get(4..)?;
    let number = |kind| attribute(body, kind).and_then(u32_be);
    Some(Logged {
        prefix: attribute(body, PREFIX).map(text).unwrap_or_default(),
        hook: Hook::of(*attribute(body, PACKET_HEADER)?.get(2)?),
        interface_in: number(INTERFACE_IN),
        interface_out: number(INTERFACE_OUT),
        at_us: attribute(body, TIMESTAMP).and_then(at_us),
        reply: number(CONVERSATION_INFO).is_some_and(|info| info >= IS_REPLY),
        number: number(NUMBER),
        packet: attribute(body, PAYLOAD).and_then(Packet::parse),
    })
}

/// Seconds and microseconds, 64 bits each.
fn at_us(value: &[u8]) -> Option<i64> {
    let (seconds, micros) = value.split_at_checked(8)?;
    let (seconds, micros) = (i64::try_from(u64_be(seconds)?).ok()?, i64::try_from(u64_be(micros)?).ok()?);
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

#[cfg(test)]
mod tests;
