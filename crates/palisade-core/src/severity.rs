//! How bad a finding is, and how a practice stands.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// How much a finding matters, on the scale of Sigma, CVSS and OCSF. The mission's alarm word
/// "major" reads high, "minor" reads medium. Ordered: `Informational < … < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing, nothing to mend.
    Informational,
    /// Mend when convenient.
    Low,
    /// Mend soon.
    Medium,
    /// Mend today.
    High,
    /// Mend now.
    Critical,
}

impl Severity {
    /// All five, worst first.
    pub const ALL: [Severity; 5] =
        [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Informational];

    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Informational => "informational",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Severity::ALL
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| format!("`{word}` is no severity; use critical, high, medium, low or informational"))
    }
}

/// How a practice stands on a host, or on the worst host of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Observed within its freshness, and right.
    Good,
    /// Works, weak somewhere.
    Attention,
    /// Observed and wrong.
    Bad,
    /// The guard is not switched on, or not built.
    Unprotected,
    /// Not observed.
    Unknown,
}

impl State {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Attention => "attention",
            State::Bad => "bad",
            State::Unprotected => "unprotected",
            State::Unknown => "unknown",
        }
    }

    /// Rank for "the worst host decides": larger is worse. Not looked at is worse than weak, and
    /// less bad than not protected at all.
    pub fn badness(self) -> u8 {
        match self {
            State::Good => 0,
            State::Attention => 1,
            State::Unknown => 2,
            State::Unprotected => 3,
            State::Bad => 4,
        }
    }

    /// The worse of the two.
    pub fn worst(self, other: State) -> State {
        if other.badness() > self.badness() { other } else { self }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
