//! Netlink messages: written into a buffer, and read from bytes by a parser that nothing received
//! can make panic.

use crate::SysError;

const HEADER_BYTES: usize = 16;
const ATTRIBUTE_BYTES: usize = 4;
const COUNTDOWN_BYTES: usize = size_of::<u64>();
const ATTRIBUTE_KIND_MASK: u16 = 0x3fff;
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// Writes messages one after the other.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    overflow: bool,
    /// Where milliseconds stand that count from when the message arrives.
    countdowns: Vec<usize>,
}

impl Buffer {
    /// Appends one message; `fill` writes its body.
    pub fn message(&mut self, kind: u16, flags: u16, seq: u32, fill: impl FnOnce(&mut Buffer)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&seq.to_ne_bytes());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        fill(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or_else(|_| {
            self.overflow = true;
            0
        });
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    /// Sets flags of the message that starts at `offset`, after the fact.
    pub fn flags_add(&mut self, offset: usize, flags: u16) {
        if let Some(field) = self.bytes.get_mut(offset + 6..offset + 8) {
            let before = u16::from_ne_bytes([field[0], field[1]]);
            field.copy_from_slice(&(before | flags).to_ne_bytes());
        }
    }

    /// Appends bytes that are no attribute: a protocol's fixed header.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends an attribute.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |b| b.bytes.extend_from_slice(value));
    }

    /// Appends a text with the zero byte that ends it.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |b| {
            b.bytes.extend_from_slice(value.as_bytes());
            b.bytes.push(0);
        });
    }

    /// Appends a number in network byte order.
    pub fn u32_be(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Appends a number in network byte order.
    pub fn u64_be(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Appends milliseconds that count from when the message arrives, so that [`Buffer::late_by`]
    /// takes off what it took until then.
    pub fn countdown_ms(&mut self, kind: u16, value_ms: u64) {
        self.u64_be(kind, value_ms);
        self.countdowns.push(self.bytes.len() - COUNTDOWN_BYTES);
    }

    /// Takes this much off all countdowns; 1 ms is left at least.
    pub fn late_by(&mut self, late_ms: u64) {
        for start in &self.countdowns {
            let Some(field) = self.bytes.get_mut(*start..start + COUNTDOWN_BYTES) else { continue };
            let left_ms = u64_be(field).unwrap_or_default().saturating_sub(late_ms).max(1);
            field.copy_from_slice(&left_ms.to_be_bytes());
        }
    }

    /// Appends an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Buffer)) {
        self.attribute(kind | NESTED, fill);
    }

    /// Bytes so far: the offset of the next message.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True before the first message.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The messages; an error if an attribute was longer than the 65,535 bytes that its length can
    /// say, which would make the kernel read garbage.
    pub fn finished(&self) -> Result<&[u8], SysError> {
        if self.overflow {
            let message = "an attribute does not fit its 16-bit length".to_owned();
            return Err(SysError::Malformed { what: "building a netlink message".to_owned(), message });
        }
        Ok(&self.bytes)
    }

    fn attribute(&mut self, kind: u16, fill: impl FnOnce(&mut Buffer)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        fill(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or_else(|_| {
            self.overflow = true;
            0
        });
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One message as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Of the request that it answers.
    pub seq: u32,
    /// The socket of who asked for what it tells of; 0 if nobody did.
    pub port: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl Message<'_> {
    /// The error number of an `NLMSG_ERROR` or `NLMSG_DONE`, positive; 0 acknowledges.
    pub fn error(&self) -> Option<i32> {
        let carries = self.kind == libc::NLMSG_ERROR as u16 || self.kind == libc::NLMSG_DONE as u16;
        let code = self.body.first_chunk::<4>().map_or(0, |b| i32::from_ne_bytes(*b));
        carries.then_some(code.saturating_neg())
    }
}

/// The messages of a datagram; a truncated one ends the list.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = bytes.get(HEADER_BYTES..length)?;
        let message = Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            seq: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            port: u32::from_ne_bytes([header[12], header[13], header[14], header[15]]),
            body,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes in `bytes` as kind (without its flag bits) and value; a truncated one ends the list.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.first_chunk::<ATTRIBUTE_BYTES>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & ATTRIBUTE_KIND_MASK;
        let value = bytes.get(ATTRIBUTE_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The value of the first attribute of this kind.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

/// A number in network byte order.
pub fn u32_be(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// A number in network byte order.
pub fn u64_be(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

/// A text up to its zero byte; bytes that are not UTF-8 become U+FFFD.
pub fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
