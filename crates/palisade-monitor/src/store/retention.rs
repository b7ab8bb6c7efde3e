//! For how many days each tier is kept, as the server's configuration says.

use super::Tier;
use super::tier::DAY_S;

/// The longest and the shortest that raw samples can be kept, in days.
const RAW_DAYS_MAX: u32 = 60;
/// The longest that summaries of 5 minutes can be kept.
const FIVE_MINUTES_DAYS_MAX: u32 = 400;
/// The longest that summaries of an hour can be kept.
const HOUR_DAYS_MAX: u32 = 4_000;
/// For how long seconds are kept; that is no setting.
const SECONDS_S: i64 = 15 * 60;

/// For how many days each tier is kept: a coarser one at least as long as a finer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    raw_days: u32,
    five_minutes_days: u32,
    hour_days: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { raw_days: 15, five_minutes_days: 90, hour_days: 400 }
    }
}

impl Retention {
    /// Of what is configured; what is absent has its default, or the days of the tier before if those
    /// are more. An error names the key.
    pub fn new(
        raw_days: Option<u32>,
        five_minutes_days: Option<u32>,
        hour_days: Option<u32>,
    ) -> Result<Retention, String> {
        let usual = Retention::default();
        let raw_days = days("raw_days", raw_days.unwrap_or(usual.raw_days), (1, RAW_DAYS_MAX))?;
        let or_more = |given: Option<u32>, usual: u32, least: u32| given.unwrap_or(usual.max(least));
        let five = or_more(five_minutes_days, usual.five_minutes_days, raw_days);
        let five_minutes_days = days("five_minutes_days", five, (raw_days, FIVE_MINUTES_DAYS_MAX))?;
        let hour = or_more(hour_days, usual.hour_days, five_minutes_days);
        let hour_days = days("hour_days", hour, (five_minutes_days, HOUR_DAYS_MAX))?;
        Ok(Retention { raw_days, five_minutes_days, hour_days })
    }

    /// For how long values of a tier are kept, in seconds.
    pub fn kept_s(self, tier: Tier) -> i64 {
        let days = match tier {
            Tier::Second => return SECONDS_S,
            Tier::Raw => self.raw_days,
            Tier::FiveMinutes => self.five_minutes_days,
            Tier::Hour => self.hour_days,
        };
        i64::from(days) * DAY_S
    }
}

fn days(key: &str, days: u32, (least, most): (u32, u32)) -> Result<u32, String> {
    if (least..=most).contains(&days) {
        return Ok(days);
    }
    let why = if least > 1 { ", and no tier goes before the finer one" } else { "" };
    Err(format!("`monitor.{key}` is {days}; it must be from {least} to {most} days{why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(raw: Option<u32>, five: Option<u32>, hour: Option<u32>) -> Result<[i64; 3], String> {
        Retention::new(raw, five, hour).map(|kept| Tier::SEALED.map(|tier| kept.kept_s(tier) / DAY_S))
    }

    #[test]
    fn a_coarser_tier_is_kept_at_least_as_long_as_a_finer_one() {
        assert_eq!(of(None, None, None), Ok([15, 90, 400]));
        assert_eq!(of(Some(1), Some(1), Some(1)), Ok([1, 1, 1]));
        assert_eq!(of(Some(60), Some(400), Some(4_000)), Ok([60, 400, 4_000]));
        assert_eq!(of(None, Some(400), None), Ok([15, 400, 400]));
        for (raw, five, hour, key) in [
            (Some(0), None, None, "raw_days"),
            (Some(61), None, None, "raw_days"),
            (Some(20), Some(19), None, "five_minutes_days"),
            (None, Some(401), None, "five_minutes_days"),
            (None, None, Some(89), "hour_days"),
            (None, None, Some(4_001), "hour_days"),
        ] {
            assert!(of(raw, five, hour).unwrap_err().contains(&format!("monitor.{key}")), "{key}");
        }
    }
}
