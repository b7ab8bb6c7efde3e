//! The same queries over the same samples, of us and of Prometheus.

use crate::promql_samples::{FIRST, MINUTES, open_metrics, samples, store};
use crate::stored::{Stored, app};
use axum::Router;
use palisade_guard::cli::query;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const QUERIES: &str = include_str!("../promql/queries.txt");
/// Prometheus is up after less than this.
const UP_WITHIN: Duration = Duration::from_secs(30);
const ADDRESS: &str = "127.0.0.1:9090";

/// Prometheus on the samples; killed when dropped.
pub struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Prometheus {
    /// Starts it in this thread's namespace; `Err` is why the test has to be skipped.
    pub fn start(dir: &Path, config: &str, samples: &str) -> Result<Prometheus, String> {
        palisade_sandbox::enter_netns()?;
        let (data, text, file) = (dir.join("data"), dir.join("samples.txt"), dir.join("prometheus.yml"));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(&file, config).unwrap();
        let missing = |e: std::io::Error| format!("prometheus is not installed: {e}");
        if !samples.is_empty() {
            std::fs::write(&text, samples).unwrap();
            let blocks = ["tsdb", "create-blocks-from", "openmetrics", "--quiet"];
            let made = Command::new("promtool").args(blocks).arg(&text).arg(&data).output().map_err(missing)?;
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", data.display()));
        command.args([
            &format!("--web.listen-address={ADDRESS}"),
            "--storage.tsdb.retention.time=50y",
            "--log.level=error",
        ]);
        let child = command.stdout(Stdio::null()).spawn().map_err(missing)?;
        let prometheus = Prometheus(child);
        let begun = Instant::now();
        while prometheus.try_get("/-/ready").is_none_or(|answer| !answer.starts_with("HTTP/1.0 200")) {
            assert!(begun.elapsed() < UP_WITHIN, "prometheus did not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(prometheus)
    }

    fn try_get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(ADDRESS).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {ADDRESS}\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The body of an answer.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.try_get(path).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{path}: {e}: {answer}"))
    }
}

/// When to ask: an exact minute, between two, where hosts are away, at both ends, and after.
fn moments() -> Vec<Vec<(&'static str, String)>> {
    let instant = |s: i64| vec![("time", s.to_string())];
    let range = |from: i64, to: i64, step: &str| {
        vec![("start", (FIRST + from).to_string()), ("end", (FIRST + to).to_string()), ("step", step.to_owned())]
    };
    let end = MINUTES * 60;
    vec![
        instant(FIRST + 3_600),
        instant(FIRST + 7_223),
        instant(FIRST + 68 * 60),
        instant(FIRST + end + 59),
        range(0, end, "300"),
        range(5_401, 9_001, "37"),
        range(end - 1_800, end + 1_800, "60"),
    ]
}

#[test]
fn at_least_200_queries_are_worth_the_same_as_in_prometheus() {
    let dir = tempfile::tempdir().unwrap();
    let samples = samples();
    let prometheus = match Prometheus::start(dir.path(), "global: {}\n", &open_metrics(&samples)) {
        Ok(prometheus) => prometheus,
        Err(why) => return println!("skipped: {why}"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stored = runtime.block_on(Stored::new());
    runtime.block_on(store(&stored, &samples));
    let router = app(&stored, FIRST + MINUTES * 60 + 3_600);
    let queries: Vec<&str> = QUERIES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(queries.len() >= 200, "{} queries", queries.len());
    let (mut wrong, mut asked, mut empty, mut refused) = (Vec::new(), 0, 0, 0);
    for text in &queries {
        for when in moments() {
            let (ours, theirs) = both(&runtime, &router, &prometheus, text, &when);
            asked += 1;
            empty += usize::from(theirs["data"]["result"].as_array().is_some_and(Vec::is_empty));
            refused += usize::from(theirs["status"] == "error");
            if let Err(why) = same(&ours, &theirs, is_ordered(text) && when.len() == 1) {
                wrong.push(format!("{text} {when:?}: {why}\n  ours   {ours:.600}\n  theirs {theirs:.600}"));
            }
        }
    }
    println!(
        "{} queries at {} moments: {asked} comparisons, {empty} of them empty, {refused} refused",
        queries.len(),
        moments().len()
    );
    assert!(empty + refused < asked / 5, "too many say nothing");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.iter().take(25).cloned().collect::<Vec<_>>().join("\n")
    );
}

fn both(
    runtime: &tokio::runtime::Runtime,
    router: &Router,
    prometheus: &Prometheus,
    text: &str,
    when: &[(&str, String)],
) -> (Value, Value) {
    let verb = if when.len() == 1 { "query" } else { "query_range" };
    let params: Vec<(&str, Option<&str>)> =
        [("query", Some(text))].into_iter().chain(when.iter().map(|(n, v)| (*n, Some(v.as_str())))).collect();
    let path = query(&format!("/api/v1/{verb}"), &params);
    let ours = runtime.block_on(crate::stored::get(router, &format!("/api/v1/monitor/prometheus{path}"))).1;
    (ours, prometheus.get(&path))
}

fn is_ordered(text: &str) -> bool {
    text.starts_with("sort") || text.starts_with("topk(") || text.starts_with("bottomk(")
}

fn same(ours: &Value, theirs: &Value, is_ordered: bool) -> Result<(), String> {
    if ours["status"] != theirs["status"] {
        return Err("one is an error".to_owned());
    }
    if ours["status"] == "error" {
        return Ok(());
    }
    let kind = |answer: &Value| answer["data"]["resultType"].as_str().unwrap_or_default().to_owned();
    if kind(ours) != kind(theirs) {
        return Err("another type".to_owned());
    }
    if matches!(kind(ours).as_str(), "scalar" | "string") {
        return near(&ours["data"]["result"], &theirs["data"]["result"]);
    }
    let (ours, theirs) = (series(ours), series(theirs));
    // the order of equal values is nobody's promise
    let values = ours.iter().zip(&theirs).filter(|_| is_ordered);
    values.flat_map(|(a, b)| a.1.iter().zip(&b.1)).try_for_each(|(a, b)| near(a, b)).map_err(|_| "another order")?;
    let theirs: BTreeMap<_, _> = theirs.into_iter().collect();
    if ours.len() != theirs.len() {
        return Err(format!("{} series instead of {}", ours.len(), theirs.len()));
    }
    for (labels, points) in ours {
        let other = theirs.get(&labels).ok_or(format!("{labels} is not theirs"))?;
        if points.len() != other.len() {
            return Err(format!("{labels}: {} points instead of {}", points.len(), other.len()));
        }
        points.iter().zip(other).try_for_each(|(a, b)| near(a, b)).map_err(|why| format!("{labels}: {why}"))?;
    }
    Ok(())
}

/// Labels as text, and points.
fn series(answer: &Value) -> Vec<(String, Vec<Value>)> {
    let rows = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    let points = |row: &Value| match row["values"].as_array() {
        Some(points) => points.clone(),
        None => vec![row["value"].clone()],
    };
    rows.iter().map(|row| (row["metric"].to_string(), points(row))).collect()
}

fn near(a: &Value, b: &Value) -> Result<(), String> {
    let number = |v: &Value| v[1].as_str().and_then(|text| text.parse::<f64>().ok());
    let (Some(x), Some(y)) = (number(a), number(b)) else { return Err(format!("{a} or {b} is no sample")) };
    let is_near = (x.is_nan() && y.is_nan()) || x == y || (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1e-9);
    if is_near && a[0].as_f64() == b[0].as_f64() { Ok(()) } else { Err(format!("{a} instead of {b}")) }
}
