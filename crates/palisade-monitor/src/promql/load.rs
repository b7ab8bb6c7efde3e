//! Reading what a query needs from the store. Series are named as the catalogue or a cloud service
//! names their metric, and carry the labels of their host: `host`, `region`, and each tag as `tag_KEY`.

use super::budget::{Budget, SERIES_MAX};
use super::error::{QueryError, Unreadable};
use super::labels::{Labels, NAME};
use super::loaded::{Loaded, Series};
use super::need::{Need, Needs};
use crate::catalogue::{CATALOGUE, Meant, meant, nearest};
use crate::model::SeriesKey;
use crate::store::{Column, Store};
use palisade_core::HostId;
use palisade_guard::GuardError;
use palisade_guard::store::{HostRow, hosts};
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::VectorSelector;
use sqlx::SqliteConnection;

/// Samples that are read from the store at a time, about.
const BATCH_SAMPLES: i64 = 1_000_000;
/// Series of one metric on one host that a batch counts with.
const SERIES_OF_HOST: i64 = 8;

/// A host and the labels that it gives to its series.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub id: HostId,
    /// `host`, `region`, `tag_KEY`.
    pub labels: Labels,
}

/// Every host that there is or was, by name.
pub async fn known(db: &mut SqliteConnection) -> Result<Vec<Known>, QueryError> {
    let rows = hosts(db).await.map_err(unreadable)?;
    Ok(rows.into_iter().map(|row| Known { labels: host_labels(&row), id: row.id }).collect())
}

fn host_labels(row: &HostRow) -> Labels {
    let mut labels = Labels::default();
    for (key, value) in row.tags.iter() {
        labels.set(&tag_label(key), value);
    }
    labels.set("region", row.region.clone().unwrap_or_default());
    labels.set("host", row.id.as_str());
    labels
}

/// The label of a tag: what a label's name may not have becomes `_`.
pub fn tag_label(key: &str) -> String {
    let sound = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("tag_{}", key.chars().map(sound).collect::<String>())
}

/// Reads what is needed.
pub async fn load(
    db: &mut SqliteConnection,
    store: &Store,
    needs: &Needs<'_>,
    budget: &Budget,
) -> Result<Loaded, QueryError> {
    let (mut loaded, mut count) = (Loaded::default(), 0);
    if needs.is_empty() {
        return Ok(loaded);
    }
    let known = known(db).await?;
    for (key, need) in needs {
        let series = read(db, store, need, &known, budget).await?;
        count += series.len();
        if count > SERIES_MAX {
            let message = format!("the query would read more than {SERIES_MAX} series; narrow its selectors");
            return Err(QueryError::TooMuch(message));
        }
        loaded.put(key.clone(), need, series);
    }
    Ok(loaded)
}

async fn read(
    db: &mut SqliteConnection,
    store: &Store,
    need: &Need<'_>,
    known: &[Known],
    budget: &Budget,
) -> Result<Vec<Series>, QueryError> {
    let wanted: Vec<&Known> = known.iter().filter(|known| may_match(need.matchers(), &known.labels)).collect();
    let steps = (need.to_ms - need.from_ms).max(0) / (need.tier.step_s() * 1_000) + 1;
    let batch = (BATCH_SAMPLES / SERIES_OF_HOST / steps).clamp(1, 1_000) as usize;
    let (from_s, to_s) = (need.from_ms.div_euclid(1_000), need.to_ms.div_euclid(1_000) + 1);
    let mut out = Vec::new();
    for (name, meant) in names(need.selector) {
        for hosts in wanted.chunks(batch) {
            let ids: Vec<HostId> = hosts.iter().map(|known| known.id.clone()).collect();
            let read = store.columns(db, &ids, meant.metric.name, need.tier, (from_s, to_s)).await;
            for column in read.map_err(unreadable)? {
                let Some(known) = hosts.iter().find(|known| known.id == column.host) else { continue };
                let Some(labels) = series_labels(name, &meant, &column.key, &known.labels) else { continue };
                if need.matchers().iter().all(|matcher| is_match(matcher, &labels)) {
                    budget.take(column.points.len())?;
                    out.push(Series { labels, points: points(&column, &meant, need) });
                }
            }
            if out.len() > SERIES_MAX {
                return Err(QueryError::TooMuch(format!(
                    "a selector would read more than {SERIES_MAX} series; narrow it"
                )));
            }
        }
    }
    Ok(out)
}

fn points(column: &Column, meant: &Meant, need: &Need<'_>) -> Vec<(i64, f64)> {
    let point = |(at_s, value): &(i64, crate::pack::Summary)| (at_s * 1_000, value.avg * meant.factor);
    let inside = |(at_ms, _): &(i64, f64)| (need.from_ms..=need.to_ms).contains(at_ms);
    column.points.iter().map(point).filter(inside).collect()
}

/// The labels of a series under this name; `None` if the name means another series of the metric.
pub fn series_labels(name: &str, meant: &Meant, key: &SeriesKey, host: &Labels) -> Option<Labels> {
    let value = key.label.as_ref().map(|(_, value)| value.as_str());
    if meant.label.is_some() && meant.label != value {
        return None;
    }
    let mut labels = host.clone();
    labels.set(NAME, name);
    if let Some((label, value)) = &key.label {
        labels.set(label, value.as_str());
    }
    Some(labels)
}

/// False if the labels of a host alone rule it out.
pub fn may_match(matchers: &[Matcher], host: &Labels) -> bool {
    let own = |label: &str| label == "host" || label == "region" || label.starts_with("tag_");
    matchers.iter().filter(|matcher| own(&matcher.name)).all(|matcher| is_match(matcher, host))
}

/// True if the labels are what the matcher wants.
pub fn is_match(matcher: &Matcher, labels: &Labels) -> bool {
    matcher.is_match(labels.get(&matcher.name))
}

/// The names that a selector is about, and what each means. A cloud service's name is only found where
/// it is said outright: else every series would be found under each of its names.
pub fn names(selector: &VectorSelector) -> Vec<(&str, Meant)> {
    let is_name = |matcher: &&Matcher| matcher.name == NAME && matches!(matcher.op, MatchOp::Equal);
    let named = selector.matchers.matchers.iter().find(is_name).map(|matcher| matcher.value.as_str());
    if let Some(name) = selector.name.as_deref().or(named) {
        return meant(name).map(|meant| (name, meant)).into_iter().collect();
    }
    let matchers: Vec<_> = selector.matchers.matchers.iter().filter(|matcher| matcher.name == NAME).collect();
    let all = CATALOGUE.iter().filter(|metric| matchers.iter().all(|matcher| matcher.is_match(metric.name)));
    all.filter_map(|metric| Some((metric.name, meant(metric.name)?))).collect()
}

/// What to say of a selector that names a metric that does not exist.
pub fn unknown(selector: &VectorSelector) -> Option<String> {
    let name = selector.name.as_deref().filter(|name| meant(name).is_none())?;
    Some(match nearest(name).as_slice() {
        [] => format!("there is no metric `{name}`"),
        near => format!("there is no metric `{name}`; did you mean {}?", near.join(", ")),
    })
}

fn unreadable(error: GuardError) -> QueryError {
    let text = palisade_guard::contract::chain(&error);
    tracing::error!(error = text, "reading samples for a query failed");
    QueryError::Store(Unreadable(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::query::parse;
    use super::*;
    use crate::catalogue::metric;
    use crate::pack::Summary;
    use crate::store::Tier;
    use promql_parser::parser::Expr;

    #[test]
    fn a_series_under_another_name_is_in_that_names_unit_and_only_the_one_that_is_meant() {
        let user = Meant { metric: metric("cpu_mode_ratio").unwrap(), label: Some("user"), factor: 100.0 };
        let host = [("host", "web-1"), ("tag_role", "web")].into_iter().collect();
        let key = |mode: &str| SeriesKey::new("cpu_mode_ratio", Some(("mode", mode)));
        assert_eq!(series_labels("cpu_usage_user", &user, &key("idle"), &host), None);
        let labels = series_labels("cpu_usage_user", &user, &key("user"), &host).unwrap();
        assert_eq!(labels.to_string(), "cpu_usage_user{host=\"web-1\", mode=\"user\", tag_role=\"web\"}");
        let Expr::VectorSelector(selector) = parse("cpu_usage_user").unwrap() else { panic!("a selector") };
        let need = Need { selector: &selector, from_ms: 60_000, to_ms: 120_000, tier: Tier::Raw };
        let at = |s: i64| (s, Summary::of(0.25));
        let column =
            Column { host: "web-1".parse().unwrap(), key: key("user"), points: vec![at(0), at(60), at(120), at(180)] };
        assert_eq!(points(&column, &user, &need), [(60_000, 25.0), (120_000, 25.0)]);
    }

    #[test]
    fn a_tag_becomes_a_label_whatever_its_key_is() {
        assert_eq!(tag_label("app.kubernetes/Role"), "tag_app_kubernetes_Role");
    }
}
