//! All rules as they are judged: templates and built-in rules included, thresholds in the units of
//! the store, and which of them are for which host.

use super::builtin;
use super::judge::Test;
use super::kinds::TemplateSpec;
use super::rule::{Matcher, Policy, RULES_MAX, RuleSpec};
use crate::catalogue::{self, Metric};
use crate::model::SeriesKey;
use crate::scope::{Group, Groups};
use palisade_core::{HostId, Severity, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::{self as frame_store, HostRow, ResourceRow};
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A rule that is judged.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Another text here is another rule: its version, and that of its template.
    pub edition: String,
    /// Only what is measured later is judged.
    pub since_s: i64,
    /// True for one of ours.
    pub is_builtin: bool,
    /// What it says.
    pub spec: RuleSpec,
    /// Its policies, then those of its template.
    pub watched: Vec<Arc<Watched>>,
}

/// A policy as it is judged.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Whose.
    pub rule: String,
    /// Of which edition.
    pub edition: String,
    /// Its place among the rule's policies.
    pub index: usize,
    /// Only samples from here on.
    pub since_s: i64,
    /// The metric.
    pub metric: &'static Metric,
    /// How it is judged.
    pub test: Test,
    /// How much it matters.
    pub severity: Severity,
    /// As written.
    pub policy: Policy,
    labels: Vec<(String, Matcher)>,
}

impl Watched {
    /// A policy of a rule; `None` when its metric is not known any more.
    pub fn new(
        rule: &str,
        edition: &str,
        since_s: i64,
        spec: &RuleSpec,
        (index, policy): (usize, &Policy),
    ) -> Option<Watched> {
        let meant = catalogue::meant(&policy.metric)?;
        let in_store = |value: f64| value / meant.factor;
        let threshold = if policy.operator.is_change() { policy.threshold } else { in_store(policy.threshold) };
        let own = policy.labels.iter().map(|(label, pattern)| Some((label.clone(), Matcher::new(pattern).ok()?)));
        let of_name = meant
            .label
            .zip(meant.metric.label)
            .map(|(value, label)| Some((label.to_owned(), Matcher::Is(value.to_owned()))));
        Some(Watched {
            rule: rule.to_owned(),
            edition: edition.to_owned(),
            index,
            since_s,
            metric: meant.metric,
            test: Test {
                statistic: policy.statistic,
                period_s: policy.period.seconds(),
                operator: policy.operator,
                threshold,
                recover: policy.recover.map(in_store),
                count: policy.count,
                of: policy.of(),
                no_data_after_s: spec.no_data.after.as_secs() as i64,
                treat: spec.no_data.treat,
            },
            severity: policy.severity.unwrap_or(spec.severity),
            policy: policy.clone(),
            labels: own.chain(of_name).collect::<Option<_>>()?,
        })
    }

    /// Whether it is about this series.
    pub fn is_about(&self, key: &SeriesKey) -> bool {
        let value = |label: &str| key.label.as_ref().filter(|(own, _)| own == label).map_or("", |(_, value)| value);
        key.name == self.metric.name && self.labels.iter().all(|(label, matcher)| matcher.holds(value(label)))
    }
}

/// All rules, and who belongs to which group.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// By name.
    pub rules: Vec<Rule>,
    /// For scopes.
    pub groups: Groups,
    /// Names of the watches and probes that there are, each with the label of its series.
    named: BTreeSet<(&'static str, String)>,
}

/// Kinds that series are made by, and the label that names which.
const MAKERS: [(&str, &str); 2] = [("ProcessWatch", "watch"), ("Probe", "probe")];

/// What is judged on the hosts that share it: policies by metric.
pub type Page = HashMap<&'static str, Vec<Arc<Watched>>>;

impl Book {
    /// As it stands in the database.
    pub async fn read(db: &mut SqliteConnection) -> Result<Book, GuardError> {
        let templates = specs::<TemplateSpec>(db, "AlarmTemplate", None).await?;
        let templates: BTreeMap<String, (ResourceRow, TemplateSpec)> =
            templates.into_iter().map(|(row, spec)| (row.name.clone(), (row, spec))).collect();
        let groups = specs::<Group>(db, "ResourceGroup", None).await?;
        let groups = groups.into_iter().map(|(row, spec)| (row.name, spec)).collect();
        let own = specs::<RuleSpec>(db, "AlarmRule", None).await?;
        let mut rules: Vec<Rule> =
            own.into_iter().take(RULES_MAX).map(|(row, spec)| of_resource(row, spec, &templates)).collect();
        if let Some(since) = super::store::basics_since(db).await? {
            rules.extend(builtin::rules().into_iter().map(|(name, spec)| rule(name, "builtin", since, spec, &[])));
        }
        let mut named = BTreeSet::new();
        for (kind, label) in MAKERS {
            named.extend(frame_store::resources(db, kind, None).await?.into_iter().map(|row| (label, row.name)));
        }
        Ok(Book { rules, groups, named })
    }

    /// False for a series of a watch or a probe that was deleted: no sample of it will ever come.
    pub fn is_measured(&self, key: &SeriesKey) -> bool {
        let Some((label, value)) = &key.label else { return true };
        let Some((_, label)) = MAKERS.iter().find(|(_, own)| own == label) else { return true };
        self.named.contains(&(*label, value.clone()))
    }

    /// A book of rules that are not stored: for back-tests and tests of rules.
    pub fn of(named: Vec<(String, RuleSpec)>) -> Book {
        let rules =
            named.into_iter().map(|(name, spec)| rule(&name, "draft", Timestamp::UNIX_EPOCH, spec, &[])).collect();
        Book { rules, ..Book::default() }
    }

    /// The rules that are judged on each of these hosts; hosts with the same rules share a page.
    pub fn pages(&self, hosts: &[HostRow]) -> HashMap<HostId, Arc<Page>> {
        let judged: Vec<&Rule> = self.rules.iter().filter(|r| r.spec.enabled && !r.watched.is_empty()).collect();
        let mut shared: HashMap<Vec<usize>, Arc<Page>> = HashMap::new();
        let page_of = |host: &HostRow| {
            let holds = |rule: &Rule| rule.spec.scope.holds(host, &self.groups);
            let numbers: Vec<usize> = (0..judged.len()).filter(|n| holds(judged[*n])).collect();
            let page = shared.entry(numbers).or_insert_with_key(|numbers| {
                let mut page = Page::new();
                let all = numbers.iter().flat_map(|n| &judged[*n].watched);
                all.for_each(|watched| page.entry(watched.metric.name).or_default().push(Arc::clone(watched)));
                Arc::new(page)
            });
            (host.id.clone(), Arc::clone(page))
        };
        hosts.iter().map(page_of).collect()
    }

    /// One rule as it stands in the database, and the groups; `None` when it is gone or switched off.
    pub async fn read_rule(db: &mut SqliteConnection, name: &str) -> Result<Option<(Rule, Groups)>, GuardError> {
        let rule = match builtin::rules().into_iter().find(|(own, _)| *own == name) {
            Some((_, spec)) => {
                super::store::basics_since(db).await?.map(|since| self::rule(name, "builtin", since, spec, &[]))
            }
            None => Self::read_own(db, name).await?,
        };
        let Some(rule) = rule.filter(|rule| rule.spec.enabled) else { return Ok(None) };
        let groups = match &rule.spec.scope.group {
            Some(_) => specs::<Group>(db, "ResourceGroup", None).await?,
            None => Vec::new(),
        };
        Ok(Some((rule, groups.into_iter().map(|(row, spec)| (row.name, spec)).collect())))
    }

    async fn read_own(db: &mut SqliteConnection, name: &str) -> Result<Option<Rule>, GuardError> {
        let Some((row, spec)) = specs::<RuleSpec>(db, "AlarmRule", Some(name)).await?.pop() else { return Ok(None) };
        let templates = match spec.template.as_deref() {
            Some(template) => specs::<TemplateSpec>(db, "AlarmTemplate", Some(template)).await?,
            None => Vec::new(),
        };
        let templates = templates.into_iter().map(|(row, spec)| (row.name.clone(), (row, spec))).collect();
        Ok(Some(of_resource(row, spec, &templates)))
    }

    /// The rule of this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

fn of_resource(row: ResourceRow, spec: RuleSpec, templates: &BTreeMap<String, (ResourceRow, TemplateSpec)>) -> Rule {
    let template = spec.template.as_ref().and_then(|name| templates.get(name));
    let built_in = spec.template.as_deref().filter(|_| template.is_none()).and_then(builtin::template);
    let since = template.map_or(row.updated_at, |(t, _)| t.updated_at.max(row.updated_at));
    let edition = match template {
        Some((t, _)) => format!("{}+{}@{}", row.version, t.name, t.version),
        None => row.version.to_string(),
    };
    let more = template.map(|(_, t)| t.policies.clone()).or(built_in).unwrap_or_default();
    Rule { is_builtin: false, ..rule(&row.name, &edition, since, spec, &more) }
}

fn rule(name: &str, edition: &str, since: Timestamp, spec: RuleSpec, more: &[Policy]) -> Rule {
    let since_s = since.as_second();
    let all = spec.policies.iter().chain(more).enumerate();
    let watched = all.filter_map(|each| Watched::new(name, edition, since_s, &spec, each).map(Arc::new)).collect();
    Rule { name: name.to_owned(), edition: edition.to_owned(), since_s, is_builtin: true, spec, watched }
}

/// The resources of a kind; one that this version cannot read is passed over.
async fn specs<T: DeserializeOwned>(
    db: &mut SqliteConnection,
    kind: &str,
    only: Option<&str>,
) -> Result<Vec<(ResourceRow, T)>, GuardError> {
    let rows = frame_store::resources(db, kind, only).await?;
    let read = rows.into_iter().filter_map(|row| match serde_json::from_value(row.spec.clone()) {
        Ok(spec) => Some((row, spec)),
        Err(error) => {
            tracing::warn!(kind, name = row.name, %error, "a resource cannot be read; passed over");
            None
        }
    });
    Ok(read.collect())
}
