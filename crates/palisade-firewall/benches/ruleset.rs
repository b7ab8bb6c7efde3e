//! What rules cost, in network namespaces of its own: replacing them all, changing one address, and
//! the packets that walk them; with `nft` and `iptables` beside in the same run. Run with
//! `cargo bench -p palisade-firewall --bench ruleset`.

use jiff::Timestamp;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use palisade_core::Step;
use palisade_firewall::apply::Act;
use palisade_firewall::filter::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
use palisade_firewall::group::model::{Action, Direction, Ports, Protocol};
use palisade_firewall::keep::Firewall;
use palisade_firewall::ruleset::Range;
use palisade_firewall::spec::Spec;
use palisade_guard::Keep;
use palisade_sandbox::{Link, Peer, enter_netns, is_isolated, run};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

const NETWORKS: usize = 10_000;
const MEMBERS: usize = 10_000;
const ROUNDS: usize = 7;
const PINGS: usize = 4_000;
const CONNECTS: usize = 1_500;
/// Forms times [`ROUNDS`], at most.
const RUNS_MAX: usize = 80;
/// Where the packets go: the last of the rules is about it.
const PORT: u16 = 40_000;
const HERE: &str = "10.99.0.1";

fn main() {
    if let Err(why) = enter_netns() {
        return println!("skipped: {why}");
    }
    assert!(is_isolated(), "rules are applied in namespaces of the bench's own only");
    let there: Vec<String> = (0..RUNS_MAX).map(|n| format!("{}/16", address_there(n))).collect();
    let there: Vec<&str> = std::iter::once("10.99.0.2/16").chain(there.iter().map(String::as_str)).collect();
    let peer = match Peer::beside(&Link { here: &["10.99.0.1/16"], there: &there }) {
        Ok(peer) => peer,
        Err(why) => return println!("skipped: {why}"),
    };
    answer();
    replace();
    member();
    path(&peer);
}

/// Rules that let in, each from its share of the networks; the last one is about [`PORT`] and holds
/// the peer. `spread`: each rule has a port of its own, else all have the same.
fn filter(rules: usize, spread: bool) -> Filter {
    let each = NETWORKS / rules;
    let mut filter =
        Filter { defaults: Some(Defaults { inbound: Action::Deny, outbound: Action::Allow }), ..Filter::default() };
    for n in 0..rules {
        let last = n + 1 == rules;
        let mut ranges: Vec<Range> = (n * each..(n + 1) * each).map(network).collect();
        ranges.extend(last.then(|| "10.99.0.0/16".parse::<Range>().expect("a network")));
        ranges.sort();
        filter.sets.push(AddressSet { name: format!("rule/web/r{n:05}"), ranges });
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let port = if last || !spread { PORT } else { 1_000 + n as u16 };
            filter.rules.push(rule(&format!("web/r{n:05}-{protocol:?}").to_lowercase(), protocol, port, n));
        }
    }
    filter
}

fn rule(id: &str, protocol: Protocol, port: u16, n: usize) -> Rule {
    Rule {
        id: id.to_owned(),
        layer: Layer::Group,
        priority: 1,
        direction: Direction::In,
        action: Action::Allow,
        protocol,
        ports: vec![Ports::one(port)],
        types: Vec::new(),
        peers: Peers::Of { sets: vec![format!("rule/web/r{n:05}")], interfaces: Vec::new() },
        log: false,
        starts_at: None,
        ends_at: None,
    }
}

/// One /24 per number, with a gap after each.
fn network(n: usize) -> Range {
    let n = n * 2;
    format!("{}.{}.{}.0/24", 20 + n / 65_536, n / 256 % 256, n % 256).parse().expect("a network")
}

/// The same rules as text for nft: named sets, one line a rule.
fn nft_linear(rules: usize, spread: bool) -> String {
    let filter = filter(rules, spread);
    let mut text = "add table inet peer\ndelete table inet peer\ntable inet peer {\n".to_owned();
    for (n, set) in filter.sets.iter().enumerate() {
        let ranges: Vec<String> = set.ranges.iter().map(Range::to_string).collect();
        let _ =
            writeln!(text, "set s{n} {{ type ipv4_addr; flags interval; elements = {{ {} }}\n}}", ranges.join(", "));
    }
    text +=
        "chain input {\ntype filter hook input priority 0; policy drop;\nct state established accept\niif lo accept\n";
    for (n, pair) in filter.rules.chunks(2).enumerate() {
        let port = pair[0].ports[0];
        for word in ["tcp", "udp"] {
            let _ = writeln!(text, "{word} dport {port} ip saddr @s{n} counter accept");
        }
    }
    text + "}\n}\n"
}

/// For iptables-restore, one rule per network is how it is done without sets: so the share of each
/// rule is one network.
fn iptables_linear(rules: usize, spread: bool) -> String {
    let mut text = "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n".to_owned();
    for n in 0..rules {
        let last = n + 1 == rules;
        let (port, from) = (if last || !spread { PORT } else { 1_000 + n as u16 }, network(n).to_string());
        let from = if last { "10.99.0.0/16" } else { &from };
        for word in ["tcp", "udp"] {
            let _ = writeln!(text, "-A INPUT -p {word} -s {from} --dport {port} -j ACCEPT");
        }
    }
    text + "COMMIT\n"
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn steps(keeper: &Firewall, filter: &Filter) -> Vec<Step> {
    let spec = Spec { filter: filter.clone(), ..Spec::default() };
    keeper.plan(&spec, &Spec::default(), Timestamp::now()).expect("planned")
}

fn carry_out(keeper: &Firewall, steps: Vec<Step>) {
    for step in steps {
        let act: Act = serde_json::from_value(step.act).expect("an act of ours");
        keeper.apply(&act, Timestamp::now()).expect("the kernel takes it");
    }
}

/// Everything replaced in one transaction, and one address changed.
fn replace() {
    let keeper = Firewall::new(Vec::new()).expect("a netlink socket");
    let mut filter = filter(100, true);
    carry_out(&keeper, steps(&keeper, &filter));
    let (mut planned, mut applied, mut changed, mut followed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // another priority is another ruleset with the same sets
        filter.rules.iter_mut().for_each(|rule| rule.priority = 2 + round as u8);
        filter.rules[0].ports = vec![Ports::one(7 + round as u16)];
        let (todo, took) = timed(|| steps(&keeper, &filter));
        planned.push(took);
        assert!(!todo.is_empty(), "the rules have changed");
        applied.push(timed(|| carry_out(&keeper, todo)).1);
        assert!(steps(&keeper, &filter).is_empty(), "the plan after apply is not empty");

        filter.sets[0].ranges.push(format!("198.51.100.{round}").parse().expect("an address"));
        filter.sets[0].ranges.sort();
        let (todo, took) = timed(|| steps(&keeper, &filter));
        followed.push(took);
        changed.push(timed(|| carry_out(&keeper, todo)).1);
        assert!(steps(&keeper, &filter).is_empty(), "the plan after apply is not empty");
    }
    say("replace 100 × 2 rules over 10,000 networks: plan", &planned);
    say("replace 100 × 2 rules over 10,000 networks: transaction", &applied);
    say("one address more in a set: plan", &followed);
    say("one address more in a set: transaction", &changed);
    run("nft", &["delete", "table", "inet", "palisade"]).ok();
    let text = file(&nft_linear(100, true));
    let peer: Vec<Took> = (0..ROUNDS)
        .map(|_| timed(|| run("nft", &["-f", &text.path().display().to_string()]).expect("nft takes it")).1)
        .collect();
    say("peer: `nft -f` of the same", &peer);
    run("nft", &["flush", "ruleset"]).expect("our own namespace");
}

/// One host more in a group of many: no two of its addresses are neighbours.
fn member() {
    let keeper = Firewall::new(Vec::new()).expect("a netlink socket");
    let mut filter = filter(100, true);
    let ranges = (0..MEMBERS as u32).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n * 2).to_string());
    let mut ranges: Vec<Range> = ranges.map(|text| text.parse().expect("an address")).collect();
    ranges.sort();
    filter.sets.push(AddressSet { name: "group/web".to_owned(), ranges });
    filter.rules[0].peers = Peers::Of { sets: vec!["group/web".to_owned()], interfaces: Vec::new() };
    carry_out(&keeper, steps(&keeper, &filter));
    let (mut planned, mut changed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let set = filter.sets.last_mut().expect("the group");
        set.ranges.push(format!("198.51.100.{}", round * 2).parse().expect("an address"));
        set.ranges.sort();
        let (todo, took) = timed(|| steps(&keeper, &filter));
        planned.push(took);
        changed.push(timed(|| carry_out(&keeper, todo)).1);
        assert!(steps(&keeper, &filter).is_empty(), "the plan after apply is not empty");
    }
    say("one more in a group of 10,000: plan", &planned);
    say("one more in a group of 10,000: transaction", &changed);
    run("nft", &["flush", "ruleset"]).expect("our own namespace");
}

/// How long packets take; every form in turn, several times.
fn path(peer: &Peer) {
    let forms: Vec<(String, Box<dyn Fn()>)> = vec![
        ("no rules".to_owned(), Box::new(|| ())),
        palisade(10, true),
        palisade(1_000, true),
        palisade(10, false),
        palisade(1_000, false),
        nft(10),
        nft(1_000),
        iptables(10),
        iptables(1_000),
    ];
    let mut took: Vec<[Vec<f64>; 3]> = forms.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        for (nth, ((_, load), took)) in forms.iter().zip(&mut took).enumerate() {
            run("nft", &["flush", "ruleset"]).expect("our own namespace");
            load();
            took[0].push(peer.run(|| pings(None)));
            // an address of its own each: what was begun from another is remembered for half a minute,
            // and would not be new
            let from = address_there(took[1].len() * forms.len() + nth);
            took[1].push(peer.run(move || pings(Some(from))));
            took[2].push(peer.run(connects));
        }
    }
    println!("{:<44} {:>12} {:>12} {:>12}", "p50 in µs", "flow", "new UDP", "new TCP");
    for ((name, _), took) in forms.iter().zip(took) {
        let [flow, udp, tcp] = took.map(median);
        println!("{name:<44} {flow:>12.1} {udp:>12.1} {tcp:>12.1}");
    }
}

fn palisade(rules: usize, spread: bool) -> (String, Box<dyn Fn()>) {
    let filter = filter(rules, spread);
    let load = move || {
        // a plain table, so that the next form can take it away
        let keeper = Firewall::new(Vec::new()).expect("a netlink socket");
        carry_out(&keeper, steps(&keeper, &filter));
    };
    let shape = if spread { "a port each" } else { "one port" };
    (format!("palisade, {rules} × 2 rules, {shape}"), Box::new(load))
}

fn nft(rules: usize) -> (String, Box<dyn Fn()>) {
    let text = nft_linear(rules, true);
    let load = move || {
        run("nft", &["-f", &file(&text).path().display().to_string()]).map(|_| ()).expect("nft takes it");
    };
    (format!("nft, {rules} × 2 rules in a line"), Box::new(load))
}

fn iptables(rules: usize) -> (String, Box<dyn Fn()>) {
    let text = iptables_linear(rules, true);
    let load = move || {
        if let Err(why) = run("iptables-restore", &[&file(&text).path().display().to_string()]) {
            println!("skipped: {why}");
        }
    };
    (format!("iptables, {rules} × 2 rules in a line"), Box::new(load))
}

fn address_there(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a63_0100 + u32::try_from(n).expect("few runs"))
}

/// Datagrams there and back, in µs: in one conversation, or from this address in a new one each.
fn pings(new_from: Option<Ipv4Addr>) -> f64 {
    let fresh = |n: usize| {
        let from = new_from.map_or((Ipv4Addr::new(10, 99, 0, 2), 0), |from| (from, 10_000 + n as u16));
        let socket = UdpSocket::bind(from).expect("a socket");
        socket.connect((HERE, PORT)).expect("connected");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        socket
    };
    let mut socket = fresh(PINGS);
    let took = (0..PINGS).map(|n| {
        if new_from.is_some() {
            socket = fresh(n);
        }
        let began = Instant::now();
        socket.send(b"x").expect("sent");
        socket.recv(&mut [0; 8]).expect("answered within 5 s");
        began.elapsed().as_secs_f64() * 1e6
    });
    median(took.collect())
}

/// Connecting, in µs.
fn connects() -> f64 {
    let took = (0..CONNECTS).map(|_| {
        let began = Instant::now();
        drop(TcpStream::connect((HERE, PORT)).expect("connected"));
        began.elapsed().as_secs_f64() * 1e6
    });
    median(took.collect())
}

fn answer() {
    let udp = UdpSocket::bind((HERE, PORT)).expect("a port");
    let tcp = TcpListener::bind((HERE, PORT)).expect("a port");
    std::thread::spawn(move || {
        while let Ok((length, from)) = udp.recv_from(&mut [0; 8]) {
            let _ = udp.send_to(&[b'x'; 8][..length], from);
        }
    });
    std::thread::spawn(move || tcp.incoming().for_each(drop));
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// On the clock and of processor, in ms.
struct Took {
    wall: f64,
    cpu: f64,
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (began, cpu) = (Instant::now(), cpu_ms());
    let done = work();
    (done, Took { wall: began.elapsed().as_secs_f64() * 1e3, cpu: cpu_ms() - cpu })
}

fn cpu_ms() -> f64 {
    let of = |who| {
        let usage = getrusage(who).expect("the kernel counts");
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    };
    (of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)) as f64 / 1e3
}

fn say(what: &str, took: &[Took]) {
    let wall = median(took.iter().map(|t| t.wall).collect());
    let cpu = median(took.iter().map(|t| t.cpu).collect());
    println!("{what:<60} {wall:>9.2} ms {cpu:>9.2} ms CPU");
}
