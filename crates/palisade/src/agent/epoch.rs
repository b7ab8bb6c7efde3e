//! The epochs that this agent takes specs of.
//!
//! A server that was restored from an old copy gives lower generations than hosts hold, and they
//! refuse them. An admin then begins a new epoch, signed by the root key. A server without that key,
//! or in hostile hands, cannot make hosts take an old spec as a new one.

use super::identity::Identity;
use super::link::Way;
use super::state;
use anyhow::{Context, Result};
use palisade_guard::link::EpochProof;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The newest epoch whose proof was accepted.
pub struct Epoch {
    path: PathBuf,
    /// Whose root proofs are checked against; `None` on the server's own machine, whose root has the
    /// last word anyway.
    identity: Option<Identity>,
    newest: Mutex<u32>,
}

impl Epoch {
    /// Reads what was accepted before.
    pub fn load(dir: &Path, way: &Way) -> Result<Epoch> {
        let path = dir.join("epoch.json");
        let newest = state::read(&path).context("reading the epoch")?;
        let identity = match way {
            Way::Joined { identity, .. } => Some((**identity).clone()),
            Way::Socket(_) => None,
        };
        Ok(Epoch { path, identity, newest: Mutex::new(newest) })
    }

    /// The newest one; 0 before the first proof.
    pub fn newest(&self) -> u32 {
        *self.newest.lock().expect("no panic while held")
    }

    /// Whether specs of this epoch are taken.
    pub fn allows(&self, epoch: u32) -> bool {
        self.identity.is_none() || epoch <= self.newest().max(1)
    }

    /// Takes an epoch if its proof is right.
    pub fn take(&self, proof: &EpochProof) {
        let right = self.identity.as_ref().is_none_or(|own| own.epoch_is_proven(proof).unwrap_or(false));
        if !right {
            return tracing::warn!(epoch = proof.epoch, "refused an epoch that the root has not signed");
        }
        let stored = self.store(proof.epoch);
        match stored {
            Ok(()) => tracing::info!(epoch = proof.epoch, "an admin has begun a new epoch"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "an epoch could not be stored"),
        }
    }

    fn store(&self, epoch: u32) -> Result<()> {
        let mut newest = self.newest.lock().expect("no panic while held");
        if epoch > *newest {
            state::write(&self.path, &epoch)?;
            *newest = epoch;
        }
        Ok(())
    }
}
