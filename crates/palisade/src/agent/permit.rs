//! The host's last word: what a server may order here. Root-owned, never written by Palisade's
//! server.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Every word that a permit may hold.
pub const WORDS: [&str; 8] = ["observe", "ban", "firewall", "restore", "kill", "isolate", "upgrade", "hooks"];
/// What a host without a permit file permits.
const DEFAULT: [&str; 2] = ["observe", "ban"];

/// What may be ordered on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    words: BTreeSet<String>,
    /// Why it is narrower than its file, if it is.
    pub problem: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    allow: Vec<String>,
}

impl Permit {
    /// Reads the file. A file that somebody else could have written permits only to observe; one
    /// that cannot be understood is an error, so that nothing is guessed.
    pub fn load(path: &Path) -> Result<Permit> {
        let metadata = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Permit::of(DEFAULT)),
            other => other.with_context(|| format!("reading the permit `{}`", path.display()))?,
        };
        let own = nix::unistd::geteuid().as_raw();
        if (metadata.uid() != 0 && metadata.uid() != own) || metadata.mode() & 0o022 != 0 {
            let problem =
                format!("`{}` can be written by others than root, so it permits only to observe", path.display());
            tracing::warn!("{problem}");
            return Ok(Permit { problem: Some(problem), ..Permit::of(["observe"]) });
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("reading the permit `{}`", path.display()))?;
        Permit::parse(&text).with_context(|| format!("in the permit `{}`", path.display()))
    }

    fn parse(text: &str) -> Result<Permit> {
        let file: File =
            toml::from_str(text).map_err(|e| anyhow::anyhow!("{}", crate::config::with_nearest(&e.to_string())))?;
        for word in &file.allow {
            anyhow::ensure!(
                WORDS.contains(&word.as_str()),
                "`{word}` is nothing that can be permitted\nhint: the words are {}",
                WORDS.join(", ")
            );
        }
        Ok(Permit { words: file.allow.into_iter().collect(), problem: None })
    }

    fn of<const N: usize>(words: [&str; N]) -> Permit {
        Permit { words: words.into_iter().map(str::to_owned).collect(), problem: None }
    }

    /// Whether it holds the word.
    pub fn allows(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Its words, sorted.
    pub fn words(&self) -> Vec<String> {
        self.words.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_without_a_permit_permits_to_observe_and_to_ban() {
        let permit = Permit::load(Path::new("/nonexistent/permit.toml")).unwrap();
        assert_eq!(permit.words(), ["ban", "observe"]);
    }

    #[test]
    fn an_unknown_word_is_an_error_that_lists_the_known_ones() {
        let said = format!("{:#}", Permit::parse("allow = [\"observe\", \"everything\"]").unwrap_err());
        assert!(said.contains("`everything`") && said.contains("isolate"), "{said}");
    }

    #[test]
    fn a_permit_that_others_may_write_permits_only_to_observe() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("permit.toml");
        std::fs::write(&path, "allow = [\"observe\", \"ban\", \"kill\"]").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        assert_eq!(Permit::load(&path).unwrap().words(), ["observe"]);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(Permit::load(&path).unwrap().words(), ["ban", "kill", "observe"]);
    }
}
