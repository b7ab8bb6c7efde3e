//! What can go wrong when the operating system is touched.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// A failed touch of the operating system; the variant says what we were doing.
#[derive(Debug, Error)]
pub enum SysError {
    /// A file or directory could not be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// As asked for, inside the root.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is larger than the limit for its kind.
    #[error("`{}` is larger than {bytes_max} bytes", path.display())]
    TooLarge {
        /// As asked for, inside the root.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// A file could not be written.
    #[error("writing `{}`", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A program could not be run or ended badly.
    #[error("running `{program}`: {message}")]
    Run {
        /// The program.
        program: &'static str,
        /// Its exit status and the first line of its standard error, escaped.
        message: String,
    },
    /// The kernel refused a request.
    #[error("{doing}")]
    Kernel {
        /// What we were doing, as a phrase: `listing nftables sets`.
        doing: String,
        /// The cause.
        source: io::Error,
    },
    /// Something was read that makes no sense.
    #[error("{what}: {message}")]
    Malformed {
        /// What was read.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// Only possible on the live system, not in a scratch root.
    #[error("`{0}` exists only on a running system, not in a scratch root")]
    NotLive(&'static str),
}

impl SysError {
    /// True when the thing simply is not there.
    pub fn is_not_found(&self) -> bool {
        self.io().is_some_and(|e| e.kind() == io::ErrorKind::NotFound)
    }

    /// True when rights are missing.
    pub fn is_denied(&self) -> bool {
        self.io().is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
    }

    /// True when the kernel had to throw messages away because nobody took them.
    pub fn is_overrun(&self) -> bool {
        self.io().and_then(io::Error::raw_os_error) == Some(libc::ENOBUFS)
    }

    fn io(&self) -> Option<&io::Error> {
        match self {
            SysError::Read { source, .. } | SysError::Write { source, .. } | SysError::Kernel { source, .. } => {
                Some(source)
            }
            _ => None,
        }
    }
}
