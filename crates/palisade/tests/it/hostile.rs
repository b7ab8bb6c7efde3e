//! An agent whose server is in hostile hands: the test is the server, and sends what it likes.

use crate::running::{BINARY, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The other end of the link: answers as a server does, keeps what is reported, and writes any line
/// to the streams of orders.
pub struct Hostile {
    reports: Arc<Mutex<Vec<Value>>>,
    orders: Arc<Mutex<Vec<UnixStream>>>,
    agent: Child,
    #[allow(dead_code)]
    dir: TempDir,
}

impl Hostile {
    /// Starts an agent with this permit, and waits until it listens to orders.
    pub fn start(permit: &str) -> Hostile {
        assert!(palisade_sandbox::is_isolated());
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("server")).unwrap();
        std::fs::write(dir.path().join("permit.toml"), permit).unwrap();
        std::fs::write(dir.path().join("config.toml"), "").unwrap();
        let listener = UnixListener::bind(dir.path().join("server/server.sock")).unwrap();
        let (reports, orders) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<Vec<UnixStream>>>::default());
        let (kept, streams) = (Arc::clone(&reports), Arc::clone(&orders));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, streams) = (Arc::clone(&kept), Arc::clone(&streams));
                std::thread::spawn(move || answer(stream, &kept, &streams));
            }
        });
        let agent = Command::new(BINARY)
            .args(["agent", "--host", "web-1", "--failsafe", "10.99.0.9", "--data-dir"])
            .arg(dir.path())
            .env("PALISADE_CONFIG", dir.path().join("config.toml"))
            .env("PALISADE_PERMIT", dir.path().join("permit.toml"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let hostile = Hostile { reports, orders, agent, dir };
        until("the agent listens to orders", || !hostile.orders.lock().unwrap().is_empty());
        hostile
    }

    /// Sends one line as an order.
    pub fn send(&self, line: &str) {
        let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
        for stream in self.orders.lock().unwrap().iter_mut() {
            let _ = stream.write_all(chunk.as_bytes());
        }
    }

    fn spec(&self, epoch: u32, n: u64, address: &str) {
        let ban = json!({ "cidr": address, "reason": "", "by": "x", "since": "2026-11-22T00:00:00Z" });
        let spec = json!({ "bans": [ban], "allow": [] });
        self.send(
            &json!({ "spec": { "guard": "firewall", "generation": { "epoch": epoch, "n": n }, "spec": spec } })
                .to_string(),
        );
    }

    /// What was reported about the job of an order, oldest first.
    pub fn jobs(&self, order: &str) -> Vec<Value> {
        let ups = self.reports.lock().unwrap();
        let jobs = ups.iter().flat_map(|up| up["jobs"].as_array().cloned().unwrap_or_default());
        jobs.filter(|job| job["order"] == order).collect()
    }

    /// The newest report of the firewall's keeper, as `epoch.n verified`.
    fn reported(&self) -> String {
        let last = self.reports.lock().unwrap().iter().rev().find_map(|up| up["reports"].as_array()?.last().cloned());
        last.map_or_else(String::new, |r| {
            format!("{}.{} {}", r["generation"]["epoch"], r["generation"]["n"], r["verified"])
        })
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

fn answer(stream: UnixStream, reports: &Mutex<Vec<Value>>, orders: &Mutex<Vec<UnixStream>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut request, mut length) = (String::new(), 0usize);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = stream;
    if request.starts_with("GET /link/v1/orders") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        orders.lock().unwrap().push(stream);
        return;
    }
    if request.starts_with("POST /link/v1/report") {
        reports.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    }
    let answer = json!({ "now": "2026-11-22T00:00:00Z", "streams": {} }).to_string();
    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len());
}

fn rules() -> String {
    palisade_sandbox::run("nft", &["list", "ruleset"]).unwrap()
}

#[test]
fn an_older_generation_and_what_makes_no_sense_change_nothing() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let hostile = Hostile::start("allow = [\"observe\", \"ban\"]");
    hostile.spec(1, 5, "198.51.100.5");
    until("a spec is applied", || hostile.reported() == "1.5 true");
    hostile.spec(1, 4, "198.51.100.4");
    hostile.spec(0, 9, "198.51.100.3");
    for nonsense in [
        "not json",
        "{}",
        "{\"run\":{\"command\":\"touch /tmp/owned\"}}",
        "{\"spec\":{\"guard\":\"firewall\",\"generation\":{\"epoch\":9,\"n\":9},\"spec\":{\"bans\":\"all\"}}}",
        "{\"spec\":{\"guard\":\"access\",\"generation\":{\"epoch\":9,\"n\":9},\"spec\":{}}}",
        "{\"spec\":{\"guard\":\"../../etc\",\"generation\":{\"epoch\":9,\"n\":9},\"spec\":{}}}",
    ] {
        hostile.send(nonsense);
    }
    hostile.spec(1, 6, "198.51.100.6");
    until("the next sound spec is applied", || hostile.reported() == "1.6 true");
    let rules = rules();
    assert!(rules.contains("198.51.100.6"), "{rules}");
    for refused in ["198.51.100.3", "198.51.100.4", "198.51.100.5"] {
        assert!(!rules.contains(refused), "{refused}: {rules}");
    }
}

#[test]
fn outside_the_permit_nothing_is_changed_and_a_failsafe_address_is_never_cut() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let hostile = Hostile::start("allow = [\"observe\"]");
    hostile.spec(1, 1, "198.51.100.1");
    until("the agent says that it did not", || hostile.reported() == "1.1 false");
    assert_eq!(rules(), "");
    drop(hostile);

    let hostile = Hostile::start("allow = [\"observe\", \"ban\"]");
    hostile.spec(1, 1, "10.99.0.9");
    until("the agent answers", || hostile.reported().starts_with("1.1"));
    let banned = rules().lines().skip_while(|l| !l.contains("set ban")).any(|l| l.contains("10.99.0.9"));
    assert!(!banned, "{}", rules());
}
