//! The watcher against a real kernel: packets, counters and changes of others, in namespaces.

use crate::sandbox::{ban, bans, converge, entered, firewall, nft};
use jiff::Timestamp;
use palisade_firewall::stream::LOG_GROUP;
use palisade_firewall::stream::record::{Asked, Logged, Outcome, Tampered, Told};
use palisade_firewall::stream::watch::{Round, Watching};
use palisade_guard::Watch;
use palisade_sandbox::{Link, Peer, run};
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// Two sides, and a table here as the filter will have it: rules that count, log and drop.
fn wire() -> Option<Peer> {
    if !entered() {
        return None;
    }
    let link = Link { here: &["10.99.0.1/24", "fd00:99::1/64"], there: &["10.99.0.2/24", "fd00:99::2/64"] };
    Peer::beside(&link).map_err(|why| println!("skipped: {why}")).ok()
}

fn filter() {
    nft("add table inet palisade");
    nft("add chain inet palisade in { type filter hook prerouting priority -110 ; }");
    nft("add counter inet palisade web/ssh");
    nft("add counter inet palisade default/in");
    nft("add rule inet palisade in iif lo accept");
    nft("add rule inet palisade in meta l4proto icmpv6 accept");
    nft("add rule inet palisade in tcp dport 22 counter name web/ssh accept");
    run("nft", &[&format!("add rule inet palisade in counter name default/in log prefix \"pal:g7:default/in:deny\" group {LOG_GROUP} drop")])
        .unwrap();
}

/// The watcher's loop, by a clock of its own that runs ahead: a turn is a second.
pub struct Turns {
    round: Round,
    now: Timestamp,
    pub told: Vec<Told>,
}

impl Turns {
    pub fn new(watching: &Watching) -> Turns {
        let mut turns = Turns { round: Round::new(watching.clone()), now: Timestamp::now(), told: Vec::new() };
        turns.turn();
        turns.told.clear();
        turns
    }

    pub fn turn(&mut self) {
        self.told.extend(self.round.turn(self.now));
        self.now += jiff::SignedDuration::from_secs(1);
    }

    /// Turns until `enough` of what was told.
    pub fn until(&mut self, enough: impl Fn(&[Told]) -> bool) {
        let began = Instant::now();
        while !enough(&self.told) {
            assert!(began.elapsed() < LIMIT, "told so far: {:#?}", self.told);
            self.turn();
            std::thread::yield_now();
        }
    }
}

fn logged(told: &[Told]) -> impl Iterator<Item = &Logged> {
    told.iter().filter_map(|t| if let Told::Logged(l) = t { Some(l) } else { None })
}

fn packets(told: &[Told]) -> u64 {
    logged(told).map(|l| l.rows.iter().map(|r| r.packets).sum::<u64>() + l.more + l.lost).sum()
}

fn hits(told: &[Told]) -> BTreeMap<String, u64> {
    let mut hits = BTreeMap::new();
    for hit in told.iter().flat_map(|t| if let Told::Hits(list) = t { list.as_slice() } else { &[] }) {
        *hits.entry(hit.rule.clone()).or_default() += hit.packets;
    }
    hits
}

pub fn tampered(told: &[Told]) -> Vec<&Tampered> {
    told.iter().filter_map(|t| if let Told::Tampered(t) = t { Some(t) } else { None }).collect()
}

#[test]
fn a_scan_is_told_to_the_last_packet_with_rule_and_ports() {
    let Some(peer) = wire() else { return };
    filter();
    let mut turns = Turns::new(&Watching::default());
    const PORTS: [u16; 6] = [21, 23, 445, 3_389, 5_432, 8_080];
    let ports = PORTS.map(|p| p.to_string()).join(",");
    let words = ["-n", "-Pn", "-sS", "--max-retries", "0", "--host-timeout", "20s", "-p"].map(str::to_owned);
    let scanned = peer.run(move || {
        let mut words: Vec<String> = words.to_vec();
        words.extend([format!("{ports},22"), "10.99.0.1".to_owned()]);
        run("nmap", &words.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let sent = match scanned {
        Ok(said) => {
            assert!(said.contains("filtered"), "{said}");
            nft("list counter inet palisade default/in")
        }
        Err(why) => return println!("skipped: {why}"),
    };
    let sent: u64 = sent.split_whitespace().skip_while(|w| *w != "packets").nth(1).unwrap().parse().unwrap();
    assert!(sent >= PORTS.len() as u64);
    turns.until(|told| packets(told) >= sent && !hits(told).is_empty());
    assert_eq!(packets(&turns.told), sent);
    let rows: Vec<_> = logged(&turns.told).flat_map(|l| &l.rows).filter(|r| r.protocol == "tcp").collect();
    let mut seen: Vec<u16> = rows.iter().filter_map(|r| r.port).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, PORTS);
    let named = |r: &&palisade_firewall::stream::record::LoggedRow| {
        (r.rule.as_str(), r.generation, r.interface.as_deref()) == ("default/in", 7, Some("pal0"))
    };
    assert!(rows.iter().all(named), "{rows:?}");
    let hits = hits(&turns.told);
    assert_eq!(hits.get("default/in"), Some(&sent));
    assert!(hits.get("web/ssh").is_some_and(|n| *n > 0), "{hits:?}");
}

/// Kilobytes of memory that this process has in use.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_flood_of_a_hundred_thousand_packets_is_bounded_and_none_is_forgotten() {
    let Some(peer) = wire() else { return };
    filter();
    const FLOOD: u64 = 100_000;
    let mut turns = Turns::new(&Watching::default());
    let before_kb = resident_kb();
    let flooding = std::thread::spawn(move || {
        peer.run(|| {
            let socket = UdpSocket::bind("10.99.0.2:0").unwrap();
            (0..FLOOD).for_each(|n| drop(socket.send_to(b"x", ("10.99.0.1", 1_000 + (n % 50_000) as u16))));
        });
        peer
    });
    while !flooding.is_finished() {
        turns.turn();
    }
    let peer = flooding.join().unwrap();
    // the last losses show with the next packet
    let began = Instant::now();
    while packets(&turns.told) < FLOOD {
        assert!(began.elapsed() < LIMIT, "{} of {FLOOD}", packets(&turns.told));
        peer.run(|| UdpSocket::bind("10.99.0.2:0").unwrap().send_to(b"x", "10.99.0.1:9").map(|_| ()).unwrap());
        turns.turn();
    }
    assert!(packets(&turns.told) < FLOOD + 10_000, "{}", packets(&turns.told));
    let largest = turns.told.iter().map(|t| serde_json::to_vec(t).unwrap().len()).max().unwrap();
    assert!(largest < 100_000, "a record of {largest} bytes");
    let grown_kb = resident_kb().saturating_sub(before_kb);
    println!("records: {}, largest: {largest} bytes, memory: +{grown_kb} kB", turns.told.len());
    assert!(grown_kb < 16_000, "{grown_kb} kB more");
}

#[test]
fn a_flush_by_another_tool_is_told_with_who_did_it_and_that_the_table_was_repaired() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1"]);
    let spec = bans([ban("203.0.113.9", None)]);
    let mut turns = Turns::new(&Watching::default());
    assert!(!nft("list tables").contains("palisade"), "no canary without a table to watch over");
    converge(&firewall, &spec);
    for _ in 0..12 {
        turns.turn();
    }
    assert!(nft("list tables").contains("table inet palisade_canary"));
    assert!(turns.told.is_empty(), "our own changes are not told: {:?}", turns.told);

    nft("flush ruleset");
    turns.turn();
    converge(&firewall, &spec);
    turns.until(|told| !tampered(told).is_empty());
    let told = tampered(&turns.told);
    assert_eq!((told[0].by.process.as_str(), told[0].flushed, told[0].outcome), ("nft", true, Outcome::Repaired));
    for _ in 0..12 {
        turns.turn();
    }
    assert!(nft("list tables").contains("table inet palisade_canary"), "made again");
    assert_eq!(tampered(&turns.told).len(), 1);
}

#[test]
fn an_element_that_another_tool_removes_from_our_table_is_told() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1"]);
    let spec = bans([ban("203.0.113.9", None)]);
    converge(&firewall, &spec);
    let mut turns = Turns::new(&Watching::default());
    nft("delete element inet palisade ban4 { 203.0.113.9 }");
    turns.turn();
    assert_eq!(converge(&firewall, &spec), ["AddBan"]);
    turns.until(|told| !tampered(told).is_empty());
    let told = tampered(&turns.told);
    assert_eq!((told[0].flushed, told[0].what.as_str(), told[0].outcome), (false, "elements", Outcome::Repaired));
}

#[test]
fn a_tool_that_changes_tables_of_its_own_is_told_once() {
    if !entered() {
        return;
    }
    let mut turns = Turns::new(&Watching::default());
    nft("add table ip docker");
    nft("add chain ip docker c");
    turns.until(|told| told.iter().any(|t| matches!(t, Told::Foreign(_))));
    let Some(Told::Foreign(foreign)) = turns.told.first() else { panic!("{:?}", turns.told) };
    assert_eq!((foreign.by.process.as_str(), foreign.tables.as_slice()), ("nft", &["ip docker".to_owned()][..]));
    assert_eq!((foreign.what.as_str(), foreign.transactions), ("ip docker: made, 1 chain", 2));
}

#[test]
fn a_group_that_another_tool_has_is_said_and_the_rest_goes_on() {
    if !entered() {
        return;
    }
    let _other = palisade_sys::nflog::Nflog::open(LOG_GROUP).unwrap();
    let watching = Watching::default();
    let mut turns = Turns::new(&watching);
    let status = watching.status();
    assert!(status["denied_packets"].as_str().unwrap().contains("nflog group 5841"), "{status}");
    assert_eq!(status["changes_by_others"], "followed");
    nft("add table ip docker");
    turns.until(|told| told.iter().any(|t| matches!(t, Told::Foreign(_))));
}

#[test]
fn who_speaks_with_whom_is_told_when_asked_with_the_process() {
    let Some(peer) = wire() else { return };
    nft("add table inet t");
    nft("add chain inet t c { type filter hook prerouting priority -110 ; }");
    nft("add rule inet t c ct state new ct mark set 0x70000");
    let watching = Watching::default();
    let mut turns = Turns::new(&watching);
    let listener = TcpListener::bind("10.99.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _there = peer.run(move || TcpStream::connect(("10.99.0.1", port)).unwrap());
    let _here = listener.accept().unwrap();
    watching.asked(&serde_json::json!({ "run": "x" }));
    turns.turn();
    assert!(!turns.told.iter().any(|t| matches!(t, Told::Connections(_))));
    watching.asked(&serde_json::to_value(Asked::Connections).unwrap());
    turns.until(|told| told.iter().any(|t| matches!(t, Told::Connections(_))));
    let found = turns.told.iter().find_map(|t| if let Told::Connections(c) = t { Some(c) } else { None }).unwrap();
    let row = found.rows.iter().find(|r| r.port == port).unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!((row.peer.to_string().as_str(), row.protocol.as_str(), row.marked), ("10.99.0.2", "tcp", true));
    assert_eq!(row.pid, Some(std::process::id()));
}
