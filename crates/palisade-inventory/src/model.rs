//! What the inventory knows of a host: seven sections of rows, and the facts of the baseline.
//!
//! Nothing here changes by itself (no memory, no CPU, no ages), so that a section that is the same
//! is not sent again. All text is as found on the host: hostile text is possible.

use palisade_core::Timestamp;
use palisade_sys::autostart::Autostart;
use palisade_sys::kmod::Module;
use palisade_sys::webroot::Webroot;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many rows a section holds at most; [`Section::total`] says how many there were.
pub mod limits {
    /// Accounts of one host.
    pub const ACCOUNTS_MAX: usize = 10_000;
    /// Waiting sockets of one host.
    pub const PORTS_MAX: usize = 5_000;
    /// Processes of one host.
    pub const PROCESSES_MAX: usize = 5_000;
    /// Packages of one host.
    pub const PACKAGES_MAX: usize = 20_000;
    /// Files that one part of the baseline names.
    pub const FILES_MAX: usize = 500;
    /// Seconds that a process must have lived to be listed for its own sake.
    pub const PROCESS_AGE_S_MIN: i64 = 60;
}

/// All sections. `None`: not there to be seen (a scratch root has no processes).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Who may be somebody here.
    pub accounts: Option<Section<AccountRow>>,
    /// Who waits for whom on the network.
    pub ports: Option<Section<PortRow>>,
    /// What runs.
    pub processes: Option<Section<ProcessRow>>,
    /// What is installed.
    pub packages: Option<Section<PackageRow>>,
    /// What the kernel has loaded.
    pub modules: Option<Section<Module>>,
    /// What is started by itself.
    pub autostart: Option<Section<AutostartRow>>,
    /// What web servers show.
    pub webroots: Option<Section<Webroot>>,
    /// Settings that the baseline judges.
    pub baseline: Baseline,
}

/// The rows of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, bound = "T: Serialize + serde::de::DeserializeOwned")]
pub struct Section<T> {
    /// In a fixed order.
    pub rows: Vec<T>,
    /// How many rows there were, if more than are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
    /// Why rows are missing, if some could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Names that another view shows and this list does not (kernel modules).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Section { rows: Vec::new(), total: None, error: None, hidden: Vec::new() }
    }
}

impl<T> Section<T> {
    /// The rows, up to `rows_max` of them.
    pub fn of(mut rows: Vec<T>, rows_max: usize) -> Section<T> {
        let total = (rows.len() > rows_max).then_some(rows.len());
        rows.truncate(rows_max);
        Section { rows, total, ..Section::default() }
    }

    /// No rows, and why.
    pub fn failed(error: String) -> Section<T> {
        Section { error: Some(error), ..Section::default() }
    }
}

/// An account of `/etc/passwd`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group's id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// True if the shell lets somebody work.
    pub can_log_in: bool,
    /// True if it may become root through sudo.
    pub sudo: bool,
    /// The day of the last change of its password, `2026-11-22`.
    pub last_change: Option<String>,
    /// unknown, none (no password is asked for), locked, disabled, or the scheme of its hash.
    pub password: String,
}

/// A socket that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct PortRow {
    /// tcp or udp.
    pub protocol: String,
    /// 1–65535.
    pub port: u16,
    /// Where it waits.
    pub address: String,
    /// Its owner's name.
    pub process: Option<String>,
    /// Its owner.
    pub pid: Option<u32>,
    /// The user who made it.
    pub user: Option<String>,
    /// The package of its owner's executable.
    pub package: Option<String>,
    /// Its owner's systemd unit.
    pub unit: Option<String>,
}

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessRow {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub ppid: u32,
    /// Its name (`comm`).
    pub name: String,
    /// Its effective user: name, or number if it has none.
    pub user: String,
    /// Its arguments.
    pub cmdline: String,
    /// The file that it runs.
    pub exe: Option<String>,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// The package of `exe`.
    pub package: Option<String>,
    /// True when `exe` has been removed or replaced since it was started.
    #[serde(skip_serializing_if = "is_false")]
    pub exe_deleted: bool,
    /// True when another file stands at `exe` now.
    #[serde(skip_serializing_if = "is_false")]
    pub exe_replaced: bool,
    /// True when its root directory is another one (a container, a chroot).
    #[serde(skip_serializing_if = "is_false")]
    pub container: bool,
}

/// A package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct PackageRow {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub arch: String,
    /// What installed it: dpkg.
    pub manager: String,
}

/// Something that is started by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutostartRow {
    /// What and where.
    #[serde(flatten)]
    pub entry: Autostart,
    /// The package of the program (or library, or script) that it runs.
    pub package: Option<String>,
    /// True when the program that it names does not exist.
    #[serde(skip_serializing_if = "is_false")]
    pub missing: bool,
}

/// Facts that the baseline judges. A part that could not be read stands in `unreadable`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// Kernel parameters by name, those that this kernel has. Absent in a scratch root.
    pub sysctls: Option<BTreeMap<String, String>>,
    /// Mount options by mount point, for those that the baseline judges. Absent in a scratch root.
    pub mounts: Option<BTreeMap<String, String>>,
    /// Files and directories on the search path that everybody may write.
    pub path_writable: Option<Vec<FileFact>>,
    /// Setuid and setgid programs, with their packages.
    pub setuid: Option<Vec<FileFact>>,
    /// Cron's own files and directories, and the programs that system jobs run.
    pub cron: Option<Vec<FileFact>>,
    /// `UMASK` of `/etc/login.defs`, if it is set.
    pub login_umask: Option<String>,
    /// Whether `/etc/login.defs` exists.
    pub login_defs: bool,
    /// Lines of `limits.conf` and `limits.d` about core dumps, as `file: line`.
    pub core_limits: Option<Vec<String>>,
    /// What could not be read, by part, and why.
    pub unreadable: BTreeMap<String, String>,
}

/// A file that a check looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct FileFact {
    /// Where.
    pub path: String,
    /// Its rights in octal, four digits: `4755`.
    pub mode: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The package that put it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

impl FileFact {
    /// The rights as a number; 0 if they cannot be read.
    pub fn bits(&self) -> u32 {
        u32::from_str_radix(&self.mode, 8).unwrap_or(0)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
