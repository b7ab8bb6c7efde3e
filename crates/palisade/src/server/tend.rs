//! The server's periodic work: ends of probation, retention, and the guards' own.

use super::{Server, access_store, join_store, plans, tokens, trust_store};
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
    let (open, hosts) = {
        let mut db = server.context.db.read().acquire().await?;
        (store::plans(&mut db, true).await?, store::hosts(&mut db).await?)
    };
    let waited = now.duration_since(server.started_at).as_secs() >= DECISIONS_ARRIVE_S;
    let heard = |id: &HostId| hosts.iter().any(|h| h.id == *id && h.seen_at >= server.started_at);
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
        trust_store::certificates_ended_delete(&mut tx, now).await?;
        tx.commit().await.map_err(GuardError::from)
    };
    if let Err(error) = own.await {
        tracing::warn!(error = chain(&error), "removing ended sessions");
    }
    renew_certificates(server).await;
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

/// Issuer and server certificate, when they are due.
async fn renew_certificates(server: &Server) {
    let now = server.context.now();
    let renewed = match server.authority.renew(now) {
        Ok(renewed) => renewed,
        Err(error) => return tracing::error!(error = chain(&error), "renewing the server's certificates"),
    };
    let said = match (renewed.issuer, renewed.certificate) {
        (false, false) => return,
        (true, _) => "made a new issuer and a new server certificate: they were due",
        (false, true) => "made a new server certificate: it was due",
    };
    let nobody = Caller { name: "server".to_owned(), role: Role::Admin, address: None };
    let recorded = async {
        let mut tx = server.begin().await?;
        server
            .context
            .record(&mut tx, &tokens::event(now, "frame.ca.renew", &nobody, "server", said.to_owned()))
            .await?;
        tx.commit().await.map_err(GuardError::from)
    };
    if let Err(error) = recorded.await {
        tracing::warn!(error = chain(&error), "recording a new certificate");
    }
}
