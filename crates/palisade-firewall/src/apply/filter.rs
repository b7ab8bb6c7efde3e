//! The acts on the filter.

use crate::filter::Filter;
use crate::ruleset::{
    ALLOW, Held, Layout, PROBATION, STAMP, Uncut, armed, change, missing, stamp_set, stamping, table,
};
use palisade_core::Timestamp;
use palisade_sys::nft::{Batch, Entry, Key};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The generations that should be there afterwards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The one that counts when no candidate does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Slot>,
    /// The one that counts until the end of its probation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Trial>,
    /// What no rule cuts.
    #[serde(default, skip_serializing_if = "Uncut::is_empty")]
    pub uncut: Uncut,
    /// Conversations may carry stamps of before that come again: they are taken away.
    #[serde(default)]
    pub forget: bool,
}

/// A generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// `gN/` stands before its names.
    pub number: u16,
    /// Conversations that it allows carry this.
    pub stamp: u16,
    /// What it is made of.
    pub filter: Filter,
}

/// A generation on probation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Which.
    #[serde(flatten)]
    pub slot: Slot,
    /// When the kernel goes back by itself.
    pub until: Timestamp,
}

/// Elements of one set or map that change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetChange {
    /// Its name with the generation.
    pub set: String,
    /// Gone.
    pub remove: Vec<Point>,
    /// New.
    pub add: Vec<Point>,
}

/// Where a range begins, or the first that is no longer in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Where.
    pub at: At,
    /// It is the end of a range.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub end: bool,
    /// The chain that the map names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_to: Option<String>,
}

/// What a range is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum At {
    /// Ports.
    Port(u16),
    /// Addresses.
    Address(IpAddr),
}

/// A generation gets another stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restamp {
    /// Which.
    pub number: u16,
    /// The stamp that it has.
    pub from: u16,
    /// The one that it gets.
    pub to: u16,
}

impl Point {
    /// As the kernel's element.
    pub fn entry(&self) -> Entry {
        let key = match self.at {
            At::Address(address) => Key::Address(address),
            At::Port(port) => Key::Port(port),
        };
        Entry { end: self.end, ..Entry::of(key, self.goes_to.as_deref()) }
    }
}

/// Adds what makes `wanted` of what is held, and arms the candidate for the time that it has left;
/// one whose time is up is not armed.
pub fn set_ruleset(batch: &mut Batch, held: &Held, wanted: &Layout, target: &Target, now: Timestamp) {
    change(batch, &held.layout, wanted);
    if held.probation.is_some() && wanted.sets.contains_key(PROBATION) {
        batch.flush_set(&table(), PROBATION);
    }
    let left = target.candidate.as_ref().map(|t| t.until.as_millisecond() - now.as_millisecond());
    if let Some(left_ms) = left.and_then(|left| u64::try_from(left).ok()).filter(|left| *left > 0) {
        batch.add_entries(&table(), PROBATION, &armed(left_ms));
    }
}

/// Adds the changes of elements and stamps.
pub fn change_sets(batch: &mut Batch, sets: &[SetChange], stamps: &[Restamp]) {
    let entries = |points: &[Point]| points.iter().map(Point::entry).collect::<Vec<_>>();
    sets.iter().for_each(|change| batch.delete_entries(&table(), &change.set, &entries(&change.remove)));
    sets.iter().for_each(|change| batch.add_entries(&table(), &change.set, &entries(&change.add)));
    for Restamp { number, from, to } in stamps {
        let (set, chain) = (format!("g{number}/{STAMP}"), format!("g{number}/{ALLOW}"));
        batch.delete_entries(&table(), &set, &stamp_set(*number, *from).entries);
        batch.add_entries(&table(), &set, &stamp_set(*number, *to).entries);
        batch.flush_chain(&table(), &chain);
        batch.add_rule(&table(), &chain, &stamping(*to));
    }
}

/// The same in what is known of the kernel.
pub fn follow_sets(layout: &mut Layout, sets: &[SetChange], stamps: &[Restamp]) {
    for change in sets {
        let Some(set) = layout.sets.get_mut(&change.set) else { continue };
        let mut gone: Vec<Entry> = change.remove.iter().map(Point::entry).collect();
        gone.sort();
        set.entries = missing(&set.entries, &gone);
        set.entries.extend(change.add.iter().map(Point::entry));
        set.entries.sort();
    }
    for Restamp { number, to, .. } in stamps {
        layout.sets.insert(format!("g{number}/{STAMP}"), stamp_set(*number, *to));
        if let Some(chain) = layout.chains.get_mut(&format!("g{number}/{ALLOW}")) {
            chain.rules = vec![stamping(*to)];
        }
    }
}
