//! Whole hosts, from their files to their findings.

use palisade_guard::{Host, Look};
use palisade_sys::Root;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn look(root: Root) -> Look {
    let host = Host { id: "web-1".parse().unwrap(), root };
    let look = palisade_journal::guard().observer.look(&host, "2026-11-22T12:00:00Z".parse().unwrap());
    assert_eq!(look.error, None);
    look
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Enables a unit as `systemctl enable` does.
fn enable(dir: &Path, unit: &str) {
    write(dir, &format!("usr/lib/systemd/system/{unit}"), "[Service]\n");
    let wants = dir.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink(format!("/usr/lib/systemd/system/{unit}"), wants.join(unit)).unwrap();
}

fn said(look: &Look) -> Vec<String> {
    look.findings.iter().map(|f| format!("{} {}", f.check, f.object)).collect()
}

#[test]
fn a_host_with_rsyslog_and_short_rotation_is_judged_from_its_files() {
    let dir = tempfile::tempdir().unwrap();
    enable(dir.path(), "rsyslog.service");
    enable(dir.path(), "chrony.service");
    write(dir.path(), "etc/logrotate.conf", "weekly\nrotate 4\n");
    write(dir.path(), "etc/logrotate.d/rsyslog", "/var/log/syslog\n/var/log/auth.log\n{\n\trotate 4\n\tweekly\n}\n");
    write(dir.path(), "etc/rsyslog.conf", "auth,authpriv.* /var/log/auth.log\n#*.* @@old:514\n");
    write(dir.path(), "var/log/auth.log", "");
    fs::set_permissions(dir.path().join("var/log/auth.log"), fs::Permissions::from_mode(0o644)).unwrap();
    let look = look(Root::scratch(dir.path()).unwrap());
    assert_eq!(
        said(&look),
        [
            "journal.retention sign-ins",
            "journal.remote logs",
            "journal.auth-log-permissions /var/log/auth.log",
            "journal.audit-daemon auditd"
        ]
    );
}

#[test]
fn a_host_with_a_journal_on_disk_and_a_remote_target_is_good_but_for_audit() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "usr/lib/systemd/system/systemd-journald.service", "[Service]\n");
    fs::create_dir_all(dir.path().join("var/log/journal")).unwrap();
    enable(dir.path(), "systemd-timesyncd.service");
    write(dir.path(), "etc/rsyslog.d/50-remote.conf", "*.* @@logs.example.net:6514\n");
    let look = look(Root::scratch(dir.path()).unwrap());
    assert_eq!(said(&look), ["journal.audit-daemon auditd"]);
}

#[test]
fn an_empty_root_keeps_no_logs_and_no_time() {
    let dir = tempfile::tempdir().unwrap();
    let look = look(Root::scratch(dir.path()).unwrap());
    assert_eq!(
        said(&look),
        ["journal.no-log-daemon log daemon", "journal.audit-daemon auditd", "journal.clock-sync clock"]
    );
}

#[test]
fn hostile_configuration_is_read_without_panic() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = format!("{}\n\u{1b}[31m @@\u{202e}\n{{{{{{\n", "x".repeat(1 << 19));
    for path in [
        "etc/systemd/journald.conf",
        "etc/rsyslog.conf",
        "etc/logrotate.conf",
        "etc/logrotate.d/a",
        "etc/syslog-ng/syslog-ng.conf",
    ] {
        write(dir.path(), path, &hostile);
    }
    write(dir.path(), "etc/rsyslog.d/huge.conf", &"y".repeat(2 << 20));
    assert_eq!(look(Root::scratch(dir.path()).unwrap()).sections["logging"]["unread"][0], "/etc/rsyslog.d/huge.conf");
}

#[test]
fn the_running_system_is_looked_at() {
    let begun = std::time::Instant::now();
    let look = look(Root::live());
    println!("look {:?}", begun.elapsed());
    for finding in &look.findings {
        println!("{} {} {} | {:.150}", finding.severity, finding.check, finding.object, finding.evidence);
    }
    assert!(look.sections["clock"]["synchronised"].is_boolean());
}
