//! What a query needs to read, found out before anything is read: which series, from when to when,
//! and on which tier.

use super::query::parts;
use super::time::{self, LOOK_BACK_MS, Shift};
use super::value::Grid;
use crate::store::{Retention, Tier};
use promql_parser::label::Matcher;
use promql_parser::parser::{Expr, VectorSelector};
use std::collections::BTreeMap;

/// A range of a query that reads averages where a step is long; shorter ones read what was measured.
const LONG_RANGE_MS: i64 = 2 * 86_400 * 1_000;
/// A step of at least so many steps of a tier reads that tier.
const LONG_STEP: i64 = 6;

/// The samples of one selector.
#[derive(Debug, Clone)]
pub struct Need<'a> {
    /// Name, if it stands before the braces, and matchers.
    pub selector: &'a VectorSelector,
    /// From, inclusive: Unix milliseconds.
    pub from_ms: i64,
    /// To, inclusive.
    pub to_ms: i64,
    /// Where it is read.
    pub tier: Tier,
}

/// By [`key`].
pub type Needs<'a> = BTreeMap<String, Need<'a>>;

/// The name of the samples of a selector; a range of samples is another matter than the newest one.
pub fn key(selector: &VectorSelector, is_range: bool) -> String {
    format!("{selector}{}", if is_range { " range" } else { "" })
}

impl Need<'_> {
    /// The matchers beside the name.
    pub fn matchers(&self) -> &[Matcher] {
        &self.selector.matchers.matchers
    }
}

/// What `expr` needs, evaluated over `grid` at `now_ms` where samples are kept for so long.
pub fn needs(expr: &Expr, grid: Grid, now_ms: i64, retention: Retention) -> Needs<'_> {
    let mut found = Needs::new();
    walk(expr, grid, grid, &mut found);
    let is_kept = |need: &Need<'_>, tier: Tier| need.from_ms >= now_ms - retention.kept_s(tier) * 1_000;
    for (name, need) in &mut found {
        need.tier = tier(name.ends_with(" range"), grid, |tier| is_kept(need, tier));
        need.from_ms -= look_back_ms(need.tier) - LOOK_BACK_MS;
    }
    found
}

fn walk<'a>(expr: &'a Expr, grid: Grid, top: Grid, found: &mut Needs<'a>) {
    let mut add = |selector: &'a VectorSelector, back_ms: i64, is_range| {
        let (from_ms, to_ms) = Shift::of(selector, top).span(grid);
        let need = Need { selector, from_ms: from_ms.min(to_ms) - back_ms, to_ms: to_ms.max(from_ms), tier: Tier::Raw };
        let known = found.entry(key(selector, is_range)).or_insert_with(|| need.clone());
        known.from_ms = known.from_ms.min(need.from_ms);
        known.to_ms = known.to_ms.max(need.to_ms);
    };
    match expr {
        Expr::VectorSelector(selector) => add(selector, LOOK_BACK_MS, false),
        Expr::MatrixSelector(selector) => add(&selector.vs, time::ms(selector.range).max(LOOK_BACK_MS), true),
        Expr::Subquery(subquery) => walk(&subquery.expr, time::subquery(subquery, grid, top).1, top, found),
        other => parts(other).into_iter().for_each(|part| walk(part, grid, top, found)),
    }
}

/// What was measured, while it is kept; else the finest averages that are. A selector of the newest
/// sample also reads averages when the query's step is long: they say more of an hour than one minute
/// of it does.
fn tier(is_range: bool, grid: Grid, is_kept: impl Fn(Tier) -> bool) -> Tier {
    let is_long = |tier: Tier| {
        let long_range = grid.end_ms - grid.start_ms > LONG_RANGE_MS;
        !is_range && long_range && grid.step_ms >= LONG_STEP * tier.step_s() * 1_000
    };
    match [Tier::Hour, Tier::FiveMinutes].into_iter().find(|tier| is_long(*tier)) {
        Some(tier) if tier == Tier::Hour || is_kept(tier) => tier,
        _ => [Tier::Raw, Tier::FiveMinutes].into_iter().find(|tier| is_kept(*tier)).unwrap_or(Tier::Hour),
    }
}

/// How far back the newest sample of a tier may lie that still counts.
pub fn look_back_ms(tier: Tier) -> i64 {
    LOOK_BACK_MS.max(tier.step_s() * 1_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn tier_of(query: &str, days_ago: i64, days: i64, step_s: i64) -> Tier {
        let now_ms = 20_000 * DAY_MS;
        let start_ms = now_ms - days_ago * DAY_MS;
        let grid = Grid { start_ms, end_ms: start_ms + days * DAY_MS, step_ms: step_s * 1_000 };
        let expr = super::super::query::parse(query).unwrap();
        needs(&expr, grid, now_ms, Retention::default()).values().next().unwrap().tier
    }

    #[test]
    fn what_was_measured_is_read_while_it_is_kept_and_the_step_is_short() {
        for (query, days_ago, days, step_s, tier) in [
            ("load1", 1, 1, 60, Tier::Raw),
            ("load1", 10, 10, 600, Tier::Raw),
            ("load1", 10, 10, 1_800, Tier::FiveMinutes),
            ("load1", 10, 10, 6 * 3_600, Tier::Hour),
            ("rate(load1[1h])", 10, 10, 6 * 3_600, Tier::Raw),
            ("load1", 20, 1, 60, Tier::FiveMinutes),
            ("load1 offset 30d", 1, 1, 60, Tier::FiveMinutes),
            ("load1", 100, 1, 60, Tier::Hour),
        ] {
            assert_eq!(tier_of(query, days_ago, days, step_s), tier, "{query} {days_ago} {days} {step_s}");
        }
    }
}
