//! Where a host stands in the fleet: its kind, profile and tags, and how it was last heard of.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Tags of one host at most.
const TAGS_MAX: usize = 32;
const KEY_CHARS_MAX: usize = 63;
const VALUE_CHARS_MAX: usize = 128;

/// How a host was last heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// Connected, or heard of within its time.
    Online,
    /// Its agent said goodbye: it was stopped in order, or the host shut down.
    Ended,
    /// Its connection was closed without a goodbye while the host still answered: the agent was
    /// killed or has crashed.
    Killed,
    /// Nothing more came, not even the end of its connection: host or network is gone.
    Unreachable,
    /// Its clock is so wrong that it cannot be linked or its reports cannot be placed.
    ClockWrong,
    /// It has joined and was never heard of.
    #[default]
    Never,
    /// No agent is expected on it.
    Agentless,
    /// Its certificate was revoked.
    Revoked,
}

impl VerdictWord {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictWord::Online => "online",
            VerdictWord::Ended => "ended",
            VerdictWord::Killed => "killed",
            VerdictWord::Unreachable => "unreachable",
            VerdictWord::ClockWrong => "clock_wrong",
            VerdictWord::Never => "never",
            VerdictWord::Agentless => "agentless",
            VerdictWord::Revoked => "revoked",
        }
    }

    /// True when reports are missing that should come.
    pub fn is_silent(self) -> bool {
        matches!(self, VerdictWord::Ended | VerdictWord::Killed | VerdictWord::Unreachable | VerdictWord::ClockWrong)
    }
}

/// What a host joins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// It is looked at; acting is switched on guard by guard.
    #[default]
    Observe,
    /// What protects and cannot lock anybody out is on from the start.
    Protect,
}

/// What stands on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HostKind {
    /// Our agent.
    #[default]
    Agent,
    /// Nothing: it is watched from outside.
    Agentless,
}

/// Whether a host belongs to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    #[default]
    Active,
    /// It was taken out of service; its history stays.
    Retired,
    /// Its certificate was withdrawn: whoever holds it is not let in.
    Revoked,
}

impl Profile {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Observe => "observe",
            Profile::Protect => "protect",
        }
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(word: &str) -> Result<Profile, String> {
        one_of("profile", &[Profile::Observe, Profile::Protect].map(|v| (v, v.as_str())), word)
    }
}

impl HostKind {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            HostKind::Agent => "agent",
            HostKind::Agentless => "agentless",
        }
    }
}

impl FromStr for HostKind {
    type Err = String;

    fn from_str(word: &str) -> Result<HostKind, String> {
        one_of("kind of host", &[HostKind::Agent, HostKind::Agentless].map(|v| (v, v.as_str())), word)
    }
}

impl Standing {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Retired => "retired",
            Standing::Revoked => "revoked",
        }
    }
}

impl FromStr for Standing {
    type Err = String;

    fn from_str(word: &str) -> Result<Standing, String> {
        one_of("standing", &[Standing::Active, Standing::Retired, Standing::Revoked].map(|v| (v, v.as_str())), word)
    }
}

/// The value of a word; the error lists the words.
fn one_of<T: Copy>(what: &str, all: &[(T, &str)], word: &str) -> Result<T, String> {
    let found = all.iter().find(|(_, known)| *known == word).map(|(value, _)| *value);
    let words: Vec<_> = all.iter().map(|(_, known)| *known).collect();
    found.ok_or_else(|| format!("`{word}` is no {what}; use {}", words.join(", ")))
}

/// The longest name of a region, in characters.
const REGION_CHARS_MAX: usize = 63;

/// What a region may be called; the error says so.
pub fn region_rule(region: &str) -> Result<(), String> {
    let plain = !region.chars().any(hostile) && region.trim() == region && !region.is_empty();
    if plain && region.chars().count() <= REGION_CHARS_MAX {
        return Ok(());
    }
    Err(format!("a region is 1 to {REGION_CHARS_MAX} characters without control characters or blanks at its ends"))
}

/// Control and bidirectional formatting characters, which could repaint a terminal.
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The tags of a host: at most 32 of `key=value`; a key is 1 to 63 of `a-z 0-9 . _ / -`, a value at
/// most 128 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
#[schema(value_type = BTreeMap<String, String>)]
pub struct Tags(BTreeMap<String, String>);

/// The text is no tag, or there are too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TagError(String);

impl Tags {
    /// No tag.
    pub fn new() -> Tags {
        Tags::default()
    }

    /// Sets one, checked.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), TagError> {
        let key_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._/-".contains(c);
        let shown: String = key.chars().take(80).flat_map(char::escape_default).collect();
        if key.is_empty() || key.len() > KEY_CHARS_MAX || !key.chars().all(key_ok) {
            return Err(TagError(format!("`{shown}` is no key of a tag: 1 to 63 of a-z, 0-9, `.`, `_`, `/`, `-`")));
        }
        if value.chars().count() > VALUE_CHARS_MAX || value.chars().any(char::is_control) {
            return Err(TagError(format!(
                "the value of tag `{shown}` has more than 128 characters, or control characters"
            )));
        }
        if self.0.len() >= TAGS_MAX && !self.0.contains_key(key) {
            return Err(TagError(format!("more than {TAGS_MAX} tags")));
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes one away; false if it is not there.
    pub fn remove(&mut self, key: &str) -> bool {
        self.0.remove(key).is_some()
    }

    /// One value.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// True if each of `wanted` is here, with the same value.
    pub fn contains(&self, wanted: &Tags) -> bool {
        wanted.0.iter().all(|(key, value)| self.0.get(key) == Some(value))
    }
}

impl TryFrom<BTreeMap<String, String>> for Tags {
    type Error = TagError;

    fn try_from(map: BTreeMap<String, String>) -> Result<Tags, TagError> {
        let mut tags = Tags::new();
        map.iter().try_for_each(|(key, value)| tags.set(key, value))?;
        Ok(tags)
    }
}

impl From<Tags> for BTreeMap<String, String> {
    fn from(tags: Tags) -> BTreeMap<String, String> {
        tags.0
    }
}

/// One `key=value`, as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Tag, TagError> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| TagError(format!("`{text}` is no tag: write key=value")))?;
        Tags::new().set(key, value)?;
        Ok(Tag { key: key.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_tag_is_a_lower_case_key_and_a_short_value() {
        for (text, ok) in [("role=web", true), ("a=", true), ("Role=web", false), ("role", false), ("=x", false)] {
            assert_eq!(text.parse::<Tag>().is_ok(), ok, "{text}");
        }
        assert!(format!("k={}", "x".repeat(129)).parse::<Tag>().is_err());
        assert!("k=a\nb".parse::<Tag>().is_err());
    }

    #[test]
    fn tags_are_at_most_32() {
        let mut tags = Tags::new();
        (0..32).for_each(|n| tags.set(&format!("k{n}"), "v").unwrap());
        assert!(tags.set("one-more", "v").is_err());
        tags.set("k0", "changed").unwrap();
        assert_eq!(tags.get("k0"), Some("changed"));
    }

    #[test]
    fn all_wanted_tags_must_be_there() {
        let of = |list: &[(&str, &str)]| {
            let mut tags = Tags::new();
            list.iter().for_each(|(k, v)| tags.set(k, v).unwrap());
            tags
        };
        let host = of(&[("role", "web"), ("env", "prod")]);
        assert!(host.contains(&of(&[("role", "web")])) && host.contains(&Tags::new()));
        assert!(!host.contains(&of(&[("role", "db")])));
    }
}
