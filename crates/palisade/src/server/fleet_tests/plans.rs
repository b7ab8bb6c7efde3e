//! Plans over several hosts, as the API shows and decides them.

use super::app::{App, host};
use crate::server::plans;
use axum::http::StatusCode;
use palisade_core::{Generation, Report, Timestamp, VerdictWord};
use palisade_guard::store;
use serde_json::{Value, json};

/// What a host reports about the newest generation of its firewall.
async fn report(app: &App, name: &str, at: Timestamp, error: Option<&str>) {
    let mut tx = app.begin().await;
    let generation: Generation = store::generation(&mut tx, &host(name), "firewall").await.unwrap();
    let report = Report {
        host: host(name),
        guard: "firewall".to_owned(),
        generation,
        at,
        verified: error.is_none(),
        drift: false,
        error: error.map(str::to_owned),
        steps: Vec::new(),
        decisions: Default::default(),
    };
    store::report_put(&mut tx, &report).await.unwrap();
    tx.commit().await.unwrap();
}

async fn ban(app: &App, wanted: Value) -> String {
    app.change("POST", "/api/v1/firewall/bans", wanted).await["id"].as_str().unwrap().to_owned()
}

async fn shown(app: &App, id: &str) -> Value {
    app.get(&format!("/api/v1/plans/{id}")).await
}

#[tokio::test]
async fn a_plan_says_on_which_hosts_it_is_in_force_and_for_whom_it_waits() {
    let app = App::start().await;
    for name in ["web-1", "web-2", "web-3"] {
        app.host(name, false).await;
    }
    app.verdict("web-3", VerdictWord::Unreachable).await;
    let id = ban(&app, json!({ "address": "203.0.113.9", "for": "1h" })).await;
    report(&app, "web-1", app.now(), None).await;
    plans::settle(&app.server).await.unwrap();
    let plan = shown(&app, &id).await;
    assert_eq!(plan["state"], "applying");
    assert_eq!(plan["reason"], "1 of 3 hosts; waiting for web-3 (unreachable), web-2");
    report(&app, "web-2", app.now(), Some("no room")).await;
    plans::settle(&app.server).await.unwrap();
    let plan = shown(&app, &id).await;
    assert_eq!(plan["state"], "partial");
    assert_eq!(plan["reason"], "1 of 3 hosts; waiting for web-3 (unreachable); web-2: no room");
    assert_eq!(plan["progress"], json!({ "hosts": 3, "waiting": 1, "applied": 1, "failed": 1, "rolled_back": 0 }));
    let now = json!("2026-11-22T12:00:00Z");
    let hosts = json!([
        { "host": "web-1", "state": "applied", "at": now },
        { "host": "web-2", "state": "failed", "at": now, "error": "no room" },
        { "host": "web-3", "state": "waiting", "silent": "unreachable" },
    ]);
    assert_eq!(plan["hosts_state"], hosts);
    let list = app.get("/api/v1/plans?state=partial").await;
    assert_eq!((&list["total"], &list["items"][0]["hosts_state"]), (&json!(1), &hosts));
    app.verdict("web-3", VerdictWord::Online).await;
    report(&app, "web-3", app.now(), None).await;
    report(&app, "web-2", app.now(), None).await;
    let plan = shown(&app, &id).await;
    assert_eq!((&plan["state"], &plan["reason"]), (&json!("applied"), &Value::Null));
    let undone = app.change("POST", &format!("/api/v1/plans/{id}/rollback"), json!({})).await;
    assert_eq!((&undone["state"], &undone["progress"]["waiting"]), (&json!("rolled_back"), &json!(3)));
    report(&app, "web-1", app.now(), None).await;
    assert_eq!(shown(&app, &id).await["hosts_state"][0]["state"], "rolled_back");
}

#[tokio::test]
async fn the_path_to_every_host_has_to_be_tried_before_a_plan_is_kept() {
    let app = App::start().await;
    app.host("own", true).await;
    app.host("web-1", false).await;
    let id = ban(&app, json!({ "address": "203.0.113.0/29", "probation": "10m" })).await;
    let before = app.now();
    app.clock.pass_s(10);
    let changed_at = app.now();
    report(&app, "own", changed_at, None).await;
    assert_eq!(shown(&app, &id).await["state"], "applying");
    report(&app, "web-1", changed_at, None).await;
    let confirm = format!("/api/v1/plans/{id}/confirm");
    let plan = app.call_since(before, "GET", &format!("/api/v1/plans/{id}"), Value::Null).await.1;
    assert_eq!(plan["state"], "probation");
    assert_eq!(plan["proof"], json!({ "agent_reconnected": true, "operator_path": false }));
    app.clock.pass_s(5);
    // over a connection of after the change: the path to the server's own host, and to no other
    let (status, said) = app.call("POST", &confirm, json!({})).await;
    assert_eq!((status, said["code"].as_str()), (StatusCode::CONFLICT, Some("path_unproven")));
    let plan = shown(&app, &id).await;
    assert_eq!(
        (&plan["hosts_state"][0]["path"], &plan["hosts_state"][1]["path"]),
        (&json!("connection"), &Value::Null)
    );

    plans::operator_seen(&app.server, &host("web-1"), changed_at);
    assert_eq!(app.call("POST", &confirm, json!({})).await.0, StatusCode::CONFLICT, "at the same moment is not after");
    plans::operator_seen(&app.server, &host("web-1"), changed_at + jiff::SignedDuration::from_secs(1));
    assert_eq!(shown(&app, &id).await["hosts_state"][1]["path"], "ssh");
    let old = app.call_since(before, "POST", &confirm, json!({})).await;
    assert_eq!(old.0, StatusCode::CONFLICT, "the own host's path was not tried by this connection");
    assert_eq!(app.change("POST", &confirm, json!({})).await["state"], "kept");
}

#[tokio::test]
async fn a_silent_host_keeps_a_probation_from_being_kept_without_a_waiver() {
    let app = App::start().await;
    app.host("own", true).await;
    app.host("web-1", false).await;
    app.verdict("web-1", VerdictWord::Killed).await;
    let id = ban(&app, json!({ "address": "203.0.113.0/29", "probation": "10m" })).await;
    let ticks = app.server.connections.subscribe();
    report(&app, "own", app.now(), None).await;
    plans::settle(&app.server).await.unwrap();
    assert!(ticks.has_changed().unwrap(), "who looks on has to connect anew");
    app.clock.pass_s(5);
    let plan = shown(&app, &id).await;
    assert_eq!(
        (&plan["state"], &plan["reason"]),
        (&json!("probation"), &json!("1 of 2 hosts; waiting for web-1 (killed)"))
    );
    let confirm = format!("/api/v1/plans/{id}/confirm");
    assert_eq!(app.call("POST", &confirm, json!({})).await.0, StatusCode::CONFLICT);
    let kept = app.change("POST", &confirm, json!({ "waiver": "web-1 is being rebuilt" })).await;
    assert_eq!(kept["state"], "kept");
}

#[tokio::test]
async fn a_ban_on_one_host_wakes_the_link_of_that_host_only() {
    let app = App::start().await;
    app.host("web-1", false).await;
    app.host("web-2", false).await;
    let links = ["web-1", "web-2"].map(|name| app.server.context.specs_of(&host(name)));
    ban(&app, json!({ "address": "203.0.113.9", "for": "1h", "hosts": ["web-2"] })).await;
    assert_eq!(links.each_ref().map(|link| link.has_changed().unwrap()), [false, true]);
}

#[tokio::test]
async fn a_list_of_plans_over_many_hosts_says_how_many_and_not_who() {
    let app = App::start().await;
    for n in 0..60 {
        app.host(&format!("web-{n:02}"), true).await;
    }
    ban(&app, json!({ "address": "203.0.113.9", "for": "1h" })).await;
    let list = app.get("/api/v1/plans").await;
    assert_eq!(list["items"][0]["progress"]["hosts"], 60);
    assert_eq!(list["items"][0]["hosts_state"], json!([]));
    assert_eq!(list["items"][0]["reason"], "0 of 60 hosts; waiting for 60 hosts");
    let plan = shown(&app, "p-1").await;
    assert_eq!(plan["hosts_state"].as_array().unwrap().len(), 60);
    assert_eq!(plan["reason"], "0 of 60 hosts; waiting for web-00, web-01, web-02 and 57 more");
}
