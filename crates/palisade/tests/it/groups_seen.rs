//! What is said of rules against what packets meet: simulated, counted, listed, scanned.

use crate::groups::{HERE, Scene, allow, group};
use crate::running::until;
use palisade_firewall::services::{HIGH_RISK_TCP, HIGH_RISK_UDP, Ports};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

/// Counts of packets are at the server within this time.
const COUNTED_WITHIN: Duration = Duration::from_secs(90);

fn wait_for_counts(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < COUNTED_WITHIN, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
    println!("{what}: after {:?}", began.elapsed());
}

#[test]
fn what_simulate_says_is_what_packets_meet_and_they_are_counted_and_listed() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let plan = scene.apply(&group(&allow(scene.port, "10.99.0.2")), &["--probation", "60s", "--force"]);
    scene.confirm(&plan);
    for (from, by) in [("10.99.0.2", "rule"), ("10.99.0.3", "default"), ("10.99.0.9", "failsafe")] {
        let packet = format!("tcp {from}:40000 -> web-1:{}", scene.port);
        let said = scene.palisade.json(&["firewall", "simulate", &packet])["items"][0]["now"].clone();
        let action = if scene.reaches(from) { "allow" } else { "deny" };
        assert_eq!((said["action"].as_str(), said["by"].as_str()), (Some(action), Some(by)), "{packet}: {said}");
    }
    let items = |args: &[&str]| scene.palisade.json(args)["items"].as_array().unwrap().clone();
    wait_for_counts("the rule has hits", || {
        items(&["firewall", "hits"]).iter().any(|h| h["layer"] == "group" && h["packets"].as_u64() > Some(0))
    });
    wait_for_counts("the group shows them", || {
        let shown = scene.palisade.json(&["firewall", "group", "show", "web"]);
        shown["rules"][0]["packets"].as_u64() > Some(0) && shown["rules"][0]["last_hit_at"].is_string()
    });
    wait_for_counts("the denied packet is listed", || {
        items(&["firewall", "denied"]).iter().any(|d| d["source"] == "10.99.0.3" && d["port"] == scene.port)
    });
    let denied = items(&["firewall", "denied"]);
    assert!(denied.iter().all(|d| d["source"] == "10.99.0.3"), "nobody else was denied: {denied:?}");
}

fn each(ports: &[Ports]) -> Vec<u16> {
    ports.iter().flat_map(|(_, first, last)| *first..=*last).collect()
}

/// Listens on all high-risk ports; who asks by UDP is answered.
fn listening() -> Vec<TcpListener> {
    for port in each(HIGH_RISK_UDP) {
        let socket = UdpSocket::bind((HERE, port)).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 2_048];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                let _ = socket.send_to(&bytes[..length.max(1)], from);
            }
        });
    }
    each(HIGH_RISK_TCP).into_iter().map(|port| TcpListener::bind((HERE, port)).unwrap()).collect()
}

/// What nmap says of ports: how many there are of each state.
fn scanned(scene: &Scene, how: &'static str, ports: &[u16]) -> Result<BTreeMap<String, usize>, String> {
    let list = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let args = ["-n", "-Pn", how, "--max-retries", "1", "-T4", "-p", &list, "-S", "10.99.0.2", "-e", "pal1"];
    let args: Vec<String> = args.iter().chain(&["-oG", "-", HERE]).map(|a| (*a).to_owned()).collect();
    let said = scene.peer.run(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        palisade_sandbox::run("nmap", &args)
    })?;
    let mut states = BTreeMap::new();
    let line = said.lines().find_map(|l| l.split_once("Ports: ")).map(|(_, ports)| ports).unwrap_or_default();
    for port in line.split(", ").filter_map(|p| p.split('/').nth(1)) {
        *states.entry(port.to_owned()).or_insert(0) += 1;
    }
    // nmap lists ports of one state as a number when there are many
    let ignored = said.lines().find_map(|l| l.split_once("Ignored State: ")).map(|(_, rest)| rest);
    if let Some((state, count)) = ignored.and_then(|rest| rest.split_once(" (")) {
        let count: usize = count.split(')').next().and_then(|n| n.parse().ok()).unwrap_or_default();
        *states.entry(state.to_owned()).or_insert(0) += count;
    }
    Ok(states)
}

fn only(state: &str, ports: &[u16]) -> BTreeMap<String, usize> {
    BTreeMap::from([(state.to_owned(), ports.len())])
}

#[test]
fn all_high_risk_ports_are_filtered_by_the_policy_and_shown_as_shut_by_it() {
    let scene = match Scene::new() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let (tcp, udp) = (each(HIGH_RISK_TCP), each(HIGH_RISK_UDP));
    let listeners = listening();
    let before = match scanned(&scene, "-sS", &tcp) {
        Ok(states) => states,
        Err(why) => return println!("skipped: {why}"),
    };
    assert_eq!(before, only("open", &tcp), "without a policy all are open");
    assert_eq!(scanned(&scene, "-sU", &udp).unwrap(), only("open", &udp));
    let policy = "kind: PortPolicy\nname: base\nspec:\n  hosts: { all: true }\n";
    let plan = scene.apply(policy, &["--probation", "60s", "--force"]);
    scene.confirm(&plan);
    assert_eq!(scanned(&scene, "-sS", &tcp).unwrap(), only("filtered", &tcp));
    assert_eq!(scanned(&scene, "-sU", &udp).unwrap(), only("open|filtered", &udp), "no answer comes");
    assert!(scene.reaches("10.99.0.2"), "what the policy does not name stays open");

    let token = scene.palisade.token("operator");
    let look = json!({ "host": "web-1", "kind": "look" }).to_string();
    let ordered = scene.palisade.request("POST", "/api/v1/orders", Some(&token), &look);
    assert_eq!(ordered.status, 201, "{}", ordered.body);
    let wanted: Vec<(&str, u16)> = tcp.iter().map(|p| ("tcp", *p)).chain(udp.iter().map(|p| ("udp", *p))).collect();
    let shut =
        |row: &Value| row["open"] == "none" && row["rule"].as_str().is_some_and(|r| r.starts_with("policy/high-risk"));
    until("`exposure` lists each as shut by the policy", || {
        let rows = scene.palisade.json(&["firewall", "exposure"])["items"].as_array().unwrap().clone();
        let is = |(protocol, port): &(&str, u16), row: &&Value| row["protocol"] == *protocol && row["port"] == *port;
        wanted.iter().all(|port| rows.iter().filter(|r| is(port, r)).map(shut).reduce(|a, b| a && b) == Some(true))
    });
    let matrix = scene.palisade.request("GET", "/api/v1/firewall/matrix", Some(&token), "").json();
    let cells = matrix["hosts"][0]["cells"].as_array().unwrap();
    for (protocol, number) in &wanted {
        let at =
            matrix["ports"].as_array().unwrap().iter().position(|p| p["protocol"] == *protocol && p["port"] == *number);
        let at = at.unwrap_or_else(|| panic!("no column {protocol}/{number} in {matrix}"));
        assert_eq!(matrix["ports"][at]["high_risk"], true);
        assert!(cells.iter().any(|c| c["port"] == at && c["state"] == "shut"), "{protocol}/{number}: {cells:?}");
    }
    drop(listeners);
}
