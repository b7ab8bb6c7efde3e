//! The reader against the real `sshd -T`, in a mount namespace of the test's own thread.

use super::*;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;

const CONFIGURED: &str = "\
Include /etc/ssh/sshd_config.d/*.conf
Port 22
Port 30022
PermitRootLogin without-password
permitrootlogin yes
PasswordAuthentication=no
ChallengeResponseAuthentication no
UsePAM yes
LoginGraceTime 2m
MaxAuthTries \"4\"
X11Forwarding yes # for one program
HostKey /etc/ssh/ssh_host_ed25519_key
Match User nobody
    X11Forwarding no
    MaxAuthTries 9
Match all
    StrictModes no
    PermitTTY no
";

/// Puts `config` in place of `/etc/ssh/sshd_config`, for this thread only. `None` where that is not
/// possible; fails closed: without proof of a namespace of its own nothing is mounted.
fn with_config(config: &str) -> Option<tempfile::TempDir> {
    let id = || fs::read_link("/proc/thread-self/ns/mnt").ok();
    let before = id()?;
    unshare(CloneFlags::CLONE_NEWNS).ok()?;
    if id().is_none_or(|after| after == before) {
        return None;
    }
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).ok()?;
    let dir = tempfile::tempdir().ok()?;
    fs::write(dir.path().join("config"), config).ok()?;
    mount(Some(&dir.path().join("config")), CONFIG, nothing, MsFlags::MS_BIND, nothing).ok()?;
    mount(Some("none"), "/run", Some("tmpfs"), MsFlags::empty(), nothing).ok()?;
    fs::create_dir("/run/sshd").ok()?; // Debian's sshd refuses to print anything without it
    Some(dir)
}

fn as_seconds(value: &str) -> &str {
    if value == "2m" { "120" } else { value }
}

#[test]
fn the_files_say_what_the_real_server_says() {
    if !effective::PROGRAMS.iter().any(|path| fs::exists(path).unwrap_or(false)) {
        println!("skipped: no sshd is installed");
        return;
    }
    let Some(_dir) = with_config(CONFIGURED) else {
        println!("skipped: no right to make a mount namespace");
        return;
    };
    let root = Root::live();
    let effective = sshd(&root);
    if let Some(why) = &effective.fallback {
        println!("skipped: {why}");
        return;
    }
    assert_eq!(effective.source, Source::Effective);
    let files = config::read(&root);
    let plain = |value: &str| value.to_ascii_lowercase().replace("without-password", "prohibit-password");
    for (keyword, _) in DEFAULTS.iter().filter(|(keyword, _)| *keyword != "protocol") {
        let (read, asked) = (files.get(keyword), effective.get(keyword));
        assert_eq!(plain(as_seconds(&read.value)), plain(&asked.value), "{keyword}");
    }
    assert_eq!(effective.get("port").value, "22 30022");
    assert_eq!(effective.get("permitrootlogin").line, 4, "the place is known from the file");
    assert!(effective.matched.iter().any(|s| s.keyword == "maxauthtries" && s.value == "9"));
}
