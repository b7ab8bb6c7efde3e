//! A file of `/proc` that stays open between samples.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

/// The most that is read of one file; `/proc/stat` of a host with 1,024 cores has about 200 kB.
const FILE_BYTES_MAX: usize = 4 << 20;
const READ_BYTES: usize = 16 << 10;

/// A file that is opened at the first read, and again when reading fails.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    file: Option<File>,
}

impl Kept {
    /// Not opened yet.
    pub fn new(path: PathBuf) -> Kept {
        Kept { path, file: None }
    }

    /// Forgets the open file.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// The open file, if there is one.
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// All of it from the start, in `buffer`.
    pub fn read<'a>(&mut self, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        if let Some(file) = &self.file {
            if let Ok(length) = read_all(file, buffer) {
                return Ok(&buffer[..length]);
            }
            self.file = None;
        }
        let file = File::open(&self.path)?;
        let length = read_all(&file, buffer)?;
        self.file = Some(file);
        Ok(&buffer[..length])
    }
}

/// Reads from offset 0 until nothing more comes: the kernel hands out a sequence file in pieces.
/// `buffer` only ever grows, and keeps its length, so that it is not zeroed anew each time.
pub fn read_all(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if buffer.len() < length + READ_BYTES {
            buffer.resize(length + READ_BYTES, 0);
        }
        match file.read_at(&mut buffer[length..], length as u64) {
            Ok(0) => return Ok(length),
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length >= FILE_BYTES_MAX {
            let whole_lines = buffer[..length].iter().rposition(|&b| b == b'\n');
            return Ok(whole_lines.unwrap_or(0));
        }
    }
}

/// Why a file gave nothing, in words that do not change from look to look.
pub fn why(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "absent",
        io::ErrorKind::PermissionDenied => "not readable",
        _ if error.raw_os_error() == Some(libc::EOPNOTSUPP) => "switched off in this kernel",
        _ => "reading failed",
    }
}

/// Notices that a path leads to another inode than before.
#[derive(Debug)]
pub struct Identity {
    path: PathBuf,
    before: Option<(u64, u64)>,
}

impl Identity {
    /// Nothing seen yet.
    pub fn new(path: PathBuf) -> Identity {
        Identity { path, before: None }
    }

    /// True if it has changed since the last call.
    pub fn has_changed(&mut self) -> bool {
        let now = std::fs::metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        std::mem::replace(&mut self.before, now) != now
    }
}
