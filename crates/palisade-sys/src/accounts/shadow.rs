//! The password field and the ages of shadow(5); schemes as crypt(5) lists them.

use super::{Account, rows};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Whether and how a password is set. Never holds the hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum PasswordState {
    /// The file that would tell could not be read.
    #[default]
    Unknown,
    /// The field is empty: no password is asked for.
    None,
    /// A password with `!` before it (`passwd -l`): it cannot be used until it is unlocked.
    Locked,
    /// `*`, `!` or anything else that no password can match.
    Disabled,
    /// A password is set.
    Hash {
        /// How it is hashed.
        scheme: HashScheme,
    },
}

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashScheme {
    /// Traditional DES or bigcrypt: at most 8 characters count.
    Des,
    /// BSDi extended DES (`_`).
    Bsdi,
    /// `$1$`
    Md5,
    /// `$md5`, of Solaris.
    SunMd5,
    /// `$3$`: NT hash, MD4 without salt.
    Nt,
    /// `$sha1`, of NetBSD.
    Sha1,
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`
    Bcrypt,
    /// `$7$`
    Scrypt,
    /// `$y$`
    Yescrypt,
    /// `$gy$`
    Gost,
    /// Another `$…$`.
    Other,
}

impl HashScheme {
    /// The word as in login.defs' `ENCRYPT_METHOD`, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            HashScheme::Des => "des",
            HashScheme::Bsdi => "bsdi",
            HashScheme::Md5 => "md5",
            HashScheme::SunMd5 => "sunmd5",
            HashScheme::Nt => "nt",
            HashScheme::Sha1 => "sha1",
            HashScheme::Sha256 => "sha256",
            HashScheme::Sha512 => "sha512",
            HashScheme::Bcrypt => "bcrypt",
            HashScheme::Scrypt => "scrypt",
            HashScheme::Yescrypt => "yescrypt",
            HashScheme::Gost => "gost",
            HashScheme::Other => "other",
        }
    }

    /// True for schemes that a graphics card tries by the billion: crypt(5) says of them that they
    /// "should not be used for new hashes" for lack of work or of salt.
    pub fn is_weak(self) -> bool {
        use HashScheme::{Bsdi, Des, Md5, Nt, Sha1, SunMd5};
        matches!(self, Des | Bsdi | Md5 | SunMd5 | Nt | Sha1)
    }
}

const PREFIXES: [(&str, HashScheme); 14] = [
    ("$y$", HashScheme::Yescrypt),
    ("$6$", HashScheme::Sha512),
    ("$5$", HashScheme::Sha256),
    ("$gy$", HashScheme::Gost),
    ("$2a$", HashScheme::Bcrypt),
    ("$2b$", HashScheme::Bcrypt),
    ("$2x$", HashScheme::Bcrypt),
    ("$2y$", HashScheme::Bcrypt),
    ("$7$", HashScheme::Scrypt),
    ("$1$", HashScheme::Md5),
    ("$3$", HashScheme::Nt),
    ("$md5", HashScheme::SunMd5),
    ("$sha1", HashScheme::Sha1),
    ("_", HashScheme::Bsdi),
];

/// What the password field says.
pub(super) fn state(field: &str) -> PasswordState {
    if field.is_empty() {
        return PasswordState::None;
    }
    if let Some(scheme) = scheme(field) {
        return PasswordState::Hash { scheme };
    }
    match scheme(field.trim_start_matches('!')) {
        Some(_) => PasswordState::Locked,
        None => PasswordState::Disabled,
    }
}

fn scheme(hash: &str) -> Option<HashScheme> {
    if let Some((_, scheme)) = PREFIXES.iter().find(|(prefix, _)| hash.starts_with(prefix)) {
        return Some(*scheme);
    }
    if hash.starts_with('$') {
        return Some(HashScheme::Other);
    }
    let crypt_alphabet = hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    (hash.len() >= 13 && crypt_alphabet).then_some(HashScheme::Des)
}

/// What is kept of a row of `/etc/shadow`.
pub(super) struct ShadowRow {
    password: PasswordState,
    last_change: Option<u32>,
    min_days: Option<u32>,
    max_days: Option<u32>,
    inactive: Option<u32>,
    expire: Option<u32>,
}

/// The rows by name; the first of a name counts, as for getspnam(3).
pub(super) fn rows_by_name<'a>(text: &'a str, skipped: &mut u32) -> HashMap<&'a str, ShadowRow> {
    let mut by_name = HashMap::new();
    for (_, fields) in rows(text, 2, 9, skipped) {
        // empty, -1 and nonsense alike mean "not set"
        let days = |i: usize| fields[i].parse::<u32>().ok();
        by_name.entry(fields[0]).or_insert_with(|| ShadowRow {
            password: state(fields[1]),
            last_change: days(2),
            min_days: days(3),
            max_days: days(4),
            inactive: days(6),
            expire: days(7),
        });
    }
    by_name
}

/// Fills in the password and its ages. `field` is the password field of `/etc/passwd`: `x` sends
/// the reader to shadow, anything else counts itself (pam_unix(8)).
pub(super) fn complete(account: &mut Account, field: &str, shadow: Option<&HashMap<&str, ShadowRow>>) {
    let row = shadow.and_then(|rows| rows.get(account.name.as_str()));
    if let Some(row) = row {
        account.last_change = row.last_change;
        account.min_days = row.min_days;
        account.max_days = row.max_days;
        account.inactive = row.inactive;
        account.expire = row.expire;
    }
    if field != "x" {
        account.password = state(field);
        account.unshadowed = matches!(account.password, PasswordState::Hash { .. } | PasswordState::Locked);
        return;
    }
    account.password = match (shadow, row) {
        (None, _) => PasswordState::Unknown,
        (Some(_), None) => PasswordState::Disabled, // nothing there that a password could match
        (Some(_), Some(row)) => row.password,
    };
}
