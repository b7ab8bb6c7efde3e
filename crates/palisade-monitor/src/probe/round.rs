//! The loop that looks: once a second it keeps how looks have ended, and starts those that are due.
//!
//! A look that has not ended is never started a second time, and one that finds no free place waits
//! for the next second. How looks ended is kept in one transaction for all that ended together.

use super::agentless::{
    self,
    judge::Known,
    login::{self, Fault, Login, Visit},
};
use super::look::{self, Outcome};
use super::schedule::is_due;
use super::store::{self, Probe};
use crate::store::Store;
use palisade_core::{HostAddress, HostId, Timestamp};
use palisade_guard::contract::chain;
use palisade_guard::{GuardError, ServerContext, store as frame_store};
use palisade_sys::sample::Sample;
use russh::keys::PrivateKey;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::{Receiver, error::TryRecvError};
use tokio::task::{Id, JoinError, JoinSet};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// What is looked at is read again after so many rounds, whether a change was told of or not.
const READ_EVERY_ROUNDS: u32 = 60;
/// Looks of probes at a time.
const LOOKS_MAX: usize = 256;
/// Seconds after which a host that failed once is tried again.
const RETRY_S: i64 = 20;

/// Looks until the server ends.
pub async fn run(samples: Store, context: ServerContext) {
    let mut changes = context.changes();
    let mut round = Round::new(samples, context);
    let mut tick = tokio::time::interval(ROUND);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        round.hear(&mut changes);
        if let Err(error) = round.go().await {
            tracing::warn!(error = chain(&error), "looking from outside; tried again");
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Watched {
    Probe(String),
    Host(HostId),
}

/// What came of a look.
enum Ended {
    Probe(Arc<Probe>, Outcome),
    Host(HostId, Visit),
}

struct Host {
    address: HostAddress,
    known: Known,
}

struct Round {
    context: ServerContext,
    samples: Store,
    probes: Vec<Arc<Probe>>,
    hosts: HashMap<HostId, Host>,
    key: Option<Arc<PrivateKey>>,
    /// When the newest look of each began.
    last: HashMap<Watched, Timestamp>,
    /// What each host without an agent said at the look before.
    before: HashMap<HostId, Sample>,
    running: JoinSet<Ended>,
    running_of: HashMap<Id, Watched>,
    places: (Arc<Semaphore>, Arc<Semaphore>),
    rounds_since_read: Option<u32>,
}

impl Round {
    fn new(samples: Store, context: ServerContext) -> Round {
        Round {
            context,
            samples,
            probes: Vec::new(),
            hosts: HashMap::new(),
            key: None,
            last: HashMap::new(),
            before: HashMap::new(),
            running: JoinSet::new(),
            running_of: HashMap::new(),
            places: (Arc::new(Semaphore::new(LOOKS_MAX)), Arc::new(Semaphore::new(agentless::LOGINS_MAX))),
            rounds_since_read: None,
        }
    }

    /// Notes whether what is looked at may have changed.
    fn hear(&mut self, changes: &mut Receiver<palisade_guard::context::Change>) {
        loop {
            match changes.try_recv() {
                Ok(change) if change.topics.iter().any(|topic| topic == super::TOPIC || topic == "hosts") => {
                    self.rounds_since_read = None;
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => self.rounds_since_read = None,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn go(&mut self) -> Result<(), GuardError> {
        self.keep().await?;
        match &mut self.rounds_since_read {
            Some(rounds) if *rounds < READ_EVERY_ROUNDS => *rounds += 1,
            _ => {
                self.read().await?;
                self.rounds_since_read = Some(0);
            }
        }
        self.start();
        Ok(())
    }

    /// Reads what is to be looked at, and when it was looked at last.
    async fn read(&mut self) -> Result<(), GuardError> {
        let mut db = self.context.db.read().acquire().await?;
        self.probes = store::probes(&mut db).await?.into_iter().map(Arc::new).collect();
        let looks = store::last_looks(&mut db).await?;
        let rows = frame_store::hosts_agentless(&mut db).await?;
        let mut known = agentless::store::all(&mut db).await?;
        drop(db);
        let running: Vec<Watched> = self.running_of.values().cloned().collect();
        self.last.retain(|watched, _| running.contains(watched));
        for probe in &self.probes {
            // a probe that was changed is looked at once more at once
            if let Some((_, look)) = looks.get(&probe.name).filter(|(version, _)| *version == probe.version) {
                self.last.entry(Watched::Probe(probe.name.clone())).or_insert(look.at);
            }
        }
        self.hosts.clear();
        for row in rows {
            let known = known.remove(&row.id).unwrap_or_default();
            if let Some(at) = known.looked_at {
                self.last.entry(Watched::Host(row.id.clone())).or_insert(at);
            }
            match row.address.as_deref().unwrap_or_default().parse() {
                Ok(address) => _ = self.hosts.insert(row.id, Host { address, known }),
                Err(error) => {
                    tracing::warn!(host.id = %row.id, %error, "a stored address cannot be read; not looked at")
                }
            }
        }
        self.before.retain(|host, _| self.hosts.contains_key(host));
        let gone_probes =
            looks.into_keys().filter(|name| self.probes.iter().all(|probe| probe.name != *name)).collect();
        self.forget(gone_probes, known.into_keys().filter(|host| !self.hosts.contains_key(host)).collect()).await?;
        if self.key.is_none() && !self.hosts.is_empty() {
            self.key = Some(agentless::key::key(&self.context).await?);
        }
        Ok(())
    }

    async fn forget(&self, probes: Vec<String>, hosts: Vec<HostId>) -> Result<(), GuardError> {
        if probes.is_empty() && hosts.is_empty() {
            return Ok(());
        }
        let mut tx = self.context.begin().await?;
        for name in probes {
            store::look_remove(&mut tx, &name).await?;
        }
        for host in hosts {
            agentless::store::remove(&mut tx, &host).await?;
        }
        Ok(tx.commit().await?)
    }

    fn start(&mut self) {
        let now = self.context.now();
        let running: std::collections::HashSet<Watched> = self.running_of.values().cloned().collect();
        for probe in self.probes.clone() {
            let watched = Watched::Probe(probe.name.clone());
            let interval_s = probe.spec.interval.as_secs() as i64;
            let due = is_due(&probe.name, interval_s, self.last.get(&watched).copied(), now);
            if due && !running.contains(&watched) {
                self.start_probe(probe, watched, now);
            }
        }
        let Some(key) = self.key.clone() else { return };
        let due: Vec<HostId> = self.hosts.keys().filter(|host| self.is_host_due(host, now)).cloned().collect();
        for host in due {
            let watched = Watched::Host(host.clone());
            if !running.contains(&watched) {
                self.start_host(host, watched, Arc::clone(&key), now);
            }
        }
    }

    fn is_host_due(&self, host: &HostId, now: Timestamp) -> bool {
        let last = self.last.get(&Watched::Host(host.clone())).copied();
        let is_retried = self.hosts.get(host).is_some_and(|host| host.known.failures == 1);
        let retry = is_retried && last.is_some_and(|last| now.duration_since(last).as_secs() >= RETRY_S);
        retry || is_due(host.as_str(), i64::from(agentless::INTERVAL_S), last, now)
    }

    fn start_probe(&mut self, probe: Arc<Probe>, watched: Watched, now: Timestamp) {
        let Ok(place) = Arc::clone(&self.places.0).try_acquire_owned() else { return };
        self.last.insert(watched.clone(), now);
        let task = self.running.spawn(async move {
            let outcome = look::look(&probe.spec).await;
            drop(place);
            Ended::Probe(probe, outcome)
        });
        self.running_of.insert(task.id(), watched);
    }

    fn start_host(&mut self, host: HostId, watched: Watched, key: Arc<PrivateKey>, now: Timestamp) {
        let Some(at) = self.hosts.get(&host) else { return };
        let Ok(place) = Arc::clone(&self.places.1).try_acquire_owned() else { return };
        self.last.insert(watched.clone(), now);
        let login = Login { address: at.address.clone(), pinned: at.known.pinned.clone(), key };
        let task = self.running.spawn(async move {
            let visit = login::visit(&login).await;
            drop(place);
            Ended::Host(host, visit)
        });
        self.running_of.insert(task.id(), watched);
    }

    /// Keeps how looks have ended since the last round.
    async fn keep(&mut self) -> Result<(), GuardError> {
        let mut ended = Vec::new();
        while let Some(joined) = self.running.try_join_next_with_id() {
            ended.extend(self.joined(joined));
        }
        if ended.is_empty() {
            return Ok(());
        }
        let mut tx = self.context.begin().await?;
        let mut is_journal_changed = false;
        for (began, ended) in ended {
            match ended {
                Ended::Probe(probe, outcome) => {
                    let own = self.context.own.as_ref();
                    store::look_put(&mut tx, &self.samples, own, (&probe, &outcome), began).await?;
                }
                Ended::Host(host, visit) => is_journal_changed |= self.visited(&mut tx, &host, &visit, began).await?,
            }
        }
        tx.commit().await?;
        let topics = ["monitor", super::TOPIC, "journal"];
        self.context.publish(&topics[..if is_journal_changed { 3 } else { 2 }]);
        Ok(())
    }

    fn joined(&mut self, joined: Result<(Id, Ended), JoinError>) -> Option<(Timestamp, Ended)> {
        let (id, ended) = match joined {
            Ok((id, ended)) => (id, Some(ended)),
            Err(error) => {
                tracing::error!(%error, "a look from outside has ended in an error of ours");
                (error.id(), None)
            }
        };
        let watched = self.running_of.remove(&id)?;
        Some((self.last.get(&watched).copied()?, ended?))
    }

    /// Keeps a visit to a host without an agent; true if there is something to tell.
    async fn visited(
        &mut self,
        tx: &mut sqlx::SqliteConnection,
        host: &HostId,
        visit: &Visit,
        began: Timestamp,
    ) -> Result<bool, GuardError> {
        let Some(at) = self.hosts.get_mut(host) else { return Ok(false) };
        // an operator may have confirmed a key meanwhile
        let known = agentless::store::known(tx, host).await?;
        let sampled = agentless::sampled(visit, began);
        let (known, event) = known.after(host, visit, sampled.as_ref().map(|_| ()), began);
        at.known = known;
        agentless::store::known_put(tx, host, &at.known).await?;
        if let Some(event) = &event {
            self.context.record(tx, event).await?;
        }
        match sampled {
            Ok(sample) => {
                let frame = agentless::frame(self.before.get(host), &sample, visit.login_s);
                self.samples.put(tx, host, &[frame]).await?;
                frame_store::host_seen(tx, host, None, began).await?;
                self.before.insert(host.clone(), sample);
            }
            Err(Fault::NotPinned(_)) => {}
            Err(_) => self.samples.put(tx, host, &[agentless::frame_down(began)]).await?,
        }
        Ok(event.is_some())
    }
}
