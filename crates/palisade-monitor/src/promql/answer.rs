//! Answers in the JSON of Prometheus' HTTP API.

use super::aggregate::number;
use super::error::QueryError;
use super::labels::Labels;
use super::loaded::Series;
use super::value::{Grid, Line, Point, Value};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use serde_json::json;

/// What is sent back when all went well.
#[derive(Debug, serde::Serialize)]
pub struct Success<T> {
    status: &'static str,
    data: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl<T: Serialize> Success<T> {
    /// With what the reader should know of it.
    pub fn new(data: T, warnings: Vec<String>) -> Success<T> {
        Success { status: "success", data, warnings }
    }
}

/// The result of a query.
#[derive(Debug, serde::Serialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub enum Outcome {
    /// A number.
    Scalar(Sample),
    /// A text, with the moment.
    String(Moment, String),
    /// One sample of each series.
    Vector(Vec<Instant>),
    /// Samples of each series.
    Matrix(Vec<Range>),
}

/// One sample of a series.
#[derive(Debug, serde::Serialize)]
pub struct Instant {
    metric: Labels,
    value: Sample,
}

/// Samples of a series.
#[derive(Debug, serde::Serialize)]
pub struct Range {
    metric: Labels,
    values: Vec<Sample>,
}

/// A sample: `[seconds, "value"]`.
#[derive(Debug)]
pub struct Sample(Point);

/// Unix seconds of a moment in milliseconds; whole ones are written whole.
#[derive(Debug)]
pub struct Moment(pub i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 % 1_000 {
            0 => serializer.serialize_i64(self.0 / 1_000),
            _ => serializer.serialize_f64(self.0 as f64 / 1_000.0),
        }
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&Moment(self.0.0))?;
        pair.serialize_element(&short(self.0.1))?;
        pair.end()
    }
}

/// A value as the API writes it: very large and very small ones with an exponent.
fn short(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && value != 0.0 && !(1e-6..1e21).contains(&size) {
        format!("{value:e}")
    } else {
        number(value)
    }
}

/// What an expression is worth at one moment.
pub fn instant(value: Value, at_ms: i64) -> Outcome {
    match value {
        Value::Scalar(numbers) => Outcome::Scalar(Sample((at_ms, numbers.first().copied().unwrap_or(f64::NAN)))),
        Value::Text(text) => Outcome::String(Moment(at_ms), text),
        Value::Vector(lines) => {
            let one =
                |line: Line| Some(Instant { value: Sample((at_ms, (*line.values.first()?)?)), metric: line.labels });
            Outcome::Vector(lines.into_iter().filter_map(one).collect())
        }
    }
}

/// What an expression is worth over a range, by labels.
pub fn range(value: Value, grid: Grid) -> Result<Outcome, QueryError> {
    let mut lines = match value {
        Value::Vector(lines) => lines,
        Value::Scalar(numbers) => {
            vec![Line { labels: Labels::default(), values: numbers.into_iter().map(Some).collect() }]
        }
        Value::Text(_) => {
            return Err(QueryError::bad("a range query must be worth numbers, not a text"));
        }
    };
    lines.sort_by(|a, b| a.labels.cmp(&b.labels));
    let one = |line: Line| Range {
        values: grid.times().zip(line.values).filter_map(|(at_ms, v)| Some(Sample((at_ms, v?)))).collect(),
        metric: line.labels,
    };
    Ok(Outcome::Matrix(lines.into_iter().map(one).filter(|range| !range.values.is_empty()).collect()))
}

/// Samples as they were stored.
pub fn samples(series: Vec<Series>) -> Outcome {
    let one = |s: Series| Range { metric: s.labels, values: s.points.into_iter().map(Sample).collect() };
    Outcome::Matrix(series.into_iter().map(one).collect())
}

impl IntoResponse for QueryError {
    /// Prometheus' own shape, and beside it that of the rest of the API.
    fn into_response(self) -> Response {
        let status = match &self {
            QueryError::Bad { .. } => StatusCode::BAD_REQUEST,
            QueryError::Execution(_) | QueryError::TooMuch(_) => StatusCode::UNPROCESSABLE_ENTITY,
            QueryError::Timeout(_) => StatusCode::SERVICE_UNAVAILABLE,
            QueryError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let message = match &self {
            QueryError::Store(_) => "the samples could not be read; the server's log says why".to_owned(),
            other => other.to_string(),
        };
        let body = json!({
            "status": "error", "errorType": self.kind(), "error": message, "code": self.kind(), "message": message,
        });
        (status, Json(body)).into_response()
    }
}
