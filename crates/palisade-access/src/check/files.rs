//! Files that guard the logon: who may change or read them, and who becomes root without a password.

use super::{pasteable, report, rule, today, usable};
use crate::observe::{FILES, Observed, SECRET_FILES};
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::accounts::SudoRule;
use palisade_sys::sshd::PathMode;

pub(super) const SUDO_NOPASSWD: Check = rule(
    "access.sudo-nopasswd",
    Severity::Medium,
    "sudo to root without a password",
    "Whoever gets into the account, or runs code in it, is root at once.",
    "sudoers(5); CIS Debian 12 5.2.4",
);
pub(super) const SHADOW_PERMISSIONS: Check = rule(
    "access.shadow-permissions",
    Severity::High,
    "password hashes that others can read",
    "Whoever can read the hashes can try passwords against them elsewhere, unseen and at full speed.",
    "CIS Debian 12 7.1.5",
);
pub(super) const PASSWD_PERMISSIONS: Check = rule(
    "access.passwd-permissions",
    Severity::High,
    "logon file that others can change",
    "Whoever can write one of these files can make themselves root, or let themselves in.",
    "CIS Debian 12 7.1.1, 5.1.1",
);
pub(super) const HOME_PERMISSIONS: Check = rule(
    "access.home-permissions",
    Severity::High,
    "home that everybody can write to",
    "Everybody on the host can put a key or a start-up file there and act as its owner.",
    "CIS Debian 12 7.2.9",
);

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    sudo(observed, verdicts);
    verdicts.fail_each(&SHADOW_PERMISSIONS, wrong(observed, &SECRET_FILES, readable), said("u-x,g-wx,o-rwx"));
    verdicts.fail_each(&PASSWD_PERMISSIONS, wrong(observed, &FILES, writable), said("go-w"));
    homes(observed, verdicts);
}

fn sudo(observed: &Observed, verdicts: &mut Verdicts) {
    match &observed.accounts.sudoers_error {
        Some(error) => verdicts.unknown(&SUDO_NOPASSWD, error),
        None => verdicts.pass(&SUDO_NOPASSWD),
    }
    let today = today(verdicts);
    for rule in observed.accounts.sudo_rules.iter().filter(|rule| rule.nopasswd_all) {
        let who: Vec<&str> = rule.who.iter().map(String::as_str).filter(|who| !matches!(*who, "root" | "#0")).collect();
        if who.is_empty() {
            continue; // root is root already
        }
        let evidence = format!("{}, {}:{}", rule.text, rule.file, rule.line);
        let fix = Fix::text(format!(
            "Take `NOPASSWD` out of the rule with `visudo -f {}`; accounts without a password need one first, or sudo is closed to them.",
            rule.file
        ));
        verdicts.fail_as(&SUDO_NOPASSWD, sudo_severity(observed, rule, today), who.join(","), evidence, fix);
    }
}

/// Low if the rule is only for accounts that have no usable password: on images for clouds, where
/// people log on by key, there is nothing that sudo could ask for.
fn sudo_severity(observed: &Observed, rule: &SudoRule, today: u32) -> Severity {
    let keyed = |who: &String| {
        let mut named = observed.accounts.list.iter().filter(|a| a.name == *who).peekable();
        named.peek().is_some() && named.all(|a| !usable(a, today))
    };
    if rule.who.iter().all(keyed) { Severity::Low } else { SUDO_NOPASSWD.severity }
}

/// Those of `names` of which `bad` says so, or whose owner is not that of the root directory.
fn wrong<'a>(
    observed: &'a Observed,
    names: &'a [&str],
    bad: fn(&PathMode) -> bool,
) -> impl Iterator<Item = &'a PathMode> {
    let named = observed.files.iter().filter(|file| names.contains(&file.path.as_str()));
    named.filter(move |file| bad(file) || file.uid != observed.root_uid)
}

/// Debian lets its group `shadow` read, RHEL nobody; more is too much.
fn readable(file: &PathMode) -> bool {
    file.mode & 0o037 != 0
}

fn writable(file: &PathMode) -> bool {
    file.mode & 0o022 != 0
}

fn said(change: &'static str) -> impl Fn(&PathMode) -> (String, String, Fix) {
    move |file| {
        let PathMode { path, uid, mode } = file;
        let fix = Fix::command(
            "Give it to root and take the rights away.",
            format!("chown root {path} && chmod {change} {path}"),
        );
        (path.clone(), format!("{path}: mode {mode:04o}, owner {uid}"), fix)
    }
}

fn homes(observed: &Observed, verdicts: &mut Verdicts) {
    if let Some(error) = &observed.passwd_error {
        verdicts.unknown(&HOME_PERMISSIONS, error);
        return;
    }
    let open = observed.homes.iter().filter(|home| home.path.mode & 0o002 != 0);
    verdicts.pass(&HOME_PERMISSIONS);
    let wrong = open.map(|home| {
        let PathMode { path, uid, mode } = &home.path;
        let text = "Take the right to write away from others, and look for files there that its owner does not know.";
        let fix = match pasteable(path) {
            Some(path) => Fix::command(text, format!("chmod o-w {path}")),
            None => Fix::text(text),
        };
        (HOME_PERMISSIONS.severity, home.account.clone(), format!("{path}: mode {mode:04o}, owner {uid}"), fix)
    });
    report(verdicts, &HOME_PERMISSIONS, wrong);
}
