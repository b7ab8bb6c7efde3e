//! Against the kernel, with conversations in a namespace of the test's own.
#![allow(clippy::unwrap_used)]

use super::*;
use palisade_sandbox::{Link, Peer, enter_netns, run};
use proptest::prelude::*;
use std::net::{TcpListener, TcpStream, UdpSocket};

const OURS: u32 = 0xffff_0000;

/// Two sides; the kernel here keeps track of conversations, since a rule asks for their state, and every
/// one is marked.
fn wire() -> Option<Peer> {
    let link = Link { here: &["10.99.0.1/24", "fd00:99::1/64"], there: &["10.99.0.2/24", "fd00:99::2/64"] };
    let made = enter_netns().and_then(|()| Peer::beside(&link)).and_then(|peer| {
        run("nft", &["add table inet t; add chain inet t c { type filter hook prerouting priority -110 ; }"])?;
        run("nft", &["add rule inet t c iif != lo ct state new ct mark set 0x00070009"]).map(|_| peer)
    });
    made.map_err(|why| println!("skipped: {why}")).ok()
}

fn to_port(port: u16) -> Vec<Flow> {
    flows().unwrap().into_iter().filter(|f| f.original.destination_port == port).collect()
}

#[test]
fn a_tcp_connection_is_listed_with_both_tuples_state_and_mark() {
    let Some(peer) = wire() else { return };
    let listener = TcpListener::bind("10.99.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _there = peer.run(move || TcpStream::connect(("10.99.0.1", port)).unwrap());
    let _here = listener.accept().unwrap();
    let found = to_port(port);
    assert_eq!(found.len(), 1, "{found:?}");
    let flow = &found[0];
    assert_eq!((flow.protocol, flow.mark, flow.state), (6, 0x0007_0009, Some(TcpState::Established)));
    assert_eq!((flow.original.source, flow.reply.source), ("10.99.0.2".parse().unwrap(), "10.99.0.1".parse().unwrap()));
    assert_eq!((flow.reply.source_port, flow.reply.destination_port), (port, flow.original.source_port));
    assert!(flow.timeout_s.is_some_and(|s| s > 60));
}

#[test]
fn marks_are_cleared_in_both_families_but_for_what_is_kept_and_other_bits_stay() {
    let Some(peer) = wire() else { return };
    peer.run(|| {
        for (from, to) in [("10.99.0.2:0", "10.99.0.1"), ("[fd00:99::2]:0", "fd00:99::1")] {
            let socket = UdpSocket::bind(from).unwrap();
            for port in 5_000..5_010 {
                socket.send_to(b"x", (to, port)).unwrap();
            }
        }
        run("ping", &["-c1", "-W2", "10.99.0.1"])
            .map(|_| ())
            .or_else(|e| if e.contains("running") { Ok(()) } else { Err(e) })
    })
    .unwrap();
    let cleared = clear_marks(OURS, &|flow| flow.original.destination_port == 5_003).unwrap();
    assert!(cleared >= 18, "{cleared}");
    for flow in flows().unwrap().iter().filter(|f| f.mark & 0xffff == 9) {
        let expected = if flow.original.destination_port == 5_003 { 0x0007_0009 } else { 9 };
        assert_eq!(flow.mark, expected, "{flow:?}");
    }
    assert_eq!(to_port(5_003).len(), 2);
    assert_eq!(clear_marks(OURS, &|flow| flow.original.destination_port == 5_003).unwrap(), 0);
}

#[test]
fn a_mark_is_set_within_its_mask_and_a_conversation_that_is_gone_is_passed_over() {
    let Some(peer) = wire() else { return };
    peer.run(|| UdpSocket::bind("10.99.0.2:0").unwrap().send_to(b"x", "10.99.0.1:6000").map(|_| ()).unwrap());
    let flow = to_port(6_000).remove(0);
    assert!(set_mark(&flow, 0x0042_ffff, OURS).unwrap());
    assert_eq!(to_port(6_000)[0].mark, 0x0042_0009);
    let mut gone = flow;
    gone.original.source_port ^= 1;
    assert!(!set_mark(&gone, 0x0042_0000, OURS).unwrap());
}

#[test]
fn thousands_of_marks_are_cleared_at_once() {
    let Some(peer) = wire() else { return };
    const FLOWS: u16 = 5_000;
    peer.run(|| {
        let socket = UdpSocket::bind("10.99.0.2:0").unwrap();
        for port in 10_000..10_000 + FLOWS {
            socket.send_to(b"x", ("10.99.0.1", port)).unwrap();
        }
    });
    let before = flows().unwrap().iter().filter(|f| f.mark & OURS != 0).count();
    assert!(before >= usize::from(FLOWS), "{before}");
    assert_eq!(clear_marks(OURS, &|_| false).unwrap(), before);
    assert_eq!(flows().unwrap().iter().filter(|f| f.mark & OURS != 0).count(), 0);
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Flow::read(&bytes);
    }
}
