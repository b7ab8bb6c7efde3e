//! What many hosts have reported of their network side, in a few questions to the database.

use crate::WORD;
use crate::exposure::{Filtering, Rules, Segment, segments};
use crate::filter::Filter;
use crate::group::resolve::{Fleet, resolve};
use crate::model::{Listeners, Published};
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store as frame;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::HashMap;

/// Hosts that are read at once.
const HOSTS_PER_READ: usize = 500;

/// One host.
pub(super) struct Seen {
    pub host: HostId,
    /// When it was looked at, and until when that is fresh.
    pub seen: Option<(Timestamp, Timestamp)>,
    /// It has said what listens.
    pub reported: bool,
    /// Why what listens could not be read, if so.
    pub unreadable: Option<String>,
    pub listeners: Listeners,
    pub published: Vec<Published>,
    pub rules: Rules,
}

/// The hosts that have said what listens, and those for which there are rules; by name.
pub(super) async fn looks(
    db: &mut SqliteConnection,
    hosts: &[HostId],
    now: Timestamp,
) -> Result<Vec<Seen>, GuardError> {
    let fleet = fleet(db, now).await?;
    let mut wanted = Wanted::new(&fleet, now);
    let mut looks = Vec::new();
    for part in hosts.chunks(HOSTS_PER_READ) {
        let mut listeners = frame::sections(db, part, WORD, "listeners").await?;
        let mut published = frame::sections(db, part, WORD, "published").await?;
        let mut told = frame::sections(db, part, WORD, "filter").await?;
        let freshness = frame::fleet_freshness(db, Some(part)).await?;
        for host in part {
            let rules =
                Rules { wanted: wanted.of(host), told: read::<Option<Filtering>>(told.remove(host))?.flatten() };
            let said = read::<Option<Listeners>>(listeners.remove(host))?.flatten();
            if said.is_none() && rules.wanted.is_empty() {
                continue;
            }
            let guards = freshness.get(host).map(Vec::as_slice).unwrap_or_default();
            let seen = guards.iter().find(|f| f.guard == WORD).map(|f| (f.observed_at, f.fresh_until));
            let reported = said.is_some();
            let listeners = said.unwrap_or_default();
            let published = read::<Option<Vec<Published>>>(published.remove(host))?.flatten().unwrap_or_default();
            let unreadable = listeners.unreadable.clone();
            looks.push(Seen { host: host.clone(), seen, reported, unreadable, listeners, published, rules });
        }
    }
    looks.sort_by(|a, b| a.host.cmp(&b.host));
    Ok(looks)
}

fn read<T: DeserializeOwned>(body: Option<Value>) -> Result<Option<T>, GuardError> {
    let read = |body| serde_json::from_value(body);
    body.map(read).transpose().map_err(|source| GuardError::Decode { what: "observation", guard: WORD, source })
}

/// The rules that the server would give each host; hosts with the same filter share the answer.
struct Wanted<'a> {
    fleet: &'a Fleet,
    now: Timestamp,
    known: HashMap<u64, Vec<(Filter, Vec<Segment>)>>,
}

impl<'a> Wanted<'a> {
    fn new(fleet: &'a Fleet, now: Timestamp) -> Wanted<'a> {
        Wanted { fleet, now, known: HashMap::new() }
    }

    /// Empty if neither a group nor a policy chooses the host.
    fn of(&mut self, host: &HostId) -> Vec<Segment> {
        if self.fleet.groups.is_empty() && self.fleet.policies.is_empty() {
            return Vec::new();
        }
        let Some(filter) = resolve(self.fleet, host, self.now).filter(|f| f.defaults.is_some()) else {
            return Vec::new();
        };
        let alike = self.known.entry(shape(&filter)).or_default();
        if let Some((_, segments)) = alike.iter().find(|(known, _)| *known == filter) {
            return segments.clone();
        }
        let segments = segments(&filter, self.now);
        alike.push((filter, segments.clone()));
        segments
    }
}

/// Filters with other numbers of rules, sets or addresses are not compared.
fn shape(filter: &Filter) -> u64 {
    let addresses: usize = filter.sets.iter().map(|set| set.ranges.len()).sum();
    (filter.rules.len() as u64) << 40 ^ (filter.sets.len() as u64) << 24 ^ addresses as u64
}

/// The documents and hosts that filters are made of.
async fn fleet(_db: &mut SqliteConnection, _now: Timestamp) -> Result<Fleet, GuardError> {
    Ok(Fleet::default())
}
