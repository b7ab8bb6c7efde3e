//! `/api/v1/firewall/effective`: all rules that one host asks, wherever they come from.

use super::groups::{DefaultsView, ProbationView};
use super::{given, with_nearest};
use crate::WORD;
use crate::filter::{Filter, Layer, Peers, Rule};
use crate::group::effects::matches_nobody;
use crate::group::fleet::{Ready, Stored};
use crate::group::model::{Action, Direction, Ports, Protocol};
use crate::group::store::{self, Hits};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use palisade_core::{Generation, HostId, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, ErrorBody};
use palisade_guard::store as frame;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Which host.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EffectiveParams {
    /// Its name.
    host: String,
}

/// A rule of a host, whatever it comes from.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EffectiveRule {
    /// `GROUP/ID`, or the layer and a word.
    id: String,
    /// What it belongs to.
    layer: Layer,
    /// The group that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// 1 to 100 within its layer.
    priority: u8,
    /// Who begins.
    direction: Direction,
    /// What becomes of it.
    action: Action,
    /// What is spoken.
    protocol: Protocol,
    /// All if empty.
    #[schema(value_type = Vec<String>)]
    ports: Vec<Ports>,
    /// The other side, in words.
    peers: Vec<String>,
    /// How many ranges of addresses.
    addresses: usize,
    /// It matches nobody now.
    nobody: bool,
    /// Until when it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    /// What it decided about since records began.
    packets: u64,
    /// In the last 24 hours.
    packets_24h: u64,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_hit_at: Option<Timestamp>,
}

/// What one host enforces.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EffectiveView {
    /// Which.
    host: HostId,
    /// The generation of its spec.
    generation: Generation,
    /// Some group or policy chooses it.
    filtered: bool,
    /// What it tries now.
    #[serde(skip_serializing_if = "Option::is_none")]
    probation: Option<ProbationView>,
    /// In the order of evaluation; what is tried, if something is.
    rules: Vec<EffectiveRule>,
    /// What becomes of the rest; absent if it is not filtered.
    #[serde(skip_serializing_if = "Option::is_none")]
    defaults: Option<DefaultsView>,
    /// All of it in a sentence.
    sentence: String,
    /// When the host was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
    /// Until when that counts as fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    fresh_until: Option<Timestamp>,
}

/// The rules that one host evaluates, merged from its groups, policy and isolation.
#[utoipa::path(get, path = "/api/v1/firewall/effective", tag = "firewall", params(EffectiveParams),
    responses((status = 200, body = EffectiveView), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn effective(
    State(ctx): State<ServerContext>,
    _: Caller,
    params: Result<Query<EffectiveParams>, QueryRejection>,
) -> Result<Json<EffectiveView>, ApiError> {
    let host: HostId = given::query(params)?.host.parse().map_err(ApiError::invalid)?;
    let now = ctx.now();
    let mut db = ctx.db.read().acquire().await?;
    let ready = Ready::of(&Stored::read(&mut db, now).await?)?;
    if ready.confirmed.member(&host).is_none() {
        let all = frame::hosts_in_service(&mut db).await?;
        return Err(with_nearest(ApiError::not_found(format!("host `{host}`")), host.as_str(), &all));
    }
    let (confirmed, candidate) = ready.filter(&host, now);
    let many = ready.confirmed.too_many(&host);
    let many = many.map(|m| format!("; {m}: what allows something is left out")).unwrap_or_default();
    let probation = candidate.as_ref().map(|c| ProbationView { plan: c.plan.clone(), until: c.until });
    let filter = candidate.map_or(confirmed, |c| c.filter);
    let hits = store::hits(&mut db, Some(&host), now).await?;
    let seen = frame::freshness(&mut db, &host).await?.into_iter().find(|f| f.guard == WORD);
    Ok(Json(EffectiveView {
        generation: frame::generation(&mut db, &host, WORD).await?,
        filtered: filter.defaults.is_some(),
        probation,
        sentence: sentence(&filter, &ready.confirmed.groups_of(&host)) + &many,
        rules: filter.rules.iter().map(|rule| effective_rule(&filter, rule, &hits)).collect(),
        defaults: filter.defaults.map(DefaultsView::from),
        observed_at: seen.as_ref().map(|f| f.observed_at),
        fresh_until: seen.as_ref().map(|f| f.fresh_until),
        host,
    }))
}

fn effective_rule(filter: &Filter, rule: &Rule, hits: &BTreeMap<String, Hits>) -> EffectiveRule {
    let Hits { packets, packets_24h, last_at } = hits.get(&rule.id).copied().unwrap_or_default();
    let sets = match &rule.peers {
        Peers::Any => &[],
        Peers::Of { sets, .. } | Peers::Except { sets } => sets.as_slice(),
    };
    let of = |name: &String| filter.sets.iter().find(|set| set.name == *name).map_or(0, |set| set.ranges.len());
    let group = rule.id.rsplit_once('/').map(|(group, _)| group.to_owned()).filter(|_| rule.layer == Layer::Group);
    EffectiveRule {
        id: rule.id.clone(),
        layer: rule.layer,
        group,
        priority: rule.priority,
        direction: rule.direction,
        action: rule.action,
        protocol: rule.protocol,
        ports: rule.ports.clone(),
        peers: words(filter, rule),
        addresses: sets.iter().map(of).sum(),
        nobody: matches_nobody(filter, &rule.peers),
        ends_at: rule.ends_at,
        packets,
        packets_24h,
        last_hit_at: last_at,
    }
}

/// The peers of a rule as people write them; the networks of a rule's own set by themselves.
fn words(filter: &Filter, rule: &Rule) -> Vec<String> {
    const NETWORKS_SHOWN_MAX: usize = 8;
    let word = |name: &String| -> Vec<String> {
        if !name.starts_with("rule/") {
            return vec![name.replacen('/', ":", 1)];
        }
        let own = filter.sets.iter().find(|set| set.name == *name);
        own.map(|set| set.ranges.iter().take(NETWORKS_SHOWN_MAX).map(ToString::to_string).collect()).unwrap_or_default()
    };
    match &rule.peers {
        Peers::Any => vec!["any".to_owned()],
        Peers::Of { sets, interfaces } => {
            let named = interfaces.iter().map(|name| format!("interface:{name}"));
            sets.iter().flat_map(word).chain(named).collect()
        }
        Peers::Except { sets } => sets.iter().flat_map(word).map(|name| format!("all but {name}")).collect(),
    }
}

fn sentence(filter: &Filter, groups: &[&str]) -> String {
    let Some(defaults) = filter.defaults else {
        return "no security group and no port policy chooses this host: nothing is filtered".to_owned();
    };
    if filter.rules.iter().any(|rule| rule.layer == Layer::Isolation) {
        return "cut off from everything but the failsafe addresses".to_owned();
    }
    let word = |action| if action == Action::Allow { "allowed" } else { "denied" };
    let rest = format!("in {}, out {}", word(defaults.inbound), word(defaults.outbound));
    match groups {
        [] => format!("governed by the port policy alone; the rest: {rest}"),
        groups => format!("{} rules of {}; the rest: {rest}", filter.rules.len(), groups.join(", ")),
    }
}
