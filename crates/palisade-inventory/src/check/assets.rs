//! Processes, modules and things that start by themselves which look wrong.

use super::quoted;
use crate::model::{AutostartRow, FileFact, Observed, ProcessRow};
use crate::observe::is_temporary;
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::autostart::Kind;

/// A process whose program is gone.
pub const DELETED_EXECUTABLE: Check = Check {
    id: "inventory.deleted-executable",
    practice: "assets",
    severity: Severity::Medium,
    title: "process runs a removed program",
    why: "Malware often removes its own file after it has started, so that no scan of files finds it.",
    reference: Some("ATT&CK T1070.004"),
};
/// `/etc/ld.so.preload` names something.
pub const PRELOAD: Check = Check {
    id: "inventory.preload",
    practice: "assets",
    severity: Severity::High,
    title: "library is loaded into every program",
    why: "A library in ld.so.preload sees and changes what every program does; rootkits of user space live there.",
    reference: Some("ATT&CK T1574.006, ld.so(8)"),
};
/// A process that runs from a temporary directory.
pub const PROCESS_FROM_TMP: Check = Check {
    id: "inventory.process-from-tmp",
    practice: "assets",
    severity: Severity::High,
    title: "process runs from a temporary directory",
    why: "Everybody may write to temporary directories, and no installed software runs from there; downloaded malware does.",
    reference: Some("ATT&CK T1059"),
};
/// A module that only one of two views shows.
pub const HIDDEN_MODULE: Check = Check {
    id: "inventory.hidden-module",
    practice: "assets",
    severity: Severity::High,
    title: "kernel module hides itself",
    why: "A module that is loaded and not listed has taken itself off the list, which rootkits do.",
    reference: Some("ATT&CK T1014"),
};
/// Something that starts by itself and belongs to no package.
pub const UNOWNED_AUTOSTART: Check = Check {
    id: "inventory.unowned-autostart",
    practice: "assets",
    severity: Severity::Informational,
    title: "program without a package starts by itself",
    why: "What no package brought is not upgraded either, and nobody has checked where it came from.",
    reference: Some("ATT&CK T1543.002, T1053.003"),
};
/// A cron job that others may change.
pub const CRON_WORLD_WRITABLE: Check = Check {
    id: "inventory.cron-world-writable",
    practice: "assets",
    severity: Severity::High,
    title: "others may change what cron runs as root",
    why: "Who can write a file that cron runs as root is root within a day.",
    reference: Some("CIS Debian 12 2.4.1, ATT&CK T1053.003"),
};

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    processes(observed, verdicts);
    modules(observed, verdicts);
    autostart(observed, verdicts);
    cron(observed.baseline.cron.as_deref(), verdicts);
}

fn processes(observed: &Observed, verdicts: &mut Verdicts) {
    let Some(section) = &observed.processes else { return };
    for check in [&DELETED_EXECUTABLE, &PROCESS_FROM_TMP] {
        match &section.error {
            Some(error) => verdicts.unknown(check, error),
            None => verdicts.pass(check),
        }
    }
    for row in &section.rows {
        let Some(exe) = row.exe.as_deref() else { continue };
        if row.exe_deleted {
            deleted(row, exe, verdicts);
        }
        if is_temporary(exe) {
            let text =
                format!("Find out who started `{}` (process {}), then end it and remove the file.", row.name, row.pid);
            verdicts.fail(&PROCESS_FROM_TMP, exe, described(row), Fix::text(text));
        }
    }
}

/// A package's new file at the same place explains itself: an upgrade, and the upgrade guard says
/// what must be started again. In a container we cannot look for the new file.
fn deleted(row: &ProcessRow, exe: &str, verdicts: &mut Verdicts) {
    let in_memory = exe.starts_with("/memfd:");
    if !in_memory && (row.container || (row.exe_replaced && row.package.is_some())) {
        return;
    }
    let (severity, said, text) = if in_memory {
        (Severity::High, "was never a file", "Find out who started it: programs that exist in memory only are rare")
    } else if row.exe_replaced {
        (Severity::Low, "has been replaced", "Start it again, so that it runs the new file")
    } else {
        (
            Severity::Medium,
            "has been removed",
            "Find out who removed it, or start the service again if that was an upgrade",
        )
    };
    let fix = match row.unit.as_deref().filter(|unit| row.exe_replaced && unit.ends_with(".service")).and_then(quoted) {
        Some(unit) => Fix::command(format!("{text}."), format!("systemctl restart {unit}")),
        None => Fix::text(format!("{text} (process {}).", row.pid)),
    };
    verdicts.fail_as(&DELETED_EXECUTABLE, severity, exe, format!("{said}; {}", described(row)), fix);
}

/// The process as evidence: without its start, so that two looks say the same.
fn described(row: &ProcessRow) -> String {
    let unit = row.unit.as_deref().map(|unit| format!(", unit {unit}")).unwrap_or_default();
    format!("process {} `{}` of user {}{unit}: {}", row.pid, row.name, row.user, row.cmdline)
}

fn modules(observed: &Observed, verdicts: &mut Verdicts) {
    let Some(section) = &observed.modules else { return };
    if let Some(error) = &section.error {
        return verdicts.unknown(&HIDDEN_MODULE, error);
    }
    verdicts.fail_each(&HIDDEN_MODULE, &section.hidden, |name| {
        let evidence = format!("/sys/module/{name}/initstate says `live`, /proc/modules does not list {name}");
        let text = "Take the host off the network, keep a copy of its disks, and set it up anew: its kernel cannot be trusted.";
        (name.clone(), evidence, Fix::text(text))
    });
}

fn autostart(observed: &Observed, verdicts: &mut Verdicts) {
    let Some(section) = &observed.autostart else { return };
    match &section.error {
        Some(error) => [&PRELOAD, &UNOWNED_AUTOSTART].into_iter().for_each(|check| verdicts.unknown(check, error)),
        None => verdicts.pass(&PRELOAD),
    }
    let preloaded = section.rows.iter().filter(|row| row.entry.kind == Kind::Preload);
    preloaded.for_each(|row| preload(row, verdicts));
    // without a package database nothing has an owner
    match observed.packages.as_ref().map(|packages| &packages.error) {
        Some(None) => {}
        Some(Some(error)) => return verdicts.unknown(&UNOWNED_AUTOSTART, error),
        None => return,
    }
    verdicts.pass(&UNOWNED_AUTOSTART);
    for row in &section.rows {
        unowned(row, verdicts);
    }
}

fn preload(row: &AutostartRow, verdicts: &mut Verdicts) {
    let name = &row.entry.name;
    let (severity, owner) = match &row.package {
        Some(package) => (Severity::Low, format!("of package {package}")),
        None => (PRELOAD.severity, "of no package".to_owned()),
    };
    let evidence = format!("{}: {name} ({owner})", row.entry.path);
    let text = format!("Remove `{name}` from {}, unless you put it there.", row.entry.path);
    verdicts.fail_as(&PRELOAD, severity, name, evidence, Fix::text(text));
}

/// Profile scripts and rc.local are the administrator's own by design, preloads have a check of
/// their own; a program that is not there cannot start.
fn unowned(row: &AutostartRow, verdicts: &mut Verdicts) {
    let entry = &row.entry;
    let judged = matches!(entry.kind, Kind::Service | Kind::Timer | Kind::Socket | Kind::Path | Kind::Cron);
    let Some(program) = entry.program().filter(|_| judged && entry.enabled && !row.missing && row.package.is_none())
    else {
        return;
    };
    let severity = if is_temporary(program) { Severity::High } else { UNOWNED_AUTOSTART.severity };
    let evidence = format!("{} {}: {}", entry.path, entry.name, entry.command);
    let text = format!("Install `{program}` from a package, or write down why it is there.");
    verdicts.fail_as(&UNOWNED_AUTOSTART, severity, program, evidence, Fix::text(text));
}

fn cron(files: Option<&[FileFact]>, verdicts: &mut Verdicts) {
    let Some(files) = files else { return };
    // a group's right to write matters too, but not that of root's own group
    let wrong =
        |file: &&FileFact| file.uid != 0 || file.bits() & 0o002 != 0 || (file.bits() & 0o020 != 0 && file.gid != 0);
    verdicts.fail_each(&CRON_WORLD_WRITABLE, files.iter().filter(wrong), |file| {
        let evidence = format!("{}: mode {}, user {}, group {}", file.path, file.mode, file.uid, file.gid);
        let text = format!("Give `{}` to root, and take the right to write from others.", file.path);
        let fix = match quoted(&file.path) {
            Some(path) => Fix::command(text, format!("chown root:root {path} && chmod go-w {path}")),
            None => Fix::text(text),
        };
        (file.path.clone(), evidence, fix)
    });
}
