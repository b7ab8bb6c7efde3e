//! Programs as text and JSON: four typical hosts as goldens (`tests/golden-text`), loaded with nft into
//! a namespace of the test's own, where real packets meet what the judge says of them.

use crate::filters::{now, range, set};
use crate::sandbox::entered;
use palisade_firewall::filter::compile::compile;
use palisade_firewall::filter::judge::{Host, judge};
use palisade_firewall::filter::packet::PacketText;
use palisade_firewall::filter::{Defaults, Filter, Layer, Peers, Rule, text};
use palisade_firewall::group::model::{Action, Direction, Protocol};
use palisade_firewall::ruleset::Range;
use palisade_sandbox::{Link, Peer, is_isolated, run};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const GENERATION: u16 = 41;
const HERE: [&str; 2] = ["10.99.0.1/24", "fd00:99::1/64"];
const THERE: [&str; 4] = ["10.99.0.2/24", "10.99.0.200/24", "fd00:99::2/64", "fd00:99::200/64"];
/// Until an answer must have come.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// After so long without an answer a packet was dropped.
const SILENT_AFTER: Duration = Duration::from_millis(150);

fn allow(id: &str, protocol: Protocol, ports: &[&str], peers: Peers) -> Rule {
    Rule {
        id: id.to_owned(),
        layer: Layer::Group,
        priority: 50,
        direction: Direction::In,
        action: Action::Allow,
        protocol,
        ports: ports.iter().map(|text| text.parse().unwrap()).collect(),
        types: Vec::new(),
        peers,
        log: false,
        starts_at: None,
        ends_at: None,
    }
}

fn deny(id: &str, protocol: Protocol, ports: &[&str], peers: Peers) -> Rule {
    Rule { action: Action::Deny, ..allow(id, protocol, ports, peers) }
}

fn policy(rule: Rule) -> Rule {
    Rule { layer: Layer::Policy, ..rule }
}

fn of(sets: &[&str]) -> Peers {
    Peers::Of { sets: sets.iter().map(|s| (*s).to_owned()).collect(), interfaces: Vec::new() }
}

fn by(interface: &str) -> Peers {
    Peers::Of { sets: Vec::new(), interfaces: vec![interface.to_owned()] }
}

fn except(set: &str) -> Peers {
    Peers::Except { sets: vec![set.to_owned()] }
}

fn filter(rules: Vec<Rule>, inbound: Action, outbound: Action) -> Filter {
    let sets = vec![
        set("list/office", ["10.99.0.2", "198.51.100.0/24", "2001:db8:1::/48"].map(range)),
        set("group/web", [range("10.99.0.2"), range("fd00:99::2")]),
        set("group/none", []),
        set("policy/private", [range("10.99.0.0/25"), range("fd00::/8")]),
    ];
    Filter { rules, sets, defaults: Some(Defaults { inbound, outbound }) }
}

/// The web for everybody, administration for the office, nothing else.
fn web() -> Filter {
    let rules = vec![
        deny("web/scanner", Protocol::All, &[], of(&["group/none"])),
        allow("web/http", Protocol::Tcp, &["80", "443"], Peers::Any),
        Rule { log: true, ..allow("web/ssh", Protocol::Tcp, &["22"], of(&["list/office"])) },
        Rule { types: vec![8, 13], ..allow("web/ping", Protocol::Icmp, &[], of(&["list/office"])) },
    ];
    filter(rules, Action::Deny, Action::Allow)
}

/// Databases for private networks only, and of these for the web servers; little goes out.
fn database() -> Filter {
    let out = |rule: Rule| Rule { direction: Direction::Out, ..rule };
    let rules = vec![
        policy(deny("policy/high-risk-tcp", Protocol::Tcp, &["135", "137-139", "445"], Peers::Any)),
        policy(deny("policy/databases", Protocol::Tcp, &["3306", "5432"], except("policy/private"))),
        allow("db/postgres", Protocol::Tcp, &["5432"], of(&["group/web", "list/office"])),
        allow("db/cluster", Protocol::All, &[], of(&["group/none"])),
        allow("db/range", Protocol::Udp, &["7000-7010"], of(&["group/web"])),
        out(allow("db/dns", Protocol::Udp, &["53"], of(&["group/web"]))),
    ];
    filter(rules, Action::Deny, Action::Deny)
}

/// Some of it only by an interface.
fn overlay() -> Filter {
    let rules = vec![
        allow("mesh/ssh", Protocol::Tcp, &["22"], by("wg0")),
        allow("mesh/veth", Protocol::Tcp, &["2222"], by("pal0")),
        allow("mesh/gre", Protocol::Gre, &[], of(&["list/office"])),
        allow("mesh/udp", Protocol::Udp, &[], of(&["group/web"])),
    ];
    filter(rules, Action::Deny, Action::Allow)
}

/// Only the port policy governs; and more networks than are walked through.
fn policy_only() -> Filter {
    let rules = vec![
        policy(deny("policy/high-risk-tcp", Protocol::Tcp, &["4444"], Peers::Any)),
        policy(deny("policy/a", Protocol::Udp, &["5000-5001"], of(&["group/web", "group/none"]))),
        policy(allow("policy/b", Protocol::Udp, &["5000"], of(&["group/web", "list/office", "policy/private"]))),
        policy(deny("policy/c", Protocol::Udp, &["5000"], except("policy/private"))),
    ];
    filter(rules, Action::Allow, Action::Allow)
}

fn typical() -> [(&'static str, Filter); 4] {
    [("web", web()), ("database", database()), ("overlay", overlay()), ("policy-only", policy_only())]
}

fn failsafe() -> [Range; 1] {
    [range("192.0.2.1")]
}

/// `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn typical_hosts_are_printed_as_their_goldens() {
    for (name, filter) in typical() {
        let text = text::text(&compile(&filter), GENERATION, &failsafe());
        let path = format!("{}/tests/golden-text/{name}.nft", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{path}");
    }
}

fn load(text: &str, json: bool) {
    assert!(is_isolated(), "rules are loaded in namespaces of the test's own only");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let words: &[&str] = if json { &["-j", "-f", path] } else { &["-f", path] };
    run("nft", words).unwrap_or_else(|why| panic!("{why}\n{text}"));
}

#[test]
fn nft_loads_the_text_and_the_json_alike() {
    if !entered() {
        return;
    }
    for (name, filter) in typical() {
        let program = compile(&filter);
        load(&text::text(&program, GENERATION, &failsafe()), false);
        let by_text = run("nft", &["-n", "list", "ruleset"]).unwrap();
        load(&text::json(&program, GENERATION, &failsafe()).to_string(), true);
        assert_eq!(run("nft", &["-n", "list", "ruleset"]).unwrap(), by_text, "{name}");
        for rule in &filter.rules {
            assert!(by_text.contains(&format!("counter {} {{", rule.id)), "{name}: {}", rule.id);
        }
    }
    // names that nft would read as numbers, and a program without anything
    let odd = filter(vec![allow("1st/a", Protocol::Tcp, &["22"], Peers::Any)], Action::Deny, Action::Deny);
    load(&text::text(&compile(&odd), 65_534, &[]), false);
    load(&text::text(&compile(&Filter::default()), 1, &[]), false);
}

/// Answers to TCP and UDP at a port, of both families.
fn serve(port: u16) -> (TcpListener, TcpListener) {
    for at in ["10.99.0.1", "fd00:99::1"] {
        let socket = UdpSocket::bind((at.parse::<IpAddr>().unwrap(), port)).unwrap();
        std::thread::spawn(move || {
            while let Ok((_, from)) = socket.recv_from(&mut [0; 64]) {
                let _ = socket.send_to(b"x", from);
            }
        });
    }
    let tcp = |at: &str| TcpListener::bind((at.parse::<IpAddr>().unwrap(), port)).unwrap();
    (tcp("10.99.0.1"), tcp("fd00:99::1"))
}

/// True if it was answered. What should be answered is waited for longer.
fn answered(peer: &Peer, tcp: bool, from: IpAddr, port: u16, expected: bool) -> bool {
    let here: IpAddr = if from.is_ipv4() { "10.99.0.1" } else { "fd00:99::1" }.parse().unwrap();
    let to = SocketAddr::new(here, port);
    let wait = if expected { ANSWERS_WITHIN } else { SILENT_AFTER };
    peer.run(move || {
        if tcp {
            return connected(from, to, wait);
        }
        let began = Instant::now();
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.set_read_timeout(Some(SILENT_AFTER)).unwrap();
        while began.elapsed() < wait {
            if socket.send_to(b"x", to).is_ok() && socket.recv_from(&mut [0; 8]).is_ok() {
                return true;
            }
        }
        false
    })
}

/// A connection from this one of the peer's addresses.
fn connected(from: IpAddr, to: SocketAddr, wait: Duration) -> bool {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    use std::os::fd::{AsRawFd, OwnedFd};
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd: OwnedFd = socket(family, SockType::Stream, flags, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0))).unwrap();
    let _ = connect(fd.as_raw_fd(), &SockaddrStorage::from(to));
    let stream = TcpStream::from(fd);
    let mut polled = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&stream), nix::poll::PollFlags::POLLOUT)];
    let ms = u16::try_from(wait.as_millis()).unwrap();
    nix::poll::poll(&mut polled, ms).unwrap();
    stream.take_error().unwrap().is_none() && stream.peer_addr().is_ok()
}

/// One packet of each kind from each address to each port.
#[test]
fn real_packets_meet_what_the_judge_says() {
    if !entered() {
        return;
    }
    let peer = match Peer::beside(&Link { here: &HERE, there: &THERE }) {
        Ok(peer) => peer,
        Err(why) => return println!("skipped: {why}"),
    };
    let listening: Vec<_> = [22, 80, 2222, 4444, 5000, 5001, 5432, 7010].map(|port| (port, serve(port))).into();
    let mut seen = 0;
    for (name, filter) in typical() {
        load(&text::text(&compile(&filter), GENERATION, &failsafe()), false);
        for (n, (port, _)) in listening.iter().enumerate() {
            for (m, from) in THERE.iter().map(|a| a.split('/').next().unwrap()).enumerate() {
                // all of what has an answer to give, and a part of the rest
                for protocol in ["tcp", "udp"] {
                    let packet = match from.contains(':') {
                        true => format!("{protocol} [{from}] -> here:{port} by pal0"),
                        false => format!("{protocol} {from} -> here:{port} by pal0"),
                    };
                    let probe = packet.parse::<PacketText>().unwrap().probe;
                    let host = Host { failsafe: &failsafe(), allow: &[], banned: &[], filter: &filter };
                    let decision = judge(&host, &probe, now());
                    let expected = decision.action == Action::Allow;
                    if !expected && (n + m) % 3 != 0 {
                        continue;
                    }
                    let got = answered(&peer, protocol == "tcp", from.parse().unwrap(), *port, expected);
                    assert_eq!(got, expected, "{name}: {packet}: {}", decision.sentence());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 100, "{seen} packets");
}
