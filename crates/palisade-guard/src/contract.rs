//! The guard contract: the traits that a guard implements.

use crate::ServerContext;
use crate::link::FeedPart;
use palisade_core::{Check, Generation, HostId, Plan, Step, Timestamp, Verdicts};
use palisade_sys::{Root, SysError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use utoipa_axum::router::OpenApiRouter;

/// A boxed future, for the async methods of trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The host that is looked at.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name.
    pub id: HostId,
    /// Its files; [`Root::is_live`] tells whether processes and the kernel can be asked too.
    pub root: Root,
}

/// Why a guard could not do what it was asked for. The variant says what we were doing.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The operating system said no.
    #[error(transparent)]
    Sys(#[from] SysError),
    /// The database said no.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// A spec, step or record could not be read: an agent and a server of different versions.
    #[error("reading a {what} of the {guard} guard")]
    Decode {
        /// spec, step, record, observation.
        what: &'static str,
        /// Which guard.
        guard: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
    /// The guard refuses to carry out a step; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
}

/// One guard's looking and judging. `observe` touches the host, `check` is pure.
pub trait Guard: Send + Sync + 'static {
    /// What `observe` brings: a struct whose fields are the sections that are stored and sent, each
    /// only when it has changed. All of it must be cheap to compare and free of values that change
    /// at every look (ages, counters).
    type Observed: Serialize + DeserializeOwned + Send + Sync;

    /// The guard's word: crate suffix, CLI noun, API path, table prefix, log target.
    const WORD: &'static str;
    /// The practices that it judges in this version. What it lists is served; what it does not
    /// list stays `unprotected`.
    const PRACTICES: &'static [&'static str];
    /// Every check, in the order in which they are shown.
    const CHECKS: &'static [Check];
    /// Seconds between two observations.
    const PERIOD_S: u32;

    /// Looks at the host. A part that cannot be read is said inside `Observed` (an `Option` or a
    /// `Result`-like field), so that the checks on it become `unknown`; an error here means that
    /// nothing at all could be observed.
    fn observe(&self, host: &Host) -> Result<Self::Observed, GuardError>;

    /// Judges what was observed: every check of [`Guard::CHECKS`] that applies passes, fails or is
    /// unknown.
    fn check(&self, observed: &Self::Observed, verdicts: &mut Verdicts);
}

/// A guard that holds a state on the host.
pub trait Keep: Send + Sync + 'static {
    /// What the host should be like. The server resolves one, and the host's own operator adds a
    /// local one; both are stored on disk, so that the agent enforces them alone.
    type Spec: Serialize + DeserializeOwned + Default + Clone + Send + Sync;
    /// One exact act.
    type Act: Serialize + DeserializeOwned + Send;

    /// A cheap number that changes when somebody else has changed what this guard keeps (the
    /// nftables generation id). The frame plans again when it differs.
    fn stamp(&self) -> Result<u64, GuardError>;

    /// Whether the number differs only because something of the spec has ended by itself: what is planned
    /// then repairs nothing that somebody else did.
    fn is_due(&self) -> bool {
        false
    }

    /// Observes and compares: the steps from what is to what should be, each with its reason;
    /// empty when the host is as it should be. Has no effects.
    fn plan(&self, server: &Self::Spec, local: &Self::Spec, now: Timestamp) -> Result<Vec<Step>, GuardError>;

    /// Carries out one act. Atomic: after a crash the host is as before or as after.
    fn apply(&self, act: &Self::Act, now: Timestamp) -> Result<(), GuardError>;

    /// What the host's own operator decided about the server's plans, by plan id: true = kept. It
    /// travels in every report until the server's spec no longer holds the plan.
    fn decisions(&self, _local: &Self::Spec) -> BTreeMap<String, bool> {
        BTreeMap::new()
    }

    /// Until when something of the server's spec is on probation; `None` when nothing is. As long as
    /// something is, the agent looks out for a new connection of an operator.
    fn probation_until(&self, _server: &Self::Spec, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// How far the guard's feed is stored on this host; `None` if it takes none.
    fn feed_at(&self) -> Option<Generation> {
        None
    }

    /// Stores the next part of the feed, then answers with the steps that put it in force; each of
    /// them raises [`Keep::stamp`] by exactly one, unless somebody else interferes. What is stored is
    /// part of every later [`Keep::plan`], and at least one plan was made before. A part that does not
    /// continue what is stored, or that the disk does not take, is an error and changes nothing.
    fn feed(&self, _part: &FeedPart, _now: Timestamp) -> Result<Vec<Step>, GuardError> {
        Err(GuardError::Refused("this guard takes no feed".to_owned()))
    }

    /// The part of the local API that works without the server, on the agent's own socket.
    /// Handlers change the local spec through the desk.
    fn local_api(&self, _desk: Arc<dyn LocalDesk>) -> axum::Router {
        axum::Router::new()
    }
}

/// What a guard's local API may do to its local spec.
pub trait LocalDesk: Send + Sync {
    /// The host that it is on; `None` where only the system knows.
    fn host(&self) -> Option<palisade_core::HostId> {
        None
    }
    /// The specs in force: the server's, then the local one.
    fn specs(&self) -> SpecPair;
    /// Stores a new local spec on disk, applies it at once, and answers with the plan as carried
    /// out. `plan` says what it is for; state, reports, and the id if it is empty are filled in.
    fn change(&self, local: Value, plan: Plan) -> BoxFuture<'_, Result<Plan, GuardError>>;
}

/// The two specs of one guard on one host, as stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SpecPair {
    /// From the server; null before the first one.
    #[serde(default)]
    pub server: Value,
    /// From this host's operator; null if there never was one.
    #[serde(default)]
    pub local: Value,
}

/// A guard that follows a stream on the host.
pub trait Watch: Send + Sync + 'static {
    /// Runs on a thread of its own until [`WatchContext::ended`]. Must sleep with
    /// [`WatchContext::wait`].
    fn watch(&self, host: &Host, context: &WatchContext);

    /// A question of the guard's half on the server. Must return at once; the watcher's own thread
    /// answers with a record. Questions that make no sense, or would cost too much, are passed over:
    /// the server may be in hostile hands.
    fn asked(&self, _body: &Value) {}

    /// How the watcher fares, for `palisade status --local`; null if there is nothing to say.
    fn status(&self) -> Value {
        Value::Null
    }
}

/// One record of a stream, from agent to server. Delivered at least once, in order per guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Rises by one per guard and agent; never reused.
    pub seq: u64,
    /// When it was taken, by the host's clock.
    pub at: Timestamp,
    /// The guard's own typed content.
    pub body: Value,
}

/// What a watcher works with.
pub struct WatchContext {
    emit: Box<dyn Fn(Timestamp, Value) + Send + Sync>,
    live: Box<dyn Fn() -> bool + Send + Sync>,
    heard: Box<dyn Fn() -> i64 + Send + Sync>,
    report: Box<dyn Fn() + Send + Sync>,
    ended: Arc<AtomicBool>,
}

impl WatchContext {
    /// `emit` stores a record for delivery, `live` tells whether somebody is looking on now.
    pub fn new(
        emit: impl Fn(Timestamp, Value) + Send + Sync + 'static,
        live: impl Fn() -> bool + Send + Sync + 'static,
        ended: Arc<AtomicBool>,
    ) -> WatchContext {
        WatchContext {
            emit: Box::new(emit),
            live: Box::new(live),
            heard: Box::new(|| 0),
            report: Box::new(|| ()),
            ended,
        }
    }

    /// `heard` tells when the server acknowledged a report last, in seconds since 1970; 0 = never.
    /// `report` has one sent now, also if it is empty.
    pub fn hearing(
        self,
        heard: impl Fn() -> i64 + Send + Sync + 'static,
        report: impl Fn() + Send + Sync + 'static,
    ) -> WatchContext {
        WatchContext { heard: Box::new(heard), report: Box::new(report), ..self }
    }

    /// Has a report sent now, so that [`WatchContext::heard_s`] says whether the server is there.
    pub fn report(&self) {
        (self.report)();
    }

    /// When the server acknowledged a report last, in seconds since 1970; 0 = not since the start.
    pub fn heard_s(&self) -> i64 {
        (self.heard)()
    }

    /// Hands over one record; it is on disk when this returns, unless the disk is full (counted).
    pub fn emit(&self, at: Timestamp, body: Value) {
        (self.emit)(at, body);
    }

    /// True while a page looks on and wants a sample every second.
    pub fn live(&self) -> bool {
        (self.live)()
    }

    /// True when the agent is ending.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Sleeps up to `length`, in slices of 200 ms so that the end of the agent and the start of
    /// a live view are noticed.
    pub fn wait(&self, length: std::time::Duration) {
        self.wait_or(length, &|| false);
    }

    /// As [`WatchContext::wait`], and ends within 200 ms after `woken` has become true: a question has
    /// come, or something else is to be done.
    pub fn wait_or(&self, length: std::time::Duration, woken: &dyn Fn() -> bool) {
        let until = std::time::Instant::now() + length;
        let was_live = self.live();
        while !self.ended() && self.live() == was_live && !woken() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(std::time::Duration::from_millis(200)));
        }
    }
}

/// A guard's half on the server.
pub trait Serve: Send + Sync + 'static {
    /// SQL scripts, in order, each run once; tables are prefixed `<word>_`. Only the subset that
    /// SQLite and PostgreSQL share.
    fn migrations(&self) -> &'static [&'static str] {
        &[]
    }

    /// Endpoints below `/api/v1/<word>`, given with their full path (`/api/v1/firewall/bans`).
    fn api(&self) -> OpenApiRouter<ServerContext> {
        OpenApiRouter::new()
    }

    /// Stores records of a host in the transaction that also stores how far the stream was read.
    fn ingest<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _records: &'a [Record],
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    /// Told of every new body of a section, in the transaction that stores it; `old` is the body of
    /// before, `None` for the first one. `at` is when it was observed. Returns the hosts whose spec of this guard
    /// changes by that, and whose generation is raised already: their agents are told.
    fn section_changed<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _section: &'a str,
        _old: Option<&'a Value>,
        _new: &'a Value,
        _at: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<HostId>, GuardError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Told of what one look of a guard has found new and what it found mended, in the transaction
    /// that stores it.
    fn findings_changed<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _change: &'a crate::store::FindingChange,
        _at: Timestamp,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    /// Told that a host has joined, left, or has other tags, another region or other addresses, in the
    /// transaction that stores it. Returns the *other* hosts whose spec of this guard changes by that:
    /// their generation is raised and their agents are told.
    fn host_changed<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<HostId>, GuardError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// What runs beside the requests for as long as the server does: each is a task of its own.
    fn tasks(&self, _context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
        Vec::new()
    }

    /// The kinds of declarative resources that this guard keeps.
    fn kinds(&self) -> Vec<Arc<dyn crate::Kind>> {
        Vec::new()
    }

    /// The spec of one host, from policy and fleet; `None` if this guard keeps no state.
    fn resolve<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Value>, GuardError>> {
        Box::pin(async { Ok(None) })
    }

    /// What of this guard a host shares with others: hosts with the same answer have the same spec,
    /// which is then resolved once for all of them. `None`: it has one of its own.
    fn scope<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, GuardError>> {
        Box::pin(async { Ok(None) })
    }

    /// What is in this guard's feed after `since`, in parts of at most `limit` changes, in order: the
    /// whole of it when `since` is too long ago or of another epoch. Empty when there is nothing new.
    fn feed<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _since: Generation,
        _limit: usize,
    ) -> BoxFuture<'a, Result<Vec<FeedPart>, GuardError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// How far this guard's feed goes; `None` if it has none.
    fn feed_at<'a>(&'a self, _db: &'a mut SqliteConnection) -> BoxFuture<'a, Result<Option<Generation>, GuardError>> {
        Box::pin(async { Ok(None) })
    }

    /// Told how far a host has stored the feed.
    fn feed_held<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _host: &'a HostId,
        _to: Generation,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    /// Makes a plan on probation permanent, inside the frame's transaction.
    fn keep<'a>(&'a self, _db: &'a mut SqliteConnection, _plan: &'a Plan) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    /// Undoes a plan, inside the frame's transaction.
    fn rollback<'a>(&'a self, _db: &'a mut SqliteConnection, _plan: &'a Plan) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    /// Periodic work (retention, roll-ups), about once a minute.
    fn tend<'a>(&'a self, _db: &'a mut SqliteConnection, _now: Timestamp) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What the agent tells a guard's keeper about itself when it starts.
#[derive(Debug, Clone, Default)]
pub struct AgentFacts {
    /// Networks that must always reach this host, on every port, and be reached: the configured ones
    /// without a port, and this machine itself.
    pub failsafe: Vec<palisade_core::Cidr>,
    /// Configured networks that must always reach this host on one TCP or UDP port.
    pub failsafe_ports: Vec<(palisade_core::Cidr, u16)>,
    /// Where the server is: this host must always reach it there, and hear its answers. From the
    /// agent's own identity, never from what somebody else says; empty on the server's own host.
    pub server: Vec<std::net::SocketAddr>,
    /// The agent's nftables table should be one that no other process can change.
    pub own_table: bool,
    /// Where the agent keeps its state, root only.
    pub state_dir: PathBuf,
}

impl AgentFacts {
    /// Whom no ban may cut, whatever the port: all of them, each once.
    pub fn uncut(&self) -> Vec<palisade_core::Cidr> {
        let ports = self.failsafe_ports.iter().map(|(cidr, _)| *cidr);
        let server = self.server.iter().map(|address| palisade_core::Cidr::from(address.ip()));
        let mut all: Vec<_> = self.failsafe.iter().copied().chain(ports).chain(server).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// An error and its causes on one line, joined by `: `.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !said.ends_with(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        cause = inner.source();
    }
    said
}
