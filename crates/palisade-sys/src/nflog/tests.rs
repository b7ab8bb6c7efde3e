//! The parser, on packets as the kernel handed them over in a namespace, and on nonsense. The listener
//! itself is tested against the kernel, in namespaces.
#![allow(clippy::unwrap_used)]

use super::*;
use palisade_sandbox::{Link, Peer, enter_netns, run};
use proptest::prelude::*;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(10);
const GROUP: u16 = 5_842;

/// A SYN of ncat from 10.99.0.2:40000 to port 22.
const SYN: &str = "4500003c1c4640004006 0a8b 0a630002 0a630001 9c40 0016 6f0e4a5d 00000000 a002 faf0 1433 0000";
/// An echo request of ping over IPv6.
const ECHO6: &str =
    "600a1c2f 0040 3a 40 fd000099000000000000000000000002 fd000099000000000000000000000001 80 00 a1b2 0007 0001";
/// UDP to port 53 behind a hop-by-hop header and a first fragment.
const EXTENDED: &str = "60000000 0020 00 40 fd000099000000000000000000000002 fd000099000000000000000000000001 \
    2c00 0104 00000000 1100 0001 12345678 c000 0035 0010 0000 0000000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len() / 2).map(|i| u8::from_str_radix(&digits[i * 2..i * 2 + 2], 16).unwrap()).collect()
}

#[test]
fn a_syn_over_ipv4_says_from_whom_to_which_port() {
    let packet = Packet::parse(&bytes(SYN)).unwrap();
    assert_eq!(packet.source.to_string(), "10.99.0.2");
    assert_eq!(packet.destination.to_string(), "10.99.0.1");
    assert_eq!((packet.protocol, packet.length_bytes), (6, 60));
    assert_eq!(packet.transport, Transport::Ports { source: 40_000, destination: 22 });
}

#[test]
fn ports_of_a_later_fragment_are_not_guessed() {
    let mut later = bytes(SYN);
    later[7] = 0x10;
    assert_eq!(Packet::parse(&later).unwrap().transport, Transport::Other);
}

#[test]
fn an_echo_request_over_ipv6_says_its_type() {
    let packet = Packet::parse(&bytes(ECHO6)).unwrap();
    assert_eq!(packet.source.to_string(), "fd00:99::2");
    assert_eq!((packet.protocol, packet.length_bytes), (58, 104));
    assert_eq!(packet.transport, Transport::Icmp { kind: 128, code: 0 });
}

#[test]
fn extension_headers_are_passed_over() {
    let packet = Packet::parse(&bytes(EXTENDED)).unwrap();
    assert_eq!(packet.protocol, 17);
    assert_eq!(packet.transport, Transport::Ports { source: 49_152, destination: 53 });
}

#[test]
fn numbers_that_are_passed_over_are_lost_packets() {
    let mut next = None;
    assert_eq!([0, 1, 5, 6].map(|n| gap(&mut next, Some(n))), [0, 0, 3, 0]);
    let mut next = Some(u32::MAX);
    assert_eq!([u32::MAX, 1].map(|n| gap(&mut next, Some(n))), [0, 1]);
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in prop::sample::select(vec![PACKET, 3, CONFIG])) {
        let _ = Packet::parse(&bytes);
        let _ = read(&Message { kind, flags: 0, seq: 0, port: 0, body: &bytes });
    }

    #[test]
    fn a_packet_that_was_cut_short_says_nothing_else(length in 20usize..60) {
        let whole = Packet::parse(&bytes(SYN)).unwrap();
        let cut = Packet::parse(&bytes(SYN)[..length.min(40)]).unwrap();
        prop_assert_eq!((cut.source, cut.destination, cut.protocol), (whole.source, whole.destination, whole.protocol));
        prop_assert!(cut.transport == whole.transport || cut.transport == Transport::Other);
    }
}

/// Two sides, and a table here that logs what comes to any port.
fn wire() -> Option<Peer> {
    let link = Link { here: &["10.99.0.1/24", "fd00:99::1/64"], there: &["10.99.0.2/24", "fd00:99::2/64"] };
    let made = enter_netns().and_then(|()| Peer::beside(&link)).and_then(|peer| {
        let chain = "add table inet t; add chain inet t c { type filter hook prerouting priority -110 ; }";
        run("nft", &[chain])?;
        let rule = format!(
            "add rule inet t c iif != lo udp dport 1-65535 log prefix \"pal:g7:web/dns:deny\" group {GROUP} drop"
        );
        run("nft", &[&rule]).map(|_| peer)
    });
    made.map_err(|why| println!("skipped: {why}")).ok()
}

fn fetched(nflog: &mut Nflog, enough: impl Fn(&[Logged]) -> bool) -> Vec<Logged> {
    let (began, mut all) = (Instant::now(), Vec::new());
    while !enough(&all) && began.elapsed() < LIMIT {
        nflog.drain(usize::MAX, |logged| all.push(logged)).unwrap();
        std::thread::yield_now();
    }
    all
}

#[test]
fn what_rules_log_in_both_families_comes_with_prefix_hook_interface_and_headers() {
    let Some(peer) = wire() else { return };
    let mut nflog = Nflog::open(GROUP).unwrap();
    peer.run(|| {
        UdpSocket::bind("10.99.0.2:40000").unwrap().send_to(b"x", "10.99.0.1:53").unwrap();
        UdpSocket::bind("[fd00:99::2]:40000").unwrap().send_to(b"x", "[fd00:99::1]:53").unwrap();
    });
    let all = fetched(&mut nflog, |all| all.len() >= 2);
    let mut from: Vec<String> = all.iter().map(|l| l.packet.unwrap().source.to_string()).collect();
    from.sort();
    assert_eq!(from, ["10.99.0.2", "fd00:99::2"]);
    for logged in &all {
        assert_eq!(
            (logged.prefix.as_str(), logged.hook, logged.reply),
            ("pal:g7:web/dns:deny", Hook::Prerouting, false)
        );
        assert_eq!(logged.packet.unwrap().transport, Transport::Ports { source: 40_000, destination: 53 });
        assert!(logged.interface_in.is_some_and(|index| index > 1) && logged.interface_out.is_none());
    }
    assert_eq!(nflog.take_lost(), 0);
}

#[test]
fn a_group_that_somebody_else_has_is_refused() {
    let Some(_peer) = wire() else { return };
    let _first = Nflog::open(GROUP).unwrap();
    let error = Nflog::open(GROUP).unwrap_err();
    assert!(error.to_string().contains(&format!("nflog group {GROUP}: taking the group")), "{error}");
}

#[test]
fn a_flood_that_nobody_fetches_is_lost_and_counted_to_the_last_packet() {
    let Some(peer) = wire() else { return };
    const PACKETS: u64 = 100_000;
    let mut nflog = Nflog::open(GROUP).unwrap();
    let flood = || {
        let socket = UdpSocket::bind("10.99.0.2:0").unwrap();
        (0..PACKETS).filter(|n| socket.send_to(b"x", ("10.99.0.1", 1_000 + (n % 50_000) as u16)).is_ok()).count()
    };
    assert_eq!(peer.run(flood) as u64, PACKETS);
    let mut seen = fetched(&mut nflog, |all| !all.is_empty()).len() as u64;
    // numbers behind the last one that came through are only missed when the next packet comes
    peer.run(|| UdpSocket::bind("10.99.0.2:9").unwrap().send_to(b"last", "10.99.0.1:9").map(|_| ()).unwrap());
    let is_last = |l: &Logged| l.packet.unwrap().transport == Transport::Ports { source: 9, destination: 9 };
    seen += fetched(&mut nflog, |all| all.iter().any(is_last)).len() as u64;
    let lost = nflog.take_lost();
    assert_eq!(seen + lost, PACKETS + 1, "{seen} came, {lost} are said to be lost");
    assert!(lost > 0, "the queue is bounded");
}
