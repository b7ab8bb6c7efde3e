//! Changing nf_tables: a batch is built in memory, then committed as one transaction.

use super::monitor::OwnPort;
use super::wire::*;
use super::{Chain, Element, Entry, Expr, Family, Set, SetKey, TableName};
use crate::SysError;
use crate::netlink::{Buffer, Socket, messages};
use std::io;
use std::time::Instant;

/// Elements per message: their list is one attribute of at most 65,535 bytes, and an IPv6 element
/// with its timeout takes 48.
const ELEMENTS_PER_MESSAGE: usize = 1_000;
/// The same for elements that name a chain, which take up to 240.
const ENTRIES_PER_MESSAGE: usize = 250;
const FLAG_REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const FLAG_CREATE: u16 = FLAG_REQUEST | libc::NLM_F_CREATE as u16;
const FLAG_APPEND: u16 = FLAG_CREATE | libc::NLM_F_APPEND as u16;
const FLAG_ACK: u16 = libc::NLM_F_ACK as u16;

/// Changes that are made together or not at all. Building one touches nothing.
#[derive(Debug)]
pub struct Batch {
    out: Buffer,
    /// What each message does, by its sequence number (the first is 1).
    labels: Vec<String>,
    last_offset: usize,
    /// When timeouts begin to count.
    counted_from: Instant,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    /// An empty one.
    pub fn new() -> Batch {
        let mut out = Buffer::default();
        // the subsystem's number stands where other messages have a resource id
        out.message(BATCH_BEGIN, FLAG_REQUEST, 0, |out| out.raw(&header(0, SUBSYSTEM >> 8)));
        Batch { out, labels: Vec::new(), last_offset: 0, counted_from: Instant::now() }
    }

    /// Timeouts count from `moment`, else from when the batch was begun: what it takes until the kernel
    /// has it is taken off, so that an element of a batch of a hundred thousand ends when it should.
    pub fn count_from(&mut self, moment: Instant) {
        self.counted_from = moment;
    }

    /// True if it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes so far.
    pub fn len_bytes(&self) -> usize {
        self.out.len()
    }

    /// Makes a table; nothing happens if it is there.
    pub fn add_table(&mut self, table: &TableName) {
        self.message(NEW_TABLE, FLAG_CREATE, table, "adding the table", |out| out.text(TABLE_NAME, &table.name));
    }

    /// Makes a table with these flags, or takes up one that persists without an owner.
    pub fn add_table_with(&mut self, table: &TableName, flags: u32) {
        self.message(NEW_TABLE, FLAG_CREATE, table, "adding the table", |out| {
            out.text(TABLE_NAME, &table.name);
            out.u32_be(TABLE_FLAGS, flags);
        });
    }

    /// Refuses the whole batch if the ruleset has another generation when it arrives. Must come first.
    pub fn expect_generation(&mut self, generation: u32) {
        if !self.labels.is_empty() {
            return;
        }
        self.out = Buffer::default();
        self.out.message(BATCH_BEGIN, FLAG_REQUEST, 0, |out| {
            out.raw(&header(0, SUBSYSTEM >> 8));
            out.u32_be(BATCH_GENERATION, generation);
        });
    }

    /// Deletes a table with all that is in it.
    pub fn delete_table(&mut self, table: &TableName) {
        self.message(DEL_TABLE, FLAG_REQUEST, table, "deleting the table", |out| out.text(TABLE_NAME, &table.name));
    }

    /// Makes a chain.
    pub fn add_chain(&mut self, chain: &Chain) {
        self.message(NEW_CHAIN, FLAG_CREATE, &chain.table, &format!("adding chain `{}`", chain.name), |out| {
            out.text(CHAIN_TABLE, &chain.table.name);
            out.text(CHAIN_NAME, &chain.name);
            let Some(base) = &chain.base else { return };
            out.nest(CHAIN_HOOK, |out| {
                out.u32_be(HOOK_NUMBER, base.hook);
                out.u32_be(HOOK_PRIORITY, base.priority.cast_unsigned());
            });
            out.u32_be(CHAIN_POLICY, u32::from(base.accepts));
            out.text(CHAIN_TYPE, &base.kind);
        });
    }

    /// Makes a set; [`Set::flags_other`] is not written.
    pub fn add_set(&mut self, set: &Set) {
        let (key_type, key_bytes) = match set.key {
            SetKey::Ipv4 => (KEY_TYPE_IPV4, 4),
            SetKey::Ipv6 => (KEY_TYPE_IPV6, 16),
            SetKey::Port => (KEY_TYPE_PORT, 2),
            SetKey::Family => (KEY_TYPE_FAMILY, 1),
            SetKey::Mark => (KEY_TYPE_MARK, 4),
            SetKey::Other(number) => (number, 0),
        };
        let map = if set.verdicts { SET_FLAG_MAP } else { 0 };
        let interval = if set.interval { SET_FLAG_INTERVAL } else { 0 };
        let timeout = if set.timeout { SET_FLAG_TIMEOUT } else { 0 };
        let id = self.labels.len() as u32 + 1; // unique in the transaction, which is all that it must be
        self.message(NEW_SET, FLAG_CREATE, &set.table, &format!("adding set `{}`", set.name), |out| {
            out.text(SET_TABLE, &set.table.name);
            out.text(SET_NAME, &set.name);
            out.u32_be(SET_FLAGS, interval | timeout | map);
            out.u32_be(SET_KEY_TYPE, key_type);
            out.u32_be(SET_KEY_LEN, key_bytes);
            if set.verdicts {
                out.u32_be(SET_DATA_TYPE, DATA_TYPE_VERDICT);
            }
            out.u32_be(SET_ID, id);
            if let Some(size_max) = set.size_max {
                out.nest(SET_DESC, |out| out.u32_be(SET_DESC_SIZE, size_max));
            }
        });
    }

    /// Appends a rule to a chain.
    pub fn add_rule(&mut self, table: &TableName, chain: &str, exprs: &[Expr]) {
        self.message(NEW_RULE, FLAG_APPEND, table, &format!("adding a rule to chain `{chain}`"), |out| {
            out.text(RULE_TABLE, &table.name);
            out.text(RULE_CHAIN, chain);
            out.nest(RULE_EXPRESSIONS, |out| exprs.iter().for_each(|e| e.write(out)));
        });
    }

    /// Takes all rules out of a chain.
    pub fn flush_chain(&mut self, table: &TableName, chain: &str) {
        self.message(DEL_RULE, FLAG_REQUEST, table, &format!("emptying chain `{chain}`"), |out| {
            out.text(RULE_TABLE, &table.name);
            out.text(RULE_CHAIN, chain);
        });
    }

    /// Deletes a chain that is empty and that nothing names.
    pub fn delete_chain(&mut self, table: &TableName, chain: &str) {
        self.message(DEL_CHAIN, FLAG_REQUEST, table, &format!("deleting chain `{chain}`"), |out| {
            out.text(CHAIN_TABLE, &table.name);
            out.text(CHAIN_NAME, chain);
        });
    }

    /// Deletes a set or map that no rule names.
    pub fn delete_set(&mut self, table: &TableName, set: &str) {
        self.message(DEL_SET, FLAG_REQUEST, table, &format!("deleting set `{set}`"), |out| {
            out.text(SET_TABLE, &table.name);
            out.text(SET_NAME, set);
        });
    }

    /// Makes a named counter that stands at zero.
    pub fn add_counter(&mut self, table: &TableName, name: &str) {
        self.message(NEW_OBJECT, FLAG_CREATE, table, &format!("adding counter `{name}`"), |out| {
            out.text(OBJECT_TABLE, &table.name);
            out.text(OBJECT_NAME, name);
            out.u32_be(OBJECT_TYPE, OBJECT_TYPE_COUNTER);
            out.nest(OBJECT_DATA, |_| {});
        });
    }

    /// Deletes a named counter that no rule names.
    pub fn delete_counter(&mut self, table: &TableName, name: &str) {
        self.message(DEL_OBJECT, FLAG_REQUEST, table, &format!("deleting counter `{name}`"), |out| {
            out.text(OBJECT_TABLE, &table.name);
            out.text(OBJECT_NAME, name);
            out.u32_be(OBJECT_TYPE, OBJECT_TYPE_COUNTER);
        });
    }

    /// Adds elements of a map, or of a set that is not of addresses.
    pub fn add_entries(&mut self, table: &TableName, set: &str, entries: &[Entry]) {
        self.entries(NEW_ELEMENTS, FLAG_CREATE, "adding", table, set, entries);
    }

    /// Removes elements of a map, or of a set that is not of addresses; one that is not there fails
    /// the whole batch.
    pub fn delete_entries(&mut self, table: &TableName, set: &str, entries: &[Entry]) {
        self.entries(DEL_ELEMENTS, FLAG_REQUEST, "removing", table, set, entries);
    }

    /// Adds elements; one that is there already stays as it is.
    pub fn add_elements(&mut self, table: &TableName, set: &str, elements: &[Element]) {
        self.elements(NEW_ELEMENTS, FLAG_CREATE, "adding", table, set, elements);
    }

    /// Removes elements; one that is not there fails the whole batch. Their timeouts are ignored.
    pub fn delete_elements(&mut self, table: &TableName, set: &str, elements: &[Element]) {
        self.elements(DEL_ELEMENTS, FLAG_REQUEST, "removing", table, set, elements);
    }

    /// Empties a set.
    pub fn flush_set(&mut self, table: &TableName, set: &str) {
        self.message(DEL_ELEMENTS, FLAG_REQUEST, table, &format!("emptying set `{set}`"), |out| {
            out.text(ELEMENTS_TABLE, &table.name);
            out.text(ELEMENTS_SET, set);
        });
    }

    fn elements(&mut self, kind: u16, flags: u16, doing: &str, table: &TableName, set: &str, list: &[Element]) {
        for part in list.chunks(ELEMENTS_PER_MESSAGE) {
            self.message(kind, flags, table, &format!("{doing} {} elements, set `{set}`", part.len()), |out| {
                out.text(ELEMENTS_TABLE, &table.name);
                out.text(ELEMENTS_SET, set);
                out.nest(ELEMENTS_LIST, |out| part.iter().for_each(|e| e.write(out)));
            });
        }
    }

    fn entries(&mut self, kind: u16, flags: u16, doing: &str, table: &TableName, set: &str, list: &[Entry]) {
        for part in list.chunks(ENTRIES_PER_MESSAGE) {
            self.message(kind, flags, table, &format!("{doing} {} elements, map `{set}`", part.len()), |out| {
                out.text(ELEMENTS_TABLE, &table.name);
                out.text(ELEMENTS_SET, set);
                out.nest(ELEMENTS_LIST, |out| part.iter().for_each(|e| e.write(out)));
            });
        }
    }

    fn message(&mut self, kind: u16, flags: u16, table: &TableName, doing: &str, fill: impl FnOnce(&mut Buffer)) {
        self.last_offset = self.out.len();
        self.labels.push(doing.to_owned());
        self.out.message(kind, flags, self.labels.len() as u32, |out| {
            out.raw(&header(table.family.number(), 0));
            fill(out);
        });
    }
}

/// Commits batches in the network namespace in which it was opened. Needs `CAP_NET_ADMIN` there.
#[derive(Debug)]
pub struct Writer {
    socket: Socket,
    own: OwnPort,
}

impl Writer {
    /// Opens one; nothing is changed by that.
    pub fn open() -> Result<Writer, SysError> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        let own = OwnPort::of(&socket)?;
        Ok(Writer { socket, own })
    }

    /// The number of its socket, by which the kernel knows the owner of a table.
    pub fn port(&self) -> u32 {
        self.own.number()
    }

    /// What the kernel would say to the batch: the message that it refuses first, or nothing. Nothing is
    /// changed, because the last message of the transaction deletes a table that is not there.
    pub fn refusal_of(&mut self, mut batch: Batch) -> Result<Option<SysError>, SysError> {
        let nowhere = TableName { family: Family::Inet, name: format!("palisade_nowhere_{}", self.port()) };
        batch.delete_table(&nowhere);
        match self.refused_by(&mut batch)? {
            Some((seq, libc::ENOENT)) if seq as usize == batch.labels.len() => Ok(None),
            Some((seq, code)) => Ok(Some(refusal(&batch.labels, seq, code))),
            None => Ok(None), // somebody has made that very table: it is gone, and it was nobody's
        }
    }

    /// Makes all changes of the batch, or none. The error names the first message that the kernel
    /// refused.
    pub fn commit(&mut self, mut batch: Batch) -> Result<(), SysError> {
        let refused = self.refused_by(&mut batch)?;
        match refused {
            None => Ok(()),
            Some((seq, code)) => Err(refusal(&batch.labels, seq, code)),
        }
    }

    /// Sends it; the sequence and error number of the first message that the kernel refused.
    fn refused_by(&mut self, batch: &mut Batch) -> Result<Option<(u32, i32)>, SysError> {
        let count = batch.labels.len();
        if count == 0 {
            return Ok(None);
        }
        // the kernel reports every failure, and success only where it is asked to: once is enough
        batch.out.flags_add(batch.last_offset, FLAG_ACK);
        let end = count as u32 + 1;
        batch.out.message(BATCH_END, FLAG_REQUEST, end, |out| out.raw(&header(0, SUBSYSTEM >> 8)));
        let late_ms = batch.counted_from.elapsed().as_millis();
        batch.out.late_by(u64::try_from(late_ms).unwrap_or(u64::MAX));
        self.socket.send(batch.out.finished()?)?;
        let refused = self.answers(count as u32);
        if !matches!(refused, Ok(None)) {
            self.socket.drain();
        }
        refused
    }

    /// Reads until the last message was answered; the first refusal as sequence and error number.
    /// A failure with the sequence of the batch's own begin or end ends the transaction as a whole.
    fn answers(&mut self, last: u32) -> Result<Option<(u32, i32)>, SysError> {
        let mut refused = None;
        loop {
            let Some(datagram) = self.socket.receive(true)? else { return Ok(refused) };
            for message in messages(datagram) {
                let Some(code) = message.error() else { continue };
                if code != 0 && refused.is_none() {
                    refused = Some((message.seq, code));
                }
                if message.seq == 0 || message.seq >= last {
                    return Ok(refused);
                }
            }
        }
    }
}

fn refusal(labels: &[String], seq: u32, code: i32) -> SysError {
    let what = (seq as usize).checked_sub(1).and_then(|i| labels.get(i)).map_or("committing", String::as_str);
    let doing = format!("nftables: {what} (message {seq} of {}; nothing was changed)", labels.len());
    SysError::Kernel { doing, source: io::Error::from_raw_os_error(code) }
}
