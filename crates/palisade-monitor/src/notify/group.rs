//! Which groups are told now, and what: grouping, waiting, repeating and escalating, with
//! Alertmanager's meaning of the words. Pure: what stands, what was told and the time come in.
//!
//! A channel is told of a group when there is *news* for it: something fires that it does not know
//! of, or has become more severe; something is over that it believes to fire; or what it knows of
//! has to be repeated. News wait for `group_wait` (and for the notice to settle), and for
//! `group_interval` after the group was last told. Then all of the group is told at once.
//!
//! What is hidden (silenced, its host down, outside of the policy's hours) is neither told nor
//! forgotten: it is news when it is hidden no more, if it is still so. What began and ended unseen
//! is never told.

use super::roster::{Policy, Roster};
use super::standing::{Standing, Standings, hosts_down, inhibitor};
use super::window;
use palisade_core::{Span, Timestamp};
use palisade_guard::notice::{NoticeState, Urgency};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// How long it is worth telling that something has happened.
const ONCE_KEPT: Duration = Duration::from_secs(72 * 3_600);
/// An Alertmanager forgets what it is not told again within 5 minutes.
const RELAY_REPEAT_MS: i64 = 60_000;
/// The annotation by which a notice says how often it is repeated: `once`, or a length of time.
pub const REPEAT: &str = "repeat";

/// When each group was last told, by group and channel.
pub type SentAt = HashMap<(String, String), Timestamp>;

/// One channel is told of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Flush {
    /// Which channel.
    pub channel: String,
    /// Which group: its policy and the labels that its members share.
    pub group: String,
    /// By which policy; empty when none applies any more.
    pub policy: String,
    /// The labels that its members share.
    pub labels: BTreeMap<String, String>,
    /// True for the daily digest.
    pub digest: bool,
    /// What fires or has happened, by key.
    pub firing: Vec<String>,
    /// What is over, by key.
    pub resolved: Vec<String>,
}

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Due {
    /// What is told.
    pub flushes: Vec<Flush>,
    /// What a channel does not want to hear of: that this is over.
    pub untold: Vec<(String, String)>,
    /// What has happened and was told to everybody who is to be told, by key.
    pub spent: Vec<String>,
    /// When something else is due, as far as that is known.
    pub next_at: Option<Timestamp>,
}

struct Scene<'a> {
    roster: &'a Roster,
    sent: &'a SentAt,
    now: Timestamp,
    due: Due,
    /// What a channel is told in this round, so that two policies do not tell it twice.
    taken: BTreeSet<(&'a str, &'a str)>,
}

struct Group<'a> {
    key: String,
    policy: &'a Policy,
    labels: BTreeMap<String, String>,
    digest: bool,
    members: Vec<Member<'a>>,
}

#[derive(Clone, Copy)]
struct Member<'a> {
    key: &'a str,
    standing: &'a Standing,
    hidden: bool,
}

/// A channel of a policy; `delay_ms` for one that is told only when nobody acknowledges.
struct Target<'a> {
    channel: &'a str,
    delay_ms: Option<i64>,
}

/// What is to be told now.
pub fn due(standings: &Standings, roster: &Roster, sent: &SentAt, now: Timestamp) -> Due {
    let mut scene = Scene { roster, sent, now, due: Due::default(), taken: BTreeSet::new() };
    let groups = groups(standings, roster, now);
    for group in groups.values() {
        for target in targets(group.policy, roster) {
            scene.judge(group, &target);
        }
    }
    scene.orphans(standings, &groups);
    scene.due.spent = spent(standings, &groups, &scene);
    scene.due
}

/// What has happened and is not to be told to anybody any more. With nobody to be told that is so at
/// once: a channel that comes later does not hear of the past.
fn spent(standings: &Standings, groups: &BTreeMap<String, Group<'_>>, scene: &Scene<'_>) -> Vec<String> {
    let mut pending: BTreeSet<&str> = BTreeSet::new();
    for group in groups.values() {
        let targets = targets(group.policy, scene.roster);
        let waits = |member: &&Member<'_>| targets.iter().any(|target| scene.once(member.standing, target));
        pending.extend(group.members.iter().filter(waits).map(|member| member.key));
    }
    let once = standings.iter().filter(|(_, standing)| standing.notice.state == NoticeState::Once);
    once.filter(|(key, _)| !pending.contains(key.as_str())).map(|(key, _)| key.clone()).collect()
}

fn groups<'a>(standings: &'a Standings, roster: &'a Roster, now: Timestamp) -> BTreeMap<String, Group<'a>> {
    let down = hosts_down(standings, now);
    let mut groups: BTreeMap<String, Group<'a>> = BTreeMap::new();
    for (key, standing) in standings {
        let hidden = roster.silence(standing, now).is_some() || inhibitor(standing, &down).is_some();
        for policy in roster.route(standing) {
            let digest = standing.notice.urgency == Urgency::Digest;
            let labels = if digest { BTreeMap::new() } else { shared(standing, policy) };
            let group_key = group_key(&policy.name, digest, &labels);
            let group = groups.entry(group_key.clone()).or_insert_with(|| Group {
                key: group_key,
                policy,
                labels,
                digest,
                members: Vec::new(),
            });
            // outside of the policy's hours nothing is told, not even that something is over
            let closed = !digest && !policy.open(standing.notice.severity, now);
            group.members.push(Member { key, standing, hidden: hidden || closed });
        }
    }
    groups
}

fn shared(standing: &Standing, policy: &Policy) -> BTreeMap<String, String> {
    let value = |name: &String| standing.labels.get(name).cloned().unwrap_or_default();
    policy.spec.group_by.iter().map(|name| (name.clone(), value(name))).collect()
}

/// `policy/{name="value"}`, as Alertmanager writes its own.
fn group_key(policy: &str, digest: bool, labels: &BTreeMap<String, String>) -> String {
    if digest {
        return format!("{policy}/digest");
    }
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{policy}/{{{}}}", pairs.join(","))
}

/// The policy's channels that exist, then those of its escalation.
fn targets<'a>(policy: &'a Policy, roster: &'a Roster) -> Vec<Target<'a>> {
    let base = policy.spec.channels.iter().map(|channel| Target { channel, delay_ms: None });
    let later = policy.spec.escalate.iter().flat_map(|step| {
        let delay_ms = Some(step.after.as_secs() as i64 * 1_000);
        step.channels.iter().map(move |channel| Target { channel, delay_ms })
    });
    let mut seen = BTreeSet::new();
    let all = base.chain(later).filter(|target| roster.channels.contains_key(target.channel));
    all.filter(|target| seen.insert(target.channel)).collect()
}

impl<'a> Scene<'a> {
    /// Tells one channel of one group if it is time.
    fn judge(&mut self, group: &Group<'a>, target: &Target<'a>) {
        let (mut firing, mut resolved) = (Vec::new(), Vec::new());
        let mut ready_at: Option<Timestamp> = None;
        for member in &group.members {
            let Some(news) = self.news(member, group, target) else { continue };
            if member.standing.notice.state == NoticeState::Resolved {
                resolved.push(member.key);
            } else {
                firing.push(member.key);
            }
            ready_at = ready_at.into_iter().chain(news).min();
        }
        let Some(ready_at) = ready_at else { return };
        let due_at = self.due_at(group, target, ready_at);
        if due_at > self.now {
            return self.later(due_at);
        }
        self.flush(group, target, (firing, resolved));
    }

    /// `None` if the channel does not hear of it now; else whether that is news, and since when.
    fn news(&mut self, member: &Member<'a>, group: &Group<'a>, target: &Target<'a>) -> Option<Option<Timestamp>> {
        let standing = member.standing;
        let relayed = self.roster.relays(target.channel) && standing.fires_for(target.channel);
        if (member.hidden && !relayed) || self.taken.contains(&(target.channel, member.key)) {
            return None;
        }
        match standing.notice.state {
            NoticeState::Resolved if !standing.fires_for(target.channel) => None,
            NoticeState::Resolved if !group.policy.spec.resolved && !self.roster.relays(target.channel) => {
                self.due.untold.push((target.channel.to_owned(), member.key.to_owned()));
                None
            }
            NoticeState::Resolved => Some(Some(standing.seen_at)),
            NoticeState::Once => self.once(standing, target).then_some(Some(standing.seen_at)),
            NoticeState::Firing => self.firing(standing, group, target),
        }
    }

    fn once(&self, standing: &Standing, target: &Target<'_>) -> bool {
        // what is stored is rounded to milliseconds
        let starts_ms = standing.notice.starts_at.as_millisecond();
        let known = standing.told.get(target.channel).is_some_and(|told| told.starts_at.as_millisecond() == starts_ms);
        let once = standing.notice.state == NoticeState::Once;
        once && target.delay_ms.is_none()
            && !known
            && self.now.duration_since(standing.seen_at).unsigned_abs() < ONCE_KEPT
    }

    fn firing(&mut self, standing: &Standing, group: &Group<'_>, target: &Target<'_>) -> Option<Option<Timestamp>> {
        let told = standing.told.get(target.channel).filter(|told| told.state != NoticeState::Resolved);
        let Some(told) = told else {
            return self.first(standing, group, target).map(Some);
        };
        if standing.notice.severity > told.severity {
            return Some(Some(standing.seen_at));
        }
        let relays = self.roster.relays(target.channel);
        let every_ms = if relays { Some(RELAY_REPEAT_MS) } else { repeat_ms(standing, group.policy.spec.repeat) };
        let Some(every_ms) = every_ms.filter(|_| relays || standing.acknowledged_by.is_none()) else {
            return Some(None);
        };
        let again_at = plus_ms(told.at, every_ms);
        if again_at <= self.now {
            return Some(Some(again_at));
        }
        self.later(again_at);
        Some(None)
    }

    /// Since when something that the channel does not know of could be told to it.
    fn first(&mut self, standing: &Standing, group: &Group<'_>, target: &Target<'_>) -> Option<Timestamp> {
        let Some(delay_ms) = target.delay_ms else {
            return Some(plus_ms(standing.seen_at, standing.notice.settle_ms as i64));
        };
        let since = standing.first_told(&group.policy.spec.channels)?;
        if standing.acknowledged_by.is_some() {
            return None;
        }
        let step_at = plus_ms(since, delay_ms);
        if step_at <= self.now {
            return Some(step_at);
        }
        self.later(step_at);
        None
    }

    fn due_at(&self, group: &Group<'_>, target: &Target<'_>, ready_at: Timestamp) -> Timestamp {
        let spec = &group.policy.spec;
        let sent_at = self.sent.get(&(group.key.clone(), target.channel.to_owned())).copied();
        let after_wait = plus_ms(ready_at, spec.group_wait.as_millis());
        if group.digest {
            let (time, zone) = &group.policy.digest;
            return window::next(sent_at.map_or(ready_at, |sent| sent.max(ready_at)), *time, zone);
        }
        let interval_ms = if self.roster.relays(target.channel) { 0 } else { spec.group_interval.as_millis() };
        sent_at.map_or(after_wait, |sent| after_wait.max(plus_ms(sent, interval_ms)))
    }

    fn flush(&mut self, group: &Group<'a>, target: &Target<'a>, (firing, resolved): (Vec<&'a str>, Vec<&'a str>)) {
        self.taken.extend(firing.iter().chain(&resolved).map(|key| (target.channel, *key)));
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        self.due.flushes.push(Flush {
            channel: target.channel.to_owned(),
            group: group.key.clone(),
            policy: group.policy.name.clone(),
            labels: group.labels.clone(),
            digest: group.digest,
            firing: owned(firing),
            resolved: owned(resolved),
        });
    }

    /// What is over and was told to a channel that no policy names for it any more: it is told there,
    /// so that nobody goes on believing that it fires.
    fn orphans(&mut self, standings: &'a Standings, groups: &BTreeMap<String, Group<'a>>) {
        let believed = |standing: &Standing| standing.told.values().any(|told| told.state == NoticeState::Firing);
        let over = standings.iter().filter(|(_, standing)| standing.notice.state == NoticeState::Resolved);
        let over: Vec<_> = over.filter(|(_, standing)| believed(standing)).collect();
        if over.is_empty() {
            return;
        }
        let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
        for group in groups.values() {
            let targets = targets(group.policy, self.roster);
            let pairs = |member: &Member<'a>| targets.iter().map(|t| (t.channel, member.key)).collect::<Vec<_>>();
            named.extend(group.members.iter().flat_map(pairs));
        }
        for (key, standing) in over {
            for (channel, told) in &standing.told {
                let left = told.state == NoticeState::Firing && !named.contains(&(channel.as_str(), key.as_str()));
                if left && self.roster.channels.contains_key(channel) {
                    self.due.flushes.push(orphan(channel, &told.group, key));
                } else if left {
                    self.due.untold.push((channel.clone(), key.clone()));
                }
            }
        }
    }

    fn later(&mut self, at: Timestamp) {
        self.due.next_at = self.due.next_at.into_iter().chain([at]).min();
    }
}

fn orphan(channel: &str, group: &str, key: &str) -> Flush {
    Flush {
        channel: channel.to_owned(),
        group: group.to_owned(),
        policy: String::new(),
        labels: BTreeMap::new(),
        digest: false,
        firing: Vec::new(),
        resolved: vec![key.to_owned()],
    }
}

/// How often a notice is repeated; `None` for never.
fn repeat_ms(standing: &Standing, of_policy: Span) -> Option<i64> {
    match standing.notice.annotations.get(REPEAT).map(String::as_str) {
        Some("once") => None,
        Some(text) => Some(text.parse::<Span>().unwrap_or(of_policy).as_secs() as i64 * 1_000),
        None => Some(of_policy.as_secs() as i64 * 1_000),
    }
}

fn plus_ms(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
}
