//! Which version of each guard's spec a host shall hold.

use super::{among, host_id};
use crate::GuardError;
use palisade_core::{Generation, HostId};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::HashMap;

/// Hosts of one statement.
const ROWS_MAX: usize = 1_000;

/// Raises the generation of a guard's spec on these hosts, and returns the new ones. The first one
/// of a host is of the newest epoch, so that an agent which knows that epoch takes it.
pub async fn generations_raise(
    db: &mut SqliteConnection,
    hosts: &[HostId],
    guard: &str,
) -> Result<Vec<(HostId, Generation)>, GuardError> {
    let (epoch,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(epoch), 1) FROM frame_epoch").fetch_one(&mut *db).await?;
    // under no host's name: what changes with every change of any host's spec of this guard
    sqlx::query(
        "INSERT INTO frame_spec (host, guard, epoch, n) VALUES ('', $1, $2, 1)
         ON CONFLICT (host, guard) DO UPDATE SET n = frame_spec.n + 1",
    )
    .bind(guard)
    .bind(epoch)
    .execute(&mut *db)
    .await?;
    let mut raised = Vec::with_capacity(hosts.len());
    for part in hosts.chunks(ROWS_MAX) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO frame_spec (host, guard, epoch, n) ");
        query.push_values(part, |mut row, host| {
            row.push_bind(host.as_str()).push_bind(guard).push_bind(epoch).push_bind(1);
        });
        query.push(" ON CONFLICT (host, guard) DO UPDATE SET n = frame_spec.n + 1 RETURNING host, epoch, n");
        let rows: Vec<(String, i64, i64)> = query.build_query_as().fetch_all(&mut *db).await?;
        for (host, epoch, n) in rows {
            raised.push((host_id(&host)?, of(epoch, n)));
        }
    }
    Ok(raised)
}

/// Raises the generation of every guard that has a spec on this host: it is in another place now
/// (region, tags), by which policies choose their hosts. A spec that stays the same costs one short
/// message.
pub async fn generations_raise_of(db: &mut SqliteConnection, host: &HostId) -> Result<(), GuardError> {
    let guards: Vec<(String,)> = sqlx::query_as("SELECT guard FROM frame_spec WHERE host = $1 ORDER BY guard")
        .bind(host.as_str())
        .fetch_all(&mut *db)
        .await?;
    for (guard,) in guards {
        generations_raise(db, std::slice::from_ref(host), &guard).await?;
    }
    Ok(())
}

/// The generation of a guard's spec on a host; 0.0 if it never had one.
pub async fn generation(db: &mut SqliteConnection, host: &HostId, guard: &str) -> Result<Generation, GuardError> {
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT epoch, n FROM frame_spec WHERE host = $1 AND guard = $2")
        .bind(host.as_str())
        .bind(guard)
        .fetch_optional(db)
        .await?;
    Ok(row.map_or_else(Generation::default, |(epoch, n)| of(epoch, n)))
}

/// A number that changes with every change of any host's spec of this guard.
pub async fn spec_version(db: &mut SqliteConnection, guard: &str) -> Result<Generation, GuardError> {
    let row: Option<(i64, i64)> = sqlx::query_as("SELECT epoch, n FROM frame_spec WHERE host = '' AND guard = $1")
        .bind(guard)
        .fetch_optional(db)
        .await?;
    Ok(row.map_or_else(Generation::default, |(epoch, n)| of(epoch, n)))
}

/// The newest generation among the guards of each of these hosts; hosts that never had one are left out.
pub async fn generations(
    db: &mut SqliteConnection,
    hosts: &[HostId],
) -> Result<HashMap<HostId, Generation>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new("SELECT host, epoch, n FROM frame_spec");
    among(&mut query, " WHERE host IN (", hosts);
    let rows: Vec<(String, i64, i64)> = query.build_query_as().fetch_all(db).await?;
    let mut newest: HashMap<HostId, Generation> = HashMap::new();
    for (host, epoch, n) in rows {
        let held = newest.entry(host_id(&host)?).or_default();
        *held = (*held).max(of(epoch, n));
    }
    Ok(newest)
}

fn of(epoch: i64, n: i64) -> Generation {
    Generation { epoch: epoch as u32, n: n as u64 }
}
