//! The server's periodic work: ends of probation, retention, and the guards' own.

use super::{Server, access_store, join_store, plans};
use palisade_core::{HostId, Plan, PlanState};
use palisade_guard::GuardError;
use palisade_guard::api::{Caller, Role};
use palisade_guard::contract::chain;
use palisade_guard::store;
use std::time::Duration;

const PROBATION_EVERY: Duration = Duration::from_secs(1);
/// After a start, hosts first say what was decided on them while this server was away.
const DECISIONS_ARRIVE_S: i64 = 60;
const TEND_EVERY_TICKS: u64 = 60;

/// Runs until aborted.
pub async fn run(server: Server) {
    let mut ticks = 0u64;
    loop {
        if let Err(error) = end_probations(&server).await {
            tracing::warn!(error = chain(&error), "ending probations");
        }
        if ticks.is_multiple_of(TEND_EVERY_TICKS) {
            tend(&server).await;
        }
        ticks += 1;
        tokio::time::sleep(PROBATION_EVERY).await;
    }
}

/// Rolls back what was not kept in time. The hosts have done so already, by their kernel's timer.
async fn end_probations(server: &Server) -> Result<(), GuardError> {
    let now = server.context.now();
    let open = {
        let mut db = server.context.db.read().acquire().await?;
        store::plans(&mut db, true).await?
    };
    let waited = now.duration_since(server.started_at).as_secs() >= DECISIONS_ARRIVE_S;
    let heard = |id: &HostId| server.presence.heard_at(id).is_some();
    let ended = |p: &&Plan| {
        matches!(p.state, PlanState::Probation | PlanState::Applying)
            && p.deadline.is_some_and(|at| at <= now)
            && (waited || p.hosts.iter().all(heard))
    };
    for plan in open.iter().filter(ended) {
        let nobody = Caller { name: "server".to_owned(), role: Role::Admin, address: None };
        if let Err(error) = plans::undo(server, &plan.id, &nobody, "rolled back: nobody kept it in time").await {
            tracing::warn!(plan = plan.id, error = error.message(), "could not roll back");
        }
    }
    Ok(())
}

async fn tend(server: &Server) {
    let now = server.context.now();
    let own = async {
        let mut tx = server.begin().await?;
        access_store::expired_delete(&mut tx, now).await?;
        join_store::join_tokens_tend(&mut tx, now).await?;
        store::resource_tend(&mut tx, now).await?;
        tx.commit().await.map_err(GuardError::from)
    };
    if let Err(error) = own.await {
        tracing::warn!(error = chain(&error), "removing what has ended");
    }
    for guard in server.guards.iter() {
        let Some(serve) = &guard.server else { continue };
        let tended = async {
            let mut tx = server.begin().await?;
            serve.tend(&mut tx, now).await?;
            tx.commit().await.map_err(GuardError::from)
        };
        if let Err(error) = tended.await {
            tracing::warn!(guard = guard.word, error = chain(&error), "periodic work failed");
        }
    }
}
