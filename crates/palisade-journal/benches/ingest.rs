//! What storing an event costs in CPU time: one by one as the server's own events, and as hosts
//! send them, twelve at a time, with one host or twenty in a transaction.
//!
//! `cargo bench -p palisade-journal`. CPU time of the whole process, SQLite's threads included; the
//! file lies in the directory for temporary files and every commit is on disk when it returns.

use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::db::Database;
use palisade_guard::{Record, Serve};
use palisade_journal::{Journal, store};
use std::time::Instant;

const EVENTS: usize = 120_000;
const EVENTS_OF_A_REPORT: usize = 12;
const HOSTS: usize = 2_000;
/// The load that the goal speaks of.
const EVENTS_PER_S: f64 = 5_000.0;
const USERS: [&str; 6] = ["root", "admin", "oracle", "git", "postgres", "pi"];
type Failure = Box<dyn std::error::Error>;

/// How events get into the database.
#[derive(Clone, Copy)]
enum Way {
    OneByOne,
    AsReported,
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (way, reports, what, goal) in [
        (Way::OneByOne, 20, "one by one, 240 in a transaction", ""),
        (Way::AsReported, 1, "reported, 12 in a transaction", " (goal ≤ 30 %)"),
        (Way::AsReported, 20, "reported, 240 of 20 hosts in a transaction", " (goal ≤ 30 %)"),
    ] {
        let (cpu_us, bytes) = runtime.block_on(measure(way, reports))?;
        println!("bench: an event, {what}, CPU = {cpu_us:.1} µs");
        println!("bench: 5,000 events/s, {what}, share of a core = {:.0} %{goal}", cpu_us * EVENTS_PER_S / 1e4);
        println!("bench: an event, {what}, on disk = {bytes:.0} bytes");
    }
    Ok(())
}

/// Microseconds of CPU time and bytes on disk of one event.
async fn measure(way: Way, reports_of_a_write: usize) -> Result<(f64, f64), Failure> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("db");
    let db = Database::open(&path).await?;
    db.migrate("journal", Journal.migrations()).await?;
    let reports: Vec<_> = (0..EVENTS / EVENTS_OF_A_REPORT).map(report).collect::<Result<_, _>>()?;
    let (cpu_before, begun) = (cpu_s(), Instant::now());
    for part in reports.chunks(reports_of_a_write) {
        let mut tx = db.begin().await?;
        for (host, events, records) in part {
            match way {
                Way::AsReported => Journal.ingest(&mut tx, host, records).await?,
                Way::OneByOne => {
                    for event in events {
                        store::event_put(&mut tx, event).await?;
                    }
                }
            }
        }
        tx.commit().await?;
    }
    let cpu_us = (cpu_s() - cpu_before) * 1e6 / EVENTS as f64;
    println!("{EVENTS} events in {:.2} s", begun.elapsed().as_secs_f64());
    Ok((cpu_us, std::fs::metadata(&path)?.len() as f64 / EVENTS as f64))
}

type Report = (HostId, Vec<Event>, Vec<Record>);

/// What a host reports at its turn: the events of the five seconds before.
fn report(turn: usize) -> Result<Report, Failure> {
    let host: HostId = format!("sim-{:05}", turn % HOSTS).parse()?;
    let arrived_ms = 1_790_000_000_000 + (turn * EVENTS_OF_A_REPORT) as i64 / 5;
    let mut events = Vec::new();
    let mut records = Vec::new();
    for n in 0..EVENTS_OF_A_REPORT {
        // spread without chance, so that every run stores the same
        let number = (turn * EVENTS_OF_A_REPORT + n) * 2_654_435_761 % 4_294_967_296;
        let at = Timestamp::from_millisecond(arrived_ms - 5_000 + 416 * n as i64)?;
        let event = event(&host, at, number);
        records.push(Record { seq: n as u64 + 1, at, body: serde_json::to_value(&event)? });
        events.push(event);
    }
    Ok((host, events, records))
}

fn event(host: &HostId, time: Timestamp, number: usize) -> Event {
    let address = format!("203.0.{}.{}", number / 256 % 256, number % 256);
    let user = USERS[number / 7 % USERS.len()];
    Event {
        time,
        kind: "intrusion.login.fail".to_owned(),
        host: Some(host.clone()),
        severity: Severity::Low,
        outcome: Outcome::Failure,
        actor: Actor { name: "sshd".to_owned(), from: Some(address.clone()) },
        message: format!("failed password for {user} from {address} port {} ssh2", number / 65_536 % 65_536),
        object: Some(address),
        audit: false,
        data: serde_json::json!({ "user": user, "port": number % 65_536 }),
    }
}

fn cpu_s() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a structure that is ours
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let time = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    time(usage.ru_utime) + time(usage.ru_stime)
}
