//! The server's periodic work: ends of probation, retention, and the guards' own.

use super::{Server, access_store, join_store, plans, tokens, trust_store};
use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_guard::api::{Caller, Role};
use palisade_guard::contract::chain;
use palisade_guard::store::{self, PlanHostRow};
use std::collections::HashSet;
use std::time::Duration;

const PROBATION_EVERY: Duration = Duration::from_secs(1);
/// After a start, hosts first say what was decided on them while this server was away.
const DECISIONS_ARRIVE_S: i64 = 60;
const TEND_EVERY_TICKS: u64 = 60;
const SETTLE_EVERY_TICKS: u64 = 5;
/// Hosts of overdue plans that are looked at after a start.
const HOSTS_MAX: usize = 100_000;

/// Runs until aborted.
pub async fn run(server: Server) {
    let mut ticks = 0u64;
    loop {
        if let Err(error) = end_probations(&server).await {
            tracing::warn!(error = chain(&error), "ending probations");
        }
        if ticks.is_multiple_of(SETTLE_EVERY_TICKS)
            && let Err(error) = plans::settle(&server).await
        {
            tracing::warn!(error = chain(&error), "settling plans that wait for silent hosts");
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
    for id in overdue(server, now).await? {
        let nobody = Caller { name: "server".to_owned(), role: Role::Admin, address: None };
        if let Err(error) = plans::undo(server, &id, &nobody, "rolled back: nobody kept it in time").await {
            tracing::warn!(plan = id, error = error.message(), "could not roll back");
        }
    }
    Ok(())
}

/// The plans whose probation is over. Soon after a start only those whose hosts have all been heard
/// of since: they may have decided while this server was away.
async fn overdue(server: &Server, now: Timestamp) -> Result<Vec<String>, GuardError> {
    let mut db = server.context.db.read().acquire().await?;
    let mut ids = store::plans_overdue(&mut db, now).await?;
    if ids.is_empty() || now.duration_since(server.started_at).as_secs() >= DECISIONS_ARRIVE_S {
        return Ok(ids);
    }
    let unheard = |row: &PlanHostRow| server.presence.heard_at(&row.host).is_none();
    let hosts = store::plan_hosts(&mut db, &ids, HOSTS_MAX).await?;
    let waiting: HashSet<String> = hosts.into_iter().filter(unheard).map(|row| row.plan).collect();
    ids.retain(|id| !waiting.contains(id));
    Ok(ids)
}

async fn tend(server: &Server) {
    let now = server.context.now();
    let own = async {
        let mut tx = server.begin().await?;
        access_store::expired_delete(&mut tx, now).await?;
        store::plans_expire(&mut tx).await?;
        join_store::join_tokens_tend(&mut tx, now).await?;
        store::resource_tend(&mut tx, now).await?;
        trust_store::certificates_ended_delete(&mut tx, now).await?;
        tx.commit().await.map_err(GuardError::from)
    };
    if let Err(error) = own.await {
        tracing::warn!(error = chain(&error), "removing what has ended");
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
