//! The noun on the command line: what it asks the server for, and that it runs without one.

use palisade_guard::cli::{ApiClient, CliContext, Output};
use palisade_guard::contract::BoxFuture;
use palisade_monitor::cli::{command, run};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Answers nothing and remembers what was asked.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl ApiClient for Asked {
    fn call<'a>(
        &'a self,
        method: &'static str,
        path: &'a str,
        _: Option<Value>,
    ) -> BoxFuture<'a, anyhow::Result<Value>> {
        self.0.lock().unwrap().push(format!("{method} {path}"));
        Box::pin(async { Ok(json!({ "items": [], "series": [], "unit": "ratio", "reason": "none \u{1b}[31m" })) })
    }
}

async fn asked(words: &[&str]) -> Result<Vec<String>, String> {
    let client = Arc::new(Asked::default());
    let matches = command().try_get_matches_from(words).map_err(|e| e.to_string())?;
    let context = CliContext { client: client.clone(), output: Output::Table };
    run(matches, context).await.map_err(|e| format!("{e:#}"))?;
    let asked = client.0.lock().unwrap().clone();
    Ok(asked)
}

#[test]
fn the_command_is_sound() {
    command().debug_assert();
}

#[tokio::test]
async fn each_verb_asks_for_its_own() {
    assert_eq!(asked(&["monitor", "top", "web-1"]).await.unwrap(), ["GET /api/v1/monitor/processes?host=web-1"]);
    let series = asked(&["monitor", "series", "load1", "--host", "web-1", "--since", "7d"]).await.unwrap();
    assert!(series[0].starts_with("GET /api/v1/monitor/series?host=web-1&name=load1&from="), "{series:?}");
    assert!(series[0].ends_with("&step=10080"), "{series:?}");
}

#[tokio::test]
async fn a_query_is_of_one_moment_or_of_a_range() {
    let base = "GET /api/v1/monitor/prometheus/api/v1";
    let now = asked(&["monitor", "query", "rate(a{b=\"c\"}[5m])"]).await.unwrap();
    assert_eq!(now, [format!("{base}/query?query=rate%28a%7Bb%3D%22c%22%7D%5B5m%5D%29")]);
    let then = asked(&["monitor", "query", "1", "--at", "2026-11-22T12:00:00Z"]).await.unwrap();
    assert_eq!(then, [format!("{base}/query?query=1&time=2026-11-22T12%3A00%3A00Z")]);
    let range = asked(&["monitor", "query", "1", "--since", "1h", "--at", "1795348800"]).await.unwrap();
    assert_eq!(range, [format!("{base}/query_range?query=1&start=1795345200&end=1795348800&step=90")]);
    assert!(asked(&["monitor", "query", "1", "--step", "1m"]).await.is_err());
    assert!(asked(&["monitor", "query", "1", "--since", "1h", "--at", "noon"]).await.is_err());
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_asked() {
    for words in [
        &["monitor", "top", "-x/../y"][..],
        &["monitor", "top", "a&b=c"],
        &["monitor", "series", "a&b", "--host", "h"],
        &["monitor", "series", "load1"],
        &["monitor", "series", "load1", "--host", "h", "--since", "soon"],
    ] {
        assert!(asked(words).await.is_err(), "{words:?}");
    }
}

#[tokio::test]
async fn notifications_are_asked_for() {
    for (words, path) in [
        (&["monitor", "channel", "list"][..], "GET /api/v1/monitor/channels"),
        (&["monitor", "delivery", "list", "--state", "dead"], "GET /api/v1/monitor/deliveries?state=dead"),
        (&["monitor", "delivery", "retry", "7"], "POST /api/v1/monitor/deliveries/7/retry"),
        (&["monitor", "channel", "test", "ops"], "POST /api/v1/monitor/channels/ops/test"),
        (&["monitor", "secret", "list"], "GET /api/v1/monitor/secrets"),
        (&["monitor", "secret", "delete", "ops"], "DELETE /api/v1/monitor/secrets/ops"),
        (&["monitor", "silence", "list"], "GET /api/v1/monitor/silences"),
    ] {
        assert_eq!(asked(words).await.unwrap(), [path]);
    }
    for words in [
        &["monitor", "channel", "test", "a/b"][..],
        &["monitor", "delivery", "retry", "-1"],
        &["monitor", "secret", "set"],
    ] {
        assert!(asked(words).await.is_err(), "{words:?}");
    }
}

#[tokio::test]
async fn a_sample_needs_no_server() {
    assert!(asked(&["monitor", "sample"]).await.unwrap().is_empty());
}
