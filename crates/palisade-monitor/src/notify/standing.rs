//! What is to be told, as it stands, and what each channel knows of it.

use palisade_core::{HostId, Severity, Timestamp};
use palisade_guard::Notice;
use palisade_guard::notice::NoticeState;
use std::collections::{BTreeMap, BTreeSet};

/// The label by which a notice says that its host cannot be reached at all.
pub const HOST_DOWN: &str = "host_down";

/// How long after its host has come back an alarm stays hidden, in seconds: what was missed in the
/// meantime has to come in and be judged first, and is mostly over then.
const BACK_S: i64 = 15;

/// The newest state of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What was last said of it.
    pub notice: Notice,
    /// Its labels with `host` and `severity`.
    pub labels: BTreeMap<String, String>,
    /// When this state was first seen here; for something that fires, since it began to.
    pub seen_at: Timestamp,
    /// Who has taken it on.
    pub acknowledged_by: Option<String>,
    /// What each channel was told last.
    pub told: BTreeMap<String, Told>,
}

/// What a channel was last told of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// That it fires, is over, or happened.
    pub state: NoticeState,
    /// How severe it was.
    pub severity: Severity,
    /// Since when it was so.
    pub starts_at: Timestamp,
    /// When the channel was first told of this occurrence.
    pub first_at: Timestamp,
    /// When it was last told.
    pub at: Timestamp,
    /// Within which group.
    pub group: String,
}

/// All of it, by key.
pub type Standings = BTreeMap<String, Standing>;

impl Standing {
    /// A notice that was just seen.
    pub fn new(notice: Notice, seen_at: Timestamp) -> Standing {
        let mut labels = notice.labels.clone();
        labels.extend(notice.host.iter().map(|host| ("host".to_owned(), host.to_string())));
        labels.insert("severity".to_owned(), notice.severity.as_str().to_owned());
        Standing { notice, labels, seen_at, acknowledged_by: None, told: BTreeMap::new() }
    }

    /// True if the channel believes that it fires.
    pub fn fires_for(&self, channel: &str) -> bool {
        self.told.get(channel).is_some_and(|told| told.state == NoticeState::Firing)
    }

    /// When this occurrence was first told to any of these channels.
    pub fn first_told(&self, channels: &[String]) -> Option<Timestamp> {
        let current = |told: &&Told| told.state != NoticeState::Resolved;
        channels.iter().filter_map(|channel| self.told.get(channel)).filter(current).map(|told| told.first_at).min()
    }

    /// True if nobody will ever be told more of it.
    pub fn finished(&self) -> bool {
        self.notice.state == NoticeState::Resolved && self.told.keys().all(|channel| !self.fires_for(channel))
    }

    /// True if it says that its host cannot be reached.
    pub fn downs_host(&self) -> bool {
        self.notice.state == NoticeState::Firing && self.is_about_reach()
    }

    /// True if it says that its host cannot be reached, or could not a moment ago.
    pub(super) fn hides(&self, now: Timestamp) -> bool {
        let since_s = now.duration_since(self.seen_at).as_secs();
        let back = self.notice.state == NoticeState::Resolved && (0..BACK_S).contains(&since_s);
        self.downs_host() || back && self.is_about_reach()
    }

    fn is_about_reach(&self) -> bool {
        self.labels.get(HOST_DOWN).is_some_and(|value| value == "true")
    }
}

/// The hosts that are down, or have just come back, each with the key of the notice that says so.
pub fn hosts_down(standings: &Standings, now: Timestamp) -> BTreeMap<&HostId, &str> {
    let down = standings.iter().filter(|(_, standing)| standing.hides(now));
    down.filter_map(|(key, standing)| Some((standing.notice.host.as_ref()?, key.as_str()))).collect()
}

/// The notice that hides this one: its host is down, of which people are told instead.
pub fn inhibitor<'a>(standing: &Standing, down: &BTreeMap<&HostId, &'a str>) -> Option<&'a str> {
    let hidden = standing.notice.state == NoticeState::Firing
        && standing.notice.urgency == palisade_guard::notice::Urgency::Page;
    if !hidden || standing.downs_host() {
        return None;
    }
    down.get(standing.notice.host.as_ref()?).copied()
}

/// The channels that were told of something.
pub fn channels_told(standings: &Standings) -> BTreeSet<&str> {
    standings.values().flat_map(|standing| standing.told.keys().map(String::as_str)).collect()
}
