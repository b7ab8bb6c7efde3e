//! What many hosts have reported of their network side, in a few questions to the database.

use crate::WORD;
use crate::exposure::{Filtering, Rules, Segment, segments};
use crate::group::fleet::Ready;
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
    ready: &Ready,
    hosts: &[HostId],
    now: Timestamp,
) -> Result<Vec<Seen>, GuardError> {
    let mut wanted = Wanted::new(ready, now);
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
    ready: &'a Ready,
    now: Timestamp,
    known: HashMap<String, Vec<Segment>>,
}

impl<'a> Wanted<'a> {
    fn new(ready: &'a Ready, now: Timestamp) -> Wanted<'a> {
        Wanted { ready, now, known: HashMap::new() }
    }

    /// Those of the candidate while it is tried; empty if neither a group nor a policy chooses the host.
    fn of(&mut self, host: &HostId) -> Vec<Segment> {
        let (ready, now) = (self.ready, self.now);
        let made = || {
            let (confirmed, candidate) = ready.filter(host, now);
            let filter = candidate.map_or(confirmed, |candidate| candidate.filter);
            if filter.defaults.is_some() { segments(&filter, now) } else { Vec::new() }
        };
        self.known.entry(ready.key(host, now)).or_insert_with(made).clone()
    }
}
