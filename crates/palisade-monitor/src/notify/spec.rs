//! What documents say about notifications: channels, policies and silences.

use crate::scope::Scope;
use palisade_core::{Severity, Span, Timestamp};
use palisade_guard::notice::Urgency;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How a channel speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelType {
    /// JSON in the shape of Alertmanager's webhook, version 4; signed when it has a secret.
    Webhook,
    /// Mail.
    Smtp,
    /// An incoming webhook of Slack, whose address is the secret.
    Slack,
    /// A topic of ntfy.
    Ntfy,
    /// The v2 API of an Alertmanager, which does its own grouping.
    Alertmanager,
    /// Nothing but a sign of life, at an interval: who receives it tells people when it stops.
    Heartbeat,
}

/// How mail is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Begins in the clear and must change to TLS before anything is said (port 587).
    #[default]
    Starttls,
    /// TLS from the first byte (port 465).
    Implicit,
    /// In the clear (port 25); needs `allow_private`.
    None,
}

/// Where notifications go. The secret is set apart, by name: `palisade monitor secret set NAME`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelSpec {
    /// How it speaks.
    #[serde(rename = "type")]
    pub kind: ChannelType,
    /// Webhook, ntfy (with the topic), alertmanager (without `/api`), heartbeat: where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Smtp: the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Smtp: its port; by `tls` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Smtp: how it is protected; `starttls` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MailTls>,
    /// Smtp, alertmanager: the name to sign in with; the secret is its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Smtp: the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Smtp: the receivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    pub to: Vec<String>,
    /// The name of its secret: the key that signs (webhook), the password (smtp), the address
    /// (slack), the token (ntfy, alertmanager).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Certificates of authorities that are trusted besides those of the system, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// May reach loopback, private and link-local addresses and the server's own; needs role admin.
    #[serde(default)]
    pub allow_private: bool,
    /// Heartbeat: how often; every minute if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Texts of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateSpec>,
}

/// Texts with placeholders such as `{{ title }}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// One line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Which notices something is for. What is given must all be true of a notice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchSpec {
    /// About these hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// With these labels; a value may begin with `!=`, or with `=~` or `!~` for a regular expression
    /// that fits the whole value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// At least this severe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

/// Who is told, when and how often. Policies are tried in the order of their names; the first that
/// matches takes the notice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Which notices; all if absent.
    #[serde(default, rename = "match")]
    pub matching: MatchSpec,
    /// The channels.
    #[schema(min_items = 1, max_items = 20)]
    pub channels: Vec<String>,
    /// Only pages, or only what belongs into a digest; both if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// Notices that have the same values of these labels are told together.
    #[serde(default = "group_by_default")]
    pub group_by: Vec<String>,
    /// How long the first notice of a group waits for others.
    #[serde(default = "group_wait_default")]
    pub group_wait: Pause,
    /// How long a group that was told is left alone before news of it are told.
    #[serde(default = "group_interval_default")]
    pub group_interval: Pause,
    /// How often what still fires is told again.
    #[serde(default = "repeat_default")]
    pub repeat: Span,
    /// When people may be told; what comes outside is told when it opens, if it is still so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// When the daily digest is sent, as `HH:MM`.
    #[serde(default = "digest_at_default")]
    pub digest_at: String,
    /// The time zone of `digest_at`, such as `Europe/Berlin`; that of the window, else UTC, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether it is told that something is over.
    #[serde(default = "yes")]
    pub resolved: bool,
    /// Who else is told when nobody acknowledges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 5)]
    pub escalate: Vec<Escalation>,
    /// Whether later policies may take the notice too.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
}

/// A length of time that may be nothing: `0s`, `30s`, `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "30s")]
pub struct Pause(pub Option<Span>);

impl Pause {
    /// In milliseconds.
    pub fn as_millis(self) -> i64 {
        self.0.map_or(0, |span| span.as_secs() as i64 * 1_000)
    }
}

impl TryFrom<String> for Pause {
    type Error = palisade_core::SpanError;

    fn try_from(text: String) -> Result<Pause, Self::Error> {
        if text == "0s" { Ok(Pause(None)) } else { Ok(Pause(Some(text.parse()?))) }
    }
}

impl From<Pause> for String {
    fn from(pause: Pause) -> String {
        pause.0.map_or_else(|| "0s".to_owned(), |span| span.to_string())
    }
}

/// A step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// How long after the policy's channels were told.
    pub after: Span,
    /// Who is told then.
    pub channels: Vec<String>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Hours of the day, on some days. When `to` is not after `from` it reaches into the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The days on which it begins; every day if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// From, as `HH:MM`.
    pub from: String,
    /// Until, as `HH:MM`.
    pub to: String,
    /// The time zone, such as `Europe/Berlin`.
    #[serde(default = "zone_default")]
    pub zone: String,
    /// What is at least this severe does not wait for the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Severity>,
}

/// What nobody is told of for a while. Who applied it is its author.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceSpec {
    /// Which notices.
    #[serde(rename = "match")]
    pub matching: MatchSpec,
    /// From when; at once if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why, for people.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// Only in these hours: a maintenance window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Window>,
}

/// What [`PolicySpec::group_by`] is if it is absent.
pub fn group_by_default() -> Vec<String> {
    vec!["alertname".to_owned()]
}

fn group_wait_default() -> Pause {
    Pause(Span::from_secs(1))
}

fn group_interval_default() -> Pause {
    Pause(Span::from_secs(300))
}

fn repeat_default() -> Span {
    Span::from_secs(4 * 3_600).expect("four hours are a length")
}

fn digest_at_default() -> String {
    "08:00".to_owned()
}

fn zone_default() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

impl PolicySpec {
    /// A policy with all defaults.
    pub fn for_channels(channels: Vec<String>) -> PolicySpec {
        PolicySpec {
            matching: MatchSpec::default(),
            channels,
            urgency: None,
            group_by: group_by_default(),
            group_wait: group_wait_default(),
            group_interval: group_interval_default(),
            repeat: repeat_default(),
            window: None,
            digest_at: digest_at_default(),
            zone: None,
            resolved: true,
            escalate: Vec::new(),
            goes_on: false,
        }
    }
}
