//! Whether an agent's certificate still lets it in: asked at every request that matters, because a
//! connection may outlive a revocation.

use super::ca::AgentPeer;
use super::trust_store as certificates;
use axum::http::StatusCode;
use palisade_core::Standing;
use palisade_guard::api::ApiError;
use palisade_guard::store::{self, HostRow};
use sqlx::SqliteConnection;

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
