//! Answers about a range: gaps, tiers, steps, reasons, limits.

use crate::stored::{NOON, Stored, record};
use palisade_monitor::pack::as_stored;
use palisade_monitor::series::{POINTS_MAX, Point, grid};
use palisade_monitor::store::{Retention, Tier};
use proptest::prelude::*;

const DAY_S: i64 = 86_400;

#[tokio::test]
async fn an_hour_of_minutes_comes_back_in_order_with_gaps_as_nulls() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 3).await;
    stored.minutes(NOON + 6 * 60, 2).await; // minutes 3, 4 and 5 are missing
    let answer = stored.series("cpu_usage_ratio", (NOON, NOON + 3_600), None, NOON + 8 * 60 + 30).await;
    assert_eq!((answer.tier, answer.step_s, answer.unit.as_str(), answer.reason), (Tier::Raw, 60, "ratio", None));
    let values = [Some(0.0), Some(0.01), Some(0.02), None, None, None, Some(0.0), Some(0.01)];
    let expected: Vec<_> = (0..).zip(values).map(|(n, v)| Point(NOON + n * 60, v.map(as_stored))).collect();
    assert_eq!(answer.series[0].points, expected);
    assert_eq!((answer.series.len(), &answer.series[0].min), (1, &None));
}

#[tokio::test]
async fn a_frame_that_is_on_its_way_is_no_gap_and_a_silent_host_is_one() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 5).await; // the last is of 12:04
    let points_at = async |now_s: i64| {
        let answer = stored.series("cpu_usage_ratio", (NOON, NOON + 3_600), None, now_s).await;
        (answer.series[0].points.len(), answer.series[0].points.last().unwrap().1.is_some())
    };
    assert_eq!(points_at(NOON + 6 * 60).await, (5, true));
    assert_eq!(points_at(NOON + 7 * 60).await, (6, false));
    assert_eq!(points_at(NOON + 30 * 60).await, (29, false));
}

#[tokio::test]
async fn each_label_is_a_series() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 2).await;
    let answer = stored.series("disk_used_ratio", (NOON, NOON + 600), None, NOON + 120).await;
    let said: Vec<_> = answer.series.iter().map(|s| (s.labels["mount"].as_str(), s.points[0].1)).collect();
    assert_eq!(said, [("/", Some(0.5)), ("/srv", Some(0.25))]);
}

#[tokio::test]
async fn a_step_averages_and_shows_the_smallest_and_largest() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 10).await;
    let answer = stored.series("cpu_usage_ratio", (NOON, NOON + 600), Some(300), NOON + 1_200).await;
    let series = &answer.series[0];
    let near =
        |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-7, "{value:?} {expected}");
    assert_eq!((answer.tier, answer.step_s, series.points.len()), (Tier::Raw, 300, 2));
    near(series.points[0].1, 0.02);
    near(series.points[1].1, 0.07);
    near(series.min.as_ref().unwrap()[1], 0.05);
    near(series.max.as_ref().unwrap()[1], 0.09);
}

#[tokio::test]
async fn seconds_answer_where_somebody_looked_on_and_do_not_hide_minutes() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 5).await;
    let live: Vec<_> = (0..20).map(|n| record(NOON + 280 + n, 0.9, true)).collect();
    stored.ingest(&live).await;
    let now_s = NOON + 300;
    let asked = async |from_s: i64, step_s| stored.series("cpu_usage_ratio", (from_s, now_s), step_s, now_s).await.tier;
    assert_eq!(asked(NOON, None).await, Tier::Raw);
    assert_eq!(asked(NOON, Some(60)).await, Tier::Raw);
    assert_eq!(asked(NOON + 270, None).await, Tier::Second);
    assert_eq!(asked(NOON, Some(1)).await, Tier::Second);
    let answer = stored.series("cpu_usage_ratio", (now_s - 30, now_s), Some(1), now_s).await;
    let known = answer.series[0].points.iter().filter(|p| p.1.is_some()).count();
    assert_eq!((known, answer.series[0].points[0]), (20, Point(now_s - 30, None)));
}

#[tokio::test]
async fn an_empty_answer_says_why() {
    let stored = Stored::new().await;
    let reason = async |name: &str, range, now_s| stored.series(name, range, None, now_s).await.reason.unwrap();
    let hour = (NOON, NOON + 3_600);
    let never = reason("cpu_usage_ratio", hour, NOON + 3_600).await;
    assert_eq!(never, "no metrics of web-1 have arrived yet; the first come within seconds of the start of its agent");
    stored.minutes(NOON, 5).await;
    let unknown = reason("cpu_usage", hour, NOON + 3_600).await;
    assert!(unknown.starts_with("there is no metric `cpu_usage`; did you mean cpu_usage_ratio"), "{unknown}");
    let alias = reason("disk_usedPercent", hour, NOON + 3_600).await;
    assert!(alias.contains("did you mean disk_used_ratio"), "{alias}");
    let nothing_near = reason("\u{1b}zzzz", hour, NOON + 3_600).await;
    assert!(nothing_near.ends_with("GET /api/v1/monitor/metrics lists all"), "{nothing_near}");
    let not_sent = reason("pressure_cpu_some_ratio", hour, NOON + 3_600).await;
    assert_eq!(
        not_sent,
        "web-1 has never sent pressure_cpu_some_ratio: its kernel may not have it, or it has no such device"
    );
    let silent = reason("cpu_usage_ratio", (NOON + 3_600, NOON + 7_200), NOON + 7_200).await;
    assert_eq!(silent, "web-1 has been silent since 2026-11-22T12:04:17Z");
    let before = reason("cpu_usage_ratio", (NOON - 7_200, NOON - 3_600), NOON + 3_600).await;
    assert_eq!(before, "web-1 sent no cpu_usage_ratio in this range");
    let old = reason("cpu_usage_ratio", (NOON - 500 * DAY_S, NOON - 450 * DAY_S), NOON + 3_600).await;
    assert_eq!(old, "outside of retention: metrics are kept 400 days");
    let future = reason("cpu_usage_ratio", (NOON + 9_000, NOON + 9_600), NOON + 3_600).await;
    assert_eq!(future, "the range lies in the future");
}

#[test]
fn the_finest_tier_that_still_has_the_range_answers() {
    let now_s = NOON + 15 * DAY_S + 77;
    let asked = |back_s: i64, step_s| {
        let grid = grid(Retention::default(), (now_s - back_s, now_s), step_s, now_s, (false, 60));
        (grid.tier, grid.step_s)
    };
    assert_eq!(asked(900, None), (Tier::Raw, 60));
    assert_eq!(asked(DAY_S, None), (Tier::Raw, 60));
    assert_eq!(asked(DAY_S, Some(3_600)), (Tier::Raw, 3_600));
    assert_eq!(asked(2 * DAY_S, None), (Tier::Raw, 120));
    assert_eq!(asked(7 * DAY_S, None), (Tier::FiveMinutes, 600));
    assert_eq!(asked(30 * DAY_S, None), (Tier::FiveMinutes, 1_500));
    assert_eq!(asked(30 * DAY_S, Some(1)), (Tier::FiveMinutes, 1_500));
    assert_eq!(asked(300 * DAY_S, None), (Tier::Hour, 14_400));
    assert_eq!(asked(900, Some(7)), (Tier::Raw, 60));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_range_makes_more_than_2000_points(
        back_s in 1..800 * DAY_S, span_s in 1..800 * DAY_S, step_s in proptest::option::of(1..3_650 * DAY_S), seconds in any::<bool>(), raw_step_s in 1_i64..=60
    ) {
        let grid = grid(Retention::default(), (NOON - back_s, NOON - back_s + span_s), step_s, NOON, (seconds, raw_step_s));
        let points = (grid.to_s - grid.from_s) / grid.step_s;
        prop_assert!((1..=POINTS_MAX).contains(&points), "{points} {grid:?}");
        let own = if grid.tier == Tier::Raw { raw_step_s } else { grid.tier.step_s() };
        prop_assert_eq!(grid.step_s % own, 0);
        prop_assert!(grid.from_s <= NOON - back_s && grid.to_s >= NOON - back_s + span_s);
    }
}

#[tokio::test]
async fn a_week_of_minutes_stays_below_2000_points() {
    let stored = Stored::new().await;
    for day in 0..2 {
        stored.minutes(NOON + day * DAY_S, 1_440).await;
    }
    let now_s = NOON + 2 * DAY_S;
    let answer = stored.series("cpu_usage_ratio", (NOON, now_s), None, now_s).await;
    assert_eq!((answer.tier, answer.step_s), (Tier::Raw, 120));
    assert!(answer.series[0].points.len() as i64 <= POINTS_MAX);
    assert!(answer.series[0].points.iter().all(|p| p.1.is_some()));
}

#[tokio::test]
async fn a_host_that_samples_every_10_seconds_is_shown_so_and_its_minutes_before_that_are_no_gaps() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 60).await;
    let fine: Vec<_> = (0..360).map(|n| fine(NOON + 3_600 + n * 10)).collect();
    stored.ingest(&fine).await;
    let now_s = NOON + 7_200;
    let answer = stored.series("cpu_usage_ratio", (NOON + 3_600, now_s), None, now_s).await;
    let values = answer.series[0].points.iter().filter(|p| p.1.is_some()).count();
    assert_eq!((answer.tier, answer.step_s, values, &answer.series[0].min), (Tier::Raw, 10, 360, &None));
    let answer = stored.series("cpu_usage_ratio", (NOON, now_s), Some(10), now_s).await;
    let gaps = answer.series[0].points.iter().filter(|p| p.1.is_none()).count();
    assert_eq!((answer.step_s, answer.series[0].points.len(), gaps), (60, 120, 0));
}

fn fine(at_s: i64) -> palisade_guard::Record {
    let mut record = record(at_s, 0.25, false);
    record.body["step_s"] = 10.into();
    record.body["interval_s"] = 10.into();
    record
}
