//! Which hosts are there, and, of those that are not, what became of them.
//!
//! What tells the verdicts apart is how a connection ended. An agent that is stopped says goodbye. A
//! kernel whose process was killed closes its connections. A host without power or network does
//! neither: its connection stays open until a ping is not answered. What is heard is kept in memory
//! and written to the database only when a verdict changes.

use super::Server;
use palisade_core::{Actor, Event, HostId, HostKind, Outcome, Severity, Standing, Timestamp, VerdictWord};
use palisade_guard::link::{CLOCK_SKEW_MAX_S, SILENT_AFTER_S};
use palisade_guard::store::{self, HostRow};
use palisade_guard::{GuardError, contract::chain};
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// An agent that was killed is started again by its service manager; until then nothing is said.
const RETURN_S: i64 = 15;
/// After a start of the server, hosts have this long to come back before they count as silent.
const START_S: i64 = 75;
/// Between two rounds of judging: long enough that it takes a twentieth of a core at most.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
const JUDGE_SELDOMEST: Duration = Duration::from_secs(10);
const REST_PARTS: u32 = 20;
/// When a host was last heard of is stored this often while it is there, in rounds of judging.
const SEEN_EVERY_ROUNDS: u64 = 30;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The agent said goodbye, and why.
    Bye(String),
    /// The host closed it without a goodbye.
    Closed,
    /// Nothing came any more, and a ping was not answered.
    Lost,
}

/// What is known of one host.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Open connections, by number, with the run of the agent that made each.
    live: BTreeMap<u64, Option<String>>,
    heard_at: Option<Timestamp>,
    ended: Option<(End, Timestamp)>,
    /// How far the host's clock is ahead, in seconds.
    skew_s: i64,
    /// It was told of that it holds newer specs than this server.
    ahead: bool,
}

/// All that is heard of hosts.
#[derive(Debug, Default)]
pub struct Presence {
    hosts: Mutex<HashMap<HostId, Known>>,
    next: std::sync::atomic::AtomicU64,
}

impl Presence {
    /// A number for a new connection.
    pub fn connection(&self) -> u64 {
        self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    fn with<T>(&self, host: &HostId, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut hosts = self.hosts.lock().expect("no panic while held");
        if let Some(known) = hosts.get_mut(host) {
            return change(known);
        }
        change(hosts.entry(host.clone()).or_default())
    }

    /// A connection has begun.
    pub fn begun(&self, host: &HostId, connection: u64, run: Option<String>, now: Timestamp) {
        self.with(host, |known| {
            known.live.insert(connection, run);
            (known.heard_at, known.ended) = (Some(now), None);
        });
    }

    /// Something was heard on any connection.
    pub fn heard(&self, host: &HostId, now: Timestamp) {
        self.with(host, |known| known.heard_at = Some(now));
    }

    /// The host's clock said `theirs` at `now`.
    pub fn clock(&self, host: &HostId, theirs: Timestamp, now: Timestamp) {
        self.with(host, |known| known.skew_s = theirs.duration_since(now).as_secs());
    }

    /// The host holds newer specs than this server ever gave; true the first time.
    pub fn ahead(&self, host: &HostId) -> bool {
        self.with(host, |known| !std::mem::replace(&mut known.ahead, true))
    }

    /// The agent says goodbye; the end of its connections changes nothing then.
    pub fn bye(&self, host: &HostId, why: &str, now: Timestamp) {
        self.with(host, |known| {
            known.live.clear();
            known.ended = Some((End::Bye(why.to_owned()), now));
        });
    }

    /// A connection has ended.
    pub fn ended(&self, host: &HostId, connection: u64, end: End, now: Timestamp) {
        self.with(host, |known| {
            let counted = known.live.remove(&connection).is_some();
            if counted && known.live.is_empty() {
                known.ended = Some((end, now));
            }
        });
    }

    /// When the host was last heard of since this server was started.
    pub fn heard_at(&self, host: &HostId) -> Option<Timestamp> {
        self.hosts.lock().expect("no panic while held").get(host).and_then(|known| known.heard_at)
    }

    /// The runs of agents that are connected under this name now.
    pub fn runs(&self, host: &HostId) -> Vec<String> {
        let hosts = self.hosts.lock().expect("no panic while held");
        hosts.get(host).map(|known| known.live.values().flatten().cloned().collect()).unwrap_or_default()
    }

    fn known(&self, host: &HostId) -> Known {
        self.hosts.lock().expect("no panic while held").get(host).cloned().unwrap_or_default()
    }
}

/// The verdict on a host, with its reason; `None` while the one of before still stands.
pub fn judge(row: &HostRow, known: &Known, started_at: Timestamp, now: Timestamp) -> Option<(VerdictWord, String)> {
    if row.kind == HostKind::Agentless {
        return Some((VerdictWord::Agentless, "no agent is expected on it".to_owned()));
    }
    if row.standing == Standing::Revoked {
        return Some((VerdictWord::Revoked, "its certificate was revoked".to_owned()));
    }
    let age = |at: Timestamp| now.duration_since(at).as_secs();
    if known.skew_s.abs() > CLOCK_SKEW_MAX_S {
        let way = if known.skew_s > 0 { "ahead" } else { "behind" };
        return Some((VerdictWord::ClockWrong, format!("its clock is {} s {way}", known.skew_s.abs())));
    }
    match (&known.ended, known.heard_at) {
        (Some((End::Bye(why), _)), _) => Some((VerdictWord::Ended, format!("its agent said goodbye: {why}"))),
        (Some((End::Closed, at)), _) if age(*at) >= RETURN_S => Some((
            VerdictWord::Killed,
            "its connection was closed without a goodbye: the agent was killed or has crashed".to_owned(),
        )),
        (Some((End::Closed, _)), _) => None,
        (Some((End::Lost, _)), _) => Some(unreachable_since("its connection went dead")),
        (None, Some(at)) if age(at) > SILENT_AFTER_S => Some(unreachable_since("nothing was heard of it")),
        (None, Some(_)) => Some((VerdictWord::Online, "connected".to_owned())),
        (None, None) if row.verdict == VerdictWord::Online && age(started_at) >= START_S => {
            Some(unreachable_since("nothing was heard of it since this server was started"))
        }
        (None, None) => None,
    }
}

fn unreachable_since(what: &str) -> (VerdictWord, String) {
    (VerdictWord::Unreachable, format!("{what}: the host or the network to it is down"))
}

/// Judges all hosts, again and again, until aborted.
pub async fn run(server: Server) {
    for round in 0u64.. {
        let started = Instant::now();
        if let Err(error) = judge_all(&server, round.is_multiple_of(SEEN_EVERY_ROUNDS)).await {
            tracing::warn!(error = chain(&error), "judging which hosts are there");
        }
        tokio::time::sleep((started.elapsed() * REST_PARTS).clamp(JUDGE_EVERY, JUDGE_SELDOMEST)).await;
    }
}

async fn judge_all(server: &Server, store_seen: bool) -> Result<(), GuardError> {
    let now = server.context.now();
    let mut db = server.context.db.read().acquire().await?;
    let hosts = store::hosts(&mut db).await?;
    drop(db);
    let mut changes = Vec::new();
    for row in hosts.iter().filter(|row| row.standing != Standing::Retired) {
        let known = server.presence.known(&row.id);
        let verdict = judge(row, &known, server.started_at, now);
        let (word, reason) = verdict.unwrap_or((row.verdict, row.verdict_reason.clone().unwrap_or_default()));
        let seen_at = known.heard_at.unwrap_or(row.seen_at);
        if word != row.verdict || (store_seen && seen_at > row.seen_at) {
            changes.push((row, word, reason, seen_at));
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    let mut tx = server.begin().await?;
    let mut told = false;
    for (row, word, reason, seen_at) in changes {
        let since = if word == row.verdict { row.verdict_at } else { now };
        store::verdict_put(&mut tx, &row.id, word, Some(&reason), seen_at, since).await?;
        if let Some(event) = event(row, word, &reason, now) {
            server.context.record(&mut tx, &event).await?;
            told = true;
        }
    }
    tx.commit().await?;
    server.context.publish(if told { &["hosts", "journal"] } else { &["hosts"] });
    Ok(())
}

/// One event when a host falls silent and one when it is back; a silent host whose verdict becomes
/// another one was told already.
fn event(row: &HostRow, word: VerdictWord, reason: &str, now: Timestamp) -> Option<Event> {
    let (kind, severity, message) = match (row.verdict, word) {
        (before, word) if before.is_silent() == word.is_silent() => return None,
        (before, VerdictWord::Online) if before.is_silent() => {
            let away = now.duration_since(row.verdict_at).as_secs();
            ("frame.host.back", Severity::Informational, format!("{} is back after {away} s", row.id))
        }
        (_, VerdictWord::Ended) => ("frame.host.silent", Severity::Low, format!("{} is away: {reason}", row.id)),
        (_, word) if word.is_silent() => {
            ("frame.host.silent", Severity::High, format!("{} is silent: {reason}", row.id))
        }
        _ => return None,
    };
    Some(Event {
        time: now,
        kind: kind.to_owned(),
        host: Some(row.id.clone()),
        severity,
        outcome: Outcome::Success,
        actor: Actor { name: "server".to_owned(), from: None },
        message,
        object: Some(row.id.to_string()),
        audit: false,
        data: serde_json::json!({ "verdict": word, "before": row.verdict }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn host() -> HostId {
        "web-1".parse().unwrap()
    }

    /// The verdict at `second` of a host that connected at 100 on a server that was started at 0.
    fn verdict(second: i64, happened: impl Fn(&Presence)) -> Option<VerdictWord> {
        let presence = Presence::default();
        presence.begun(&host(), 1, None, at(100));
        happened(&presence);
        judge(&HostRow::new(host(), at(0)), &presence.known(&host()), at(0), at(second)).map(|(word, _)| word)
    }

    #[test]
    fn how_a_connection_ends_decides_the_verdict() {
        let ended = |end: End| move |p: &Presence| p.ended(&host(), 1, end.clone(), at(110));
        assert_eq!(verdict(120, |_| {}), Some(VerdictWord::Online));
        assert_eq!(verdict(146, |_| {}), Some(VerdictWord::Unreachable));
        assert_eq!(verdict(111, |p| p.bye(&host(), "stopped", at(110))), Some(VerdictWord::Ended));
        assert_eq!(verdict(124, ended(End::Closed)), None, "it may be started again");
        assert_eq!(verdict(125, ended(End::Closed)), Some(VerdictWord::Killed));
        assert_eq!(verdict(111, ended(End::Lost)), Some(VerdictWord::Unreachable));
    }

    #[test]
    fn the_end_of_a_connection_after_a_goodbye_or_beside_another_changes_nothing() {
        let after_bye = |p: &Presence| {
            p.bye(&host(), "stopped", at(110));
            p.ended(&host(), 1, End::Closed, at(111));
        };
        assert_eq!(verdict(140, after_bye), Some(VerdictWord::Ended));
        let replaced = |p: &Presence| {
            p.begun(&host(), 2, None, at(110));
            p.ended(&host(), 1, End::Closed, at(111));
        };
        assert_eq!(verdict(140, replaced), Some(VerdictWord::Online));
    }

    #[test]
    fn a_clock_that_is_far_off_is_the_verdict_even_while_it_is_heard() {
        let day = |sign: i64| move |p: &Presence| p.clock(&host(), at(110 + sign * 86_400), at(110));
        assert_eq!(verdict(111, day(1)), Some(VerdictWord::ClockWrong));
        assert_eq!(verdict(111, day(-1)), Some(VerdictWord::ClockWrong));
        assert_eq!(verdict(111, |p| p.clock(&host(), at(140), at(110))), Some(VerdictWord::Online));
    }

    #[test]
    fn after_a_start_of_the_server_hosts_have_time_to_come_back() {
        let row = HostRow { verdict: VerdictWord::Online, ..HostRow::new(host(), at(0)) };
        assert_eq!(judge(&row, &Known::default(), at(0), at(74)), None);
        assert_eq!(judge(&row, &Known::default(), at(0), at(75)).unwrap().0, VerdictWord::Unreachable);
        let ended = HostRow { verdict: VerdictWord::Ended, ..row };
        assert_eq!(judge(&ended, &Known::default(), at(0), at(500)), None);
    }

    #[test]
    fn one_event_when_it_falls_silent_and_one_when_it_is_back() {
        let kind = |before, now| {
            let row = HostRow { verdict: before, ..HostRow::new(host(), at(0)) };
            event(&row, now, "", at(9)).map(|e| e.kind)
        };
        use VerdictWord::{Ended, Killed, Never, Online, Unreachable};
        assert_eq!(kind(Online, Killed).as_deref(), Some("frame.host.silent"));
        assert_eq!(kind(Killed, Unreachable), None);
        assert_eq!(kind(Ended, Online).as_deref(), Some("frame.host.back"));
        assert_eq!(kind(Never, Online), None);
    }
}
