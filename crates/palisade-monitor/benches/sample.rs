//! What a sample costs in CPU time, beside prometheus-node-exporter and prometheus-process-exporter in
//! the same run.
//!
//! `cargo bench -p palisade-monitor`. CPU time of the whole process, helper threads included, so
//! that other work on the machine disturbs little. Starts and ends its own `sleep` processes.

use palisade_core::Timestamp;
use palisade_guard::{Host, WatchContext};
use palisade_monitor::difference;
use palisade_monitor::watch::Sampling;
use palisade_monitor::watch::pace::Clocks;
use palisade_sys::Root;
use palisade_sys::process_files::ProcessFiles;
use palisade_sys::sample::{Sample, Sampler, agent_use, boot_time_ns, statvfs, thread_cpu_ns};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EXPORTER: &str = "prometheus-node-exporter";
const PROCESS_EXPORTER: &str = "prometheus-process-exporter";
/// Groups processes by name, as its documentation does.
const PROCESS_EXPORTER_CONFIG: &str = "process_names:\n  - name: \"{{.Comm}}\"\n    cmdline:\n    - '.+'\n";
const SYSTEM_SAMPLES: u32 = 2_000;
const PROCESS_SAMPLES: u32 = 200;
const CONTAINERS: usize = 64;
const CONTAINER_SAMPLES: u32 = 200;
const FRAMES: u32 = 500;
const SCRAPES: u32 = 100;
/// Of process-exporter, which takes half a second for 2,000 processes.
const PROCESS_SCRAPES: u32 = 10;
const READY_LIMIT: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(10);

const SYSTEM: &str = "palisade: system";
const EVERY: &str = "palisade: system and every process";

struct Row {
    what: &'static str,
    processes: usize,
    per_sample: Duration,
}

fn main() {
    let mut rows = Vec::new();
    let mut skipped = Vec::new();
    for children in [200, 2_000] {
        let sleepers = Sleepers::start(children);
        let (system, both, processes) = palisade();
        rows.push(Row { what: SYSTEM, processes, per_sample: system });
        rows.push(Row { what: EVERY, processes, per_sample: both });
        for (what, options) in [
            ("node_exporter: system", &[][..]),
            ("node_exporter: system, process states", &["--collector.processes"][..]),
        ] {
            match exporter(EXPORTER, options, SCRAPES) {
                Ok(per_sample) => rows.push(Row { what, processes, per_sample }),
                Err(why) => skipped.push(format!("skipped: {what}: {why}")),
            }
        }
        let what = "process_exporter: every process by name";
        match process_exporter() {
            Ok(per_sample) => rows.push(Row { what, processes, per_sample }),
            Err(why) => skipped.push(format!("skipped: {what}: {why}")),
        }
        sampler_loop(processes);
        drop(sleepers);
    }
    print(&rows);
    figures(&rows);
    println!("resident with one sample of the last run: {:.1} MB (this bench as a whole)", resident_mb());
    skipped.iter().for_each(|line| println!("{line}"));
}

/// Lines that `cargo xtask bench` puts into its table.
fn figures(rows: &[Row]) {
    let us = |what: &str, row: &Row| rows.iter().find(|r| r.what == what && r.processes == row.processes).map(us_of);
    for row in rows.iter().filter(|row| row.what == EVERY) {
        let Some(system) = us(SYSTEM, row) else { continue };
        let each = (us_of(row) - system) / row.processes as f64;
        println!("bench: system sample, CPU, {} processes = {system:.0} µs (goal ≤ 150 µs)", row.processes);
        println!("bench: every process, CPU each of {} = {each:.1} µs (goal ≤ 8 µs)", row.processes);
        if row.processes > 1_000 {
            let share = (system + each * 20_000.0) / 60e6 * 100.0;
            println!("bench: 20,000 processes at 60 s, worked out from that = {share:.2} % of a core (goal < 1 %)");
        }
    }
    let (frame, series) = frame();
    println!("bench: a frame of {series} series and three lists out of two samples, CPU = {:.0} µs", us_of_time(frame));
    println!("bench: {CONTAINERS} containers, CPU a sample (a tree of files) = {:.0} µs", us_of_time(containers()));
}

fn us_of(row: &Row) -> f64 {
    us_of_time(row.per_sample)
}

fn us_of_time(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// CPU time of making a frame, with the details of the processes that stand out, and its series.
fn frame() -> (Duration, usize) {
    let mut sampler = Sampler::live().expect("/proc is there");
    let (mut before, mut after) = (Sample::default(), Sample::default());
    for sample in [&mut before, &mut after] {
        sampler.take_system(sample);
        sampler.take_processes(sample);
        std::thread::sleep(Duration::from_secs(1));
    }
    let mut series = 0;
    let begun = process_cpu_time();
    for _ in 0..FRAMES {
        series = difference::frame(&before, &after, &mut |process| sampler.detail(process)).metrics.len();
    }
    ((process_cpu_time() - begun) / FRAMES, series)
}

/// What containers add to a sample: of a tree of files with the names of version 2, less the same
/// without containers.
fn containers() -> Duration {
    let dir = tempfile::tempdir().expect("a directory for temporary files");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is in the directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("proc/uptime", "1.00 1.00\n");
    write("sys/fs/cgroup/cgroup.stat", "nr_descendants 64\n");
    write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
    let without = sample_of(dir.path());
    for n in 0..CONTAINERS {
        let at = |file: &str| format!("sys/fs/cgroup/system.slice/docker-{n:02x}{:062}.scope/{file}", 0);
        write(&at("cpu.stat"), "usage_usec 1\nuser_usec 1\nsystem_usec 0\nthrottled_usec 0\n");
        write(&at("memory.stat"), &"inactive_file 1\n".repeat(40));
        write(&at("memory.events"), "low 0\noom_kill 0\n");
        write(&at("io.stat"), "254:0 rbytes=1 wbytes=1 rios=1 wios=1\n");
        ["memory.current", "memory.max", "pids.current"].iter().for_each(|file| write(&at(file), "1\n"));
    }
    sample_of(dir.path()).saturating_sub(without)
}

fn sample_of(root: &std::path::Path) -> Duration {
    let mut sampler = Sampler::at(root, statvfs).expect("the tree is there");
    let mut sample = Sample::default();
    sampler.take_system(&mut sample);
    let begun = process_cpu_time();
    for _ in 0..CONTAINER_SAMPLES {
        sampler.take_system(&mut sample);
    }
    (process_cpu_time() - begun) / CONTAINER_SAMPLES
}

fn process_exporter() -> Result<Duration, String> {
    let config = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    std::fs::write(config.path(), PROCESS_EXPORTER_CONFIG).map_err(|e| e.to_string())?;
    let path = config.path().display();
    exporter(PROCESS_EXPORTER, &[&format!("--config.path={path}")], PROCESS_SCRAPES)
}

fn resident_mb() -> f64 {
    let mut sample = Sample::default();
    Sampler::live().expect("/proc is there").take_system(&mut sample);
    sample.agent.rss_bytes as f64 / 1e6
}

fn print(rows: &[Row]) {
    println!(
        "{:<40} {:>10} {:>14} {:>14} {:>22}",
        "collector", "processes", "CPU / sample", "CPU / process", "node_exporter / this"
    );
    for row in rows {
        let of = |what: &str| {
            rows.iter()
                .find(|r| r.what == what && r.processes == row.processes)
                .map(|r| r.per_sample.as_secs_f64() * 1e6)
        };
        let us = row.per_sample.as_secs_f64() * 1e6;
        let beside = if row.what.ends_with("system") {
            of("node_exporter: system")
        } else {
            of("node_exporter: system, process states")
        };
        let ratio = beside.map_or_else(|| "–".to_owned(), |other| format!("{:.1}", other / us));
        let system = of(SYSTEM).filter(|_| row.what.ends_with("every process"));
        let each =
            system.map_or_else(|| "–".to_owned(), |system| format!("{:.2} µs", (us - system) / row.processes as f64));
        println!("{:<40} {:>10} {:>11.0} µs {each:>14} {ratio:>22}", row.what, row.processes, us);
    }
}

/// Clocks that run as fast as the loop does its work; CPU time is the real one.
struct Ahead(Cell<u64>);

impl Clocks for Ahead {
    fn wall(&self) -> Timestamp {
        Timestamp::from_nanosecond(1_795_348_800_000_000_000 + i128::from(self.0.get())).unwrap_or_default()
    }

    fn boot_ns(&self) -> u64 {
        self.0.get()
    }

    fn thread_cpu_ns(&self) -> u64 {
        thread_cpu_ns()
    }

    fn process_cpu_us(&self) -> u64 {
        agent_use().cpu_us
    }
}

/// What the whole loop costs, with frames each minute and the ring: sixteen minutes of it at once.
fn sampler_loop(processes: usize) {
    const MINUTES: u64 = 16;
    let clocks = Ahead(Cell::new(boot_time_ns()));
    let before_mb = resident_mb();
    let host = Host { id: "bench".parse().expect("a name"), root: Root::live() };
    let files = ProcessFiles::at(std::path::Path::new("/")).expect("/proc is there");
    let mut round = Sampling::default().round(Sampler::live().expect("/proc is there"), files, &clocks, &host);
    let context = WatchContext::new(|_, _| {}, || false, std::sync::Arc::default());
    let end_ns = clocks.0.get() + MINUTES * 60_000_000_000;
    let begun_ns = thread_cpu_ns();
    while clocks.0.get() < end_ns {
        let wait = round.turn(&context);
        clocks.0.set(clocks.0.get() + wait.as_nanos() as u64);
    }
    let share = (thread_cpu_ns() - begun_ns) as f64 / (MINUTES as f64 * 60e9) * 100.0;
    println!(
        "loop with ring, {processes} processes: {share:.3} % of a core, holds {:.2} MB, resident {before_mb:.1} → {:.1} MB, step `{}`",
        round.bytes() as f64 / 1e6,
        resident_mb(),
        round.level().as_str(),
    );
}

/// CPU time of a system sample and of one with all processes, and how many these were.
fn palisade() -> (Duration, Duration, usize) {
    let mut sampler = Sampler::live().expect("/proc is there");
    let mut sample = Sample::default();
    sampler.take_system(&mut sample);
    sampler.take_processes(&mut sample);
    let begun = process_cpu_time();
    for _ in 0..SYSTEM_SAMPLES {
        sampler.take_system(&mut sample);
    }
    let system = (process_cpu_time() - begun) / SYSTEM_SAMPLES;
    let begun = process_cpu_time();
    for _ in 0..PROCESS_SAMPLES {
        sampler.take_system(&mut sample);
        sampler.take_processes(&mut sample);
    }
    let both = (process_cpu_time() - begun) / PROCESS_SAMPLES;
    (system, both, sample.processes.len())
}

fn process_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills a timespec that we own.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time that an exporter uses for one scrape.
fn exporter(program: &str, options: &[&str], scrapes: u32) -> Result<Duration, String> {
    // nothing listens there now; if something else takes the port meanwhile, the exporter ends
    let port =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
    let child = Command::new(program)
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program}: {e}"))?;
    let child = Ended(child);
    let until = Instant::now() + READY_LIMIT;
    while scrape(port).is_err() {
        if Instant::now() > until {
            return Err(format!("{program} did not answer"));
        }
        std::thread::sleep(TICK);
    }
    let begun = child.cpu_time()?;
    let mut bytes = 0;
    for _ in 0..scrapes {
        bytes += scrape(port).map_err(|e| e.to_string())?;
    }
    if bytes < 1_000 * scrapes as usize {
        return Err(format!("{program} answered with next to nothing"));
    }
    Ok((child.cpu_time()? - begun) / scrapes)
}

fn scrape(port: u16) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(READY_LIMIT))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)
}

/// A child that is ended, by its pid, when it goes out of scope.
struct Ended(Child);

impl Ended {
    fn cpu_time(&self) -> Result<Duration, String> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).map_err(|e| e.to_string())?;
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u32 = fields.skip(11).take(2).filter_map(|f| f.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Sleepers {
    _children: Vec<Ended>,
}

impl Sleepers {
    fn start(count: usize) -> Sleepers {
        let start = || Command::new("sleep").arg("900").spawn().map(Ended);
        Sleepers { _children: (0..count).map_while(|_| start().ok()).collect() }
    }
}
