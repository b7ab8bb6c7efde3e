//! What changes filters beside documents: hosts that come, go, move or listen elsewhere, plans that
//! are kept or undone, and time.

use super::fleet::{self, Doors, Ready};
use super::model::{GROUPS_PER_HOST_MAX, PortPolicySpec, RULES_PER_HOST_MAX};
use super::resolve::{Member, Resolver};
use super::store::{self, Seen};
use crate::WORD;
use crate::model::Listeners;
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store as frame;
use serde_json::Value;
use sqlx::SqliteConnection;
use std::collections::BTreeSet;

/// A host has joined, left or moved: the other hosts whose sets change by that.
///
/// # Errors
/// The host is known, and would be in too many groups, or evaluate too many rules.
pub async fn host_changed(db: &mut SqliteConnection, ready: &Ready, host: &HostId) -> Result<Vec<HostId>, GuardError> {
    let known = store::seen(&mut *db, Some(host)).await?.remove(host);
    // a host that nobody has placed yet is let in: it gets what it can evaluate, and nothing opens
    let placed = known.is_some();
    let old = known.unwrap_or_default();
    let row = frame::host(&mut *db, host).await?;
    let new = row.as_ref().and_then(|row| fleet::member(row, Some(&old.doors)));
    let before = before(host, &old);
    store::revision_raise(&mut *db).await?;
    let resolvers = || std::iter::once(&ready.confirmed).chain(ready.tried.iter().map(|(_, _, r)| r));
    if let Some(new) = new.as_ref().filter(|_| placed) {
        for resolver in resolvers() {
            fits(resolver, &before, new)?;
        }
    }
    let mut touched = BTreeSet::new();
    for resolver in resolvers() {
        touched.extend(resolver.users(&changed_sets(resolver, &before, new.as_ref())).into_iter().cloned());
    }
    touched.remove(host);
    store::seen_put(db, host, new.as_ref()).await?;
    Ok(touched.into_iter().collect())
}

fn before(host: &HostId, seen: &Seen) -> Member {
    Member {
        id: host.clone(),
        tags: seen.tags.clone(),
        region: seen.region.clone(),
        addresses: seen.addresses.clone(),
        databases: Vec::new(),
        isolated: false,
    }
}

/// The sets of which `old` was a part that `new` is not, or the other way round; all of both where its
/// addresses are others.
fn changed_sets(resolver: &Resolver, old: &Member, new: Option<&Member>) -> Vec<String> {
    let of = |member: &Member| -> BTreeSet<String> {
        // without an address it is in every set as nothing
        if member.addresses.is_empty() { BTreeSet::new() } else { resolver.sets_of(member).into_iter().collect() }
    };
    let (was, is) = (of(old), new.map(of).unwrap_or_default());
    let moved = new.is_some_and(|new| new.addresses != old.addresses);
    if moved { was.union(&is).cloned().collect() } else { was.symmetric_difference(&is).cloned().collect() }
}

/// A host must not come into more groups than it can evaluate; one that has too many already may move.
fn fits(resolver: &Resolver, old: &Member, new: &Member) -> Result<(), GuardError> {
    let ((groups, rules), (had_groups, had_rules)) = (resolver.weight(new), resolver.weight(old));
    if groups > GROUPS_PER_HOST_MAX && groups > had_groups {
        let why = format!("`{}` would be in {groups} security groups; at most {GROUPS_PER_HOST_MAX}", new.id);
        return Err(GuardError::Refused(why));
    }
    if rules > RULES_PER_HOST_MAX && rules > had_rules {
        let why = format!("`{}` would evaluate {rules} rules; at most {RULES_PER_HOST_MAX}", new.id);
        return Err(GuardError::Refused(why));
    }
    Ok(())
}

/// Something else listens on a host. Its databases change its own rules, and nobody else's. Returns
/// whose filter that makes another.
pub async fn listeners_changed(
    db: &mut SqliteConnection,
    host: &HostId,
    new: &Value,
) -> Result<Vec<HostId>, GuardError> {
    // what an agent of another version says and cannot be read is stored all the same
    let Ok(listeners) = serde_json::from_value::<Listeners>(new.clone()) else { return Ok(Vec::new()) };
    let doors = Doors::of(&listeners);
    let old = store::seen(&mut *db, Some(host)).await?.remove(host).unwrap_or_default().doors;
    if doors == old {
        return Ok(Vec::new());
    }
    store::doors_put(&mut *db, host, &doors).await?;
    store::revision_raise(&mut *db).await?;
    if doors.databases == old.databases {
        return Ok(Vec::new());
    }
    frame::generations_raise(db, std::slice::from_ref(host), WORD).await?;
    Ok(vec![host.clone()])
}

/// Makes permanent what a plan has written.
pub async fn keep(db: &mut SqliteConnection, plan: &str) -> Result<(), GuardError> {
    let told = tells_everybody(&mut *db, plan).await?;
    store::documents_keep(&mut *db, plan).await?;
    if told {
        let hosts = frame::hosts_in_service(&mut *db).await?;
        frame::generations_raise(&mut *db, &hosts, WORD).await?;
    }
    for mut row in store::isolated(&mut *db).await? {
        if row.plan == plan && row.until.is_some() {
            row.until = None;
            store::isolation_put(&mut *db, &row).await?;
        } else if row.release_plan == plan {
            store::isolation_delete(&mut *db, &row.host).await?;
        }
    }
    store::revision_raise(db).await
}

/// True if hosts are told something by the plan whose rules stay as they are: of exceptions and ports of a
/// policy, or that there is a group and they are in none.
async fn tells_everybody(db: &mut SqliteConnection, plan: &str) -> Result<bool, GuardError> {
    let rows = store::documents(db, None, None).await?;
    let of_plan = rows.iter().filter(|row| row.plan == plan && !plan.is_empty());
    let tells = |row: &store::DocumentRow| match row.kind.as_str() {
        fleet::GROUP => row.spec.is_none() || row.before.is_none(),
        kind => kind == fleet::POLICY,
    };
    Ok(of_plan.into_iter().any(tells))
}

/// Undoes what a plan has cut off or let in again. Returns how many hosts that were.
pub async fn isolation_undo(db: &mut SqliteConnection, plan: &str) -> Result<u64, GuardError> {
    let mut undone = 0;
    for mut row in store::isolated(&mut *db).await? {
        if row.plan == plan {
            store::isolation_delete(&mut *db, &row.host).await?;
        } else if row.release_plan == plan {
            (row.release_plan, row.release_until) = (String::new(), None);
            store::isolation_put(&mut *db, &row).await?;
        } else {
            continue;
        }
        undone += 1;
    }
    store::revision_raise(db).await?;
    Ok(undone)
}

/// What has ended since this was asked last: isolation and exceptions of policies. The hosts have seen to
/// it themselves, and get their filter anew.
pub async fn ended(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let mut touched: BTreeSet<HostId> = BTreeSet::new();
    for row in store::isolated(&mut *db).await? {
        if row.ends_at.is_some_and(|end| end <= now) {
            store::isolation_delete(&mut *db, &row.host).await?;
            touched.insert(row.host);
        }
    }
    let told = store::ended_at(&mut *db).await?;
    let lately = |end: Timestamp| told < end && end <= now;
    store::ended_at_put(&mut *db, now).await?;
    let rows = store::documents(&mut *db, Some(fleet::POLICY), None).await?;
    let ends = |text: &String| {
        serde_json::from_str::<PortPolicySpec>(text).is_ok_and(|p| p.exceptions.iter().any(|e| lately(e.ends_at)))
    };
    if rows.iter().filter_map(|row| row.spec.as_ref()).any(ends) {
        touched.extend(frame::hosts_in_service(&mut *db).await?);
    }
    if touched.is_empty() {
        return Ok(());
    }
    store::revision_raise(&mut *db).await?;
    let touched: Vec<HostId> = touched.into_iter().collect();
    frame::generations_raise(db, &touched, WORD).await.map(|_| ())
}
