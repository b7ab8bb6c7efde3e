//! From one layout to another in one transaction.

use super::gate::{ESSENTIAL, PROBATION};
use super::layout::{Chain, Elements, Layout};
use super::table;
use palisade_sys::nft::{self, Batch, Entry};

/// Adds to `batch` what makes `wanted` of what is there. First everything that names something is
/// taken away, then what was named, then the new is made, what is named first. Elements of the set
/// `probation` are not touched: they are about time.
pub fn change(batch: &mut Batch, is: &Layout, wanted: &Layout) {
    let stays = |name: &str, chain: &Chain| wanted.chains.get(name) == Some(chain);
    for (name, _) in is.chains.iter().filter(|(name, chain)| !stays(name, chain)) {
        batch.flush_chain(&table(), name);
    }
    take_elements(batch, is, wanted);
    let rebuilt = |name: &str, chain: &Chain| wanted.chains.get(name).is_none_or(|new| new.base != chain.base);
    for (name, _) in is.chains.iter().filter(|(name, chain)| rebuilt(name, chain)) {
        batch.delete_chain(&table(), name);
    }
    is.sets.keys().filter(|name| !wanted.sets.contains_key(*name)).for_each(|name| batch.delete_set(&table(), name));
    wanted.counters.difference(&is.counters).for_each(|name| batch.add_counter(&table(), name));
    is.counters.difference(&wanted.counters).for_each(|name| batch.delete_counter(&table(), name));
    wanted.sets.iter().filter(|(name, _)| !is.sets.contains_key(*name)).for_each(|(_, set)| batch.add_set(&set.head));
    for (name, chain) in &wanted.chains {
        if is.chains.get(name).is_none_or(|old| old.base != chain.base) {
            batch.add_chain(&nft::Chain { table: table(), name: name.clone(), base: chain.base.clone() });
        }
    }
    put_elements(batch, is, wanted);
    let changed = |name: &&String| is.chains.get(*name) != wanted.chains.get(*name);
    // the gates last: all that they lead to is there by then
    let (gates, chains): (Vec<_>, Vec<_>) =
        wanted.chains.keys().filter(changed).partition(|name| !name.contains('/') && name.as_str() != ESSENTIAL);
    for name in chains.into_iter().chain(gates) {
        wanted.chains[name].rules.iter().for_each(|rule| batch.add_rule(&table(), name, rule));
    }
}

fn take_elements(batch: &mut Batch, is: &Layout, wanted: &Layout) {
    for (name, set) in is.sets.iter().filter(|(name, _)| name.as_str() != PROBATION) {
        match wanted.sets.get(name) {
            None if set.head.verdicts => batch.flush_set(&table(), name), // its elements name chains
            None => {}
            Some(new) => batch.delete_entries(&table(), name, &missing(&set.entries, &new.entries)),
        }
    }
}

fn put_elements(batch: &mut Batch, is: &Layout, wanted: &Layout) {
    for (name, set) in wanted.sets.iter().filter(|(name, _)| name.as_str() != PROBATION) {
        match is.sets.get(name) {
            None => batch.add_entries(&table(), name, &set.entries),
            Some(Elements { entries, .. }) => batch.add_entries(&table(), name, &missing(&set.entries, entries)),
        }
    }
}

/// What is in `of` and not in `other`; both sorted.
pub fn missing(of: &[Entry], other: &[Entry]) -> Vec<Entry> {
    let mut other = other.iter().peekable();
    let mut out = Vec::new();
    for entry in of {
        while other.next_if(|o| *o < entry).is_some() {}
        if other.peek() != Some(&entry) {
            out.push(entry.clone());
        }
    }
    out
}
