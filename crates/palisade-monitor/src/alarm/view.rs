//! Alarms and rules as the API shows them.

use super::book::Rule;
use super::cause::{self, Ring};
use super::live::Outcome;
use super::rule::RuleSpec;
use super::store::AlarmRow;
use super::{Counts, tell};
use crate::model::CauseProcess;
use crate::notify::{self, Notified, Silenced};
use palisade_core::{HostId, Severity, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::api::{Caller, Can, Role};
use palisade_guard::store::at;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlarmView {
    /// Its number; of what is only about to fire, a text that is no number.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// The place of the policy; absent for an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<i64>,
    /// How much it matters.
    pub severity: Severity,
    /// Where; absent for the server itself.
    #[schema(value_type = Option<String>)]
    pub host: Option<HostId>,
    /// What tells the series apart.
    pub labels: BTreeMap<String, String>,
    /// The metric by our name; empty for an event.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// `pending`, `firing`, `no_data`, `resolved`, or `expired`: its rule was changed.
    pub state: String,
    /// It fires, and samples no longer come.
    pub stale: bool,
    /// The last value that was judged; null for an event.
    pub value: Option<f64>,
    /// With what it was compared, in the policy's own unit.
    pub threshold: Option<f64>,
    /// By what.
    #[schema(value_type = Option<String>)]
    pub operator: Value,
    /// What of the period counted.
    #[schema(value_type = Option<String>)]
    pub statistic: Value,
    /// How long a period is.
    #[schema(value_type = Option<String>)]
    pub period: Value,
    /// What it says.
    pub sentence: String,
    /// Since when it is in this state.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// When it fired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub fired_at: Option<Timestamp>,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Timestamp>,
    /// Who has taken it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// Why it is not told now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Silenced>,
    /// The alarm that says that its host is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inhibited_by: Option<String>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// Who was told.
    pub notified: Vec<Notified>,
    /// What may be done about it.
    #[schema(value_type = std::collections::HashMap<String, Can>)]
    pub can: BTreeMap<&'static str, Can>,
}

/// Who has taken an alarm on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What they said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CauseView {
    /// In one sentence, without its full stop.
    pub sentence: String,
    /// First the one that did most.
    pub processes: Vec<CauseProcess>,
}

/// One alarm, with its past.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlarmDetail {
    /// The alarm.
    #[serde(flatten)]
    pub alarm: AlarmView,
    /// What became of it, oldest first.
    pub history: Vec<HistoryEntry>,
    /// What its host saw around the moment, in fine steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
}

/// One change of an alarm.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// When, by the clock of its host.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// `firing`, `no_data`, `stale`, `fresh`, `resolved`, `expired`.
    pub state: String,
    /// The value.
    pub value: f64,
}

/// A rule and where its series stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// Its version; 0 for a built-in one.
    pub version: u64,
    /// What it says.
    pub spec: RuleSpec,
    /// `resource` or `builtin`.
    pub source: &'static str,
    /// Series on which all is right.
    pub ok: u64,
    /// About to fire.
    pub pending: u64,
    /// Firing, events included.
    pub firing: u64,
    /// Without data.
    pub no_data: u64,
    /// When samples were last judged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub evaluated_at: Option<Timestamp>,
}

/// Of a stored alarm; who was told is added by [`fated`].
pub fn of_row(row: &AlarmRow, caller: &Caller) -> AlarmView {
    let body = row.read_body();
    let is_metric = row.policy >= 0;
    let by = row.acknowledged_by.clone().zip(row.acknowledged_at);
    let kept = cause::kept(row).filter(|kept| !kept.sentence.is_empty());
    AlarmView {
        id: row.id.to_string(),
        rule: row.rule.clone(),
        policy: is_metric.then_some(row.policy),
        severity: row.read_severity(),
        host: row.read_host(),
        labels: body.labels,
        metric: body.metric,
        unit: body.unit,
        state: row.state.clone(),
        stale: row.stale == 1,
        value: (is_metric && row.state != "no_data").then_some(row.value),
        threshold: body.policy["threshold"].as_f64(),
        operator: body.policy["operator"].clone(),
        statistic: body.policy["statistic"].clone(),
        period: body.policy["period"].clone(),
        sentence: body.sentence,
        since: at(row.ended.unwrap_or(row.since)),
        fired_at: Some(at(row.since)),
        resolved_at: row.ended.map(at),
        acknowledged: by.map(|(by, ms)| Acknowledged { by, at: at(ms), note: row.acknowledged_note.clone() }),
        silenced: None,
        inhibited_by: None,
        cause: kept.map(|kept| CauseView { sentence: kept.sentence, processes: kept.processes }),
        notified: Vec::new(),
        can: can(caller, row.ended.is_none()),
    }
}

/// Adds who was told of these alarms, and what hides them.
pub async fn fated(db: &mut SqliteConnection, alarms: &mut [AlarmView], now: Timestamp) -> Result<(), GuardError> {
    let mut stored: Vec<&mut AlarmView> = alarms.iter_mut().filter(|alarm| alarm.fired_at.is_some()).collect();
    let keys: Vec<String> = stored.iter().map(|alarm| tell::key(&alarm.id)).collect();
    if keys.is_empty() {
        return Ok(());
    }
    for (alarm, fate) in stored.iter_mut().zip(notify::fates(db, &keys, now).await?) {
        alarm.notified = fate.notified;
        let is_open = alarm.resolved_at.is_none();
        alarm.silenced = fate.silenced.filter(|_| is_open);
        let hidden_by = fate.inhibited_by.filter(|_| is_open);
        alarm.inhibited_by = hidden_by.map(|key| key.trim_start_matches("alarm/").to_owned());
    }
    Ok(())
}

/// Of what is about to fire.
pub fn of_pending(rule: &Rule, host: &HostId, outcome: &Outcome, caller: &Caller) -> AlarmView {
    let (watched, transition) = (&outcome.watched, outcome.transition);
    let body = tell::body(rule, watched, host, &outcome.key, transition);
    AlarmView {
        id: format!("pending/{}/{}/{host}/{}", watched.rule, watched.index, outcome.key),
        rule: watched.rule.clone(),
        policy: Some(watched.index as i64),
        severity: watched.severity,
        host: Some(host.clone()),
        labels: body.labels,
        metric: body.metric,
        unit: body.unit,
        state: "pending".to_owned(),
        stale: false,
        value: Some(transition.value),
        threshold: Some(watched.policy.threshold),
        operator: json!(watched.policy.operator),
        statistic: json!(watched.policy.statistic),
        period: json!(watched.policy.period),
        sentence: tell::pending(watched, host, &outcome.key, transition.value),
        since: at(transition.at_s * 1_000),
        fired_at: None,
        resolved_at: None,
        acknowledged: None,
        silenced: None,
        inhibited_by: None,
        cause: None,
        notified: Vec::new(),
        can: can(caller, false),
    }
}

fn can(caller: &Caller, is_open: bool) -> BTreeMap<&'static str, Can> {
    let may = if is_open { caller.can(Role::Operator) } else { Can::No("it does not fire".to_owned()) };
    BTreeMap::from([("acknowledge", may.clone()), ("silence", may)])
}

/// Of a rule.
pub fn of_rule(rule: &Rule, counts: Counts, events_firing: u64, evaluated_at: Option<Timestamp>) -> RuleView {
    RuleView {
        name: rule.name.clone(),
        version: rule.edition.split('+').next().and_then(|v| v.parse().ok()).unwrap_or(0),
        spec: rule.spec.clone(),
        source: if rule.is_builtin { "builtin" } else { "resource" },
        ok: counts.ok,
        pending: counts.pending,
        firing: counts.firing + events_firing,
        no_data: counts.no_data,
        evaluated_at,
    }
}
