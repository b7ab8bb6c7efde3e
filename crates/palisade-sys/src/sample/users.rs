//! Names of accounts, from passwd; not from NSS, which may ask the network.

use super::fields::{lines, number, set_text};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

const PASSWD_BYTES_MAX: u64 = 4 << 20;
const NAME_BYTES_MAX: usize = 32;

/// Read again when the file has changed.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    modified: (i64, i64),
    names: Vec<(u64, String)>,
}

impl Users {
    /// Nothing read yet.
    pub fn new(path: PathBuf) -> Users {
        Users { path, modified: (0, 0), names: Vec::new() }
    }

    /// The name of an account, or its number.
    pub fn name(&mut self, uid: u64) -> String {
        let modified = std::fs::metadata(&self.path).map_or((0, 0), |m| (m.mtime(), m.mtime_nsec()));
        if modified != self.modified {
            self.modified = modified;
            self.names = self.read().unwrap_or_default();
        }
        self.names.iter().find(|(id, _)| *id == uid).map_or_else(|| uid.to_string(), |(_, name)| name.clone())
    }

    fn read(&self) -> io::Result<Vec<(u64, String)>> {
        let mut text = Vec::new();
        File::open(&self.path)?.take(PASSWD_BYTES_MAX).read_to_end(&mut text)?;
        let account = |line: &[u8]| {
            let mut parts = line.split(|&b| b == b':');
            let (name, uid) = (parts.next()?, number(parts.nth(1)?)?);
            let mut text = String::new();
            set_text(&mut text, name, NAME_BYTES_MAX);
            Some((uid, text))
        };
        Ok(lines(&text).filter_map(account).collect())
    }
}
