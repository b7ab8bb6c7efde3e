//! Whether the host shuts what it is not asked to open, and whether our own table stands.

use super::{DEFAULT_POLICY, FOREIGN_MARK, IPV6_POLICY, Inbound, PALISADE_TABLE, UNTRACKED};
use crate::exposure::Filtering;
use crate::model::{Ours, Ruleset};
use palisade_core::{Fix, Verdicts};

pub(super) fn check(ruleset: &Ruleset, inbound: &Inbound, filter: Option<&Filtering>, verdicts: &mut Verdicts) {
    if let Some(why) = &ruleset.unreadable {
        for check in [&DEFAULT_POLICY, &IPV6_POLICY, &PALISADE_TABLE, &FOREIGN_MARK, &UNTRACKED] {
            verdicts.unknown(check, format!("the nftables ruleset could not be read: {why}"));
        }
        return;
    }
    if filter.is_some_and(Filtering::shuts_by_default) {
        verdicts.pass(&DEFAULT_POLICY);
        verdicts.pass(&IPV6_POLICY); // our table is of the family inet
    } else if filter.is_none() && rules_of_ours(ruleset) && inbound.v4.is_none() {
        let why = "Palisade's own rules are in the kernel; what they let in, the agent knows: `palisade firewall exposure --local`";
        verdicts.unknown(&DEFAULT_POLICY, why);
    } else {
        default_policy(ruleset, inbound, verdicts);
        ipv6_policy(ruleset, inbound, verdicts);
    }
    palisade_table(&ruleset.ours, verdicts);
    tracking(ruleset, verdicts);
}

/// A finding per chain. Tables of the older iptables are not read.
fn tracking(ruleset: &Ruleset, verdicts: &mut Verdicts) {
    let marks = "Have the tool use the lower 16 bits only: `ct mark set ct mark or 0x1`, or with iptables `--set-xmark 0x1/0xff`, `--ctmask 0xffff`.";
    let tracked = "Have the packets tracked, or name their ports in rules for both directions.";
    let all = [
        (&FOREIGN_MARK, &ruleset.mark_writers, "writes bits of the mask 0xffff0000 of conntrack marks", marks),
        (&UNTRACKED, &ruleset.untracking, "has packets not tracked (notrack)", tracked),
    ];
    for (check, chains, does, text) in all {
        if chains.is_empty() {
            verdicts.pass(check);
        }
        for chain in chains {
            verdicts.fail(check, chain, format!("a rule of the chain `{chain}` {does}"), Fix::text(text));
        }
    }
}

/// The table of Palisade asks rules about what comes in.
fn rules_of_ours(ruleset: &Ruleset) -> bool {
    let table = ruleset.tables.iter().find(|t| t.family == "inet" && t.name == "palisade");
    table.is_some_and(|t| t.chains.iter().any(|c| c.name == "in" && c.hook.is_some()))
}

fn default_policy(ruleset: &Ruleset, inbound: &Inbound, verdicts: &mut Verdicts) {
    if inbound.v4.is_some() {
        verdicts.pass(&DEFAULT_POLICY);
    } else if let Some(table) = legacy(ruleset, "ip filter") {
        verdicts.unknown(&DEFAULT_POLICY, unread(table));
    } else {
        let text = "Let in what must be reached, SSH first, by a security group that this host is in (`palisade firewall group propose` writes one from what listens), or by an input chain whose policy is drop; `ufw` and `firewalld` make one.";
        verdicts.fail(&DEFAULT_POLICY, "input", input_chains(ruleset), Fix::text(text));
    }
}

/// Not run where IPv4 is open too: the default policy is the finding then.
fn ipv6_policy(ruleset: &Ruleset, inbound: &Inbound, verdicts: &mut Verdicts) {
    if !inbound.ipv6 || inbound.v6.is_some() {
        verdicts.pass(&IPV6_POLICY);
    } else if let Some(table) = legacy(ruleset, "ip6 filter") {
        verdicts.unknown(&IPV6_POLICY, unread(table));
    } else if let Some(chain) = &inbound.v4 {
        let evidence = format!(
            "the chain `{chain}` drops what no rule lets in; no input chain of family ip6 or inet does, and the host has a routed IPv6 address"
        );
        let text =
            "Give the table the family inet, or set the same policy for ip6; with ufw: IPV6=yes in /etc/default/ufw.";
        verdicts.fail(&IPV6_POLICY, "input", evidence, Fix::text(text));
    }
}

/// Outside of the agent nobody knows how many bans there should be: an absent table is no finding
/// then, and the check does not run.
fn palisade_table(ours: &Ours, verdicts: &mut Verdicts) {
    let kept = ours.kept.unwrap_or(0);
    if ours.present && (ours.bans > 0 || kept == 0) || ours.kept == Some(0) {
        verdicts.pass(&PALISADE_TABLE);
    } else if kept > 0 {
        let what = if ours.present { "holds no ban" } else { "is not there" };
        let evidence = format!("the table `inet palisade` {what}; bans that the agent keeps: {kept}");
        let text = "Nothing, if it is back at the next look. If not, find the tool that flushes the ruleset, such as a service that loads /etc/nftables.conf with `flush ruleset`.";
        verdicts.fail(&PALISADE_TABLE, "inet palisade", evidence, Fix::text(text));
    }
}

fn legacy<'a>(ruleset: &'a Ruleset, table: &str) -> Option<&'a str> {
    ruleset.legacy.iter().map(String::as_str).find(|name| *name == table)
}

fn unread(table: &str) -> String {
    format!(
        "the table `{table}` of the older iptables is loaded; nftables does not show its policy (`iptables-legacy -S INPUT` does)"
    )
}

fn input_chains(ruleset: &Ruleset) -> String {
    let chains: Vec<String> = ruleset
        .tables
        .iter()
        .flat_map(|t| t.chains.iter().map(move |c| (t, c)))
        .filter(|(_, c)| c.hook.as_deref() == Some("input"))
        .map(|(t, c)| {
            let policy = c.policy.as_deref().unwrap_or("accept");
            format!("`{} {} {}` (policy {policy}, rules: {})", t.family, t.name, c.name, c.rules)
        })
        .collect();
    if chains.is_empty() {
        return "no chain at hook input".to_owned();
    }
    format!("chains at hook input, none of which drops what no rule lets in: {}", chains.join(", "))
}
