//! `/api/v1/firewall/allow`: the one address allow-list, checked before every ban.

use super::{Known, TOPIC, audited, given};
use crate::draft;
use crate::events::{self, Asked};
use crate::feed::desk;
use crate::store::{self, ALLOW_MAX};
use crate::views::{AllowParams, AllowView, RemoveParams};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use palisade_core::{Cidr, Plan};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, ErrorBody, Operator, Page, PageParams, Role};
use palisade_guard::store as frame;

/// Who is never shut out.
#[utoipa::path(get, path = "/api/v1/firewall/allow", tag = "firewall", params(PageParams),
    responses((status = 200, body = Page<AllowView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
pub(super) async fn allow_list(
    State(ctx): State<ServerContext>,
    caller: Caller,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<AllowView>>, ApiError> {
    let params = given::query(params)?;
    let mut db = ctx.db.read().acquire().await?;
    let can = caller.can(Role::Operator);
    let all = store::allow_list(&mut db, ctx.now()).await?;
    let mut views: Vec<AllowView> = all.into_iter().map(|a| AllowView::of(a, can.clone())).collect();
    views.retain(|v| params.matches(&[&v.cidr.to_string(), &v.reason, &v.by]));
    views.sort_by_key(|v| v.cidr);
    let reason = if params.q.is_some() {
        "no entry matches"
    } else {
        "the allow-list is empty; the failsafe addresses are never cut all the same"
    };
    Ok(Json(Page::of(views, &params)?.because(reason)))
}

/// Adds an address or a network that no ban cuts.
#[utoipa::path(post, path = "/api/v1/firewall/allow", tag = "firewall", request_body = AllowParams,
    responses((status = 200, body = Plan), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn allow_add(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    body: Result<Json<AllowParams>, JsonRejection>,
) -> Result<Json<Plan>, ApiError> {
    let mut asked = Asked { kind: "firewall.allow.add", object: None, dry_run: false };
    let done = match given::body(body) {
        Err(error) => Err(error),
        Ok(params) => {
            (asked.object, asked.dry_run) = (Some(params.cidr.to_string()), params.dry_run);
            add(&ctx, &caller, &asked, &params).await
        }
    };
    audited(&ctx, &caller, &asked, done).await
}

async fn add(ctx: &ServerContext, caller: &Caller, asked: &Asked, params: &AllowParams) -> Result<Plan, ApiError> {
    let mut tx = ctx.begin().await?;
    let known = Known::read(ctx, caller, None, &mut tx).await?;
    let scene = known.scene(caller, known.fleet(), &mut tx).await?;
    let (mut plan, allow) = draft::allow(params, &scene)?;
    if known.allow.len() as u64 >= ALLOW_MAX {
        return Err(ApiError::conflict(format!("the allow-list has {ALLOW_MAX} entries already"))
            .hint("allow networks instead"));
    }
    if asked.dry_run {
        return Ok(plan);
    }
    plan.id = frame::plan_id(&mut tx).await?;
    store::allow_put(&mut tx, &allow, &plan.id).await?;
    desk::allowed(&mut tx, allow.cidr, ctx.now()).await?;
    let event = events::changed(asked, caller, &plan, &allow.reason, ctx.now());
    let plan = ctx.commit_plan(tx, plan, event).await?;
    ctx.feed_changed();
    ctx.publish(&[TOPIC]);
    Ok(plan)
}

/// Removes an entry of the allow-list.
#[utoipa::path(delete, path = "/api/v1/firewall/allow/{cidr}", tag = "firewall",
    params(("cidr" = String, Path, description = "The network as it was added, with `/` as `%2F`"), RemoveParams),
    responses((status = 200, body = Plan), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn allow_remove(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    Path(cidr): Path<String>,
    params: Result<Query<RemoveParams>, QueryRejection>,
) -> Result<Json<Plan>, ApiError> {
    let cidr = given::cidr(&cidr)?;
    let dry_run = given::query(params)?.dry_run;
    let asked = Asked { kind: "firewall.allow.remove", object: Some(cidr.to_string()), dry_run };
    let done = remove(&ctx, &caller, &asked, cidr).await;
    audited(&ctx, &caller, &asked, done).await
}

async fn remove(ctx: &ServerContext, caller: &Caller, asked: &Asked, cidr: Cidr) -> Result<Plan, ApiError> {
    let mut tx = ctx.begin().await?;
    let known = Known::read(ctx, caller, None, &mut tx).await?;
    let scene = known.scene(caller, known.fleet(), &mut tx).await?;
    let plan = draft::disallow(cidr, &scene)?;
    if asked.dry_run {
        return Ok(plan);
    }
    store::allow_delete(&mut tx, cidr).await?;
    let event = events::changed(asked, caller, &plan, "", ctx.now());
    let plan = ctx.commit_plan(tx, plan, event).await?;
    ctx.publish(&[TOPIC]);
    Ok(plan)
}
