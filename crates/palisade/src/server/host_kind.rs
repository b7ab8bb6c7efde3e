//! The kind `Host`: where a host stands in the fleet, as a document.
//!
//! An agent's host joins by itself and cannot be made or removed here; what an operator says of it
//! can be changed. A host without an agent is only what is said of it: it is made, changed and
//! removed here.

use axum::http::StatusCode;
use palisade_core::{
    Effect, EffectKind, HostAddress, HostId, HostIdError, HostKind, Profile, Severity, Standing, Tags, Timestamp,
    VerdictWord, region_rule,
};
use palisade_guard::api::{ApiError, Role};
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Action, Asked, Effects, Held, Refused, SpecChange};
use palisade_guard::store::{self, HostRow};
use palisade_guard::{GuardError, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::net::IpAddr;
use utoipa::ToSchema;

/// RFC 1035, 2.3.4.
const DNS_NAME_CHARS_MAX: usize = 253;
const DNS_LABEL_CHARS_MAX: usize = 63;

/// Hosts of the fleet.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostResource;

/// Where a host stands; what is absent has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostSpec {
    /// Whether an agent is expected on it. Hosts with an agent join by themselves.
    #[serde(default)]
    pub kind: HostKind,
    /// Where it stands, in your own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 63)]
    pub region: Option<String>,
    /// At most 32 of `key: value`.
    #[serde(default)]
    pub tags: Tags,
    /// What it joined with; only with an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Where it is reached, an address or a DNS name; with the account and the port of its SSH service
    /// where they are not `palisade` and 22: `watch@db.example.org:2222`. Only without an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 292)]
    pub address: Option<String>,
}

impl Kind for HostResource {
    fn name(&self) -> &'static str {
        "Host"
    }

    fn plural(&self) -> &'static str {
        "hosts"
    }

    fn guard(&self) -> &'static str {
        "frame"
    }

    fn description(&self) -> &'static str {
        "A host of the fleet: its region and tags; one without an agent is made and removed here too."
    }

    fn topics(&self) -> &'static [&'static str] {
        &["hosts"]
    }

    fn role(&self, action: Action) -> Role {
        match action {
            Action::Create | Action::Delete => Role::Admin,
            Action::Change | Action::Unchanged => Role::Operator,
        }
    }

    fn schema(&self) -> Value {
        kind::schema_of::<HostSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        let id: HostId = name.parse().map_err(|e: HostIdError| ApiError::invalid(e).at("name"))?;
        let spec: HostSpec = kind::spec_of(spec)?;
        spec.region.as_deref().map_or(Ok(()), region_rule).map_err(|why| ApiError::invalid(why).at("spec.region"))?;
        let spec = match spec.kind {
            HostKind::Agent => of_agent(spec)?,
            HostKind::Agentless => without_agent(spec)?,
        };
        Ok((id.to_string(), json!(spec)))
    }

    fn held<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        only: Option<&'a str>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<Held>>, GuardError>> {
        Box::pin(async move {
            let rows = match only {
                // a text that is no name names nothing
                Some(name) => match name.parse::<HostId>() {
                    Ok(id) => store::host(db, &id).await?.into_iter().collect(),
                    Err(_) => Vec::new(),
                },
                None => store::hosts(db).await?,
            };
            Ok(Some(rows.into_iter().filter(|row| row.standing == Standing::Active).map(held).collect()))
        })
    }

    fn apply<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(async move {
            let mut effects = Effects::default();
            for (index, change) in changes.iter().enumerate() {
                let done = put(asked, db, change).await;
                effects.effects.extend(done.map_err(|error| Refused { index: Some(index), error })?);
            }
            Ok(effects)
        })
    }
}

fn held(row: HostRow) -> Held {
    let agent = row.kind == HostKind::Agent;
    let spec = HostSpec {
        kind: row.kind,
        region: row.region,
        tags: row.tags,
        profile: agent.then_some(row.profile),
        address: row.address.filter(|_| !agent),
    };
    Held { name: row.id.to_string(), spec: json!(spec), by: None, at: Some(row.joined_at) }
}

fn of_agent(spec: HostSpec) -> Result<HostSpec, ApiError> {
    if spec.address.is_some() {
        let error = ApiError::invalid("a host with an agent says its addresses itself").at("spec.address");
        return Err(error.hint("leave it out, or write `kind: agentless`"));
    }
    Ok(HostSpec { profile: Some(spec.profile.unwrap_or_default()), ..spec })
}

fn without_agent(spec: HostSpec) -> Result<HostSpec, ApiError> {
    if spec.profile.is_some() {
        return Err(ApiError::invalid("a host without an agent has no profile").at("spec.profile"));
    }
    let Some(address) = &spec.address else {
        let error = ApiError::invalid("a host without an agent needs an address").at("spec.address");
        return Err(error.hint("write an address or a DNS name"));
    };
    let address = address_checked(address).map_err(|why| ApiError::invalid(why).at("spec.address"))?;
    Ok(HostSpec { address: Some(address), ..spec })
}

/// The address in normal form, with account and port as given.
fn address_checked(text: &str) -> Result<String, String> {
    let written: HostAddress = text.parse().map_err(|e: palisade_core::HostAddressError| e.to_string())?;
    let host = place_checked(&written.host)?;
    Ok(HostAddress { host, ..written }.to_string())
}

/// The address or name in normal form. What the server itself is reached at by nobody else (loopback,
/// link-local, which holds the metadata of clouds) is refused: a probe must not be led there.
fn place_checked(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let address = address.to_canonical();
        return match only_here(address) {
            Some(why) => Err(format!("`{address}` is {why}: no other host is reached there")),
            None => Ok(address.to_string()),
        };
    }
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let label_ok = |label: &str| {
        (1..=DNS_LABEL_CHARS_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // resolvers read names that end in a number as addresses: 127.1, 0x7f000001
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if name.len() > DNS_NAME_CHARS_MAX || !name.split('.').all(label_ok) || number {
        let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
        return Err(format!("`{shown}` is neither an address nor a DNS name"));
    }
    if name == "localhost" || name.ends_with(".localhost") {
        return Err(format!("`{name}` is this server itself"));
    }
    Ok(name)
}

fn only_here(address: IpAddr) -> Option<&'static str> {
    let link_local = match address {
        IpAddr::V4(a) => a.is_link_local() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    match address {
        a if a.is_loopback() => Some("a loopback address"),
        a if a.is_unspecified() => Some("no address of a host"),
        a if a.is_multicast() => Some("a multicast address"),
        _ if link_local => Some("a link-local address"),
        _ => None,
    }
}

/// Puts one host; says what that does.
async fn put(asked: &Asked<'_>, db: &mut SqliteConnection, change: &SpecChange) -> Result<Vec<Effect>, ApiError> {
    let id: HostId = change.name.parse().map_err(|e: HostIdError| ApiError::invalid(e).at("name"))?;
    let row = store::host(db, &id).await?;
    let new: Option<HostSpec> = change.new.as_ref().map(kind::spec_of).transpose()?;
    match (row, new) {
        (Some(row), Some(_)) if row.standing != Standing::Active => {
            let error = ApiError::conflict(format!("a host `{id}` was {}", row.standing.as_str())).at("name");
            Err(error.hint("use another name"))
        }
        (Some(row), Some(new)) => changed(asked, db, row, new).await,
        (Some(row), None) => removed(db, row).await,
        (None, Some(new)) => made(asked, db, id, new).await,
        (None, None) => Ok(Vec::new()),
    }
}

async fn made(
    asked: &Asked<'_>,
    db: &mut SqliteConnection,
    id: HostId,
    new: HostSpec,
) -> Result<Vec<Effect>, ApiError> {
    if new.kind == HostKind::Agent {
        let error = ApiError::conflict(format!("no host `{id}` has joined, and a document cannot make one")).at("name");
        return Err(error.hint(
            "make a token with `palisade join-token create` and let the host join with it, or write `kind: agentless`",
        ));
    }
    let address = new.address.clone().unwrap_or_default();
    let row = HostRow { verdict: VerdictWord::Agentless, ..of_spec(HostRow::new(id, asked.now), new) };
    store::host_put(db, &row).await?;
    let sentence = format!("{} is a host of the fleet, watched from outside at {address}", row.id);
    Ok(vec![effect(EffectKind::Changes, Severity::Low, &row.id, sentence)])
}

async fn removed(db: &mut SqliteConnection, row: HostRow) -> Result<Vec<Effect>, ApiError> {
    if row.kind == HostKind::Agent {
        let error = ApiError::conflict(format!("host `{}` has an agent: it is retired, not removed", row.id));
        return Err(error.hint(format!("`palisade host retire {}`", row.id)));
    }
    store::host_delete(db, &row.id).await?;
    let sentence = format!("{} is no longer a host of the fleet; nobody watches it", row.id);
    Ok(vec![effect(EffectKind::Changes, Severity::Medium, &row.id, sentence)])
}

async fn changed(
    asked: &Asked<'_>,
    db: &mut SqliteConnection,
    old: HostRow,
    new: HostSpec,
) -> Result<Vec<Effect>, ApiError> {
    if old.kind != new.kind {
        let why = format!("host `{}` is of kind {}, which does not change", old.id, old.kind.as_str());
        return Err(ApiError::new(StatusCode::CONFLICT, "refused", why).at("spec.kind"));
    }
    let row = of_spec(old.clone(), new);
    let mut effects = said(&old, &row);
    store::host_put(&mut *db, &row).await?;
    if (&old.region, &old.tags) != (&row.region, &row.tags) {
        // its link hears of it with the next heartbeat
        store::generations_raise_of(&mut *db, &row.id).await?;
        let others = asked.context.host_changed(db, &row.id).await?;
        if !others.is_empty() {
            let sentence = format!("{} other hosts know {} by other names in their rules", others.len(), row.id);
            effects.push(Effect { kind: EffectKind::Changes, severity: Severity::Low, sentence, hosts: others });
        }
    }
    Ok(effects)
}

fn of_spec(row: HostRow, spec: HostSpec) -> HostRow {
    HostRow {
        kind: spec.kind,
        region: spec.region,
        tags: spec.tags,
        profile: spec.profile.unwrap_or_default(),
        address: spec.address,
        ..row
    }
}

/// What differs, in sentences.
fn said(old: &HostRow, new: &HostRow) -> Vec<Effect> {
    let id = &new.id;
    let mut all = Vec::new();
    if old.region != new.region {
        let named = |region: &Option<String>| region.clone().unwrap_or_else(|| "no region".to_owned());
        all.push((
            Severity::Informational,
            format!("{id} moves from {} to {}", named(&old.region), named(&new.region)),
        ));
    }
    for (key, value) in new.tags.iter().filter(|(key, value)| old.tags.get(key) != Some(value)) {
        all.push((Severity::Informational, format!("{id} is tagged {key}={value}")));
    }
    for (key, _) in old.tags.iter().filter(|(key, _)| new.tags.get(key).is_none()) {
        all.push((Severity::Informational, format!("{id} is no longer tagged {key}")));
    }
    if old.profile != new.profile {
        let less = new.profile == Profile::Observe;
        let severity = if less { Severity::Medium } else { Severity::Low };
        let sentence = format!("{id} goes from profile {} to {}", old.profile.as_str(), new.profile.as_str());
        all.push((severity, sentence));
    }
    if old.address != new.address {
        let address = new.address.as_deref().unwrap_or("nowhere");
        all.push((Severity::Low, format!("{id} is watched at {address}")));
    }
    all.into_iter().map(|(severity, sentence)| effect(EffectKind::Changes, severity, id, sentence)).collect()
}

fn effect(kind: EffectKind, severity: Severity, host: &HostId, sentence: String) -> Effect {
    Effect { kind, severity, sentence, hosts: vec![host.clone()] }
}

#[cfg(test)]
#[path = "host_kind_tests.rs"]
mod tests;
