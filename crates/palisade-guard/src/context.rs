//! What the server gives to the handlers of a guard.

use crate::ban::{BanAddress, NoBan};
use crate::contract::BoxFuture;
use crate::db::{Database, Write};
use crate::isolate::{IsolateHost, NoIsolation};
use crate::notice::{NoNotify, NoVault, Notify, Vault};
use crate::wake::Links;
use crate::{Entry, GuardError, Serve, store};
use palisade_core::{Clock, Event, HostId, Plan, PlanState, Timestamp};
use sqlx::SqliteConnection;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{broadcast, watch};

/// Records an event; owned by the journal.
pub trait RecordEvent: Send + Sync {
    /// Stores it in the given transaction.
    fn record<'a>(&'a self, db: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>>;
}

/// Something changed that a page may be looking at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Rises by one.
    pub seq: u64,
    /// What: `findings`, `hosts`, `plans`, `firewall/bans`, ….
    pub topics: Vec<String>,
}

/// How many changes a slow page may lag behind before it is told to read all again.
const CHANGES_KEPT: usize = 256;

/// How many cuts a link may lag behind before it has to look up whether its host is still let in.
const CUTS_KEPT: usize = 256;

/// The server, as a guard's handlers see it.
#[derive(Clone)]
pub struct ServerContext {
    /// The database.
    pub db: Database,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The journal.
    pub journal: Arc<dyn RecordEvent>,
    /// Addresses that no change may cut: the server's own and the configured ones.
    pub failsafe: Arc<Vec<palisade_core::Cidr>>,
    /// Who tells people.
    pub notify: Arc<dyn Notify>,
    /// Who shuts addresses out.
    pub ban: Arc<dyn BanAddress>,
    /// Who cuts hosts off.
    pub isolate: Arc<dyn IsolateHost>,
    /// Keeps secrets.
    pub vault: Arc<dyn Vault>,
    /// The host that the server runs on.
    pub own: Option<HostId>,
    serves: Arc<OnceLock<Serves>>,
    changes: broadcast::Sender<Change>,
    seq: Arc<AtomicU64>,
    links: Links,
    feeds: watch::Sender<u64>,
    cut: broadcast::Sender<HostId>,
    live: Arc<std::sync::Mutex<std::collections::HashMap<HostId, Timestamp>>>,
    asks: Arc<std::sync::Mutex<std::collections::HashMap<HostId, Vec<Ask>>>>,
}

/// Something that a guard on the server wants to know of its other half on a host, now. It is carried
/// down once, and lost when the host is away; the answer is a record of the guard's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Rises by one.
    pub seq: u64,
    /// The guard.
    pub guard: &'static str,
    /// The guard's own typed question.
    pub body: serde_json::Value,
}

/// Questions to one host that wait to be carried down; older ones make room.
const ASKS_MAX: usize = 64;

/// The guards' halves on the server, by word.
type Serves = Vec<(&'static str, Arc<dyn Serve>)>;

impl ServerContext {
    /// A context on an open, migrated database.
    pub fn new(
        db: Database,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn RecordEvent>,
        failsafe: Vec<palisade_core::Cidr>,
    ) -> ServerContext {
        ServerContext {
            db,
            clock,
            journal,
            failsafe: Arc::new(failsafe),
            notify: Arc::new(NoNotify),
            ban: Arc::new(NoBan),
            isolate: Arc::new(NoIsolation),
            vault: Arc::new(NoVault),
            own: None,
            serves: Arc::default(),
            changes: broadcast::channel(CHANGES_KEPT).0,
            seq: Arc::default(),
            links: Links::default(),
            feeds: watch::channel(0).0,
            cut: broadcast::channel(CUTS_KEPT).0,
            live: Arc::default(),
            asks: Arc::default(),
        }
    }

    /// With who tells people, who keeps secrets, and the name of the server's own host.
    pub fn with(self, notify: Arc<dyn Notify>, vault: Arc<dyn Vault>, own: Option<HostId>) -> ServerContext {
        ServerContext { notify, vault, own, ..self }
    }

    /// Sets, once, the guards that are told when a host has changed.
    pub fn serve(&self, guards: &[Entry]) {
        let serves = guards.iter().filter_map(|guard| Some((guard.word, Arc::clone(guard.server.as_ref()?))));
        // a second call would be about the same guards
        let _ = self.serves.set(serves.collect());
    }

    /// A host has joined, left, or has other tags, another region or other addresses: every guard is
    /// told within the transaction that stores it, and the generations of the *other* hosts whose specs
    /// change by that are raised. Returns those; wake their agents after the commit.
    pub async fn host_changed(&self, db: &mut SqliteConnection, host: &HostId) -> Result<Vec<HostId>, GuardError> {
        let mut touched = Vec::new();
        for (word, serve) in self.serves.get().into_iter().flatten() {
            let others = serve.host_changed(&mut *db, host, self.now()).await?;
            if !others.is_empty() {
                store::generations_raise(&mut *db, &others, word).await?;
            }
            touched.extend(others);
        }
        touched.sort();
        touched.dedup();
        Ok(touched)
    }

    /// With who shuts addresses out.
    pub fn banning(self, ban: Arc<dyn BanAddress>) -> ServerContext {
        ServerContext { ban, ..self }
    }

    /// With who cuts hosts off.
    pub fn isolating(self, isolate: Arc<dyn IsolateHost>) -> ServerContext {
        ServerContext { isolate, ..self }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins a write.
    pub async fn begin(&self) -> Result<Write, GuardError> {
        self.db.begin().await
    }

    /// Tells looking pages that these topics have changed. Call after the commit.
    pub fn publish(&self, topics: &[&str]) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        // no receiver is no error: nobody looks on
        let _ = self.changes.send(Change { seq, topics: topics.iter().map(|&t| t.to_owned()).collect() });
    }

    /// For the stream of changes.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// For the link to one agent: ticks whenever its specs or orders may have changed.
    pub fn specs_of(&self, host: &HostId) -> watch::Receiver<u64> {
        self.links.subscribe(host)
    }

    /// Wakes the links to these agents, and no other: one ban on one host must not wake thousands of
    /// idle connections.
    pub fn wake_agents_of(&self, hosts: &[HostId]) {
        hosts.iter().for_each(|host| self.links.wake(host));
    }

    /// Wakes the links to all agents.
    pub fn wake_agents(&self) {
        self.links.wake_all();
    }

    /// Something is new in a feed: tells the links to all agents. Call after the commit.
    pub fn feed_changed(&self) {
        self.feeds.send_modify(|n| *n += 1);
    }

    /// For the links to the agents: ticks whenever a feed may have changed.
    pub fn feeds(&self) -> watch::Receiver<u64> {
        self.feeds.subscribe()
    }

    /// Ends the live connections of a host: it was retired or revoked, or its name was given away.
    /// Call after the commit.
    pub fn cut(&self, host: &HostId) {
        // no receiver is no error: nobody is connected
        let _ = self.cut.send(host.clone());
    }

    /// For the links to the agents: hosts whose connections end now. A receiver that lagged behind
    /// has to look up whether its host is still let in.
    pub fn cuts(&self) -> broadcast::Receiver<HostId> {
        self.cut.subscribe()
    }

    /// Asks `host` for a sample every second until `until`.
    pub fn look_on(&self, host: &HostId, until: Timestamp) {
        self.live.lock().expect("no panic while held").insert(host.clone(), until);
        self.wake_agents_of(std::slice::from_ref(host));
    }

    /// Until when `host` is looked at.
    pub fn looked_at_until(&self, host: &HostId) -> Option<Timestamp> {
        let now = self.now();
        self.live.lock().expect("no panic while held").get(host).copied().filter(|until| *until > now)
    }

    /// Asks the guard's other half on `host`.
    pub fn ask(&self, host: &HostId, guard: &'static str, body: serde_json::Value) {
        let mut asks = self.asks.lock().expect("no panic while held");
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        let waiting = asks.entry(host.clone()).or_default();
        if waiting.len() >= ASKS_MAX {
            waiting.remove(0);
        }
        waiting.push(Ask { seq, guard, body });
        drop(asks);
        self.wake_agents_of(std::slice::from_ref(host));
    }

    /// What waits to be carried down to `host`; it is handed out once.
    pub fn asked(&self, host: &HostId) -> Vec<Ask> {
        self.asks.lock().expect("no panic while held").remove(host).unwrap_or_default()
    }

    /// Stores an event that the frame or a guard made, in `tx`.
    pub async fn record(&self, tx: &mut SqliteConnection, event: &Event) -> Result<(), GuardError> {
        self.journal.record(tx, event).await
    }

    /// Stores a plan in `tx`, with a new id if it has none, and raises the generation of its guard on
    /// its hosts.
    pub async fn plan_store(&self, tx: &mut SqliteConnection, plan: &mut Plan) -> Result<(), GuardError> {
        if plan.id.is_empty() {
            plan.id = store::plan_id(tx).await?;
        }
        // without a host there is nobody to report: it is as applied as it can be
        plan.state = if plan.hosts.is_empty() { PlanState::Applied } else { PlanState::Applying };
        let generations = store::generations_raise(tx, &plan.hosts, &plan.guard).await?;
        plan.generation = generations.iter().map(|(_, generation)| *generation).max().unwrap_or_default();
        store::plan_insert(tx, plan, &generations).await
    }

    /// Ends a change that a guard has written into `tx`: stores its plan with a new id, raises the
    /// generation of its guard on its hosts, records `event` with the plan's id as its object,
    /// commits, and wakes the agents. Returns the plan as stored.
    pub async fn commit_plan(&self, mut tx: Write, mut plan: Plan, mut event: Event) -> Result<Plan, GuardError> {
        self.plan_store(&mut tx, &mut plan).await?;
        event.data = serde_json::json!({ "plan": plan.id });
        self.record(&mut tx, &event).await?;
        tx.commit().await?;
        let guard_topic = plan.guard.clone();
        self.publish(&["plans", &guard_topic, "journal"]);
        self.wake_agents_of(&plan.hosts);
        Ok(plan)
    }
}
