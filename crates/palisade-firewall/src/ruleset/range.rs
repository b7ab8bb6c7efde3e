//! Ranges of addresses: an interval set of the kernel takes none that overlap.

use super::Until;
use palisade_core::Cidr;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, BinaryHeap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses of one family from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
}

impl Range {
    /// A range; `None` if the ends are of two families or the wrong way round.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Range> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Range { first, last })
    }

    /// The first address.
    pub fn first(self) -> IpAddr {
        self.first
    }

    /// The last address.
    pub fn last(self) -> IpAddr {
        self.last
    }

    /// True if `other` lies inside.
    pub fn contains(self, other: Range) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4() && self.first <= other.first && other.last <= self.last
    }

    /// How many addresses it has; `None` for more than can be counted.
    pub fn addresses(self) -> Option<u64> {
        u64::try_from(number(self.last) - number(self.first)).ok()?.checked_add(1)
    }

    /// Each of its addresses, the first one first.
    pub fn each(self) -> impl Iterator<Item = IpAddr> {
        std::iter::successors(Some(self.first), move |at| beside(*at, 1).filter(|next| *next <= self.last))
    }

    /// The network that this is, if it is one.
    fn cidr(self) -> Option<Cidr> {
        let (first, last) = (number(self.first), number(self.last));
        let host_bits = (first ^ last).count_ones();
        let length = if self.first.is_ipv4() { 32 } else { 128 } - host_bits;
        let cidr: Cidr = format!("{}/{length}", self.first).parse().ok()?;
        (Range::from(cidr) == self).then_some(cidr)
    }
}

impl From<Cidr> for Range {
    fn from(cidr: Cidr) -> Range {
        Range { first: cidr.network(), last: cidr.last() }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cidr() {
            Some(cidr) => cidr.fmt(f),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Range, String> {
        let error =
            || format!("`{}` is no range", text.chars().take(99).flat_map(char::escape_default).collect::<String>());
        match text.split_once('-') {
            None => text.parse::<Cidr>().map(Range::from).map_err(|e| e.to_string()),
            Some((first, last)) => {
                let (first, last) = (first.parse().map_err(|_| error())?, last.parse().map_err(|_| error())?);
                Range::new(first, last).ok_or_else(error)
            }
        }
    }
}

impl TryFrom<String> for Range {
    type Error = String;

    fn try_from(text: String) -> Result<Range, String> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> String {
        range.to_string()
    }
}

/// Ranges that may overlap as sorted ranges that do not: where several cover an address, the one
/// that ends last counts. Neighbours that end at the same moment become one.
pub fn merged(given: impl IntoIterator<Item = (Range, Until)>) -> Vec<(Range, Until)> {
    let (v4, v6): (Vec<_>, Vec<_>) = given.into_iter().partition(|(range, _)| range.first.is_ipv4());
    let mut all = merged_family(v4, |n| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap_or(u32::MAX))));
    all.extend(merged_family(v6, |n| IpAddr::V6(Ipv6Addr::from(n))));
    all
}

/// One sweep from the lowest to the highest address over the points where a range begins or ends;
/// the heap holds the ranges that cover the present point, the one that ends last on top.
fn merged_family(mut given: Vec<(Range, Until)>, address: impl Fn(u128) -> IpAddr) -> Vec<(Range, Until)> {
    given.sort_unstable();
    let points: BTreeSet<u128> =
        given.iter().flat_map(|(r, _)| [Some(number(r.first)), number(r.last).checked_add(1)]).flatten().collect();
    let mut ends = points.iter().skip(1);
    let mut coming = given.iter().peekable();
    let mut covering: BinaryHeap<(Until, u128)> = BinaryHeap::new();
    let mut out: Vec<(u128, u128, Until)> = Vec::with_capacity(given.len());
    for from in &points {
        while let Some((range, until)) = coming.next_if(|(range, _)| number(range.first) == *from) {
            covering.push((*until, number(range.last)));
        }
        while covering.peek().is_some_and(|(_, last)| last < from) {
            covering.pop();
        }
        // without a next point the range reaches the last address there is
        let next = ends.next().copied();
        let Some((until, last)) = covering.peek() else { continue };
        let to = next.map_or(*last, |next| next - 1);
        match out.last_mut() {
            Some((_, end, same)) if end.checked_add(1) == Some(*from) && same == until => *end = to,
            _ => out.push((*from, to, *until)),
        }
    }
    out.into_iter().map(|(first, last, until)| (Range { first: address(first), last: address(last) }, until)).collect()
}

/// What is left of `range` without any address of `holes`, sorted.
pub fn subtracted(range: Range, holes: &[Range]) -> Vec<Range> {
    let mut left = vec![range];
    for hole in holes {
        left = left.into_iter().flat_map(|part| without(part, *hole)).flatten().collect();
    }
    left
}

fn without(part: Range, hole: Range) -> [Option<Range>; 2] {
    let apart = part.first.is_ipv4() != hole.first.is_ipv4() || hole.last < part.first || part.last < hole.first;
    if apart {
        return [Some(part), None];
    }
    let before = beside(hole.first, -1).and_then(|last| Range::new(part.first, last));
    let after = beside(hole.last, 1).and_then(|first| Range::new(first, part.last));
    [before, after]
}

fn beside(address: IpAddr, step: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => u32::from(a).checked_add_signed(step.into()).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(a) => u128::from(a).checked_add_signed(step.into()).map(|n| IpAddr::V6(n.into())),
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}
