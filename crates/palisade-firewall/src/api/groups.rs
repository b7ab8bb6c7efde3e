//! `/api/v1/firewall/groups`.

use super::given;
use crate::filter::{Defaults, Filter, Layer, Rule, reach};
use crate::group::fleet::{GROUP, Stored};
use crate::group::model::{Action, Direction, GroupRule, Intra, Peer, SecurityGroupSpec};
use crate::group::resolve::{Resolver, rule_id};
use crate::group::store::{self, DocumentRow, Hits};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, Can, ErrorBody, Page, PageParams, Role};
use palisade_guard::store as frame;
use palisade_guard::{GuardError, ServerContext, kind};
use serde::Serialize;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Hosts that a group names.
const HOSTS_NAMED_MAX: usize = 100;

/// What is tried, and until when.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProbationView {
    /// The plan.
    pub(super) plan: String,
    /// When it is undone by itself.
    #[schema(value_type = String, format = DateTime)]
    pub(super) until: Timestamp,
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
