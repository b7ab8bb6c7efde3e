//! Whole hosts, from their files to their findings.

use palisade_core::{CheckOutcome, State};
use palisade_core::{Judgement, Severity, judge, practice};
use palisade_guard::{Host, Look};
use palisade_sys::Root;
use std::fs;
use std::path::Path;

fn look(root: Root) -> Look {
    let host = Host { id: "web-1".parse().unwrap(), root };
    let look = palisade_upgrade::guard().observer.look(&host, "2026-11-22T12:00:00Z".parse().unwrap());
    assert_eq!(look.error, None);
    look
}

fn scratch(files: &[(&str, &str)]) -> Look {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    look(Root::scratch(dir.path()).unwrap())
}

fn state(look: &Look) -> State {
    judge(practice("os-upgrade").unwrap(), Judgement { served: true, runs: &look.runs, findings: &look.findings }).state
}

const STATUS: &str = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.14-1~deb12u1\n";
const DEBIAN_12: &[(&str, &str)] = &[
    ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
    ("etc/apt/sources.list", "deb http://deb.example.org/debian-security bookworm-security main\n"),
    ("etc/apt/apt.conf.d/20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"1\";\n"),
    ("var/lib/dpkg/status", STATUS),
    (
        "var/lib/apt/lists/deb.example.org_debian-security_dists_bookworm-security_InRelease",
        "Origin: Debian\nLabel: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\nDate: Sat, 21 Nov 2026 09:21:32 UTC\n",
    ),
    (
        "var/lib/apt/lists/deb.example.org_debian-security_dists_bookworm-security_main_binary-amd64_Packages",
        "Package: openssl\nArchitecture: amd64\nVersion: 3.0.15-1~deb12u1\n",
    ),
];

#[test]
fn a_security_update_of_a_debian_host_is_found_with_its_command() {
    let look = scratch(DEBIAN_12);
    let finding = look.findings.iter().find(|f| f.check == "upgrade.security-pending").unwrap();
    assert_eq!(finding.evidence, "openssl 3.0.14-1~deb12u1 → 3.0.15-1~deb12u1, from bookworm-security");
    assert_eq!(finding.fix.command.as_deref(), Some("apt-get install --only-upgrade openssl"));
    assert_eq!((finding.severity, state(&look)), (Severity::High, State::Bad));
    assert!(look.runs.iter().all(|r| r.check != "upgrade.reboot-needed"), "a scratch root has no kernel");
}

#[test]
fn an_rpm_host_is_never_good() {
    let rhel = ("etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4\"\n");
    let look = scratch(&[rhel, ("var/lib/rpm/rpmdb.sqlite", "")]);
    assert_eq!(state(&look), State::Attention);
    assert!(look.findings.iter().any(|f| f.evidence == "reading rpm databases is not built yet"));
}

#[test]
fn an_empty_root_is_unknown_and_never_good() {
    let look = scratch(&[]);
    assert!(look.runs.iter().all(|r| r.outcome == CheckOutcome::Unknown));
    assert_eq!(state(&look), State::Unknown);
}

#[test]
fn an_image_without_a_package_manager_is_told_as_such() {
    let look = scratch(&[("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12.4\n")]);
    assert!(look.findings.iter().any(|f| f.evidence.starts_with("this image has packages but no package manager")));
}

#[test]
fn the_running_system_is_looked_at() {
    let first = std::time::Instant::now();
    look(Root::live());
    let first = first.elapsed();
    let again = std::time::Instant::now();
    let look = look(Root::live());
    println!("look {first:?}, again {:?}, {} findings", again.elapsed(), look.findings.len());
    for finding in look.findings.iter().filter(|f| f.check != "upgrade.security-pending") {
        println!("{} {} {} | {:.150}", finding.severity, finding.check, finding.object, finding.evidence);
    }
    assert!(Path::new("/proc/self").exists() == look.sections["state"]["services"].is_object());
}
