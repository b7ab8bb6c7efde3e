//! Declarative resources: the newest version of each, and the versions before it.
//!
//! Versions of one resource rise by one; a deletion is a version without a body, so that a name
//! that is used again goes on counting.

use super::{at, from_json, ms};
use crate::GuardError;
use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;
use utoipa::ToSchema;

/// Versions that are kept of one resource.
pub const VERSIONS_KEPT_MAX: u64 = 20;
/// How long the versions of a deleted resource are kept, in days.
const DELETED_KEPT_DAYS: i64 = 90;

/// How a version came to be; decides whether a file may build on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A document without a version: a file that is kept elsewhere.
    File,
    /// An edit of a version that the editor had seen.
    Edit,
    /// Another way: the guard's own commands, an end that came, a host that joined.
    Elsewhere,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Source::File => "file",
            Source::Edit => "edit",
            Source::Elsewhere => "elsewhere",
        }
    }
}

/// A resource as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceRow {
    /// Its name.
    pub name: String,
    /// Its newest version, from 1.
    pub version: u64,
    /// What it shall be.
    pub spec: Value,
    /// When that was written.
    pub updated_at: Timestamp,
    /// Who wrote it.
    pub updated_by: String,
    /// How.
    pub source: Source,
}

/// One version of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRow {
    /// Its number, from 1.
    pub version: u64,
    /// What the resource was to be; `None` when this version deleted it.
    pub spec: Option<Value>,
    /// When it was written.
    pub updated_at: Timestamp,
    /// Who wrote it.
    pub updated_by: String,
    /// How.
    pub source: Source,
    /// The plan that wrote it, if one did.
    pub plan: Option<String>,
}

/// Who writes a version, and how.
#[derive(Debug, Clone, Copy)]
pub struct Author<'a> {
    /// Who.
    pub by: &'a str,
    /// When.
    pub at: Timestamp,
    /// How.
    pub source: Source,
    /// Within which plan; empty for none.
    pub plan: &'a str,
}

type VersionTuple = (i64, Option<String>, i64, String, String, String);

/// The resources of a kind, by name; only the one named if `only`.
pub async fn resources(
    db: &mut SqliteConnection,
    kind: &str,
    only: Option<&str>,
) -> Result<Vec<ResourceRow>, GuardError> {
    let rows: Vec<(String, i64, String, i64, String, String)> = sqlx::query_as(
        "SELECT name, version, body, updated_at, updated_by, source FROM frame_resource
         WHERE kind = $1 AND ($2 IS NULL OR name = $2) ORDER BY name",
    )
    .bind(kind)
    .bind(only)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(name, version, body, updated, updated_by, source)| {
            Ok(ResourceRow {
                name,
                version: version as u64,
                spec: from_json("resource", &body)?,
                updated_at: at(updated),
                updated_by,
                source: source_of(&source)?,
            })
        })
        .collect()
}

/// Stores a new version of a resource, or that it is deleted, and forgets the versions that are too
/// old. Returns the new version.
pub async fn resource_put(
    db: &mut SqliteConnection,
    kind: &str,
    name: &str,
    spec: Option<&Value>,
    author: Author<'_>,
) -> Result<u64, GuardError> {
    let (last,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(version), 0) FROM frame_resource_version WHERE kind = $1 AND name = $2")
            .bind(kind)
            .bind(name)
            .fetch_one(&mut *db)
            .await?;
    let version = last + 1;
    version_insert(db, kind, name, version, spec, author).await?;
    match spec {
        Some(spec) => newest_put(db, kind, name, version, spec, author).await?,
        None => {
            sqlx::query("DELETE FROM frame_resource WHERE kind = $1 AND name = $2")
                .bind(kind)
                .bind(name)
                .execute(&mut *db)
                .await?;
        }
    }
    sqlx::query("DELETE FROM frame_resource_version WHERE kind = $1 AND name = $2 AND version <= $3")
        .bind(kind)
        .bind(name)
        .bind(version - VERSIONS_KEPT_MAX as i64)
        .execute(db)
        .await?;
    Ok(version as u64)
}

async fn version_insert(
    db: &mut SqliteConnection,
    kind: &str,
    name: &str,
    version: i64,
    spec: Option<&Value>,
    author: Author<'_>,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_resource_version (kind, name, version, body, updated_at, updated_by, source, plan)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(kind)
    .bind(name)
    .bind(version)
    .bind(spec.map(Value::to_string))
    .bind(ms(author.at))
    .bind(author.by)
    .bind(author.source.as_str())
    .bind(author.plan)
    .execute(db)
    .await?;
    Ok(())
}

async fn newest_put(
    db: &mut SqliteConnection,
    kind: &str,
    name: &str,
    version: i64,
    spec: &Value,
    author: Author<'_>,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_resource (kind, name, version, body, updated_at, updated_by, source)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version, body = excluded.body,
           updated_at = excluded.updated_at, updated_by = excluded.updated_by, source = excluded.source",
    )
    .bind(kind)
    .bind(name)
    .bind(version)
    .bind(spec.to_string())
    .bind(ms(author.at))
    .bind(author.by)
    .bind(author.source.as_str())
    .execute(db)
    .await?;
    Ok(())
}

/// The versions of a resource that are kept, newest first; those of a deleted one too.
pub async fn resource_versions(
    db: &mut SqliteConnection,
    kind: &str,
    name: &str,
) -> Result<Vec<VersionRow>, GuardError> {
    let rows: Vec<VersionTuple> = sqlx::query_as(
        "SELECT version, body, updated_at, updated_by, source, plan FROM frame_resource_version
         WHERE kind = $1 AND name = $2 ORDER BY version DESC",
    )
    .bind(kind)
    .bind(name)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(version_row).collect()
}

/// What a plan has written: kind, name and version of each resource, in the order of their names.
pub async fn resources_of_plan(
    db: &mut SqliteConnection,
    plan: &str,
) -> Result<Vec<(String, String, u64)>, GuardError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT kind, name, version FROM frame_resource_version WHERE plan = $1 AND plan <> '' ORDER BY kind, name",
    )
    .bind(plan)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(kind, name, version)| (kind, name, version as u64)).collect())
}

/// Forgets the versions of resources that were deleted long ago.
pub async fn resource_tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query(
        "DELETE FROM frame_resource_version WHERE updated_at < $1 AND NOT EXISTS (SELECT 1 FROM frame_resource r
           WHERE r.kind = frame_resource_version.kind AND r.name = frame_resource_version.name)
         AND NOT EXISTS (SELECT 1 FROM frame_resource_version v WHERE v.kind = frame_resource_version.kind
           AND v.name = frame_resource_version.name AND v.updated_at >= $1)",
    )
    .bind(ms(now - jiff::SignedDuration::from_hours(24 * DELETED_KEPT_DAYS)))
    .execute(db)
    .await?;
    Ok(())
}

fn version_row((version, body, updated, updated_by, source, plan): VersionTuple) -> Result<VersionRow, GuardError> {
    Ok(VersionRow {
        version: version as u64,
        spec: body.map(|text| from_json("resource", &text)).transpose()?,
        updated_at: at(updated),
        updated_by,
        source: source_of(&source)?,
        plan: (!plan.is_empty()).then_some(plan),
    })
}

fn source_of(word: &str) -> Result<Source, GuardError> {
    from_json("source of a resource", &format!("\"{word}\""))
}
