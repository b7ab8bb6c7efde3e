//! What a server makes of groups beside their filters: exposure, notes for hosts, and what happens where
//! a host comes to more than it can evaluate, or something ends.

use crate::groups::{apply, document, group, host, keep, spec, ssh};
use crate::server::Server;
use palisade_core::HostId;
use palisade_firewall::filter::Layer;
use palisade_guard::entry::Look;
use palisade_guard::store::{self, LookReport};
use serde_json::{Value, json};

/// A host says what listens, and nothing of rules.
async fn listens(server: &Server, host: &str, sockets: Value) {
    let (host, now) = (host.parse().unwrap(), server.context.now());
    let observed = json!({ "listeners": { "as_root": true, "sockets": sockets } });
    let sections = observed.as_object().unwrap().clone();
    let look = Look { sections, findings: Vec::new(), runs: Vec::new(), error: None };
    let look = LookReport::new("firewall", look, now, now + jiff::SignedDuration::from_secs(45));
    let mut tx = server.context.begin().await.unwrap();
    store::look_put(&mut tx, &host, &look).await.unwrap();
    tx.commit().await.unwrap();
}

fn socket(port: u16, process: &str) -> Value {
    json!({ "protocol": "tcp", "address": "0.0.0.0", "port": port, "process": process, "pid": port })
}

#[tokio::test]
async fn exposure_and_matrix_say_from_where_the_rules_of_groups_let_in() {
    let server = Server::start().await;
    let office =
        json!({ "action": "allow", "protocol": "tcp", "ports": [8443], "peers": ["203.0.113.0/24"], "id": "office" });
    let web = json!({ "action": "allow", "protocol": "tcp", "ports": [9443], "peers": ["any"] });
    keep(&server, &[group("web", &["web-1"], json!([ssh(), office, web]))]).await;
    let sockets = json!([socket(22, "sshd"), socket(8443, "nginx"), socket(9000, "php-fpm")]);
    listens(&server, "web-1", sockets.clone()).await;
    listens(&server, "db-1", sockets).await;
    let (_, page) = server.call("GET", "/api/v1/firewall/exposure", Value::Null).await;
    let by_rule = |host: &str, port: u64| {
        let items = page["items"].as_array().unwrap();
        let row = items.iter().find(|r| r["host"] == host && r["port"] == port).unwrap_or_else(|| panic!("{page:#}"));
        row["by_rule"].as_str().unwrap().to_owned()
    };
    assert_eq!(by_rule("web-1", 22), "world");
    assert_eq!(by_rule("web-1", 8443), "named");
    assert_eq!(by_rule("web-1", 9000), "none");
    assert_eq!(by_rule("db-1", 22), "unfiltered");
    let (_, matrix) = server.call("GET", "/api/v1/firewall/matrix", Value::Null).await;
    let ports = matrix["ports"].as_array().unwrap();
    let column = ports.iter().position(|p| p["port"] == 9443).unwrap_or_else(|| panic!("{matrix:#}"));
    let row = matrix["hosts"].as_array().unwrap().iter().find(|row| row["host"] == "web-1").unwrap();
    let cell = row["cells"].as_array().unwrap().iter().find(|cell| cell["port"] == column).unwrap();
    assert_eq!(cell["state"], "allowed_unused", "{row:#}");
}

#[tokio::test]
async fn hosts_are_told_of_exceptions_and_that_they_are_in_no_group() {
    let server = Server::start().await;
    let exception = json!({ "protocol": "tcp", "ports": [445], "peers": ["203.0.113.0/24"], "reason": "files",
        "ends_at": "2026-12-01T00:00:00Z", "hosts": { "hosts": ["web-1"] } });
    let policy = document("PortPolicy", "p", json!({ "hosts": { "all": true }, "exceptions": [exception] }));
    keep(&server, &[group("web", &["web-1"], json!([ssh()])), policy]).await;
    let (web, db) = (spec(&server, "web-1").await, spec(&server, "db-1").await);
    assert_eq!((web.notes.exceptions.len(), web.notes.groups_without), (1, 0));
    assert_eq!((db.notes.exceptions.len(), db.notes.groups_without), (0, 1));
}

#[tokio::test]
async fn a_name_that_stands_before_other_rules_is_no_name_for_a_group() {
    let server = Server::start().await;
    for name in ["default", "policy", "isolation", "intra", "domain", "starter"] {
        let error = apply(&server, &[group(name, &["web-1"], json!([ssh()]))]).await.unwrap_err();
        assert_eq!(error.path(), Some("resources[0].name"), "{error:?}");
        assert!(error.message().contains(&format!("`{name}` is no name for a security group")), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_where_it_was_written() {
    let server = Server::start().await;
    // the second rule stands first in normal form, and its peers in another order
    let first =
        json!({ "action": "allow", "protocol": "tcp", "peers": ["list:gone", "203.0.113.0/24"], "priority": 1 });
    let error = apply(&server, &[group("web", &["web-1"], json!([ssh(), ssh(), first]))]).await.unwrap_err();
    assert_eq!(error.path(), Some("resources[0].spec.rules[2].peers[0]"), "{error:?}");
}

#[tokio::test]
async fn a_host_that_comes_to_too_many_rules_keeps_its_bans_and_opens_nothing() {
    let server = Server::start().await;
    let rules = |from: u16| -> Value {
        (from..from + 600)
            .map(|port| json!({ "action": "allow", "protocol": "tcp", "ports": [port], "peers": ["any"] }))
            .collect()
    };
    let many = |name: &str, from: u16| {
        document("SecurityGroup", name, json!({ "members": { "tags": { "role": "many" } }, "rules": rules(from) }))
    };
    keep(&server, &[many("a", 2000), many("b", 4000)]).await;
    let ban = json!({ "address": "203.0.113.9" });
    assert_eq!(server.call("POST", "/api/v1/firewall/bans", ban).await.0.as_u16(), 200);
    // one that joins so is let in
    host(&server, "app-1", &["10.0.0.7"], &[("role", "many")]).await;
    let held = spec(&server, "app-1").await;
    let group = held.filter.rules.iter().filter(|rule| rule.layer == Layer::Group).count();
    assert_eq!((held.bans.len(), held.filter.rules.len(), group), (1, 1000, 996));
    // one that is there is not moved so
    host(&server, "app-2", &["10.0.0.8"], &[]).await;
    let id: HostId = "app-2".parse().unwrap();
    let mut tx = server.context.begin().await.unwrap();
    let mut row = store::host(&mut tx, &id).await.unwrap().unwrap();
    row.tags.set("role", "many").unwrap();
    store::host_put(&mut tx, &row).await.unwrap();
    let refused = server.serve().host_changed(&mut tx, &id, server.context.now()).await.unwrap_err();
    assert!(refused.to_string().contains("`app-2` would evaluate 1204 rules"), "{refused}");
}

#[tokio::test]
async fn what_ended_while_the_server_was_away_is_told_once_it_is_back() {
    let server = Server::start().await;
    let ends_at = server.context.now() + jiff::SignedDuration::from_secs(3_600);
    let exception = json!({ "protocol": "tcp", "ports": [445], "peers": ["203.0.113.0/24"], "reason": "files", "ends_at": ends_at });
    let policy = document("PortPolicy", "p", json!({ "hosts": { "all": true }, "exceptions": [exception] }));
    keep(&server, &[policy]).await;
    let host: HostId = "web-1".parse().unwrap();
    let tend = async || {
        let mut tx = server.context.begin().await.unwrap();
        server.serve().tend(&mut tx, server.context.now()).await.unwrap();
        let generation = store::generation(&mut tx, &host, "firewall").await.unwrap();
        tx.commit().await.unwrap();
        generation
    };
    let begin = tend().await;
    server.clock.pass_s(86_400);
    let told = tend().await;
    assert!(told > begin, "{told:?} {begin:?}");
    assert_eq!(tend().await, told, "once");
    assert!(spec(&server, "web-1").await.filter.rules.iter().all(|rule| rule.starts_at.is_none()));
}
