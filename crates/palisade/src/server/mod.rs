//! The control server: database, API, console, and the link to the agents.

mod access;
mod access_store;
mod account;
mod api;
mod assets;
mod body;
pub mod ca;
mod clone;
mod cloud_init;
mod feeds;
mod findings;
#[cfg(test)]
mod fixture;
mod fleet;
#[cfg(test)]
mod fleet_tests;
mod guessing;
mod hasher;
mod host_kind;
mod hosts;
mod ingest;
mod install;
mod join;
mod join_name;
mod join_store;
mod join_tokens;
mod limits;
mod link;
mod listen;
mod message;
mod orders;
mod overview;
mod password;
mod peer;
mod plans;
mod presence;
mod program;
mod proof;
mod renew;
mod resources;
mod session;
mod sessions;
mod specs;
mod status;
mod stream;
mod tend;
#[cfg(test)]
mod tests;
mod tokens;
mod totp;
mod trust;
mod trust_store;
mod user_store;
mod users;
mod welcome;

pub use access::Origin;
pub use api::openapi;
pub use listen::{never_renewed, serve};
pub use resources::kinds;

use crate::config::Config;
use crate::guards;
use crate::process;
use anyhow::{Context, Result};
use palisade_core::{Cidr, SystemClock};
use palisade_guard::db::Database;
use palisade_guard::resource::Kinds;
use palisade_guard::{Entry, ServerContext, store};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// Everything that the server's own handlers share; guards see its [`ServerContext`].
#[derive(Clone)]
pub struct Server {
    /// What guards see.
    pub context: ServerContext,
    /// The guards.
    pub guards: Arc<Vec<Entry>>,
    /// The kinds of resources, the frame's own and the guards'.
    pub kinds: Arc<Kinds>,
    /// Sign-in: sessions, tokens, lock-outs.
    pub access: Arc<access::Access>,
    /// The name that the sign-in page shows.
    pub name: Arc<str>,
    /// The authority that signs this server and its hosts.
    pub authority: ca::Authority,
    /// Ticks when browsers shall connect anew, so that they prove their path.
    pub connections: tokio::sync::watch::Sender<u64>,
    /// Where it listens, once it does.
    pub address: Arc<std::sync::OnceLock<std::net::SocketAddr>>,
    /// Copies of hosts that were refused.
    pub clones: Arc<clone::Clones>,
    /// When an operator last reached each host.
    pub operators: Arc<plans::Operators>,
    /// Names and addresses by which it is reached, as configured.
    pub names: Arc<[String]>,
    /// The running program, which hosts that join download.
    pub program: program::Program,
    /// When this server was started.
    pub started_at: palisade_core::Timestamp,
    /// Which hosts are there.
    pub presence: Arc<presence::Presence>,
    /// Where reports wait to be stored.
    pub ingest: ingest::Ingest,
    /// How much one agent may send.
    pub limits: Arc<limits::Limits>,
    /// Room for the bodies that are being read, in KiB.
    pub memory: Arc<tokio::sync::Semaphore>,
    /// Specs that were sent, to find the next change.
    pub sent: Arc<specs::Sent>,
    /// Feeds that were read for other hosts.
    pub fed: Arc<tokio::sync::Mutex<feeds::Fed>>,
    /// What agents said at the beginning, until they ask for orders.
    pub hellos: Arc<std::sync::Mutex<std::collections::HashMap<palisade_core::HostId, palisade_guard::link::Hello>>>,
}

impl Server {
    /// The server's guard half by its word.
    pub fn guard(&self, word: &str) -> Option<&Entry> {
        self.guards.iter().find(|g| g.word == word)
    }

    /// Starts writing.
    pub async fn begin(&self) -> Result<palisade_guard::db::Write, palisade_guard::GuardError> {
        self.context.begin().await
    }

    /// Records one event in a transaction of its own.
    pub async fn record(&self, event: &palisade_core::Event) -> Result<(), palisade_guard::GuardError> {
        let mut tx = self.begin().await?;
        self.context.record(&mut tx, event).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Runs until the end is asked for: SIGTERM, SIGINT, or the end of standard input if `with_parent`.
pub async fn run(config: Config, with_parent: bool) -> Result<()> {
    let dir = config.server_dir();
    let _lock = process::claim(&dir, "server")?;
    let server = open(&dir, &config, ca::Authority::open(&config)?).await?;
    let https = listen::https(server.clone(), config.listen).await?;
    let socket = listen::socket(server.clone(), &config.server_socket())?;
    tracing::info!(listen = %https.address, "server is ready");
    let mut tending = vec![tokio::spawn(tend::run(server.clone())), tokio::spawn(presence::run(server.clone()))];
    let serving = server.guards.iter().filter_map(|g| g.server.as_ref());
    tending.extend(serving.flat_map(|serve| serve.tasks(&server.context)).map(tokio::spawn));
    tokio::select! {
        () = ended(with_parent) => {}
        result = https.task => result.context("the HTTPS listener ended")?,
        result = socket => result.context("the socket listener ended")?,
    }
    tending.iter().for_each(tokio::task::JoinHandle::abort);
    tracing::info!("server has ended");
    Ok(())
}

/// Opens the database, brings its tables up to date, and begins to store what hosts report.
pub async fn open(dir: &Path, config: &Config, authority: ca::Authority) -> Result<Server> {
    let path = dir.join("palisade.db");
    let db = Database::open(&path).await.with_context(|| format!("opening `{}`", path.display()))?;
    db.migrate("frame", store::MIGRATIONS).await.context("updating the frame's tables")?;
    db.migrate("server", access_store::MIGRATIONS).await.context("updating the server's tables")?;
    split(&db).await.context("bringing stored plans and findings up to date")?;
    let guards = guards::configured(config);
    for guard in &guards {
        if let Some(serve) = &guard.server {
            db.migrate(guard.word, serve.migrations())
                .await
                .with_context(|| format!("updating the {} tables", guard.word))?;
        }
    }
    let context = ServerContext::new(db, Arc::new(SystemClock), guards::recorder(), failsafe(config)).with(
        guards::notify(),
        Arc::new(authority.clone()),
        host_id(config),
    );
    let failsafe = Arc::clone(&context.failsafe);
    let context = context.banning(guards::ban_address(failsafe)).isolating(guards::isolate_host());
    context.serve(&guards);
    let (ingest, queue) = ingest::Ingest::new();
    let server = Server {
        address: Arc::default(),
        clones: Arc::default(),
        operators: Arc::default(),
        started_at: context.now(),
        connections: tokio::sync::watch::channel(0).0,
        kinds: Arc::new(resources::kinds(&guards)),
        access: Arc::new(access::Access::load(&context.db, context.now()).await?),
        guards: Arc::new(guards),
        name: host_name().into(),
        names: config.names.clone().into(),
        program: program::Program::default(),
        authority,
        ingest,
        presence: Arc::default(),
        limits: Arc::default(),
        memory: Arc::new(tokio::sync::Semaphore::new(message::MEMORY_KIB_MAX)),
        sent: Arc::default(),
        fed: Arc::default(),
        hellos: Arc::default(),
        context,
    };
    tokio::spawn(ingest::run(server.clone(), queue));
    Ok(server)
}

/// Brings rows of an older version into the form that this one reads, all or none.
async fn split(db: &Database) -> Result<(), palisade_guard::GuardError> {
    let mut tx = db.begin().await?;
    store::plans_split(&mut tx).await?;
    store::findings_backfill(&mut tx).await?;
    store::tallies_backfill(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

/// What no ban may cut, on any port: the address that the server listens on and the configured ones.
fn failsafe(config: &Config) -> Vec<Cidr> {
    let mut list: Vec<Cidr> = config.failsafe.iter().map(|failsafe| failsafe.cidr).collect();
    list.extend(own_addresses(config));
    list
}

/// This machine, as its server is reached.
pub fn own_addresses(config: &Config) -> Vec<Cidr> {
    let mut list = Vec::new();
    let own = config.listen.ip();
    if !own.is_unspecified() {
        list.push(Cidr::from(own));
    }
    list.push(Cidr::from(IpAddr::from([127, 0, 0, 1])));
    list
}

/// The name of the host that this server runs on.
fn host_id(config: &Config) -> Option<palisade_core::HostId> {
    config.host.clone().or_else(|| host_name().parse().ok())
}

/// The name of this machine.
pub fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok()).unwrap_or_else(|| "localhost".to_owned())
}

async fn ended(with_parent: bool) {
    tokio::select! {
        () = process::end_asked() => {}
        () = parent_gone(), if with_parent => {}
    }
}

/// Ends when the parent's end of our standard input is closed, however the parent ended.
async fn parent_gone() {
    let gone = tokio::task::spawn_blocking(|| {
        use std::io::Read;
        let mut buffer = [0u8; 64];
        while std::io::stdin().read(&mut buffer).is_ok_and(|n| n > 0) {}
    });
    // the task cannot be cancelled; either it ends or the process does
    let _ = gone.await;
}
