//! The kinds NotificationChannel, NotificationPolicy and Silence.

use super::channel::ntfy;
use super::http;
use super::roster::{Policy, Silence};
use super::spec::{ChannelSpec, ChannelType, MailTls, PolicySpec, SilenceSpec};
use super::{store, template};
use palisade_core::{Effect, EffectKind, Severity};
use palisade_guard::Kind;
use palisade_guard::api::{ApiError, Can, Role};
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Asked, Effects, Refused, SpecChange};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// The kind of channels.
pub const CHANNEL: &str = "NotificationChannel";
/// The kind of policies.
pub const POLICY: &str = "NotificationPolicy";
/// The kind of silences.
pub const SILENCE: &str = "Silence";

/// Receivers of one mail channel.
const RECEIVERS_MAX: usize = 50;
/// Channels of one policy or step.
const CHANNELS_MAX: usize = 20;
/// Steps of one escalation.
const STEPS_MAX: usize = 5;
/// Labels that a policy groups by.
const GROUP_BY_MAX: usize = 10;
/// A reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// One of the three.
#[derive(Debug, Clone, Copy)]
pub enum Kinds {
    /// NotificationChannel.
    Channel,
    /// NotificationPolicy.
    Policy,
    /// Silence.
    Silence,
}

impl Kind for Kinds {
    fn name(&self) -> &'static str {
        match self {
            Kinds::Channel => CHANNEL,
            Kinds::Policy => POLICY,
            Kinds::Silence => SILENCE,
        }
    }

    fn plural(&self) -> &'static str {
        match self {
            Kinds::Channel => "notificationchannels",
            Kinds::Policy => "notificationpolicies",
            Kinds::Silence => "silences",
        }
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        match self {
            Kinds::Channel => {
                "Where notifications go: webhook, mail, Slack, ntfy, Alertmanager, or a heartbeat. Its secret is set apart."
            }
            Kinds::Policy => "Who is told of what, when and how often. Policies are tried in the order of their names.",
            Kinds::Silence => "What nobody is told of for a while, or in the hours of a maintenance window.",
        }
    }

    fn after(&self) -> &'static [&'static str] {
        match self {
            Kinds::Channel => &[],
            Kinds::Policy => &[CHANNEL],
            Kinds::Silence => &["ResourceGroup"],
        }
    }

    fn topics(&self) -> &'static [&'static str] {
        match self {
            Kinds::Channel => &[super::TOPIC_CHANNELS],
            Kinds::Policy => &["monitor/policies"],
            Kinds::Silence => &[super::TOPIC_SILENCES, "monitor/alarms"],
        }
    }

    fn schema(&self) -> Value {
        match self {
            Kinds::Channel => kind::schema_of::<ChannelSpec>(),
            Kinds::Policy => kind::schema_of::<PolicySpec>(),
            Kinds::Silence => kind::schema_of::<SilenceSpec>(),
        }
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        let spec = match self {
            Kinds::Channel => {
                let spec: ChannelSpec = kind::spec_of(spec)?;
                channel_checked(&spec).map_err(|error| error.at("spec"))?;
                json!(spec)
            }
            Kinds::Policy => {
                let spec: PolicySpec = kind::spec_of(spec)?;
                policy_checked(name, &spec).map_err(|error| error.at("spec"))?;
                json!(spec)
            }
            Kinds::Silence => {
                let mut spec: SilenceSpec = kind::spec_of(spec)?;
                silence_checked(name, &mut spec).map_err(|error| error.at("spec"))?;
                json!(spec)
            }
        };
        Ok((name.to_owned(), spec))
    }

    fn apply<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(async move {
            for (index, change) in changes.iter().enumerate() {
                let refused = |error| Refused { index: Some(index), error };
                match self {
                    Kinds::Channel => channel_allowed(asked, change).map_err(refused)?,
                    Kinds::Silence => silence_new(asked, change).map_err(refused)?,
                    Kinds::Policy => {}
                }
            }
            let channels = store::documents::<Value>(db, CHANNEL).await?;
            let sentence = |change: &SpecChange| self.sentence(change, &channels);
            let effect =
                |sentence| Effect { kind: EffectKind::Changes, severity: Severity::Low, sentence, hosts: Vec::new() };
            let effects = changes.iter().map(sentence).map(effect).collect();
            Ok(Effects { effects, ..Effects::default() })
        })
    }
}

impl Kinds {
    fn sentence(&self, change: &SpecChange, channels: &BTreeMap<String, Value>) -> String {
        let (name, gone) = (&change.name, change.new.is_none());
        match self {
            Kinds::Channel if gone => {
                format!("nobody is told by the channel `{name}` any more; what waits for it is given up")
            }
            Kinds::Channel => format!("notifications can go to the channel `{name}`"),
            Kinds::Policy if gone => format!("the policy `{name}` takes no more notices"),
            Kinds::Policy => {
                let spec = change.new.as_ref().and_then(|spec| serde_json::from_value::<PolicySpec>(spec.clone()).ok());
                let mut named: Vec<String> =
                    spec.map(|spec| channels_of(&spec).map(str::to_owned).collect()).unwrap_or_default();
                let mut seen = std::collections::HashSet::new();
                named.retain(|name| seen.insert(name.clone()));
                let missing: Vec<&str> =
                    named.iter().map(String::as_str).filter(|name| !channels.contains_key(*name)).collect();
                let note = if missing.is_empty() {
                    String::new()
                } else {
                    format!("; not there yet, unless this change brings it: {}", missing.join(", "))
                };
                format!("the policy `{name}` tells {}{note}", named.join(", "))
            }
            Kinds::Silence if gone => format!("the silence `{name}` ends, and what still fires is told"),
            Kinds::Silence => format!("nobody is told of what the silence `{name}` matches while it lasts"),
        }
    }
}

/// The channels that a policy leads to, sooner or later.
pub fn channels_of(spec: &PolicySpec) -> impl Iterator<Item = &str> {
    spec.channels.iter().chain(spec.escalate.iter().flat_map(|step| &step.channels)).map(String::as_str)
}

/// Reaching private addresses, and sending a password or a token to another place than before, need
/// an admin: a secret would leave the server with it.
fn channel_allowed(asked: &Asked<'_>, change: &SpecChange) -> Result<(), ApiError> {
    let Some(new) = &change.new else { return Ok(()) };
    let spec: ChannelSpec = kind::spec_of(new)?;
    let part = if spec.allow_private {
        "allow_private"
    } else if spec.secret.is_some() && reveals(&spec) && !same_place(change.old.as_ref(), &spec) {
        "secret"
    } else {
        return Ok(());
    };
    match asked.caller.can(Role::Admin) {
        Can::Yes(_) => Ok(()),
        Can::No(reason) => {
            let error = ApiError::new(::http::StatusCode::FORBIDDEN, "forbidden", format!("`{part}` {reason}"));
            Err(error.at(format!("spec.{part}")).hint("ask an admin to apply this channel"))
        }
    }
}

/// True if the receiver gets to see the secret.
fn reveals(spec: &ChannelSpec) -> bool {
    matches!(spec.kind, ChannelType::Smtp | ChannelType::Ntfy | ChannelType::Alertmanager)
}

fn same_place(old: Option<&Value>, spec: &ChannelSpec) -> bool {
    let place = |spec: &ChannelSpec| {
        let (kind, url, host) = (spec.kind, spec.url.clone(), spec.host.clone());
        (kind, url, host, spec.port, spec.tls, spec.secret.clone(), spec.ca_pem.clone())
    };
    let old = old.and_then(|old| serde_json::from_value::<ChannelSpec>(old.clone()).ok());
    old.is_some_and(|old| place(&old) == place(spec))
}

fn channel_checked(spec: &ChannelSpec) -> Result<(), ApiError> {
    fields_checked(spec)?;
    if let Some(url) = &spec.url {
        http::parsed(url).map_err(|why| ApiError::invalid(format!("the address {why}")).at("url"))?;
        if spec.kind == ChannelType::Ntfy {
            ntfy::split(url).map_err(|why| ApiError::invalid(why).at("url"))?;
        }
    }
    if let Some(secret) = &spec.secret {
        kind::name_checked(secret).map_err(|_| ApiError::invalid("this is the *name* of a secret").at("secret"))?;
    }
    if let Some(pem) = &spec.ca_pem {
        http::certificates(pem).map_err(|why| ApiError::invalid(why).at("ca_pem"))?;
    }
    if spec.kind == ChannelType::Smtp {
        mail_checked(spec)?;
    }
    if spec.every.is_some_and(|every| every.as_secs() < 10) {
        return Err(ApiError::invalid("at least 10s").at("every"));
    }
    spec.template.as_ref().map_or(Ok(()), |own| template::checked(own).map_err(|error| error.at("template")))
}

/// Each type has fields that it needs and fields that it takes.
fn fields_checked(spec: &ChannelSpec) -> Result<(), ApiError> {
    let given = [
        ("url", spec.url.is_some()),
        ("host", spec.host.is_some()),
        ("port", spec.port.is_some()),
        ("tls", spec.tls.is_some()),
        ("user", spec.user.is_some()),
        ("from", spec.from.is_some()),
        ("to", !spec.to.is_empty()),
        ("secret", spec.secret.is_some()),
        ("every", spec.every.is_some()),
        ("template", spec.template.is_some()),
    ];
    let (needed, taken): (&[&str], &[&str]) = match spec.kind {
        ChannelType::Webhook => (&["url"], &["secret", "template"]),
        ChannelType::Smtp => (&["host", "from", "to"], &["port", "tls", "user", "secret", "template"]),
        ChannelType::Slack => (&["secret"], &["template"]),
        ChannelType::Ntfy => (&["url"], &["secret", "template"]),
        ChannelType::Alertmanager => (&["url"], &["user", "secret"]),
        ChannelType::Heartbeat => (&["url"], &["every"]),
    };
    for (field, is_given) in given {
        if is_given && !needed.contains(&field) && !taken.contains(&field) {
            let all = [needed, taken].concat().join(", ");
            return Err(ApiError::invalid("a channel of this type has no such field")
                .at(field)
                .hint(format!("it has {all}")));
        }
        if !is_given && needed.contains(&field) {
            return Err(ApiError::invalid(format!("a channel of this type needs `{field}`")).at(field));
        }
    }
    Ok(())
}

fn mail_checked(spec: &ChannelSpec) -> Result<(), ApiError> {
    let address = |text: &str, at: String| {
        let parsed = text.parse::<lettre::message::Mailbox>();
        parsed.map(|_| ()).map_err(|_| ApiError::invalid("this is no mail address").at(at))
    };
    address(spec.from.as_deref().unwrap_or_default(), "from".to_owned())?;
    if spec.to.len() > RECEIVERS_MAX {
        return Err(ApiError::invalid(format!("more than {RECEIVERS_MAX} receivers")).at("to"));
    }
    for (n, to) in spec.to.iter().enumerate() {
        address(to, format!("to[{n}]"))?;
    }
    let host = spec.host.as_deref().unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    if host.is_empty() || host.len() > 253 || !host.chars().all(good) {
        return Err(ApiError::invalid("this is no name or address of a host").at("host"));
    }
    if spec.user.is_some() != spec.secret.is_some() {
        return Err(ApiError::invalid("`user` and `secret` go together").at("user"));
    }
    if spec.tls == Some(MailTls::None) && !spec.allow_private {
        let error = ApiError::invalid("mail in the clear can be read on its way").at("tls");
        return Err(error.hint("use starttls or implicit, or `allow_private: true` for a server nearby"));
    }
    Ok(())
}

fn policy_checked(name: &str, spec: &PolicySpec) -> Result<(), ApiError> {
    Policy::of(name, spec.clone())?;
    names_checked(&spec.channels).map_err(|error| error.at("channels"))?;
    if spec.escalate.len() > STEPS_MAX {
        return Err(ApiError::invalid(format!("more than {STEPS_MAX} steps")).at("escalate"));
    }
    for (n, step) in spec.escalate.iter().enumerate() {
        names_checked(&step.channels).map_err(|error| error.at(format!("escalate[{n}].channels")))?;
    }
    if spec.group_by.len() > GROUP_BY_MAX {
        return Err(ApiError::invalid(format!("more than {GROUP_BY_MAX} labels")).at("group_by"));
    }
    if spec.repeat.as_secs() < 60 {
        return Err(ApiError::invalid("at least 1m").at("repeat"));
    }
    Ok(())
}

fn names_checked(names: &[String]) -> Result<(), ApiError> {
    if names.is_empty() || names.len() > CHANNELS_MAX {
        return Err(ApiError::invalid(format!("1 to {CHANNELS_MAX} channels")));
    }
    names
        .iter()
        .try_for_each(|name| kind::name_checked(name).map_err(|_| ApiError::invalid("a channel is named by its name")))
}

fn silence_checked(name: &str, spec: &mut SilenceSpec) -> Result<(), ApiError> {
    spec.reason = spec.reason.trim().to_owned();
    if spec.reason.is_empty()
        || spec.reason.chars().count() > REASON_CHARS_MAX
        || spec.reason.contains(char::is_control)
    {
        return Err(ApiError::invalid(format!("one line of 1 to {REASON_CHARS_MAX} characters")).at("reason"));
    }
    if spec.from.is_some_and(|from| from >= spec.until) {
        return Err(ApiError::invalid("it ends before it begins").at("until"));
    }
    if spec.every.as_ref().is_some_and(|window| window.except.is_some()) {
        return Err(ApiError::invalid("a silence has no exception; match by severity").at("every.except"));
    }
    Silence::of(name, spec.clone()).map(|_| ())
}

fn silence_new(asked: &Asked<'_>, change: &SpecChange) -> Result<(), ApiError> {
    let Some(new) = &change.new else { return Ok(()) };
    let spec: SilenceSpec = kind::spec_of(new)?;
    if spec.until <= asked.now {
        let error = ApiError::invalid("the end of the silence has passed").at("spec.until");
        return Err(error.hint("take the document out, or give it a later end"));
    }
    Ok(())
}
