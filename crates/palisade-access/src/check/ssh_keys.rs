//! Keys: the server's own, and those that let somebody in.

use super::{Wrong, pasteable, report, rule};
use crate::observe::Observed;
use palisade_core::{Check, Fix, Severity, Verdicts};
use palisade_sys::sshd::{AuthorizedKeys, HostKey, Key, PathMode};

pub(super) const HOST_KEY: Check = rule(
    "access.ssh-host-key",
    Severity::High,
    "weak or open host key",
    "Whoever has or computes the host's private key can pose as this server and take passwords.",
    "sshd(8); CIS Debian 12 5.1.2",
);
pub(super) const AUTHORIZED_KEY_WEAK: Check = rule(
    "access.ssh-authorized-key-weak",
    Severity::Medium,
    "weak key may log on",
    "DSA keys have 1024 bits, and RSA keys of less than 2048 bits are within reach of a rich attacker.",
    "NIST SP 800-131A; sshd(8)",
);
pub(super) const AUTHORIZED_KEYS_WRITABLE: Check = rule(
    "access.ssh-authorized-keys-writable",
    Severity::High,
    "others may add keys that log on",
    "Whoever can write to the file, or to a directory above it, can let themselves in.",
    "sshd_config(5), StrictModes",
);

/// The shortest RSA key that is not weak, in bits.
const RSA_BITS_MIN: u32 = 2_048;

pub(super) fn check(observed: &Observed, verdicts: &mut Verdicts) {
    verdicts.fail_each(&HOST_KEY, observed.host_keys.iter().filter_map(host_key), |said| said);
    authorized(observed, verdicts);
    writable(observed, verdicts);
}

fn is_weak(key: &Key) -> bool {
    match key.kind.as_str() {
        "ssh-dss" => true,
        "ssh-rsa" => key.bits.is_none_or(|bits| bits < RSA_BITS_MIN),
        _ => false,
    }
}

fn named(key: &Key) -> String {
    match key.bits {
        Some(bits) => format!("{} of {bits} bits", key.kind),
        None => key.kind.clone(),
    }
}

fn host_key(host: &HostKey) -> Option<(String, String, Fix)> {
    let PathMode { path, uid, mode } = &host.private;
    // RHEL lets its group `ssh_keys` read; more is too much
    if mode & 0o037 != 0 {
        let text = "Take the rights away, and make a new key if others have an account on this host.";
        let fix = match pasteable(path) {
            Some(path) => Fix::command(text, format!("chmod u-x,g-wx,o-rwx {path}")),
            None => Fix::text(text),
        };
        return Some((path.clone(), format!("{path}: mode {mode:04o}, owner {uid}"), fix));
    }
    let key = host.key.as_ref().filter(|key| is_weak(key))?;
    let fix = Fix::text(
        "Remove the key and its `.pub` file, run `ssh-keygen -A`, reload the server, and tell its users the new fingerprint.",
    );
    Some((path.clone(), format!("{path}.pub: {}", named(key)), fix))
}

fn authorized(observed: &Observed, verdicts: &mut Verdicts) {
    let unread = observed.authorized_keys.iter().find_map(|file| file.error.as_ref());
    match unread {
        Some(error) => verdicts.unknown(&AUTHORIZED_KEY_WEAK, error),
        None => verdicts.pass(&AUTHORIZED_KEY_WEAK),
    }
    report(verdicts, &AUTHORIZED_KEY_WEAK, observed.authorized_keys.iter().filter_map(weak_keys));
}

fn weak_keys(file: &AuthorizedKeys) -> Option<Wrong> {
    let weak = file.keys.iter().filter(|key| is_weak(key));
    let weak: Vec<String> = weak.map(|key| format!("line {}: {}", key.line, named(key))).collect();
    let fix = Fix::text("Replace the key by one of type ed25519, then remove its line.");
    let evidence = format!("{}, {}", path(file), weak.join(", "));
    (!weak.is_empty()).then(|| (AUTHORIZED_KEY_WEAK.severity, file.account.clone(), evidence, fix))
}

fn path(file: &AuthorizedKeys) -> &str {
    file.paths.first().map_or("authorized_keys", |p| &p.path)
}

fn writable(observed: &Observed, verdicts: &mut Verdicts) {
    verdicts.pass(&AUTHORIZED_KEYS_WRITABLE);
    let wrong = observed.authorized_keys.iter().filter_map(|file| open_path(file, observed.root_uid));
    report(verdicts, &AUTHORIZED_KEYS_WRITABLE, wrong);
}

/// As StrictModes: nobody but its owner and root may write; the owner is the account or root.
fn open_path(file: &AuthorizedKeys, root_uid: u32) -> Option<Wrong> {
    let stranger = |p: &&PathMode| p.uid != file.uid && p.uid != 0 && p.uid != root_uid;
    let PathMode { path, uid, mode } = file.paths.iter().find(|p| p.mode & 0o022 != 0 || stranger(p))?;
    let text = "Give it to its account, take the right to write away from others, and look for keys that nobody knows.";
    let fix = match (pasteable(&file.account), pasteable(path)) {
        (Some(account), Some(path)) => Fix::command(text, format!("chown {account} {path} && chmod go-w {path}")),
        _ => Fix::text(text),
    };
    let evidence = format!("{path}: mode {mode:04o}, owner {uid}");
    Some((AUTHORIZED_KEYS_WRITABLE.severity, file.account.clone(), evidence, fix))
}
