//! The agent's own socket: status, findings, and what must work without the server. Root only.

use super::Agent;
use crate::guards;
use crate::server::{Origin, never_renewed, serve};
use anyhow::{Context, Result};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::TokioIo;
use palisade_core::score;
use palisade_guard::api::{Caller, Role};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::UnixListener;

/// Starts to listen.
pub fn start(agent: &Arc<Agent>, path: &Path) -> Result<()> {
    let doing = || {
        format!(
            "listening on the socket `{}`\nhint: a socket's path has at most 107 bytes; give a shorter --data-dir",
            path.display()
        )
    };
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(doing)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).with_context(doing)?;
    let router = router(agent);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let own = nix::unistd::geteuid().as_raw();
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own) {
                tokio::spawn(serve(TokioIo::new(stream), router.clone(), Origin::Socket, never_renewed()));
            }
        }
    });
    Ok(())
}

fn router(agent: &Arc<Agent>) -> Router {
    let mut router = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/findings", get(findings))
        .route("/api/v1/practices", get(practices))
        .route("/api/v1/plans", get(plans))
        .with_state(Arc::clone(agent));
    for keeper in agent.keepers.values() {
        router = router.merge(keeper.local_api(agent));
    }
    router.layer(axum::Extension(Caller { name: "local-root".to_owned(), role: Role::Admin, address: None }))
}

async fn status(State(agent): State<Arc<Agent>>) -> Json<Value> {
    let guards: Vec<_> = agent
        .looks
        .last()
        .iter()
        .map(|l| json!({ "guard": l.guard, "observed_at": l.observed_at, "fresh_until": l.fresh_until, "findings": l.findings.len(), "error": l.error }))
        .collect();
    let keepers: Vec<_> = agent
        .keepers
        .iter()
        .map(|(word, k)| json!({ "guard": word, "generation": k.generation(), "verified": k.report().map(|r| r.verified), "error": k.error() }))
        .collect();
    let spools: Vec<_> = agent
        .spools
        .iter()
        .map(|(word, spool)| {
            let (last, bytes, lost) = spool.figures();
            json!({ "guard": word, "last": last, "bytes": bytes, "lost": lost })
        })
        .collect();
    let watchers: Vec<_> = agent
        .guards
        .iter()
        .filter_map(|g| Some((g.word, g.watcher.as_ref()?.status())))
        .filter(|(_, status)| !status.is_null())
        .map(|(word, status)| json!({ "guard": word, "status": status }))
        .collect();
    let acknowledged = agent.acknowledged_s.load(Ordering::Relaxed);
    Json(json!({
        "host": agent.id(),
        "version": env!("CARGO_PKG_VERSION"),
        "server_last_heard": (acknowledged > 0).then(|| jiff::Timestamp::from_second(acknowledged).ok()).flatten(),
        "permit": agent.permit.words(),
        "permit_problem": agent.permit.problem,
        "parsers_confined": false,
        "privileged": nix::unistd::geteuid().is_root(),
        "guards": guards,
        "keepers": keepers,
        "spools": spools,
        "watchers": watchers,
    }))
}

async fn findings(State(agent): State<Arc<Agent>>) -> Json<Value> {
    let items = agent.looks.findings();
    Json(json!({ "total": items.len(), "items": items }))
}

async fn practices(State(agent): State<Arc<Agent>>) -> Json<Value> {
    let runs: Vec<_> = agent.looks.last().into_iter().flat_map(|l| l.runs).collect();
    let items = guards::practices(&agent.guards, &runs, &agent.looks.findings());
    Json(json!({ "score": score(&items), "total": items.len(), "items": items }))
}

async fn plans(State(agent): State<Arc<Agent>>) -> Json<Value> {
    let items: Vec<_> = agent.keepers.values().flat_map(super::keep::KeeperHandle::plans).collect();
    Json(json!({ "total": items.len(), "items": items }))
}
