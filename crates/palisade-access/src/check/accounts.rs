//! Accounts: empty, old and weakly hashed passwords, doubles of root and of each other.

use super::{AGE_DAYS_MAX, expired, pasteable, report, rule, today, usable};
use crate::observe::Observed;
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::accounts::{Account, PasswordState};
use std::collections::HashMap;

pub(super) const EMPTY_PASSWORD: Check = rule(
    "access.empty-password",
    Severity::Critical,
    "account without a password",
    "Whoever knows the name logs on, and no password is asked for.",
    "mission: Set strong logon passwords; CIS Debian 12 7.2.2",
);
pub(super) const SECOND_UID_0: Check = rule(
    "access.second-uid-0",
    Severity::Critical,
    "second account with the rights of root",
    "User id 0 is root whatever its name: a second one is a classic back door, and its acts are logged as root's.",
    "CIS Debian 12 5.4.2.1",
);
pub(super) const UNSHADOWED_PASSWORD: Check = rule(
    "access.unshadowed-password",
    Severity::High,
    "password hash that everybody can read",
    "Everybody on the host can read `/etc/passwd` and try passwords against a hash in it elsewhere.",
    "CIS Debian 12 7.2.1",
);
pub(super) const WEAK_HASH: Check = rule(
    "access.weak-hash",
    Severity::High,
    "password with a weak hash",
    "Old schemes let one graphics card try millions to billions of passwords a second, and traditional DES counts only eight characters.",
    "crypt(5); CIS Debian 12 5.4.1.4",
);
pub(super) const PASSWORD_AGE: Check = rule(
    "access.password-age",
    Severity::Medium,
    "password not changed for six months",
    "The longer a password lives, the more likely it has leaked; the mission asks for a change at least once every six months.",
    "mission: Set strong logon passwords",
);
pub(super) const PASSWORD_MAX_DAYS: Check = rule(
    "access.password-max-days",
    Severity::Low,
    "no change of the password is enforced",
    "Without a limit of at most 180 days nothing makes its owner change the password.",
    "mission: Set strong logon passwords; CIS Debian 12 5.4.1.1",
);
pub(super) const SYSTEM_ACCOUNT_SHELL: Check = rule(
    "access.system-account-shell",
    Severity::Medium,
    "service account that people can log on to",
    "A service's account has no owner who would notice its use; with a login shell and a password it is a way in.",
    "CIS Debian 12 5.4.2.7",
);
pub(super) const DUPLICATE_UID: Check = rule(
    "access.duplicate-uid",
    Severity::Medium,
    "two accounts with one user id",
    "They own each other's files and processes, and the log cannot tell them apart.",
    "CIS Debian 12 7.2.5",
);
pub(super) const DUPLICATE_NAME: Check = rule(
    "access.duplicate-name",
    Severity::Medium,
    "two accounts with one name",
    "Programs see only the first one: the second is hidden, or a mistake.",
    "CIS Debian 12 7.2.7",
);

/// The first id of people, unless login.defs says otherwise.
const UID_MIN: u32 = 1_000;
const NEEDS_PASSWD: [Check; 4] = [SECOND_UID_0, UNSHADOWED_PASSWORD, DUPLICATE_UID, DUPLICATE_NAME];
const NEEDS_SHADOW: [Check; 5] = [EMPTY_PASSWORD, WEAK_HASH, PASSWORD_AGE, PASSWORD_MAX_DAYS, SYSTEM_ACCOUNT_SHELL];

type Said = (Severity, String, Fix);

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    if let Some(error) = &observed.passwd_error {
        for check in NEEDS_PASSWD.iter().chain(&NEEDS_SHADOW) {
            verdicts.unknown(check, error);
        }
        return;
    }
    let today = today(verdicts);
    let uid_min = observed.policy.login_defs.get("UID_MIN").and_then(|v| v.value.parse().ok()).unwrap_or(UID_MIN);
    each(observed, verdicts, &EMPTY_PASSWORD, |account| empty(account, today));
    each(observed, verdicts, &UNSHADOWED_PASSWORD, unshadowed);
    each(observed, verdicts, &WEAK_HASH, |account| weak_hash(account, today));
    each(observed, verdicts, &PASSWORD_AGE, |account| age(account, today));
    each(observed, verdicts, &PASSWORD_MAX_DAYS, |account| max_days(account, today));
    each(observed, verdicts, &SYSTEM_ACCOUNT_SHELL, |account| system_shell(account, today, uid_min));
    second_root(observed, verdicts);
    doubles(observed, verdicts, &DUPLICATE_NAME, |account| Some(account.name.clone()));
    // id 0 has its own check
    doubles(observed, verdicts, &DUPLICATE_UID, |account| (account.uid != 0).then(|| account.uid.to_string()));
}

/// One finding per account that `judge` speaks about; pass, or unknown where shadow is needed and
/// was not readable.
fn each(observed: &Observed, verdicts: &mut Verdicts, check: &Check, judge: impl Fn(&Account) -> Option<Said>) {
    match &observed.accounts.shadow_error {
        Some(error) if NEEDS_SHADOW.contains(check) => verdicts.unknown(check, error),
        _ => verdicts.pass(check),
    }
    let wrong = observed.accounts.list.iter().filter_map(|account| {
        let (severity, evidence, fix) = judge(account)?;
        Some((severity, account.name.clone(), evidence, fix))
    });
    report(verdicts, check, wrong);
}

/// The row as it stands in passwd, without the password.
fn row(account: &Account) -> String {
    let Account { name, uid, gid, home, shell, line, .. } = account;
    format!("/etc/passwd:{line}: {name}, uid {uid}, gid {gid}, home {home}, shell {shell}")
}

fn empty(account: &Account, today: u32) -> Option<Said> {
    if account.password != PasswordState::None {
        return None;
    }
    let open = usable(account, today);
    let evidence = match (open, expired(account, today)) {
        (true, _) => format!("the password is empty; {}", row(account)),
        (false, true) => format!("the password is empty, the account has expired; {}", row(account)),
        (false, false) => format!("the password is empty, the shell lets nobody in; {}", row(account)),
    };
    let severity = if open { EMPTY_PASSWORD.severity } else { Severity::Medium };
    Some((
        severity,
        evidence,
        by_command(account, "Set a strong password, or lock the account with `passwd -l`.", "passwd"),
    ))
}

fn unshadowed(account: &Account) -> Option<Said> {
    let fix = Fix::command("Move all hashes to `/etc/shadow`, then set a new password for the account.", "pwconv");
    let evidence = || format!("the password field holds a hash; {}", row(account));
    account.unshadowed.then(|| (UNSHADOWED_PASSWORD.severity, evidence(), fix))
}

fn weak_hash(account: &Account, today: u32) -> Option<Said> {
    let PasswordState::Hash { scheme } = account.password else { return None };
    // without a shell the hash is of use only where the same password is used again
    let severity = if usable(account, today) { WEAK_HASH.severity } else { Severity::Low };
    let evidence = || format!("hashed with {}; {}", scheme.as_str(), row(account));
    let text = "Set the password again; it is then hashed with the host's present scheme.";
    scheme.is_weak().then(|| (severity, evidence(), by_command(account, text, "passwd")))
}

fn age(account: &Account, today: u32) -> Option<Said> {
    if !matches!(account.password, PasswordState::Hash { .. }) || !usable(account, today) {
        return None; // locked, without a password, or nobody can log on with it
    }
    let fix = by_command(account, "Change the password.", "passwd");
    match account.last_change {
        None => Some((Severity::Low, "the day of its last change is not recorded".to_owned(), fix)),
        Some(0) => None, // must be changed at the next logon
        // a day of grace, for hosts whose clock is ahead of the judge's
        Some(day) if day > today.saturating_add(1) => {
            Some((Severity::Low, format!("last changed on {}, which is in the future", date(day)), fix))
        }
        Some(day) if today.saturating_sub(day) > AGE_DAYS_MAX => {
            let age = today - day;
            Some((PASSWORD_AGE.severity, format!("last changed on {}, {age} days ago", date(day)), fix))
        }
        Some(_) => None,
    }
}

fn max_days(account: &Account, today: u32) -> Option<Said> {
    if !matches!(account.password, PasswordState::Hash { .. }) || !usable(account, today) {
        return None;
    }
    let evidence = match account.max_days {
        Some(days) if days <= AGE_DAYS_MAX => return None,
        Some(days) => format!("must be changed after {days} days"),
        None => "never has to be changed".to_owned(),
    };
    let text = "Demand a change every 180 days; a password that is older must then be changed at the next logon.";
    Some((PASSWORD_MAX_DAYS.severity, evidence, by_command(account, text, "chage -M 180")))
}

fn system_shell(account: &Account, today: u32, uid_min: u32) -> Option<Said> {
    let system = account.uid != 0 && account.uid < uid_min;
    let text = "Take away its login shell.";
    let fix = || by_command(account, text, "usermod -s /usr/sbin/nologin");
    (system && usable(account, today)).then(|| (SYSTEM_ACCOUNT_SHELL.severity, row(account), fix()))
}

fn second_root(observed: &Observed, verdicts: &mut Verdicts) {
    let list = &observed.accounts.list;
    let root =
        list.iter().position(|a| a.uid == 0 && a.name == "root").or_else(|| list.iter().position(|a| a.uid == 0));
    let others = list.iter().enumerate().filter(|(at, a)| a.uid == 0 && Some(*at) != root);
    verdicts.pass(&SECOND_UID_0);
    let text = "Find out who made it. Remove its row with `vipw` and `vipw -s`, or give it a user id of its own.";
    let wrong = others.map(|(_, a)| (SECOND_UID_0.severity, a.name.clone(), row(a), Fix::text(text)));
    report(verdicts, &SECOND_UID_0, wrong);
}

/// One finding per account whose `key` stood before.
fn doubles(observed: &Observed, verdicts: &mut Verdicts, check: &Check, key: impl Fn(&Account) -> Option<String>) {
    let mut first: HashMap<String, &Account> = HashMap::new();
    let mut second = Vec::new();
    for account in &observed.accounts.list {
        match key(account).map(|key| first.entry(key).or_insert(account)) {
            Some(before) if !std::ptr::eq(*before, account) => second.push((*before, account)),
            _ => {}
        }
    }
    verdicts.pass(check);
    let text = "Remove the row that is not needed with `vipw`, or give it a name and id of its own.";
    let wrong = second.iter().map(|(before, account)| {
        (check.severity, account.name.clone(), format!("{}; {}", row(before), row(account)), Fix::text(text))
    });
    report(verdicts, check, wrong);
}

fn by_command(account: &Account, text: &str, command: &str) -> Fix {
    match pasteable(&account.name) {
        Some(name) => Fix::command(text, format!("{command} {name}")),
        None => Fix::text(text),
    }
}

/// A day since 1970-01-01 as people write it.
fn date(day: u32) -> String {
    match palisade_core::Timestamp::from_second(i64::from(day) * 86_400) {
        Ok(at) => at.to_string().chars().take(10).collect(),
        Err(_) => format!("day {day}"),
    }
}
