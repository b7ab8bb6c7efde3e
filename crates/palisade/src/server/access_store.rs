//! Users, sessions, tokens and one-time links in the database. Secrets are stored as hashes only.

use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_guard::api::Role;
use palisade_guard::store::at;
use sqlx::SqliteConnection;

/// The server's migrations.
pub const MIGRATIONS: &[&str] =
    &[include_str!("../../migrations/1_access.sql"), include_str!("../../migrations/4_join.sql")];

/// A stored session, still valid.
pub struct SessionRow {
    pub name: String,
    pub role: Role,
    pub csrf: String,
    pub expires_at: Timestamp,
}

/// A stored API token.
pub struct TokenRow {
    pub name: String,
    pub role: Role,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub used_from: Option<String>,
}

fn role(word: &str) -> Role {
    // a word that this version does not know gives the least
    word.parse().unwrap_or(Role::Viewer)
}

/// How many users there are.
pub async fn user_count(db: &mut SqliteConnection) -> Result<i64, GuardError> {
    let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM server_user").fetch_one(db).await?;
    Ok(n)
}

/// A user's password hash.
pub async fn user_password(db: &mut SqliteConnection, name: &str) -> Result<Option<String>, GuardError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT password FROM server_user WHERE name = $1").bind(name).fetch_optional(db).await?;
    Ok(row.map(|(hash,)| hash))
}

/// A new user.
pub async fn user_insert(
    db: &mut SqliteConnection,
    name: &str,
    role: Role,
    password: &str,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query("INSERT INTO server_user (name, role, password, created_at) VALUES ($1, $2, $3, $4)")
        .bind(name)
        .bind(role.as_str())
        .bind(password)
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// A new session.
pub async fn session_insert(
    db: &mut SqliteConnection,
    hash: &str,
    name: &str,
    csrf: &str,
    expires_at: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query("INSERT INTO server_session (hash, name, csrf, expires_at) VALUES ($1, $2, $3, $4)")
        .bind(hash)
        .bind(name)
        .bind(csrf)
        .bind(expires_at.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// A session that has not ended, with the present role of its user.
pub async fn session(db: &mut SqliteConnection, hash: &str, now: Timestamp) -> Result<Option<SessionRow>, GuardError> {
    let row: Option<(String, String, String, i64)> = sqlx::query_as(
        "SELECT s.name, u.role, s.csrf, s.expires_at FROM server_session s JOIN server_user u ON u.name = s.name
         WHERE s.hash = $1 AND s.expires_at > $2",
    )
    .bind(hash)
    .bind(now.as_millisecond())
    .fetch_optional(db)
    .await?;
    Ok(row.map(|(name, word, csrf, expires)| SessionRow { name, role: role(&word), csrf, expires_at: at(expires) }))
}

/// Ends a session.
pub async fn session_delete(db: &mut SqliteConnection, hash: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM server_session WHERE hash = $1").bind(hash).execute(db).await?;
    Ok(())
}

/// A new token; false if the name is taken.
pub async fn token_insert(db: &mut SqliteConnection, hash: &str, token: &TokenRow) -> Result<bool, GuardError> {
    let done = sqlx::query(
        "INSERT INTO server_token (name, hash, role, created_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(&token.name)
    .bind(hash)
    .bind(token.role.as_str())
    .bind(&token.created_by)
    .bind(token.created_at.as_millisecond())
    .bind(token.expires_at.as_millisecond())
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

type TokenTuple = (String, String, String, i64, i64, Option<i64>, Option<String>);
const TOKEN_COLUMNS: &str = "name, role, created_by, created_at, expires_at, used_at, used_from";

fn token_row((name, word, created_by, created, expires, used, used_from): TokenTuple) -> TokenRow {
    TokenRow {
        name,
        role: role(&word),
        created_by,
        created_at: at(created),
        expires_at: at(expires),
        used_at: used.map(at),
        used_from,
    }
}

/// All tokens, by name.
pub async fn tokens(db: &mut SqliteConnection) -> Result<Vec<TokenRow>, GuardError> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM server_token ORDER BY name");
    let rows: Vec<TokenTuple> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(db).await?;
    Ok(rows.into_iter().map(token_row).collect())
}

/// The token with this hash, if it has not ended.
pub async fn token(db: &mut SqliteConnection, hash: &str, now: Timestamp) -> Result<Option<TokenRow>, GuardError> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM server_token WHERE hash = $1 AND expires_at > $2");
    let row: Option<TokenTuple> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(hash).bind(now.as_millisecond()).fetch_optional(db).await?;
    Ok(row.map(token_row))
}

/// Remembers the last use of a token.
pub async fn token_used(db: &mut SqliteConnection, name: &str, now: Timestamp, from: &str) -> Result<(), GuardError> {
    sqlx::query("UPDATE server_token SET used_at = $2, used_from = $3 WHERE name = $1")
        .bind(name)
        .bind(now.as_millisecond())
        .bind(from)
        .execute(db)
        .await?;
    Ok(())
}

/// Ends a token; false if there is none of that name.
pub async fn token_delete(db: &mut SqliteConnection, name: &str) -> Result<bool, GuardError> {
    let done = sqlx::query("DELETE FROM server_token WHERE name = $1").bind(name).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// A new one-time sign-in link.
pub async fn link_insert(db: &mut SqliteConnection, hash: &str, expires_at: Timestamp) -> Result<(), GuardError> {
    sqlx::query("INSERT INTO server_link (hash, expires_at) VALUES ($1, $2)")
        .bind(hash)
        .bind(expires_at.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// Uses a one-time link up; false if it is unknown, used or expired.
pub async fn link_take(db: &mut SqliteConnection, hash: &str, now: Timestamp) -> Result<bool, GuardError> {
    let done = sqlx::query("DELETE FROM server_link WHERE hash = $1 AND expires_at > $2")
        .bind(hash)
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes what has ended.
pub async fn expired_delete(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    for sql in ["DELETE FROM server_session WHERE expires_at <= $1", "DELETE FROM server_link WHERE expires_at <= $1"] {
        sqlx::query(sql).bind(now.as_millisecond()).execute(&mut *db).await?;
    }
    Ok(())
}
