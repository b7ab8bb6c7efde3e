//! Judging what was observed: one finding per thing that is wrong, none about what is healthy.

mod accounts;
mod files;
mod passwords;
mod ssh;
mod ssh_algorithms;
mod ssh_keys;

use crate::observe::Observed;
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::accounts::Account;

/// Days after which a password must be changed: the mission's "at least once every six months".
pub const AGE_DAYS_MAX: u32 = 180;
/// The mission's shortest password, in characters.
pub const LENGTH_MIN: u32 = 8;
/// The mission's classes: upper case, lower case, digits, special characters.
pub const CLASSES_MIN: u32 = 4;

/// How many findings one check brings; a host with more has one cause, not thousands.
const FINDINGS_MAX: usize = 200;

/// Every check, in the order in which they are shown.
pub const CHECKS: &[Check] = &[
    accounts::EMPTY_PASSWORD,
    accounts::SECOND_UID_0,
    accounts::UNSHADOWED_PASSWORD,
    accounts::WEAK_HASH,
    accounts::PASSWORD_AGE,
    accounts::PASSWORD_MAX_DAYS,
    accounts::SYSTEM_ACCOUNT_SHELL,
    accounts::DUPLICATE_UID,
    accounts::DUPLICATE_NAME,
    files::SUDO_NOPASSWD,
    files::SHADOW_PERMISSIONS,
    files::PASSWD_PERMISSIONS,
    files::HOME_PERMISSIONS,
    passwords::LENGTH,
    passwords::CLASSES,
    passwords::HASH_POLICY,
    passwords::LOGIN_DEFS_MAX_DAYS,
    passwords::NULLOK,
    passwords::LOCKOUT,
    ssh::ROOT_LOGIN,
    ssh::EMPTY_PASSWORD,
    ssh::PASSWORD_AUTHENTICATION,
    ssh::PROTOCOL,
    ssh::HOST_BASED,
    ssh_algorithms::WEAK_CIPHERS,
    ssh_algorithms::WEAK_MACS,
    ssh_algorithms::WEAK_KEX,
    ssh_algorithms::WEAK_SIGNATURES,
    ssh::MAX_AUTH_TRIES,
    ssh::LOGIN_GRACE,
    ssh::X11_FORWARDING,
    ssh::USER_ENVIRONMENT,
    ssh::STRICT_MODES,
    ssh_keys::HOST_KEY,
    ssh_keys::AUTHORIZED_KEY_WEAK,
    ssh_keys::AUTHORIZED_KEYS_WRITABLE,
];

/// Runs every check that applies. Those of the SSH server do not run where none is installed.
pub fn check(observed: &Observed, verdicts: &mut Verdicts) {
    accounts::check(observed, verdicts);
    files::check(observed, verdicts);
    passwords::check(observed, verdicts);
    if observed.sshd.is_installed() {
        ssh::check(observed, verdicts);
        ssh_algorithms::check(observed, verdicts);
        ssh_keys::check(observed, verdicts);
    }
}

/// A check of the practice `logon-passwords`.
const fn rule(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    reference: &'static str,
) -> Check {
    Check { id, practice: "logon-passwords", severity, title, why, reference: Some(reference) }
}

/// One thing that is wrong: how bad, what, the evidence, the mend.
type Wrong = (Severity, String, String, Fix);

/// Records what `check` found, up to [`FINDINGS_MAX`]; the rest in one finding that counts it.
/// Whether it passes when nothing was found, the caller has said before.
fn report(verdicts: &mut Verdicts, check: &Check, mut found: impl Iterator<Item = Wrong>) {
    for (severity, object, evidence, fix) in found.by_ref().take(FINDINGS_MAX) {
        verdicts.fail_as(check, severity, object, evidence, fix);
    }
    let more = found.count();
    if more > 0 {
        let evidence = format!("{more} more of the same kind");
        verdicts.fail(check, "more", evidence, Fix::text("Mend those that are named, then look again."));
    }
}

/// The moment of the observation as a day since 1970-01-01, as shadow(5) counts.
fn today(verdicts: &Verdicts) -> u32 {
    u32::try_from(verdicts.now().as_second().div_euclid(86_400)).unwrap_or(0)
}

/// True if somebody can log on with a password, or with none, today.
fn usable(account: &Account, today: u32) -> bool {
    account.can_log_in_by_password() && !expired(account, today)
}

fn expired(account: &Account, today: u32) -> bool {
    account.expire.is_some_and(|day| day <= today)
}

/// `text` if it can be pasted into a shell as it is: names and paths come from the host, and may
/// have been written by an attacker.
fn pasteable(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-@".contains(c);
    (!text.is_empty() && text.len() <= 256 && !text.starts_with('-') && text.chars().all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_check_stands_in_the_list_once_under_the_guard_s_word() {
        let ids: BTreeSet<_> = CHECKS.iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        assert!(CHECKS.iter().all(|c| c.id.starts_with("access.") && c.practice == "logon-passwords"));
    }

    #[test]
    fn only_plain_names_are_put_into_a_command() {
        assert_eq!(pasteable("ann.b-1"), Some("ann.b-1"));
        for hostile in ["", "-r", "a;reboot", "a b", "$(x)", "a\nb", "ü", "`x`", "a'"] {
            assert_eq!(pasteable(hostile), None, "{hostile}");
        }
    }
}
