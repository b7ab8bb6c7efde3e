//! When the next look is due. Pure.

use palisade_core::Timestamp;
use std::hash::{DefaultHasher, Hash, Hasher};

/// True if something that is looked at every `interval_s` and was looked at last at `last` is due.
/// The moments are spread by name, and the same after a restart; what was never looked at is due.
pub fn is_due(name: &str, interval_s: i64, last: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let offset_s = (hasher.finish() % interval_s.max(1) as u64) as i64;
    let slot = |at: Timestamp| (at.as_second() - offset_s).div_euclid(interval_s.max(1));
    // a clock that was set back makes one look more, not none for a day
    slot(now) != slot(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_348_800 + second).unwrap()
    }

    #[test]
    fn every_interval_has_one_look_and_many_names_are_spread_over_it() {
        let mut by_second = [0_u32; 300];
        for n in 0..600 {
            let (name, mut last, mut looks) = (format!("web-{n}"), Some(at(0)), 0);
            for second in 1..=900 {
                if is_due(&name, 300, last, at(second)) {
                    (last, looks) = (Some(at(second)), looks + 1);
                    by_second[second as usize % 300] += 1;
                }
            }
            assert_eq!(looks, 3, "{name}");
        }
        let most = by_second.iter().max().copied().unwrap_or(0) / 3;
        assert!(most <= 12, "{most} of 600 at one second");
    }

    #[test]
    fn what_is_new_is_due_and_a_clock_set_back_does_not_stop_the_looks() {
        assert!(is_due("a", 300, None, at(0)));
        assert!(is_due("a", 300, Some(at(86_400)), at(0)));
        assert!(!is_due("a", 300, Some(at(0)), at(0)));
    }
}
