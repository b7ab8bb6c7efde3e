//! A connection, and nothing said on it.

use super::{Seen, limit, reach, unreached};
use crate::outbound;
use crate::probe::spec::ProbeSpec;
use tokio::net::TcpStream;

pub(super) async fn look(spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String> {
    connected(spec, &spec.target, seen).await.map(|_| ())
}

/// A connection to `target` (`host:port`), within what the probe may reach.
pub(super) async fn connected(spec: &ProbeSpec, target: &str, seen: &mut Seen) -> Result<TcpStream, String> {
    let stream = outbound::connect(target, reach(spec), limit(spec)).await.map_err(unreached)?;
    if let Ok(peer) = stream.peer_addr() {
        seen.fact("address", peer.ip().to_canonical().to_string());
    }
    Ok(stream)
}
