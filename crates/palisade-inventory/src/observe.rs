//! Reads the sections and the facts of the baseline.
//!
//! Each part fails alone: what could not be read says so in its section. Packages of programs are
//! looked up in one pass at the end, since the first look reads all of dpkg's lists.

mod baseline;
mod packages;
mod ports;
mod scan;

pub use ports::Seen;

use crate::model::{AccountRow, AutostartRow, Observed, PackageRow, ProcessRow, Section, limits};
use palisade_core::{Timestamp, mask};
use palisade_sys::accounts::{self, Account, PasswordState};
use palisade_sys::process::Process;
use palisade_sys::{Root, SysError, autostart, dpkg, kmod, process, webroot};
use std::collections::BTreeSet;

/// Directories in which everybody may write; nothing that stays runs from there.
pub const TEMPORARY: &[&str] = &["/tmp/", "/var/tmp/", "/dev/shm/"];

/// Looks at the host as it is at `now`; `seen` remembers sockets from one look to the next.
pub fn observe(root: &Root, now: Timestamp, seen: &Seen) -> Observed {
    let accounts = accounts(root);
    let ports = root.is_live().then(|| ports::ports(root, &accounts, seen));
    let listening: BTreeSet<u32> = ports.iter().flat_map(|p| &p.rows).filter_map(|row| row.pid).collect();
    let mut observed = Observed {
        accounts: Some(accounts),
        ports,
        processes: root.is_live().then(|| processes(root, now, &listening)),
        packages: Some(installed(root)),
        modules: root.is_live().then(|| modules(root)),
        autostart: Some(started(root)),
        webroots: Some(webroots(root)),
        ..Observed::default()
    };
    observed.baseline = baseline::baseline(root, observed.autostart.as_ref());
    packages::assign(root, &mut observed);
    observed
}

/// An error with its causes, on one line.
fn said(error: &SysError) -> String {
    palisade_guard::contract::chain(error)
}

fn accounts(root: &Root) -> Section<AccountRow> {
    match accounts::accounts(root) {
        Ok(found) => {
            let errors = [found.shadow_error, found.sudoers_error];
            let mut section = Section::of(found.list.iter().map(account).collect(), limits::ACCOUNTS_MAX);
            section.error = errors.into_iter().flatten().reduce(|a, b| format!("{a}; {b}"));
            section
        }
        Err(error) => Section::failed(said(&error)),
    }
}

fn account(account: &Account) -> AccountRow {
    let password = match account.password {
        PasswordState::Unknown => "unknown",
        PasswordState::None => "none",
        PasswordState::Locked => "locked",
        PasswordState::Disabled => "disabled",
        PasswordState::Hash { scheme } => scheme.as_str(),
    };
    AccountRow {
        name: account.name.clone(),
        uid: account.uid,
        gid: account.gid,
        home: account.home.clone(),
        shell: account.shell.clone(),
        can_log_in: account.has_login_shell(),
        sudo: account.sudo,
        last_change: account.last_change.filter(|day| *day > 0).and_then(date),
        password: password.to_owned(),
    }
}

/// A day since 1970-01-01 as a date.
fn date(day: u32) -> Option<String> {
    let moment = Timestamp::from_second(i64::from(day) * 86_400).ok()?;
    Some(moment.strftime("%Y-%m-%d").to_string())
}

fn processes(root: &Root, now: Timestamp, listening: &BTreeSet<u32>) -> Section<ProcessRow> {
    let all = match process::processes() {
        Ok(all) => all,
        Err(error) => return Section::failed(said(&error)),
    };
    let error = hidden(&all);
    let old = |p: &Process| now.as_second() - p.started_at.as_second() >= limits::PROCESS_AGE_S_MIN;
    let odd = |p: &Process| p.exe.as_ref().is_some_and(|exe| is_temporary(&exe.to_string_lossy()));
    let kept = all.into_iter().filter(|p| !p.kernel_thread && p.state != 'Z');
    let kept = kept.filter(|p| old(p) || odd(p) || listening.contains(&p.pid));
    Section { error, ..Section::of(kept.map(|p| process_row(root, p)).collect(), limits::PROCESSES_MAX) }
}

/// Why some processes could not be looked into, if so.
fn hidden(all: &[Process]) -> Option<String> {
    if !all.iter().any(|p| p.pid == 1) {
        return Some("processes of other users are hidden (hidepid): run this as root".to_owned());
    }
    let denied = all.iter().any(|p| p.exe_denied);
    denied.then(|| "the programs of some processes may not be looked at: run this as root".to_owned())
}

fn process_row(root: &Root, process: Process) -> ProcessRow {
    let exe_replaced =
        process.exe_deleted && !process.foreign_root && process.exe.as_ref().is_some_and(|exe| root.exists(exe));
    ProcessRow {
        pid: process.pid,
        ppid: process.ppid,
        name: process.name,
        user: process.user.unwrap_or_else(|| process.uid.to_string()),
        cmdline: mask(&process.cmdline),
        exe: process.exe.map(|path| path.to_string_lossy().into_owned()),
        started_at: Some(process.started_at),
        unit: process.unit,
        package: None,
        exe_deleted: process.exe_deleted,
        exe_replaced,
        container: process.foreign_root,
    }
}

/// True for a path below one of [`TEMPORARY`].
pub fn is_temporary(path: &str) -> bool {
    TEMPORARY.iter().any(|dir| path.starts_with(dir))
}

fn installed(root: &Root) -> Section<PackageRow> {
    match dpkg::installed(root) {
        Ok(list) => {
            let row = |p: dpkg::Package| PackageRow {
                name: p.name,
                version: p.version,
                arch: p.arch,
                manager: "dpkg".to_owned(),
            };
            let mut rows: Vec<PackageRow> = list.into_iter().map(row).collect();
            rows.sort();
            Section::of(rows, limits::PACKAGES_MAX)
        }
        Err(error) if error.is_not_found() => {
            Section::failed("this host has no dpkg, and other package databases are not read".to_owned())
        }
        Err(error) => Section::failed(said(&error)),
    }
}

fn modules(root: &Root) -> Section<kmod::Module> {
    match kmod::modules(root) {
        Ok(found) => Section { hidden: found.hidden, ..Section::of(found.list, kmod::MODULES_MAX) },
        Err(error) => Section::failed(said(&error)),
    }
}

fn started(root: &Root) -> Section<AutostartRow> {
    let found = autostart::autostart(root);
    let row = |entry: autostart::Autostart| {
        let missing = entry.program().is_some_and(|path| root.metadata(path).is_err_and(|e| e.is_not_found()));
        let command = mask(&entry.command);
        AutostartRow { entry: autostart::Autostart { command, ..entry }, package: None, missing }
    };
    let mut section = Section::of(found.list.into_iter().map(row).collect(), autostart::ENTRIES_MAX);
    section.total = found.cut.then_some(autostart::ENTRIES_MAX + 1);
    section.error = (!found.unreadable.is_empty()).then(|| format!("not readable: {}", found.unreadable.join(", ")));
    section
}

fn webroots(root: &Root) -> Section<webroot::Webroot> {
    let (rows, unreadable) = webroot::webroots(root);
    let mut section = Section::of(rows, webroot::WEBROOTS_MAX);
    section.error = (!unreadable.is_empty()).then(|| format!("not readable: {}", unreadable.join(", ")));
    section
}
