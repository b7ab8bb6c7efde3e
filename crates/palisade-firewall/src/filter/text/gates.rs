//! What stands before the generation, as [`crate::ruleset`] makes it in the kernel: bans, and the
//! chains at which packets enter the filter.

use super::line::{MARK_MASK, equal, goto};
use super::{Chain, Elements, Piece, Rule, address, interval, piece};
use crate::filter::program::{IN, IN_REPLY, OUT, OUT_REPLY, Program};
use crate::ruleset::{BANS_MAX, Range};
use serde_json::{Value, json};

/// Before everything that other tools filter, after the reassembly of fragments.
const PRIORITY_BANS: i32 = -310;
/// After connection tracking (-200) and before translation of addresses (-100).
const PRIORITY: i32 = -110;
/// Where the generation stands in the mark.
const MARK_SHIFT: u32 = 16;

/// The sets that every host has; of bans and allow-list without their elements.
pub(super) fn sets(failsafe: &[Range]) -> Vec<Elements> {
    let mut all = Vec::new();
    let families: [(&str, bool, &'static str); 2] = [("4", true, "ipv4_addr"), ("6", false, "ipv6_addr")];
    for (suffix, v4, kind) in families {
        let mine = failsafe.iter().filter(|range| range.first().is_ipv4() == v4);
        let elements = mine.map(|range| (address(*range), None)).collect();
        let set = |name: &str, flags| Elements { flags, ..interval(format!("{name}{suffix}"), kind, false) };
        all.push(Elements { elements, ..set("failsafe", &["interval"]) });
        all.push(set("allow", &["interval", "timeout"]));
        all.push(Elements { size_max: Some(BANS_MAX), ..set("ban", &["timeout"]) });
        all.push(set("bannet", &["interval", "timeout"]));
    }
    all.push(Elements { flags: &["timeout"], ..interval("probation".to_owned(), "nf_proto", false) });
    all
}

/// Who is shut out.
pub(super) fn bans() -> Chain {
    let mut rules = vec![loopback("iif")];
    for (set, end) in [("failsafe", accept()), ("allow", accept()), ("ban", drop()), ("bannet", drop())] {
        for ip in ["ip", "ip6"] {
            let counted = (end.text == "drop").then(|| piece("counter", json!({ "counter": null })));
            rules.push(std::iter::once(header(ip, "saddr", set)).chain(counted).chain([end.clone()]).collect());
        }
    }
    Chain { name: "bans".to_owned(), base: Some(("prerouting", PRIORITY_BANS)), rules }
}

/// The set that holds the generation as conversations carry it.
pub(super) fn stamp(generation: u16) -> Elements {
    let mark = u32::from(generation) << MARK_SHIFT;
    let elements = vec![(piece(format!("{mark:#010x}"), json!(mark)), None)];
    Elements { flags: &[], elements, ..interval(format!("g{generation}/stamp"), "mark", false) }
}

/// The chain that puts it on conversations; at its end the packet goes on.
pub(super) fn allow(generation: u16) -> Chain {
    let (mark, kept) = (u32::from(generation) << MARK_SHIFT, !MARK_MASK);
    let value = json!({ "|": [{ "&": [{ "ct": { "key": "mark" } }, kept] }, mark] });
    let rule = piece(
        format!("ct mark set ct mark & {kept:#010x} | {mark:#010x}"),
        json!({ "mangle": { "key": { "ct": { "key": "mark" } }, "value": value } }),
    );
    Chain { name: format!("g{generation}/allow"), base: None, rules: vec![vec![rule]] }
}

/// The chains at which packets enter; none if nothing is filtered.
pub(super) fn gates(program: &Program, generation: u16) -> Vec<Chain> {
    if program.chains.is_empty() {
        return Vec::new();
    }
    let enter = |chain: &str| goto(&format!("g{generation}/{chain}"));
    let leads = |answers: &str, first: &str| vec![vec![direction("reply"), enter(answers)], vec![enter(first)]];
    let start = |from: &[&str]| -> Vec<Rule> {
        let sides = from.iter().flat_map(|side| ["ip", "ip6"].map(|ip| vec![header(ip, side, "failsafe"), accept()]));
        sides.chain([to_essential()]).collect()
    };
    let gate_in =
        [vec![loopback("iif")], start(&["saddr"]), vec![to_others(), answers_to_others()], leads(OUT_REPLY, IN)];
    let gate_out = [vec![loopback("oif")], start(&["daddr"]), leases(false), leads(IN_REPLY, OUT)];
    let answers = vec![
        vec![direction("original"), accept()],
        vec![unmarked(), accept()],
        vec![direction("reply"), enter(IN_REPLY)],
    ];
    let forwarded = [start(&["saddr", "daddr"]), answers];
    let base = |name: &str, hook, rules| Chain { name: name.to_owned(), base: Some((hook, PRIORITY)), rules };
    vec![
        Chain { name: "essential".to_owned(), base: None, rules: essentials() },
        base("in", "prerouting", gate_in.concat()),
        base("out", "output", gate_out.concat()),
        base("forwarded", "forward", forwarded.concat()),
    ]
}

/// ICMP errors, ICMPv6 errors, listeners and neighbours, leases.
fn essentials() -> Vec<Rule> {
    let types = |protocol: &str, text: &str, types: Value| {
        let payload = json!({ "payload": { "protocol": protocol, "field": "type" } });
        vec![equal(format!("{protocol} type {text}"), payload, types), accept()]
    };
    let mut rules = vec![
        types("icmp", "{ 3, 11-12 }", json!({ "set": [3, { "range": [11, 12] }] })),
        types("icmpv6", "{ 1-4, 130-136, 143 }", json!({ "set": [{ "range": [1, 4] }, { "range": [130, 136] }, 143] })),
    ];
    rules.extend(leases(true));
    rules
}

/// From the server, or from the client.
fn leases(from_server: bool) -> Vec<Rule> {
    let lease = |(family, server, client): (&str, u16, u16)| {
        let (source, destination) = if from_server { (server, client) } else { (client, server) };
        let port = |field: &str, number: u16| {
            let payload = json!({ "payload": { "protocol": "udp", "field": field } });
            equal(format!("udp {field} {number}"), payload, json!(number))
        };
        let nfproto = equal(format!("meta nfproto {family}"), json!({ "meta": { "key": "nfproto" } }), json!(family));
        vec![nfproto, port("sport", source), port("dport", destination), accept()]
    };
    [("ipv4", 67, 68), ("ipv6", 547, 546)].map(lease).into()
}

/// Nothing of TCP is essential.
fn to_essential() -> Rule {
    let other = json!({ "match": { "op": "!=", "left": { "meta": { "key": "l4proto" } }, "right": "tcp" } });
    vec![piece("meta l4proto != tcp", other), piece("jump essential", json!({ "jump": { "target": "essential" } }))]
}

/// What is not sent to this host is not its matter.
fn to_others() -> Rule {
    let kinds = ["local", "broadcast", "anycast", "multicast"];
    let fib = json!({ "fib": { "result": "type", "flags": ["daddr"] } });
    let asked = json!({ "match": { "op": "!=", "left": fib, "right": { "set": kinds } } });
    vec![piece(format!("fib daddr type != {{ {} }}", kinds.join(", ")), asked), accept()]
}

/// Answers to somebody behind this host, whose address was translated into one of ours.
fn answers_to_others() -> Rule {
    let translated = json!({ "match": { "op": "in", "left": { "ct": { "key": "status" } }, "right": "snat" } });
    vec![direction("reply"), piece("ct status snat", translated), unmarked(), accept()]
}

fn unmarked() -> Piece {
    let marked = json!({ "&": [{ "ct": { "key": "mark" } }, MARK_MASK] });
    equal(format!("ct mark & {MARK_MASK:#010x} == 0"), marked, json!(0))
}

fn direction(word: &str) -> Piece {
    equal(format!("ct direction {word}"), json!({ "ct": { "key": "direction" } }), json!(word))
}

fn loopback(word: &str) -> Rule {
    vec![equal(format!("{word} \"lo\""), json!({ "meta": { "key": word } }), json!("lo")), accept()]
}

fn header(ip: &str, field: &str, set: &str) -> Piece {
    let set = format!("@{set}{}", if ip == "ip" { "4" } else { "6" });
    equal(format!("{ip} {field} {set}"), json!({ "payload": { "protocol": ip, "field": field } }), json!(set))
}

fn accept() -> Piece {
    piece("accept", json!({ "accept": null }))
}

fn drop() -> Piece {
    piece("drop", json!({ "drop": null }))
}
