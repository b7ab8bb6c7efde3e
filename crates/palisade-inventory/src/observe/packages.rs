//! Fills in the packages of everything that names a file, in one pass over dpkg's lists.

use crate::model::{Observed, Section};
use palisade_sys::{Root, owners};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Where no package database can be read, every package stays unknown, and the section of the
/// packages says why.
pub(super) fn assign(root: &Root, observed: &mut Observed) {
    let real = real_programs(root, observed);
    let paths: BTreeSet<&Path> = paths(observed).map(Path::new).chain(real.values().map(PathBuf::as_path)).collect();
    let paths: Vec<PathBuf> = paths.into_iter().map(Path::to_owned).collect();
    match owners::owners_of(root, &paths) {
        Ok(found) => fill(observed, &found, &real),
        Err(error) => {
            // what has no owner now would be taken for what nobody installed
            let section = observed.packages.get_or_insert_with(Section::default);
            section.error.get_or_insert_with(|| super::said(&error));
            fill(observed, &HashMap::new(), &real);
        }
    }
}

/// Where the programs of autostart entries lead when they are links (`/usr/bin/java`), whose own
/// path no package has. Only on the running system: a scratch root's links lead out of it.
fn real_programs(root: &Root, observed: &Observed) -> HashMap<String, PathBuf> {
    let rows = observed.autostart.iter().flat_map(|s| &s.rows).filter(|_| root.is_live());
    let programs = rows.filter_map(|row| row.entry.program());
    programs.filter_map(|path| Some((path.to_owned(), std::fs::canonicalize(path).ok()?))).collect()
}

fn paths(observed: &Observed) -> impl Iterator<Item = &str> {
    let ports = observed.ports.iter().flat_map(|s| &s.rows).filter_map(|row| row.package.as_deref());
    let own = observed.processes.iter().flat_map(|s| &s.rows).filter(|row| !row.container);
    let processes = own.filter_map(|row| row.exe.as_deref());
    let started = observed.autostart.iter().flat_map(|s| &s.rows).filter_map(|row| row.entry.program());
    let setuid = observed.baseline.setuid.iter().flatten().map(|file| file.path.as_str());
    ports.chain(processes).chain(started).chain(setuid).filter(|path| path.starts_with('/'))
}

fn fill(observed: &mut Observed, found: &HashMap<PathBuf, String>, real: &HashMap<String, PathBuf>) {
    let of = |path: Option<&str>| found.get(Path::new(path?)).cloned();
    let containers: BTreeSet<u32> =
        observed.processes.iter().flat_map(|s| &s.rows).filter(|row| row.container).map(|row| row.pid).collect();
    for row in observed.ports.iter_mut().flat_map(|s| &mut s.rows) {
        let ours = row.pid.is_none_or(|pid| !containers.contains(&pid));
        row.package = of(row.package.as_deref()).filter(|_| ours);
    }
    for row in observed.processes.iter_mut().flat_map(|s| &mut s.rows).filter(|row| !row.container) {
        row.package = of(row.exe.as_deref());
    }
    for row in observed.autostart.iter_mut().flat_map(|s| &mut s.rows) {
        let program = row.entry.program();
        let behind = || found.get(real.get(program?)?).cloned();
        row.package = of(program).or_else(behind);
    }
    for file in observed.baseline.setuid.iter_mut().flatten() {
        file.package = of(Some(&file.path));
    }
}
