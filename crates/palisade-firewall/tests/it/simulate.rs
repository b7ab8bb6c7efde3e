//! What becomes of a packet: by files on the command line, by the server, and by a draft.

use crate::server::Server;
use axum::http::StatusCode;
use palisade_guard::api::Role;
use palisade_guard::cli::{ApiClient, CliContext, Output};
use palisade_guard::contract::BoxFuture;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

const PATH: &str = "/api/v1/firewall/simulate";

const GROUPS: &str = "\
kind: Host
name: web-1
spec: { tags: { role: web }, addresses: [198.51.100.7] }
---
kind: Host
name: db-1
spec: { addresses: [198.51.100.9] }
---
kind: PrefixList
name: office
spec: { prefixes: [203.0.113.0/24] }
---
kind: SecurityGroup
name: web
spec:
  members: { tags: { role: web } }
  rules:
    - { id: bad, priority: 5, action: deny, protocol: tcp, ports: [22], peers: [203.0.113.66] }
    - { id: ssh, priority: 10, action: allow, protocol: tcp, ports: [22], peers: ['list:office'] }
    - { id: http, action: allow, protocol: tcp, ports: [80, 443], peers: [any] }
";

/// No server: a command that asks one fails.
struct Nobody;

impl ApiClient for Nobody {
    fn call<'a>(
        &'a self,
        method: &'static str,
        path: &'a str,
        _body: Option<Value>,
    ) -> BoxFuture<'a, anyhow::Result<Value>> {
        Box::pin(async move { anyhow::bail!("asked for {method} {path}") })
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Runs `palisade firewall simulate` with a file of `text`.
async fn run(text: &str, words: &[&str]) -> Result<ExitCode, String> {
    let file = file(text);
    let path = file.path().display().to_string();
    let command = palisade_firewall::guard().command.unwrap();
    let words = ["firewall", "simulate", "-f", &path].into_iter().chain(words.iter().copied());
    let matches = (command.command)().try_get_matches_from(words).map_err(|e| e.to_string())?;
    let context = CliContext { client: Arc::new(Nobody), output: Output::Table };
    (command.run)(matches, context).await.map_err(|e| format!("{e:#}").replace(&path, "groups.yaml"))
}

#[tokio::test]
async fn files_are_judged_without_a_server_and_the_exit_status_says_what_becomes_of_the_packets() {
    let open = "tcp 203.0.113.9:40000 -> web-1:22";
    let shut = "tcp 192.0.2.1:40000 -> web-1:22";
    for (words, expected) in [
        (vec!["--exit-code", open], ExitCode::SUCCESS),
        (vec!["--exit-code", open, shut], ExitCode::from(1)),
        (vec![open, shut], ExitCode::SUCCESS),
        (vec!["--exit-code", "tcp 203.0.113.66 -> web-1:22"], ExitCode::from(1)),
        (vec!["--exit-code", "--failsafe", "203.0.113.66:22", "tcp 203.0.113.66 -> web-1:22"], ExitCode::SUCCESS),
        (vec!["--exit-code", "--failsafe", "203.0.113.66:23", "tcp 203.0.113.66 -> web-1:22"], ExitCode::from(1)),
        (vec!["--exit-code", "tcp 192.0.2.1 -> db-1:5432"], ExitCode::SUCCESS),
        (vec!["--exit-code", "tcp web-1 -> 192.0.2.1:443"], ExitCode::SUCCESS),
    ] {
        assert_eq!(run(GROUPS, &words).await, Ok(expected), "{words:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_file_or_a_packet_is_named_where_it_stands() {
    let packet = "tcp 203.0.113.9 -> web-1:22";
    for (text, packet, said) in [
        (
            GROUPS.replace("[22], peers: ['list", "[22-20], peers: ['list"),
            packet,
            "groups.yaml:19: document 4, spec.rules[1].ports[0]: ",
        ),
        (GROUPS.replace("203.0.113.0/24", "203.0.113.7/24"), packet, "groups.yaml:11: document 3, spec.prefixes[0]: "),
        (
            GROUPS.replace("kind: PrefixList", "kind: PrefxList"),
            packet,
            "groups.yaml:9: document 3, kind: the firewall has no kind `PrefxList`\nhint: did you mean `PrefixList`?",
        ),
        (GROUPS.replace("name: db-1", "name: web-1"), packet, "groups.yaml:6: document 2, name: is there twice"),
        (GROUPS.replace("peers: [any]", "peers: []"), packet, "groups.yaml:20: document 4, spec.rules[2].peers"),
        (
            GROUPS.to_owned(),
            "tcp 203.0.113.9 -> web-2:22",
            "`web-2` is no host of the files\nhint: did you mean `web-1`?",
        ),
        (GROUPS.to_owned(), "tcp 203.0.113.9 => web-1:22", "hint: for example"),
        (GROUPS.to_owned(), "tcp 203.0.113.9 -> web-1", "hint: for example"),
    ] {
        let error = run(&text, &[packet]).await.unwrap_err();
        assert!(error.contains(said), "{said}\n{error}");
    }
}

/// Documents of the constant file, without the hosts.
fn documents() -> Vec<Value> {
    let rule = |id: &str, action: &str, priority: u8, peer: &str| json!({ "id": id, "priority": priority, "action": action, "protocol": "tcp", "ports": ["22"], "peers": [peer] });
    vec![
        json!({ "kind": "PrefixList", "name": "office", "spec": { "prefixes": ["203.0.113.0/24"] } }),
        json!({ "kind": "SecurityGroup", "name": "web", "spec": { "members": { "hosts": ["web-1"] }, "rules": [
            rule("ssh", "allow", 10, "list:office"), rule("rest", "deny", 90, "any"), rule("late", "allow", 95, "any")] } }),
    ]
}

#[tokio::test]
async fn the_server_says_what_becomes_of_a_packet_now_and_by_a_draft() {
    let server = Server::start().await;
    let asked = json!({ "packet": "tcp 203.0.113.9:40000 -> web-1:22" });
    let (status, answer) = server.call("POST", PATH, asked.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    assert_eq!((&answer["packet"], &answer["host"]), (&asked["packet"], &json!("web-1")));
    assert_eq!((&answer["now"]["action"], &answer["now"]["by"]), (&json!("allow"), &json!("unfiltered")));
    assert!(answer.get("draft").is_none());
    let mut drafted = asked.clone();
    drafted["resources"] = json!(documents());
    let (status, answer) = server.call_as(Some(Role::Viewer), "POST", PATH, drafted.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer:#}");
    assert_eq!(answer["now"]["by"], "unfiltered");
    let draft = &answer["draft"];
    assert_eq!(
        (&draft["id"], &draft["group"], &draft["priority"], &draft["peers"]),
        (&json!("web/ssh"), &json!("web"), &json!(10), &json!(["list:office"])),
        "{draft:#}"
    );
    assert_eq!(draft["sentence"], "allowed by `web/ssh` of the group `web`, priority 10");
    let later: Vec<&str> = draft["later"].as_array().unwrap().iter().map(|l| l["id"].as_str().unwrap()).collect();
    assert_eq!(later, ["web/rest", "web/late"]);
    assert_eq!(server.call("POST", PATH, asked).await.1["now"]["by"], "unfiltered", "a draft changes nothing");
}

#[tokio::test]
async fn bans_of_the_feed_are_taken_into_account_by_address_and_by_network() {
    let server = Server::start().await;
    let bans =
        json!([{ "address": "203.0.113.9" }, { "address": "203.0.113.128/25" }, { "address": "2001:db8:7::/48" }]);
    let (status, answer) = server.call("POST", "/api/v1/firewall/bans/import", json!({ "bans": bans })).await;
    assert_eq!((status, &answer["added"]), (StatusCode::OK, &json!(3)), "{answer:#}");
    for (peer, by) in [
        ("203.0.113.9", "ban"),
        ("203.0.113.8", "unfiltered"),
        ("203.0.113.200", "ban"),
        ("203.0.113.127", "unfiltered"),
        ("[2001:db8:7:1::1]", "ban"),
        ("[2001:db8:8::1]", "unfiltered"),
    ] {
        let asked = json!({ "packet": format!("tcp {peer}:40000 -> web-1:22") });
        let (_, answer) = server.call("POST", PATH, asked).await;
        assert_eq!(answer["now"]["by"], by, "{peer}: {answer:#}");
    }
}

#[tokio::test]
async fn bans_are_taken_into_account_and_what_is_wrong_is_named() {
    let server = Server::start().await;
    server.change("POST", "/api/v1/firewall/bans", json!({ "address": "203.0.113.9" })).await;
    let asked = json!({ "packet": "tcp 203.0.113.9 -> web-1:22" });
    assert_eq!(server.call("POST", PATH, asked.clone()).await.1["now"]["by"], "ban");
    server.change("POST", "/api/v1/firewall/allow", json!({ "cidr": "203.0.113.0/24" })).await;
    assert_eq!(server.call("POST", PATH, asked).await.1["now"]["by"], "unfiltered");
    for (body, status, path, said) in [
        (json!({ "packet": "tcp 203.0.113.9 -> web-9:22" }), StatusCode::NOT_FOUND, "packet", "`web-9` does not exist"),
        (json!({ "packet": "tcp" }), StatusCode::BAD_REQUEST, "packet", "at character"),
        (
            json!({ "packet": "tcp 203.0.113.9 -> web-1:22", "resources": [{ "kind": "SecurityGroup", "name": "web",
                "spec": { "rules": [{ "action": "allow", "protocol": "tcp", "peers": ["anybody"] }] } }] }),
            StatusCode::BAD_REQUEST,
            "resources[0].spec.rules[0].peers[0]",
            "anybody",
        ),
    ] {
        let (is, answer) = server.call("POST", PATH, body).await;
        assert_eq!((is, answer["path"].as_str().unwrap_or_default()), (status, path), "{answer:#}");
        assert!(answer["message"].as_str().unwrap().contains(said), "{answer:#}");
    }
    assert_eq!(server.call_as(None, "POST", PATH, "{}").await.0, StatusCode::UNAUTHORIZED);
}
