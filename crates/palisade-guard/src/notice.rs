//! What people are to be told, and who tells them.

use crate::GuardError;
use crate::contract::BoxFuture;
use palisade_core::{HostId, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// At once.
    #[default]
    Page,
    /// With the next digest.
    Digest,
}

/// Where the thing that is told of stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// It is so now; it will be told when it is over, and again while it lasts.
    Firing,
    /// It was so and is over.
    Resolved,
    /// It happened, and that is all: told once.
    Once,
}

/// One thing to be told. A later notice with the same key is about the same thing and replaces this one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// What tells it from others, at most 200 characters: `alarm/17`.
    pub key: String,
    /// Where it stands.
    pub state: NoticeState,
    /// How soon.
    pub urgency: Urgency,
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// A few sentences.
    pub text: String,
    /// Where; absent when it is not about one host.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<HostId>,
    /// What policies, groups and silences go by: `alertname`, `metric`, `rule`, …; `host` and
    /// `severity` are added.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What is said besides: `summary`, `value`, `threshold`, `cause`, `command`, `unit`.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// Until when, once it is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// Nothing is sent before it has stood for so long, in milliseconds: time for its cause to
    /// arrive, or for others like it that will be told together.
    #[serde(default)]
    pub settle_ms: u64,
}

/// Tells people; owned by the monitor.
pub trait Notify: Send + Sync {
    /// Takes a notice in the given transaction. Told when that is committed, not before.
    fn notify<'a>(&'a self, db: &'a mut SqliteConnection, notice: &'a Notice) -> BoxFuture<'a, Result<(), GuardError>>;

    /// Somebody has taken the thing on (`by`), or no longer has (`None`): while they have, it is
    /// neither repeated nor escalated.
    fn acknowledge<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        key: &'a str,
        by: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), GuardError>>;
}

/// Tells nobody: for tests and tools that have no monitor.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotify;

impl Notify for NoNotify {
    fn notify<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Notice) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }

    fn acknowledge<'a>(
        &'a self,
        _: &'a mut SqliteConnection,
        _: &'a str,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Keeps secrets in the database unreadable to who has only the database: sealed under a key that
/// lies outside the data directory.
pub trait Vault: Send + Sync {
    /// Seals `secret` for `name`; only text sealed for a name opens under it.
    fn seal(&self, name: &str, secret: &[u8]) -> Result<String, GuardError>;
    /// Opens what was sealed for `name`.
    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, GuardError>;
}

/// No key: nothing can be kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVault;

impl Vault for NoVault {
    fn seal(&self, _: &str, _: &[u8]) -> Result<String, GuardError> {
        Err(GuardError::Refused("this server has no key to keep secrets under".to_owned()))
    }

    fn open(&self, _: &str, _: &str) -> Result<Vec<u8>, GuardError> {
        Err(GuardError::Refused("this server has no key to keep secrets under".to_owned()))
    }
}
