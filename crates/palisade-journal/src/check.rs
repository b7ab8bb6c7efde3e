//! Judges how a host keeps its logs and its time.

mod kept;
mod rights;

use crate::model::Observed;
use palisade_core::{Check, Fix, Severity, Verdicts};

const fn check_of(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    reference: &'static str,
) -> Check {
    Check { id, practice: "security-information", severity, title, why, reference: Some(reference) }
}

/// Nothing keeps logs.
pub const NO_LOG_DAEMON: Check = check_of(
    "journal.no-log-daemon",
    Severity::High,
    "nothing keeps logs",
    "Without a log daemon sign-ins, errors and attacks leave no trace.",
    "mission: Collect security information",
);
/// Logs do not outlive a restart.
pub const NOT_PERSISTENT: Check = check_of(
    "journal.not-persistent",
    Severity::Medium,
    "logs are lost at a restart",
    "Whoever breaks in can remove the traces by restarting the server.",
    "journald.conf(5), Storage=",
);
/// The log of sign-ins is missing.
pub const AUTH_LOG_MISSING: Check = check_of(
    "journal.auth-log-missing",
    Severity::Medium,
    "no log of sign-ins",
    "Break-ins by guessing passwords show up in the log of sign-ins first.",
    "CIS Debian 12 6.1.3.5",
);
/// Everybody may read the log of sign-ins.
pub const AUTH_LOG_PERMISSIONS: Check = check_of(
    "journal.auth-log-permissions",
    Severity::Medium,
    "log of sign-ins open to all accounts",
    "It names accounts and addresses, and passwords that somebody typed as a name.",
    "CIS Debian 12 6.1.4.1",
);
/// There is no audit daemon.
pub const AUDIT_DAEMON: Check = check_of(
    "journal.audit-daemon",
    Severity::Low,
    "no audit daemon",
    "The kernel's audit log is the only one that tells which account ran which program.",
    "CIS Debian 12 6.2.1.1",
);
/// Logs of sign-ins are kept for too short a time.
pub const RETENTION: Check = check_of(
    "journal.retention",
    Severity::Low,
    "logs of sign-ins kept less than 180 days",
    "Intrusions are often found months later, and laws ask for six months of logs.",
    "logrotate.conf(5), journald.conf(5)",
);
/// Logs stay on the host.
pub const REMOTE: Check = check_of(
    "journal.remote",
    Severity::Informational,
    "logs stay on this host",
    "Who owns the host owns its logs; a copy elsewhere cannot be changed from here.",
    "CIS Debian 12 6.1.2.2",
);
/// The clock is not kept in step.
pub const CLOCK_SYNC: Check = check_of(
    "journal.clock-sync",
    Severity::Medium,
    "clock not synchronised",
    "Logs of several servers can be compared, and certificates trusted, only if their clocks agree.",
    "CIS Debian 12 2.3.1.1",
);

/// Every check, in the order in which they are shown.
pub const CHECKS: &[Check] = &[
    NO_LOG_DAEMON,
    NOT_PERSISTENT,
    AUTH_LOG_MISSING,
    AUTH_LOG_PERMISSIONS,
    RETENTION,
    AUDIT_DAEMON,
    REMOTE,
    CLOCK_SYNC,
];

/// Judges all that applies. Where nothing keeps logs, only that is told: there is nothing whose
/// storage or age could be judged.
pub fn check(observed: &Observed, verdicts: &mut Verdicts) {
    let logging = &observed.logging;
    if logging.syslog.is_empty() && !logging.journald.active {
        let fix = Fix::command(
            "Install and start a log daemon.",
            "apt-get install rsyslog && systemctl enable --now rsyslog",
        );
        let evidence = "neither systemd-journald nor rsyslog, syslog-ng or another syslogd is active";
        verdicts.fail(&NO_LOG_DAEMON, "log daemon", evidence, fix);
    } else {
        verdicts.pass(&NO_LOG_DAEMON);
        kept::not_persistent(logging, verdicts);
        kept::auth_log_missing(logging, verdicts);
        kept::retention(logging, verdicts);
        kept::remote(logging, verdicts);
    }
    rights::auth_log_permissions(logging, verdicts);
    audit_daemon(logging.auditd, verdicts);
    rights::clock_sync(&observed.clock, verdicts);
}

fn audit_daemon(active: bool, verdicts: &mut Verdicts) {
    if active {
        return verdicts.pass(&AUDIT_DAEMON);
    }
    let fix = Fix::command("Install the audit daemon.", "apt-get install auditd");
    verdicts.fail(&AUDIT_DAEMON, "auditd", "auditd is not active", fix);
}
