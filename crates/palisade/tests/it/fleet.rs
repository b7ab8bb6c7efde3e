//! A fleet: a server, and hosts beside it, each in a network namespace of its own.

use crate::running::{BINARY, Palisade, until};
use palisade_sandbox::{Link, Peer};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A server that hosts can reach.
pub struct Fleet {
    server: Option<Palisade>,
}

const LISTEN: &[&str] = &["--listen", "0.0.0.0:8443"];

/// One host: its network, its directory, and its agent if that runs.
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its side of the link.
    pub peer: Peer,
    /// Where its agent stores.
    pub dir: TempDir,
    /// Where it finds the server.
    pub url: String,
    agent: Option<Child>,
}

impl Fleet {
    /// Enters namespaces and starts a server that listens everywhere in them; `Err` is why the test
    /// has to be skipped.
    pub fn start() -> Result<Fleet, String> {
        palisade_sandbox::enter_netns()?;
        Ok(Fleet { server: Some(Palisade::up_in(tempfile::tempdir().unwrap(), LISTEN)) })
    }

    /// The server.
    pub fn server(&self) -> &Palisade {
        self.server.as_ref().expect("it runs")
    }

    /// Kills the server, changes its data directory, and starts it again.
    pub fn restart_with(&mut self, change: impl FnOnce(&Path)) {
        let dir = self.server.take().expect("it runs").kill();
        change(dir.path());
        self.server = Some(Palisade::up_in(dir, LISTEN));
    }

    /// A host that has joined with a token of its own, number `n` of this fleet.
    pub fn join(&self, n: usize, name: &str, more: &[&str]) -> Member {
        let member = self.member(n, name);
        let output = member.join(&self.token(more), &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        member
    }

    /// The network and the directory of a host that has not joined yet.
    pub fn member(&self, n: usize, name: &str) -> Member {
        let (here, there) = (format!("10.99.{n}.1"), format!("10.99.{n}.2/24"));
        let peer = Peer::nth(n, &Link { here: &[&format!("{here}/24")], there: &[&there] }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        // another tool can delete only a table that is not the agent's own
        std::fs::write(dir.path().join("config.toml"), "[firewall]\nown_table = false\n").unwrap();
        Member { name: name.to_owned(), peer, dir, url: format!("https://{here}:8443"), agent: None }
    }

    /// A new join token.
    pub fn token(&self, more: &[&str]) -> String {
        let made = self.server().json(&[&["join-token", "create"], more].concat());
        made["token"].as_str().unwrap().to_owned()
    }

    /// A host as the server sees it; null if it does not.
    pub fn host(&self, name: &str) -> Value {
        let hosts = self.server().json(&["host", "list", "--all"]);
        let found = hosts["items"].as_array().unwrap().iter().find(|h| h["name"] == name);
        found.cloned().unwrap_or_default()
    }

    /// Waits until the server's verdict on a host is this one.
    pub fn wait_for(&self, name: &str, verdict: &str) {
        until(&format!("{name} is {verdict}"), || self.host(name)["verdict"]["word"] == verdict);
    }

    /// The kinds of the events about a host, oldest first.
    pub fn events(&self, name: &str) -> Vec<String> {
        let events = self.server().json(&["journal", "list", "--host", name]);
        let mut kinds: Vec<String> =
            events["items"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect();
        kinds.reverse();
        kinds
    }
}

impl Member {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .arg("--data-dir")
            .arg(self.dir.path())
            .env("PALISADE_CONFIG", self.dir.path().join("config.toml"))
            .env("PALISADE_PERMIT", self.dir.path().join("permit.toml"))
            .env_remove("PALISADE_SERVER");
        command
    }

    /// Joins with a token, given on standard input.
    pub fn join(&self, token: &str, more: &[&str]) -> Output {
        let args = ["agent", "--join", &self.url, "--token-file", "-", "--name", &self.name];
        let mut command = self.command(&[&args, more].concat());
        let token = token.to_owned();
        self.peer.run(move || {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        })
    }

    /// Starts its agent.
    pub fn run(&mut self) {
        let mut command = self.command(&["agent"]);
        command.stdin(Stdio::null());
        self.agent = Some(self.peer.run(move || command.spawn().unwrap()));
    }

    /// Runs a command against its agent, as root on the host.
    pub fn local(&self, args: &[&str]) -> Output {
        self.command(args).arg("--local").output().unwrap()
    }

    /// How the watcher of a guard fares there; null if it says nothing.
    pub fn watcher(&self, guard: &str) -> Value {
        let status: Value = serde_json::from_slice(&self.local(&["status"]).stdout).unwrap_or_default();
        let watchers = status["watchers"].as_array().cloned().unwrap_or_default();
        watchers.into_iter().find(|watcher| watcher["guard"] == guard).unwrap_or_default()["status"].clone()
    }

    /// Sends its agent a signal, and waits for its end.
    pub fn end(&mut self, signal: nix::sys::signal::Signal) {
        let mut agent = self.agent.take().expect("its agent runs");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent.id() as i32), signal).unwrap();
        agent.wait().unwrap();
    }

    /// The identity of this host, as files.
    pub fn identity(&self) -> std::path::PathBuf {
        self.dir.path().join("agent/identity")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

/// Copies a directory tree of plain files, directories and links.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg("--").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

use nix::sys::signal::Signal;

#[test]
fn hosts_that_were_killed_cut_off_or_stopped_in_order_are_told_apart_and_each_is_told_of_once() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut killed = fleet.join(0, "killed", &[]);
    let mut cut = fleet.join(1, "cut", &["--region", "north", "--tag", "role=web"]);
    let mut stopped = fleet.join(2, "stopped", &["--profile", "protect"]);
    for member in [&mut killed, &mut cut, &mut stopped] {
        member.run();
        fleet.wait_for(&member.name, "online");
    }
    assert_eq!(fleet.host("cut")["region"], "north");
    assert_eq!(fleet.host("cut")["tags"]["role"], "web");
    assert_eq!(fleet.host("stopped")["profile"], "protect");

    killed.end(Signal::SIGKILL);
    cut.peer.set_link(false).unwrap();
    stopped.end(Signal::SIGTERM);
    fleet.wait_for("stopped", "ended");
    fleet.wait_for("killed", "killed");
    fleet.wait_for("cut", "unreachable");

    killed.run();
    cut.peer.set_link(true).unwrap();
    stopped.run();
    for name in ["killed", "cut", "stopped"] {
        fleet.wait_for(name, "online");
        let events = fleet.events(name);
        let told: Vec<_> =
            events.iter().filter(|kind| kind.contains("host.silent") || kind.contains("host.back")).collect();
        assert_eq!(told, ["frame.host.silent", "frame.host.back"], "{name}");
    }
}

#[test]
fn what_a_host_holds_is_held_without_the_server_and_what_it_saw_meanwhile_arrives_later() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut member = fleet.join(0, "web-9", &[]);
    member.run();
    fleet.wait_for("web-9", "online");
    fleet.server().ok(&["firewall", "ban", "add", "198.51.100.7", "--for", "1h", "--host", "web-9"]);
    let rules = |member: &Member| member.peer.run(|| palisade_sandbox::run("nft", &["list", "ruleset"]).unwrap());
    until("the host holds the ban", || rules(&member).contains("198.51.100.7"));
    assert!(!palisade_sandbox::run("nft", &["list", "ruleset"]).unwrap().contains("198.51.100.7"), "it is that host's");

    member.peer.set_link(false).unwrap();
    fleet.wait_for("web-9", "unreachable");
    member.end(Signal::SIGKILL);
    member.peer.run(|| palisade_sandbox::run("nft", &["delete", "table", "inet", "palisade"]).unwrap());
    member.run();
    until("a restarted agent puts it back without the server", || rules(&member).contains("198.51.100.7"));
    let local = member.local(&["firewall", "ban", "add", "198.51.100.8", "--for", "1h"]);
    assert!(local.status.success(), "{}", String::from_utf8_lossy(&local.stderr));

    // what is banned meanwhile travels as soon as the way is open again
    fleet.server().ok(&["firewall", "ban", "add", "198.51.100.9", "--for", "1h"]);
    member.peer.set_link(true).unwrap();
    fleet.wait_for("web-9", "online");
    until("the host holds all three", || {
        let rules = rules(&member);
        ["198.51.100.7", "198.51.100.8", "198.51.100.9"].iter().all(|address| rules.contains(address))
    });
}

#[test]
fn a_revoked_host_is_cut_off_at_once_and_stays_out() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut member = fleet.join(0, "stolen", &[]);
    member.run();
    fleet.wait_for("stolen", "online");
    let before = std::time::Instant::now();
    fleet.server().ok(&["host", "revoke", "stolen", "--reason", "taken away"]);
    fleet.wait_for("stolen", "revoked");
    assert!(before.elapsed().as_secs() < 10, "{:?}", before.elapsed());
    // an agent that is started anew knocks at once, and is not let in
    member.end(Signal::SIGTERM);
    member.run();
    fleet.server().ok(&["firewall", "ban", "add", "198.51.100.7", "--for", "1h"]);
    until("the server's own host holds the ban", || {
        palisade_sandbox::run("nft", &["list", "ruleset"]).is_ok_and(|rules| rules.contains("198.51.100.7"))
    });
    let rules = member.peer.run(|| palisade_sandbox::run("nft", &["list", "ruleset"]).unwrap());
    assert!(!rules.contains("198.51.100.7"), "{rules}");
    assert_eq!(fleet.host("stolen")["verdict"]["word"], "revoked");
}
