//! What was put is read, whatever happened in between.

use crate::stored::{NOON, Stored, at, host, record};
use palisade_guard::Record;
use palisade_monitor::model::Frame;
use palisade_monitor::pack::as_stored;
use palisade_monitor::store::{self, Tier, WINDOW_S};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// From six hours before midnight to two after, so that schedules have several windows and two days.
const MINUTES: i64 = 480;
const EVENING: i64 = NOON + 6 * 3_600;

/// What may happen to a store.
#[derive(Debug, Clone)]
enum Step {
    /// Frames of these minutes arrive, each with a value; some for a second time, some hours late.
    Put(Vec<(i64, u16)>),
    /// The same, and the server is killed before the commit.
    PutKilled(Vec<(i64, u16)>),
    /// All that is due so many minutes after the beginning is sealed.
    Seal(i64),
    /// One window is sealed, and the server is killed before the commit.
    SealKilled(i64),
    /// The server is started anew.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let frames = || proptest::collection::vec((0..MINUTES, 0_u16..1_000), 1..40);
    let step = prop_oneof![
        4 => frames().prop_map(Step::Put),
        1 => frames().prop_map(Step::PutKilled),
        3 => (0..3 * MINUTES).prop_map(Step::Seal),
        1 => (0..3 * MINUTES).prop_map(Step::SealKilled),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..14)
}

/// A frame whose series depend on the value: so dictionaries grow at any time.
fn frame(minute: i64, value: u16) -> Frame {
    let share = f64::from(value) / 1_000.0;
    let own = format!("disk_used_ratio{{mount=\"/{}\"}}", value % 40);
    let metrics = [("load1".to_owned(), f64::from(value)), ("cpu_usage_ratio".to_owned(), share), (own, share)];
    Frame {
        at: at(EVENING + minute * 60 + 17),
        interval_s: 60.0,
        step_s: 60,
        metrics: metrics.into(),
        ..Frame::default()
    }
}

type Values = BTreeMap<(String, i64), f64>;

async fn put(stored: &Stored, frames: &[(i64, u16)], expected: &mut Values, is_killed: bool) {
    let mut tx = stored.db.begin().await.unwrap();
    let frames: Vec<Frame> = frames.iter().map(|(minute, value)| frame(*minute, *value)).collect();
    stored.store.put(&mut tx, &host(), &frames).await.unwrap();
    if is_killed {
        return tx.rollback().await.unwrap();
    }
    tx.commit().await.unwrap();
    for frame in frames {
        let at_s = frame.at.as_second() / 60 * 60;
        expected.extend(frame.metrics.into_iter().map(|(key, value)| ((key, at_s), as_stored(value))));
    }
}

async fn seal_killed(stored: &Stored, now_s: i64) {
    let mut tx = stored.db.begin().await.unwrap();
    for due in store::seal::due(&mut tx, at(now_s), 1).await.unwrap() {
        due.seal(&stored.store, &mut tx, at(now_s)).await.unwrap();
    }
    tx.rollback().await.unwrap();
}

/// All raw samples, asked for in pieces of `limit` moments.
async fn samples(stored: &Stored, limit: i64) -> Values {
    let mut db = stored.db.read().acquire().await.unwrap();
    let (mut all, mut after_s) = (Values::new(), 0);
    loop {
        let rows = stored.store.samples_since(&mut db, &host(), after_s, limit).await.unwrap();
        let Some((last, _)) = rows.last() else { return all };
        after_s = *last;
        for (at_s, values) in rows {
            all.extend(values.into_iter().map(|(key, value)| ((key.to_string(), at_s), value)));
        }
    }
}

async fn columns(stored: &Stored, tier: Tier) -> BTreeMap<(String, i64), (f64, f64, u64)> {
    let mut all = BTreeMap::new();
    for name in ["load1", "cpu_usage_ratio", "disk_used_ratio"] {
        for column in stored.columns(name, tier, (NOON, NOON + 24 * 3_600)).await {
            let key = column.key.to_string();
            all.extend(column.points.iter().map(|(at_s, p)| ((key.clone(), *at_s), (p.min, p.max, p.samples))));
        }
    }
    all
}

/// What a tier should hold of these samples.
fn summed(values: &Values, tier: Tier) -> BTreeMap<(String, i64), (f64, f64, u64)> {
    let mut all = BTreeMap::new();
    for ((key, at_s), value) in values {
        let sum = all.entry((key.clone(), tier.floor(*at_s))).or_insert((*value, *value, 0));
        *sum = (sum.0.min(*value), sum.1.max(*value), sum.2 + 1);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_samples_read_are_those_that_were_acknowledged(steps in steps(), limit in 1_i64..200) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut stored = Stored::new().await;
            let mut expected = Values::new();
            for step in steps {
                match step {
                    Step::Put(frames) => put(&stored, &frames, &mut expected, false).await,
                    Step::PutKilled(frames) => put(&stored, &frames, &mut expected, true).await,
                    Step::Seal(minute) => stored.seal(EVENING + minute * 60).await,
                    Step::SealKilled(minute) => seal_killed(&stored, EVENING + minute * 60).await,
                    Step::Restart => stored.store = store::Store::default(),
                }
            }
            assert_eq!(samples(&stored, limit).await, expected);
            for tier in [Tier::Raw, Tier::FiveMinutes, Tier::Hour] {
                assert_eq!(columns(&stored, tier).await, summed(&expected, tier), "{tier:?}");
            }
        });
    }
}

#[tokio::test]
async fn a_chunk_that_is_damaged_is_a_gap_and_the_rest_is_there() {
    let stored = Stored::new().await;
    stored.minutes(NOON, 240).await;
    let now_s = NOON + 24 * 3_600;
    stored.tend(now_s).await;
    for at_byte in [1, 3, 20, 60] {
        let damage = format!(
            "UPDATE monitor_chunk SET body = substr(body, 1, {at_byte}) || x'ff5a' || substr(body, {} + 2)
             WHERE tier = 1 AND start = {NOON}",
            at_byte + 1
        );
        let mut tx = stored.db.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(damage)).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let columns = stored.columns("cpu_usage_ratio", Tier::Raw, (NOON, NOON + 4 * 3_600)).await;
        assert_eq!((columns[0].points.len(), columns[0].points[0].0), (120, NOON + WINDOW_S));
    }
    // what comes late makes the chunk anew, and the rollups of what is lost stay
    stored.ingest(&[record(NOON + 17, 0.5, false)]).await;
    stored.tend(now_s).await;
    let five = stored.columns("cpu_usage_ratio", Tier::FiveMinutes, (NOON, NOON + 300)).await;
    assert_eq!(five[0].points[0].1.samples, 5);
}

#[tokio::test]
async fn samples_are_handed_out_in_pieces_across_windows_one_of_which_is_damaged() {
    let stored = Stored::new().await;
    stored.ingest(&[0, 120, 240].map(|minute| record(NOON + minute * 60, 0.5, false))).await;
    stored.seal(NOON + 24 * 3_600).await;
    assert_eq!(samples(&stored, 1).await.len(), 9);
    let mut tx = stored.db.begin().await.unwrap();
    let damage = sqlx::query("UPDATE monitor_chunk SET body = x'00' WHERE tier = 1 AND start = $1");
    damage.bind(NOON + WINDOW_S).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(samples(&stored, 1).await.len(), 6);
}

#[tokio::test]
async fn a_frame_of_a_probe_stands_beside_that_of_the_host() {
    let stored = Stored::new().await;
    stored.ingest(&[record(NOON + 17, 0.25, false)]).await;
    let probe =
        json!({ "at": at(NOON + 30), "interval_s": 60.0, "metrics": { "tcp_sockets": 7.0, "process_count": 3.0 } });
    stored.ingest(&[Record { seq: 2, at: at(NOON + 30), body: probe }]).await;
    let mut db = stored.db.read().acquire().await.unwrap();
    let newest = store::latest(&mut db, &host()).await.unwrap().unwrap();
    assert_eq!((newest.at, newest.metrics.len(), newest.by_cpu.len()), (at(NOON + 17), 5, 1));
    let rows = stored.store.samples_since(&mut db, &host(), 0, 10).await.unwrap();
    assert_eq!((rows.len(), rows[0].1.len()), (1, 5));
}

#[tokio::test]
async fn a_host_with_too_many_series_keeps_those_it_had_and_is_told_of() {
    let stored = Stored::new().await;
    for part in 0..5 {
        let metrics: BTreeMap<String, f64> =
            (0..999).map(|n| (format!("disk_used_ratio{{mount=\"/{part}/{n}\"}}"), 0.5)).collect();
        let frame = Frame { at: at(NOON + part * 60), interval_s: 60.0, metrics, ..Frame::default() };
        let mut tx = stored.db.begin().await.unwrap();
        stored.store.put(&mut tx, &host(), &[frame]).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_series").await, 4_000);
    let mut db = stored.db.read().acquire().await.unwrap();
    let newest = store::latest(&mut db, &host()).await.unwrap().unwrap();
    assert_eq!(newest.missing, ["server: 995 times a new series was not stored: it has 4000 that are not silent"]);
}

#[tokio::test]
async fn minutes_of_a_version_before_are_kept() {
    let stored = Stored::old().await;
    stored.tend(NOON + 3 * 3_600).await;
    let columns = stored.columns("load1", Tier::Raw, (NOON, NOON + 600)).await;
    let values: Vec<_> = columns[0].points.iter().map(|(at_s, p)| (*at_s, p.avg)).collect();
    assert_eq!(values, [(NOON, 0.5), (NOON + 60, 1.5)]);
    assert_eq!(stored.count("SELECT COUNT(*) FROM monitor_raw").await, 0);
}
