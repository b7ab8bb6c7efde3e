//! Who is connected to the SSH server of this host, from outside; and every connected socket with its
//! process ([`open()`]).
//!
//! Asked of the kernel by sock_diag(7), where that is refused read from `/proc/net/tcp` and `tcp6`.
//! That a connection is established says that its packets come through both ways; whether somebody
//! has logged on over it is not known. An SSH server that systemd starts anew for every connection
//! (`Accept=yes`) has no listening socket of its own and is not seen.

mod open;

pub use open::{Open, open};

use crate::listener::{Protocol, diag, listeners, proc_net};
use crate::{Root, SysError};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The programs that are SSH servers, by the name of their process.
const SERVERS: [&str; 2] = ["sshd", "dropbear"];
/// More connections than this are not looked at.
const CONNECTIONS_MAX: usize = 10_000;

/// An established connection from another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inbound {
    /// Our end.
    pub own: SocketAddr,
    /// Theirs.
    pub peer: SocketAddr,
}

/// The ports on which an SSH server of root listens.
pub fn ssh_ports() -> Result<BTreeSet<u16>, SysError> {
    let is_ssh = |name: &str| SERVERS.contains(&name);
    let all = listeners()?.into_iter().filter(|l| l.protocol == Protocol::Tcp && l.uid == 0);
    Ok(all.filter(|l| l.process.as_deref().is_some_and(is_ssh)).map(|l| l.port).collect())
}

/// The connections from other hosts to these ports, at most 10,000 of each address family.
pub fn inbound(ports: &BTreeSet<u16>) -> Result<BTreeSet<Inbound>, SysError> {
    let mut all = BTreeSet::new();
    if ports.is_empty() {
        return Ok(all);
    }
    let wanted = |own: SocketAddr, peer: SocketAddr| from_outside(own, peer, ports);
    for v6 in [false, true] {
        match diag::connections(v6, CONNECTIONS_MAX, wanted) {
            Ok(connections) => all.extend(connections.into_iter().map(|(own, peer)| Inbound { own, peer })),
            Err(source) => {
                tracing::debug!(v6, error = %source, "sock_diag refused, reading /proc/net");
                let path = if v6 { "/proc/self/net/tcp6" } else { "/proc/self/net/tcp" };
                all.extend(Root::live().text_if_exists(path)?.iter().flat_map(|text| listed(text, ports)));
            }
        }
    }
    Ok(all)
}

/// The connections from other hosts to these ports in a file like `/proc/net/tcp`.
fn listed(text: &str, ports: &BTreeSet<u16>) -> BTreeSet<Inbound> {
    let connections = proc_net::connections(text).filter(|(own, peer)| from_outside(*own, *peer, ports));
    connections.map(|(own, peer)| Inbound { own, peer }).take(CONNECTIONS_MAX).collect()
}

/// Neither over loopback nor from this host to its own address.
fn from_outside(own: SocketAddr, peer: SocketAddr, ports: &BTreeSet<u16>) -> bool {
    ports.contains(&own.port()) && !peer.ip().is_loopback() && own.ip() != peer.ip()
}

#[cfg(test)]
mod tests;
