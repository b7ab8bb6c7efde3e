//! The filter against a real kernel, with real packets between two namespaces.

use crate::filtered_linear::{compile, filter, rule, set};
use crate::sandbox::{act, ban, bans, cidr, converge, entered, nft, numbered, plan};
use jiff::Timestamp;
use palisade_firewall::apply::batch;
use palisade_firewall::filter::Filter;
use palisade_firewall::keep::{Conversations, Firewall};
use palisade_firewall::ruleset::{NUMBER_MAX, read, table};
use palisade_firewall::spec::{Candidate, Decision, Spec};
use palisade_guard::Keep;
use palisade_sandbox::{Child, Link, Peer, is_isolated};
use palisade_sys::SysError;
use palisade_sys::nft::{Reader, Writer};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const HERE: [&str; 2] = ["10.99.0.1/24", "fd00:99::1/64"];
const THERE: [&str; 3] = ["10.99.0.2/24", "10.99.0.3/24", "fd00:99::2/64"];
pub const LIMIT: Duration = Duration::from_secs(10);
pub const ANSWER: Duration = Duration::from_millis(300);

fn firewall(failsafe: &[&str]) -> Firewall {
    assert!(is_isolated(), "rules are applied in namespaces of the test's own only");
    let failsafe = failsafe.iter().map(|text| cidr(text)).collect();
    Firewall::new(failsafe).unwrap().with_compiler(compile)
}

pub fn spec(filter: Filter) -> Spec {
    Spec { filter, ..Spec::default() }
}

pub fn peer() -> Option<Peer> {
    if !entered() {
        return None;
    }
    let peer = Peer::beside(&Link { here: &HERE, there: &THERE }).map_err(|why| println!("skipped: {why}")).ok()?;
    let (began, at) = (Instant::now(), echoing("10.99.0.1:0"));
    while connect(&peer, "10.99.0.2", at).is_none() {
        assert!(began.elapsed() < LIMIT, "the link does not come up");
    }
    Some(peer)
}

/// Answers every connection here with what it says.
pub fn echoing(at: &str) -> SocketAddr {
    let listener = TcpListener::bind(at).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    let _ = stream.write_all(&bytes[..length]);
                }
            });
        }
    });
    address
}

/// A connection from this address there; the error of trying.
pub fn connect(peer: &Peer, from: &str, to: SocketAddr) -> Option<TcpStream> {
    let from: IpAddr = from.parse().unwrap();
    peer.run(move || {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, socket};
        let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0))).unwrap();
        let stream = TcpStream::from(fd);
        stream.set_write_timeout(Some(ANSWER)).unwrap(); // also limits the connecting
        nix::sys::socket::connect(stream.as_raw_fd(), &SockaddrStorage::from(to)).ok()?;
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        stream.set_nodelay(true).unwrap();
        Some(stream)
    })
}

pub fn is_echoed(stream: &mut TcpStream) -> bool {
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

/// Segments that had to be sent again, on this side of the connection.
fn sent_again(stream: &TcpStream) -> u32 {
    // SAFETY: tcp_info is plain data for which all zeroes is a valid value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the buffer lives across the call and its length is given.
    let got = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut length)
    };
    assert_eq!(got, 0);
    info.tcpi_total_retrans
}

fn counted(name: &str) -> u64 {
    let counters = Reader::open().unwrap().counters(&table()).unwrap();
    counters.iter().find(|(known, ..)| known == name).unwrap_or_else(|| panic!("no counter `{name}`")).1
}

pub fn generations() -> (Option<u16>, Option<u16>) {
    let held = read(&mut Reader::open().unwrap(), Timestamp::now()).unwrap().held;
    (held.confirmed().map(|g| g.number), held.candidate().map(|g| g.number))
}

fn carry_out(firewall: &Firewall, server: &Spec, local: &Spec) -> Vec<String> {
    let steps = firewall.plan(server, local, Timestamp::now()).unwrap();
    steps.iter().for_each(|step| firewall.apply(&act(step), Timestamp::now()).unwrap());
    steps.into_iter().map(|step| format!("{} {}", step.permit, step.name)).collect()
}

#[test]
fn what_is_allowed_gets_in_and_nothing_else_does() {
    let Some(peer) = peer() else { return };
    let firewall = firewall(&[]);
    let (open, shut, six) = (echoing("10.99.0.1:0"), echoing("10.99.0.1:0"), echoing("[fd00:99::1]:0"));
    let rules = vec![
        rule("web/one", &format!("in allow tcp {} group/web", open.port())),
        rule("web/six", &format!("in allow tcp {} group/web", six.port())),
    ];
    let wanted = spec(filter(rules, vec![set("group/web", &["10.99.0.2", "fd00:99::2"])]));
    assert_eq!(converge(&firewall, &wanted), ["ReplaceTable"]);
    assert!(connect(&peer, "10.99.0.2", open).is_some_and(|mut s| is_echoed(&mut s)));
    assert!(connect(&peer, "fd00:99::2", six).is_some_and(|mut s| is_echoed(&mut s)));
    assert!(connect(&peer, "10.99.0.3", open).is_none(), "not in the group");
    assert!(connect(&peer, "10.99.0.2", shut).is_none(), "not that port");
    assert_eq!(counted("web/one"), 1, "the first packet is judged, the others are known");
    assert!(counted("default/in") >= 2);
    // what this host begins gets its answers
    let there = peer.run(|| {
        let listener = TcpListener::bind("10.99.0.2:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || drop(listener.accept()));
        address
    });
    assert!(TcpStream::connect_timeout(&there, LIMIT).is_ok());
    // a fresh keeper finds nothing to do, and bans go on beside the filter
    let second = self::firewall(&[]);
    assert!(plan(&second, &wanted).is_empty(), "{:?}", plan(&second, &wanted));
    let banned = Spec { bans: bans([ban("10.99.0.2", None)]).bans, ..wanted.clone() };
    assert_eq!(converge(&second, &banned), ["AddBan"]);
    assert!(connect(&peer, "10.99.0.2", open).is_none());
    assert_eq!(converge(&second, &wanted), ["RemoveBan"]);
    assert_eq!(converge(&second, &Spec::default()), ["DropRuleset"]);
    assert!(connect(&peer, "10.99.0.3", shut).is_some(), "not filtered any more");
}

#[test]
fn a_new_deny_cuts_the_open_connection_and_the_other_loses_nothing() {
    let Some(peer) = peer() else { return };
    let firewall = firewall(&[]);
    let (one, two) = (echoing("10.99.0.1:0"), echoing("10.99.0.1:0"));
    let allow = |at: SocketAddr| rule(&format!("web/{}", at.port()), &format!("in allow tcp {} any", at.port()));
    converge(&firewall, &spec(filter(vec![allow(one), allow(two)], Vec::new())));
    let mut cut = connect(&peer, "10.99.0.2", one).unwrap();
    let mut stays = connect(&peer, "10.99.0.2", two).unwrap();
    assert!(is_echoed(&mut cut) && is_echoed(&mut stays));
    let before = counted(&format!("web/{}", two.port()));
    assert_eq!(converge(&firewall, &spec(filter(vec![allow(two)], Vec::new()))), ["ReplaceRuleset"]);
    assert!(!is_echoed(&mut cut), "its next packet is gone");
    for _ in 0..50 {
        assert!(is_echoed(&mut stays));
    }
    assert_eq!(sent_again(&stays), 0, "no packet was lost");
    assert_eq!(counted(&format!("web/{}", two.port())), before + 1, "judged once more, and counted on");
}

#[test]
fn who_leaves_a_set_is_cut_at_once_by_a_change_of_elements_alone() {
    let Some(peer) = peer() else { return };
    let firewall = firewall(&[]);
    let at = echoing("10.99.0.1:0");
    let with = |members: &[&str]| {
        spec(filter(
            vec![rule("web/x", &format!("in allow tcp {} group/web", at.port()))],
            vec![set("group/web", members)],
        ))
    };
    converge(&firewall, &with(&["10.99.0.2-10.99.0.3"]));
    let generation = generations();
    let mut leaves = connect(&peer, "10.99.0.2", at).unwrap();
    let mut stays = connect(&peer, "10.99.0.3", at).unwrap();
    assert!(is_echoed(&mut leaves) && is_echoed(&mut stays));
    assert_eq!(converge(&firewall, &with(&["10.99.0.3"])), ["ChangeSet"]);
    assert!(!is_echoed(&mut leaves));
    assert!(is_echoed(&mut stays));
    assert_eq!(sent_again(&stays), 0);
    assert_eq!(converge(&firewall, &with(&["10.99.0.2-10.99.0.3"])), ["ChangeSet"]);
    assert!(connect(&peer, "10.99.0.2", at).is_some());
    assert_eq!(converge(&firewall, &with(&[])), ["ChangeSet"]);
    assert!(!is_echoed(&mut stays));
    assert_eq!(generations(), generation, "chains and rules are the same all the time");
    assert!(plan(&self::firewall(&[]), &with(&[])).is_empty(), "as a fresh look says");
}

#[test]
fn a_stream_of_answers_in_one_direction_is_cut_by_a_new_deny() {
    let Some(peer) = peer() else { return };
    let firewall = firewall(&[]);
    let here = UdpSocket::bind("10.99.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port();
    let allowing = spec(filter(vec![rule("web/u", &format!("in allow udp {port} any"))], Vec::new()));
    converge(&firewall, &allowing);
    let there = peer.run(move || {
        let socket = UdpSocket::bind("10.99.0.2:0").unwrap();
        socket.send_to(b"go", ("10.99.0.1", port)).unwrap();
        socket.set_read_timeout(Some(ANSWER)).unwrap();
        socket
    });
    here.set_read_timeout(Some(LIMIT)).unwrap();
    let (_, to) = here.recv_from(&mut [0; 8]).unwrap();
    let answered = || here.send_to(b"x", to).is_ok() && there.recv_from(&mut [0; 8]).is_ok();
    assert!(answered() && answered());
    let denied = spec(filter(Vec::new(), Vec::new()));
    converge(&firewall, &denied);
    assert!(!answered(), "only answers flow, and they are judged too");
    converge(&firewall, &allowing);
    assert!(answered());
}

#[test]
fn a_lock_out_on_probation_ends_without_any_process() {
    let Some(peer) = peer() else { return };
    let at = echoing("10.99.0.1:0");
    let open = filter(vec![rule("web/x", &format!("in allow tcp {} any", at.port()))], Vec::new());
    let mut server = spec(open.clone());
    let keeper = firewall(&[]);
    converge(&keeper, &server);
    let until = Timestamp::now() + Duration::from_secs(3);
    server.candidate = Some(Candidate { plan: "p-1".to_owned(), until, filter: filter(Vec::new(), Vec::new()) });
    let began = Instant::now();
    assert_eq!(converge(&keeper, &server), ["TryRuleset"]);
    drop(keeper);
    assert!(connect(&peer, "10.99.0.2", at).is_none(), "locked out");
    while connect(&peer, "10.99.0.2", at).is_none() {
        assert!(began.elapsed() < LIMIT, "locked out for good");
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(2_700) && took < Duration::from_millis(4_500), "{took:?}");
    // the keeper comes back: what was tried is taken away, in one step
    let keeper = firewall(&[]);
    assert_eq!(carry_out(&keeper, &server, &Spec::default()), ["firewall DropRuleset"]);
    assert_eq!(generations().1, None);
    assert!(connect(&peer, "10.99.0.2", at).is_some());
}

#[test]
fn what_was_tried_is_kept_or_rolled_back_by_the_operators_decision() {
    let Some(peer) = peer() else { return };
    let at = echoing("10.99.0.1:0");
    let keeper = firewall(&[]);
    let open = filter(vec![rule("web/x", &format!("in allow tcp {} any", at.port()))], Vec::new());
    let tried = |plan: &str, filter| Candidate { plan: plan.to_owned(), until: Timestamp::now() + LIMIT * 6, filter };
    let mut server = spec(open.clone());
    converge(&keeper, &server);
    let first = generations().0;
    server.candidate = Some(tried("p-1", filter(Vec::new(), Vec::new())));
    assert_eq!(converge(&keeper, &server), ["TryRuleset"]);
    let second = generations().1;
    assert!(connect(&peer, "10.99.0.2", at).is_none());
    let decided = |decision| Spec { decisions: [("p-1".to_owned(), decision)].into(), ..Spec::default() };
    assert_eq!(carry_out(&keeper, &server, &decided(Decision::RolledBack)), ["firewall DropRuleset"]);
    assert_eq!(generations(), (first, None));
    assert!(connect(&peer, "10.99.0.2", at).is_some());
    converge(&keeper, &server);
    assert_ne!(generations().1, second, "another number, since conversations may carry the old one");
    let third = generations().1;
    assert_eq!(carry_out(&keeper, &server, &decided(Decision::Kept)), ["firewall KeepRuleset"]);
    assert_eq!(generations(), (third, None));
    assert!(keeper.plan(&server, &decided(Decision::Kept), Timestamp::now()).unwrap().is_empty());
    assert!(connect(&peer, "10.99.0.2", at).is_none());
}

#[test]
fn a_failsafe_address_gets_in_and_out_whatever_the_rules_say() {
    let Some(peer) = peer() else { return };
    let at = echoing("10.99.0.1:0");
    let keeper = firewall(&["10.99.0.2"]);
    let mut nothing = filter(Vec::new(), Vec::new());
    nothing.defaults.as_mut().unwrap().outbound = palisade_firewall::group::model::Action::Deny;
    converge(&keeper, &spec(nothing));
    assert!(connect(&peer, "10.99.0.2", at).is_some_and(|mut s| is_echoed(&mut s)));
    assert!(connect(&peer, "10.99.0.3", at).is_none());
    let there = peer.run(|| {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.incoming().take(2).for_each(drop));
        port
    });
    let reached = |to: &str| TcpStream::connect_timeout(&SocketAddr::new(to.parse().unwrap(), there), ANSWER).is_ok();
    assert!(reached("10.99.0.2"));
    assert!(!reached("10.99.0.3"));
}

#[test]
fn a_port_that_is_translated_is_not_opened_by_that() {
    let Some(peer) = peer() else { return };
    let at = echoing("10.99.0.1:0");
    nft("add table ip nat");
    nft("add chain ip nat pre { type nat hook prerouting priority -100 ; }");
    nft(&format!("add rule ip nat pre tcp dport 8080 dnat to 10.99.0.1:{}", at.port()));
    let published: SocketAddr = "10.99.0.1:8080".parse().unwrap();
    assert!(connect(&peer, "10.99.0.2", published).is_some(), "without a filter");
    let keeper = firewall(&[]);
    let inside = rule("web/inside", &format!("in allow tcp {} any", at.port()));
    converge(&keeper, &spec(filter(vec![inside], Vec::new())));
    assert!(connect(&peer, "10.99.0.2", published).is_none(), "the port that is asked for counts");
    converge(&keeper, &spec(filter(vec![rule("web/8080", "in allow tcp 8080 any")], Vec::new())));
    assert!(connect(&peer, "10.99.0.2", published).is_some_and(|mut s| is_echoed(&mut s)));
}

#[test]
fn a_port_published_for_somebody_behind_this_host_is_judged_and_cut_like_its_own() {
    let Some(peer) = peer() else { return };
    let behind = Link { here: &["10.98.0.1/24"], there: &["10.98.0.2/24"] };
    let Ok(inner) = Peer::nth(1, &behind) else { return println!("skipped: no second link") };
    assert!(is_isolated());
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
    let at = inner.run(|| {
        palisade_sandbox::ip(&["route", "add", "default", "via", "10.98.0.1"]).unwrap();
        echoing("10.98.0.2:0")
    });
    nft("add table ip nat");
    nft("add chain ip nat pre { type nat hook prerouting priority -100 ; }");
    nft(&format!("add rule ip nat pre ip daddr 10.99.0.1 tcp dport 8080 dnat to {at}"));
    let published: SocketAddr = "10.99.0.1:8080".parse().unwrap();
    let keeper = firewall(&[]);
    let allowing = spec(filter(vec![rule("web/8080", "in allow tcp 8080 any")], Vec::new()));
    converge(&keeper, &allowing);
    let began = Instant::now();
    while connect(&peer, "10.99.0.2", published).is_none() {
        assert!(began.elapsed() < LIMIT, "published and allowed, and nobody gets through");
    }
    let mut open = connect(&peer, "10.99.0.2", published).unwrap();
    assert!(is_echoed(&mut open));
    converge(&keeper, &spec(filter(Vec::new(), Vec::new())));
    assert!(!is_echoed(&mut open), "the open connection is cut");
    assert!(connect(&peer, "10.99.0.2", published).is_none(), "publishing opens nothing");
}

#[test]
fn whatever_another_tool_does_to_the_filter_is_seen_and_repaired() {
    if !entered() {
        return;
    }
    let keeper = firewall(&["192.0.2.1"]);
    let rules = vec![rule("web/x", "in allow tcp 22 group/web"), rule("web/y", "in deny udp all any")];
    let wanted = spec(filter(rules, vec![set("group/web", &["10.0.0.0/8", "2001:db8::/32"])]));
    converge(&keeper, &wanted);
    for (command, step) in [
        ("insert rule inet palisade in accept", "ReplaceRuleset"),
        ("add rule inet palisade gN/in accept", "ReplaceRuleset"),
        ("flush chain inet palisade gN/in", "ReplaceRuleset"),
        ("flush chain inet palisade in", "ReplaceRuleset"),
        ("add chain inet palisade g9/x", "ReplaceRuleset"),
        ("delete element inet palisade gN/group/web/4 { 10.0.0.0/8 }", "ChangeSet"),
        ("add element inet palisade gN/group/web/4 { 192.0.2.0/24 }", "ChangeSet"),
        ("flush chain inet palisade bans", "ReplaceTable"),
        ("flush ruleset", "ReplaceTable"),
        ("delete table inet palisade", "ReplaceTable"),
    ] {
        let number = generations().0.unwrap();
        nft(&command.replace("gN", &format!("g{number}")));
        let steps = plan(&keeper, &wanted);
        assert!(!steps.is_empty(), "`{command}` is not seen");
        assert_eq!(converge(&keeper, &wanted), [step], "`{command}`: {}", steps[0].reason);
        assert!(plan(&firewall(&["192.0.2.1"]), &wanted).is_empty(), "`{command}`: as a fresh look says");
    }
}

#[test]
fn a_rule_that_has_ended_leaves_the_kernel() {
    if !entered() {
        return;
    }
    let keeper = firewall(&[]);
    let mut ends = rule("web/x", "in allow tcp 22 any");
    ends.ends_at = Some(Timestamp::now() + Duration::from_millis(300));
    let wanted = spec(filter(vec![ends, rule("web/y", "in allow tcp 80 any")], Vec::new()));
    converge(&keeper, &wanted);
    assert!(nft("list table inet palisade").contains("web/x"));
    let (before, began) = (keeper.stamp().unwrap(), Instant::now());
    while keeper.stamp().unwrap() == before {
        assert!(began.elapsed() < LIMIT, "the end is not seen");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(keeper.is_due(), "nobody has changed anything");
    nft("add table inet other");
    assert!(!keeper.is_due(), "somebody has");
    assert_eq!(converge(&keeper, &wanted), ["ReplaceRuleset"]);
    assert!(!nft("list table inet palisade").contains("web/x"));
    assert!(!keeper.is_due());
}

/// What was asked of connection tracking.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<(u32, Vec<u32>)>>);

impl Conversations for Asked {
    fn unmark(&self, mask: u32, keep: &[u32]) -> Result<usize, SysError> {
        self.0.lock().unwrap().push((mask, keep.to_vec()));
        Ok(0)
    }
}

#[test]
fn when_numbers_come_again_old_marks_are_taken_away() {
    if !entered() {
        return;
    }
    let asked = Arc::new(Asked::default());
    let keeper = firewall(&[]).numbering_after(NUMBER_MAX - 2).with_conversations(asked.clone());
    let said = || std::mem::take(&mut *asked.0.lock().unwrap());
    let with = |port: u16| spec(filter(vec![rule("web/x", &format!("in allow tcp {port} any"))], Vec::new()));
    converge(&keeper, &with(1));
    assert_eq!(generations().0, Some(NUMBER_MAX - 1));
    let mark = |n: u16| u32::from(n) << 16;
    assert_eq!(said(), [(0xffff_0000, vec![mark(NUMBER_MAX - 1)])], "the first of a table");
    converge(&keeper, &with(2));
    assert_eq!((generations().0, said()), (Some(NUMBER_MAX), Vec::new()));
    converge(&keeper, &with(3));
    assert_eq!((generations().0, said()), (Some(1), vec![(0xffff_0000, vec![mark(1)])]));
    converge(&keeper, &with(4));
    assert_eq!((generations().0, said()), (Some(2), Vec::new()));
}

#[test]
fn a_hundred_thousand_networks_are_one_transaction_and_one_more_is_cheap() {
    if !entered() {
        return;
    }
    let keeper = firewall(&[]);
    let mut ranges: Vec<String> = (0..100_000u32).map(|n| format!("{}/28", numbered(n << 5))).collect();
    let with = |ranges: &[String]| {
        let list = set("list/big", &ranges.iter().map(String::as_str).collect::<Vec<_>>());
        spec(filter(vec![rule("web/x", "in allow tcp 22 list/big")], vec![list]))
    };
    let one = act(&plan(&keeper, &with(&ranges))[0]);
    let began = Instant::now();
    keeper.apply(&one, Timestamp::now()).unwrap();
    println!("100,000 networks in {:?} (not optimized)", began.elapsed());
    assert!(plan(&keeper, &with(&ranges)).is_empty());
    for size in [100_000, 10_000, 100] {
        ranges.truncate(size);
        converge(&keeper, &with(&ranges));
        for place in [0, size / 2, size - 1] {
            let gone = ranges.remove(place);
            let took = [with(&ranges), {
                ranges.insert(place, gone);
                with(&ranges)
            }]
            .map(|wanted| {
                let steps = plan(&keeper, &wanted);
                assert_eq!((steps.len(), steps[0].name.as_str()), (1, "ChangeSet"));
                let one = batch(&act(&steps[0]), Timestamp::now());
                let mut writer = Writer::open().unwrap();
                let began = Instant::now();
                writer.commit(one).unwrap();
                began.elapsed()
            });
            println!("of {size}, number {place} is gone in {:?} and back in {:?}", took[0], took[1]);
            assert!(took[1] < Duration::from_secs(2));
        }
        assert!(plan(&firewall(&[]), &with(&ranges)).is_empty(), "as a fresh look says");
    }
}

#[test]
fn one_member_more_of_a_large_group_costs_the_same_whatever_its_size() {
    if !entered() {
        return;
    }
    let keeper = firewall(&[]);
    let with = |count: u32| {
        let members: Vec<String> = (0..count).map(|n| numbered(n * 2)).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).chain(["2001:db8::1-2001:db8::3"]).collect();
        spec(filter(vec![rule("web/x", "in allow tcp 22 group/web")], vec![set("group/web", &members)]))
    };
    for size in [10, 10_000] {
        converge(&keeper, &with(size));
        let steps = plan(&keeper, &with(size + 1));
        assert_eq!((steps.len(), steps[0].name.as_str()), (1, "ChangeSet"));
        let one = batch(&act(&steps[0]), Timestamp::now());
        assert!(one.len_bytes() < 4_000, "{} bytes", one.len_bytes());
        let mut writer = Writer::open().unwrap();
        let began = Instant::now();
        writer.commit(one).unwrap();
        println!("one more of {size} in {:?}", began.elapsed());
        assert!(plan(&firewall(&[]), &with(size + 1)).is_empty(), "as a fresh look says");
    }
    let listed = nft(&format!("list set inet palisade g{}/group/web/6", generations().0.unwrap()));
    assert!(!listed.contains("interval") && listed.contains("2001:db8::2"), "{listed}");
    // more than a hash should hold is a set of ranges
    let many = spec(filter(vec![rule("web/x", "in allow tcp 22 group/web")], vec![set("group/web", &["10.0.0.0/15"])]));
    assert_eq!(converge(&keeper, &many), ["ReplaceRuleset"]);
    assert!(nft("list table inet palisade").contains("10.0.0.0/15"));
}

#[test]
fn a_kill_in_the_middle_leaves_one_of_two_whole_filters() {
    if !entered() {
        return;
    }
    let with = |port: u16, count: u32| {
        let ranges: Vec<String> = (0..count).map(|n| format!("{}/24", numbered(n << 8))).collect();
        let list = set("list/x", &ranges.iter().map(String::as_str).collect::<Vec<_>>());
        spec(filter(vec![rule("web/x", &format!("in allow tcp {port} list/x"))], vec![list]))
    };
    let mut trial = with(22, 500);
    let until = Timestamp::now() + LIMIT * 60;
    trial.candidate = Some(Candidate { plan: "p-1".to_owned(), until, filter: with(80, 900).filter });
    let none = Spec::default();
    let state = || read(&mut Reader::open().unwrap(), Timestamp::UNIX_EPOCH).unwrap().held.layout;
    let (start, more) = (with(22, 500), with(22, 1_500));
    for (from, to) in [(&none, &start), (&start, &more), (&start, &trial), (&trial, &start), (&start, &none)] {
        for delay_us in [0, 300, 2_000, 10_000] {
            let keeper = firewall(&[]);
            converge(&keeper, from);
            for step in plan(&keeper, to).iter().map(act) {
                let before = state();
                let child = Child::start(|| keeper.apply(&step, Timestamp::now()).unwrap());
                std::thread::park_timeout(Duration::from_micros(delay_us));
                child.kill();
                let middle = state();
                let keeper = firewall(&[]);
                converge(&keeper, to);
                let whole = middle == before || plan_is_empty_after(&middle, &state());
                assert!(whole, "torn after {delay_us} microseconds");
            }
        }
    }
}

/// The same but for numbers and stamps, which go on.
fn plan_is_empty_after(
    middle: &palisade_firewall::ruleset::Layout,
    after: &palisade_firewall::ruleset::Layout,
) -> bool {
    let shape = |layout: &palisade_firewall::ruleset::Layout| {
        let rules: usize = layout.chains.values().map(|chain| chain.rules.len()).sum();
        let elements: usize = layout.sets.values().map(|set| set.entries.len()).sum();
        (layout.chains.len(), layout.sets.len(), rules, elements, layout.counters.clone())
    };
    shape(middle) == shape(after)
}
