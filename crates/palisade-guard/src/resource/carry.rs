//! Carrying out edits inside a transaction: kinds act, versions are written, plans and events are
//! made.

use super::difference;
use super::kinds::Kinds;
use super::{Applied, Overwritten, ResultView};
use crate::ServerContext;
use crate::api::{ApiError, Caller, Can};
use crate::contract::GuardError;
use crate::kind::{Action, Asked, Effects, Kind, SpecChange};
use crate::store::{self, Author, ResourceRow, Source};
use axum::http::StatusCode;
use jiff::SignedDuration;
use palisade_core::{Effect, EffectKind, Event, Generation, Outcome, Plan, PlanState, Severity, Timestamp};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet};

/// Effects, and steps, that a plan lists; the results of the change name every resource.
const LISTED_MAX: usize = 100;
/// Resources that a title names, and differences that an event names.
const NAMED_MAX: usize = 3;
/// Characters of a value that a sentence holds.
const VALUE_CHARS_MAX: usize = 1_000;

/// What happens to one resource.
pub struct Edit<'k> {
    /// Its kind.
    pub kind: &'k dyn Kind,
    /// Its name.
    pub name: String,
    /// What stands.
    pub old: Option<ResourceRow>,
    /// What shall stand; `None` to remove it.
    pub new: Option<Value>,
    /// The same as it was given, before it was put in normal form.
    pub written: Option<Value>,
    /// How the new version comes to be.
    pub source: Source,
    /// What is overwritten knowingly.
    pub overwrites: Option<Overwritten>,
}

impl Edit<'_> {
    fn action(&self) -> Action {
        match (&self.old, &self.new) {
            (_, None) => Action::Delete,
            (None, _) => Action::Create,
            (Some(old), Some(new)) if old.spec == *new => Action::Unchanged,
            _ => Action::Change,
        }
    }

    fn change(&self) -> SpecChange {
        SpecChange {
            name: self.name.clone(),
            old: self.old.as_ref().map(|o| o.spec.clone()),
            new: self.new.clone(),
            written: self.written.clone(),
        }
    }

    fn called(&self) -> String {
        format!("{} {}", self.kind.name(), self.name)
    }
}

/// How a change is made that could cut somebody off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trying {
    /// It is made although it would be refused.
    pub force: bool,
    /// How long it is tried, if the caller says so.
    pub probation_s: Option<u32>,
}

/// What was carried out, before it is committed or undone.
pub struct Carried {
    /// One plan per guard, as stored.
    pub plans: Vec<Plan>,
    /// What pages have to be told.
    pub topics: BTreeSet<String>,
    results: Vec<ResultView>,
    by: String,
    now: Timestamp,
}

impl Carried {
    /// As an answer to a change that was made.
    pub fn applied(self) -> Applied {
        let plans = self.plans.iter().map(|p| p.id.clone()).collect();
        Applied { plan: merged(self.plans, &self.by, self.now), plans, results: self.results }
    }

    /// As an answer to a change that was not made.
    pub fn preview(self) -> Applied {
        let mut plan = merged(self.plans, &self.by, self.now);
        (plan.id, plan.state, plan.generation) = (String::new(), PlanState::Preview, Generation::default());
        Applied { plan, plans: Vec::new(), results: self.results }
    }
}

/// Carries the edits out; what is removed goes first, and every kind after those that it refers to.
pub async fn carry(
    context: &ServerContext,
    kinds: &Kinds,
    (caller, trying): (&Caller, Trying),
    db: &mut SqliteConnection,
    edits: &[Edit<'_>],
) -> Result<Carried, ApiError> {
    let now = context.now();
    allowed(caller, edits)?;
    let mut plans: Vec<Plan> = Vec::new();
    let mut versions: Vec<u64> = edits.iter().map(|e| e.old.as_ref().map_or(0, |o| o.version)).collect();
    let mut topics = BTreeSet::new();
    let groups = groups(kinds, edits);
    for (at, group) in groups.iter().enumerate() {
        let kind = edits[group[0]].kind;
        let last = is_last(edits, &groups, at);
        let begun = plans.iter().position(|plan| plan.guard == kind.guard());
        let plan_at = begun.unwrap_or(plans.len());
        if begun.is_none() {
            let id = plan_id(db, plans.len()).await?;
            plans.push(Plan { id, ..empty(kind.guard(), &caller.name, now) });
        }
        let plan = &mut plans[plan_at];
        let change = Change { caller, plan: &plan.id, trying, last };
        let effects = act(context, &change, db, edits, group).await?;
        add(plan, effects);
        for &n in group {
            versions[n] = written(context, db, caller, &edits[n], &plan.id, now).await?;
        }
        topics.extend(kind.topics().iter().map(|t| (*t).to_owned()));
    }
    for plan in &mut plans {
        topics.insert(plan.guard.clone());
        let guard = plan.guard.clone();
        finish(plan, edits.iter().filter(|e| e.kind.guard() == guard && e.action() != Action::Unchanged));
        context.plan_store(db, plan).await?;
    }
    topics.extend(["plans", "resources", "journal"].map(str::to_owned));
    let results = edits.iter().zip(versions).map(|(edit, version)| result(edit, version)).collect();
    Ok(Carried { plans, topics, results, by: caller.name.clone(), now })
}

/// Carries out edits that undo a plan: they belong to no plan of their own.
pub async fn carry_back(
    context: &ServerContext,
    kinds: &Kinds,
    caller: &Caller,
    db: &mut SqliteConnection,
    edits: &[Edit<'_>],
) -> Result<(), ApiError> {
    allowed(caller, edits)?;
    let groups = groups(kinds, edits);
    for (at, group) in groups.iter().enumerate() {
        let last = is_last(edits, &groups, at);
        let change = Change { caller, plan: "", trying: Trying::default(), last };
        act(context, &change, db, edits, group).await?;
        for &n in group {
            written(context, db, caller, &edits[n], "", context.now()).await?;
        }
    }
    Ok(())
}

/// The part of a change that one kind carries out.
struct Change<'a> {
    caller: &'a Caller,
    plan: &'a str,
    trying: Trying,
    last: bool,
}

/// True if no kind after the group at `at` is judged together with that of the group.
fn is_last(edits: &[Edit<'_>], groups: &[Vec<usize>], at: usize) -> bool {
    let together = |group: &Vec<usize>| edits[group[0]].kind.together();
    groups[at + 1..].iter().all(|later| together(later) != together(&groups[at]))
}

/// Has one kind put the edits of `group`, which are all of that kind.
async fn act(
    context: &ServerContext,
    change: &Change<'_>,
    db: &mut SqliteConnection,
    edits: &[Edit<'_>],
    group: &[usize],
) -> Result<Effects, ApiError> {
    let changes: Vec<SpecChange> = group.iter().map(|n| edits[*n].change()).collect();
    let Change { caller, plan, last, trying: Trying { force, probation_s } } = *change;
    let asked = Asked { context, caller, now: context.now(), plan, force, probation_s, last };
    let Some(first) = group.first() else { return Ok(Effects::default()) };
    edits[*first].kind.apply(&asked, db, &changes).await.map_err(|refused| {
        match refused.index.and_then(|index| group.get(index)) {
            Some(n) => named(refused.error, edits, *n),
            None => refused.error,
        }
    })
}

/// The places of the edits that change something, by kind: first removals, from the last kind to the
/// first, then the others in order.
fn groups(kinds: &Kinds, edits: &[Edit<'_>]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(bool, i64), Vec<usize>> = BTreeMap::new();
    for (n, edit) in edits.iter().enumerate() {
        let place = kinds.place(edit.kind) as i64;
        match edit.action() {
            Action::Unchanged => {}
            Action::Delete => groups.entry((false, -place)).or_default().push(n),
            Action::Create | Action::Change => groups.entry((true, place)).or_default().push(n),
        }
    }
    groups.into_values().collect()
}

fn allowed(caller: &Caller, edits: &[Edit<'_>]) -> Result<(), ApiError> {
    for (n, edit) in edits.iter().enumerate().filter(|(_, e)| e.action() != Action::Unchanged) {
        if let Can::No(reason) = caller.can(edit.kind.role(edit.action())) {
            let doing = match edit.action() {
                Action::Create => "making",
                Action::Delete => "removing",
                Action::Change | Action::Unchanged => "changing",
            };
            let error =
                ApiError::new(StatusCode::FORBIDDEN, "forbidden", format!("{doing} {}: {reason}", edit.called()));
            return Err(named(error, edits, n).hint(format!(
                "you are `{}` with role {}",
                caller.name,
                caller.role.as_str()
            )));
        }
    }
    Ok(())
}

/// The error with the place of its document, where there are documents.
fn named(error: ApiError, edits: &[Edit<'_>], n: usize) -> ApiError {
    let is_document = edits.get(n).is_some_and(|e| e.new.is_some());
    if is_document { error.at(format!("resources[{n}]")) } else { error }
}

/// The id of a plan when `begun` others have theirs and none of them is stored yet.
async fn plan_id(db: &mut SqliteConnection, begun: usize) -> Result<String, GuardError> {
    let first = store::plan_id(db).await?;
    let number = first.strip_prefix("p-").and_then(|n| n.parse::<usize>().ok());
    Ok(number.map_or(first.clone(), |n| format!("p-{}", n + begun)))
}

fn empty(guard: &str, by: &str, now: Timestamp) -> Plan {
    Plan {
        id: String::new(),
        guard: guard.to_owned(),
        title: "nothing to change".to_owned(),
        state: PlanState::Preview,
        effects: Vec::new(),
        steps: Vec::new(),
        hosts: Vec::new(),
        by: by.to_owned(),
        created_at: now,
        observed_at: None,
        deadline: None,
        probation_s: None,
        generation: Generation::default(),
        reports: Vec::new(),
        reason: None,
    }
}

fn add(plan: &mut Plan, effects: Effects) {
    plan.effects.extend(effects.effects);
    plan.steps.extend(effects.steps);
    plan.hosts.extend(effects.hosts);
    plan.observed_at = plan.observed_at.into_iter().chain(effects.observed_at).min();
    plan.probation_s = plan.probation_s.into_iter().chain(effects.probation_s).min();
    let end = |s| plan.created_at.checked_add(SignedDuration::from_secs(i64::from(s))).ok();
    plan.deadline = plan.probation_s.and_then(end);
}

fn finish<'e>(plan: &mut Plan, edits: impl Iterator<Item = &'e Edit<'e>>) {
    plan.hosts.sort();
    plan.hosts.dedup();
    plan.title = format!("apply {}", listed(edits.map(Edit::called)));
    cut(plan);
}

/// The worst effects come first, and what does not fit is counted.
fn cut(plan: &mut Plan) {
    plan.effects.sort_by_key(|effect| std::cmp::Reverse(effect.severity));
    let more = plan.effects.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        plan.effects.truncate(LISTED_MAX);
        let sentence = format!("and {more} more effects that weigh no more; the results name every resource");
        plan.effects.push(Effect {
            kind: EffectKind::Changes,
            severity: Severity::Informational,
            sentence,
            hosts: Vec::new(),
        });
    }
    plan.steps.truncate(LISTED_MAX);
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = names.collect();
    let more = all.len().saturating_sub(NAMED_MAX);
    let named = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

/// Several plans as one to show; one is itself.
fn merged(mut plans: Vec<Plan>, by: &str, now: Timestamp) -> Plan {
    if plans.len() == 1 {
        return plans.remove(0);
    }
    let mut all = empty("frame", by, now);
    for plan in plans {
        all.title =
            if all.title == "nothing to change" { plan.title } else { format!("{}; {}", all.title, plan.title) };
        all.state = if all.state == PlanState::Applying { all.state } else { plan.state };
        let effects = Effects {
            effects: plan.effects,
            steps: plan.steps,
            hosts: plan.hosts,
            observed_at: plan.observed_at,
            probation_s: plan.probation_s,
        };
        add(&mut all, effects);
    }
    all.hosts.sort();
    all.hosts.dedup();
    cut(&mut all);
    all
}

/// Writes the new version and what the audit log says of it.
async fn written(
    context: &ServerContext,
    db: &mut SqliteConnection,
    caller: &Caller,
    edit: &Edit<'_>,
    plan: &str,
    now: Timestamp,
) -> Result<u64, GuardError> {
    let author = Author { by: &caller.name, at: now, source: edit.source, plan };
    let version = store::resource_put(db, edit.kind.name(), &edit.name, edit.new.as_ref(), author).await?;
    context.record(db, &event(edit, caller, plan, version, now)).await?;
    Ok(version)
}

fn event(edit: &Edit<'_>, caller: &Caller, plan: &str, version: u64, now: Timestamp) -> Event {
    let (verb, did) = match edit.action() {
        Action::Create => ("create", "made"),
        Action::Delete => ("delete", "removed"),
        Action::Change | Action::Unchanged => ("change", "changed"),
    };
    let before = edit.old.as_ref().map(|o| &o.spec);
    let differences = difference::of(before, edit.new.as_ref());
    let fields = listed(differences.iter().map(|d| format!("{} {} -> {}", d.path, short(&d.before), short(&d.after))));
    let over = edit.overwrites.as_ref().map(|o| format!(", over version {} by {}", o.version, o.updated_by));
    let why = if verb == "change" { format!(": {fields}") } else { String::new() };
    Event {
        time: now,
        kind: format!("{}.resource.{verb}", edit.kind.guard()),
        host: None,
        severity: Severity::Informational,
        outcome: Outcome::Success,
        actor: caller.actor(),
        message: format!("{did} {}{why}{}", edit.called(), over.unwrap_or_default()),
        object: Some(edit.called()),
        audit: true,
        data: json!({ "plan": plan, "version": version, "before": before.and_then(kept), "after": edit.new.as_ref().and_then(kept) }),
    }
}

/// A value as a sentence holds it.
fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
}

/// What an event holds of a spec; the versions of the resource hold all of it.
fn kept(spec: &Value) -> Option<&Value> {
    (spec.to_string().len() <= super::SPEC_BYTES_MAX).then_some(spec)
}

fn result(edit: &Edit<'_>, version: u64) -> ResultView {
    ResultView {
        kind: edit.kind.name().to_owned(),
        name: edit.name.clone(),
        action: edit.action(),
        version,
        changes: difference::of(edit.old.as_ref().map(|o| &o.spec), edit.new.as_ref()),
        overwrites: edit.overwrites.clone(),
    }
}
