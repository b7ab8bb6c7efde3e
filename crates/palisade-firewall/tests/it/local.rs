//! The host's own socket: the same paths, acting on the local spec.

use crate::server::{FAILSAFE, TestClock, answer};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use palisade_core::{Plan, PlanState};
use palisade_firewall::spec::{Ban, Decision, Spec};
use palisade_guard::contract::{BoxFuture, LocalDesk};
use palisade_guard::{GuardError, SpecPair};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

const BANS: &str = "/api/v1/firewall/bans";
const ALLOW: &str = "/api/v1/firewall/allow";

/// A desk that keeps the local spec in memory.
struct TestDesk(Mutex<SpecPair>);

impl LocalDesk for TestDesk {
    fn host(&self) -> Option<palisade_core::HostId> {
        Some("web-1".parse().unwrap())
    }

    fn specs(&self) -> SpecPair {
        self.0.lock().unwrap().clone()
    }

    fn change(&self, local: Value, mut plan: Plan) -> BoxFuture<'_, Result<Plan, GuardError>> {
        self.0.lock().unwrap().local = local;
        plan.state = if plan.deadline.is_some() { PlanState::Probation } else { PlanState::Applied };
        Box::pin(async { Ok(plan) })
    }
}

struct Host {
    desk: Arc<TestDesk>,
    clock: Arc<TestClock>,
}

impl Host {
    /// A host whose server bans a network on probation and an address.
    fn new() -> Host {
        let ban = |cidr: &str, plan: &str, probation: Option<&str>| Ban {
            cidr: cidr.parse().unwrap(),
            reason: "scans".to_owned(),
            by: "ada".to_owned(),
            since: "2026-11-22T11:00:00Z".parse().unwrap(),
            ends_at: None,
            probation_until: probation.map(|at| at.parse().unwrap()),
            plan: Some(plan.to_owned()),
        };
        let bans = vec![ban("203.0.113.0/24", "p-1", Some("2026-11-22T12:01:00Z")), ban("198.51.100.7", "p-2", None)];
        Host::with(Spec { bans, ..Spec::default() })
    }

    fn with(server: Spec) -> Host {
        let (clock, server) = (TestClock::new(), serde_json::to_value(server).unwrap());
        Host { desk: Arc::new(TestDesk(Mutex::new(SpecPair { server, local: Value::Null }))), clock }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let failsafe = vec![FAILSAFE.parse().unwrap()];
        let router = palisade_firewall::local::router_at(self.desk.clone(), failsafe, self.clock.clone());
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        answer(router.oneshot(request.body(body).unwrap()).await.unwrap()).await
    }

    fn local(&self) -> Spec {
        let local = self.desk.specs().local;
        if local.is_null() { Spec::default() } else { serde_json::from_value(local).unwrap() }
    }

    /// `network origin`, each followed by `?` while on probation.
    async fn bans(&self) -> Vec<String> {
        let (_, page) = self.call("GET", BANS, Value::Null).await;
        let said = |b: &Value| {
            let mark = if b["probation_until"].is_null() { "" } else { " ?" };
            format!("{} {}{mark}", b["address"].as_str().unwrap(), b["origin"].as_str().unwrap())
        };
        page["items"].as_array().unwrap().iter().map(said).collect()
    }
}

#[tokio::test]
async fn bans_of_server_and_host_are_listed_together() {
    let host = Host::new();
    let (status, plan) = host.call("POST", BANS, json!({ "address": "192.168.7.0/24", "for": "1h" })).await;
    assert_eq!(status, StatusCode::OK, "{plan:#}");
    assert_eq!(
        plan["effects"][0]["sentence"],
        "192.168.7.0/24 (256 addresses) can no longer reach this host until 13:00 UTC"
    );
    assert_eq!((&plan["state"], &plan["by"]), (&json!("probation"), &json!("local-root")));
    assert_eq!(host.local().bans[0].plan.as_deref(), plan["id"].as_str());
    assert_eq!(host.bans().await, ["192.168.7.0/24 local ?", "198.51.100.7 server", "203.0.113.0/24 server ?"]);
    host.clock.pass_s(60);
    assert_eq!(host.bans().await, ["198.51.100.7 server"]);
}

#[tokio::test]
async fn a_ban_of_the_server_can_be_released_without_the_server() {
    let host = Host::new();
    assert_eq!(host.call("DELETE", &format!("{BANS}/198.51.100.7"), Value::Null).await.0, StatusCode::OK);
    assert_eq!(host.local().released, ["198.51.100.7".parse().unwrap()]);
    assert_eq!(host.bans().await, ["203.0.113.0/24 server ?"]);
    assert_eq!(host.call("DELETE", &format!("{BANS}/198.51.100.7"), Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(host.call("POST", BANS, json!({ "address": "198.51.100.7" })).await.0, StatusCode::OK);
    assert!(host.local().released.is_empty());
}

#[tokio::test]
async fn a_plan_of_the_server_is_kept_or_rolled_back_by_a_decision() {
    for (verb, decision, left) in [
        ("confirm", Decision::Kept, vec!["198.51.100.7 server", "203.0.113.0/24 server"]),
        ("rollback", Decision::RolledBack, vec!["198.51.100.7 server"]),
    ] {
        let host = Host::new();
        let (status, plan) = host.call("POST", &format!("/api/v1/plans/p-1/{verb}"), json!({ "waiver": null })).await;
        assert_eq!(status, StatusCode::OK, "{plan:#}");
        assert_eq!(host.local().decisions.get("p-1"), Some(&decision));
        assert_eq!(host.bans().await, left);
    }
    for id in ["p-2", "p-9", "..%2Fx"] {
        let (status, _) = Host::new().call("POST", &format!("/api/v1/plans/{id}/confirm"), Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn the_same_requests_are_refused_as_on_the_server() {
    let host = Host::new();
    for (path, body, said) in [
        (BANS, json!({ "address": "192.0.2.7" }), "failsafe"),
        (BANS, json!({ "address": "0.0.0.0/0" }), "larger than /8"),
        (BANS, json!({ "address": "::1" }), "loopback"),
        (BANS, json!({ "address": "203.0.113.9", "hosts": ["web-1"] }), "no meaning"),
        (BANS, json!({ "address": "203.0.113.9", "reason": "\u{7}" }), "control characters"),
        (BANS, json!({ "address": "203.0.113.9", "why": "x" }), "unknown field"),
        (BANS, json!({ "address": "198.51.100.7" }), "shut out already"),
        (ALLOW, json!({ "cidr": "0.0.0.0/0" }), "too wide"),
    ] {
        let (status, answer) = host.call("POST", path, body.clone()).await;
        assert!(status.is_client_error() && answer["message"].as_str().unwrap().contains(said), "{body}: {answer}");
    }
    assert_eq!(host.local(), Spec::default());
}

#[tokio::test]
async fn a_dry_run_on_the_host_changes_nothing() {
    let host = Host::new();
    let (_, plan) = host.call("POST", BANS, json!({ "address": "203.0.113.9", "dry_run": true })).await;
    assert_eq!((&plan["id"], &plan["state"]), (&json!(""), &json!("preview")));
    assert_eq!(plan["effects"][1]["sentence"], "203.0.113.9 lies in 203.0.113.0/24, which is shut out too");
    host.call("DELETE", &format!("{BANS}/198.51.100.7?dry_run=true"), Value::Null).await;
    assert_eq!(host.local(), Spec::default());
}

#[tokio::test]
async fn the_local_allow_list_is_the_hosts_own() {
    let host = Host::new();
    let (_, plan) = host.call("POST", ALLOW, json!({ "cidr": "203.0.113.9" })).await;
    assert_eq!(plan["effects"][1]["sentence"], "the ban of 203.0.113.0/24 no longer cuts what lies in 203.0.113.9");
    let (_, page) = host.call("GET", ALLOW, Value::Null).await;
    assert_eq!((&page["items"][0]["cidr"], &page["items"][0]["origin"]), (&json!("203.0.113.9"), &json!("local")));
    assert_eq!(host.call("DELETE", &format!("{ALLOW}/203.0.113.9"), Value::Null).await.0, StatusCode::OK);
    assert_eq!(host.call("GET", ALLOW, Value::Null).await.1["total"], 0);
}

#[tokio::test]
async fn the_host_is_looked_at_when_it_is_asked_for_what_listens() {
    let host = Host::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (status, page) = host.call("GET", &format!("/api/v1/firewall/exposure?q=tcp/{port}"), Value::Null).await;
    assert_eq!(
        (status, &page["items"][0]["scope"]),
        (StatusCode::OK, &json!("host")),
        "{page:#}\nport {port}, all: {:?}",
        palisade_sys::listener::listeners()
    );
    assert_eq!(page["items"][0]["pid"].as_u64(), Some(u64::from(std::process::id())));
    let (status, page) = host.call("GET", "/api/v1/firewall/ruleset", Value::Null).await;
    assert_eq!((status, page["total"].as_u64()), (StatusCode::OK, Some(1)));
}

const ISOLATE: &str = "/api/v1/firewall/hosts/web-1/isolate";
const RELEASE: &str = "/api/v1/firewall/hosts/web-1/release";

/// The ids of the rules in force, and the plan on probation.
async fn rules(host: &Host) -> (Vec<String>, Value) {
    let (status, effective) = host.call("GET", "/api/v1/firewall/effective", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{effective:#}");
    let ids = effective["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap().to_owned());
    (ids.collect(), effective["probation"]["plan"].clone())
}

#[tokio::test]
async fn a_host_is_cut_off_on_probation_kept_so_and_released_without_the_server() {
    let host = Host::with(Spec::default());
    let wanted = json!({ "reason": "odd traffic", "for": "4h" });
    let (status, plan) = host.call("POST", ISOLATE, wanted).await;
    assert_eq!(status, StatusCode::OK, "{plan:#}");
    assert_eq!((&plan["state"], &plan["deadline"]), (&json!("probation"), &json!("2026-11-22T12:01:00Z")));
    assert_eq!(
        plan["effects"][0]["sentence"],
        "nobody but the failsafe addresses reaches web-1, and it reaches nobody else, until 16:00 UTC"
    );
    let id = plan["id"].as_str().unwrap();
    assert_eq!(rules(&host).await, (vec!["isolation/in".to_owned(), "isolation/out".to_owned()], json!(id)));
    let (status, again) = host.call("POST", ISOLATE, json!({ "reason": "again" })).await;
    assert!(status == StatusCode::CONFLICT && again["message"].as_str().unwrap().contains("on probation"), "{again}");
    let (status, kept) = host.call("POST", &format!("/api/v1/plans/{id}/confirm"), json!({ "waiver": null })).await;
    assert_eq!((status, &kept["steps"][0]["permit"]), (StatusCode::OK, &json!("firewall")), "{kept:#}");
    host.clock.pass_s(61);
    assert_eq!(rules(&host).await.0.len(), 2, "kept beyond its probation");
    let (_, isolated) = host.call("GET", "/api/v1/firewall/isolated", Value::Null).await;
    assert_eq!((&isolated["total"], &isolated["items"][0]["reason"]), (&json!(1), &json!("odd traffic")));
    assert_eq!(host.call("POST", RELEASE, json!({})).await.0, StatusCode::OK);
    assert_eq!(rules(&host).await.0.len(), 0);
    assert_eq!(host.local(), Spec::default(), "nothing is left behind");
}

#[tokio::test]
async fn cutting_off_ends_by_itself_and_a_dry_run_or_a_wrong_name_does_nothing() {
    let host = Host::with(Spec::default());
    host.call("POST", ISOLATE, json!({ "reason": "odd", "dry_run": true })).await;
    let (status, answer) =
        host.call("POST", "/api/v1/firewall/hosts/db-1/isolate", json!({ "reason": "the wrong host" })).await;
    assert!(status == StatusCode::NOT_FOUND && answer["message"].as_str().unwrap().contains("`web-1`"), "{answer}");
    assert_eq!(host.call("POST", ISOLATE, json!({ "reason": " " })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(host.call("POST", RELEASE, json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(host.local(), Spec::default());
    host.call("POST", ISOLATE, json!({ "reason": "odd", "probation": "30s" })).await;
    assert_eq!(rules(&host).await.0.len(), 2);
    host.clock.pass_s(30);
    assert_eq!(rules(&host).await, (Vec::new(), Value::Null), "nobody kept it");
}

#[tokio::test]
async fn a_filter_that_the_server_tries_is_kept_or_rolled_back_on_the_host() {
    let candidate = json!({ "plan": "p-7", "until": "2026-11-22T12:01:00Z", "filter": {
        "rules": [{ "id": "web/ssh", "layer": "group", "priority": 10, "direction": "in", "action": "allow",
            "protocol": "tcp", "ports": ["22"], "peers": { "of": { "sets": ["list/office"] } } }],
        "sets": [{ "name": "list/office", "ranges": ["203.0.113.0/24"] }],
        "defaults": { "inbound": "deny", "outbound": "allow" } } });
    for (verb, left) in [("confirm", 1), ("rollback", 0)] {
        let host = Host::with(serde_json::from_value(json!({ "candidate": candidate })).unwrap());
        assert_eq!(rules(&host).await, (vec!["web/ssh".to_owned()], json!("p-7")));
        let (_, effective) = host.call("GET", "/api/v1/firewall/effective?host=web-1", Value::Null).await;
        assert_eq!(
            (&effective["rules"][0]["peers"], &effective["rules"][0]["addresses"]),
            (&json!(["list:office"]), &json!(1))
        );
        let (status, plan) = host.call("POST", &format!("/api/v1/plans/p-7/{verb}"), Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{plan:#}");
        host.clock.pass_s(61);
        assert_eq!(rules(&host).await, (vec!["web/ssh".to_owned(); left], Value::Null), "{verb}");
    }
}
