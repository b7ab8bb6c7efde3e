//! What an expression is worth at every step of a query.

use super::error::QueryError;
use super::labels::Labels;
use std::collections::HashMap;

/// The moments at which an expression is evaluated: Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The first.
    pub start_ms: i64,
    /// No one is after this.
    pub end_ms: i64,
    /// From one to the next; positive.
    pub step_ms: i64,
}

impl Grid {
    /// One moment.
    pub fn instant(at_ms: i64) -> Grid {
        Grid { start_ms: at_ms, end_ms: at_ms, step_ms: 1 }
    }

    /// How many.
    pub fn len(&self) -> usize {
        usize::try_from((self.end_ms - self.start_ms).div_euclid(self.step_ms) + 1).unwrap_or(0)
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each.
    pub fn times(self) -> impl Iterator<Item = i64> {
        (0..self.len() as i64).map(move |n| self.start_ms + n * self.step_ms)
    }
}

/// A sample: Unix milliseconds and value.
pub type Point = (i64, f64);

/// One series, with what it is worth at each step; `None` where there is no sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is.
    pub labels: Labels,
    /// One for each step.
    pub values: Vec<Option<f64>>,
}

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number at each step.
    Scalar(Vec<f64>),
    /// Series.
    Vector(Vec<Line>),
    /// A text.
    Text(String),
}

impl Value {
    /// The numbers.
    pub fn scalar(self) -> Result<Vec<f64>, QueryError> {
        match self {
            Value::Scalar(values) => Ok(values),
            _ => Err(QueryError::bad("a number is needed here")),
        }
    }

    /// The series.
    pub fn vector(self) -> Result<Vec<Line>, QueryError> {
        match self {
            Value::Vector(lines) => Ok(lines),
            _ => Err(QueryError::bad("an instant vector is needed here")),
        }
    }

    /// The text.
    pub fn text(self) -> Result<String, QueryError> {
        match self {
            Value::Text(text) => Ok(text),
            _ => Err(QueryError::bad("a text is needed here")),
        }
    }
}

/// Puts series with the same labels together, and leaves out those without a value. Two values at one
/// step are an error: `clash` says what.
pub fn folded(lines: Vec<Line>, clash: &str) -> Result<Vec<Line>, QueryError> {
    let (mut out, mut places) = (Vec::<Line>::with_capacity(lines.len()), HashMap::new());
    for line in lines.into_iter().filter(|line| line.values.iter().any(Option::is_some)) {
        let Some(&place) = places.get(&line.labels) else {
            places.insert(line.labels.clone(), out.len());
            out.push(line);
            continue;
        };
        let before: &mut Line = &mut out[place];
        for (slot, value) in before.values.iter_mut().zip(line.values) {
            if slot.is_some() && value.is_some() {
                return Err(QueryError::Execution(format!("{clash}: {}", line.labels)));
            }
            *slot = slot.or(value);
        }
    }
    Ok(out)
}

/// What Prometheus says of two series that became one.
pub const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";
