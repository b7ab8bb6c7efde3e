//! `offset`, `@` and subqueries: which moment a part of a query looks at.

use super::value::Grid;
use promql_parser::parser::{AtModifier, Offset, SubqueryExpr, VectorSelector};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far back the newest sample may lie that still counts, as in Prometheus.
pub const LOOK_BACK_MS: i64 = 5 * 60 * 1_000;
/// The step of a subquery that names none, as Prometheus has it by default.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// How the moment that is looked at follows from the moment that is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    at_ms: Option<i64>,
    offset_ms: i64,
}

impl Shift {
    /// Of a selector.
    pub fn of(selector: &VectorSelector, top: Grid) -> Shift {
        shift(selector.at.as_ref(), selector.offset.as_ref(), top)
    }

    /// The moment that is looked at.
    pub fn apply(self, now_ms: i64) -> i64 {
        self.at_ms.unwrap_or(now_ms) - self.offset_ms
    }

    /// The first and the last moment that are looked at.
    pub fn span(self, grid: Grid) -> (i64, i64) {
        (self.apply(grid.start_ms), self.apply(grid.start_ms + (grid.len() as i64 - 1) * grid.step_ms))
    }
}

fn shift(at: Option<&AtModifier>, offset: Option<&Offset>, top: Grid) -> Shift {
    let at_ms = at.map(|at| match at {
        AtModifier::Start => top.start_ms,
        AtModifier::End => top.end_ms,
        AtModifier::At(time) => unix_ms(*time),
    });
    let offset_ms = match offset {
        Some(Offset::Pos(by)) => ms(*by),
        Some(Offset::Neg(by)) => -ms(*by),
        None => 0,
    };
    Shift { at_ms, offset_ms }
}

/// The moments at which the inside of a subquery is evaluated: whole multiples of its step.
pub fn subquery(subquery: &SubqueryExpr, grid: Grid, top: Grid) -> (Shift, Grid) {
    let shift = shift(subquery.at.as_ref(), subquery.offset.as_ref(), top);
    let step_ms = subquery.step.map(ms).filter(|step| *step > 0).unwrap_or(SUBQUERY_STEP_MS);
    let (first_ms, end_ms) = shift.span(grid);
    let from_ms = first_ms - ms(subquery.range);
    let start_ms = from_ms.div_euclid(step_ms) * step_ms + if from_ms.rem_euclid(step_ms) == 0 { 0 } else { step_ms };
    (shift, Grid { start_ms, end_ms, step_ms })
}

/// Milliseconds; what is absurdly long is cut to 100 years, so that sums cannot overflow.
pub fn ms(duration: Duration) -> i64 {
    const LONGEST_MS: i64 = 100 * 365 * 86_400 * 1_000;
    i64::try_from(duration.as_millis()).unwrap_or(LONGEST_MS).min(LONGEST_MS)
}

fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => ms(after),
        Err(before) => -ms(before.duration()),
    }
}
