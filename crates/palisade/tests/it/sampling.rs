//! How hosts are sampled, from a document on the server to the series that come back.

use crate::fleet::{Fleet, Member};
use crate::running::until;
use nix::sys::signal::Signal;
use serde_json::Value;

const DOCUMENTS: &str = "kind: Sampling\nname: fast\nspec: { scope: { tags: { pace: fast } }, interval: 1s }\n---\n\
    kind: ProcessWatch\nname: agent\nspec: { scope: { tags: { pace: fast } }, command: 'palisade agent' }\n---\n\
    kind: ProcessWatch\nname: nobody\nspec: { scope: { tags: { pace: fast } }, name: no-such-program }\n";

fn last(fleet: &Fleet, token: &str, host: &str, watch: &str) -> Option<f64> {
    let path = format!("/api/v1/monitor/series?host={host}&name=watch_processes");
    let answer = fleet.server().request("GET", &path, Some(token), "").json();
    let of_watch = |series: &&Value| series["labels"]["watch"] == watch;
    let series = answer["series"].as_array()?.iter().find(of_watch)?.clone();
    series["points"].as_array()?.iter().rev().find_map(|point| point[1].as_f64())
}

fn interval_s(member: &Member) -> Value {
    member.watcher("monitor")["interval_s"].clone()
}

#[test]
fn hosts_are_sampled_and_their_processes_watched_as_documents_say_also_those_that_come_later() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut tagged = fleet.join(0, "tagged", &["--tag", "pace=fast"]);
    let mut plain = fleet.join(1, "plain", &[]);
    for member in [&mut tagged, &mut plain] {
        member.run();
        fleet.wait_for(&member.name, "online");
    }
    let file = fleet.server().dir.path().join("sampling.yaml");
    std::fs::write(&file, DOCUMENTS).unwrap();
    let said = fleet.server().ok(&["apply", "-f", file.to_str().unwrap()]);
    assert!(said.contains("`fast` asks for a sample every 1s on tagged"), "{said}");
    let token = fleet.server().token("viewer");
    until("its own agent is counted", || last(&fleet, &token, "tagged", "agent").is_some_and(|n| n >= 1.0));
    assert_eq!(last(&fleet, &token, "tagged", "nobody"), Some(0.0), "none is a number too");
    assert_eq!(interval_s(&tagged), 1);
    assert_eq!(interval_s(&plain), 60);
    // a host that comes into the scope joins by itself
    fleet.server().ok(&["host", "tag", "plain", "pace=fast"]);
    until("the tag reaches its sampler", || interval_s(&plain) == 1);
    // what was told holds without the server having to say it again
    tagged.end(Signal::SIGKILL);
    tagged.run();
    until("it is sampled as before", || interval_s(&tagged) == 1);
}
