//! The fleet as it is stored: as it is confirmed, and with what is on probation.

use super::model::{PortPolicySpec, PrefixListSpec, SecurityGroupSpec};
use super::resolve::{Fleet, Member, Resolver};
use super::store::{self, DocumentRow, IsolationRow, Seen};
use crate::filter::Filter;
use crate::model::{Listeners, Protocol, Scope, scope};
use crate::services;
use crate::spec::Candidate;
use palisade_core::{Generation, HostId, HostKind, Standing, Timestamp};
use palisade_guard::store::{self as frame, HostRow};
use palisade_guard::{GuardError, store as guard_store};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Addresses of one host that count; more are left out.
pub const ADDRESSES_PER_HOST_MAX: usize = 64;
/// Doors of one host that are remembered, of each sort.
const DOORS_MAX: usize = 64;
/// What was read is read anew after this time, in seconds, whatever the revision says: rules end.
const KEPT_S: i64 = 10;

/// The kinds of documents.
pub const GROUP: &str = "SecurityGroup";
/// Prefix lists.
pub const LIST: &str = "PrefixList";
/// Port policies.
pub const POLICY: &str = "PortPolicy";

/// What listens on a host and matters here; not what only the host itself reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Doors {
    /// Ports of databases: (is udp, port).
    pub databases: Vec<(bool, u16)>,
    /// Ports of SSH.
    pub ssh: Vec<u16>,
    /// Ports of this product's server.
    pub server: Vec<u16>,
}

impl Doors {
    /// What of these sockets matters.
    pub fn of(listeners: &Listeners) -> Doors {
        let mut doors = Doors::default();
        for socket in listeners.sockets.iter().filter(|socket| scope(socket) > Scope::Host) {
            if services::database(socket).is_some() {
                doors.databases.push((socket.protocol == Protocol::Udp, socket.port));
            }
            match socket.process.as_deref().unwrap_or_default() {
                "sshd" if socket.protocol == Protocol::Tcp => doors.ssh.push(socket.port),
                "palisade" if socket.protocol == Protocol::Tcp => doors.server.push(socket.port),
                _ => {}
            }
        }
        doors.databases.sort_unstable();
        doors.databases.dedup();
        doors.databases.truncate(DOORS_MAX);
        for ports in [&mut doors.ssh, &mut doors.server] {
            ports.sort_unstable();
            ports.dedup();
            ports.truncate(DOORS_MAX);
        }
        doors
    }
}

/// The addresses of a host by which others know it.
pub fn addresses(said: &[String]) -> Vec<IpAddr> {
    let of_others = |address: &IpAddr| {
        let local = match address {
            IpAddr::V4(a) => a.is_link_local() || a.is_broadcast(),
            IpAddr::V6(a) => a.is_unicast_link_local(),
        };
        !(local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
    };
    let mut all: Vec<IpAddr> = said
        .iter()
        .filter_map(|text| text.parse::<IpAddr>().ok())
        .map(|a| a.to_canonical())
        .filter(of_others)
        .collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(ADDRESSES_PER_HOST_MAX);
    all
}

/// A host in service as groups see it; `None` for one that is not, or has no agent.
pub fn member(row: &HostRow, doors: Option<&Doors>) -> Option<Member> {
    let serves = row.standing == Standing::Active && row.kind == HostKind::Agent;
    serves.then(|| Member {
        id: row.id.clone(),
        tags: row.tags.clone(),
        region: row.region.clone(),
        addresses: addresses(&row.facts.addresses),
        databases: doors.map(|d| d.databases.clone()).unwrap_or_default(),
        isolated: false,
    })
}

/// All that filters are made of, as stored.
pub struct Stored {
    /// Documents by kind and name.
    pub documents: Vec<DocumentRow>,
    /// Hosts that are cut off.
    pub isolated: Vec<IsolationRow>,
    /// Hosts in service.
    pub hosts: Vec<Member>,
    /// What listens on them.
    pub seen: HashMap<HostId, Seen>,
    /// What hosts permit, by name.
    pub permits: HashMap<HostId, Vec<String>>,
    now: Timestamp,
}

impl Stored {
    /// Reads all of it.
    pub async fn read(db: &mut SqliteConnection, now: Timestamp) -> Result<Stored, GuardError> {
        let seen = store::seen(&mut *db, None).await?;
        let rows = frame::hosts(&mut *db).await?;
        let hosts = rows.iter().filter_map(|row| member(row, seen.get(&row.id).map(|s| &s.doors))).collect();
        let permits = rows.into_iter().map(|row| (row.id, row.facts.permit)).collect();
        let documents = store::documents(&mut *db, None, None).await?;
        let isolated = store::isolated(db).await?;
        Ok(Stored { documents, isolated, hosts, seen, permits, now })
    }

    /// The fleet as it is confirmed, and with what these plans try.
    pub fn fleet(&self, with: &[&str]) -> Result<Fleet, GuardError> {
        let mut fleet = Fleet { hosts: self.hosts.clone(), ..Fleet::default() };
        for row in &self.documents {
            let tried = row.plan.is_empty() || with.contains(&row.plan.as_str());
            let spec = if tried { &row.spec } else { &row.before };
            let Some(spec) = spec else { continue };
            put(&mut fleet, &row.kind, &row.name, spec)?;
        }
        for row in self.isolated.iter().filter(|row| row.ends_at.is_none_or(|end| end > self.now)) {
            let made = row.until.is_none() || with.contains(&row.plan.as_str());
            let released = !row.release_plan.is_empty() && with.contains(&row.release_plan.as_str());
            if let Some(member) = fleet.hosts.iter_mut().find(|m| m.id == row.host) {
                member.isolated = made && !released;
            }
            if let Some(end) = row.ends_at {
                fleet.isolation_ends.insert(row.host.clone(), end);
            }
        }
        Ok(fleet)
    }

    /// The plans on probation, with their ends.
    pub fn tried(&self) -> BTreeMap<String, Timestamp> {
        let documents = self.documents.iter().filter_map(|row| Some((row.plan.clone(), row.until?)));
        let made = self.isolated.iter().filter_map(|row| Some((row.plan.clone(), row.until?)));
        let released = self.isolated.iter().filter_map(|row| Some((row.release_plan.clone(), row.release_until?)));
        documents.chain(made).chain(released).filter(|(_, until)| *until > self.now).collect()
    }
}

fn put(fleet: &mut Fleet, kind: &str, name: &str, spec: &str) -> Result<(), GuardError> {
    match kind {
        GROUP => _ = fleet.groups.insert(name.to_owned(), store::read::<SecurityGroupSpec>("security group", spec)?),
        LIST => _ = fleet.lists.insert(name.to_owned(), store::read::<PrefixListSpec>("prefix list", spec)?),
        POLICY => _ = fleet.policies.insert(name.to_owned(), store::read::<PortPolicySpec>("port policy", spec)?),
        _ => {}
    }
    Ok(())
}

/// The fleet, ready to be resolved.
pub struct Ready {
    /// As it is confirmed.
    pub confirmed: Resolver,
    /// The same with each plan on probation, with its end.
    pub tried: Vec<(String, Timestamp, Resolver)>,
}

impl Ready {
    /// What `stored` says.
    pub fn of(stored: &Stored) -> Result<Ready, GuardError> {
        let resolver = |with: &[&str]| stored.fleet(with).map(|fleet| Resolver::new(Arc::new(fleet), stored.now));
        let mut tried = Vec::new();
        for (plan, until) in stored.tried() {
            let resolver = resolver(&[&plan])?;
            tried.push((plan, until, resolver));
        }
        Ok(Ready { confirmed: resolver(&[])?, tried })
    }

    /// What a host gets: its filter, and the one that it tries.
    pub fn filter(&self, host: &HostId, now: Timestamp) -> (Filter, Option<Candidate>) {
        let Some(confirmed) = self.confirmed.filter(host) else { return (Filter::default(), None) };
        for (plan, until, resolver) in self.tried.iter().filter(|(_, until, _)| *until > now) {
            if let Some(filter) = resolver.filter(host).filter(|filter| *filter != confirmed) {
                return (confirmed, Some(Candidate { plan: plan.clone(), until: *until, filter }));
            }
        }
        (confirmed, None)
    }

    /// Hosts with the same key get the same.
    pub fn key(&self, host: &HostId, now: Timestamp) -> String {
        let tried = self.tried.iter().filter(|(_, until, _)| *until > now);
        let keys = tried.map(|(plan, _, resolver)| format!(" | {plan} {}", resolver.key(host).unwrap_or_default()));
        self.confirmed.key(host).unwrap_or_default() + &keys.collect::<String>()
    }
}

/// The fleet as it was read last, so that a thousand hosts do not read all tables a thousand times.
#[derive(Default)]
pub struct Fleets {
    newest: Mutex<Option<Newest>>,
}

struct Newest {
    revision: (i64, Generation),
    read_at: Timestamp,
    ready: Arc<Ready>,
}

impl Fleets {
    /// The fleet; read anew if it has changed. What is read within a write is not kept: it may be
    /// undone, and its revision used again.
    pub async fn ready(
        &self,
        db: &mut SqliteConnection,
        now: Timestamp,
        committed: bool,
    ) -> Result<Arc<Ready>, GuardError> {
        let revision = (store::revision(&mut *db).await?, guard_store::spec_version(&mut *db, crate::WORD).await?);
        let mut newest = self.newest.lock().await;
        if let Some(known) = newest.as_ref().filter(|known| known.revision == revision) {
            let age_s = now.duration_since(known.read_at).as_secs();
            if (0..KEPT_S).contains(&age_s) {
                return Ok(Arc::clone(&known.ready));
            }
        }
        let ready = Arc::new(Ready::of(&Stored::read(db, now).await?)?);
        if committed {
            *newest = Some(Newest { revision, read_at: now, ready: Arc::clone(&ready) });
        }
        Ok(ready)
    }
}
