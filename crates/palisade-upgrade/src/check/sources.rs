//! Judges where upgrades come from: the release, the sources, the lists, the timer.

use super::{END_OF_LIFE, LISTS_STALE, NO_SECURITY_ARCHIVE, UNATTENDED};
use crate::eol;
use crate::model::{Archive, Unattended, UpgradeState};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use palisade_core::{Fix, Severity, Timestamp, Verdicts};

/// Lists older than this are out of date.
const LISTS_DAYS_MAX: i64 = 7;
/// Security archives are signed anew at least this often; an older one is a mirror that stands still.
const ARCHIVE_DAYS_MAX: i64 = 14;
/// How long before its end a release is told.
const END_DAYS: i32 = 180;

pub(super) fn end_of_life(state: &UpgradeState, verdicts: &mut Verdicts) {
    let (os, today) = (&state.os, verdicts.now().to_zoned(TimeZone::UTC).date());
    let Some(life) = eol::life(&os.id, &os.version) else {
        return verdicts.unknown(&END_OF_LIFE, format!("the end of `{}` {} is not known", os.id, os.version));
    };
    let pro = state.sources.iter().any(|s| s.uri.contains("://esm.ubuntu.com"));
    let end = life.extended.filter(|_| pro).unwrap_or(life.end);
    let left = days(today, end);
    let name = if os.name.is_empty() { format!("{} {}", os.id, os.version) } else { os.name.clone() };
    let fix =
        Fix::text("Plan the upgrade to the next release: back the server up first, then follow the release notes.");
    if left < 0 {
        verdicts.fail(&END_OF_LIFE, &os.id, format!("{name} has had no security updates since {end}"), fix);
    } else if left <= END_DAYS {
        verdicts.fail_as(
            &END_OF_LIFE,
            Severity::Medium,
            &os.id,
            format!("{name} gets security updates until {end}, {left} days from now"),
            fix,
        );
    } else {
        verdicts.pass(&END_OF_LIFE);
    }
}

fn days(from: Date, to: Date) -> i32 {
    // a civil date minus another in days always fits: both have four-digit years
    from.until(to).map_or(i32::MAX, |span| span.get_days())
}

pub(super) fn no_security_archive(state: &UpgradeState, verdicts: &mut Verdicts) {
    // a rolling release (no version) has no security archive; other derivatives have their own ways
    if !matches!(state.os.id.as_str(), "debian" | "ubuntu") || state.os.version.is_empty() {
        return;
    }
    let by_name = state.sources.iter().any(|s| s.security);
    if by_name || state.lists.archives.iter().any(|a| a.security) {
        return verdicts.pass(&NO_SECURITY_ARCHIVE);
    }
    let suites: Vec<&str> = state.sources.iter().map(|s| s.suite.as_str()).take(20).collect();
    let evidence = match suites.as_slice() {
        [] => "no source of packages is configured in /etc/apt/sources.list and /etc/apt/sources.list.d".to_owned(),
        suites => format!("the configured suites are {}", suites.join(", ")),
    };
    let wanted = if state.os.id == "debian" {
        "Add the `debian-security` archive of your mirror with the suite of your release and `-security` to the sources, then run `apt-get update`."
    } else {
        "Add http://security.ubuntu.com/ubuntu with the suite of your release and `-security` to the sources, then run `apt-get update`."
    };
    verdicts.fail(&NO_SECURITY_ARCHIVE, "sources", evidence, Fix::text(wanted));
}

pub(super) fn lists_stale(state: &UpgradeState, verdicts: &mut Verdicts) {
    verdicts.pass(&LISTS_STALE);
    let fix = || {
        Fix::command("Bring the lists up to date; if that fails, mend the sources or the network.", "apt-get update")
    };
    let now = verdicts.now();
    match state.lists.updated_at {
        None => return verdicts.fail(&LISTS_STALE, "lists", "there are no package lists in /var/lib/apt/lists", fix()),
        Some(at) if age_days(at, now) > LISTS_DAYS_MAX => {
            verdicts.fail(
                &LISTS_STALE,
                "lists",
                format!("the lists were last brought up to date on {}", day(at)),
                fix(),
            );
        }
        Some(_) => {}
    }
    for archive in &state.lists.archives {
        if let Some(evidence) = stands_still(archive, now) {
            verdicts.fail(&LISTS_STALE, &archive.suite, evidence, fix());
        }
    }
    for source in state.sources.iter().filter(|s| !s.listed).take(super::FINDINGS_MAX) {
        let evidence = format!(
            "{}: {} {} is configured, and its lists were never downloaded",
            source.file, source.uri, source.suite
        );
        verdicts.fail(&LISTS_STALE, format!("{} {}", source.uri, source.suite), evidence, fix());
    }
}

fn stands_still(archive: &Archive, now: Timestamp) -> Option<String> {
    let suite = &archive.suite;
    if let Some(until) = archive.valid_until.filter(|until| *until < now) {
        return Some(format!("the list of {suite} was valid until {}", day(until)));
    }
    let date = archive.date.filter(|date| archive.security && age_days(*date, now) > ARCHIVE_DAYS_MAX)?;
    Some(format!("the list of {suite} was made on {}: its mirror stands still, or the release has ended", day(date)))
}

fn age_days(at: Timestamp, now: Timestamp) -> i64 {
    (now.as_second() - at.as_second()) / 86_400
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

pub(super) fn unattended(unattended: &Unattended, verdicts: &mut Verdicts) {
    let missing = match unattended {
        Unattended { installed: false, .. } => "the package unattended-upgrades is not installed",
        Unattended { switched_off: true, .. } => "APT::Periodic::Enable is \"0\"",
        Unattended { timer_masked: true, .. } => "a timer of apt (apt-daily or apt-daily-upgrade) is masked",
        Unattended { upgrade: false, .. } => "APT::Periodic::Unattended-Upgrade is not \"1\" in /etc/apt/apt.conf.d",
        Unattended { lists: false, .. } => "APT::Periodic::Update-Package-Lists is not \"1\" in /etc/apt/apt.conf.d",
        _ => return verdicts.pass(&UNATTENDED),
    };
    let fix = match unattended {
        Unattended { installed: false, .. } => Fix::command(
            "Install it and switch it on.",
            "apt-get install unattended-upgrades && dpkg-reconfigure -f noninteractive unattended-upgrades",
        ),
        Unattended { timer_masked: true, .. } => {
            Fix::command("Unmask the timers.", "systemctl unmask apt-daily.timer apt-daily-upgrade.timer")
        }
        _ => Fix::text(
            "Write both settings with the value \"1\" into /etc/apt/apt.conf.d/20auto-upgrades, unless another tool installs the updates.",
        ),
    };
    verdicts.fail(&UNATTENDED, "unattended-upgrades", missing, fix);
}
