//! Algorithms that the SSH server offers.

use super::rule;
use super::ssh::{object, pass_or_unknown};
use crate::observe::Observed;
use palisade_core::{Check, Fix, Severity, Verdicts};

pub(super) const WEAK_CIPHERS: Check = rule(
    "access.ssh-weak-ciphers",
    Severity::Medium,
    "SSH offers weak ciphers",
    "CBC modes leak plain text to somebody who changes packets, RC4 and 64-bit blocks leak it in long sessions.",
    "sshd_config(5); CIS Debian 12 5.1.6",
);
pub(super) const WEAK_MACS: Check = rule(
    "access.ssh-weak-macs",
    Severity::Medium,
    "SSH offers weak message authentication",
    "MD5, RIPEMD-160 and tags cut to 96 bits have no margin left against forged packets.",
    "sshd_config(5); CIS Debian 12 5.1.15",
);
pub(super) const WEAK_KEX: Check = rule(
    "access.ssh-weak-kex",
    Severity::Medium,
    "SSH offers weak key exchanges",
    "Exchanges with SHA-1 or a 1024-bit group can be broken by a rich attacker, and recorded sessions read later.",
    "RFC 9142; CIS Debian 12 5.1.12",
);
pub(super) const WEAK_SIGNATURES: Check = rule(
    "access.ssh-weak-signatures",
    Severity::Medium,
    "SSH accepts signatures with SHA-1 or DSA",
    "Collisions of SHA-1 are within reach of many, and DSA keys have 1024 bits.",
    "sshd_config(5), OpenSSH 8.8 release notes",
);

/// What is weak about a name. Not judged weak is what OpenSSH 9 offers by itself: `hmac-sha1` and
/// `umac-64` stand there, and no attack on them is known.
type Weak = fn(&str) -> bool;
/// Check, keywords, what is weak.
const LISTS: [(&Check, &[&str], Weak); 4] = [
    (&WEAK_CIPHERS, &["Ciphers"], |n| holds(n, &["-cbc", "arcfour", "blowfish", "cast128"])),
    (&WEAK_MACS, &["MACs"], |n| holds(n, &["md5", "-96", "ripemd"])),
    (&WEAK_KEX, &["KexAlgorithms"], |n| holds(n, &["group1-sha1", "group14-sha1", "group-exchange-sha1"])),
    (
        &WEAK_SIGNATURES,
        &["HostKeyAlgorithms", "PubkeyAcceptedAlgorithms", "HostbasedAcceptedAlgorithms", "CASignatureAlgorithms"],
        |n| matches!(n, "ssh-rsa" | "ssh-dss" | "ssh-rsa-cert-v01@openssh.com" | "ssh-dss-cert-v01@openssh.com"),
    ),
];

fn holds(name: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| name.contains(part))
}

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    for (check, keywords, weak) in LISTS {
        pass_or_unknown(&observed.sshd, verdicts, check);
        for keyword in keywords {
            for setting in observed.sshd.all(&keyword.to_ascii_lowercase()) {
                let names = found(&setting.value, weak);
                if names.is_empty() {
                    continue;
                }
                let place = match (setting.file.as_str(), setting.line) {
                    ("", _) => String::new(),
                    (file, 0) => format!(", {file}"),
                    (file, line) => format!(", {file}:{line}"),
                };
                let fix = Fix::text(format!(
                    "Take {names} out of `{keyword}`; without the keyword OpenSSH 9 offers no weak ones."
                ));
                verdicts.fail(
                    check,
                    format!("{}: {keyword}", object(&setting)),
                    format!("{keyword} has {names}{place}"),
                    fix,
                );
            }
        }
    }
}

/// The weak names of a list, without repeats. A list that begins with `-` takes away, and adds none.
fn found(list: &str, weak: Weak) -> String {
    if list.starts_with('-') {
        return String::new();
    }
    let mut names: Vec<&str> = Vec::new();
    for name in list.trim_start_matches(['+', '^']).split(',').map(str::trim) {
        if weak(&name.to_ascii_lowercase()) && !names.contains(&name) && names.len() < 64 {
            names.push(name);
        }
    }
    names.join(", ")
}
