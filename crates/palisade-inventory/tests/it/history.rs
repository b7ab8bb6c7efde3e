//! Differences, and what the server stores and answers.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_core::{Clock, Event, HostId, Timestamp};
use palisade_guard::api::{Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::db::Database;
use palisade_guard::entry::Look;
use palisade_guard::store::{self, LookReport};
use palisade_guard::{GuardError, ServerContext};
use palisade_inventory::difference::{CHANGES_MAX, ChangeKind, SectionName, difference};
use palisade_inventory::guard;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

fn said(section: SectionName, old: Value, new: Value) -> Vec<String> {
    let changes = difference(section, &json!({ "rows": old }), &json!({ "rows": new }));
    changes.into_iter().map(|c| format!("{} {}", c.kind.as_str(), c.key)).collect()
}

#[test]
fn a_port_that_opens_is_added_and_a_restart_changes_nothing() {
    let sshd = json!({ "protocol": "tcp", "address": "0.0.0.0", "port": 22, "process": "sshd", "pid": 812 });
    let again = json!({ "protocol": "tcp", "address": "0.0.0.0", "port": 22, "process": "sshd", "pid": 4000 });
    let nc = json!({ "protocol": "tcp", "address": "::", "port": 4444, "process": "nc", "pid": 5 });
    assert_eq!(said(SectionName::Ports, json!([sshd]), json!([again, nc])), ["added tcp :: 4444 nc"]);
    assert_eq!(said(SectionName::Ports, json!([sshd, nc]), json!([again])), ["removed tcp :: 4444 nc"]);
}

#[test]
fn an_upgrade_is_a_change_with_both_versions() {
    let at = |version: &str| json!({ "rows": [{ "name": "nginx", "version": version, "arch": "amd64", "manager": "dpkg" }] });
    let changes = difference(SectionName::Packages, &at("1.22.1-9"), &at("1.22.1-9+deb12u1"));
    assert_eq!((changes[0].kind, changes[0].key.as_str()), (ChangeKind::Changed, "nginx amd64"));
    assert_eq!(
        changes[0].body,
        json!({ "before": { "version": "1.22.1-9" }, "after": { "version": "1.22.1-9+deb12u1" } })
    );
}

#[test]
fn one_more_worker_of_a_program_is_no_change() {
    let worker = |pid: u32| json!({ "name": "nginx", "exe": "/usr/sbin/nginx", "user": "www-data", "pid": pid });
    assert_eq!(said(SectionName::Processes, json!([worker(1)]), json!([worker(1), worker(2)])), Vec::<String>::new());
}

#[test]
fn two_jobs_of_one_schedule_are_told_apart() {
    let job = |command: &str| json!({ "kind": "cron", "name": "@daily", "path": "/etc/crontab", "command": command });
    assert_eq!(
        said(SectionName::Autostart, json!([job("/a")]), json!([job("/a"), job("/b")])),
        ["added cron @daily /etc/crontab #2"]
    );
}

#[test]
fn what_could_not_be_read_has_not_gone() {
    let old = json!({ "rows": [{ "name": "root" }] });
    assert!(
        difference(SectionName::Accounts, &old, &json!({ "rows": [], "error": "reading `/etc/passwd`" })).is_empty()
    );
    assert!(difference(SectionName::Accounts, &old, &Value::Null).is_empty());
}

#[test]
fn a_flood_of_changes_is_cut_and_says_so() {
    let rows: Vec<Value> = (0..CHANGES_MAX + 7).map(|n| json!({ "name": format!("p{n}"), "arch": "all" })).collect();
    let changes = difference(SectionName::Packages, &json!({ "rows": [] }), &json!({ "rows": rows }));
    assert_eq!(changes.len(), CHANGES_MAX + 1);
    assert_eq!(changes.last().unwrap().body, json!({ "left_off": 7 }));
}

proptest! {
    #[test]
    fn the_same_body_has_no_difference_and_no_body_panics(names in proptest::collection::vec("[a-c#0-9 ]{0,3}", 0..20), other in proptest::collection::vec("[a-c]{0,2}", 0..20)) {
        let body = |names: &[String]| json!({ "rows": names.iter().map(|n| json!({ "name": n, "arch": n.len() })).collect::<Vec<_>>() });
        for section in SectionName::ALL {
            prop_assert!(difference(section, &body(&names), &body(&names)).is_empty());
            let there = difference(section, &body(&names), &body(&other)).len();
            let back = difference(section, &body(&other), &body(&names)).len();
            prop_assert_eq!(there, back);
            let _ = difference(section, &json!({ "rows": [1, null, "x", [], {}] }), &json!({ "rows": { "a": 1 } }));
        }
    }
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        moment(0)
    }
}

impl RecordEvent for Fixed {
    fn record<'a>(&'a self, _: &'a mut sqlx::SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Minutes after the fixed moment.
fn moment(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    Timestamp::from_second(start.as_second() + minutes * 60).unwrap()
}

struct Server {
    context: ServerContext,
    _dir: tempfile::TempDir,
}

impl Server {
    async fn start() -> Server {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::open(&dir.path().join("state.db")).await.unwrap();
        db.migrate("frame", store::MIGRATIONS).await.unwrap();
        db.migrate("inventory", guard().server.unwrap().migrations()).await.unwrap();
        Server { context: ServerContext::new(db, Arc::new(Fixed), Arc::new(Fixed), Vec::new()), _dir: dir }
    }

    /// A report with one section, as the frame takes it in.
    async fn report(&self, host: &str, section: &str, rows: Value, at: Timestamp) {
        let host: HostId = host.parse().unwrap();
        let body = json!({ "rows": rows });
        let mut tx = self.context.begin().await.unwrap();
        store::host_seen(&mut tx, &host, None, at).await.unwrap();
        let old = store::section(&mut tx, &host, "inventory", section).await.unwrap().map(|(_, body)| body);
        let half = guard().server.unwrap();
        half.section_changed(&mut tx, &host, section, old.as_ref(), &body, at).await.unwrap();
        let look = Look { sections: serde_json::Map::from_iter([(section.to_owned(), body)]), ..Look::default() };
        store::look_put(&mut tx, &host, &LookReport::new("inventory", look, at, at)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (router, _) = guard().server.unwrap().api().split_for_parts();
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(Caller { name: "eve".to_owned(), role: Role::Viewer, address: None });
        let answer = router.with_state(self.context.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

#[tokio::test]
async fn rows_of_all_hosts_name_their_host_and_are_searched_sorted_and_paged() {
    let server = Server::start().await;
    let rows = |ports: &[u16]| -> Value {
        ports.iter().map(|p| json!({ "protocol": "tcp", "port": p, "process": "x" })).collect()
    };
    server.report("web-1", "ports", rows(&[22, 80]), moment(-3)).await;
    server.report("web-2", "ports", rows(&[22, 443]), moment(-1)).await;
    let (status, answer) = server.get("/api/v1/inventory/ports").await;
    assert_eq!(
        (status, answer["total"].as_u64(), &answer["items"][0]["host"]),
        (StatusCode::OK, Some(4), &json!("web-1"))
    );
    assert_eq!(answer["observed_at"], json!(moment(-3)));
    let (_, answer) = server.get("/api/v1/inventory/ports?host=web-2&q=443").await;
    assert_eq!((answer["total"].as_u64(), answer["observed_at"].clone()), (Some(1), json!(moment(-1))));
    let (_, first) = server.get("/api/v1/inventory/ports?sort=-port&limit=1").await;
    assert_eq!((&first["items"][0]["port"], &first["next_cursor"]), (&json!(443), &json!("1")));
    let (_, second) = server.get("/api/v1/inventory/ports?sort=-port&limit=1&cursor=1").await;
    assert_eq!(second["items"][0]["port"], json!(80));
    let (_, third) = server.get("/api/v1/inventory/ports?limit=1&cursor=2").await;
    assert_eq!((&third["items"][0]["host"], &third["items"][0]["port"]), (&json!("web-2"), &json!(22)));
}

#[tokio::test]
async fn an_empty_list_says_why_and_nonsense_is_refused() {
    let server = Server::start().await;
    assert_eq!(server.get("/api/v1/inventory/ports").await.1["reason"], json!("no host has joined yet"));
    server.report("web-1", "ports", json!([]), moment(0)).await;
    assert_eq!(server.get("/api/v1/inventory/ports").await.1["reason"], json!("there are no ports on these hosts"));
    assert_eq!(server.get("/api/v1/inventory/modules").await.1["reason"], json!("web-1 has not sent its modules yet"));
    assert_eq!(server.get("/api/v1/inventory/ports?host=other").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/api/v1/inventory/everything").await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/api/v1/inventory/ports?host=%20").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/api/v1/inventory/changes?since=yesterday").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/api/v1/inventory/ports?cursor=-1").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn changes_are_kept_from_the_second_report_on_and_expire() {
    let server = Server::start().await;
    let ssh = json!({ "name": "ssh", "version": "1", "arch": "all" });
    let nmap = json!({ "name": "nmap", "version": "7", "arch": "amd64" });
    server.report("web-1", "packages", json!([ssh]), moment(-20)).await;
    assert_eq!(server.get("/api/v1/inventory/changes").await.1["reason"], json!("nothing has changed in this time"));
    server.report("web-1", "packages", json!([ssh, nmap]), moment(-10)).await;
    server.report("web-1", "packages", json!([nmap]), moment(-5)).await;
    let (_, answer) = server.get("/api/v1/inventory/changes?host=web-1&section=packages").await;
    let lines: Vec<String> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| {
            format!("{} {} {}", i["at"].as_str().unwrap(), i["kind"].as_str().unwrap(), i["key"].as_str().unwrap())
        })
        .collect();
    assert_eq!(lines, ["2026-11-22T11:55:00Z removed ssh all", "2026-11-22T11:50:00Z added nmap amd64"]);
    assert_eq!(server.get("/api/v1/inventory/changes?since=6m").await.1["total"], json!(1));
    assert_eq!(server.get("/api/v1/inventory/changes?q=nmap").await.1["total"], json!(1));
    let mut tx = server.context.begin().await.unwrap();
    guard().server.unwrap().tend(&mut tx, moment(91 * 24 * 60)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(server.get("/api/v1/inventory/changes").await.1["total"], json!(0));
}

#[test]
fn every_endpoint_is_documented() {
    let (_, api) = guard().server.unwrap().api().split_for_parts();
    let text = serde_json::to_string(&api).unwrap();
    assert_eq!(
        api.paths.paths.keys().collect::<Vec<_>>(),
        ["/api/v1/inventory/changes", "/api/v1/inventory/{section}"]
    );
    for word in ["inventory_list", "inventory_changes", "observed_at", "webroots"] {
        assert!(text.contains(word), "{word}");
    }
}

#[tokio::test]
async fn a_caller_who_has_not_signed_in_is_refused() {
    let server = Server::start().await;
    let (router, _) = guard().server.unwrap().api().split_for_parts();
    let router = router.with_state(server.context.clone());
    for path in ["/api/v1/inventory/ports", "/api/v1/inventory/changes"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
}
