//! Which distribution a host runs: os-release(5).

use crate::{Root, SysError};
use serde::{Deserialize, Serialize};

/// Most bytes of the file; real ones have about 400.
const BYTES_MAX: u64 = 64 << 10;
/// Most characters of one value.
const VALUE_CHARS_MAX: usize = 256;

/// A distribution and its release. Values are free of control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OsRelease {
    /// `ID`: `debian`, `ubuntu`, `rhel`; `linux` if not said.
    pub id: String,
    /// `ID_LIKE`: the distributions that it is made from.
    pub id_like: Vec<String>,
    /// `VERSION_ID`: `12`, `24.04`; empty on a rolling release.
    pub version_id: String,
    /// `VERSION_CODENAME`: `bookworm`.
    pub codename: String,
    /// `PRETTY_NAME`: `Debian GNU/Linux 12 (bookworm)`.
    pub pretty_name: String,
}

impl OsRelease {
    /// True if it is `id` or made from it.
    pub fn is_like(&self, id: &str) -> bool {
        self.id == id || self.id_like.iter().any(|l| l == id)
    }
}

/// Reads `/etc/os-release`, or `/usr/lib/os-release` if that does not exist.
pub fn read(root: &Root) -> Result<OsRelease, SysError> {
    let bytes = match root.read_up_to("/etc/os-release", BYTES_MAX) {
        Err(error) if error.is_not_found() => root.read_up_to("/usr/lib/os-release", BYTES_MAX)?,
        other => other?,
    };
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// Reads the text of an os-release file; lines that are no assignment are passed over, the last
/// assignment of a name wins, as in a shell.
pub fn parse(text: &str) -> OsRelease {
    let mut os = OsRelease { id: "linux".to_owned(), pretty_name: "Linux".to_owned(), ..OsRelease::default() };
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once('=') else { continue };
        let value = unquoted(value.trim());
        match name {
            "ID" => os.id = value.to_lowercase(),
            "ID_LIKE" => os.id_like = value.to_lowercase().split_whitespace().map(str::to_owned).collect(),
            "VERSION_ID" => os.version_id = value,
            "VERSION_CODENAME" => os.codename = value,
            "PRETTY_NAME" => os.pretty_name = value,
            _ => {}
        }
    }
    os
}

/// Without shell quotes and backslashes (os-release(5) allows `"…"` and `'…'`, with `\` before `"$\``).
fn unquoted(value: &str) -> String {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.map_or(value, |q| {
        let inner = &value[1..];
        inner.strip_suffix(q).unwrap_or(inner)
    });
    let mut out = String::new();
    let mut escaped = false;
    for c in inner.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX) {
        if c == '\\' && !escaped && quote != Some('\'') {
            escaped = true;
        } else {
            escaped = false;
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_files_of_the_distributions_are_read() {
        let debian = parse(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        );
        assert_eq!(
            (debian.id.as_str(), debian.version_id.as_str(), debian.codename.as_str()),
            ("debian", "12", "bookworm")
        );
        let ubuntu = parse("PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n");
        assert!(ubuntu.is_like("debian") && ubuntu.version_id == "24.04");
        let alma = parse(
            "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME='AlmaLinux 9.4'\n",
        );
        assert_eq!((alma.is_like("rhel"), alma.pretty_name.as_str()), (true, "AlmaLinux 9.4"));
    }

    #[test]
    fn a_hostile_name_loses_its_control_characters_and_its_length() {
        let os = parse(&format!("PRETTY_NAME=\"\u{1b}[31m{}\"\nnonsense\nID=\n", "x".repeat(1 << 20)));
        assert!(os.pretty_name.len() <= VALUE_CHARS_MAX && !os.pretty_name.contains('\u{1b}'));
    }

    #[test]
    fn a_host_without_the_file_is_not_found() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(read(&Root::scratch(dir.path()).expect("it exists")).is_err_and(|e| e.is_not_found()));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_plain_value_comes_back(value in "[A-Za-z0-9 ().]{0,40}") {
            prop_assert_eq!(parse(&format!("PRETTY_NAME=\"{value}\"\n")).pretty_name, value);
        }
    }
}
