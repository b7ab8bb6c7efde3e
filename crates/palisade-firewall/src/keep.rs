//! The keeper: holds the bans in the kernel of this host.

use crate::apply::{Act, batch};
use crate::feed::held::Held;
use crate::observe;
use crate::plan::{feed_steps, steps, wanted};
use crate::ruleset::{Present, Structure, read};
use crate::spec::{Decision, Spec};
use palisade_core::{Cidr, Generation, Step, Timestamp};
use palisade_guard::contract::{AgentFacts, LocalDesk};
use palisade_guard::entry::keeper as erased;
use palisade_guard::link::FeedPart;
use palisade_guard::{GuardError, Keep, Keeper};
use palisade_sys::nft::{Reader, Writer};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How far the wall clock and the kernel's own may drift apart before a listing is read again.
const CLOCK_DRIFT_MS: i64 = 1_000;
/// The most addresses of an act that are read back one by one; more cost as much as a listing.
const REREAD_MAX: usize = 256;

/// Keeps `inet palisade` in the network namespace in which it was made.
#[derive(Debug)]
pub struct Firewall {
    failsafe: Vec<Cidr>,
    eyes: Mutex<Eyes>,
    writer: Mutex<Writer>,
    feed: Arc<Mutex<Held>>,
}

#[derive(Debug)]
struct Eyes {
    reader: Reader,
    last: Option<Listing>,
}

/// The last listing: true as long as the generation is the same.
#[derive(Debug)]
struct Listing {
    generation: u32,
    present: Arc<Present>,
    /// The same moment by both clocks: ends are kept as moments of the wall clock, and the kernel
    /// counts by its own. When somebody sets the wall clock, the listing is stale.
    wall: Timestamp,
    monotonic: Instant,
}

impl Listing {
    fn holds(&self, generation: u32, now: Timestamp) -> bool {
        let wall_ms = now.as_millisecond().saturating_sub(self.wall.as_millisecond());
        let monotonic_ms = i64::try_from(self.monotonic.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.generation == generation && wall_ms.saturating_sub(monotonic_ms).abs() <= CLOCK_DRIFT_MS
    }
}

impl Eyes {
    /// What is in the kernel now. An unchanged kernel costs one question.
    fn present(&mut self, now: Timestamp) -> Result<Arc<Present>, GuardError> {
        if self.known(now)?.is_some()
            && let Some(last) = &self.last
        {
            return Ok(last.present.clone());
        }
        let monotonic = Instant::now();
        let (generation, present) = self.reader.consistent(|reader| read(reader, now))?;
        let present = Arc::new(present);
        self.last = Some(Listing { generation, present: present.clone(), wall: now, monotonic });
        Ok(present)
    }

    /// The generation of the last listing, if it still holds.
    fn known(&mut self, now: Timestamp) -> Result<Option<u32>, GuardError> {
        let Some(last) = &self.last else { return Ok(None) };
        let generation = self.reader.generation()?;
        Ok(last.holds(generation, now).then_some(generation))
    }

    /// After an act of ours, carried out while the listing of generation `known` held: when it was
    /// the only change since, and touched few addresses, reading those back is as good as reading
    /// everything, which takes 0.3 s of CPU with 100,000 bans.
    fn follow(&mut self, act: &Act, known: Option<u32>, now: Timestamp) -> Result<(), GuardError> {
        let last = self.last.take();
        let (Some(mut last), Some(known), Some(addresses)) = (last, known, few_addresses(act)) else { return Ok(()) };
        let ours = known.wrapping_add(1);
        let present = Arc::make_mut(&mut last.present);
        for address in addresses {
            present.reread_ban(&mut self.reader, address, now)?;
        }
        if present.structure == Structure::Sound && self.reader.generation()? == ours {
            self.last = Some(Listing { generation: ours, ..last });
        }
        Ok(())
    }
}

/// The addresses of an act on single bans; `None` for other acts and long lists.
fn few_addresses(act: &Act) -> Option<Vec<IpAddr>> {
    let addresses: Vec<IpAddr> = match act {
        Act::AddBans(bans) | Act::ChangeBans(bans) if bans.len() <= REREAD_MAX => bans.iter().map(|b| b.0).collect(),
        Act::RemoveBans(bans) if bans.len() <= REREAD_MAX => bans.clone(),
        _ => return None,
    };
    Some(addresses)
}

impl Firewall {
    /// A keeper that never lets any of `failsafe` be cut. Looks at nothing and changes nothing yet.
    pub fn new(failsafe: Vec<Cidr>) -> Result<Firewall, GuardError> {
        let eyes = Mutex::new(Eyes { reader: Reader::open()?, last: None });
        Ok(Firewall { failsafe, eyes, writer: Mutex::new(Writer::open()?), feed: Arc::default() })
    }

    /// The same with the feed that is stored below `dir`.
    pub fn with_feed(failsafe: Vec<Cidr>, dir: &Path) -> Result<Firewall, GuardError> {
        Ok(Firewall { feed: Arc::new(Mutex::new(Held::open(dir)?)), ..Firewall::new(failsafe)? })
    }

    fn feed(&self) -> MutexGuard<'_, Held> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn eyes(&self) -> MutexGuard<'_, Eyes> {
        self.eyes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keep for Firewall {
    type Spec = Spec;
    type Act = Act;

    fn stamp(&self) -> Result<u64, GuardError> {
        Ok(u64::from(self.eyes().reader.generation()?))
    }

    fn plan(&self, server: &Spec, local: &Spec, now: Timestamp) -> Result<Vec<Step>, GuardError> {
        let present = self.eyes().present(now)?;
        // for the check `firewall.palisade-table`: what the kernel should hold until we plan again
        let wanted = wanted(server, local, &self.failsafe, now);
        let wanted = self.feed().wanted(wanted, &local.released, now);
        observe::kept(&wanted);
        steps(wanted, &[server, local], &present, now)
    }

    fn apply(&self, act: &Act, now: Timestamp) -> Result<(), GuardError> {
        let mut eyes = self.eyes();
        let known = eyes.known(now)?;
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).commit(batch(act, now))?;
        // the act is done; when it cannot be read back now, the next plan reads everything
        let _ = eyes.follow(act, known, now);
        Ok(())
    }

    fn decisions(&self, local: &Spec) -> BTreeMap<String, bool> {
        local.decisions.iter().map(|(plan, decision)| (plan.clone(), *decision == Decision::Kept)).collect()
    }

    fn probation_until(&self, server: &Spec, now: Timestamp) -> Option<Timestamp> {
        server.bans.iter().filter_map(|ban| ban.probation_until).filter(|until| *until > now).max()
    }

    fn feed_at(&self) -> Option<Generation> {
        Some(self.feed().at())
    }

    fn feed(&self, part: &FeedPart, now: Timestamp) -> Result<Vec<Step>, GuardError> {
        // following each of many small acts would cost more than one listing at the next plan
        self.eyes().last = None;
        let mut feed = self.feed();
        let acts = feed.take(part, now)?;
        observe::kept_changed(feed.count(), &acts);
        feed_steps(acts)
    }

    fn local_api(&self, desk: Arc<dyn LocalDesk>) -> axum::Router {
        crate::local::router(desk, self.failsafe.clone(), Arc::clone(&self.feed))
    }
}

/// Makes the keeper of this host, erased for the frame.
pub fn keeper(facts: &AgentFacts) -> Result<Arc<dyn Keeper>, GuardError> {
    let failsafe = facts.failsafe.clone();
    // without a directory there is no agent that a feed could come to
    let stored = !facts.state_dir.as_os_str().is_empty();
    let firewall = if stored { Firewall::with_feed(failsafe, &facts.state_dir)? } else { Firewall::new(failsafe)? };
    Ok(erased(crate::WORD, firewall))
}
