//! Who owns which file: merged `/usr`, diversions, changed lists, the running system.

#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;
use std::time::Instant;

fn root(merged: bool, files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
    if merged {
        std::os::unix::fs::symlink("usr/bin", dir.path().join("bin")).unwrap();
    } else {
        fs::create_dir(dir.path().join("bin")).unwrap();
    }
    fs::create_dir_all(dir.path().join("var/lib/dpkg/info")).unwrap();
    for (path, text) in files {
        fs::write(dir.path().join(path), text).unwrap();
    }
    let root = Root::scratch(dir.path()).unwrap();
    (dir, root)
}

const LISTS: &[(&str, &str)] = &[
    ("var/lib/dpkg/info/bash.list", "/.\n/bin\n/bin/bash\n/usr/share/doc/bash\n"),
    ("var/lib/dpkg/info/coreutils.list", "/.\n/bin/ls\n/usr/bin/env\n"),
    ("var/lib/dpkg/info/libc6:amd64.list", "/lib/x86_64-linux-gnu/libc.so.6\n"),
    ("var/lib/dpkg/info/bash.conffiles", "/etc/bash.bashrc\n"),
];

fn owner(root: &Root, path: &str) -> Option<String> {
    let all = Owners::load(root).unwrap().owner_of(Path::new(path)).map(str::to_owned);
    let few = owners_of(root, &[PathBuf::from(path)]).unwrap().remove(Path::new(path));
    assert_eq!(all, few, "both ways say the same about {path}");
    all
}

#[test]
fn a_file_is_found_with_and_without_usr_where_usr_is_merged() {
    let (_dir, root) = root(true, LISTS);
    assert_eq!(owner(&root, "/usr/bin/bash").as_deref(), Some("bash"));
    assert_eq!(owner(&root, "/bin/bash").as_deref(), Some("bash"));
    assert_eq!(owner(&root, "/bin/env").as_deref(), Some("coreutils"));
    assert_eq!(owner(&root, "/usr/lib/x86_64-linux-gnu/libc.so.6").as_deref(), Some("libc6"));
    assert_eq!(owner(&root, "/bin/binx"), None);
    assert_eq!(owner(&root, "/etc/bash.bashrc"), None);
}

#[test]
fn without_the_merge_bin_and_usr_bin_are_two_places() {
    let (_dir, root) = root(false, LISTS);
    assert_eq!(owner(&root, "/bin/bash").as_deref(), Some("bash"));
    assert_eq!(owner(&root, "/usr/bin/bash"), None);
}

#[test]
fn a_diverted_file_belongs_to_the_package_that_diverts() {
    let mut files = LISTS.to_vec();
    files.push(("var/lib/dpkg/info/mine.list", "/usr/bin/env\n"));
    files.push(("var/lib/dpkg/diversions", "/usr/bin/env\n/usr/bin/env.real\nmine\n"));
    let (_dir, root) = root(true, &files);
    assert_eq!(owner(&root, "/usr/bin/env").as_deref(), Some("mine"));
    assert_eq!(owner(&root, "/usr/bin/env.real").as_deref(), Some("coreutils"));
}

#[test]
fn a_new_package_is_seen_at_the_next_call() {
    let (dir, root) = root(true, LISTS);
    assert_eq!(owner(&root, "/usr/bin/new"), None);
    let changed = |n: u64| {
        // a directory's time has the grain of the kernel's tick: set it, so that it surely differs
        let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n);
        fs::File::open(dir.path().join("var/lib/dpkg/info")).unwrap().set_modified(at).unwrap();
    };
    fs::write(dir.path().join("var/lib/dpkg/info/new.list"), "/usr/bin/new\n").unwrap();
    changed(1_700_000_000);
    assert_eq!(owner(&root, "/usr/bin/new").as_deref(), Some("new"));
}

#[test]
fn a_system_without_dpkg_is_an_error_and_not_a_system_without_owners() {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::scratch(dir.path()).unwrap();
    assert!(Owners::load(&root).unwrap_err().is_not_found());
    assert!(owners_of(&root, &[]).unwrap_err().is_not_found());
}

#[test]
fn distroless_images_are_known_by_their_digests() {
    let (dir, root) = root(true, &[]);
    fs::create_dir(dir.path().join("var/lib/dpkg/status.d")).unwrap();
    fs::write(dir.path().join("var/lib/dpkg/status.d/base.md5sums"), "d41d8cd98f00b204e9800998ecf8427e  usr/bin/a b\n")
        .unwrap();
    assert_eq!(owner(&root, "/usr/bin/a b").as_deref(), Some("base"));
}

#[test]
fn hostile_lists_are_read_without_panic() {
    let long = "x".repeat(1 << 20);
    let list = format!("\n\u{1b}[31m\nrelative/path\n/{long}\n/usr/bin/ok");
    let (_dir, root) = root(true, &[("var/lib/dpkg/info/a.list", &list), ("var/lib/dpkg/diversions", "/x\n/y\n")]);
    assert_eq!(owner(&root, "/usr/bin/ok").as_deref(), Some("a"));
}

#[test]
fn the_running_system_is_read_and_the_second_call_costs_a_stat() {
    let root = Root::live();
    let begun = Instant::now();
    let Ok(owners) = Owners::load(&root) else {
        println!("skipped: no dpkg here");
        return;
    };
    let load = begun.elapsed();
    let begun = Instant::now();
    let bash = Owners::load(&root).unwrap().owner_of(Path::new("/bin/bash")).map(str::to_owned);
    let again = begun.elapsed();
    let begun = Instant::now();
    let few = owners_of(&root, &["/usr/bin/bash".into(), "/usr/bin/dpkg".into()]).unwrap();
    println!("{} paths: load {load:?}, again {again:?}, few {:?}", owners.len(), begun.elapsed());
    assert_eq!(bash.as_deref(), few.get(Path::new("/usr/bin/bash")).map(String::as_str));
}
