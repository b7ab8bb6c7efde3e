//! The hosts' certificates in the database: which were issued, and which count no more.
//!
//! A certificate lets a host in only while its row is here and not revoked. At most two of a host
//! are: the newest, and the one that it was asked for with, until the newest is in use.

use super::ca::SignedHost;
use palisade_core::{HostId, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::at;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

/// A certificate that was issued to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// Whose it is.
    pub host: String,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
    /// Since when it counts no more; `None` while it does.
    pub revoked_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
}

type Tuple = (String, String, i64, i64, Option<i64>, Option<String>);

fn row((serial, host, issued, ends, revoked, reason): Tuple) -> CertificateRow {
    CertificateRow { serial, host, issued_at: at(issued), not_after: at(ends), revoked_at: revoked.map(at), reason }
}

/// A certificate that was just signed.
pub async fn certificate_insert(
    db: &mut SqliteConnection,
    host: &HostId,
    signed: &SignedHost,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query("INSERT INTO server_certificate (serial, host, issued_at, not_after) VALUES ($1, $2, $3, $4)")
        .bind(&signed.serial)
        .bind(host.as_str())
        .bind(now.as_millisecond())
        .bind(signed.not_after.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// A certificate by its serial number.
pub async fn certificate(db: &mut SqliteConnection, serial: &str) -> Result<Option<CertificateRow>, GuardError> {
    let found: Option<Tuple> = sqlx::query_as(
        "SELECT serial, host, issued_at, not_after, revoked_at, reason FROM server_certificate WHERE serial = $1",
    )
    .bind(serial)
    .fetch_optional(db)
    .await?;
    Ok(found.map(row))
}

/// The certificates with these serial numbers, in no order.
pub async fn certificates(db: &mut SqliteConnection, serials: &[&str]) -> Result<Vec<CertificateRow>, GuardError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT serial, host, issued_at, not_after, revoked_at, reason FROM server_certificate WHERE serial IN (",
    );
    let mut list = query.separated(", ");
    serials.iter().for_each(|serial| _ = list.push_bind((*serial).to_owned()));
    query.push(")");
    let all: Vec<Tuple> = query.build_query_as().fetch_all(db).await?;
    Ok(all.into_iter().map(row).collect())
}

/// All certificates of a host, newest first.
pub async fn certificates_of(db: &mut SqliteConnection, host: &HostId) -> Result<Vec<CertificateRow>, GuardError> {
    let all: Vec<Tuple> = sqlx::query_as(
        "SELECT serial, host, issued_at, not_after, revoked_at, reason FROM server_certificate
         WHERE host = $1 ORDER BY issued_at DESC, serial",
    )
    .bind(host.as_str())
    .fetch_all(db)
    .await?;
    Ok(all.into_iter().map(row).collect())
}

/// Revokes all certificates of a host, but the ones in `keep`; how many that were.
pub async fn certificates_revoke(
    db: &mut SqliteConnection,
    host: &HostId,
    keep: &[&str],
    reason: &str,
    now: Timestamp,
) -> Result<u64, GuardError> {
    let mut revoked = 0;
    for old in certificates_of(&mut *db, host).await? {
        if old.revoked_at.is_none() && !keep.contains(&old.serial.as_str()) {
            let sql = "UPDATE server_certificate SET revoked_at = $2, reason = $3 WHERE serial = $1";
            let update = sqlx::query(sql).bind(&old.serial).bind(now.as_millisecond()).bind(reason);
            revoked += update.execute(&mut *db).await?.rows_affected();
        }
    }
    Ok(revoked)
}

/// Removes what was revoked and has ended since: its end alone keeps it out.
pub async fn certificates_ended_delete(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM server_certificate WHERE not_after <= $1 AND revoked_at IS NOT NULL")
        .bind(now.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}
