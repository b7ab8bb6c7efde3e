//! A program as chains, sets and counters of one generation: `gN/` before every name but those of
//! counters.
//!
//! A conversation that is allowed carries the generation's *stamp* in its mark. The stamp stands in
//! two places only, the set `gN/stamp` and the chain `gN/allow`, so that one small change, made in
//! the transaction that changes anything else, has all conversations judged anew.

use super::gate::within;
use super::layout::{Chain, Elements, Layout, intervals, keys};
use super::{LOG_GROUP, LOGS_AT_ONCE, LOGS_PER_SECOND, MARK_MASK, MARK_SHIFT, Range, SNAP_BYTES, table};
use crate::filter::program::{Act, Family, IN, IN_REPLY, Line, Match, OUT, OUT_REPLY, Program, Side};
use palisade_sys::nft::{Ct, Entry, Expr, Key, LOG_PREFIX_BYTES_MAX, Set, SetKey, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// The set that holds the stamp.
pub const STAMP: &str = "stamp";
/// The chain that puts it on conversations.
pub const ALLOW: &str = "allow";
/// How names of sets begin that hold the addresses of hosts, one by one.
const MEMBERS: [&str; 3] = ["group/", "host/", "domain/"];
/// More addresses than that are a set of ranges.
const MEMBERS_MAX: u64 = 65_536;
/// The length of an interface's name with its zero byte (`IFNAMSIZ`).
const INTERFACE_BYTES: usize = 16;

/// Who began the conversations that a chain is about, and the sides from which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    inbound: bool,
    original: bool,
    reply: bool,
}

/// The layout of generation `number` with this stamp; an error names what cannot be carried out.
pub fn lower(program: &Program, number: u16, stamp: u16) -> Result<Layout, String> {
    let uses = uses(program)?;
    let mut layout = Layout::default();
    let put = |name: &str| format!("g{number}/{name}");
    for (name, head, entries) in sets(program, number) {
        layout.sets.insert(put(&name), Elements { head, entries });
    }
    layout.sets.insert(put(STAMP), stamp_set(number, stamp));
    layout.chains.insert(put(ALLOW), Chain { base: None, rules: vec![stamping(stamp)] });
    for chain in &program.chains {
        let Some(of) = uses.get(chain.name.as_str()) else { continue }; // nothing leads there
        let lowering = Lowering { number, of: *of, maps: program };
        let rules = chain.lines.iter().flat_map(|line| lowering.line(line)).collect();
        layout.chains.insert(put(&chain.name), Chain { base: None, rules });
    }
    layout.counters.extend(program.counters.iter().cloned());
    Ok(layout)
}

/// The set `gN/stamp`.
pub fn stamp_set(number: u16, stamp: u16) -> Elements {
    let head = Set { key: SetKey::Mark, interval: false, ..empty(number, STAMP) };
    Elements { head, entries: vec![Entry::of(Key::Mark(u32::from(stamp) << MARK_SHIFT), None)] }
}

/// The rule of the chain `gN/allow`. It decides nothing: at its end the gate's policy accepts.
pub fn stamping(stamp: u16) -> Vec<Expr> {
    let mark = u32::from(stamp) << MARK_SHIFT;
    let mask = Expr::Mask { mask: (!MARK_MASK).to_ne_bytes().to_vec(), xor: mark.to_ne_bytes().to_vec() };
    vec![Expr::Conversation(Ct::Mark), mask, Expr::MarkConversation]
}

fn empty(number: u16, name: &str) -> Set {
    Set {
        table: table(),
        name: format!("g{number}/{name}"),
        key: SetKey::Port,
        interval: true,
        timeout: false,
        verdicts: false,
        flags_other: 0,
        size_max: None,
    }
}

fn key(family: Family) -> SetKey {
    if family == Family::V4 { SetKey::Ipv4 } else { SetKey::Ipv6 }
}

fn sets(program: &Program, number: u16) -> Vec<(String, Set, Vec<Entry>)> {
    let chain = |name: &String| format!("g{number}/{name}");
    let mut all = Vec::new();
    for set in &program.sets {
        let hash = members(&set.name, &set.ranges);
        let ranged = || intervals(set.ranges.iter().map(|range| (keys(*range).0, keys(*range).1, None)));
        let head = Set { key: key(set.family), interval: hash.is_none(), ..empty(number, &set.name) };
        all.push((set.name.clone(), head, hash.unwrap_or_else(ranged)));
    }
    for map in &program.port_maps {
        let ports: Vec<_> = map.entries.iter().map(|(a, b, to)| (Key::Port(*a), Key::Port(*b), chain(to))).collect();
        let entries = intervals(ports.iter().map(|(a, b, to)| (*a, *b, Some(to.as_str()))));
        all.push((map.name.clone(), Set { verdicts: true, ..empty(number, &map.name) }, entries));
    }
    for map in &program.address_maps {
        let ranges: Vec<_> = map.entries.iter().map(|(range, to)| (keys(*range), chain(to))).collect();
        let entries = intervals(ranges.iter().map(|((a, b), to)| (*a, *b, Some(to.as_str()))));
        all.push((map.name.clone(), Set { verdicts: true, key: key(map.family), ..empty(number, &map.name) }, entries));
    }
    all
}

/// The single addresses of a set of members, sorted; `None` if it is a set of networks, or too large.
/// The kernel takes one address more into a hash at the same cost whatever is there, and copies a set
/// of ranges for it.
fn members(name: &str, ranges: &[Range]) -> Option<Vec<Entry>> {
    MEMBERS.iter().any(|prefix| name.starts_with(prefix)).then_some(())?;
    let count = ranges.iter().try_fold(0u64, |sum, range| sum.checked_add(range.addresses()?))?;
    (count <= MEMBERS_MAX).then_some(())?;
    let addresses = ranges.iter().flat_map(|range| range.each());
    let mut entries: Vec<Entry> = addresses.map(|address| Entry::of(Key::Address(address), None)).collect();
    entries.sort();
    entries.dedup();
    Some(entries)
}

/// From which entries each chain is reached.
fn uses(program: &Program) -> Result<BTreeMap<&str, Use>, String> {
    let leads = Leads::of(program);
    let mut uses: BTreeMap<&str, Use> = BTreeMap::new();
    for (entry, inbound, side) in [
        (IN, true, Side::Original),
        (IN_REPLY, true, Side::Reply),
        (OUT, false, Side::Original),
        (OUT_REPLY, false, Side::Reply),
    ] {
        // an answer goes by the chain of the first packet where there is none for it
        let name = if side == Side::Reply && !leads.chains.contains_key(entry) {
            if inbound { IN } else { OUT }
        } else {
            entry
        };
        for chain in leads.reached(name)? {
            let of = uses.entry(chain).or_insert(Use { inbound, original: false, reply: false });
            if of.inbound != inbound {
                return Err(format!("chain `{chain}` is led to from both directions"));
            }
            of.original |= side == Side::Original;
            of.reply |= side == Side::Reply;
        }
    }
    Ok(uses)
}

/// Where chains lead.
struct Leads<'a> {
    chains: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Leads<'a> {
    fn of(program: &'a Program) -> Leads<'a> {
        let mut maps: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for map in &program.port_maps {
            maps.entry(&map.name).or_default().extend(map.entries.iter().map(|(_, _, to)| to.as_str()));
        }
        for map in &program.address_maps {
            maps.entry(&map.name).or_default().extend(map.entries.iter().map(|(_, to)| to.as_str()));
        }
        let mut chains = BTreeMap::new();
        for chain in &program.chains {
            let mut to = Vec::new();
            for act in chain.lines.iter().flat_map(|line| &line.acts) {
                match act {
                    Act::Goto(next) => to.push(next.as_str()),
                    Act::ByPort(map) | Act::ByAddress(map) => to.extend(maps.get(map.as_str()).into_iter().flatten()),
                    _ => {}
                }
            }
            chains.insert(chain.name.as_str(), to);
        }
        Leads { chains }
    }

    /// All chains that a packet can come to from this one; none if it is not there.
    fn reached(&self, from: &'a str) -> Result<BTreeSet<&'a str>, String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.chains.contains_key(from).then_some(from).into_iter().collect();
        while let Some(name) = open.pop() {
            let to = self.chains.get(name).ok_or_else(|| format!("chain `{name}` is named and is not there"))?;
            if reached.insert(name) {
                open.extend(to);
            }
        }
        Ok(reached)
    }
}

/// What the lines of one chain are lowered with.
struct Lowering<'a> {
    number: u16,
    of: Use,
    maps: &'a Program,
}

impl Lowering<'_> {
    /// Usually one rule; a log stands in one of its own, since its limit ends the rule.
    fn line(&self, line: &Line) -> Vec<Vec<Expr>> {
        let mut rules = Vec::new();
        for matches in self.matches(&line.matches) {
            let mut rule = matches.clone();
            let mut acts = line.acts.iter().peekable();
            let logs = line.acts.iter().filter_map(|act| self.log(act));
            rules.extend(logs.map(|log| [matches.clone(), log].concat()));
            while let Some(act) = acts.next() {
                match act {
                    Act::Log { .. } => {}
                    Act::Count(name) => rule.push(Expr::Count(name.clone())),
                    Act::Stamp if acts.next_if_eq(&&Act::Accept).is_some() => {
                        rule.push(Expr::Verdict(Verdict::Goto(self.named(ALLOW))));
                    }
                    Act::Stamp => {
                        rule.push(Expr::Verdict(Verdict::Jump(self.named(ALLOW))));
                        rules.push(std::mem::replace(&mut rule, matches.clone()));
                    }
                    Act::Accept => rule.push(Expr::Verdict(Verdict::Accept)),
                    Act::Drop => rule.push(Expr::Verdict(Verdict::Drop)),
                    Act::Goto(chain) => rule.push(Expr::Verdict(Verdict::Goto(self.named(chain)))),
                    Act::ByPort(map) => {
                        rule.extend([Expr::Conversation(Ct::DestinationPort), Expr::ByMap(self.named(map))]);
                    }
                    Act::ByAddress(map) => rule.extend([self.peer(self.family(map)), Expr::ByMap(self.named(map))]),
                }
            }
            if rule.len() > matches.len() {
                rules.push(rule);
            }
        }
        rules
    }

    /// Alternatives, each a list of what must be true: a chain that serves both sides asks for an
    /// interface in two ways.
    fn matches(&self, matches: &[Match]) -> Vec<Vec<Expr>> {
        let mut alternatives = vec![Vec::new()];
        for one in matches {
            let ways = self.one(one);
            alternatives = alternatives
                .iter()
                .flat_map(|before: &Vec<Expr>| ways.iter().map(move |way| [before.as_slice(), way].concat()))
                .collect();
        }
        alternatives
    }

    fn one(&self, one: &Match) -> Vec<Vec<Expr>> {
        let exprs = match one {
            Match::Interface(name) => return self.interface(name),
            Match::Stamped => {
                let mask = Expr::Mask { mask: MARK_MASK.to_ne_bytes().to_vec(), xor: vec![0; 4] };
                vec![Expr::Conversation(Ct::Mark), mask, Expr::In(self.named(STAMP))]
            }
            Match::Protocol(number) => vec![Expr::Protocol, Expr::Equals(vec![*number])],
            Match::Family(family) => {
                vec![Expr::PacketFamily, Expr::Equals(vec![if *family == Family::V4 { 2 } else { 10 }])]
            }
            Match::Peer { family, set, not: false } => vec![self.peer(*family), Expr::In(self.named(set))],
            Match::Peer { family, set, not: true } => vec![self.peer(*family), Expr::NotIn(self.named(set))],
            Match::Port(first, last) => {
                let mut exprs = vec![Expr::Conversation(Ct::DestinationPort)];
                exprs.extend(within(first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec()));
                exprs
            }
            // of a conversation's first packet, type and code stand in the place of the port
            Match::IcmpType(kind) => vec![
                Expr::Conversation(Ct::DestinationPort),
                Expr::Mask { mask: vec![0xff, 0], xor: vec![0, 0] },
                Expr::Equals(vec![*kind, 0]),
            ],
        };
        vec![exprs]
    }

    fn interface(&self, name: &str) -> Vec<Vec<Expr>> {
        let mut bytes = name.as_bytes()[..name.len().min(INTERFACE_BYTES - 1)].to_vec();
        bytes.resize(INTERFACE_BYTES, 0);
        let mut ways = Vec::new();
        for (side, used) in [(Side::Original, self.of.original), (Side::Reply, self.of.reply)] {
            if !used {
                continue;
            }
            let comes = self.of.inbound == (side == Side::Original);
            let mut way = Vec::new();
            if self.of.original && self.of.reply {
                way.extend([Expr::Conversation(Ct::Direction), Expr::Equals(vec![u8::from(side == Side::Reply)])]);
            }
            way.push(if comes { Expr::InterfaceInName } else { Expr::InterfaceOutName });
            way.push(Expr::Equals(bytes.clone()));
            ways.push(way);
        }
        ways
    }

    /// The other side of the conversation.
    fn peer(&self, family: Family) -> Expr {
        Expr::Conversation(match (family, self.of.inbound) {
            (Family::V4, true) => Ct::Source4,
            (Family::V4, false) => Ct::Destination4,
            (Family::V6, true) => Ct::Source6,
            (Family::V6, false) => Ct::Destination6,
        })
    }

    fn family(&self, map: &str) -> Family {
        let found = self.maps.address_maps.iter().find(|known| known.name == map);
        found.map_or(Family::V4, |known| known.family)
    }

    fn log(&self, act: &Act) -> Option<Vec<Expr>> {
        let Act::Log { rule, denied } = act else { return None };
        let (head, tail) = (format!("pal:g{}:", self.number), if *denied { ":deny" } else { ":allow" });
        let room = LOG_PREFIX_BYTES_MAX - head.len() - tail.len();
        let cut = (0..=room.min(rule.len())).rev().find(|end| rule.is_char_boundary(*end)).unwrap_or(0);
        let prefix = format!("{head}{}{tail}", &rule[..cut]);
        let limit = Expr::Limit { per_second: LOGS_PER_SECOND, burst: LOGS_AT_ONCE };
        Some(vec![limit, Expr::Log { group: LOG_GROUP, prefix, snaplen: SNAP_BYTES }])
    }

    fn named(&self, name: &str) -> String {
        format!("g{}/{name}", self.number)
    }
}
