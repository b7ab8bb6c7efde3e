//! What is known about how one host keeps its logs and its time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The two sections of an observation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// How logs are kept.
    pub logging: Logging,
    /// How time is kept.
    pub clock: Clock,
}

/// How a host keeps its logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Logging {
    /// The syslog daemons that run; in a scratch root, that start with the system.
    pub syslog: Vec<String>,
    /// systemd-journald.
    pub journald: Journald,
    /// The audit daemon runs; in a scratch root, starts with the system.
    pub auditd: bool,
    /// The logs of sign-ins.
    pub auth_logs: Vec<LogFile>,
    /// How the logs of sign-ins are rotated; absent if they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Where logs are sent to: a line of a configuration with its file, or a daemon that ships logs.
    pub remote: Vec<String>,
    /// Configuration files that could not be read.
    pub unread: Vec<String>,
}

/// systemd-journald on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Journald {
    /// It runs; in a scratch root, it is installed.
    pub active: bool,
    /// `Storage=`: `persistent`, `volatile`, `auto` or `none`.
    pub storage: String,
    /// Its journal outlives a restart.
    pub persistent: bool,
    /// `MaxRetentionSec=` in days; absent when only size matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u64>,
}

/// A log and who may read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LogFile {
    /// Where it lies.
    pub path: String,
    /// Its permissions in octal: `0640`.
    pub mode: String,
}

/// How the logs of sign-ins are rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Rotation {
    /// The file that says so.
    pub file: String,
    /// How many old copies are kept.
    pub rotate: u64,
    /// Days between two rotations; 0 for hourly.
    pub period_days: u64,
    /// How many days logs are kept at most.
    pub kept_days: u64,
}

/// How a host keeps its time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Clock {
    /// The time daemons that run; in a scratch root, that start with the system.
    pub daemons: Vec<String>,
    /// What the kernel says; absent in a scratch root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronised: Option<bool>,
}
