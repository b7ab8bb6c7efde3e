//! Keeping and undoing plans: by hand, by the clock, by what was decided on a host, and by silence.

use super::super::{Server, tokens};
use palisade_core::{Plan, PlanHostState, PlanState, Report};
use palisade_guard::GuardError;
use palisade_guard::api::{ApiError, Caller, Role};
use palisade_guard::db::Write;
use palisade_guard::store::{self, HostAim};

/// Undoes a plan for `reason`; also called when its probation ends.
pub async fn undo(server: &Server, id: &str, caller: &Caller, reason: &str) -> Result<(), ApiError> {
    let (mut tx, mut plan) = begin(server, id).await?;
    if matches!(plan.state, PlanState::RolledBack | PlanState::Failed | PlanState::Preview) {
        return Err(ApiError::conflict(format!("plan `{id}` is {}, not in force", word(plan.state))));
    }
    // what documents have made goes back to the versions before, whatever guard it belongs to
    let was_applied = palisade_guard::resource::undo(&server.context, &server.kinds, caller, &mut tx, id).await?;
    if let Some(serve) = server.guard(&plan.guard).and_then(|g| g.server.as_ref()).filter(|_| !was_applied) {
        serve.rollback(&mut tx, &plan).await?;
    }
    plan.state = PlanState::RolledBack;
    plan.reason = Some(reason.to_owned());
    end(server, tx, plan, caller, "frame.plan.rollback", format!("plan {id} {reason}")).await
}

/// Makes a plan on probation permanent.
pub async fn keep(server: &Server, id: &str, caller: &Caller, message: String) -> Result<(), ApiError> {
    let (mut tx, mut plan) = begin(server, id).await?;
    if plan.state != PlanState::Probation {
        return Err(ApiError::conflict(format!("plan `{id}` is {}, not on probation", word(plan.state))));
    }
    if let Some(serve) = server.guard(&plan.guard).and_then(|g| g.server.as_ref()) {
        serve.keep(&mut tx, &plan).await?;
    }
    plan.state = PlanState::Kept;
    end(server, tx, plan, caller, "frame.plan.confirm", message).await
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

/// Lets plans go on that wait only for silent hosts.
pub async fn settle(server: &Server) -> Result<(), GuardError> {
    let mut db = server.context.db.read().acquire().await?;
    if store::plan_count(&mut db, PlanState::Applying).await? == 0 {
        return Ok(());
    }
    drop(db);
    let mut tx = server.begin().await?;
    let moved = store::plans_settle(&mut tx).await?;
    if moved.is_empty() {
        return Ok(());
    }
    tx.commit().await?;
    if moved.iter().any(|plan| plan.state == PlanState::Probation) {
        // who looks on connects anew: only that proves that the change has not cut them off
        server.connections.send_modify(|n| *n += 1);
    }
    server.context.publish(&["plans"]);
    Ok(())
}

async fn begin(server: &Server, id: &str) -> Result<(Write, Plan), ApiError> {
    let mut tx = server.begin().await?;
    let row = store::plan(&mut tx, id).await?.ok_or_else(|| ApiError::not_found(format!("a plan `{id}`")))?;
    Ok((tx, row.plan))
}

/// Stores the decision and waits for all hosts to hold it: until then each holds what was before.
async fn end(
    server: &Server,
    mut tx: Write,
    plan: Plan,
    caller: &Caller,
    kind: &str,
    message: String,
) -> Result<(), ApiError> {
    let generations = store::generations_raise(&mut tx, &plan.hosts, &plan.guard).await?;
    let wanted = match plan.state {
        PlanState::RolledBack => PlanHostState::RolledBack,
        _ => PlanHostState::Applied,
    };
    let aim = HostAim { wanted, generations: &generations };
    store::plan_decide(&mut tx, &plan.id, plan.state, plan.reason.as_deref(), &aim).await?;
    let event = tokens::event(server.context.now(), kind, caller, &plan.id, message);
    server.context.record(&mut tx, &event).await?;
    tx.commit().await?;
    server.context.publish(&["plans", &plan.guard, "journal"]);
    server.context.wake_agents_of(&plan.hosts);
    Ok(())
}

/// The state as a word in a sentence.
fn word(state: PlanState) -> &'static str {
    match state {
        PlanState::Preview => "a preview",
        PlanState::Applying => "being applied",
        PlanState::Partial => "in force on some hosts",
        PlanState::Applied => "applied",
        PlanState::Probation => "on probation",
        PlanState::Kept => "kept",
        PlanState::RolledBack => "rolled back",
        PlanState::Failed => "failed",
    }
}
