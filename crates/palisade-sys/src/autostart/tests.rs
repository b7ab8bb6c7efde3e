//! What a host starts by itself, on trees like those of Debian 12 and RHEL 9.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn write(base: &Path, path: &str, text: &str, mode: u32) {
    let path = base.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn link(base: &Path, path: &str, target: &str) {
    let path = base.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// Each entry as one line.
fn said(base: &Path) -> Vec<String> {
    let found = autostart(&Root::scratch(base).unwrap());
    assert_eq!(found.unreadable, Vec::<String>::new());
    let line = |e: Autostart| {
        let kind = serde_kind(e.kind);
        let user = e.user.map(|u| format!(" {u}")).unwrap_or_default();
        format!("{kind} {}{user} {} | {}{}", e.name, e.path, e.command, if e.enabled { "" } else { " (off)" })
    };
    found.list.into_iter().map(line).collect()
}

fn serde_kind(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

#[test]
fn enabled_units_are_found_with_what_they_run() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    let lib = "usr/lib/systemd/system";
    write(
        base,
        &format!("{lib}/ssh.service"),
        "[Unit]\nDescription=x\n[Service]\nExecStartPre=/usr/sbin/sshd -t\n# ExecStart=/no\nExecStart=/usr/sbin/sshd \\\n -D\n",
        0o644,
    );
    write(base, &format!("{lib}/off.service"), "[Service]\nExecStart=/usr/bin/off\n", 0o644);
    write(base, &format!("{lib}/getty@.service"), "[Service]\nExecStart=-/sbin/agetty -o '-p' %I\n", 0o644);
    write(base, &format!("{lib}/apt-daily.timer"), "[Timer]\nOnCalendar=daily\n", 0o644);
    write(
        base,
        &format!("{lib}/apt-daily.service"),
        "[Service]\nExecStart=/usr/lib/apt/apt.systemd.daily update\n",
        0o644,
    );
    write(base, "etc/systemd/system/apt-daily.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/opt/evil\n", 0o644);
    write(base, "dev/null", "", 0o644);
    link(base, "etc/systemd/system/multi-user.target.wants/ssh.service", "/lib/systemd/system/ssh.service");
    link(base, "etc/systemd/system/getty.target.wants/getty@tty1.service", "/lib/systemd/system/getty@.service");
    link(base, &format!("{lib}/timers.target.wants/apt-daily.timer"), "../apt-daily.timer");
    link(base, "lib", "usr/lib");
    assert_eq!(
        said(base),
        [
            "service getty@tty1.service /usr/lib/systemd/system/getty@.service | -/sbin/agetty -o '-p' %I",
            "service ssh.service /usr/lib/systemd/system/ssh.service | /usr/sbin/sshd -t ; /usr/sbin/sshd -D",
            "timer apt-daily.timer /usr/lib/systemd/system/apt-daily.timer | /opt/evil",
        ]
    );
}

#[test]
fn cron_jobs_of_debian_and_rhel_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    write(
        base,
        "etc/crontab",
        "SHELL=/bin/sh\nPATH = /usr/bin\n# m h dom mon dow user command\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n",
        0o644,
    );
    write(
        base,
        "etc/cron.d/e2scrub_all",
        "30 3 * * 0 root test -e /run/systemd/system || /sbin/e2scrub\n@reboot www-data /srv/start\n",
        0o644,
    );
    write(base, "etc/cron.d/.placeholder", "1 1 1 1 1 root no\n", 0o644);
    write(base, "etc/cron.daily/dpkg", "#!/bin/sh\n", 0o755);
    write(base, "etc/cron.daily/off", "#!/bin/sh\n", 0o644);
    write(base, "var/spool/cron/crontabs/ann", "*/5 * * * * /home/ann/x.sh a=b\n", 0o600);
    write(base, "etc/anacrontab", "SHELL=/bin/sh\n1\t5\tcron.daily\tnice run-parts /etc/cron.daily\n", 0o600);
    assert_eq!(
        said(base),
        [
            "cron */5 * * * * ann /var/spool/cron/crontabs/ann | /home/ann/x.sh a=b",
            "cron 17 * * * * root /etc/crontab | cd / && run-parts --report /etc/cron.hourly",
            "cron 30 3 * * 0 root /etc/cron.d/e2scrub_all | test -e /run/systemd/system || /sbin/e2scrub",
            "cron @daily root /etc/cron.daily/dpkg | /etc/cron.daily/dpkg",
            "cron @daily root /etc/cron.daily/off | /etc/cron.daily/off (off)",
            "cron @reboot www-data /etc/cron.d/e2scrub_all | /srv/start",
            "cron every 1 d: cron.daily root /etc/anacrontab | nice run-parts /etc/cron.daily",
        ]
    );
}

#[test]
fn rc_local_profiles_and_preloaded_libraries_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    write(base, "etc/rc.local", "#!/bin/sh\n", 0o644);
    write(base, "etc/profile.d/lang.sh", "x", 0o644);
    write(base, "etc/profile.d/lang.csh", "x", 0o644);
    write(base, "etc/ld.so.preload", "/lib/a.so:/lib/b.so # why\n", 0o644);
    assert_eq!(
        said(base),
        [
            "rclocal rc.local /etc/rc.local | /etc/rc.local (off)",
            "profile lang.sh /etc/profile.d/lang.sh | /etc/profile.d/lang.sh",
            "preload /lib/a.so /etc/ld.so.preload | /lib/a.so",
            "preload /lib/b.so /etc/ld.so.preload | /lib/b.so",
        ]
    );
}

#[test]
fn the_program_of_a_command_is_its_first_word() {
    let of =
        |command: &str| Autostart { command: command.to_owned(), ..Autostart::default() }.program().map(str::to_owned);
    assert_eq!(of("-@/usr/sbin/x y").as_deref(), Some("/usr/sbin/x"));
    assert_eq!(of("\"/opt/a b/c\" d").as_deref(), Some("/opt/a b/c"));
    assert_eq!((of("cd / && x"), of(""), of("/"), of("\"")), (None, None, None, None));
}

proptest! {
    #[test]
    fn no_text_panics(text in "([ \t@=#*é0-9a-z/\\[\\]\\\\'\"]{0,40}\n){0,8}") {
        let _ = cron::parse(&text, None);
        let _ = cron::parse(&text, Some("x"));
        systemd::Unit::default().take(&text);
        let _ = Autostart { command: text, ..Autostart::default() }.program();
    }

    #[test]
    fn a_printed_job_comes_back(schedule in "[0-9*]( [0-9*/]{1,4}){4}", user in "[a-z][a-z0-9]{0,8}", command in "/[a-z]{1,8}( [a-z=]{1,8}){0,3}") {
        let jobs = cron::parse(&format!("# x\n{schedule}\t{user} {command}\n"), None);
        prop_assert_eq!(jobs, [cron::Job { schedule, user, command }]);
    }
}
