//! Facts of the baseline: kernel parameters, mounts, rights of files, defaults for logins.

use super::scan;
use crate::check::kernel;
use crate::model::{AutostartRow, Baseline, FileFact, Section, limits};
use palisade_sys::autostart::Kind;
use palisade_sys::{Root, sysctl};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

/// Mounts whose options are judged.
const MOUNTS: &[&str] = &["/tmp"];
/// Cron's own places (CIS Debian 12 section 2.4.1).
const CRON_PATHS: &[&str] = &[
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/cron.yearly",
];
const LIMITS: &str = "/etc/security/limits.conf";
const LIMITS_D: &str = "/etc/security/limits.d";
/// A limits file, login.defs and the list of mounts are far smaller.
const FILE_BYTES_MAX: u64 = 1 << 20;
const LINES_MAX: usize = 50;

pub(super) fn baseline(root: &Root, autostart: Option<&Section<AutostartRow>>) -> Baseline {
    let scan = scan::scan(root);
    let mut baseline = Baseline {
        path_writable: Some(scan.writable),
        setuid: Some(scan.setuid),
        cron: Some(cron(root, autostart)),
        ..Baseline::default()
    };
    if let Some(why) = scan.incomplete {
        baseline.unreadable.insert("programs".to_owned(), why);
    }
    if root.is_live() {
        sysctls(root, &mut baseline);
        mounts(root, &mut baseline);
    }
    login_defs(root, &mut baseline);
    core_limits(root, &mut baseline);
    baseline
}

fn sysctls(root: &Root, baseline: &mut Baseline) {
    let mut values = BTreeMap::new();
    for key in kernel::keys() {
        match sysctl::read(root, key) {
            Ok(Some(value)) => _ = values.insert(key.to_owned(), value),
            Ok(None) => {}
            Err(error) => _ = baseline.unreadable.insert(key.to_owned(), super::said(&error)),
        }
    }
    baseline.sysctls = Some(values);
}

/// Those of PID 1, since our own service may have a private `/tmp`.
fn mounts(root: &Root, baseline: &mut Baseline) {
    let read = |path: &str| root.read_up_to(path, FILE_BYTES_MAX);
    match read("/proc/1/mounts").or_else(|_| read("/proc/self/mounts")) {
        Ok(bytes) => baseline.mounts = Some(parse_mounts(&String::from_utf8_lossy(&bytes))),
        Err(error) => _ = baseline.unreadable.insert("mounts".to_owned(), super::said(&error)),
    }
}

/// `device point type options …` (fstab(5)); the last mount on a point is the one that counts.
pub(crate) fn parse_mounts(text: &str) -> BTreeMap<String, String> {
    let fields = |line: &'_ str| {
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    };
    let all = text.lines().filter_map(fields).filter(|(point, ..)| MOUNTS.contains(&point.as_str()));
    all.map(|(point, kind, options)| (point, format!("{kind} {options}"))).collect()
}

/// Cron's own places, and of what lies in them and of what root's jobs run the files that others
/// own or may write.
fn cron(root: &Root, autostart: Option<&Section<AutostartRow>>) -> Vec<FileFact> {
    // in a tree that somebody else unpacked, owners say nothing
    let owned = root.metadata("/").is_ok_and(|m| m.uid() == 0);
    let mut paths: BTreeSet<String> = CRON_PATHS.iter().map(|&p| p.to_owned()).collect();
    for row in autostart.iter().flat_map(|s| &s.rows).filter(|row| row.entry.kind == Kind::Cron) {
        if row.entry.path.starts_with("/etc/") {
            paths.insert(row.entry.path.clone());
        }
        if row.entry.user.as_deref() == Some("root") {
            paths.extend(row.entry.program().map(str::to_owned));
        }
    }
    let fact = |path: String| {
        let meta = root.metadata(&path).ok().filter(|m| m.is_file() || m.is_dir())?;
        let fact = scan::fact(&path, &meta);
        Some(if owned { fact } else { FileFact { uid: 0, gid: 0, ..fact } })
    };
    let counts =
        |file: &FileFact| CRON_PATHS.contains(&file.path.as_str()) || file.bits() & 0o022 != 0 || file.uid != 0;
    paths.into_iter().filter_map(fact).filter(counts).take(limits::FILES_MAX).collect()
}

fn login_defs(root: &Root, baseline: &mut Baseline) {
    match root.read_up_to("/etc/login.defs", FILE_BYTES_MAX) {
        Ok(bytes) => {
            baseline.login_defs = true;
            baseline.login_umask = umask(&String::from_utf8_lossy(&bytes));
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => _ = baseline.unreadable.insert("login.defs".to_owned(), super::said(&error)),
    }
}

/// The last `UMASK` counts, as for login(1).
pub(crate) fn umask(text: &str) -> Option<String> {
    let value = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == "UMASK").then(|| words.next().map(str::to_owned))?
    };
    text.lines().filter_map(value).next_back()
}

fn core_limits(root: &Root, baseline: &mut Baseline) {
    let mut files = vec![LIMITS.to_owned()];
    for name in root.names(LIMITS_D).unwrap_or_default() {
        let name = name.to_string_lossy();
        if name.ends_with(".conf") {
            files.push(format!("{LIMITS_D}/{name}"));
        }
    }
    let mut lines = Vec::new();
    for file in files {
        match root.read_up_to(&file, FILE_BYTES_MAX) {
            Ok(bytes) => {
                lines.extend(core_lines(&String::from_utf8_lossy(&bytes)).map(|line| format!("{file}: {line}")))
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => _ = baseline.unreadable.insert("limits".to_owned(), super::said(&error)),
        }
    }
    lines.truncate(LINES_MAX);
    baseline.core_limits = Some(lines);
}

/// `domain type item value` (limits.conf(5)) with `core` as the item.
pub(crate) fn core_lines(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default());
    lines.filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().take(5).collect();
        (words.len() == 4 && words[2] == "core").then(|| words.join(" "))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_mount_on_tmp_counts() {
        let text = "/dev/vda1 / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw,nosuid,nodev 0 0\n/dev/vdb /tmp xfs rw 0 0\ntmpfs /tmp\\040x tmpfs rw 0 0\n";
        assert_eq!(parse_mounts(text).into_iter().collect::<Vec<_>>(), [("/tmp".to_owned(), "xfs rw".to_owned())]);
    }

    #[test]
    fn umask_and_core_limits_of_debian_are_read() {
        assert_eq!(umask("# UMASK 077\nUMASK\t\t022\nUMASK 027 # why\nUMASKX 1\n").as_deref(), Some("027"));
        assert_eq!(umask("UMASK\n"), None);
        let text = "#*  soft core 0\n*\thard    core 0 # no dumps\nroot hard nofile 1\n* hard core\n";
        assert_eq!(core_lines(text).collect::<Vec<_>>(), ["* hard core 0"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-zA-Z0-9/ \t\n#*é\u{0}]{0,300}") {
            let _ = (parse_mounts(&text), umask(&text), core_lines(&text).count());
        }
    }
}
