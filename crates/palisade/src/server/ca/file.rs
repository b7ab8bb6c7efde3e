//! Files of the authority: written beside, synced, renamed over, so that a crash leaves the old one
//! or the new one.

use super::error::CaError;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a whole file with this mode.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    let failed = |source| CaError::File { doing: "writing", path: path.to_owned(), source };
    let temporary = path.with_extension("new");
    // what a crash left is not written over: its mode may be another one
    remove(&temporary)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&temporary).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)?;
    sync_dir(path)
}

/// Reads a file; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<String>, CaError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CaError::File { doing: "reading", path: path.to_owned(), source }),
    }
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> Result<(), CaError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_dir(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(CaError::File { doing: "removing", path: path.to_owned(), source }),
    }
}

fn sync_dir(path: &Path) -> Result<(), CaError> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|source| CaError::File {
        doing: "syncing the directory",
        path: dir.to_owned(),
        source,
    })
}
