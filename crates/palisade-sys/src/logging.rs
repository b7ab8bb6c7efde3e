//! How a host keeps its logs: journald(8), syslog daemons, logrotate(8), and where else they go.

pub mod journald;
pub mod rotation;
pub mod syslog;

use crate::{Root, SysError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Most bytes of one configuration file, and most files of one directory.
const FILE_BYTES_MAX: u64 = 1 << 20;
const FILES_MAX: usize = 500;
/// Logs of sign-ins: Debian's, Red Hat's, and failed sign-ins (names typed there may be passwords).
const AUTH_LOGS: [&str; 3] = ["/var/log/auth.log", "/var/log/secure", "/var/log/btmp"];

/// A log and who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it lies.
    pub path: String,
    /// Its permission bits, such as 0o640.
    pub mode: u32,
}

/// The logs of sign-ins and their rotated copies.
pub fn auth_logs(root: &Root) -> Result<Vec<LogFile>, SysError> {
    let mut paths: Vec<String> = AUTH_LOGS.iter().map(|p| (*p).to_owned()).collect();
    for name in root.names("/var/log")?.iter().filter_map(|n| n.to_str()) {
        let path = format!("/var/log/{name}");
        if AUTH_LOGS.iter().any(|log| path.strip_prefix(log).is_some_and(|rest| rest.starts_with(['.', '-']))) {
            paths.push(path);
        }
    }
    let file = |path: String| {
        let metadata = root.metadata(&path).ok().filter(|m| m.is_file())?;
        Some(LogFile { path, mode: metadata.mode() & 0o7777 })
    };
    Ok(paths.into_iter().take(FILES_MAX).filter_map(file).collect())
}

/// The texts of a file and of the files of directories with one of the extensions, in the order of
/// their names; a missing one is left out, one that cannot be read is named in `unread`.
fn texts(
    root: &Root,
    file: &str,
    dirs: &[&str],
    extension: Option<&str>,
    unread: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut paths = vec![PathBuf::from(file)];
    for dir in dirs {
        let names = root.names(dir).unwrap_or_default();
        let files = names.into_iter().map(|name| Path::new(dir).join(name));
        paths.extend(files.filter(|p| extension.is_none_or(|e| p.extension().is_some_and(|x| x == e))).take(FILES_MAX));
    }
    let mut out = Vec::new();
    for path in paths {
        match root.read_up_to(&path, FILE_BYTES_MAX) {
            Ok(bytes) => out.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.is_not_found() => {}
            Err(_) => unread.push(path.display().to_string()),
        }
    }
    out
}
