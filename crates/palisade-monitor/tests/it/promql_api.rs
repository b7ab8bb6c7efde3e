//! What Grafana and Prometheus ask, in process.

use crate::promql_prometheus::Prometheus;
use crate::promql_samples::{FIRST, MINUTES, samples, store};
use crate::stored::{Stored, app, call, get, text};
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use palisade_guard::cli::query;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

const BASE: &str = "/api/v1/monitor/prometheus/api/v1";
const NOW: i64 = FIRST + MINUTES * 60;

async fn filled(now_s: i64) -> (Stored, Router) {
    let stored = Stored::new().await;
    store(&stored, &samples()).await;
    let router = app(&stored, now_s);
    (stored, router)
}

async fn ask(router: &Router, text: &str) -> (StatusCode, Value) {
    get(router, &query(&format!("{BASE}/query"), &[("query", Some(text))])).await
}

#[tokio::test]
async fn nothing_is_answered_without_sign_in() {
    let stored = Stored::new().await;
    let clockless = app(&stored, NOW);
    let (router, _) = palisade_monitor::api::router(palisade_monitor::Monitor::default()).split_for_parts();
    let context = palisade_guard::ServerContext::new(
        stored.db.clone(),
        std::sync::Arc::new(palisade_core::SystemClock),
        std::sync::Arc::new(crate::stored::NoJournal),
        Vec::new(),
    );
    let anonymous: Router = router.with_state(context);
    for path in [
        "query?query=1",
        "query_range?query=1&start=0&end=1&step=1",
        "series?match[]=load1",
        "labels",
        "label/host/values",
        "metadata",
        "status/buildinfo",
    ] {
        assert_eq!(get(&anonymous, &format!("{BASE}/{path}")).await.0, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(get(&clockless, &format!("{BASE}/{path}")).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(get(&anonymous, "/metrics").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn grafana_finds_what_it_asks_of_a_data_source() {
    let (_stored, router) = filled(NOW).await;
    let (_, sum) = get(&router, &format!("{BASE}/query?query=1%2B1&time={NOW}.250")).await;
    assert_eq!(
        sum,
        json!({ "status": "success", "data": { "resultType": "scalar", "result": [NOW as f64 + 0.25, "2"] } })
    );
    let (_, build) = get(&router, &format!("{BASE}/status/buildinfo")).await;
    assert_eq!(build["data"]["version"], "2.42.0");
    let (_, labels) = get(&router, &format!("{BASE}/labels?start=1&end=2")).await;
    assert_eq!(labels["data"], json!(["__name__", "host", "mode", "mount", "region", "state", "tag_env", "tag_role"]));
    let (_, of_one) = get(&router, &format!("{BASE}/labels?match[]=load1%7Bhost%3D%22web-3%22%7D")).await;
    assert_eq!(of_one["data"], json!(["__name__", "host", "tag_env", "tag_role"]));
    let (_, hosts) = get(&router, &format!("{BASE}/label/host/values")).await;
    assert_eq!(hosts["data"], json!(["db-1", "web-1", "web-2", "web-3"]));
    let (_, roles) = get(&router, &format!("{BASE}/label/tag_role/values?match[]=load1%7Bregion%3D%22us%22%7D")).await;
    assert_eq!(roles["data"], json!(["web"]));
    let (_, names) = get(&router, &format!("{BASE}/label/__name__/values?limit=2")).await;
    assert_eq!(names["data"], json!(["cpu_count", "cpu_mode_ratio"]));
    let (_, metadata) = get(&router, &format!("{BASE}/metadata")).await;
    assert_eq!(metadata["data"]["oom_kills_total"][0]["type"], "counter");
    assert_eq!(metadata["data"]["load1"][0]["type"], "gauge");
}

#[tokio::test]
async fn series_are_listed_by_any_of_the_selectors() {
    let (_stored, router) = filled(NOW).await;
    let path = format!("{BASE}/series?match[]=load1%7Bhost%3D~%22web.*%22%7D&match[]=load1%7Bhost%3D%22web-1%22%7D");
    let (_, found) = get(&router, &path).await;
    assert_eq!(found["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        found["data"][0],
        json!({ "__name__": "load1", "host": "web-1", "region": "eu", "tag_env": "live", "tag_role": "web" })
    );
    for wrong in ["series", "series?match[]=1%2B1", "series?match[]=rate(load1[5m])"] {
        assert_eq!(get(&router, &format!("{BASE}/{wrong}")).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn a_query_may_come_as_a_form() {
    let (_stored, router) = filled(NOW).await;
    let form =
        format!("query=sum+by+(host)+(cpu_mode_ratio%7Bmode%3D%22user%22%7D)&start={}&end={NOW}&step=60", NOW - 600);
    let request = |body: String| {
        Request::post(format!("{BASE}/query_range"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap()
    };
    let (status, answer) = call(&router, request(form)).await;
    assert_eq!((status, answer["data"]["resultType"].as_str()), (StatusCode::OK, Some("matrix")));
    assert_eq!(answer["data"]["result"][0]["metric"], json!({ "host": "db-1" }));
    let careless = format!("query=load1{{host=\"web-1\"}} >= 0 # é&start={}&end={NOW}&step=60", NOW - 600);
    assert_eq!(call(&router, request(careless)).await.1["data"]["result"][0]["metric"]["host"], "web-1");
    assert_eq!(call(&router, request("\u{7f}".repeat(100_000))).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_names_of_hosts_that_are_not_ours_and_metrics_that_do_not_exist_find_nothing() {
    let (_stored, router) = filled(NOW).await;
    assert_eq!(ask(&router, "load1{host=\"web-9\"}").await.1["data"]["result"], json!([]));
    let (_, answer) = ask(&router, "cpu_usage_ration").await;
    assert_eq!(answer["data"]["result"], json!([]));
    assert!(answer["warnings"][0].as_str().unwrap().contains("did you mean cpu_usage_ratio"), "{answer}");
}

#[tokio::test]
async fn what_is_wrong_or_not_supported_says_so_and_where() {
    let (_stored, router) = filled(NOW).await;
    for (text, kind, part) in [
        ("", "bad_data", "`query` is missing"),
        ("sum(load1", "bad_data", "(at character 4)"),
        ("load1)", "bad_data", "character 6"),
        ("sum by (host (load1)", "bad_data", "character 8"),
        ("load1 + nosuch(load1)", "bad_data", "unknown function with name 'nosuch' (at character 9)"),
        (
            "1 + histogram_quantile(0.9, load1)",
            "bad_data",
            "`histogram_quantile` is not supported here; docs/promql.md lists what is (at character 5)",
        ),
        ("limitk(2, load1)", "bad_data", "not supported here"),
        ("load1{a=\"1\" or b=\"2\"}", "bad_data", "`or` between matchers"),
        ("load1[5m]:", "bad_data", ""),
        ("{host=~\".*\"}", "bad_data", ""),
        ("load1{host=~\"(\"}", "bad_data", "illegal regex"),
        ("load1 + on(host) cpu_mode_ratio", "execution", "many-to-many matching not allowed"),
        ("label_replace(load1, \"x\", \"$1\", \"host\", \"(\")", "execution", "invalid regular expression"),
        ("sum_over_time(vector(1)[100d:1s])", "execution", "samples"),
    ] {
        let (status, answer) = ask(&router, text).await;
        assert!(status.is_client_error(), "{text}: {status}");
        assert_eq!(
            (answer["status"].as_str(), answer["errorType"].as_str()),
            (Some("error"), Some(kind)),
            "{text}: {answer}"
        );
        assert!(answer["error"].as_str().unwrap().contains(part), "{text}: {answer}");
    }
}

#[tokio::test]
async fn each_limit_says_what_was_exceeded() {
    let (_stored, router) = filled(NOW).await;
    let long = format!("load1 + {}", "1 + ".repeat(3_000));
    let deep = format!("{}load1{}", "(".repeat(100), ")".repeat(100));
    let regexes = ["load1{host=~\"a\"}"; 11].join(" or ");
    let regex = format!("load1{{host=~\"{}\"}}", "a".repeat(1_001));
    let (nested, minus) =
        (format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000)), format!("{}load1", "-".repeat(8_000)));
    let sum = format!("load1{}", " + 1".repeat(2_000));
    for (text, part) in [
        (&long, "8192 bytes"),
        (&deep, "64 deep"),
        (&nested, "64 deep"),
        (&minus, "64 deep"),
        (&sum, "64 deep"),
        (&regexes, "10 regular"),
        (&regex, "1000 bytes"),
    ] {
        let (status, answer) = ask(&router, text).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
    let range = |start: i64, end: i64, step: &str| {
        format!("{BASE}/query_range?query=load1&start={start}&end={end}&step={step}")
    };
    for (path, part) in [
        (range(0, 11_000, "1"), "11000 points"),
        (range(10, 5, "1"), "`end`"),
        (range(0, 5, "0"), "`step`"),
        (range(0, 5, "-1"), "`step`"),
        (range(0, 5, "NaN"), "`step`"),
        (range(-5, 5, "1"), "`start`"),
    ] {
        let (status, answer) = get(&router, &path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
    assert_eq!(get(&router, &range(1, 11_000, "1")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn beyond_the_raw_samples_averages_are_read_and_the_answer_says_so() {
    let stored = Stored::new().await;
    store(&stored, &samples()).await;
    let later = NOW + 20 * 86_400;
    for minute in 0..40 {
        stored.tend(NOW + 7_200 + minute * 60).await;
    }
    let router = app(&stored, later);
    let path =
        format!("{BASE}/query_range?query=load1%7Bhost%3D%22web-1%22%7D&start={FIRST}&end={}&step=300", FIRST + 3_600);
    let (_, answer) = get(&router, &path).await;
    assert_eq!(answer["data"]["result"][0]["values"].as_array().map(Vec::len), Some(13));
    let first: f64 = answer["data"]["result"][0]["values"][0][1].as_str().unwrap().parse().unwrap();
    let of_five: Vec<f64> =
        samples().iter().filter(|s| s.host == 1 && s.minute < 5 && s.key.name == "load1").map(|s| s.value).collect();
    assert!((first - of_five.iter().sum::<f64>() / 5.0).abs() < 1e-6, "{first} {of_five:?}");
    assert_eq!(answer["warnings"][0], "`load1{host=\"web-1\"}` was read from averages of 5 minutes");
    let path = format!("{BASE}/query?query=rate(oom_kills_total%5B1h%5D)&time={}", FIRST + 7_200);
    let (_, answer) = get(&router, &path).await;
    assert!(answer["warnings"][0].as_str().unwrap().contains("approximate"), "{answer}");
    assert_eq!(answer["data"]["result"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn the_newest_values_are_exposed_while_they_are_fresh() {
    let (_stored, router) = filled(NOW).await;
    let (status, kind, page) = text(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(page.contains("# TYPE oom_kills_total counter\noom_kills_total{host=\"db-1\"} "), "{page}");
    assert!(page.contains("disk_used_ratio{host=\"web-1\",mount=\"/a \\\"b\\\" \\\\c\"} "), "{page}");
    assert!(page.contains("palisade_host_up{host=\"web-2\"} 1\npalisade_host_up{host=\"web-3\"} 0\n"), "{page}");
    assert!(!page.contains("load1{host=\"web-3\"}"), "a silent host is left out");
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else { return println!("skipped: promtool is not installed") };
    tool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = tool.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(!said.contains("error while linting"), "{said}");
    println!("promtool: {said}");
}

#[test]
fn prometheus_scrapes_what_is_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let config = "global: { scrape_interval: 1s }\nscrape_configs: [{ job_name: palisade, honor_labels: true, static_configs: [{ targets: ['127.0.0.1:8000'] }] }]\n";
    let prometheus = match Prometheus::start(dir.path(), config, "") {
        Ok(prometheus) => prometheus,
        Err(why) => return println!("skipped: {why}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_stored, router) = runtime.block_on(filled(NOW));
    let found = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await.unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let begun = std::time::Instant::now();
        loop {
            let found = prometheus.get("/api/v1/query?query=disk_used_ratio");
            let done = found["data"]["result"].as_array().is_some_and(|result| !result.is_empty());
            if done || begun.elapsed() > std::time::Duration::from_secs(20) {
                serving.abort();
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let mounts: std::collections::BTreeSet<&str> =
        found["data"]["result"].as_array().unwrap().iter().filter_map(|row| row["metric"]["mount"].as_str()).collect();
    assert!(mounts.contains("/a \"b\" \\c"), "{found}");
}
