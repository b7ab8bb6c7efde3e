//! Rollups and retention.

use crate::stored::{NOON, Stored, host, record};
use palisade_guard::Record;
use palisade_monitor::store::{self, Tier};
use serde_json::json;

const DAY_S: i64 = 86_400;

#[tokio::test]
async fn minutes_become_rollups_of_5_minutes_and_an_hour() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 60).await;
    stored.tend(NOON + 2 * 3_600).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_rollup5").await, 12);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_rollup60").await, 1);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_due").await, 0);
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
async fn a_bucket_that_is_not_over_waits_and_one_with_late_data_is_made_again() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 4).await;
    stored.tend(NOON + 300).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_rollup5").await, 0);
    stored.tend(NOON + 360).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_rollup5").await, 1);
    stored.ingest(&[record(NOON + 4 * 60 + 17, 1.0, false)]).await;
    stored.tend(NOON + 420).await;
    let answer = stored.series("cpu_usage_ratio", (NOON, NOON + 300), None, NOON + 20 * DAY_S).await;
    assert_eq!(answer.series[0].max.as_ref().unwrap()[0], Some(1.0));
}

#[tokio::test]
async fn each_tier_forgets_after_its_time() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 30).await;
    stored.ingest(&[record(NOON + 1_700, 0.5, true)]).await;
    stored.tend(NOON + 7_200).await;
    let counts = async || {
        [
            stored.count("SELECT COUNT(*) FROM monitor_second").await,
            stored.count("SELECT COUNT(*) FROM monitor_minute").await,
            stored.count("SELECT COUNT(*) FROM monitor_rollup5").await,
            stored.count("SELECT COUNT(*) FROM monitor_rollup60").await,
        ]
    };
    assert_eq!(counts().await, [0, 30, 6, 1]);
    for (days, expected) in [(14, [0, 30, 6, 1]), (16, [0, 0, 6, 1]), (91, [0, 0, 0, 1]), (401, [0, 0, 0, 0])] {
        for minute in 0..10 {
            stored.tend(NOON + days * DAY_S + minute * 60).await;
        }
        assert_eq!(counts().await, expected, "after {days} days");
    }
}

#[tokio::test]
async fn one_call_does_a_bounded_piece() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 3_000).await;
    let now_s = NOON + 30 * DAY_S;
    stored.tend(now_s).await;
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_minute").await, 1_000);
    for minute in 1..=20 {
        stored.tend(now_s + minute * 60).await;
    }
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_minute").await, 0);
}

#[tokio::test]
async fn what_a_wrong_clock_put_into_the_future_goes() {
    let stored = Stored::new().await;
    stored.ingest(&[record(NOON, 0.1, false), record(NOON + 900 * DAY_S, 0.9, false)]).await;
    for minute in 0..10 {
        stored.tend(NOON + 60 + minute * 60).await;
    }
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_minute").await, 1);
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
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_minute").await, 1);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_series").await, 2);
    let mut db = stored.db.read().acquire().await.unwrap();
    let newest = store::latest(&mut db, &host()).await.unwrap().unwrap();
    assert_eq!(newest.metrics.keys().collect::<Vec<_>>(), ["disk_used_ratio{mount=\"/a\\\"b\"}", "load1"]);
    assert_eq!((newest.by_cpu.len(), newest.by_cpu[0].name.len(), newest.by_cpu[0].cpu), (10, 256, None));
}
