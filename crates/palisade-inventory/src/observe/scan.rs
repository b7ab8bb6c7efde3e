//! A bounded walk over the directories from which programs are run.

use crate::model::{FileFact, limits};
use palisade_sys::{Root, SysError};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The search path of root and of users.
const PATH_DIRS: &[&str] = &["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin"];
/// Software without packages; walked to this depth.
const OPT: &str = "/opt";
const OPT_DEPTH_MAX: usize = 6;
/// How many files the whole walk looks at.
const SCANNED_MAX: usize = 50_000;

/// What the walk found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) writable: Vec<FileFact>,
    pub(super) setuid: Vec<FileFact>,
    /// Why it is not complete, if so.
    pub(super) incomplete: Option<String>,
    scanned: usize,
}

/// Walks the search path and `/opt`.
pub(super) fn scan(root: &Root) -> Scan {
    let mut scan = Scan::default();
    for dir in PATH_DIRS {
        // /bin is a link to /usr/bin on a merged system, and has been seen then
        if let Ok(meta) = root.link_metadata(dir)
            && meta.is_dir()
        {
            scan.note_writable(dir, &meta);
            scan.dir(root, dir, 0, true);
        }
    }
    if root.link_metadata(OPT).is_ok_and(|m| m.is_dir()) {
        scan.dir(root, OPT, OPT_DEPTH_MAX, false);
    }
    scan
}

impl Scan {
    fn dir(&mut self, root: &Root, dir: &str, depth: usize, on_path: bool) {
        let names = match root.names(dir) {
            Ok(names) => names,
            Err(error) => return self.failed(&error),
        };
        for name in names {
            self.scanned += 1;
            if self.scanned > SCANNED_MAX {
                self.incomplete
                    .get_or_insert_with(|| format!("more than {SCANNED_MAX} files in the directories of programs"));
                return;
            }
            let path = format!("{dir}/{}", name.to_string_lossy());
            let Ok(meta) = root.link_metadata(&path) else { continue };
            if meta.is_file() {
                self.file(&path, &meta, on_path);
            } else if meta.is_dir() && depth > 0 {
                self.dir(root, &path, depth - 1, on_path);
            }
        }
    }

    fn file(&mut self, path: &str, meta: &Metadata, on_path: bool) {
        if meta.mode() & 0o6000 != 0 && meta.mode() & 0o111 != 0 && self.setuid.len() < limits::FILES_MAX {
            self.setuid.push(fact(path, meta));
        }
        if on_path {
            self.note_writable(path, meta);
        }
    }

    fn note_writable(&mut self, path: &str, meta: &Metadata) {
        if meta.mode() & 0o002 != 0 && self.writable.len() < limits::FILES_MAX {
            self.writable.push(fact(path, meta));
        }
    }

    fn failed(&mut self, error: &SysError) {
        self.incomplete.get_or_insert_with(|| super::said(error));
    }
}

/// What checks need of a file.
pub(super) fn fact(path: &str, meta: &Metadata) -> FileFact {
    let mode = format!("{:04o}", meta.mode() & 0o7777);
    FileFact { path: path.to_owned(), mode, uid: meta.uid(), gid: meta.gid(), package: None }
}
