//! Rights of files, mounts, defaults for logins, and services that nobody should run any more.

use super::quoted;
use crate::model::{Baseline, FileFact, Observed};
use palisade_core::{Check, Fix, Severity, Verdicts};

/// Something on the search path that everybody may change.
pub const PATH_WORLD_WRITABLE: Check = Check {
    id: "inventory.path-world-writable",
    practice: "baseline",
    severity: Severity::High,
    title: "everybody may change a program",
    why: "Who can write a program that root runs becomes root the next time it is run.",
    reference: Some("CIS Debian 12 7.1.11"),
};
/// A setuid or setgid program that no package brought.
pub const SETUID: Check = Check {
    id: "inventory.setuid",
    practice: "baseline",
    severity: Severity::Medium,
    title: "setuid program belongs to no package",
    why: "Such a program runs with its owner's rights for everybody; a copied shell with this bit is a common back door.",
    reference: Some("CIS Debian 12 7.1.13, ATT&CK T1548.001"),
};
/// A service that sends passwords in the clear, or asks for none.
pub const INSECURE_SERVICE: Check = Check {
    id: "inventory.insecure-service",
    practice: "baseline",
    severity: Severity::Medium,
    title: "service without encryption is installed",
    why: "It sends passwords in the clear or asks for none at all.",
    reference: Some("CIS Debian 12 2.1"),
};
/// `/tmp` without nosuid and nodev.
pub const TMP_MOUNT: Check = Check {
    id: "inventory.tmp-mount",
    practice: "baseline",
    severity: Severity::Low,
    title: "/tmp takes setuid programs or devices",
    why: "Everybody may write there; a filesystem of its own with nosuid and nodev takes such files their effect.",
    reference: Some("CIS Debian 12 1.1.2.1"),
};
/// Cron's places are open to other users.
pub const CRON_PERMISSIONS: Check = Check {
    id: "inventory.cron-permissions",
    practice: "baseline",
    severity: Severity::Low,
    title: "others may read the system's cron jobs",
    why: "The jobs show what runs as root and when, and sometimes passwords.",
    reference: Some("CIS Debian 12 2.4.1.2 to 2.4.1.7"),
};
/// Nothing stops core dumps.
pub const CORE_DUMPS: Check = Check {
    id: "inventory.core-dumps",
    practice: "baseline",
    severity: Severity::Low,
    title: "core dumps are not restricted",
    why: "A dump writes the memory of a program, keys and passwords with it, to disk.",
    reference: Some("CIS Debian 12 1.5.3"),
};
/// New files can be read by everybody.
pub const UMASK: Check = Check {
    id: "inventory.umask",
    practice: "baseline",
    severity: Severity::Low,
    title: "new files can be read by everybody",
    why: "With a umask weaker than 027 what users write is open to all other accounts, those of services too.",
    reference: Some("CIS Debian 12 5.4.3.3"),
};

/// Packages of Debian, Ubuntu and RHEL.
const INSECURE: &[(&str, &str)] = &[
    ("telnetd", "ssh"),
    ("telnetd-ssl", "ssh"),
    ("inetutils-telnetd", "ssh"),
    ("telnet-server", "ssh"),
    ("rsh-server", "ssh"),
    ("rsh-redone-server", "ssh"),
    ("nis", "LDAP with TLS"),
    ("ypserv", "LDAP with TLS"),
    ("tftpd", "HTTPS or SFTP"),
    ("tftpd-hpa", "HTTPS or SFTP"),
    ("atftpd", "HTTPS or SFTP"),
    ("tftp-server", "HTTPS or SFTP"),
    ("talkd", "a chat server with TLS"),
];
const UMASK_STRONGEST_NEEDED: u32 = 0o027;

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    let baseline = &observed.baseline;
    programs(observed, verdicts);
    services(observed, verdicts);
    tmp(baseline, verdicts);
    cron(baseline, verdicts);
    core_dumps(baseline, verdicts);
    umask(baseline, verdicts);
}

fn programs(observed: &Observed, verdicts: &mut Verdicts) {
    let baseline = &observed.baseline;
    if let Some(why) = baseline.unreadable.get("programs") {
        verdicts.unknown(&PATH_WORLD_WRITABLE, why);
        verdicts.unknown(&SETUID, why);
    }
    if let Some(files) = &baseline.path_writable {
        verdicts.fail_each(&PATH_WORLD_WRITABLE, files, |file| {
            said(file, "Take the right to write from others.", |path| format!("chmod o-w {path}"))
        });
    }
    let Some(files) = &baseline.setuid else { return };
    match observed.packages.as_ref().map(|packages| &packages.error) {
        Some(Some(error)) => verdicts.unknown(&SETUID, error),
        Some(None) => verdicts.fail_each(&SETUID, files.iter().filter(|file| file.package.is_none()), |file| {
            said(file, "Remove it, or take the bit from it.", |path| format!("chmod ug-s {path}"))
        }),
        None => {}
    }
}

fn said(file: &FileFact, text: &str, command: impl Fn(String) -> String) -> (String, String, Fix) {
    let evidence = format!("{}: mode {}, user {}, group {}", file.path, file.mode, file.uid, file.gid);
    let fix = match quoted(&file.path) {
        Some(path) => Fix::command(text, command(path)),
        None => Fix::text(text),
    };
    (file.path.clone(), evidence, fix)
}

fn services(observed: &Observed, verdicts: &mut Verdicts) {
    let Some(packages) = &observed.packages else { return };
    if let Some(error) = &packages.error {
        return verdicts.unknown(&INSECURE_SERVICE, error);
    }
    verdicts.pass(&INSECURE_SERVICE);
    for package in &packages.rows {
        if let Some((name, instead)) = INSECURE.iter().find(|(name, _)| *name == package.name) {
            let fix = Fix::command(
                format!("Use {instead} instead, and remove the package."),
                format!("apt-get remove {name}"),
            );
            verdicts.fail(&INSECURE_SERVICE, *name, format!("{name} {} is installed", package.version), fix);
        }
    }
}

/// Not judged in a scratch root, which has no mounts.
fn tmp(baseline: &Baseline, verdicts: &mut Verdicts) {
    if let Some(why) = baseline.unreadable.get("mounts") {
        return verdicts.unknown(&TMP_MOUNT, why);
    }
    let Some(mounts) = &baseline.mounts else { return };
    let unit = Fix::command(
        "Make /tmp a filesystem of its own in memory, from the next start on; what is in /tmp is hidden then.",
        "cp /usr/share/systemd/tmp.mount /etc/systemd/system/ && systemctl enable tmp.mount",
    );
    let Some(mount) = mounts.get("/tmp") else {
        return verdicts.fail(&TMP_MOUNT, "/tmp", "/tmp is no filesystem of its own", unit);
    };
    let options: Vec<&str> = mount.split([' ', ',']).collect();
    let missing: Vec<&str> = ["nosuid", "nodev"].into_iter().filter(|option| !options.contains(option)).collect();
    if missing.is_empty() {
        return verdicts.pass(&TMP_MOUNT);
    }
    let fix =
        Fix::command("Mount it with these options, and add them to /etc/fstab.", "mount -o remount,nosuid,nodev /tmp");
    verdicts.fail(&TMP_MOUNT, "/tmp", format!("/tmp: {mount} (without {})", missing.join(" and ")), fix);
}

/// One finding for all of them: they are mended together.
fn cron(baseline: &Baseline, verdicts: &mut Verdicts) {
    let Some(files) = &baseline.cron else { return };
    let own = |file: &&FileFact| {
        file.path == "/etc/crontab" || (file.path.starts_with("/etc/cron.") && file.path.matches('/').count() == 2)
    };
    let open: Vec<&FileFact> = files.iter().filter(own).filter(|file| file.bits() & 0o077 != 0).collect();
    if open.is_empty() {
        return verdicts.pass(&CRON_PERMISSIONS);
    }
    let evidence: Vec<String> = open.iter().map(|file| format!("{} {}", file.path, file.mode)).collect();
    let fix = Fix::command("Take all rights from group and others.", "chmod og-rwx /etc/crontab /etc/cron.*/");
    verdicts.fail(&CRON_PERMISSIONS, "/etc/cron*", evidence.join(", "), fix);
}

fn core_dumps(baseline: &Baseline, verdicts: &mut Verdicts) {
    let Some(lines) = &baseline.core_limits else { return };
    // `domain type item value`: a hard limit of 0 for everybody; `-` sets soft and hard
    let stops = |line: &String| {
        let rule = line.split_once(": ").map_or(line.as_str(), |(_, rule)| rule);
        matches!(rule.split(' ').collect::<Vec<_>>().as_slice(), ["*", "hard" | "-", "core", "0"])
    };
    match baseline.unreadable.get("limits") {
        _ if lines.iter().any(stops) => verdicts.pass(&CORE_DUMPS),
        Some(why) => verdicts.unknown(&CORE_DUMPS, why),
        None => {
            let evidence = match lines.is_empty() {
                true => "no line `* hard core 0` in /etc/security/limits.conf and limits.d".to_owned(),
                false => format!("no line `* hard core 0`; there is {}", lines.join(", ")),
            };
            let fix = Fix::command(
                "Set a hard limit of 0 for everybody.",
                "echo '* hard core 0' > /etc/security/limits.d/60-core.conf",
            );
            verdicts.fail(&CORE_DUMPS, "core dumps", evidence, fix);
        }
    }
}

fn umask(baseline: &Baseline, verdicts: &mut Verdicts) {
    if let Some(why) = baseline.unreadable.get("login.defs") {
        return verdicts.unknown(&UMASK, why);
    }
    if !baseline.login_defs {
        return; // no shadow suite: nobody logs in here
    }
    let fix = Fix::command("Set `UMASK 027` in /etc/login.defs.", "sed -i 's/^UMASK.*/UMASK 027/' /etc/login.defs");
    let Some(value) = &baseline.login_umask else {
        return verdicts.fail(
            &UMASK,
            "/etc/login.defs",
            "/etc/login.defs sets no UMASK, so 022 counts",
            Fix::text(fix.text),
        );
    };
    match u32::from_str_radix(value, 8) {
        Ok(bits) if bits & UMASK_STRONGEST_NEEDED == UMASK_STRONGEST_NEEDED => verdicts.pass(&UMASK),
        Ok(_) => verdicts.fail(&UMASK, "/etc/login.defs", format!("/etc/login.defs: UMASK {value}"), fix),
        Err(_) => verdicts.unknown(&UMASK, format!("/etc/login.defs: UMASK `{value}` is no octal number")),
    }
}
