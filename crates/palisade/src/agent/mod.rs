//! The agent: observes its host, holds what it was told to hold, follows streams, and reports.
//!
//! Threads, not tasks, do what may block: one per guard that watches, one per guard that keeps a
//! state, one that looks. The link to the server is asynchronous and may come and go.

mod epoch;
pub mod identity;
mod job;
mod keep;
mod link;
mod local;
mod look;
mod operator;
pub mod permit;
mod spool;
mod state;

use crate::config::Config;
use crate::guards;
use crate::process;
use crate::server;
use anyhow::{Context, Result};
use identity::Identity;
use nix::fcntl::Flock;
use palisade_core::HostId;
use palisade_guard::contract::AgentFacts;
use palisade_guard::store::HostFacts;
use palisade_guard::{Entry, Host};
use palisade_sys::{Root, facts, machine};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// The end waits this long for the goodbye.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(3);

/// Everything that the agent's threads share.
pub struct Agent {
    /// The host that it lives on.
    pub host: Host,
    /// The guards.
    pub guards: Vec<Entry>,
    /// What may be ordered here.
    pub permit: permit::Permit,
    /// What the guards last saw, and what was not sent yet.
    pub looks: look::Looks,
    /// Records that wait for the server, by guard.
    pub spools: BTreeMap<&'static str, spool::Spool>,
    /// The guards that keep a state.
    pub keepers: BTreeMap<&'static str, keep::KeeperHandle>,
    /// Orders, and how far they are.
    pub jobs: job::Jobs,
    /// Set when the agent shall end.
    pub ended: Arc<AtomicBool>,
    /// Until when somebody looks on, in seconds since 1970.
    pub live_until_s: Arc<AtomicI64>,
    /// When the server last acknowledged something, in seconds since 1970; 0 = never.
    pub acknowledged_s: Arc<AtomicI64>,
    /// Wakes the link when there is something to report.
    pub wake: tokio::sync::Notify,
    /// Asks for whole specs, by a new connection.
    pub respec: tokio::sync::Notify,
    /// What tells this machine from a copy of its disk.
    pub machine: Option<String>,
    /// A random id of this run.
    pub run: String,
    /// Told when this host has taken another name, under which the agent has to be started anew.
    pub renamed: tokio::sync::Notify,
    /// When an operator last got in.
    pub operator: operator::Operator,
    /// The newest epoch whose proof was accepted.
    pub epoch: epoch::Epoch,
    ending: tokio::sync::watch::Sender<bool>,
}

/// A running agent.
pub struct Running {
    /// Its shared part.
    pub agent: Arc<Agent>,
    link: tokio::task::JoinHandle<()>,
    _lock: Flock<std::fs::File>,
}

/// Prepares and starts all threads and tasks. They end when [`Running::end`] is called.
pub async fn start(config: &Config) -> Result<Running> {
    let dir = config.agent_dir();
    let lock = process::claim(&dir, "agent")?;
    let way = match Identity::load(&dir)? {
        Some(identity) => link::Way::Joined { identity: Box::new(identity), dir: dir.clone() },
        None => link::Way::Socket(config.server_socket()),
    };
    let agent = Arc::new(assemble(config, &dir, &way)?);
    look::start(&agent);
    start_watchers(&agent);
    job::start(&agent);
    for handle in agent.keepers.values() {
        handle.start(&agent);
    }
    operator::start(&agent);
    local::start(&agent, &config.agent_socket())?;
    let link = tokio::spawn(link::run(Arc::clone(&agent), way));
    Ok(Running { agent, link, _lock: lock })
}

impl Running {
    /// Says goodbye to the server and tells all threads to end; they do within a second.
    pub async fn end(self) {
        self.agent.ended.store(true, Ordering::Relaxed);
        self.agent.ending.send_replace(true);
        self.agent.wake.notify_one();
        self.agent.looks.wake();
        self.agent.operator.wake();
        for keeper in self.agent.keepers.values() {
            keeper.wake();
        }
        if tokio::time::timeout(GOODBYE_TIMEOUT, self.link).await.is_err() {
            tracing::warn!("ended without a goodbye to the server");
        }
    }
}

impl Agent {
    /// What this host says about itself.
    pub fn facts(&self) -> HostFacts {
        host_facts(&self.permit)
    }

    /// The name of the host.
    pub fn id(&self) -> &HostId {
        &self.host.id
    }

    /// Waits this long, or until the agent ends.
    pub async fn ending_or(&self, wait: Duration) {
        let mut ending = self.ending.subscribe();
        // an error would mean that the sender is gone, and it lives as long as we do
        let _ = tokio::time::timeout(wait, ending.wait_for(|ending| *ending)).await;
    }

    /// Records that had to be given up, by guard.
    pub fn lost(&self) -> BTreeMap<String, u64> {
        let all = self.spools.iter().map(|(word, spool)| ((*word).to_owned(), spool.figures().2));
        all.filter(|(_, lost)| *lost > 0).collect()
    }
}

/// What this host says about itself, with what its permit holds.
pub fn host_facts(permit: &permit::Permit) -> HostFacts {
    let facts = match facts::facts(env!("CARGO_PKG_VERSION")) {
        Ok(facts) => facts,
        Err(error) => {
            tracing::warn!(error = palisade_guard::contract::chain(&error), "the host's facts");
            return HostFacts { permit: permit.words(), ..HostFacts::default() };
        }
    };
    HostFacts {
        os: facts.os,
        kernel: facts.kernel,
        booted_at: facts.booted_at,
        addresses: facts.addresses.iter().map(ToString::to_string).collect(),
        agent_version: facts.agent_version,
        permit: permit.words(),
    }
}

fn assemble(config: &Config, dir: &Path, way: &link::Way) -> Result<Agent> {
    let id = match (way, &config.host) {
        // the subject of the certificate is the host, whatever it is called by others
        (link::Way::Joined { identity, .. }, _) => identity.host.clone(),
        (_, Some(id)) => id.clone(),
        (_, None) => facts::facts("").context("the system's host name\nhint: give one with --host")?.host,
    };
    let guards = guards::all();
    let facts = agent_facts(config, way, dir);
    let mut keepers = BTreeMap::new();
    for guard in &guards {
        if let Some(maker) = &guard.keeper {
            let keeper = maker(&facts).with_context(|| format!("starting the {} guard", guard.word))?;
            keepers.insert(guard.word, keep::KeeperHandle::load(guard.word, keeper, dir)?);
        }
    }
    let mut spools = BTreeMap::new();
    for guard in guards.iter().filter(|g| g.watcher.is_some()) {
        spools.insert(guard.word, spool::Spool::open(&dir.join("spool").join(guard.word))?);
    }
    Ok(Agent {
        host: Host { id, root: Root::live() },
        machine: machine::id(&Root::live()),
        run: run_id(),
        renamed: tokio::sync::Notify::new(),
        operator: operator::Operator::default(),
        epoch: epoch::Epoch::load(dir, way)?,
        ending: tokio::sync::watch::channel(false).0,
        respec: tokio::sync::Notify::new(),
        guards,
        permit: permit::Permit::load(&config.permit)?,
        looks: look::Looks::default(),
        spools,
        keepers,
        jobs: job::Jobs::load(dir)?,
        ended: Arc::default(),
        live_until_s: Arc::default(),
        acknowledged_s: Arc::default(),
        wake: tokio::sync::Notify::new(),
    })
}

/// What keepers need to know of this agent: above all what no change may cut.
fn agent_facts(config: &Config, way: &link::Way, dir: &Path) -> AgentFacts {
    let mut failsafe = server::own_addresses(config);
    failsafe.extend(config.failsafe.iter().filter(|entry| entry.port.is_none()).map(|entry| entry.cidr));
    let ports = config.failsafe.iter().filter_map(|entry| Some((entry.cidr, entry.port?)));
    AgentFacts {
        failsafe,
        failsafe_ports: ports.collect(),
        server: server_addresses(way),
        own_table: config.own_table,
        state_dir: dir.to_owned(),
    }
}

/// Where this agent's server is, by its own identity; unknown while its name does not resolve.
fn server_addresses(way: &link::Way) -> Vec<SocketAddr> {
    let link::Way::Joined { identity, .. } = way else { return Vec::new() };
    match (identity.server.host.as_str(), identity.server.port).to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            tracing::warn!(%error, server = identity.server.host, "the server's address is not known yet, so it is no failsafe");
            Vec::new()
        }
    }
}

/// 128 random bits, as text.
fn run_id() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the kernel has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn start_watchers(agent: &Arc<Agent>) {
    for guard in agent.guards.clone() {
        let Some(watcher) = guard.watcher.clone() else { continue };
        let (agent, word) = (Arc::clone(agent), guard.word);
        spawn(&format!("watch-{word}"), move || {
            let emitter = Arc::clone(&agent);
            let emit = move |at, body| {
                emitter.spools[word].push(at, body);
                emitter.wake.notify_one();
            };
            let live_until = Arc::clone(&agent.live_until_s);
            let live = move || live_until.load(Ordering::Relaxed) > jiff::Timestamp::now().as_second();
            let context = palisade_guard::WatchContext::new(emit, live, Arc::clone(&agent.ended));
            let (heard, reporter) = (Arc::clone(&agent.acknowledged_s), Arc::clone(&agent));
            let context = context.hearing(move || heard.load(Ordering::Relaxed), move || reporter.wake.notify_one());
            // a panic in one guard must not end the others; it is tried again after a while
            while !context.ended() {
                let caught =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watcher.watch(&agent.host, &context)));
                if let Err(panic) = caught {
                    tracing::error!(
                        guard = word,
                        panic = palisade_guard::entry::panic_text(&*panic),
                        "the watcher panicked"
                    );
                    context.wait(std::time::Duration::from_secs(30));
                }
            }
        });
    }
}

/// Starts a named thread.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    // a kernel that has no room for a thread at start has none for the agent
    std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("the kernel starts a thread");
}
