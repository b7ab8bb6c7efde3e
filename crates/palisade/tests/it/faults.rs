//! Bad input and broken surroundings.

use crate::running::{BINARY, Palisade, until};
use std::process::Command;

fn said(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn an_unknown_key_in_the_configuration_names_the_nearest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[server]\nlistn = \"127.0.0.1:1\"\n").unwrap();
    let (status, text) =
        said(Command::new(BINARY).arg("up").arg("--config").arg(&file).arg("--data-dir").arg(dir.path()));
    assert_eq!(status, 2);
    assert!(text.contains("listn") && text.contains("hint: the nearest key is `listen`"), "{text}");
}

#[test]
fn a_second_palisade_on_one_directory_is_refused() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let dir = palisade.dir.path();
    for role in ["up", "server"] {
        let (status, text) =
            said(Command::new(BINARY).arg(role).args(["--listen", "127.0.0.1:9443", "--data-dir"]).arg(dir));
        assert_eq!(status, 2, "{role}: {text}");
        assert!(text.contains("another Palisade"), "{role}: {text}");
    }
    palisade.ok(&["status"]);
}

#[test]
fn the_server_runs_without_rights_and_comes_back_when_it_is_killed() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let pid = palisade.server_pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(field("Uid:").split_whitespace().all(|uid| uid != "0"), "{}", field("Uid:"));
    assert_eq!(field("CapEff:").trim_matches('0'), "");
    assert_eq!(field("CapPrm:").trim_matches('0'), "");
    assert_eq!(field("NoNewPrivs:"), "1");
    let token = palisade.token("viewer");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    until("another server answers", || {
        palisade.command(&["host", "list"]).status.success() && palisade.server_pid() != pid
    });
    assert_eq!(
        palisade.request("GET", "/api/v1/hosts", Some(&token), "").status,
        200,
        "what was acknowledged is still there"
    );
    until("the agent is linked again", || palisade.json(&["host", "list"])["items"][0]["verdict"]["word"] == "online");
}

/// Kill everything at points spread over the first seconds; the store must always open again, and
/// a token that was handed out must always work.
#[test]
fn killed_at_any_point_nothing_acknowledged_is_lost() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let mut dir = tempfile::tempdir().unwrap();
    let mut tokens: Vec<String> = Vec::new();
    for round in 0..6 {
        let palisade = Palisade::up_in(dir, &[]);
        for token in &tokens {
            assert_eq!(palisade.request("GET", "/api/v1/hosts", Some(token), "").status, 200, "round {round}");
        }
        tokens.push(palisade.token("viewer"));
        let ban = format!("198.51.100.{round}");
        palisade.ok(&["firewall", "ban", "add", &ban, "--for", "1h"]);
        // a little later in every round, so that the kill meets another piece of work
        std::thread::park_timeout(std::time::Duration::from_millis(round * 70));
        dir = palisade.kill();
    }
    let palisade = Palisade::up_in(dir, &[]);
    let bans = palisade.json(&["firewall", "ban", "list"]).to_string();
    for round in 0..6 {
        assert!(bans.contains(&format!("198.51.100.{round}")), "{bans}");
    }
    until("the host holds them all", || {
        palisade_sandbox::run("nft", &["list", "table", "inet", "palisade"])
            .is_ok_and(|t| (0..6).all(|r| t.contains(&format!("198.51.100.{r}"))))
    });
}

#[test]
fn without_root_it_works_with_less_and_says_what_is_missing() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let output = Command::new("setpriv")
        .args(["--reuid", "61000", "--regid", "61000", "--clear-groups", BINARY, "check", "--output", "json"])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return println!("skipped: setpriv: {error}"),
    };
    let report: serde_json::Value = match serde_json::from_slice(&output.stdout) {
        Ok(report) => report,
        Err(_) if String::from_utf8_lossy(&output.stderr).contains("ermission denied") => {
            return println!("skipped: the binary lies where others may not run it");
        }
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)),
    };
    let unknown: Vec<_> = report["findings"].as_array().unwrap().iter().filter(|f| f["state"] == "unknown").collect();
    assert!(unknown.iter().any(|f| f["check"] == "access.empty-password"), "{unknown:#?}");
    let passwords = report["practices"].as_array().unwrap().iter().find(|p| p["id"] == "logon-passwords").unwrap();
    assert_ne!(passwords["state"], "good", "{passwords}");
}

/// A full disk is said clearly, costs nothing that was stored, and ends with the cause.
#[test]
fn a_full_disk_is_said_and_what_is_stored_stays() {
    use nix::mount::{MsFlags, mount};
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let dir = tempfile::tempdir().unwrap();
    if let Err(error) = mount(Some("none"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some("size=24m,mode=0755")) {
        return println!("skipped: tmpfs: {error}");
    }
    let palisade = Palisade::up_in(dir, &[]);
    let admin = palisade.token("admin");
    let ban = |address: &str| {
        let body = serde_json::json!({ "address": address, "for": "1h" }).to_string();
        palisade.request("POST", "/api/v1/firewall/bans", Some(&admin), &body)
    };
    assert_eq!(ban("198.51.100.1").status, 200);
    let filler = palisade.dir.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0u8; 4096]).is_ok() {}
    until("the server says that its disk is full", || (2..40).any(|n| ban(&format!("198.51.100.{n}")).status == 507));
    let listed = palisade.request("GET", "/api/v1/firewall/bans", Some(&admin), "");
    assert_eq!(listed.status, 200, "reading goes on: {}", listed.body);
    assert!(listed.body.contains("198.51.100.1"));
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    until("it goes on when there is room", || ban("203.0.113.77").status == 200);
}
