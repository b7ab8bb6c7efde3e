//! The dead man's switch towards the outside: while the server is healthy it gives a sign of life by
//! every channel of type heartbeat. Somebody else's machine tells people when the signs stop.
//!
//! Healthy means that the database takes a write and that every part that has ever beaten a
//! [`Pulse`] has done so lately: a server that runs and judges nothing is as silent as a dead one.

use super::channel::{Failure, heartbeat};
use super::spec::{ChannelSpec, ChannelType};
use super::{kind, outbox, store};
use palisade_core::Timestamp;
use palisade_guard::{GuardError, ServerContext};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// How often it is looked who is due.
const LOOK: Duration = Duration::from_secs(5);
/// How often a sign is given when the channel says nothing.
const EVERY_S: u64 = 60;
/// A part that has not beaten for so long is dead.
const DEAD_MS: i64 = 180_000;

/// When the parts that must live have last done their work. Cheap to clone: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Mutex<BTreeMap<&'static str, Timestamp>>>);

impl Pulse {
    /// A part has done its work.
    pub fn beat(&self, part: &'static str, now: Timestamp) {
        self.0.lock().expect("no panic while held").insert(part, now);
    }

    /// The parts that have not done their work lately.
    pub fn dead(&self, now: Timestamp) -> Vec<&'static str> {
        let late = |at: &Timestamp| now.as_millisecond() - at.as_millisecond() > DEAD_MS;
        let parts = self.0.lock().expect("no panic while held");
        parts.iter().filter(|(_, at)| late(at)).map(|(part, _)| *part).collect()
    }
}

/// Gives signs of life.
pub struct Heart {
    context: ServerContext,
    pulse: Pulse,
    given: HashMap<String, Timestamp>,
}

/// Runs for as long as the server does.
pub async fn run(context: ServerContext, pulse: Pulse) {
    let mut heart = Heart::new(context, pulse);
    loop {
        if let Err(error) = heart.round().await {
            tracing::error!(error = palisade_guard::contract::chain(&error), "no sign of life was given");
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl Heart {
    /// One that has given none yet.
    pub fn new(context: ServerContext, pulse: Pulse) -> Heart {
        Heart { context, pulse, given: HashMap::new() }
    }

    /// Gives the signs that are due, if the server is healthy. Returns how many receivers took one.
    pub async fn round(&mut self) -> Result<usize, GuardError> {
        let now = self.context.now();
        let mut all =
            store::documents::<ChannelSpec>(&mut *self.context.db.read().acquire().await?, kind::CHANNEL).await?;
        all.retain(|name, spec| spec.kind == ChannelType::Heartbeat && self.due(name, spec, now));
        if all.is_empty() {
            return Ok(0);
        }
        let dead = self.pulse.dead(now);
        if !dead.is_empty() {
            tracing::error!(parts = dead.join(", "), "parts of the server stand still: no sign of life is given");
            return Ok(0);
        }
        // a database that takes no write stops here, before anything is given
        let mut tx = self.context.begin().await?;
        outbox::writable(&mut tx).await?;
        tx.commit().await?;
        self.given.extend(all.keys().map(|name| (name.clone(), now)));
        let mut beats: JoinSet<(String, Result<String, Failure>)> = JoinSet::new();
        for (name, spec) in all {
            beats.spawn(async move { (name, heartbeat::beat(&spec).await) });
        }
        self.note(beats.join_all().await, now).await
    }

    fn due(&self, name: &str, spec: &ChannelSpec, now: Timestamp) -> bool {
        let every_ms = spec.every.map_or(EVERY_S, |every| every.as_secs()) as i64 * 1_000;
        self.given.get(name).is_none_or(|given| now.as_millisecond() - given.as_millisecond() >= every_ms)
    }

    async fn note(&self, beats: Vec<(String, Result<String, Failure>)>, now: Timestamp) -> Result<usize, GuardError> {
        let mut tx = self.context.begin().await?;
        for (name, beat) in &beats {
            outbox::health_put(&mut tx, name, beat.as_ref().err().map(Failure::said), now).await?;
        }
        tx.commit().await?;
        self.context.publish(&[super::TOPIC_CHANNELS]);
        Ok(beats.iter().filter(|(_, beat)| beat.is_ok()).count())
    }
}
