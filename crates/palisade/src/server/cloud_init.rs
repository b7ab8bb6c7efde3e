//! User data for cloud-init: a script that installs the agent on a new host and has it join.
//!
//! The script holds only what was checked to have a narrow form (an address, numbers, hashes, a token, a
//! certificate), and each is quoted for the shell all the same. What operators write freely, region and
//! tags, belongs to the token and never stands in it.

use super::program::Facts;
use crate::link::join::{JoinToken, ServerUrl};
use palisade_core::Timestamp;

const TEMPLATE: &str = include_str!("cloud_init.sh.txt");
/// The most that every cloud takes as user data, in bytes.
#[cfg(test)]
const USER_DATA_BYTES_MAX: usize = 16 << 10;

/// What a script is made of.
pub struct UserData<'a> {
    /// Where the host finds the server.
    pub url: &'a ServerUrl,
    /// With what it joins.
    pub token: &'a JoinToken,
    /// Until when it can.
    pub expires_at: Timestamp,
    /// The root's certificate, PEM.
    pub root_pem: &'a str,
    /// The program that it downloads.
    pub program: &'a Facts,
}

/// The script.
pub fn script(data: &UserData<'_>) -> String {
    let (major, minor) = data.program.libc.unwrap_or_default();
    let authority = data.url.authority();
    let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
    let values = [
        ("@EXPIRES@", data.expires_at.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ("@HOST@", quoted(host)),
        ("@PORT@", quoted(&data.url.port.to_string())),
        ("@URL@", quoted(&data.url.to_string())),
        ("@ARCH@", quoted(data.program.arch)),
        ("@SHA256@", quoted(&data.program.sha256)),
        ("@LIBC_MAJOR@", quoted(&major.to_string())),
        ("@LIBC_MINOR@", quoted(&minor.to_string())),
        ("@TOKEN@", data.token.secret()),
        ("@ROOT@", data.root_pem.trim_end().to_owned()),
    ];
    values.iter().fold(TEMPLATE.to_owned(), |script, (place, value)| script.replace(place, value))
}

/// The text as one word of a shell (POSIX, 2.2.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::{Command, Stdio};

    fn sample(url: &str) -> String {
        let token = JoinToken::new(&"ab".repeat(32)).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        let program = Facts { sha256: "cd".repeat(32), bytes: 1, arch: "x86_64", libc: Some((2, 34)) };
        let url: ServerUrl = url.parse().unwrap();
        let expires_at = "2026-11-22T12:00:00Z".parse().unwrap();
        script(&UserData { url: &url, token: &token, expires_at, root_pem: &root, program: &program })
    }

    #[test]
    fn the_script_is_complete_fits_every_cloud_and_a_shell_can_read_it() {
        for url in ["https://palisade.example.org:8443", "https://[2001:db8::1]", "https://203.0.113.7"] {
            let script = sample(url);
            assert!(script.starts_with("#!/bin/sh\n") && script.len() < USER_DATA_BYTES_MAX, "{}", script.len());
            let left = script.split('@').skip(1).step_by(2).find(|word| word.bytes().all(|b| b.is_ascii_uppercase()));
            assert_eq!(left, None, "a place was not filled");
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("user-data");
            std::fs::write(&path, &script).unwrap();
            let read = Command::new("sh").arg("-n").arg(&path).stdin(Stdio::null()).status().unwrap();
            assert!(read.success());
        }
        assert!(sample("https://[2001:db8::1]").contains("\nhost='[2001:db8::1]'\nport='443'\n"));
    }

    #[test]
    fn the_token_stands_in_no_argument() {
        let script = sample("https://palisade.example.org:8443");
        let token = script.lines().find(|line| line.starts_with("plj_")).unwrap();
        assert_eq!(script.matches(token).count(), 1, "only in the here-document, on a line of its own");
    }

    #[test]
    fn a_quoted_text_is_one_word_whatever_it_holds() {
        for text in ["plain", "a b", "it's", "$(reboot)", "`reboot`", "a\nb", "'; reboot; '", "\\"] {
            let out = Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(text))).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&out.stdout), text);
        }
    }
}
