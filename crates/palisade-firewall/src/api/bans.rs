//! `/api/v1/firewall/bans`.

use super::{Known, TOPIC, audited, feed, given};
use crate::draft::{self, Reach};
use crate::events::{self, Asked};
use crate::feed::desk;
use crate::resolve::longest;
use crate::spec::Ban;
use crate::store::{self, BANS_MAX, BanRow};
use crate::views::{BanParams, BanView, RemoveParams};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use palisade_core::{Cidr, HostId, Plan, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, ErrorBody, Operator, Page, PageParams, Role};
use palisade_guard::store as frame;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// The bans in force: one row per network and length, with the hosts that hold it.
#[utoipa::path(get, path = "/api/v1/firewall/bans", tag = "firewall", params(PageParams),
    responses((status = 200, body = Page<BanView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub(super) async fn ban_list(
    State(ctx): State<ServerContext>,
    caller: Caller,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<BanView>>, ApiError> {
    let params = given::query(params)?;
    let mut db = ctx.db.read().acquire().await?;
    let rows = store::ban_list(&mut db, None, ctx.now()).await?;
    let can = caller.can(Role::Operator);
    let mut views: Vec<BanView> =
        merged(&rows, ctx.now()).into_iter().map(|(ban, hosts)| BanView::of(ban, hosts, can.clone())).collect();
    let feed = feed::rows(&mut db, None, ctx.now()).await?.into_iter();
    views.extend(feed.map(|row| BanView::of(row.ban, Vec::new(), can.clone())));
    views.retain(|v| params.matches(&[&v.address.to_string(), &v.reason, &v.by]));
    sort(&mut views, params.sort.as_deref())?;
    let reason = if params.q.is_some() { "no ban matches" } else { "nobody is shut out" };
    Ok(Json(Page::of(views, &params)?.because(reason)))
}

/// The longest ban per network and host; hosts that hold the same one are one row.
pub(crate) fn merged(rows: &[BanRow], now: Timestamp) -> Vec<(Ban, Vec<HostId>)> {
    let mut by_place: BTreeMap<(Cidr, Option<&HostId>), Vec<&Ban>> = BTreeMap::new();
    for row in rows {
        by_place.entry((row.ban.cidr, row.host.as_ref())).or_default().push(&row.ban);
    }
    let mut merged: Vec<(Ban, Vec<HostId>)> = Vec::new();
    for ((_, host), bans) in by_place {
        let Some(ban) = longest(bans, now).pop() else { continue };
        let named = host.cloned();
        let same =
            merged.iter_mut().rev().take_while(|(b, _)| b.cidr == ban.cidr).find(|(b, h)| *b == ban && !h.is_empty());
        match (same, named) {
            (Some((_, hosts)), Some(host)) => hosts.push(host),
            (_, named) => merged.push((ban, named.into_iter().collect())),
        }
    }
    merged
}

fn sort(views: &mut [BanView], by: Option<&str>) -> Result<(), ApiError> {
    let by = by.unwrap_or("address");
    let (descending, column) = by.strip_prefix('-').map_or((false, by), |column| (true, column));
    match column {
        "address" => views.sort_by_key(|v| v.address),
        "since" => views.sort_by_key(|v| v.since),
        "ends_at" => views.sort_by_key(|v| v.ends_at.unwrap_or(Timestamp::MAX)),
        "by" => views.sort_by(|a, b| a.by.cmp(&b.by)),
        _ => {
            return Err(ApiError::invalid("`sort` is no column of bans")
                .hint("use address, since, ends_at or by, with `-` before it for descending"));
        }
    }
    if descending {
        views.reverse();
    }
    Ok(())
}

/// Shuts an address or a network out. A network is on probation unless its plan is kept.
#[utoipa::path(post, path = "/api/v1/firewall/bans", tag = "firewall", request_body = BanParams,
    responses((status = 200, body = Plan), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn ban_add(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    body: Result<Json<BanParams>, JsonRejection>,
) -> Result<Json<Plan>, ApiError> {
    let mut asked = Asked { kind: "firewall.ban.add", object: None, dry_run: false };
    let done = match given::body(body) {
        Err(error) => Err(error),
        Ok(params) => {
            (asked.object, asked.dry_run) = (Some(params.address.to_string()), params.dry_run);
            add(&ctx, &caller, &asked, &params).await
        }
    };
    audited(&ctx, &caller, &asked, done).await
}

async fn add(ctx: &ServerContext, caller: &Caller, asked: &Asked, params: &BanParams) -> Result<Plan, ApiError> {
    if params.dry_run {
        let mut db = ctx.db.read().acquire().await?;
        return drafted(ctx, caller, params, &mut db).await.map(|(plan, ..)| plan);
    }
    let mut tx = ctx.begin().await?;
    let (mut plan, mut ban, hosts) = drafted(ctx, caller, params, &mut tx).await?;
    if store::ban_count(&mut tx).await? + hosts.len().max(1) as u64 > BANS_MAX {
        return Err(
            ApiError::conflict(format!("there are {BANS_MAX} bans already")).hint("ban networks, or let bans end")
        );
    }
    plan.id = frame::plan_id(&mut tx).await?;
    ban.plan = Some(plan.id.clone());
    store::ban_insert(&mut tx, &hosts, &ban).await?;
    let event = events::changed(asked, caller, &plan, &ban.reason, ctx.now());
    let plan = ctx.commit_plan(tx, plan, event).await?;
    ctx.publish(&[TOPIC]);
    Ok(plan)
}

/// The plan, the ban, and the hosts that are named (none for the fleet).
async fn drafted(
    ctx: &ServerContext,
    caller: &Caller,
    params: &BanParams,
    db: &mut SqliteConnection,
) -> Result<(Plan, Ban, Vec<HostId>), ApiError> {
    let known = Known::read(ctx, caller, Some(params.address), db).await?;
    let reach = known.reach(params.hosts.as_deref())?;
    let scene = known.scene(caller, reach, db).await?;
    let (plan, ban) = draft::ban(params, &scene)?;
    let hosts = if let Reach::Hosts(hosts) = scene.reach { hosts } else { Vec::new() };
    Ok((plan, ban, hosts))
}

/// Lets an address or a network in again, on every host.
#[utoipa::path(delete, path = "/api/v1/firewall/bans/{address}", tag = "firewall",
    params(("address" = String, Path, description = "The network as it was banned, with `/` as `%2F`"), RemoveParams),
    responses((status = 200, body = Plan), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn ban_remove(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    Path(address): Path<String>,
    params: Result<Query<RemoveParams>, QueryRejection>,
) -> Result<Json<Plan>, ApiError> {
    let cidr = given::cidr(&address)?;
    let dry_run = given::query(params)?.dry_run;
    let asked = Asked { kind: "firewall.ban.remove", object: Some(cidr.to_string()), dry_run };
    let done = remove(&ctx, &caller, &asked, cidr).await;
    audited(&ctx, &caller, &asked, done).await
}

async fn remove(ctx: &ServerContext, caller: &Caller, asked: &Asked, cidr: Cidr) -> Result<Plan, ApiError> {
    let mut tx = ctx.begin().await?;
    let known = Known::read(ctx, caller, Some(cidr), &mut tx).await?.with_feed(&mut tx, cidr).await?;
    let scene = known.scene(caller, known.reach_of(cidr), &mut tx).await?;
    let plan = draft::unban(cidr, &scene)?;
    if asked.dry_run {
        return Ok(plan);
    }
    store::ban_delete(&mut tx, cidr).await?;
    desk::release(&mut tx, cidr, ctx.now()).await?;
    let event = events::changed(asked, caller, &plan, "", ctx.now());
    let plan = ctx.commit_plan(tx, plan, event).await?;
    ctx.feed_changed();
    ctx.publish(&[TOPIC]);
    Ok(plan)
}
