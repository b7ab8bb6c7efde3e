//! Who speaks with whom on this host: what the kernel tracks, joined with sockets and their processes.

use super::MARK_MASK;
use super::record::{Connection, Connections, cut, protocol_name};
use crate::group::model::Direction;
use palisade_core::Timestamp;
use palisade_guard::contract::chain;
use palisade_sys::connection::{Open, open};
use palisade_sys::conntrack::{Flow, TcpState, flows};
use palisade_sys::listener::{self, Protocol};
use palisade_sys::{SysError, facts};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

/// Conversations of one record.
pub const ROWS_MAX: usize = 2_000;
/// Connected sockets of each protocol and family that are looked at.
const SOCKETS_EACH_MAX: usize = 20_000;

/// What is known of the host, to tell who began.
#[derive(Debug, Default)]
pub struct Own {
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The ports on which it waits: udp or not, and the port.
    pub ports: BTreeSet<(bool, u16)>,
}

/// Looks now. What cannot be seen is said.
pub fn look(now: Timestamp) -> Connections {
    let mut missing = Vec::new();
    let mut or_none = |what: &str, error: SysError| missing.push(format!("{what}: {}", chain(&error)));
    let own = Own {
        addresses: facts::addresses().map_err(|e| or_none("addresses", e)).unwrap_or_default().into_iter().collect(),
        ports: listener::listeners()
            .map_err(|e| or_none("listening sockets", e))
            .unwrap_or_default()
            .iter()
            .map(|l| (l.protocol == Protocol::Udp, l.port))
            .collect(),
    };
    let sockets = open(SOCKETS_EACH_MAX).map_err(|e| or_none("sockets", e)).unwrap_or_default();
    let flows = flows().map_err(|e| or_none("tracked conversations", e)).unwrap_or_default();
    let mut rows = joined(&own, &sockets, &flows);
    let total = rows.len() as u64;
    rows.truncate(ROWS_MAX);
    Connections { at: now, rows, total, missing: (!missing.is_empty()).then(|| cut(&missing.join("; "))) }
}

/// Our end and theirs; udp or not.
type Ends = (bool, SocketAddr, SocketAddr);

/// One row per conversation, those with a process first. A socket without a tracked conversation is one
/// too: the kernel tracks only where some rule asks it to.
pub fn joined(own: &Own, sockets: &[Open], flows: &[Flow]) -> Vec<Connection> {
    let ends = |open: &Open| (open.protocol == Protocol::Udp, open.own, open.peer);
    let mut untracked: HashMap<Ends, &Open> = sockets.iter().map(|open| (ends(open), open)).collect();
    let mut rows: Vec<Connection> = flows
        .iter()
        .filter(|f| f.state != Some(TcpState::Closing))
        .filter_map(|flow| tracked(own, flow, &mut untracked))
        .collect();
    rows.extend(untracked.into_values().map(|open| socket(own, open)));
    rows.sort_by(|a, b| {
        let key = |c: &Connection| (c.process.is_none(), c.protocol.clone(), c.port, c.peer, c.peer_port);
        key(a).cmp(&key(b))
    });
    rows
}

/// `None` for what stays on this host.
fn tracked(own: &Own, flow: &Flow, untracked: &mut HashMap<Ends, &Open>) -> Option<Connection> {
    let is_ours = |address: IpAddr| address.is_loopback() || own.addresses.contains(&address);
    let (first, answer) = (&flow.original, &flow.reply);
    let began_here = is_ours(first.source);
    // where the destination was translated, who answers says where the conversation really goes
    if began_here && is_ours(answer.source) {
        return None;
    }
    let forwarded = !began_here && !is_ours(answer.source);
    let ours = if began_here {
        (SocketAddr::new(first.source, first.source_port), SocketAddr::new(answer.source, answer.source_port))
    } else {
        (SocketAddr::new(answer.source, answer.source_port), SocketAddr::new(first.source, first.source_port))
    };
    let open = untracked.remove(&(flow.protocol == 17, ours.0, ours.1));
    Some(Connection {
        direction: if began_here { Direction::Out } else { Direction::In },
        protocol: protocol_name(flow.protocol),
        peer: if began_here { first.destination } else { first.source },
        peer_port: if began_here { first.destination_port } else { first.source_port },
        port: first.icmp.map_or(first.destination_port, |(kind, _)| u16::from(kind)),
        forwarded,
        process: open.and_then(|open| open.process.as_deref().map(cut)),
        pid: open.and_then(|open| open.pid),
        bytes: flow.counted.map(|(_, bytes)| bytes),
        marked: flow.mark & MARK_MASK != 0,
    })
}

fn socket(own: &Own, open: &Open) -> Connection {
    let udp = open.protocol == Protocol::Udp;
    let waits = own.ports.contains(&(udp, open.own.port()));
    Connection {
        direction: if waits { Direction::In } else { Direction::Out },
        protocol: open.protocol.as_str().to_owned(),
        peer: open.peer.ip(),
        peer_port: open.peer.port(),
        port: if waits { open.own.port() } else { open.peer.port() },
        forwarded: false,
        process: open.process.as_deref().map(cut),
        pid: open.pid,
        bytes: None,
        marked: false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use palisade_sys::conntrack::Tuple;

    fn own() -> Own {
        Own { addresses: ["192.0.2.1".parse().unwrap()].into(), ports: [(false, 22)].into() }
    }

    fn socket(own: &str, peer: &str, process: &str) -> Open {
        let process = Some(process.to_owned());
        Open { protocol: Protocol::Tcp, own: own.parse().unwrap(), peer: peer.parse().unwrap(), pid: Some(7), process }
    }

    fn flow(first: (&str, &str), answer: (&str, &str), mark: u32) -> Flow {
        let tuple = |(from, to): (&str, &str)| {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let (source, destination) = (from.ip(), to.ip());
            Tuple { source, destination, source_port: from.port(), destination_port: to.port(), icmp: None }
        };
        let (original, reply) = (tuple(first), tuple(answer));
        let counted = Some((3, 180));
        Flow {
            protocol: 6,
            original,
            reply,
            mark,
            state: Some(TcpState::Established),
            timeout_s: None,
            counted,
            zone: 0,
        }
    }

    fn said(rows: &[Connection]) -> Vec<String> {
        let way = |c: &Connection| if c.direction == Direction::In { "in" } else { "out" };
        let line = |c: &Connection| {
            let process = c.process.as_deref().unwrap_or("-");
            format!(
                "{} {} {}:{} {} {process} {:?} {} {}",
                way(c),
                c.protocol,
                c.peer,
                c.peer_port,
                c.port,
                c.bytes,
                c.marked,
                c.forwarded
            )
        };
        rows.iter().map(line).collect()
    }

    #[test]
    fn a_socket_and_its_tracked_conversation_are_one_row() {
        let sockets = [
            socket("192.0.2.1:22", "203.0.113.9:40000", "sshd"),
            socket("192.0.2.1:50000", "198.51.100.7:443", "curl"),
            socket("192.0.2.1:22", "203.0.113.10:40001", "sshd"),
        ];
        let flows = [
            flow(("203.0.113.9:40000", "192.0.2.1:22"), ("192.0.2.1:22", "203.0.113.9:40000"), 7 << 16),
            flow(("192.0.2.1:50000", "198.51.100.7:443"), ("198.51.100.7:443", "192.0.2.1:50000"), 5),
        ];
        assert_eq!(
            said(&joined(&own(), &sockets, &flows)),
            [
                "in tcp 203.0.113.9:40000 22 sshd Some(180) true false",
                "in tcp 203.0.113.10:40001 22 sshd None false false",
                "out tcp 198.51.100.7:443 443 curl Some(180) false false",
            ]
        );
    }

    #[test]
    fn a_conversation_with_a_container_is_forwarded_and_keeps_the_port_that_was_asked_for() {
        let published = flow(("203.0.113.9:40000", "192.0.2.1:8080"), ("172.17.0.2:80", "203.0.113.9:40000"), 7 << 16);
        assert_eq!(said(&joined(&own(), &[], &[published])), ["in tcp 203.0.113.9:40000 8080 - Some(180) true true"]);
    }

    #[test]
    fn what_stays_on_this_host_is_left_out() {
        let inside = flow(("127.0.0.1:40000", "127.0.0.1:5432"), ("127.0.0.1:5432", "127.0.0.1:40000"), 0);
        assert!(joined(&own(), &[], &[inside]).is_empty());
    }
}
