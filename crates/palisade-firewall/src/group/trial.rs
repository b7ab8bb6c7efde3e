//! A change of documents or isolation, judged: whom it touches, whether it may be made, and for how
//! long it is tried.

use super::effects::{self, Scene};
use super::fleet::{Doors, Stored};
use super::resolve::Resolver;
use super::store;
use crate::filter::Filter;
use crate::ruleset::Range;
use palisade_core::{Effect, EffectKind, HostId, Severity, Step, Timestamp};
use palisade_guard::api::{ApiError, Caller};
use palisade_guard::kind::{Asked, Effects, Refused};
use palisade_guard::store as frame;
use palisade_guard::{GuardError, ServerContext};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How long a change is tried unless told otherwise, in seconds.
pub const PROBATION_S: u32 = 60;
/// Steps that a plan lists.
const STEPS_MAX: usize = 100;
/// Cuts that a refusal names.
const CUTS_NAMED_MAX: usize = 3;

/// Who wants a change that is written into the database already, and how.
pub struct Wanted<'a> {
    /// The server.
    pub context: &'a ServerContext,
    /// Who asks.
    pub caller: &'a Caller,
    /// The plan that the change belongs to.
    pub plan: &'a str,
    /// Whom it cuts is said, not refused; it is on probation in any case.
    pub force: bool,
    /// How long it is tried, if the caller says so.
    pub probation_s: Option<u32>,
    /// The word that hosts must permit.
    pub permit: &'static str,
}

/// Judges what a plan has written into documents.
pub async fn judged(asked: &Asked<'_>, db: &mut SqliteConnection) -> Result<Effects, Refused> {
    let &Asked { context, caller, plan, force, probation_s, .. } = asked;
    let wanted = Wanted { context, caller, plan, force, probation_s, permit: "firewall" };
    judge(&wanted, db).await.map_err(|error| Refused { index: None, error })
}

/// Judges what a plan has written, and puts it on probation unless it changes nothing on any host.
pub async fn judge(wanted: &Wanted<'_>, db: &mut SqliteConnection) -> Result<Effects, ApiError> {
    let now = wanted.context.now();
    let stored = Stored::read(&mut *db, now).await?;
    let resolver = |with: &[&str]| stored.fleet(with).map(|fleet| Resolver::new(Arc::new(fleet), now));
    let (old, new) = (resolver(&[])?, resolver(&[wanted.plan])?);
    if let Some(many) = effects::too_many(&old, &new) {
        return Err(ApiError::conflict(many.to_string()).hint("join rules, or put hosts into fewer groups"));
    }
    alone(wanted, &stored, (&old, &new))?;
    let failsafe: Vec<Range> = wanted.context.failsafe.iter().map(|cidr| Range::from(*cidr)).collect();
    let doors: HashMap<HostId, Doors> = stored.seen.iter().map(|(id, seen)| (id.clone(), seen.doors.clone())).collect();
    let scene = Scene {
        old: &old,
        new: &new,
        caller: wanted.caller.address,
        failsafe: &failsafe,
        own: wanted.context.own.as_ref(),
        doors: &doors,
        now,
    };
    let mut outcome = effects::judged(&scene);
    let forced = cut(wanted, &outcome.cuts, &mut outcome.effects)?;
    let probation_s = length_s(wanted.probation_s, forced, !outcome.hosts.is_empty());
    settle(wanted.plan, probation_s, now, db).await?;
    outcome.effects.extend(unpermitted(wanted.permit, &stored, &outcome.hosts));
    if let Some(seconds) = probation_s {
        let sentence = format!("unless it is kept, it is undone by itself after {seconds} s");
        outcome.effects.push(effect(EffectKind::Changes, Severity::Informational, sentence, Vec::new()));
    }
    let observed_at = frame::freshness_oldest(db, crate::WORD, &outcome.hosts).await?;
    let steps = outcome.hosts.iter().take(STEPS_MAX).map(|host| step(host, wanted.permit)).collect();
    Ok(Effects { effects: outcome.effects, steps, hosts: outcome.hosts, observed_at, probation_s })
}

/// A change that would cut somebody is refused, or said where it is forced. True if it was forced.
fn cut(wanted: &Wanted<'_>, cuts: &[String], effects: &mut Vec<Effect>) -> Result<bool, ApiError> {
    if cuts.is_empty() {
        return Ok(false);
    }
    let named = cuts.iter().take(CUTS_NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
    let more = cuts.len().saturating_sub(CUTS_NAMED_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    if !wanted.force {
        let error = ApiError::conflict(format!("refused: {named}{more}"));
        return Err(error.hint("allow that path first, or force it: it is then on probation in any case"));
    }
    effects.push(effect(EffectKind::Cuts, Severity::Critical, format!("forced: {named}{more}"), Vec::new()));
    Ok(true)
}

/// What changes no host needs no probation, and what is forced always has one.
fn length_s(asked: Option<u32>, forced: bool, touches: bool) -> Option<u32> {
    let wanted = asked.unwrap_or(PROBATION_S);
    let length = if forced && wanted == 0 { PROBATION_S } else { wanted };
    (touches && length > 0).then_some(length)
}

async fn settle(
    plan: &str,
    probation_s: Option<u32>,
    now: Timestamp,
    db: &mut SqliteConnection,
) -> Result<(), GuardError> {
    let until = probation_s.and_then(|s| now.checked_add(jiff::SignedDuration::from_secs(s.into())).ok());
    match until {
        Some(until) => {
            store::documents_try(&mut *db, plan, until).await?;
            store::isolation_try(&mut *db, plan, until).await?;
        }
        None => super::change::keep(&mut *db, plan).await?,
    }
    store::revision_raise(db).await
}

/// Refuses a change that meets one on probation: on a host that both touch, or where the one would do
/// something else without the other.
fn alone(wanted: &Wanted<'_>, stored: &Stored, (old, new): (&Resolver, &Resolver)) -> Result<(), ApiError> {
    let now = wanted.context.now();
    for plan in stored.tried().into_keys().filter(|plan| plan != wanted.plan) {
        let resolver = |with: &[&str]| stored.fleet(with).map(|fleet| Resolver::new(Arc::new(fleet), now));
        let (other, both) = (resolver(&[&plan])?, resolver(&[&plan, wanted.plan])?);
        if let Some(host) = met([old, new, &other, &both]) {
            let why = format!("`{host}` is touched by plan `{plan}` too, which is on probation");
            return Err(ApiError::conflict(why)
                .hint(format!("`palisade plan confirm {plan}` or `palisade plan rollback {plan}` first")));
        }
    }
    Ok(())
}

/// The first host on which two changes meet: as it was, with one, with the other, with both.
fn met<'r>([old, new, other, both]: [&'r Resolver; 4]) -> Option<&'r HostId> {
    let mut alike: BTreeMap<[Option<String>; 4], &HostId> = BTreeMap::new();
    for member in &old.fleet().hosts {
        alike.entry([old, new, other, both].map(|r| r.key(&member.id))).or_insert(&member.id);
    }
    alike.into_values().find(|host| {
        let [old, new, other, both]: [Filter; 4] = [old, new, other, both].map(|r| r.filter(host).unwrap_or_default());
        let (by_new, by_other) = (new != old, other != old);
        let alone = if by_new { &new } else { &other };
        (by_new && by_other) || both != *alone
    })
}

/// Hosts whose own file does not permit what is asked of them.
fn unpermitted(permit: &str, stored: &Stored, hosts: &[HostId]) -> Option<Effect> {
    let refuses = |host: &&HostId| {
        let words = stored.permits.get(*host).map(Vec::as_slice).unwrap_or_default();
        !words.is_empty() && !words.iter().any(|word| word == permit)
    };
    let refusing: Vec<HostId> = hosts.iter().filter(refuses).cloned().collect();
    let first = refusing.first()?;
    let sentence = match refusing.len() {
        1 => format!("{first} does not permit `{permit}` and will refuse it"),
        n => format!("{n} hosts do not permit `{permit}` and will refuse it, {first} among them"),
    };
    Some(effect(EffectKind::Keeps, Severity::Medium, sentence, refusing))
}

fn effect(kind: EffectKind, severity: Severity, sentence: String, hosts: Vec<HostId>) -> Effect {
    Effect { kind, severity, sentence, hosts }
}

fn step(host: &HostId, permit: &str) -> Step {
    Step {
        name: "SetFilter".to_owned(),
        object: host.to_string(),
        reason: "its security groups resolve to other rules".to_owned(),
        permit: permit.to_owned(),
        act: serde_json::Value::Null,
    }
}
