//! Who is at the other end of a connection with a host's certificate.

use palisade_core::HostId;
use std::sync::Arc;
use tokio::sync::Notify;

/// The agent of one connection, as its certificate says.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The subject of its certificate.
    pub host: HostId,
    /// The certificate's serial number, lower-case hexadecimal.
    pub serial: String,
    /// The number of this connection.
    pub connection: u64,
    end: Arc<Notify>,
}

impl Peer {
    /// The agent of a new connection.
    pub fn new(host: HostId, serial: String, connection: u64) -> Peer {
        Peer { host, serial, connection, end: Arc::default() }
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
