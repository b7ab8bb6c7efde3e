//! Joining, against a server with a database of its own and requests as the network brings them.
#![allow(clippy::unwrap_used)]

use crate::agent::identity::{Identity, Parts, ServerAddress, new_request};
use crate::link::join::{JoinToken, Joined};
use crate::server::access::Origin;
use crate::server::fixture::{self, SetClock};
use crate::server::{Server, api, trust_store};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt;
use palisade_core::{Clock, HostId, Standing, SystemClock};
use palisade_guard::store::{self, HostRow};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

struct Test {
    server: Server,
    clock: Arc<SetClock>,
    _dir: TempDir,
}

struct Answer {
    status: StatusCode,
    body: Value,
}

impl Test {
    async fn start() -> Test {
        let dir = tempfile::tempdir().unwrap();
        // certificates are made for the present
        let (server, clock) = fixture::server(&dir, SystemClock.now().as_second()).await;
        Test { server, clock, _dir: dir }
    }

    async fn send(&self, origin: Origin, method: Method, path: &str, body: &Value) -> Response {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).extension(ConnectInfo(origin));
        let request = request.header("host", "palisade").body(Body::from(body)).unwrap();
        api::network(self.server.clone()).oneshot(request).await.unwrap()
    }

    async fn ask(&self, origin: Origin, method: Method, path: &str, body: Value) -> Answer {
        let response = self.send(origin, method, path, &body).await;
        let (status, body) = fixture::answer(response).await;
        Answer { status, body }
    }

    /// A new token, as an admin makes it.
    async fn token(&self, wanted: Value) -> Value {
        let made = self.ask(Origin::Socket, Method::POST, "/api/v1/join-tokens", wanted).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body
    }

    async fn tokens(&self) -> Value {
        self.ask(Origin::Socket, Method::GET, "/api/v1/join-tokens", Value::Null).await.body
    }

    async fn join_from(&self, address: &str, token: &str, name: &str, machine: &str) -> Answer {
        let csr = new_request(&"asks-for-another-name".parse().unwrap()).unwrap().1;
        let body = json!({ "token": token, "csr": csr, "name": name, "machine": machine });
        self.ask(network(address), Method::POST, "/api/v1/join", body).await
    }

    async fn join(&self, token: &Value, name: &str, machine: &str) -> Answer {
        self.join_from("203.0.113.9", token["token"].as_str().unwrap(), name, machine).await
    }

    async fn host(&self, name: &str) -> Option<HostRow> {
        let mut db = self.server.context.db.read().acquire().await.unwrap();
        store::host(&mut db, &name.parse::<HostId>().unwrap()).await.unwrap()
    }

    async fn stand(&self, name: &str, standing: Standing) {
        let host = HostRow { standing, ..self.host(name).await.unwrap() };
        let mut tx = self.server.begin().await.unwrap();
        store::host_put(&mut tx, &host).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn events(&self, kind: &str) -> Vec<Value> {
        let path = format!("/api/v1/audit?kind={kind}&limit=100");
        let page = self.ask(Origin::Socket, Method::GET, &path, Value::Null).await.body;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().filter(|e| e["kind"] == kind).collect()
    }

    fn later(&self, seconds: i64) {
        self.clock.pass_s(seconds);
    }
}

fn network(address: &str) -> Origin {
    Origin::Network(address.parse::<IpAddr>().unwrap())
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.body["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_host_joins_with_what_its_token_says_and_gets_a_certificate_for_its_own_key() {
    let test = Test::start().await;
    let token = test
        .token(json!({ "profile": "protect", "region": "eu", "tags": { "role": "web" }, "url": "https://203.0.113.1" }))
        .await;
    assert_eq!(token["command"], "palisade agent --join https://203.0.113.1:443 --token-file -");
    let (key_pem, csr) = new_request(&"x".parse().unwrap()).unwrap();
    let body = json!({ "token": token["token"], "csr": csr, "name": "web-1", "machine": "aa01",
        "facts": { "os": "Debian", "kernel": "6.1", "addresses": ["203.0.113.9"], "agent_version": "1", "permit": ["observe"] } });
    let answer = test.ask(network("203.0.113.9"), Method::POST, "/api/v1/join", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let joined: Joined = serde_json::from_value(answer.body).unwrap();
    assert_eq!(
        (joined.host.as_str(), joined.region.as_deref(), joined.tags.get("role")),
        ("web-1", Some("eu"), Some("web"))
    );
    let root = token["token"].as_str().unwrap().parse::<JoinToken>().unwrap().root_fingerprint();
    let address = ServerAddress { host: "203.0.113.1".to_owned(), port: 443, root };
    let identity = Identity::new(address, Parts { key_pem, chain_pem: joined.chain, root_pem: joined.root }).unwrap();
    assert_eq!(identity.host.as_str(), "web-1");
    let row = test.host("web-1").await.unwrap();
    assert_eq!(row.serial.as_deref(), Some(identity.facts.serial.as_str()));
    assert_eq!((row.standing, row.profile.as_str(), row.facts.os.as_str()), (Standing::Active, "protect", "Debian"));
    let listed = &test.tokens().await["items"][0];
    assert_eq!((&listed["uses_left"], &listed["joined"]), (&json!(0), &json!(["web-1"])));
    assert!(listed.get("token").is_none(), "{listed}");
    let event = test.events("frame.host.join").await.remove(0);
    assert_eq!((event["host"].as_str(), event["data"]["token"].as_str()), (Some("web-1"), token["id"].as_str()));
}

#[tokio::test]
async fn wrong_expired_used_and_deleted_tokens_are_refused_each_with_its_code_and_an_event() {
    let test = Test::start().await;
    let foreign = JoinToken::new(&test.server.authority.root_fingerprint()).unwrap().secret();
    let unknown = test.join_from("203.0.113.1", &foreign, "web-1", "aa").await;
    assert_eq!(code(&unknown), (401, "join_token_unknown"));
    let nonsense = test.join_from("203.0.113.2", "plj_x", "web-1", "aa").await;
    assert_eq!(code(&nonsense), (401, "join_token_unknown"));
    let once = test.token(json!({ "uses": 1 })).await;
    assert_eq!(test.join(&once, "web-1", "aa").await.status, StatusCode::OK);
    assert_eq!(code(&test.join(&once, "web-2", "bb").await), (401, "join_token_used"));
    let deleted = test.token(json!({ "uses": 2 })).await;
    let path = format!("/api/v1/join-tokens/{}", deleted["id"].as_str().unwrap());
    assert_eq!(test.ask(Origin::Socket, Method::DELETE, &path, Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(code(&test.join(&deleted, "web-3", "cc").await), (401, "join_token_unknown"));
    let short = test.token(json!({ "for": "1m" })).await;
    test.later(60);
    assert_eq!(code(&test.join(&short, "web-4", "dd").await), (401, "join_token_expired"));
    let refused = test.events("frame.host.join").await.iter().filter(|e| e["outcome"] == "refused").count();
    assert_eq!(refused, 5);
    for name in ["web-2", "web-3", "web-4"] {
        assert!(test.host(name).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn five_refused_tokens_lock_an_address_for_a_quarter_of_an_hour_and_no_other() {
    let test = Test::start().await;
    let token = test.token(json!({ "uses": 3 })).await;
    for _ in 0..5 {
        assert_eq!(test.join_from("203.0.113.66", "plj_guess", "x", "aa").await.status, StatusCode::UNAUTHORIZED);
    }
    let right = token["token"].as_str().unwrap();
    assert_eq!(code(&test.join_from("203.0.113.66", right, "x", "aa").await), (429, "locked"));
    assert_eq!(test.join_from("203.0.113.67", right, "y", "bb").await.status, StatusCode::OK);
    test.later(15 * 60);
    assert_eq!(test.join_from("203.0.113.66", right, "x", "aa").await.status, StatusCode::OK);
    let events = test.events("frame.host.join").await.len();
    assert_eq!(events, 5 + 2, "what is turned away while locked makes no event");
}

#[tokio::test]
async fn of_many_hosts_at_once_exactly_as_many_join_as_the_token_has_uses() {
    let test = Test::start().await;
    for uses in [1, 3] {
        let token = test.token(json!({ "uses": uses })).await;
        let text = token["token"].as_str().unwrap();
        let asks = (0..8).map(|n| {
            let (address, name) = (format!("198.51.100.{}", n + 10 * uses), format!("many-{uses}-{n}"));
            let test = &test;
            async move { test.join_from(&address, text, &name, "aa").await.status }
        });
        let statuses = futures_util::future::join_all(asks).await;
        assert_eq!(statuses.iter().filter(|s| **s == StatusCode::OK).count(), uses as usize, "{statuses:?}");
        assert!(statuses.iter().all(|s| [StatusCode::OK, StatusCode::UNAUTHORIZED].contains(s)), "{statuses:?}");
    }
}

#[tokio::test]
async fn a_join_that_fails_uses_nothing_up_and_leaves_nothing_behind() {
    let test = Test::start().await;
    let token = test.token(json!({ "uses": 1 })).await;
    let bad = json!({ "token": token["token"], "csr": "no request", "name": "web-1" });
    let answer = test.ask(network("203.0.113.9"), Method::POST, "/api/v1/join", bad).await;
    assert_eq!(code(&answer), (400, "invalid"), "{}", answer.body);
    assert!(test.host("web-1").await.is_none());
    assert_eq!(test.tokens().await["items"][0]["uses_left"], 1);
    assert_eq!(test.join(&token, "web-1", "aa").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_same_machine_joins_again_under_its_name_and_another_one_gets_the_next_number() {
    let test = Test::start().await;
    let token = test.token(json!({ "uses": 10, "tags": { "role": "web" } })).await;
    assert_eq!(test.join(&token, "web-1", "aa").await.body["host"], "web-1");
    let first = test.host("web-1").await.unwrap().serial;
    assert_eq!(test.join(&token, "web-1", "bb").await.body["host"], "web-1-2");
    assert_eq!(test.join(&token, "web-1", "bb").await.body["host"], "web-1-2", "and keeps it");
    assert_eq!(test.host("web-1").await.unwrap().serial, first, "the first host was not touched");
    assert_eq!(test.join(&token, "web-1", "aa").await.body["host"], "web-1");
    assert_ne!(test.host("web-1").await.unwrap().serial, first, "its certificate was replaced");
    let mut db = test.server.context.db.read().acquire().await.unwrap();
    let all = trust_store::certificates_of(&mut db, &"web-1".parse().unwrap()).await.unwrap();
    let counting = |c: &&trust_store::CertificateRow| c.revoked_at.is_none();
    let serials: Vec<_> = all.iter().filter(counting).map(|c| Some(c.serial.clone())).collect();
    assert_eq!((all.len(), serials), (2, vec![test.host("web-1").await.unwrap().serial]));
}

#[tokio::test]
async fn a_retired_name_is_given_again_and_a_revoked_one_never() {
    let test = Test::start().await;
    let token = test.token(json!({ "uses": 10 })).await;
    for name in ["old", "bad"] {
        assert_eq!(test.join(&token, name, "aa").await.status, StatusCode::OK);
    }
    test.stand("old", Standing::Retired).await;
    test.stand("bad", Standing::Revoked).await;
    assert_eq!(test.join(&token, "old", "bb").await.body["host"], "old");
    assert_eq!(test.host("old").await.unwrap().standing, Standing::Active);
    let refused = test.join(&token, "bad", "aa").await;
    assert_eq!(code(&refused), (409, "host_revoked"));
    assert!(refused.body["hint"].as_str().unwrap().contains("--name"), "{}", refused.body);
    assert_eq!(test.host("bad").await.unwrap().standing, Standing::Revoked);
    let refused = test.events("frame.host.join").await.into_iter().filter(|e| e["outcome"] == "refused");
    assert!(refused.map(|e| e["message"].to_string()).any(|said| said.contains("was revoked")));
}

#[tokio::test]
async fn hostile_requests_are_refused_before_the_token_is_looked_at() {
    let test = Test::start().await;
    let token = test.token(json!({})).await;
    let with = |change: Value| {
        let mut body = json!({ "token": token["token"], "csr": "x", "name": "web-1" });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    for change in [
        json!({ "name": "../etc" }),
        json!({ "name": "a\nb" }),
        json!({ "csr": "x".repeat(9000) }),
        json!({ "machine": "not hexadecimal" }),
        json!({ "machine": "a".repeat(65) }),
        json!({ "standing": "active" }),
        json!({ "facts": { "os": "x".repeat(300), "kernel": "", "addresses": [], "agent_version": "", "permit": [] } }),
    ] {
        let answer = test.ask(network("203.0.113.9"), Method::POST, "/api/v1/join", with(change.clone())).await;
        assert_eq!(code(&answer), (400, "invalid"), "{change}: {}", answer.body);
    }
    assert_eq!(test.tokens().await["items"][0]["uses_left"], 1);
}

#[tokio::test]
async fn the_script_holds_nothing_that_an_operator_wrote_freely() {
    let test = Test::start().await;
    let hostile = "$(touch x); `id` 'q' \"d\" END_OF_TOKEN";
    let token = test.token(json!({ "region": hostile, "tags": { "role": hostile } })).await;
    let script = token["script"].as_str().unwrap();
    assert!(!script.contains("touch") && !script.contains("`id`"), "{script}");
    assert!(script.contains(token["token"].as_str().unwrap()));
}

#[tokio::test]
async fn the_program_and_the_root_are_files_for_everybody_and_nothing_else_is() {
    let test = Test::start().await;
    let anybody = network("203.0.113.9");
    let root = test.send(anybody, Method::GET, "/install/ca.pem", &Value::Null).await;
    assert_eq!(root.status(), StatusCode::OK);
    assert_eq!(root.into_body().collect().await.unwrap().to_bytes(), test.server.authority.root_pem());
    let facts = test.server.program.facts().await.unwrap().clone();
    let path = format!("/install/palisade-{}", facts.arch);
    let program = test.send(anybody, Method::HEAD, &path, &Value::Null).await;
    assert_eq!(program.status(), StatusCode::OK);
    assert_eq!(program.headers()["etag"], format!("\"{}\"", facts.sha256));
    assert!(program.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(program.headers()["content-length"], facts.bytes.to_string());
    assert_eq!(test.send(anybody, Method::POST, &path, &Value::Null).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    for path in [
        "/install",
        "/install/",
        "/install/palisade-sparc",
        "/install/server.key",
        "/install/a/b",
        "/install/ca.pem/",
        "/install/..%2fca.pem",
    ] {
        let status = test.send(anybody, Method::GET, path, &Value::Null).await.status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}
