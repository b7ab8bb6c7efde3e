//! Logged packets, gathered: who tried what, how often. Pure; bounded, whoever sends.

use super::record::{Logged, LoggedRow, cut, protocol_name};
use crate::group::model::Direction;
use palisade_core::Timestamp;
use palisade_sys::nflog::{Logged as Packet, Transport};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// Rows of one record.
pub const ROWS_MAX: usize = 200;
/// Ports of one peer at one rule that have rows of their own in a record; further ones share a row, so
/// that a scan of all ports does not hide what others try.
pub const PORTS_PER_PEER_MAX: usize = 40;
/// A record is told so often.
pub const FLUSH_EVERY_S: i64 = 5;

/// What a rule says of a packet: `pal:gN:RULE:deny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// N.
    pub generation: u32,
    /// The id of the rule, or `default/in`.
    pub rule: &'a str,
    /// It was let through.
    pub allowed: bool,
}

impl<'a> Prefix<'a> {
    /// Reads a prefix; `None` if it is not one of ours: another tool may log to our group.
    pub fn parse(text: &'a str) -> Option<Prefix<'a>> {
        let (generation, rest) = text.strip_prefix("pal:g")?.split_once(':')?;
        let (rule, action) = rest.rsplit_once(':')?;
        let allowed = match action {
            "deny" => false,
            "allow" => true,
            _ => return None,
        };
        let named = !rule.is_empty() && rule.len() <= super::record::NAME_CHARS_MAX;
        Some(Prefix { generation: generation.parse().ok().filter(|_| named)?, rule, allowed })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    rule: String,
    generation: u32,
    allowed: bool,
    peer: IpAddr,
    protocol: u8,
    port: Option<u16>,
    direction: Direction,
    interface: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    packets: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Packets since the last record.
#[derive(Debug, Default)]
pub struct Gathered {
    rows: HashMap<Key, Seen>,
    ports: HashMap<(String, IpAddr), HashSet<u16>>,
    more: u64,
    lost: u64,
    since: Option<Timestamp>,
}

impl Gathered {
    /// Takes a packet up that came at `now`. False if its prefix is not ours.
    pub fn add(&mut self, logged: &Packet, now: Timestamp) -> bool {
        let Some(prefix) = Prefix::parse(&logged.prefix) else { return false };
        self.since.get_or_insert(now);
        let Some(mut key) = key(&prefix, logged) else {
            self.more += 1; // no IP
            return true;
        };
        if let Some(port) = key.port
            && !self.port_fits(&key.rule, key.peer, port)
        {
            key.port = None;
        }
        let fits = self.rows.len() < ROWS_MAX;
        match self.rows.get_mut(&key) {
            Some(seen) => (seen.packets, seen.last) = (seen.packets + 1, now),
            None if fits => drop(self.rows.insert(key, Seen { packets: 1, first: now, last: now })),
            None => self.more += 1,
        }
        true
    }

    /// Packets that were lost before anybody saw them.
    pub fn add_lost(&mut self, packets: u64, now: Timestamp) {
        if packets > 0 {
            self.since.get_or_insert(now);
            self.lost = self.lost.saturating_add(packets);
        }
    }

    /// The record, when one is due; `name` gives the names of interfaces.
    pub fn flush(&mut self, now: Timestamp, name: &dyn Fn(u32) -> Option<String>) -> Option<Logged> {
        let since = self.since?;
        let age_s = now.as_second().saturating_sub(since.as_second());
        if (0..FLUSH_EVERY_S).contains(&age_s) {
            return None;
        }
        let Gathered { rows, more, lost, .. } = std::mem::take(self);
        let mut rows: Vec<LoggedRow> = rows.into_iter().map(|(key, seen)| row(key, seen, name)).collect();
        rows.sort_by(|a, b| (a.first, &a.rule, a.peer, a.port).cmp(&(b.first, &b.rule, b.peer, b.port)));
        Some(Logged { rows, more, lost })
    }

    fn port_fits(&mut self, rule: &str, peer: IpAddr, port: u16) -> bool {
        if self.ports.len() >= ROWS_MAX && !self.ports.contains_key(&(rule.to_owned(), peer)) {
            return true; // beyond the rows anyway
        }
        let ports = self.ports.entry((rule.to_owned(), peer)).or_default();
        ports.contains(&port) || (ports.len() < PORTS_PER_PEER_MAX && ports.insert(port))
    }
}

/// Of an answer source and destination are the other way round than in the packet that began the
/// conversation, which is what a rule is about.
fn key(prefix: &Prefix<'_>, logged: &Packet) -> Option<Key> {
    let packet = logged.packet?;
    let outgoing = logged.hook.outgoing();
    let direction = if outgoing != logged.reply { Direction::Out } else { Direction::In };
    let port = match packet.transport {
        Transport::Ports { source, destination } => Some(if logged.reply { source } else { destination }),
        Transport::Icmp { kind, .. } => Some(u16::from(kind)),
        Transport::Other => None,
    };
    Some(Key {
        rule: prefix.rule.to_owned(),
        generation: prefix.generation,
        allowed: prefix.allowed,
        peer: if outgoing { packet.destination } else { packet.source },
        protocol: packet.protocol,
        port,
        direction,
        interface: if outgoing { logged.interface_out } else { logged.interface_in },
    })
}

fn row(key: Key, seen: Seen, name: &dyn Fn(u32) -> Option<String>) -> LoggedRow {
    LoggedRow {
        rule: cut(&key.rule),
        generation: key.generation,
        allowed: key.allowed,
        peer: key.peer,
        protocol: protocol_name(key.protocol),
        port: key.port,
        direction: key.direction,
        interface: key.interface.and_then(name),
        packets: seen.packets,
        first: seen.first,
        last: seen.last,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use palisade_sys::nflog::{Hook, Packet as Headers};
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn packet(peer: [u8; 4], port: u16, hook: Hook, reply: bool) -> Packet {
        let (host, peer) = (IpAddr::from([10, 99, 0, 1]), IpAddr::from(peer));
        let (source, destination) = if hook.outgoing() { (host, peer) } else { (peer, host) };
        let (from, to) = if reply { (port, 40_000) } else { (40_000, port) };
        let transport = Transport::Ports { source: from, destination: to };
        Packet {
            prefix: "pal:g7:web/ssh:deny".to_owned(),
            hook,
            interface_in: Some(3).filter(|_| !hook.outgoing()),
            interface_out: Some(4).filter(|_| hook.outgoing()),
            at_us: None,
            reply,
            number: Some(0),
            packet: Some(Headers { source, destination, protocol: 6, transport, length_bytes: 60 }),
        }
    }

    fn flushed(gathered: &mut Gathered, now: i64) -> Option<Logged> {
        gathered.flush(at(now), &|index| Some(format!("eth{index}")))
    }

    #[test]
    fn packets_that_are_alike_become_one_row_after_five_seconds() {
        let mut gathered = Gathered::default();
        for second in [10, 11, 12] {
            assert!(gathered.add(&packet([203, 0, 113, 9], 22, Hook::Prerouting, false), at(second)));
        }
        assert_eq!(flushed(&mut gathered, 14), None);
        let told = flushed(&mut gathered, 15).unwrap();
        assert_eq!((told.rows.len(), told.more, told.lost), (1, 0, 0));
        let row = &told.rows[0];
        assert_eq!((row.rule.as_str(), row.generation, row.packets), ("web/ssh", 7, 3));
        assert_eq!((row.peer.to_string().as_str(), row.protocol.as_str(), row.port), ("203.0.113.9", "tcp", Some(22)));
        assert_eq!((row.direction, row.interface.as_deref()), (Direction::In, Some("eth3")));
        assert_eq!((row.first, row.last), (at(10), at(12)));
        assert_eq!(flushed(&mut gathered, 30), None, "nothing has come since");
    }

    #[test]
    fn an_answer_is_told_as_the_conversation_that_it_belongs_to() {
        let told = |hook, reply| {
            let mut gathered = Gathered::default();
            gathered.add(&packet([203, 0, 113, 9], 443, hook, reply), at(0));
            let row = flushed(&mut gathered, 9).unwrap().rows.remove(0);
            (row.direction, row.peer.to_string(), row.port)
        };
        let peer = "203.0.113.9".to_owned();
        assert_eq!(told(Hook::Prerouting, false), (Direction::In, peer.clone(), Some(443)));
        assert_eq!(told(Hook::Prerouting, true), (Direction::Out, peer.clone(), Some(443)));
        assert_eq!(told(Hook::Output, false), (Direction::Out, peer.clone(), Some(443)));
        assert_eq!(told(Hook::Output, true), (Direction::In, peer, Some(443)));
    }

    #[test]
    fn a_scan_of_all_ports_leaves_room_for_others() {
        let mut gathered = Gathered::default();
        for port in 1..=65_535 {
            gathered.add(&packet([203, 0, 113, 9], port, Hook::Prerouting, false), at(1));
        }
        gathered.add(&packet([198, 51, 100, 7], 22, Hook::Prerouting, false), at(2));
        let told = flushed(&mut gathered, 9).unwrap();
        assert_eq!((told.rows.len(), told.more), (PORTS_PER_PEER_MAX + 2, 0));
        let of = |peer: &str| told.rows.iter().filter(|r| r.peer.to_string() == peer).map(|r| r.packets).sum::<u64>();
        assert_eq!((of("203.0.113.9"), of("198.51.100.7")), (65_535, 1));
    }

    #[test]
    fn a_flood_from_everywhere_is_counted_and_bounded() {
        let mut gathered = Gathered::default();
        for n in 0..100_000u32 {
            gathered.add(&packet(n.to_be_bytes(), 22, Hook::Input, false), at(1));
        }
        gathered.add_lost(5, at(1));
        assert!(gathered.ports.len() <= ROWS_MAX);
        let told = flushed(&mut gathered, 9).unwrap();
        assert_eq!((told.rows.len(), told.more, told.lost), (ROWS_MAX, 100_000 - ROWS_MAX as u64, 5));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_hold_a_record_back() {
        let mut gathered = Gathered::default();
        gathered.add(&packet([203, 0, 113, 9], 22, Hook::Input, false), at(1_000));
        assert!(flushed(&mut gathered, 10).is_some());
    }

    #[test]
    fn prefixes_of_others_are_not_ours() {
        let ours = Prefix { generation: 65_535, rule: "default/in", allowed: false };
        assert_eq!(Prefix::parse("pal:g65535:default/in:deny"), Some(ours));
        assert!(Prefix::parse("pal:g1:a/b:allow").unwrap().allowed);
        for other in ["", "ufw block", "pal:g:x:deny", "pal:g1:deny", "pal:g1::deny", "pal:g1:x:drop", "pal:g-1:x:deny"]
        {
            assert_eq!(Prefix::parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_packet_is_forgotten(list in prop::collection::vec((any::<[u8; 4]>(), any::<u16>(), any::<bool>()), 0..600)) {
            let mut gathered = Gathered::default();
            for (peer, port, reply) in &list {
                gathered.add(&packet(*peer, *port, Hook::Prerouting, *reply), at(1));
            }
            let told = flushed(&mut gathered, 9).unwrap_or_default();
            prop_assert!(told.rows.len() <= ROWS_MAX);
            prop_assert_eq!(told.rows.iter().map(|r| r.packets).sum::<u64>() + told.more, list.len() as u64);
        }

        #[test]
        fn a_prefix_of_any_text_never_panics(text in ".{0,200}") {
            let _ = Prefix::parse(&text);
        }
    }
}
