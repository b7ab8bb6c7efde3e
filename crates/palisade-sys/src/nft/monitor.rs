//! Who changes nf_tables: the kernel's own notices of every transaction, with the process that
//! committed it. Changes by this process's own [`Writer`](super::Writer)s are told apart by the number
//! of their sockets, which the kernel writes into each notice and nobody else can have.

use super::wire::*;
use super::{Family, TableName};
use crate::SysError;
use crate::netlink::{Message, Socket, attribute, messages, text, u32_be};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `NFNLGRP_NFTABLES`.
const GROUP: u32 = 7;
/// Notices that wait to be fetched: those of 100,000 elements in one transaction fit.
const QUEUE_BYTES: i32 = 32 << 20;
/// Tables of one transaction that are named; the rest is counted.
const TABLES_MAX: usize = 64;

/// The numbers of the sockets through which this process changes nf_tables.
static OWN_PORTS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn own_ports() -> MutexGuard<'static, BTreeSet<u32>> {
    OWN_PORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of our own sockets; its number is ours as long as this lives.
#[derive(Debug)]
pub(super) struct OwnPort(u32);

impl OwnPort {
    pub(super) fn of(socket: &Socket) -> Result<OwnPort, SysError> {
        let port = socket.port()?;
        own_ports().insert(port);
        Ok(OwnPort(port))
    }

    pub(super) fn number(&self) -> u32 {
        self.0
    }
}

impl Drop for OwnPort {
    fn drop(&mut self) {
        own_ports().remove(&self.0);
    }
}

/// What happened to one table in a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// The table was made.
    pub made: bool,
    /// The table was deleted.
    pub deleted: bool,
    /// Chains that were made, changed or deleted.
    pub chains: u32,
    /// Rules that were made or deleted.
    pub rules: u32,
    /// Sets, and objects such as counters.
    pub sets: u32,
    /// Elements, as messages; a message holds many.
    pub elements: u32,
}

/// One transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The generation that it made.
    pub generation: u32,
    /// A writer of this process made it.
    pub own: bool,
    /// The process, or rather its thread, as the first pid namespace numbers it; 0 if the kernel does
    /// not say.
    pub pid: u32,
    /// The name of the thread; whoever runs chooses it.
    pub process: String,
    /// What it touched, by table.
    pub tables: BTreeMap<TableName, Touched>,
    /// Notices about more tables than are named.
    pub tables_left_out: u32,
}

/// Follows the changes in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Monitor {
    socket: Socket,
    open: Change,
    overruns: u64,
}

impl Monitor {
    /// Follows from now on. Needs `CAP_NET_ADMIN`.
    pub fn open() -> Result<Monitor, SysError> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        socket.set_receive_queue(QUEUE_BYTES);
        socket.join(GROUP)?;
        Ok(Monitor { socket, open: Change::default(), overruns: 0 })
    }

    /// Hands at most `changes_max` changes that are there to `take`, without waiting for more.
    pub fn drain(&mut self, changes_max: usize, mut take: impl FnMut(Change)) -> Result<(), SysError> {
        let mut taken = 0;
        while taken < changes_max {
            let datagram = match self.socket.receive(false) {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Ok(()),
                Err(error) if error.is_overrun() => {
                    self.overruns += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for message in messages(datagram) {
                if self.open.note(&message) {
                    taken += 1;
                    take(std::mem::take(&mut self.open));
                }
            }
        }
        Ok(())
    }

    /// How often notices were thrown away since the last call because nobody fetched them.
    pub fn take_overruns(&mut self) -> u64 {
        std::mem::take(&mut self.overruns)
    }
}

impl Change {
    /// Takes one notice up; true if it ends the transaction.
    fn note(&mut self, message: &Message<'_>) -> bool {
        let Some((family, body)) = after_header(message.body) else { return false };
        if message.kind & 0xff00 != SUBSYSTEM {
            return false;
        }
        if message.kind == NEW_GENERATION {
            let number = |kind| attribute(body, kind).and_then(u32_be).unwrap_or(0);
            self.generation = number(GENERATION_ID);
            self.pid = number(GENERATION_PID);
            self.process = attribute(body, GENERATION_PROCESS).map(text).unwrap_or_default();
            self.own = message.port != 0 && own_ports().contains(&message.port);
            return true;
        }
        // the table's name is the first attribute of all of them
        let Some(name) = attribute(body, TABLE_NAME).map(text) else { return false };
        let table = TableName { family: Family::from_number(family), name };
        if self.tables.len() >= TABLES_MAX && !self.tables.contains_key(&table) {
            self.tables_left_out = self.tables_left_out.saturating_add(1);
            return false;
        }
        self.tables.entry(table).or_default().note(message.kind & 0xff);
        false
    }
}

impl Touched {
    /// `NFT_MSG_*` without the subsystem.
    fn note(&mut self, kind: u16) {
        let count = match kind {
            0 => return self.made = true,
            2 => return self.deleted = true,
            3 | 5 => &mut self.chains,
            6 | 8 => &mut self.rules,
            12 | 14 => &mut self.elements,
            _ => &mut self.sets,
        };
        *count = count.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Batch, Writer};
    use super::*;
    use palisade_sandbox::{enter_netns, run};
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    const LIMIT: Duration = Duration::from_secs(10);

    fn entered() -> bool {
        let entered = enter_netns().and_then(|()| run("nft", &["list", "ruleset"]).map(|_| ()));
        entered.map_err(|why| println!("skipped: {why}")).is_ok()
    }

    fn changes(monitor: &mut Monitor, count: usize) -> Vec<Change> {
        let (began, mut all) = (Instant::now(), Vec::new());
        while all.len() < count && began.elapsed() < LIMIT {
            monitor.drain(100, |change| all.push(change)).unwrap();
            std::thread::yield_now();
        }
        all
    }

    fn table(name: &str) -> TableName {
        TableName { family: Family::Inet, name: name.to_owned() }
    }

    #[test]
    fn a_foreign_change_says_who_touched_what() {
        if !entered() {
            return;
        }
        let mut monitor = Monitor::open().unwrap();
        let text =
            "add table inet t; add chain inet t c; add rule inet t c accept; add set inet t s { type ipv4_addr; }";
        run("nft", &[text]).unwrap();
        run("nft", &["flush ruleset"]).unwrap();
        let all = changes(&mut monitor, 2);
        assert_eq!((all[0].process.as_str(), all[0].own), ("nft", false));
        assert!(all[0].pid > 0 && all[1].generation == all[0].generation + 1);
        let made = all[0].tables[&table("t")];
        assert_eq!((made.made, made.deleted, made.chains, made.rules, made.sets), (true, false, 1, 1, 1));
        assert!(all[1].tables[&table("t")].deleted);
    }

    #[test]
    fn a_change_of_our_own_is_told_apart() {
        if !entered() {
            return;
        }
        let (mut monitor, mut writer) = (Monitor::open().unwrap(), Writer::open().unwrap());
        let mut batch = Batch::new();
        batch.add_table(&table("ours"));
        writer.commit(batch).unwrap();
        run("nft", &["delete table inet ours"]).unwrap();
        let own: Vec<bool> = changes(&mut monitor, 2).iter().map(|change| change.own).collect();
        assert_eq!(own, [true, false]);
    }

    proptest! {
        #[test]
        fn a_notice_of_any_bytes_never_panics(kind: u16, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut change = Change::default();
            change.note(&Message { kind, flags: 0, seq: 0, port: 1, body: &bytes });
            change.note(&Message { kind: SUBSYSTEM | kind & 0xff, flags: 0, seq: 0, port: 1, body: &bytes });
            prop_assert!(change.tables.len() <= TABLES_MAX);
        }
    }
}
