//! Settings of the SSH server: who it lets in, and how.

use super::{pasteable, rule, today, usable};
use crate::observe::Observed;
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::sshd::{Setting, Source, Sshd};

pub(super) const ROOT_LOGIN: Check = rule(
    "access.ssh-root-login",
    Severity::High,
    "root may log on over SSH without restriction",
    "Every scanner tries root first: its name is known, and with `yes` one guessed password is the whole host.",
    "sshd_config(5); CIS Debian 12 5.1.20",
);
pub(super) const EMPTY_PASSWORD: Check = rule(
    "access.ssh-password-empty",
    Severity::Critical,
    "SSH accepts empty passwords",
    "An account without a password is then open to everybody who reaches the port.",
    "sshd_config(5); CIS Debian 12 5.1.19",
);
pub(super) const PASSWORD_AUTHENTICATION: Check = rule(
    "access.ssh-password-authentication",
    Severity::Low,
    "SSH accepts passwords",
    "The mission allows strong passwords, so this is no error; with keys alone there is nothing to guess.",
    "sshd_config(5)",
);
pub(super) const PROTOCOL: Check = rule(
    "access.ssh-protocol",
    Severity::High,
    "SSH protocol 1",
    "Protocol 1 can be read and changed on the way; servers of before 2017 still offer it when asked to.",
    "sshd_config(5)",
);
pub(super) const HOST_BASED: Check = rule(
    "access.ssh-host-based",
    Severity::High,
    "SSH trusts other hosts",
    "Whoever holds the other host logs on here as anybody, without a password or a key of their own.",
    "sshd_config(5); CIS Debian 12 5.1.10",
);
pub(super) const MAX_AUTH_TRIES: Check = rule(
    "access.ssh-max-auth-tries",
    Severity::Low,
    "many attempts per SSH connection",
    "More than six attempts per connection make guessing cheaper and leave fewer traces.",
    "sshd_config(5); CIS Debian 12 5.1.16",
);
pub(super) const LOGIN_GRACE: Check = rule(
    "access.ssh-login-grace",
    Severity::Low,
    "SSH waits long for a logon",
    "Connections that never log on can fill all places of the server; 0 waits for ever.",
    "sshd_config(5); CIS Debian 12 5.1.13",
);
pub(super) const X11_FORWARDING: Check = rule(
    "access.ssh-x11-forwarding",
    Severity::Low,
    "SSH forwards X11",
    "A server has no screens to show; whoever holds this host could read the keyboard of those who forward theirs.",
    "sshd_config(5); CIS Debian 12 5.1.8",
);
pub(super) const USER_ENVIRONMENT: Check = rule(
    "access.ssh-user-environment",
    Severity::Medium,
    "SSH lets users set the environment",
    "With `LD_PRELOAD` in it, restrictions such as forced commands can be passed by.",
    "sshd_config(5); CIS Debian 12 5.1.21",
);
pub(super) const STRICT_MODES: Check = rule(
    "access.ssh-strict-modes",
    Severity::Medium,
    "SSH does not look at who may write key files",
    "With `StrictModes no` a key file that everybody can write to lets everybody in.",
    "sshd_config(5)",
);

/// A judgement on one value: true if it is bad.
type Bad = fn(&str) -> bool;
/// Check, keyword, what is bad, and the value to set in its place.
const VALUES: [(&Check, &str, Bad, &str); 9] = [
    (&ROOT_LOGIN, "PermitRootLogin", yes, "prohibit-password"),
    (&EMPTY_PASSWORD, "PermitEmptyPasswords", yes, "no"),
    (&PROTOCOL, "Protocol", |v| v.split(',').any(|n| n.trim() == "1"), "2"),
    (&HOST_BASED, "HostbasedAuthentication", yes, "no"),
    (&MAX_AUTH_TRIES, "MaxAuthTries", |v| v.parse().is_ok_and(|n: u64| n > 6), "6"),
    (&LOGIN_GRACE, "LoginGraceTime", |v| seconds(v).is_some_and(|s| s == 0 || s > 120), "60"),
    (&X11_FORWARDING, "X11Forwarding", yes, "no"),
    // a list of names instead of `yes` is a choice that somebody made with care
    (&USER_ENVIRONMENT, "PermitUserEnvironment", yes, "no"),
    (&STRICT_MODES, "StrictModes", no, "yes"),
];

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    let sshd = &observed.sshd;
    for (check, name, bad, value) in VALUES {
        pass_or_unknown(sshd, verdicts, check);
        for setting in sshd.all(&name.to_ascii_lowercase()).iter().filter(|s| bad(&s.value)) {
            verdicts.fail(check, object(setting), setting.to_string(), mend(setting, name, value));
        }
    }
    passwords(observed, verdicts);
}

/// Nothing was found so far; but where a file could not be read, nothing is not enough.
pub(super) fn pass_or_unknown(sshd: &Sshd, verdicts: &mut Verdicts, check: &Check) {
    match &sshd.error {
        Some(error) if sshd.source == Source::Files => verdicts.unknown(check, error),
        _ => verdicts.pass(check),
    }
}

/// `sshd_config`, or the block in it.
pub(super) fn object(setting: &Setting) -> String {
    match &setting.when {
        None => "sshd_config".to_owned(),
        Some(when) => format!("sshd_config, Match {when}"),
    }
}

fn mend(setting: &Setting, name: &str, value: &str) -> Fix {
    let text = format!("Set `{name} {value}` and reload the server; try a new connection before you close this one.");
    match pasteable(&setting.file).filter(|_| setting.line > 0) {
        Some(file) => Fix::command(
            text,
            format!(r"sed -i 's/^\s*{name}[[:space:]=].*/{name} {value}/I' {file} && sshd -t && systemctl reload sshd"),
        ),
        None => Fix::text(text),
    }
}

/// Whether a password opens anything over SSH: by either method, for an account that has one.
fn passwords(observed: &Observed, verdicts: &mut Verdicts) {
    let sshd = &observed.sshd;
    pass_or_unknown(sshd, verdicts, &PASSWORD_AUTHENTICATION);
    let plain = sshd.all("passwordauthentication").into_iter().find(|s| yes(&s.value));
    let asked =
        || Some(sshd.get("kbdinteractiveauthentication")).filter(|s| yes(&s.value) && yes(&sshd.get("usepam").value));
    let Some(setting) = plain.or_else(asked) else { return };
    let today = today(verdicts);
    let root = yes(&sshd.get("permitrootlogin").value);
    let known = observed.passwd_error.is_none() && observed.accounts.shadow_error.is_none();
    let open = observed.accounts.list.iter().filter(|a| usable(a, today) && (a.uid != 0 || root)).count();
    if known && open == 0 {
        return; // nobody has a password that could be guessed
    }
    let evidence = if known { format!("{setting}; accounts with a password: {open}") } else { setting.to_string() };
    let fix = Fix::text(
        "Once everybody who logs on has a key, set `PasswordAuthentication no` and `KbdInteractiveAuthentication no`; until then let the intrusion guard ban those who guess.",
    );
    verdicts.fail(&PASSWORD_AUTHENTICATION, object(&setting), evidence, fix);
}

fn yes(value: &str) -> bool {
    value.eq_ignore_ascii_case("yes") || value.eq_ignore_ascii_case("true")
}

fn no(value: &str) -> bool {
    value.eq_ignore_ascii_case("no") || value.eq_ignore_ascii_case("false")
}

/// A time of sshd_config(5): `120`, `2m`, `1h30m`.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut digits = String::new();
    for c in text.chars().chain("s".chars().filter(|_| text.ends_with(|c: char| c.is_ascii_digit()))) {
        let unit = match c.to_ascii_lowercase() {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = digits.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(total)?;
        digits.clear();
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_sshd_reads_them() {
        for (text, read) in [("120", Some(120)), ("2m", Some(120)), ("1h30m", Some(5_400)), ("0", Some(0))] {
            assert_eq!(seconds(text), read, "{text}");
        }
        for nonsense in ["", "m", "2x", "99999999999999999999w", "-1"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }
}
