//! The epoch: what makes hosts take the specs of a server again that was restored from an old copy.

use crate::GuardError;
use crate::link::EpochProof;
use sqlx::SqliteConnection;

/// The epoch of a server that never raised it.
const FIRST: u32 = 1;

/// Numbers of plans and orders that one epoch has for its own.
const IDS_PER_EPOCH: i64 = 1_000_000;

/// The lowest number that a plan or an order of this epoch may have: a server that was restored from
/// an old copy would else give numbers that hosts know already.
pub(super) async fn first_number(db: &mut SqliteConnection) -> Result<i64, GuardError> {
    let epoch = epoch_proof(db).await?.map_or(FIRST, |proof| proof.epoch);
    Ok(i64::from(epoch - FIRST) * IDS_PER_EPOCH + 1)
}

/// The newest epoch with its proof; `None` if it was never raised.
pub async fn epoch_proof(db: &mut SqliteConnection) -> Result<Option<EpochProof>, GuardError> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT epoch, proof FROM frame_epoch ORDER BY epoch DESC LIMIT 1").fetch_optional(db).await?;
    Ok(row.map(|(epoch, signature)| EpochProof { epoch: epoch as u32, signature }))
}

/// The epoch that specs carry now: never below one that a spec has already carried.
pub async fn epoch(db: &mut SqliteConnection) -> Result<u32, GuardError> {
    let proven = epoch_proof(&mut *db).await?.map_or(FIRST, |proof| proof.epoch);
    let (carried,): (Option<i64>,) = sqlx::query_as("SELECT MAX(epoch) FROM frame_spec").fetch_one(db).await?;
    Ok(carried.map_or(FIRST, |epoch| epoch as u32).max(proven))
}

/// Begins an epoch: every spec carries it from now on, and counts from 1 again.
pub async fn epoch_raise(db: &mut SqliteConnection, proof: &EpochProof) -> Result<(), GuardError> {
    let epoch = i64::from(proof.epoch);
    sqlx::query("INSERT INTO frame_epoch (epoch, proof) VALUES ($1, $2)")
        .bind(epoch)
        .bind(&proof.signature)
        .execute(&mut *db)
        .await?;
    sqlx::query("UPDATE frame_spec SET epoch = $1, n = 1").bind(epoch).execute(db).await?;
    Ok(())
}
