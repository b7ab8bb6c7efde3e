//! `/api/v1/firewall/hosts/{host}/isolate|release` and `/api/v1/firewall/isolated`.

use super::{audited, given};
use crate::events::{self, Asked};
use crate::group::isolate::{Isolation, draft};
use crate::group::{kind, store};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use palisade_core::{Event, HostId, Plan, Span, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, ErrorBody, Operator, Page, PageParams};
use palisade_guard::resource::PROBATION_S_MAX;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why and how long a host is cut off.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IsolateParams {
    /// One line of at most 500 characters; it is audited.
    reason: String,
    /// How long; until it is released if absent.
    #[serde(rename = "for", default)]
    #[schema(value_type = Option<String>, example = "4h")]
    length: Option<Span>,
    /// Undone by itself after this time unless the plan is kept: `1s` to `1d`, 60 s if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "60s")]
    probation: Option<Span>,
    /// Answer with the plan and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// How a host is let in again.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseParams {
    /// Undone by itself after this time unless the plan is kept: `1s` to `1d`, 60 s if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "60s")]
    probation: Option<Span>,
    /// Answer with the plan and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// A host that is cut off.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IsolatedView {
    /// Which.
    host: HostId,
    /// Why.
    reason: String,
    /// Who asked for it.
    by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Until when; until it is released if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    /// The plan that made it, or the one that lets it in again on probation.
    plan: String,
}

/// The hosts that are cut off, by name.
#[utoipa::path(get, path = "/api/v1/firewall/isolated", tag = "firewall", params(PageParams),
    responses((status = 200, body = Page<IsolatedView>), (status = 400, body = ErrorBody)))]
pub(super) async fn isolated_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<IsolatedView>>, ApiError> {
    let params = given::query(params)?;
    let now = ctx.now();
    let mut db = ctx.db.read().acquire().await?;
    let rows = store::isolated(&mut db).await?.into_iter();
    let there = rows.filter(|row| row.ends_at.is_none_or(|end| end > now));
    let view = |row: store::IsolationRow| IsolatedView {
        plan: if row.release_plan.is_empty() { row.plan } else { row.release_plan },
        host: row.host,
        reason: row.reason,
        by: row.by,
        since: row.since,
        ends_at: row.ends_at,
    };
    let mut views: Vec<IsolatedView> = there.map(view).collect();
    views.retain(|v| params.matches(&[v.host.as_str(), &v.reason, &v.by]));
    Ok(Json(Page::of(views, &params)?.because("no host is cut off")))
}

/// Cuts a host off from everything but the failsafe addresses, on probation.
#[utoipa::path(post, path = "/api/v1/firewall/hosts/{host}/isolate", tag = "firewall", params(("host" = String, Path)),
    request_body = IsolateParams, responses((status = 200, body = Plan), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn isolate(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    Path(host): Path<HostId>,
    body: Result<Json<IsolateParams>, JsonRejection>,
) -> Result<Json<Plan>, ApiError> {
    let mut asked = Asked { kind: "firewall.host.isolate", object: Some(host.to_string()), dry_run: false };
    let done = match given::body(body) {
        Err(error) => Err(error),
        Ok(params) => {
            asked.dry_run = params.dry_run;
            let (reason, length) = (Some(params.reason.as_str()), params.length);
            change(&ctx, &caller, &asked, (&host, reason, length), params.probation).await
        }
    };
    audited(&ctx, &caller, &asked, done).await
}

/// Lets a host in again that was cut off, on probation.
#[utoipa::path(post, path = "/api/v1/firewall/hosts/{host}/release", tag = "firewall", params(("host" = String, Path)),
    request_body = ReleaseParams, responses((status = 200, body = Plan), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub(super) async fn release(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    Path(host): Path<HostId>,
    body: Result<Json<ReleaseParams>, JsonRejection>,
) -> Result<Json<Plan>, ApiError> {
    let mut asked = Asked { kind: "firewall.host.release", object: Some(host.to_string()), dry_run: false };
    let done = match given::body(body) {
        Err(error) => Err(error),
        Ok(params) => {
            asked.dry_run = params.dry_run;
            change(&ctx, &caller, &asked, (&host, None, None), params.probation).await
        }
    };
    audited(&ctx, &caller, &asked, done).await
}

async fn change(
    ctx: &ServerContext,
    caller: &Caller,
    asked: &Asked,
    (host, reason, length): (&HostId, Option<&str>, Option<Span>),
    probation: Option<Span>,
) -> Result<Plan, ApiError> {
    let probation_s = probation.map(Span::as_secs);
    if probation_s.is_some_and(|s| s > PROBATION_S_MAX) {
        return Err(ApiError::invalid("`probation` is longer than 1d").at("probation"));
    }
    let probation_s = probation_s.and_then(|s| u32::try_from(s).ok());
    let mut tx = ctx.begin().await?;
    let plan = draft(ctx, caller, &mut tx, &Isolation { host, reason, length, probation_s }).await?;
    if asked.dry_run {
        return Ok(Plan { id: String::new(), ..plan });
    }
    let event = events::changed(asked, caller, &plan, reason.unwrap_or_default(), ctx.now());
    let event = Event { host: Some(host.clone()), ..event };
    let plan = ctx.commit_plan(tx, plan, event).await?;
    ctx.publish(&[kind::TOPIC]);
    Ok(plan)
}
