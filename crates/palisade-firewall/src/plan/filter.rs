//! The filter's part of a plan: one step, one transaction, from the generations that are in the
//! kernel to those that should be.

use super::{NewStep, TOLERANCE_MS};
use crate::apply::{Act, At, Point, Restamp, SetChange, Slot, Target, Trial};
use crate::filter::program::Program;
use crate::filter::{Defaults, Filter, Layer};
use crate::group::model::Action;
use crate::local::in_force::{InForce, in_force};
use crate::ruleset::{Enter, Generation, Held, Layout, NUMBER_MAX, Uncut, Until, gates, lower, missing};
use crate::spec::Spec;
use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_sys::nft::{Entry, Key};
use std::sync::Arc;

/// What should be in force.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wish {
    /// For good; `None` if the host is not filtered.
    pub filter: Option<Filter>,
    /// In its place, until the end of its probation.
    pub trial: Option<(Filter, Timestamp)>,
    /// What none of it cuts.
    pub uncut: Uncut,
    /// When some of it begins or ends next, so that it has to be planned anew.
    pub next_end: Option<Timestamp>,
}

/// Makes programs; the keeper's remembers the last ones.
pub type Compile<'a> = dyn FnMut(&Filter) -> Arc<Program> + 'a;

/// What both specs ask for at `now`: a candidate that the host's own operator kept is the filter, one
/// that he rolled back is none, and he has the last word about cutting the host off. Rules that have
/// ended are left out.
pub fn wish(server: &Spec, local: &Spec, now: Timestamp) -> Wish {
    let InForce { filter, candidate } = in_force(server, local, now);
    let filters = std::iter::once(&filter).chain(candidate.as_ref().map(|c| &c.filter));
    let changes = filters.filter_map(|filter| filter.next_change(now));
    let next_end = changes.chain(candidate.as_ref().map(|c| c.until)).filter(|end| *end > now).min();
    let trial = candidate.map(|c| (filtering(&c.filter, now).unwrap_or_else(open), c.until));
    Wish { filter: filtering(&filter, now), trial, next_end, ..Wish::default() }
}

/// What a candidate that filters nothing is: one without chains would not be entered, and what is
/// confirmed would go on filtering.
fn open() -> Filter {
    Filter { defaults: Some(Defaults { inbound: Action::Allow, outbound: Action::Allow }), ..Filter::default() }
}

/// Without the rules that have ended, or have not begun; `None` if nothing chose this host.
fn filtering(filter: &Filter, now: Timestamp) -> Option<Filter> {
    filter.defaults?;
    Some(filter.at(now))
}

/// All of it as it has to stand in the kernel.
pub fn layout(target: &Target, compile: &mut Compile<'_>) -> Result<Layout, GuardError> {
    assembled(target, |slot| lowered(&compile(&slot.filter), slot.number, slot.stamp))
}

fn lowered(program: &Program, number: u16, stamp: u16) -> Result<Layout, GuardError> {
    let refused = |why| GuardError::Refused(format!("the filter cannot be carried out: {why}"));
    lower(program, number, stamp).map_err(refused)
}

fn assembled(
    target: &Target,
    mut lowered: impl FnMut(&Slot) -> Result<Layout, GuardError>,
) -> Result<Layout, GuardError> {
    let confirmed = target.confirmed.as_ref().map(|slot| lowered(slot).map(|l| (slot.number, l))).transpose()?;
    let candidate = target.candidate.as_ref().map(|t| lowered(&t.slot).map(|l| (t.slot.number, l))).transpose()?;
    if confirmed.is_none() && candidate.is_none() {
        return Ok(Layout::default());
    }
    fn seen(of: &Option<(u16, Layout)>) -> Option<(u16, &Layout)> {
        of.as_ref().map(|(number, layout)| (*number, layout))
    }
    let mut all = gates(&target.uncut, Enter { candidate: seen(&candidate), confirmed: seen(&confirmed) });
    [confirmed, candidate].into_iter().flatten().for_each(|(_, layout)| all.extend(layout));
    Ok(all)
}

/// Numbers that come next, each once. After the greatest they begin again, and then conversations
/// may carry an old one.
#[derive(Debug)]
struct Numbers {
    last: u16,
    used: Vec<u16>,
    wrapped: bool,
}

impl Numbers {
    fn next(&mut self) -> u16 {
        loop {
            self.wrapped |= self.last >= NUMBER_MAX;
            self.last = if self.last >= NUMBER_MAX { 1 } else { self.last + 1 };
            if !self.used.contains(&self.last) {
                self.used.push(self.last);
                return self.last;
            }
        }
    }
}

/// The number that was given out last, of those in use: numbers go round.
pub fn latest(numbers: &[u16]) -> Option<u16> {
    let newer = |a: u16, b: u16| (u32::from(a) + u32::from(NUMBER_MAX) - u32::from(b)) % u32::from(NUMBER_MAX);
    let half = u32::from(NUMBER_MAX) / 2;
    numbers.iter().copied().reduce(|a, b| if newer(b, a) < half { b } else { a })
}

/// The step to `wish`, if one is needed. `last` is the last number that is known to have been in
/// use, for when the kernel holds none.
pub(super) fn step(
    wish: &Wish,
    held: &Held,
    last: u16,
    now: Timestamp,
    compile: &mut Compile<'_>,
) -> Result<Option<NewStep>, GuardError> {
    let used = held.numbers();
    let mut chooser = Chooser {
        held,
        numbers: Numbers { last: latest(&used).unwrap_or(last), wrapped: used.is_empty(), used },
        compile,
        why: None,
        fitting: Vec::new(),
    };
    let mut target = chooser.target(wish)?;
    let wanted = assembled(&target, |slot| chooser.lowered(slot))?;
    let broken = held.layout.difference(&wanted);
    let extra_counters = held.layout.counters.len() > wanted.counters.len();
    let changed = held.layout.changed_sets(&wanted);
    let retimed = retimed(target.candidate.as_ref(), held, now);
    if broken.is_none() && !extra_counters && changed.is_empty() && !retimed {
        return Ok(None);
    }
    let permit = permit(wish, held, chooser.compile);
    if broken.is_none() && !extra_counters && !retimed {
        let act = chooser.elements(&target, &wanted, &changed);
        let object = changed.join(", ");
        let reason = "who belongs to it has changed".to_owned();
        return Ok(Some(NewStep { name: "ChangeSet", object: shortened(object), reason, permit, act }));
    }
    let (name, reason) = named(wish, held, &target, broken, chooser.why.take());
    if name != "TryRuleset" && name != "KeepRuleset" {
        chooser.restamp(&mut target);
    }
    target.forget = chooser.numbers.wrapped;
    let object = object(&target);
    Ok(Some(NewStep { name, object, reason, permit, act: Act::SetRuleset(target) }))
}

/// The whole filter anew, whatever is there, for when the table is made anew.
pub(super) fn whole(wish: &Wish, held: &Held, last: u16) -> Target {
    let used = held.numbers();
    let mut numbers = Numbers { last: latest(&used).unwrap_or(last), wrapped: true, used };
    let mut slot = |filter: &Filter| {
        let number = numbers.next();
        Slot { number, stamp: number, filter: filter.clone() }
    };
    Target {
        confirmed: wish.filter.as_ref().map(&mut slot),
        candidate: wish.trial.as_ref().map(|(filter, until)| Trial { slot: slot(filter), until: *until }),
        uncut: wish.uncut.clone(),
        forget: true,
    }
}

struct Chooser<'a, 'b> {
    held: &'a Held,
    numbers: Numbers,
    compile: &'a mut Compile<'b>,
    /// What of the present generations does not fit.
    why: Option<String>,
    /// Generations that stay, by number, as they should be: lowered once.
    fitting: Vec<(u16, Layout)>,
}

impl Chooser<'_, '_> {
    fn target(&mut self, wish: &Wish) -> Result<Target, GuardError> {
        let mut target = Target { uncut: wish.uncut.clone(), ..Target::default() };
        if let Some(filter) = &wish.filter {
            let here = [(self.held.confirmed(), true), (self.held.candidate(), false)];
            let mut found = None;
            for (generation, elements_too) in here.into_iter().filter_map(|(g, e)| Some((g?, e))) {
                if found.is_none() && self.fits(filter, generation, elements_too)? {
                    found = Some(generation);
                }
            }
            target.confirmed = Some(self.slot(filter, found));
        }
        if let Some((filter, until)) = &wish.trial {
            let mut found = None;
            if let Some(generation) = self.held.candidate()
                && target.confirmed.as_ref().is_none_or(|slot| slot.number != generation.number)
                && self.fits(filter, generation, true)?
            {
                found = Some(generation);
            }
            target.candidate = Some(Trial { slot: self.slot(filter, found), until: *until });
        }
        Ok(target)
    }

    /// True if the generation is what the filter compiles to, but for elements if these may differ.
    fn fits(&mut self, filter: &Filter, of: Generation, elements_too: bool) -> Result<bool, GuardError> {
        let wanted = lowered(&(self.compile)(filter), of.number, of.stamp)?;
        let is = &self.held.layout;
        let different = is.difference_below(&format!("g{}/", of.number), &wanted);
        let fits = different.is_none() && (elements_too || is.changed_sets(&wanted).is_empty());
        self.why = self.why.take().or(different);
        if fits {
            self.fitting.push((of.number, wanted));
        }
        Ok(fits)
    }

    fn lowered(&mut self, slot: &Slot) -> Result<Layout, GuardError> {
        match self.fitting.iter().position(|(number, _)| *number == slot.number) {
            Some(place) => Ok(self.fitting.swap_remove(place).1),
            None => lowered(&(self.compile)(&slot.filter), slot.number, slot.stamp),
        }
    }

    fn slot(&mut self, filter: &Filter, found: Option<Generation>) -> Slot {
        let new = |numbers: &mut Numbers| {
            let number = numbers.next();
            Generation { number, stamp: number }
        };
        let Generation { number, stamp } = found.unwrap_or_else(|| new(&mut self.numbers));
        Slot { number, stamp, filter: filter.clone() }
    }

    /// A new stamp for a generation that stays: a candidate's stamp must not come again while
    /// conversations carry it, and what went on while something was amiss is judged anew.
    fn restamp(&mut self, target: &mut Target) {
        let stays = |slot: &&mut Slot| self.held.numbers().contains(&slot.number);
        if let Some(slot) = target.confirmed.as_mut().filter(stays) {
            slot.stamp = self.numbers.next();
        }
    }

    /// Elements only, and a new stamp for each generation that has changed.
    fn elements(&mut self, target: &Target, wanted: &Layout, changed: &[&str]) -> Act {
        let mut sets = Vec::new();
        for name in changed {
            let (is, new) = (&self.held.layout.sets[*name].entries, &wanted.sets[*name].entries);
            let points = |list: Vec<Entry>| list.iter().filter_map(point).collect();
            sets.push(SetChange {
                set: (*name).to_owned(),
                remove: points(missing(is, new)),
                add: points(missing(new, is)),
            });
        }
        let slots = target.confirmed.iter().chain(target.candidate.iter().map(|trial| &trial.slot));
        let touched = |slot: &&Slot| changed.iter().any(|name| name.starts_with(&format!("g{}/", slot.number)));
        let stamps: Vec<Restamp> = slots
            .filter(touched)
            .map(|slot| Restamp { number: slot.number, from: slot.stamp, to: self.numbers.next() })
            .collect();
        Act::ChangeSet { sets, stamps, forget: self.numbers.wrapped }
    }
}

fn point(entry: &Entry) -> Option<Point> {
    let at = match entry.key {
        Key::Address(address) => At::Address(address),
        Key::Port(port) => At::Port(port),
        Key::Family(_) | Key::Mark(_) => return None,
    };
    Some(Point { at, end: entry.end, goes_to: entry.goes_to.clone() })
}

/// True if the kernel would end the probation at another moment.
fn retimed(trial: Option<&Trial>, held: &Held, now: Timestamp) -> bool {
    let Some(trial) = trial else { return false };
    let wanted = trial.until.as_millisecond();
    match held.probation {
        Some(Until::At(is)) => is.abs_diff(wanted) > TOLERANCE_MS.unsigned_abs(),
        _ => wanted.saturating_sub(now.as_millisecond()) > TOLERANCE_MS,
    }
}

fn named(
    wish: &Wish,
    held: &Held,
    target: &Target,
    broken: Option<String>,
    why: Option<String>,
) -> (&'static str, String) {
    let (confirmed, candidate) = (held.confirmed(), held.candidate());
    let number = |slot: Option<&Slot>| slot.map(|slot| slot.number);
    let (now, then) = (number(target.confirmed.as_ref()), number(target.candidate.as_ref().map(|t| &t.slot)));
    let was = (confirmed.map(|g| g.number), candidate.map(|g| g.number));
    let because = || why.or(broken).unwrap_or_else(|| "the rules have changed".to_owned());
    if then.is_some() && then != was.1 {
        return ("TryRuleset", "a change of the rules is on probation".to_owned());
    }
    if now.is_some() && now == was.1 {
        return ("KeepRuleset", "the rules on probation are kept".to_owned());
    }
    if wish.filter.is_none() && wish.trial.is_none() {
        return ("DropRuleset", "this host is not filtered any more".to_owned());
    }
    if was.1.is_some() && then.is_none() && now == was.0 {
        return ("DropRuleset", "the probation has ended or was rolled back".to_owned());
    }
    if then.is_some() && then == was.1 && now == was.0 {
        let rearmed = because();
        return ("TryRuleset", format!("the probation has another end, or was disturbed: {rearmed}"));
    }
    let first = was == (None, None);
    ("ReplaceRuleset", if first { "the rules are not there".to_owned() } else { because() })
}

fn object(target: &Target) -> String {
    let slots = target.confirmed.iter().chain(target.candidate.iter().map(|trial| &trial.slot));
    let generations: Vec<String> = slots.map(|slot| format!("generation {}", slot.number)).collect();
    if generations.is_empty() { "the filter".to_owned() } else { generations.join(", ") }
}

fn shortened(names: String) -> String {
    const NAMES_CHARS_MAX: usize = 200;
    if names.chars().count() <= NAMES_CHARS_MAX {
        return names;
    }
    names.chars().take(NAMES_CHARS_MAX).chain(['…']).collect()
}

/// `isolate` if the filter is, but for the rules that cut the host off, what stands already.
fn permit(wish: &Wish, held: &Held, compile: &mut Compile<'_>) -> &'static str {
    let cuts = |filter: &Filter| filter.rules.iter().any(|rule| rule.layer == Layer::Isolation);
    let wished: Vec<&Filter> = wish.filter.iter().chain(wish.trial.iter().map(|(filter, _)| filter)).collect();
    let cut_now = held.layout.counters.iter().any(|name| name.starts_with("isolation/"));
    if !cut_now && !wished.iter().any(|filter| cuts(filter)) {
        return "firewall";
    }
    let mut known = |filter: &Filter| {
        let mut rest = filter.clone();
        rest.rules.retain(|rule| rule.layer != Layer::Isolation);
        let stands = |generation: Generation| {
            let program = compile(&rest);
            let wanted = lower(&program, generation.number, generation.stamp).unwrap_or_default();
            let prefix = format!("g{}/", generation.number);
            held.layout.part(&prefix).difference(&wanted.part(&prefix)).is_none()
        };
        let same = wish.filter.as_ref().is_some_and(|base| base.rules == rest.rules && !std::ptr::eq(base, filter));
        rest.rules.is_empty() || same || held.confirmed().is_some_and(stands)
    };
    if wished.into_iter().all(&mut known) { "isolate" } else { "firewall" }
}
