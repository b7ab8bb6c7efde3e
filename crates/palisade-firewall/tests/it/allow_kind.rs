//! Entries of the allow-list as resources.

use crate::server::{OWN, Server};
use palisade_core::{HostKind, Timestamp};
use palisade_guard::api::{ApiError, Caller, Role};
use palisade_guard::kind::Action;
use palisade_guard::resource::{self, Applied, ApplyError, ApplyParams, Document, Kinds};
use palisade_guard::store::{self as frame, HostRow, ResourceRow};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kinds(server: &Server) -> Kinds {
    Kinds::new(server.serve().kinds())
}

fn caller() -> Caller {
    Caller { name: "ada".to_owned(), role: Role::Operator, address: Some(OWN.parse().unwrap()) }
}

fn entry(name: &str, spec: Value) -> Document {
    Document { kind: "AddressAllow".to_owned(), name: name.to_owned(), version: None, replaces: None, spec }
}

async fn apply(server: &Server, given: &[Document]) -> Result<Applied, ApplyError> {
    let params = ApplyParams::of(given.to_vec());
    resource::apply(&server.context, &kinds(server), &caller(), params).await
}

async fn refused(server: &Server, given: &[Document]) -> ApiError {
    match apply(server, given).await {
        Err(ApplyError::Other(error)) => error,
        other => panic!("it was not refused: {other:?}"),
    }
}

async fn list(server: &Server) -> Vec<ResourceRow> {
    let kinds = kinds(server);
    resource::list(&server.context, kinds.find("addressallows").unwrap(), None).await.unwrap()
}

async fn delete(server: &Server, name: &str) -> Result<Applied, ApplyError> {
    resource::delete(&server.context, &caller(), &kinds(server), ("AddressAllow", name), resource::Deleting::default())
        .await
}

#[tokio::test]
async fn a_document_makes_changes_and_removes_an_entry_that_the_hosts_get() {
    let server = Server::start().await;
    let done = apply(&server, &[entry("203.0.113.0/24", json!({ "reason": "the office" }))]).await.unwrap();
    assert_eq!(done.plan.hosts.len(), 2);
    assert_eq!(done.plan.guard, "firewall");
    let said = &done.plan.effects[0].sentence;
    assert_eq!(said, "no ban cuts 203.0.113.0/24 (256 addresses) from 2 hosts until it is released");
    let (_, shown) = server.call("GET", "/api/v1/firewall/allow", Value::Null).await;
    assert_eq!(
        (&shown["items"][0]["cidr"], &shown["items"][0]["reason"]),
        (&json!("203.0.113.0/24"), &json!("the office"))
    );
    let shorter = json!({ "reason": "the office", "ends_at": "2026-11-22T18:00:00Z" });
    let done = apply(&server, &[entry("203.0.113.0/24", shorter)]).await.unwrap();
    assert_eq!(done.results[0].action, Action::Change, "a document may make it shorter too");
    assert_eq!(done.plan.generation.n, 2);
    delete(&server, "203.0.113.0/24").await.unwrap();
    assert!(list(&server).await.is_empty());
}

#[tokio::test]
async fn what_the_other_ways_do_is_seen_with_its_author() {
    let server = Server::start().await;
    server.change("POST", "/api/v1/firewall/allow", json!({ "cidr": "203.0.113.9", "reason": "by hand" })).await;
    let rows = list(&server).await;
    assert_eq!((rows[0].name.as_str(), rows[0].version, rows[0].updated_by.as_str()), ("203.0.113.9", 1, "ada"));
    let found = apply(&server, &[entry("203.0.113.9/32", json!({ "reason": "from a file" }))]).await;
    assert!(matches!(found, Err(ApplyError::Conflict(_))), "what was made by hand is not overwritten unseen");
    server.change("DELETE", "/api/v1/firewall/allow/203.0.113.9", Value::Null).await;
    assert!(list(&server).await.is_empty());
}

#[tokio::test]
async fn an_entry_that_has_ended_is_gone_and_is_not_made_again() {
    let server = Server::start().await;
    let soon = json!({ "reason": "a visit", "ends_at": "2026-11-22T13:00:00Z" });
    apply(&server, &[entry("203.0.113.9", soon.clone())]).await.unwrap();
    server.clock.pass_s(3_601);
    assert!(list(&server).await.is_empty());
    let error = refused(&server, &[entry("203.0.113.9", soon)]).await;
    assert_eq!((error.status().as_u16(), error.path()), (400, Some("resources[0].spec.ends_at")));
}

#[tokio::test]
async fn the_rules_of_the_allow_list_hold_for_documents_and_name_the_field() {
    let server = Server::start().await;
    let long = "x".repeat(501);
    for (name, spec, status, path) in [
        ("10.0.0.1/8", json!({}), 400, "resources[0].name"),
        ("0.0.0.0/0", json!({}), 409, "resources[0]"),
        ("203.0.113.9", json!({ "reason": long }), 400, "resources[0].spec.reason"),
        ("203.0.113.9", json!({ "reason": "a\u{1b}[31m" }), 400, "resources[0].spec.reason"),
        ("203.0.113.9", json!({ "ends": "tomorrow" }), 400, "resources[0].spec.ends"),
        ("203.0.113.9", json!({ "ends_at": "tomorrow" }), 400, "resources[0].spec.ends_at"),
    ] {
        let error = refused(&server, &[entry("198.51.100.1", json!({})), entry(name, spec)]).await;
        let path = path.replace("[0]", "[1]");
        assert_eq!((error.status().as_u16(), error.path()), (status, Some(path.as_str())), "{error:?}");
    }
    assert!(list(&server).await.is_empty());
}

#[tokio::test]
async fn nobody_takes_the_entry_away_that_keeps_a_ban_from_cutting_them() {
    let server = Server::start().await;
    apply(&server, &[entry("198.51.100.64/26", json!({}))]).await.unwrap();
    let ban = palisade_firewall::spec::Ban {
        cidr: "198.51.100.0/25".parse().unwrap(),
        reason: String::new(),
        by: "bob".to_owned(),
        since: server.context.now(),
        ends_at: None,
        probation_until: None,
        plan: None,
    };
    let mut tx = server.context.begin().await.unwrap();
    palisade_firewall::store::ban_insert(&mut tx, &[], &ban).await.unwrap();
    tx.commit().await.unwrap();
    let Err(ApplyError::Other(error)) = delete(&server, "198.51.100.64/26").await else { panic!("it cuts the caller") };
    assert!(error.message().contains("would cut your own address"), "{error:?}");
    assert_eq!(list(&server).await.len(), 1);
}

#[tokio::test]
async fn hosts_without_an_agent_are_not_waited_for() {
    let server = Server::start().await;
    let mut tx = server.context.begin().await.unwrap();
    let host = HostRow { kind: HostKind::Agentless, ..HostRow::new("printer".parse().unwrap(), server.context.now()) };
    frame::host_put(&mut tx, &host).await.unwrap();
    tx.commit().await.unwrap();
    let done = apply(&server, &[entry("203.0.113.9", json!({}))]).await.unwrap();
    assert_eq!(done.plan.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["db-1", "web-1"]);
}

#[tokio::test]
async fn a_thousand_entries_are_one_change() {
    let server = Server::start().await;
    let many: Vec<Document> =
        (0..1_000).map(|n| entry(&format!("10.{}.{}.0/24", n / 250, n % 250), json!({ "reason": "site" }))).collect();
    let done = apply(&server, &many).await.unwrap();
    assert_eq!((done.results.len(), done.plan.effects.len(), done.plan.hosts.len()), (1_000, 101, 2));
    assert_eq!(list(&server).await.len(), 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_put_is_what_is_shown(reason in "[ -~]{0,40}", ends_s in prop::option::of(1_i64..1_000_000), nanos in 0_i32..1_000_000_000) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start().await;
            let end = |s: i64| server.context.now() + jiff::SignedDuration::new(s, nanos);
            let ends_at: Option<Timestamp> = ends_s.map(end);
            let given = entry("2001:db8::/32", json!({ "reason": reason, "ends_at": ends_at }));
            apply(&server, std::slice::from_ref(&given)).await.unwrap();
            let shown = list(&server).await.remove(0);
            assert_eq!((shown.version, shown.updated_by.as_str()), (1, "ada"), "put and held are in one normal form");
            let again = apply(&server, &[given, entry("203.0.113.1", json!({}))]).await.unwrap();
            assert_eq!(again.results[0].action, Action::Unchanged);
        });
    }
}
