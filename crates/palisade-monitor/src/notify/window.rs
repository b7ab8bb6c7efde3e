//! Hours of the day in a time zone. Pure.

use super::spec::{Day, Window};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use palisade_core::Timestamp;
use palisade_guard::api::ApiError;

/// A [`Window`], ready to be asked.
#[derive(Debug, Clone)]
pub struct Hours {
    days: Vec<Day>,
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl Hours {
    /// Reads times and zone; an error names the part of the document.
    pub fn of(window: &Window) -> Result<Hours, ApiError> {
        Ok(Hours {
            days: window.days.clone(),
            from: time(&window.from).map_err(|e| e.at("from"))?,
            to: time(&window.to).map_err(|e| e.at("to"))?,
            zone: zone(&window.zone).map_err(|e| e.at("zone"))?,
        })
    }

    /// True inside.
    pub fn hold(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let begins_on = |weekday: Weekday| self.days.is_empty() || self.days.contains(&day(weekday));
        let (today, yesterday) = (local.weekday(), local.weekday().previous());
        if self.from < self.to {
            return begins_on(today) && (self.from..self.to).contains(&local.time());
        }
        (begins_on(today) && local.time() >= self.from) || (begins_on(yesterday) && local.time() < self.to)
    }
}

/// `HH:MM`.
pub fn time(text: &str) -> Result<Time, ApiError> {
    let wrong =
        || ApiError::invalid(format!("`{}` is no time; write it as 08:00", palisade_guard::cli::printable(text)));
    let (hour, minute) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2).ok_or_else(wrong)?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| part.parse::<i8>().ok().filter(|_| digits(part)).ok_or_else(wrong);
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| wrong())
}

/// A zone of the time zone database.
pub fn zone(name: &str) -> Result<TimeZone, ApiError> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let error = || ApiError::invalid(format!("`{}` is no time zone", palisade_guard::cli::printable(name)));
    TimeZone::get(name).map_err(|_| error().hint("use a name of the time zone database, such as Europe/Berlin"))
}

/// The first moment after `after` when it is `time` in `zone`.
pub fn next(after: Timestamp, time: Time, zone: &TimeZone) -> Timestamp {
    let local = after.to_zoned(zone.clone());
    let on = |date: jiff::civil::Date| date.to_datetime(time).to_zoned(zone.clone()).map(|z| z.timestamp());
    let today = on(local.date()).ok().filter(|moment| *moment > after);
    let tomorrow = || local.date().tomorrow().ok().and_then(|date| on(date).ok());
    // a date without a next one lies in the year 9999
    today.or_else(tomorrow).unwrap_or(Timestamp::MAX)
}

fn day(weekday: Weekday) -> Day {
    match weekday {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(days: &[Day], from: &str, to: &str) -> Hours {
        let (days, from, to) = (days.to_vec(), from.to_owned(), to.to_owned());
        Hours::of(&Window { days, from, to, zone: "UTC".to_owned(), except: None }).unwrap()
    }

    #[test]
    fn hours_begin_and_end_and_may_reach_into_the_next_day() {
        // 2026-11-22 is a Sunday
        let day = hours(&[], "08:00", "20:00");
        for (moment, inside) in [("07:59:59", false), ("08:00:00", true), ("19:59:59", true), ("20:00:00", false)] {
            assert_eq!(day.hold(at(&format!("2026-11-22T{moment}Z"))), inside, "{moment}");
        }
        let night = hours(&[Day::Sat], "22:00", "06:00");
        for (moment, inside) in [
            ("2026-11-21T21:59:00Z", false),
            ("2026-11-21T22:00:00Z", true),
            ("2026-11-22T05:59:00Z", true),
            ("2026-11-22T06:00:00Z", false),
            ("2026-11-22T23:00:00Z", false),
            ("2026-11-21T05:00:00Z", false),
        ] {
            assert_eq!(night.hold(at(moment)), inside, "{moment}");
        }
    }

    #[test]
    fn the_next_moment_is_today_or_tomorrow_and_never_now() {
        let eight = time("08:00").unwrap();
        for (after, expected) in [
            ("2026-11-22T07:00:00Z", "2026-11-22T08:00:00Z"),
            ("2026-11-22T08:00:00Z", "2026-11-23T08:00:00Z"),
            ("2026-12-31T09:00:00Z", "2027-01-01T08:00:00Z"),
        ] {
            assert_eq!(next(at(after), eight, &TimeZone::UTC), at(expected));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "8:00", "24:00", "08:60", "08-00", "ab:cd", "+8:00"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert!(zone("Mars/Olympus").is_err());
    }
}
