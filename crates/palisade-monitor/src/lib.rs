//! The monitor guard: how a host runs, every minute, and every second while somebody looks on.
//!
//! **Against** not knowing: a disk that fills, memory that runs out, a disk that has become
//! read-only, a miner that takes the CPU, and the question "since when?" afterwards.
//!
//! **Words.** A *sample* is raw counters at one moment ([`palisade_sys::sample::Sample`]). A *frame* is the
//! values of the interval between two samples. A *metric* stands in the [`catalogue`]; a *series*
//! is a metric and the value of its label (`disk_used_ratio{mount="/srv"}`). A *tier* is one of
//! four steps: second (kept 15 minutes), raw (15 days), 5 min (90 days), 1 h (400 days); the
//! configuration may say otherwise ([`store::Retention`]).
//!
//! **In order.** [`watch`] in the agent samples, [`difference`] makes the frame, the frame travels
//! as a record; [`store`] on the server packs it ([`pack`]) into a row per host and moment, and seals
//! the rows of two hours into compressed chunks and rollups; [`tend`] forgets; [`series`] answers with
//! gaps shown as gaps and a reason for every empty answer. [`process`] keeps the lists of processes. [`observe`] and [`check`] look once a minute at what moves slowly.
//!
//! **Limits.** 64 disks, interfaces and file systems, 1,000 series a frame, 10 processes in each
//! list, 64 containers, 2,000 points of a series in an answer. A file system has 250 ms to answer. Command lines
//! are cut at 256 bytes, and what looks like a secret in them is masked.
//!
//! **Beside it.** [`alarm`] judges what arrives, [`notify`] tells people, [`probe`] looks from outside,
//! [`promql`] answers queries, [`server_watch`] tells somebody when the server itself is silent.

pub mod alarm;
pub mod api;
pub mod catalogue;
pub mod check;
pub mod cli;
pub mod difference;
pub mod limit;
pub mod model;
pub mod notify;
pub mod observe;
pub mod outbound;
pub mod pack;
pub mod probe;
pub mod process;
pub mod promql;
pub mod ring;
pub mod scope;
pub mod series;
pub mod server_watch;
pub mod setting;
pub mod store;
pub mod tend;
pub mod watch;
pub mod watched;

use observe::{Looker, Observed};
use palisade_core::{Check, HostId, Timestamp, Verdicts};
use palisade_guard::cli::GuardCommand;
use palisade_guard::contract::BoxFuture;
use palisade_guard::notice::Vault;
use palisade_guard::store::FindingChange;
use palisade_guard::{Entry, Guard, GuardError, Host, Kind, Record, Serve, ServerContext};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use store::Store;
use utoipa_axum::router::OpenApiRouter;

/// The guard, as one line of the list of guards switches it on.
pub fn guard() -> Entry {
    guard_that_keeps(store::Retention::default())
}

/// The same on a server that keeps samples for so long.
pub fn guard_that_keeps(retention: store::Retention) -> Entry {
    let monitor = Monitor { store: Store::new(retention), ..Monitor::default() };
    let settings = Arc::new(setting::Settings::default());
    let (kept, told) = (Arc::clone(&settings), Arc::clone(&settings));
    Entry::new(MonitorGuard { looker: Looker::default(), told })
        .keeps(move |facts| {
            kept.live_in(&facts.state_dir);
            Ok(palisade_guard::entry::keeper(WORD, setting::SettingKeep(Arc::clone(&kept))))
        })
        .watches(watch::Sampling::new(settings))
        .serves(MonitorServe { monitor, vault: OnceLock::new() })
        .commands(GuardCommand { command: cli::command, run: cli::run })
}

/// The guard's word.
pub const WORD: &str = "monitor";

/// What the guard's half on the server shares: its handlers find it as an extension of their request.
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    /// The samples.
    pub store: Store,
    /// Rules and alarms.
    pub alarms: alarm::Alarms,
    /// What must live for the server to be healthy.
    pub pulse: notify::heartbeat::Pulse,
}

struct MonitorGuard {
    looker: Looker,
    told: Arc<setting::Settings>,
}

impl Guard for MonitorGuard {
    type Observed = Observed;

    const WORD: &'static str = WORD;
    const PRACTICES: &'static [&'static str] = &["monitoring", "alarms"];
    const CHECKS: &'static [Check] = check::CHECKS;
    const PERIOD_S: u32 = 60;

    fn observe(&self, host: &Host) -> Result<Observed, GuardError> {
        Ok(Observed { cover: self.told.cover(), ..self.looker.observe(host)? })
    }

    fn check(&self, observed: &Observed, verdicts: &mut Verdicts) {
        check::check(observed, verdicts);
    }
}

struct MonitorServe {
    monitor: Monitor,
    /// Opens the secrets that hosts are given; there is none before the server runs.
    vault: OnceLock<Arc<dyn Vault>>,
}

impl Serve for MonitorServe {
    fn migrations(&self) -> &'static [&'static str] {
        store::MIGRATIONS
    }

    fn api(&self) -> OpenApiRouter<ServerContext> {
        api::router(self.monitor.clone())
    }

    fn kinds(&self) -> Vec<Arc<dyn Kind>> {
        [alarm::kinds(), notify::kinds(), probe::kinds(), server_watch::kind::kinds(), setting::kinds()].concat()
    }

    fn tasks(&self, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
        // a server has one context; a second one of a test would have the same keys
        let _ = self.vault.set(Arc::clone(&context.vault));
        let all = [
            store::tasks(&self.monitor, context),
            alarm::tasks(&self.monitor, context),
            notify::tasks(&self.monitor, context),
            probe::tasks(&self.monitor, context),
            setting::tasks(context),
        ];
        all.into_iter().flatten().collect()
    }

    fn resolve<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<serde_json::Value>, GuardError>> {
        Box::pin(setting::resolve(db, host, self.vault.get().map(AsRef::as_ref)))
    }

    fn scope<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, GuardError>> {
        Box::pin(setting::scope(db, host))
    }

    fn findings_changed<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        change: &'a FindingChange,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(alarm::findings_changed(db, host, change, at))
    }

    fn ingest<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            for cause in store::ingest(db, &self.monitor.store, host, records).await? {
                alarm::cause_arrived(db, host, &cause).await?;
            }
            Ok(())
        })
    }

    fn tend<'a>(&'a self, db: &'a mut SqliteConnection, now: Timestamp) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            tend::tend(db, self.monitor.store.retention(), now).await?;
            alarm::tend(db, now).await?;
            notify::tend(db, now).await?;
            process::tend(db, now).await
        })
    }
}

/// The figures that lists show beside a host, each a share from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// Busy share of the processors.
    pub cpu: Option<f64>,
    /// Used share of the memory.
    pub memory: Option<f64>,
    /// Used share of the fullest file system.
    pub disk: Option<f64>,
}

/// The figures of these hosts, from the newest frame of each; hosts without one are left out.
pub async fn figures(db: &mut SqliteConnection, hosts: &[HostId]) -> Result<HashMap<HostId, Shares>, GuardError> {
    let frames = store::latest_of(db, hosts).await?;
    Ok(frames.into_iter().map(|(host, frame)| (host, shares(&frame))).collect())
}

fn shares(frame: &model::Frame) -> Shares {
    let disks = frame.metrics.iter().filter(|(key, _)| key.starts_with("disk_used_ratio")).map(|(_, ratio)| *ratio);
    let one = |name: &str| frame.metrics.get(name).copied();
    Shares { cpu: one("cpu_usage_ratio"), memory: one("memory_used_ratio"), disk: disks.reduce(f64::max) }
}
