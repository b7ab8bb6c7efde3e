//! One query from its text to its result: read what it needs, then evaluate it where that holds up
//! nobody, and no longer than it may.

use super::answer::{self, Outcome};
use super::budget::{Budget, POINTS_MAX, Stop, StopOnDrop, TIMEOUT_S};
use super::error::{QueryError, Unreadable};
use super::eval::Evaluator;
use super::need::{self, Needs};
use super::value::Grid;
use super::{load, query};
use crate::store::{Store, Tier};
use palisade_guard::db::Database;
use promql_parser::parser::Expr;
use promql_parser::parser::value::ValueType;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Queries that are evaluated at a time; others wait. Each may hold [`super::budget::SAMPLES_MAX`].
const QUERIES_AT_ONCE: usize = 2;
static TURN: Semaphore = Semaphore::const_new(QUERIES_AT_ONCE);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The query.
    pub text: String,
    /// At which moments.
    pub grid: Grid,
    /// True for an instant query.
    pub is_instant: bool,
    /// The present, Unix milliseconds.
    pub now_ms: i64,
}

/// A result and what the reader should know of it.
#[derive(Debug)]
pub struct Answered {
    /// The result.
    pub outcome: Outcome,
    /// In sentences.
    pub warnings: Vec<String>,
}

/// Answers a query.
pub async fn run(db: &Database, store: &Store, ask: Ask) -> Result<Answered, QueryError> {
    if ask.grid.len() > POINTS_MAX {
        return Err(QueryError::bad(format!(
            "more than {POINTS_MAX} points of a series; make `step` longer or the range shorter"
        )));
    }
    let limit = Duration::from_secs(TIMEOUT_S);
    tokio::time::timeout(limit, run_slowly(db, store, ask)).await.unwrap_or(Err(QueryError::Timeout(TIMEOUT_S)))
}

async fn run_slowly(db: &Database, store: &Store, ask: Ask) -> Result<Answered, QueryError> {
    let _turn = TURN.acquire().await.map_err(|_| QueryError::Timeout(TIMEOUT_S))?;
    let stop = Stop::default();
    // when nobody waits any more, this is dropped, and the evaluation ends
    let _stop = StopOnDrop(stop.clone());
    let text = ask.text.clone();
    let expr = blocking(move || query::parse(&text)).await?;
    let kind = expr.value_type();
    if !ask.is_instant && matches!(kind, ValueType::Matrix | ValueType::String) {
        let message = format!("a range query must be worth a number or an instant vector, not a {kind}");
        return Err(QueryError::bad(message));
    }
    let (expr, budget) = (Arc::new(expr), Budget::new(stop));
    let needs = need::needs(&expr, ask.grid, ask.now_ms, store.retention());
    let warnings = warnings(&needs);
    let mut connection = db.read().acquire().await.map_err(|error| Unreadable(error.to_string()))?;
    let loaded = load::load(&mut connection, store, &needs, &budget).await?;
    drop((needs, connection));
    let outcome = blocking(move || {
        let evaluator = Evaluator { loaded: &loaded, budget: &budget, top: ask.grid };
        match kind {
            ValueType::Matrix => evaluator.samples(&expr).map(answer::samples),
            _ if ask.is_instant => evaluator.evaluate(&expr).map(|value| answer::instant(value, ask.grid.start_ms)),
            _ => answer::range(evaluator.evaluate(&expr)?, ask.grid),
        }
    });
    Ok(Answered { outcome: outcome.await?, warnings })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(QueryError::Execution(format!("the query could not be evaluated: {error}"))))
}

/// What a reader should know: where averages stand for what was measured, and names that are none.
fn warnings(needs: &Needs<'_>) -> Vec<String> {
    let mut said = BTreeSet::new();
    for (key, need) in needs {
        said.extend(load::unknown(need.selector));
        let what = match need.tier {
            Tier::FiveMinutes => "averages of 5 minutes",
            Tier::Hour => "averages of an hour",
            _ => continue,
        };
        let caution =
            if key.ends_with(" range") { "; rates and other functions of a range are approximate" } else { "" };
        said.insert(format!("`{}` was read from {what}{caution}", need.selector));
    }
    said.into_iter().collect()
}

/// The expression of a list of series: a selector and nothing else.
pub fn selector(text: &str) -> Result<Expr, QueryError> {
    match query::parse(text)? {
        selector @ Expr::VectorSelector(_) => Ok(selector),
        _ => Err(QueryError::bad(format!("`{}` is no selector of series", text.escape_default()))),
    }
}
