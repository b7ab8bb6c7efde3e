//! Changes of nftables by others: gathered, and told apart by whose table they touch. Pure.
//!
//! Beside our table stands an empty one, the canary, that nobody has a reason to touch. When it goes,
//! somebody has flushed the ruleset, also where the kernel has kept our own table from it.

use super::record::{Changer, Foreign, Outcome, Tampered, Told, cut};
use crate::ruleset::table;
use palisade_core::Timestamp;
use palisade_sys::nft::{Change, Family, TableName, Touched};
use std::collections::BTreeMap;

/// The name of the canary, of family inet.
pub const CANARY: &str = "palisade_canary";
/// Changes by one tool within this time are one record.
const GATHER_S: i64 = 1;
/// A tool that changes the same tables again and again is told of so often.
const AGAIN_EVERY_S: i64 = 60;
/// The keeper repairs our table within this time, or it counts as gone.
const REPAIR_S: i64 = 10;
/// Tools that are remembered; more are told of as if they were new.
const TOOLS_MAX: usize = 256;
/// Tables that a record names.
const TABLES_MAX: usize = 20;

/// The canary's table.
pub fn canary() -> TableName {
    TableName { family: Family::Inet, name: CANARY.to_owned() }
}

/// What has been changed and not been told.
#[derive(Debug, Default)]
pub struct Changes {
    open: BTreeMap<Tool, Gathered>,
    told: BTreeMap<Tool, Timestamp>,
    tampered: Option<Pending>,
}

/// Who changed which tables.
type Tool = (String, Vec<String>);

#[derive(Debug)]
struct Gathered {
    at: Timestamp,
    by: Changer,
    touched: BTreeMap<TableName, Touched>,
    transactions: u32,
}

#[derive(Debug)]
struct Pending {
    at: Timestamp,
    by: Changer,
    flushed: bool,
    touched: Option<Touched>,
    repaired: bool,
}

impl Changes {
    /// Takes a change up. Of our own only that matters which repairs what others did.
    pub fn note(&mut self, change: &Change, by: impl FnOnce() -> Changer, now: Timestamp) {
        let ours = change.tables.get(&table()).copied();
        if change.own {
            if let (Some(pending), Some(_)) = (&mut self.tampered, ours) {
                pending.repaired = true;
            }
            return;
        }
        let flushed = change.tables.get(&canary()).is_some_and(|touched| touched.deleted);
        let mut foreign = change.tables.clone();
        foreign.retain(|name, _| *name != table() && *name != canary());
        if ours.is_none() && !flushed && foreign.is_empty() {
            return; // an empty transaction, or the canary was decorated
        }
        let by = by();
        if ours.is_some() || flushed {
            self.note_tampered(by, flushed, ours, now);
        } else {
            self.note_foreign(by, foreign, now);
        }
    }

    /// True while it is open what becomes of our table.
    pub fn is_pending(&self) -> bool {
        self.tampered.is_some()
    }

    /// What is to be told now; `present` says whether our table is there.
    pub fn due(&mut self, present: bool, now: Timestamp) -> Vec<Told> {
        let mut told = Vec::new();
        if let Some(outcome) = self.tampered.as_ref().and_then(|pending| pending.outcome(present, now))
            && let Some(pending) = self.tampered.take()
        {
            told.push(Told::Tampered(pending.told(outcome)));
        }
        let due: Vec<Tool> =
            self.open.iter().filter(|(tool, g)| self.is_due(tool, g.at, now)).map(|(t, _)| t.clone()).collect();
        for tool in due {
            if let Some(gathered) = self.open.remove(&tool) {
                self.remember(tool.clone(), now);
                told.push(Told::Foreign(gathered.told(tool.1)));
            }
        }
        told
    }

    fn is_due(&self, tool: &Tool, at: Timestamp, now: Timestamp) -> bool {
        let past = |since: Timestamp, length_s| !(0..length_s).contains(&(now.as_second() - since.as_second()));
        past(at, GATHER_S) && self.told.get(tool).is_none_or(|told| past(*told, AGAIN_EVERY_S))
    }

    fn remember(&mut self, tool: Tool, now: Timestamp) {
        if self.told.len() >= TOOLS_MAX {
            self.told.clear();
        }
        self.told.insert(tool, now);
    }

    fn note_tampered(&mut self, by: Changer, flushed: bool, ours: Option<Touched>, now: Timestamp) {
        let new = || Pending { at: now, by, flushed: false, touched: None, repaired: false };
        let pending = self.tampered.get_or_insert_with(new);
        pending.flushed |= flushed;
        if let Some(touched) = ours {
            pending.touched = Some(sum(pending.touched.unwrap_or_default(), touched));
            pending.repaired = false;
        }
    }

    fn note_foreign(&mut self, by: Changer, touched: BTreeMap<TableName, Touched>, now: Timestamp) {
        let names = touched.keys().take(TABLES_MAX).map(|name| cut(&name.to_string())).collect();
        let tool: Tool = (by.process.clone(), names);
        if self.open.len() >= TOOLS_MAX && !self.open.contains_key(&tool) {
            return;
        }
        let new = || Gathered { at: now, by, touched: BTreeMap::new(), transactions: 0 };
        let gathered = self.open.entry(tool).or_insert_with(new);
        gathered.transactions = gathered.transactions.saturating_add(1);
        for (name, more) in touched {
            let all = gathered.touched.entry(name).or_default();
            *all = sum(*all, more);
        }
    }
}

impl Pending {
    fn outcome(&self, present: bool, now: Timestamp) -> Option<Outcome> {
        let waited = !(0..REPAIR_S).contains(&(now.as_second() - self.at.as_second()));
        match (self.touched, present) {
            (None, true) => Some(Outcome::Kept),
            (Some(_), true) if self.repaired => Some(Outcome::Repaired),
            // the keeper has looked at it and found nothing to mend
            (Some(_), true) if waited => Some(Outcome::Kept),
            (_, false) if waited => Some(Outcome::Gone),
            _ => None,
        }
    }

    fn told(self, outcome: Outcome) -> Tampered {
        let what = self.touched.map(|touched| said(&touched)).unwrap_or_default();
        Tampered { at: self.at, by: self.by, flushed: self.flushed, what, outcome }
    }
}

impl Gathered {
    fn told(self, tables: Vec<String>) -> Foreign {
        let each =
            self.touched.iter().take(TABLES_MAX).map(|(name, t)| format!("{}: {}", cut(&name.to_string()), said(t)));
        let what = each.collect::<Vec<_>>().join("; ");
        Foreign { at: self.at, by: self.by, tables, what, transactions: self.transactions }
    }
}

fn sum(a: Touched, b: Touched) -> Touched {
    Touched {
        made: a.made | b.made,
        deleted: a.deleted | b.deleted,
        chains: a.chains.saturating_add(b.chains),
        rules: a.rules.saturating_add(b.rules),
        sets: a.sets.saturating_add(b.sets),
        elements: a.elements.saturating_add(b.elements),
    }
}

/// `deleted`, `2 rules and 1 chain`.
fn said(touched: &Touched) -> String {
    match (touched.made, touched.deleted) {
        (true, true) => return "replaced".to_owned(),
        (false, true) => return "deleted".to_owned(),
        _ => {}
    }
    let counted = |count: u32, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let parts = [
        touched.made.then(|| "made".to_owned()),
        counted(touched.rules, "rule"),
        counted(touched.chains, "chain"),
        counted(touched.sets, "set"),
        (touched.elements > 0).then(|| "elements".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn change(own: bool, tables: &[(TableName, Touched)]) -> Change {
        Change { own, tables: tables.iter().cloned().collect(), ..Change::default() }
    }

    fn by(name: &str) -> Changer {
        Changer { pid: 812, process: name.to_owned(), ..Changer::default() }
    }

    fn other() -> TableName {
        TableName { family: Family::Ip, name: "filter".to_owned() }
    }

    const RULE: Touched = Touched { made: false, deleted: false, chains: 0, rules: 1, sets: 0, elements: 0 };
    const DELETED: Touched = Touched { made: false, deleted: true, chains: 0, rules: 0, sets: 0, elements: 0 };

    fn tampered(told: Vec<Told>) -> Option<(bool, String, Outcome)> {
        match told.as_slice() {
            [] => None,
            [Told::Tampered(t)] => Some((t.flushed, t.what.clone(), t.outcome)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_of_one_tool_within_a_second_are_one_record_and_then_one_a_minute() {
        let mut changes = Changes::default();
        let touch = |changes: &mut Changes, second| {
            changes.note(&change(false, &[(other(), RULE)]), || by("docker"), at(second))
        };
        touch(&mut changes, 100);
        touch(&mut changes, 100);
        assert!(changes.due(true, at(100)).is_empty());
        let told = changes.due(true, at(101));
        let [Told::Foreign(foreign)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((foreign.by.to_string().as_str(), foreign.transactions), ("docker (pid 812)", 2));
        assert_eq!(
            (foreign.tables.as_slice(), foreign.what.as_str()),
            (&["ip filter".to_owned()][..], "ip filter: 2 rules")
        );
        for second in 102..160 {
            touch(&mut changes, second);
            assert!(changes.due(true, at(second + 1)).is_empty(), "{second}");
        }
        assert_eq!(changes.due(true, at(161)).len(), 1);
    }

    #[test]
    fn a_flush_that_our_table_survived_is_told_as_kept() {
        let mut changes = Changes::default();
        changes.note(&change(false, &[(canary(), DELETED), (other(), DELETED)]), || by("nft"), at(1));
        assert_eq!(tampered(changes.due(true, at(1))), Some((true, String::new(), Outcome::Kept)));
    }

    #[test]
    fn a_flush_that_took_our_table_is_told_when_it_is_back() {
        let mut changes = Changes::default();
        changes.note(&change(false, &[(canary(), DELETED), (table(), DELETED)]), || by("nft"), at(1));
        assert_eq!(tampered(changes.due(false, at(2))), None);
        changes.note(&change(true, &[(table(), Touched { made: true, ..RULE })]), || unreachable!(), at(3));
        assert_eq!(tampered(changes.due(true, at(3))), Some((true, "deleted".to_owned(), Outcome::Repaired)));
        assert!(!changes.is_pending());
    }

    #[test]
    fn a_table_that_stays_away_is_told_as_gone() {
        let mut changes = Changes::default();
        changes.note(&change(false, &[(table(), DELETED)]), || by("evil"), at(1));
        assert_eq!(tampered(changes.due(false, at(10))), None);
        assert_eq!(tampered(changes.due(false, at(11))), Some((false, "deleted".to_owned(), Outcome::Gone)));
    }

    #[test]
    fn a_change_that_needed_no_repair_is_told_as_kept() {
        let mut changes = Changes::default();
        changes.note(&change(false, &[(table(), RULE)]), || by("nft"), at(1));
        assert_eq!(tampered(changes.due(true, at(5))), None);
        assert_eq!(tampered(changes.due(true, at(11))), Some((false, "1 rule".to_owned(), Outcome::Kept)));
    }

    #[test]
    fn our_own_changes_are_not_told() {
        let mut changes = Changes::default();
        changes.note(&change(true, &[(table(), RULE), (canary(), DELETED)]), || unreachable!(), at(1));
        assert!(changes.due(true, at(100)).is_empty());
    }

    #[test]
    fn tools_are_remembered_within_a_bound() {
        let mut changes = Changes::default();
        for n in 0..10_000 {
            changes.note(&change(false, &[(other(), RULE)]), || by(&format!("tool-{n}")), at(1));
        }
        assert_eq!(changes.due(true, at(5)).len(), TOOLS_MAX);
        assert!(changes.told.len() <= TOOLS_MAX && changes.open.is_empty());
    }
}
