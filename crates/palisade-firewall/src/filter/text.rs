//! A program as text for `nft -f`, and as its JSON: the whole table `inet palisade` as it would stand,
//! for people who want to read it or to load it without an agent. Pure.
//!
//! Loads with nft 1.0.6: it refuses names that do not begin with a letter (`_` is put before them) and
//! wants to be told the transport protocol before a port of the conversation's first packet.

mod gates;
mod line;

use super::program::{Family, Program};
use crate::ruleset::Range;
use line::Place;
use serde_json::{Value, json};
use std::fmt::Write;

/// A condition or an action, in both languages.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    json: Value,
}

/// Pieces in a row.
type Rule = Vec<Piece>;

/// A set, or a map if its elements lead to chains.
struct Elements {
    name: String,
    kind: &'static str,
    flags: &'static [&'static str],
    size_max: Option<u32>,
    leads: bool,
    elements: Vec<(Piece, Option<String>)>,
}

/// A chain; `base` says where the kernel calls it.
struct Chain {
    name: String,
    base: Option<(&'static str, i32)>,
    rules: Vec<Rule>,
}

/// All of a table.
struct Table {
    counters: Vec<String>,
    sets: Vec<Elements>,
    chains: Vec<Chain>,
}

/// For `nft -f`; replaces a table that is there in one transaction.
pub fn text(program: &Program, generation: u16, failsafe: &[Range]) -> String {
    let table = table(program, generation, failsafe);
    let mut out = "add table inet palisade\ndelete table inet palisade\ntable inet palisade {\n".to_owned();
    for name in &table.counters {
        let _ = writeln!(out, "\tcounter {name} {{\n\t}}\n");
    }
    table.sets.iter().for_each(|set| set.write(&mut out));
    table.chains.iter().for_each(|chain| chain.write(&mut out));
    out.truncate(out.trim_end().len());
    out + "\n}\n"
}

/// For `nft -j -f` (schema of libnftables-json(5)); replaces a table that is there in one transaction.
pub fn json(program: &Program, generation: u16, failsafe: &[Range]) -> Value {
    let table = table(program, generation, failsafe);
    let whole = json!({ "family": "inet", "name": "palisade" });
    let mut all = vec![json!({ "add": { "table": whole } }), json!({ "delete": { "table": whole } })];
    all.push(json!({ "add": { "table": whole } }));
    let of = |name: &str| json!({ "family": "inet", "table": "palisade", "name": name });
    all.extend(table.counters.iter().map(|name| json!({ "add": { "counter": of(name) } })));
    // what leads to chains after the chains, and rules last
    all.extend(table.sets.iter().filter(|set| !set.leads).map(Elements::json));
    all.extend(table.chains.iter().map(Chain::json));
    all.extend(table.sets.iter().filter(|set| set.leads).map(Elements::json));
    for chain in &table.chains {
        for rule in &chain.rules {
            let expr: Vec<&Value> = rule.iter().map(|piece| &piece.json).collect();
            let rule = json!({ "family": "inet", "table": "palisade", "chain": chain.name, "expr": expr });
            all.push(json!({ "add": { "rule": rule } }));
        }
    }
    json!({ "nftables": all })
}

fn table(program: &Program, generation: u16, failsafe: &[Range]) -> Table {
    let mut sets = gates::sets(failsafe);
    let mut chains = vec![gates::bans()];
    if !program.chains.is_empty() {
        sets.push(gates::stamp(generation));
        chains.push(gates::allow(generation));
    }
    let put = |name: &str| format!("g{generation}/{name}");
    for set in &program.sets {
        let elements = set.ranges.iter().map(|range| (address(*range), None)).collect();
        sets.push(Elements { elements, ..interval(put(&set.name), kind(set.family), false) });
    }
    for map in &program.port_maps {
        let elements = map.entries.iter().map(|(a, b, to)| (ports(*a, *b), Some(put(to)))).collect();
        sets.push(Elements { elements, ..interval(put(&map.name), "inet_service", true) });
    }
    for map in &program.address_maps {
        let elements = map.entries.iter().map(|(range, to)| (address(*range), Some(put(to)))).collect();
        sets.push(Elements { elements, ..interval(put(&map.name), kind(map.family), true) });
    }
    for chain in &program.chains {
        let place = Place::new(&chain.name, generation, program);
        let rules = chain.lines.iter().flat_map(|line| place.rules(line)).collect();
        chains.push(Chain { name: put(&chain.name), base: None, rules });
    }
    chains.extend(gates::gates(program, generation));
    Table { counters: program.counters.iter().map(|name| counter(name)).collect(), sets, chains }
}

fn interval(name: String, kind: &'static str, leads: bool) -> Elements {
    Elements { name, kind, flags: &["interval"], size_max: None, leads, elements: Vec::new() }
}

fn kind(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    }
}

/// Names of counters have no generation before them.
fn counter(name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name.to_owned() } else { format!("_{name}") }
}

fn piece(text: impl Into<String>, json: Value) -> Piece {
    Piece { text: text.into(), json }
}

fn address(range: Range) -> Piece {
    let text = range.to_string();
    let json = match text.split_once('/') {
        Some((network, length)) => {
            let length: u8 = length.parse().unwrap_or_default();
            json!({ "prefix": { "addr": network, "len": length } })
        }
        None if range.first() == range.last() => json!(text),
        None => json!({ "range": [range.first().to_string(), range.last().to_string()] }),
    };
    Piece { text, json }
}

fn ports(first: u16, last: u16) -> Piece {
    if first == last {
        return piece(first.to_string(), json!(first));
    }
    piece(format!("{first}-{last}"), json!({ "range": [first, last] }))
}

impl Elements {
    fn write(&self, out: &mut String) {
        let (word, leads) = if self.leads { ("map", " : verdict") } else { ("set", "") };
        let _ = writeln!(out, "\t{word} {} {{\n\t\ttype {}{leads}", self.name, self.kind);
        if !self.flags.is_empty() {
            let _ = writeln!(out, "\t\tflags {}", self.flags.join(","));
        }
        if let Some(size) = self.size_max {
            let _ = writeln!(out, "\t\tsize {size}");
        }
        let element = |(key, to): &(Piece, Option<String>)| match to {
            Some(chain) => format!("{} : goto {chain}", key.text),
            None => key.text.clone(),
        };
        let elements: Vec<String> = self.elements.iter().map(element).collect();
        if !elements.is_empty() {
            let _ = writeln!(out, "\t\telements = {{ {} }}", elements.join(",\n\t\t\t     "));
        }
        out.push_str("\t}\n\n");
    }

    fn json(&self) -> Value {
        let element = |(key, to): &(Piece, Option<String>)| match to {
            Some(chain) => json!([key.json, { "goto": { "target": chain } }]),
            None => key.json.clone(),
        };
        let mut set = json!({ "family": "inet", "table": "palisade", "name": self.name, "type": self.kind });
        if !self.flags.is_empty() {
            set["flags"] = json!(self.flags);
        }
        if let Some(size) = self.size_max {
            set["size"] = json!(size);
        }
        if !self.elements.is_empty() {
            set["elem"] = self.elements.iter().map(element).collect();
        }
        if !self.leads {
            return json!({ "add": { "set": set } });
        }
        set["map"] = json!("verdict");
        json!({ "add": { "map": set } })
    }
}

impl Chain {
    fn write(&self, out: &mut String) {
        let _ = writeln!(out, "\tchain {} {{", self.name);
        if let Some((hook, priority)) = self.base {
            let _ = writeln!(out, "\t\ttype filter hook {hook} priority {priority}; policy accept;");
        }
        for rule in &self.rules {
            let words: Vec<&str> = rule.iter().map(|piece| piece.text.as_str()).collect();
            let _ = writeln!(out, "\t\t{}", words.join(" "));
        }
        out.push_str("\t}\n\n");
    }

    fn json(&self) -> Value {
        let mut chain = json!({ "family": "inet", "table": "palisade", "name": self.name });
        if let Some((hook, priority)) = self.base {
            chain["type"] = json!("filter");
            chain["hook"] = json!(hook);
            chain["prio"] = json!(priority);
            chain["policy"] = json!("accept");
        }
        json!({ "add": { "chain": chain } })
    }
}
