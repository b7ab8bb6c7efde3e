//! Looking at accounts, policy and SSH server of a host.

use palisade_sys::Root;
use palisade_sys::accounts::{Account, Accounts, accounts};
use palisade_sys::pam::{Pam, pam};
use palisade_sys::sshd::{AuthorizedKeys, HostKey, PathMode, Sshd, authorized_keys, host_keys, sshd};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Files that nobody but root may change.
pub const FILES: [&str; 6] =
    ["/etc/passwd", "/etc/group", "/etc/sudoers", "/etc/ssh/sshd_config", "/etc/login.defs", "/etc/pam.d"];
/// Files that hold hashes of passwords: nobody but root and their group may even read them.
pub const SECRET_FILES: [&str; 5] =
    ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/security/opasswd"];
/// How many homes are looked at.
const HOMES_MAX: usize = 10_000;

/// The sections of one look. Free of ages: the moment comes in when it is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Accounts and sudo rules.
    pub accounts: Accounts,
    /// Why `/etc/passwd` could not be read; then `accounts` is empty.
    pub passwd_error: Option<String>,
    /// Homes of accounts with a login shell, each path once.
    pub homes: Vec<Home>,
    /// Modes of [`FILES`] and [`SECRET_FILES`], those that exist.
    pub files: Vec<PathMode>,
    /// The owner of `/`: 0, but another in a tree that an ordinary user has unpacked.
    pub root_uid: u32,
    /// What is demanded of passwords.
    pub policy: Pam,
    /// Settings of the SSH server.
    pub sshd: Sshd,
    /// Its keys.
    pub host_keys: Vec<HostKey>,
    /// Files of keys that let somebody in.
    pub authorized_keys: Vec<AuthorizedKeys>,
}

/// One home directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Home {
    /// Whose; the first account if several share it.
    pub account: String,
    /// Owner and mode.
    pub path: PathMode,
}

/// Looks at all of it. What cannot be read is said in the sections.
pub fn observe(root: &Root) -> Observed {
    let (accounts, passwd_error) = match accounts(root) {
        Ok(accounts) => (accounts, None),
        Err(error) => (Accounts::default(), Some(palisade_guard::contract::chain(&error))),
    };
    let sshd = sshd(root);
    // without a server nobody logs on by key
    let (host, authorized) = match sshd.is_installed() {
        true => (host_keys(root, &sshd), authorized_keys(root, &sshd, &accounts.list)),
        false => (Vec::new(), Vec::new()),
    };
    Observed {
        homes: homes(root, &accounts.list),
        files: FILES.iter().chain(&SECRET_FILES).filter_map(|path| PathMode::of(root, path).ok()).collect(),
        root_uid: PathMode::of(root, "/").map_or(0, |path| path.uid),
        policy: pam(root),
        host_keys: host,
        authorized_keys: authorized,
        accounts,
        passwd_error,
        sshd,
    }
}

fn homes(root: &Root, accounts: &[Account]) -> Vec<Home> {
    let mut seen = BTreeSet::new();
    let people = accounts.iter().filter(|a| a.has_login_shell() && a.home.starts_with('/') && seen.insert(&a.home));
    let homes = people.take(HOMES_MAX).filter_map(|account| {
        let path = PathMode::of(root, &account.home).ok()?;
        Some(Home { account: account.name.clone(), path })
    });
    homes.collect()
}
