//! sshd_config and key files as distributions and people write them.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::accounts::Account;
use base64::Engine;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const DEBIAN: &str = "\
# This is the sshd server system-wide configuration file.
Include /etc/ssh/sshd_config.d/*.conf

Port 22
Port 2222
#PermitRootLogin prohibit-password
permitROOTlogin=yes # not good
PermitRootLogin no
ChallengeResponseAuthentication no
Banner \"/etc/issue net\"
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
Match User ann,\"bob\" Address 10.0.0.0/8
    PasswordAuthentication yes
    PermitEmptyPasswords yes
Match all
    MaxAuthTries 9
";

fn said(sshd: &Sshd, keyword: &str) -> Vec<String> {
    sshd.all(keyword).iter().map(Setting::to_string).collect()
}

#[test]
fn the_first_value_wins_and_match_blocks_are_told_apart() {
    let sshd = parse(CONFIG, DEBIAN);
    assert_eq!(said(&sshd, "permitrootlogin"), ["permitrootlogin yes, /etc/ssh/sshd_config:7"]);
    assert_eq!(said(&sshd, "port"), ["port 22 2222, /etc/ssh/sshd_config:4"]);
    assert_eq!(
        said(&sshd, "kbdinteractiveauthentication"),
        ["kbdinteractiveauthentication no, /etc/ssh/sshd_config:9"]
    );
    assert_eq!(sshd.get("banner").value, "/etc/issue net");
    assert_eq!(
        said(&sshd, "permitemptypasswords"),
        [
            "permitemptypasswords no, by default",
            "permitemptypasswords yes (Match User ann,bob Address 10.0.0.0/8), /etc/ssh/sshd_config:15"
        ]
    );
    assert_eq!(sshd.get("maxauthtries").value, "9", "what is under `Match all` holds for all");
}

fn scratch() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("etc/ssh/sshd_config.d")).unwrap();
    let root = Root::scratch(dir.path()).unwrap();
    (dir, root)
}

#[test]
fn includes_are_read_in_place_in_order_and_inside_the_root() {
    let (dir, root) = scratch();
    let put = |name: &str, text: &str| fs::write(dir.path().join("etc/ssh").join(name), text).unwrap();
    put("sshd_config", "Include sshd_config.d/*.conf\nPermitRootLogin no\nMatch User x\nInclude extra\n");
    put("sshd_config.d/10-first.conf", "Match Group sftp\nX11Forwarding yes\n");
    put("sshd_config.d/50-cloud.conf", "PasswordAuthentication yes\nPermitRootLogin yes\n");
    put("sshd_config.d/90-note.bak", "MaxAuthTries 1\n");
    put("extra", "MaxAuthTries 12\nInclude extra\n");
    symlink("/etc/ssh/extra", dir.path().join("etc/ssh/sshd_config.d/95-link.conf")).unwrap();
    let sshd = sshd(&root);
    assert_eq!(sshd.source, Source::Files);
    assert_eq!(said(&sshd, "permitrootlogin"), ["permitrootlogin yes, /etc/ssh/sshd_config.d/50-cloud.conf:2"]);
    assert_eq!(
        said(&sshd, "x11forwarding")[1],
        "x11forwarding yes (Match Group sftp), /etc/ssh/sshd_config.d/10-first.conf:2"
    );
    assert_eq!(said(&sshd, "maxauthtries")[0], "maxauthtries 12, /etc/ssh/sshd_config.d/95-link.conf:1");
}

#[test]
fn without_program_and_file_there_is_no_server() {
    let (_dir, root) = scratch();
    assert!(!sshd(&root).is_installed());
}

#[test]
fn what_sshd_prints_replaces_what_was_read_and_keeps_the_place() {
    let mut read = parse(CONFIG, "PermitRootLogin prohibit-password\nCiphers +3des-cbc\nMaxAuthTries 3\n");
    let printed = "port 22\nport 2222\npermitrootlogin without-password\nciphers aes128-ctr,3des-cbc\nmaxauthtries 6\n";
    effective::merge(&mut read, printed);
    assert_eq!(read.source, Source::Effective);
    assert_eq!(said(&read, "port"), ["port 22 2222, by default"]);
    assert_eq!(said(&read, "permitrootlogin"), ["permitrootlogin without-password, /etc/ssh/sshd_config:1"]);
    assert_eq!(said(&read, "ciphers"), ["ciphers aes128-ctr,3des-cbc, /etc/ssh/sshd_config:2"]);
    assert_eq!(said(&read, "maxauthtries"), ["maxauthtries 6, sshd -T"]);
}

#[test]
fn a_program_that_fails_is_reported_with_its_reason() {
    let error = effective::ask("/bin/false").unwrap_err();
    assert!(error.to_string().contains("exit status: 1"), "{error}");
}

fn blob(fields: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(*field);
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn rsa(bits: usize) -> String {
    let mut modulus = vec![0u8; bits / 8 + 1];
    modulus[1] = 0x80;
    format!("ssh-rsa {}", blob(&[b"ssh-rsa", &[1, 0, 1], &modulus]))
}

#[test]
fn the_length_of_a_key_is_that_of_its_modulus() {
    for bits in [1024, 2048, 4096] {
        assert_eq!(key(&rsa(bits)).and_then(|k| k.bits), Some(bits as u32));
    }
    let captured = "from=\"10.0.0.0/8\",command=\"echo ssh-rsa hello\" ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIPZfcOWOerQVvGUTZwsX76I5uIR2A3En/wMfvlAKk72V ann@example";
    assert_eq!(key(captured), Some(Key { kind: "ssh-ed25519".to_owned(), bits: None, line: 0 }));
    for nonsense in ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa ////////", "# a comment"] {
        assert_eq!(key(nonsense), None, "{nonsense}");
    }
}

#[test]
fn authorized_keys_are_found_counted_and_their_modes_told() {
    let (dir, root) = scratch();
    let ssh = dir.path().join("home/ann/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    fs::write(ssh.join("authorized_keys"), format!("# mine\n{}\n\nno key here\n{} old\n", rsa(4096), rsa(1024)))
        .unwrap();
    fs::set_permissions(ssh.join("authorized_keys"), fs::Permissions::from_mode(0o666)).unwrap();
    let ann = Account { name: "ann".to_owned(), home: "/home/ann/".to_owned(), uid: 1001, ..Account::default() };
    let found = authorized_keys(&root, &Sshd::default(), &[ann.clone(), ann]);
    assert_eq!(found.len(), 1, "a path is read once");
    let lines: Vec<_> = found[0].keys.iter().map(|k| (k.line, k.bits)).collect();
    assert_eq!((found[0].count, lines), (2, vec![(2, Some(4096)), (5, Some(1024))]));
    let paths: Vec<_> = found[0].paths.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["/home/ann/.ssh/authorized_keys", "/home/ann/.ssh", "/home/ann"]);
    assert_eq!(found[0].paths[0].mode, 0o666);
}

#[test]
fn host_keys_are_those_of_the_settings_or_the_usual_ones() {
    let (dir, root) = scratch();
    let put = |name: &str, text: &str| fs::write(dir.path().join("etc/ssh").join(name), text).unwrap();
    put("ssh_host_rsa_key", "private");
    put("ssh_host_rsa_key.pub", &rsa(1024));
    put("ssh_host_ed25519_key", "private");
    let found = host_keys(&root, &Sshd::default());
    let keys: Vec<_> = found.iter().map(|h| h.key.as_ref().and_then(|k| k.bits)).collect();
    assert_eq!(keys, [Some(1024), None]);
    let set = parse(CONFIG, "HostKey /etc/ssh/ssh_host_ed25519_key\n");
    assert_eq!(host_keys(&root, &set)[0].private.path, "/etc/ssh/ssh_host_ed25519_key");
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "[a-zA-Z=#\"' *,\\[\\]\n\té]{0,300}", any in ".{0,200}") {
        for text in [&text, &any] {
            parse("f", text);
            key(text);
            effective::merge(&mut Sshd::default(), text);
        }
    }

    #[test]
    fn a_setting_comes_back_as_it_was_written(keyword in "[a-z]{8,20}", value in "[a-z0-9/_.-]{1,20}") {
        prop_assume!(!["include", "match"].contains(&keyword.as_str()));
        let sshd = parse("f", &format!("{keyword} \"{value}\"\n"));
        prop_assert!(sshd.settings.values().any(|s| s.value == value && s.line == 1));
    }

    #[test]
    fn any_pattern_against_any_name_ends(pattern in "[a-c*?\\[\\]!-]{0,20}", name in "[a-c]{0,30}") {
        config::glob(pattern.as_bytes(), name.as_bytes());
    }

    #[test]
    fn a_name_matches_itself_and_a_star(name in "[a-c.]{0,30}") {
        prop_assert!(config::glob(name.as_bytes(), name.as_bytes()) && config::glob(b"*", name.as_bytes()));
        prop_assert_eq!(config::glob(b"*.conf", name.as_bytes()), false);
    }
}
