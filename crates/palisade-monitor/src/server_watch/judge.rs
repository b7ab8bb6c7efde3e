//! When a host tells that the server is silent, and when that it is back. Pure: the clocks, what was
//! heard and what the host is told come in.
//!
//! Silence is measured by a clock that only runs forward while the machine runs: setting the time,
//! or a machine that slept, is no silence. It begins anew with the agent.

use super::WatchSpec;
use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One message a minute on average, and a failed one is tried again after as long.
const EVERY_MS: u64 = 60_000;
/// Messages that may be sent one after the other: that it is silent, and that it is back.
const AT_ONCE: u64 = 2;
/// After this part of the silence the server is asked for a word.
const ASKED_PARTS: u64 = 4;

/// What has been told and is not over, by the name of the watch; kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Open(pub BTreeMap<String, Silence>);

/// A silence of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// As the watch was when it began: who was told of it is told of its end.
    pub watch: WatchSpec,
    /// Since when nothing was heard.
    pub since: Timestamp,
    /// True once the receiver has taken the message.
    pub told: bool,
}

/// A message that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// What it is about.
    pub silence: Silence,
    /// When the server was back; `None` while it is silent.
    pub back_at: Option<Timestamp>,
}

/// Now, by two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Milliseconds that only rise.
    pub ran_ms: u64,
    /// The time of day.
    pub wall: Timestamp,
}

/// What one host knows of its server.
#[derive(Debug)]
pub struct Judge {
    open: Open,
    /// When the server acknowledged something last, as it is told to us; 0 = not since the start.
    heard: i64,
    heard_at_ms: u64,
    /// When each watch was last tried.
    tried_ms: BTreeMap<String, u64>,
    /// The allowance is used up until then.
    spent_until_ms: u64,
}

impl Judge {
    /// Begins with what was on disk.
    pub fn new(open: Open, ran_ms: u64) -> Judge {
        Judge { open, heard: 0, heard_at_ms: ran_ms, tried_ms: BTreeMap::new(), spent_until_ms: 0 }
    }

    /// What is to be kept on disk.
    pub fn open(&self) -> &Open {
        &self.open
    }

    /// Time has passed, and `heard` is when the server acknowledged something last. Returns a message
    /// to be sent now; [`Judge::answered`] says what became of it.
    pub fn turn(&mut self, now: Moment, heard: i64, watches: &[WatchSpec]) -> Option<Letter> {
        if heard != self.heard {
            (self.heard, self.heard_at_ms) = (heard, now.ran_ms);
        }
        let silent_ms = now.ran_ms - self.heard_at_ms;
        let is_back = |after_s: u32| heard != 0 && silent_ms < u64::from(after_s) * 1_000;
        self.open.0.retain(|name, silence| {
            let is_asked = watches.iter().any(|watch| watch.name == *name);
            silence.told || (is_asked && !is_back(silence.watch.after_s))
        });
        for watch in watches.iter().filter(|watch| silent_ms >= u64::from(watch.after_s) * 1_000) {
            let since = now.wall - jiff::SignedDuration::from_millis(silent_ms as i64);
            let silence = || Silence { watch: watch.clone(), since, told: false };
            self.open.0.entry(watch.name.clone()).or_insert_with(silence);
        }
        self.due(now, |silence| is_back(silence.watch.after_s))
    }

    /// Whether it is time to ask the server for a word: an agent that has nothing to report says so only
    /// every 15 seconds.
    pub fn wants_word(&self, now: Moment, watches: &[WatchSpec]) -> bool {
        let silent_ms = now.ran_ms - self.heard_at_ms;
        watches.iter().any(|watch| silent_ms * ASKED_PARTS >= u64::from(watch.after_s) * 1_000)
    }

    fn due(&mut self, now: Moment, is_back: impl Fn(&Silence) -> bool) -> Option<Letter> {
        if now.ran_ms + EVERY_MS * (AT_ONCE - 1) < self.spent_until_ms {
            return None;
        }
        let tried = |name: &String| self.tried_ms.get(name).copied();
        let rested = |name: &String| tried(name).is_none_or(|tried_ms| now.ran_ms >= tried_ms + EVERY_MS);
        let due = self.open.0.iter().filter(|(name, silence)| is_back(silence) == silence.told && rested(name));
        let (name, silence) = due.min_by_key(|(name, _)| tried(name))?;
        let letter = Letter { silence: silence.clone(), back_at: is_back(silence).then_some(now.wall) };
        self.tried_ms.insert(name.clone(), now.ran_ms);
        self.spent_until_ms = self.spent_until_ms.max(now.ran_ms) + EVERY_MS;
        Some(letter)
    }

    /// What became of a message: one that was not taken is tried again.
    pub fn answered(&mut self, letter: &Letter, is_taken: bool) {
        if !is_taken {
            return;
        }
        let name = &letter.silence.watch.name;
        self.tried_ms.remove(name);
        match letter.back_at {
            Some(_) => _ = self.open.0.remove(name),
            None => _ = self.open.0.get_mut(name).map(|silence| silence.told = true),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn watch(name: &str, after_s: u32) -> WatchSpec {
        let url = "https://example.org/hook".to_owned();
        WatchSpec { name: name.to_owned(), after_s, url, secret: None, ca_pem: None, allow_private: false }
    }

    fn at(s: u64) -> Moment {
        Moment { ran_ms: s * 1_000, wall: Timestamp::from_second(1_800_000_000 + s as i64).unwrap() }
    }

    /// Seconds with what was told in them, `taken` or not: `(second, name, back)`.
    fn told(
        judge: &mut Judge,
        seconds: std::ops::Range<u64>,
        heard: impl Fn(u64) -> i64,
        watches: &[WatchSpec],
        taken: bool,
    ) -> Vec<(u64, String, bool)> {
        let mut all = Vec::new();
        for s in seconds {
            if let Some(letter) = judge.turn(at(s), heard(s), watches) {
                judge.answered(&letter, taken);
                all.push((s, letter.silence.watch.name.clone(), letter.back_at.is_some()));
            }
        }
        all
    }

    #[test]
    fn silence_is_told_once_and_its_end_once() {
        let mut judge = Judge::new(Open::default(), 0);
        let heard = |s: u64| if (100..400).contains(&s) { 100 } else { s as i64 + 1 };
        let all = told(&mut judge, 0..1_000, heard, &[watch("w", 60)], true);
        // last heard of at 99, as it will be until 399
        assert_eq!(all, [(159, "w".to_owned(), false), (400, "w".to_owned(), true)]);
        assert_eq!(judge.open(), &Open::default());
    }

    #[test]
    fn a_receiver_that_fails_is_tried_once_a_minute_and_what_it_never_heard_has_no_end() {
        let mut judge = Judge::new(Open::default(), 0);
        let all = told(&mut judge, 0..200, |_| 0, &[watch("w", 10)], false);
        assert_eq!(all.iter().map(|(s, ..)| *s).collect::<Vec<_>>(), [10, 70, 130, 190]);
        assert!(told(&mut judge, 200..400, |s| s as i64, &[watch("w", 10)], true).is_empty());
        // and one that fails at the end is tried until it has it
        let _ = told(&mut judge, 400..420, |_| 399, &[watch("w", 10)], true);
        assert_eq!(told(&mut judge, 420..500, |s| s as i64, &[watch("w", 10)], false).len(), 2);
        assert_eq!(told(&mut judge, 500..600, |s| s as i64, &[watch("w", 10)], true).len(), 1);
    }

    #[test]
    fn an_agent_that_is_started_anew_tells_nothing_twice() {
        let mut judge = Judge::new(Open::default(), 0);
        assert_eq!(told(&mut judge, 0..100, |_| 0, &[watch("w", 10)], true).len(), 1);
        let kept = serde_json::to_string(judge.open()).unwrap();
        let mut judge = Judge::new(serde_json::from_str(&kept).unwrap(), 0);
        assert!(told(&mut judge, 0..500, |_| 0, &[watch("w", 10)], true).is_empty());
        let all = told(&mut judge, 500..600, |s| s as i64, &[], true);
        assert_eq!(all, [(500, "w".to_owned(), true)], "also when nobody asks for it any more");
    }

    #[test]
    fn a_server_that_asks_for_more_gets_one_message_a_minute() {
        let mut judge = Judge::new(Open::default(), 0);
        let watches: Vec<WatchSpec> = (0..4).map(|n| watch(&format!("w{n}"), 5)).collect();
        let flaps = |s: u64| (s / 12) as i64 * 12 + 1;
        let all = told(&mut judge, 0..3_600, flaps, &watches, true);
        assert!((50..=61).contains(&all.len()), "{}", all.len());
    }
}
