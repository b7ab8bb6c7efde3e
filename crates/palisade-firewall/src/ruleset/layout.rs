//! Chains, sets and counters as they have to be, or as they are: two layouts can be compared and
//! one can be turned into the other in one transaction.

use super::Range;
use palisade_sys::nft::{Base, Entry, Expr, Key, Set};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the filter consists of in the kernel: everything in the table but the bans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Chains by name.
    pub chains: BTreeMap<String, Chain>,
    /// Sets and maps by name.
    pub sets: BTreeMap<String, Elements>,
    /// Names of counters.
    pub counters: BTreeSet<String>,
}

/// A chain with its rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where packets enter it.
    pub base: Option<Base>,
    /// In order.
    pub rules: Vec<Vec<Expr>>,
}

/// A set or map with its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// What it is.
    pub head: Set,
    /// Sorted.
    pub entries: Vec<Entry>,
}

impl Layout {
    /// The first difference to what is `wanted`, in words; `None` if there is none but, at most, in
    /// the elements of sets.
    pub fn difference(&self, wanted: &Layout) -> Option<String> {
        let counter = || wanted.counters.difference(&self.counters).next();
        self.difference_below("", wanted).or_else(|| counter().map(|name| format!("counter `{name}` is not there")))
    }

    /// The same of what has names that begin with `prefix`, as all names of `wanted` do; counters, whose
    /// names do not, are not looked at.
    pub fn difference_below(&self, prefix: &str, wanted: &Layout) -> Option<String> {
        let chains = wanted.chains.iter().find_map(|(name, chain)| self.chain_difference(name, chain));
        let below = |name: &&String| name.starts_with(prefix);
        let extra = || self.chains.keys().filter(below).find(|name| !wanted.chains.contains_key(*name));
        let extra_set = || self.sets.keys().filter(below).find(|name| !wanted.sets.contains_key(*name));
        chains
            .or_else(|| extra().map(|name| format!("chain `{name}` does not belong there")))
            .or_else(|| wanted.sets.iter().find_map(|(name, set)| self.set_difference(name, set)))
            .or_else(|| extra_set().map(|name| format!("set `{name}` does not belong there")))
    }

    fn chain_difference(&self, name: &str, wanted: &Chain) -> Option<String> {
        let Some(is) = self.chains.get(name) else { return Some(format!("chain `{name}` is not there")) };
        if is.base != wanted.base {
            return Some(format!("chain `{name}` stands at another place or has another policy"));
        }
        for (place, rule) in wanted.rules.iter().enumerate() {
            if is.rules.get(place) != Some(rule) {
                return Some(format!("rule {} of chain `{name}` is missing or changed", place + 1));
            }
        }
        let extra = is.rules.len() > wanted.rules.len();
        extra.then(|| format!("chain `{name}` has rules that do not belong there"))
    }

    fn set_difference(&self, name: &str, wanted: &Elements) -> Option<String> {
        match self.sets.get(name) {
            None => Some(format!("set `{name}` is not there")),
            Some(is) if is.head != wanted.head => Some(format!("set `{name}` holds something else")),
            Some(_) => None,
        }
    }

    /// The sets whose elements differ from those that are `wanted`.
    pub fn changed_sets<'a>(&self, wanted: &'a Layout) -> Vec<&'a str> {
        let differs =
            |(name, set): &(&String, &Elements)| self.sets.get(*name).is_none_or(|is| is.entries != set.entries);
        wanted.sets.iter().filter(differs).map(|(name, _)| name.as_str()).collect()
    }

    /// Both together; names are different but for those of counters.
    pub fn extend(&mut self, other: Layout) {
        self.chains.extend(other.chains);
        self.sets.extend(other.sets);
        self.counters.extend(other.counters);
    }

    /// The part whose names begin with `prefix`, without counters.
    pub fn part(&self, prefix: &str) -> Layout {
        let chains = self.chains.iter().filter(|(name, _)| name.starts_with(prefix));
        let sets = self.sets.iter().filter(|(name, _)| name.starts_with(prefix));
        Layout {
            chains: chains.map(|(name, chain)| (name.clone(), chain.clone())).collect(),
            sets: sets.map(|(name, set)| (name.clone(), set.clone())).collect(),
            counters: BTreeSet::new(),
        }
    }
}

/// The elements of an interval set or map for ranges that are sorted and do not overlap, sorted: a
/// start and an end each, and an end before the first (as `nft` writes them).
pub fn intervals<'a>(ranges: impl IntoIterator<Item = (Key, Key, Option<&'a str>)>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (first, last, goes_to) in ranges {
        if entries.is_empty() && lowest(first) != first {
            entries.push(Entry::end(lowest(first)));
        }
        entries.push(Entry::of(first, goes_to));
        entries.extend(after(last).map(Entry::end));
    }
    entries.sort();
    entries
}

/// Both ends of a range as keys.
pub fn keys(range: Range) -> (Key, Key) {
    (Key::Address(range.first()), Key::Address(range.last()))
}

fn lowest(of: Key) -> Key {
    match of {
        Key::Address(IpAddr::V4(_)) => Key::Address(Ipv4Addr::UNSPECIFIED.into()),
        Key::Address(IpAddr::V6(_)) => Key::Address(Ipv6Addr::UNSPECIFIED.into()),
        Key::Port(_) => Key::Port(0),
        Key::Family(_) => Key::Family(0),
        Key::Mark(_) => Key::Mark(0),
    }
}

fn after(key: Key) -> Option<Key> {
    match key {
        Key::Address(IpAddr::V4(a)) => u32::from(a).checked_add(1).map(|n| Key::Address(Ipv4Addr::from(n).into())),
        Key::Address(IpAddr::V6(a)) => u128::from(a).checked_add(1).map(|n| Key::Address(Ipv6Addr::from(n).into())),
        Key::Port(port) => port.checked_add(1).map(Key::Port),
        Key::Family(family) => family.checked_add(1).map(Key::Family),
        Key::Mark(mark) => mark.checked_add(1).map(Key::Mark),
    }
}
