//! Parameters of Prometheus' HTTP API: in the address, or in the body as a form; some of them more
//! than once.

use super::error::QueryError;
use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request};
use axum::http::{Method, Uri};
use palisade_core::{Span, Timestamp};

/// Times are between 1970 and this, in seconds: far from both ends of what a moment can hold.
const LATEST_S: f64 = 32_503_680_000.0;

/// Names and values, in order.
#[derive(Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = QueryError;

    async fn from_request(request: Request, state: &S) -> Result<Params, QueryError> {
        let is_form = request.method() == Method::POST;
        let mut all = decoded(request.uri())?;
        if is_form {
            let body = Bytes::from_request(request, state).await.map_err(|e| QueryError::bad(e.body_text()))?;
            let refused = || QueryError::bad("the body is no form (application/x-www-form-urlencoded)");
            all.extend(decoded(&format!("/?{}", careful(&body)).parse().map_err(|_| refused())?)?);
        }
        Ok(Params(all))
    }
}

/// The form with whatever an address may not have encoded: not every sender does so.
fn careful(form: &[u8]) -> String {
    let mut text = String::with_capacity(form.len());
    for byte in form {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'%' | b'&' | b'=' | b'+' | b'.' | b'_' | b'~' | b'*' | b'-' => {
                text.push(char::from(*byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

fn decoded(uri: &Uri) -> Result<Vec<(String, String)>, QueryError> {
    Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|error| QueryError::bad(error.body_text()))
}

impl Params {
    /// The value of a parameter, if it is given and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be given.
    pub fn needed(&self, name: &str) -> Result<&str, QueryError> {
        self.get(name).ok_or_else(|| QueryError::bad(format!("`{name}` is missing")))
    }

    /// A moment in Unix milliseconds, if it is given.
    pub fn moment_ms(&self, name: &str) -> Result<Option<i64>, QueryError> {
        self.get(name).map(|text| moment_ms(name, text)).transpose()
    }

    /// A length of time in milliseconds: seconds, or `5m`.
    pub fn step_ms(&self, name: &str) -> Result<i64, QueryError> {
        let text = self.needed(name)?;
        let seconds = text.parse().ok().or_else(|| Some(text.parse::<Span>().ok()?.as_secs() as f64));
        match seconds.map(|s: f64| s * 1_000.0).filter(|ms| (1.0..=1e13).contains(ms)) {
            Some(ms) => Ok(ms as i64),
            None => {
                Err(QueryError::bad(format!("`{name}` must be a positive number of seconds, or a length such as 5m")))
            }
        }
    }

    /// How many are wanted at most; 0 or absent is as many as there may be.
    pub fn limit(&self, most: usize) -> Result<usize, QueryError> {
        let Some(text) = self.get("limit") else { return Ok(most) };
        match text.parse::<i64>() {
            // Grafana sends -1 for all
            Ok(n) if n <= 0 => Ok(most),
            Ok(n) => Ok(usize::try_from(n).unwrap_or(most).min(most)),
            Err(_) => Err(QueryError::bad("`limit` must be a number")),
        }
    }
}

fn moment_ms(name: &str, text: &str) -> Result<i64, QueryError> {
    let seconds = text.parse::<f64>().ok().filter(|s| (0.0..=LATEST_S).contains(s));
    let ms = seconds.map(|s| (s * 1_000.0).round() as i64);
    let written = || {
        let at: Timestamp = text.parse().ok()?;
        (0.0..=LATEST_S).contains(&(at.as_second() as f64)).then(|| at.as_millisecond())
    };
    ms.or_else(written).ok_or_else(|| {
        QueryError::bad(format!("`{name}` must be Unix seconds or RFC 3339, such as 2026-11-22T12:00:00Z"))
    })
}
