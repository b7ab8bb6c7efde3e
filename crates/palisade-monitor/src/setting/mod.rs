//! How a host is sampled: every how many seconds, and which processes are watched by name.

use palisade_core::{HostId, Step, Timestamp};
use palisade_guard::{GuardError, Keep, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::sync::Arc;

/// What the sampler of this host is told; shared by the keeper and the watcher.
#[derive(Debug, Default)]
pub struct Settings;

/// What a host shall do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SettingSpec {}

/// Holds the settings of the sampler.
pub struct SettingKeep(pub Arc<Settings>);

impl Keep for SettingKeep {
    type Spec = SettingSpec;
    type Act = SettingSpec;

    fn stamp(&self) -> Result<u64, GuardError> {
        Ok(0)
    }

    fn plan(&self, _server: &SettingSpec, _local: &SettingSpec, _now: Timestamp) -> Result<Vec<Step>, GuardError> {
        Ok(Vec::new())
    }

    fn apply(&self, _act: &SettingSpec, _now: Timestamp) -> Result<(), GuardError> {
        Ok(())
    }
}

/// The kinds of resources.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    Vec::new()
}

/// The spec of a host.
pub async fn resolve(_db: &mut SqliteConnection, _host: &HostId, _now: Timestamp) -> Result<Option<Value>, GuardError> {
    Ok(None)
}

/// What hosts must share to have the same spec.
pub async fn scope(_db: &mut SqliteConnection, _host: &HostId) -> Result<Option<String>, GuardError> {
    Ok(None)
}
