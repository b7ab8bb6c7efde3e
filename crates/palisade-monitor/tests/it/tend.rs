//! Rollups, retention, and what makes no sense.

use crate::stored::{NOON, Stored, host, record};
use palisade_guard::Record;
use palisade_monitor::store::{self, Tier};
use serde_json::json;

const DAY_S: i64 = 86_400;

#[tokio::test]
async fn minutes_become_rollups_of_5_minutes_and_an_hour() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 60).await;
    stored.tend(NOON + DAY_S).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 0);
    assert_eq!(stored.count("SELECT COUNT(DISTINCT tier) FROM monitor_chunk").await, 3);
    // 20 days later the minutes are gone from the answer, the rollups are not
    let answer = stored.series("cpu_usage_ratio", (NOON, NOON + 3_600), None, NOON + 20 * DAY_S).await;
    assert_eq!((answer.tier, answer.series[0].points.len()), (Tier::FiveMinutes, 12));
    let near =
        |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-6, "{value:?} {expected}");
    near(answer.series[0].points[11].1, 0.57);
    let answer = stored.series("cpu_usage_ratio", (NOON, NOON + 3_600), None, NOON + 100 * DAY_S).await;
    let series = &answer.series[0];
    assert_eq!((answer.tier, series.points.len()), (Tier::Hour, 1));
    near(series.points[0].1, 0.295);
    near(series.min.as_ref().unwrap()[0], 0.0);
    near(series.max.as_ref().unwrap()[0], 0.59);
}

#[tokio::test]
async fn a_window_that_is_not_over_waits_and_what_comes_late_is_in_every_tier_at_once() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 4).await;
    let chunks = async || stored.count("SELECT COUNT(*) FROM monitor_chunk").await;
    stored.tend(NOON + 7_200 + 599).await;
    assert_eq!(chunks().await, 0);
    stored.tend(NOON + 7_200 + 600).await;
    assert_eq!(chunks().await, 1);
    stored.ingest(&[record(NOON + 4 * 60 + 17, 1.0, false)]).await;
    let most = async || {
        let sums = [Tier::FiveMinutes, Tier::Hour].map(async |tier| {
            let columns = stored.columns("cpu_usage_ratio", tier, (NOON, NOON + 3_600)).await;
            let (_, sum) = columns[0].points[0];
            (columns[0].points.len(), sum.max, sum.samples)
        });
        let [five, hour] = sums;
        (five.await, hour.await)
    };
    let expected = ((1, 1.0, 5), (1, 1.0, 5));
    assert_eq!(most().await, expected);
    for now_s in [NOON + 8_000, NOON + DAY_S] {
        stored.tend(now_s).await;
        assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 0);
        assert_eq!(most().await, expected);
    }
    assert_eq!(chunks().await, 3);
    // later still: the day is summed up once more
    stored.ingest(&[record(NOON + 5 * 60 + 17, 0.5, false)]).await;
    stored.tend(NOON + DAY_S).await;
    assert_eq!(most().await, ((2, 1.0, 5), (1, 1.0, 6)));
}

#[tokio::test]
async fn each_tier_forgets_after_its_time() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 30).await;
    stored.ingest(&[record(NOON + 1_700, 0.5, true)]).await;
    stored.tend(NOON + DAY_S).await;
    let counts = async || {
        [
            stored.count("SELECT COUNT(*) FROM monitor_second").await,
            stored.count("SELECT COUNT(*) FROM monitor_chunk WHERE tier = 1").await,
            stored.count("SELECT COUNT(*) FROM monitor_chunk WHERE tier = 2").await,
            stored.count("SELECT COUNT(*) FROM monitor_chunk WHERE tier = 3").await,
        ]
    };
    assert_eq!(counts().await, [0, 1, 1, 1]);
    // a chunk goes when all of it is too old: those of an hour cover 10 days
    for (days, expected) in [(14, [0, 1, 1, 1]), (16, [0, 0, 1, 1]), (92, [0, 0, 0, 1]), (421, [0, 0, 0, 0])] {
        stored.tend(NOON + days * DAY_S).await;
        assert_eq!(counts().await, expected, "after {days} days");
    }
}

#[tokio::test]
async fn what_comes_when_its_time_is_over_is_not_kept_and_spoils_no_rollup() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 60).await;
    stored.tend(NOON + DAY_S).await;
    stored.tend(NOON + 20 * DAY_S).await;
    stored.ingest(&[record(NOON + 17, 0.99, false)]).await;
    let range = (NOON, NOON + 3_600);
    let before = stored.columns("cpu_usage_ratio", Tier::FiveMinutes, range).await;
    assert_eq!((before[0].points.len(), before[0].points[0].1.samples, before[0].points[0].1.max < 0.1), (12, 5, true));
    stored.tend(NOON + 20 * DAY_S).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 0);
    assert_eq!(stored.columns("cpu_usage_ratio", Tier::FiveMinutes, range).await, before);
}

#[tokio::test]
async fn one_call_forgets_a_bounded_piece() {
    let stored = Stored::new().await;
    let ahead = NOON + 900 * DAY_S;
    stored.minutes(ahead, store::REMOVED_MAX + 10).await;
    stored.tend(NOON).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 10);
    stored.tend(NOON + 60).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 0);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_latest WHERE at > 0").await, 0);
}

#[tokio::test]
async fn what_a_wrong_clock_put_into_the_future_goes() {
    let stored = Stored::new().await;
    stored.ingest(&[record(NOON, 0.1, false), record(NOON + 900 * DAY_S, 0.9, false)]).await;
    for minute in 0..10 {
        stored.tend(NOON + 60 + minute * 60).await;
    }
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 1);
    stored.ingest(&[record(NOON + 600, 0.2, false)]).await;
    let mut db = stored.db.read().acquire().await.unwrap();
    let newest = store::latest(&mut db, &host()).await.unwrap().unwrap();
    assert_eq!(newest.metrics["cpu_usage_ratio"], 0.2);
}

#[tokio::test]
async fn records_that_make_no_sense_are_passed_over_and_twice_is_once() {
    let stored = Stored::new().await;
    let hostile = json!({
        "at": crate::stored::at(NOON), "interval_s": 60.0,
        "metrics": {
            "cpu_usage_ratio": 7e9, "load1": 0.5, "no_such_metric": 1, "load5{x=\"y\"}": 1, "disk_used_ratio": 0.5,
            "disk_used_ratio{mount=\"\u{1b}\"}": 0.5, "disk_used_ratio{mount=\"/a\\\"b\"}": 0.5,
        },
        "by_cpu": (0..50).map(|n| json!({ "pid": n, "name": "é".repeat(5_000), "cpu": 1e300, "rss_bytes": 1 })).collect::<Vec<_>>(),
    });
    let bodies = [
        json!(null),
        json!({ "at": "never" }),
        json!({ "at": "2026-11-22T12:00:00Z", "interval_s": -1, "metrics": {} }),
        hostile,
    ];
    let records: Vec<_> =
        (1..).zip(bodies).map(|(seq, body)| Record { seq, at: crate::stored::at(NOON), body }).collect();
    stored.ingest(&records).await;
    stored.ingest(&records).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 1);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_series").await, 2);
    let mut db = stored.db.read().acquire().await.unwrap();
    let newest = store::latest(&mut db, &host()).await.unwrap().unwrap();
    let said = "server: 10 values made no sense and were not stored; the last was of `no_such_metric`";
    assert_eq!(newest.missing, [said]);
    assert_eq!(newest.metrics.keys().collect::<Vec<_>>(), ["disk_used_ratio{mount=\"/a\\\"b\"}", "load1"]);
    assert_eq!((newest.by_cpu.len(), newest.by_cpu[0].name.len(), newest.by_cpu[0].cpu), (10, 256, None));
}
