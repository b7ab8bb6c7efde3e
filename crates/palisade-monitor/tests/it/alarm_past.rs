//! Back-tests of a time of which only summaries are left: what is exact, and what is said not to be.

use crate::stored::{NOON, Stored, host};
use palisade_guard::store::HostRow;
use palisade_monitor::alarm::backtest::{Answer, Ask, backtest};
use serde_json::{Value, json};

/// Two days of a sample a minute, which went from 0 % to 99 % again and again.
const MINUTES: i64 = 2 * 1_440;
const DAY_S: i64 = 86_400;

async fn tried(stored: &Stored, policy: Value, no_data: Value, now_s: i64) -> Answer {
    let mut policy = policy;
    policy["metric"] = json!("cpu_usage_ratio");
    let spec = serde_json::from_value(json!({ "policies": [policy], "no_data": no_data })).unwrap();
    let hosts = [HostRow::new(host(), palisade_core::Timestamp::UNIX_EPOCH)];
    let ask = Ask { spec, from_s: NOON, to_s: now_s, now_s, retention: Default::default() };
    let mut db = stored.db.read().acquire().await.unwrap();
    backtest(&mut db, &stored.store, &hosts, &ask).await.unwrap()
}

fn over(statistic: &str, period: &str, threshold: f64) -> Value {
    json!({ "statistic": statistic, "period": period, "operator": ">", "threshold": threshold, "count": 1 })
}

fn keep() -> Value {
    json!({ "after": "3m", "treat": "keep" })
}

/// When it would have fired, and when it would have been over.
fn when(answer: &Answer) -> Vec<(i64, Option<i64>)> {
    answer.firings.iter().map(|firing| ((firing.from - NOON) / 60, firing.to.map(|to| (to - NOON) / 60))).collect()
}

/// As now, when samples are there; when only 5 minutes are; and when only hours are.
async fn ages(stored: &Stored, policy: &Value) -> [Answer; 3] {
    // the last period is over, too
    let end_s = NOON + MINUTES * 60 + 3_600;
    let mut answers = Vec::new();
    for now_s in [end_s, NOON + 20 * DAY_S, NOON + 100 * DAY_S] {
        answers.push(tried(stored, policy.clone(), keep(), now_s).await);
    }
    answers.try_into().unwrap()
}

#[tokio::test]
async fn what_would_have_fired_is_the_same_by_summaries_where_a_period_is_as_long_as_their_step() {
    let stored = Stored::new().await;
    stored.minutes(NOON, MINUTES).await;
    stored.seal(NOON + 4 * DAY_S).await;
    for (policy, exact_by) in [
        (over("average", "5m", 0.8), 1),
        (over("max", "5m", 0.9), 1),
        (over("min", "20m", 0.5), 1),
        (over("sum", "20m", 14.0), 1),
        (over("average", "1h", 0.52), 2),
        (over("max", "1h", 0.985), 2),
        (over("sum", "4h", 119.0), 2),
    ] {
        let [now, by_minutes, by_hours] = ages(&stored, &policy).await;
        assert!(now.fired > 1, "{policy} shows something: {}", now.fired);
        assert_eq!(now.approximate_before, None, "{policy}");
        assert_eq!((when(&by_minutes), by_minutes.approximate_before), (when(&now), None), "{policy}");
        assert_eq!(by_minutes.fired, now.fired);
        if exact_by == 2 {
            assert_eq!((when(&by_hours), by_hours.approximate_before), (when(&now), None), "{policy}");
        } else {
            assert!(by_hours.approximate_before.is_some(), "{policy}");
        }
    }
}

#[tokio::test]
async fn what_summaries_cannot_tell_is_said_to_be_approximate() {
    let stored = Stored::new().await;
    stored.minutes(NOON, MINUTES).await;
    stored.seal(NOON + 4 * DAY_S).await;
    let now_s = NOON + 20 * DAY_S;
    for policy in [over("average", "raw", 0.8), over("average", "1m", 0.8), over("latest", "1h", 0.8)] {
        let answer = tried(&stored, policy.clone(), keep(), now_s).await;
        let raw_from_s = answer.approximate_before.expect("it is said");
        assert!((now_s - 15 * DAY_S..now_s - 14 * DAY_S).contains(&raw_from_s), "{policy}: {raw_from_s}");
    }
}

#[tokio::test]
async fn the_time_between_two_summaries_is_no_silence() {
    let stored = Stored::new().await;
    stored.minutes(NOON, MINUTES).await;
    stored.seal(NOON + 4 * DAY_S).await;
    let never = over("average", "1h", 1.0);
    for now_s in [NOON + 20 * DAY_S, NOON + 100 * DAY_S] {
        let silent = tried(&stored, never.clone(), json!({ "after": "3m", "treat": "alarm" }), now_s).await;
        assert_eq!(silent.fired, 1, "there is none but since the end: {:?}", when(&silent));
        assert!(silent.approximate_before.is_some(), "a gap within a summary is not seen");
        let pending = json!({ "statistic": "max", "period": "1h", "operator": ">", "threshold": 0.5, "count": 3 });
        let answer = tried(&stored, pending, json!({ "after": "3m", "treat": "ok" }), now_s).await;
        assert_eq!(answer.fired, 1, "what is about to fire does not begin anew at each summary");
    }
}
