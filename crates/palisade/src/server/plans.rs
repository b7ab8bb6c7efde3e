//! Plans: what is being changed, by whom, how far the hosts are, and whether it can still be undone.

mod decide;
mod operators;
mod view;

pub use decide::{settle, take_decisions, undo};
pub use operators::{Operators, operator_seen};
pub use view::PlanView;

use view::Proof;

use super::Server;
use super::access::ConnectedAt;
use axum::extract::{Path, Query, State as Inject};
use axum::http::StatusCode;
use axum::{Extension, Json};
use palisade_core::PlanState;
use palisade_guard::api::{ApiError, Body, Caller, ErrorBody, Operator, Page, PageParams};
use palisade_guard::store::{self, PlanHostRow, PlanRow};
use serde::Deserialize;
use sqlx::SqliteConnection;
use utoipa::{IntoParams, ToSchema};

/// In a list, plans over more hosts come without their `hosts_state`; `progress` is always there.
const LISTED_HOSTS_MAX: u64 = 50;
/// Hosts of one plan that are shown.
const HOSTS_SHOWN_MAX: usize = 10_000;

/// Which plans.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanParams {
    /// In one state.
    state: Option<PlanState>,
    /// At most this many, 1 to 1,000; 100 if absent.
    limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Why a plan is kept although its path was not proven.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmParams {
    /// The reason, which is audited.
    waiver: Option<String>,
}

/// Plans, newest first.
#[utoipa::path(get, path = "/api/v1/plans", tag = "frame", params(PlanParams), responses((status = 200, body = Page<PlanView>)))]
pub async fn list(
    Inject(server): Inject<Server>,
    caller: Caller,
    Extension(connected_at): Extension<ConnectedAt>,
    Query(params): Query<PlanParams>,
) -> Result<Json<Page<PlanView>>, ApiError> {
    let page = PageParams { limit: params.limit, cursor: params.cursor, ..PageParams::default() };
    let (limit, offset) = (page.limit(), page.offset()?);
    let mut db = server.context.db.read().acquire().await?;
    let (rows, total) = store::plans(&mut db, params.state, limit, offset).await?;
    let with_hosts = |row: &&PlanRow| row.progress.hosts <= LISTED_HOSTS_MAX || row.plan.state == PlanState::Probation;
    let ids: Vec<String> = rows.iter().filter(with_hosts).map(|row| row.plan.id.clone()).collect();
    let mut hosts = store::plan_hosts(&mut db, &ids, HOSTS_SHOWN_MAX * 10).await?;
    let view = |row: PlanRow| {
        let own = hosts.extract_if(.., |host| host.plan == row.plan.id).collect();
        PlanView::new(&server, row, own, &caller, connected_at)
    };
    let items = rows.into_iter().map(view).collect();
    let next_cursor = ((offset + limit) < total as usize).then(|| (offset + limit).to_string());
    let page = Page { items, total, next_cursor, reason: None };
    Ok(Json(page.because("nothing was changed through Palisade yet")))
}

/// One plan.
#[utoipa::path(get, path = "/api/v1/plans/{id}", tag = "frame", params(("id" = String, Path)),
    responses((status = 200, body = PlanView), (status = 404, body = ErrorBody)))]
pub async fn show(
    Inject(server): Inject<Server>,
    caller: Caller,
    Extension(connected_at): Extension<ConnectedAt>,
    Path(id): Path<String>,
) -> Result<Json<PlanView>, ApiError> {
    shown(&server, &id, &caller, connected_at).await
}

/// Keeps a plan that is on probation.
#[utoipa::path(post, path = "/api/v1/plans/{id}/confirm", tag = "frame", params(("id" = String, Path)), request_body = ConfirmParams,
    responses((status = 200, body = PlanView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn confirm(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Extension(connected_at): Extension<ConnectedAt>,
    Path(id): Path<String>,
    Body(params): Body<ConfirmParams>,
) -> Result<Json<PlanView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let (row, hosts) = one(&mut db, &id).await?;
    drop(db);
    let proof = Proof::of(&server, &hosts, connected_at);
    let unproven = proof.missing().filter(|_| row.plan.state == PlanState::Probation);
    if let Some(missing) = unproven.filter(|_| params.waiver.is_none()) {
        let message = format!("plan `{id}` cannot be kept: {missing}");
        return Err(ApiError::new(StatusCode::CONFLICT, "path_unproven", message)
            .hint("connect anew and try again, or give a waiver with the reason; it is audited"));
    }
    let message = match params.waiver {
        Some(reason) if unproven.is_some() => format!("kept plan {id} without proof of the path: {reason}"),
        _ => format!("kept plan {id}"),
    };
    decide::keep(&server, &id, &caller, message).await?;
    shown(&server, &id, &caller, connected_at).await
}

/// Undoes a plan.
#[utoipa::path(post, path = "/api/v1/plans/{id}/rollback", tag = "frame", params(("id" = String, Path)),
    responses((status = 200, body = PlanView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn rollback(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Extension(connected_at): Extension<ConnectedAt>,
    Path(id): Path<String>,
) -> Result<Json<PlanView>, ApiError> {
    undo(&server, &id, &caller, &format!("rolled back by {}", caller.name)).await?;
    shown(&server, &id, &caller, connected_at).await
}

/// A plan with its hosts.
async fn one(db: &mut SqliteConnection, id: &str) -> Result<(PlanRow, Vec<PlanHostRow>), ApiError> {
    let row = store::plan(db, id).await?.ok_or_else(|| ApiError::not_found(format!("a plan `{id}`")))?;
    let hosts = store::plan_hosts(db, std::slice::from_ref(&row.plan.id), HOSTS_SHOWN_MAX).await?;
    Ok((row, hosts))
}

/// A plan as it stands now.
async fn shown(
    server: &Server,
    id: &str,
    caller: &Caller,
    connected_at: ConnectedAt,
) -> Result<Json<PlanView>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let (row, hosts) = one(&mut db, id).await?;
    Ok(Json(PlanView::new(server, row, hosts, caller, connected_at)))
}
