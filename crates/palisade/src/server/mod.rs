//! The control server: database, API, console, and the link to the agents.

mod access;
mod access_store;
mod api;
mod assets;
mod body;
mod findings;
mod fleet;
mod host_kind;
mod hosts;
mod link;
mod listen;
mod orders;
mod overview;
mod plans;
mod resources;
mod session;
mod status;
mod stream;
mod tend;
mod tls;
mod tokens;

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
    /// SHA-256 of the certificate.
    pub fingerprint: Arc<str>,
    /// Ticks when browsers shall connect anew, so that they prove their path.
    pub connections: tokio::sync::watch::Sender<u64>,
    /// Where it listens, once it does.
    pub address: Arc<std::sync::OnceLock<std::net::SocketAddr>>,
    /// When this server was started.
    pub started_at: palisade_core::Timestamp,
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
}

/// Runs until the end is asked for: SIGTERM, SIGINT, or the end of standard input if `with_parent`.
pub async fn run(config: Config, with_parent: bool) -> Result<()> {
    let dir = config.server_dir();
    let _lock = process::claim(&dir, "server")?;
    let identity = tls::load_or_create(&dir, &config).context("preparing the server's certificate")?;
    let server = open(&dir, &config, &identity.fingerprint).await?;
    let https = listen::https(server.clone(), config.listen, &identity).await?;
    let socket = listen::socket(server.clone(), &config.server_socket())?;
    tracing::info!(listen = %https.address, "server is ready");
    let tending = tokio::spawn(tend::run(server.clone()));
    tokio::select! {
        () = ended(with_parent) => {}
        result = https.task => result.context("the HTTPS listener ended")?,
        result = socket => result.context("the socket listener ended")?,
    }
    tending.abort();
    tracing::info!("server has ended");
    Ok(())
}

/// Opens the database and brings its tables up to date.
pub async fn open(dir: &Path, config: &Config, fingerprint: &str) -> Result<Server> {
    let path = dir.join("palisade.db");
    let db = Database::open(&path).await.with_context(|| format!("opening `{}`", path.display()))?;
    db.migrate("frame", store::MIGRATIONS).await.context("updating the frame's tables")?;
    db.migrate("server", access_store::MIGRATIONS).await.context("updating the server's tables")?;
    let guards = guards::all();
    for guard in &guards {
        if let Some(serve) = &guard.server {
            db.migrate(guard.word, serve.migrations())
                .await
                .with_context(|| format!("updating the {} tables", guard.word))?;
        }
    }
    let context = ServerContext::new(db, Arc::new(SystemClock), guards::journal(), failsafe(config));
    Ok(Server {
        address: Arc::default(),
        started_at: context.now(),
        connections: tokio::sync::watch::channel(0).0,
        access: Arc::new(access::Access::default()),
        kinds: Arc::new(resources::kinds(&guards)),
        guards: Arc::new(guards),
        name: host_name().into(),
        fingerprint: fingerprint.into(),
        context,
    })
}

/// What no change may cut: the address that the server listens on and the configured ones.
pub fn failsafe(config: &Config) -> Vec<Cidr> {
    let mut list = config.failsafe.clone();
    let own = config.listen.ip();
    if !own.is_unspecified() {
        list.push(Cidr::from(own));
    }
    list.push(Cidr::from(IpAddr::from([127, 0, 0, 1])));
    list
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
