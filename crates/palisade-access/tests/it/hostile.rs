//! Whatever the files of a host hold, the look ends, and its commands stay harmless.

use palisade_access::guard;
use palisade_core::Timestamp;
use palisade_guard::Host;
use palisade_sys::Root;
use proptest::prelude::*;
use std::fs;

const FILES: [&str; 8] = [
    "etc/passwd",
    "etc/shadow",
    "etc/group",
    "etc/sudoers",
    "etc/login.defs",
    "etc/pam.d/common-password",
    "etc/security/pwquality.conf",
    "etc/ssh/sshd_config",
];

fn scratch(bytes: impl Fn(&str) -> Vec<u8>) -> (tempfile::TempDir, Host) {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["etc/ssh", "etc/pam.d", "etc/security"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    for file in FILES {
        fs::write(dir.path().join(file), bytes(file)).unwrap();
    }
    let host = Host { id: "web-1".parse().unwrap(), root: Root::scratch(dir.path()).unwrap() };
    (dir, host)
}

#[test]
fn a_name_that_is_a_command_never_gets_into_one() {
    let name = "x;touch${IFS}owned";
    let (_dir, host) = scratch(|file| match file {
        "etc/passwd" => format!("root:x:0:0::/root:/bin/sh\n{name}::0:0::/tmp/$(id):/bin/sh\n").into_bytes(),
        _ => Vec::new(),
    });
    let look = guard().observer.look(&host, Timestamp::now());
    assert!(look.findings.iter().any(|f| f.check == "access.empty-password" && f.object == name));
    let commands: Vec<_> = look.findings.iter().filter_map(|f| f.fix.command.as_ref()).collect();
    assert!(commands.iter().all(|c| !c.contains("owned") && !c.contains("$(")), "{commands:?}");
}

#[test]
fn a_line_of_a_megabyte_and_half_a_row_do_no_harm() {
    let (_dir, host) = scratch(|_| {
        let mut bytes = vec![b'a'; 1 << 20];
        bytes.extend(b"\n\xff\xfe\x00\x1b[31m:x:0:0:::\nroot:x:0:0:root:/root:/bin/sh\nroot:x:0");
        bytes
    });
    let look = guard().observer.look(&host, Timestamp::now());
    assert_eq!(look.error, None);
    assert!(look.findings.iter().all(|f| f.evidence.len() < 4_096 && f.object.len() < 512));
}

#[test]
fn fifty_thousand_accounts_are_judged_within_seconds() {
    let row = |i: u32| format!("u{i}:x:{}:{}::/home/u{i}:/bin/bash\n", 1_000 + i, 1_000 + i);
    let (_dir, host) = scratch(|file| match file {
        "etc/passwd" => (0..60_000).map(row).collect::<String>().into_bytes(),
        "etc/shadow" => (0..60_000).map(|i| format!("u{i}::1:::::::\n")).collect::<String>().into_bytes(),
        _ => Vec::new(),
    });
    let began = std::time::Instant::now();
    let look = guard().observer.look(&host, "2026-11-22T12:00:00Z".parse().unwrap());
    assert_eq!(look.sections["accounts"]["list"].as_array().map(Vec::len), Some(50_000));
    assert_eq!(look.sections["accounts"]["skipped"], 20_000);
    assert!(look.findings.len() < 1_000, "{} findings", look.findings.len());
    println!("60,000 rows in {:?}", began.elapsed());
    assert!(began.elapsed().as_secs() < 60);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_content_of_the_files_stops_the_look(bytes in proptest::collection::vec(any::<u8>(), 0..400), rows in "([a-z$!*:x0-9=,% \t\\[\\]-]{0,60}\n){0,8}") {
        let (_dir, host) = scratch(|file| if file.len() % 2 == 0 { bytes.clone() } else { rows.clone().into_bytes() });
        let look = guard().observer.look(&host, Timestamp::now());
        prop_assert_eq!(look.error, None);
    }
}
