//! The kind `AddressAllow`: one entry of the allow-list as a document. Its name is the network; the
//! truth is the table that the endpoints of the allow-list use too.

use super::{Known, TOPIC};
use crate::draft::{self, Reach, Scene};
use crate::spec::Allow;
use crate::store::{self, ALLOW_MAX};
use palisade_core::{Cidr, CidrError, HostId, Plan, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Asked, Effects, Held, Refused, SpecChange};
use palisade_guard::{GuardError, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

/// Entries of the allow-list.
#[derive(Debug, Clone, Copy, Default)]
pub struct AddressAllow;

/// An address or network that no ban cuts; the name says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressAllowSpec {
    /// Why, for people: one line.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub reason: String,
    /// Until when; until it is removed if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
}

impl Kind for AddressAllow {
    fn name(&self) -> &'static str {
        "AddressAllow"
    }

    fn plural(&self) -> &'static str {
        "addressallows"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "An address or network that no ban cuts, on all hosts. Its name is the network: 203.0.113.0/24."
    }

    fn topics(&self) -> &'static [&'static str] {
        &[TOPIC]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<AddressAllowSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        let cidr: Cidr = name.parse().map_err(|e: CidrError| ApiError::invalid(e).at("name"))?;
        let spec: AddressAllowSpec = kind::spec_of(spec)?;
        let reason = draft::reason_checked(Some(&spec.reason)).map_err(|e| e.at("spec.reason"))?;
        // the table holds milliseconds
        let ends_at = spec.ends_at.map(|at| palisade_guard::store::at(at.as_millisecond()));
        Ok((cidr.to_string(), json!(AddressAllowSpec { reason, ends_at })))
    }

    fn held<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        only: Option<&'a str>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<Held>>, GuardError>> {
        Box::pin(async move {
            let all = store::allow_list(db, now).await?.into_iter();
            Ok(Some(all.filter(|a| only.is_none_or(|name| name == a.cidr.to_string())).map(held).collect()))
        })
    }

    fn apply<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(apply(asked, db, changes))
    }
}

fn held(allow: Allow) -> Held {
    let spec = json!(AddressAllowSpec { reason: allow.reason, ends_at: allow.ends_at });
    Held { name: allow.cidr.to_string(), spec, by: Some(allow.by), at: Some(allow.since) }
}

async fn apply(asked: &Asked<'_>, db: &mut SqliteConnection, changes: &[SpecChange]) -> Result<Effects, Refused> {
    let mut known = Known::read(asked.context, asked.caller, None, db).await?;
    let observed_at = palisade_guard::store::freshness_oldest(db, crate::WORD, &known.hosts).await?;
    let mut effects = Effects { hosts: known.hosts.clone(), observed_at, ..Effects::default() };
    for (index, change) in changes.iter().enumerate() {
        let refused = |error: ApiError| Refused { index: Some(index), error };
        let (plan, entry) = drafted(asked, &mut known, change).map_err(refused)?;
        match &entry {
            Some(allow) => {
                store::allow_put(&mut *db, allow, asked.plan).await?;
                crate::feed::desk::allowed(&mut *db, allow.cidr, asked.now).await?;
            }
            None => store::allow_delete(db, network(change).map_err(refused)?).await.map(|_| ())?,
        }
        known.allow.extend(entry);
        // every entry goes to all hosts, which the plan names once
        effects.effects.extend(plan.effects.into_iter().map(|e| palisade_core::Effect { hosts: Vec::new(), ..e }));
        effects.steps.extend(plan.steps);
    }
    Ok(effects)
}

/// What one change does; its entry is taken out of what is known, and handed back as it shall be.
fn drafted(asked: &Asked<'_>, known: &mut Known, change: &SpecChange) -> Result<(Plan, Option<Allow>), ApiError> {
    let cidr = network(change)?;
    let Some(new) = &change.new else {
        let plan = draft::disallow(cidr, &scene(asked, known, known.hosts.clone()))?;
        known.allow.retain(|a| a.cidr != cidr);
        return Ok((plan, None));
    };
    let spec: AddressAllowSpec = kind::spec_of(new)?;
    if spec.ends_at.is_some_and(|end| end <= asked.now) {
        let error = ApiError::invalid(format!("the end of `{cidr}` has passed")).at("spec.ends_at");
        return Err(error.hint("take the document out, or give it a later end"));
    }
    known.allow.retain(|a| a.cidr != cidr);
    if known.allow.len() as u64 >= ALLOW_MAX {
        let error = ApiError::conflict(format!("the allow-list has {ALLOW_MAX} entries already"));
        return Err(error.hint("allow networks instead"));
    }
    let scene = scene(asked, known, known.hosts.clone());
    let (plan, allow) = draft::allow_entry(cidr, spec.reason, spec.ends_at, &scene)?;
    Ok((plan, Some(allow)))
}

fn network(change: &SpecChange) -> Result<Cidr, ApiError> {
    change.name.parse().map_err(|e: CidrError| ApiError::invalid(e).at("name"))
}

fn scene<'a>(asked: &'a Asked<'_>, known: &'a Known, hosts: Vec<HostId>) -> Scene<'a> {
    Scene {
        now: known.now,
        by: &asked.caller.name,
        caller: asked.caller.address,
        failsafe: &known.failsafe,
        observed_at: None,
        reach: Reach::Fleet(hosts),
        bans: &known.bans,
        allow: &known.allow,
    }
}
