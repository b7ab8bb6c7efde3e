//! Sockets of this network namespace that are connected to another host, and who owns them.

use crate::SysError;
use crate::listener::{Protocol, diag, owners};
use crate::process;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

/// A connected socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// tcp or udp.
    pub protocol: Protocol,
    /// Our end.
    pub own: SocketAddr,
    /// Theirs.
    pub peer: SocketAddr,
    /// Its owner, if it may be seen.
    pub pid: Option<u32>,
    /// The owner's name, which it chooses itself.
    pub process: Option<String>,
}

/// Connected TCP and UDP sockets, at most `each_max` of each protocol and family; what stays on this host
/// is left out.
pub fn open(each_max: usize) -> Result<Vec<Open>, SysError> {
    let outside = |own: SocketAddr, peer: SocketAddr| !peer.ip().is_loopback() && own.ip() != peer.ip();
    let mut all = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for v6 in [false, true] {
            let found = diag::connected(protocol, v6, each_max, outside).map_err(|e| refused(protocol, e))?;
            all.extend(found.into_iter().map(|ends| (protocol, ends)));
        }
    }
    let owners = owners(all.iter().map(|(_, (_, _, inode))| *inode))?;
    let reader = process::Reader::new()?;
    let mut names: HashMap<u32, Option<String>> = HashMap::new();
    let mut name = |pid: u32| names.entry(pid).or_insert_with(|| reader.process(pid).map(|p| p.name)).clone();
    let with_owner = |(protocol, (own, peer, inode)): (Protocol, (SocketAddr, SocketAddr, u64))| {
        let pid = owners.get(&inode).copied();
        Open { protocol, own, peer, pid, process: pid.and_then(&mut name) }
    };
    Ok(all.into_iter().map(with_owner).collect())
}

fn refused(protocol: Protocol, source: io::Error) -> SysError {
    SysError::Kernel { doing: format!("listing connected {} sockets", protocol.as_str()), source }
}
