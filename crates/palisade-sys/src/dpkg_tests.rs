//! Status files as they are written, and as they are broken.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::fs;

/// Debian 12, cut down.
const DEBIAN_12: &str = "\
Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 12986
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u10
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library: Shared libraries
 Contains the standard libraries.
 .
 Version: 9.9 in a description is no field

Package: bash
Essential: yes
Status: hold ok installed
Architecture: amd64
Version: 5.2.15-2+b7
Source: bash (5.2.15-2)

Package: nginx
Status: install ok half-configured
Architecture: amd64
Version: 1.22.1-9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0
";

fn read(text: &[u8]) -> Vec<Package> {
    let mut out = Vec::new();
    read_status(text, &mut out).unwrap();
    out
}

#[test]
fn a_status_file_of_debian_12_is_read() {
    let all = read(DEBIAN_12.as_bytes());
    let said: Vec<_> = all.iter().map(|p| (p.name.as_str(), p.version.as_str(), p.state)).collect();
    assert_eq!(
        said,
        [
            ("libc6", "2.36-9+deb12u10", PackageState::Installed),
            ("bash", "5.2.15-2+b7", PackageState::Installed),
            ("nginx", "1.22.1-9", PackageState::HalfConfigured),
            ("gone", "1.0", PackageState::ConfigFiles),
        ]
    );
    assert_eq!((all[0].source.as_str(), all[0].source_version.as_str()), ("glibc", "2.36-9+deb12u10"));
    assert_eq!((all[1].source.as_str(), all[1].source_version.as_str()), ("bash", "5.2.15-2"));
    assert_eq!((all[1].selection, all[1].essential), (Selection::Hold, true));
    assert_eq!(all.iter().filter(|p| p.is_installed()).count(), 2);
}

#[test]
fn a_missing_blank_line_does_not_melt_two_packages_into_one() {
    let all = read(DEBIAN_12.replace("\n\n", "\n").as_bytes());
    assert_eq!(all, read(DEBIAN_12.as_bytes()));
}

#[test]
fn half_a_version_at_the_end_of_a_cut_file_is_no_version() {
    let cut = "Package: a\nStatus: install ok installed\nVersion: 1.2.3\n\nPackage: b\nStatus: install ok installed\nVersion: 1.2";
    assert_eq!(read(cut.as_bytes()).len(), 1);
}

#[test]
fn names_and_versions_with_forbidden_characters_are_passed_over() {
    for bad in [
        "Package: a\u{1b}[31m\nVersion: 1\n",
        "Package: a\nVersion: $(reboot)\n",
        "Package: \nVersion: 1\n",
        "Package: a\n",
    ] {
        assert!(read(bad.as_bytes()).is_empty(), "{bad}");
    }
    let long = format!("Package: a\nVersion: 1\nDescription: {}\n\nPackage: b\nVersion: 2\n", "x".repeat(1 << 20));
    assert_eq!(read(long.as_bytes()).len(), 2);
}

#[test]
fn images_without_dpkg_are_read_from_status_d() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().join("var/lib/dpkg/status.d");
    fs::create_dir_all(&d).unwrap();
    fs::write(d.join("base"), "Package: base-files\nVersion: 12.4+deb12u10\nArchitecture: amd64\n").unwrap();
    fs::write(d.join("base.md5sums"), "Package: no\nVersion: 1\n").unwrap();
    let root = Root::scratch(dir.path()).unwrap();
    let names: Vec<_> = installed(&root).unwrap().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["base-files"]);
}

#[test]
fn a_system_without_dpkg_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    assert!(installed(&Root::scratch(dir.path()).unwrap()).unwrap_err().is_not_found());
}

#[test]
fn the_running_system_is_read() {
    let begun = std::time::Instant::now();
    match installed(&Root::live()) {
        Ok(all) => println!("{} packages in {:?}", all.len(), begun.elapsed()),
        Err(error) if error.is_not_found() => println!("skipped: no dpkg here"),
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }

    #[test]
    fn what_is_written_is_read_again(names in proptest::collection::vec("[a-z][a-z0-9+.-]{1,20}", 0..20)) {
        let text: String = names.iter().map(|n| format!("Package: {n}\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2-3\n\n")).collect();
        let read: Vec<_> = read(text.as_bytes()).into_iter().map(|p| p.name).collect();
        prop_assert_eq!(read, names);
    }
}
