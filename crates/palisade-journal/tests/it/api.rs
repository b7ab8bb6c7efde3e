//! The API, in process on a real database file.

use crate::server::{context, event, put};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_core::{Event, Severity};
use palisade_guard::api::{Caller, Role};
use palisade_guard::{Serve, ServerContext};
use palisade_journal::Journal;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn text(ctx: &ServerContext, path: &str) -> (StatusCode, String) {
    let (router, _) = Journal.api().split_for_parts();
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(Caller { name: "t".to_owned(), role: Role::Viewer, address: None });
    let response = router.with_state(ctx.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(ctx: &ServerContext, path: &str) -> (StatusCode, Value) {
    let (status, text) = text(ctx, path).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn messages(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_come_newest_first_in_pages_that_join() {
    let (_dir, ctx) = context().await;
    let events: Vec<Event> = (0..5).map(|n| event(n, "a.b.c", &n.to_string())).collect();
    put(&ctx, &events).await;
    let (_, first) = get(&ctx, "/api/v1/journal/events?limit=3").await;
    assert_eq!((messages(&first), first["total"].clone()), (vec!["4", "3", "2"], json!(5)));
    let next = first["next_cursor"].as_str().unwrap();
    let (_, second) = get(&ctx, &format!("/api/v1/journal/events?limit=3&cursor={next}")).await;
    assert_eq!((messages(&second), second["total"].clone()), (vec!["1", "0"], json!(5)));
    assert!(second["next_cursor"].is_null());
    assert_eq!(first["items"][0]["actor"]["name"], "anna");
    assert!(first["items"][0]["id"].as_i64() > first["items"][1]["id"].as_i64());
}

#[tokio::test]
async fn the_audit_log_has_changes_only() {
    let (_dir, ctx) = context().await;
    let mut change = event(0, "frame.token.add", "made a token");
    change.audit = true;
    put(&ctx, &[change, event(1, "intrusion.incident.open", "opened")]).await;
    assert_eq!(messages(&get(&ctx, "/api/v1/audit").await.1), ["made a token"]);
    assert_eq!(messages(&get(&ctx, "/api/v1/journal/events").await.1), ["opened", "made a token"]);
}

#[tokio::test]
async fn every_filter_is_read_and_nonsense_names_its_field() {
    let (_dir, ctx) = context().await;
    let mut high = event(0, "firewall.ban.add", "banned");
    high.severity = Severity::High;
    high.actor.name = "token ci".to_owned();
    put(&ctx, &[high, event(60, "access.key.add", "key")]).await;
    for (query, found) in [
        ("actor=token%20ci", "banned"),
        ("actor=anna", "key"),
        ("q=bann", "banned"),
        ("kind=firewall", "banned"),
        ("kind=firewall.*", "banned"),
        ("severity=high,critical", "banned"),
        ("to=2026-11-22T12:00:30Z", "banned"),
        ("from=2026-11-22T12:00:30Z", "key"),
        ("q=key&host=web-1", "key"),
    ] {
        assert_eq!(messages(&get(&ctx, &format!("/api/v1/journal/events?{query}")).await.1), [found], "{query}");
    }
    for (query, field) in [
        ("from=yesterday", "`from`"),
        ("to=1", "`to`"),
        ("severity=bad", "`bad`"),
        ("cursor=x", "`cursor`"),
        ("host=%1b", "host name"),
    ] {
        let (status, body) = get(&ctx, &format!("/api/v1/journal/events?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(body["message"].as_str().unwrap().contains(field), "{query}: {body}");
    }
    assert_eq!(get(&ctx, "/api/v1/journal/events?limit=x").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_empty_list_says_why() {
    let (_dir, ctx) = context().await;
    let (_, page) = get(&ctx, "/api/v1/journal/events?q=%21%21").await;
    assert_eq!(
        (page["total"].clone(), page["reason"].clone()),
        (json!(0), json!("no event fits; events are kept for 180 days"))
    );
}

#[tokio::test]
async fn an_export_has_a_line_per_event_and_says_where_it_was_cut() {
    let (_dir, ctx) = context().await;
    let events: Vec<Event> = (0..2_500).map(|n| event(n, "a.b.c", "line\nbreak")).collect();
    put(&ctx, &events).await;
    let (_, all) = text(&ctx, "/api/v1/journal/export").await;
    assert_eq!(all.lines().count(), 2_500);
    assert!(all.lines().all(|l| serde_json::from_str::<Value>(l).is_ok_and(|e| e["message"] == "line\nbreak")));
    let (_, some) = text(&ctx, "/api/v1/journal/export?limit=1500").await;
    let last: Value = serde_json::from_str(some.lines().last().unwrap()).unwrap();
    let next = last["next_cursor"].as_str().unwrap();
    let (_, rest) = text(&ctx, &format!("/api/v1/journal/export?cursor={next}")).await;
    assert_eq!((some.lines().count(), rest.lines().count()), (1_501, 1_000));
    assert_eq!(text(&ctx, "/api/v1/journal/export?q=none").await.1, "");
}

#[tokio::test]
async fn nobody_reads_without_sign_in() {
    let (_dir, ctx) = context().await;
    for path in ["/api/v1/journal/events", "/api/v1/audit", "/api/v1/journal/export"] {
        let (router, _) = Journal.api().split_for_parts();
        let response =
            router.with_state(ctx.clone()).oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}
