//! The four tables that hold the same series at different steps.
//!
//! Each statement is written out: a table's name cannot be a parameter.

use crate::pack::{Summary, Unreadable, unpack_frame, unpack_rollup};
use palisade_guard::GuardError;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

const DAY_S: i64 = 86_400;

/// Seconds of a row and for how long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Tier {
    /// While somebody looked on; kept 15 minutes.
    #[serde(rename = "second")]
    Second,
    /// Always; kept 15 days.
    #[serde(rename = "minute")]
    Minute,
    /// Smallest, largest and average of 5 minutes; kept 90 days.
    #[serde(rename = "5 min")]
    FiveMinutes,
    /// The same of an hour; kept 400 days.
    #[serde(rename = "1 h")]
    Hour,
}

impl Tier {
    /// Finest first.
    pub const ALL: [Tier; 4] = [Tier::Second, Tier::Minute, Tier::FiveMinutes, Tier::Hour];

    /// The time that a row stands for; `at` of a row is a multiple of it, the beginning.
    pub fn step_s(self) -> i64 {
        match self {
            Tier::Second => 1,
            Tier::Minute => 60,
            Tier::FiveMinutes => 300,
            Tier::Hour => 3_600,
        }
    }

    /// For how long rows are kept.
    pub fn kept_s(self) -> i64 {
        match self {
            Tier::Second => 15 * 60,
            Tier::Minute => 15 * DAY_S,
            Tier::FiveMinutes => 90 * DAY_S,
            Tier::Hour => 400 * DAY_S,
        }
    }

    /// The tier that is made from this one.
    pub fn next(self) -> Option<Tier> {
        match self {
            Tier::Minute => Some(Tier::FiveMinutes),
            Tier::FiveMinutes => Some(Tier::Hour),
            Tier::Second | Tier::Hour => None,
        }
    }

    /// The beginning of the row that a moment falls into.
    pub fn floor(self, at_s: i64) -> i64 {
        at_s.div_euclid(self.step_s()) * self.step_s()
    }

    /// Calls `each` with every series of a row.
    pub fn unpack(self, body: &[u8], mut each: impl FnMut(u32, Summary)) -> Result<(), Unreadable> {
        match self {
            Tier::Second | Tier::Minute => unpack_frame(body, |id, value| each(id, Summary::of(value))).map(|_| ()),
            Tier::FiveMinutes | Tier::Hour => unpack_rollup(body, each),
        }
    }
}

/// Stores a row; one of the same moment is replaced.
pub async fn row_put(
    db: &mut SqliteConnection,
    tier: Tier,
    host: &str,
    at_s: i64,
    body: &[u8],
) -> Result<(), GuardError> {
    let statement = match tier {
        Tier::Second => {
            "INSERT INTO monitor_second (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO UPDATE SET body = excluded.body"
        }
        Tier::Minute => {
            "INSERT INTO monitor_minute (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO UPDATE SET body = excluded.body"
        }
        Tier::FiveMinutes => {
            "INSERT INTO monitor_rollup5 (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO UPDATE SET body = excluded.body"
        }
        Tier::Hour => {
            "INSERT INTO monitor_rollup60 (host, at, body) VALUES ($1, $2, $3) ON CONFLICT (host, at) DO UPDATE SET body = excluded.body"
        }
    };
    sqlx::query(statement).bind(host).bind(at_s).bind(body).execute(db).await?;
    Ok(())
}

/// The rows of a host that begin in `from_s..to_s`, oldest first, at most `limit`.
pub async fn rows(
    db: &mut SqliteConnection,
    tier: Tier,
    host: &str,
    (from_s, to_s): (i64, i64),
    limit: i64,
) -> Result<Vec<(i64, Vec<u8>)>, GuardError> {
    let statement = match tier {
        Tier::Second => {
            "SELECT at, body FROM monitor_second WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4"
        }
        Tier::Minute => {
            "SELECT at, body FROM monitor_minute WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4"
        }
        Tier::FiveMinutes => {
            "SELECT at, body FROM monitor_rollup5 WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4"
        }
        Tier::Hour => {
            "SELECT at, body FROM monitor_rollup60 WHERE host = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4"
        }
    };
    Ok(sqlx::query_as(statement).bind(host).bind(from_s).bind(to_s).bind(limit).fetch_all(db).await?)
}

/// Removes rows of a host that are older than `before_s` or lie after `after_s` (the host's clock
/// was wrong), at most `limit` of each. Returns how many went.
pub async fn rows_remove(
    db: &mut SqliteConnection,
    tier: Tier,
    host: &str,
    (before_s, after_s): (i64, i64),
    limit: i64,
) -> Result<u64, GuardError> {
    let statement = match tier {
        Tier::Second => {
            "DELETE FROM monitor_second WHERE host = $1 AND at IN (SELECT at FROM monitor_second WHERE host = $1 AND (at < $2 OR at > $3) ORDER BY at LIMIT $4)"
        }
        Tier::Minute => {
            "DELETE FROM monitor_minute WHERE host = $1 AND at IN (SELECT at FROM monitor_minute WHERE host = $1 AND (at < $2 OR at > $3) ORDER BY at LIMIT $4)"
        }
        Tier::FiveMinutes => {
            "DELETE FROM monitor_rollup5 WHERE host = $1 AND at IN (SELECT at FROM monitor_rollup5 WHERE host = $1 AND (at < $2 OR at > $3) ORDER BY at LIMIT $4)"
        }
        Tier::Hour => {
            "DELETE FROM monitor_rollup60 WHERE host = $1 AND at IN (SELECT at FROM monitor_rollup60 WHERE host = $1 AND (at < $2 OR at > $3) ORDER BY at LIMIT $4)"
        }
    };
    let done = sqlx::query(statement).bind(host).bind(before_s).bind(after_s).bind(limit).execute(db).await?;
    Ok(done.rows_affected())
}
