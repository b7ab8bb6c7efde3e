//! Accounts of a host, read from its own files: passwd(5), shadow(5), group(5), sudoers(5).
//!
//! The hash of a password is looked at for its scheme and dropped at once: no type here can hold it.
//! Accounts that come from a directory service (LDAP, SSSD) do not stand in these files.

mod shadow;
mod sudoers;

use crate::{Root, SysError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub use shadow::{HashScheme, PasswordState};
use sudoers::Named;
pub use sudoers::SudoRule;

/// How many rows of passwd, shadow or group are read; what follows is counted as skipped.
pub const ROWS_MAX: usize = 50_000;
/// The longest row in bytes (a group may have thousands of members); longer ones are skipped.
pub const ROW_BYTES_MAX: usize = 256 << 10;
/// The longest name, home, shell or comment that is kept, in bytes; the rest is cut off.
pub const FIELD_BYTES_MAX: usize = 512;
/// Groups that distributions let do anything through sudo: Debian and Ubuntu, RHEL, old Ubuntu.
pub const SUDO_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];

/// What the files of a host say about its accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Accounts {
    /// In the order of `/etc/passwd`; names and ids may stand there twice.
    pub list: Vec<Account>,
    /// Rules of sudoers and of the files that it includes.
    pub sudo_rules: Vec<SudoRule>,
    /// Why `/etc/shadow` could not be read; then states that stand there are unknown.
    pub shadow_error: Option<String>,
    /// Why a sudoers file could not be read; then `sudo` knows the groups only.
    pub sudoers_error: Option<String>,
    /// Rows that make no sense, are too long, or are beyond [`ROWS_MAX`].
    pub skipped: u32,
}

/// One row of `/etc/passwd` with what the other files add.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// As captured: hostile text is possible.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group's id.
    pub gid: u32,
    /// Comment field.
    pub gecos: String,
    /// Home directory, absolute as a rule.
    pub home: String,
    /// Login shell; empty means `/bin/sh`.
    pub shell: String,
    /// Whether and how a password is set.
    pub password: PasswordState,
    /// True when the password stands in `/etc/passwd`, which everybody can read.
    pub unshadowed: bool,
    /// Day of the last change, in days since 1970-01-01; 0 means "must be changed at next logon".
    pub last_change: Option<u32>,
    /// Days before which the password may not be changed again.
    pub min_days: Option<u32>,
    /// Days after which it must be changed.
    pub max_days: Option<u32>,
    /// Days after `max_days` at which the account is disabled.
    pub inactive: Option<u32>,
    /// Day on which the account expires, in days since 1970-01-01.
    pub expire: Option<u32>,
    /// Names of its groups, the primary one first; a group without a name by its number.
    pub groups: Vec<String>,
    /// True if it is in one of [`SUDO_GROUPS`] or named in a sudoers file.
    pub sudo: bool,
    /// Its line in `/etc/passwd`, from 1.
    pub line: u32,
}

impl Account {
    /// True if the shell lets somebody work: not `nologin`, `false`, `sync` and the like.
    pub fn has_login_shell(&self) -> bool {
        let name = self.shell.rsplit('/').next().unwrap_or_default();
        !matches!(name, "nologin" | "false" | "true" | "sync" | "shutdown" | "halt" | "git-shell")
    }

    /// True if somebody who knows its password (or needs none) gets a shell.
    pub fn can_log_in_by_password(&self) -> bool {
        self.has_login_shell() && matches!(self.password, PasswordState::None | PasswordState::Hash { .. })
    }
}

/// Reads the accounts of a host. Only an unreadable `/etc/passwd` is an error.
pub fn accounts(root: &Root) -> Result<Accounts, SysError> {
    let passwd = root.text("/etc/passwd")?;
    let shadow = root.text("/etc/shadow");
    let group = root.text_if_exists("/etc/group").ok().flatten().unwrap_or_default();
    let (sudo_rules, sudoers_error) = sudoers::read(root);
    let mut accounts = parse(&passwd, shadow.as_deref().ok(), &group, sudo_rules);
    accounts.shadow_error = shadow.err().map(said);
    accounts.sudoers_error = sudoers_error;
    Ok(accounts)
}

/// What the texts of the files say; `shadow` is `None` when it could not be read.
pub fn parse(passwd: &str, shadow: Option<&str>, group: &str, sudo_rules: Vec<SudoRule>) -> Accounts {
    let mut accounts = Accounts::default();
    let named = Named::by(&sudo_rules);
    let shadow_rows = shadow.map(|text| shadow::rows_by_name(text, &mut accounts.skipped));
    let groups = Groups::parse(group, &mut accounts.skipped);
    for (line, fields) in rows(passwd, 4, 7, &mut accounts.skipped) {
        let Some(mut account) = account(line, &fields) else {
            accounts.skipped += 1;
            continue;
        };
        shadow::complete(&mut account, fields[1], shadow_rows.as_ref());
        account.groups = groups.of(&account);
        account.sudo = account.groups.iter().any(|g| SUDO_GROUPS.contains(&g.as_str())) || named.covers(&account);
        accounts.list.push(account);
    }
    drop(named);
    accounts.sudo_rules = sudo_rules;
    accounts
}

fn account(line: u32, fields: &[&str]) -> Option<Account> {
    // `+` and `-` rows are the old NIS compatibility, no accounts
    if fields[0].is_empty() || fields[0].starts_with(['+', '-']) {
        return None;
    }
    Some(Account {
        name: cut(fields[0]),
        uid: fields[2].parse().ok()?,
        gid: fields[3].parse().ok()?,
        gecos: cut(fields[4]),
        home: cut(fields[5]),
        shell: cut(fields[6]),
        line,
        ..Account::default()
    })
}

/// Rows of colon-separated text with `count` fields, and their line numbers from 1. Of these the
/// first `needed` must be there: the C library takes the rest as empty, so a short row is an account too.
fn rows<'a>(text: &'a str, needed: usize, count: usize, skipped: &mut u32) -> Vec<(u32, Vec<&'a str>)> {
    let mut rows = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields: Vec<&str> = line.splitn(count, ':').collect();
        if rows.len() >= ROWS_MAX || line.len() > ROW_BYTES_MAX || fields.len() < needed {
            *skipped = skipped.saturating_add(1);
            continue;
        }
        fields.resize(count, "");
        rows.push((number, fields));
    }
    rows
}

struct Groups<'a> {
    by_gid: HashMap<u32, &'a str>,
    by_member: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Groups<'a> {
    fn parse(text: &'a str, skipped: &mut u32) -> Groups<'a> {
        let mut groups = Groups { by_gid: HashMap::new(), by_member: HashMap::new() };
        for (_, fields) in rows(text, 3, 4, skipped) {
            let Ok(gid) = fields[2].parse() else {
                *skipped = skipped.saturating_add(1);
                continue;
            };
            groups.by_gid.entry(gid).or_insert(fields[0]);
            for member in fields[3].split(',').map(str::trim).filter(|m| !m.is_empty()) {
                groups.by_member.entry(member).or_default().push(fields[0]);
            }
        }
        groups
    }

    fn of(&self, account: &Account) -> Vec<String> {
        let primary = self.by_gid.get(&account.gid).map_or_else(|| account.gid.to_string(), |name| cut(name));
        let mut names = vec![primary];
        for name in self.by_member.get(account.name.as_str()).into_iter().flatten().take(1_024) {
            let name = cut(name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// `text` up to [`FIELD_BYTES_MAX`] bytes.
fn cut(text: &str) -> String {
    let mut end = text.len().min(FIELD_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// An error with its cause, on one line.
pub(crate) fn said(error: SysError) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
