//! A length of time as an operator writes it: `90s`, `15m`, `12h`, `7d`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// A positive length of time in whole seconds, at most ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "12h")]
pub struct Span(u32);

/// The text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time; write a number and s, m, h or d, at most 3650d, such as 12h")]
pub struct SpanError(String);

const SECONDS_MAX: u64 = 3650 * 86_400;
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Span {
    /// From whole seconds; `None` for zero or more than ten years.
    pub fn from_secs(seconds: u64) -> Option<Span> {
        (1..=SECONDS_MAX).contains(&seconds).then_some(Span(seconds as u32))
    }

    /// The length in seconds.
    pub fn as_secs(self) -> u64 {
        u64::from(self.0)
    }

    /// The length as the standard library has it.
    pub fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.as_secs())
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let error = || SpanError(text.chars().take(32).flat_map(char::escape_default).collect());
        let unit = text.chars().last().ok_or_else(error)?;
        let (_, seconds) = UNITS.into_iter().find(|(c, _)| *c == unit).ok_or_else(error)?;
        let digits = &text[..text.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let count: u64 = digits.parse().map_err(|_| error())?;
        count.checked_mul(seconds).and_then(Span::from_secs).ok_or_else(error)
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.as_secs();
        let (unit, size) = UNITS.into_iter().find(|(_, size)| seconds.is_multiple_of(*size)).unwrap_or(('s', 1));
        write!(f, "{}{unit}", seconds / size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print_in_the_largest_whole_unit() {
        for (given, printed) in [("90s", "90s"), ("60s", "1m"), ("12h", "12h"), ("48h", "2d"), ("3650d", "3650d")] {
            assert_eq!(given.parse::<Span>().map(|s| s.to_string()), Ok(printed.to_owned()));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for given in ["", "0s", "h", "12", "-1h", "1.5h", "3651d", "99999999999999999999d", "12µ"] {
            assert!(given.parse::<Span>().is_err(), "{given}");
        }
    }
}
