//! What is known about the updates of one host.

use palisade_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The two sections of an observation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// The updates that wait, by package name.
    pub pending: Vec<Pending>,
    /// Everything else.
    pub state: UpgradeState,
}

/// An update that waits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Pending {
    /// The package.
    pub name: String,
    /// Its architecture.
    pub arch: String,
    /// The source package that it is built from: one advisory is about one of these.
    pub source: String,
    /// The installed version.
    pub installed: String,
    /// The version that would be installed.
    pub candidate: String,
    /// True when it mends security.
    pub security: bool,
    /// The suite that it comes from.
    pub archive: String,
    /// True when the administrator holds the package back.
    pub held: bool,
    /// The share of hosts that get it so far, in percent; absent when all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phased_percent: Option<u8>,
}

/// What manages the packages of a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// dpkg and apt.
    #[default]
    Dpkg,
    /// An image of deb packages without dpkg and apt.
    Image,
    /// rpm.
    Rpm,
    /// apk.
    Apk,
    /// None that is known.
    Unknown,
}

/// How a host stands with its upgrades.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UpgradeState {
    /// What manages its packages.
    pub manager: Manager,
    /// Why packages and updates could not be read, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Its release.
    pub os: Release,
    /// What is known of the archives.
    pub lists: Lists,
    /// The configured sources of packages.
    pub sources: Vec<SourceState>,
    /// Files with pins; their effect on candidates is not evaluated.
    pub pins: Vec<String>,
    /// Packages that are never upgraded by themselves: name and version.
    pub held: Vec<String>,
    /// Packages whose installation was begun and not ended.
    pub half_configured: Vec<HalfConfigured>,
    /// Whether upgrades are installed by themselves.
    pub unattended: Unattended,
    /// What speaks for a restart; absent in a scratch root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot: Option<Reboot>,
    /// What runs with removed program code; absent in a scratch root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
}

/// A release of a distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Release {
    /// `debian`.
    pub id: String,
    /// `12`.
    pub version: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
}

/// The downloaded lists of packages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Lists {
    /// How many were read.
    pub count: usize,
    /// When they were last brought up to date; absent if never.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Lists that could not be read, with the reason.
    pub unread: Vec<String>,
    /// The archives.
    pub archives: Vec<Archive>,
}

/// An archive of packages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Archive {
    /// `bookworm-security`.
    pub suite: String,
    /// `Debian-Security`.
    pub label: String,
    /// True when it holds security updates.
    pub security: bool,
    /// When it was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// Until when it may be believed.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
}

/// A configured source of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SourceState {
    /// The file that it stands in.
    pub file: String,
    /// The address, without a password.
    pub uri: String,
    /// The suite.
    pub suite: String,
    /// True when it is an archive of security updates.
    pub security: bool,
    /// True when its lists were downloaded.
    pub listed: bool,
}

/// A package whose installation was begun and not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HalfConfigured {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// dpkg's word for how far it is: `half-configured`.
    pub state: String,
}

/// Whether upgrades are installed by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Unattended {
    /// The package `unattended-upgrades` is installed.
    pub installed: bool,
    /// `APT::Periodic::Update-Package-Lists` is on.
    pub lists: bool,
    /// `APT::Periodic::Unattended-Upgrade` is on.
    pub upgrade: bool,
    /// `APT::Periodic::Enable` is off, which stops both.
    pub switched_off: bool,
    /// systemd's timers `apt-daily` or `apt-daily-upgrade` are masked.
    pub timer_masked: bool,
}

/// What speaks for a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Reboot {
    /// A package has asked for it.
    pub required: bool,
    /// Which packages asked.
    pub packages: Vec<String>,
    /// The kernel that runs.
    pub running: String,
    /// The newer kernel that is installed, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer: Option<String>,
}

/// What runs with program code that has been removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Services {
    /// The services.
    pub stale: Vec<StaleService>,
    /// True when some processes could not be looked at for want of rights.
    pub partial: bool,
}

/// One service that runs with program code that has been removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StaleService {
    /// The systemd unit, or the program's name.
    pub name: String,
    /// The removed files.
    pub files: Vec<String>,
}
