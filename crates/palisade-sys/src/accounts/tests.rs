//! What the account files of real distributions say, and what nonsense does to the reader.

use super::*;
use proptest::prelude::*;

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
sshd:x:104:65534::/run/sshd:/usr/sbin/nologin
ubuntu:x:1000:1000:Ubuntu,,,:/home/ubuntu:/bin/bash
ann:x:1001:1001:Ann:/home/ann:/bin/zsh
old:$1$abcdefgh$0123456789abcdefghijkl:1002:1002::/home/old:
";
const SHADOW: &str = "\
root:*:19800:0:99999:7:::
daemon:*:19800:0:99999:7:::
sync:*:19800:0:99999:7:::
sshd:!:19800::::::
ubuntu:!$y$j9T$abcdefghij$klmnopqrstuvwxyz:20000:0:99999:7:::
ann:$6$saltsalt$abcdefgh:20100:1:90:7:30:21000:
";
const GROUP: &str = "root:x:0:\nsudo:x:27:ubuntu,ann\nadm:x:4:ubuntu\nubuntu:x:1000:\nann:x:1001:\n";

fn find<'a>(accounts: &'a Accounts, name: &str) -> &'a Account {
    accounts.list.iter().find(|a| a.name == name).expect("the account is in the list")
}

#[test]
fn a_debian_host_reads_as_it_is() {
    let accounts = parse(PASSWD, Some(SHADOW), GROUP, Vec::new());
    assert_eq!((accounts.list.len(), accounts.skipped), (7, 0));
    assert_eq!(find(&accounts, "root").password, PasswordState::Disabled);
    assert_eq!(find(&accounts, "sshd").password, PasswordState::Disabled);
    let ubuntu = find(&accounts, "ubuntu");
    assert_eq!(ubuntu.password, PasswordState::Locked);
    assert_eq!(ubuntu.groups, ["ubuntu", "sudo", "adm"]);
    assert!(ubuntu.sudo && !ubuntu.can_log_in_by_password());
    let ann = find(&accounts, "ann");
    assert_eq!(ann.password, PasswordState::Hash { scheme: HashScheme::Sha512 });
    assert_eq!((ann.last_change, ann.min_days, ann.max_days), (Some(20100), Some(1), Some(90)));
    assert_eq!((ann.inactive, ann.expire, ann.line), (Some(30), Some(21000), 6));
    assert!(ann.can_log_in_by_password());
    assert!(!find(&accounts, "sync").has_login_shell());
}

#[test]
fn a_hash_in_passwd_counts_and_is_said_to_be_unshadowed() {
    let accounts = parse(PASSWD, Some(SHADOW), GROUP, Vec::new());
    let old = find(&accounts, "old");
    assert_eq!(old.password, PasswordState::Hash { scheme: HashScheme::Md5 });
    assert!(old.unshadowed && old.has_login_shell(), "an empty shell is /bin/sh");
}

#[test]
fn without_shadow_the_states_are_unknown_and_no_error() {
    let accounts = parse(PASSWD, None, GROUP, Vec::new());
    assert_eq!(find(&accounts, "ann").password, PasswordState::Unknown);
    assert_eq!(find(&accounts, "old").password, PasswordState::Hash { scheme: HashScheme::Md5 });
}

#[test]
fn every_scheme_is_told_by_its_prefix() {
    use HashScheme::*;
    for (field, scheme) in [
        ("abJnggxhB/yWI", Des),
        ("_J9..K0AyUubRk", Bsdi),
        ("$1$x$y", Md5),
        ("$2b$12$abc", Bcrypt),
        ("$3$$8846f7eaee8fb117", Nt),
        ("$5$x$y", Sha256),
        ("$6$rounds=5000$x$y", Sha512),
        ("$7$CU..../.....", Scrypt),
        ("$y$j9T$x$y", Yescrypt),
        ("$gy$j9T$x$y", Gost),
        ("$argon2id$v=19$x", Other),
    ] {
        assert_eq!(shadow::state(field), PasswordState::Hash { scheme }, "{field}");
        assert_eq!(shadow::state(&format!("!{field}")), PasswordState::Locked, "!{field}");
    }
    for field in ["*", "!", "!!", "!*", "*LK*", "NP", "x"] {
        assert_eq!(shadow::state(field), PasswordState::Disabled, "{field}");
    }
    assert_eq!(shadow::state(""), PasswordState::None);
}

#[test]
fn rows_that_make_no_sense_are_counted() {
    let passwd = "a:x:0\nb:x:-1:0::/:/bin/sh\n+::::::\n\n# no\nc:x:99999999999:0::/:/bin/sh\n\u{fffd}:x:5:5::/:\n";
    let accounts = parse(passwd, Some("c\n"), "g:x:y:z\n", Vec::new());
    assert_eq!((accounts.list.len(), accounts.skipped), (1, 6));
}

#[test]
fn a_short_row_is_an_account_as_it_is_for_the_c_library() {
    let accounts = parse("toor::0:0\nann:x:1:1\n", Some("ann:\n"), "", Vec::new());
    assert_eq!(accounts.list[0].password, PasswordState::None);
    assert_eq!(accounts.list[1].password, PasswordState::None);
}

#[test]
fn the_hash_is_never_serialised() {
    let accounts = parse(PASSWD, Some(SHADOW), GROUP, Vec::new());
    let said = format!("{accounts:?}");
    assert!(!said.contains("klmnop") && !said.contains("saltsalt") && !said.contains("0123456789"), "{said}");
}

#[test]
fn sudoers_tells_who_and_whether_a_password_is_asked_for() {
    let text = "\
Defaults\tenv_reset, mail_badpass
Cmnd_Alias SHELLS = /bin/sh
User_Alias ADMINS = ann, %ops : OTHERS = bob
root\tALL=(ALL:ALL) ALL
%sudo ALL=(ALL:ALL) ALL # all of them
ADMINS, eve ALL = (root, www-data) NOPASSWD: /bin/ls, \\
    PASSWD: /bin/cat
#1003 ALL=(ALL) NOPASSWD: ALL
ops ALL=(ALL) NOPASSWD:SETENV: /bin/ls, ALL
#include /etc/more
@includedir /etc/sudoers.d
";
    let rules = sudoers::parse("/etc/sudoers", text);
    let said: Vec<_> = rules.iter().map(|r| format!("{} {} {}", r.line, r.who.join(","), r.nopasswd_all)).collect();
    assert_eq!(said, ["4 root false", "5 %sudo false", "6 eve,ann,%ops false", "8 #1003 true", "9 ops true"],);
    assert_eq!(rules[1].text, "%sudo ALL=(ALL:ALL) ALL");
    let accounts = parse(PASSWD, Some(SHADOW), "", rules);
    assert!(find(&accounts, "ann").sudo && find(&accounts, "root").sudo && !find(&accounts, "sshd").sudo);
}

#[test]
fn defaults_that_switch_the_password_off_are_a_rule() {
    let rules =
        sudoers::parse("f", "Defaults !authenticate\nDefaults:ann !authenticate\nDefaults!SHELLS !authenticate\n");
    let said: Vec<_> = rules.iter().map(|r| (r.who.join(","), r.nopasswd_all)).collect();
    assert_eq!(said, [("ALL".to_owned(), true), ("ann".to_owned(), true)]);
}

#[test]
fn aliases_that_contain_each_other_end() {
    let rules = sudoers::parse("f", "User_Alias A = B\nUser_Alias B = A\nA ALL=(ALL) ALL\n");
    assert_eq!(rules.len(), 1);
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(passwd in "\\PC{0,80}(:[\\PC\n]{0,10}){0,12}", shadow in ".{0,200}", sudo in "[#@a-zA-Z_=(),:! \\\\\n\"%0-9é]{0,300}") {
        parse(&passwd, Some(&shadow), &passwd, sudoers::parse("f", &sudo));
    }

    #[test]
    fn a_row_comes_back_as_it_was_written(name in "[a-z_][a-z0-9_-]{0,30}", uid: u32, gid: u32, days in 0u32..100_000) {
        let accounts = parse(&format!("{name}:x:{uid}:{gid}:g:/h:/bin/sh\n"), Some(&format!("{name}:$y$x:{days}:0:90:7:::\n")), "", Vec::new());
        let account = &accounts.list[0];
        prop_assert_eq!((&account.name, account.uid, account.gid, account.last_change), (&name, uid, gid, Some(days)));
    }
}
