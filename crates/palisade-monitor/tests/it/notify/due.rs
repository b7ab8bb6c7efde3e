//! Grouping, waiting, repeating, hiding and escalating, with no database and a clock of the test's own.

use super::{NOON_MS, at_ms, notice, resolved};
use palisade_core::{Severity, Timestamp};
use palisade_guard::Notice;
use palisade_guard::notice::{NoticeState, Urgency};
use palisade_guard::store::HostRow;
use palisade_monitor::notify::group::{Flush, SentAt, due};
use palisade_monitor::notify::roster::{Policy, Roster, Silence};
use palisade_monitor::notify::standing::{Standing, Standings, Told};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the dispatcher does with the answers, in memory: told, with the moment.
struct Desk {
    roster: Roster,
    standings: Standings,
    sent: SentAt,
    now_ms: i64,
    said: Vec<(i64, Flush)>,
}

impl Desk {
    fn new(policies: &[(&str, Value)]) -> Desk {
        let mut roster = Roster::default();
        for name in ["ops", "boss", "night"] {
            let spec = json!({ "type": "webhook", "url": "https://example.org/" });
            roster.channels.insert(name.to_owned(), serde_json::from_value(spec).unwrap());
        }
        for (name, spec) in policies {
            roster.policies.push(Policy::of(name, serde_json::from_value(spec.clone()).unwrap()).unwrap());
        }
        let web = HostRow::new("web-1".parse().unwrap(), at_ms(0));
        roster.hosts.insert(web.id.clone(), web);
        Desk { roster, standings: Standings::new(), sent: SentAt::new(), now_ms: NOON_MS, said: Vec::new() }
    }

    fn silence(&mut self, spec: Value) {
        self.roster.silences.push(Silence::of("quiet", serde_json::from_value(spec).unwrap()).unwrap());
    }

    fn now(&self) -> Timestamp {
        at_ms(self.now_ms)
    }

    /// As the store does it: what begins anew is seen now and acknowledged by nobody.
    fn say(&mut self, notice: Notice) {
        let before = self.standings.remove(&notice.key);
        let mut standing = Standing::new(notice, self.now());
        if let Some(before) = before {
            let same =
                before.notice.state == standing.notice.state && before.notice.starts_at == standing.notice.starts_at;
            standing.seen_at = if same { before.seen_at } else { standing.seen_at };
            standing.acknowledged_by = if same { before.acknowledged_by } else { None };
            standing.told = before.told;
        }
        self.standings.insert(standing.notice.key.clone(), standing);
    }

    /// Second by second.
    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now_ms += 1_000;
            self.judge();
        }
    }

    fn judge(&mut self) {
        let now = self.now();
        let due = due(&self.standings, &self.roster, &self.sent, now);
        for flush in due.flushes {
            self.sent.insert((flush.group.clone(), flush.channel.clone()), now);
            for key in flush.firing.iter().chain(&flush.resolved) {
                let standing = self.standings.get_mut(key).unwrap();
                let before = standing.told.get(&flush.channel).filter(|told| told.state == standing.notice.state);
                let told = Told {
                    state: standing.notice.state,
                    severity: standing.notice.severity,
                    starts_at: standing.notice.starts_at,
                    first_at: before.map_or(now, |told| told.first_at),
                    at: now,
                    group: flush.group.clone(),
                };
                standing.told.insert(flush.channel.clone(), told);
            }
            self.said.push(((self.now_ms - NOON_MS) / 1_000, flush));
        }
        for key in due.spent {
            self.standings.remove(&key);
        }
        for (channel, key) in due.untold {
            self.standings.get_mut(&key).unwrap().told.get_mut(&channel).unwrap().state = NoticeState::Resolved;
        }
    }

    /// `second channel +firing -resolved`, in order.
    fn told(&self) -> Vec<String> {
        let line = |(second, flush): &(i64, Flush)| {
            let firing = flush.firing.iter().map(|key| format!(" +{key}"));
            let resolved = flush.resolved.iter().map(|key| format!(" -{key}"));
            format!("{second} {}{}", flush.channel, firing.chain(resolved).collect::<String>())
        };
        self.said.iter().map(line).collect()
    }
}

fn ops(more: Value) -> Value {
    let mut spec = json!({ "channels": ["ops"], "group_wait": "0s", "group_interval": "1m", "repeat": "1h" });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[test]
fn what_fires_is_told_once_and_once_more_when_it_is_over() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let cpu = notice("a", "cpu");
    desk.say(cpu.clone());
    desk.pass(600);
    desk.say(resolved(&cpu, NOON_MS + 600_000));
    desk.pass(600);
    assert_eq!(desk.told(), ["1 ops +a", "601 ops -a"]);
    assert!(desk.standings["a"].finished());
}

#[test]
fn a_group_waits_for_others_and_for_its_causes_and_is_told_together() {
    let mut desk = Desk::new(&[("all", ops(json!({ "group_wait": "10s" })))]);
    desk.say(Notice { settle_ms: 5_000, ..notice("a", "cpu") });
    desk.pass(14);
    desk.say(notice("b", "cpu"));
    desk.say(notice("c", "disk"));
    desk.pass(30);
    assert_eq!(desk.told(), ["15 ops +a +b", "24 ops +c"]);
}

#[test]
fn news_of_a_group_that_was_told_wait_for_the_interval() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let (a, b) = (notice("a", "cpu"), notice("b", "cpu"));
    desk.say(a.clone());
    desk.pass(10);
    desk.say(b);
    desk.say(resolved(&a, NOON_MS + 5_000));
    desk.pass(100);
    assert_eq!(desk.told(), ["1 ops +a", "61 ops +b -a"]);
}

#[test]
fn what_began_and_ended_unseen_is_never_told_and_flapping_is_told_as_it_stands() {
    let mut desk = Desk::new(&[("all", ops(json!({ "group_wait": "30s" })))]);
    let a = notice("a", "cpu");
    desk.say(a.clone());
    desk.pass(10);
    desk.say(resolved(&a, NOON_MS + 9_000));
    desk.pass(100);
    assert!(desk.told().is_empty(), "{:?}", desk.told());
    assert!(desk.standings["a"].finished());
    desk.say(a.clone());
    desk.pass(31);
    desk.say(resolved(&a, NOON_MS));
    desk.pass(3);
    desk.say(Notice { starts_at: at_ms(NOON_MS + 1), ..a });
    desk.pass(200);
    assert_eq!(desk.told(), ["140 ops +a"]);
}

#[test]
fn what_lasts_is_repeated_unless_somebody_has_taken_it_on() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    desk.say(notice("a", "cpu"));
    desk.pass(3_602);
    desk.standings.get_mut("a").unwrap().acknowledged_by = Some("ada".to_owned());
    desk.pass(4_000);
    assert_eq!(desk.told(), ["1 ops +a", "3601 ops +a"]);
    let mut once = notice("b", "disk");
    once.annotations.insert("repeat".to_owned(), "once".to_owned());
    let mut own = notice("c", "load");
    own.annotations.insert("repeat".to_owned(), "10m".to_owned());
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    desk.say(once);
    desk.say(own);
    desk.pass(1_300);
    assert_eq!(desk.told(), ["1 ops +b", "1 ops +c", "601 ops +c", "1201 ops +c"]);
}

#[test]
fn what_becomes_more_severe_is_news() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    desk.say(notice("a", "cpu"));
    desk.pass(100);
    desk.say(Notice { severity: Severity::Critical, ..notice("a", "cpu") });
    desk.pass(100);
    desk.say(Notice { severity: Severity::Medium, ..notice("a", "cpu") });
    desk.pass(100);
    assert_eq!(desk.told(), ["1 ops +a", "101 ops +a"]);
}

#[test]
fn the_first_policy_takes_a_notice_unless_it_goes_on() {
    let first = ops(json!({ "match": { "labels": { "alertname": "cpu" } } }));
    let boss = json!({ "channels": ["boss"], "group_wait": "0s" });
    let mut desk = Desk::new(&[("1", first.clone()), ("2", boss.clone())]);
    desk.say(notice("a", "cpu"));
    desk.say(notice("b", "disk"));
    desk.pass(5);
    assert_eq!(desk.told(), ["1 ops +a", "1 boss +b"]);
    let mut first = first;
    first["continue"] = json!(true);
    let mut desk = Desk::new(&[("1", first), ("2", boss)]);
    desk.say(notice("a", "cpu"));
    desk.pass(5);
    assert_eq!(desk.told(), ["1 ops +a", "1 boss +a"]);
}

#[test]
fn two_policies_with_the_same_channel_tell_it_once() {
    let mut first = ops(json!({ "continue": true }));
    first["group_by"] = json!(["host"]);
    let mut desk = Desk::new(&[("1", first), ("2", ops(json!({})))]);
    desk.say(notice("a", "cpu"));
    desk.pass(100);
    assert_eq!(desk.told(), ["1 ops +a"]);
}

#[test]
fn what_is_silenced_is_told_after_it_if_it_still_fires() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    desk.silence(
        json!({ "match": { "labels": { "alertname": "cpu" } }, "until": at_ms(NOON_MS + 60_000), "reason": "r" }),
    );
    let (a, b) = (notice("a", "cpu"), notice("b", "cpu"));
    desk.say(a);
    desk.say(b.clone());
    desk.say(notice("c", "disk"));
    desk.pass(30);
    desk.say(resolved(&b, NOON_MS + 30_000));
    desk.pass(60);
    assert_eq!(desk.told(), ["1 ops +c", "60 ops +a"]);
}

#[test]
fn that_it_is_over_is_told_after_a_silence_to_who_was_told_before_it() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let a = notice("a", "cpu");
    desk.say(a.clone());
    desk.pass(5);
    desk.silence(json!({ "match": {}, "until": at_ms(NOON_MS + 300_000), "reason": "r" }));
    desk.say(resolved(&a, NOON_MS + 10_000));
    desk.pass(400);
    assert_eq!(desk.told(), ["1 ops +a", "300 ops -a"]);
}

#[test]
fn a_maintenance_window_silences_in_its_hours_only() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let every = json!({ "from": "12:00", "to": "12:10", "days": ["sun"] });
    desk.silence(json!({ "match": {}, "until": "2030-01-01T00:00:00Z", "reason": "r", "every": every }));
    desk.say(notice("a", "cpu"));
    desk.pass(700);
    assert_eq!(desk.told(), ["600 ops +a"]);
}

#[test]
fn a_host_that_is_down_hides_its_others_until_it_is_back_and_what_it_missed_is_judged() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let mut down = notice("down", "host-silent");
    down.labels.insert("host_down".to_owned(), "true".to_owned());
    desk.say(down.clone());
    desk.say(notice("a", "cpu"));
    desk.say(notice("b", "disk"));
    desk.say(Notice { host: Some("web-2".parse().unwrap()), ..notice("c", "load") });
    desk.pass(100);
    desk.say(resolved(&notice("b", "disk"), NOON_MS));
    desk.say(resolved(&down, NOON_MS + 100_000));
    desk.pass(100);
    assert_eq!(desk.told(), ["1 ops +down", "1 ops +c", "101 ops -down", "115 ops +a"]);
}

#[test]
fn outside_of_its_hours_a_policy_tells_only_what_is_severe_enough() {
    let window = json!({ "from": "13:00", "to": "20:00", "except": "critical" });
    let mut desk = Desk::new(&[("all", ops(json!({ "window": window })))]);
    desk.say(notice("a", "cpu"));
    desk.say(notice("b", "load"));
    desk.say(Notice { severity: Severity::Critical, ..notice("c", "disk") });
    desk.pass(1_800);
    desk.say(resolved(&notice("b", "load"), NOON_MS));
    desk.pass(2_000);
    assert_eq!(desk.told(), ["1 ops +c", "3600 ops +a", "3601 ops +c"]);
}

#[test]
fn who_is_next_is_told_when_nobody_acknowledges_and_hears_that_it_is_over() {
    let steps = json!([{ "after": "15m", "channels": ["boss"] }, { "after": "30m", "channels": ["night"] }]);
    let mut desk = Desk::new(&[("all", ops(json!({ "escalate": steps })))]);
    let (a, b) = (notice("a", "cpu"), notice("b", "disk"));
    desk.say(a.clone());
    desk.say(b.clone());
    desk.pass(600);
    desk.standings.get_mut("b").unwrap().acknowledged_by = Some("ada".to_owned());
    desk.pass(600);
    desk.standings.get_mut("a").unwrap().acknowledged_by = Some("ada".to_owned());
    desk.pass(2_000);
    desk.say(resolved(&a, NOON_MS));
    desk.say(resolved(&b, NOON_MS));
    desk.pass(60);
    let said = ["1 ops +a", "1 ops +b", "901 boss +a", "3201 ops -a", "3201 boss -a", "3201 ops -b"];
    assert_eq!(desk.told(), said);
}

#[test]
fn a_digest_is_sent_once_a_day_with_what_stands_then() {
    let mut desk = Desk::new(&[("all", ops(json!({ "digest_at": "12:30" })))]);
    let digest = |key: &str| Notice { urgency: Urgency::Digest, ..notice(key, key) };
    desk.say(digest("a"));
    desk.say(Notice { state: NoticeState::Once, ..digest("b") });
    desk.say(digest("c"));
    desk.pass(60);
    desk.say(resolved(&digest("c"), NOON_MS));
    desk.pass(2_000);
    desk.say(digest("d"));
    desk.pass(600);
    assert_eq!(desk.told(), ["1800 ops +a +b"]);
    desk.now_ms = NOON_MS + 86_400_000 + 1_799_000;
    desk.pass(3);
    assert_eq!(desk.told()[1..], ["88200 ops +a +d"]);
    assert!(desk.said[0].1.digest);
}

#[test]
fn what_happened_is_told_once_and_anew_when_it_happens_again() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let once = Notice { state: NoticeState::Once, ..notice("a", "login") };
    desk.say(once.clone());
    desk.pass(10_000);
    assert_eq!(desk.told(), ["1 ops +a"]);
    assert!(desk.standings.is_empty());
    desk.say(Notice { starts_at: desk.now(), ..once });
    desk.pass(100);
    assert_eq!(desk.told()[1..], ["10001 ops +a"]);
}

#[test]
fn a_channel_that_comes_later_does_not_hear_of_the_past() {
    let mut desk = Desk::new(&[("all", json!({ "channels": ["soon"], "group_wait": "0s" }))]);
    desk.say(Notice { state: NoticeState::Once, ..notice("a", "login") });
    desk.say(notice("b", "cpu"));
    desk.pass(10);
    let spec = json!({ "type": "webhook", "url": "https://example.org/" });
    desk.roster.channels.insert("soon".to_owned(), serde_json::from_value(spec).unwrap());
    desk.pass(10);
    assert_eq!(desk.told(), ["11 soon +b"]);
}

#[test]
fn what_happened_in_a_silence_is_told_after_it_unless_that_is_days_ago() {
    for (hours, told) in [(1, 1), (100, 0)] {
        let mut desk = Desk::new(&[("all", ops(json!({})))]);
        desk.silence(json!({ "match": {}, "until": at_ms(NOON_MS + hours * 3_600_000), "reason": "r" }));
        desk.say(Notice { state: NoticeState::Once, ..notice("a", "login") });
        desk.pass(5);
        desk.now_ms += hours * 3_600_000;
        desk.pass(5);
        assert_eq!((desk.told().len(), desk.standings.len()), (told, 0), "{hours} hours");
    }
}

#[test]
fn who_does_not_want_to_hear_that_it_is_over_hears_when_it_begins_anew() {
    let mut desk = Desk::new(&[("all", ops(json!({ "resolved": false })))]);
    let a = notice("a", "cpu");
    desk.say(a.clone());
    desk.pass(100);
    desk.say(resolved(&a, NOON_MS));
    desk.pass(100);
    desk.say(Notice { starts_at: desk.now(), ..a });
    desk.pass(100);
    assert_eq!(desk.told(), ["1 ops +a", "201 ops +a"]);
}

#[test]
fn a_channel_that_no_policy_names_any_more_hears_that_it_is_over() {
    let mut desk = Desk::new(&[("all", ops(json!({})))]);
    let a = notice("a", "cpu");
    desk.say(a.clone());
    desk.pass(5);
    let other = serde_json::from_value(json!({ "channels": ["boss"], "group_wait": "0s" })).unwrap();
    desk.roster.policies = vec![Policy::of("all", other).unwrap()];
    desk.pass(5);
    desk.say(resolved(&a, NOON_MS));
    desk.pass(400);
    assert_eq!(desk.told(), ["1 ops +a", "6 boss +a", "11 ops -a", "306 boss -a"]);
}

#[test]
fn without_a_policy_every_channel_is_told_and_without_a_channel_nobody() {
    let mut desk = Desk::new(&[]);
    desk.say(notice("a", "cpu"));
    desk.pass(10);
    assert!(desk.told().is_empty());
    desk.roster = desk.roster.clone().completed();
    desk.pass(10);
    assert_eq!(desk.told(), ["11 boss +a", "11 night +a", "11 ops +a"]);
}

#[test]
fn three_hundred_silent_hosts_are_one_notification_and_one_when_they_are_back() {
    let mut desk = Desk::new(&[("all", ops(json!({ "group_wait": "10s" })))]);
    let of = |n: usize| {
        let mut down = notice(&format!("silent/{n}"), "host-silent");
        down.host = Some(format!("web-{n}").parse().unwrap());
        down.labels.insert("host_down".to_owned(), "true".to_owned());
        down
    };
    for n in 0..300 {
        desk.say(of(n));
        desk.now_ms += 20;
        desk.judge();
    }
    desk.pass(300);
    (0..300).for_each(|n| desk.say(resolved(&of(n), NOON_MS)));
    desk.pass(300);
    let counts: Vec<_> = desk.said.iter().map(|(_, flush)| (flush.firing.len(), flush.resolved.len())).collect();
    assert_eq!(counts, [(300, 0), (0, 300)]);
}

#[derive(Debug, Clone)]
enum Act {
    Fire(u8),
    End(u8),
    Acknowledge(u8),
    Pass(u16),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..4_u8).prop_map(Act::Fire),
        3 => (0..4_u8).prop_map(Act::End),
        1 => (0..4_u8).prop_map(Act::Acknowledge),
        4 => (1..400_u16).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens: nobody hears that something is over who was not told that it fires, nothing
    /// is told as new twice, and in the end everybody who was told knows how things stand.
    #[test]
    fn a_channel_always_ends_with_the_truth(acts in acts(), silenced in any::<bool>()) {
        let steps = json!([{ "after": "3m", "channels": ["boss"] }]);
        let mut desk = Desk::new(&[("all", ops(json!({ "group_wait": "5s", "repeat": "30m", "escalate": steps })))]);
        if silenced {
            desk.silence(json!({
                "match": { "labels": { "alertname": "a1" } }, "until": at_ms(NOON_MS + 900_000), "reason": "r",
            }));
        }
        for act in acts {
            let name = |n: u8| format!("a{n}");
            match act {
                Act::Fire(n) => {
                    let starts_at = desk.now();
                    let fires = desk.standings.get(&name(n)).is_some_and(|s| s.notice.state == NoticeState::Firing);
                    if !fires {
                        desk.say(Notice { starts_at, ..notice(&name(n), &name(n)) });
                    }
                }
                Act::End(n) => {
                    if let Some(standing) = desk.standings.get(&name(n)) {
                        let over = resolved(&standing.notice, desk.now_ms);
                        desk.say(over);
                    }
                }
                Act::Acknowledge(n) => {
                    if let Some(standing) = desk.standings.get_mut(&name(n)) {
                        standing.acknowledged_by = Some("ada".to_owned());
                    }
                }
                Act::Pass(seconds) => desk.pass(i64::from(seconds)),
            }
        }
        desk.pass(1_000);
        let mut known: std::collections::BTreeMap<(String, String), bool> = Default::default();
        for (_, flush) in &desk.said {
            for key in &flush.resolved {
                let was = known.insert((flush.channel.clone(), key.clone()), false);
                prop_assert_eq!(was, Some(true), "told as over, but not as firing: {}", key);
            }
            for key in &flush.firing {
                known.insert((flush.channel.clone(), key.clone()), true);
            }
        }
        for (key, standing) in &desk.standings {
            let fires = standing.notice.state == NoticeState::Firing;
            let ops = known.get(&("ops".to_owned(), key.clone())).copied();
            prop_assert_eq!(ops.unwrap_or(false), fires, "{}", key);
            let boss = known.get(&("boss".to_owned(), key.clone())).copied();
            prop_assert!(boss != Some(true) || fires, "{}", key);
        }
    }
}
