//! Prometheus and VictoriaMetrics with the same samples.

use super::data::{Frames, START_S};
use super::{DAY_S, DAYS, METRIC, ROUNDS, ms};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_LIMIT: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(20);
/// Samples of one request to VictoriaMetrics.
const TOGETHER: usize = 200_000;

/// Blocks made by promtool, read by a Prometheus.
pub fn prometheus(frames: &Frames) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(said)?;
    let (text, blocks, config) = (dir.path().join("text"), dir.path().join("blocks"), dir.path().join("config.yml"));
    std::fs::write(&text, lines(frames, 1.0).concat() + "# EOF\n").map_err(said)?;
    std::fs::write(&config, "global: {}\n").map_err(said)?;
    let before = children_cpu_s();
    let mut promtool = Command::new("promtool");
    promtool.args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=168h", "--quiet"]);
    let made = promtool.arg(&text).arg(&blocks).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !made.map_err(|e| format!("promtool: {e}"))?.success() {
        return Err("promtool makes no blocks".to_owned());
    }
    said_of("Prometheus (promtool, text, blocks of a week)", frames, children_cpu_s() - before, bytes(&blocks));
    let server = Server::start("prometheus", |port| {
        vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", blocks.display()),
            "--storage.tsdb.retention.time=100y".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ]
    })?;
    server.ready("/-/ready")?;
    server.chart("Prometheus")
}

/// The same by its import.
pub fn victoria(frames: &Frames) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(said)?;
    let server = Server::start("victoria-metrics", |port| {
        vec![
            format!("-storageDataPath={}", dir.path().display()),
            "-retentionPeriod=100y".to_owned(),
            format!("-httpListenAddr=127.0.0.1:{port}"),
        ]
    })?;
    server.ready("/health")?;
    let before = server.cpu_s()?;
    let lines = lines(frames, 1e3);
    for some in lines.chunks(TOGETHER) {
        server.ask("POST", "/api/v1/import/prometheus", &some.concat())?;
    }
    server.ask("GET", "/internal/force_flush", "")?;
    server.ask("GET", "/internal/force_merge", "")?;
    // merging goes on in the background: until nothing is used for a while
    let until = Instant::now() + READY_LIMIT;
    let mut used = server.cpu_s()?;
    loop {
        std::thread::sleep(TICK * 50);
        let now = server.cpu_s()?;
        if now - used < 0.03 || Instant::now() > until {
            break;
        }
        used = now;
    }
    said_of("VictoriaMetrics (import, text)", frames, server.cpu_s()? - before, bytes(dir.path()));
    server.chart("VictoriaMetrics")
}

fn said_of(peer: &str, frames: &Frames, cpu_s: f64, bytes: u64) {
    let samples = frames.samples() as f64;
    println!("bench: {peer}: a sample = {:.2} bytes", bytes as f64 / samples);
    println!("bench: {peer}: CPU of a sample = {:.2} µs", cpu_s * 1e6 / samples);
}

/// The text format, series by series; `unit` is 1 for times in seconds, 1,000 for milliseconds.
fn lines(frames: &Frames, unit: f64) -> Vec<String> {
    let mut series: BTreeMap<&str, Vec<(i64, f64)>> = BTreeMap::new();
    for frame in &frames.list {
        let at_s = frame.at.as_second().div_euclid(60) * 60;
        frame.metrics.iter().for_each(|(key, value)| series.entry(key).or_default().push((at_s, *value)));
    }
    let mut all = Vec::new();
    for (key, points) in series {
        for (at_s, value) in points {
            let mut line = String::new();
            // what is stored here has 24 bits, too
            let value = if value.fract() == 0.0 { value } else { f64::from(value as f32) };
            writeln!(line, "{key} {value} {}", at_s as f64 * unit).expect("writing to memory cannot fail");
            all.push(line);
        }
    }
    all
}

fn bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else { return std::fs::metadata(path).map_or(0, |m| m.len()) };
    entries.flatten().map(|entry| bytes(&entry.path())).sum()
}

/// A peer's server, ended by its pid when it goes out of scope.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &str, arguments: impl Fn(u16) -> Vec<String>) -> Result<Server, String> {
        if !palisade_sandbox::is_isolated() {
            palisade_sandbox::enter_netns()?;
            palisade_sandbox::ip(&["link", "set", "lo", "up"])?;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).map_err(said)?.port();
        let mut command = Command::new(program);
        command.args(arguments(port)).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
        Ok(Server { child, port })
    }

    fn ready(&self, path: &str) -> Result<(), String> {
        let until = Instant::now() + READY_LIMIT;
        while let Err(why) = self.ask("GET", path, "") {
            if Instant::now() > until {
                return Err(why);
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// 30 days of one series in steps of 25 minutes, as the console asks for them.
    fn chart(&self, peer: &str) -> Result<(), String> {
        let path = format!(
            "/api/v1/query_range?query=avg_over_time({METRIC}%5B25m%5D)&start={START_S}&end={}&step=1500&nocache=1",
            START_S + DAYS * DAY_S
        );
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let answer = self.ask("GET", &path, "")?;
            times.push(begun.elapsed());
            let values = answer.matches("],[").count();
            if values < 1_700 {
                return Err(format!("{peer} answers with {values} points"));
            }
        }
        times.sort_unstable();
        println!("bench: {peer}: 30 days of one series = {:.1} ms", ms(times[ROUNDS / 2]));
        Ok(())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String, String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(said)?;
        stream.set_read_timeout(Some(READY_LIMIT)).map_err(said)?;
        let head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(said)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(said)?;
        let is_good = answer.split_whitespace().nth(1).is_some_and(|status| status.starts_with('2'));
        if is_good { Ok(answer) } else { Err(answer.lines().next().unwrap_or("no answer").to_owned()) }
    }

    fn cpu_s(&self) -> Result<f64, String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).map_err(said)?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        Ok(fields.skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn children_cpu_s() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a structure that is ours
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let time = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    time(usage.ru_utime) + time(usage.ru_stime)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
