//! Sessions, tokens and failed sign-ins in the database. Secrets are stored as hashes only.

use palisade_core::Timestamp;
use palisade_guard::GuardError;
use palisade_guard::api::Role;
use palisade_guard::store::at;
use sqlx::SqliteConnection;

/// The server's migrations.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/1_access.sql"),
    include_str!("../../migrations/2_trust.sql"),
    include_str!("../../migrations/3_user.sql"),
    include_str!("../../migrations/4_join.sql"),
];

/// A session ends when it was not used for this long.
pub const SESSION_IDLE_S: i64 = 2 * 3600;
/// Most sessions of one user; a further sign-in ends the oldest.
const SESSIONS_MAX: i64 = 20;

/// A stored session, still valid, with the present role of its user.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Names it to people; no secret.
    pub id: String,
    pub name: String,
    pub role: Role,
    pub csrf: String,
    /// The address of the sign-in.
    pub address: String,
    pub created_at: Timestamp,
    pub used_at: Timestamp,
    pub expires_at: Timestamp,
    /// When the user's password was set.
    pub password_at: Timestamp,
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

type SessionTuple = (String, String, String, String, String, i64, i64, i64, i64);
const SESSIONS: &str =
    "SELECT s.id, s.name, u.role, s.csrf, s.address, s.created_at, s.used_at, s.expires_at, u.password_at
     FROM server_session s JOIN server_user u ON u.name = s.name
     WHERE u.disabled = 0 AND s.expires_at > $1 AND s.used_at > $2";

fn session_row(columns: SessionTuple) -> SessionRow {
    let (id, name, word, csrf, address, created, used, expires, password) = columns;
    SessionRow {
        id,
        name,
        role: role(&word),
        csrf,
        address,
        created_at: at(created),
        used_at: at(used),
        expires_at: at(expires),
        password_at: at(password),
    }
}

/// A new session; the user's oldest one ends when there are too many. `session` gives name, CSRF
/// token, address and times; role and age of the password are the user's.
pub async fn session_insert(db: &mut SqliteConnection, hash: &str, session: &SessionRow) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO server_session (hash, id, name, csrf, address, created_at, used_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(hash)
    .bind(&session.id)
    .bind(&session.name)
    .bind(&session.csrf)
    .bind(&session.address)
    .bind(session.created_at.as_millisecond())
    .bind(session.used_at.as_millisecond())
    .bind(session.expires_at.as_millisecond())
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM server_session WHERE name = $1 AND hash NOT IN
         (SELECT hash FROM server_session WHERE name = $1 ORDER BY created_at DESC, hash LIMIT $2)",
    )
    .bind(&session.name)
    .bind(SESSIONS_MAX)
    .execute(db)
    .await?;
    Ok(())
}

/// A session that has not ended, by the hash of its secret.
pub async fn session(db: &mut SqliteConnection, hash: &str, now: Timestamp) -> Result<Option<SessionRow>, GuardError> {
    let sql = format!("{SESSIONS} AND s.hash = $3");
    let found: Option<SessionTuple> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(now.as_millisecond())
        .bind(idle_since(now))
        .bind(hash)
        .fetch_optional(db)
        .await?;
    Ok(found.map(session_row))
}

/// All sessions that have not ended, newest first.
pub async fn sessions(db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<SessionRow>, GuardError> {
    let sql = format!("{SESSIONS} ORDER BY s.created_at DESC, s.id");
    let found: Vec<SessionTuple> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(now.as_millisecond()).bind(idle_since(now)).fetch_all(db).await?;
    Ok(found.into_iter().map(session_row).collect())
}

fn idle_since(now: Timestamp) -> i64 {
    now.as_millisecond() - SESSION_IDLE_S * 1000
}

/// Remembers the last use of a session.
pub async fn session_used(db: &mut SqliteConnection, id: &str, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query("UPDATE server_session SET used_at = $2 WHERE id = $1")
        .bind(id)
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// Ends a session.
pub async fn session_delete(db: &mut SqliteConnection, id: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM server_session WHERE id = $1").bind(id).execute(db).await?;
    Ok(())
}

/// Ends the sessions of a user, but the one with the id `but`; returns how many.
pub async fn sessions_delete(db: &mut SqliteConnection, name: &str, but: &str) -> Result<u64, GuardError> {
    let done =
        sqlx::query("DELETE FROM server_session WHERE name = $1 AND id <> $2").bind(name).bind(but).execute(db).await?;
    Ok(done.rows_affected())
}

/// Remembers a failed sign-in, so that a restart of the server gives no free guesses.
pub async fn failure_insert(
    db: &mut SqliteConnection,
    name: &str,
    place: &str,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query("INSERT INTO server_failure (name, place, at) VALUES ($1, $2, $3)")
        .bind(name)
        .bind(place)
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets the failures of a name at a place, since it signed in there.
pub async fn failures_delete(db: &mut SqliteConnection, name: &str, place: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM server_failure WHERE name = $1 AND place = $2").bind(name).bind(place).execute(db).await?;
    Ok(())
}

/// The newest failed sign-ins since `since`, at most `limit`, oldest first.
pub async fn failures(
    db: &mut SqliteConnection,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<(String, String, Timestamp)>, GuardError> {
    let mut found: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT name, place, at FROM server_failure WHERE at >= $1 ORDER BY at DESC LIMIT $2")
            .bind(since.as_millisecond())
            .bind(limit as i64)
            .fetch_all(db)
            .await?;
    found.reverse();
    Ok(found.into_iter().map(|(name, place, moment)| (name, place, at(moment))).collect())
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

/// Failed sign-ins and known places are kept this long.
const FAILURES_KEPT_S: i64 = 3600;
/// An address from which a user signed in counts as known for so long.
pub const KNOWN_S: i64 = 30 * 86_400;

/// Removes what has ended.
pub async fn expired_delete(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let before = |seconds: i64| now.as_millisecond() - seconds * 1000;
    for (sql, moment) in [
        ("DELETE FROM server_session WHERE expires_at <= $1", before(0)),
        ("DELETE FROM server_session WHERE used_at <= $1", before(SESSION_IDLE_S)),
        ("DELETE FROM server_link WHERE expires_at <= $1", before(0)),
        ("DELETE FROM server_failure WHERE at <= $1", before(FAILURES_KEPT_S)),
        ("DELETE FROM server_known WHERE seen_at <= $1", before(KNOWN_S)),
    ] {
        sqlx::query(sql).bind(moment).execute(&mut *db).await?;
    }
    Ok(())
}
