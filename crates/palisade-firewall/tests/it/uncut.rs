//! What no rule cuts, with real packets: a whole address, one port for an address, and the server.

use crate::filtered::{ANSWER, LIMIT, connect, echoing, is_echoed, peer, spec};
use crate::filtered_linear::{compile, filter};
use crate::sandbox::{ban, cidr, converge, nft};
use palisade_firewall::group::model::Action;
use palisade_firewall::keep::Firewall;
use palisade_firewall::ruleset::Uncut;
use palisade_firewall::spec::Spec;
use palisade_guard::contract::AgentFacts;
use palisade_sandbox::{Peer, is_isolated};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

fn firewall(facts: &AgentFacts) -> Firewall {
    assert!(is_isolated(), "rules are applied in namespaces of the test's own only");
    Firewall::new(facts.uncut()).unwrap().with_uncut(Uncut::of(facts)).with_compiler(compile)
}

/// Nothing in, nothing out.
fn shut() -> Spec {
    let mut nothing = filter(Vec::new(), Vec::new());
    nothing.defaults.as_mut().unwrap().outbound = Action::Deny;
    spec(nothing)
}

/// Takes connections there, on a port that the kernel chooses.
fn listening(peer: &Peer) -> u16 {
    peer.run(|| {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.incoming().take(8).for_each(drop));
        port
    })
}

fn reached(address: &str, port: u16) -> bool {
    TcpStream::connect_timeout(&SocketAddr::new(address.parse().unwrap(), port), ANSWER).is_ok()
}

#[test]
fn an_address_that_is_meant_for_one_port_passes_to_that_port_and_nowhere_else() {
    let Some(peer) = peer() else { return };
    let (safe, other, six) = (echoing("10.99.0.1:0"), echoing("10.99.0.1:0"), echoing("[fd00:99::1]:0"));
    let there = listening(&peer);
    let udp = UdpSocket::bind(("10.99.0.1", safe.port())).unwrap();
    let ports = vec![(cidr("10.99.0.2"), safe.port()), (cidr("fd00:99::/64"), six.port()), (cidr("10.99.0.2"), 8080)];
    let keeper = firewall(&AgentFacts { failsafe_ports: ports, ..AgentFacts::default() });
    assert_eq!(converge(&keeper, &shut()), ["ReplaceTable"]);
    let mut open = connect(&peer, "10.99.0.2", safe).expect("the port that it is meant for");
    assert!(is_echoed(&mut open));
    assert!(connect(&peer, "fd00:99::2", six).is_some_and(|mut s| is_echoed(&mut s)));
    assert!(connect(&peer, "10.99.0.2", other).is_none(), "another port");
    assert!(connect(&peer, "10.99.0.3", safe).is_none(), "another address");
    assert!(!reached("10.99.0.2", there), "nothing goes out for the sake of it");
    // UDP to the same port, with its answer
    let port = safe.port();
    udp.set_read_timeout(Some(LIMIT)).unwrap();
    let asking = peer.run(move || {
        let socket = UdpSocket::bind("10.99.0.2:0").unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.send_to(b"x", ("10.99.0.1", port)).unwrap();
        socket
    });
    let (_, from) = udp.recv_from(&mut [0; 8]).unwrap();
    udp.send_to(b"y", from).unwrap();
    assert_eq!(asking.recv_from(&mut [0; 8]).unwrap().0, 1);
    // a port that is sent on to another one
    nft("add table ip nat");
    nft("add chain ip nat pre { type nat hook prerouting priority -100 ; }");
    nft(&format!("add rule ip nat pre tcp dport 8080 dnat to {other}"));
    let published: SocketAddr = "10.99.0.1:8080".parse().unwrap();
    assert!(connect(&peer, "10.99.0.2", published).is_some_and(|mut s| is_echoed(&mut s)));
    assert!(connect(&peer, "10.99.0.3", published).is_none());
    // no ban cuts it, and no change of the rules interrupts it
    let banned = Spec { bans: vec![ban("10.99.0.2", None), ban("10.99.0.0/24", None)], ..shut() };
    assert!(converge(&keeper, &banned).is_empty(), "refused as a whole");
    assert!(is_echoed(&mut open));
    assert_eq!(converge(&firewall(&AgentFacts::default()), &shut()), ["SetFailsafe", "ReplaceRuleset"]);
    assert!(!is_echoed(&mut open), "not meant for it any more");
}

#[test]
fn the_server_is_reached_where_it_listens_and_gets_in_nowhere() {
    let Some(peer) = peer() else { return };
    let at = echoing("10.99.0.1:0");
    let (there, elsewhere) = (listening(&peer), listening(&peer));
    let server = vec![SocketAddr::new("10.99.0.2".parse().unwrap(), there)];
    let keeper = firewall(&AgentFacts { server, ..AgentFacts::default() });
    converge(&keeper, &shut());
    assert!(reached("10.99.0.2", there), "the server");
    assert!(!reached("10.99.0.2", elsewhere), "another port of it");
    assert!(!reached("10.99.0.3", there), "another address");
    assert!(connect(&peer, "10.99.0.2", at).is_none(), "the server begins nothing");
}

#[test]
fn a_whole_address_and_one_for_a_port_are_kept_apart() {
    let Some(peer) = peer() else { return };
    let (one, two) = (echoing("10.99.0.1:0"), echoing("10.99.0.1:0"));
    let failsafe_ports = vec![(cidr("10.99.0.3"), one.port())];
    let facts = AgentFacts { failsafe: vec![cidr("10.99.0.2")], failsafe_ports, ..AgentFacts::default() };
    converge(&firewall(&facts), &shut());
    let gets = |from: &str| [one, two].map(|at| connect(&peer, from, at).is_some_and(|mut s| is_echoed(&mut s)));
    assert_eq!(gets("10.99.0.2"), [true, true]);
    assert_eq!(gets("10.99.0.3"), [true, false]);
}
