//! Ports that the kernel sends on before any socket is asked: rules of nat at prerouting, of whatever
//! tool, as nf_tables has them. Rules that `iptables-nft` has written carry their matches and targets as
//! structures of x_tables (linux/netfilter/x_tables.h), which are read as far as they name ports.
//!
//! A rule is followed from the base chain through jumps; what was asked on the way holds on. Sources,
//! interfaces and marks are not looked at: a port that is forwarded for some is said to be forwarded.
//! Chains that a map names (`vmap`) are not followed.

use super::wire::*;
use super::{Chain, Family, HOOK_PREROUTING, Reader, TableName};
use crate::SysError;
use crate::netlink::{attribute, attributes, text, u32_be};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// More published ports than this are not listed.
pub const PUBLISHED_MAX: usize = 4_096;
/// Chains that are walked through at most, each time that it is jumped to.
const VISITS_MAX: usize = 20_000;
/// Jumps inside of each other at most; the kernel's own limit is 16 (`NFT_JUMP_STACK_SIZE`).
const DEPTH_MAX: usize = 16;
/// Elements of an unnamed set of ports that are read at most.
const SET_PORTS_MAX: usize = 256;

/// Ports that are sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The table of the rule.
    pub table: TableName,
    /// The chain of the rule.
    pub chain: String,
    /// UDP; else TCP.
    pub udp: bool,
    /// First and last port.
    pub ports: (u16, u16),
    /// Only packets to this address.
    pub address: Option<IpAddr>,
    /// The address that they are sent to; none for a redirect to the host itself.
    pub to: Option<IpAddr>,
    /// The port that they are sent to; the same one if absent.
    pub to_port: Option<u16>,
}

impl Reader {
    /// All ports that rules of nat at prerouting send on, up to [`PUBLISHED_MAX`].
    pub fn published(&mut self) -> Result<Vec<Published>, SysError> {
        let chains = self.chains()?;
        let mut all = Vec::new();
        let starts = |c: &&Chain| c.base.as_ref().is_some_and(|b| b.kind == "nat" && b.hook == HOOK_PREROUTING);
        let mut tables: Vec<&TableName> = chains.iter().filter(starts).map(|c| &c.table).collect();
        tables.dedup();
        for table in tables {
            let ask = |out: &mut crate::netlink::Buffer| out.text(RULE_TABLE, &table.name);
            let mut rules = self.list(GET_RULE, table.family, "listing nat rules", ask, raw_rule)?;
            rules.retain(|rule| rule.table == *table);
            let sets = self.port_sets(table, &rules)?;
            let mut walk = Walk { table, chains: by_chain(&rules, &sets), visits: 0, found: Vec::new() };
            for base in chains.iter().filter(starts).filter(|c| c.table == *table) {
                walk.chain(&base.name, &Asked::default(), 0);
            }
            all.append(&mut walk.found);
        }
        all.truncate(PUBLISHED_MAX);
        Ok(all)
    }

    /// The ports of the sets that rules look a port up in.
    fn port_sets(
        &mut self,
        table: &TableName,
        rules: &[RawRule],
    ) -> Result<HashMap<String, Vec<(u16, u16)>>, SysError> {
        let looks_port_up = |pair: &[(String, Vec<u8>)]| match pair {
            [(load, of), (lookup, set)] if load == "payload" && lookup == "lookup" => {
                (loaded_payload(of) == Loaded::Port).then(|| attribute(set, 1).map(text)).flatten()
            }
            _ => None,
        };
        let names: BTreeSet<String> = rules.iter().flat_map(|r| r.exprs.windows(2).filter_map(looks_port_up)).collect();
        let mut sets = HashMap::new();
        for set in names {
            let ports = self.port_elements(table, &set)?;
            sets.insert(set, ports);
        }
        Ok(sets)
    }

    fn port_elements(&mut self, table: &TableName, set: &str) -> Result<Vec<(u16, u16)>, SysError> {
        let ask = |out: &mut crate::netlink::Buffer| {
            out.text(ELEMENTS_TABLE, &table.name);
            out.text(ELEMENTS_SET, set);
        };
        let read = |_: Family, body: &[u8]| Some(port_list(attribute(body, ELEMENTS_LIST).unwrap_or_default()));
        let parts = self.list(GET_ELEMENTS, table.family, "listing a set of ports", ask, read)?;
        let mut edges: Vec<(u16, bool)> = parts.into_iter().flatten().take(SET_PORTS_MAX).collect();
        edges.sort_unstable_by_key(|(port, end)| (*port, !*end));
        Ok(ranges_of(&edges))
    }
}

/// Elements with a key of two bytes: the port, and whether an interval ends before it.
fn port_list(list: &[u8]) -> Vec<(u16, bool)> {
    let elements = attributes(list).filter(|(kind, _)| *kind == LIST_ELEM);
    let ports = elements.filter_map(|(_, element)| {
        let key = attribute(attribute(element, ELEM_KEY)?, DATA_VALUE)?;
        let flags = attribute(element, ELEM_FLAGS).and_then(u32_be).unwrap_or(0);
        Some((port(key)?, flags & ELEM_FLAG_END != 0))
    });
    ports.collect()
}

/// Without ends each is a port of its own; else from each beginning to the end that follows.
fn ranges_of(edges: &[(u16, bool)]) -> Vec<(u16, u16)> {
    if edges.iter().all(|(_, end)| !end) {
        return edges.iter().map(|(port, _)| (*port, *port)).collect();
    }
    let begins = edges.iter().enumerate().filter(|(_, (_, end))| !end);
    begins
        .map(|(place, (first, _))| {
            let next = edges[place + 1..].iter().find(|(_, end)| *end).map(|(port, _)| *port);
            (*first, next.map_or(u16::MAX, |next| next.saturating_sub(1).max(*first)))
        })
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct RawRule {
    table: TableName,
    chain: String,
    exprs: Vec<(String, Vec<u8>)>,
}

fn raw_rule(family: Family, body: &[u8]) -> Option<RawRule> {
    let list = attribute(body, RULE_EXPRESSIONS).unwrap_or_default();
    let exprs = attributes(list).filter(|(kind, _)| *kind == LIST_ELEM).map(|(_, value)| {
        let name = attribute(value, EXPR_NAME).map(text).unwrap_or_default();
        (name, attribute(value, EXPR_DATA).unwrap_or_default().to_vec())
    });
    let table = TableName { family, name: text(attribute(body, RULE_TABLE)?) };
    Some(RawRule { table, chain: text(attribute(body, RULE_CHAIN)?), exprs: exprs.collect() })
}

/// What a rule asks for, as far as it is understood here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Asked {
    protocol: Option<u8>,
    ports: Option<Vec<(u16, u16)>>,
    address: Option<IpAddr>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    Jump(String),
    Sends { to: Option<IpAddr>, to_port: Option<u16> },
}

type Chains<'a> = BTreeMap<&'a str, Vec<(Asked, Does)>>;

fn by_chain<'a>(rules: &'a [RawRule], sets: &HashMap<String, Vec<(u16, u16)>>) -> Chains<'a> {
    let mut chains = Chains::new();
    for rule in rules {
        if let Some(read) = read(&rule.exprs, sets) {
            chains.entry(&rule.chain).or_default().push(read);
        }
    }
    chains
}

struct Walk<'a> {
    table: &'a TableName,
    chains: Chains<'a>,
    visits: usize,
    found: Vec<Published>,
}

impl Walk<'_> {
    fn chain(&mut self, name: &str, before: &Asked, depth: usize) {
        self.visits += 1;
        if self.visits > VISITS_MAX || depth > DEPTH_MAX || self.found.len() >= PUBLISHED_MAX {
            return;
        }
        let rules = self.chains.get(name).cloned().unwrap_or_default();
        for (asked, does) in rules {
            let Some(asked) = before.and(&asked) else { continue };
            match does {
                Does::Jump(chain) => self.chain(&chain, &asked, depth + 1),
                Does::Sends { to, to_port } => self.sends(name, &asked, to, to_port),
            }
        }
    }

    /// A rule without ports sends all of them on; one without a protocol both.
    fn sends(&mut self, chain: &str, asked: &Asked, to: Option<IpAddr>, to_port: Option<u16>) {
        let both = [libc::IPPROTO_TCP as u8, libc::IPPROTO_UDP as u8];
        for number in both.into_iter().filter(|n| asked.protocol.is_none_or(|p| p == *n)) {
            for ports in asked.ports.clone().unwrap_or_else(|| vec![(0, u16::MAX)]) {
                let (table, chain, udp) = (self.table.clone(), chain.to_owned(), number == both[1]);
                self.found.push(Published { table, chain, udp, ports, address: asked.address, to, to_port });
            }
        }
    }
}

impl Asked {
    /// What both ask for; `None` if no packet can be both.
    fn and(&self, next: &Asked) -> Option<Asked> {
        if self.protocol.is_some() && next.protocol.is_some() && self.protocol != next.protocol {
            return None;
        }
        let ports = match (&self.ports, &next.ports) {
            (Some(a), Some(b)) => {
                let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x.0.max(y.0), x.1.min(y.1))));
                Some(pairs.filter(|(first, last)| first <= last).take(SET_PORTS_MAX).collect::<Vec<_>>())
            }
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        if ports.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        Some(Asked { protocol: self.protocol.or(next.protocol), ports, address: self.address.or(next.address) })
    }
}

/// What was loaded into a register.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Loaded {
    Protocol,
    Port,
    Destination,
    Value(Vec<u8>),
    Unknown,
}

/// What a rule asks and does; `None` if it does nothing that matters here.
fn read(exprs: &[(String, Vec<u8>)], sets: &HashMap<String, Vec<(u16, u16)>>) -> Option<(Asked, Does)> {
    let (mut asked, mut registers) = (Asked::default(), HashMap::<u32, Loaded>::new());
    for (name, data) in exprs {
        let number = |kind| attribute(data, kind).and_then(u32_be);
        match name.as_str() {
            "meta" => _ = registers.insert(number(1).unwrap_or(0), loaded_meta(number(2))),
            "payload" => _ = registers.insert(number(1).unwrap_or(0), loaded_payload(data)),
            "cmp" => compare(&mut asked, registers.get(&number(1)?), number(2), value(data, 3)),
            "range" => between(&mut asked, registers.get(&number(1)?), number(2), value(data, 3), value(data, 4)),
            "lookup" if registers.get(&number(2)?) == Some(&Loaded::Port) && number(5).unwrap_or(0) == 0 => {
                asked.ports = sets.get(&text(attribute(data, 1)?)).cloned().filter(|ports| !ports.is_empty());
            }
            "bitwise" | "ct" | "fib" | "rt" | "hash" | "numgen" => {
                let register = if name == "bitwise" { number(2) } else { number(1) };
                registers.insert(register.unwrap_or(0), Loaded::Unknown);
            }
            "immediate" if number(1) == Some(0) => {
                let verdict = attribute(attribute(data, 2)?, DATA_VERDICT)?;
                return Some((asked, Does::Jump(text(attribute(verdict, 2)?))));
            }
            "immediate" => _ = registers.insert(number(1)?, Loaded::Value(value(data, 2)?.to_vec())),
            "nat" if number(1) == Some(1) => {
                let held = |kind| held(&registers, number(kind));
                let sends = Does::Sends { to: held(3).and_then(address), to_port: held(5).and_then(port) };
                return Some((asked, sends));
            }
            "redir" => {
                let to_port = held(&registers, number(1)).and_then(port);
                return Some((asked, Does::Sends { to: None, to_port }));
            }
            "match" => xt_match(&mut asked, data),
            "target" => return xt_target(data).map(|does| (asked, does)),
            _ => {}
        }
    }
    None
}

fn value(data: &[u8], kind: u16) -> Option<&[u8]> {
    attribute(attribute(data, kind)?, DATA_VALUE)
}

fn held(registers: &HashMap<u32, Loaded>, register: Option<u32>) -> Option<&[u8]> {
    match registers.get(&register?)? {
        Loaded::Value(bytes) => Some(bytes),
        _ => None,
    }
}

/// `meta l4proto`.
fn loaded_meta(key: Option<u32>) -> Loaded {
    const META_L4PROTO: u32 = 16;
    if key == Some(META_L4PROTO) { Loaded::Protocol } else { Loaded::Unknown }
}

/// The protocol and the destination of the headers of IPv4 (RFC 791) and IPv6 (RFC 8200), and the
/// destination port of TCP and UDP.
fn loaded_payload(data: &[u8]) -> Loaded {
    let number = |kind| attribute(data, kind).and_then(u32_be).unwrap_or(u32::MAX);
    match (number(2), number(3), number(4)) {
        (1, 9, 1) | (1, 6, 1) => Loaded::Protocol,
        (1, 16, 4) | (1, 24, 16) => Loaded::Destination,
        (2, 2, 2) => Loaded::Port,
        _ => Loaded::Unknown,
    }
}

fn compare(asked: &mut Asked, with: Option<&Loaded>, how: Option<u32>, value: Option<&[u8]>) {
    const EQUAL: u32 = 0;
    const AT_MOST: u32 = 3;
    const AT_LEAST: u32 = 5;
    let (Some(how), Some(value)) = (how, value) else { return };
    match (with, how) {
        (Some(Loaded::Protocol), EQUAL) => asked.protocol = value.first().copied(),
        (Some(Loaded::Destination), EQUAL) => asked.address = address(value),
        (Some(Loaded::Port), _) => {
            let Some(number) = port(value) else { return };
            let range = match how {
                EQUAL => (number, number),
                AT_MOST => (0, number),
                AT_LEAST => (number, u16::MAX),
                _ => return,
            };
            if let Some(narrowed) = asked.and(&Asked { ports: Some(vec![range]), ..Asked::default() }) {
                asked.ports = narrowed.ports;
            }
        }
        _ => {}
    }
}

fn between(asked: &mut Asked, with: Option<&Loaded>, how: Option<u32>, from: Option<&[u8]>, to: Option<&[u8]>) {
    if let (Some(Loaded::Port), Some(0), Some(first), Some(last)) = (with, how, from.and_then(port), to.and_then(port))
    {
        asked.ports = Some(vec![(first, last)]);
    }
}

fn port(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk::<2>().filter(|_| bytes.len() <= 4).map(|b| u16::from_be_bytes(*b))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk::<16>()?))),
        _ => None,
    }
}

/// `NFTA_MATCH_NAME` and `NFTA_MATCH_INFO`; the same numbers for targets.
const XT_NAME: u16 = 1;
const XT_REVISION: u16 = 2;
const XT_INFO: u16 = 3;

/// A number of x_tables, which has the byte order of the machine.
fn native(info: &[u8], offset: usize) -> Option<u16> {
    info.get(offset..offset + 2)?.first_chunk::<2>().map(|b| u16::from_ne_bytes(*b))
}

/// `struct xt_tcp` and `struct xt_udp` begin with first and last source and destination port;
/// `struct xt_multiport_v1` has a kind (1 destination, 2 either), a count, and 15 ports of which one may
/// be marked as the first of a range.
fn xt_match(asked: &mut Asked, data: &[u8]) {
    let info = attribute(data, XT_INFO).unwrap_or_default();
    let ports = match attribute(data, XT_NAME).map(text).as_deref() {
        Some("tcp") if info.get(11).is_none_or(|inverted| inverted & 2 == 0) => destination(info),
        Some("udp") if info.get(8).is_none_or(|inverted| inverted & 2 == 0) => destination(info),
        Some("multiport") if info.first() == Some(&1) || info.first() == Some(&2) => multiport(info),
        _ => None,
    };
    if let Some(narrowed) = ports.and_then(|ports| asked.and(&Asked { ports: Some(ports), ..Asked::default() })) {
        asked.ports = narrowed.ports;
    }
}

fn destination(info: &[u8]) -> Option<Vec<(u16, u16)>> {
    Some(vec![(native(info, 4)?, native(info, 6)?)])
}

fn multiport(info: &[u8]) -> Option<Vec<(u16, u16)>> {
    const PORTS: usize = 15;
    const FLAGS_AT: usize = 2 + 2 * PORTS;
    let inverted = info.get(FLAGS_AT + PORTS).is_some_and(|inverted| *inverted != 0);
    let count = usize::from(*info.get(1)?).min(PORTS);
    let mut ports = Vec::new();
    let mut place = 0;
    while place < count && !inverted {
        let first = native(info, 2 + 2 * place)?;
        let is_range = info.get(FLAGS_AT + place).is_some_and(|flag| *flag != 0) && place + 1 < count;
        ports.push((first, if is_range { native(info, 4 + 2 * place)? } else { first }));
        place += if is_range { 2 } else { 1 };
    }
    (!ports.is_empty()).then_some(ports)
}

/// `DNAT` and `REDIRECT`: `struct nf_nat_range` (flags, first and last address of 16 bytes, first and
/// last port), of which revision 0 for IPv4 is the older `nf_nat_ipv4_multi_range_compat` (a count,
/// flags, first and last address of 4 bytes, ports).
fn xt_target(data: &[u8]) -> Option<Does> {
    const MAPS_ADDRESS: u16 = 1;
    const MAPS_PORT: u16 = 2;
    let name = attribute(data, XT_NAME).map(text)?;
    if name != "DNAT" && name != "REDIRECT" {
        return None;
    }
    let info = attribute(data, XT_INFO)?;
    let revision = attribute(data, XT_REVISION).and_then(u32_be).unwrap_or(0);
    let old = revision == 0 && info.len() < 36;
    let (flags_at, address_at, port_at) = if old { (4, 8, 16) } else { (0, 4, 36) };
    let flags = native(info, flags_at)?;
    let bytes = info.get(address_at..address_at + if old { 4 } else { 16 })?;
    let to = (flags & MAPS_ADDRESS != 0).then(|| if old { address(bytes) } else { either(bytes) }).flatten();
    let to_port = (flags & MAPS_PORT != 0).then(|| info.get(port_at..port_at + 2).and_then(port)).flatten();
    Some(Does::Sends { to, to_port })
}

/// The union of both families: an IPv4 address stands in the first four bytes, the rest is zero.
fn either(bytes: &[u8]) -> Option<IpAddr> {
    let (v4, rest) = bytes.split_at_checked(4)?;
    if rest.iter().all(|b| *b == 0) { address(v4) } else { address(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{Buffer, messages};
    use proptest::prelude::*;

    fn built(fill: impl FnOnce(&mut Buffer)) -> Vec<u8> {
        let mut out = Buffer::default();
        out.message(1, 0, 0, fill);
        messages(out.finished().expect("small")).next().expect("one").body.to_vec()
    }

    #[test]
    fn the_structures_of_iptables_are_read() {
        let mut tcp = Vec::new();
        for number in [0u16, u16::MAX, 8080, 8090] {
            tcp.extend_from_slice(&number.to_ne_bytes());
        }
        tcp.extend_from_slice(&[0; 4]);
        let asks = built(|o| {
            o.text(XT_NAME, "tcp");
            o.bytes(XT_INFO, &tcp);
        });
        let mut range = vec![3, 0, 0, 0, 10, 0, 0, 2];
        range.resize(36, 0);
        range.extend_from_slice(&[0, 80, 0, 80]);
        let target = built(|o| {
            o.text(XT_NAME, "DNAT");
            o.u32_be(XT_REVISION, 2);
            o.bytes(XT_INFO, &range);
        });
        let exprs = [("match".to_owned(), asks), ("target".to_owned(), target)];
        let (asked, does) = read(&exprs, &HashMap::new()).expect("a rule of DNAT");
        assert_eq!(asked.ports, Some(vec![(8080, 8090)]));
        assert_eq!(does, Does::Sends { to: "10.0.0.2".parse().ok(), to_port: Some(80) });
    }

    #[test]
    fn ranges_of_a_set_end_before_the_next_edge() {
        assert_eq!(ranges_of(&[(80, false), (443, false)]), [(80, 80), (443, 443)]);
        assert_eq!(ranges_of(&[(0, true), (80, false), (91, true), (443, false), (444, true)]), [(80, 90), (443, 443)]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(names in proptest::collection::vec((0usize..12, proptest::collection::vec(any::<u8>(), 0..80)), 0..6)) {
            let words = ["meta", "payload", "cmp", "range", "lookup", "bitwise", "immediate", "nat", "redir", "match", "target", "x"];
            let exprs: Vec<(String, Vec<u8>)> = names.into_iter().map(|(n, data)| (words[n].to_owned(), data)).collect();
            let _ = read(&exprs, &HashMap::new());
            for (_, data) in &exprs {
                let (_, _, _) = (xt_target(data), multiport(data), port_list(data));
            }
        }
    }
}
