//! Ports that are sent on, and high-risk ports, in a real kernel: in namespaces of the test's own.

use crate::sandbox::{entered, nft};
use palisade_core::{HostId, Timestamp};
use palisade_firewall::exposure::{Open, Path, Rules, joined};
use palisade_firewall::model::{Observed, Protocol, Published};
use palisade_firewall::{guard, services};
use palisade_guard::{Host, Look};
use palisade_sandbox::run;
use palisade_sys::Root;
use std::net::{TcpListener, UdpSocket};

fn look() -> (Observed, Look) {
    let id: HostId = "web-1".parse().unwrap();
    let look = guard().observer.look(&Host { id, root: Root::live() }, Timestamp::now());
    assert_eq!(look.error, None);
    (serde_json::from_value(serde_json::Value::Object(look.sections.clone())).unwrap(), look)
}

/// As `tcp/8080-8090 to 10.0.0.2:80 at 192.0.2.1 (ip nat DOCKER)`.
fn said(published: &Published) -> String {
    let last = if published.port == published.port_last { String::new() } else { format!("-{}", published.port_last) };
    let to = published.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    let at = published.address.map(|at| format!(" at {at}")).unwrap_or_default();
    format!("{}/{}{last}{to}{at} ({})", published.protocol, published.port, published.rule)
}

fn published() -> Vec<String> {
    look().0.published.expect("the ruleset can be read").iter().map(said).collect()
}

#[test]
fn what_rules_of_nft_send_on_is_seen_with_jumps_sets_and_ranges() {
    if !entered() {
        return;
    }
    assert_eq!(published(), Vec::<String>::new());
    nft("add table ip nat");
    nft("add chain ip nat pre { type nat hook prerouting priority -100 ; }");
    nft("add chain ip nat out { type nat hook output priority -100 ; }");
    nft("add chain ip nat DOCKER");
    nft("add chain ip nat loop");
    nft("add rule ip nat pre fib daddr type local jump DOCKER");
    nft("add rule ip nat DOCKER tcp dport 8080 counter dnat to 10.0.0.2:80");
    nft("add rule ip nat DOCKER ip daddr 192.0.2.1 udp dport 5353 dnat to 10.0.0.3");
    nft("add rule ip nat pre tcp dport { 81, 90-92 } redirect to :8081");
    nft("add rule ip nat pre tcp dport 30000-30010 dnat to 10.0.0.4");
    nft("add rule ip nat pre tcp dport 7000 jump loop");
    nft("add rule ip nat loop jump DOCKER");
    nft("add rule ip nat out tcp dport 9999 dnat to 10.0.0.9");
    assert_eq!(
        published(),
        [
            "tcp/81 to :8081 (ip nat pre)",
            "tcp/90-92 to :8081 (ip nat pre)",
            "tcp/8080 to 10.0.0.2:80 (ip nat DOCKER)",
            "tcp/30000-30010 to 10.0.0.4 (ip nat pre)",
            "udp/5353 to 10.0.0.3 at 192.0.2.1 (ip nat DOCKER)",
        ]
    );
    let (observed, _) = look();
    let rows =
        joined(&observed.listeners.unwrap(), &observed.published.unwrap(), &Rules { wanted: vec![], told: None });
    let row = rows.iter().find(|row| row.port == 8080).unwrap();
    assert_eq!((row.path, row.open, row.to.as_deref()), (Path::Docker, Open::World, Some("10.0.0.2:80")));
    assert_eq!(rows.iter().find(|row| row.port == 81).unwrap().path, Path::Forwarded);
    nft("flush ruleset");
    assert_eq!(published(), Vec::<String>::new());
}

#[test]
fn what_rules_of_iptables_send_on_is_seen() {
    if !entered() {
        return;
    }
    let iptables = |words: &str| run("iptables-nft", &words.split_whitespace().collect::<Vec<_>>());
    if let Err(why) = iptables("-t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80") {
        println!("skipped: {why}");
        return;
    }
    for words in [
        "-t nat -N DOCKER",
        "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-t nat -A DOCKER ! -i docker0 -p udp -m udp --dport 5300:5310 -j DNAT --to-destination 172.17.0.2",
        "-t nat -A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 6379 -j DNAT --to-destination 172.17.0.3:6379",
        "-t nat -A PREROUTING -p tcp -m multiport --dports 1000,2000:2002 -j REDIRECT --to-ports 3000",
        "-t nat -A OUTPUT -p tcp --dport 9999 -j DNAT --to-destination 10.0.0.9",
    ] {
        iptables(words).unwrap();
    }
    assert_eq!(
        published(),
        [
            "tcp/1000 to :3000 (ip nat PREROUTING)",
            "tcp/2000-2002 to :3000 (ip nat PREROUTING)",
            "tcp/6379 to 172.17.0.3:6379 at 127.0.0.1 (ip nat DOCKER)",
            "tcp/8080 to 10.0.0.2:80 (ip nat PREROUTING)",
            "udp/5300-5310 to 172.17.0.2 (ip nat DOCKER)",
        ]
    );
}

#[test]
fn every_high_risk_port_on_which_something_listens_is_shown() {
    if !entered() {
        return;
    }
    let numbers = |protocol| (1..=u16::MAX).filter(move |port| services::is_high_risk(protocol, *port));
    let tcp: Vec<TcpListener> =
        numbers(Protocol::Tcp).map(|port| TcpListener::bind(("0.0.0.0", port)).unwrap()).collect();
    let udp: Vec<UdpSocket> = numbers(Protocol::Udp).map(|port| UdpSocket::bind(("0.0.0.0", port)).unwrap()).collect();
    assert_eq!((tcp.len(), udp.len()), (21, 14));
    let (observed, look) = look();
    let rows = joined(&observed.listeners.unwrap(), &[], &Rules::default());
    let shown = rows.iter().filter(|row| row.high_risk && row.open == Open::World).count();
    assert_eq!(shown, 35, "{rows:#?}");
    assert_eq!(look.findings.iter().filter(|f| f.check == "firewall.high-risk-port").count(), 35);
}
