//! What apt would upgrade, without running it: its sources, its downloaded lists, its settings.
//!
//! The candidate of a package is the highest version of the archives that are configured; archives
//! that are `NotAutomatic` (backports, experimental) count as apt_preferences(5) says. Pins in
//! `/etc/apt/preferences*` are not evaluated, but told ([`Apt::pins`]).

pub mod config;
pub mod lists;
pub mod sources;

use crate::dpkg::{self, Package};
use crate::{Root, SysError};
use lists::{Archive, Candidates};
use palisade_core::Timestamp;
use sources::Source;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const LISTS: &str = "/var/lib/apt/lists";
/// Written when lists have been brought up to date: by apt's own timer, and by Ubuntu's hook.
const STAMPS: [&str; 2] = ["/var/lib/apt/periodic/update-stamp", "/var/lib/apt/periodic/update-success-stamp"];

/// An installed package for which a configured archive has a higher version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The package as it is installed.
    pub package: Package,
    /// The version that apt would install.
    pub candidate: String,
    /// True when an archive of security updates has a version above the installed one.
    pub security: bool,
    /// The suite that it comes from, the security suite if there is one: `bookworm-security`.
    pub archive: String,
    /// Ubuntu hands it to this share of hosts so far, in percent; apt may wait.
    pub phased_percent: Option<u8>,
}

/// What apt knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apt {
    /// All updates, by package name.
    pub updates: Vec<Update>,
    /// The archives that lists are there of.
    pub archives: Vec<Archive>,
    /// The configured sources of binary packages.
    pub sources: Vec<Source>,
    /// How many lists of packages were read.
    pub lists: usize,
    /// Lists that could not be read, with the reason.
    pub unread: Vec<String>,
    /// Files with pins, or with a default release; their effect is not evaluated.
    pub pins: Vec<String>,
    /// When the lists were last brought up to date; `None` if there are none.
    pub updated_at: Option<Timestamp>,
}

/// A file as it was when it was read: path, device, inode, size, modification time.
type FileStamp = (PathBuf, u64, u64, u64, i64, i64);

static KNOWN: Mutex<Option<(Vec<FileStamp>, Arc<Apt>)>> = Mutex::new(None);

/// What apt would do with `packages` (from [`dpkg::packages`]). Read again only when a list, a
/// source or the status file has changed: a call costs some 30 `stat`s otherwise.
pub fn read(root: &Root, packages: &[Package]) -> Result<Arc<Apt>, SysError> {
    let stamps = stamps(root)?;
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, apt)) = &*known
        && *of == stamps
    {
        return Ok(apt.clone());
    }
    let apt = Arc::new(read_now(root, packages)?);
    *known = Some((stamps, apt.clone()));
    Ok(apt)
}

fn read_now(root: &Root, packages: &[Package]) -> Result<Apt, SysError> {
    let sources = sources::read(root)?;
    let names = list_names(root)?;
    let releases = lists::releases(root, Path::new(LISTS), &names);
    let installed: Vec<&Package> = packages.iter().filter(|p| p.is_installed()).collect();
    let mut candidates = Candidates::of(&installed);
    let mut apt = Apt { pins: config::pins(root)?, updated_at: updated_at(root, &names), ..Apt::default() };
    for name in names.iter().filter(|n| lists::is_list(n) && sources::uses(&sources, n)) {
        let release =
            releases.iter().filter(|(prefix, _)| name.starts_with(prefix.as_str())).max_by_key(|(p, _)| p.len());
        let archive = release.map(|(_, archive)| archive.clone()).unwrap_or_default();
        match candidates.read_list(root, &Path::new(LISTS).join(name), &archive) {
            Ok(()) => apt.lists += 1,
            Err(error) => apt.unread.push(format!("{name}: {error}")),
        }
    }
    apt.updates = candidates.updates();
    apt.archives = releases
        .iter()
        .filter(|(prefix, _)| sources::uses(&sources, prefix))
        .map(|(_, archive)| archive.clone())
        .collect();
    apt.sources =
        sources.into_iter().map(|source| source.listed_in(releases.iter().map(|(p, _)| p.as_str()))).collect();
    Ok(apt)
}

fn list_names(root: &Root) -> Result<Vec<String>, SysError> {
    Ok(root.names(LISTS)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// The latest of what `apt-get update` leaves behind. The times of the lists themselves are those
/// of the archive's server, so the directory's own is taken.
fn updated_at(root: &Root, names: &[String]) -> Option<Timestamp> {
    if !names.iter().any(|n| lists::is_list(n) || lists::is_release(n)) {
        return None;
    }
    let partial = format!("{LISTS}/partial");
    let seconds =
        STAMPS.into_iter().chain([LISTS, &partial]).filter_map(|p| Some(root.metadata(p).ok()?.mtime())).max()?;
    Timestamp::from_second(seconds).ok()
}

/// Everything that the answer depends on, with its times.
fn stamps(root: &Root) -> Result<Vec<FileStamp>, SysError> {
    let mut paths = vec![PathBuf::from("/var/lib/dpkg/status"), PathBuf::from(LISTS)];
    paths.extend(STAMPS.map(PathBuf::from));
    let wanted = |name: &String| lists::is_list(name) || lists::is_release(name);
    paths.extend(list_names(root)?.iter().filter(|n| wanted(n)).map(|name| Path::new(LISTS).join(name)));
    paths.extend(sources::files(root)?);
    paths.extend(config::files(root)?);
    let stamp = |path: PathBuf| {
        let m = root.metadata(&path).ok()?;
        Some((path, m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
    };
    Ok(paths.into_iter().filter_map(stamp).collect())
}

/// The packages that dpkg knows and what apt would do with them.
pub fn system(root: &Root) -> Result<(Vec<Package>, Arc<Apt>), SysError> {
    let packages = dpkg::packages(root)?;
    let apt = read(root, &packages)?;
    Ok((packages, apt))
}

#[cfg(test)]
#[path = "apt_tests.rs"]
mod tests;
