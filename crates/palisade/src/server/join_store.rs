//! Join tokens in the database, and which hosts joined with which. Secrets are stored as hashes only.

use palisade_core::{Profile, Tags, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::at;
use sqlx::SqliteConnection;
use std::collections::BTreeMap;

/// A token that has ended is still listed for this long, in days.
const LISTED_AFTER_END_DAYS: i64 = 30;
/// Joins read for one list of tokens, newest first.
const JOINS_MAX: i64 = 20_000;

/// A stored join token.
#[derive(Debug, Clone)]
pub struct JoinTokenRow {
    /// By which people and events speak of it.
    pub id: String,
    /// What a host joins with.
    pub profile: Profile,
    /// Where such a host stands.
    pub region: Option<String>,
    /// The tags of such a host.
    pub tags: Tags,
    /// How many more hosts may join.
    pub uses_left: u32,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// No host may join from then on.
    pub expires_at: Timestamp,
}

type Columns = (String, String, Option<String>, String, i64, String, i64, i64);
const COLUMNS: &str = "id, profile, region, tags, uses_left, created_by, created_at, expires_at";

fn row((id, profile, region, tags, uses, created_by, created, expires): Columns) -> Result<JoinTokenRow, GuardError> {
    let decode = |source| GuardError::Decode { what: "the tags of a join token", guard: "frame", source };
    Ok(JoinTokenRow {
        id,
        profile: profile.parse().map_err(GuardError::Refused)?,
        region,
        tags: serde_json::from_str(&tags).map_err(decode)?,
        uses_left: u32::try_from(uses).unwrap_or_default(),
        created_by,
        created_at: at(created),
        expires_at: at(expires),
    })
}

/// Stores a new token.
pub async fn join_token_insert(db: &mut SqliteConnection, hash: &str, token: &JoinTokenRow) -> Result<(), GuardError> {
    let tags = serde_json::to_string(&token.tags).expect("tags have string keys");
    sqlx::query(
        "INSERT INTO server_join_token (id, hash, profile, region, tags, uses_left, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&token.id)
    .bind(hash)
    .bind(token.profile.as_str())
    .bind(&token.region)
    .bind(tags)
    .bind(i64::from(token.uses_left))
    .bind(&token.created_by)
    .bind(token.created_at.as_millisecond())
    .bind(token.expires_at.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// All tokens, newest first; also those that have ended or are used up.
pub async fn join_tokens(db: &mut SqliteConnection) -> Result<Vec<JoinTokenRow>, GuardError> {
    let sql = format!("SELECT {COLUMNS} FROM server_join_token ORDER BY created_at DESC, id");
    let rows: Vec<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(db).await?;
    rows.into_iter().map(row).collect()
}

/// The token with this hash, ended and used up or not.
pub async fn join_token(db: &mut SqliteConnection, hash: &str) -> Result<Option<JoinTokenRow>, GuardError> {
    let sql = format!("SELECT {COLUMNS} FROM server_join_token WHERE hash = $1");
    let found: Option<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(hash).fetch_optional(db).await?;
    found.map(row).transpose()
}

/// Uses a token once; false if it is unknown, has ended or is used up. Counted by the database, so
/// that of two hosts at once only one gets the last use.
pub async fn join_token_take(db: &mut SqliteConnection, hash: &str, now: Timestamp) -> Result<bool, GuardError> {
    let done = sqlx::query(
        "UPDATE server_join_token SET uses_left = uses_left - 1 WHERE hash = $1 AND uses_left > 0 AND expires_at > $2",
    )
    .bind(hash)
    .bind(now.as_millisecond())
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a token; false if there is none with that id. Hosts that joined with it stay.
pub async fn join_token_delete(db: &mut SqliteConnection, id: &str) -> Result<bool, GuardError> {
    sqlx::query("DELETE FROM server_join WHERE token = $1").bind(id).execute(&mut *db).await?;
    let done = sqlx::query("DELETE FROM server_join_token WHERE id = $1").bind(id).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// Removes tokens that ended long ago.
pub async fn join_tokens_tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let before = (now - jiff::SignedDuration::from_hours(24 * LISTED_AFTER_END_DAYS)).as_millisecond();
    for sql in [
        "DELETE FROM server_join WHERE token IN (SELECT id FROM server_join_token WHERE expires_at < $1)",
        "DELETE FROM server_join_token WHERE expires_at < $1",
    ] {
        sqlx::query(sql).bind(before).execute(&mut *db).await?;
    }
    Ok(())
}

/// Remembers that a host joined with a token.
pub async fn join_put(db: &mut SqliteConnection, token: &str, host: &str, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO server_join (token, host, joined_at) VALUES ($1, $2, $3)
         ON CONFLICT (token, host) DO UPDATE SET joined_at = excluded.joined_at",
    )
    .bind(token)
    .bind(host)
    .bind(now.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// Which hosts joined with which token, newest first.
pub async fn joins(db: &mut SqliteConnection) -> Result<BTreeMap<String, Vec<String>>, GuardError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT token, host FROM server_join ORDER BY joined_at DESC, host LIMIT $1")
            .bind(JOINS_MAX)
            .fetch_all(db)
            .await?;
    let mut by_token: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (token, host) in rows {
        by_token.entry(token).or_default().push(host);
    }
    Ok(by_token)
}
