//! The four steps at which the same series are kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is summed up together.
pub(super) const DAY_S: i64 = 86_400;
/// What is sealed together: an aligned window of raw samples.
pub const WINDOW_S: i64 = 2 * 3_600;

/// Seconds of a step. For how long each is kept says [`super::Retention`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Tier {
    /// While somebody looked on; kept 15 minutes.
    #[serde(rename = "second")]
    Second,
    /// As it was sampled, every minute unless the host was told otherwise; kept 15 days unless configured otherwise.
    #[serde(rename = "raw", alias = "minute")]
    Raw,
    /// Smallest, largest and average of 5 minutes; kept 90 days unless configured otherwise.
    #[serde(rename = "5 min")]
    FiveMinutes,
    /// The same of an hour; kept 400 days unless configured otherwise.
    #[serde(rename = "1 h")]
    Hour,
}

impl Tier {
    /// Finest first.
    pub const ALL: [Tier; 4] = [Tier::Second, Tier::Raw, Tier::FiveMinutes, Tier::Hour];
    /// Those that are kept in chunks.
    pub const SEALED: [Tier; 3] = [Tier::Raw, Tier::FiveMinutes, Tier::Hour];

    /// The time that a value stands for. That of raw samples is the usual one: it is a setting of the
    /// host, from a second to a minute.
    pub fn step_s(self) -> i64 {
        match self {
            Tier::Second => 1,
            Tier::Raw => 60,
            Tier::FiveMinutes => 300,
            Tier::Hour => 3_600,
        }
    }

    /// The time that a chunk covers: a multiple of [`WINDOW_S`]. Seconds are never sealed.
    pub(super) fn chunk_s(self) -> i64 {
        match self {
            Tier::Second | Tier::Raw => WINDOW_S,
            Tier::FiveMinutes => DAY_S,
            Tier::Hour => 10 * DAY_S,
        }
    }

    /// The number that stands for it in the database.
    pub(super) fn number(self) -> i64 {
        match self {
            Tier::Second => 0,
            Tier::Raw => 1,
            Tier::FiveMinutes => 2,
            Tier::Hour => 3,
        }
    }

    /// The tier that is made from this one.
    pub fn next(self) -> Option<Tier> {
        match self {
            Tier::Raw => Some(Tier::FiveMinutes),
            Tier::FiveMinutes => Some(Tier::Hour),
            Tier::Second | Tier::Hour => None,
        }
    }

    /// The beginning of the step that a moment falls into.
    pub fn floor(self, at_s: i64) -> i64 {
        floor(at_s, self.step_s())
    }
}

/// The multiple of `by` at or before `at_s`.
pub(super) fn floor(at_s: i64, by: i64) -> i64 {
    at_s.div_euclid(by) * by
}
