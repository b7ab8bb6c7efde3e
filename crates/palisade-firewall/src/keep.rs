//! The keeper: holds the bans and the filter in the kernel of this host.

mod owning;
pub mod parts;
mod programs;

pub use owning::{Owning, owning};
pub use programs::{Conversations, Tracked};

use crate::apply::{Act, batch_with, filter};
use crate::exposure;
use crate::feed::held::Held as Feed;
use crate::filter::Filter;
use crate::filter::program::Program;
use crate::observe;
use crate::plan::{Filtering, Wish, feed_steps, layout, steps, wanted, wish};
use crate::ruleset::{Held, MARK_MASK, MARK_SHIFT, NUMBER_MAX, OWN, Present, Structure, Uncut, read_owned};
use crate::spec::{Decision, Spec};
use palisade_core::{Cidr, Clock, Generation, Step, SystemClock, Timestamp};
use palisade_guard::contract::{AgentFacts, LocalDesk};
use palisade_guard::entry::keeper as erased;
use palisade_guard::link::FeedPart;
use palisade_guard::{GuardError, Keep, Keeper};
use palisade_sys::nft::{Batch, Reader, Writer};
use programs::Programs;
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
    /// Whom no ban cuts.
    failsafe: Vec<Cidr>,
    /// What no rule cuts.
    uncut: Uncut,
    eyes: Mutex<Eyes>,
    writer: Mutex<Writer>,
    owning: Owning,
    /// What the kernel lacks, and what it said.
    missing: Vec<(parts::Part, String)>,
    programs: Mutex<Programs>,
    conversations: Option<Arc<dyn Conversations>>,
    /// When something of the filter ends next: then it has to be planned anew.
    next_end: Mutex<Option<Timestamp>>,
    feed: Arc<Mutex<Feed>>,
}

#[derive(Debug)]
struct Eyes {
    reader: Reader,
    last: Option<Listing>,
    /// The last number that was given to a generation.
    number: u16,
    /// The port of the socket that should own the table.
    owner: Option<u32>,
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
        let monotonic = Instant::now();
        if self.known(now)?.is_some()
            && let Some(last) = &self.last
        {
            return Ok(last.present.clone());
        }
        let owner = self.owner;
        self.reader.count_from(monotonic);
        let (generation, present) = self.reader.consistent(|reader| read_owned(reader, owner, now))?;
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
    /// everything, which takes 0.3 s of CPU with 100,000 bans. Elements of the filter are taken as
    /// they were written.
    fn follow(&mut self, act: &Act, known: Option<u32>, now: Timestamp) -> Result<(), GuardError> {
        let (Some(mut last), Some(known)) = (self.last.take(), known) else { return Ok(()) };
        let ours = known.wrapping_add(1);
        let present = Arc::make_mut(&mut last.present);
        match (few_addresses(act), act) {
            (Some(addresses), _) => {
                for address in addresses {
                    present.reread_ban(&mut self.reader, address, now)?;
                }
            }
            (None, Act::ChangeSet { sets, stamps, .. }) => {
                filter::follow_sets(&mut present.held.layout, sets, stamps);
            }
            (None, _) => return Ok(()),
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
        // a number that conversations of an earlier table hardly carry
        let seconds = SystemClock.now().as_second().unsigned_abs() % u64::from(NUMBER_MAX);
        let eyes = Mutex::new(Eyes { reader: Reader::open()?, last: None, number: seconds as u16, owner: None });
        Ok(Firewall {
            uncut: Uncut::everywhere(&failsafe),
            failsafe,
            eyes,
            writer: Mutex::new(Writer::open()?),
            owning: Owning::Off,
            missing: Vec::new(),
            programs: Mutex::default(),
            conversations: None,
            next_end: Mutex::default(),
            feed: Arc::default(),
        })
    }

    /// What no rule cuts, where that is less than whom no ban cuts.
    pub fn with_uncut(self, uncut: Uncut) -> Firewall {
        Firewall { uncut, ..self }
    }

    /// Owns the table, if the kernel has tables that are owned and persist.
    pub fn owning(mut self) -> Result<Firewall, GuardError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (owning, port) = (owning::probe(&mut writer)?, writer.port());
        drop(writer);
        self.eyes().owner = (owning == Owning::Own).then_some(port);
        self.owning = owning;
        Ok(self)
    }

    /// Takes marks off conversations through this when numbers of generations come again.
    pub fn with_conversations(self, conversations: Arc<dyn Conversations>) -> Firewall {
        Firewall { conversations: Some(conversations), ..self }
    }

    /// Makes programs with another compiler, for tests of programs that no filter gives.
    pub fn with_compiler(self, compile: fn(&Filter) -> Program) -> Firewall {
        Firewall { programs: Mutex::new(Programs::new(compile)), ..self }
    }

    /// Numbers generations from the one after `number`, for tests of what happens after the greatest.
    pub fn numbering_after(self, number: u16) -> Firewall {
        self.eyes().number = number;
        self
    }

    /// Asks the kernel what it lacks. Without logs it works; without anything else no filter is put in
    /// force, and bans are.
    pub fn probed(self) -> Result<Firewall, GuardError> {
        let missing = parts::missing(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))?;
        if missing.iter().any(|(part, _)| !part.needed) {
            self.programs().without_logs();
        }
        Ok(Firewall { missing, ..self })
    }

    /// Why this kernel carries out no filter, if it does not.
    fn unable(&self) -> Option<GuardError> {
        let (part, why) = self.missing.iter().find(|(part, _)| part.needed)?;
        let said = format!("this kernel has no `{}` for nftables, so {}: {why}", part.name, part.lost);
        Some(GuardError::Refused(said))
    }

    /// A kernel that lacks something, for tests.
    pub fn lacking(self, part: parts::Part) -> Firewall {
        Firewall { missing: vec![(part, "for a test".to_owned())], ..self }
    }

    fn programs(&self) -> MutexGuard<'_, Programs> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_end(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.next_end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transaction of an act. That of a new filter is about what is there now, and is refused
    /// when somebody changes that meanwhile.
    fn transaction(&self, eyes: &mut Eyes, act: &Act, now: Timestamp) -> Result<Batch, GuardError> {
        let mut programs = self.programs();
        let mut compile = |filter: &Filter| programs.of(filter);
        match act {
            Act::SetRuleset(target) => {
                let wanted = layout(target, &mut compile)?;
                let present = eyes.present(now)?;
                let mut out = Batch::new();
                if let Some(last) = &eyes.last {
                    out.expect_generation(last.generation);
                }
                filter::set_ruleset(&mut out, &present.held, &wanted, target, now);
                Ok(out)
            }
            Act::ReplaceWhole { target, .. } => {
                let wanted = layout(target, &mut compile)?;
                let mut out = batch_with(act, self.flags(), now);
                filter::set_ruleset(&mut out, &Held::default(), &wanted, target, now);
                Ok(out)
            }
            _ => Ok(batch_with(act, self.flags(), now)),
        }
    }

    /// Of a new table.
    fn flags(&self) -> u32 {
        if self.owning == Owning::Own { OWN } else { 0 }
    }

    /// Takes the marks of earlier generations off conversations: their numbers come again.
    fn forget(&self, stamps: &[u16]) {
        let Some(conversations) = &self.conversations else { return };
        let keep: Vec<u32> = stamps.iter().map(|stamp| u32::from(*stamp) << MARK_SHIFT).collect();
        match conversations.unmark(MARK_MASK, &keep) {
            Ok(count) => tracing::debug!(guard = crate::WORD, count, "took old marks off conversations"),
            Err(error) => {
                let error = palisade_guard::contract::chain(&error);
                tracing::warn!(guard = crate::WORD, error, "conversations may keep marks of old generations");
            }
        }
    }

    /// The same with the feed that is stored below `dir`.
    pub fn with_feed(self, dir: &Path) -> Result<Firewall, GuardError> {
        Ok(Firewall { feed: Arc::new(Mutex::new(Feed::open(dir)?)), ..self })
    }

    fn feed(&self) -> MutexGuard<'_, Feed> {
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
        let generation = u64::from(self.eyes().reader.generation()?);
        let due = self.next_end().is_some_and(|end| end <= SystemClock.now());
        Ok(generation | u64::from(due) << 32)
    }

    fn is_due(&self) -> bool {
        let due = self.next_end().is_some_and(|end| end <= SystemClock.now());
        let mut eyes = self.eyes();
        let known = eyes.last.as_ref().map(|last| last.generation);
        due && known.is_some() && eyes.reader.generation().ok() == known
    }

    fn plan(&self, server: &Spec, local: &Spec, now: Timestamp) -> Result<Vec<Step>, GuardError> {
        let (present, last) = {
            let mut eyes = self.eyes();
            (eyes.present(now)?, eyes.number)
        };
        let wish = Wish { uncut: self.uncut.clone(), ..wish(server, local, now) };
        let asked = wish.filter.is_some() || wish.trial.is_some();
        let unable = self.unable().filter(|_| asked);
        let wish = if unable.is_some() { Wish { filter: None, trial: None, ..wish } } else { wish };
        *self.next_end() = wish.next_end;
        // for the check `firewall.palisade-table`: what the kernel should hold until we plan again
        let wanted = wanted(server, local, &self.failsafe, now);
        let wanted = self.feed().wanted(wanted, &local.released, now);
        observe::kept(&wanted);
        exposure::kept(server, local, now);
        let mut programs = self.programs();
        let filter = Filtering { wish, last, compile: &mut |filter| programs.of(filter) };
        let steps = steps(wanted, filter, &[server, local], &present, now)?;
        // bans first: only what cannot be done at all is left
        unable.filter(|_| steps.is_empty()).map_or(Ok(steps), Err)
    }

    fn apply(&self, act: &Act, now: Timestamp) -> Result<(), GuardError> {
        let began = Instant::now();
        let mut eyes = self.eyes();
        let known = eyes.known(now)?;
        let mut transaction = self.transaction(&mut eyes, act, now)?;
        transaction.count_from(began);
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).commit(transaction)?;
        eyes.reader.count_from(began);
        // the act is done; when it cannot be read back now, the next plan reads everything
        let _ = eyes.follow(act, known, now);
        if let Some(number) = act.newest() {
            eyes.number = number;
        }
        if act.forgets() {
            self.forget(&act.stamps());
        }
        Ok(())
    }

    fn decisions(&self, local: &Spec) -> BTreeMap<String, bool> {
        local.decisions.iter().map(|(plan, decision)| (plan.clone(), *decision == Decision::Kept)).collect()
    }

    fn probation_until(&self, server: &Spec, now: Timestamp) -> Option<Timestamp> {
        let bans = server.bans.iter().filter_map(|ban| ban.probation_until);
        bans.chain(server.candidate.as_ref().map(|c| c.until)).filter(|until| *until > now).max()
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
    let firewall = Firewall::new(facts.uncut())?.with_uncut(Uncut::of(facts)).with_conversations(Arc::new(Tracked));
    let firewall = if facts.own_table { firewall.owning()? } else { firewall };
    let firewall = firewall.probed()?;
    owning::tell(&firewall.owning);
    parts::tell(&firewall.missing);
    // without a directory there is no agent that a feed could come to
    let stored = !facts.state_dir.as_os_str().is_empty();
    let firewall = if stored { firewall.with_feed(&facts.state_dir)? } else { firewall };
    Ok(erased(crate::WORD, firewall))
}
