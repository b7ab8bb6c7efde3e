//! Kernel parameters of the running system. Whether a host forwards packets is its task, not a
//! weakness: `ip_forward` is not judged.

use crate::model::Baseline;
use palisade_core::{Check, Fix, Severity, Verdicts};
use std::collections::BTreeMap;

const fn baseline(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    reference: &'static str,
) -> Check {
    Check { id, practice: "baseline", severity, title, why, reference: Some(reference) }
}

/// Addresses of a process can be guessed.
pub const ADDRESS_SPACE: Check = baseline(
    "inventory.address-space",
    Severity::High,
    "address space is not randomised",
    "With known addresses a memory error in any service is far easier to turn into code execution.",
    "CIS Debian 12 1.5.1",
);
/// Links in shared directories are followed.
pub const LINKS: Check = baseline(
    "inventory.links",
    Severity::Medium,
    "links in shared directories are followed",
    "A link that somebody else left in /tmp can lead a privileged program to overwrite any file.",
    "kernel documentation, admin-guide/sysctl/fs",
);
/// Packets may choose their way.
pub const SOURCE_ROUTES: Check = baseline(
    "inventory.source-routes",
    Severity::Medium,
    "source-routed packets are accepted",
    "The sender chooses the way of such a packet, and so passes by the firewall on the usual way.",
    "CIS Debian 12 3.3.8",
);
/// Half-open connections can fill the queue.
pub const SYN_COOKIES: Check = baseline(
    "inventory.syn-cookies",
    Severity::Medium,
    "SYN cookies are off",
    "A flood of half-open connections then keeps everybody else out.",
    "CIS Debian 12 3.3.10",
);
/// Others may change our routes.
pub const ACCEPT_REDIRECTS: Check = baseline(
    "inventory.accept-redirects",
    Severity::Low,
    "ICMP redirects are accepted",
    "A neighbour on the network can redirect this host's traffic through itself.",
    "CIS Debian 12 3.3.5",
);
/// We change routes of others.
pub const SEND_REDIRECTS: Check = baseline(
    "inventory.send-redirects",
    Severity::Low,
    "ICMP redirects are sent",
    "Only a router needs to send them; a host that was taken over can lead its neighbours astray.",
    "CIS Debian 12 3.3.2",
);
/// Senders' addresses are believed.
pub const REVERSE_PATH: Check = baseline(
    "inventory.reverse-path",
    Severity::Low,
    "reverse path is not checked",
    "Packets with a forged sender's address then come in on any interface.",
    "CIS Debian 12 3.3.7",
);
/// Processes may read each other.
pub const PTRACE: Check = baseline(
    "inventory.ptrace",
    Severity::Low,
    "processes may trace each other",
    "A program that was taken over can read keys and passwords out of all others of its user.",
    "CIS Debian 12 1.5.2",
);
/// Addresses of the kernel are shown.
pub const KERNEL_POINTERS: Check = baseline(
    "inventory.kernel-pointers",
    Severity::Low,
    "kernel addresses are shown",
    "They tell an attacker on the host where to aim.",
    "kernel documentation, admin-guide/sysctl/kernel",
);
/// The kernel's log is open to all.
pub const KERNEL_LOG: Check = baseline(
    "inventory.kernel-log",
    Severity::Low,
    "everybody may read the kernel's log",
    "It holds addresses of the kernel and traces of other users' programs.",
    "kernel documentation, admin-guide/sysctl/kernel",
);
/// Memory of privileged programs lands on disk.
pub const SETUID_DUMPS: Check = baseline(
    "inventory.setuid-dumps",
    Severity::Low,
    "setuid programs leave core dumps",
    "Their memory may hold password hashes and keys.",
    "CIS Debian 12 1.5.3",
);

/// One parameter and the values that are right.
struct Rule {
    check: &'static Check,
    key: &'static str,
    right: fn(i64) -> bool,
    /// The value that mends it.
    mend: &'static str,
}

const fn rule(check: &'static Check, key: &'static str, right: fn(i64) -> bool, mend: &'static str) -> Rule {
    Rule { check, key, right, mend }
}

const RULES: &[Rule] = &[
    rule(&ADDRESS_SPACE, "kernel.randomize_va_space", |v| v == 2, "2"),
    rule(&LINKS, "fs.protected_hardlinks", |v| v >= 1, "1"),
    rule(&LINKS, "fs.protected_symlinks", |v| v >= 1, "1"),
    rule(&SOURCE_ROUTES, "net.ipv4.conf.all.accept_source_route", |v| v == 0, "0"),
    rule(&SOURCE_ROUTES, "net.ipv4.conf.default.accept_source_route", |v| v == 0, "0"),
    // for IPv6, less than 0 refuses even more
    rule(&SOURCE_ROUTES, "net.ipv6.conf.all.accept_source_route", |v| v <= 0, "0"),
    rule(&SOURCE_ROUTES, "net.ipv6.conf.default.accept_source_route", |v| v <= 0, "0"),
    rule(&SYN_COOKIES, "net.ipv4.tcp_syncookies", |v| v >= 1, "1"),
    rule(&ACCEPT_REDIRECTS, "net.ipv4.conf.all.accept_redirects", |v| v == 0, "0"),
    rule(&ACCEPT_REDIRECTS, "net.ipv4.conf.default.accept_redirects", |v| v == 0, "0"),
    rule(&ACCEPT_REDIRECTS, "net.ipv6.conf.all.accept_redirects", |v| v == 0, "0"),
    rule(&ACCEPT_REDIRECTS, "net.ipv6.conf.default.accept_redirects", |v| v == 0, "0"),
    rule(&SEND_REDIRECTS, "net.ipv4.conf.all.send_redirects", |v| v == 0, "0"),
    rule(&SEND_REDIRECTS, "net.ipv4.conf.default.send_redirects", |v| v == 0, "0"),
    rule(&PTRACE, PTRACE_KEY, |v| v >= 1, "1"),
    rule(&KERNEL_POINTERS, "kernel.kptr_restrict", |v| v >= 1, "1"),
    rule(&KERNEL_LOG, "kernel.dmesg_restrict", |v| v >= 1, "1"),
    rule(&SETUID_DUMPS, "fs.suid_dumpable", |v| v == 0, "0"),
];
const PTRACE_KEY: &str = "kernel.yama.ptrace_scope";
const REVERSE_PATH_KEYS: [&str; 2] = ["net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter"];

/// All parameters that are judged, for the observation.
pub fn keys() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.key).chain(REVERSE_PATH_KEYS)
}

/// Judges the kernel's parameters; in a scratch root there is no kernel, and nothing runs.
pub(super) fn check(baseline: &Baseline, verdicts: &mut Verdicts) {
    let Some(values) = &baseline.sysctls else { return };
    for rule in RULES {
        match (baseline.unreadable.get(rule.key), values.get(rule.key)) {
            (Some(why), _) => verdicts.unknown(rule.check, why),
            (None, Some(value)) => judge(rule, value, verdicts),
            // without Yama, nothing restricts ptrace(2) between processes of one user
            (None, None) if rule.key == PTRACE_KEY => {
                let fix = Fix::text(
                    "Start a kernel that was built with CONFIG_SECURITY_YAMA, and list `yama` in its `lsm=` parameter.",
                );
                verdicts.fail(rule.check, rule.key, "this kernel has no kernel.yama.ptrace_scope", fix);
            }
            // what a kernel does not have (IPv6, say) it cannot have set wrong
            (None, None) => verdicts.pass(rule.check),
        }
    }
    reverse_path(baseline, values, verdicts);
}

fn judge(rule: &Rule, value: &str, verdicts: &mut Verdicts) {
    match value.parse() {
        Ok(number) if (rule.right)(number) => verdicts.pass(rule.check),
        Ok(number) => {
            // 1 lets everybody read the dumps, 2 root only
            let severity =
                if rule.check.id == SETUID_DUMPS.id && number == 1 { Severity::Medium } else { rule.check.severity };
            verdicts.fail_as(
                rule.check,
                severity,
                rule.key,
                format!("{} = {value}", rule.key),
                set(rule.key, rule.mend),
            );
        }
        Err(_) => verdicts.unknown(rule.check, format!("{} = `{value}`, which is no number", rule.key)),
    }
}

/// The larger of `all` and the interface's own value counts (ip-sysctl), and `default` is what new
/// interfaces begin with: systemd sets that one only.
fn reverse_path(baseline: &Baseline, values: &BTreeMap<String, String>, verdicts: &mut Verdicts) {
    if let Some(why) = REVERSE_PATH_KEYS.iter().find_map(|key| baseline.unreadable.get(*key)) {
        return verdicts.unknown(&REVERSE_PATH, why);
    }
    let found: Vec<(&str, &String)> =
        REVERSE_PATH_KEYS.iter().filter_map(|key| Some((*key, values.get(*key)?))).collect();
    if found.is_empty() || found.iter().any(|(_, value)| value.as_str() != "0") {
        return verdicts.pass(&REVERSE_PATH);
    }
    let evidence: Vec<String> = found.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    // 2, the loose form, also works where answers leave by another interface
    verdicts.fail(&REVERSE_PATH, REVERSE_PATH_KEYS[0], evidence.join(", "), set(REVERSE_PATH_KEYS[0], "2"));
}

fn set(key: &str, value: &str) -> Fix {
    Fix::command(
        format!("Set `{key}` to {value}, now and at every start."),
        format!("sysctl -w {key}={value} && echo '{key} = {value}' >> /etc/sysctl.d/60-hardening.conf"),
    )
}
