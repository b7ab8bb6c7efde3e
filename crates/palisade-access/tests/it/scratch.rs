//! A host as files in a directory: what is wrong is found, and gone when it is mended.

use palisade_access::check::CHECKS;
use palisade_core::{CheckOutcome, Finding, FindingState, HostId, Timestamp};
use palisade_guard::Host;
use palisade_guard::entry::Look;
use palisade_sys::Root;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// The moment of all looks: 20,779 days since 1970.
const NOW: &str = "2026-11-22T12:00:00Z";

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
ann:x:1000:1000:Ann,,,:/home/ann:/bin/bash
bob:x:1001:1001:Bob,,,:/home/bob:/bin/bash
";
const SHADOW: &str = "\
root:*:20700:0:180:7:::
daemon:*:20000:0:99999:7:::
www-data:*:20000:0:99999:7:::
ann:$y$j9T$AAAAAAAAAAAAAAAAAAAAA.$BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB:20700:0:180:7:::
bob:$y$j9T$CCCCCCCCCCCCCCCCCCCCC.$DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD:20750:0:90:7:::
";
const COMMON_PASSWORD: &str = "\
password\trequisite\tpam_pwquality.so retry=3
password\t[success=1 default=ignore]\tpam_unix.so obscure use_authtok try_first_pass yescrypt
";
const COMMON_AUTH: &str = "\
auth\trequired\tpam_faillock.so preauth
auth\t[success=1 default=ignore]\tpam_unix.so
";
const SSHD: &str = "\
Include /etc/ssh/sshd_config.d/*.conf
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding no
";

/// A Debian-like host on which nothing is wrong.
fn healthy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in
        ["etc/ssh/sshd_config.d", "etc/pam.d", "etc/security", "etc/sudoers.d", "home/ann/.ssh", "home/bob", "root"]
    {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    put(&dir, "etc/passwd", PASSWD, 0o644);
    put(&dir, "etc/shadow", SHADOW, 0o640);
    put(&dir, "etc/group", "root:x:0:\nsudo:x:27:ann\nann:x:1000:\nbob:x:1001:\n", 0o644);
    put(&dir, "etc/login.defs", "PASS_MAX_DAYS\t180\nUID_MIN\t1000\nENCRYPT_METHOD YESCRYPT\n", 0o644);
    put(&dir, "etc/pam.d/common-password", COMMON_PASSWORD, 0o644);
    put(&dir, "etc/pam.d/common-auth", COMMON_AUTH, 0o644);
    put(&dir, "etc/security/pwquality.conf", "minlen = 10\nminclass = 4\n", 0o644);
    put(&dir, "etc/sudoers", "%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", 0o440);
    put(&dir, "etc/ssh/sshd_config", SSHD, 0o644);
    dir
}

fn put(dir: &tempfile::TempDir, path: &str, text: &str, mode: u32) {
    let path = dir.path().join(path);
    let _ = fs::remove_file(&path);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn look(root: &Path) -> Look {
    let host = Host { id: "web-1".parse::<HostId>().unwrap(), root: Root::scratch(root).unwrap() };
    let look = palisade_access::guard().observer.look(&host, NOW.parse::<Timestamp>().unwrap());
    assert_eq!(look.error, None);
    look
}

fn said(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{} {} {}", f.severity, f.check, f.object)).collect()
}

#[test]
fn on_a_healthy_host_every_check_runs_and_says_nothing() {
    let dir = healthy();
    let look = look(dir.path());
    assert_eq!(said(&look.findings), [""; 0]);
    let passed: Vec<_> =
        look.runs.iter().filter(|r| r.outcome == CheckOutcome::Passed).map(|r| r.check.as_str()).collect();
    let missing: Vec<_> = CHECKS.iter().map(|c| c.id).filter(|id| !passed.contains(id)).collect();
    assert!(missing.is_empty(), "did not pass: {missing:?}");
}

/// One fault, the finding that it brings, and nothing else.
fn found_and_mended(file: &str, mode: u32, bad: &str, expected: &[&str]) {
    let dir = healthy();
    let good = fs::read_to_string(dir.path().join(file)).unwrap_or_default();
    put(&dir, file, bad, mode);
    assert_eq!(said(&look(dir.path()).findings), expected);
    put(&dir, file, &good, mode);
    assert_eq!(said(&look(dir.path()).findings), [""; 0], "mended");
}

#[test]
fn an_empty_password_is_found_and_gone_when_mended() {
    let bad = SHADOW.replace("bob:$y$j9T$CCCCCCCCCCCCCCCCCCCCC.$DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD", "bob:");
    found_and_mended("etc/shadow", 0o640, &bad, &["critical access.empty-password bob"]);
}

#[test]
fn a_password_of_200_days_is_found_and_gone_when_mended() {
    let bad = SHADOW.replace(":20700:0:180:7:::\nbob", ":20579:0:180:7:::\nbob");
    found_and_mended("etc/shadow", 0o640, &bad, &["medium access.password-age ann"]);
    let dir = healthy();
    put(&dir, "etc/shadow", &bad, 0o640);
    assert_eq!(look(dir.path()).findings[0].evidence, "last changed on 2026-05-06, 200 days ago");
}

#[test]
fn a_second_root_is_found_and_gone_when_mended() {
    let bad = format!("{PASSWD}toor:x:0:0::/root:/bin/bash\n");
    found_and_mended("etc/passwd", 0o644, &bad, &["critical access.second-uid-0 toor"]);
}

#[test]
fn root_by_password_over_ssh_is_found_and_gone_when_mended() {
    let bad = format!("PermitRootLogin yes\n{SSHD}");
    found_and_mended("etc/ssh/sshd_config", 0o644, &bad, &["high access.ssh-root-login sshd_config"]);
    let included = "PermitRootLogin yes\n";
    found_and_mended(
        "etc/ssh/sshd_config.d/50-cloud.conf",
        0o644,
        included,
        &["high access.ssh-root-login sshd_config"],
    );
}

#[test]
fn rights_that_are_too_wide_are_found() {
    let dir = healthy();
    let open = |path: &str, mode| fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    put(
        &dir,
        "home/ann/.ssh/authorized_keys",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDZZurdKtg29pR21glMw9H5qS0JFmw55jGZRuGsxUaXPr2eK6CMRzOpxfqtMxsOXdX0XinqoiOLZThkEJ/Dbec2ity016EI7w+GOf30mAo1PQGVDapr5GtQDYx222G0O51yifO7bJiKyhC6mqo9GRloaWqKcybrIHHagiA2HIAyjw== ann\n",
        0o622,
    );
    open("etc/shadow", 0o644);
    open("home/bob", 0o777);
    assert_eq!(
        said(&look(dir.path()).findings),
        [
            "high access.shadow-permissions /etc/shadow",
            "high access.home-permissions bob",
            "medium access.ssh-authorized-key-weak ann",
            "high access.ssh-authorized-keys-writable ann",
        ]
    );
}

#[test]
fn links_that_point_outside_stay_inside() {
    let dir = healthy();
    for (link, target, at, text) in [
        ("etc/shadow", "../../../../../../../etc/inside-shadow", "etc/inside-shadow", SHADOW),
        ("etc/passwd", "/etc/inside-passwd", "etc/inside-passwd", PASSWD),
        ("etc/ssh/sshd_config", "/../../etc/inside-sshd", "etc/inside-sshd", "PermitRootLogin yes\n"),
    ] {
        put(&dir, at, text, 0o640);
        fs::remove_file(dir.path().join(link)).unwrap();
        symlink(target, dir.path().join(link)).unwrap();
    }
    let inside = look(dir.path());
    assert!(said(&inside.findings).contains(&"high access.ssh-root-login sshd_config".to_owned()));
    assert!(inside.findings.iter().all(|f| f.state == FindingState::Open), "{:?}", said(&inside.findings));

    // the same names exist outside, on this machine: none of its accounts may come in
    for (link, target) in [("etc/shadow", "../../../../etc/shadow"), ("etc/passwd", "/proc/self/root/etc/passwd")] {
        fs::remove_file(dir.path().join(link)).unwrap();
        symlink(target, dir.path().join(link)).unwrap();
    }
    let outside = look(dir.path());
    let empty = outside.sections["accounts"]["list"].as_array().is_some_and(Vec::is_empty);
    assert!(empty, "accounts from outside the root: {:?}", outside.sections["accounts"]);
    assert!(outside.findings.iter().any(|f| f.check == "access.empty-password" && f.state == FindingState::Unknown));
}

#[test]
fn no_hash_and_no_key_leaves_the_look() {
    let dir = healthy();
    put(
        &dir,
        "home/ann/.ssh/authorized_keys",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZfcOWOerQVvGUTZwsX76I5uIR2A3En/wMfvlAKk72V ann\n",
        0o600,
    );
    let look = look(dir.path());
    let all = format!("{:?} {:?}", look.sections, look.findings);
    for secret in ["BBBBBBBB", "DDDDDDDD", "j9T", "PZfcOWOerQVv"] {
        assert!(!all.contains(secret), "{secret} is in the look");
    }
}

#[test]
fn a_running_host_is_looked_at_in_less_than_a_second() {
    let host = Host { id: "here".parse().unwrap(), root: Root::live() };
    let began = std::time::Instant::now();
    let look = palisade_access::guard().observer.look(&host, Timestamp::now());
    let took = began.elapsed();
    assert_eq!(look.error, None);
    assert!(
        look.sections["accounts"]["list"].as_array().is_some_and(|list| !list.is_empty()),
        "no account on this host"
    );
    println!("looked at this host in {took:?}: sshd settings from {}", look.sections["sshd"]["source"]);
    assert!(took.as_secs() < 1, "{took:?}");
}
