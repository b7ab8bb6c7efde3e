//! Which hosts without an agent are due, and what is kept of a visit.

use super::judge::Known;
use super::login::{Fault, Login, Visit};
use super::{INTERVAL_S, frame, frame_down, key, sampled, store};
use crate::probe::schedule::is_due;
use crate::store::Store;
use palisade_core::{HostAddress, HostId, Timestamp};
use palisade_guard::contract::chain;
use palisade_guard::{GuardError, ServerContext, store as frame_store};
use palisade_sys::sample::Sample;
use russh::keys::PrivateKey;
use sqlx::SqliteConnection;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Seconds after which a host that failed once is tried again, and one that was read for the first
/// time is read once more: rates need two readings.
const AGAIN_S: i64 = 20;

struct Host {
    address: HostAddress,
    known: Known,
}

/// The hosts without an agent, as the loop that looks knows them.
#[derive(Default)]
pub struct Hosts {
    hosts: HashMap<HostId, Host>,
    /// Known, and no longer hosts without an agent.
    pub gone: Vec<HostId>,
    key: Option<Arc<PrivateKey>>,
    /// What each host said at the look before.
    before: HashMap<HostId, Sample>,
    /// Read once since the server was started.
    first: HashSet<HostId>,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// An event was recorded.
    Told,
    /// It was kept.
    Quietly,
    /// It was made before an operator confirmed another key, or the host is gone: nothing of it holds.
    Not,
}

impl Hosts {
    /// Reads the hosts; returns when each was visited last.
    pub async fn read(&mut self, db: &mut SqliteConnection) -> Result<Vec<(HostId, Timestamp)>, GuardError> {
        let rows = frame_store::hosts_agentless(db).await?;
        let mut all = store::all(db).await?;
        let (mut visited, mut hosts) = (Vec::new(), HashMap::new());
        for row in rows {
            let known = all.remove(&row.id).unwrap_or_default();
            visited.extend(known.looked_at.map(|at| (row.id.clone(), at)));
            match row.address.as_deref().unwrap_or_default().parse() {
                Ok(address) => _ = hosts.insert(row.id, Host { address, known }),
                Err(error) => tracing::warn!(host.id = %row.id, %error, "a stored address cannot be read; not visited"),
            }
        }
        self.gone = all.into_keys().filter(|host| !hosts.contains_key(host)).collect();
        self.before.retain(|host, _| hosts.contains_key(host));
        self.first.retain(|host| hosts.contains_key(host));
        self.hosts = hosts;
        Ok(visited)
    }

    /// Forgets what was known of hosts that are gone, their confirmed keys with it.
    pub async fn forget(&mut self, tx: &mut SqliteConnection) -> Result<(), GuardError> {
        for host in self.gone.drain(..) {
            store::remove(tx, &host).await?;
        }
        Ok(())
    }

    /// Opens the server's key when there is somebody to visit. Without it only visits fall out.
    pub async fn ready(&mut self, context: &ServerContext) {
        if self.key.is_some() || self.hosts.is_empty() {
            return;
        }
        match key::key(context).await {
            Ok(key) => self.key = Some(key),
            Err(error) => tracing::warn!(error = chain(&error), "hosts without an agent are not visited: no key"),
        }
    }

    /// Who is to be visited now, given when each was last.
    pub fn due(&self, last: impl Fn(&HostId) -> Option<Timestamp>, now: Timestamp) -> Vec<Login> {
        let Some(key) = &self.key else { return Vec::new() };
        let is_due = |id: &HostId, host: &Host| {
            let is_hasty = host.known.failures == 1 || self.first.contains(id);
            let again = is_hasty && last(id).is_some_and(|last| now.duration_since(last).as_secs() >= AGAIN_S);
            again || is_due(id.as_str(), i64::from(INTERVAL_S), last(id), now)
        };
        let due = self.hosts.iter().filter(|(id, host)| is_due(id, host));
        let login = |(id, host): (&HostId, &Host)| Login {
            host: id.clone(),
            address: host.address.clone(),
            pinned: host.known.pinned.clone(),
            key: Arc::clone(key),
        };
        due.map(login).collect()
    }

    /// Keeps a visit that began at `began`: what is known of the host, its samples, and an event where
    /// there is something to tell.
    pub async fn visited(
        &mut self,
        (tx, context, samples): (&mut SqliteConnection, &ServerContext, &Store),
        login: &Login,
        visit: &Visit,
        began: Timestamp,
    ) -> Result<Kept, GuardError> {
        let id = &login.host;
        let known = store::known(tx, id).await?;
        let Some(host) = self.hosts.get_mut(id) else { return Ok(Kept::Not) };
        if known.pinned != login.pinned {
            host.known = known;
            return Ok(Kept::Not);
        }
        let sampled = sampled(visit, began);
        let (known, event) = known.after(id, visit, sampled.as_ref().map(|_| ()), began);
        store::known_put(tx, id, &known).await?;
        host.known = known;
        if let Some(event) = &event {
            context.record(tx, event).await?;
        }
        match sampled {
            Ok(sample) => {
                let frame = frame(self.before.get(id), &sample, visit.login_s);
                samples.put(tx, id, &[frame]).await?;
                frame_store::host_seen(tx, id, None, began).await?;
                self.read_one(id, sample);
            }
            Err(Fault::NotPinned(_)) => {}
            Err(_) => {
                samples.put(tx, id, &[frame_down(began)]).await?;
                self.first.remove(id);
            }
        }
        Ok(if event.is_some() { Kept::Told } else { Kept::Quietly })
    }

    fn read_one(&mut self, host: &HostId, sample: Sample) {
        match self.before.insert(host.clone(), sample) {
            None => _ = self.first.insert(host.clone()),
            Some(_) => _ = self.first.remove(host),
        }
    }
}
