//! The feed in force on one host: what the kernel holds for it beside what the specs ask for.

use super::aggregate::touches;
use super::book::{Book, Changed, changes_of};
use super::log::Log;
use crate::apply::Act;
use crate::plan::refuse;
use crate::ruleset::{Content, Range, Until, merged, ranges, subtracted};
use palisade_core::{Cidr, Generation, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::link::FeedPart;
use std::net::IpAddr;
use std::path::Path;

/// The feed of this host.
#[derive(Debug, Default)]
pub struct Held {
    book: Book,
    /// Where it is stored; `None` in tests and benches without a disk.
    log: Option<Log>,
    base: Base,
}

/// What the specs alone ask for, as of the last plan.
#[derive(Debug, Default)]
struct Base {
    bans: Vec<(IpAddr, Until)>,
    networks: Vec<(Range, Until)>,
    /// Failsafe, allowed, and released by the host's operator: no ban of the feed touches them.
    safe: Vec<Range>,
}

impl Base {
    fn until(&self, address: IpAddr) -> Option<Until> {
        let place = self.bans.binary_search_by_key(&address, |(known, _)| *known).ok()?;
        Some(self.bans[place].1)
    }
}

impl Held {
    /// Reads what was stored below `dir`.
    pub fn open(dir: &Path) -> Result<Held, GuardError> {
        let dir = dir.join("feed").join(crate::WORD);
        let opened = Log::open(&dir);
        let (log, book) =
            opened.map_err(|e| GuardError::Refused(format!("opening the feed in `{}`: {e}", dir.display())))?;
        Ok(Held { book, log: Some(log), base: Base::default() })
    }

    /// How far it is stored.
    pub fn at(&self) -> Generation {
        self.book.at()
    }

    /// Who is shut out by the feed.
    pub fn banned(&self, now: Timestamp) -> Vec<(Cidr, Until)> {
        self.book.banned(now.as_millisecond()).collect()
    }

    /// What the kernel should hold: `content`, which the specs ask for, and the feed. Where both shut
    /// an address out, the longer end stands. `released` is what the host's operator has released.
    pub fn wanted(&mut self, content: Content, released: &[Cidr], now: Timestamp) -> Content {
        let now_ms = now.as_millisecond();
        self.book.sweep(now_ms);
        let safe = content.failsafe.iter().copied().chain(content.allow.iter().map(|(range, _)| *range));
        let safe = merged(safe.chain(ranges(released)).map(|range| (range, Until::Never)));
        self.base = Base {
            bans: content.bans.clone(),
            networks: content.networks.clone(),
            safe: safe.into_iter().map(|(range, _)| range).collect(),
        };
        if self.book.is_empty() {
            return content;
        }
        let own = self.book.banned(now_ms).filter(|(cidr, _)| cidr.is_address() && self.may(*cidr, now));
        let bans = joined(content.bans, own.map(|(cidr, until)| (cidr.network(), until)));
        Content { bans, networks: self.networks(now), ..content }
    }

    /// Takes the next part: first on disk, then here. Returns the acts that put it in force.
    pub fn take(&mut self, part: &FeedPart, now: Timestamp) -> Result<Vec<Act>, GuardError> {
        let changes = changes_of(part)?;
        if !self.book.takes(part)? {
            return Ok(Vec::new());
        }
        if let Some(log) = &mut self.log {
            log.append(part).map_err(|e| GuardError::Refused(format!("the feed could not be stored: {e}")))?;
        }
        let changed = self.book.take(part, &changes);
        self.compact();
        Ok(self.acts(changed, now))
    }

    /// How many bans should be in force, of specs and feed.
    pub fn count(&self) -> usize {
        self.base.bans.len() + self.base.networks.len() + self.book.len()
    }

    fn compact(&mut self) {
        let Some(log) = self.log.as_mut().filter(|log| log.is_full()) else { return };
        if let Err(error) = log.compact(&self.book) {
            // what is stored stays; the log grows until there is room
            tracing::warn!(%error, "the feed could not be written anew");
        }
    }

    /// True if the feed may shut it out here. A network may hold safe addresses: they still get through.
    fn may(&self, cidr: Cidr, now: Timestamp) -> bool {
        let safe = cidr.is_address() && touches(&self.base.safe, Range::from(cidr));
        !safe && refuse(cidr, &[], &[], now).is_none()
    }

    /// All ranges that are shut out, of specs and feed.
    fn networks(&self, now: Timestamp) -> Vec<(Range, Until)> {
        let now_ms = now.as_millisecond();
        let given = self.book.banned(now_ms).filter(|(cidr, _)| !cidr.is_address() && self.may(*cidr, now));
        let given = given.flat_map(|(cidr, until)| {
            let parts = subtracted(Range::from(cidr), &self.base.safe);
            parts.into_iter().map(move |part| (part, until))
        });
        let many = self.book.networks(&self.base.safe, now_ms);
        merged(self.base.networks.iter().copied().chain(given).chain(many))
    }

    fn acts(&self, changed: Changed, now: Timestamp) -> Vec<Act> {
        let now_ms = now.as_millisecond();
        let (mut add, mut change, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        let mut networks = changed.networks;
        for (cidr, (before, after)) in changed.entries {
            if !cidr.is_address() {
                networks |= before != after;
                continue;
            }
            let address = cidr.network();
            let (base, may) = (self.base.until(address), self.may(cidr, now));
            let whole = |until: Option<Until>| until.filter(|u| may && !u.ends_by(now_ms, 0)).max(base);
            match (whole(before), whole(after)) {
                (before, after) if before == after => {}
                (None, Some(until)) => add.push((address, until)),
                (Some(_), Some(until)) => change.push((address, until)),
                (_, None) => remove.push(address),
            }
        }
        let mut acts = Vec::new();
        acts.extend((!remove.is_empty()).then_some(Act::RemoveBans(remove)));
        acts.extend((!change.is_empty()).then_some(Act::ChangeBans(change)));
        acts.extend((!add.is_empty()).then_some(Act::AddBans(add)));
        acts.extend(networks.then(|| Act::SetBanNetworks(self.networks(now))));
        acts
    }
}

/// Two sorted lists as one; of an address that is in both, the later end.
fn joined(base: Vec<(IpAddr, Until)>, own: impl Iterator<Item = (IpAddr, Until)>) -> Vec<(IpAddr, Until)> {
    let mut own = own.peekable();
    let mut all = Vec::with_capacity(base.len());
    for (address, until) in base {
        while let Some(before) = own.next_if(|(other, _)| *other < address) {
            all.push(before);
        }
        let same = own.next_if(|(other, _)| *other == address);
        all.push((address, same.map_or(until, |(_, other)| until.max(other))));
    }
    all.extend(own);
    all
}
