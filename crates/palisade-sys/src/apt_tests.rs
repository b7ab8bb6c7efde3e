//! What apt would upgrade: archives, backports, phases, packed lists, and how long it takes.

#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;
use std::io::Write;
use std::time::Instant;

const SOURCES: &str = "\
Types: deb
URIs: http://deb.example.org/debian
Suites: bookworm bookworm-backports
Components: main

Types: deb
URIs: http://deb.example.org/debian-security
Suites: bookworm-security
Components: main
";
const STATUS: &str = "\
Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.0.14-1~deb12u1

Package: tzdata
Status: hold ok installed
Architecture: all
Version: 2024a-0+deb12u1

Package: tool
Status: install ok installed
Architecture: amd64
Version: 1.0-1

Package: fresh
Status: install ok installed
Architecture: amd64
Version: 2.0-1~bpo12+1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 0.1
";
const MAIN: &str = "\
Package: openssl
Version: 3.0.14-1~deb12u2
Architecture: amd64

Package: tzdata
Version: 2024b-0+deb12u1
Architecture: all
Phased-Update-Percentage: 40

Package: tool
Version: 1.0-1
Architecture: amd64

Package: tool
Version: 1.0-2
Architecture: arm64

Package: gone
Version: 9
Architecture: amd64
";
const SECURITY: &str = "Package: openssl\nArchitecture: amd64\nVersion: 3.0.15-1~deb12u1\n";
const BACKPORTS: &str = "\
Package: tool
Version: 9.0-1~bpo12+1
Architecture: amd64

Package: fresh
Version: 2.0-2~bpo12+1
Architecture: amd64
";

fn release(suite: &str, codename: &str, more: &str) -> String {
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nLabel: Debian\nSuite: {suite}\nCodename: {codename}\n\
         Date: Sat, 10 Aug 2024 09:21:32 UTC\nValid-Until: Sat, 17 Aug 2024 09:21:32 UTC\n{more}SHA256:\n 00 1 main/x\n"
    )
}

fn host() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for sub in ["etc/apt/sources.list.d", "var/lib/apt/lists/partial", "var/lib/dpkg"] {
        fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    let write = |path: &str, text: &str| fs::write(dir.path().join(path), text).unwrap();
    write("etc/apt/sources.list.d/debian.sources", SOURCES);
    write("var/lib/dpkg/status", STATUS);
    let list = |place: &str, suite: &str, text: &str, release: String| {
        let base = format!("var/lib/apt/lists/deb.example.org_{place}_dists_{suite}_");
        write(&format!("{base}InRelease"), &release);
        write(&format!("{base}main_binary-amd64_Packages"), text);
    };
    list("debian", "bookworm", MAIN, release("oldstable", "bookworm", ""));
    list("debian-security", "bookworm-security", SECURITY, release("oldstable-security", "bookworm-security", ""));
    let backports = "NotAutomatic: yes\nButAutomaticUpgrades: yes\n";
    list("debian", "bookworm-backports", BACKPORTS, release("oldstable-backports", "bookworm-backports", backports));
    list("other", "left", "Package: openssl\nVersion: 99\nArchitecture: amd64\n", release("left", "left", ""));
    dir
}

fn apt(dir: &tempfile::TempDir) -> Arc<Apt> {
    system(&Root::scratch(dir.path()).unwrap()).unwrap().1
}

fn said(apt: &Apt) -> Vec<String> {
    let line =
        |u: &Update| format!("{} {} {} {} {:?}", u.package.name, u.candidate, u.security, u.archive, u.phased_percent);
    apt.updates.iter().map(line).collect()
}

const EXPECTED: [&str; 3] = [
    "fresh 2.0-2~bpo12+1 false bookworm-backports None",
    "openssl 3.0.15-1~deb12u1 true bookworm-security None",
    "tzdata 2024b-0+deb12u1 false bookworm Some(40)",
];

#[test]
fn the_candidates_are_those_that_apt_would_take() {
    let apt = apt(&host());
    assert_eq!(said(&apt), EXPECTED);
    assert_eq!((apt.lists, apt.unread.len(), apt.sources.len()), (3, 0, 3));
    assert!(apt.sources.iter().all(|s| s.listed) && apt.updated_at.is_some());
    let security = apt.archives.iter().find(|a| a.security).unwrap();
    assert_eq!(security.valid_until.map(|t| t.to_string()).as_deref(), Some("2024-08-17T09:21:32Z"));
}

#[test]
fn lists_packed_with_lz4_say_the_same_and_others_are_told() {
    let dir = host();
    let base = dir.path().join("var/lib/apt/lists/deb.example.org_debian_dists_bookworm_main_binary-amd64_Packages");
    fs::remove_file(&base).unwrap();
    let mut packed = lz4_flex::frame::FrameEncoder::new(Vec::new());
    packed.write_all(MAIN.as_bytes()).unwrap();
    fs::write(format!("{}.lz4", base.display()), packed.finish().unwrap()).unwrap();
    let gzip = "deb.example.org_debian_dists_bookworm_contrib_binary-amd64_Packages.gz";
    fs::write(dir.path().join("var/lib/apt/lists").join(gzip), [0x1f, 0x8b, 8, 0]).unwrap();
    let apt = apt(&dir);
    assert_eq!(said(&apt), EXPECTED);
    assert_eq!(apt.unread, [format!("{gzip}: gzip: lists packed so are not read yet")]);
}

#[test]
fn a_cut_lz4_list_is_told_and_not_taken_for_an_empty_one() {
    let dir = host();
    let list = dir.path().join("var/lib/apt/lists/deb.example.org_debian_dists_bookworm_main_binary-amd64_Packages");
    fs::write(&list, [0x04, 0x22, 0x4d, 0x18, 0x64, 0x40]).unwrap();
    assert_eq!(apt(&dir).unread.len(), 1);
}

#[test]
fn the_answer_changes_when_a_package_was_upgraded() {
    let dir = host();
    assert_eq!(apt(&dir).updates.len(), 3);
    let newer = STATUS.replace("3.0.14-1~deb12u1", "3.0.15-1~deb12u1\nX: more");
    fs::write(dir.path().join("var/lib/dpkg/status"), newer).unwrap();
    assert_eq!(apt(&dir).updates.len(), 2);
}

#[test]
fn pins_are_told() {
    let dir = host();
    fs::create_dir_all(dir.path().join("etc/apt/preferences.d")).unwrap();
    fs::write(
        dir.path().join("etc/apt/preferences.d/hold"),
        "Package: openssl\nPin: version 3.0.14*\nPin-Priority: 1001\n",
    )
    .unwrap();
    assert_eq!(apt(&dir).pins, ["/etc/apt/preferences.d/hold"]);
}

#[test]
fn a_host_without_lists_was_never_updated() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("var/lib/dpkg")).unwrap();
    fs::write(dir.path().join("var/lib/dpkg/status"), STATUS).unwrap();
    let apt = apt(&dir);
    assert_eq!((apt.lists, apt.updated_at, apt.updates.len()), (0, None, 0));
}

#[test]
fn a_list_of_65_000_packages_is_read_in_one_pass() {
    let dir = host();
    let path = dir.path().join("var/lib/apt/lists/deb.example.org_debian_dists_bookworm_main_binary-amd64_Packages");
    let mut text = String::with_capacity(60 << 20);
    let description = "x".repeat(600);
    for n in 0..65_000 {
        text.push_str(&format!("Package: package-{n}\nVersion: 1.{n}-1\nArchitecture: amd64\nDepends: libc6 (>= 2.36)\nDescription: {description}\n\n"));
    }
    text.push_str(MAIN);
    fs::write(&path, text).unwrap();
    let begun = Instant::now();
    let all = apt(&dir);
    let first = begun.elapsed();
    let begun = Instant::now();
    apt(&dir);
    println!("65,000 packages: {first:?}, again {:?}", begun.elapsed());
    assert_eq!(said(&all), EXPECTED);
}

#[test]
fn the_running_system_is_read() {
    let root = Root::live();
    let Ok(packages) = dpkg::packages(&root) else {
        println!("skipped: no dpkg here");
        return;
    };
    let begun = Instant::now();
    let apt = read(&root, &packages).unwrap();
    let security = apt.updates.iter().filter(|u| u.security).count();
    println!(
        "{} updates ({security} security) from {} lists in {:?}; unread {:?}",
        apt.updates.len(),
        apt.lists,
        begun.elapsed(),
        apt.unread
    );
}
