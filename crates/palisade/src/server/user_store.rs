//! Users in the database: roles, passwords and those before them, second factors, one-time links.

use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_guard::api::Role;
use palisade_guard::store::at;
use sqlx::{AssertSqlSafe, SqliteConnection};

/// A stored user.
#[derive(Debug, Clone)]
pub struct UserRow {
    pub name: String,
    pub role: Role,
    /// The hash; `None` until the user has set a password by the one-time link.
    pub password: Option<String>,
    pub password_at: Timestamp,
    pub disabled: bool,
    pub created_at: Timestamp,
    pub signed_in_at: Option<Timestamp>,
    /// The second factor's secret (base32), once it is confirmed.
    pub totp: Option<String>,
    /// One that is not confirmed yet.
    pub totp_pending: Option<String>,
}

impl UserRow {
    /// Whether this user can sign in as an admin.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && !self.disabled && self.password.is_some()
    }
}

type Columns = (String, String, String, i64, i64, i64, Option<i64>, Option<String>, Option<String>);
const COLUMNS: &str = "name, role, password, password_at, disabled, created_at, signed_in_at, totp, totp_pending";

fn row(columns: Columns) -> UserRow {
    let (name, role, password, password_at, disabled, created, signed_in, totp, totp_pending) = columns;
    UserRow {
        name,
        // a word that this version does not know gives the least
        role: role.parse().unwrap_or(Role::Viewer),
        password: Some(password).filter(|hash| !hash.is_empty()),
        password_at: at(password_at),
        disabled: disabled != 0,
        created_at: at(created),
        signed_in_at: signed_in.map(at),
        totp,
        totp_pending,
    }
}

/// How many users there are.
pub async fn user_count(db: &mut SqliteConnection) -> Result<i64, GuardError> {
    let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM server_user").fetch_one(db).await?;
    Ok(n)
}

/// One user.
pub async fn user(db: &mut SqliteConnection, name: &str) -> Result<Option<UserRow>, GuardError> {
    let sql = format!("SELECT {COLUMNS} FROM server_user WHERE name = $1");
    let found: Option<Columns> = sqlx::query_as(AssertSqlSafe(sql)).bind(name).fetch_optional(db).await?;
    Ok(found.map(row))
}

/// All users, by name.
pub async fn users(db: &mut SqliteConnection) -> Result<Vec<UserRow>, GuardError> {
    let sql = format!("SELECT {COLUMNS} FROM server_user ORDER BY name");
    let found: Vec<Columns> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(db).await?;
    Ok(found.into_iter().map(row).collect())
}

/// A new user, without a password if `hash` is `None`; false if the name is taken.
pub async fn user_insert(
    db: &mut SqliteConnection,
    name: &str,
    role: Role,
    hash: Option<&str>,
    now: Timestamp,
) -> Result<bool, GuardError> {
    let done = sqlx::query(
        "INSERT INTO server_user (name, role, password, password_at, created_at) VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .bind(role.as_str())
    .bind(hash.unwrap_or_default())
    .bind(now.as_millisecond())
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes role and whether the user is disabled.
pub async fn user_change(db: &mut SqliteConnection, name: &str, role: Role, disabled: bool) -> Result<(), GuardError> {
    sqlx::query("UPDATE server_user SET role = $2, disabled = $3 WHERE name = $1")
        .bind(name)
        .bind(role.as_str())
        .bind(i64::from(disabled))
        .execute(db)
        .await?;
    Ok(())
}

/// Remembers a sign-in, and from where.
pub async fn user_signed_in(
    db: &mut SqliteConnection,
    name: &str,
    place: &str,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query("UPDATE server_user SET signed_in_at = $2 WHERE name = $1")
        .bind(name)
        .bind(now.as_millisecond())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO server_known (name, place, seen_at) VALUES ($1, $2, $3)
         ON CONFLICT (name, place) DO UPDATE SET seen_at = excluded.seen_at",
    )
    .bind(name)
    .bind(place)
    .bind(now.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// Whether this user has signed in from this place since `since`.
pub async fn is_known(
    db: &mut SqliteConnection,
    name: &str,
    place: &str,
    since: Timestamp,
) -> Result<bool, GuardError> {
    let (n,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM server_known WHERE name = $1 AND place = $2 AND seen_at >= $3")
            .bind(name)
            .bind(place)
            .bind(since.as_millisecond())
            .fetch_one(db)
            .await?;
    Ok(n > 0)
}

/// The present password and the ones before it, newest first, at most `limit`.
pub async fn passwords(db: &mut SqliteConnection, name: &str, limit: usize) -> Result<Vec<String>, GuardError> {
    let present = user(&mut *db, name).await?.and_then(|user| user.password);
    let past: Vec<(String,)> =
        sqlx::query_as("SELECT hash FROM server_password WHERE name = $1 ORDER BY ended_at DESC LIMIT $2")
            .bind(name)
            .bind(limit as i64)
            .fetch_all(db)
            .await?;
    Ok(present.into_iter().chain(past.into_iter().map(|(hash,)| hash)).take(limit).collect())
}

/// Sets a password; the one before it is remembered with up to `kept` others, so that they are not
/// used again.
pub async fn password_set(
    db: &mut SqliteConnection,
    name: &str,
    hash: &str,
    kept: usize,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO server_password (name, hash, ended_at)
         SELECT name, password, $2 FROM server_user WHERE name = $1 AND password <> ''",
    )
    .bind(name)
    .bind(now.as_millisecond())
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM server_password WHERE name = $1 AND ended_at < (SELECT MIN(k.ended_at) FROM
         (SELECT ended_at FROM server_password WHERE name = $1 ORDER BY ended_at DESC LIMIT $2) k)",
    )
    .bind(name)
    .bind(kept as i64)
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE server_user SET password = $2, password_at = $3 WHERE name = $1")
        .bind(name)
        .bind(hash)
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// Stores the secret of a second factor that is not confirmed yet.
pub async fn totp_begin(db: &mut SqliteConnection, name: &str, secret: &str) -> Result<(), GuardError> {
    sqlx::query("UPDATE server_user SET totp_pending = $2 WHERE name = $1").bind(name).bind(secret).execute(db).await?;
    Ok(())
}

/// Puts the pending second factor in force, with these recovery codes (hashes) in place of any
/// before; `step` is the one of the code that confirmed it.
pub async fn totp_confirm(
    db: &mut SqliteConnection,
    name: &str,
    step: i64,
    recovery: &[String],
) -> Result<(), GuardError> {
    totp_codes_delete(&mut *db, name).await?;
    sqlx::query("UPDATE server_user SET totp = totp_pending, totp_pending = NULL, totp_step = $2 WHERE name = $1")
        .bind(name)
        .bind(step)
        .execute(&mut *db)
        .await?;
    for hash in recovery {
        sqlx::query("INSERT INTO server_recovery (name, hash) VALUES ($1, $2)")
            .bind(name)
            .bind(hash)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Takes the second factor and its recovery codes away.
pub async fn totp_delete(db: &mut SqliteConnection, name: &str) -> Result<(), GuardError> {
    totp_codes_delete(&mut *db, name).await?;
    sqlx::query("UPDATE server_user SET totp = NULL, totp_pending = NULL WHERE name = $1")
        .bind(name)
        .execute(db)
        .await?;
    Ok(())
}

async fn totp_codes_delete(db: &mut SqliteConnection, name: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM server_recovery WHERE name = $1").bind(name).execute(db).await?;
    Ok(())
}

/// Uses the code of a time step up; false if it, or a later one, was used already.
pub async fn totp_take(db: &mut SqliteConnection, name: &str, step: i64) -> Result<bool, GuardError> {
    let done = sqlx::query("UPDATE server_user SET totp_step = $2 WHERE name = $1 AND totp_step < $2")
        .bind(name)
        .bind(step)
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Uses a recovery code up; false if there is none with this hash.
pub async fn recovery_take(db: &mut SqliteConnection, name: &str, hash: &str) -> Result<bool, GuardError> {
    let done = sqlx::query("DELETE FROM server_recovery WHERE name = $1 AND hash = $2")
        .bind(name)
        .bind(hash)
        .execute(db)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// How many recovery codes are left.
pub async fn recovery_count(db: &mut SqliteConnection, name: &str) -> Result<i64, GuardError> {
    let (n,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM server_recovery WHERE name = $1").bind(name).fetch_one(db).await?;
    Ok(n)
}

/// A new one-time link: for the user `name`, whose older links end, or for a new admin.
pub async fn link_insert(
    db: &mut SqliteConnection,
    hash: &str,
    name: Option<&str>,
    expires_at: Timestamp,
) -> Result<(), GuardError> {
    if let Some(name) = name {
        links_delete(&mut *db, name).await?;
    }
    sqlx::query("INSERT INTO server_link (hash, name, expires_at) VALUES ($1, $2, $3)")
        .bind(hash)
        .bind(name)
        .bind(expires_at.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// Whom a link is for, if it is valid: `Some(None)` for one that makes an admin.
pub async fn link(db: &mut SqliteConnection, hash: &str, now: Timestamp) -> Result<Option<Option<String>>, GuardError> {
    let found: Option<(Option<String>,)> =
        sqlx::query_as("SELECT name FROM server_link WHERE hash = $1 AND expires_at > $2")
            .bind(hash)
            .bind(now.as_millisecond())
            .fetch_optional(db)
            .await?;
    Ok(found.map(|(name,)| name))
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

/// Ends the links of a user.
pub async fn links_delete(db: &mut SqliteConnection, name: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM server_link WHERE name = $1").bind(name).execute(db).await?;
    Ok(())
}
