//! Bans for the whole fleet as a stream: from an import to the kernel of every host.

use crate::fleet::{Fleet, Member};
use crate::running::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// From the import to the kernel of every host.
const ARRIVED_WITHIN: Duration = Duration::from_secs(2);

/// One address of the `n`th network of 256.
fn address(n: usize) -> String {
    format!("11.{}.{}.7", n >> 8, n & 255)
}

fn import(fleet: &Fleet, token: &str, numbers: std::ops::Range<usize>) -> Value {
    let bans: Vec<Value> = numbers.map(|n| json!({ "address": address(n) })).collect();
    let body = json!({ "bans": bans, "for": "1h", "reason": "test" }).to_string();
    let answer = fleet.server().request("POST", "/api/v1/firewall/bans/import", Some(token), &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// The banned addresses in the kernel of a host, as text.
fn banned(member: &Member) -> String {
    member.peer.run(|| palisade_sandbox::run("nft", &["list", "set", "inet", "palisade", "ban4"]).unwrap_or_default())
}

/// How many addresses are banned there.
fn count(member: &Member) -> usize {
    banned(member).matches(".7 ").count()
}

fn feed(fleet: &Fleet, token: &str) -> Value {
    fleet.server().request("GET", "/api/v1/firewall/feed", Some(token), "").json()
}

/// The number of the last change, and that of what this host has stored.
fn position(fleet: &Fleet, token: &str, name: &str) -> (u64, u64) {
    let feed = feed(fleet, token);
    let host = feed["hosts"].as_array().unwrap().iter().find(|h| h["host"] == name).cloned().unwrap_or_default();
    (feed["seq"].as_u64().unwrap(), host["seq"].as_u64().unwrap_or_default())
}

#[test]
fn an_import_is_in_the_kernel_of_every_host_at_once_and_a_release_too() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut members = [fleet.join(0, "web-8", &[]), fleet.join(1, "web-9", &[])];
    for member in &mut members {
        member.run();
        fleet.wait_for(&member.name, "online");
    }
    let token = fleet.server().token("operator");
    import(&fleet, &token, 0..1_000);
    until("the first import is there", || members.iter().all(|member| count(member) == 1_000));

    let began = Instant::now();
    let answer = import(&fleet, &token, 1_000..1_010);
    assert_eq!((&answer["added"], &answer["refused_total"]), (&json!(10), &json!(0)));
    until("it is on every host", || members.iter().all(|member| count(member) == 1_010));
    let took = began.elapsed();
    println!("10 bans with 1,000 present: on both hosts after {} ms", took.as_millis());
    assert!(took < ARRIVED_WITHIN, "{took:?}");

    until("the server knows", || members.iter().all(|m| position(&fleet, &token, &m.name).1 == 1_010));
    assert!(fleet.server().ok(&["firewall", "ban", "list"]).contains(&address(1_005)));
    fleet.server().ok(&["firewall", "ban", "remove", &address(1_005)]);
    until("it is released everywhere", || members.iter().all(|member| count(member) == 1_009));
    assert!(members.iter().all(|member| !banned(member).contains(&address(1_005))));
    fleet.server().ok(&["firewall", "allow", "add", "11.0.0.0/16", "--reason", "ours"]);
    until("what is allowed later is released", || members.iter().all(|member| count(member) == 1_009 - 256));
}

#[test]
fn an_agent_that_is_killed_in_the_middle_of_an_import_has_all_of_it_afterwards() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut member = fleet.join(0, "web-9", &[]);
    member.run();
    fleet.wait_for("web-9", "online");
    let token = fleet.server().token("operator");
    import(&fleet, &token, 0..1_000);
    until("it arrives", || count(&member) >= 1_000);
    import(&fleet, &token, 1_000..50_000);
    // wherever it is by then: between the parts, in one, or before the first
    member.end(Signal::SIGKILL);
    let held = count(&member);
    println!("killed with {held} of 50,000 in the kernel");
    member.run();
    until("the host has all of it", || {
        let (newest, stored) = position(&fleet, &token, "web-9");
        newest == stored
    });
    until("and its kernel too", || count(&member) == 50_000);
}
