//! Waiting sockets as rows.

use crate::model::{AccountRow, PortRow, Section, limits};
use palisade_sys::listener::{self, Listener, Protocol};
use palisade_sys::{Root, sysctl};
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

/// The kernel's default for ports that it hands out by itself (ip-sysctl).
const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Sockets of the look before. A name server asks from a new UDP port each time: a UDP socket on a
/// port that the kernel hands out counts only if it was there at the look before as well. At the
/// first look all count.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Option<BTreeSet<u64>>>);

impl Seen {
    /// Without those that are new and short-lived by their kind.
    fn lasting(&self, listeners: Vec<Listener>, ephemeral: &RangeInclusive<u16>) -> Vec<Listener> {
        let handed_out = |l: &Listener| l.protocol == Protocol::Udp && l.inode != 0 && ephemeral.contains(&l.port);
        let now: BTreeSet<u64> = listeners.iter().filter(|l| handed_out(l)).map(|l| l.inode).collect();
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        let Some(before) = before else { return listeners };
        listeners.into_iter().filter(|l| !handed_out(l) || before.contains(&l.inode)).collect()
    }
}

pub(super) fn ports(root: &Root, accounts: &Section<AccountRow>, seen: &Seen) -> Section<PortRow> {
    let listeners = match listener::listeners() {
        Ok(listeners) => seen.lasting(listeners, &ephemeral(root)),
        Err(error) => return Section::failed(super::said(&error)),
    };
    let mut users: HashMap<u32, &str> = HashMap::new();
    accounts.rows.iter().for_each(|a| _ = users.entry(a.uid).or_insert(&a.name));
    let mut rows: Vec<PortRow> = listeners.into_iter().map(|l| row(l, &users)).collect();
    rows.sort();
    rows.dedup(); // several sockets of one process share a port (SO_REUSEPORT)
    Section::of(rows, limits::PORTS_MAX)
}

/// The path of the executable waits in `package` until all packages are looked up at once.
fn row(listener: Listener, users: &HashMap<u32, &str>) -> PortRow {
    let Listener { address, uid, .. } = listener;
    PortRow {
        protocol: listener.protocol.as_str().to_owned(),
        address: listener.interface.map_or_else(|| address.to_string(), |name| format!("{address}%{name}")),
        port: listener.port,
        process: listener.process,
        pid: listener.pid,
        user: Some(users.get(&uid).map_or_else(|| uid.to_string(), |name| (*name).to_owned())),
        package: listener.exe,
        unit: listener.unit,
    }
}

fn ephemeral(root: &Root) -> RangeInclusive<u16> {
    let range = || {
        let text = sysctl::read(root, "net.ipv4.ip_local_port_range").ok()??;
        let (first, last) = text.split_once(' ')?;
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    range().unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_udp_socket_on_a_port_of_the_kernels_choice_counts_from_the_second_look_on() {
        let socket = |protocol, port, inode| Listener { protocol, port, inode, ..Listener::default() };
        let (dns, tcp) = (socket(Protocol::Udp, 53, 1), socket(Protocol::Tcp, 40_000, 2));
        let (lasting, query) = (socket(Protocol::Udp, 40_001, 3), |inode| socket(Protocol::Udp, 50_000, inode));
        let seen = Seen::default();
        let look = |inode| -> Vec<u64> {
            let all = vec![dns.clone(), tcp.clone(), lasting.clone(), query(inode)];
            seen.lasting(all, &EPHEMERAL).iter().map(|l| l.inode).collect()
        };
        assert_eq!(look(10), [1, 2, 3, 10]);
        assert_eq!(look(11), [1, 2, 3]);
        assert_eq!(look(11), [1, 2, 3, 11]);
    }
}
