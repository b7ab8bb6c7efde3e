//! The endpoints, in process, on a database file.

use crate::stored::{NOON, Stored, at, host};
use axum::body::Body;
use axum::{Extension, Router};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use palisade_core::{Clock, Event, Timestamp};
use palisade_guard::api::{Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{GuardError, ServerContext};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::sync::Arc;
use tower::ServiceExt;

pub struct At(pub i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        at(self.0)
    }
}

pub struct NoJournal;

impl RecordEvent for NoJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

struct App {
    router: Router,
    context: ServerContext,
    stored: Stored,
}

impl App {
    async fn at(now_s: i64) -> App {
        let stored = Stored::new().await;
        let context = ServerContext::new(stored.db.clone(), Arc::new(At(now_s)), Arc::new(NoJournal), Vec::new());
        let caller = Caller { name: "v".to_owned(), role: Role::Viewer, address: None };
        let (router, _) = palisade_monitor::api::router(palisade_monitor::Monitor::default()).split_for_parts();
        let router = router.layer(Extension(caller)).with_state(context.clone());
        App { router, context, stored }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn call(&self, request: Request<Body>) -> (StatusCode, Value) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn nothing_is_answered_without_sign_in() {
    let app = App::at(NOON).await;
    let (router, _) = palisade_monitor::api::router(palisade_monitor::Monitor::default()).split_for_parts();
    let router: Router = router.with_state(app.context.clone());
    let get = ["metrics", "series?host=a&name=load1", "latest?host=a", "processes?host=a"];
    let requests = get.map(|path| Request::get(format!("/api/v1/monitor/{path}")).body(Body::empty()).unwrap());
    let live = Request::post("/api/v1/monitor/live")
        .header("content-type", "application/json")
        .body(Body::from("{\"host\":\"a\"}"))
        .unwrap();
    for request in requests.into_iter().chain([live]) {
        let path = request.uri().clone();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_catalogue_lists_every_metric_once_with_unit_and_help() {
    let (status, answer) = App::at(NOON).await.get("/api/v1/monitor/metrics").await;
    let names: std::collections::BTreeSet<_> =
        answer["items"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!((status, answer["total"].as_u64()), (StatusCode::OK, Some(names.len() as u64)));
    let asked_by_console = "cpu_usage_ratio cpu_mode_ratio load1 load5 load15 memory_used_ratio memory_available_bytes memory_total_bytes \
        swap_used_bytes disk_used_ratio disk_free_bytes disk_inodes_used_ratio disk_io_read_bytes_rate disk_io_write_bytes_rate \
        disk_io_utilization_ratio network_receive_bytes_rate network_transmit_bytes_rate network_receive_errors_rate tcp_connections \
        tcp_retransmit_ratio processes pressure_cpu_some_ratio pressure_memory_some_ratio pressure_io_some_ratio \
        pressure_memory_full_ratio pressure_io_full_ratio open_files open_files_limit oom_kills_total uptime_seconds agent_cpu_ratio \
        agent_memory_bytes";
    for name in asked_by_console.split_whitespace() {
        assert!(names.contains(name), "{name}");
    }
}

#[tokio::test]
async fn a_series_defaults_to_the_last_hour() {
    let app = App::at(NOON + 3_600).await;
    app.stored.minutes(NOON, 60).await;
    let (status, answer) = app.get("/api/v1/monitor/series?host=web-1&name=cpu_usage_ratio").await;
    assert_eq!((status, answer["tier"].as_str(), answer["step_s"].as_i64()), (StatusCode::OK, Some("raw"), Some(60)));
    assert_eq!(answer["series"][0]["points"].as_array().unwrap().len(), 60);
    assert_eq!(answer["series"][0]["points"][0], json!([NOON, 0.0]));
    let (_, same) = app
        .get("/api/v1/monitor/series?host=web-1&name=cpu_usage_ratio&from=2026-11-22T12:00:00Z&to=1795352400&step=1m")
        .await;
    assert_eq!(same, answer);
}

#[tokio::test]
async fn nonsense_is_refused_and_names_the_field() {
    let app = App::at(NOON).await;
    for (query, field) in [
        ("host=-x&name=load1", "`host`"),
        ("host=a&name=load1&from=yesterday", "`from`"),
        ("host=a&name=load1&to=99999999999999", "`to`"),
        ("host=a&name=load1&from=10&to=5", "`from`"),
        ("host=a&name=load1&step=0", "`step`"),
        ("host=a", "`name`"),
        ("host=a&name=load1&step=-5", "`step`"),
    ] {
        let (status, answer) = app.get(&format!("/api/v1/monitor/series?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer["message"].as_str().unwrap().contains(field), "{answer}");
    }
}

#[tokio::test]
async fn the_newest_frame_and_its_processes_are_shown() {
    let app = App::at(NOON + 120).await;
    let (_, none) = app.get("/api/v1/monitor/latest?host=web-1").await;
    assert!(none["reason"].as_str().unwrap().starts_with("no metrics of web-1 have arrived yet"));
    app.stored.minutes(NOON, 2).await;
    let (_, latest) = app.get("/api/v1/monitor/latest?host=web-1").await;
    assert_eq!(latest["observed_at"], "2026-11-22T12:01:17Z");
    assert_eq!(
        latest["items"][2],
        json!({ "name": "disk_used_ratio", "unit": "ratio", "labels": { "mount": "/srv" }, "value": 0.25 })
    );
    assert_eq!(latest["missing"], json!(["pressure/cpu: absent"]));
    let (_, processes) = app.get("/api/v1/monitor/processes?host=web-1").await;
    assert_eq!((&processes["by_cpu"], &processes["by_memory"]), (&json!([7]), &json!([7, 1])));
    let pids: Vec<_> = processes["items"].as_array().unwrap().iter().map(|p| p["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids, [7, 1]);
    assert_eq!(processes["by_io"], json!([]));
}

#[tokio::test]
async fn the_processes_of_a_minute_of_the_past_are_shown_or_why_not() {
    let app = App::at(NOON + 7_200).await;
    app.stored.minutes(NOON, 2).await;
    let (_, then) = app.get("/api/v1/monitor/processes?host=web-1&at=2026-11-22T12:00:59Z").await;
    assert_eq!((&then["observed_at"], &then["by_cpu"]), (&json!("2026-11-22T12:00:17Z"), &json!([7])));
    assert_eq!(then["items"][1]["cmdline"], "/sbin/init");
    let (status, none) = app.get(&format!("/api/v1/monitor/processes?host=web-1&at={}", NOON + 3_600)).await;
    assert_eq!((status, none["total"].as_u64()), (StatusCode::OK, Some(0)));
    assert!(none["reason"].as_str().unwrap().contains("of the five minutes before 2026-11-22T13:00:00Z"), "{none}");
    let (status, answer) = app.get("/api/v1/monitor/processes?host=web-1&at=noon").await;
    assert!(status == StatusCode::BAD_REQUEST && answer["message"].as_str().unwrap().contains("`at`"));
}

#[tokio::test]
async fn a_metric_is_listed_with_what_cloud_services_call_it() {
    let app = App::at(NOON).await;
    let (_, metrics) = app.get("/api/v1/monitor/metrics").await;
    let found = |name: &str| metrics["items"].as_array().unwrap().iter().find(|m| m["name"] == name).cloned().unwrap();
    assert_eq!(found("network_receive_bytes_rate")["aliases"], json!([{ "name": "net_bitRecv", "unit": "bit/s" }]));
    let modes = found("cpu_mode_ratio");
    assert_eq!(modes["aliases"][0], json!({ "name": "cpu_usage_idle", "label": "idle", "unit": "%" }));
    assert_eq!((&modes["label"], &modes["group"]), (&json!("mode"), &json!("cpu")));
    assert_eq!(found("container_cpu_ratio")["aliases"], json!([]));
}

#[tokio::test]
async fn a_live_view_lasts_15_seconds_and_only_for_hosts_that_exist() {
    let app = App::at(NOON).await;
    let ask = || {
        Request::post("/api/v1/monitor/live")
            .header("content-type", "application/json")
            .body(Body::from("{\"host\":\"web-1\"}"))
            .unwrap()
    };
    assert_eq!(app.call(ask()).await.0, StatusCode::NOT_FOUND);
    app.stored.minutes(NOON - 60, 1).await;
    let (status, answer) = app.call(ask()).await;
    assert_eq!((status, answer["until"].as_str()), (StatusCode::OK, Some("2026-11-22T12:00:15Z")));
    assert_eq!(app.context.looked_at_until(&host()), Some(at(NOON + 15)));
}
