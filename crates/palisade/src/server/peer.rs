//! Who is at the other end of a connection with a host's certificate, and whether that still lets it
//! in.

use super::ca::AgentPeer;
use super::trust_store as certificates;
use axum::http::StatusCode;
use palisade_core::{HostId, Standing};
use palisade_guard::api::ApiError;
use palisade_guard::store::{self, HostRow};
use sqlx::SqliteConnection;
use std::sync::Arc;
use tokio::sync::Notify;

/// The agent of one connection, as its certificate says.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The subject of its certificate.
    pub host: HostId,
    /// The number of this connection.
    pub connection: u64,
    end: Arc<Notify>,
}

impl Peer {
    /// The agent of a new connection.
    pub fn new(host: HostId, connection: u64) -> Peer {
        Peer { host, connection, end: Arc::default() }
    }

    /// Ends the connection after what is under way.
    pub fn cut(&self) {
        self.end.notify_one();
    }

    /// Returns when the connection shall end.
    pub async fn is_cut(&self) {
        self.end.notified().await;
    }
}

/// The host of a certificate that was shown, if it belongs to the fleet and the certificate counts.
pub async fn admitted(db: &mut SqliteConnection, peer: &AgentPeer) -> Result<HostRow, ApiError> {
    let host = store::host(&mut *db, &peer.host).await?;
    let host = host.ok_or_else(|| refused("unknown_host", "this server has no such host".to_owned()))?;
    if host.standing != Standing::Active {
        return Err(refused("not_in_fleet", format!("the host is {}", host.standing.as_str())));
    }
    let row = certificates::certificate(&mut *db, &peer.serial).await?.filter(|row| row.host == peer.host.as_str());
    if row.is_none_or(|row| row.revoked_at.is_some()) {
        return Err(refused("certificate_revoked", "its certificate counts no more".to_owned()));
    }
    Ok(host)
}

/// 403, with the way back into the fleet.
pub fn refused(code: &str, message: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
        .hint("join again: make a token on the server with `palisade join-token create`")
}
