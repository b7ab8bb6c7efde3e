//! The package database of dpkg (deb-based systems): `/var/lib/dpkg/status`, and the directory
//! `status.d` of images without dpkg (distroless).

use crate::deb822::{self, Paragraph};
use crate::{Root, SysError};
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use crate::owners::{Owners, owners_of};

/// Most packages that are read; the largest real systems have about 10,000.
pub const PACKAGES_MAX: usize = 200_000;
/// Most bytes of one control file in `status.d`.
const CONTROL_BYTES_MAX: u64 = 1 << 20;

const STATUS: &str = "/var/lib/dpkg/status";
const STATUS_D: &str = "/var/lib/dpkg/status.d";

/// What the administrator wants of a package (dpkg(1), "selection state").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// Installed.
    #[default]
    Install,
    /// Installed, and never upgraded by itself.
    Hold,
    /// Removed.
    Deinstall,
    /// Removed with its configuration.
    Purge,
    /// Never selected.
    Unknown,
}

/// How far a package is installed (dpkg(1), "package states").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackageState {
    /// All of it.
    #[default]
    Installed,
    /// Unpacked and configured; another package must run triggers for it.
    TriggersAwaited,
    /// Unpacked and configured; its own triggers must run.
    TriggersPending,
    /// Configuring has begun and failed.
    HalfConfigured,
    /// Unpacked, never configured.
    Unpacked,
    /// Installing has begun and failed.
    HalfInstalled,
    /// Removed; its configuration files are there.
    ConfigFiles,
    /// Not there.
    NotInstalled,
}

/// A package as dpkg knows it. Names and versions are checked: letters, digits and `+ - . ~ :` only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name: `libc6`.
    pub name: String,
    /// Its version: `2.36-9+deb12u10`.
    pub version: String,
    /// Its architecture: `amd64`, `all`.
    pub arch: String,
    /// The source package it was built from; the same as `name` for most.
    pub source: String,
    /// The version of the source package; differs after a rebuild (`+b1`).
    pub source_version: String,
    /// What the administrator wants.
    pub selection: Selection,
    /// How far it is installed.
    pub state: PackageState,
    /// True when dpkg says that it must be installed again before it can be used.
    pub broken: bool,
    /// True when the system cannot do without it.
    pub essential: bool,
}

impl Package {
    /// True when its files are there and set up, as the state `installed` (or a trigger state) says.
    pub fn is_installed(&self) -> bool {
        use PackageState::{Installed, TriggersAwaited, TriggersPending};
        matches!(self.state, Installed | TriggersAwaited | TriggersPending)
    }
}

/// The packages that are installed and set up, held ones among them, in the order of the files.
/// An error that [`SysError::is_not_found`] means that this is no dpkg system.
pub fn installed(root: &Root) -> Result<Vec<Package>, SysError> {
    Ok(packages(root)?.into_iter().filter(Package::is_installed).collect())
}

/// All packages that dpkg knows, half-installed and removed ones too. Paragraphs that make no
/// sense (no name, no version, forbidden characters) are passed over.
pub fn packages(root: &Root) -> Result<Vec<Package>, SysError> {
    let mut out = Vec::new();
    let status = root.open(Path::new(STATUS)).and_then(|file| read_status(file, &mut out).map_err(reading(STATUS)));
    let names = root.names(STATUS_D)?;
    // an image has only status.d, and a system with neither is no dpkg system
    if let Err(error) = status
        && (!error.is_not_found() || names.is_empty())
    {
        return Err(error);
    }
    for name in names.iter().filter(|n| !n.to_string_lossy().ends_with(".md5sums")) {
        if let Ok(bytes) = root.read_up_to(Path::new(STATUS_D).join(name), CONTROL_BYTES_MAX) {
            read_status(&*bytes, &mut out).map_err(reading(STATUS_D))?;
        }
    }
    Ok(out)
}

fn reading(path: &'static str) -> impl Fn(io::Error) -> SysError {
    move |source| SysError::Read { path: PathBuf::from(path), source }
}

/// Adds the packages of a status file to `out`.
fn read_status(reader: impl io::Read, out: &mut Vec<Package>) -> io::Result<()> {
    deb822::paragraphs(reader, |paragraph| {
        for part in split_at_packages(whole_lines(paragraph)) {
            out.extend(package(part));
        }
        if out.len() < PACKAGES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

/// Without a last line that the end of the file cuts: half a version is a wrong version.
fn whole_lines(paragraph: Paragraph<'_>) -> &[u8] {
    let bytes = paragraph.bytes;
    if paragraph.complete { bytes } else { &bytes[..memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1)] }
}

/// A second `Package:` in one paragraph means that a blank line is missing.
fn split_at_packages(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts: Vec<usize> = memchr::memmem::find_iter(bytes, b"\nPackage:").map(|at| at + 1).collect();
    starts.insert(0, 0);
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &bytes[start..end]).collect()
}

fn package(paragraph: &[u8]) -> Option<Package> {
    let mut package = Package::default();
    for (name, value) in deb822::fields(paragraph) {
        match name {
            b"Package" => package.name = name_checked(value)?,
            b"Version" => package.version = version_checked(value)?,
            b"Architecture" => package.arch = name_checked(value).unwrap_or_default(),
            b"Status" => set_status(&mut package, value)?,
            b"Essential" => package.essential = value == b"yes",
            b"Source" => (package.source, package.source_version) = source(value).unwrap_or_default(),
            _ => {}
        }
    }
    if package.name.is_empty() || package.version.is_empty() {
        return None;
    }
    if package.source.is_empty() {
        package.source.clone_from(&package.name);
    }
    if package.source_version.is_empty() {
        package.source_version.clone_from(&package.version);
    }
    Some(package)
}

/// `want flag state`, such as `install ok installed`. A control file of `status.d` has no such line.
fn set_status(package: &mut Package, value: &[u8]) -> Option<()> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
    package.selection = match words.next()? {
        b"install" => Selection::Install,
        b"hold" => Selection::Hold,
        b"deinstall" => Selection::Deinstall,
        b"purge" => Selection::Purge,
        _ => Selection::Unknown,
    };
    package.broken = words.next()? != b"ok";
    package.state = match words.next()? {
        b"installed" => PackageState::Installed,
        b"triggers-awaited" => PackageState::TriggersAwaited,
        b"triggers-pending" => PackageState::TriggersPending,
        b"half-configured" => PackageState::HalfConfigured,
        b"unpacked" => PackageState::Unpacked,
        b"half-installed" => PackageState::HalfInstalled,
        b"config-files" => PackageState::ConfigFiles,
        _ => PackageState::NotInstalled,
    };
    Some(())
}

/// `glibc` or `glibc (2.36-9)`.
fn source(value: &[u8]) -> Option<(String, String)> {
    let open = memchr::memchr(b'(', value);
    let name = name_checked(value[..open.unwrap_or(value.len())].trim_ascii_end())?;
    let version = open.and_then(|at| value[at + 1..].strip_suffix(b")")).and_then(version_checked);
    Some((name, version.unwrap_or_default()))
}

/// The text, if it can be the name of a package or an architecture (Debian Policy 5.6.7, 5.6.8).
pub(crate) fn name_checked(value: &[u8]) -> Option<String> {
    checked(value, 128, |b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
}

/// The text, if it can be a version (Debian Policy 5.6.12).
pub(crate) fn version_checked(value: &[u8]) -> Option<String> {
    checked(value, 256, |b| b.is_ascii_alphanumeric() || b"+-.~:_".contains(&b))
}

fn checked(value: &[u8], bytes_max: usize, allowed: fn(u8) -> bool) -> Option<String> {
    let fits = !value.is_empty() && value.len() <= bytes_max && value.iter().all(|&b| allowed(b));
    fits.then(|| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
#[path = "dpkg_tests.rs"]
mod tests;
