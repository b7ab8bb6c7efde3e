//! The API, in process on a real database file.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_core::{Event, SystemClock};
use palisade_guard::api::{Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::db::Database;
use palisade_guard::store::{self, HostFacts, LookReport};
use palisade_guard::{GuardError, Look, ServerContext};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::sync::Arc;
use tower::ServiceExt;

struct NoJournal;

impl RecordEvent for NoJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

async fn server() -> (tempfile::TempDir, ServerContext) {
    let dir = tempfile::tempdir().unwrap();
    let db = Database::open(&dir.path().join("db")).await.unwrap();
    db.migrate("frame", store::MIGRATIONS).await.unwrap();
    (dir, ServerContext::new(db, Arc::new(SystemClock), Arc::new(NoJournal), Vec::new()))
}

async fn put(ctx: &ServerContext, host: &str, pending: Value) {
    let (host, now) = (host.parse().unwrap(), ctx.now());
    let state = json!({ "os": { "id": "debian", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)" } });
    let Value::Object(sections) = json!({ "pending": pending, "state": state }) else { unreachable!() };
    let mut tx = ctx.begin().await.unwrap();
    store::host_seen(&mut tx, &host, Some(&HostFacts::default()), now).await.unwrap();
    let look = Look { sections, ..Look::default() };
    store::look_put(&mut tx, &host, &LookReport::new("upgrade", look, now, now)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn get(ctx: &ServerContext, path: &str) -> (StatusCode, Value) {
    let (router, _) = palisade_upgrade::guard().server.unwrap().api().split_for_parts();
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    request.extensions_mut().insert(Caller { name: "t".to_owned(), role: Role::Viewer, address: None });
    let response = router.with_state(ctx.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn update(name: &str, security: bool) -> Value {
    json!({ "name": name, "source": name, "installed": "1", "candidate": "2", "security": security, "archive": "bookworm" })
}

#[tokio::test]
async fn security_updates_of_all_hosts_come_first() {
    let (_dir, ctx) = server().await;
    put(&ctx, "web-1", json!([update("a", false), update("z", true)])).await;
    put(&ctx, "web-2", json!([update("z", true)])).await;
    let (status, page) = get(&ctx, "/api/v1/upgrade/pending").await;
    let said: Vec<String> =
        page["items"].as_array().unwrap().iter().map(|i| format!("{} {}", i["host"], i["name"])).collect();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(said, ["\"web-1\" \"z\"", "\"web-2\" \"z\"", "\"web-1\" \"a\""]);
    let (_, page) = get(&ctx, "/api/v1/upgrade/pending?host=web-1&security=false").await;
    assert_eq!((page["total"].clone(), page["items"][0]["name"].clone()), (json!(1), json!("a")));
}

#[tokio::test]
async fn the_status_counts_and_says_how_old_it_is() {
    let (_dir, ctx) = server().await;
    put(&ctx, "web-1", json!([update("a", false), update("z", true)])).await;
    let (_, page) = get(&ctx, "/api/v1/upgrade/status?host=web-1").await;
    let row = &page["items"][0];
    assert_eq!((row["pending"].clone(), row["security"].clone()), (json!(2), json!(1)));
    assert!(row["observed_at"].is_string() && row["os"]["id"] == "debian");
}

#[tokio::test]
async fn an_empty_list_says_why_and_an_unknown_host_is_not_found() {
    let (_dir, ctx) = server().await;
    let (status, page) = get(&ctx, "/api/v1/upgrade/pending").await;
    assert!(status == StatusCode::OK && page["reason"].is_string());
    assert_eq!(get(&ctx, "/api/v1/upgrade/status?host=nobody").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(&ctx, "/api/v1/upgrade/status?host=%1b").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(&ctx, "/api/v1/upgrade/pending?limit=x").await.0, StatusCode::BAD_REQUEST);
}
