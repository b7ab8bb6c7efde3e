//! Feeds on their way down: read and written once for all hosts that are equally far.

use super::Server;
use super::specs::line;
use bytes::Bytes;
use palisade_core::Generation;
use palisade_guard::link::Down;
use palisade_guard::{GuardError, Serve};
use std::collections::{HashMap, VecDeque};

/// Changes in one message.
const CHANGES_PER_PART_MAX: usize = 10_000;
/// Ways from one position to the newest that are kept ready; a whole feed is up to 20 MB.
const WAYS_MAX: usize = 16;

/// What was read for other hosts.
#[derive(Default)]
pub struct Fed {
    /// By guard: the count of changes at which the position was read.
    newest: HashMap<&'static str, (u64, Generation)>,
    ways: VecDeque<Way>,
}

/// The messages that lead from one position to another.
struct Way {
    guard: &'static str,
    from: Generation,
    to: Generation,
    lines: Vec<Bytes>,
}

/// What is new in the feeds of all guards after `carried`, which is moved on.
pub async fn feeds(
    server: &Server,
    carried: &mut HashMap<String, Generation>,
    tick: Option<u64>,
) -> Result<Vec<Bytes>, GuardError> {
    let mut lines = Vec::new();
    for guard in server.guards.iter().filter(|guard| guard.keeper.is_some()) {
        let (Some(serve), Some(at)) = (&guard.server, carried.get_mut(guard.word)) else { continue };
        // held while it is read: a thousand links that wake at once read it once
        let mut fed = server.fed.lock().await;
        if let Some(way) = fed.way(server, guard.word, serve.as_ref(), *at, tick).await? {
            *at = way.to;
            lines.extend(way.lines.iter().cloned());
        }
    }
    Ok(lines)
}

impl Fed {
    async fn way(
        &mut self,
        server: &Server,
        guard: &'static str,
        serve: &dyn Serve,
        from: Generation,
        tick: Option<u64>,
    ) -> Result<Option<&Way>, GuardError> {
        let known = self.newest.get(guard).filter(|(read_at, _)| Some(*read_at) == tick);
        let Some(newest) = (match known {
            Some((_, newest)) => Some(*newest),
            None => self.read_newest(server, guard, serve, tick).await?,
        }) else {
            return Ok(None);
        };
        if newest <= from {
            return Ok(None);
        }
        let same = |way: &Way| way.guard == guard && way.from == from && way.to >= newest;
        if let Some(place) = self.ways.iter().position(same) {
            return Ok(self.ways.get(place));
        }
        let mut tx = server.context.db.read().begin().await?;
        let parts = serve.feed(&mut tx, from, CHANGES_PER_PART_MAX).await?;
        let Some(to) = parts.last().map(|part| part.to) else { return Ok(None) };
        let lines = parts.into_iter().map(|part| line(&Down::Feed { guard: guard.to_owned(), part })).collect();
        self.ways.retain(|way| way.guard != guard || way.to >= to);
        self.ways.push_back(Way { guard, from, to, lines });
        if self.ways.len() > WAYS_MAX {
            self.ways.pop_front();
        }
        Ok(self.ways.back())
    }

    async fn read_newest(
        &mut self,
        server: &Server,
        guard: &'static str,
        serve: &dyn Serve,
        tick: Option<u64>,
    ) -> Result<Option<Generation>, GuardError> {
        let mut db = server.context.db.read().acquire().await?;
        let newest = serve.feed_at(&mut db).await?;
        if let (Some(newest), Some(tick)) = (newest, tick) {
            self.newest.insert(guard, (tick, newest));
        }
        Ok(newest)
    }
}
