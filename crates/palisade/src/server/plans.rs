//! Plans: what is being changed, by whom, and whether it can still be undone.

use super::access::ConnectedAt;
use super::{Server, tokens};
use axum::extract::{Path, Query, State as Inject};
use axum::http::StatusCode;
use axum::{Extension, Json};
use palisade_core::{Plan, PlanState, Report};
use palisade_guard::api::{ApiError, Body, Caller, Can, ErrorBody, Operator, Page, PageParams, Role};
use palisade_guard::db::Write;
use palisade_guard::store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A plan, and what can be done with it.
#[derive(Serialize, ToSchema)]
pub struct PlanView {
    #[serde(flatten)]
    plan: Plan,
    /// Only for a plan on probation.
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    can: BTreeMap<String, Can>,
}

/// What shows that a change has cut nobody off.
#[derive(Serialize, ToSchema)]
pub struct Proof {
    /// Every agent has connected to the server after the change. Its report is the proof, since an
    /// agent makes a new connection for each.
    agent_reconnected: bool,
    /// The connection of this request was made after the change. The host that is changed is the
    /// one that the server runs on, so this is the path to it.
    operator_path: bool,
}

impl Proof {
    fn of(plan: &Plan, connected_at: ConnectedAt) -> Proof {
        let reported = |host: &palisade_core::HostId| plan.reports.iter().find(|r| r.host == *host);
        Proof {
            agent_reconnected: plan.hosts.iter().all(|h| reported(h).is_some()),
            operator_path: plan.hosts.iter().all(|h| reported(h).is_some_and(|r| connected_at.0 > r.at)),
        }
    }

    /// What is missing, if anything.
    fn missing(&self) -> Option<&'static str> {
        match (self.agent_reconnected, self.operator_path) {
            (false, _) => Some("not every agent has connected anew since the change"),
            (_, false) => Some("your own path has not been tried since the change"),
            (true, true) => None,
        }
    }
}

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

fn view(plan: Plan, caller: &Caller, connected_at: ConnectedAt) -> PlanView {
    let proof = (plan.state == PlanState::Probation).then(|| Proof::of(&plan, connected_at));
    let unproven = proof.as_ref().and_then(Proof::missing);
    let undoable =
        matches!(plan.state, PlanState::Applying | PlanState::Applied | PlanState::Probation | PlanState::Kept);
    let role = |possible: bool, why: &str| match caller.can(Role::Operator) {
        Can::Yes(_) if !possible => Can::No(why.to_owned()),
        other => other,
    };
    let can = BTreeMap::from([
        (
            "confirm".to_owned(),
            role(proof.is_some() && unproven.is_none(), unproven.unwrap_or("it is not on probation")),
        ),
        ("confirm_waived".to_owned(), role(proof.is_some(), "it is not on probation")),
        ("rollback".to_owned(), role(undoable, "it is not in force")),
    ]);
    PlanView { plan, proof, can }
}

/// Plans, newest first.
#[utoipa::path(get, path = "/api/v1/plans", tag = "frame", params(PlanParams), responses((status = 200, body = Page<PlanView>)))]
pub async fn list(
    Inject(server): Inject<Server>,
    caller: Caller,
    Extension(connected_at): Extension<ConnectedAt>,
    Query(params): Query<PlanParams>,
) -> Result<Json<Page<PlanView>>, ApiError> {
    let mut db = server.context.db.read().acquire().await?;
    let plans = store::plans(&mut db, false).await?.into_iter();
    let views =
        plans.filter(|p| params.state.is_none_or(|s| s == p.state)).map(|p| view(p, &caller, connected_at)).collect();
    let page = PageParams { limit: params.limit, cursor: params.cursor, ..PageParams::default() };
    Ok(Json(Page::of(views, &page)?.because("nothing was changed through Palisade yet")))
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
    let mut db = server.context.db.read().acquire().await?;
    let plan = store::plan(&mut db, &id).await?.ok_or_else(|| ApiError::not_found(format!("a plan `{id}`")))?;
    Ok(Json(view(plan, &caller, connected_at)))
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
    let plan = store::plan(&mut db, &id).await?.ok_or_else(|| ApiError::not_found(format!("a plan `{id}`")))?;
    drop(db);
    let unproven = Proof::of(&plan, connected_at).missing().filter(|_| plan.state == PlanState::Probation);
    if let Some(missing) = unproven.filter(|_| params.waiver.is_none()) {
        let message = format!("plan `{id}` cannot be kept: {missing}");
        return Err(ApiError::new(StatusCode::CONFLICT, "path_unproven", message)
            .hint("connect anew and try again, or give a waiver with the reason; it is audited"));
    }
    let message = match params.waiver {
        Some(reason) if unproven.is_some() => format!("kept plan {id} without proof of the path: {reason}"),
        _ => format!("kept plan {id}"),
    };
    let plan = keep(&server, &id, &caller, message).await?;
    Ok(Json(view(plan, &caller, connected_at)))
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
    let plan = undo(&server, &id, &caller, &format!("rolled back by {}", caller.name)).await?;
    Ok(Json(view(plan, &caller, connected_at)))
}

/// Undoes a plan for `reason`; also called when its probation ends.
pub async fn undo(server: &Server, id: &str, caller: &Caller, reason: &str) -> Result<Plan, ApiError> {
    let (mut tx, mut plan) = begin(server, id).await?;
    if matches!(plan.state, PlanState::RolledBack | PlanState::Failed | PlanState::Preview) {
        return Err(ApiError::conflict(format!("plan `{id}` is {}, not in force", word(plan.state))));
    }
    // what documents have made goes back to the versions before, whatever guard it belongs to
    let was_applied = palisade_guard::resource::undo(&server.context, &server.kinds, caller, &mut tx, id).await?;
    if let Some(serve) = server.guard(&plan.guard).and_then(|g| g.server.as_ref()).filter(|_| !was_applied) {
        serve.rollback(&mut tx, &plan).await?;
    }
    (plan.state, plan.deadline) = (PlanState::RolledBack, None);
    plan.reason = Some(reason.to_owned());
    end(server, tx, plan, caller, "frame.plan.rollback", format!("plan {id} {reason}")).await
}

/// Takes over what the operator of a host decided there while this server was away.
pub async fn take_decisions(server: &Server, report: &Report) {
    for (id, kept) in &report.decisions {
        let caller = Caller { name: format!("operator on {}", report.host), role: Role::Admin, address: None };
        let taken = if *kept {
            keep(server, id, &caller, format!("plan {id} was kept on {}", report.host)).await
        } else {
            undo(server, id, &caller, &format!("was rolled back on {}", report.host)).await
        };
        // decided here already, or in an earlier report: nothing to take over
        if let Err(error) = taken {
            tracing::debug!(plan = id, error = error.message(), "a decision changes nothing");
        }
    }
}

/// Makes a plan on probation permanent.
async fn keep(server: &Server, id: &str, caller: &Caller, message: String) -> Result<Plan, ApiError> {
    let (mut tx, mut plan) = begin(server, id).await?;
    if plan.state != PlanState::Probation {
        return Err(ApiError::conflict(format!("plan `{id}` is {}, not on probation", word(plan.state))));
    }
    if let Some(serve) = server.guard(&plan.guard).and_then(|g| g.server.as_ref()) {
        serve.keep(&mut tx, &plan).await?;
    }
    (plan.state, plan.deadline) = (PlanState::Kept, None);
    end(server, tx, plan, caller, "frame.plan.confirm", message).await
}

async fn begin(server: &Server, id: &str) -> Result<(Write, Plan), ApiError> {
    let mut tx = server.begin().await?;
    let plan = store::plan(&mut tx, id).await?.ok_or_else(|| ApiError::not_found(format!("a plan `{id}`")))?;
    Ok((tx, plan))
}

async fn end(
    server: &Server,
    mut tx: Write,
    plan: Plan,
    caller: &Caller,
    kind: &str,
    message: String,
) -> Result<Plan, ApiError> {
    for host in &plan.hosts {
        store::generation_raise(&mut tx, host, &plan.guard).await?;
    }
    store::plan_put(&mut tx, &plan).await?;
    let event = tokens::event(server.context.now(), kind, caller, &plan.id, message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["plans", &plan.guard, "journal"]);
    server.context.wake_agents();
    Ok(plan)
}

/// The state as a word in a sentence.
pub fn word(state: PlanState) -> &'static str {
    match state {
        PlanState::Preview => "a preview",
        PlanState::Applying => "being applied",
        PlanState::Applied => "applied",
        PlanState::Probation => "on probation",
        PlanState::Kept => "kept",
        PlanState::RolledBack => "rolled back",
        PlanState::Failed => "failed",
    }
}
