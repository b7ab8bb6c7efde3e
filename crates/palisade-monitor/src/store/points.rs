//! Points of one series over time: joined, and summed up in steps.

use super::tier::floor;
use crate::pack::Summary;
use std::collections::BTreeMap;

/// Moment (Unix seconds, rising) and value.
pub type Points = Vec<(i64, Summary)>;
/// Points by number of series.
pub type Strands = BTreeMap<u32, Points>;

/// Both as one. Of two points of one moment the one of more samples stays, else that of `new`: so what
/// comes late never replaces a rollup of samples that are gone by one of fewer.
pub fn joined(old: Points, new: Points) -> Points {
    match (old.last(), new.first()) {
        (None, _) => return new,
        (_, None) => return old,
        (Some(last), Some(first)) if last.0 < first.0 => return [old, new].concat(),
        _ => {}
    }
    let mut all: BTreeMap<i64, Summary> = old.into_iter().collect();
    for (at, point) in new {
        let kept = all.entry(at).or_insert(point);
        if point.samples >= kept.samples {
            *kept = point;
        }
    }
    all.into_iter().collect()
}

/// Joins each series of `new` into `all`.
pub fn join(all: &mut Strands, new: Strands) {
    for (id, points) in new {
        let own = all.entry(id).or_default();
        *own = joined(std::mem::take(own), points);
    }
}

/// One point for each step of `step_s` that has any.
pub fn summed(points: &Points, step_s: i64) -> Points {
    let mut steps: Points = Vec::new();
    for (at, point) in points {
        let step = floor(*at, step_s);
        match steps.last_mut().filter(|(last, _)| *last == step) {
            Some((_, sum)) => *sum = sum.with(*point),
            None => steps.push((step, *point)),
        }
    }
    steps
}
