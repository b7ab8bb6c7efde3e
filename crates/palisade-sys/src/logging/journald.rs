//! The settings of systemd-journald: journald.conf(5).

use super::texts;
use crate::{Root, units};

const FILE: &str = "/etc/systemd/journald.conf";
const DROP_INS: [&str; 3] =
    ["/usr/lib/systemd/journald.conf.d", "/run/systemd/journald.conf.d", "/etc/systemd/journald.conf.d"];
const SECONDS_PER_DAY: u64 = 86_400;

/// What journald is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journald {
    /// True when it is there.
    pub installed: bool,
    /// `Storage=`: `persistent`, `volatile`, `auto`, `none`.
    pub storage: String,
    /// `/var/log/journal` exists: with `auto` the journal is kept on disk there.
    pub directory: bool,
    /// `MaxRetentionSec=` in days, rounded down; `None` when age does not matter.
    pub retention_days: Option<u64>,
}

impl Journald {
    /// True when the journal outlives a restart.
    pub fn is_persistent(&self) -> bool {
        self.storage == "persistent" || (self.storage == "auto" && self.directory)
    }
}

/// Reads the settings; files that cannot be read are named in `unread`.
pub fn read(root: &Root, unread: &mut Vec<String>) -> Journald {
    let files = texts(root, FILE, &DROP_INS, Some("conf"), unread);
    let (storage, retention) = settings(files.iter().map(|(_, text)| text.as_str()));
    Journald {
        installed: units::is_installed(root, "systemd-journald.service"),
        storage,
        directory: root.metadata("/var/log/journal").is_ok_and(|m| m.is_dir()),
        retention_days: retention.map(|seconds| seconds / SECONDS_PER_DAY),
    }
}

/// `Storage` and `MaxRetentionSec` in seconds; the last one wins.
fn settings<'a>(texts: impl Iterator<Item = &'a str>) -> (String, Option<u64>) {
    let (mut storage, mut retention) = ("auto".to_owned(), None);
    for line in texts.flat_map(str::lines).map(str::trim).filter(|l| !l.starts_with(['#', ';'])) {
        match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(("Storage", value)) if matches!(value, "persistent" | "volatile" | "auto" | "none") => {
                storage = value.to_owned()
            }
            Some(("MaxRetentionSec", value)) => retention = seconds(value).filter(|s| *s > 0),
            _ => {}
        }
    }
    (storage, retention)
}

/// A length of time as systemd.time(7) has it: `6month`, `1week 2d`, `86400`.
fn seconds(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (count, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(unit_seconds(unit)?)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

fn unit_seconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hr" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => SECONDS_PER_DAY,
        "w" | "week" | "weeks" => 7 * SECONDS_PER_DAY,
        "M" | "month" | "months" => 2_629_800,
        "y" | "year" | "years" => 31_557_600,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_setting_wins_and_comments_do_not_count() {
        let main = "[Journal]\n#Storage=volatile\nStorage=volatile\nMaxRetentionSec=1week 2d\n";
        assert_eq!(settings([main].into_iter()), ("volatile".to_owned(), Some(9 * SECONDS_PER_DAY)));
        assert_eq!(
            settings([main, "Storage = persistent\nMaxRetentionSec=0\n"].into_iter()),
            ("persistent".to_owned(), None)
        );
        assert_eq!(settings(["Storage=\u{1b}x\n"].into_iter()), ("auto".to_owned(), None));
    }

    #[test]
    fn lengths_of_time_are_read_as_systemd_does() {
        for (text, want) in [
            ("6month", Some(15_778_800)),
            ("86400", Some(86_400)),
            ("1y", Some(31_557_600)),
            ("x", None),
            ("999999999999999y", None),
        ] {
            assert_eq!(seconds(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\PC\n]{0,100}") {
            let _ = (settings([text.as_str()].into_iter()), seconds(&text));
        }
    }
}
