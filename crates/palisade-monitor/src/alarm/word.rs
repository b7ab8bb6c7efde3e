//! The words of a policy: what of a period counts, how long a period is, and what it is compared by.

use crate::pack::Summary;
use palisade_core::Severity;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What of the samples of a period counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Their average.
    #[default]
    Average,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// All added up.
    Sum,
    /// The newest.
    Latest,
}

impl Statistic {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Statistic::Average => "average",
            Statistic::Max => "max",
            Statistic::Min => "min",
            Statistic::Sum => "sum",
            Statistic::Latest => "latest",
        }
    }

    /// Of a period whose newest value is `latest`.
    pub fn of(self, period: Summary, latest: f64) -> f64 {
        match self {
            Statistic::Average => period.avg,
            Statistic::Max => period.max,
            Statistic::Min => period.min,
            Statistic::Sum => period.avg * period.samples as f64,
            Statistic::Latest => latest,
        }
    }
}

/// How long a period is. Periods begin at multiples of their length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Period {
    /// Every sample is a period of its own.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// A minute.
    #[serde(rename = "1m")]
    Minute,
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Twenty minutes.
    #[serde(rename = "20m")]
    TwentyMinutes,
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
    /// Four hours.
    #[serde(rename = "4h")]
    FourHours,
    /// A day, from midnight UTC.
    #[serde(rename = "24h")]
    Day,
}

impl Period {
    /// Its length; 0 for [`Period::Raw`].
    pub fn seconds(self) -> i64 {
        match self {
            Period::Raw => 0,
            Period::Minute => 60,
            Period::FiveMinutes => 300,
            Period::TwentyMinutes => 1_200,
            Period::Hour => 3_600,
            Period::FourHours => 14_400,
            Period::Day => 86_400,
        }
    }

    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Raw => "raw",
            Period::Minute => "1m",
            Period::FiveMinutes => "5m",
            Period::TwentyMinutes => "20m",
            Period::Hour => "1h",
            Period::FourHours => "4h",
            Period::Day => "24h",
        }
    }
}

/// What a value is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Operator {
    /// Above.
    #[serde(rename = ">")]
    Above,
    /// At least.
    #[serde(rename = ">=")]
    AtLeast,
    /// Below.
    #[serde(rename = "<")]
    Below,
    /// At most.
    #[serde(rename = "<=")]
    AtMost,
    /// Equal.
    #[serde(rename = "==", alias = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    Unequal,
    /// More percent above the period before than the threshold says, or as many.
    #[serde(rename = "rise")]
    Rise,
    /// More percent below the period before than the threshold says, or as many.
    #[serde(rename = "fall")]
    Fall,
}

impl Operator {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Operator::Above => ">",
            Operator::AtLeast => ">=",
            Operator::Below => "<",
            Operator::AtMost => "<=",
            Operator::Equal => "==",
            Operator::Unequal => "!=",
            Operator::Rise => "rise",
            Operator::Fall => "fall",
        }
    }

    /// True for what compares with the period before, in percent.
    pub fn is_change(self) -> bool {
        matches!(self, Operator::Rise | Operator::Fall)
    }

    /// True when larger values are worse; `None` when neither way is.
    pub fn up(self) -> Option<bool> {
        match self {
            Operator::Above | Operator::AtLeast | Operator::Rise => Some(true),
            Operator::Below | Operator::AtMost | Operator::Fall => Some(false),
            Operator::Equal | Operator::Unequal => None,
        }
    }

    /// Whether `value` is on the wrong side of `threshold`. Both are taken at 24 bits, which is what
    /// the store keeps of a fraction: 0.9 measured and 0.9 written in a rule are equal.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        let (value, threshold) = (value as f32, threshold as f32);
        match self {
            Operator::Above => value > threshold,
            Operator::AtLeast | Operator::Rise | Operator::Fall => value >= threshold,
            Operator::Below => value < threshold,
            Operator::AtMost => value <= threshold,
            Operator::Equal => value == threshold,
            Operator::Unequal => value != threshold,
        }
    }
}

/// What samples that no longer come mean. An alarm that fires goes on firing in any case: nobody has
/// seen that it is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Treat {
    /// That is an alarm itself.
    Alarm,
    /// Nothing: what was, stays.
    #[default]
    Keep,
    /// What was about to fire begins anew.
    Ok,
}

/// A severity, by our words or those of cloud services: critical, major, minor, informational.
pub fn severity<'de, D: Deserializer<'de>>(from: D) -> Result<Severity, D::Error> {
    word_severity(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// As [`severity`], where there may be none.
pub fn severity_maybe<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Severity>, D::Error> {
    let word = Option::<String>::deserialize(from)?;
    word.map(|word| word_severity(&word)).transpose().map_err(serde::de::Error::custom)
}

fn word_severity(word: &str) -> Result<Severity, String> {
    match word {
        "major" => Ok(Severity::High),
        "minor" => Ok(Severity::Medium),
        other => other.parse(),
    }
}
