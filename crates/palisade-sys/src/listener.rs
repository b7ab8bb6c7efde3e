//! Sockets that wait for somebody: TCP that listens, UDP that is bound and not connected.
//!
//! Asked of the kernel by sock_diag(7), one dump per protocol and address family; where that is
//! refused (an old kernel, a missing `udp_diag`, a container), read from `/proc/net`. Owners are
//! found by one walk over `/proc/PID/fd`, which ends early once every socket has its owner.
//! Sockets of other network namespaces (most containers) are not seen.

pub(crate) mod diag;
pub(crate) mod proc_net;

use crate::process::{self, Process};
use crate::{Root, SysError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// More sockets than this are not listed.
pub const LISTENERS_MAX: usize = 65_536;

/// The transport of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, in state LISTEN.
    #[default]
    Tcp,
    /// UDP, bound and unconnected.
    Udp,
}

impl Protocol {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// A socket that waits, and who owns it. Names, paths and command lines are hostile text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// tcp or udp.
    pub protocol: Protocol,
    /// Where it waits; `::` covers IPv4 as well unless [`Listener::v6only`].
    pub address: IpAddr,
    /// 1–65535.
    pub port: u16,
    /// The only interface it waits on, if it is bound to one.
    pub interface: Option<String>,
    /// The user who made it.
    pub uid: u32,
    /// Its inode number; 0 for a socket of the kernel itself.
    pub inode: u64,
    /// For IPv6: whether it takes no IPv4. `None` for IPv4, and where the kernel does not say.
    pub v6only: Option<bool>,
    /// Its owner: of several the one with the lowest pid that is not 1, since systemd keeps a copy
    /// of each socket that it hands over. `None` for kernel sockets or without rights.
    pub pid: Option<u32>,
    /// The owner's name (`comm`).
    pub process: Option<String>,
    /// The owner's executable.
    pub exe: Option<String>,
    /// The owner's command line.
    pub cmdline: Option<String>,
    /// The package of `exe`; filled in by callers that have a package database.
    pub package: Option<String>,
    /// The owner's systemd unit.
    pub unit: Option<String>,
}

impl Default for Listener {
    fn default() -> Self {
        Listener {
            protocol: Protocol::Tcp,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 0,
            interface: None,
            uid: 0,
            inode: 0,
            v6only: None,
            pid: None,
            process: None,
            exe: None,
            cmdline: None,
            package: None,
            unit: None,
        }
    }
}

/// All waiting sockets of this network namespace with their owners, by protocol, port and address.
pub fn listeners() -> Result<Vec<Listener>, SysError> {
    let mut all = sockets()?;
    all.truncate(LISTENERS_MAX);
    let owners = owners(all.iter().map(|l| l.inode))?;
    let mut known: HashMap<u32, Option<Process>> = HashMap::new();
    let reader = process::Reader::new()?;
    for listener in &mut all {
        let Some(&pid) = owners.get(&listener.inode) else { continue };
        if let Some(process) = known.entry(pid).or_insert_with(|| reader.process(pid)) {
            own(listener, process);
        }
    }
    all.sort_by_key(|l| (l.protocol, l.port, l.address, l.inode));
    Ok(all)
}

/// The sockets without their owners.
fn sockets() -> Result<Vec<Listener>, SysError> {
    let mut all = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for v6 in [false, true] {
            match diag::dump(protocol, v6) {
                Ok(listeners) => all.extend(listeners),
                Err(source) => {
                    tracing::debug!(protocol = protocol.as_str(), v6, error = %source, "sock_diag refused, reading /proc/net");
                    all.extend(from_proc(protocol, v6)?);
                }
            }
        }
    }
    Ok(all)
}

/// A family that the kernel does not have has no file, and no sockets.
fn from_proc(protocol: Protocol, v6: bool) -> Result<Vec<Listener>, SysError> {
    let path = format!("/proc/self/net/{}{}", protocol.as_str(), if v6 { "6" } else { "" });
    Ok(Root::live().text_if_exists(path)?.map(|text| proc_net::parse(protocol, &text)).unwrap_or_default())
}

fn own(listener: &mut Listener, process: &Process) {
    listener.pid = Some(process.pid);
    listener.process = Some(process.name.clone());
    listener.exe = process.exe.as_ref().map(|path| path.to_string_lossy().into_owned());
    listener.cmdline = Some(process.cmdline.clone());
    listener.unit = process.unit.clone();
}

/// The owner of every socket, by inode.
pub(crate) fn owners(inodes: impl Iterator<Item = u64>) -> Result<HashMap<u64, u32>, SysError> {
    let mut owners: HashMap<u64, Option<u32>> = inodes.filter(|inode| *inode != 0).map(|inode| (inode, None)).collect();
    let mut missing = owners.len();
    for pid in process::pids()? {
        if missing == 0 {
            break;
        }
        each_socket(pid, |inode| match owners.get_mut(&inode) {
            Some(owner @ None) => {
                *owner = Some(pid);
                missing -= usize::from(pid != 1);
            }
            Some(owner @ Some(1)) if pid != 1 => {
                *owner = Some(pid);
                missing -= 1;
            }
            _ => {}
        });
    }
    Ok(owners.into_iter().filter_map(|(inode, pid)| Some((inode, pid?))).collect())
}

/// Calls `found` with the inode of every socket that the process holds; none if it may not be read.
fn each_socket(pid: u32, mut found: impl FnMut(u64)) {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return };
    for entry in entries.flatten() {
        if let Ok(link) = std::fs::read_link(entry.path())
            && let Some(inode) = link.to_str().and_then(socket_inode)
        {
            found(inode);
        }
    }
}

/// `socket:[4711]` → 4711.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests;
