//! Which series there are: what Grafana fills its menus with. A series is listed as long as its host
//! remembers it, whether or not it has samples in a range.

use super::budget::SERIES_MAX;
use super::error::{QueryError, Unreadable};
use super::labels::Labels;
use super::load::{self, Known};
use crate::catalogue::{Meant, meant};
use crate::model::SeriesKey;
use crate::store::Store;
use promql_parser::parser::{Expr, VectorSelector};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;

/// Every series that any of the selectors finds; all that there are without one.
pub async fn found(
    db: &mut SqliteConnection,
    store: &Store,
    selectors: &[Expr],
) -> Result<BTreeSet<Labels>, QueryError> {
    let selectors: Vec<&VectorSelector> = selectors.iter().filter_map(selector).collect();
    let asked: Vec<_> = selectors.iter().map(|selector| (*selector, load::names(selector))).collect();
    let mut found = BTreeSet::new();
    for known in load::known(db).await? {
        let may = |selector: &&VectorSelector| load::may_match(&selector.matchers.matchers, &known.labels);
        if !selectors.is_empty() && !selectors.iter().any(may) {
            continue;
        }
        let keys = store.series_of(db, &known.id).await.map_err(|error| Unreadable(error.to_string()))?;
        for key in &keys {
            found.extend(named(key, &known, &asked));
        }
        if found.len() > SERIES_MAX {
            let message = format!("more than {SERIES_MAX} series; narrow `match[]`");
            return Err(QueryError::TooMuch(message));
        }
    }
    Ok(found)
}

fn selector(expr: &Expr) -> Option<&VectorSelector> {
    match expr {
        Expr::VectorSelector(selector) => Some(selector),
        _ => None,
    }
}

/// The series under each name by which it was asked for.
fn named(key: &SeriesKey, known: &Known, asked: &[(&VectorSelector, Vec<(&str, Meant)>)]) -> Vec<Labels> {
    if asked.is_empty() {
        let own = meant(&key.name).and_then(|meant| load::series_labels(&key.name, &meant, key, &known.labels));
        return own.into_iter().collect();
    }
    let mut out = Vec::new();
    for (selector, names) in asked {
        for (name, meant) in names.iter().filter(|(_, meant)| meant.metric.name == key.name) {
            let labels = load::series_labels(name, meant, key, &known.labels);
            out.extend(
                labels
                    .filter(|labels| selector.matchers.matchers.iter().all(|matcher| load::is_match(matcher, labels))),
            );
        }
    }
    out
}
