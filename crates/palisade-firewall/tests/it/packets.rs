//! Real packets between two namespaces: what is cut, and what cannot be.

use crate::sandbox::{allow, ban, bans, converge, entered, firewall};
use jiff::Timestamp;
use palisade_firewall::apply::Act;
use palisade_firewall::ruleset::{Content, Range, Until, table};
use palisade_guard::Keep;
use palisade_sandbox::{Link, Peer};
use palisade_sys::nft::Reader;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const HERE: [&str; 2] = ["10.99.0.1/24", "fd00:99::1/64"];
const THERE: [&str; 5] = ["10.99.0.2/24", "10.99.0.3/24", "10.99.0.200/24", "fd00:99::2/64", "fd00:99::3/64"];
const LIMIT: Duration = Duration::from_secs(10);

/// Two sides, and something here that answers every datagram.
struct Wire {
    peer: Peer,
    v4: SocketAddr,
    v6: SocketAddr,
}

fn wire() -> Option<Wire> {
    if !entered() {
        return None;
    }
    match Peer::beside(&Link { here: &HERE, there: &THERE }) {
        Ok(peer) => Some(Wire { peer, v4: answering("10.99.0.1:0"), v6: answering("[fd00:99::1]:0") }),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn answering(at: &str) -> SocketAddr {
    let socket = UdpSocket::bind(at).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut datagram = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
        }
    });
    address
}

impl Wire {
    /// True if a datagram from this address there is answered within a moment.
    fn answered(&self, from: &str) -> bool {
        let from: IpAddr = from.parse().unwrap();
        let to = if from.is_ipv4() { self.v4 } else { self.v6 };
        self.peer.run(move || {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
            socket.send_to(b"x", to).is_ok() && socket.recv_from(&mut [0; 64]).is_ok()
        })
    }

    /// Waits until the address gets through; false after [`LIMIT`].
    fn reaches(&self, from: &str) -> bool {
        let began = Instant::now();
        while !self.answered(from) {
            if began.elapsed() > LIMIT {
                return false;
            }
        }
        true
    }

    /// True when a datagram was dropped by our rules, which count; false when it was answered.
    fn is_cut(&self, from: &str) -> bool {
        let (began, before) = (Instant::now(), dropped());
        while !self.answered(from) {
            if dropped() > before {
                return true;
            }
            assert!(began.elapsed() < LIMIT, "`{from}` is neither answered nor dropped");
        }
        false
    }
}

/// Packets that our rules have dropped.
fn dropped() -> u64 {
    let rules = Reader::open().unwrap().rules(&table()).unwrap();
    rules.iter().filter_map(|rule| rule.counted()).map(|(packets, _)| packets).sum()
}

fn seconds(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

fn range(text: &str) -> Range {
    text.parse().unwrap()
}

#[test]
fn a_banned_address_is_cut_and_comes_back_by_itself() {
    let Some(wire) = wire() else { return };
    let firewall = firewall(&[]);
    for from in ["10.99.0.2", "fd00:99::2"] {
        assert!(wire.reaches(from), "`{from}` before");
    }
    let began = Instant::now();
    converge(&firewall, &bans([ban("10.99.0.2", seconds(3)), ban("fd00:99::2", seconds(3))]));
    for from in ["10.99.0.2", "fd00:99::2"] {
        assert!(wire.is_cut(from), "`{from}` is banned");
    }
    assert!(wire.reaches("10.99.0.3") && wire.reaches("fd00:99::3"), "its neighbours are not");
    assert!(wire.reaches("10.99.0.2"));
    assert!(wire.reaches("fd00:99::2"));
    assert!(began.elapsed() >= Duration::from_millis(2_900), "it came back too early: {:?}", began.elapsed());
}

#[test]
fn a_banned_network_and_one_on_probation_are_cut_and_come_back_by_themselves() {
    let Some(wire) = wire() else { return };
    let firewall = firewall(&[]);
    let mut on_probation = ban("fd00:99::/64", None);
    on_probation.probation_until = seconds(3).map(|s| Timestamp::now() + s);
    converge(&firewall, &bans([ban("10.99.0.0/25", seconds(3)), on_probation]));
    drop(firewall); // the kernel ends both, no process of ours is needed
    assert!(wire.is_cut("10.99.0.2") && wire.is_cut("10.99.0.3") && wire.is_cut("fd00:99::3"));
    assert!(wire.reaches("10.99.0.200"), "outside of the network");
    assert!(wire.reaches("10.99.0.2"));
    assert!(wire.reaches("fd00:99::3"));
}

#[test]
fn of_overlapping_networks_each_ends_at_its_own_time() {
    let Some(wire) = wire() else { return };
    let firewall = firewall(&[]);
    // three neighbours in the kernel: below, .2 to .3, above
    converge(&firewall, &bans([ban("10.99.0.0/24", seconds(3)), ban("10.99.0.2/31", seconds(60))]));
    assert!(wire.is_cut("10.99.0.2") && wire.is_cut("10.99.0.200"));
    assert!(wire.reaches("10.99.0.200"));
    assert!(wire.is_cut("10.99.0.2") && wire.is_cut("10.99.0.3"), "the longer ban holds on");
    // and the other way round: the one below stays, the one above ends
    converge(&firewall, &bans([ban("10.99.0.0/25", seconds(60)), ban("10.99.0.128/25", seconds(3))]));
    assert!(wire.is_cut("10.99.0.2") && wire.is_cut("10.99.0.200"));
    assert!(wire.reaches("10.99.0.200"));
    assert!(wire.is_cut("10.99.0.2"));
}

#[test]
fn a_failsafe_address_cannot_be_cut_by_a_ban_that_contains_it() {
    let Some(wire) = wire() else { return };
    let firewall = firewall(&["10.99.0.2", "fd00:99::2"]);
    let spec =
        bans([ban("10.99.0.0/24", None), ban("10.99.0.2", None), ban("10.99.0.3", None), ban("fd00:99::/64", None)]);
    converge(&firewall, &spec);
    assert!(wire.reaches("10.99.0.2") && wire.reaches("10.99.0.200"), "refused as a whole, never planned");
    assert!(wire.is_cut("10.99.0.3"));
    // even if somebody writes it into the sets all the same
    let content = Content {
        failsafe: vec![range("10.99.0.2"), range("fd00:99::2")],
        allow: Vec::new(),
        bans: vec![("10.99.0.2".parse().unwrap(), Until::Never), ("fd00:99::2".parse().unwrap(), Until::Never)],
        networks: vec![(range("10.99.0.0/24"), Until::Never), (range("fd00:99::/64"), Until::Never)],
    };
    firewall.apply(&Act::ReplaceTable(content), Timestamp::now()).unwrap();
    assert!(wire.reaches("10.99.0.2") && wire.reaches("fd00:99::2"));
    assert!(wire.is_cut("10.99.0.3") && wire.is_cut("fd00:99::3") && wire.is_cut("10.99.0.200"));
}

#[test]
fn an_allowed_address_gets_through_a_banned_network_and_loopback_through_everything() {
    let Some(wire) = wire() else { return };
    let firewall = firewall(&[]);
    let mut spec = bans([ban("10.99.0.0/24", None), ban("10.99.0.3", None)]);
    spec.allow.push(allow("10.99.0.2/31"));
    let mut timed = allow("10.99.0.200");
    timed.ends_at = seconds(3).map(|s| Timestamp::now() + s);
    spec.allow.push(timed);
    converge(&firewall, &spec);
    assert!(wire.reaches("10.99.0.2") && wire.reaches("10.99.0.3") && wire.reaches("10.99.0.200"));
    let here = UdpSocket::bind("10.99.0.1:0").unwrap();
    here.set_read_timeout(Some(LIMIT)).unwrap();
    here.send_to(b"x", wire.v4).unwrap();
    here.recv_from(&mut [0; 8]).expect("our own banned address reaches us over loopback");
    let began = Instant::now();
    while !wire.is_cut("10.99.0.200") {
        assert!(began.elapsed() < LIMIT, "an allow entry that has ended still lets in");
    }
    assert!(wire.reaches("10.99.0.2"), "the other entry stays");
}
