//! What one channel is told of one group, and how it reads.
//!
//! Titles, texts and labels are hostile text: a host's name for a process may hold anything. Here
//! control characters become escapes and lengths are bounded; channels escape for their own form.

use super::group::Flush;
use super::standing::{Standing, Standings};
use palisade_core::{Severity, Timestamp};
use palisade_guard::Notice;
use palisade_guard::cli::printable;
use palisade_guard::notice::NoticeState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Notices in one message; more are only counted.
pub const ITEMS_MAX: usize = 500;
/// Notices that a text for people lists.
const LINES_MAX: usize = 20;
/// A title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// A text, in characters.
pub const TEXT_CHARS_MAX: usize = 6_000;
/// One value of a label or an annotation, in characters.
const VALUE_CHARS_MAX: usize = 1_000;
/// What is said of a single notice besides its text, in this order.
const SAID: [&str; 6] = ["cause", "command", "unit", "value", "threshold", "runbook"];

/// What one channel is told of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The group.
    pub group: String,
    /// Rises by one with every message of the group to the channel.
    pub sequence: u64,
    /// The policy.
    pub policy: String,
    /// The labels that the notices share.
    pub labels: BTreeMap<String, String>,
    /// True for the daily digest.
    pub digest: bool,
    /// When it was made.
    pub at: Timestamp,
    /// What it tells of, worst first.
    pub items: Vec<Item>,
    /// How many more there are.
    #[serde(default)]
    pub left_out: usize,
}

/// One thing that is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The notice.
    pub notice: Notice,
    /// Its labels with `host` and `severity`.
    pub labels: BTreeMap<String, String>,
    /// Who has taken it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
}

impl Message {
    /// What a flush says.
    pub fn of(flush: &Flush, standings: &Standings, sequence: u64, at: Timestamp) -> Message {
        let keys = flush.firing.iter().chain(&flush.resolved);
        let items: Vec<Item> = keys.filter_map(|key| standings.get(key)).map(Item::of).collect();
        let Flush { group, policy, labels, digest, .. } = flush.clone();
        Message { group, sequence, policy, labels, digest, at, items, left_out: 0 }.bounded()
    }

    /// This message with what an older one of the same group said that was never sent.
    pub fn after(mut self, unsent: Message) -> Message {
        let known = |key: &str| self.items.iter().any(|item| item.notice.key == key);
        let older: Vec<Item> = unsent.items.into_iter().filter(|item| !known(&item.notice.key)).collect();
        self.items.extend(older);
        self.left_out += unsent.left_out;
        self.bounded()
    }

    fn bounded(mut self) -> Message {
        let rank = |item: &Item| (item.notice.state == NoticeState::Resolved, std::cmp::Reverse(item.notice.severity));
        self.items.sort_by(|a, b| (rank(a), &a.notice.key).cmp(&(rank(b), &b.notice.key)));
        self.left_out += self.items.len().saturating_sub(ITEMS_MAX);
        self.items.truncate(ITEMS_MAX);
        self
    }

    /// True if nothing in it fires.
    pub fn is_resolved(&self) -> bool {
        self.items.iter().all(|item| item.notice.state == NoticeState::Resolved)
    }

    /// How many of its notices are in this state.
    pub fn count(&self, state: NoticeState) -> usize {
        self.items.iter().filter(|item| item.notice.state == state).count()
    }

    /// The worst of what is not over, else of all.
    pub fn severity(&self) -> Severity {
        let worst = |resolved: bool| {
            let of = self.items.iter().filter(|item| (item.notice.state == NoticeState::Resolved) == resolved);
            of.map(|item| item.notice.severity).max()
        };
        worst(false).or_else(|| worst(true)).unwrap_or(Severity::Informational)
    }

    /// The value that all notices share for this label or annotation.
    pub fn common(&self, of: impl Fn(&Item) -> Option<&String>) -> Option<&str> {
        let first = of(self.items.first()?)?;
        self.items.iter().all(|item| of(item) == Some(first)).then_some(first.as_str())
    }

    /// One line for people.
    pub fn title(&self) -> String {
        let said = match self.items.as_slice() {
            [item] if !self.digest && self.left_out == 0 => item.headline(),
            _ => format!("{}{}", self.subject(), self.counts()),
        };
        line(&said, TITLE_CHARS_MAX)
    }

    /// A few lines for people.
    pub fn text(&self) -> String {
        if let ([item], false) = (self.items.as_slice(), self.digest) {
            return bounded(&item.text(), TEXT_CHARS_MAX);
        }
        let mut lines: Vec<String> = self.items.iter().take(LINES_MAX).map(Item::line).collect();
        let more = self.items.len().saturating_sub(LINES_MAX) + self.left_out;
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        bounded(&lines.join("\n"), TEXT_CHARS_MAX)
    }

    fn subject(&self) -> String {
        if self.digest {
            return "Daily digest: ".to_owned();
        }
        let shared = self.labels.get("alertname").filter(|name| !name.is_empty()).cloned();
        let shared = shared.or_else(|| self.common(|item| item.labels.get("alertname")).map(str::to_owned));
        shared.map_or_else(String::new, |name| format!("{name}: "))
    }

    fn counts(&self) -> String {
        let words = [(NoticeState::Firing, "firing"), (NoticeState::Once, "new"), (NoticeState::Resolved, "resolved")];
        let counted = words.map(|(state, word)| (self.count(state), word));
        let mut parts: Vec<String> =
            counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if self.left_out > 0 {
            parts.push(format!("{} more", self.left_out));
        }
        parts.join(", ")
    }
}

impl Item {
    /// As it stands.
    pub fn of(standing: &Standing) -> Item {
        let (notice, labels) = (standing.notice.clone(), standing.labels.clone());
        Item { notice, labels, acknowledged_by: standing.acknowledged_by.clone() }
    }

    fn headline(&self) -> String {
        match self.notice.state {
            NoticeState::Resolved => format!("Resolved: {}", self.notice.title),
            NoticeState::Firing | NoticeState::Once => self.notice.title.clone(),
        }
    }

    fn line(&self) -> String {
        let host = self.notice.host.as_ref().map_or(String::new(), |host| format!("{host}: "));
        let cause = self.notice.annotations.get("cause").map_or(String::new(), |cause| format!(" ({cause})"));
        line(&format!("[{}] {host}{}{cause}", self.notice.severity, self.headline()), VALUE_CHARS_MAX)
    }

    fn text(&self) -> String {
        let mut lines: Vec<String> = self.notice.text.lines().map(|text| line(text, VALUE_CHARS_MAX)).collect();
        let said = SAID.iter().filter_map(|name| Some((*name, self.notice.annotations.get(*name)?)));
        lines.extend(said.map(|(name, value)| format!("{name}: {}", line(value, VALUE_CHARS_MAX))));
        lines.extend(self.notice.host.iter().map(|host| format!("host: {host}")));
        lines.extend(self.labels.get("alertname").map(|rule| format!("rule: {}", line(rule, VALUE_CHARS_MAX))));
        lines.push(format!("severity: {}", self.notice.severity));
        lines.push(format!("since: {}", moment(self.notice.starts_at)));
        lines.extend(self.notice.ends_at.map(|end| format!("until: {}", moment(end))));
        lines.extend(self.acknowledged_by.iter().map(|by| format!("acknowledged by: {}", line(by, VALUE_CHARS_MAX))));
        lines.join("\n")
    }
}

/// A moment to the second.
pub fn moment(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// Hostile text as one line.
pub fn line(text: &str, chars_max: usize) -> String {
    cut(&printable(text), chars_max)
}

/// Hostile text as lines.
pub fn bounded(text: &str, chars_max: usize) -> String {
    cut(&text.split('\n').map(printable).collect::<Vec<_>>().join("\n"), chars_max)
}

fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

/// Labels or annotations within their bounds.
pub fn values(of: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| (line(name, VALUE_CHARS_MAX), bounded(value, VALUE_CHARS_MAX))).collect()
}
