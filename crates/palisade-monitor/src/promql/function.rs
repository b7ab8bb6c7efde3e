//! Functions of a value, of the labels, and of the time.

use super::aggregate::compared;
use super::error::QueryError;
use super::labels::{NAME, is_label};
use super::query::REGEX_BYTES_MAX;
use super::value::{Grid, Line, SAME_LABELS, Value, folded};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::RegexBuilder;

/// The most memory that the regular expression of `label_replace` may take.
const REGEX_SIZE_BYTES_MAX: usize = 1 << 20;

/// Functions that the evaluator handles itself: they look at selectors, not only at values.
pub const OF_SELECTORS: [&str; 3] = ["absent", "absent_over_time", "timestamp"];
const OF_LABELS: [&str; 2] = ["label_replace", "label_join"];
const OF_ORDER: [&str; 2] = ["sort", "sort_desc"];
const OF_NUMBERS: [&str; 4] = ["time", "pi", "scalar", "vector"];

/// True for what [`call`] or the evaluator can do.
pub fn is_known(name: &str) -> bool {
    let lists = [&OF_SELECTORS[..], &OF_LABELS, &OF_ORDER, &OF_NUMBERS];
    lists.iter().any(|list| list.contains(&name)) || of_value(name).is_some() || of_date(name).is_some()
}

/// Calls `name` with evaluated arguments.
pub fn call(name: &str, arguments: Vec<Value>, grid: Grid) -> Result<Value, QueryError> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().ok_or_else(|| QueryError::bad(format!("`{name}` lacks an argument")));
    match name {
        "time" => return Ok(Value::Scalar(grid.times().map(seconds).collect())),
        "pi" => return Ok(Value::Scalar(vec![std::f64::consts::PI; grid.len()])),
        "scalar" => return Ok(Value::Scalar(scalar(&next()?.vector()?, grid.len()))),
        "vector" => return Ok(Value::Vector(vec![constant(next()?.scalar()?)])),
        "sort" | "sort_desc" => {
            let mut lines = next()?.vector()?;
            if grid.len() == 1 {
                lines.sort_by(|a, b| compared(a.values[0], b.values[0], name == "sort_desc"));
            }
            return Ok(Value::Vector(lines));
        }
        "label_replace" => {
            let lines = next()?.vector()?;
            let texts = [next()?.text()?, next()?.text()?, next()?.text()?, next()?.text()?];
            return label_replace(lines, &texts).map(Value::Vector);
        }
        "label_join" => {
            let (lines, label, between) = (next()?.vector()?, next()?.text()?, next()?.text()?);
            let from = arguments.map(Value::text).collect::<Result<Vec<_>, _>>()?;
            return label_join(lines, &label, &between, &from).map(Value::Vector);
        }
        _ => {}
    }
    if let Some(of) = of_date(name) {
        let lines = match arguments.next() {
            Some(lines) => lines.vector()?,
            None => vec![constant(grid.times().map(seconds).collect())],
        };
        return each(lines, |_, value| Some(date(value).map_or(f64::NAN, of))).map(Value::Vector);
    }
    let of = of_value(name).ok_or_else(|| QueryError::bad(format!("`{name}` is not supported here")))?;
    let lines = next()?.vector()?;
    let numbers = arguments.map(Value::scalar).collect::<Result<Vec<_>, _>>()?;
    each(lines, |n, value| of(value, &numbers.iter().map(|list| list[n]).collect::<Vec<_>>())).map(Value::Vector)
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

fn constant(numbers: Vec<f64>) -> Line {
    Line { labels: Default::default(), values: numbers.into_iter().map(Some).collect() }
}

/// The value where there is exactly one series.
fn scalar(lines: &[Line], steps: usize) -> Vec<f64> {
    let only = |n: usize| {
        let mut there = lines.iter().filter_map(|line| line.values[n]);
        there.next().filter(|_| there.next().is_none()).unwrap_or(f64::NAN)
    };
    (0..steps).map(only).collect()
}

fn each(lines: Vec<Line>, of: impl Fn(usize, f64) -> Option<f64>) -> Result<Vec<Line>, QueryError> {
    let lines = lines.into_iter().map(|line| {
        let values = line.values.iter().enumerate().map(|(n, value)| value.and_then(|value| of(n, value)));
        Line { values: values.collect(), labels: line.labels.nameless() }
    });
    folded(lines.collect(), SAME_LABELS)
}

/// A function of a value and of numbers; `None` takes the series away.
type OfValue = fn(f64, &[f64]) -> Option<f64>;

fn of_value(name: &str) -> Option<OfValue> {
    Some(match name {
        "abs" => |v, _| Some(v.abs()),
        "ceil" => |v, _| Some(v.ceil()),
        "floor" => |v, _| Some(v.floor()),
        "exp" => |v, _| Some(v.exp()),
        "ln" => |v, _| Some(v.ln()),
        "log2" => |v, _| Some(v.log2()),
        "log10" => |v, _| Some(v.log10()),
        "sqrt" => |v, _| Some(v.sqrt()),
        "sin" => |v, _| Some(v.sin()),
        "cos" => |v, _| Some(v.cos()),
        "tan" => |v, _| Some(v.tan()),
        "asin" => |v, _| Some(v.asin()),
        "acos" => |v, _| Some(v.acos()),
        "atan" => |v, _| Some(v.atan()),
        "sinh" => |v, _| Some(v.sinh()),
        "cosh" => |v, _| Some(v.cosh()),
        "tanh" => |v, _| Some(v.tanh()),
        "asinh" => |v, _| Some(v.asinh()),
        "acosh" => |v, _| Some(v.acosh()),
        "atanh" => |v, _| Some(v.atanh()),
        "deg" => |v, _| Some(v.to_degrees()),
        "rad" => |v, _| Some(v.to_radians()),
        "sgn" => |v, _| Some(if v == 0.0 || v.is_nan() { v } else { v.signum() }),
        "round" => |v, n| {
            let inverse = 1.0 / n.first().copied().unwrap_or(1.0);
            Some((v * inverse + 0.5).floor() / inverse)
        },
        "clamp" => |v, n| (n[0] <= n[1] || n[0].is_nan() || n[1].is_nan()).then(|| at_least(at_most(v, n[1]), n[0])),
        "clamp_min" => |v, n| Some(at_least(v, n[0])),
        "clamp_max" => |v, n| Some(at_most(v, n[0])),
        _ => return None,
    })
}

/// The greater; nothing is greater than what is no number.
fn at_least(value: f64, least: f64) -> f64 {
    if value.is_nan() || least.is_nan() { f64::NAN } else { value.max(least) }
}

fn at_most(value: f64, most: f64) -> f64 {
    if value.is_nan() || most.is_nan() { f64::NAN } else { value.min(most) }
}

fn of_date(name: &str) -> Option<fn(DateTime) -> f64> {
    Some(match name {
        "minute" => |d| f64::from(d.minute()),
        "hour" => |d| f64::from(d.hour()),
        "day_of_week" => |d| f64::from(d.weekday().to_sunday_zero_offset()),
        "day_of_month" => |d| f64::from(d.day()),
        "day_of_year" => |d| f64::from(d.day_of_year()),
        "days_in_month" => |d| f64::from(d.days_in_month()),
        "month" => |d| f64::from(d.month()),
        "year" => |d| f64::from(d.year()),
        _ => return None,
    })
}

/// The moment in UTC; `None` for what is no moment.
fn date(seconds: f64) -> Option<DateTime> {
    if seconds.is_nan() {
        return None;
    }
    Timestamp::from_second(seconds as i64).ok().map(|at| TimeZone::UTC.to_datetime(at))
}

fn label_replace(mut lines: Vec<Line>, [to, with, from, regex]: &[String; 4]) -> Result<Vec<Line>, QueryError> {
    if !is_label(to) && to != NAME {
        return Err(QueryError::Execution(format!("invalid destination label name in label_replace(): {to}")));
    }
    let refused = || QueryError::Execution(format!("invalid regular expression in label_replace(): {regex}"));
    if regex.len() > REGEX_BYTES_MAX {
        return Err(refused());
    }
    let mut builder = RegexBuilder::new(&format!("^(?:{regex})$"));
    let regex = builder.size_limit(REGEX_SIZE_BYTES_MAX).build().map_err(|_| refused())?;
    for line in &mut lines {
        let value = line.labels.get(from).to_owned();
        if let Some(captures) = regex.captures(&value) {
            let mut text = String::new();
            captures.expand(with, &mut text);
            line.labels.set(to, text);
        }
    }
    folded(lines, SAME_LABELS)
}

fn label_join(mut lines: Vec<Line>, to: &str, between: &str, from: &[String]) -> Result<Vec<Line>, QueryError> {
    if let Some(wrong) = [to].into_iter().chain(from.iter().map(String::as_str)).find(|l| !is_label(l)) {
        return Err(QueryError::Execution(format!("invalid label name in label_join(): {wrong}")));
    }
    for line in &mut lines {
        let joined = from.iter().map(|label| line.labels.get(label)).collect::<Vec<_>>().join(between);
        line.labels.set(to, joined);
    }
    folded(lines, SAME_LABELS)
}
