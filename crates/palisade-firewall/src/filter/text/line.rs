//! Lines of a program as rules.

use super::{Piece, Rule, counter, piece, ports};
use crate::filter::program::{Act, Family, IN, IN_REPLY, Line, Match, OUT_REPLY, Program};
use serde_json::json;

/// The group of nflog that denied packets are told to.
const LOG_GROUP: u16 = 5;
/// How many packets a rule tells of.
const LOGS_PER_SECOND: u32 = 10;
/// How many at once.
const LOGS_AT_ONCE: u32 = 20;
/// Longer prefixes the kernel does not take (`NF_LOG_PREFIXLEN` less the byte that ends it).
const LOG_PREFIX_BYTES_MAX: usize = 127;
/// Where the generation stands in the mark of a conversation.
pub(super) const MARK_MASK: u32 = 0xffff_0000;

/// Which chain a line is in: its name says direction, side and protocol (`in-reply/tcp/22`).
pub(super) struct Place<'a> {
    generation: u16,
    program: &'a Program,
    inbound: bool,
    comes: bool,
    protocol: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn new(chain: &'a str, generation: u16, program: &'a Program) -> Place<'a> {
        let mut words = chain.split('/');
        let side = words.next().unwrap_or_default();
        let inbound = [IN, IN_REPLY].contains(&side);
        let comes = [IN, OUT_REPLY].contains(&side);
        Place { generation, program, inbound, comes, protocol: words.next().unwrap_or_default() }
    }

    /// One rule, and before it one for a log: its limit ends the rule.
    pub(super) fn rules(&self, line: &Line) -> Vec<Rule> {
        let matches: Rule = line.matches.iter().flat_map(|one| self.asked(one)).collect();
        let mut rules = Vec::new();
        let mut rest = matches.clone();
        for act in &line.acts {
            match act {
                Act::Log { rule, denied } => rules.push([matches.clone(), self.log(rule, *denied)].concat()),
                Act::Stamp => {}
                Act::Accept if line.acts.contains(&Act::Stamp) => rest.push(goto(&self.named("allow"))),
                other => rest.extend(self.done(other)),
            }
        }
        rules.push(rest);
        rules
    }

    fn asked(&self, one: &Match) -> Rule {
        match one {
            Match::Stamped => vec![piece(
                format!("ct mark & {MARK_MASK:#010x} @{}", self.named("stamp")),
                json!({ "match": { "op": "==", "left": { "&": [{ "ct": { "key": "mark" } }, MARK_MASK] }, "right": format!("@{}", self.named("stamp")) } }),
            )],
            Match::Protocol(number) => vec![l4(&number.to_string(), json!(number))],
            Match::Family(family) => {
                let word = if *family == Family::V4 { "ipv4" } else { "ipv6" };
                vec![equal(format!("meta nfproto {word}"), json!({ "meta": { "key": "nfproto" } }), json!(word))]
            }
            Match::Peer { family, set, not } => {
                let (set, op) = (format!("@{}", self.named(set)), if *not { "!=" } else { "==" });
                let peer = self.peer(*family);
                let text = format!("{} {}{set}", peer.text, if *not { "!= " } else { "" });
                vec![piece(text, json!({ "match": { "op": op, "left": peer.json, "right": set } }))]
            }
            Match::Interface(name) => {
                let word = if self.comes { "iifname" } else { "oifname" };
                vec![equal(format!("{word} \"{name}\""), json!({ "meta": { "key": word } }), json!(name))]
            }
            Match::Port(first, last) => {
                let (port, ports) = (port(), ports(*first, *last));
                let asked = equal(format!("{} {}", port.text, ports.text), port.json, ports.json);
                vec![l4(self.protocol, json!(self.protocol)), asked]
            }
            Match::IcmpType(kind) => {
                let protocol = self.protocol;
                let payload = json!({ "payload": { "protocol": protocol, "field": "type" } });
                vec![equal(format!("{protocol} type {kind}"), payload, json!(kind))]
            }
        }
    }

    fn done(&self, act: &Act) -> Rule {
        match act {
            Act::Count(name) => {
                let name = counter(name);
                vec![piece(format!("counter name {name}"), json!({ "counter": name }))]
            }
            Act::Accept => vec![piece("accept", json!({ "accept": null }))],
            Act::Drop => vec![piece("drop", json!({ "drop": null }))],
            Act::Goto(chain) => vec![goto(&self.named(chain))],
            Act::ByPort(map) => {
                vec![l4(self.protocol, json!(self.protocol)), by(&port(), &self.named(map))]
            }
            Act::ByAddress(map) => {
                let found = self.program.address_maps.iter().find(|known| known.name == *map);
                let family = found.map_or(Family::V4, |known| known.family);
                vec![by(&self.peer(family), &self.named(map))]
            }
            Act::Stamp | Act::Log { .. } => Vec::new(),
        }
    }

    fn log(&self, rule: &str, denied: bool) -> Rule {
        let (head, tail) = (format!("pal:g{}:", self.generation), if denied { ":deny" } else { ":allow" });
        let room = LOG_PREFIX_BYTES_MAX - head.len() - tail.len();
        let cut = (0..=room.min(rule.len())).rev().find(|end| rule.is_char_boundary(*end)).unwrap_or(0);
        let prefix = format!("{head}{}{tail}", &rule[..cut]);
        vec![
            piece(
                format!("limit rate {LOGS_PER_SECOND}/second burst {LOGS_AT_ONCE} packets"),
                json!({ "limit": { "rate": LOGS_PER_SECOND, "burst": LOGS_AT_ONCE, "per": "second" } }),
            ),
            piece(
                format!("log prefix \"{prefix}\" group {LOG_GROUP}"),
                json!({ "log": { "prefix": prefix, "group": LOG_GROUP } }),
            ),
        ]
    }

    fn peer(&self, family: Family) -> Piece {
        let ip = if family == Family::V4 { "ip" } else { "ip6" };
        let key = format!("{ip} {}", if self.inbound { "saddr" } else { "daddr" });
        piece(format!("ct original {key}"), json!({ "ct": { "key": key, "dir": "original" } }))
    }

    fn named(&self, name: &str) -> String {
        format!("g{}/{name}", self.generation)
    }
}

/// The destination port of the conversation's first packet; the protocol has to be asked before.
fn port() -> Piece {
    piece("ct original proto-dst", json!({ "ct": { "key": "proto-dst", "dir": "original" } }))
}

fn by(key: &Piece, map: &str) -> Piece {
    piece(format!("{} vmap @{map}", key.text), json!({ "vmap": { "key": key.json, "data": format!("@{map}") } }))
}

fn l4(word: &str, right: serde_json::Value) -> Piece {
    equal(format!("meta l4proto {word}"), json!({ "meta": { "key": "l4proto" } }), right)
}

pub(super) fn equal(text: impl Into<String>, left: serde_json::Value, right: serde_json::Value) -> Piece {
    piece(text, json!({ "match": { "op": "==", "left": left, "right": right } }))
}

pub(super) fn goto(chain: &str) -> Piece {
    piece(format!("goto {chain}"), json!({ "goto": { "target": chain } }))
}
