//! What an alarm rule says, and what is refused.

use super::word::{Operator, Period, Statistic, Treat, severity, severity_maybe};
use crate::catalogue;
use crate::scope::Scope;
use palisade_core::{Severity, Span};
use palisade_guard::api::ApiError;
use palisade_guard::notice::Urgency;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Alarm rules in all.
pub const RULES_MAX: usize = 1_000;
/// Policies of one rule or template.
pub const POLICIES_MAX: usize = 50;
/// Periods that one policy looks at.
pub const PERIODS_MAX: u32 = 180;
/// The longest pattern of a label, in bytes.
const PATTERN_BYTES_MAX: usize = 256;
/// The longest text for people, in characters.
const TEXT_CHARS_MAX: usize = 500;
/// The longest wait before an alarm is told, in seconds.
const SETTLE_S_MAX: u64 = 3_600;
/// Events that one alarm may need.
const TIMES_MAX: u32 = 1_000;

/// When people are told, of which hosts, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Whether it is judged.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What it is for, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For which hosts; new ones join by themselves.
    #[serde(default)]
    pub scope: Scope,
    /// How much it matters.
    #[serde(default = "high", deserialize_with = "severity")]
    pub severity: Severity,
    /// Any of these makes an alarm; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// The policies of this AlarmTemplate too, as they stand at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// An event or finding makes an alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventPart>,
    /// What it means when samples no longer come.
    #[serde(default)]
    pub no_data: NoData,
    /// How often it is told again while it lasts, such as `4h`; or `once`.
    #[serde(default = "four_hours")]
    pub repeat: String,
    /// Told at once or with the next digest.
    #[serde(default)]
    pub urgency: Urgency,
    /// It must have stood for so long before it is told, such as `45s`; at most `1h`.
    #[serde(default = "zero")]
    pub settle: String,
    /// Ask the host what caused it.
    #[serde(default = "yes")]
    pub cause: bool,
}

/// One reason for an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// A metric of the catalogue, or what a cloud service calls it; thresholds are in that name's unit.
    pub metric: String,
    /// Only series with these labels: `/srv`, `!=/srv`, `=~/mnt/.*`, `!~/mnt/.*`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What of a period counts.
    #[serde(default)]
    pub statistic: Statistic,
    /// How long a period is.
    #[serde(default)]
    pub period: Period,
    /// What it is compared by.
    pub operator: Operator,
    /// With what; in percent for `rise` and `fall`.
    pub threshold: f64,
    /// So many of the last `of` periods must be wrong; and so many in a row right before it is over.
    #[serde(default = "three")]
    #[schema(minimum = 1, maximum = 180)]
    pub count: u32,
    /// As many as `count` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 180)]
    pub of: Option<u32>,
    /// It is over only beyond this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<f64>,
    /// How much it matters, when not as much as the rule.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "severity_maybe")]
    pub severity: Option<Severity>,
}

/// What samples that no longer come mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoData {
    /// After how long.
    #[serde(default = "three_minutes")]
    pub after: Span,
    /// What it means.
    #[serde(default)]
    pub treat: Treat,
}

impl Default for NoData {
    fn default() -> NoData {
        NoData { after: three_minutes(), treat: Treat::default() }
    }
}

/// Which events or findings make an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventPart {
    /// Events of this kind, such as `frame.host.silent`; or all that begin so, with `*` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only those that matter as much.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "severity_maybe")]
    pub severity: Option<Severity>,
    /// An event of this kind ends the alarm. Without it, it is told once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<String>,
    /// Findings make an alarm; it ends when they are mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<FindingPart>,
    /// So many events …
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000)]
    pub times: u32,
    /// … in so long a time. What is told once is not told again within it.
    #[serde(default = "ten_minutes")]
    pub within: Span,
}

/// Which findings; all that is given must be true.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingPart {
    /// Of this check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// Of this practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practice: Option<String>,
    /// That matter as much.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "severity_maybe")]
    pub severity: Option<Severity>,
}

fn yes() -> bool {
    true
}
fn high() -> Severity {
    Severity::High
}
fn one() -> u32 {
    1
}
fn three() -> u32 {
    3
}
fn four_hours() -> String {
    "4h".to_owned()
}
fn zero() -> String {
    "0s".to_owned()
}
fn three_minutes() -> Span {
    Span::from_secs(180).expect("in range")
}
fn ten_minutes() -> Span {
    Span::from_secs(600).expect("in range")
}

impl RuleSpec {
    /// Refuses what makes no sense; an error names the place below `spec`.
    pub fn checked(&self) -> Result<(), ApiError> {
        text_checked(self.description.as_deref(), "spec.description")?;
        self.scope.checked("spec.scope")?;
        if self.policies.is_empty() && self.template.is_none() && self.event.is_none() {
            let error = ApiError::invalid("the rule says nothing that makes an alarm").at("spec.policies");
            return Err(error.hint("give `policies`, `template` or `event`"));
        }
        policies_checked(&self.policies)?;
        if let Some(event) = &self.event {
            event.checked()?;
        }
        if self.repeat != "once" {
            self.repeat.parse::<Span>().map_err(|e| ApiError::invalid(e).at("spec.repeat").hint("or `once`"))?;
        }
        match settle_s(&self.settle) {
            Some(0..=SETTLE_S_MAX) => Ok(()),
            _ => Err(ApiError::invalid("`settle` is a length of time from 0s to 1h").at("spec.settle")),
        }
    }

    /// How long it must have stood before it is told, in milliseconds.
    pub fn settle_ms(&self) -> u64 {
        settle_s(&self.settle).unwrap_or(0) * 1_000
    }
}

/// `0s` is a length here, which [`Span`] has not.
fn settle_s(text: &str) -> Option<u64> {
    if text == "0s" { Some(0) } else { text.parse::<Span>().ok().map(Span::as_secs) }
}

fn text_checked(text: Option<&str>, at: &str) -> Result<(), ApiError> {
    if text.is_some_and(|t| t.chars().count() > TEXT_CHARS_MAX) {
        return Err(ApiError::invalid(format!("more than {TEXT_CHARS_MAX} characters")).at(at));
    }
    Ok(())
}

/// Refuses policies that make no sense.
pub fn policies_checked(policies: &[Policy]) -> Result<(), ApiError> {
    if policies.len() > POLICIES_MAX {
        let error = ApiError::invalid(format!("more than {POLICIES_MAX} policies")).at("spec.policies");
        return Err(error.hint("make several rules"));
    }
    let mut each = policies.iter().enumerate();
    each.try_for_each(|(n, policy)| policy.checked().map_err(|e| e.at(format!("spec.policies[{n}]"))))
}

impl Policy {
    /// How many periods it looks at.
    pub fn of(&self) -> u32 {
        self.of.unwrap_or(self.count)
    }

    /// Refuses what makes no sense; an error names the field.
    fn checked(&self) -> Result<(), ApiError> {
        let Some(meant) = catalogue::meant(&self.metric) else {
            let error = ApiError::invalid(format!("`{}` is no metric", self.metric.escape_default())).at("metric");
            return Err(match catalogue::nearest(&self.metric).as_slice() {
                [] => error.hint("GET /api/v1/monitor/metrics lists them"),
                near => error.hint(format!("did you mean `{}`?", near.join("`, `"))),
            });
        };
        self.labels_checked(meant.metric)?;
        if !(1..=PERIODS_MAX).contains(&self.count) {
            return Err(ApiError::invalid(format!("`count` is 1 to {PERIODS_MAX}")).at("count"));
        }
        if !(self.count..=PERIODS_MAX).contains(&self.of()) {
            let why = format!("`of` is at least `count` ({}), at most {PERIODS_MAX}", self.count);
            return Err(ApiError::invalid(why).at("of"));
        }
        self.threshold_checked(meant.metric, meant.factor)?;
        self.recover_checked()
    }

    fn labels_checked(&self, metric: &catalogue::Metric) -> Result<(), ApiError> {
        for (label, pattern) in &self.labels {
            if metric.label != Some(label.as_str()) {
                let known = metric.label.map_or("it has none".to_owned(), |l| format!("it has `{l}`"));
                let error = ApiError::invalid(format!("`{}` has no label `{label}`", metric.name)).at("labels");
                return Err(error.hint(known));
            }
            Matcher::new(pattern).map_err(|e| e.at(format!("labels.{label}")))?;
        }
        Ok(())
    }

    /// A threshold that no value can ever reach is a slip: 90 for a share from 0 to 1.
    fn threshold_checked(&self, metric: &catalogue::Metric, factor: f64) -> Result<(), ApiError> {
        let at = |error: ApiError| error.at("threshold");
        if !self.threshold.is_finite() {
            return Err(at(ApiError::invalid("`threshold` is no number")));
        }
        if self.operator.is_change() {
            let ok = self.threshold > 0.0 && self.threshold <= 1e6;
            return if ok { Ok(()) } else { Err(at(ApiError::invalid("`threshold` is percent above 0"))) };
        }
        let most = metric.max * factor;
        if self.statistic != Statistic::Sum && !(0.0..=most).contains(&self.threshold) {
            let why = format!("`{}` is never {} {}", self.metric, self.operator.as_str(), self.threshold);
            let error = at(ApiError::invalid(why));
            let percent = metric.unit == "ratio" && factor == 1.0 && self.threshold <= 100.0;
            return Err(match percent {
                true => error.hint(format!("it is a share from 0 to 1: write {}", self.threshold / 100.0)),
                false => error.hint(format!("values lie between 0 and {most}")),
            });
        }
        Ok(())
    }

    fn recover_checked(&self) -> Result<(), ApiError> {
        let Some(recover) = self.recover else { return Ok(()) };
        let right = match self.operator.up() {
            _ if self.operator.is_change() => None,
            Some(true) => Some((recover <= self.threshold, "at most")),
            Some(false) => Some((recover >= self.threshold, "at least")),
            None => None,
        };
        match right {
            Some((true, _)) if recover.is_finite() => Ok(()),
            Some((_, word)) => {
                Err(ApiError::invalid(format!("`recover` is {word} the threshold, {}", self.threshold)).at("recover"))
            }
            None => {
                let why = format!("`recover` has no meaning with `{}`", self.operator.as_str());
                Err(ApiError::invalid(why).at("recover"))
            }
        }
    }
}

impl EventPart {
    fn checked(&self) -> Result<(), ApiError> {
        let error = |why: &str, field: &str| Err(ApiError::invalid(why).at(format!("spec.event.{field}")));
        if self.kind.is_none() && self.finding.is_none() {
            return error("give the `kind` of events, or `finding`", "kind");
        }
        let word = |text: &str| {
            (1..=120).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        if self.kind.as_deref().is_some_and(|kind| !word(kind.strip_suffix('*').unwrap_or(kind))) {
            return error("a kind is words with dots, such as `frame.host.silent`, or `frame.host.*`", "kind");
        }
        if self.clear.as_deref().is_some_and(|clear| !word(clear)) {
            return error("a kind is words with dots, such as `frame.host.back`", "clear");
        }
        if !(1..=TIMES_MAX).contains(&self.times) {
            return error(&format!("`times` is 1 to {TIMES_MAX}"), "times");
        }
        Ok(())
    }

    /// True for events that are meant.
    pub fn means(&self, kind: &str, severity: Severity) -> bool {
        let right = self.kind.as_deref().is_some_and(|own| match own.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => own == kind,
        });
        right && self.severity.is_none_or(|least| severity >= least)
    }
}

impl FindingPart {
    /// True for findings that are meant.
    pub fn means(&self, finding: &palisade_core::Finding) -> bool {
        self.check.as_ref().is_none_or(|check| *check == finding.check)
            && self.practice.as_ref().is_none_or(|practice| *practice == finding.practice)
            && self.severity.is_none_or(|least| finding.severity >= least)
    }
}

/// What a label's value must be.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// This.
    Is(String),
    /// Not this.
    Not(String),
    /// All of it matches.
    Like(Regex),
    /// It does not match.
    Unlike(Regex),
}

impl Matcher {
    /// Reads `/srv`, `!=/srv`, `=~/mnt/.*` or `!~/mnt/.*`.
    pub fn new(pattern: &str) -> Result<Matcher, ApiError> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(ApiError::invalid(format!("a pattern of more than {PATTERN_BYTES_MAX} bytes")));
        }
        let regex = |text: &str| {
            let whole = format!("^(?:{text})$");
            regex::RegexBuilder::new(&whole).size_limit(1 << 18).build().map_err(|e| ApiError::invalid(e.to_string()))
        };
        Ok(match pattern.get(..2) {
            Some("!=") => Matcher::Not(pattern[2..].to_owned()),
            Some("=~") => Matcher::Like(regex(&pattern[2..])?),
            Some("!~") => Matcher::Unlike(regex(&pattern[2..])?),
            _ => Matcher::Is(pattern.to_owned()),
        })
    }

    /// Whether `value` is so.
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Matcher::Is(text) => value == text,
            Matcher::Not(text) => value != text,
            Matcher::Like(regex) => regex.is_match(value),
            Matcher::Unlike(regex) => !regex.is_match(value),
        }
    }
}
