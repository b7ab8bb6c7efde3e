//! Public keys: the server's own, and those by which somebody may log on (sshd(8), AUTHORIZED_KEYS).
//!
//! No key is kept, only its type, its length and the line on which it stands.

use super::Sshd;
use crate::accounts::Account;
use crate::{Root, SysError};
use base64::Engine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

/// The largest file of keys that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How many files of keys are read on one host.
const FILES_MAX: usize = 10_000;
/// How many keys of one file are kept; all are counted.
const KEYS_MAX: usize = 1_000;

/// One public key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    /// `ssh-ed25519`, `ssh-rsa`, ….
    pub kind: String,
    /// Length of the modulus of an RSA or DSA key; absent for others, whose length is fixed.
    pub bits: Option<u32>,
    /// The line it stands on, from 1.
    pub line: u32,
}

/// Owner and mode of one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathMode {
    /// The path.
    pub path: String,
    /// Its owner.
    pub uid: u32,
    /// Permission bits, such as 0o644.
    pub mode: u32,
}

impl PathMode {
    /// What stat(2) says, following symlinks inside the root.
    pub fn of(root: &Root, path: &str) -> Result<PathMode, SysError> {
        let meta = root.metadata(path)?;
        Ok(PathMode { path: path.to_owned(), uid: meta.uid(), mode: meta.mode() & 0o7777 })
    }
}

/// One file of authorized keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizedKeys {
    /// Whose logon it opens.
    pub account: String,
    /// That account's id.
    pub uid: u32,
    /// The file itself, then its directories up to the home.
    pub paths: Vec<PathMode>,
    /// How many keys it holds.
    pub count: u32,
    /// The keys, at most 1,000.
    pub keys: Vec<Key>,
    /// Why it could not be read.
    pub error: Option<String>,
}

/// One host key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostKey {
    /// The private key's file.
    pub private: PathMode,
    /// What its `.pub` file holds.
    pub key: Option<Key>,
}

/// The key on a line of an authorized_keys or `.pub` file: options may stand before its type.
pub fn key(text: &str) -> Option<Key> {
    let words: Vec<&str> = text.split_ascii_whitespace().take(4_096).collect();
    words.windows(2).find_map(|pair| {
        // a blob repeats its type: quoted options can therefore never be taken for a key
        let blob = base64::engine::general_purpose::STANDARD.decode(pair[1]).ok()?;
        let mut fields = Fields(&blob);
        (fields.next()? == pair[0].as_bytes()).then(|| {
            let modulus = match pair[0] {
                "ssh-rsa" => fields.nth(1), // exponent, modulus
                "ssh-dss" => fields.next(), // p
                _ => None,
            };
            Key { kind: pair[0].to_owned(), bits: modulus.map(bit_length), line: 0 }
        })
    })
}

/// The length-prefixed fields of an SSH blob (RFC 4253, section 6.6).
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let field = rest.get(..length)?;
        self.0 = &rest[length..];
        Some(field)
    }
}

fn bit_length(number: &[u8]) -> u32 {
    let significant = number.iter().skip_while(|b| **b == 0).count() as u32;
    let top = number.iter().find(|b| **b != 0).map_or(0, |b| b.leading_zeros());
    (significant * 8).saturating_sub(top)
}

/// The files of authorized keys of these accounts, each path once.
pub fn authorized_keys(root: &Root, sshd: &Sshd, accounts: &[Account]) -> Vec<AuthorizedKeys> {
    let patterns = sshd.get("authorizedkeysfile").value;
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for account in accounts {
        for pattern in patterns.split_ascii_whitespace().filter(|p| *p != "none") {
            let path = expand(pattern, account);
            if files.len() < FILES_MAX && seen.insert(path.clone()) && root.exists(&path) {
                files.push(file(root, account, path));
            }
        }
    }
    files
}

/// `%h`, `%u`, `%U` and `%%` as in sshd_config(5); a relative path is in the home.
fn expand(pattern: &str, account: &Account) -> String {
    let path = pattern
        .replace("%%", "\0")
        .replace("%h", &account.home)
        .replace("%u", &account.name)
        .replace("%U", &account.uid.to_string())
        .replace('\0', "%");
    if path.starts_with('/') { path } else { format!("{}/{path}", account.home.trim_end_matches('/')) }
}

fn file(root: &Root, account: &Account, path: String) -> AuthorizedKeys {
    let mut file = AuthorizedKeys { account: account.name.clone(), uid: account.uid, ..AuthorizedKeys::default() };
    file.paths = up_to_home(&path, &account.home).iter().filter_map(|p| PathMode::of(root, p).ok()).collect();
    let text = match root.read_up_to(&path, FILE_BYTES_MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            file.error = Some(crate::accounts::said(error));
            return file;
        }
    };
    for (line, text) in (1u32..).zip(text.lines()).filter(|(_, t)| !t.trim_start().starts_with('#')) {
        if let Some(key) = key(text) {
            file.count += 1;
            if file.keys.len() < KEYS_MAX {
                file.keys.push(Key { line, ..key });
            }
        }
    }
    file
}

/// What `StrictModes` looks at: the file and its directories, to the home or else to its own directory.
fn up_to_home(path: &str, home: &str) -> Vec<String> {
    let home = home.trim_end_matches('/');
    let mut paths = vec![path.to_owned()];
    let mut at = path;
    while let Some((dir, _)) = at.rsplit_once('/').filter(|(dir, _)| !dir.is_empty() && paths.len() < 32) {
        paths.push(dir.to_owned());
        if dir == home || !path.starts_with(&format!("{home}/")) {
            break;
        }
        at = dir;
    }
    paths
}

/// The host keys that exist.
pub fn host_keys(root: &Root, sshd: &Sshd) -> Vec<HostKey> {
    let set = sshd.get("hostkey").value;
    let usual = "/etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_ecdsa_key /etc/ssh/ssh_host_ed25519_key";
    let names = if set.is_empty() { usual } else { &set };
    let private = names.split_ascii_whitespace().take(32).filter_map(|path| PathMode::of(root, path).ok());
    let keys = private.map(|private| {
        let text = root.read_up_to(format!("{}.pub", private.path), FILE_BYTES_MAX).unwrap_or_default();
        HostKey { key: key(&String::from_utf8_lossy(&text)), private }
    });
    keys.collect()
}
