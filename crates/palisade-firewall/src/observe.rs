//! Looks at what listens and at what the kernel filters. Only the running system has either.

use crate::apply::Act;
use crate::exposure::{self, Filtering};
use crate::model::{
    Chain, Listener, Listeners, Observed, Ours, PUBLISHED_MAX, Protocol, Published, Ruleset, SOCKETS_MAX, Table,
};
use crate::ruleset::{Content, Until, table};
use crate::services;
use crate::stream::MARK_MASK;
use crate::stream::foreign::canary;
use palisade_core::{Clock, SystemClock};
use palisade_guard::contract::chain as causes;
use palisade_sys::listener::{self, Protocol as SysProtocol};
use palisade_sys::nft::{self, Disturbs, Expr, Interval, Reader, Rule, Set, TableName, Verdict, intervals_of};
use palisade_sys::{Root, SysError, dpkg};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rules of one table beyond which it is not looked whether a chain ends in a drop.
const RULES_READ_MAX: usize = 20_000;
/// Chains of others that are named for what they do to the tracking of conversations.
const DISTURBERS_MAX: usize = 50;
/// A table that its owner has switched off (`NFT_TABLE_F_DORMANT`).
const DORMANT: u32 = 1;
/// The base chain of our table that asks the rules about what comes in.
const RULES_CHAIN: &str = "in";
/// A ban that ends within this time counts as ended: the kernel's timer may be ahead of the clock.
const END_MARGIN_MS: i64 = 5_000;

/// What the keeper of this process last wanted: how many bans, and when the last of them ends. The
/// keeper is made by a plain function from the agent's facts, so that it shares nothing else with
/// the observer than the process.
static KEPT: Mutex<Option<(u64, Until)>> = Mutex::new(None);

/// The keeper tells what should be in force from now on.
pub fn kept(wanted: &Content) {
    let ends = wanted.bans.iter().map(|(_, until)| *until).chain(wanted.networks.iter().map(|(_, until)| *until));
    let count = wanted.bans.len() + wanted.networks.len();
    let last = ends.max().unwrap_or(Until::At(i64::MIN));
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some((count as u64, last));
}

/// The keeper tells that there are `count` bans since these acts of the feed.
pub fn kept_changed(count: usize, acts: &[Act]) {
    let ends = acts.iter().flat_map(|act| match act {
        Act::AddBans(bans) | Act::ChangeBans(bans) => bans.as_slice(),
        _ => &[],
    });
    let last = ends.map(|(_, until)| *until).max();
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let before = kept.map(|(_, last)| last);
    *kept = Some((count as u64, last.into_iter().chain(before).max().unwrap_or(Until::At(i64::MIN))));
}

/// How many bans should be in force: none once the last has ended, since nobody plans when the
/// kernel's own timers end them. `None` outside of the agent.
fn kept_at(now_ms: i64) -> Option<u64> {
    let kept = *KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.map(|(count, last)| if last.ends_by(now_ms, END_MARGIN_MS) { 0 } else { count })
}

/// One look at the host.
pub fn observe(root: &Root) -> Observed {
    if !root.is_live() {
        return Observed::default();
    }
    let (mut listeners, ruleset) = (listeners(root), ruleset(root));
    let published = ruleset.unreadable.is_none().then(published).flatten();
    listeners.databases = services::databases(&listeners.sockets, published.as_deref().unwrap_or_default());
    let filter = exposure::kept_now(SystemClock.now()).map(|told| Filtering { in_force: in_force(&ruleset), ..told });
    Observed { listeners: Some(listeners), ruleset: Some(ruleset), published, filter }
}

/// Our table is there with the chain in which rules are asked.
fn in_force(ruleset: &Ruleset) -> bool {
    let ours = table();
    let is_ours = |t: &&Table| t.name == ours.name && t.family == ours.family.to_string();
    let asked = |t: &Table| t.chains.iter().any(|c| c.name == RULES_CHAIN && c.hook.is_some() && c.rules > 0);
    ruleset.tables.iter().find(is_ours).is_some_and(asked)
}

/// The last listing of published ports and the generation that it is true for.
static LAST_PUBLISHED: Mutex<Option<(u32, Vec<Published>)>> = Mutex::new(None);

/// Ports that rules of nat send on; read anew only when a rule has changed. `None` if they cannot be
/// read now.
fn published() -> Option<Vec<Published>> {
    let listed = Reader::open().and_then(|mut reader| {
        let now = reader.generation()?;
        let last = LAST_PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, known)) = last.filter(|(generation, _)| *generation == now) {
            return Ok(known);
        }
        let (generation, found) = reader.consistent(Reader::published)?;
        let mut found: Vec<Published> = found.into_iter().map(forwarded).collect();
        found.sort();
        found.dedup();
        found.truncate(PUBLISHED_MAX);
        *LAST_PUBLISHED.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, found.clone()));
        Ok(found)
    });
    listed.map_err(|error| tracing::warn!(guard = crate::WORD, error = causes(&error), "published ports unknown")).ok()
}

fn forwarded(of: nft::Published) -> Published {
    let to = match (of.to, of.to_port) {
        (Some(address), Some(port)) => Some(SocketAddr::new(address, port).to_string()),
        (Some(address), None) => Some(address.to_string()),
        (None, Some(port)) => Some(format!(":{port}")),
        (None, None) => None,
    };
    let protocol = if of.udp { Protocol::Udp } else { Protocol::Tcp };
    let rule = format!("{} {}", of.table, of.chain);
    Published { protocol, port: of.ports.0, port_last: of.ports.1, address: of.address, to, rule }
}

fn listeners(root: &Root) -> Listeners {
    let mut out = Listeners { as_root: is_root(root), ..Listeners::default() };
    match listener::listeners() {
        Ok(all) => {
            out.left_out = all.len().saturating_sub(SOCKETS_MAX) as u64;
            out.sockets = with_packages(root, &all[..all.len().min(SOCKETS_MAX)]);
        }
        Err(error) => out.unreadable = Some(causes(&error)),
    }
    out
}

/// True with the effective user id 0: the second number of `Uid:` (proc_pid_status(5)).
fn is_root(root: &Root) -> bool {
    let status = root.text("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

/// Packages are known on dpkg systems; elsewhere a socket has none.
fn with_packages(root: &Root, all: &[listener::Listener]) -> Vec<Listener> {
    let mut paths: Vec<PathBuf> = all.iter().filter_map(|l| l.exe.as_ref().map(PathBuf::from)).collect();
    paths.sort_unstable();
    paths.dedup();
    let packages = dpkg::owners_of(root, &paths).unwrap_or_else(|error| {
        if !error.is_not_found() {
            tracing::warn!(guard = crate::WORD, error = causes(&error), "package of listeners unknown");
        }
        HashMap::new()
    });
    let mut sockets: Vec<Listener> = all.iter().map(|l| socket(l, &packages)).collect();
    sockets.dedup(); // SO_REUSEPORT: one socket per worker on one address
    sockets
}

fn socket(of: &listener::Listener, packages: &HashMap<PathBuf, String>) -> Listener {
    Listener {
        protocol: if of.protocol == SysProtocol::Udp { Protocol::Udp } else { Protocol::Tcp },
        address: of.address,
        port: of.port,
        interface: of.interface.clone(),
        v6only: of.v6only,
        process: of.process.clone(),
        pid: of.pid,
        package: of.exe.as_ref().and_then(|exe| packages.get(&PathBuf::from(exe)).cloned()),
        unit: of.unit.clone(),
        kernel: of.inode == 0,
    }
}

fn ruleset(root: &Root) -> Ruleset {
    let mut ruleset = Reader::open().and_then(|mut reader| tables(&mut reader)).unwrap_or_else(unreadable);
    ruleset.legacy = legacy(root);
    ruleset.ipv6 = is_ipv6_routed(&root.text("/proc/net/if_inet6").unwrap_or_default());
    ruleset.ours.kept = kept_at(SystemClock.now().as_millisecond());
    ruleset
}

fn unreadable(error: SysError) -> Ruleset {
    let why = if error.is_denied() { "only root may look at it".to_owned() } else { causes(&error) };
    Ruleset { unreadable: Some(why), ..Ruleset::default() }
}

/// The last reading of the tables, the generation that it is true for, and when it was made.
static LAST: Mutex<Option<(u32, Instant, Ruleset)>> = Mutex::new(None);
/// A reading serves this long while nobody changes a rule: elements run out without a generation.
const LAST_SERVES: Duration = Duration::from_secs(60);

/// The tables; read anew only when they have changed, since a listing of many bans is dear.
fn tables(reader: &mut Reader) -> Result<Ruleset, SysError> {
    let now = reader.generation()?;
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, _, ruleset)) = last.filter(|(g, at, _)| *g == now && at.elapsed() < LAST_SERVES) {
        return Ok(ruleset);
    }
    let (generation, ruleset) = tables_now(reader)?;
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, Instant::now(), ruleset.clone()));
    Ok(ruleset)
}

fn tables_now(reader: &mut Reader) -> Result<(u32, Ruleset), SysError> {
    let (generation, ruleset) = reader.consistent(|reader| {
        let (names, chains, counts) = (reader.tables()?, reader.chains()?, reader.rule_counts()?);
        let mut ruleset = Ruleset::default();
        for table in names.iter().filter(|t| t.flags & DORMANT == 0 && t.name != canary()) {
            let own: Vec<&nft::Chain> = chains.iter().filter(|c| c.table == table.name).collect();
            let ends = ends(reader, &table.name, &own, &counts)?;
            let chains = own.iter().map(|c| chain(c, &counts, &ends)).collect();
            ruleset.tables.push(Table { family: table.name.family.to_string(), name: table.name.name.clone(), chains });
        }
        disturbers(reader, &mut ruleset)?;
        ruleset.ours = ours(reader, &names)?;
        Ok(ruleset)
    })?;
    Ok((generation, ruleset))
}

/// Chains of others that reach into the tracking of conversations.
fn disturbers(reader: &mut Reader, ruleset: &mut Ruleset) -> Result<(), SysError> {
    let foreign = reader.disturbers(MARK_MASK)?.into_iter().filter(|(of, ..)| *of != table());
    for (of, chain, does) in foreign {
        let list = match does {
            Disturbs::Mark => &mut ruleset.mark_writers,
            Disturbs::Tracking => &mut ruleset.untracking,
        };
        if list.len() < DISTURBERS_MAX {
            list.push(format!("{of} {chain}"));
        }
    }
    Ok(())
}

type Counts = BTreeMap<(TableName, String), usize>;

fn chain(of: &nft::Chain, counts: &Counts, ends: &HashMap<String, String>) -> Chain {
    let policy = |b: &nft::Base| if b.accepts { "accept" } else { "drop" }.to_owned();
    Chain {
        name: of.name.clone(),
        hook: of.hook(),
        priority: of.base.as_ref().map(|b| b.priority),
        policy: of.base.as_ref().map(policy),
        rules: counts.get(&(of.table.clone(), of.name.clone())).copied().unwrap_or(0) as u64,
        ends_in: ends.get(&of.name).cloned(),
    }
}

/// How the input chains of a table end whose policy is accept. Only those are read: rules are many.
fn ends(
    reader: &mut Reader,
    table: &TableName,
    chains: &[&nft::Chain],
    counts: &Counts,
) -> Result<HashMap<String, String>, SysError> {
    let open = |c: &&&nft::Chain| c.hook().as_deref() == Some("input") && c.base.as_ref().is_some_and(|b| b.accepts);
    let inputs: Vec<&str> = chains.iter().filter(open).map(|c| c.name.as_str()).collect();
    let rules: usize = counts.iter().filter(|((t, _), _)| t == table).map(|(_, n)| n).sum();
    if inputs.is_empty() || rules > RULES_READ_MAX {
        return Ok(HashMap::new());
    }
    let rules = reader.rules(table)?;
    let last = |chain: &str| rules.iter().rfind(|r| r.chain == chain).and_then(ends_in);
    Ok(inputs.iter().filter_map(|chain| Some(((*chain).to_owned(), last(chain)?.to_owned()))).collect())
}

/// What a rule without any condition does to a packet that it keeps out.
fn ends_in(rule: &Rule) -> Option<&'static str> {
    let (last, before) = rule.exprs.split_last()?;
    let silent = |e: &Expr| matches!(e, Expr::Counter { .. } | Expr::Log { .. }) || *e == Expr::Other("log".to_owned());
    if !before.iter().all(silent) {
        return None;
    }
    match last {
        Expr::Verdict(Verdict::Drop) => Some("drop"),
        Expr::Other(name) if name == "reject" => Some("reject"),
        _ => None,
    }
}

fn ours(reader: &mut Reader, tables: &[nft::Table]) -> Result<Ours, SysError> {
    let Some(table) = tables.iter().find(|t| t.name == table()) else { return Ok(Ours::default()) };
    let mut ours = Ours { present: true, ..Ours::default() };
    for set in reader.sets(&table.name)? {
        let held = |reader: &mut Reader| held(reader, &table.name, &set);
        if set.name.starts_with("ban") {
            ours.bans += held(reader)?.len() as u64;
        } else if set.name.starts_with("allow") {
            ours.allow += held(reader)?.len() as u64;
        } else if set.name.starts_with("failsafe") {
            ours.failsafe.extend(held(reader)?.iter().map(range));
        }
    }
    ours.failsafe.sort();
    Ok(ours)
}

fn held(reader: &mut Reader, table: &TableName, set: &Set) -> Result<Vec<Interval>, SysError> {
    let elements = reader.elements(table, &set.name)?;
    if set.interval {
        return Ok(intervals_of(elements));
    }
    Ok(elements.iter().map(|e| Interval { first: e.key, last: e.key, timeout_ms: None }).collect())
}

fn range(of: &Interval) -> String {
    if of.first == of.last { of.first.to_string() } else { format!("{}-{}", of.first, of.last) }
}

/// The tables of the older iptables that the kernel has loaded; only root sees them.
fn legacy(root: &Root) -> Vec<String> {
    let names = |path: &str, family: &'static str| {
        let text = root.text_if_exists(path).ok().flatten().unwrap_or_default();
        text.lines().take(16).map(|name| format!("{family} {}", name.trim())).collect::<Vec<_>>()
    };
    [names("/proc/net/ip_tables_names", "ip"), names("/proc/net/ip6_tables_names", "ip6")].concat()
}

/// True if an address of global scope is there: the fourth column of `if_inet6` is `00`. Unique
/// local addresses count, since other hosts route to them; link-local ones do not.
fn is_ipv6_routed(if_inet6: &str) -> bool {
    if_inet6.lines().any(|line| line.split_whitespace().nth(3) == Some("00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_is_routed_with_an_address_of_global_scope_only() {
        let lo = "00000000000000000000000000000001 01 80 10 80       lo\n";
        let link = "fe80000000000000be2411fffe2b57c4 02 40 20 80     eth0\n";
        let global = "20010db8000000000000000000000005 02 40 00 80     eth0\n";
        assert!(!is_ipv6_routed(&format!("{lo}{link}")));
        assert!(is_ipv6_routed(&format!("{lo}{global}{link}")));
        assert!(!is_ipv6_routed("\u{0}\n 00\n"));
    }

    fn rule(exprs: Vec<Expr>) -> Rule {
        let table = TableName { family: nft::Family::Inet, name: "filter".to_owned() };
        Rule { table, chain: "input".to_owned(), handle: 1, exprs }
    }

    #[test]
    fn a_chain_ends_in_a_drop_only_without_a_condition() {
        let counter = Expr::Counter { packets: 1, bytes: 40 };
        let drop = Expr::Verdict(Verdict::Drop);
        assert_eq!(ends_in(&rule(vec![counter.clone(), Expr::Other("log".to_owned()), drop.clone()])), Some("drop"));
        assert_eq!(ends_in(&rule(vec![Expr::Other("reject".to_owned())])), Some("reject"));
        assert_eq!(ends_in(&rule(vec![Expr::In("ban4".to_owned()), counter, drop])), None);
        assert_eq!(ends_in(&rule(vec![Expr::Verdict(Verdict::Accept)])), None);
        assert_eq!(ends_in(&rule(vec![])), None);
    }

    #[test]
    fn the_running_system_is_observed_and_a_scratch_root_is_not() {
        let observed = observe(&Root::live());
        assert!(observed.listeners.is_some_and(|l| l.unreadable.is_none()));
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(observe(&Root::scratch(dir.path()).expect("a scratch root")), Observed::default());
    }
}
