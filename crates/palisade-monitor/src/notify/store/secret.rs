//! Secrets of channels: set by name, sealed under a key outside the database, never shown again.

use super::ms;
use palisade_core::Timestamp;
use palisade_guard::api::ApiError;
use palisade_guard::notice::Vault;
use palisade_guard::store::at;
use palisade_guard::{GuardError, kind};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

/// A secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 4_096;
/// Secrets in all.
pub const SECRETS_MAX: usize = 500;

/// A secret, without what is secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: String,
}

/// Refuses what is no secret: names as resources have them, one line of text.
pub fn checked(name: &str, value: &str) -> Result<(), ApiError> {
    kind::name_checked(name)?;
    if value.is_empty() || value.len() > SECRET_BYTES_MAX {
        return Err(ApiError::invalid(format!("a secret has 1 to {SECRET_BYTES_MAX} bytes")).at("value"));
    }
    if value.chars().any(char::is_control) {
        return Err(ApiError::invalid("a secret is one line without control characters").at("value"));
    }
    Ok(())
}

/// Sets one.
pub async fn put(
    db: &mut SqliteConnection,
    vault: &dyn Vault,
    (name, value): (&str, &str),
    (by, now): (&str, Timestamp),
) -> Result<(), GuardError> {
    let (count,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM monitor_secret WHERE name <> $1").bind(name).fetch_one(&mut *db).await?;
    if count as usize >= SECRETS_MAX {
        return Err(GuardError::Refused(format!("there are {SECRETS_MAX} secrets already")));
    }
    let sealed = vault.seal(&place(name), value.as_bytes())?;
    sqlx::query(
        "INSERT INTO monitor_secret (name, sealed, updated_at, updated_by) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at,
           updated_by = excluded.updated_by",
    )
    .bind(name)
    .bind(sealed)
    .bind(ms(now))
    .bind(by)
    .execute(db)
    .await?;
    Ok(())
}

/// Opens one; `None` if it is not set.
pub async fn open(db: &mut SqliteConnection, vault: &dyn Vault, name: &str) -> Result<Option<String>, GuardError> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT sealed FROM monitor_secret WHERE name = $1").bind(name).fetch_optional(db).await?;
    let Some((sealed,)) = row else { return Ok(None) };
    let bytes = vault.open(&place(name), &sealed)?;
    let text = |_| GuardError::Refused(format!("the secret `{name}` is no text"));
    String::from_utf8(bytes).map(Some).map_err(text)
}

/// All of them, by name.
pub async fn list(db: &mut SqliteConnection) -> Result<Vec<SecretView>, GuardError> {
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT name, updated_at, updated_by FROM monitor_secret ORDER BY name").fetch_all(db).await?;
    let view = |(name, updated, updated_by)| SecretView { name, updated_at: at(updated), updated_by };
    Ok(rows.into_iter().map(view).collect())
}

/// Removes one; false if there is none.
pub async fn delete(db: &mut SqliteConnection, name: &str) -> Result<bool, GuardError> {
    let done = sqlx::query("DELETE FROM monitor_secret WHERE name = $1").bind(name).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// What a secret is sealed for: a sealed text moved to another name does not open.
fn place(name: &str) -> String {
    format!("monitor/{name}")
}
