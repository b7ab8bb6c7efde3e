//! Series that come and go: which are forgotten, and which never are.

use crate::stored::{NOON, Stored, at, host};
use palisade_monitor::model::Frame;
use palisade_monitor::store::{self, Retention, Store, Tier};
use std::collections::BTreeSet;

const DAY_S: i64 = 86_400;
/// Frames of a storm come so often: that many containers are started and ended in between.
const STORM_STEP_S: i64 = 1_800;
const CONTAINERS: i64 = 42;
const OF_CONTAINER: [&str; 9] = [
    "container_cpu_ratio",
    "container_throttled_ratio",
    "container_memory_bytes",
    "container_memory_limit_bytes",
    "container_memory_used_ratio",
    "container_read_bytes_rate",
    "container_write_bytes_rate",
    "container_tasks",
    "container_oom_kills_total",
];

fn frame(at_s: i64, metrics: Vec<(String, f64)>) -> Frame {
    let metrics = metrics.into_iter().collect();
    Frame { at: at(at_s), interval_s: 60.0, step_s: 60, metrics, ..Frame::default() }
}

async fn put(stored: &Stored, frame: Frame) {
    let mut tx = stored.db.begin().await.unwrap();
    stored.store.put(&mut tx, &host(), &[frame]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn known(stored: &Stored) -> BTreeSet<String> {
    let mut db = stored.db.read().acquire().await.unwrap();
    stored.store.series_of(&mut db, &host()).await.unwrap().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn two_thousand_containers_a_day_are_all_stored_and_the_silent_ones_make_room() {
    let stored = Stored::new().await;
    let (mut now_s, mut containers) = (NOON, 0);
    for _ in 0..20 {
        let of = |name: &str, n: i64| (format!("{name}{{container=\"c{n}\"}}"), (n % 1_000) as f64 / 1_000.0);
        let all = (containers..containers + CONTAINERS).flat_map(|n| OF_CONTAINER.map(|name| of(name, n)));
        let own = [("load1".to_owned(), 1.0), ("disk_used_ratio{mount=\"/\"}".to_owned(), 0.5)];
        put(&stored, frame(now_s, all.chain(own).collect())).await;
        containers += CONTAINERS;
        now_s += STORM_STEP_S;
        stored.seal(now_s).await;
    }
    let made = containers * 9 + 2;
    assert!(made > 7_000, "more than there is room for");
    let mut db = stored.db.read().acquire().await.unwrap();
    let newest = store::latest(&mut db, &host()).await.unwrap().unwrap();
    drop(db);
    assert!(newest.missing.is_empty(), "none was refused: {:?}", newest.missing);
    let kept = known(&stored).await;
    assert!(kept.len() <= 4_000 && kept.contains("load1"), "{}", kept.len());
    assert_eq!(stored.count("SELECT series_last FROM monitor_latest").await, made, "no number was given twice");
    let range = (NOON, now_s);
    for name in ["load1", "disk_used_ratio"] {
        assert_eq!(stored.columns(name, Tier::Raw, range).await[0].points.len(), 20, "{name} was never silent");
    }
    // what is there is its own, and the newest are
    let columns = stored.columns("container_cpu_ratio", Tier::Raw, range).await;
    for column in &columns {
        let n: i64 = column.key.label.as_ref().unwrap().1[1..].parse().unwrap();
        let expected = palisade_monitor::pack::as_stored((n % 1_000) as f64 / 1_000.0);
        assert_eq!((column.points.len(), column.points[0].1.avg), (1, expected), "{}", column.key);
    }
    assert!(columns.len() >= 150, "{}", columns.len());
    let last = format!("container_cpu_ratio{{container=\"c{}\"}}", containers - 1);
    assert!(kept.contains(&last));
}

#[tokio::test]
async fn a_series_is_forgotten_only_when_no_tier_holds_a_value_of_it_and_its_number_is_never_used_again() {
    let mut stored = Stored::new().await;
    stored.store = Store::new(Retention::new(Some(1), Some(2), Some(3)).unwrap());
    let gone = "disk_used_ratio{mount=\"/gone\"}".to_owned();
    let own = |extra: &[&str]| -> Vec<(String, f64)> {
        [&["load1"], extra].concat().into_iter().map(|name| (name.to_owned(), 0.5)).collect()
    };
    put(&stored, frame(NOON, own(&[&gone]))).await;
    let last = stored.count("SELECT MAX(id) FROM monitor_series").await;
    let mut forgotten_on = None;
    for day in 0..20 {
        for hour in 1..24 {
            put(&stored, frame(NOON + day * DAY_S + hour * 3_600, own(&[]))).await;
        }
        let now_s = NOON + (day + 1) * DAY_S;
        stored.tend(now_s).await;
        let is_known = known(&stored).await.contains(&gone);
        for tier in Tier::SEALED {
            let is_kept = now_s - NOON < stored.store.retention().kept_s(tier);
            let columns = stored.columns("disk_used_ratio", tier, (NOON - DAY_S, now_s)).await;
            assert!(!is_kept || columns.len() == 1, "day {day}: {tier:?} keeps it and does not show it");
        }
        if !is_known {
            forgotten_on = forgotten_on.or(Some(day));
        }
    }
    // three days of summaries of an hour, in chunks of ten days
    assert!(forgotten_on.is_some_and(|day| (12..=15).contains(&day)), "{forgotten_on:?}");
    assert!(known(&stored).await.contains("load1"));
    let now_s = NOON + 20 * DAY_S;
    put(&stored, frame(now_s, own(&[&gone]))).await;
    assert_eq!(stored.count("SELECT MAX(id) FROM monitor_series").await, last + 1, "it is another one now");
}
