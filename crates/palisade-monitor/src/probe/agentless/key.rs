//! The server's own key for hosts without an agent: Ed25519, made once, sealed in the database.

use super::store;
use palisade_guard::{GuardError, ServerContext};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use std::sync::Arc;

/// What the sealed key is sealed for.
const SEALED_FOR: &str = "monitor/agentless-key";
const SEED_BYTES: usize = 32;
/// How the public half is called in `authorized_keys`.
const COMMENT: &str = "palisade";

/// The key, made if there is none yet.
pub async fn key(context: &ServerContext) -> Result<Arc<PrivateKey>, GuardError> {
    let stored = store::key(&mut *context.db.read().acquire().await?).await?;
    let sealed = match stored {
        Some((sealed, _)) => sealed,
        None => made(context).await?,
    };
    let seed = context.vault.open(SEALED_FOR, &sealed)?;
    let seed: [u8; SEED_BYTES] = seed.try_into().map_err(|_| refused("the stored key has a wrong length"))?;
    Ok(Arc::new(of_seed(&seed)?))
}

/// The public half as it stands in `authorized_keys`.
pub fn public(key: &PrivateKey) -> Result<String, GuardError> {
    key.public_key().to_openssh().map_err(refused)
}

/// Makes the key and returns it sealed; of two who make one at a time, the first wins.
async fn made(context: &ServerContext) -> Result<String, GuardError> {
    let mut tx = context.begin().await?;
    if let Some((sealed, _)) = store::key(&mut tx).await? {
        return Ok(sealed);
    }
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).expect("the kernel has randomness");
    let sealed = context.vault.seal(SEALED_FOR, &seed)?;
    store::key_put(&mut tx, &sealed, &public(&of_seed(&seed)?)?, context.now()).await?;
    tx.commit().await?;
    Ok(sealed)
}

fn of_seed(seed: &[u8; SEED_BYTES]) -> Result<PrivateKey, GuardError> {
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(seed));
    key.set_comment(COMMENT);
    Ok(key)
}

fn refused(why: impl std::fmt::Display) -> GuardError {
    GuardError::Refused(format!("the key for hosts without an agent: {why}"))
}
