//! What the counters of rules have counted since they were last told. Pure.

use super::record::{Hit, cut};
use palisade_core::Timestamp;
use std::collections::{BTreeMap, HashMap};

/// A record is told at most so often.
pub const TELL_EVERY_S: i64 = 60;
/// Rules of one record: those of a host (1,000), and what the policy, groups and defaults add.
pub const RULES_MAX: usize = 4_000;

/// What counters said last, and what of it has not been told.
#[derive(Debug, Default)]
pub struct Hits {
    last: Option<HashMap<String, (u64, u64)>>,
    untold: BTreeMap<String, Hit>,
    told_at: Option<Timestamp>,
}

impl Hits {
    /// Takes the values of all counters: name, packets, bytes. What stood there at the first reading was
    /// counted before this began; a counter that has fallen was made anew and counts from 0.
    pub fn read(&mut self, counters: Vec<(String, u64, u64)>, now: Timestamp) {
        let now_known = counters.iter().map(|(name, packets, bytes)| (name.clone(), (*packets, *bytes))).collect();
        let Some(last) = self.last.replace(now_known) else { return };
        for (name, packets, bytes) in counters {
            let before = last.get(&name).copied().filter(|(p, b)| *p <= packets && *b <= bytes).unwrap_or((0, 0));
            let (packets, bytes) = (packets - before.0, bytes - before.1);
            if packets == 0 || (self.untold.len() >= RULES_MAX && !self.untold.contains_key(&name)) {
                continue;
            }
            let new = || Hit { rule: cut(&name), packets: 0, bytes: 0, last: now };
            let hit = self.untold.entry(name.clone()).or_insert_with(new);
            (hit.packets, hit.bytes, hit.last) = (hit.packets + packets, hit.bytes + bytes, now);
        }
    }

    /// The record, when one is due.
    pub fn due(&mut self, now: Timestamp) -> Option<Vec<Hit>> {
        let since_s = self.told_at.map(|at| now.as_second().saturating_sub(at.as_second()));
        if self.untold.is_empty() || since_s.is_some_and(|s| (0..TELL_EVERY_S).contains(&s)) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold).into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn read(hits: &mut Hits, second: i64, counters: &[(&str, u64)]) {
        hits.read(counters.iter().map(|(name, n)| ((*name).to_owned(), *n, n * 60)).collect(), at(second));
    }

    fn due(hits: &mut Hits, second: i64) -> Option<Vec<(String, u64, u64, i64)>> {
        let list = hits.due(at(second))?;
        Some(list.into_iter().map(|h| (h.rule, h.packets, h.bytes, h.last.as_second())).collect())
    }

    #[test]
    fn what_was_counted_since_is_told_once_a_minute() {
        let mut hits = Hits::default();
        read(&mut hits, 0, &[("web/ssh", 100), ("web/http", 7)]);
        assert_eq!(due(&mut hits, 0), None, "counted before this began");
        read(&mut hits, 10, &[("web/ssh", 103), ("web/http", 7)]);
        assert_eq!(due(&mut hits, 10), Some(vec![("web/ssh".to_owned(), 3, 180, 10)]));
        read(&mut hits, 20, &[("web/ssh", 104), ("web/http", 7)]);
        assert_eq!(due(&mut hits, 20), None);
        read(&mut hits, 60, &[("web/ssh", 104), ("web/http", 8)]);
        let both = vec![("web/http".to_owned(), 1, 60, 60), ("web/ssh".to_owned(), 1, 60, 20)];
        assert_eq!(due(&mut hits, 70), Some(both));
        assert_eq!(due(&mut hits, 200), None);
    }

    #[test]
    fn a_counter_that_is_new_or_has_fallen_counts_from_nothing() {
        let mut hits = Hits::default();
        read(&mut hits, 0, &[("a/x", 100)]);
        read(&mut hits, 10, &[("a/x", 2), ("b/y", 5)]);
        let told = due(&mut hits, 10).unwrap();
        assert_eq!(told.iter().map(|t| (t.0.as_str(), t.1)).collect::<Vec<_>>(), [("a/x", 2), ("b/y", 5)]);
    }

    #[test]
    fn a_table_that_was_away_counts_from_nothing() {
        let mut hits = Hits::default();
        read(&mut hits, 0, &[("a/x", 100)]);
        read(&mut hits, 10, &[]);
        read(&mut hits, 20, &[("a/x", 4)]);
        assert_eq!(due(&mut hits, 20).unwrap()[0].1, 4);
    }

    proptest! {
        #[test]
        fn all_that_was_counted_is_told_once(steps in prop::collection::vec(0u64..50, 1..40)) {
            let (mut hits, mut sum, mut told) = (Hits::default(), 0, 0);
            read(&mut hits, 0, &[("a/x", 0)]);
            for (n, step) in steps.iter().enumerate() {
                sum += step;
                let second = (n as i64 + 1) * 10;
                read(&mut hits, second, &[("a/x", sum)]);
                told += hits.due(at(second)).map_or(0, |list| list[0].packets);
            }
            told += hits.due(at(1_000_000)).map_or(0, |list| list[0].packets);
            prop_assert_eq!(told, sum);
        }
    }
}
