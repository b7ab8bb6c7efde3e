//! Orders: one-off acts, and how far they are.

use super::{Server, hosts, tokens};
use axum::Json;
use axum::extract::{Path, State as Inject};
use axum::http::StatusCode;
use palisade_core::{HostId, Job, JobState, Order, OrderKind, Standing};
use palisade_guard::api::{ApiError, Body, Caller, ErrorBody, Operator, Page, PageParams};
use palisade_guard::store;
use serde::Deserialize;
use utoipa::ToSchema;

/// What shall be done, and where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderParams {
    host: HostId,
    kind: OrderKind,
}

/// Orders, newest first.
#[utoipa::path(get, path = "/api/v1/orders", tag = "frame", responses((status = 200, body = Page<Order>)))]
pub async fn list(Inject(server): Inject<Server>, _caller: Caller) -> Result<Json<Page<Order>>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let all = store::orders(&mut db).await?;
    let page = PageParams { limit: Some(1000), ..PageParams::default() };
    Ok(Json(Page::of(all, &page)?.because("nothing was ordered yet")))
}

/// One order.
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "frame", params(("id" = String, Path)),
    responses((status = 200, body = Order), (status = 404, body = ErrorBody)))]
pub async fn show(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Order>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let order = store::order(&mut db, &id).await?;
    order.map(Json).ok_or_else(|| ApiError::not_found(format!("an order `{id}`")))
}

/// Orders a one-off act.
#[utoipa::path(post, path = "/api/v1/orders", tag = "frame", request_body = OrderParams,
    responses((status = 201, body = Order), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Body(params): Body<OrderParams>,
) -> Result<(StatusCode, Json<Order>), ApiError> {
    let now = server.context.now();
    let mut tx = server.begin().await?;
    let host = hosts::row(&mut tx, &params.host).await?;
    if host.standing != Standing::Active {
        return Err(ApiError::conflict(format!("host `{}` is {}", host.id, host.standing.as_str())));
    }
    let host = host.id;
    let id = store::order_id(&mut tx).await?;
    let job = Job { order: id.clone(), state: JobState::Waiting, done: 0, total: 0, message: None };
    let by = caller.name.clone();
    let order = Order { id, host, kind: params.kind, by, created_at: now, cancelled: false, job };
    store::order_put(&mut tx, &order).await?;
    let message = format!("ordered {:?} on {}", order.kind, order.host).to_lowercase();
    server.context.record(&mut tx, &tokens::event(now, "frame.order.create", &caller, &order.id, message)).await?;
    tx.commit().await?;
    server.context.publish(&["orders", "journal"]);
    server.context.wake_agents_of(std::slice::from_ref(&order.host));
    Ok((StatusCode::CREATED, Json(order)))
}

/// Asks the host to end an order between two of its parts.
#[utoipa::path(post, path = "/api/v1/orders/{id}/cancel", tag = "frame", params(("id" = String, Path)),
    responses((status = 200, body = Order), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn cancel(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<Json<Order>, ApiError> {
    let mut tx = server.begin().await?;
    let order = store::order(&mut tx, &id).await?;
    let mut order = order.ok_or_else(|| ApiError::not_found(format!("an order `{id}`")))?;
    if order.job.state.is_over() {
        return Err(ApiError::conflict(format!("order `{id}` is over already")));
    }
    order.cancelled = true;
    store::order_put(&mut tx, &order).await?;
    let event =
        tokens::event(server.context.now(), "frame.order.cancel", &caller, &id, format!("cancelled order {id}"));
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["orders", "journal"]);
    server.context.wake_agents_of(std::slice::from_ref(&order.host));
    Ok(Json(order))
}
