//! Security groups and isolation on a host that is not the server's, over its link.

use crate::fleet::{Fleet, Member};
use crate::groups::{PERMIT, answering_at, connect_to};
use crate::running::until;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const HOST: &str = "10.99.0.2";
/// The server's machine, as somebody who is no failsafe address: its first one is the server's.
const STRANGER: &str = "10.99.0.7";
const CHANGES: usize = 10;
/// All changes with all kills.
const DONE_WITHIN: Duration = Duration::from_secs(40);

/// A fleet of one host beside the server's own.
fn scene() -> Result<(Fleet, Member), String> {
    let fleet = Fleet::start()?;
    let mut member = fleet.join(0, "web-9", &[]);
    std::fs::write(member.dir.path().join("permit.toml"), PERMIT).unwrap();
    palisade_sandbox::ip(&["address", "add", &format!("{STRANGER}/24"), "dev", "pal0"])?;
    member.run();
    fleet.wait_for("web-9", "online");
    Ok((fleet, member))
}

fn reaches(port: u16) -> bool {
    let to = SocketAddr::new(HOST.parse().unwrap(), port);
    connect_to(STRANGER.parse().unwrap(), to, Duration::from_millis(300)).is_some()
}

fn state(fleet: &Fleet, plan: &str) -> String {
    fleet.server().json(&["plan", "show", plan])["state"].as_str().unwrap().to_owned()
}

fn confirm(fleet: &Fleet, plan: &str) {
    until("the plan is on probation", || state(fleet, plan) == "probation");
    fleet.server().ok(&["plan", "confirm", plan, "--waiver", "a test"]);
}

fn id(plan: &Value) -> String {
    plan["id"].as_str().unwrap_or_else(|| panic!("no plan in {plan}")).to_owned()
}

#[test]
fn an_isolated_host_keeps_its_link_and_nothing_else_and_is_released() {
    let (fleet, member) = match scene() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let port = member.peer.run(|| answering_at(HOST));
    assert!(reaches(port));
    let refused = fleet.server().command(&["firewall", "isolate", "web-1", "--reason", "a test"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("the host that this server runs on"), "{why}");

    let cut = id(&fleet.server().json(&["firewall", "isolate", "web-9", "--reason", "an intruder"]));
    until("it is isolated", || !reaches(port));
    let early = fleet.server().command(&["firewall", "release", "web-9"]);
    let hint = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(hint.contains(&format!("palisade plan rollback {cut}")), "{hint}");
    confirm(&fleet, &cut);
    until("it is kept, so its link is there", || state(&fleet, &cut) == "kept");
    assert_eq!(fleet.host("web-9")["verdict"]["word"], "online");
    assert!(!reaches(port));
    assert!(fleet.server().ok(&["firewall", "isolated"]).contains("an intruder"));
    assert!(fleet.server().ok(&["firewall", "status", "web-9"]).contains("cut off until it is released"));

    let released = id(&fleet.server().json(&["firewall", "release", "web-9"]));
    until("it is released", || reaches(port));
    confirm(&fleet, &released);
    until("for good", || state(&fleet, &released) == "kept");
    assert!(reaches(port));
    let kinds = fleet.events("web-9");
    assert!(kinds.iter().any(|k| k == "firewall.host.isolate"), "{kinds:?}");
}

fn apply(fleet: &Fleet, port: u16) -> String {
    let rule = format!("{{ action: allow, protocol: tcp, ports: [\"{port}\"], peers: [{STRANGER}] }}");
    let document =
        format!("kind: SecurityGroup\nname: web\nspec:\n  members: {{ hosts: [web-9] }}\n  rules:\n    - {rule}\n");
    let file = fleet.server().dir.path().join("groups.yaml");
    std::fs::write(&file, document).unwrap();
    let path = file.display().to_string();
    id(&fleet.server().json(&["apply", "-f", &path, "--probation", "60s", "--force"])["plan"])
}

/// The moment of the kill is what is varied: it is waited for by the clock.
fn killed_after(member: &mut Member, ms: u64) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(ms) {
        std::thread::yield_now();
    }
    member.end(Signal::SIGKILL);
    member.run();
}

#[test]
fn an_agent_that_is_killed_again_and_again_holds_what_the_server_says_in_the_end() {
    let (fleet, mut member) = match scene() {
        Ok(scene) => scene,
        Err(why) => return println!("skipped: {why}"),
    };
    let ports: Vec<u16> = (0..CHANGES).map(|_| member.peer.run(|| answering_at(HOST))).collect();
    let began = Instant::now();
    let mut plans = Vec::new();
    for (n, port) in ports.iter().enumerate() {
        let plan = apply(&fleet, *port);
        killed_after(&mut member, (n as u64 * 37) % 150);
        confirm(&fleet, &plan);
        killed_after(&mut member, (n as u64 * 53) % 150);
        until("the plan is kept", || state(&fleet, &plan) == "kept");
        plans.push(plan);
    }
    println!("{CHANGES} changes with {} kills: {:?}", CHANGES * 2, began.elapsed());
    assert!(began.elapsed() < DONE_WITHIN, "{:?}", began.elapsed());
    until("the last change is in force", || reaches(ports[CHANGES - 1]));
    let open: Vec<&u16> = ports.iter().filter(|port| reaches(**port)).collect();
    assert_eq!(open, [&ports[CHANGES - 1]], "and nothing of the others");
    assert!(plans.iter().all(|plan| state(&fleet, plan) == "kept"));
    let rules = member.peer.run(|| palisade_sandbox::run("nft", &["list", "table", "inet", "palisade"]).unwrap());
    let mut generations: Vec<&str> =
        rules.lines().filter_map(|l| l.trim().strip_prefix("chain g")?.split('/').next()).collect();
    generations.dedup();
    assert_eq!(generations.len(), 1, "one generation stands in the kernel: {rules}");
    let effective = fleet.server().json(&["firewall", "policy", "show", "web-9"]);
    let shown: Vec<&Value> = effective["rules"].as_array().unwrap().iter().filter(|r| r["layer"] == "group").collect();
    assert_eq!((shown.len(), shown[0]["ports"][0].as_str()), (1, Some(ports[CHANGES - 1].to_string().as_str())));
}
