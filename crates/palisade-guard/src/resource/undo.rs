//! Undoing a plan that documents have made: every resource goes back to the version before.

use super::carry::{self, Edit};
use super::current;
use super::kinds::Kinds;
use crate::ServerContext;
use crate::api::{ApiError, Caller};
use crate::db::Write;
use crate::store::{self, Source, VersionRow};
use sqlx::SqliteConnection;

/// Undoes what `plan` has written, inside `tx`. False if it has written no resources: it is the
/// guard's own to undo.
///
/// # Errors
/// 409 if one of the resources was changed since.
pub async fn undo(
    context: &ServerContext,
    kinds: &Kinds,
    caller: &Caller,
    tx: &mut Write,
    plan: &str,
) -> Result<bool, ApiError> {
    let written = store::resources_of_plan(tx, plan).await?;
    let mut edits = Vec::new();
    for (kind, name, version) in &written {
        let kind = kinds.find(kind)?;
        let standing = current::settle(tx, kind, Some(name), context.now()).await?.remove(name);
        let before = before(tx, kind.name(), name, *version).await?;
        edits.push(Edit {
            kind,
            name: name.clone(),
            new: before.and_then(|row| row.spec),
            old: standing,
            written: None,
            source: Source::Edit,
            overwrites: None,
        });
    }
    // to remove what is not there is nothing to do
    edits.retain(|edit: &Edit<'_>| edit.old.is_some() || edit.new.is_some());
    if !edits.is_empty() {
        carry::carry_back(context, kinds, caller, tx, &edits).await?;
    }
    Ok(!written.is_empty())
}

/// The version before the plan's own, which must be the newest one.
async fn before(
    db: &mut SqliteConnection,
    kind: &str,
    name: &str,
    version: u64,
) -> Result<Option<VersionRow>, ApiError> {
    let history = store::resource_versions(db, kind, name).await?;
    match history.as_slice() {
        [newest, ..] if newest.version != version => {
            let why =
                format!("{kind} `{name}` was changed since by {} (version {})", newest.updated_by, newest.version);
            Err(ApiError::conflict(why).hint("change it by hand, or undo the later change first"))
        }
        [_, before, ..] => Ok(Some(before.clone())),
        _ => Ok(None),
    }
}
