//! The elements of sets, to and from netlink, and how ranges are written as elements.

use super::wire::*;
use crate::netlink::{Buffer, attribute, attributes, u32_be, u64_be};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One element of a set of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// The address; in an interval set where a range starts, or the first one after it.
    pub key: IpAddr,
    /// In an interval set: the first address that is no longer in the range.
    pub end: bool,
    /// Milliseconds that it was given when it was added; `None` = stays.
    pub timeout_ms: Option<u64>,
    /// Milliseconds that it has left; only when read.
    pub expires_ms: Option<u64>,
}

impl Element {
    /// An address that stays, or goes after `timeout_ms`.
    pub fn address(key: IpAddr, timeout_ms: Option<u64>) -> Element {
        Element { key, end: false, timeout_ms, expires_ms: None }
    }

    pub(super) fn write(&self, out: &mut Buffer) {
        out.nest(LIST_ELEM, |out| {
            out.nest(ELEM_KEY, |out| match self.key {
                IpAddr::V4(address) => out.bytes(DATA_VALUE, &address.octets()),
                IpAddr::V6(address) => out.bytes(DATA_VALUE, &address.octets()),
            });
            if self.end {
                out.u32_be(ELEM_FLAGS, ELEM_FLAG_END);
            }
            if let Some(timeout_ms) = self.timeout_ms {
                out.countdown_ms(ELEM_TIMEOUT, timeout_ms.max(1)); // 0 would mean that it stays
            }
        });
    }
}

/// The elements in the value of `NFTA_SET_ELEM_LIST_ELEMENTS`; those whose key is no address are
/// passed over.
pub(super) fn read_list(bytes: &[u8]) -> impl Iterator<Item = Element> {
    attributes(bytes).filter(|(kind, _)| *kind == LIST_ELEM).filter_map(|(_, value)| read(value))
}

fn read(value: &[u8]) -> Option<Element> {
    let mut element = Element::address(IpAddr::V4(Ipv4Addr::UNSPECIFIED), None);
    let mut found = false;
    for (kind, value) in attributes(value) {
        match kind {
            ELEM_KEY => {
                element.key = address(attribute(value, DATA_VALUE)?)?;
                found = true;
            }
            ELEM_FLAGS => element.end = u32_be(value)? & ELEM_FLAG_END != 0,
            ELEM_TIMEOUT => element.timeout_ms = u64_be(value),
            ELEM_EXPIRATION => element.expires_ms = u64_be(value),
            _ => {}
        }
    }
    found.then_some(element)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)))
}

/// A range of addresses of one family, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The first address.
    pub first: IpAddr,
    /// The last address.
    pub last: IpAddr,
    /// Milliseconds that it was given, or (read) has left; `None` = stays.
    pub timeout_ms: Option<u64>,
}

/// The elements that stand for ranges which do not overlap and are sorted: each has a start, and
/// an end unless it reaches the last address there is. Before the first one lies an end at zero,
/// as `nft` writes it: older kernels look down from an address to the next element below.
/// Adjacent ranges keep both end and start, because the second may time out before the first.
pub fn elements_of(intervals: &[Interval]) -> Vec<Element> {
    let mut elements = Vec::with_capacity(intervals.len() * 2 + 1);
    let Some(first) = intervals.first() else { return elements };
    let end = |key| Element { end: true, ..Element::address(key, None) };
    if !first.first.is_unspecified() {
        elements.push(end(match first.first {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }));
    }
    for interval in intervals {
        elements.push(Element::address(interval.first, interval.timeout_ms));
        elements.extend(step(interval.last, true).map(end));
    }
    elements
}

/// The ranges that elements of one set stand for, sorted: the inverse of [`elements_of`]. A start
/// without its end reaches up to the next start, or to the last address there is.
pub fn intervals_of(mut elements: Vec<Element>) -> Vec<Interval> {
    elements.sort_by_key(|e| (e.key, !e.end));
    let mut intervals = Vec::with_capacity(elements.len() / 2);
    let mut open: Option<Element> = None;
    for element in &elements {
        if let (Some(start), Some(last)) = (open.take(), step(element.key, false)) {
            intervals.push(Interval { first: start.key, last, timeout_ms: start.expires_ms });
        }
        open = (!element.end).then_some(*element);
    }
    if let Some(start) = open {
        let last = match start.key {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::BROADCAST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(u128::MAX)),
        };
        intervals.push(Interval { first: start.key, last, timeout_ms: start.expires_ms });
    }
    intervals
}

/// The address after (or before) this one; `None` beyond the end of its family.
fn step(address: IpAddr, up: bool) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => {
            let n = u32::from(a);
            let n = if up { n.checked_add(1) } else { n.checked_sub(1) };
            n.map(|n| IpAddr::V4(n.into()))
        }
        IpAddr::V6(a) => {
            let n = u128::from(a);
            let n = if up { n.checked_add(1) } else { n.checked_sub(1) };
            n.map(|n| IpAddr::V6(n.into()))
        }
    }
}
