//! What the server gives to the handlers of a guard.

use crate::contract::BoxFuture;
use crate::db::{Database, Write};
use crate::{GuardError, store};
use palisade_core::{Clock, Event, HostId, Plan, PlanState, Timestamp};
use sqlx::SqliteConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    changes: broadcast::Sender<Change>,
    seq: Arc<AtomicU64>,
    specs: watch::Sender<u64>,
    cuts: broadcast::Sender<HostId>,
    live: Arc<std::sync::Mutex<std::collections::HashMap<HostId, Timestamp>>>,
}

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
            changes: broadcast::channel(CHANGES_KEPT).0,
            seq: Arc::default(),
            specs: watch::channel(0).0,
            cuts: broadcast::channel(CHANGES_KEPT).0,
            live: Arc::default(),
        }
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

    /// For the links to the agents: ticks whenever a spec may have changed.
    pub fn specs(&self) -> watch::Receiver<u64> {
        self.specs.subscribe()
    }

    /// Wakes the links to the agents.
    pub fn wake_agents(&self) {
        self.specs.send_modify(|n| *n += 1);
    }

    /// Ends the connections of `host` at once.
    pub fn cut(&self, host: &HostId) {
        // no receiver is no error: nobody is connected
        let _ = self.cuts.send(host.clone());
    }

    /// For the links to the agents: hosts whose connections shall end.
    pub fn cuts(&self) -> broadcast::Receiver<HostId> {
        self.cuts.subscribe()
    }

    /// Asks `host` for a sample every second until `until`.
    pub fn look_on(&self, host: &HostId, until: Timestamp) {
        self.live.lock().expect("no panic while held").insert(host.clone(), until);
        self.wake_agents();
    }

    /// Until when `host` is looked at.
    pub fn looked_at_until(&self, host: &HostId) -> Option<Timestamp> {
        let now = self.now();
        self.live.lock().expect("no panic while held").get(host).copied().filter(|until| *until > now)
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
        for host in &plan.hosts {
            plan.generation = plan.generation.max(store::generation_raise(tx, host, &plan.guard).await?);
        }
        store::plan_put(tx, plan).await
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
        self.wake_agents();
        Ok(plan)
    }
}
