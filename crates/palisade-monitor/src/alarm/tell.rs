//! What people read of an alarm: sentences, and the notice that is made of its row.

use super::book::{Rule, Watched};
use super::judge::Transition;
use super::rule::RuleSpec;
use super::store::{AlarmBody, AlarmRow, Told};
use super::word::Operator;
use crate::model::SeriesKey;
use palisade_core::HostId;
use palisade_guard::notice::{Notice, NoticeState};
use palisade_guard::store::at;
use serde_json::json;
use std::collections::BTreeMap;

/// The first word of it is not sent before its cause has come, or could have.
const CAUSE_MS: u64 = 1_000;
/// A rule that says this, as those do that say nothing, leaves it to the policy how often it is told.
const REPEAT_DEFAULT: &str = "4h";

/// How a rule has its alarms told.
pub fn told(spec: &RuleSpec) -> Told {
    Told {
        urgency: spec.urgency,
        repeat: spec.repeat.clone(),
        settle_ms: spec.settle_ms(),
        cause_ms: 0,
        description: spec.description.clone(),
        host_down: spec.event.as_ref().and_then(|e| e.kind.as_deref()).is_some_and(|kind| kind == "frame.host.silent"),
    }
}

/// What an alarm of a metric is shown with.
pub fn body(rule: &Rule, watched: &Watched, host: &HostId, key: &SeriesKey, transition: Transition) -> AlarmBody {
    let title = title(watched, host, key, transition.value);
    let asks = rule.spec.cause && super::cause::is_asked(watched.metric.name);
    AlarmBody {
        sentence: format!("{title}, {}.", periods(watched)),
        title,
        policy: json!(watched.policy),
        metric: watched.metric.name.to_owned(),
        unit: watched.metric.unit.to_owned(),
        labels: key.labels(),
        told: Told { cause_ms: if asks { CAUSE_MS } else { 0 }, ..told(&rule.spec) },
    }
}

/// What an alarm is shown with when there are no samples.
pub fn body_no_data(rule: &Rule, watched: &Watched, host: &HostId, key: &SeriesKey) -> AlarmBody {
    let none = Transition { at_s: 0, to: super::judge::Change::NoData, value: 0.0 };
    let title = format!("no data of {key} on {host}");
    let sentence = format!("{title} for more than {}.", rule.spec.no_data.after);
    let body = body(rule, watched, host, key, none);
    AlarmBody { title, sentence, told: Told { cause_ms: 0, ..body.told }, ..body }
}

/// What is said of a series that may fire soon.
pub fn pending(watched: &Watched, host: &HostId, key: &SeriesKey, value: f64) -> String {
    let (unit, test) = (watched.metric.unit, &watched.test);
    let limit = match test.operator.is_change() {
        true => format!("{} %", test.threshold),
        false => shown(test.threshold, unit),
    };
    let operator = test.operator.as_str();
    format!("{key} on {host} is {}; it fires after {operator} {limit} in {}.", shown(value, unit), periods(watched))
}

fn title(watched: &Watched, host: &HostId, key: &SeriesKey, value: f64) -> String {
    let unit = watched.metric.unit;
    let (test, shown) = (&watched.test, |value: f64| shown(value, unit));
    let (value, limit) = (shown(value), shown(test.threshold));
    let rest = match test.operator {
        Operator::Above => format!("{value}, above {limit}"),
        Operator::AtLeast => format!("{value}, not below {limit}"),
        Operator::Below => format!("{value}, below {limit}"),
        Operator::AtMost => format!("{value}, not above {limit}"),
        Operator::Equal => value,
        Operator::Unequal => format!("{value}, not {limit}"),
        Operator::Rise => format!("{value}, {} % more than the period before", test.threshold),
        Operator::Fall => format!("{value}, {} % less than the period before", test.threshold),
    };
    format!("{key} on {host} is {rest}")
}

fn periods(watched: &Watched) -> String {
    let (statistic, period) = (watched.policy.statistic.as_str(), watched.policy.period.as_str());
    let (count, of) = (watched.test.count, watched.test.of);
    let what = match watched.test.period_s {
        0 => "sample".to_owned(),
        _ => format!("period of {period} ({statistic})"),
    };
    let several = what.replacen("sample", "samples", 1).replacen("period", "periods", 1);
    match (count, of) {
        (_, 1) => format!("in one {what}"),
        _ if count == of => format!("{count} {several} in a row"),
        _ => format!("{count} of the last {of} {several}"),
    }
}

/// A value in its unit, as people read it.
pub fn shown(value: f64, unit: &str) -> String {
    let round = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match unit {
        "ratio" => format!("{} %", round(value * 100.0)),
        "bytes" | "bytes/s" => amount(value, if unit == "bytes" { "B" } else { "B/s" }),
        "1/s" => format!("{}/s", round(value)),
        "seconds" if value >= 86_400.0 => format!("{} d", round(value / 86_400.0)),
        "seconds" if value < 1.0 => format!("{} ms", round(value * 1_000.0)),
        "seconds" => format!("{} s", round(value)),
        _ => round(value),
    }
}

fn amount(value: f64, unit: &str) -> String {
    let prefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let power = if value < 1.0 { 0 } else { (value.log2() / 10.0) as usize }.min(prefixes.len() - 1);
    format!("{:.1} {}{unit}", value / 1024_f64.powi(power as i32), prefixes[power])
}

/// The key of the notices of an alarm.
pub fn key(id: &str) -> String {
    format!("alarm/{id}")
}

/// The notice of an alarm as it stands.
pub fn notice(row: &AlarmRow, state: NoticeState, reason: Option<&str>) -> Notice {
    let body = row.read_body();
    let mut labels: BTreeMap<String, String> = body.labels.clone();
    let mut label = |name: &str, value: &str| _ = labels.insert(name.to_owned(), value.to_owned());
    label("alertname", &row.rule);
    label("rule", &row.rule);
    if !body.metric.is_empty() {
        label("metric", &body.metric);
    }
    if row.state == "no_data" {
        label("no_data", "true");
    }
    if body.told.host_down {
        label("host_down", "true");
    }
    Notice {
        key: key(&row.id.to_string()),
        state,
        urgency: body.told.urgency,
        severity: row.read_severity(),
        title: body.title.clone(),
        text: text(row, &body),
        host: row.read_host(),
        labels,
        annotations: annotations(row, &body, reason),
        starts_at: at(row.since),
        ends_at: row.ended.map(at),
        settle_ms: body.told.settle_ms.max(if super::cause::is_answered(row) { 0 } else { body.told.cause_ms }),
    }
}

fn text(row: &AlarmRow, body: &AlarmBody) -> String {
    let cause = super::cause::kept(row).map(|kept| kept.sentence);
    let parts = [Some(body.sentence.clone()), cause.map(|c| format!("{c}.")), body.told.description.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn annotations(row: &AlarmRow, body: &AlarmBody, reason: Option<&str>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut say = |name: &str, value: String| _ = all.insert(name.to_owned(), value);
    say("summary", body.title.clone());
    if body.told.repeat != REPEAT_DEFAULT {
        say("repeat", body.told.repeat.clone()); // else the policy says
    }
    if !body.metric.is_empty() {
        say("value", shown(row.value, &body.unit));
        say(
            "threshold",
            format!("{} {}", body.policy["operator"].as_str().unwrap_or_default(), body.policy["threshold"]),
        );
    }
    if let Some(description) = &body.told.description {
        say("description", description.clone());
    }
    if let Some(reason) = reason {
        say("reason", reason.to_owned());
    }
    if let Some(kept) = super::cause::kept(row) {
        say("cause", kept.sentence);
        for (name, value) in kept.first {
            say(&name, value);
        }
    }
    all
}
