//! Small files of the agent that are replaced as a whole: a reader sees the old or the new one.

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a file; the default if it does not exist. One that cannot be understood is put aside
/// under `.broken`, so that the agent starts and nothing is lost.
pub fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(T::default()),
        other => other.with_context(|| format!("reading `{}`", path.display()))?,
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(value),
        Err(error) => {
            let aside = path.with_extension("broken");
            tracing::error!(%error, file = %path.display(), aside = %aside.display(), "a state file cannot be read and is put aside");
            std::fs::rename(path, &aside).with_context(|| format!("putting `{}` aside", path.display()))?;
            Ok(T::default())
        }
    }
}

/// Replaces a file: written beside it, synced, renamed over it, directory synced.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let doing = || format!("writing `{}`", path.display());
    let dir = path.parent().context("a state file lies in a directory")?;
    std::fs::create_dir_all(dir).with_context(doing)?;
    let temporary = path.with_extension("new");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary).with_context(doing)?;
    file.write_all(&serde_json::to_vec(value)?).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    std::fs::rename(&temporary, path).with_context(doing)?;
    File::open(dir).and_then(|d| d.sync_all()).with_context(doing)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_broken_file_is_put_aside_and_the_default_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spec.json");
        write(&path, &BTreeMap::from([("a", 1)])).unwrap();
        assert_eq!(read::<BTreeMap<String, u32>>(&path).unwrap()["a"], 1);
        std::fs::write(&path, "{\"a\":").unwrap();
        assert!(read::<BTreeMap<String, u32>>(&path).unwrap().is_empty());
        assert!(dir.path().join("spec.broken").exists());
    }
}
