//! What 1,000 bans a second cost the server for ten seconds, with 100,000 present: stored in a
//! transaction each or ten at a time, and read after each for the hosts, which a server does once for
//! all of them. Run with `cargo bench -p palisade-firewall --bench feed`.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use palisade_core::{Clock as _, Event, Generation, Span, SystemClock};
use palisade_firewall::feed::desk::{Desk, ban_all};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::db::Database;
use palisade_guard::link::Down;
use palisade_guard::{AddressBan, GuardError, Serve, ServerContext, store};
use sqlx::SqliteConnection;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PRESENT: u32 = 100_000;
/// Bans in one import.
const IMPORT: u32 = 10_000;
const PER_SECOND: u32 = 1_000;
const SECONDS: u32 = 10;
/// Changes in one message to a host.
const CHANGES_PER_PART_MAX: usize = 10_000;

struct NoJournal;

impl RecordEvent for NoJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let guard = palisade_firewall::guard();
    let serve = guard.server.as_ref().expect("the guard has a server");
    let context = context(dir.path(), serve.as_ref()).await.banning(Arc::new(Desk::new(Arc::default())));
    for part in 0..PRESENT / IMPORT {
        let bans: Vec<AddressBan> = (part * IMPORT..(part + 1) * IMPORT).map(ban).collect();
        let mut tx = context.begin().await.expect("a transaction");
        ban_all(&mut tx, &bans, &[], SystemClock.now()).await.expect("stored");
        tx.commit().await.expect("committed");
    }
    let mut host = told(&context, serve.as_ref(), Generation::default()).await;
    let mut next = PRESENT;
    for each in [1, 10] {
        let (began, cpu, mut longest) = (Instant::now(), cpu(), Duration::ZERO);
        for n in 0..PER_SECOND * SECONDS / each {
            tokio::time::sleep_until((began + Duration::from_secs(1) * n * each / PER_SECOND).into()).await;
            let asked = Instant::now();
            let mut tx = context.begin().await.expect("a transaction");
            for _ in 0..each {
                context.ban.ban(&mut tx, &ban(next)).await.expect("stored");
                next += 1;
            }
            tx.commit().await.expect("committed");
            context.feed_changed();
            host = told(&context, serve.as_ref(), host).await;
            longest = longest.max(asked.elapsed());
        }
        say(each, began.elapsed(), cpu_since(cpu), longest);
    }
}

async fn context(dir: &Path, serve: &dyn Serve) -> ServerContext {
    let db = Database::open(&dir.join("state.db")).await.expect("a database");
    db.migrate("frame", store::MIGRATIONS).await.expect("migrated");
    db.migrate(palisade_firewall::WORD, serve.migrations()).await.expect("migrated");
    ServerContext::new(db, Arc::new(SystemClock), Arc::new(NoJournal), Vec::new())
}

fn ban(n: u32) -> AddressBan {
    let address: IpAddr = Ipv4Addr::from(0x0b00_0000 + n.wrapping_mul(0x9e37_79b1) % 0x7000_0000).into();
    AddressBan {
        address: address.into(),
        length: Span::from_secs(12 * 3_600),
        reason: "guesses passwords".to_owned(),
        by: "intrusion".to_owned(),
        now: SystemClock.now(),
    }
}

/// What a host that is at `since` is sent, as bytes. Returns how far that leads.
async fn told(context: &ServerContext, serve: &dyn Serve, since: Generation) -> Generation {
    let mut tx = context.db.read().begin().await.expect("a transaction");
    let newest = serve.feed_at(&mut tx).await.expect("read").expect("there is a feed");
    let mut at = since;
    for part in serve.feed(&mut tx, since, CHANGES_PER_PART_MAX).await.expect("read") {
        at = part.to;
        let line = Down::Feed { guard: palisade_firewall::WORD.to_owned(), part };
        std::hint::black_box(serde_json::to_vec(&line).expect("a message"));
    }
    assert_eq!(at, newest, "all of it is told");
    at
}

fn say(each: u32, wall: Duration, cpu: Duration, longest: Duration) {
    let bans = f64::from(PER_SECOND * SECONDS);
    println!(
        "bench: {:.0} bans a second for {:.1} s, {each} in a transaction, each told: CPU = {:.1} % of a core, {:.0} µs a ban, longest {:.1} ms",
        bans / wall.as_secs_f64(),
        wall.as_secs_f64(),
        100.0 * cpu.as_secs_f64() / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / bans,
        longest.as_secs_f64() * 1e3,
    );
}

fn cpu_since(before: Duration) -> Duration {
    cpu().saturating_sub(before)
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}
