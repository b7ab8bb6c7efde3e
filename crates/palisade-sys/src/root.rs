//! Reading files of a host: the running one, or one mounted or unpacked in a directory.
//!
//! In a scratch root every path is resolved by the kernel with `openat2(RESOLVE_IN_ROOT)`
//! (openat2(2)), so that an absolute or `..` symlink inside it can never lead outside.

use crate::SysError;
use std::ffi::{CString, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The default limit of one file in bytes; dpkg's status file of a large system is about 10 MB.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// The limit of one directory listing in entries.
pub const DIR_ENTRIES_MAX: usize = 100_000;

/// A host's root directory. Paths given to it are absolute paths on that host (`/etc/passwd`).
#[derive(Debug, Clone)]
pub struct Root {
    base: Option<Arc<Scratch>>,
}

#[derive(Debug)]
struct Scratch {
    path: PathBuf,
    dir: OwnedFd,
}

impl Root {
    /// The running system.
    pub fn live() -> Root {
        Root { base: None }
    }

    /// The tree below `path`: files only, nothing about processes or the kernel.
    pub fn scratch(path: &Path) -> Result<Root, SysError> {
        let dir = File::open(path).map_err(|source| SysError::Read { path: path.to_owned(), source })?;
        if !dir.metadata().is_ok_and(|m| m.is_dir()) {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(SysError::Read { path: path.to_owned(), source });
        }
        Ok(Root { base: Some(Arc::new(Scratch { path: path.to_owned(), dir: dir.into() })) })
    }

    /// True for the running system.
    pub fn is_live(&self) -> bool {
        self.base.is_none()
    }

    /// Where the root lies on this machine, for messages only.
    pub fn display_path(&self) -> &Path {
        self.base.as_ref().map_or(Path::new("/"), |b| &b.path)
    }

    /// The bytes of the file, up to [`FILE_BYTES_MAX`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, SysError> {
        self.read_up_to(path, FILE_BYTES_MAX)
    }

    /// The bytes of the file; an error if it has more than `bytes_max`.
    pub fn read_up_to(&self, path: impl AsRef<Path>, bytes_max: u64) -> Result<Vec<u8>, SysError> {
        let path = path.as_ref();
        let file = self.open(path)?;
        let mut bytes = Vec::new();
        file.take(bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| SysError::Read { path: path.to_owned(), source })?;
        if bytes.len() as u64 > bytes_max {
            return Err(SysError::TooLarge { path: path.to_owned(), bytes_max });
        }
        Ok(bytes)
    }

    /// The file as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self, path: impl AsRef<Path>) -> Result<String, SysError> {
        Ok(match String::from_utf8(self.read(path)?) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// The file as text, or `None` if it does not exist.
    pub fn text_if_exists(&self, path: impl AsRef<Path>) -> Result<Option<String>, SysError> {
        match self.text(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names in a directory, sorted; empty if it does not exist.
    pub fn names(&self, path: impl AsRef<Path>) -> Result<Vec<OsString>, SysError> {
        let path = path.as_ref();
        let dir = match self.open_flags(path, libc::O_RDONLY | libc::O_DIRECTORY) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        // reading through /proc/self/fd keeps the resolution that openat2 made
        let through = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let read = |source| SysError::Read { path: path.to_owned(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(through).map_err(read)? {
            names.push(entry.map_err(read)?.file_name());
            if names.len() > DIR_ENTRIES_MAX {
                return Err(SysError::TooLarge { path: path.to_owned(), bytes_max: DIR_ENTRIES_MAX as u64 });
            }
        }
        names.sort();
        Ok(names)
    }

    /// What `stat` says, following symlinks inside the root.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, SysError> {
        let path = path.as_ref();
        self.open_flags(path, libc::O_PATH)?
            .metadata()
            .map_err(|source| SysError::Read { path: path.to_owned(), source })
    }

    /// What `lstat` says: of a symlink itself, not of what it leads to.
    pub fn link_metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, SysError> {
        let path = path.as_ref();
        let opened = self.open_flags(path, libc::O_PATH | libc::O_NOFOLLOW)?;
        opened.metadata().map_err(|source| SysError::Read { path: path.to_owned(), source })
    }

    /// True if the path exists.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.metadata(path).is_ok()
    }

    /// Opens a file for reading.
    pub fn open(&self, path: &Path) -> Result<File, SysError> {
        self.open_flags(path, libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY)
    }

    fn open_flags(&self, path: &Path, flags: i32) -> Result<File, SysError> {
        let read = |source| SysError::Read { path: path.to_owned(), source };
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|e| read(io::Error::other(e)))?;
        // SAFETY: open_how is plain data for which all zeroes is a valid value.
        let mut how: libc::open_how = unsafe { std::mem::zeroed() };
        how.flags = (flags | libc::O_CLOEXEC) as u64;
        let dir = match &self.base {
            None => libc::AT_FDCWD,
            Some(base) => {
                how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
                base.dir.as_raw_fd()
            }
        };
        // SAFETY: name is a valid C string, how lives across the call and its size is given.
        let fd = unsafe {
            libc::syscall(libc::SYS_openat2, dir, name.as_ptr(), &raw const how, size_of::<libc::open_how>())
        };
        if fd < 0 {
            return Err(read(io::Error::last_os_error()));
        }
        // SAFETY: the kernel has just handed us this descriptor.
        Ok(unsafe { File::from_raw_fd(fd as i32) })
    }
}
