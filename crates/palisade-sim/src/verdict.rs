//! Which alarms there must be, worked out from the frames that were made, and where what the server
//! lists, finds afterwards and tells differs from that.
//!
//! The rule is as plain as a rule can be, so that the arithmetic here shares nothing with the judges of
//! the server: wrong above a half, over at a half or below, every sample counts.

use crate::sink::Heard;
use crate::source::{CPU, Made};
use palisade_core::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HALF: f64 = 0.5;
/// The rule, the channel and the policy.
pub const NAME: &str = "sim-busy";

/// Alarms by host and beginning, with their ends; seconds since 1970.
pub type Alarms = BTreeMap<(String, i64), Option<i64>>;

/// The rule that all hosts are judged by.
pub fn rule(cause: bool) -> Value {
    json!({
        "policies": [{ "metric": CPU, "operator": ">", "threshold": HALF, "recover": HALF, "period": "raw", "count": 1 }],
        "no_data": { "after": "10m", "treat": "keep" },
        "cause": cause,
    })
}

/// What is applied before the hosts come: the rule, and that a webhook is told of each host by itself.
pub fn documents(url: &str, cause: bool) -> Value {
    let channel = json!({ "type": "webhook", "url": url, "allow_private": true });
    let policy = json!({
        "channels": [NAME], "group_by": ["alertname", "host"], "group_wait": "0s", "group_interval": "1s",
    });
    let document = |kind: &str, spec: Value| json!({ "kind": kind, "name": NAME, "spec": spec });
    json!({ "dry_run": false, "resources": [
        document("AlarmRule", rule(cause)),
        document("NotificationChannel", channel),
        document("NotificationPolicy", policy),
    ] })
}

/// The alarms that the frames of a host give.
pub fn add_expected(host: &str, frames: &[Made], all: &mut Alarms) {
    let mut open = None;
    for frame in frames {
        match open {
            None if frame.cpu > HALF => open = Some(frame.at_s),
            Some(from_s) if frame.cpu <= HALF => {
                all.insert((host.to_owned(), from_s), Some(frame.at_s));
                open = None;
            }
            _ => {}
        }
    }
    if let Some(from_s) = open {
        all.insert((host.to_owned(), from_s), None);
    }
}

/// The alarms of a list of the API; what cannot be read, or is there twice, is in words.
pub fn listed(items: &[Value]) -> (Alarms, Vec<String>) {
    let second = |value: &Value| Some(value.as_str()?.parse::<Timestamp>().ok()?.as_second());
    let read = |item: &Value| {
        let from_s = second(&item["fired_at"])?;
        let is_over = item["state"] == "resolved";
        let to_s = if is_over { Some(second(&item["resolved_at"])?) } else { None };
        (is_over || item["state"] == "firing").then_some(((item["host"].as_str()?.to_owned(), from_s), to_s))
    };
    collected(items, read)
}

/// The firings of a back-test, in the same way.
pub fn tried(firings: &[Value]) -> (Alarms, Vec<String>) {
    let read = |item: &Value| Some(((item["host"].as_str()?.to_owned(), item["from"].as_i64()?), item["to"].as_i64()));
    collected(firings, read)
}

fn collected(items: &[Value], read: impl Fn(&Value) -> Option<((String, i64), Option<i64>)>) -> (Alarms, Vec<String>) {
    let (mut alarms, mut wrong) = (Alarms::new(), Vec::new());
    for item in items {
        match read(item) {
            Some((key, to_s)) if !alarms.contains_key(&key) => _ = alarms.insert(key, to_s),
            Some((key, _)) => wrong.push(format!("{key:?} is there twice")),
            None => wrong.push(format!("cannot be: {item}")),
        }
    }
    (alarms, wrong)
}

/// Where two sets of alarms differ, in words.
pub fn differences(expected: &Alarms, said: &Alarms) -> Vec<String> {
    let missing = expected.iter().filter(|(key, _)| !said.contains_key(*key));
    let missing = missing.map(|(key, to_s)| format!("{key:?} until {to_s:?} is not there"));
    let other = said.iter().filter(|(key, to_s)| expected.get(*key) != Some(*to_s));
    let other = other.map(|(key, to_s)| format!("{key:?} until {to_s:?}, expected {:?}", expected.get(key)));
    missing.chain(other).collect()
}

/// Where what was told last is not how things are, in words, and how many alarms were over before
/// anybody was told.
pub fn told(expected: &Alarms, heard: &Heard) -> (Vec<String>, u64) {
    let told: Alarms = heard.alarms.values().map(|told| ((told.host.clone(), told.from_s), told.to_s)).collect();
    let unseen = expected.iter().filter(|(key, to_s)| to_s.is_some() && !told.contains_key(*key));
    let unseen: Vec<_> = unseen.map(|(key, _)| key.clone()).collect();
    let mut expected = expected.clone();
    unseen.iter().for_each(|key| _ = expected.remove(key));
    let mut wrong = differences(&expected, &told);
    wrong.extend(heard.faults.iter().cloned());
    (wrong, unseen.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(shares: &[f64]) -> Alarms {
        let frame = |(n, cpu): (usize, &f64)| Made { made_ms: 0, at_s: 10 * n as i64, cpu: *cpu };
        let frames: Vec<Made> = shares.iter().enumerate().map(frame).collect();
        let mut all = Alarms::new();
        add_expected("h", &frames, &mut all);
        all
    }

    fn alarm(from_s: i64, to_s: Option<i64>) -> ((String, i64), Option<i64>) {
        (("h".to_owned(), from_s), to_s)
    }

    #[test]
    fn an_alarm_lasts_from_the_first_sample_that_is_wrong_to_the_first_that_is_right() {
        assert_eq!(expected(&[0.1, 0.6, 0.9, 0.5, 0.4, 0.7]), Alarms::from([alarm(10, Some(30)), alarm(50, None)]));
        assert_eq!(expected(&[0.5, 0.1]), Alarms::new());
    }

    #[test]
    fn what_is_missing_too_much_twice_or_else_is_found() {
        let (all, none) = (expected(&[0.1, 0.6, 0.1, 0.6]), Alarms::new());
        assert_eq!(differences(&all, &all), Vec::<String>::new());
        assert_eq!(differences(&all, &none).len(), 2);
        assert_eq!(differences(&none, &all).len(), 2);
        assert_eq!(differences(&all, &Alarms::from([alarm(10, None), alarm(30, None)])).len(), 1);
        let item = json!({ "host": "h", "state": "firing", "fired_at": "2026-09-21T13:00:00Z" });
        assert_eq!(listed(std::slice::from_ref(&item)).1.len(), 0);
        assert_eq!(listed(&[item.clone(), item]).1.len(), 1);
        assert_eq!(tried(&[json!({ "host": "h" })]).1.len(), 1);
    }

    #[test]
    fn what_fires_must_be_told_and_what_is_over_need_not() {
        let (wrong, unseen) = told(&expected(&[0.1, 0.6, 0.1, 0.6]), &Heard::default());
        assert_eq!((wrong.len(), unseen), (1, 1));
    }
}
