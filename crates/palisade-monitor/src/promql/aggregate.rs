//! `sum by (host) (…)` and the like.

use super::budget::Budget;
use super::error::QueryError;
use super::labels::{Labels, NAME, is_label};
use super::value::{Line, SAME_LABELS, Value, folded};
use super::window::{quantile, variance};
use promql_parser::parser::token::{
    T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_GROUP, T_MAX, T_MIN, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUM, T_TOPK,
};
use promql_parser::parser::{AggregateExpr, LabelModifier};
use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Series that belong together.
struct Group {
    labels: Labels,
    lines: Vec<Line>,
}

/// Aggregates `lines`; `parameter` is the number or the text of those that take one.
pub fn aggregate(
    expr: &AggregateExpr,
    lines: Vec<Line>,
    parameter: Option<Value>,
    (steps, budget): (usize, &Budget),
) -> Result<Vec<Line>, QueryError> {
    let groups = grouped(lines, expr.modifier.as_ref());
    let out: Vec<Line> = match (expr.op.id(), parameter) {
        (T_TOPK | T_BOTTOMK, Some(Value::Scalar(counts))) => {
            let is_top = expr.op.id() == T_TOPK;
            groups.into_iter().map(|group| ranked(group, &counts, is_top)).collect::<Result<Vec<_>, _>>()?.concat()
        }
        (T_COUNT_VALUES, Some(Value::Text(label))) => {
            if !is_label(&label) {
                return Err(QueryError::bad(format!("`{}` is no name of a label", label.escape_default())));
            }
            let counted = groups.iter().map(|group| counted(group, &label, steps, budget));
            counted.collect::<Result<Vec<_>, _>>()?.concat()
        }
        (T_QUANTILE, Some(Value::Scalar(shares))) => {
            groups.into_iter().map(|group| reduced(group, steps, |n, values| quantile(shares[n], values))).collect()
        }
        (op, None) => {
            let reduce = reducer(op).ok_or_else(|| QueryError::bad(format!("`{}` is not supported here", expr.op)))?;
            groups.into_iter().map(|group| reduced(group, steps, |_, values| reduce(&values))).collect()
        }
        _ => return Err(QueryError::bad(format!("`{}` takes another parameter", expr.op))),
    };
    folded(out, SAME_LABELS)
}

fn grouped(lines: Vec<Line>, modifier: Option<&LabelModifier>) -> Vec<Group> {
    let named: HashSet<&str> = match modifier {
        Some(LabelModifier::Include(labels)) => labels.labels.iter().map(String::as_str).collect(),
        Some(LabelModifier::Exclude(labels)) => labels.labels.iter().map(String::as_str).chain([NAME]).collect(),
        None => HashSet::new(),
    };
    let is_without = matches!(modifier, Some(LabelModifier::Exclude(_)));
    let (mut groups, mut places) = (Vec::<Group>::new(), HashMap::new());
    for line in lines {
        let labels = if is_without { line.labels.without(&named) } else { line.labels.only(&named) };
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push(Group { labels, lines: Vec::new() });
            groups.len() - 1
        });
        groups[place].lines.push(line);
    }
    groups
}

fn reducer(op: u16) -> Option<fn(&[f64]) -> f64> {
    Some(match op {
        T_SUM => |values| values.iter().sum(),
        T_AVG => |values| values.iter().sum::<f64>() / values.len() as f64,
        T_MIN => |values| values.iter().copied().fold(f64::NAN, |a, b| if b < a || a.is_nan() { b } else { a }),
        T_MAX => |values| values.iter().copied().fold(f64::NAN, |a, b| if b > a || a.is_nan() { b } else { a }),
        T_COUNT => |values| values.len() as f64,
        T_GROUP => |_| 1.0,
        T_STDDEV => |values| variance(values.iter().copied()).sqrt(),
        T_STDVAR => |values| variance(values.iter().copied()),
        _ => return None,
    })
}

/// One series: at each step what `reduce` makes of the values that are there.
fn reduced(group: Group, steps: usize, reduce: impl Fn(usize, Vec<f64>) -> f64) -> Line {
    let values = (0..steps).map(|n| {
        let there: Vec<f64> = group.lines.iter().filter_map(|line| line.values[n]).collect();
        (!there.is_empty()).then(|| reduce(n, there))
    });
    Line { values: values.collect(), labels: group.labels }
}

/// The `counts[n]` greatest or least of each step, first the first; what is no number comes last.
fn ranked(group: Group, counts: &[f64], is_top: bool) -> Result<Vec<Line>, QueryError> {
    let mut lines = group.lines;
    if let [_] = counts {
        lines.sort_by(|a, b| compared(a.values[0], b.values[0], is_top));
    }
    for (n, count) in counts.iter().enumerate() {
        if !(-9.2e18..9.2e18).contains(count) {
            return Err(QueryError::Execution(format!("{count} is no number of series")));
        }
        let mut there: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].values[n].is_some()).collect();
        there.sort_by(|a, b| compared(lines[*a].values[n], lines[*b].values[n], is_top));
        for place in there.into_iter().skip(count.max(0.0) as usize) {
            lines[place].values[n] = None;
        }
    }
    Ok(lines)
}

/// The order of values, greatest or least first; what is no number, and what is absent, last.
pub fn compared(a: Option<f64>, b: Option<f64>, is_descending: bool) -> Ordering {
    match (a.filter(|a| !a.is_nan()), b.filter(|b| !b.is_nan())) {
        (Some(a), Some(b)) => {
            let order = a.total_cmp(&b);
            if is_descending { order.reverse() } else { order }
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// How many series have each value.
fn counted(group: &Group, label: &str, steps: usize, budget: &Budget) -> Result<Vec<Line>, QueryError> {
    let mut by_value: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for (n, value) in group.lines.iter().flat_map(|line| line.values.iter().enumerate()) {
        let Some(value) = value else { continue };
        let counts = match by_value.entry(number(*value)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                // each value is a series of its own: there may be far more than were read
                budget.take(steps)?;
                new.insert(vec![None; steps])
            }
        };
        counts[n] = Some(counts[n].unwrap_or(0.0) + 1.0);
    }
    let line = |(value, values)| {
        let mut labels = group.labels.clone();
        labels.set(label, value);
        Line { labels, values }
    };
    Ok(by_value.into_iter().map(line).collect())
}

/// A number as Prometheus writes it: never with an exponent.
pub fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        other => other.to_string(),
    }
}
