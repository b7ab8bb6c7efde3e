//! What is read of a process, on captured and on hostile input.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const SSHD: &[u8] = b"812 (sshd) S 1 812 812 0 -1 4194560 1463 54213 3 26 2 3 145 80 20 0 1 0 611 15835136 2304 18446744073709551615 1 1 0 0 0 0 0 4096 81925 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

#[test]
fn a_stat_line_of_sshd_is_read() {
    let stat = Stat::parse(SSHD).unwrap();
    assert_eq!(
        (stat.name.as_str(), stat.state, stat.ppid, stat.start_ticks, stat.rss_pages),
        ("sshd", 'S', 1, 611, 2304)
    );
    assert_eq!(stat.flags & PF_KTHREAD, 0);
}

#[test]
fn a_name_with_brackets_and_newlines_cannot_shift_the_fields() {
    let hostile = b"7 (a) S 0 0 (\nb) R 3 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 99 0 5 0";
    let stat = Stat::parse(hostile).unwrap();
    assert_eq!((stat.name.as_str(), stat.state, stat.ppid, stat.start_ticks), ("a) S 0 0 (\nb", 'R', 3, 99));
}

#[test]
fn the_unit_is_the_last_service_or_scope_of_systemds_hierarchy() {
    let said = |text: &str| unit(text);
    assert_eq!(said("0::/system.slice/nginx.service\n").as_deref(), Some("nginx.service"));
    assert_eq!(
        said("0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service/sub\n").as_deref(),
        Some("foo.service")
    );
    assert_eq!(said("0::/system.slice/docker-0a1b.scope\n").as_deref(), Some("docker-0a1b.scope"));
    assert_eq!(
        said("12:pids:/x.service\n1:name=systemd:/system.slice/cron.service\n").as_deref(),
        Some("cron.service")
    );
    assert_eq!(said("0::/\n"), None);
}

#[test]
fn arguments_are_joined_and_cut() {
    assert_eq!(cmdline(b"/usr/sbin/sshd\0-D\0\0\0"), "/usr/sbin/sshd -D");
    assert_eq!(cmdline(b""), "");
    assert!(cmdline(&[0xff; CMDLINE_BYTES_MAX]).len() <= CMDLINE_BYTES_MAX);
}

#[test]
fn the_first_name_of_a_user_id_counts() {
    let map = users("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nbad\n:::\n");
    assert_eq!(map.get(&0).map(String::as_str), Some("root"));
}

#[test]
fn this_process_is_listed_as_it_is() {
    let all = processes().unwrap();
    let own = all.iter().find(|p| p.pid == std::process::id()).unwrap();
    assert_eq!(own.exe.as_deref(), std::env::current_exe().ok().as_deref());
    assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
    assert!(!own.exe_deleted && !own.kernel_thread && !own.foreign_root && own.rss_bytes > 0);
    let age_s = Timestamp::now().as_second() - own.started_at.as_second();
    assert!((-2..600).contains(&age_s), "{age_s}");
}

#[test]
fn a_removed_executable_is_told_from_one_that_is_named_so() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, remove: bool| {
        let path = dir.path().join(name);
        std::fs::copy("/bin/sleep", &path).unwrap();
        let mut child = std::process::Command::new(&path).arg("60").spawn().unwrap();
        if remove {
            std::fs::remove_file(&path).unwrap();
        }
        let process = Reader::new().unwrap().process(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        (process.exe.unwrap() == path, process.exe_deleted)
    };
    assert_eq!(run("gone", true), (true, true));
    assert_eq!(run("x (deleted)", false), (true, false));
}

proptest! {
    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = (Stat::parse(&bytes), effective_uid(&bytes), cmdline(&bytes));
        let text = String::from_utf8_lossy(&bytes);
        let _ = (unit(&text), boot_time(&text), users(&text));
    }

    #[test]
    fn any_name_comes_back(name in "[^\0]{0,15}") {
        let line = format!("7 ({name}) S 1 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 99 0 5 0");
        prop_assert_eq!(Stat::parse(line.as_bytes()).unwrap().name, name);
    }
}
