//! Judging one policy on one series: pure, and the same live, in a back-test and in the tests of
//! rules.
//!
//! **Periods** are aligned: `[k·P, (k+1)·P)`; without a length every sample is one. A period is judged
//! when a sample of a later one arrives, or when [`GRACE_S`] have passed after its end. Periods
//! without samples are not judged: they are neither wrong nor right.
//!
//! **Over** is said only after `count` periods in a row that were really measured and right. An alarm
//! whose samples stop goes on firing, and is called stale.
//!
//! **Time** is that of the samples: `now_s` is where the host would be by now, which the caller works
//! out from the newest sample and the time that has passed since it came. A wall clock that jumps
//! changes nothing. A moment in a [`Transition`] follows from samples alone.

use super::word::{Operator, Statistic, Treat};
use crate::pack::Summary;
use serde::{Deserialize, Serialize};

/// How long after its end a period waits for its last samples.
pub const GRACE_S: i64 = 90;

/// A policy as it is judged; threshold and recovery in the unit of the stored values.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What of a period counts.
    pub statistic: Statistic,
    /// The length of a period; 0: every sample is one.
    pub period_s: i64,
    /// What it is compared by.
    pub operator: Operator,
    /// With what.
    pub threshold: f64,
    /// Right only beyond this.
    pub recover: Option<f64>,
    /// So many wrong …
    pub count: u32,
    /// … of the last so many.
    pub of: u32,
    /// Without a sample for longer than this there is no data.
    pub no_data_after_s: i64,
    /// What that means.
    pub treat: Treat,
}

/// Where one policy stands on one series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// All is right.
    #[default]
    #[serde(rename = "o")]
    Ok,
    /// Some of the periods that it takes were wrong.
    #[serde(rename = "p")]
    Pending,
    /// An alarm.
    #[serde(rename = "f")]
    Firing,
    /// An alarm, because nothing is known.
    #[serde(rename = "n")]
    NoData,
}

/// What is kept of one policy on one series between two samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesState {
    /// Where it stands.
    pub phase: Phase,
    /// Fires, and samples have stopped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// The newest sample that was judged, or waits in its period; Unix seconds.
    pub last_at_s: i64,
    /// The value of the last period that was judged.
    #[serde(with = "bits")]
    pub value: f64,
    /// Since when it stands where it stands.
    pub since_s: i64,
    open: Option<Open>,
    /// The end of the last period that was judged.
    ended_s: i64,
    wrong: Window,
    /// Periods in a row that were right.
    right: u32,
    /// No sample for too long, and that was taken note of.
    #[serde(default, skip_serializing_if = "is_false")]
    silent: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A period that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Open {
    from_s: i64,
    #[serde(with = "bits")]
    min: f64,
    #[serde(with = "bits")]
    max: f64,
    #[serde(with = "bits")]
    avg: f64,
    samples: u64,
    #[serde(with = "bits")]
    latest: f64,
}

/// A number as its bits: what is stored and read again is the same, to the last digit.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        u64::deserialize(from).map(f64::from_bits)
    }
}

/// Which of the last 180 periods were wrong; the newest is the lowest bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window([u64; 3]);

impl Window {
    fn push(&mut self, wrong: bool) {
        let [a, b, c] = self.0;
        self.0 = [a << 1 | u64::from(wrong), b << 1 | a >> 63, c << 1 | b >> 63];
    }

    fn wrong_of(self, last: u32) -> u32 {
        let part = |n: u32| match last.saturating_sub(64 * n) {
            0 => 0,
            bits @ 1..64 => self.0[n as usize] & ((1 << bits) - 1),
            _ => self.0[n as usize],
        };
        part(0).count_ones() + part(1).count_ones() + part(2).count_ones()
    }
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It may fire soon.
    Pending,
    /// It will not after all.
    Ok,
    /// It fires.
    Firing,
    /// It fires, because there is no data.
    NoData,
    /// It is over; samples have shown that.
    Resolved,
    /// It fires, and samples have stopped.
    Stale,
    /// It still fires, and there are samples again.
    Fresh,
}

/// A change, when it was, and the value that made it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// Unix seconds, on the clock of the samples.
    pub at_s: i64,
    /// What has become of it.
    pub to: Change,
    /// The last value that was judged.
    pub value: f64,
}

/// A sample (or the summary of several, of a coarser tier) that begins at `at_s`. One that is not
/// newer than the last changes nothing.
pub fn step(test: &Test, state: &mut SeriesState, at_s: i64, sample: Summary, out: &mut Vec<Transition>) {
    if state.last_at_s != 0 {
        if at_s <= state.last_at_s {
            return;
        }
        advance(test, state, at_s, true, out);
    }
    state.last_at_s = at_s;
    state.silent = false;
    if std::mem::take(&mut state.stale) {
        out.push(Transition { at_s, to: Change::Fresh, value: state.value });
    }
    if test.period_s == 0 {
        let value = test.statistic.of(sample, sample.avg);
        return judge(test, state, (at_s, at_s), value, out);
    }
    if at_s < state.ended_s {
        return; // its period was judged without it
    }
    let from_s = at_s.div_euclid(test.period_s) * test.period_s;
    let before = state.open.filter(|open| open.from_s == from_s);
    let whole = before.map_or(sample, |open| open.summary().with(sample));
    let Summary { min, max, avg, samples } = whole;
    state.open = Some(Open { from_s, min, max, avg, samples, latest: sample.avg });
}

impl Open {
    fn summary(&self) -> Summary {
        Summary { min: self.min, max: self.max, avg: self.avg, samples: self.samples }
    }
}

/// Time has passed without a sample; it would be `now_s` on the clock of the samples.
pub fn pass(test: &Test, state: &mut SeriesState, now_s: i64, out: &mut Vec<Transition>) {
    if state.last_at_s != 0 {
        advance(test, state, now_s, false, out);
    }
}

/// When [`pass`] can change something next; never if nothing waits.
pub fn due_s(test: &Test, state: &SeriesState) -> i64 {
    let silence = if state.silent || state.last_at_s == 0 { i64::MAX } else { silent_at_s(test, state) };
    let end = state.open.map_or(i64::MAX, |open| open.from_s + test.period_s + GRACE_S);
    silence.min(end)
}

fn silent_at_s(test: &Test, state: &SeriesState) -> i64 {
    state.last_at_s + test.no_data_after_s + 1
}

/// What has become due until `now_s`, in order. A sample of a later period ends the open one at once.
fn advance(test: &Test, state: &mut SeriesState, now_s: i64, arrived: bool, out: &mut Vec<Transition>) {
    let ends_at = |open: Open| {
        let end_s = open.from_s + test.period_s;
        let due_s = end_s + GRACE_S;
        if due_s <= now_s { Some(due_s) } else { (arrived && end_s <= now_s).then_some(now_s) }
    };
    let silent_s = (!state.silent && silent_at_s(test, state) <= now_s).then(|| silent_at_s(test, state));
    let end_s = state.open.and_then(ends_at);
    let silence_first = matches!((silent_s, end_s), (Some(silent), Some(end)) if silent < end);
    if silence_first {
        silence(test, state, out);
    }
    if end_s.is_some() {
        end_open(test, state, out);
    }
    if silent_s.is_some() && !silence_first {
        silence(test, state, out);
    }
}

fn end_open(test: &Test, state: &mut SeriesState, out: &mut Vec<Transition>) {
    let Some(open) = state.open.take() else { return };
    let value = test.statistic.of(open.summary(), open.latest);
    judge(test, state, (open.from_s, open.from_s + test.period_s), value, out);
}

/// There has been no sample for too long.
fn silence(test: &Test, state: &mut SeriesState, out: &mut Vec<Transition>) {
    state.silent = true;
    let at_s = state.last_at_s + test.no_data_after_s;
    match (state.phase, test.treat) {
        (Phase::Firing, _) => {
            state.stale = true;
            out.push(Transition { at_s, to: Change::Stale, value: state.value });
        }
        (Phase::Ok | Phase::Pending, Treat::Alarm) => enter(state, Phase::NoData, Change::NoData, at_s, out),
        (Phase::Pending, Treat::Ok) => {
            state.wrong = Window::default();
            enter(state, Phase::Ok, Change::Ok, at_s, out);
        }
        _ => {}
    }
}

/// Judges a period that was measured.
fn judge(test: &Test, state: &mut SeriesState, (from_s, end_s): (i64, i64), value: f64, out: &mut Vec<Transition>) {
    let before = (state.value, state.ended_s);
    (state.value, state.ended_s) = (value, end_s);
    let Some(compared) = compared(test, value, before, from_s) else { return };
    let wrong = test.operator.holds(compared, test.threshold);
    let right = !wrong && test.recover.is_none_or(|recover| recovered(test.operator, value, recover));
    state.wrong.push(wrong);
    // what was measured before the silence does not show that the silence is over
    let is_right = if state.phase == Phase::NoData { !wrong && !state.silent } else { right };
    state.right = if is_right { state.right + 1 } else { 0 };
    let count = state.wrong.wrong_of(test.of);
    match state.phase {
        Phase::Ok | Phase::Pending | Phase::NoData if count >= test.count => {
            state.right = 0;
            enter(state, Phase::Firing, Change::Firing, end_s, out);
        }
        Phase::Firing | Phase::NoData if state.right >= test.count => {
            state.wrong = Window::default();
            enter(state, Phase::Ok, Change::Resolved, end_s, out);
        }
        Phase::Ok if count > 0 => enter(state, Phase::Pending, Change::Pending, end_s, out),
        Phase::Pending if count == 0 => enter(state, Phase::Ok, Change::Ok, end_s, out),
        _ => {}
    }
}

fn enter(state: &mut SeriesState, phase: Phase, to: Change, at_s: i64, out: &mut Vec<Transition>) {
    if matches!(to, Change::NoData) {
        state.right = 0;
    }
    (state.phase, state.since_s) = (phase, at_s);
    out.push(Transition { at_s, to, value: state.value });
}

/// What is compared with the threshold; nothing where a change is asked for and there is no period
/// right before.
fn compared(test: &Test, value: f64, (before, before_end_s): (f64, i64), from_s: i64) -> Option<f64> {
    if !test.operator.is_change() {
        return Some(value);
    }
    let follows = before_end_s != 0 && (test.period_s == 0 || before_end_s == from_s);
    if !follows {
        return None;
    }
    let percent = match value - before {
        0.0 => 0.0,
        // any change of nothing is beyond every percentage
        change if before == 0.0 => f64::MAX.copysign(change),
        change => change / before.abs() * 100.0,
    };
    Some(if test.operator == Operator::Fall { -percent } else { percent })
}

fn recovered(operator: Operator, value: f64, recover: f64) -> bool {
    let (value, recover) = (value as f32, recover as f32);
    match operator.up() {
        Some(true) => value <= recover,
        Some(false) => value >= recover,
        None => true,
    }
}
