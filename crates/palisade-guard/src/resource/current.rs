//! What stands: the newest version of each resource, brought in line with the tables of its kind.

use crate::ServerContext;
use crate::contract::GuardError;
use crate::kind::{Held, Kind};
use crate::store::{self, Author, ResourceRow, Source};
use palisade_core::Timestamp;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// Who wrote a version when nobody knows.
const ELSEWHERE: &str = "elsewhere";

/// The resources of a kind as they stand, by name, or only the one named.
pub async fn list(
    context: &ServerContext,
    kind: &dyn Kind,
    only: Option<&str>,
) -> Result<Vec<ResourceRow>, GuardError> {
    let now = context.now();
    let mut db = context.db.read().acquire().await?;
    let stored = store::resources(&mut db, kind.name(), only).await?;
    let Some(held) = kind.held(&mut db, only, now).await? else { return Ok(stored) };
    drop(db);
    if behind(&stored, held).is_empty() {
        return Ok(stored);
    }
    let mut tx = context.begin().await?;
    let settled = settle(&mut tx, kind, only, now).await?;
    tx.commit().await?;
    Ok(settled.into_values().collect())
}

/// Writes a version of each resource that was changed another way, and returns what stands, by name.
pub async fn settle(
    db: &mut SqliteConnection,
    kind: &dyn Kind,
    only: Option<&str>,
    now: Timestamp,
) -> Result<BTreeMap<String, ResourceRow>, GuardError> {
    settle_by(db, kind, only, ELSEWHERE, now).await
}

/// Writes the version of a resource that `by` has just changed another way, in the same transaction:
/// for a kind whose tables do not say who wrote.
pub async fn noted(
    db: &mut SqliteConnection,
    kind: &dyn Kind,
    name: &str,
    by: &str,
    now: Timestamp,
) -> Result<(), GuardError> {
    settle_by(db, kind, Some(name), by, now).await.map(|_| ())
}

async fn settle_by(
    db: &mut SqliteConnection,
    kind: &dyn Kind,
    only: Option<&str>,
    by: &str,
    now: Timestamp,
) -> Result<BTreeMap<String, ResourceRow>, GuardError> {
    let stored = store::resources(db, kind.name(), only).await?;
    let late = match kind.held(db, only, now).await? {
        Some(held) => behind(&stored, held),
        None => Vec::new(),
    };
    let mut current: BTreeMap<String, ResourceRow> = stored.into_iter().map(|row| (row.name.clone(), row)).collect();
    for (name, held) in late {
        let known = current.remove(&name);
        if let Some(row) = write(db, kind, &name, held, known, (by, now)).await? {
            current.insert(name, row);
        }
    }
    Ok(current)
}

async fn write(
    db: &mut SqliteConnection,
    kind: &dyn Kind,
    name: &str,
    held: Option<Held>,
    known: Option<ResourceRow>,
    (by, now): (&str, Timestamp),
) -> Result<Option<ResourceRow>, GuardError> {
    let by = held.as_ref().and_then(|h| h.by.clone()).unwrap_or_else(|| by.to_owned());
    // a moment before the version that is known is when the thing began, not when it changed
    let said = held.as_ref().and_then(|h| h.at).filter(|at| known.is_none_or(|row| *at > row.updated_at));
    let at = said.unwrap_or(now);
    let author = Author { by: &by, at, source: Source::Elsewhere, plan: "" };
    let spec = held.map(|h| h.spec);
    let version = store::resource_put(db, kind.name(), name, spec.as_ref(), author).await?;
    Ok(spec.map(|spec| ResourceRow {
        name: name.to_owned(),
        version,
        spec,
        updated_at: at,
        updated_by: by,
        source: Source::Elsewhere,
    }))
}

/// The names of resources whose newest version is not what the kind holds, with what it holds.
fn behind(stored: &[ResourceRow], held: Vec<Held>) -> Vec<(String, Option<Held>)> {
    let known: BTreeMap<&str, &ResourceRow> = stored.iter().map(|row| (row.name.as_str(), row)).collect();
    let names: std::collections::BTreeSet<&str> = held.iter().map(|h| h.name.as_str()).collect();
    let gone = stored.iter().filter(|row| !names.contains(row.name.as_str())).map(|row| (row.name.clone(), None));
    let gone: Vec<_> = gone.collect();
    let differs = |h: &Held| known.get(h.name.as_str()).is_none_or(|row| row.spec != h.spec);
    held.into_iter().filter(differs).map(|h| (h.name.clone(), Some(h))).chain(gone).collect()
}
