//! The loop that looks: once a second it keeps how looks have ended, and starts those that are due.
//!
//! A look that has not ended is never started a second time, and one that finds no free place waits
//! for the next second. How looks ended is kept in one transaction for all that ended together.

use super::agentless::LOGINS_MAX;
use super::agentless::login::{self, Login, Visit};
use super::agentless::round::{Hosts, Kept};
use super::look::{self, Outcome};
use super::schedule::is_due;
use super::store::{self, Probe};
use crate::store::Store;
use palisade_core::{HostId, Timestamp};
use palisade_guard::contract::chain;
use palisade_guard::{GuardError, ServerContext};
use std::collections::{HashMap, HashSet};
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
    Host(Login, Visit),
}

struct Round {
    context: ServerContext,
    samples: Store,
    probes: Vec<Arc<Probe>>,
    hosts: Hosts,
    /// When the newest look of each began.
    last: HashMap<Watched, Timestamp>,
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
            hosts: Hosts::default(),
            last: HashMap::new(),
            running: JoinSet::new(),
            running_of: HashMap::new(),
            places: (Arc::new(Semaphore::new(LOOKS_MAX)), Arc::new(Semaphore::new(LOGINS_MAX))),
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
        let hosts_looked_at = self.hosts.read(&mut db).await?;
        drop(db);
        let running: HashSet<Watched> = self.running_of.values().cloned().collect();
        self.last.retain(|watched, _| running.contains(watched));
        for probe in &self.probes {
            // a probe that was changed is looked at once more at once
            if let Some((_, look)) = looks.get(&probe.name).filter(|(version, _)| *version == probe.version) {
                self.last.entry(Watched::Probe(probe.name.clone())).or_insert(look.at);
            }
        }
        for (host, at) in hosts_looked_at {
            self.last.entry(Watched::Host(host)).or_insert(at);
        }
        let is_gone = |name: &String| self.probes.iter().all(|probe| probe.name != *name);
        self.forget(looks.into_keys().filter(is_gone).collect()).await?;
        self.hosts.ready(&self.context).await;
        Ok(())
    }

    async fn forget(&mut self, probes: Vec<String>) -> Result<(), GuardError> {
        if probes.is_empty() && self.hosts.gone.is_empty() {
            return Ok(());
        }
        let mut tx = self.context.begin().await?;
        for name in probes {
            store::look_remove(&mut tx, &name).await?;
        }
        self.hosts.forget(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    fn start(&mut self) {
        let now = self.context.now();
        let running: HashSet<Watched> = self.running_of.values().cloned().collect();
        for probe in self.probes.clone() {
            let watched = Watched::Probe(probe.name.clone());
            let interval_s = probe.spec.interval.as_secs() as i64;
            let due = is_due(&probe.name, interval_s, self.last.get(&watched).copied(), now);
            if due && !running.contains(&watched) {
                self.start_probe(probe, watched, now);
            }
        }
        let last = |host: &HostId| self.last.get(&Watched::Host(host.clone())).copied();
        for login in self.hosts.due(last, now) {
            let watched = Watched::Host(login.host.clone());
            if !running.contains(&watched) {
                self.start_host(login, watched, now);
            }
        }
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

    fn start_host(&mut self, login: Login, watched: Watched, now: Timestamp) {
        let Ok(place) = Arc::clone(&self.places.1).try_acquire_owned() else { return };
        self.last.insert(watched.clone(), now);
        let task = self.running.spawn(async move {
            let visit = login::visit(&login).await;
            drop(place);
            Ended::Host(login, visit)
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
                Ended::Host(login, visit) => {
                    let kept =
                        self.hosts.visited((&mut tx, &self.context, &self.samples), &login, &visit, began).await?;
                    match kept {
                        Kept::Told => is_journal_changed = true,
                        Kept::Quietly => {}
                        // what was known has changed while it went on: it is made anew
                        Kept::Not => _ = self.last.remove(&Watched::Host(login.host)),
                    }
                }
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
}
