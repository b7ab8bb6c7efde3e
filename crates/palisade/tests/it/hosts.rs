//! Hosts from the command line, and the proof that a change has not cut an operator off one of them.

use crate::fleet::{Fleet, Member};
use crate::running::until;
use serde_json::json;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const SSH_PORT: u16 = 2_222;

/// A real sshd on the member's side that ends with the test; `Err` is why there is none.
fn sshd(member: &Member) -> Result<Ended, String> {
    // privilege separation wants its directory; the machine's own stays as it is
    palisade_sandbox::run("mount", &["-t", "tmpfs", "tmpfs", "/run"])?;
    std::fs::create_dir("/run/sshd").unwrap();
    let key = member.dir.path().join("host_key").to_string_lossy().into_owned();
    palisade_sandbox::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])?;
    let mut command = Command::new("/usr/sbin/sshd");
    command
        .args(["-D", "-e", "-f", "/dev/null", "-h", &key, "-p", &SSH_PORT.to_string()])
        .args(["-o", "ListenAddress=10.99.0.2", "-o", "PidFile=none", "-o", "UsePAM=no", "-o", "MaxStartups=1000"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    member.peer.run(move || command.spawn()).map(Ended).map_err(|e| format!("starting sshd: {e}"))
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_new_connection_to_the_sshd_of_a_host_proves_the_path_to_it() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut member = fleet.join(0, "web-9", &[]);
    let _sshd = match sshd(&member) {
        Ok(sshd) => sshd,
        Err(why) => return println!("skipped: {why}"),
    };
    let connect = || TcpStream::connect(("10.99.0.2", SSH_PORT));
    until("sshd listens", || connect().is_ok());
    let _before = connect().unwrap();
    member.run();
    fleet.wait_for("web-9", "online");

    let token = fleet.server().token("operator");
    let wanted = json!({ "address": "198.51.100.0/24", "hosts": ["web-9"], "probation": "10m" }).to_string();
    let plan = fleet.server().request("POST", "/api/v1/firewall/bans", Some(&token), &wanted).json();
    let id = plan["id"].as_str().unwrap();
    let show = || fleet.server().json(&["plan", "show", id]);
    until("it is on probation", || show()["state"] == "probation");
    assert_eq!(show()["proof"], json!({ "agent_reconnected": true, "operator_path": false }));
    let refused = fleet.server().command(&["plan", "confirm", id]);
    assert!(!refused.status.success(), "a connection of before the change proves nothing");

    let mut sessions = Vec::new();
    until("the operator's new connection is seen", || {
        sessions.push(connect().unwrap());
        show()["proof"]["operator_path"] == true
    });
    assert_eq!(show()["hosts_state"][0]["path"], "ssh");
    fleet.server().ok(&["plan", "confirm", id]);
    assert_eq!(show()["state"], "kept");
}

#[test]
fn hosts_are_tagged_listed_and_retired_from_the_command_line() {
    let fleet = match Fleet::start() {
        Ok(fleet) => fleet,
        Err(why) => return println!("skipped: {why}"),
    };
    let server = fleet.server();
    let _member = fleet.join(0, "web-9", &["--tag", "stage=test"]);
    server.ok(&["host", "tag", "web-9", "role=web", "stage-", "--region", "north"]);
    let shown = server.ok(&["host", "show", "web-9"]);
    for line in ["region: north", "tags: role=web", "profile: observe", "certificate: until 20", "verdict: never since"]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let listed = |args: &[&str]| server.json(&[&["host", "list"], args].concat())["total"].as_u64().unwrap();
    assert_eq!(listed(&["--tag", "role=web", "--region", "north"]), 1);
    assert_eq!(listed(&["--tag", "stage=test"]), 0);
    let table = server.ok(&["host", "list", "--tag", "role=web"]);
    assert!(table.contains("role=web") && table.contains("north") && table.contains("never"), "{table}");
    let before = listed(&[]);
    server.ok(&["host", "retire", "web-9"]);
    assert_eq!((listed(&[]), listed(&["--all"])), (before - 1, before));
    let refused = server.command(&["host", "tag", "web-9", "a=b"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("retired"));
}
