//! Security groups through the whole product, with real packets: applied, tried, kept, cut, repaired.

use crate::running::{LIMIT, Palisade, until};
use palisade_sandbox::{Link, Peer};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The address of `web-1`.
pub const HERE: &str = "10.99.0.1";
/// All that the tests order.
pub const PERMIT: &str = "allow = [\"observe\", \"ban\", \"firewall\", \"isolate\"]\n";
const FAILSAFE: &[&str] = &["--failsafe", "10.99.0.9"];

/// One host with a service that answers, and somebody beside it.
pub struct Scene {
    /// The server and the agent of `web-1`.
    pub palisade: Palisade,
    /// Somebody beside it, with three addresses; the last is a failsafe one.
    pub peer: Peer,
    /// Where the service answers.
    pub port: u16,
}

impl Scene {
    /// Enters namespaces and starts; `Err` is why the test has to be skipped.
    pub fn new() -> Result<Scene, String> {
        palisade_sandbox::enter_netns()?;
        let there = ["10.99.0.2/24", "10.99.0.3/24", "10.99.0.9/24"];
        let peer = Peer::beside(&Link { here: &["10.99.0.1/24"], there: &there })?;
        let port = answering();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("permit.toml"), PERMIT).unwrap();
        let palisade = Palisade::up_in(dir, FAILSAFE);
        until("the agent is linked", || palisade.json(&["host", "list"])["total"] == 1);
        Ok(Scene { palisade, peer, port })
    }

    /// Applies documents, and returns the id of the plan.
    pub fn apply(&self, documents: &str, more: &[&str]) -> String {
        let file = self.palisade.dir.path().join("groups.yaml");
        std::fs::write(&file, documents).unwrap();
        let applied = self.palisade.json(&[&["apply", "-f", &file.display().to_string()], more].concat());
        let plan = applied["plan"]["id"].as_str().or(applied["plans"][0].as_str());
        plan.unwrap_or_else(|| panic!("no plan in {applied}")).to_owned()
    }

    /// A plan as it stands.
    pub fn plan(&self, id: &str) -> Value {
        self.palisade.json(&["plan", "show", id])
    }

    /// Keeps a plan, as soon as it is on probation.
    pub fn confirm(&self, id: &str) {
        until("the plan is on probation", || self.plan(id)["state"] == "probation");
        self.palisade.ok(&["plan", "confirm", id, "--waiver", "a test"]);
        until("the plan is kept", || self.plan(id)["state"] == "kept");
    }

    /// Whether a new connection from `from` gets through.
    pub fn reaches(&self, from: &str) -> bool {
        self.reaches_port(from, self.port)
    }

    /// Whether a new connection from `from` to this port gets through.
    pub fn reaches_port(&self, from: &str, port: u16) -> bool {
        let from: IpAddr = from.parse().unwrap();
        self.peer.run(move || connect(from, port, Duration::from_millis(300)).is_some())
    }

    fn events(&self) -> String {
        self.palisade.json(&["journal", "list"]).to_string()
    }
}

/// Answers every byte on every connection; returns its port.
fn answering() -> u16 {
    answering_at(HERE)
}

/// As [`answering`], on another address.
pub fn answering_at(address: &str) -> u16 {
    let service = TcpListener::bind((address, 0)).unwrap();
    let port = service.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in service.incoming().map_while(Result::ok) {
            std::thread::spawn(move || echo(stream));
        }
    });
    port
}

fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 8];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

fn connect(from: IpAddr, port: u16, limit: Duration) -> Option<TcpStream> {
    connect_to(from, SocketAddr::new(HERE.parse().unwrap(), port), limit)
}

/// A new TCP connection, if it comes about within the limit.
pub fn connect_to(from: IpAddr, to: SocketAddr, limit: Duration) -> Option<TcpStream> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0))).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_nonblocking(true).unwrap();
    let to = SockaddrStorage::from(to);
    let _ = connect(stream.as_raw_fd(), &to);
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    let ready = poll(&mut fds, PollTimeout::try_from(limit).unwrap()).unwrap();
    let there = ready == 1 && stream.take_error().unwrap().is_none() && stream.peer_addr().is_ok();
    stream.set_nonblocking(false).unwrap();
    there.then_some(stream)
}

/// A group of `web-1` alone.
pub fn group(rules: &str) -> String {
    format!("kind: SecurityGroup\nname: web\nspec:\n  members: {{ hosts: [web-1] }}\n  rules:\n{rules}")
}

/// A rule that lets peers in.
pub fn allow(port: u16, peers: &str) -> String {
    format!("    - {{ action: allow, protocol: tcp, ports: [\"{port}\"], peers: [{peers}] }}\n")
}

#[test]
fn a_lock_out_rule_returns_by_itself_although_everything_was_killed() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    assert!(scene.reaches("10.99.0.2"));
    let nobody = "kind: SecurityGroup\nname: web\nspec:\n  members: { hosts: [web-1] }\n  rules: []\n";
    let applied = Instant::now();
    scene.apply(nobody, &["--probation", "8s", "--force"]);
    until("everybody is locked out", || !scene.reaches("10.99.0.2"));
    assert!(scene.reaches("10.99.0.9"), "but the failsafe address");
    let Scene { palisade, peer, port } = scene;
    let dir = palisade.kill();
    let reaches =
        || peer.run(move || connect("10.99.0.2".parse().unwrap(), port, Duration::from_millis(300)).is_some());
    assert!(!reaches(), "nothing was undone by the kill itself");
    until("the kernel goes back by itself", reaches);
    assert!(applied.elapsed() < Duration::from_secs(12), "it took {:?}", applied.elapsed());
    let again = Palisade::up_in(dir, FAILSAFE);
    until("the plan is rolled back", || {
        again.json(&["plan", "list"])["items"].as_array().unwrap().iter().any(|p| p["state"] == "rolled_back")
    });
    assert!(reaches(), "and the agent that starts again holds to that");
}

/// Counts what an open connection gets answered, byte for byte.
struct Talk {
    answered: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

impl Talk {
    fn begin(scene: &Scene, from: &str) -> Talk {
        let (from, port) = (from.parse().unwrap(), scene.port);
        let talk = Talk { answered: Arc::default(), broken: Arc::default(), end: Arc::default() };
        let (answered, broken, end) = (talk.answered.clone(), talk.broken.clone(), talk.end.clone());
        scene.peer.run(move || {
            let mut stream = connect(from, port, Duration::from_secs(5)).expect("it is allowed");
            // a lost segment is sent again after 200 ms at the soonest: an answer that is quicker lost none
            stream.set_read_timeout(Some(Duration::from_millis(2_000))).unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                while !end.load(Ordering::Relaxed) {
                    let heard = stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0]));
                    if heard.is_err() {
                        return broken.store(true, Ordering::Relaxed);
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        });
        talk
    }

    fn goes_on(&self) -> bool {
        let before = self.answered.load(Ordering::Relaxed);
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if self.answered.load(Ordering::Relaxed) > before + 5 {
                return true;
            }
            if self.broken.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::yield_now();
        }
        false
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

#[test]
fn of_two_open_connections_the_denied_one_ends_at_once_and_the_other_goes_on() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let both = group(&allow(scene.port, "10.99.0.2, 10.99.0.3"));
    let plan = scene.apply(&both, &["--probation", "60s", "--force"]);
    scene.confirm(&plan);
    let (stays, goes) = (Talk::begin(&scene, "10.99.0.2"), Talk::begin(&scene, "10.99.0.3"));
    assert!(stays.goes_on() && goes.goes_on());
    let one = group(&allow(scene.port, "10.99.0.2"));
    let plan = scene.apply(&one, &["--probation", "60s", "--force"]);
    until("the denied connection is cut", || goes.broken.load(Ordering::Relaxed));
    assert!(stays.goes_on() && !stays.broken.load(Ordering::Relaxed), "the other one goes on");
    scene.confirm(&plan);
    assert!(stays.goes_on(), "also when the plan is kept");
    assert!(scene.reaches("10.99.0.2") && !scene.reaches("10.99.0.3"));
}

#[test]
fn a_kept_group_stays_its_bans_come_first_and_a_removed_one_opens_again() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let plan = scene.apply(&group(&allow(scene.port, "10.99.0.0/24")), &["--probation", "60s"]);
    scene.confirm(&plan);
    assert!(scene.reaches("10.99.0.2"));
    let other = answering();
    assert!(!scene.reaches_port("10.99.0.2", other), "what no rule allows is shut");
    scene.palisade.ok(&["firewall", "ban", "add", "10.99.0.2", "--for", "1h"]);
    until("a ban comes before the group", || !scene.reaches("10.99.0.2"));
    scene.palisade.ok(&["firewall", "ban", "remove", "10.99.0.2"]);
    until("the ban is lifted", || scene.reaches("10.99.0.2"));
    let listed = scene.palisade.json(&["firewall", "group", "list"]);
    assert_eq!(listed["items"][0]["name"], "web", "{listed}");
    scene.palisade.ok(&["delete", "SecurityGroup", "web"]);
    until("nothing is filtered any more, on probation or for good", || scene.reaches_port("10.99.0.2", other));
}

#[test]
fn a_published_port_stays_shut_and_a_flushed_ruleset_is_kept_or_repaired_and_told() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let plan = scene.apply(&group(&allow(22, "10.99.0.2")), &["--probation", "60s", "--force"]);
    scene.confirm(&plan);
    assert!(!scene.reaches("10.99.0.2"));
    let nat = format!(
        "table ip nat {{\n chain prerouting {{\n type nat hook prerouting priority -100;\n tcp dport 8080 redirect to :{}\n }}\n}}\n",
        scene.port
    );
    let file = scene.palisade.dir.path().join("nat.nft");
    std::fs::write(&file, nat).unwrap();
    if let Err(why) = palisade_sandbox::run("nft", &["-f", &file.display().to_string()]) {
        return println!("skipped: {why}");
    }
    assert!(!scene.reaches_port("10.99.0.2", 8080), "a port published before the filter of others is not open");
    let open = group(&format!("{}{}", allow(22, "10.99.0.2"), allow(8080, "10.99.0.2")));
    let plan = scene.apply(&open, &["--probation", "60s", "--force"]);
    scene.confirm(&plan);
    until("it is opened by the port that others see", || scene.reaches_port("10.99.0.2", 8080));
    assert!(!scene.reaches_port("10.99.0.3", 8080));

    palisade_sandbox::run("nft", &["flush", "ruleset"]).unwrap();
    until("everything is as it was within ten seconds", || !scene.reaches("10.99.0.2") && !scene.reaches("10.99.0.3"));
    until("it is told that somebody flushed the ruleset", || scene.events().contains("flush"));
}
