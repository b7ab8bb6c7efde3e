//! apt's settings: apt.conf(5) and apt_preferences(5), as far as they are asked for.

use crate::{Root, SysError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const CONF: &str = "/etc/apt/apt.conf";
const CONF_D: &str = "/etc/apt/apt.conf.d";
const PREFERENCES: &str = "/etc/apt/preferences";
const PREFERENCES_D: &str = "/etc/apt/preferences.d";
/// Most bytes of one file, deepest nesting, most settings of all.
const FILE_BYTES_MAX: u64 = 1 << 20;
const DEPTH_MAX: usize = 32;
const SETTINGS_MAX: usize = 10_000;

/// apt's settings: the full name in lower case (`apt::periodic::unattended-upgrade`) and its value;
/// the last one wins, as apt reads the files in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads `/etc/apt/apt.conf.d/*` and `/etc/apt/apt.conf`. A file that cannot be read is passed over.
    pub fn read(root: &Root) -> Result<Settings, SysError> {
        let mut settings = Settings::default();
        for path in conf_files(root)? {
            if let Ok(bytes) = root.read_up_to(&path, FILE_BYTES_MAX) {
                settings.take(&String::from_utf8_lossy(&bytes));
            }
        }
        Ok(settings)
    }

    /// The value of a setting, by its full name without regard to case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_lowercase()).map(String::as_str)
    }

    /// True if the setting says so: a number above 0, `always`, `true`, `yes`.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| {
            matches!(v, "always" | "true" | "yes" | "on")
                || v.trim_end_matches(['s', 'm', 'h', 'd']).parse().is_ok_and(|n: u32| n > 0)
        })
    }

    /// `A::B "x";` and `A { B "x"; };`, with `//`, `#` and `/* */` comments.
    fn take(&mut self, text: &str) {
        let mut scopes: Vec<String> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        for token in Tokens::of(text) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open if scopes.len() < DEPTH_MAX => scopes.push(words.drain(..).next().unwrap_or_default()),
                Token::Open => return,
                Token::Close => {
                    words.clear();
                    scopes.pop();
                }
                Token::End => {
                    let mut said = words.drain(..);
                    if let (Some(name), Some(value)) = (said.next(), said.next())
                        && self.0.len() < SETTINGS_MAX
                    {
                        let full =
                            scopes.iter().map(String::as_str).chain([name.as_str()]).collect::<Vec<_>>().join("::");
                        self.0.insert(full.to_lowercase(), value);
                    }
                }
            }
        }
    }
}

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

struct Tokens<'a> {
    rest: &'a str,
}

impl Tokens<'_> {
    fn of(text: &str) -> Tokens<'_> {
        Tokens { rest: text }
    }

    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let end = if self.rest.starts_with("//") || self.rest.starts_with('#') {
                self.rest.find('\n')
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map(|at| at + 2)
            } else {
                return;
            };
            self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let first = self.rest.chars().next()?;
        let after = &self.rest[first.len_utf8()..];
        let (token, rest) = match first {
            '{' => (Token::Open, after),
            '}' => (Token::Close, after),
            ';' => (Token::End, after),
            '"' => {
                let end = after.find('"').unwrap_or(after.len());
                (Token::Word(after[..end].to_owned()), after[end..].strip_prefix('"').unwrap_or_default())
            }
            _ => {
                let end = self.rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(self.rest.len());
                (Token::Word(self.rest[..end].to_owned()), &self.rest[end..])
            }
        };
        self.rest = rest;
        Some(token)
    }
}

fn conf_files(root: &Root) -> Result<Vec<PathBuf>, SysError> {
    let mut files = parts(root, CONF_D, "conf")?;
    files.push(PathBuf::from(CONF));
    Ok(files)
}

fn preference_files(root: &Root) -> Result<Vec<PathBuf>, SysError> {
    let mut files = parts(root, PREFERENCES_D, "pref")?;
    files.push(PathBuf::from(PREFERENCES));
    Ok(files)
}

/// The files that apt reads in such a directory: without an extension or with its own.
fn parts(root: &Root, dir: &str, extension: &str) -> Result<Vec<PathBuf>, SysError> {
    let own = |path: &PathBuf| path.extension().is_none_or(|e| e == extension);
    Ok(root.names(dir)?.into_iter().map(|name| Path::new(dir).join(name)).filter(own).collect())
}

/// The files of settings and preferences.
pub(super) fn files(root: &Root) -> Result<Vec<PathBuf>, SysError> {
    let mut files = conf_files(root)?;
    files.extend(preference_files(root)?);
    Ok(files)
}

/// The files that pin packages, and `APT::Default-Release` if it is set.
pub(super) fn pins(root: &Root) -> Result<Vec<String>, SysError> {
    let mut pins = Vec::new();
    for path in preference_files(root)? {
        let Ok(bytes) = root.read_up_to(&path, FILE_BYTES_MAX) else { continue };
        if String::from_utf8_lossy(&bytes).lines().any(|l| l.trim_start().to_lowercase().starts_with("pin-priority:")) {
            pins.push(path.display().to_string());
        }
    }
    if let Some(release) = Settings::read(root)?.get("APT::Default-Release").filter(|r| !r.is_empty()) {
        pins.push(format!("APT::Default-Release \"{release}\""));
    }
    Ok(pins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(text: &str) -> Settings {
        let mut settings = Settings::default();
        settings.take(text);
        settings
    }

    #[test]
    fn both_ways_of_writing_are_read_and_the_last_one_wins() {
        let said = settings(
            "// unattended\nAPT::Periodic::Update-Package-Lists \"1\";\nAPT { Periodic { Unattended-Upgrade \"0\"; }; };\n\
             /* a\n comment */ APT::Periodic::Unattended-Upgrade \"1\"; # end\nUnattended-Upgrade::Origins-Pattern { \"origin=Debian\"; };",
        );
        assert!(said.is_on("APT::Periodic::Update-Package-Lists") && said.is_on("apt::periodic::unattended-upgrade"));
        assert!(!settings("APT::Periodic::Unattended-Upgrade \"0\";").is_on("APT::Periodic::Unattended-Upgrade"));
        assert!(!said.is_on("APT::Periodic::Enable"));
    }

    #[test]
    fn an_unfinished_file_says_nothing() {
        for text in ["APT { Periodic {", "\"", "/* open", "APT::X \"1\"", "}}}};;;", &"{".repeat(100_000)] {
            assert_eq!(settings(text), Settings::default(), "{}", &text[..text.len().min(20)]);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\PC\n{};\"/*]{0,200}") {
            let _ = settings(&text);
        }

        #[test]
        fn what_is_written_is_read_again(name in "[a-z]{1,8}", value in "[a-z0-9 ]{0,12}") {
            let text = format!("APT::{name} \"{value}\";");
            let said = settings(&text);
            prop_assert_eq!(said.get(&format!("apt::{name}")), Some(value.as_str()));
        }
    }
}
