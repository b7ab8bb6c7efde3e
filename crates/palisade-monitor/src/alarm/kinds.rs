//! The kinds `AlarmRule`, `AlarmTemplate` and `ResourceGroup`.

use super::rule::{self, Policy, RULES_MAX, RuleSpec};
use super::{TOPIC, builtin, store};
use crate::scope::{Group, Scope};
use palisade_core::{Effect, EffectKind, Severity};
use palisade_guard::api::ApiError;
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Asked, Effects, Refused, SpecChange};
use palisade_guard::{GuardError, Kind, store as frame_store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::sync::Arc;
use utoipa::ToSchema;

/// Templates, and groups, that there may be.
const TEMPLATES_MAX: usize = 200;
const GROUPS_MAX: usize = 1_000;

/// Policies that several rules follow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSpec {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// At most 50.
    pub policies: Vec<Policy>,
}

/// All three.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![Arc::new(AlarmRule), Arc::new(AlarmTemplate), Arc::new(ResourceGroup)]
}

struct AlarmRule;
struct AlarmTemplate;
struct ResourceGroup;

impl Kind for AlarmRule {
    fn name(&self) -> &'static str {
        "AlarmRule"
    }

    fn plural(&self) -> &'static str {
        "alarmrules"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "When people are told: metrics over a threshold, samples that stop, events and findings; on which hosts."
    }

    fn after(&self) -> &'static [&'static str] {
        &["AlarmTemplate", "ResourceGroup"]
    }

    fn topics(&self) -> &'static [&'static str] {
        &[TOPIC, super::RULES_TOPIC]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<RuleSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        name_checked(name)?;
        let mut spec: RuleSpec = kind::spec_of(spec)?;
        spec.checked()?;
        spec.policies.iter_mut().for_each(|policy| policy.of = Some(policy.of()));
        Ok((name.to_owned(), json!(spec)))
    }

    fn apply<'a>(
        &'a self,
        _: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(async move {
            room(db, "AlarmRule", changes, RULES_MAX).await?;
            let groups = names(db, "ResourceGroup").await?;
            let templates = names(db, "AlarmTemplate").await?;
            for (index, change) in changes.iter().enumerate() {
                let spec: Option<RuleSpec> =
                    change.new.as_ref().map(kind::spec_of).transpose().map_err(|e| refused(index, e))?;
                if let Some(spec) = &spec {
                    named_exist(spec, &groups, &templates).map_err(|e| refused(index, e))?;
                }
                let event = spec.filter(|spec| spec.enabled).and_then(|spec| spec.event);
                store::event_rule_put(db, &change.name, event.as_ref()).await?;
            }
            Ok(effects(changes, "alarm rule"))
        })
    }
}

/// The names of rules of ours are taken.
fn name_checked(name: &str) -> Result<(), ApiError> {
    kind::name_checked(name)?;
    if name.starts_with("basics-") {
        let error = ApiError::invalid("names that begin with `basics-` are those of the built-in rules").at("name");
        return Err(error.hint("take another name"));
    }
    Ok(())
}

fn named_exist(spec: &RuleSpec, groups: &[String], templates: &[String]) -> Result<(), ApiError> {
    if let Some(group) = spec.scope.group.as_ref().filter(|group| !groups.contains(group)) {
        return Err(absent("ResourceGroup", group, groups).at("spec.scope.group"));
    }
    let known = |name: &String| templates.contains(name) || name == builtin::SERVER_BASICS;
    match spec.template.as_ref().filter(|name| !known(name)) {
        Some(template) => Err(absent("AlarmTemplate", template, templates).at("spec.template")),
        None => Ok(()),
    }
}

fn absent(what: &str, name: &str, known: &[String]) -> ApiError {
    let error = ApiError::invalid(format!("there is no {what} `{}`", name.escape_default()));
    match kind::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("put a {what} of this name into the same file")),
    }
}

impl Kind for AlarmTemplate {
    fn name(&self) -> &'static str {
        "AlarmTemplate"
    }

    fn plural(&self) -> &'static str {
        "alarmtemplates"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "Policies that alarm rules follow; when it changes, they change with it."
    }

    fn topics(&self) -> &'static [&'static str] {
        &[super::RULES_TOPIC]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<TemplateSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        if name == builtin::SERVER_BASICS {
            return Err(ApiError::invalid(format!("`{name}` is built in")).at("name"));
        }
        let mut spec: TemplateSpec = kind::spec_of(spec)?;
        rule::policies_checked(&spec.policies)?;
        spec.policies.iter_mut().for_each(|policy| policy.of = Some(policy.of()));
        Ok((name.to_owned(), json!(spec)))
    }

    fn apply<'a>(
        &'a self,
        _: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(async move {
            room(db, "AlarmTemplate", changes, TEMPLATES_MAX).await?;
            used(db, changes, "template").await?;
            Ok(effects(changes, "template"))
        })
    }
}

impl Kind for ResourceGroup {
    fn name(&self) -> &'static str {
        "ResourceGroup"
    }

    fn plural(&self) -> &'static str {
        "resourcegroups"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "Hosts under one name, for alarm rules, silences and settings; those with its tags join by themselves."
    }

    fn topics(&self) -> &'static [&'static str] {
        &[super::RULES_TOPIC]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<Group>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        let group: Group = kind::spec_of(spec)?;
        Scope { hosts: group.hosts.clone(), ..Scope::default() }.checked("spec.hosts")?;
        Ok((name.to_owned(), json!(group)))
    }

    fn apply<'a>(
        &'a self,
        _: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(async move {
            room(db, "ResourceGroup", changes, GROUPS_MAX).await?;
            used(db, changes, "group").await?;
            let hosts = crate::setting::policy::moved_by_groups(db, changes).await?;
            Ok(Effects { hosts, ..effects(changes, "group") })
        })
    }
}

fn refused(index: usize, error: ApiError) -> Refused {
    Refused { index: Some(index), error }
}

async fn names(db: &mut SqliteConnection, kind: &str) -> Result<Vec<String>, GuardError> {
    Ok(frame_store::resources(db, kind, None).await?.into_iter().map(|row| row.name).collect())
}

/// Refuses more than there may be.
async fn room(db: &mut SqliteConnection, kind: &str, changes: &[SpecChange], most: usize) -> Result<(), Refused> {
    let made = changes.iter().filter(|c| c.old.is_none() && c.new.is_some()).count();
    let removed = changes.iter().filter(|c| c.old.is_some() && c.new.is_none()).count();
    let before = if made > 0 { names(db, kind).await?.len() } else { 0 };
    if before + made > most + removed {
        return Err(Refused {
            index: None,
            error: ApiError::conflict(format!("there may be {most} of {kind} at most")),
        });
    }
    Ok(())
}

/// Refuses to remove what a rule goes by.
async fn used(db: &mut SqliteConnection, changes: &[SpecChange], field: &str) -> Result<(), Refused> {
    if changes.iter().all(|change| change.new.is_some()) {
        return Ok(());
    }
    let rules = frame_store::resources(db, "AlarmRule", None).await?;
    for (index, change) in changes.iter().enumerate().filter(|(_, change)| change.new.is_none()) {
        let named = |spec: &Value| {
            let own = if field == "group" { &spec["scope"]["group"] } else { &spec[field] };
            own.as_str() == Some(change.name.as_str())
        };
        if let Some(row) = rules.iter().find(|row| named(&row.spec)) {
            let error = ApiError::conflict(format!("the alarm rule `{}` goes by `{}`", row.name, change.name));
            return Err(refused(index, error.hint("change or delete the rule first")));
        }
    }
    Ok(())
}

fn effects(changes: &[SpecChange], what: &str) -> Effects {
    let sentence = |change: &SpecChange| match (&change.old, &change.new) {
        (None, _) => format!("{what} `{}` is judged from now on", change.name),
        (_, Some(_)) => format!("{what} `{}` changes; alarms of its old text end", change.name),
        (_, None) => format!("{what} `{}` is gone; its alarms end", change.name),
    };
    let effect = |change: &SpecChange| Effect {
        kind: EffectKind::Changes,
        severity: Severity::Informational,
        sentence: sentence(change),
        hosts: Vec::new(),
    };
    Effects { effects: changes.iter().map(effect).collect(), ..Effects::default() }
}
