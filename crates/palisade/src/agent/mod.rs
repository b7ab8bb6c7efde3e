//! The agent: observes its host, holds what it was told to hold, follows streams, and reports.
//!
//! Threads, not tasks, do what may block: one per guard that watches, one per guard that keeps a
//! state, one that looks. The link to the server is asynchronous and may come and go.

#[allow(dead_code)] // until hosts join over the network
pub mod identity;
mod job;
mod keep;
mod link;
mod local;
mod look;
pub mod permit;
mod spool;
mod state;

use crate::config::Config;
use crate::guards;
use crate::process;
use crate::server;
use anyhow::{Context, Result};
use nix::fcntl::Flock;
use palisade_core::HostId;
use palisade_guard::contract::AgentFacts;
use palisade_guard::store::HostFacts;
use palisade_guard::{Entry, Host};
use palisade_sys::{Root, facts};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

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
    pub acknowledged_s: AtomicI64,
    /// Wakes the link when there is something to report.
    pub wake: tokio::sync::Notify,
}

/// A running agent.
pub struct Running {
    /// Its shared part.
    pub agent: Arc<Agent>,
    _lock: Flock<std::fs::File>,
}

/// Prepares and starts all threads and tasks. They end when [`Running::end`] is called.
pub async fn start(config: &Config) -> Result<Running> {
    let dir = config.agent_dir();
    let lock = process::claim(&dir, "agent")?;
    let agent = Arc::new(assemble(config, &dir)?);
    look::start(&agent);
    start_watchers(&agent);
    job::start(&agent);
    for handle in agent.keepers.values() {
        handle.start(&agent);
    }
    local::start(&agent, &config.agent_socket())?;
    tokio::spawn(link::run(Arc::clone(&agent), config.server_socket()));
    Ok(Running { agent, _lock: lock })
}

impl Running {
    /// Tells all threads to end; they do within a second.
    pub fn end(&self) {
        self.agent.ended.store(true, Ordering::Relaxed);
        self.agent.looks.wake();
        for keeper in self.agent.keepers.values() {
            keeper.wake();
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

fn assemble(config: &Config, dir: &Path) -> Result<Agent> {
    let id = match &config.host {
        Some(id) => id.clone(),
        None => facts::facts("").context("the system's host name\nhint: give one with --host")?.host,
    };
    let guards = guards::all();
    let facts = AgentFacts { failsafe: server::failsafe(config), state_dir: dir.to_owned() };
    let mut keepers = BTreeMap::new();
    for guard in &guards {
        if let Some(maker) = guard.keeper {
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
        guards,
        permit: permit::Permit::load(&config.permit)?,
        looks: look::Looks::default(),
        spools,
        keepers,
        jobs: job::Jobs::load(dir)?,
        ended: Arc::default(),
        live_until_s: Arc::default(),
        acknowledged_s: AtomicI64::new(0),
        wake: tokio::sync::Notify::new(),
    })
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
