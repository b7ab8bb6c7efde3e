//! `/api/v1/firewall/exposure` and `/api/v1/firewall/ruleset`, from what a host has reported.

use crate::server::Server;
use axum::http::StatusCode;
use palisade_guard::entry::Look;
use palisade_guard::store::{self, LookReport};
use serde_json::{Value, json};

const EXPOSURE: &str = "/api/v1/firewall/exposure";
const RULESET: &str = "/api/v1/firewall/ruleset";

/// Stores what `host` would have reported.
async fn report(server: &Server, host: &str, observed: Value) {
    let (host, now) = (host.parse().unwrap(), server.context.now());
    let verdicts = server.guard.observer.judge(observed.clone(), &host, now).unwrap();
    let sections = observed.as_object().unwrap().clone();
    let look = Look { sections, findings: verdicts.findings, runs: verdicts.runs, error: None };
    let look = LookReport::new("firewall", look, now, now + jiff::SignedDuration::from_secs(45));
    let mut tx = server.context.begin().await.unwrap();
    store::look_put(&mut tx, &host, &look).await.unwrap();
    tx.commit().await.unwrap();
}

fn observed() -> Value {
    json!({
        "listeners": { "as_root": true, "sockets": [
            { "protocol": "tcp", "address": "0.0.0.0", "port": 3306, "process": "mysqld", "pid": 9, "package": "mysql-server-core-8.0" },
            { "protocol": "tcp", "address": "127.0.0.1", "port": 3306, "process": "mysqld", "pid": 9 },
            { "protocol": "tcp", "address": "10.0.0.1", "port": 22, "process": "sshd\u{1b}[2J", "pid": 5 },
        ]},
        "ruleset": { "tables": [{ "family": "inet", "name": "filter", "chains": [
            { "name": "input", "hook": "input", "priority": 0, "policy": "accept", "rules": 2 }] }] },
    })
}

#[tokio::test]
async fn what_listens_is_shown_with_its_scope_and_the_finding_about_it() {
    let server = Server::start().await;
    report(&server, "web-1", observed()).await;
    let (status, page) = server.call("GET", &format!("{EXPOSURE}?host=web-1"), Value::Null).await;
    assert_eq!((status, page["total"].as_u64()), (StatusCode::OK, Some(3)), "{page:#}");
    let of = |n: usize, field: &str| page["items"][n][field].clone();
    assert_eq!((of(0, "scope"), of(1, "scope"), of(2, "scope")), (json!("world"), json!("host"), json!("private")));
    let finding = palisade_core::finding_id("firewall.database-open", &"web-1".parse().unwrap(), "tcp/3306");
    assert_eq!((of(0, "finding"), of(1, "finding")), (json!(finding), Value::Null));
    assert_eq!(of(0, "observed_at"), "2026-11-22T12:00:00Z");
    assert_eq!(of(0, "fresh_until"), "2026-11-22T12:00:45Z");
    let (_, page) = server.call("GET", &format!("{EXPOSURE}?q=tcp/3306%20world"), Value::Null).await;
    assert_eq!(page["total"], 1);
}

#[tokio::test]
async fn the_ruleset_of_a_host_is_shown_as_it_was_read() {
    let server = Server::start().await;
    report(&server, "web-1", observed()).await;
    let (_, page) = server.call("GET", RULESET, Value::Null).await;
    assert_eq!((page["total"].as_u64(), &page["items"][0]["host"]), (Some(1), &json!("web-1")));
    assert_eq!(page["items"][0]["tables"][0]["chains"][0]["policy"], "accept");
    assert_eq!(page["items"][0]["ours"]["present"], false);
}

#[tokio::test]
async fn an_empty_view_says_why_and_an_unknown_host_is_not_found() {
    let server = Server::start().await;
    let (_, page) = server.call("GET", &format!("{EXPOSURE}?host=db-1"), Value::Null).await;
    assert_eq!(page["reason"], "db-1 has not reported its network side yet");
    report(&server, "db-1", json!({ "listeners": { "unreadable": "permission denied" }, "ruleset": null })).await;
    let (_, page) = server.call("GET", &format!("{EXPOSURE}?host=db-1"), Value::Null).await;
    assert_eq!(page["reason"], "db-1: permission denied");
    for path in [EXPOSURE, RULESET] {
        let (status, answer) = server.call("GET", &format!("{path}?host=web1"), Value::Null).await;
        assert_eq!((status, &answer["hint"]), (StatusCode::NOT_FOUND, &json!("did you mean `web-1`?")));
        let (status, _) = server.call("GET", &format!("{path}?host=..%2Fx"), Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}
