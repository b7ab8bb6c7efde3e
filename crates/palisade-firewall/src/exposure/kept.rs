//! What the keeper of this process tells its observer: the rules that should be in force.
//!
//! The keeper is made by a plain function from the agent's facts, so that it shares nothing else with
//! the observer than the process.

use super::open::{Segment, segments};
use super::{Filtering, Notes, Unresolved};
use crate::filter::judge::alive;
use crate::filter::{Filter, Peers};
use crate::spec::{Decision, Spec};
use palisade_core::Timestamp;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Rules without peers that one host tells of at most.
const UNRESOLVED_MAX: usize = 100;

/// The rules that should be in force on this host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    filter: Filter,
    probation: bool,
    notes: Notes,
}

/// The last word of the keeper, and what was made of it until the next rule ends.
struct Known {
    kept: Kept,
    made: Option<(Option<Timestamp>, Filtering)>,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// The filter that decides, and whether it is on probation: the candidate as long as it is tried or
/// kept, else what is confirmed.
fn deciding<'a>(server: &'a Spec, local: &Spec, now: Timestamp) -> (&'a Filter, bool) {
    let Some(candidate) = &server.candidate else { return (&server.filter, false) };
    match local.decisions.get(&candidate.plan) {
        Some(Decision::Kept) => (&candidate.filter, false),
        None if candidate.until > now => (&candidate.filter, true),
        Some(Decision::RolledBack) | None => (&server.filter, false),
    }
}

impl Kept {
    /// What should be in force by the two specs.
    pub fn of(server: &Spec, local: &Spec, now: Timestamp) -> Kept {
        let (filter, probation) = deciding(server, local, now);
        Kept { filter: filter.clone(), probation, notes: server.notes.clone() }
    }

    fn is(&self, (filter, probation): (&Filter, bool), notes: &Notes) -> bool {
        self.probation == probation && self.notes == *notes && self.filter == *filter
    }

    /// What is said about it.
    pub fn filtering(&self, now: Timestamp) -> Filtering {
        let segments: Vec<Segment> = segments(&self.filter, now);
        let unresolved = unresolved(&self.filter, now);
        let defaults = self.filter.defaults;
        Filtering {
            in_force: false,
            probation: self.probation,
            defaults,
            segments,
            unresolved,
            notes: self.notes.clone(),
        }
    }

    /// When a rule begins or ends next.
    fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.filter.next_change(now)
    }
}

/// The keeper tells what should be in force from now on.
pub fn kept(server: &Spec, local: &Spec, now: Timestamp) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |known: &Known| known.kept.is(deciding(server, local, now), &server.notes);
    if !known.as_ref().is_some_and(same) {
        *known = Some(Known { kept: Kept::of(server, local, now), made: None });
    }
}

/// What the keeper wants; `None` outside of the agent. Whether it is in force is for the observer to
/// say.
pub fn kept_now(now: Timestamp) -> Option<Filtering> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.as_mut()?;
    if let Some((ends, made)) = &known.made
        && ends.is_none_or(|end| end > now)
    {
        return Some(made.clone());
    }
    let made = known.kept.filtering(now);
    known.made = Some((known.kept.next_end(now), made.clone()));
    Some(made)
}

/// Rules that are asked and match nobody: all of their sets are empty, and they name no interface.
fn unresolved(filter: &Filter, now: Timestamp) -> Vec<Unresolved> {
    let empty: HashSet<&str> = filter.sets.iter().filter(|s| s.ranges.is_empty()).map(|s| s.name.as_str()).collect();
    let known: HashSet<&str> = filter.sets.iter().map(|s| s.name.as_str()).collect();
    let nobody = |name: &String| empty.contains(name.as_str()) || !known.contains(name.as_str());
    let matches_none = |peers: &Peers| match peers {
        Peers::Of { sets, interfaces } => interfaces.is_empty() && sets.iter().all(nobody),
        Peers::Any | Peers::Except { .. } => false,
    };
    let rules = filter.rules.iter().filter(|r| alive(r, now) && matches_none(&r.peers));
    rules.take(UNRESOLVED_MAX).map(|rule| Unresolved { rule: rule.id.clone(), action: rule.action }).collect()
}
