//! Acting: bans through the whole product, with real packets.

use crate::running::{Palisade, until};
use palisade_sandbox::{Link, Peer};
use serde_json::json;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const HERE: &str = "10.99.0.1";
const THERE: &str = "10.99.0.2";

struct Scene {
    palisade: Palisade,
    peer: Peer,
    #[allow(dead_code)]
    service: TcpListener,
    port: u16,
}

impl Scene {
    fn new() -> Result<Scene, String> {
        Scene::configured("")
    }

    fn configured(config: &str) -> Result<Scene, String> {
        palisade_sandbox::enter_netns()?;
        let peer = Peer::beside(&Link { here: &["10.99.0.1/24"], there: &["10.99.0.2/24", "10.99.0.9/24"] })?;
        let service = TcpListener::bind((HERE, 0)).unwrap();
        let port = service.local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let palisade = Palisade::up_in(dir, &["--failsafe", "10.99.0.9"]);
        until("the agent is linked", || palisade.json(&["host", "list"])["total"] == 1);
        Ok(Scene { palisade, peer, service, port })
    }

    /// Whether a new connection from `from` gets through.
    fn reaches(&self, from: &str) -> bool {
        let (to, from): (SocketAddr, String) = (format!("{HERE}:{}", self.port).parse().unwrap(), from.to_owned());
        self.peer.run(move || {
            use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, socket};
            let from = SockaddrIn::from(format!("{from}:0").parse::<std::net::SocketAddrV4>().unwrap());
            let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
            bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &from).unwrap();
            connect_within(fd, to, Duration::from_millis(300))
        })
    }
}

/// Connects without blocking and waits for the outcome at most this long.
fn connect_within(fd: std::os::fd::OwnedFd, to: SocketAddr, limit: Duration) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::{AsFd, AsRawFd};
    let stream = TcpStream::from(fd);
    stream.set_nonblocking(true).unwrap();
    let SocketAddr::V4(to) = to else { panic!("an IPv4 address") };
    let _ = nix::sys::socket::connect(stream.as_raw_fd(), &nix::sys::socket::SockaddrIn::from(to));
    let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    let ready = poll(&mut fds, PollTimeout::try_from(limit).unwrap()).unwrap();
    ready == 1 && stream.take_error().unwrap().is_none() && stream.peer_addr().is_ok()
}

#[test]
fn a_banned_address_is_cut_comes_back_by_itself_and_a_failsafe_one_cannot_be_banned() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    assert!(scene.reaches(THERE));
    let plan = scene.palisade.json(&["firewall", "ban", "add", THERE, "--for", "4s", "--reason", "test"]);
    until("the ban is in force", || !scene.reaches(THERE));
    until("the plan is applied and verified", || {
        scene.palisade.json(&["plan", "show", plan["id"].as_str().unwrap()])["state"] == "applied"
    });
    until("it comes back by itself", || scene.reaches(THERE));

    let refused = scene.palisade.command(&["firewall", "ban", "add", "10.99.0.9"]);
    assert!(!refused.status.success());
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("10.99.0.9"),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    assert!(scene.reaches("10.99.0.9"));
}

#[test]
fn a_network_ban_is_on_probation_and_returns_unless_it_is_kept() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let token = scene.palisade.token("operator");
    let ban = |probation: &str| {
        let body = json!({ "address": "10.99.0.0/29", "reason": "test", "probation": probation }).to_string();
        let answer = scene.palisade.request("POST", "/api/v1/firewall/bans", Some(&token), &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let state = |id: &str| scene.palisade.json(&["plan", "show", id])["state"].as_str().unwrap().to_owned();

    let id = ban("3s");
    until("the ban is in force", || !scene.reaches(THERE));
    assert!(scene.reaches("10.99.0.9"), "an address beside the network is not touched");
    until("it is rolled back by itself", || scene.reaches(THERE));
    until("the plan says so", || state(&id) == "rolled_back");

    let id = ban("30s");
    until("it is on probation", || state(&id) == "probation");
    let shown = scene.palisade.json(&["plan", "show", &id]);
    assert_eq!(shown["proof"], json!({ "agent_reconnected": true, "operator_path": true }), "a command connects anew");
    scene.palisade.ok(&["plan", "confirm", &id]);
    assert_eq!(state(&id), "kept");
    assert!(!scene.reaches(THERE));
    scene.palisade.ok(&["plan", "rollback", &id]);
    until("it is undone", || scene.reaches(THERE));
}

#[test]
fn bans_outlive_a_killed_agent_and_drift_is_repaired() {
    // another tool can delete only a table that is not the agent's own
    let scene = match Scene::configured("[firewall]\nown_table = false\n") {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    scene.palisade.ok(&["firewall", "ban", "add", THERE, "--for", "1h"]);
    until("the ban is in force", || !scene.reaches(THERE));
    if let Err(why) = palisade_sandbox::run("nft", &["--version"]) {
        return println!("skipped: {why}");
    }
    palisade_sandbox::run("nft", &["delete", "table", "inet", "palisade"]).unwrap();
    assert!(scene.reaches(THERE), "another tool has removed the table");
    until("drift is repaired", || !scene.reaches(THERE));
    until("drift is recorded", || scene.palisade.json(&["journal", "list"]).to_string().contains("drift"));

    let Scene { palisade, peer, service, port } = scene;
    let dir = palisade.kill();
    let again = Palisade::up_in(dir, &["--failsafe", "10.99.0.9"]);
    let scene = Scene { palisade: again, peer, service, port };
    assert!(!scene.reaches(THERE), "the kernel holds the ban while nobody runs");
    scene.palisade.ok(&["firewall", "ban", "remove", THERE]);
    until("the ban is lifted", || scene.reaches(THERE));
}

#[test]
fn a_host_bans_and_releases_by_itself_while_the_server_is_away() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    scene.palisade.ok(&["firewall", "ban", "add", THERE, "--local", "--for", "1h"]);
    assert!(!scene.reaches(THERE), "a local ban is in force when the command returns");
    assert!(scene.palisade.ok(&["firewall", "ban", "list", "--local"]).contains(THERE));
    assert!(scene.palisade.ok(&["plan", "list", "--local"]).contains("applied"));
    scene.palisade.ok(&["firewall", "ban", "remove", THERE, "--local"]);
    assert!(scene.reaches(THERE));
}

#[test]
fn a_permit_without_ban_keeps_the_host_as_it_is() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("permit.toml"), "allow = [\"observe\"]\n").unwrap();
    let palisade = Palisade::up_in(dir, &[]);
    let token = palisade.token("admin");
    until("the agent is linked", || palisade.json(&["host", "list"])["total"] == 1);
    let body = json!({ "address": "198.51.100.7", "for": "1h" }).to_string();
    let plan = palisade.request("POST", "/api/v1/firewall/bans", Some(&token), &body).json();
    let id = plan["id"].as_str().unwrap().to_owned();
    until("the plan fails", || palisade.json(&["plan", "show", &id])["state"] == "failed");
    let reason = palisade.json(&["plan", "show", &id])["reason"].to_string();
    assert!(reason.contains("permit"), "{reason}");
    match palisade_sandbox::run("nft", &["list", "ruleset"]) {
        Ok(rules) => assert!(!rules.contains("palisade"), "{rules}"),
        Err(why) => println!("skipped: {why}"),
    }
}

#[test]
fn what_was_kept_on_the_host_while_the_server_was_away_stays_kept() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let token = scene.palisade.token("operator");
    let body = json!({ "address": THERE, "for": "1h", "probation": "25s" }).to_string();
    let id = scene.palisade.request("POST", "/api/v1/firewall/bans", Some(&token), &body).json()["id"].clone();
    let id = id.as_str().unwrap();
    until("it is on probation", || scene.palisade.json(&["plan", "show", id])["state"] == "probation");
    // stopped, the server answers nobody: for the agent it is away
    let server = nix::unistd::Pid::from_raw(scene.palisade.server_pid());
    nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGSTOP).unwrap();
    scene.palisade.ok(&["plan", "confirm", id, "--local"]);
    nix::sys::signal::kill(server, nix::sys::signal::Signal::SIGCONT).unwrap();
    until("the server takes the decision over", || scene.palisade.json(&["plan", "show", id])["state"] == "kept");
    assert!(!scene.reaches(THERE));
    let audit = scene.palisade.json(&["audit", "list"]).to_string();
    assert!(audit.contains("was kept on web-1"), "{audit}");
}
