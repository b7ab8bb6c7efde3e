//! Who tells that the server itself is gone.

use crate::fleet::Fleet;
use crate::running::until;
use crate::sink;
use nix::sys::signal::Signal;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const RULE: &str = "ServerSilent";
const SECRET: &str = "correct-horse-battery";

fn set_secret(fleet: &Fleet, name: &str) {
    let dir = fleet.server().dir.path();
    let mut command = Command::new(crate::running::BINARY);
    command.args(["monitor", "secret", "set", name, "--data-dir"]).arg(dir);
    command.env("PALISADE_CONFIG", dir.join("config.toml")).env_remove("PALISADE_SERVER");
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{SECRET}").unwrap();
    assert!(child.wait().unwrap().success());
}

fn watches(member: &crate::fleet::Member) -> u64 {
    member.watcher("monitor")["server_watches"].as_u64().unwrap_or(0)
}

#[test]
fn a_server_that_was_killed_is_told_of_once_by_a_host_and_once_when_it_is_back() {
    let mut fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let (webhook, told) = sink::webhook_at("0.0.0.0:0");
    let mut watcher = fleet.join(0, "watcher", &[]);
    let mut other = fleet.join(1, "other", &[]);
    for member in [&mut watcher, &mut other] {
        member.run();
        fleet.wait_for(&member.name, "online");
    }
    let document = format!(
        "kind: ServerWatch\nname: outside\nspec:\n  scope: {{ hosts: [watcher] }}\n  after: 5s\n  \
         channel: {{ url: 'http://10.99.0.1:{}/gone', secret: outside, allow_private: true }}\n",
        webhook.port()
    );
    let file = fleet.server().dir.path().join("watch.yaml");
    std::fs::write(&file, document).unwrap();
    let file = file.to_str().unwrap();
    assert!(!fleet.server().command(&["apply", "--yes", "-f", file]).status.success(), "its secret is not set");
    set_secret(&fleet, "outside");
    let said = fleet.server().ok(&["apply", "--yes", "-f", file]);
    assert!(said.contains("watcher will tell when the server has been silent for 5s"), "{said}");
    until("the host has it", || watches(&watcher) == 1);
    assert_eq!(watches(&other), 0);

    // only this host has the secret, and nobody is shown it
    let spec = watcher.dir.path().join("agent/spec/monitor.json");
    until("it is stored", || std::fs::read_to_string(&spec).unwrap_or_default().contains(SECRET));
    assert_eq!(std::fs::metadata(&spec).unwrap().permissions().mode() & 0o077, 0);
    assert!(!crate::joining::holds(other.dir.path(), SECRET));
    let token = fleet.server().token("admin");
    for path in ["/api/v1/resources/serverwatches/outside", "/api/v1/plans", "/api/v1/hosts/watcher"] {
        let answer = fleet.server().request("GET", path, Some(&token), "");
        assert!(answer.status < 300 && !format!("{answer:?}").contains(SECRET), "{path}: {answer:?}");
    }
    assert!(!String::from_utf8_lossy(&watcher.local(&["status"]).stdout).contains(SECRET));
    assert!(told.all().is_empty(), "it is quiet while the server is there: {:?}", told.all());

    fleet.restart_with(|_| {
        until("the silence is told", || told.alert(RULE, "firing").0 > 0);
        let kept = watcher.dir.path().join("agent/server-watch.json");
        until("that is noted", || std::fs::read_to_string(&kept).unwrap_or_default().contains("\"told\":true"));
        // started anew while it lasts, it tells nothing twice
        watcher.end(Signal::SIGKILL);
        watcher.run();
    });
    until("the end of the silence is told", || told.alert(RULE, "resolved").0 > 0);
    let (count, alert) = told.alert(RULE, "firing");
    assert_eq!((count, told.alert(RULE, "resolved").0), (1, 1), "{:?}", told.all());
    assert_eq!(alert["labels"]["host"], "watcher");
    assert!(told.all().iter().all(|body| !body.contains(SECRET)));
}
