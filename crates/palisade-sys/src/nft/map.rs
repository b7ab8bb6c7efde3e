//! Elements of sets that are not of addresses alone: ports, families, marks; and of verdict maps.

use super::expr::Verdict;
use super::wire::*;
use crate::netlink::{Buffer, attribute, attributes, u32_be, u64_be};
use std::cmp::Ordering;
use std::net::IpAddr;

/// What an element is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An address.
    Address(IpAddr),
    /// A port.
    Port(u16),
    /// The family of a packet: 2 IPv4, 10 IPv6.
    Family(u8),
    /// A mark.
    Mark(u32),
}

impl Key {
    fn write(self, out: &mut Buffer) {
        match self {
            Key::Address(IpAddr::V4(address)) => out.bytes(DATA_VALUE, &address.octets()),
            Key::Address(IpAddr::V6(address)) => out.bytes(DATA_VALUE, &address.octets()),
            Key::Port(port) => out.bytes(DATA_VALUE, &port.to_be_bytes()),
            Key::Family(family) => out.bytes(DATA_VALUE, &[family]),
            Key::Mark(mark) => out.bytes(DATA_VALUE, &mark.to_ne_bytes()),
        }
    }

    /// `mark` says what four bytes are: a mark or an address.
    fn read(bytes: &[u8], mark: bool) -> Option<Key> {
        match bytes.len() {
            1 => Some(Key::Family(bytes[0])),
            2 => Some(Key::Port(u16::from_be_bytes(bytes.try_into().ok()?))),
            4 if mark => Some(Key::Mark(u32::from_ne_bytes(bytes.try_into().ok()?))),
            4 => Some(Key::Address(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?))),
            16 => Some(Key::Address(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?))),
            _ => None,
        }
    }
}

/// One element of such a set, or of a verdict map. Ordered as the kernel wants ranges: where one
/// ends and another starts, the end comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is about; where a range starts, or the first key after it.
    pub key: Key,
    /// The first key that is no longer in the range.
    pub end: bool,
    /// The chain in which the packet goes on for good, in a map.
    pub goes_to: Option<String>,
    /// Milliseconds that it was given when it was added; `None` = stays.
    pub timeout_ms: Option<u64>,
    /// Milliseconds that it has left; only when read.
    pub expires_ms: Option<u64>,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        let rest = |e: &Entry| (e.timeout_ms, e.expires_ms);
        let places = (self.key, !self.end).cmp(&(other.key, !other.end));
        places.then_with(|| self.goes_to.cmp(&other.goes_to)).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Entry {
    /// An element that stays.
    pub fn of(key: Key, goes_to: Option<&str>) -> Entry {
        Entry { key, end: false, goes_to: goes_to.map(str::to_owned), timeout_ms: None, expires_ms: None }
    }

    /// The end of a range.
    pub fn end(key: Key) -> Entry {
        Entry { end: true, ..Entry::of(key, None) }
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        out.nest(LIST_ELEM, |out| {
            out.nest(ELEM_KEY, |out| self.key.write(out));
            if self.end {
                out.u32_be(ELEM_FLAGS, ELEM_FLAG_END);
            }
            if let Some(chain) = &self.goes_to {
                out.nest(ELEM_DATA, |out| Verdict::Goto(chain.clone()).write(out));
            }
            if let Some(timeout_ms) = self.timeout_ms {
                out.countdown_ms(ELEM_TIMEOUT, timeout_ms.max(1)); // 0 would mean that it stays
            }
        });
    }

    pub(super) fn read(value: &[u8], mark: bool) -> Option<Entry> {
        let mut entry = Entry::of(Key::read(attribute(attribute(value, ELEM_KEY)?, DATA_VALUE)?, mark)?, None);
        for (kind, value) in attributes(value) {
            match kind {
                ELEM_DATA => {
                    entry.goes_to = Some(match Verdict::read(value)? {
                        Verdict::Goto(chain) => chain,
                        other => format!("{other:?}"), // somebody else's: a name that no chain has
                    });
                }
                ELEM_FLAGS => entry.end = u32_be(value)? & ELEM_FLAG_END != 0,
                ELEM_TIMEOUT => entry.timeout_ms = u64_be(value),
                ELEM_EXPIRATION => entry.expires_ms = u64_be(value),
                _ => {}
            }
        }
        Some(entry)
    }
}

/// The elements in the value of `NFTA_SET_ELEM_LIST_ELEMENTS`; those whose key is not known are passed over.
pub(super) fn read_list(bytes: &[u8], mark: bool) -> impl Iterator<Item = Entry> {
    let elements = attributes(bytes).filter(|(kind, _)| *kind == LIST_ELEM);
    elements.filter_map(move |(_, value)| Entry::read(value, mark))
}
