//! Two sorted lists of entries with ends, compared.

use crate::ruleset::Until;

/// Two ends that differ by no more count as the same: the kernel counts from when the entry arrives
/// there, in ticks of up to 10 ms.
pub const TOLERANCE_MS: i64 = 2_000;
/// An entry that has no more than this left is not missed any more.
pub const MISSING_MARGIN_MS: i64 = 250;

/// What has to be done to get from one list to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff<K> {
    /// Not there.
    pub add: Vec<(K, Until)>,
    /// There, with another end than this one.
    pub retime: Vec<(K, Until)>,
    /// There, and should not be.
    pub remove: Vec<K>,
}

impl<K> Diff<K> {
    /// True if nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.retime.is_empty() && self.remove.is_empty()
    }
}

/// Compares what is with what is wanted; both sorted, each key once. What ends by itself in a
/// moment is left to do so.
pub fn diff<K: Ord + Copy>(is: &[(K, Until)], wanted: &[(K, Until)], now_ms: i64) -> Diff<K> {
    let mut diff = Diff { add: Vec::new(), retime: Vec::new(), remove: Vec::new() };
    let mut is = is.iter().filter(|(_, until)| !until.ends_by(now_ms, 0)).peekable();
    for (key, until) in wanted {
        while let Some((extra, end)) = is.next_if(|(k, _)| k < key) {
            surplus(&mut diff, *extra, *end, now_ms);
        }
        match is.next_if(|(k, _)| k == key) {
            Some((_, end)) if same(*end, *until) => {}
            Some(_) => diff.retime.push((*key, *until)),
            None if until.ends_by(now_ms, MISSING_MARGIN_MS) => {}
            None => diff.add.push((*key, *until)),
        }
    }
    for (extra, end) in is {
        surplus(&mut diff, *extra, *end, now_ms);
    }
    diff
}

fn surplus<K>(diff: &mut Diff<K>, key: K, end: Until, now_ms: i64) {
    if !end.ends_by(now_ms, TOLERANCE_MS) {
        diff.remove.push(key);
    }
}

fn same(a: Until, b: Until) -> bool {
    match (a, b) {
        (Until::At(a), Until::At(b)) => a.abs_diff(b) <= TOLERANCE_MS.unsigned_abs(),
        (a, b) => a == b,
    }
}
