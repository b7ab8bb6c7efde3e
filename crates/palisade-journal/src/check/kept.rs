//! Judges where logs are kept, and for how long.

use super::{AUTH_LOG_MISSING, NOT_PERSISTENT, REMOTE, RETENTION};
use crate::model::Logging;
use crate::store::RETENTION_DAYS;
use palisade_core::{Fix, Verdicts};

pub(super) fn not_persistent(logging: &Logging, verdicts: &mut Verdicts) {
    if !logging.syslog.is_empty() || logging.journald.persistent {
        return verdicts.pass(&NOT_PERSISTENT);
    }
    if let Some(why) = unread(logging) {
        return verdicts.unknown(&NOT_PERSISTENT, why);
    }
    let evidence = match logging.journald.storage.as_str() {
        "auto" => "journald has Storage=auto and there is no /var/log/journal; no syslog daemon is active".to_owned(),
        storage => format!("journald has Storage={storage}; no syslog daemon is active"),
    };
    let fix = Fix::command(
        "Keep the journal on disk; if a file sets Storage=, set it to persistent there.",
        "mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && systemctl restart systemd-journald",
    );
    verdicts.fail(&NOT_PERSISTENT, "journald", evidence, fix);
}

/// A journal on disk has the sign-ins too, so that a file is asked for only without it.
pub(super) fn auth_log_missing(logging: &Logging, verdicts: &mut Verdicts) {
    let has_file = logging.auth_logs.iter().any(|f| matches!(f.path.as_str(), "/var/log/auth.log" | "/var/log/secure"));
    if logging.journald.active && logging.journald.persistent || has_file {
        return verdicts.pass(&AUTH_LOG_MISSING);
    }
    if logging.syslog.is_empty() {
        return; // a journal in memory only: `journal.not-persistent` tells it
    }
    let evidence =
        format!("{} is active, and neither /var/log/auth.log nor /var/log/secure exists", logging.syslog.join(", "));
    let fix = Fix::text(
        "Let the syslog daemon write auth,authpriv.* to /var/log/auth.log, or keep journald's journal on disk.",
    );
    verdicts.fail(&AUTH_LOG_MISSING, "sign-ins", evidence, fix);
}

/// The store that keeps sign-ins longest decides. journald without `MaxRetentionSec=` removes by
/// size only; how long that lasts cannot be told from its settings and is not held against it.
pub(super) fn retention(logging: &Logging, verdicts: &mut Verdicts) {
    let wanted = RETENTION_DAYS.unsigned_abs();
    let journald = (logging.journald.active && logging.journald.persistent).then_some(logging.journald.retention_days);
    let rotation = logging.rotation.as_ref().filter(|_| !logging.syslog.is_empty());
    let journald_long = journald.is_some_and(|days| days.is_none_or(|d| d >= wanted));
    let files_long = !logging.syslog.is_empty() && rotation.is_none_or(|r| r.kept_days >= wanted);
    if journald_long || files_long || !logging.remote.is_empty() {
        return verdicts.pass(&RETENTION);
    }
    if let Some(why) = unread(logging) {
        return verdicts.unknown(&RETENTION, why);
    }
    let mut said = Vec::new();
    if let Some(Some(days)) = journald {
        said.push(format!("journald has MaxRetentionSec= of {days} days"));
    }
    if let Some(r) = rotation {
        said.push(format!("{} keeps {} copies of {} days each: {} days", r.file, r.rotate, r.period_days, r.kept_days));
    }
    if said.is_empty() {
        return; // a journal in memory only: `journal.not-persistent` tells it
    }
    let fix = Fix::text(
        "Keep 26 weekly copies (`rotate 26` with `weekly`) and remove MaxRetentionSec=, or send the logs to another machine.",
    );
    verdicts.fail(&RETENTION, "sign-ins", said.join("; "), fix);
}

pub(super) fn remote(logging: &Logging, verdicts: &mut Verdicts) {
    if !logging.remote.is_empty() {
        return verdicts.pass(&REMOTE);
    }
    if let Some(why) = unread(logging) {
        return verdicts.unknown(&REMOTE, why);
    }
    let evidence = "no target of rsyslog or syslog-ng and no program that ships logs was found";
    let fix = Fix::text(
        "Send a copy of the logs to a machine that this host cannot change, for example with rsyslog's omfwd over TLS.",
    );
    verdicts.fail(&REMOTE, "logs", evidence, fix);
}

fn unread(logging: &Logging) -> Option<String> {
    let files = logging.unread.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    (!files.is_empty()).then(|| format!("{files} could not be read"))
}
