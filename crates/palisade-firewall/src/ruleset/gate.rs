//! The chains at which packets enter the filter, each with what is never cut first ([`Uncut`]).
//!
//! * `in` (prerouting, after connection tracking and before any translation of addresses, so that
//!   ports which are published for containers are covered): what is sent to this host.
//! * `out` (output): what this host sends.
//! * `forwarded`: answers in conversations that were let in at `in` and go on to somebody else.
//!
//! Packets go on in the candidate as long as the timed elements of the set `probation` are there,
//! else in the confirmed generation, else wherever they want.

use super::layout::{Chain, Elements, Layout};
use super::{MARK_MASK, Uncut, table};
use crate::filter::program::{IN, IN_REPLY, OUT, OUT_REPLY};
use palisade_sys::nft::{
    ADDRESS_ANYCAST, ADDRESS_BROADCAST, ADDRESS_LOCAL, ADDRESS_MULTICAST, Base, Ct, Entry, Expr, HOOK_FORWARD,
    HOOK_OUTPUT, HOOK_PREROUTING, Key, STATUS_SOURCE_TRANSLATED, Set, SetKey, Verdict,
};
use std::net::IpAddr;

/// The timed set of families for which the candidate is in force.
pub const PROBATION: &str = "probation";
/// What is sent to this host.
pub const GATE_IN: &str = "in";
/// What this host sends.
pub const GATE_OUT: &str = "out";
/// What passes through.
pub const GATE_FORWARDED: &str = "forwarded";
/// What IP cannot work without.
pub const ESSENTIAL: &str = "essential";
/// All chains here.
pub const GATES: [&str; 4] = [GATE_IN, GATE_OUT, GATE_FORWARDED, ESSENTIAL];
/// After connection tracking (-200) and before translation of addresses (-100).
const PRIORITY: i32 = -110;
const LOOPBACK: u32 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// Unreachable, time exceeded, parameter problem (RFC 792).
const ICMP_TYPES: [(u8, u8); 2] = [(3, 3), (11, 12)];
/// Errors (RFC 4443), listeners and neighbours (RFC 2710, RFC 4861), listeners (RFC 3810).
const ICMPV6_TYPES: [(u8, u8); 3] = [(1, 4), (130, 136), (143, 143)];
/// Source and destination port of leases: server to client (RFC 2131, RFC 8415).
const LEASES: [(u8, u16, u16); 2] = [(IPV4, 67, 68), (IPV6, 547, 546)];

/// The chains of generations that packets may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enter<'a> {
    /// Of the candidate.
    pub candidate: Option<(u16, &'a Layout)>,
    /// Of the confirmed one.
    pub confirmed: Option<(u16, &'a Layout)>,
}

/// All base chains, the sets of what is never cut, and the set `probation` without its elements.
pub fn gates(uncut: &Uncut, enter: Enter<'_>) -> Layout {
    let mut layout = Layout { sets: uncut.sets(), ..Layout::default() };
    layout.sets.insert(PROBATION.to_owned(), Elements { head: probation(), entries: Vec::new() });
    let base = |hook| Some(Base { kind: "filter".to_owned(), hook, priority: PRIORITY, accepts: true });
    for (name, hook, rules) in [
        (GATE_IN, HOOK_PREROUTING, gate_in(uncut, enter)),
        (GATE_OUT, HOOK_OUTPUT, gate_out(uncut, enter)),
        (GATE_FORWARDED, HOOK_FORWARD, gate_forwarded(uncut, enter)),
    ] {
        layout.chains.insert(name.to_owned(), Chain { base: base(hook), rules });
    }
    layout.chains.insert(ESSENTIAL.to_owned(), Chain { base: None, rules: essentials() });
    layout
}

/// The set that holds the candidate up.
pub fn probation() -> Set {
    Set {
        table: table(),
        name: PROBATION.to_owned(),
        key: SetKey::Family,
        interval: false,
        timeout: true,
        verdicts: false,
        flags_other: 0,
        size_max: None,
    }
}

/// Its elements for so many milliseconds.
pub fn armed(left_ms: u64) -> Vec<Entry> {
    let entry = |family| Entry { timeout_ms: Some(left_ms), ..Entry::of(Key::Family(family), None) };
    vec![entry(IPV4), entry(IPV6)]
}

fn gate_in(uncut: &Uncut, enter: Enter<'_>) -> Vec<Vec<Expr>> {
    let mut rules = vec![if_loopback(Expr::InterfaceIn)];
    rules.extend(uncut.inbound());
    rules.push(to_essential());
    rules.push(not_to_this_host());
    rules.push(answers_to_others());
    rules.extend(entries(enter, OUT_REPLY, OUT, true));
    rules.extend(entries(enter, IN, IN, false));
    sorted_by_trial(rules, enter)
}

fn gate_out(uncut: &Uncut, enter: Enter<'_>) -> Vec<Vec<Expr>> {
    let mut rules = vec![if_loopback(Expr::InterfaceOut)];
    rules.extend(uncut.outbound());
    rules.push(to_essential());
    rules.extend(LEASES.map(|(family, server, client)| lease(family, client, server)));
    rules.extend(entries(enter, IN_REPLY, IN, true));
    rules.extend(entries(enter, OUT, OUT, false));
    sorted_by_trial(rules, enter)
}

fn gate_forwarded(uncut: &Uncut, enter: Enter<'_>) -> Vec<Vec<Expr>> {
    let mut rules = uncut.forwarded();
    rules.push(to_essential());
    rules.push(vec![Expr::Conversation(Ct::Direction), Expr::Equals(vec![0]), accept()]);
    rules.push([unmarked().as_slice(), &[accept()]].concat());
    rules.extend(entries(enter, IN_REPLY, IN, true));
    sorted_by_trial(rules, enter)
}

/// The rules that lead into generations stand last: first all of the candidate, then all others.
fn sorted_by_trial(rules: Vec<Vec<Expr>>, enter: Enter<'_>) -> Vec<Vec<Expr>> {
    let trial = Expr::In(PROBATION.to_owned());
    let leads = |rule: &Vec<Expr>| matches!(rule.last(), Some(Expr::Verdict(Verdict::Goto(_))));
    let rank = |rule: &Vec<Expr>| if !leads(rule) { 0 } else { 1 + u8::from(!rule.contains(&trial)) };
    let mut rules = rules;
    rules.sort_by_key(rank); // stable
    debug_assert!(enter.candidate.is_some() || !rules.iter().any(|rule| rule.contains(&trial)));
    rules
}

/// Into `chain` of each generation, or `other` where there is none of that name.
fn entries(enter: Enter<'_>, chain: &str, other: &str, answers: bool) -> Vec<Vec<Expr>> {
    let mut rules = Vec::new();
    for (trial, generation) in [(true, enter.candidate), (false, enter.confirmed)] {
        let Some((number, layout)) = generation else { continue };
        let there = |name: &&str| layout.chains.contains_key(&format!("g{number}/{name}"));
        let Some(name) = [chain, other].into_iter().find(there) else { continue };
        let mut rule = Vec::new();
        if trial {
            rule.extend([Expr::PacketFamily, Expr::In(PROBATION.to_owned())]);
        }
        if answers {
            rule.extend([Expr::Conversation(Ct::Direction), Expr::Equals(vec![1])]);
        }
        rule.push(Expr::Verdict(Verdict::Goto(format!("g{number}/{name}"))));
        rules.push(rule);
    }
    rules
}

pub(super) fn accept() -> Expr {
    Expr::Verdict(Verdict::Accept)
}

fn if_loopback(interface: Expr) -> Vec<Expr> {
    vec![interface, Expr::Equals(LOOPBACK.to_ne_bytes().to_vec()), accept()]
}

/// By the number that packets of the address's family have (`NFPROTO_*`).
pub(super) fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}

/// Nothing of TCP is essential: most packets are spared the list.
fn to_essential() -> Vec<Expr> {
    vec![Expr::Protocol, Expr::Differs(vec![TCP]), Expr::Verdict(Verdict::Jump(ESSENTIAL.to_owned()))]
}

fn essentials() -> Vec<Vec<Expr>> {
    let types = |protocol: u8, list: &[(u8, u8)]| -> Vec<Vec<Expr>> {
        let rule = |(first, last): &(u8, u8)| {
            let mut rule = vec![Expr::Protocol, Expr::Equals(vec![protocol])];
            rule.push(Expr::TransportHeader { offset: 0, length: 1 });
            rule.extend(within(vec![*first], vec![*last]));
            rule.push(accept());
            rule
        };
        list.iter().map(rule).collect()
    };
    let leases = LEASES.map(|(family, server, client)| lease(family, server, client)).to_vec();
    [types(ICMP, &ICMP_TYPES), types(ICMPV6, &ICMPV6_TYPES), leases].concat()
}

fn lease(family: u8, source: u16, destination: u16) -> Vec<Expr> {
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    vec![
        Expr::PacketFamily,
        Expr::Equals(vec![family]),
        Expr::Protocol,
        Expr::Equals(vec![UDP]),
        Expr::TransportHeader { offset: 0, length: 4 },
        Expr::Equals(ports),
        accept(),
    ]
}

/// What was loaded lies between the two.
pub(super) fn within(first: Vec<u8>, last: Vec<u8>) -> Vec<Expr> {
    if first == last { vec![Expr::Equals(first)] } else { vec![Expr::AtLeast(first), Expr::AtMost(last)] }
}

fn not_to_this_host() -> Vec<Expr> {
    let kinds = [ADDRESS_LOCAL, ADDRESS_BROADCAST, ADDRESS_ANYCAST, ADDRESS_MULTICAST];
    let mut rule = vec![Expr::DestinationKind];
    rule.extend(kinds.map(|kind| Expr::Differs(kind.to_ne_bytes().to_vec())));
    rule.push(accept());
    rule
}

/// Answers to somebody behind this host, whose address was translated into one of ours: this host
/// did not begin, so that its rules have not marked the conversation.
fn answers_to_others() -> Vec<Expr> {
    let translated = STATUS_SOURCE_TRANSLATED.to_ne_bytes().to_vec();
    let mut rule = vec![
        Expr::Conversation(Ct::Direction),
        Expr::Equals(vec![1]),
        Expr::Conversation(Ct::Status),
        Expr::Mask { mask: translated.clone(), xor: vec![0; 4] },
        Expr::Equals(translated),
    ];
    rule.extend(unmarked());
    rule.push(accept());
    rule
}

fn unmarked() -> [Expr; 3] {
    let mask = Expr::Mask { mask: MARK_MASK.to_ne_bytes().to_vec(), xor: vec![0; 4] };
    [Expr::Conversation(Ct::Mark), mask, Expr::Equals(vec![0; 4])]
}
