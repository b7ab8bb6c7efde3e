//! Looking at nf_tables.

use super::wire::*;
use super::{Chain, Element, Entry, Family, Rule, Set, SetKey, Table, TableName, decode, map, set};
use crate::SysError;
use crate::netlink::{Buffer, Message, Socket, attribute, messages, text, u32_be};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

/// The most entries that one listing brings; more are an error, never a silent cut.
pub const ENTRIES_MAX: usize = 4_000_000;
/// How often a listing is begun again when somebody changes the ruleset meanwhile.
const TRIES_MAX: usize = 20;
/// So many elements fit in the smallest part that the kernel sends (a page).
const ELEMENTS_IN_ONE_PART: usize = 32;
const FLAG_REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const FLAG_DUMP: u16 = FLAG_REQUEST | libc::NLM_F_DUMP as u16;
const FLAG_INTERRUPTED: u16 = 0x10; // NLM_F_DUMP_INTR

/// Looks at the nf_tables of the network namespace in which it was opened; cannot change them.
/// Needs `CAP_NET_ADMIN` all the same: the kernel demands it for looking too.
#[derive(Debug)]
pub struct Reader {
    socket: Socket,
    seq: u32,
    /// The moment as of which what elements have left is said.
    counted_from: Option<Instant>,
}

impl Reader {
    /// Opens one.
    pub fn open() -> Result<Reader, SysError> {
        Ok(Reader { socket: Socket::open(libc::NETLINK_NETFILTER)?, seq: 0, counted_from: None })
    }

    /// From now on what elements have left is said as of `moment`, not as of when the kernel tells it:
    /// a listing of a hundred thousand takes its time, and their ends must not move with it.
    pub fn count_from(&mut self, moment: Instant) {
        self.counted_from = Some(moment);
    }

    /// The generation of the ruleset: rises with every change by anybody, not when elements time out.
    pub fn generation(&mut self) -> Result<u32, SysError> {
        let mut found = None;
        self.ask(GET_GENERATION, FLAG_REQUEST, 0, "reading the nftables generation", |_| {}, &mut |message| {
            if message.kind == NEW_GENERATION {
                found = attribute(after_header(message.body)?.1, GENERATION_ID).and_then(u32_be);
            }
            Some(())
        })?;
        found.ok_or_else(|| malformed("reading the nftables generation", "no answer"))
    }

    /// What `read` returns when the ruleset did not change while it ran, with the generation that
    /// it is true for.
    pub fn consistent<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader) -> Result<T, SysError>,
    ) -> Result<(u32, T), SysError> {
        for _ in 0..TRIES_MAX {
            let before = self.generation()?;
            let result = read(self);
            // what was there a moment ago may be gone: an error counts only if nobody changed anything
            if self.generation()? == before && !result.as_ref().is_err_and(interrupted) {
                return result.map(|value| (before, value));
            }
        }
        Err(malformed("listing nftables", &format!("the ruleset changed during each of {TRIES_MAX} tries")))
    }

    /// All tables of all families.
    pub fn tables(&mut self) -> Result<Vec<Table>, SysError> {
        self.list(GET_TABLE, Family::Other(0), "listing nftables tables", |_| {}, decode::table)
    }

    /// All chains of all tables.
    pub fn chains(&mut self) -> Result<Vec<Chain>, SysError> {
        self.list(GET_CHAIN, Family::Other(0), "listing nftables chains", |_| {}, decode::chain)
    }

    /// The rules of one table, in order per chain.
    pub fn rules(&mut self, table: &TableName) -> Result<Vec<Rule>, SysError> {
        let ask = |out: &mut Buffer| out.text(RULE_TABLE, &table.name);
        let mut rules = self.list(GET_RULE, table.family, "listing nftables rules", ask, decode::rule)?;
        rules.retain(|rule| rule.table == *table); // kernels that do not filter send all
        Ok(rules)
    }

    /// All rules of all tables, read by `read`.
    pub(super) fn rules_as<T>(
        &mut self,
        doing: &str,
        read: impl Fn(Family, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, SysError> {
        self.list(GET_RULE, Family::Other(0), doing, |_| {}, read)
    }

    /// How many rules each chain has, in all tables, by table and chain.
    pub fn rule_counts(&mut self) -> Result<BTreeMap<(TableName, String), usize>, SysError> {
        let mut counts = BTreeMap::new();
        let doing = "counting nftables rules";
        self.ask(GET_RULE, FLAG_DUMP, 0, doing, |_| {}, &mut |message| {
            let (family, body) = after_header(message.body)?;
            let name = text(attribute(body, RULE_TABLE)?);
            let table = TableName { family: Family::from_number(family), name };
            *counts.entry((table, text(attribute(body, RULE_CHAIN)?))).or_default() += 1;
            Some(())
        })?;
        Ok(counts)
    }

    /// The sets of one table, the anonymous ones of rules too.
    pub fn sets(&mut self, table: &TableName) -> Result<Vec<Set>, SysError> {
        let ask = |out: &mut Buffer| out.text(SET_TABLE, &table.name);
        self.list(GET_SET, table.family, "listing nftables sets", ask, decode::set_head)
    }

    /// The elements of a set of addresses, sorted.
    ///
    /// The kernel lists a set in parts and only counts how far it came. A hash that grows or shrinks
    /// meanwhile (which it does in the background, up to some tenths of a second after many
    /// elements were added) or elements that time out move the rest, so that a listing repeats some
    /// elements and misses others, with nothing to tell. So a listing of more than one part is read
    /// again until it brings nothing new.
    pub fn elements(&mut self, table: &TableName, set: &str) -> Result<Vec<Element>, SysError> {
        let mut elements = Vec::new();
        for _ in 0..TRIES_MAX {
            let known = elements.len();
            self.list_elements(table, set, &mut elements)?;
            elements.sort_by_key(|e| (e.key, e.end));
            elements.dedup_by_key(|e| (e.key, e.end));
            if elements.len() == known || elements.len() <= ELEMENTS_IN_ONE_PART {
                break;
            }
        }
        Ok(elements)
    }

    /// The elements of a set or map as entries, sorted; those of a hash are read as [`Reader::elements`]
    /// reads them.
    pub fn entries(&mut self, table: &TableName, of: &Set) -> Result<Vec<Entry>, SysError> {
        let mut entries = Vec::new();
        for _ in 0..TRIES_MAX {
            let known = entries.len();
            self.list_entries(table, of, &mut entries)?;
            entries.sort();
            entries.dedup();
            if of.interval || of.timeout || entries.len() == known || entries.len() <= ELEMENTS_IN_ONE_PART {
                break;
            }
        }
        Ok(entries)
    }

    fn list_entries(&mut self, table: &TableName, of: &Set, entries: &mut Vec<Entry>) -> Result<(), SysError> {
        let doing = format!("listing nftables map `{}` of table `{table}`", of.name);
        let mark = of.key == SetKey::Mark;
        let ask = |out: &mut Buffer| {
            out.text(ELEMENTS_TABLE, &table.name);
            out.text(ELEMENTS_SET, &of.name);
        };
        let from = self.counted_from;
        self.ask(GET_ELEMENTS, FLAG_DUMP, table.family.number(), &doing, ask, &mut |message| {
            let list = attribute(after_header(message.body)?.1, ELEMENTS_LIST).unwrap_or_default();
            let late_ms = late_ms(from);
            let as_of = |e: Entry| Entry { expires_ms: e.expires_ms.map(|ms| ms.saturating_add(late_ms)), ..e };
            entries.extend(map::read_list(list, mark).map(as_of));
            (entries.len() <= ENTRIES_MAX).then_some(())
        })
    }

    /// The named counters of one table, with packets and bytes so far.
    pub fn counters(&mut self, table: &TableName) -> Result<Vec<(String, u64, u64)>, SysError> {
        let ask = |out: &mut Buffer| out.text(OBJECT_TABLE, &table.name);
        let counters = self.list(GET_OBJECT, table.family, "listing nftables counters", ask, decode::counter)?;
        Ok(counters.into_iter().flatten().collect())
    }

    /// The element with exactly this key in a hash set, if it is there.
    pub fn element(&mut self, table: &TableName, set: &str, key: IpAddr) -> Result<Option<Element>, SysError> {
        let doing = format!("looking up `{key}` in nftables set `{set}` of table `{table}`");
        let ask = |out: &mut Buffer| {
            out.text(ELEMENTS_TABLE, &table.name);
            out.text(ELEMENTS_SET, set);
            out.nest(ELEMENTS_LIST, |out| Element::address(key, None).write(out));
        };
        let (mut found, from) = (None, self.counted_from);
        let asked = self.ask(GET_ELEMENTS, FLAG_REQUEST, table.family.number(), &doing, ask, &mut |message| {
            let list = attribute(after_header(message.body)?.1, ELEMENTS_LIST)?;
            found = set::read_list(list).next().map(|element| as_of(element, late_ms(from)));
            Some(())
        });
        match asked {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(|()| found),
        }
    }

    fn list_elements(&mut self, table: &TableName, set: &str, elements: &mut Vec<Element>) -> Result<(), SysError> {
        let doing = format!("listing nftables set `{set}` of table `{table}`");
        let ask = |out: &mut Buffer| {
            out.text(ELEMENTS_TABLE, &table.name);
            out.text(ELEMENTS_SET, set);
        };
        let from = self.counted_from;
        self.ask(GET_ELEMENTS, FLAG_DUMP, table.family.number(), &doing, ask, &mut |message| {
            let list = attribute(after_header(message.body)?.1, ELEMENTS_LIST).unwrap_or_default();
            let late_ms = late_ms(from);
            elements.extend(set::read_list(list).map(|element| as_of(element, late_ms)));
            (elements.len() <= ENTRIES_MAX).then_some(())
        })
    }

    pub(super) fn list<T>(
        &mut self,
        kind: u16,
        family: Family,
        doing: &str,
        ask: impl FnOnce(&mut Buffer),
        read: impl Fn(Family, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, SysError> {
        let mut entries = Vec::new();
        self.ask(kind, FLAG_DUMP, family.number(), doing, ask, &mut |message| {
            let (family, body) = after_header(message.body)?;
            entries.push(read(Family::from_number(family), body)?);
            (entries.len() <= ENTRIES_MAX).then_some(())
        })?;
        Ok(entries)
    }

    /// Sends one request and hands its answers to `take`, which returns `None` to give up on an
    /// answer that makes no sense or is one too many.
    fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        doing: &str,
        fill: impl FnOnce(&mut Buffer),
        take: &mut dyn FnMut(Message<'_>) -> Option<()>,
    ) -> Result<(), SysError> {
        self.seq = self.seq.wrapping_add(1);
        let mut out = Buffer::default();
        out.message(kind, flags, self.seq, |out| {
            out.raw(&header(family, 0));
            fill(out);
        });
        self.socket.send(out.finished()?)?;
        let answer = self.answers(flags, doing, take);
        if answer.is_err() {
            self.socket.drain();
        }
        answer
    }

    fn answers(
        &mut self,
        flags: u16,
        doing: &str,
        take: &mut dyn FnMut(Message<'_>) -> Option<()>,
    ) -> Result<(), SysError> {
        let dump = flags == FLAG_DUMP;
        let mut torn = false;
        loop {
            let Some(datagram) = self.socket.receive(true)? else { return Ok(()) };
            for message in messages(datagram).filter(|m| m.seq == self.seq) {
                torn |= dump && message.flags & FLAG_INTERRUPTED != 0;
                match message.error() {
                    Some(0) if torn => return Err(kernel(doing, libc::EINTR)),
                    Some(0) => return Ok(()),
                    Some(code) => return Err(kernel(doing, code)),
                    None => {
                        take(message).ok_or_else(|| malformed(doing, "an answer that makes no sense, or too many"))?
                    }
                }
                if !dump {
                    return Ok(());
                }
            }
        }
    }
}

fn late_ms(from: Option<Instant>) -> u64 {
    let late_ms = from.map_or(0, |moment| moment.elapsed().as_millis());
    u64::try_from(late_ms).unwrap_or(u64::MAX)
}

fn as_of(element: Element, late_ms: u64) -> Element {
    Element { expires_ms: element.expires_ms.map(|ms| ms.saturating_add(late_ms)), ..element }
}

fn interrupted(error: &SysError) -> bool {
    matches!(error, SysError::Kernel { source, .. } if source.raw_os_error() == Some(libc::EINTR))
}

fn kernel(doing: &str, code: i32) -> SysError {
    SysError::Kernel { doing: doing.to_owned(), source: io::Error::from_raw_os_error(code) }
}

fn malformed(what: &str, message: &str) -> SysError {
    SysError::Malformed { what: what.to_owned(), message: message.to_owned() }
}
