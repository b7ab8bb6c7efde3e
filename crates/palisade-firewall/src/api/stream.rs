//! `/api/v1/firewall/hits`, `denied` and `connections`: what hosts tell while they work.

use super::{exposure, given};
use crate::WORD;
use crate::filter::judge::{self, Payload, Probe};
use crate::group::fleet::{Ready, Stored};
use crate::group::model::{Action, Direction};
use crate::resolve::Server;
use crate::ruleset::Range;
use crate::spec::Spec;
use crate::stream::ingest::TOPIC;
use crate::stream::record::{Asked, Connection, Connections};
use crate::stream::store::{self, DENIED_SORTS, DeniedFilter, DeniedTuple, HitRow};
use crate::stream::views::{ConnectionView, ConnectionsParams, DeniedCan, DeniedView, HitView, HitsParams};
use crate::views::HostParams;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams, Role};
use palisade_guard::store::at;
use palisade_guard::{GuardError, Serve, ServerContext};
use serde::Deserialize;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// A host that is asked answers within this time, or what it said before is shown.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Hosts whose filters are looked at for rules that nothing has hit.
const HOSTS_RESOLVED_MAX: usize = 200;

/// What rules have decided about, by rule; the most hit first.
#[utoipa::path(get, path = "/api/v1/firewall/hits", tag = "firewall", params(HitsParams, PageParams),
    responses((status = 200, body = Page<HitView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn hits_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    of: Result<Query<HitsParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<HitView>>, ApiError> {
    let (of, params) = (given::query(of)?, given::query(params)?);
    let unused = of.unused.unwrap_or(false);
    let mut db = ctx.db.read().acquire().await?;
    let hosts = exposure::chosen(&mut db, of.host.as_deref()).await?;
    let only = of.host.as_ref().and(hosts.first());
    let mut views: BTreeMap<String, HitView> = store::hits(&mut db, only, ctx.now())
        .await?
        .into_iter()
        .map(|row| (row.rule.clone(), HitView::of(row)))
        .collect();
    let known = rules_of(&mut db, &hosts, ctx.now()).await?;
    for (rule, count) in &known {
        views.entry(rule.clone()).or_insert_with(|| HitView::never(rule)).hosts = *count;
    }
    let mut views: Vec<HitView> = views.into_values().collect();
    views.retain(|v| of.group.as_ref().is_none_or(|group| v.group.as_ref() == Some(group)));
    // a rule that is in no filter any more is not unused, it is gone
    views.retain(|v| !unused || (v.packets == 0 && known.contains_key(&v.id)));
    views.retain(|v| params.matches(&[&v.id, &v.layer]));
    views.sort_by(|a, b| (b.packets, &a.id).cmp(&(a.packets, &b.id)));
    let why = if unused { "every rule has decided about something" } else { "no rule has decided about anything yet" };
    Ok(Json(Page::of(views, &params)?.because(why)))
}

/// The rules in the filters of these hosts, and how many hosts have each.
async fn rules_of(
    db: &mut SqliteConnection,
    hosts: &[HostId],
    now: Timestamp,
) -> Result<HashMap<String, u64>, GuardError> {
    let ready = Ready::of(&Stored::read(db, now).await?)?;
    let mut rules: HashMap<String, u64> = HashMap::new();
    for host in hosts.iter().take(HOSTS_RESOLVED_MAX) {
        for rule in ready.filter(host, now).0.rules {
            *rules.entry(rule.id).or_default() += 1;
        }
    }
    Ok(rules)
}

async fn spec(db: &mut SqliteConnection, host: &HostId, now: Timestamp) -> Result<Spec, GuardError> {
    let decode = |source| GuardError::Decode { what: "spec", guard: WORD, source };
    match Server::default().resolve(db, host, now).await? {
        Some(spec) => Spec::deserialize(spec).map_err(decode),
        None => Ok(Spec::default()),
    }
}

/// Denied packets, by who tried what; the latest first.
#[utoipa::path(get, path = "/api/v1/firewall/denied", tag = "firewall", params(HostParams, PageParams),
    responses((status = 200, body = Page<DeniedView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn denied_list(
    State(ctx): State<ServerContext>,
    caller: Caller,
    host: Result<Query<HostParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<DeniedView>>, ApiError> {
    let (host, params) = (given::query(host)?, given::query(params)?);
    let mut db = ctx.db.read().acquire().await?;
    let chosen = exposure::chosen(&mut db, host.host.as_deref()).await?;
    let (sort, ascending) = sorting(params.sort.as_deref())?;
    let filter = DeniedFilter {
        host: host.host.as_ref().and(chosen.first().cloned()),
        words: params.q.iter().flat_map(|q| q.split_whitespace()).map(str::to_owned).collect(),
        sort,
        ascending,
    };
    let (offset, limit) = (params.offset()?, params.limit());
    let (rows, total) = store::denied(&mut db, &filter, offset, limit).await?;
    let next_cursor = ((offset + limit) as u64).lt(&total).then(|| (offset + limit).to_string());
    let items = rows.into_iter().map(|row| denied_view(&caller, row)).collect::<Result<Vec<_>, _>>()?;
    let why = if params.q.is_some() { "nothing that was denied matches" } else { "nothing has been denied in 30 days" };
    Ok(Json(Page { items, total, next_cursor, reason: None }.because(why)))
}

/// The column, and whether the smallest comes first.
fn sorting(sort: Option<&str>) -> Result<(Option<&'static str>, bool), ApiError> {
    let Some(sort) = sort else { return Ok((None, false)) };
    let (word, ascending) = sort.strip_prefix('-').map_or((sort, true), |word| (word, false));
    match DENIED_SORTS.into_iter().find(|known| *known == word) {
        Some(known) => Ok((Some(known), ascending)),
        None => Err(ApiError::invalid(format!("`sort`: use one of {}", DENIED_SORTS.join(", ")))),
    }
}

fn denied_view(caller: &Caller, row: DeniedTuple) -> Result<DeniedView, ApiError> {
    let (host, rule, source, protocol, port, direction, packets, first, last) = row;
    Ok(DeniedView {
        host: host.parse().map_err(|_| ApiError::invalid("a host in the table has no valid name"))?,
        group: crate::stream::views::group_of(&rule).map(str::to_owned),
        rule,
        source,
        protocol,
        port: u16::try_from(port).ok(),
        direction: if direction == "in" { Direction::In } else { Direction::Out },
        packets: packets as u64,
        first_at: at(first),
        last_at: at(last),
        can: DeniedCan { ban: caller.can(Role::Operator) },
    })
}

/// Who speaks with whom on a host. With `refresh` the host is asked, and its answer waited for.
#[utoipa::path(get, path = "/api/v1/firewall/connections", tag = "firewall", params(ConnectionsParams, PageParams),
    responses((status = 200, body = Page<ConnectionView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn connections_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    of: Result<Query<ConnectionsParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<ConnectionView>>, ApiError> {
    let (of, params) = (given::query(of)?, given::query(params)?);
    let host = {
        let mut db = ctx.db.read().acquire().await?;
        exposure::chosen(&mut db, Some(&of.host)).await?.remove(0)
    };
    let found = if of.refresh.unwrap_or(false) { refreshed(&ctx, &host).await? } else { stored(&ctx, &host).await? };
    let Some(found) = found else {
        let why = format!("{host} has not said who speaks with whom; ask it with `refresh=true` while it is online");
        return Ok(Json(Page::of(Vec::new(), &params)?.because(why)));
    };
    let spec = spec(&mut *ctx.db.read().acquire().await?, &host, ctx.now()).await?;
    let why = found.missing.clone().unwrap_or_else(|| "nobody outside speaks with this host".to_owned());
    let would = Would::new(&spec, &ctx, found.at);
    let mut views: Vec<ConnectionView> = found.rows.into_iter().map(|row| would.view(&host, found.at, row)).collect();
    views.retain(|v| {
        let (peer, port) = (v.peer.to_string(), format!("{}/{}", v.protocol, v.port));
        params.matches(&[&peer, &port, v.process.as_deref().unwrap_or_default()])
    });
    Ok(Json(Page::of(views, &params)?.because(why)))
}

async fn stored(ctx: &ServerContext, host: &HostId) -> Result<Option<Connections>, GuardError> {
    store::connections(&mut *ctx.db.read().acquire().await?, host).await
}

/// What the host answers; what it said before if it does not answer in time.
async fn refreshed(ctx: &ServerContext, host: &HostId) -> Result<Option<Connections>, GuardError> {
    let before = stored(ctx, host).await?.map(|c| c.at);
    let mut changes = ctx.changes();
    let asked = serde_json::to_value(Asked::Connections).map_err(|source| GuardError::Decode {
        what: "question",
        guard: WORD,
        source,
    })?;
    ctx.ask(host, WORD, asked);
    let answer = async {
        loop {
            let change = changes.recv().await;
            if change.is_ok_and(|change| !change.topics.iter().any(|topic| topic == WORD || topic == TOPIC)) {
                continue;
            }
            let now = stored(ctx, host).await?;
            if now.as_ref().map(|c| c.at) != before {
                return Ok(now);
            }
        }
    };
    match tokio::time::timeout(ANSWER_WAIT, answer).await {
        Ok(answer) => answer,
        Err(_) => stored(ctx, host).await,
    }
}

/// What the filter says of conversations, as it is now.
struct Would<'a> {
    spec: &'a Spec,
    failsafe: Vec<Range>,
    allow: Vec<Range>,
    banned: Vec<Range>,
    now: Timestamp,
}

impl Would<'_> {
    fn new<'a>(spec: &'a Spec, ctx: &ServerContext, now: Timestamp) -> Would<'a> {
        Would {
            spec,
            failsafe: ctx.failsafe.iter().copied().map(Range::from).collect(),
            allow: spec.allow.iter().map(|a| Range::from(a.cidr)).collect(),
            banned: spec.bans.iter().map(|b| Range::from(b.cidr)).collect(),
            now,
        }
    }

    fn view(&self, host: &HostId, observed_at: Timestamp, row: Connection) -> ConnectionView {
        let filter = &self.spec.filter;
        let would = payload(&row).map(|payload| {
            let sides = judge::Host { failsafe: &self.failsafe, allow: &self.allow, banned: &self.banned, filter };
            let probe = Probe { direction: row.direction, payload, peer: row.peer, interface: None };
            judge::judge(&sides, &probe, self.now).action
        });
        ConnectionView {
            host: host.clone(),
            allowed: row.marked || filter.defaults.is_none() || would == Some(Action::Allow),
            would,
            observed_at,
            connection: row,
        }
    }
}

fn payload(row: &Connection) -> Option<Payload> {
    match row.protocol.as_str() {
        "tcp" => Some(Payload::Tcp(row.port)),
        "udp" => Some(Payload::Udp(row.port)),
        "icmp" | "icmpv6" => u8::try_from(row.port).ok().map(Payload::Icmp),
        "gre" => Some(Payload::Gre),
        "sctp" => Some(Payload::Other(132)),
        number => number.parse().ok().map(Payload::Other),
    }
}

impl HitView {
    fn of(row: HitRow) -> HitView {
        HitView {
            packets: row.packets,
            bytes: row.bytes,
            packets_24h: row.packets_24h,
            hosts: row.hosts,
            last_hit_at: Some(row.last_at),
            since: Some(row.since),
            ..HitView::never(&row.rule)
        }
    }
}
