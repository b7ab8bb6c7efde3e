//! What may be written in documents, by whom, and the endpoints.

use super::sink::Sink;
use super::{Server, notice};
use axum::body::Body;
use axum::{Extension, Router};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_guard::api::{Caller, Role};
use palisade_guard::kind::{Asked, SpecChange};
use palisade_monitor::notify::{kind, kinds};
use serde_json::{Value, json};
use tower::ServiceExt;

fn kind_of(name: &str) -> std::sync::Arc<dyn palisade_guard::Kind> {
    kinds().into_iter().find(|kind| kind.name() == name).unwrap()
}

fn refused(kind: &str, spec: Value) -> String {
    match kind_of(kind).normalise("it", &spec) {
        Ok(_) => "taken".to_owned(),
        Err(error) => error.path().unwrap_or_default().to_owned(),
    }
}

#[test]
fn channels_that_make_no_sense_are_refused_and_the_part_is_named() {
    let mail = |more: Value| {
        let mut spec =
            json!({ "type": "smtp", "host": "mail.example.org", "from": "a@example.org", "to": ["b@example.org"] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    for (spec, path) in [
        (json!({ "type": "webhook", "url": "https://example.org/a" }), "taken"),
        (mail(json!({})), "taken"),
        (json!({ "type": "webhook" }), "spec.url"),
        (json!({ "type": "webhook", "url": "gopher://example.org" }), "spec.url"),
        (json!({ "type": "webhook", "url": "https://a:b@example.org" }), "spec.url"),
        (json!({ "type": "webhook", "url": "https://example.org", "to": ["a@example.org"] }), "spec.to"),
        (json!({ "type": "webhook", "url": "https://example.org", "secret": "not a name" }), "spec.secret"),
        (json!({ "type": "webhook", "url": "https://example.org", "ca_pem": "x" }), "spec.ca_pem"),
        (
            json!({ "type": "webhook", "url": "https://example.org", "template": { "title": "{{ hots }}" } }),
            "spec.template.title",
        ),
        (
            json!({ "type": "webhook", "url": "https://example.org", "template": { "text": "{{ host" } }),
            "spec.template.text",
        ),
        (json!({ "type": "ntfy", "url": "https://ntfy.example.org/" }), "spec.url"),
        (json!({ "type": "slack", "url": "https://hooks.example.org/" }), "spec.url"),
        (json!({ "type": "heartbeat", "url": "https://example.org", "every": "1s" }), "spec.every"),
        (mail(json!({ "tls": "none" })), "spec.tls"),
        (mail(json!({ "user": "a" })), "spec.user"),
        (mail(json!({ "to": ["b@example.org", "nobody"] })), "spec.to[1]"),
        (mail(json!({ "host": "a b" })), "spec.host"),
        (json!({ "type": "carrier-pigeon" }), "spec.type"),
    ] {
        assert_eq!(refused(kind::CHANNEL, spec.clone()), path, "{spec}");
    }
}

#[test]
fn policies_and_silences_that_make_no_sense_are_refused_and_the_part_is_named() {
    let policy = |more: Value| {
        let mut spec = json!({ "channels": ["a"] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    for (spec, path) in [
        (policy(json!({})), "taken"),
        (policy(json!({ "group_wait": "0s", "zone": "UTC" })), "taken"),
        (policy(json!({ "channels": [] })), "spec.channels"),
        (policy(json!({ "match": { "labels": { "a": "=~(" } } })), "spec.match.labels.a"),
        (policy(json!({ "window": { "from": "8", "to": "20:00" } })), "spec.window.from"),
        (policy(json!({ "window": { "from": "08:00", "to": "20:00", "zone": "Nowhere/At_All" } })), "spec.window.zone"),
        (policy(json!({ "digest_at": "25:00" })), "spec.digest_at"),
        (policy(json!({ "repeat": "1s" })), "spec.repeat"),
        (policy(json!({ "escalate": [{ "after": "5m", "channels": [] }] })), "spec.escalate[0].channels"),
        (policy(json!({ "group_wate": "1s" })), "spec.group_wate"),
    ] {
        assert_eq!(refused(kind::POLICY, spec.clone()), path, "{spec}");
    }
    let until = "2030-01-01T00:00:00Z";
    for (spec, path) in [
        (json!({ "match": {}, "until": until, "reason": "new disks" }), "taken"),
        (json!({ "match": {}, "until": until, "reason": " " }), "spec.reason"),
        (json!({ "match": {}, "from": "2031-01-01T00:00:00Z", "until": until, "reason": "r" }), "spec.until"),
        (
            json!({ "match": { "scope": { "hosts": ["a/b"] } }, "until": until, "reason": "r" }),
            "spec.match.scope.hosts[0]",
        ),
    ] {
        assert_eq!(refused(kind::SILENCE, spec.clone()), path, "{spec}");
    }
}

#[test]
fn what_is_in_normal_form_stays_as_it_is() {
    for (name, spec) in [
        (kind::CHANNEL, json!({ "type": "webhook", "url": "https://example.org/a" })),
        (kind::POLICY, json!({ "channels": ["a"], "match": { "severity": "high" } })),
        (kind::SILENCE, json!({ "match": {}, "until": "2030-01-01T00:00:00Z", "reason": "r" })),
    ] {
        let (_, normal) = kind_of(name).normalise("it", &spec).unwrap();
        assert_eq!(kind_of(name).normalise("it", &normal).unwrap().1, normal);
    }
}

#[tokio::test]
async fn only_an_admin_opens_private_addresses_or_sends_a_secret_elsewhere() {
    let server = Server::new().await;
    let hook = |more: Value| {
        let mut spec = json!({ "type": "ntfy", "url": "https://ntfy.example.org/a" });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Some(spec)
    };
    let secret = hook(json!({ "secret": "token" }));
    let moved = hook(json!({ "secret": "token", "url": "https://elsewhere.example.org/a" }));
    let signed = Some(json!({ "type": "webhook", "url": "https://example.org/", "secret": "token" }));
    for (old, new, role, allowed) in [
        (None, hook(json!({})), Role::Operator, true),
        (None, hook(json!({ "allow_private": true })), Role::Operator, false),
        (None, hook(json!({ "allow_private": true })), Role::Admin, true),
        (None, secret.clone(), Role::Operator, false),
        (None, signed, Role::Operator, true),
        (secret.clone(), secret.clone(), Role::Operator, true),
        (secret.clone(), moved.clone(), Role::Operator, false),
        (secret.clone(), moved, Role::Admin, true),
        (secret, None, Role::Operator, true),
    ] {
        let caller = Caller { name: "ada".to_owned(), role, address: None };
        let asked = Asked {
            context: &server.context,
            caller: &caller,
            now: server.now(),
            plan: "p",
            force: false,
            probation_s: None,
            last: true,
        };
        let change = [SpecChange { name: "it".to_owned(), old, new, written: None }];
        let mut tx = server.context.begin().await.unwrap();
        let result = kind_of(kind::CHANNEL).apply(&asked, &mut tx, &change).await;
        assert_eq!(result.is_ok(), allowed, "{change:?} {role:?}");
    }
}

struct App(Router);

impl App {
    fn of(server: &Server, role: Role) -> App {
        let caller = Caller { name: "ada".to_owned(), role, address: None };
        let (router, _) = palisade_monitor::notify::router().split_for_parts();
        App(router.layer(Extension(caller)).with_state(server.context.clone()))
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(format!("/api/v1/monitor/{path}"));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.0.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn a_secret_is_set_by_an_admin_used_by_its_channel_and_never_shown() {
    let server = Server::new().await;
    let (operator, admin) = (App::of(&server, Role::Operator), App::of(&server, Role::Admin));
    let value = json!({ "value": "geheim-1" });
    assert_eq!(operator.call("PUT", "secrets/key", value.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(admin.call("PUT", "secrets/key", value).await.0, StatusCode::NO_CONTENT);
    assert_eq!(admin.call("PUT", "secrets/key2", json!({ "value": "a\nb" })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(admin.call("PUT", "secrets/Key", json!({ "value": "a" })).await.0, StatusCode::BAD_REQUEST);
    let (_, list) = operator.call("GET", "secrets", Value::Null).await;
    assert_eq!((list["items"][0]["name"].as_str(), list["total"].as_u64()), (Some("key"), Some(1)));
    assert!(!list.to_string().contains("geheim"));
    let (sealed,): (String,) =
        sqlx::query_as("SELECT sealed FROM monitor_secret").fetch_one(server.context.db.read()).await.unwrap();
    assert_eq!(sealed, "monitor/key:1-mieheg");
    assert_eq!(App::of(&server, Role::Viewer).call("GET", "secrets", Value::Null).await.0, StatusCode::FORBIDDEN);
    assert_eq!(admin.call("DELETE", "secrets/key", Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(admin.call("DELETE", "secrets/key", Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn channels_are_tested_and_say_how_they_do() {
    let (sink, server) = (Sink::new().await, Server::new().await);
    let app = App::of(&server, Role::Operator);
    let (_, none) = app.call("GET", "channels", Value::Null).await;
    assert!(none["reason"].as_str().unwrap().starts_with("nobody is told of anything"));
    server.put(kind::CHANNEL, "hook", json!({ "type": "webhook", "url": sink.url, "allow_private": true })).await;
    let (status, answer) = app.call("POST", "channels/hook/test", Value::Null).await;
    assert_eq!(
        (status, answer["ok"].as_bool(), answer["answer"].as_str()),
        (StatusCode::OK, Some(true), Some("200: so be it"))
    );
    assert_eq!(sink.take()[0].json()["title"], "Test of a notification channel");
    sink.says(401);
    let (_, answer) = app.call("POST", "channels/hook/test", Value::Null).await;
    assert_eq!(answer["ok"], false);
    let (_, list) = app.call("GET", "channels", Value::Null).await;
    assert_eq!(list["items"][0]["last_error"], "the receiver answered 401: so be it");
    assert!(list["items"][0]["last_ok_at"].is_string());
    assert_eq!(app.call("POST", "channels/none/test", Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        App::of(&server, Role::Viewer).call("POST", "channels/hook/test", Value::Null).await.0,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn dead_deliveries_are_shown_and_retried_by_hand_and_silences_have_an_author() {
    let (sink, mut server) = (Sink::new().await, Server::new().await);
    server.put(kind::CHANNEL, "hook", json!({ "type": "webhook", "url": sink.url, "allow_private": true })).await;
    sink.says(400);
    server.say(&notice("a", "cpu")).await;
    server.run(3).await;
    let app = App::of(&server, Role::Operator);
    let (_, dead) = app.call("GET", "deliveries?state=dead", Value::Null).await;
    assert_eq!((dead["total"].as_u64(), dead["items"][0]["title"].as_str()), (Some(1), Some("cpu on web-1")));
    assert_eq!(app.call("GET", "deliveries?state=lost", Value::Null).await.0, StatusCode::BAD_REQUEST);
    let id = dead["items"][0]["id"].as_i64().unwrap();
    sink.says(200);
    assert_eq!(app.call("POST", &format!("deliveries/{id}/retry"), Value::Null).await.0, StatusCode::NO_CONTENT);
    server.send().await;
    let app = App::of(&server, Role::Operator);
    assert_eq!(app.call("POST", &format!("deliveries/{id}/retry"), Value::Null).await.0, StatusCode::NOT_FOUND);
    let (_, sent) = app.call("GET", "deliveries?state=sent", Value::Null).await;
    assert!(sent["items"][0]["sent_at"].is_string(), "{sent}");
    server.put(kind::SILENCE, "old", json!({ "match": {}, "until": "2020-01-01T00:00:00Z", "reason": "r" })).await;
    server.put(kind::SILENCE, "quiet", json!({ "match": {}, "until": "2030-01-01T00:00:00Z", "reason": "r" })).await;
    let (_, silences) = app.call("GET", "silences", Value::Null).await;
    let first = &silences["items"][0];
    assert_eq!(
        (first["name"].as_str(), first["active"].as_bool(), first["author"].as_str()),
        (Some("quiet"), Some(true), Some("ada"))
    );
    assert_eq!(silences["items"][1]["active"], false);
}
