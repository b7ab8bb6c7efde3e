//! The kind `ServerWatch`. It lives in the frame's own table of resources.

use super::{AFTER_S_MAX, AFTER_S_MIN, CA_PEM_BYTES_MAX, WATCHES_MAX};
use crate::notify::{http, secret};
use crate::scope::Scope;
use crate::setting::kind::steps;
use crate::setting::policy::{Policy, moved};
use palisade_core::{Effect, EffectKind, HostId, Severity, Span};
use palisade_guard::api::{ApiError, Role};
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Action, Asked, Effects, Refused, SpecChange};
use palisade_guard::store::{self, HostRow};
use palisade_guard::{GuardError, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::sync::Arc;
use utoipa::ToSchema;

/// As it stands in documents.
pub const SERVER_WATCH: &str = "ServerWatch";
/// With more hosts than this a server that is silent is told of by many at once.
const HOSTS_FEW: usize = 3;

/// A few hosts that tell somebody when this server is silent: the alarm that it cannot give itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerWatchSpec {
    /// Which hosts; one to three are enough. They store the address and the secret.
    pub scope: Scope,
    /// How long the server must have acknowledged nothing: from 5 s to a day.
    #[serde(default = "after")]
    #[schema(value_type = String, example = "10m")]
    pub after: Span,
    /// Whom they tell.
    pub channel: WatchChannel,
}

/// A webhook that hosts call, as a channel of this type is called by the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchChannel {
    /// `https://…`, or `http://…`.
    #[schema(min_length = 1, max_length = 2000)]
    pub url: String,
    /// The name of the secret that signs the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Certificates that are trusted besides those of the host, as PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Whether the address may be one that only the host reaches.
    #[serde(default)]
    pub allow_private: bool,
}

fn after() -> Span {
    Span::from_secs(600).expect("ten minutes are a length of time")
}

/// The kind.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![Arc::new(ServerWatch)]
}

struct ServerWatch;

impl Kind for ServerWatch {
    fn name(&self) -> &'static str {
        SERVER_WATCH
    }

    fn plural(&self) -> &'static str {
        "serverwatches"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "A few hosts that tell a webhook when this server is silent, and when it is back."
    }

    fn after(&self) -> &'static [&'static str] {
        &["Host", "ResourceGroup"]
    }

    /// It gives a secret away to hosts, and has them speak to an address.
    fn role(&self, _action: Action) -> Role {
        Role::Admin
    }

    fn schema(&self) -> Value {
        kind::schema_of::<ServerWatchSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        let spec: ServerWatchSpec = kind::spec_of(spec)?;
        spec.scope.checked("spec.scope")?;
        if !(u64::from(AFTER_S_MIN)..=u64::from(AFTER_S_MAX)).contains(&spec.after.as_secs()) {
            return Err(ApiError::invalid(format!("from {AFTER_S_MIN}s to 1d")).at("spec.after"));
        }
        channel_checked(&spec.channel).map_err(|error| error.at("spec.channel"))?;
        Ok((name.to_owned(), json!(spec)))
    }

    fn apply<'a>(
        &'a self,
        _asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(apply(db, changes))
    }
}

fn channel_checked(channel: &WatchChannel) -> Result<(), ApiError> {
    http::parsed(&channel.url).map_err(|why| ApiError::invalid(format!("the address {why}")).at("url"))?;
    if let Some(secret) = &channel.secret {
        kind::name_checked(secret).map_err(|_| ApiError::invalid("this is the *name* of a secret").at("secret"))?;
    }
    let Some(pem) = &channel.ca_pem else { return Ok(()) };
    if pem.len() > CA_PEM_BYTES_MAX {
        return Err(ApiError::invalid(format!("more than {CA_PEM_BYTES_MAX} bytes")).at("ca_pem"));
    }
    http::certificates(pem).map(|_| ()).map_err(|why| ApiError::invalid(why).at("ca_pem"))
}

/// The hosts that are given this secret: they need another spec when it changes.
pub async fn hosts_of_secret(db: &mut SqliteConnection, secret: &str) -> Result<Vec<HostId>, GuardError> {
    let policy = Policy::read(db).await?;
    let is_given = |host: &HostRow| policy.of_server(host).any(|(_, w)| w.channel.secret.as_deref() == Some(secret));
    Ok(store::hosts(db).await?.into_iter().filter(is_given).map(|host| host.id).collect())
}

async fn apply(db: &mut SqliteConnection, changes: &[SpecChange]) -> Result<Effects, Refused> {
    let before = Policy::with_groups(db).await?;
    let hosts = store::hosts(db).await?;
    let after = before.clone().changed(SERVER_WATCH, changes);
    let secrets: Vec<String> = secret::list(db).await?.into_iter().map(|secret| secret.name).collect();
    let mut effects = Effects { hosts: moved(&before, &after, &hosts), ..Effects::default() };
    for (index, change) in changes.iter().enumerate() {
        let refused = |error| Refused { index: Some(index), error };
        let spec = change.new.as_ref().map(kind::spec_of::<ServerWatchSpec>).transpose().map_err(refused)?;
        let policy = if spec.is_some() { &after } else { &before };
        let reached: Vec<&HostRow> =
            hosts.iter().filter(|host| policy.reaches(SERVER_WATCH, &change.name, host)).collect();
        if let Some(spec) = &spec {
            secret_exists(spec, &secrets).map_err(refused)?;
            room(&after, &reached).map_err(refused)?;
        }
        effects.effects.extend(said(&change.name, spec.as_ref(), &reached));
    }
    effects.steps = steps(&effects.hosts, "its watch of the server changes");
    effects.observed_at = store::freshness_oldest(db, crate::WORD, &effects.hosts).await?;
    Ok(effects)
}

fn secret_exists(spec: &ServerWatchSpec, known: &[String]) -> Result<(), ApiError> {
    let Some(name) = spec.channel.secret.as_ref().filter(|name| !known.contains(name)) else { return Ok(()) };
    let error = ApiError::conflict(format!("the secret `{name}` is not set")).at("spec.channel.secret");
    Err(error.hint(format!("set it first: palisade monitor secret set {name}")))
}

fn room(after: &Policy, reached: &[&HostRow]) -> Result<(), ApiError> {
    let full = reached.iter().find(|host| after.of_server(host).count() > WATCHES_MAX);
    full.map_or(Ok(()), |host| {
        let error = ApiError::conflict(format!("host `{}` would have more than {WATCHES_MAX} ServerWatches", host.id));
        Err(error.at("spec.scope").hint("narrow the scope, or remove one that is no longer needed"))
    })
}

fn said(name: &str, spec: Option<&ServerWatchSpec>, reached: &[&HostRow]) -> Vec<Effect> {
    let hosts: Vec<HostId> = reached.iter().map(|host| host.id.clone()).collect();
    let on = match reached {
        [] => "no host yet".to_owned(),
        [one] => one.id.to_string(),
        all => format!("{} hosts", all.len()),
    };
    let sentence = match spec {
        Some(spec) => format!("`{name}`: {on} will tell when the server has been silent for {}", spec.after),
        None => format!("`{name}`: nobody is told any more by {on} when the server is silent"),
    };
    let effect = |severity, sentence| Effect { kind: EffectKind::Changes, severity, sentence, hosts: hosts.clone() };
    let mut all = vec![effect(Severity::Informational, sentence)];
    if spec.is_some() && hosts.len() > HOSTS_FEW {
        let many = format!(
            "{} hosts store the address and its secret, and each of them tells by itself: {HOSTS_FEW} are enough",
            hosts.len()
        );
        all.push(effect(Severity::Medium, many));
    }
    all
}
