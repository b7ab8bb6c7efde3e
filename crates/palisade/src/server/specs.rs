//! What travels down to one agent: specs whole or as changes, orders, and what is looked at.

use super::Server;
use palisade_core::{Generation, HostId, Timestamp};
use palisade_guard::link::{Down, Hello, SpecHeld, spec_hash};
use palisade_guard::{GuardError, delta, store};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

/// A delta is sent only if it is at most this part of the whole spec.
const DELTA_PART_MAX: usize = 2;

/// Specs that were sent and may be needed to find the next change; hosts with equal specs share one.
#[derive(Default)]
pub struct Sent(Mutex<HashMap<String, Weak<Value>>>);

impl Sent {
    /// The one copy of this spec, by its hash.
    fn share(&self, hash: &str, spec: Value) -> Arc<Value> {
        let mut all = self.0.lock().expect("no panic while held");
        if let Some(known) = all.get(hash).and_then(Weak::upgrade) {
            return known;
        }
        if all.len() >= 64 {
            all.retain(|_, spec| spec.strong_count() > 0);
        }
        let shared = Arc::new(spec);
        all.insert(hash.to_owned(), Arc::downgrade(&shared));
        shared
    }
}

/// What one connection has carried down so far.
#[derive(Default)]
pub struct Carried {
    /// What the agent said that it has stored.
    held: HashMap<String, SpecHeld>,
    epoch: u32,
    specs: HashMap<&'static str, (Generation, Arc<Value>)>,
    orders: HashMap<String, bool>,
    live: Option<Timestamp>,
}

impl Carried {
    /// As the agent says at the beginning.
    pub fn from_hello(hello: &Hello) -> Carried {
        let held = hello.specs.iter().map(|(guard, held)| (guard.clone(), held.clone())).collect();
        Carried { held, epoch: hello.epoch, ..Carried::default() }
    }

    /// What is new for the host since the last call.
    pub async fn next(&mut self, server: &Server, host: &HostId) -> Result<Vec<Down>, GuardError> {
        let mut messages = self.epoch(server).await?;
        messages.extend(self.specs(server, host).await?);
        messages.extend(self.orders(server, host).await?);
        let until = server.context.looked_at_until(host);
        if until != self.live {
            self.live = until;
            messages.extend(until.map(|until| Down::Live { until }));
        }
        Ok(messages)
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
    async fn specs(&mut self, server: &Server, host: &HostId) -> Result<Vec<Down>, GuardError> {
        let mut messages = Vec::new();
        for guard in server.guards.iter().filter(|g| g.keeper.is_some()) {
            let Some(serve) = &guard.server else { continue };
            // one read transaction, so that generation and spec belong together
            let mut tx = server.context.db.read().begin().await?;
            let generation = store::generation(&mut tx, host, guard.word).await?;
            let carried = self.specs.get(guard.word);
            if generation == Generation::default() || carried.is_some_and(|(sent, _)| *sent == generation) {
                continue;
            }
            if let Some(spec) = serve.resolve(&mut tx, host, server.context.now()).await? {
                drop(tx);
                messages.extend(self.spec(server, guard.word, generation, spec));
            }
        }
        Ok(messages)
    }

    fn spec(&mut self, server: &Server, guard: &'static str, generation: Generation, spec: Value) -> Option<Down> {
        let hash = spec_hash(&spec);
        let now = server.sent.share(&hash, spec);
        let before = self.specs.insert(guard, (generation, Arc::clone(&now)));
        let held = self.held.remove(guard);
        if held.is_some_and(|held| held.generation == generation && held.hash == hash) {
            return None;
        }
        let whole = || Down::Spec { guard: guard.to_owned(), generation, spec: (*now).clone() };
        let Some((from, old)) = before else { return Some(whole()) };
        let Some(splices) = delta::diff(&old, &now) else { return Some(whole()) };
        let size = serde_json::to_vec(&splices).map_or(usize::MAX, |bytes| bytes.len());
        if size > now.to_string().len() / DELTA_PART_MAX {
            return Some(whole());
        }
        Some(Down::Delta { guard: guard.to_owned(), from, generation, splices, hash })
    }

    /// The open orders that this connection has not carried yet, and those that were cancelled since.
    async fn orders(&mut self, server: &Server, host: &HostId) -> Result<Vec<Down>, GuardError> {
        let mut db = server.context.db.read().acquire().await?;
        let open = store::orders_open(&mut db, host).await?;
        let new = open.into_iter().filter(|o| self.orders.insert(o.id.clone(), o.cancelled) != Some(o.cancelled));
        Ok(new.map(Down::Order).collect())
    }
}
