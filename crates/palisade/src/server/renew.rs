//! A host renews its certificate, with the one that it has.

use super::ca::{AgentPeer, SignedHost};
use super::peer::Peer;
use super::{Server, clone, peer, trust_store as certificates};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::api::{ApiError, Body};
use palisade_guard::link::{Renew, Renewed};
use palisade_guard::store::{self, HostRow};
use sqlx::SqliteConnection;

/// As many certificates are issued to one host within [`WINDOW_S`]; a healthy host asks for one
/// every 20 days.
const ISSUED_MAX: usize = 3;
const WINDOW_S: i64 = 600;

/// The address that agents renew at: for their own connections only, whose requests carry an
/// [`AgentPeer`].
pub fn router() -> Router<Server> {
    Router::new().route("/link/v1/renew", post(renew))
}

async fn renew(
    State(server): State<Server>,
    Extension(peer): Extension<AgentPeer>,
    connection: Option<Extension<Peer>>,
    Body(params): Body<Renew>,
) -> Result<Json<Renewed>, ApiError> {
    let now = server.context.now();
    let mut tx = server.begin().await?;
    if let (true, Some(Extension(connection))) = (params.clone, connection) {
        peer::admitted(&mut tx, &peer).await?;
        let new = clone::new_identity(&server, &mut tx, &connection, &params.csr).await?;
        tx.commit().await?;
        server.context.wake_agents_of(&new.others);
        server.context.publish(&["hosts", "journal"]);
        tracing::warn!(host.id = %peer.host, copy = %new.host, "a copy of a host has a name of its own now");
        return Ok(Json(Renewed { chain: new.chain }));
    }
    let host = match allowed(&mut tx, &peer, &params.host, now).await {
        Ok(host) => host,
        Err(error) => {
            // one more request than the limit is no event: it would be a way around the limit
            if error.status() == StatusCode::FORBIDDEN {
                let said = format!("refused {} a new certificate: {}", peer.host, error.message());
                server.context.record(&mut tx, &event(&peer.host, Outcome::Refused, said, now)).await?;
                tx.commit().await?;
                server.context.publish(&["journal"]);
            }
            return Err(error);
        }
    };
    let signed = server.authority.sign_host(&params.csr, &peer.host, now)?;
    replace(&mut tx, host, &peer, &signed, now).await?;
    let said = format!("{} has a new certificate until {}", peer.host, signed.not_after);
    server.context.record(&mut tx, &event(&peer.host, Outcome::Success, said, now)).await?;
    tx.commit().await?;
    server.context.publish(&["hosts", "journal"]);
    Ok(Json(Renewed { chain: signed.chain_pem }))
}

/// The host, if it may have a new certificate.
async fn allowed(
    db: &mut SqliteConnection,
    peer: &AgentPeer,
    claimed: &HostId,
    now: Timestamp,
) -> Result<HostRow, ApiError> {
    if *claimed != peer.host {
        return Err(peer::refused("foreign_host", format!("the certificate is not of `{claimed}`")));
    }
    let host = peer::admitted(&mut *db, peer).await?;
    let issued = certificates::certificates_of(&mut *db, &peer.host).await?;
    if issued.iter().filter(|row| now.duration_since(row.issued_at).as_secs() < WINDOW_S).count() >= ISSUED_MAX {
        let said = format!("{ISSUED_MAX} certificates within {WINDOW_S} s are enough");
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", said));
    }
    Ok(host)
}

/// Stores the new certificate. The one that asked counts until it has ended: the answer may be
/// lost, and then it asks again. All others count no more.
async fn replace(
    db: &mut SqliteConnection,
    mut host: HostRow,
    peer: &AgentPeer,
    signed: &SignedHost,
    now: Timestamp,
) -> Result<(), GuardError> {
    certificates::certificate_insert(&mut *db, &peer.host, signed, now).await?;
    let keep = [peer.serial.as_str(), signed.serial.as_str()];
    certificates::certificates_revoke(&mut *db, &peer.host, &keep, "replaced by a newer one", now).await?;
    host.serial = Some(signed.serial.clone());
    store::host_put(&mut *db, &host).await
}

fn event(host: &HostId, outcome: Outcome, message: String, now: Timestamp) -> Event {
    Event {
        time: now,
        kind: "frame.host.renew".to_owned(),
        host: Some(host.clone()),
        severity: if outcome == Outcome::Success { Severity::Informational } else { Severity::High },
        outcome,
        actor: Actor { name: "agent".to_owned(), from: None },
        message,
        object: Some(host.to_string()),
        audit: true,
        data: serde_json::Value::Null,
    }
}

#[cfg(test)]
#[path = "renew_tests.rs"]
mod tests;
