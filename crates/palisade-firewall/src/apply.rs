//! The acts, and how each becomes one transaction. No opinions here.

pub mod filter;

pub use filter::{At, Point, Restamp, SetChange, Slot, Target, Trial};

use crate::ruleset::{self, CHAIN, Content, FAMILIES, Purpose, Range, Until};
use palisade_core::Timestamp;
use palisade_sys::nft::{Batch, Element, Interval, elements_of};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One exact act. All of it happens, or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Puts the whole table in the place of whatever has its name.
    ReplaceTable(Content),
    /// Takes up the table of a keeper that has ended.
    OwnTable,
    /// Replaces the ranges that can never be cut.
    SetFailsafe(Vec<Range>),
    /// Replaces the allow-list.
    SetAllow(Vec<(Range, Until)>),
    /// Replaces the banned ranges.
    SetBanNetworks(Vec<(Range, Until)>),
    /// Bans addresses that are not banned.
    AddBans(Vec<(IpAddr, Until)>),
    /// Gives banned addresses another end.
    ChangeBans(Vec<(IpAddr, Until)>),
    /// Lets addresses in again.
    RemoveBans(Vec<IpAddr>),
    /// Puts the whole table, with its filter, in the place of whatever has its name.
    ReplaceWhole {
        /// The bans.
        content: Content,
        /// The filter.
        target: Target,
    },
    /// Puts these generations of the filter in the place of those that are there.
    SetRuleset(Target),
    /// Changes elements of sets and maps of the filter.
    ChangeSet {
        /// Which.
        sets: Vec<SetChange>,
        /// Of generations that have changed: their conversations are judged anew.
        stamps: Vec<Restamp>,
        /// As in [`Target`].
        forget: bool,
    },
}

impl Act {
    /// True if stamps that conversations carry from before mean nothing any more.
    pub fn forgets(&self) -> bool {
        match self {
            Act::ReplaceWhole { target, .. } | Act::SetRuleset(target) => target.forget,
            Act::ChangeSet { forget, .. } => *forget,
            _ => false,
        }
    }

    /// The stamps that count after it, as far as it sets any.
    pub fn stamps(&self) -> Vec<u16> {
        match self {
            Act::ReplaceWhole { target, .. } | Act::SetRuleset(target) => {
                let slots = target.confirmed.iter().chain(target.candidate.iter().map(|trial| &trial.slot));
                slots.map(|slot| slot.stamp).collect()
            }
            Act::ChangeSet { stamps, .. } => stamps.iter().map(|stamp| stamp.to).collect(),
            _ => Vec::new(),
        }
    }

    /// The number that was given out last, of those that it sets.
    pub fn newest(&self) -> Option<u16> {
        crate::plan::latest(&self.stamps())
    }
}

/// The transaction of an act on bans, without the filter's part of it. Entries that have ended by `now` are left out: the kernel would take
/// "0 ms left" for "stays".
pub fn batch(act: &Act, now: Timestamp) -> Batch {
    batch_with(act, 0, now)
}

/// The same, where a new table gets these flags.
pub fn batch_with(act: &Act, flags: u32, now: Timestamp) -> Batch {
    let mut out = Transaction { batch: Batch::new(), flags, now_ms: now.as_millisecond() };
    match act {
        Act::ReplaceTable(content) | Act::ReplaceWhole { content, .. } => out.replace_table(content),
        Act::OwnTable => out.batch.add_table_with(&ruleset::table(), ruleset::OWN),
        Act::SetFailsafe(ranges) => out.set_ranges(Purpose::Failsafe, &staying(ranges)),
        Act::SetAllow(ranges) => out.set_ranges(Purpose::Allow, ranges),
        Act::SetBanNetworks(ranges) => out.set_ranges(Purpose::BanNetwork, ranges),
        Act::AddBans(bans) => out.add_bans(bans),
        Act::ChangeBans(bans) => {
            out.remove_bans(&bans.iter().map(|(address, _)| *address).collect::<Vec<_>>());
            out.add_bans(bans);
        }
        Act::RemoveBans(bans) => out.remove_bans(bans),
        Act::ChangeSet { sets, stamps, .. } => filter::change_sets(&mut out.batch, sets, stamps),
        Act::SetRuleset(_) => {}
    }
    out.batch
}

struct Transaction {
    batch: Batch,
    flags: u32,
    now_ms: i64,
}

impl Transaction {
    /// Adding before deleting makes the deletion right whether the table is there or not.
    fn replace_table(&mut self, content: &Content) {
        let table = ruleset::table();
        self.batch.add_table(&table);
        self.batch.delete_table(&table);
        self.batch.add_table_with(&table, self.flags);
        ruleset::sets().iter().for_each(|set| self.batch.add_set(set));
        self.batch.add_chain(&ruleset::chain());
        ruleset::rules().iter().for_each(|rule| self.batch.add_rule(&table, CHAIN, rule));
        self.add_ranges(Purpose::Failsafe, &staying(&content.failsafe));
        self.add_ranges(Purpose::Allow, &content.allow);
        self.add_ranges(Purpose::BanNetwork, &content.networks);
        self.add_bans(&content.bans);
    }

    fn set_ranges(&mut self, purpose: Purpose, ranges: &[(Range, Until)]) {
        FAMILIES.iter().for_each(|of| self.batch.flush_set(&ruleset::table(), purpose.set_name(*of)));
        self.add_ranges(purpose, ranges);
    }

    fn add_ranges(&mut self, purpose: Purpose, ranges: &[(Range, Until)]) {
        for of in FAMILIES {
            let family = ranges.iter().filter(|(range, _)| range.first().is_ipv4() == of.is_ipv4());
            let intervals: Vec<Interval> = family.filter_map(|(range, until)| self.interval(*range, *until)).collect();
            self.batch.add_elements(&ruleset::table(), purpose.set_name(of), &elements_of(&intervals));
        }
    }

    fn add_bans(&mut self, bans: &[(IpAddr, Until)]) {
        let elements = bans.iter().filter_map(|(address, until)| {
            self.timeout_ms(*until).map(|timeout_ms| Element::address(*address, timeout_ms))
        });
        let (v4, v6): (Vec<Element>, Vec<Element>) = elements.partition(|e| e.key.is_ipv4());
        for (of, elements) in FAMILIES.into_iter().zip([v4, v6]) {
            self.batch.add_elements(&ruleset::table(), Purpose::Ban.set_name(of), &elements);
        }
    }

    /// Adds first, which changes nothing where the address is banned: removing one that has just
    /// ended would fail the whole transaction, and Linux before 6.3 has no "remove if there".
    fn remove_bans(&mut self, bans: &[IpAddr]) {
        let (v4, v6): (Vec<Element>, Vec<Element>) =
            bans.iter().map(|address| Element::address(*address, None)).partition(|e| e.key.is_ipv4());
        for (of, elements) in FAMILIES.into_iter().zip([v4, v6]) {
            let set = Purpose::Ban.set_name(of);
            self.batch.add_elements(&ruleset::table(), set, &elements);
            self.batch.delete_elements(&ruleset::table(), set, &elements);
        }
    }

    fn interval(&self, range: Range, until: Until) -> Option<Interval> {
        let timeout_ms = self.timeout_ms(until)?;
        Some(Interval { first: range.first(), last: range.last(), timeout_ms })
    }

    /// `None` when it has ended; `Some(None)` when it stays.
    fn timeout_ms(&self, until: Until) -> Option<Option<u64>> {
        match until.left_ms(self.now_ms) {
            None => Some(None),
            Some(left) => u64::try_from(left).ok().filter(|left| *left > 0).map(Some),
        }
    }
}

fn staying(ranges: &[Range]) -> Vec<(Range, Until)> {
    ranges.iter().map(|range| (*range, Until::Never)).collect()
}
