//! Evaluating a tree over samples: pure, all steps of a query at once.

use super::aggregate::aggregate;
use super::binary::binary;
use super::budget::Budget;
use super::error::QueryError;
use super::function;
use super::labels::Labels;
use super::loaded::{Loaded, Series};
use super::need::key;
use super::time::{self, Shift};
use super::value::{Grid, Line, Point, SAME_LABELS, Value, folded};
use super::window::{Over, Window, over};
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{Call, Expr, VectorSelector};
use std::collections::HashSet;
use std::sync::Arc;

/// Evaluates one query.
pub struct Evaluator<'a> {
    /// The samples.
    pub loaded: &'a Loaded,
    /// What it may take.
    pub budget: &'a Budget,
    /// The moments of the query itself.
    pub top: Grid,
}

/// Ranges of samples: an argument of functions like `rate`.
struct Ranges {
    series: Arc<Vec<Series>>,
    range_ms: i64,
    shift: Shift,
}

impl Evaluator<'_> {
    /// What `expr` is worth at every moment of the query.
    pub fn evaluate(&self, expr: &Expr) -> Result<Value, QueryError> {
        self.eval(expr, self.top)
    }

    /// The samples themselves, for a range selector that is a whole query.
    pub fn samples(&self, expr: &Expr) -> Result<Vec<Series>, QueryError> {
        let ranges = self.ranges(expr, self.top)?;
        let to_ms = ranges.shift.apply(self.top.start_ms);
        let inside = |series: &Series| Series {
            labels: series.labels.clone(),
            points: within(&series.points, to_ms - ranges.range_ms, to_ms).to_vec(),
        };
        Ok(ranges.series.iter().map(inside).filter(|series| !series.points.is_empty()).collect())
    }

    fn eval(&self, expr: &Expr, grid: Grid) -> Result<Value, QueryError> {
        self.budget.take(grid.len())?;
        let value = match expr {
            Expr::NumberLiteral(number) => Value::Scalar(vec![number.val; grid.len()]),
            Expr::StringLiteral(text) => Value::Text(text.val.clone()),
            Expr::Paren(paren) => self.eval(&paren.expr, grid)?,
            Expr::Unary(unary) => negated(self.eval(&unary.expr, grid)?)?,
            Expr::VectorSelector(selector) => Value::Vector(self.newest(selector, grid, |(_, value)| value)?),
            Expr::Binary(expr) => binary(expr, self.eval(&expr.lhs, grid)?, self.eval(&expr.rhs, grid)?, self.budget)?,
            Expr::Aggregate(expr) => {
                let parameter = expr.param.as_ref().map(|param| self.eval(param, grid)).transpose()?;
                Value::Vector(aggregate(
                    expr,
                    self.eval(&expr.expr, grid)?.vector()?,
                    parameter,
                    (grid.len(), self.budget),
                )?)
            }
            Expr::Call(call) => self.call(call, grid)?,
            Expr::MatrixSelector(_) | Expr::Subquery(_) => {
                return Err(QueryError::bad("a range of samples is only allowed as the argument of a function"));
            }
            Expr::Extension(_) => return Err(QueryError::bad("this is not supported here")),
        };
        if let Value::Vector(lines) = &value {
            self.budget.take(lines.len() * grid.len())?;
        }
        Ok(value)
    }

    /// The newest sample of each series at each moment, unless it is too old.
    fn newest(&self, selector: &VectorSelector, grid: Grid, of: fn(Point) -> f64) -> Result<Vec<Line>, QueryError> {
        let (selected, shift) = (self.loaded.get(&key(selector, false)), Shift::of(selector, self.top));
        let mut lines = Vec::with_capacity(selected.series.len());
        for series in selected.series.iter() {
            self.budget.take(grid.len())?;
            let mut next = 0;
            let values = grid.times().map(|now_ms| {
                let at_ms = shift.apply(now_ms);
                next += series.points[next..].iter().take_while(|(sample_ms, _)| *sample_ms <= at_ms).count();
                let point = series.points[..next].last()?;
                (point.0 >= at_ms - selected.look_back_ms).then(|| of(*point))
            });
            let values: Vec<_> = values.collect();
            if values.iter().any(Option::is_some) {
                lines.push(Line { labels: series.labels.clone(), values });
            }
        }
        Ok(lines)
    }

    fn call(&self, call: &Call, grid: Grid) -> Result<Value, QueryError> {
        let (name, arguments) = (call.func.name, &call.args.args);
        if let Some(over) = over(name) {
            return self.over(name, over, call, grid).map(Value::Vector);
        }
        match (name, arguments.first().map(|arg| bare(arg))) {
            ("timestamp", Some(Expr::VectorSelector(selector))) => {
                let lines = self.newest(selector, grid, |(at_ms, _)| at_ms as f64 / 1_000.0)?;
                nameless(lines).map(Value::Vector)
            }
            ("timestamp", Some(other)) => {
                let mut lines = self.eval(other, grid)?.vector()?;
                for line in &mut lines {
                    let slots = line.values.iter_mut().zip(grid.times());
                    slots.for_each(|(slot, at_ms)| *slot = slot.map(|_| at_ms as f64 / 1_000.0));
                }
                nameless(lines).map(Value::Vector)
            }
            ("absent", Some(argument)) => {
                let lines = self.eval(argument, grid)?.vector()?;
                let present = (0..grid.len()).map(|n| lines.iter().any(|line| line.values[n].is_some()));
                Ok(absent(argument, present.collect()))
            }
            ("absent_over_time", Some(argument)) => {
                let ranges = self.ranges(argument, grid)?;
                let mut present = vec![false; grid.len()];
                for series in ranges.series.iter() {
                    let there = self.windows(series, &ranges, grid, |_, _| Some(1.0))?;
                    present.iter_mut().zip(there).for_each(|(is, value)| *is |= value.is_some());
                }
                Ok(absent(argument, present))
            }
            _ => {
                let values = arguments.iter().map(|arg| self.eval(arg, grid)).collect::<Result<_, _>>()?;
                function::call(name, values, grid)
            }
        }
    }

    /// A function of ranges.
    fn over(&self, name: &str, over: Over, call: &Call, grid: Grid) -> Result<Vec<Line>, QueryError> {
        let (mut ranges, mut numbers) = (None, vec![0.0; grid.len()]);
        for argument in &call.args.args {
            match argument.value_type() {
                ValueType::Matrix => ranges = Some(self.ranges(argument, grid)?),
                _ => numbers = self.eval(argument, grid)?.scalar()?,
            }
        }
        let ranges = ranges.ok_or_else(|| QueryError::bad(format!("`{name}` needs a range of samples")))?;
        let mut lines = Vec::with_capacity(ranges.series.len());
        for series in ranges.series.iter() {
            self.budget.take(grid.len())?;
            let values =
                self.windows(series, &ranges, grid, |n, window| over(&Window { argument: numbers[n], ..window }))?;
            let labels = series.labels.clone();
            lines.push(Line { labels: if name == "last_over_time" { labels } else { labels.nameless() }, values });
        }
        folded(lines, SAME_LABELS)
    }

    /// What `of` makes of the samples of the range before each moment that has any.
    fn windows(
        &self,
        series: &Series,
        ranges: &Ranges,
        grid: Grid,
        of: impl Fn(usize, Window<'_>) -> Option<f64>,
    ) -> Result<Vec<Option<f64>>, QueryError> {
        let (points, mut first, mut end) = (&series.points, 0, 0);
        let mut values = Vec::with_capacity(grid.len());
        for (n, now_ms) in grid.times().enumerate() {
            let to_ms = ranges.shift.apply(now_ms);
            let from_ms = to_ms - ranges.range_ms;
            end += points[end..].iter().take_while(|(at_ms, _)| *at_ms <= to_ms).count();
            first += points[first..end].iter().take_while(|(at_ms, _)| *at_ms < from_ms).count();
            if n % 64 == 0 {
                // long ranges take long: see whether anybody still waits
                self.budget.take(0)?;
            }
            let window = Window { points: &points[first..end], from_ms, to_ms, now_ms, argument: 0.0 };
            values.push(if first < end { of(n, window) } else { None });
        }
        Ok(values)
    }

    fn ranges(&self, expr: &Expr, grid: Grid) -> Result<Ranges, QueryError> {
        match expr {
            Expr::Paren(paren) => self.ranges(&paren.expr, grid),
            Expr::MatrixSelector(selector) => Ok(Ranges {
                series: self.loaded.get(&key(&selector.vs, true)).series,
                range_ms: time::ms(selector.range),
                shift: Shift::of(&selector.vs, self.top),
            }),
            Expr::Subquery(subquery) => {
                let (shift, inner) = time::subquery(subquery, grid, self.top);
                self.budget.take(inner.len())?;
                let lines = self.eval(&subquery.expr, inner)?.vector_or_scalar();
                let series = lines.into_iter().map(|line| Series {
                    labels: line.labels,
                    points: inner.times().zip(line.values).filter_map(|(at_ms, v)| Some((at_ms, v?))).collect(),
                });
                Ok(Ranges { series: Arc::new(series.collect()), range_ms: time::ms(subquery.range), shift })
            }
            _ => Err(QueryError::bad("a range of samples is needed here, such as load1[5m]")),
        }
    }
}

impl Value {
    /// The series; a number is one without labels.
    fn vector_or_scalar(self) -> Vec<Line> {
        match self {
            Value::Vector(lines) => lines,
            Value::Scalar(numbers) => {
                vec![Line { labels: Labels::default(), values: numbers.into_iter().map(Some).collect() }]
            }
            Value::Text(_) => Vec::new(),
        }
    }
}

fn within(points: &[Point], from_ms: i64, to_ms: i64) -> &[Point] {
    let first = points.partition_point(|(at_ms, _)| *at_ms < from_ms);
    let end = points.partition_point(|(at_ms, _)| *at_ms <= to_ms);
    points.get(first..end).unwrap_or_default()
}

fn negated(value: Value) -> Result<Value, QueryError> {
    match value {
        Value::Scalar(numbers) => Ok(Value::Scalar(numbers.into_iter().map(|n| -n).collect())),
        other => {
            let mut lines = other.vector()?;
            lines.iter_mut().flat_map(|line| &mut line.values).for_each(|slot| *slot = slot.map(|value| -value));
            nameless(lines).map(Value::Vector)
        }
    }
}

fn nameless(lines: Vec<Line>) -> Result<Vec<Line>, QueryError> {
    folded(lines.into_iter().map(|line| Line { labels: line.labels.nameless(), ..line }).collect(), SAME_LABELS)
}

/// The expression without parentheses around it.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => bare(&paren.expr),
        other => other,
    }
}

/// 1 where nothing is present, with the labels that the selector leaves no choice about.
fn absent(argument: &Expr, present: Vec<bool>) -> Value {
    let matchers: &[Matcher] = match argument {
        Expr::VectorSelector(selector) => &selector.matchers.matchers,
        Expr::MatrixSelector(selector) => &selector.vs.matchers.matchers,
        _ => &[],
    };
    let (mut labels, mut seen) = (Labels::default(), HashSet::new());
    for matcher in matchers.iter().filter(|matcher| matcher.name != super::labels::NAME) {
        let is_certain = matches!(matcher.op, MatchOp::Equal) && seen.insert(matcher.name.as_str());
        labels.set(&matcher.name, if is_certain { matcher.value.as_str() } else { "" });
    }
    let values: Vec<_> = present.into_iter().map(|is| (!is).then_some(1.0)).collect();
    Value::Vector(if values.iter().any(Option::is_some) { vec![Line { labels, values }] } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::budget::{SAMPLES_MAX, Stop, TIMEOUT_S};
    use super::super::need::needs;
    use super::super::query::parse;
    use super::*;
    use proptest::prelude::*;

    fn evaluated(text: &str, points: &[Point], grid: Grid, budget: &Budget) -> Result<Value, QueryError> {
        let (expr, mut loaded) = (parse(text).unwrap(), Loaded::default());
        for (key, need) in needs(&expr, grid, grid.end_ms, crate::store::Retention::default()) {
            let series = Series { labels: [("__name__", "load1")].into_iter().collect(), points: points.to_vec() };
            loaded.put(key, &need, vec![series]);
        }
        Evaluator { loaded: &loaded, budget, top: grid }.evaluate(&expr)
    }

    #[test]
    fn a_stopped_query_ends_and_one_that_takes_too_much_says_so() {
        let stop = Stop::default();
        let (grid, points) = (Grid { start_ms: 0, end_ms: 60_000, step_ms: 1_000 }, [(0, 1.0)]);
        let budget = Budget::new(stop.clone());
        assert!(evaluated("load1", &points, grid, &budget).is_ok());
        stop.stop();
        assert_eq!(evaluated("load1", &points, grid, &budget), Err(QueryError::Timeout(TIMEOUT_S)));
        let large = Grid { start_ms: 0, end_ms: SAMPLES_MAX as i64 * 2, step_ms: 1 };
        let refused = evaluated("sum_over_time(vector(1)[1d:1ms])", &points, large, &Budget::new(Stop::default()));
        assert!(matches!(refused, Err(QueryError::TooMuch(_))), "{refused:?}");
    }

    proptest! {
        #[test]
        fn the_value_of_a_moment_is_the_newest_sample_of_the_5_minutes_before_it(gaps in prop::collection::vec(1i64..900_000, 1..60), start_ms in 0i64..1_000_000, step_ms in 1_000i64..700_000) {
            let points: Vec<Point> = gaps.iter().scan(0, |at, gap| { *at += gap; Some((*at, *at as f64)) }).collect();
            let grid = Grid { start_ms, end_ms: start_ms + 50 * step_ms, step_ms };
            let lines = evaluated("load1", &points, grid, &Budget::new(Stop::default())).unwrap().vector().unwrap();
            for (n, now_ms) in grid.times().enumerate() {
                let newest = points.iter().rev().find(|(at_ms, _)| *at_ms <= now_ms);
                let expected = newest.filter(|(at_ms, _)| at_ms + 300_000 >= now_ms).map(|(_, value)| *value);
                prop_assert_eq!(lines.first().and_then(|line| line.values[n]), expected);
            }
        }
    }
}
