//! What travels down to one agent: specs whole or as changes, feeds, orders, and what is looked at.

use super::Server;
use super::feeds::feeds;
use bytes::Bytes;
use palisade_core::{Generation, HostId, Timestamp};
use palisade_guard::link::{Down, Hello, SpecHeld, spec_hash};
use palisade_guard::{GuardError, Serve, delta, store};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// A delta is sent only if it is at most this part of the whole spec.
const DELTA_PART_MAX: usize = 2;
/// Changes that are kept ready, for the other hosts that need the same.
const CHANGES_MAX: usize = 64;
/// A spec that hosts share is resolved anew after this time, so that what has ended is left out.
const SHARED_S: i64 = 10;
/// A spec of one host alone is kept for finding the next change up to this size, in bytes.
const OWN_BYTES_MAX: usize = 256 << 10;

/// A spec as it was resolved, and as it travels.
pub struct Resolved {
    value: Value,
    text: Bytes,
    hash: String,
}

impl Resolved {
    fn new(value: Value) -> Resolved {
        Resolved { text: value.to_string().into(), hash: spec_hash(&value), value }
    }
}

/// What hosts share: many have the same spec and need the same change, which is found and written
/// once. A thousand hosts with ten thousand bans would need gigabytes otherwise, and minutes.
#[derive(Default)]
pub struct Sent {
    /// By guard and scope.
    newest: tokio::sync::Mutex<HashMap<(&'static str, String), Newest>>,
    changes: Mutex<VecDeque<Change>>,
}

/// The newest spec of a scope.
struct Newest {
    version: Generation,
    resolved_at: Timestamp,
    spec: Arc<Resolved>,
}

/// How one spec becomes another.
struct Change {
    /// Their hashes.
    of: (String, String),
    /// Splices as JSON; `None` if the whole is the better way.
    text: Option<Bytes>,
}

impl Sent {
    /// The spec of a host, and whether others have the same; `None` if the guard keeps nothing.
    async fn resolve(
        &self,
        guard: &'static str,
        serve: &dyn Serve,
        db: &mut SqliteConnection,
        host: &HostId,
        now: Timestamp,
    ) -> Result<Option<(Arc<Resolved>, bool)>, GuardError> {
        let Some(scope) = serve.scope(&mut *db, host, now).await? else {
            let own = serve.resolve(db, host, now).await?;
            return Ok(own.map(|value| (Arc::new(Resolved::new(value)), false)));
        };
        let version = store::spec_version(&mut *db, guard).await?;
        let mut newest = self.newest.lock().await;
        let key = (guard, scope);
        if let Some(known) = newest.get(&key)
            && known.version == version
            && now.duration_since(known.resolved_at).as_secs() < SHARED_S
        {
            return Ok(Some((Arc::clone(&known.spec), true)));
        }
        let Some(value) = serve.resolve(db, host, now).await? else { return Ok(None) };
        let spec = Arc::new(Resolved::new(value));
        newest.insert(key, Newest { version, resolved_at: now, spec: Arc::clone(&spec) });
        Ok(Some((spec, true)))
    }

    /// The changes from one spec to another, as JSON; `None` if the whole is the better way.
    fn change(&self, old: &Resolved, new: &Resolved) -> Option<Bytes> {
        let mut changes = self.changes.lock().expect("no panic while held");
        let of = (old.hash.clone(), new.hash.clone());
        if let Some(known) = changes.iter().find(|change| change.of == of) {
            return known.text.clone();
        }
        let text = delta::diff(&old.value, &new.value).and_then(|splices| serde_json::to_vec(&splices).ok());
        let text = text.filter(|text| text.len() <= new.text.len() / DELTA_PART_MAX).map(Bytes::from);
        changes.push_back(Change { of, text: text.clone() });
        if changes.len() > CHANGES_MAX {
            changes.pop_front();
        }
        text
    }
}

/// [`Down::Spec`] as a line, in parts: the long one is shared by all lines that hold it.
fn whole(guard: &str, generation: Generation, spec: &Resolved) -> Vec<Bytes> {
    let start = format!("{{\"spec\":{{\"guard\":{},\"generation\":{},\"spec\":", json!(guard), json!(generation));
    vec![start.into(), spec.text.clone(), Bytes::from_static(b"}}\n")]
}

/// [`Down::Delta`] as a line, in parts.
fn changed(guard: &str, from: Generation, generation: Generation, splices: Bytes, hash: &str) -> Vec<Bytes> {
    let (guard, from, generation) = (json!(guard), json!(from), json!(generation));
    let start = format!("{{\"delta\":{{\"guard\":{guard},\"from\":{from},\"generation\":{generation},\"splices\":");
    vec![start.into(), splices, format!(",\"hash\":{}}}}}\n", json!(hash)).into()]
}

pub(super) fn line(down: &Down) -> Bytes {
    let mut line = serde_json::to_vec(down).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// What one connection has carried down so far.
#[derive(Default)]
pub struct Carried {
    /// What the agent said that it has stored.
    held: HashMap<String, SpecHeld>,
    epoch: u32,
    specs: HashMap<&'static str, (Generation, Option<Arc<Resolved>>)>,
    orders: HashMap<String, bool>,
    live: Option<Timestamp>,
    /// How far each feed was carried; a guard that the agent did not name is left out.
    feeds: HashMap<String, Generation>,
}

impl Carried {
    /// As the agent says at the beginning.
    pub fn from_hello(hello: &Hello) -> Carried {
        let held = hello.specs.iter().map(|(guard, held)| (guard.clone(), held.clone())).collect();
        let feeds = hello.feeds.iter().map(|(guard, at)| (guard.clone(), *at)).collect();
        Carried { held, epoch: hello.epoch, feeds, ..Carried::default() }
    }

    /// What is new for the host since the last call, as parts of lines; the last one says that the
    /// line is alive.
    pub async fn next(&mut self, server: &Server, host: &HostId) -> Result<Vec<Bytes>, GuardError> {
        let mut lines: Vec<Bytes> = self.epoch(server).await?.iter().map(line).collect();
        lines.extend(feeds(server, &mut self.feeds, None).await?);
        lines.extend(self.specs(server, host).await?);
        lines.extend(self.orders(server, host).await?.iter().map(line));
        let until = server.context.looked_at_until(host);
        if until != self.live {
            self.live = until;
            lines.extend(until.map(|until| line(&Down::Live { until })));
        }
        let asks = server.context.asked(host).into_iter();
        lines.extend(asks.map(|ask| line(&Down::Ask { guard: ask.guard.to_owned(), body: ask.body })));
        lines.push(line(&Down::Heartbeat));
        Ok(lines)
    }

    /// What is new in the feeds since the last call. `tick` is the server's count of their changes: with
    /// the same one as another connection before, nothing is read anew.
    pub async fn next_of_feeds(&mut self, server: &Server, tick: u64) -> Result<Vec<Bytes>, GuardError> {
        feeds(server, &mut self.feeds, Some(tick)).await
    }

    async fn epoch(&mut self, server: &Server) -> Result<Vec<Down>, GuardError> {
        let mut db = server.context.db.read().acquire().await?;
        let Some(proof) = store::epoch_proof(&mut db).await?.filter(|proof| proof.epoch > self.epoch) else {
            return Ok(Vec::new());
        };
        self.epoch = proof.epoch;
        Ok(vec![Down::Epoch(proof)])
    }

    /// The specs whose generation this connection has not carried yet.
    async fn specs(&mut self, server: &Server, host: &HostId) -> Result<Vec<Bytes>, GuardError> {
        let mut lines = Vec::new();
        for guard in server.guards.iter().filter(|g| g.keeper.is_some()) {
            let Some(serve) = &guard.server else { continue };
            // one read transaction, so that generation and spec belong together
            let mut tx = server.context.db.read().begin().await?;
            let generation = store::generation(&mut tx, host, guard.word).await?;
            let carried = self.specs.get(guard.word);
            if generation == Generation::default() || carried.is_some_and(|(sent, _)| *sent == generation) {
                continue;
            }
            let now = server.context.now();
            let resolved = server.sent.resolve(guard.word, serve.as_ref(), &mut tx, host, now).await?;
            drop(tx);
            if let Some((spec, shared)) = resolved {
                lines.extend(self.spec(server, guard.word, generation, spec, shared));
            }
        }
        Ok(lines)
    }

    fn spec(
        &mut self,
        server: &Server,
        guard: &'static str,
        generation: Generation,
        spec: Arc<Resolved>,
        shared: bool,
    ) -> Vec<Bytes> {
        let kept = (shared || spec.text.len() <= OWN_BYTES_MAX).then(|| Arc::clone(&spec));
        let before = self.specs.insert(guard, (generation, kept));
        let held = self.held.remove(guard);
        if held.is_some_and(|held| held.generation == generation && held.hash == spec.hash) {
            return Vec::new();
        }
        let change = before.and_then(|(from, old)| Some((from, server.sent.change(&*old?, &spec)?)));
        match change {
            Some((from, splices)) => changed(guard, from, generation, splices, &spec.hash),
            None => whole(guard, generation, &spec),
        }
    }

    /// The open orders that this connection has not carried yet, and those that were cancelled since.
    async fn orders(&mut self, server: &Server, host: &HostId) -> Result<Vec<Down>, GuardError> {
        let mut db = server.context.db.read().acquire().await?;
        let open = store::orders_open(&mut db, host).await?;
        let new = open.into_iter().filter(|o| self.orders.insert(o.id.clone(), o.cancelled) != Some(o.cancelled));
        Ok(new.map(Down::Order).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(parts: Vec<Bytes>) -> Down {
        let line = parts.concat();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_line_in_parts_is_the_message_that_it_stands_for() {
        let (first, second) = (Generation { epoch: 1, n: 4 }, Generation { epoch: 1, n: 5 });
        let old = Resolved::new(json!({ "bans": (0..100).collect::<Vec<_>>() }));
        let new = Resolved::new(json!({ "bans": (0..101).collect::<Vec<_>>() }));
        let Down::Spec { guard, generation, spec } = read(whole("firewall", first, &old)) else { panic!("a spec") };
        assert_eq!((guard.as_str(), generation, &spec), ("firewall", first, &old.value));
        let splices = Sent::default().change(&old, &new).unwrap();
        let Down::Delta { from, generation, splices, hash, .. } =
            read(changed("firewall", first, second, splices, &new.hash))
        else {
            panic!("a delta")
        };
        assert_eq!((from, generation), (first, second));
        let result = delta::patch(&old.value, splices).unwrap();
        assert_eq!((spec_hash(&result), &result), (hash, &new.value));
    }

    #[test]
    fn a_change_that_is_no_shorter_than_the_whole_is_not_sent() {
        let (old, new) = (Resolved::new(json!({ "bans": [1, 2] })), Resolved::new(json!({ "bans": [3, 4] })));
        let sent = Sent::default();
        assert_eq!(sent.change(&old, &new), None);
        assert_eq!(sent.change(&old, &new), None, "nor the second time");
    }
}
