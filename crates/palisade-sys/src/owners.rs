//! Which package a file belongs to, from the file lists of dpkg (`/var/lib/dpkg/info/*.list`).
//!
//! [`Owners`] knows every path and answers at once; it holds about 12 bytes per path (2 MB on a
//! system of 800 packages) and stays loaded. Use it for many paths: integrity, a walk over a tree.
//! [`owners_of`] resolves a few paths in one pass and keeps only the answers. Use it for listeners,
//! processes and units. Both read again only when the directory of the lists has changed, so that a
//! call each minute costs a `stat`.

use crate::{Root, SysError, deb822};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const INFO: &str = "/var/lib/dpkg/info";
const STATUS_D: &str = "/var/lib/dpkg/status.d";
const DIVERSIONS: &str = "/var/lib/dpkg/diversions";
/// Most paths of all packages together; a desktop with everything has about 2 million.
const PATHS_MAX: usize = 8_000_000;
/// Most bytes of one list; linux-headers has about 1.5 MB.
const LIST_BYTES_MAX: u64 = 64 << 20;
/// Most answers that [`owners_of`] keeps.
const ANSWERS_MAX: usize = 8_192;
/// Directories that are one and the same with and without `/usr` after the merge of `/usr`.
const MERGED: [&[u8]; 6] = [b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32"];

/// Which package each path of the system belongs to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Owners(Arc<Table>);

#[derive(Debug)]
struct Table {
    hasher: RandomState,
    merged: bool,
    names: Vec<String>,
    /// Keyed hash of the path and index into `names`, sorted. The key is random, so that nobody can
    /// make a path that has the hash of another one.
    hashes: Vec<u64>,
    owners: Vec<u32>,
}

/// What the lists are known by: they are read again when one of it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp([(u64, u64, i64, i64); 3]);

/// Paths that were asked for, with their owner if they have one.
type Answers = HashMap<PathBuf, Option<String>>;

static LOADED: Mutex<Option<(Stamp, Owners)>> = Mutex::new(None);
static ANSWERED: Mutex<Option<(Stamp, Answers)>> = Mutex::new(None);

impl Owners {
    /// Reads all lists, or takes what was read before if nothing has changed since. An error that
    /// [`SysError::is_not_found`] means that this is no dpkg system.
    pub fn load(root: &Root) -> Result<Owners, SysError> {
        let stamp = stamp(root)?;
        let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((of, owners)) = &*loaded
            && *of == stamp
        {
            return Ok(owners.clone());
        }
        let owners = Owners(Arc::new(Table::read(root)?));
        *loaded = Some((stamp, owners.clone()));
        Ok(owners)
    }

    /// The package that put `path` (absolute, on the host) there. `/bin/x` and `/usr/bin/x` are the
    /// same where `/usr` is merged. A directory that many packages share has one of them.
    pub fn owner_of(&self, path: &Path) -> Option<&str> {
        let table = &self.0;
        let hash = table.hasher.hash_one(canonical(path.as_os_str().as_bytes(), table.merged));
        let at = table.hashes.binary_search(&hash).ok()?;
        table.names.get(table.owners[at] as usize).map(String::as_str)
    }

    /// How many paths are known.
    pub fn len(&self) -> usize {
        self.0.hashes.len()
    }

    /// True if no package has any file.
    pub fn is_empty(&self) -> bool {
        self.0.hashes.is_empty()
    }
}

impl Table {
    fn read(root: &Root) -> Result<Table, SysError> {
        let mut table = Table {
            hasher: RandomState::new(),
            merged: is_merged(root),
            names: Vec::new(),
            hashes: Vec::new(),
            owners: Vec::new(),
        };
        let mut rows: Vec<(u64, u32)> = Vec::with_capacity(128 << 10);
        let merged = table.merged;
        let mut names = Vec::new();
        each_path(root, |package, path| {
            if names.last().is_none_or(|last| last != package) {
                names.push(package.to_owned());
            }
            rows.push((table.hasher.hash_one(canonical(path, merged)), names.len() as u32 - 1));
            rows.len() < PATHS_MAX
        })?;
        rows.sort_unstable();
        rows.dedup_by_key(|row| row.0);
        table.names = names;
        (table.hashes, table.owners) = rows.into_iter().unzip();
        Ok(table)
    }
}

/// The owners of a few paths (absolute, on the host); paths that no package owns are absent. Reads
/// all lists once, or not at all when it has answered these before and nothing has changed.
pub fn owners_of(root: &Root, paths: &[PathBuf]) -> Result<HashMap<PathBuf, String>, SysError> {
    let stamp = stamp(root)?;
    let mut answered = ANSWERED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut known = match answered.take() {
        Some((of, known)) if of == stamp && known.len() <= ANSWERS_MAX => known,
        _ => HashMap::new(),
    };
    let asked: Vec<&PathBuf> = paths.iter().filter(|p| !known.contains_key(*p)).collect();
    if !asked.is_empty() {
        resolve(root, &asked, &mut known)?;
    }
    let owner = |path: &PathBuf| Some((path.clone(), known.get(path)?.clone()?));
    let out = paths.iter().filter_map(owner).collect();
    *answered = Some((stamp, known));
    Ok(out)
}

fn resolve(root: &Root, asked: &[&PathBuf], known: &mut Answers) -> Result<(), SysError> {
    let merged = is_merged(root);
    let key = |path: &Path| canonical(path.as_os_str().as_bytes(), merged).to_vec();
    let mut wanted: HashMap<Vec<u8>, Option<String>> = asked.iter().map(|p| (key(p), None)).collect();
    // most lines of the lists are no match: their length tells that without hashing them
    let lengths: HashSet<usize> = wanted.keys().map(Vec::len).collect();
    each_path(root, |package, path| {
        let path = canonical(path, merged);
        if lengths.contains(&path.len())
            && let Some(owner) = wanted.get_mut(path)
        {
            owner.get_or_insert_with(|| package.to_owned());
        }
        true
    })?;
    known.extend(asked.iter().map(|&p| (p.clone(), wanted.get(&key(p)).cloned().flatten())));
    Ok(())
}

/// `/usr/bin/x` as `/bin/x` where both are the same, without a `/` at the end.
fn canonical(path: &[u8], merged: bool) -> &[u8] {
    let path = if path.len() > 1 { path.strip_suffix(b"/").unwrap_or(path) } else { path };
    let Some(rest) = path.strip_prefix(b"/usr").filter(|_| merged) else { return path };
    let first = rest.strip_prefix(b"/").and_then(|r| r.split(|b| *b == b'/').next()).unwrap_or_default();
    if MERGED.contains(&first) { rest } else { path }
}

fn is_merged(root: &Root) -> bool {
    let same = |a: &str, b: &str| {
        let id = |p: &str| root.metadata(p).map(|m| (m.dev(), m.ino())).ok();
        id(a).is_some_and(|a| id(b) == Some(a))
    };
    same("/bin", "/usr/bin") || same("/lib", "/usr/lib")
}

fn stamp(root: &Root) -> Result<Stamp, SysError> {
    let of = |path: &str| root.metadata(path).map(|m| (m.dev(), m.ino(), m.mtime(), m.mtime_nsec()));
    let (info, status_d) = (of(INFO), of(STATUS_D));
    match (info, status_d) {
        (Err(error), Err(_)) => Err(error),
        (info, status_d) => {
            Ok(Stamp([info.unwrap_or_default(), status_d.unwrap_or_default(), of(DIVERSIONS).unwrap_or_default()]))
        }
    }
}

/// Hands every path of every package to `each` (package, absolute path), until it says no. A list
/// that cannot be read is passed over.
fn each_path(root: &Root, mut each: impl FnMut(&str, &[u8]) -> bool) -> Result<(), SysError> {
    let merged = is_merged(root);
    let diversions = diversions(root, merged)?;
    for (dir, suffix) in [(INFO, ".list"), (STATUS_D, ".md5sums")] {
        for name in root.names(dir)? {
            let Some(package) = name.to_str().and_then(|n| n.strip_suffix(suffix)) else { continue };
            let package = package.split(':').next().unwrap_or(package);
            let Ok(bytes) = root.read_up_to(Path::new(dir).join(&name), LIST_BYTES_MAX) else { continue };
            let mut absolute = vec![b'/'];
            for line in deb822::lines(&bytes) {
                let path = if suffix == ".list" { line } else { md5_path(line, &mut absolute) };
                let path = diverted(&diversions, package, path, merged);
                if path.starts_with(b"/") && !each(package, path) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// The path of a line `digest  usr/bin/x`, made absolute.
fn md5_path<'a>(line: &[u8], absolute: &'a mut Vec<u8>) -> &'a [u8] {
    absolute.truncate(1);
    let path = line.splitn(2, |b| *b == b' ').nth(1).unwrap_or_default().trim_ascii();
    absolute.extend_from_slice(path.strip_prefix(b"./").unwrap_or(path));
    absolute
}

/// From a path to where it was moved, and the package whose own file stands there instead
/// (dpkg-divert(1)); `:` is the administrator.
type Diversions = HashMap<Vec<u8>, (Vec<u8>, String)>;

fn diversions(root: &Root, merged: bool) -> Result<Diversions, SysError> {
    let text = match root.read(DIVERSIONS) {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(Diversions::new()),
        Err(error) => return Err(error),
    };
    let lines: Vec<&[u8]> = deb822::lines(&text).collect();
    let triple =
        |t: &[&[u8]]| (canonical(t[0], merged).to_vec(), (t[1].to_vec(), String::from_utf8_lossy(t[2]).into_owned()));
    Ok(lines.chunks_exact(3).map(triple).collect())
}

fn diverted<'a>(diversions: &'a Diversions, package: &str, path: &'a [u8], merged: bool) -> &'a [u8] {
    if diversions.is_empty() {
        return path;
    }
    diversions.get(canonical(path, merged)).filter(|(_, by)| by != package).map_or(path, |(to, _)| to)
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
