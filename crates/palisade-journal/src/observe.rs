//! Looks at log daemons, their settings and files, and at the clock.

use crate::model::{Clock, Journald, LogFile, Logging, Observed, Rotation};
use palisade_sys::units::Daemons;
use palisade_sys::{Root, SysError, clock, logging};

/// A daemon: its name for people, its units, its process names (cut at 15 bytes by the kernel).
type Daemon = (&'static str, &'static [&'static str], &'static [&'static str]);

const SYSLOG: &[Daemon] = &[
    ("rsyslog", &["rsyslog.service"], &["rsyslogd"]),
    ("syslog-ng", &["syslog-ng.service"], &["syslog-ng"]),
    ("syslogd", &["inetutils-syslogd.service", "busybox-syslogd.service", "syslogd.service"], &["syslogd"]),
];
const TIME: &[Daemon] = &[
    ("systemd-timesyncd", &["systemd-timesyncd.service"], &["systemd-timesyn"]),
    ("chrony", &["chrony.service", "chronyd.service"], &["chronyd"]),
    (
        "ntp",
        &["ntp.service", "ntpd.service", "ntpsec.service", "openntpd.service", "ntpd-rs.service"],
        &["ntpd", "ntp-daemon"],
    ),
];
/// Programs whose only work is to send logs to another machine.
const SHIPPERS: &[Daemon] = &[
    ("systemd-journal-upload", &["systemd-journal-upload.service"], &[]),
    ("vector", &["vector.service"], &["vector"]),
    ("filebeat", &["filebeat.service"], &["filebeat"]),
    ("fluent-bit", &["fluent-bit.service"], &["fluent-bit"]),
    ("promtail", &["promtail.service"], &["promtail"]),
    ("grafana alloy", &["alloy.service"], &["alloy"]),
    ("wazuh agent", &["wazuh-agent.service"], &["wazuh-agentd"]),
];

/// All that can be known from files, processes and the kernel.
pub fn observe(root: &Root) -> Result<Observed, SysError> {
    let daemons = Daemons::read(root)?;
    let clock = Clock { daemons: active(&daemons, TIME), synchronised: clock::synchronised(root).ok() };
    Ok(Observed { logging: logging_of(root, &daemons)?, clock })
}

fn active(daemons: &Daemons, list: &[Daemon]) -> Vec<String> {
    list.iter()
        .filter(|(_, units, comms)| daemons.is_active(units, comms))
        .map(|(name, _, _)| (*name).to_owned())
        .collect()
}

fn logging_of(root: &Root, daemons: &Daemons) -> Result<Logging, SysError> {
    let mut unread = Vec::new();
    let journald = logging::journald::read(root, &mut unread);
    let mut remote = logging::syslog::remote_targets(root, &mut unread);
    remote.extend(shippers(daemons));
    let rotation = logging::rotation::read(root, &mut unread);
    let file = |f: logging::LogFile| LogFile { path: f.path, mode: format!("{:04o}", f.mode) };
    unread.sort();
    unread.dedup();
    Ok(Logging {
        syslog: active(daemons, SYSLOG),
        journald: Journald {
            // journald needs no link to start with systemd, so that being there is enough in a scratch root
            active: if root.is_live() { daemons.is_active(&[], &["systemd-journal"]) } else { journald.installed },
            persistent: journald.is_persistent(),
            retention_days: journald.retention_days,
            storage: journald.storage,
        },
        auditd: daemons.is_active(&["auditd.service"], &["auditd"]),
        auth_logs: logging::auth_logs(root)?.into_iter().map(file).collect(),
        rotation: rotation.map(|r| Rotation {
            file: r.file,
            rotate: r.rotate,
            period_days: r.period_days,
            kept_days: r.kept_days,
        }),
        remote,
        unread,
    })
}

/// journald and its uploader have the same process name after the kernel's cut: the uploader
/// counts by its unit alone.
fn shippers(daemons: &Daemons) -> Vec<String> {
    let running = |(_, units, comms): &&Daemon| match comms.is_empty() {
        true => units.iter().any(|u| daemons.is_enabled(u)),
        false => daemons.is_active(units, comms),
    };
    SHIPPERS.iter().filter(running).map(|(name, _, _)| (*name).to_owned()).collect()
}
