//! `/api/v1/firewall/groups` and `/api/v1/firewall/effective`.

use super::{given, with_nearest};
use crate::WORD;
use crate::filter::{Defaults, Filter, Layer, Peers, Rule, reach};
use crate::group::effects::matches_nobody;
use crate::group::fleet::{GROUP, Ready, Stored};
use crate::group::model::{Action, Direction, GroupRule, Intra, Peer, Ports, Protocol, SecurityGroupSpec};
use crate::group::resolve::{Resolver, rule_id};
use crate::group::store::{self, DocumentRow, Hits};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use palisade_core::{Generation, HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, Can, ErrorBody, Page, PageParams, Role};
use palisade_guard::store as frame;
use palisade_guard::{GuardError, ServerContext, kind};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// Hosts that a group names.
const HOSTS_NAMED_MAX: usize = 100;

/// What is tried, and until when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProbationView {
    /// The plan.
    plan: String,
    /// When it is undone by itself.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// What a caller may do with a group.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupCan {
    /// Change it.
    change: Can,
    /// Delete it.
    delete: Can,
}

/// A security group.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupView {
    /// Its name.
    name: String,
    /// Its newest version, from 1.
    version: u64,
    /// What it is for.
    description: String,
    /// Whether its members reach each other.
    intra: Intra,
    /// The hosts in it, at most 100.
    hosts: Vec<HostId>,
    /// How many there are.
    hosts_total: usize,
    /// Rules for what comes in.
    rules_in: usize,
    /// Rules for what goes out.
    rules_out: usize,
    /// Rules that are switched off.
    rules_disabled: usize,
    /// Rules with a peer that resolves to nothing.
    unresolved: usize,
    /// It is on probation.
    #[serde(skip_serializing_if = "Option::is_none")]
    probation: Option<ProbationView>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Who wrote it.
    updated_by: String,
    /// What the caller may do.
    can: GroupCan,
}

/// A peer of a rule, and what it stands for now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PeerView {
    /// As written.
    #[schema(value_type = String)]
    peer: Peer,
    /// How many ranges of addresses.
    addresses: usize,
    /// It stands for somebody.
    resolved: bool,
    /// Why not, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A rule of a group.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = GroupRuleView)]
pub struct RuleView {
    /// `GROUP/ID`.
    id: String,
    /// As written.
    rule: GroupRule,
    /// Its peers.
    peers: Vec<PeerView>,
    /// What it decided about in the last 24 hours.
    packets_24h: u64,
    /// What it decided about since records began.
    packets: u64,
    /// The last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_hit_at: Option<Timestamp>,
    /// It never decides: this rule of the same group comes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed_by: Option<String>,
}

/// What becomes of packets that no rule decides.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DefaultsView {
    /// Of what comes in.
    inbound: Action,
    /// Of what goes out.
    outbound: Action,
}

impl From<Defaults> for DefaultsView {
    fn from(defaults: Defaults) -> DefaultsView {
        DefaultsView { inbound: defaults.inbound, outbound: defaults.outbound }
    }
}

/// A security group with its rules.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupDetails {
    /// The group.
    #[serde(flatten)]
    group: GroupView,
    /// As written.
    spec: SecurityGroupSpec,
    /// In the order of evaluation.
    rules: Vec<RuleView>,
    /// What becomes of the rest on its first member.
    defaults: DefaultsView,
}

/// All that a page of groups is made of.
struct Known {
    stored: Stored,
    newest: Resolver,
    versions: BTreeMap<String, u64>,
}

impl Known {
    async fn read(db: &mut SqliteConnection, now: Timestamp) -> Result<Known, GuardError> {
        let stored = Stored::read(&mut *db, now).await?;
        let tried = stored.tried();
        let with: Vec<&str> = tried.keys().map(String::as_str).collect();
        let newest = Resolver::new(std::sync::Arc::new(stored.fleet(&with)?), now);
        let rows = frame::resources(db, GROUP, None).await?;
        Ok(Known { stored, newest, versions: rows.into_iter().map(|row| (row.name, row.version)).collect() })
    }

    fn rows(&self) -> impl Iterator<Item = &DocumentRow> {
        self.stored.documents.iter().filter(|row| row.kind == GROUP && row.spec.is_some())
    }

    fn view(&self, row: &DocumentRow, caller: &Caller) -> Result<(GroupView, SecurityGroupSpec), GuardError> {
        let spec: SecurityGroupSpec = store::read("security group", row.spec.as_deref().unwrap_or("{}"))?;
        let members = self.newest.members(&row.name);
        let of = |direction| spec.rules.iter().filter(|rule| rule.direction == direction).count();
        let unresolved = |rule: &&GroupRule| rule.peers.iter().any(|peer| !peer_view(&self.newest, "", peer).resolved);
        let can = match caller.can(Role::Operator) {
            Can::Yes(_) if !row.plan.is_empty() => Can::No(format!("plan {} is on probation", row.plan)),
            other => other,
        };
        let view = GroupView {
            name: row.name.clone(),
            version: self.versions.get(&row.name).copied().unwrap_or_default(),
            description: spec.description.clone(),
            intra: spec.intra,
            hosts: members.iter().take(HOSTS_NAMED_MAX).map(|h| (*h).clone()).collect(),
            hosts_total: members.len(),
            rules_in: of(Direction::In),
            rules_out: of(Direction::Out),
            rules_disabled: spec.rules.iter().filter(|rule| !rule.enabled).count(),
            unresolved: spec.rules.iter().filter(unresolved).count(),
            probation: row.until.map(|until| ProbationView { plan: row.plan.clone(), until }),
            updated_at: row.at,
            updated_by: row.by.clone(),
            can: GroupCan { change: can.clone(), delete: can },
        };
        Ok((view, spec))
    }
}

fn peer_view(resolver: &Resolver, id: &str, peer: &Peer) -> PeerView {
    let of = |set: String| resolver.set(&set).len();
    let (addresses, why) = match peer {
        Peer::Any | Peer::Interface(_) => (0, None),
        Peer::Cidr(_) => (1, None),
        Peer::List(name) => (of(format!("list/{name}")), Some(format!("the prefix list {name} is empty"))),
        Peer::Group(name) => (of(format!("group/{name}")), Some(format!("no host in {name} has an address"))),
        Peer::Domain(name) => (of(format!("domain/{name}")), Some(format!("no host is tagged domain={name}"))),
        Peer::Host(name) => (of(format!("host/{name}")), Some(format!("{name} has said no address yet"))),
    };
    let _ = id;
    let resolved = addresses > 0 || why.is_none();
    PeerView { peer: peer.clone(), addresses, resolved, why: why.filter(|_| !resolved) }
}

/// Security groups, by name.
#[utoipa::path(get, path = "/api/v1/firewall/groups", tag = "firewall", params(PageParams),
    responses((status = 200, body = Page<GroupView>), (status = 400, body = ErrorBody)))]
pub(super) async fn group_list(
    State(ctx): State<ServerContext>,
    caller: Caller,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<GroupView>>, ApiError> {
    let params = given::query(params)?;
    let mut db = ctx.db.read().acquire().await?;
    let known = Known::read(&mut db, ctx.now()).await?;
    let mut views = Vec::new();
    for row in known.rows() {
        views.push(known.view(row, &caller)?.0);
    }
    views.retain(|v| params.matches(&[&v.name, &v.description, &v.updated_by]));
    let reason = if params.q.is_some() { "no security group matches" } else { "there is no security group yet" };
    Ok(Json(Page::of(views, &params)?.because(reason)))
}

/// One security group with its rules, what their peers stand for, and what they decided about.
#[utoipa::path(get, path = "/api/v1/firewall/groups/{name}", tag = "firewall", params(("name" = String, Path)),
    responses((status = 200, body = GroupDetails), (status = 404, body = ErrorBody)))]
pub(super) async fn group_show(
    State(ctx): State<ServerContext>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<GroupDetails>, ApiError> {
    let mut db = ctx.db.read().acquire().await?;
    let known = Known::read(&mut db, ctx.now()).await?;
    let Some(row) = known.rows().find(|row| row.name == name) else {
        let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
        let error = ApiError::not_found(format!("a security group `{shown}`"));
        return Err(match kind::nearest(&name, known.rows().map(|row| row.name.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        });
    };
    let (group, spec) = known.view(row, &caller)?;
    let hits = store::hits(&mut db, None, ctx.now()).await?;
    let first = known.newest.members(&name).first().and_then(|host| known.newest.filter(host));
    let alone = first.as_ref().map(|filter| alone(filter, &name)).unwrap_or_default();
    let shadowed: BTreeMap<String, String> = reach::shadowed(&alone).into_iter().collect();
    let view = |rule: &GroupRule| {
        let id = rule_id(&name, rule);
        let Hits { packets, packets_24h, last_at } = hits.get(&id).copied().unwrap_or_default();
        RuleView {
            peers: rule.peers.iter().map(|peer| peer_view(&known.newest, &id, peer)).collect(),
            shadowed_by: shadowed.get(&id).cloned(),
            rule: rule.clone(),
            packets,
            packets_24h,
            last_hit_at: last_at,
            id,
        }
    };
    let defaults = first.and_then(|filter| filter.defaults);
    let defaults = defaults.unwrap_or(Defaults { inbound: Action::Deny, outbound: Action::Allow }).into();
    Ok(Json(GroupDetails { rules: spec.rules.iter().map(view).collect(), group, spec, defaults }))
}

/// What one group alone would do.
fn alone(filter: &Filter, group: &str) -> Filter {
    let prefix = format!("{group}/");
    let own = |rule: &&Rule| rule.layer == Layer::Group && rule.id.starts_with(&prefix);
    let rules = filter.rules.iter().filter(own).cloned().collect();
    Filter { rules, sets: filter.sets.clone(), defaults: filter.defaults }
}

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
