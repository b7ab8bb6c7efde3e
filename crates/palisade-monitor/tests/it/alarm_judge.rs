//! Judging, without a database: what a schedule of samples makes of a policy, live, after restarts,
//! and in a back-test.

use palisade_core::HostId;
use palisade_guard::store::HostRow;
use palisade_monitor::alarm::backtest::{self, Ask};
use palisade_monitor::alarm::book::{Book, Page, Watched};
use palisade_monitor::alarm::judge::{Change, SeriesState, Test, Transition, pass, step};
use palisade_monitor::alarm::live::{LiveHost, Outcome};
use palisade_monitor::alarm::rule::RuleSpec;
use palisade_monitor::alarm::{builtin, script};
use palisade_monitor::model::SeriesKey;
use palisade_monitor::pack::Summary;
use palisade_monitor::store::{Column, Retention};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A midnight.
const T0: i64 = 1_728_000_000;

fn host() -> HostId {
    "web-1".parse().unwrap()
}

fn key() -> SeriesKey {
    SeriesKey::new("cpu_usage_ratio", None)
}

fn spec(policy: Value, no_data: Value) -> RuleSpec {
    let mut policy = policy;
    policy["metric"] = json!("cpu_usage_ratio");
    let spec: RuleSpec = serde_json::from_value(json!({ "policies": [policy], "no_data": no_data })).unwrap();
    spec.checked().map_err(|e| format!("{:?} {}", e.path(), e.message())).unwrap();
    spec
}

fn watched(spec: &RuleSpec) -> (Arc<Page>, Arc<Watched>) {
    let book = Book::of(vec![("r".to_owned(), spec.clone())]);
    let page = book.pages(&[HostRow::new(host(), palisade_core::Timestamp::UNIX_EPOCH)])[&host()].clone();
    (page, book.rules[0].watched[0].clone())
}

/// What becomes of a policy when samples come every minute; `None` is a gap.
fn said(policy: Value, no_data: Value, values: &[Option<f64>]) -> Vec<(i64, Change)> {
    let (_, watched) = watched(&spec(policy, no_data));
    let (mut state, mut out) = (SeriesState::default(), Vec::new());
    for (n, value) in (0..).zip(values) {
        match value {
            Some(value) => step(&watched.test, &mut state, T0 + 60 * n, Summary::of(*value), &mut out),
            None => pass(&watched.test, &mut state, T0 + 60 * n, &mut out),
        }
    }
    out.iter().map(|t| ((t.at_s - T0) / 60, t.to)).collect()
}

fn values(parts: &[(f64, usize)]) -> Vec<Option<f64>> {
    parts.iter().flat_map(|(v, n)| std::iter::repeat_n((*v >= 0.0).then_some(*v), *n)).collect()
}

#[test]
fn it_fires_after_count_and_is_over_only_after_as_many_right_ones() {
    let policy = json!({ "operator": ">", "threshold": 0.9, "recover": 0.8, "count": 3 });
    let given = values(&[(0.5, 2), (0.95, 4), (0.85, 5), (0.5, 2), (0.95, 1), (0.5, 3)]);
    let expected = [(2, Change::Pending), (4, Change::Firing), (16, Change::Resolved)];
    assert_eq!(said(policy, json!({}), &given), expected, "0.85 is neither wrong nor right");
}

#[test]
fn two_of_five_are_enough_when_the_rule_says_so() {
    let policy = json!({ "operator": ">=", "threshold": 0.9, "count": 2, "of": 5 });
    let given = values(&[(0.5, 1), (0.9, 1), (0.5, 3), (0.9, 1)]);
    assert_eq!(said(policy, json!({}), &given), [(1, Change::Pending), (5, Change::Firing)]);
}

#[test]
fn an_alarm_whose_samples_stop_goes_on_firing() {
    let policy = json!({ "operator": ">", "threshold": 0.9, "count": 1 });
    for treat in ["alarm", "keep", "ok"] {
        let given = values(&[(0.95, 2), (-1.0, 300), (0.95, 1), (0.1, 1)]);
        let all = said(policy.clone(), json!({ "treat": treat }), &given);
        let expected = [(0, Change::Firing), (4, Change::Stale), (302, Change::Fresh), (303, Change::Resolved)];
        assert_eq!(all, expected, "{treat}");
    }
}

#[test]
fn no_data_is_an_alarm_only_where_the_rule_says_so_and_ends_with_samples() {
    let policy = json!({ "operator": ">", "threshold": 0.9, "count": 2 });
    let given = values(&[(0.1, 2), (-1.0, 10), (0.1, 3)]);
    assert_eq!(said(policy.clone(), json!({ "treat": "keep" }), &given), []);
    let expected = [(4, Change::NoData), (13, Change::Resolved)];
    assert_eq!(said(policy.clone(), json!({ "treat": "alarm" }), &given), expected);
    let given = values(&[(0.95, 1), (-1.0, 10)]);
    assert_eq!(said(policy, json!({ "treat": "ok" }), &given), [(0, Change::Pending), (3, Change::Ok)]);
}

#[test]
fn periods_are_aligned_and_judged_by_their_statistic() {
    let given = values(&[(0.5, 5), (1.0, 4), (0.5, 6), (0.2, 1)]);
    let of = |statistic: &str| {
        let policy = json!({ "operator": ">=", "threshold": 0.9, "count": 1, "period": "5m", "statistic": statistic });
        said(policy, json!({}), &given)
    };
    assert_eq!(of("average"), [(10, Change::Firing), (15, Change::Resolved)]);
    assert_eq!(of("max"), [(10, Change::Firing), (15, Change::Resolved)]);
    assert_eq!(of("min"), []);
    assert_eq!(of("latest"), []);
    assert_eq!(of("sum"), [(5, Change::Firing)]);
}

#[test]
fn a_period_is_compared_with_the_one_right_before_it() {
    let rise = json!({ "operator": "rise", "threshold": 50.0, "count": 1, "period": "5m" });
    assert_eq!(
        said(rise.clone(), json!({}), &values(&[(0.2, 5), (0.4, 5), (0.4, 6)])),
        [(10, Change::Firing), (15, Change::Resolved)]
    );
    assert_eq!(said(rise.clone(), json!({}), &values(&[(0.2, 5), (-1.0, 5), (0.9, 6)])), [], "a gap is no fall");
    let from_nothing = values(&[(0.0, 5), (0.9, 11)]);
    assert_eq!(said(rise, json!({}), &from_nothing), [(10, Change::Firing), (15, Change::Resolved)]);
    let fall = json!({ "operator": "fall", "threshold": 50.0, "count": 1 });
    assert_eq!(said(fall, json!({}), &values(&[(0.8, 1), (0.3, 1)])), [(1, Change::Firing)]);
}

#[test]
fn what_makes_no_sense_is_refused_and_says_where() {
    let refused = |policy: Value| {
        let spec: RuleSpec = serde_json::from_value(json!({ "policies": [policy] })).unwrap();
        let error = spec.checked().unwrap_err();
        (error.path().unwrap_or_default().to_owned(), error.hinted().unwrap_or_default().to_owned())
    };
    let policy = |more: Value| {
        let mut all = json!({ "metric": "disk_used_ratio", "operator": ">", "threshold": 0.9 });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let cases = [
        (json!({ "metric": "disk_used_rato" }), "spec.policies[0].metric", "disk_used_ratio"),
        (json!({ "threshold": 90.0 }), "spec.policies[0].threshold", "write 0.9"),
        (json!({ "count": 0 }), "spec.policies[0].count", ""),
        (json!({ "count": 3, "of": 2 }), "spec.policies[0].of", ""),
        (json!({ "count": 3, "of": 181 }), "spec.policies[0].of", ""),
        (json!({ "recover": 0.95 }), "spec.policies[0].recover", ""),
        (json!({ "labels": { "device": "sda" } }), "spec.policies[0].labels", "`mount`"),
        (json!({ "labels": { "mount": "=~(" } }), "spec.policies[0].labels.mount", ""),
    ];
    for (more, at, hint) in cases {
        let (path, hinted) = refused(policy(more.clone()));
        assert_eq!(path, at, "{more}");
        assert!(hinted.contains(hint), "{more}: {hinted}");
    }
}

#[test]
fn the_words_of_cloud_services_are_severities() {
    let of =
        |word: &str| serde_json::from_value::<RuleSpec>(json!({ "severity": word })).map(|s| s.severity.to_string());
    let words = ["critical", "major", "minor", "informational", "low"].map(|w| of(w).unwrap());
    assert_eq!(words, ["critical", "high", "medium", "informational", "low"]);
    assert!(of("urgent").is_err());
}

#[test]
fn the_built_in_rules_make_sense_and_each_says_why() {
    let rules = builtin::rules();
    assert!(rules.len() >= 10, "{}", rules.len());
    for (name, spec) in rules {
        spec.checked().map_err(|e| format!("{name}: {:?} {}", e.path(), e.message())).unwrap();
        assert!(spec.description.is_some_and(|why| why.len() > 30), "{name}");
    }
}

#[test]
fn a_file_of_tests_judges_rules_as_they_are_judged_live() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules-test.yaml");
    let text = r#"
rules:
  disk:
    no_data: { after: 3m, treat: alarm }
    policies:
      - { metric: disk_used_ratio, operator: ">=", threshold: 0.9, recover: 0.8, count: 3 }
tests:
  - name: a disk fills, and is tidied up
    series:
      'disk_used_ratio{mount="/srv"}': "0.5x10 0.95x5 _x10 0.7x5"
      'disk_used_ratio{mount="/"}': "0.5x10 0.5x20"
    expect:
      - { at: 9m, rule: disk, state: ok }
      - { at: 10m, rule: disk, state: pending }
      - { at: 12m, rule: disk, state: firing }
      - { at: 20m, rule: disk, series: 'disk_used_ratio{mount="/srv"}', state: firing, stale: true }
      - { at: 27m, rule: disk, state: ok }
      - { at: 40m, rule: disk, state: no_data }
"#;
    std::fs::write(&file, text).unwrap();
    let verdict = script::run(&file).unwrap();
    assert_eq!((verdict.tests, verdict.failures), (1, Vec::<String>::new()));
    std::fs::write(&file, text.replace("at: 12m, rule: disk, state: firing", "at: 12m, rule: disk, state: ok"))
        .unwrap();
    let failures = script::run(&file).unwrap().failures;
    assert!(failures[0].contains("at 12m, `disk` is Firing, not ok"), "{failures:?}");
}

/// A schedule: minutes until the next sample, its value, and whether the server is killed before it.
#[derive(Debug, Clone)]
struct Tick {
    minutes: i64,
    offset_s: i64,
    value: f64,
    is_killed: bool,
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let minutes = prop_oneof![8 => Just(1_i64), 1 => 2..7_i64, 1 => 10..90_i64];
    let value = prop_oneof![Just(0.2), Just(0.85), Just(0.95), Just(0.99)];
    let one = (minutes, 0..20_i64, value, prop::bool::weighted(0.08));
    let tick = |(minutes, offset_s, value, is_killed)| Tick { minutes, offset_s, value, is_killed };
    prop::collection::vec(one.prop_map(tick), 1..160)
}

fn specs() -> impl Strategy<Value = RuleSpec> {
    let period = prop::sample::select(vec!["raw", "1m", "5m", "20m", "1h"]);
    let treat = prop::sample::select(vec!["alarm", "keep", "ok"]);
    let statistic = prop::sample::select(vec!["average", "max", "min", "latest"]);
    (period, treat, statistic, 1..4_u32, 0..3_u32, any::<bool>()).prop_map(|(period, treat, statistic, count, more, recover)| {
        let mut policy = json!({ "operator": ">", "threshold": 0.9, "period": period, "statistic": statistic, "count": count, "of": count + more });
        if recover {
            policy["recover"] = json!(0.8);
        }
        spec(policy, json!({ "after": "3m", "treat": treat }))
    })
}

fn kept(outcomes: Vec<Outcome>) -> impl Iterator<Item = Transition> {
    outcomes.into_iter().filter(Outcome::is_kept).map(|outcome| outcome.transition)
}

/// Runs a schedule live, as the server does it: what is decided is stored at once together with where
/// judging stands; a kill loses all that is only in memory.
fn live(page: &Arc<Page>, ticks: &[Tick], with_kills: bool) -> (Vec<Transition>, Vec<(i64, f64)>) {
    let (mut now_s, mut rows, mut told) = (T0, Vec::new(), Vec::new());
    let mut host = LiveHost::new(page.clone(), T0 - 1, T0);
    let mut stored = (T0 - 1, "[]".to_owned());
    let take = |host: &mut LiveHost, stored: &mut (i64, String), outcomes: Vec<Outcome>, told: &mut Vec<Transition>| {
        let before = told.len();
        told.extend(kept(outcomes));
        if told.len() > before || host.unkept_s() >= 600 {
            *stored = (host.at_s(), host.save());
        }
    };
    for tick in ticks {
        let next_s = now_s + 60 * tick.minutes;
        for second in (now_s + 1..next_s).step_by(7) {
            let outcomes = host.pass(second);
            take(&mut host, &mut stored, outcomes, &mut told);
        }
        now_s = next_s;
        if with_kills && tick.is_killed {
            host = LiveHost::restore(page.clone(), stored.0, &stored.1, now_s);
            let again: Vec<_> = rows.iter().map(|(at_s, value)| (*at_s, vec![(key(), *value)])).collect();
            let outcomes = host.rows(&again, now_s);
            take(&mut host, &mut stored, outcomes, &mut told);
        }
        rows.push((now_s - tick.offset_s, tick.value));
        let outcomes = host.rows(&[(now_s - tick.offset_s, vec![(key(), tick.value)])], now_s);
        take(&mut host, &mut stored, outcomes, &mut told);
    }
    told.extend(kept(host.pass(now_s + 90_000)));
    (told, rows)
}

fn tried(watched: &Watched, spec: &RuleSpec, rows: &[(i64, f64)]) -> Vec<Transition> {
    let end_s = rows.last().map_or(T0, |(at_s, _)| at_s + 90_000);
    let points = rows.iter().map(|(at_s, value)| (*at_s, Summary::of(*value))).collect();
    let ask = Ask { spec: spec.clone(), from_s: T0, to_s: end_s, now_s: end_s, retention: Retention::default() };
    let all = backtest::transitions(watched, &Column { host: host(), key: key(), points }, &ask);
    all.into_iter().filter(|t| !matches!(t.to, Change::Pending | Change::Ok)).collect()
}

/// Every end of a firing alarm comes after `count` periods in which a right value was measured.
fn ends_are_measured(test: &Test, rows: &[(i64, f64)], told: &[Transition]) -> Result<(), TestCaseError> {
    let mut began = None;
    for transition in told {
        match transition.to {
            Change::Firing | Change::NoData => began = Some(*transition),
            Change::Resolved => {
                let Some(began) = began.take() else { continue };
                let was_silent = began.to == Change::NoData;
                let right = |value: f64| was_silent || value <= test.recover.unwrap_or(test.threshold);
                let period = |at_s: i64| if test.period_s == 0 { at_s } else { at_s.div_euclid(test.period_s) };
                // no data is said so long after the last sample before the silence
                let from_s = if was_silent { began.at_s - test.no_data_after_s + 1 } else { began.at_s };
                let is_after = |at_s: i64| (from_s..=transition.at_s).contains(&at_s);
                let since = rows.iter().filter(|(at_s, value)| is_after(*at_s) && right(*value));
                let periods: BTreeSet<i64> = since.map(|(at_s, _)| period(*at_s)).collect();
                prop_assert!(
                    periods.len() >= test.count as usize,
                    "over at {} after {:?}",
                    transition.at_s - T0,
                    periods
                );
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn live_restarted_and_tried_afterwards_say_the_same(spec in specs(), ticks in ticks()) {
        let (page, watched) = watched(&spec);
        let (told, rows) = live(&page, &ticks, false);
        prop_assert_eq!(&tried(&watched, &spec, &rows), &told);
        let (told_killed, _) = live(&page, &ticks, true);
        prop_assert_eq!(&told_killed, &told);
        ends_are_measured(&watched.test, &rows, &told)?;
    }

    #[test]
    fn late_double_and_future_samples_and_jumps_of_time_never_end_an_alarm(
        spec in specs(),
        steps in prop::collection::vec((-4_000..8_000_i64, prop::sample::select(vec![0.2, 0.85, 0.95, 0.99]), any::<bool>()), 1..200),
    ) {
        let (_, watched) = watched(&spec);
        let (mut state, mut told, mut rows) = (SeriesState::default(), Vec::new(), Vec::new());
        let mut at_s = T0;
        for (by_s, value, is_pass) in steps {
            at_s += by_s;
            if is_pass {
                pass(&watched.test, &mut state, at_s, &mut told);
            } else {
                if at_s > state.last_at_s {
                    rows.push((at_s, value));
                }
                step(&watched.test, &mut state, at_s, Summary::of(value), &mut told);
            }
        }
        ends_are_measured(&watched.test, &rows, &told)?;
    }
}
