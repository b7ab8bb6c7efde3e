//! Single files of single processes, read through one open `/proc` into one buffer: who a process is,
//! what it has read and written, how many files it has open (proc(5)).
//!
//! All of it is asked only of the few processes that somebody wants to know more of; the table of all
//! of them is [`crate::sample`]'s.

use crate::SysError;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The longest command line that is kept, in bytes.
pub const COMMAND_BYTES_MAX: usize = 256;
/// `status`, `cgroup` and `io` are far smaller.
const FILE_BYTES_MAX: u64 = 16 << 10;
const PASSWD_BYTES_MAX: u64 = 4 << 20;
/// Entries of `fd` that are counted one by one, where the kernel does not say how many there are.
const FILES_COUNTED_MAX: usize = 10_000;
/// As many characters of a container's id are shown as its own tools show.
const CONTAINER_CHARS: usize = 12;
/// An id of a container is a SHA-256, or at least looks like one.
const CONTAINER_ID_CHARS: usize = 64;

/// Who a process is. All of it is chosen by the host's programs: hostile text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The account that it runs as; its number where it has no name.
    pub user: String,
    /// Its arguments, joined by blanks; empty for threads of the kernel.
    pub command: String,
    /// The systemd unit: the last `*.service` or `*.scope` of its control group.
    pub unit: Option<String>,
    /// The container: the beginning of the id in its control group.
    pub container: Option<String>,
}

/// What a process has moved from and to disks since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written, also those that are not on the disk yet.
    pub written_bytes: u64,
}

/// Reads files of processes. Belongs to one thread.
#[derive(Debug)]
pub struct ProcessFiles {
    proc: File,
    path: PathBuf,
    buffer: Vec<u8>,
    passwd: PathBuf,
    modified: (i64, i64),
    users: Vec<(u32, String)>,
}

impl ProcessFiles {
    /// Of the tree that has `proc` and `etc/passwd` in it.
    pub fn at(root: &Path) -> Result<ProcessFiles, SysError> {
        let path = root.join("proc");
        let proc = File::open(&path).map_err(|source| SysError::Read { path: path.clone(), source })?;
        let passwd = root.join("etc/passwd");
        Ok(ProcessFiles { proc, path, buffer: Vec::new(), passwd, modified: (0, 0), users: Vec::new() })
    }

    /// Looks whether accounts have changed. To be called once before many [`ProcessFiles::identity`].
    pub fn refresh(&mut self) {
        let modified = std::fs::metadata(&self.passwd).map_or((0, 0), |m| (m.mtime(), m.mtime_nsec()));
        if modified != self.modified {
            self.modified = modified;
            let mut text = Vec::new();
            let read = File::open(&self.passwd).and_then(|file| file.take(PASSWD_BYTES_MAX).read_to_end(&mut text));
            self.users = read.map(|_| users(&String::from_utf8_lossy(&text))).unwrap_or_default();
        }
    }

    /// Who the process is; `None` when it has ended, or is not the one that was started at
    /// `start_ticks` any more.
    pub fn identity(&mut self, pid: u32, start_ticks: u64) -> Option<Identity> {
        let uid = effective_uid(self.read(pid, "status")?)?;
        let command = command(self.read(pid, "cmdline")?);
        let (unit, container) = match self.read(pid, "cgroup") {
            Some(text) => groups(&String::from_utf8_lossy(text)),
            None => (None, None),
        };
        (started(self.read(pid, "stat")?)? == start_ticks).then_some(())?;
        let named = self.users.iter().find(|(id, _)| *id == uid);
        let user = named.map_or_else(|| uid.to_string(), |(_, name)| name.clone());
        Some(Identity { user, command, unit, container })
    }

    /// What it has read and written; `None` without the right to know.
    pub fn moved(&mut self, pid: u32) -> Option<Moved> {
        let text = String::from_utf8_lossy(self.read(pid, "io")?);
        let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok();
        Some(Moved { read_bytes: of("read_bytes:")?, written_bytes: of("write_bytes:")? })
    }

    /// How many files it has open. New kernels say so in the size of the directory, for one call.
    pub fn open_files(&self, pid: u32) -> Option<u64> {
        let path = format!("{pid}/fd");
        let size = fstatat(self.proc.as_fd(), path.as_str(), AtFlags::empty()).ok()?.st_size;
        if size > 0 {
            return u64::try_from(size).ok();
        }
        let entries = std::fs::read_dir(self.path.join(path)).ok()?;
        Some(entries.take(FILES_COUNTED_MAX).count() as u64)
    }

    fn read(&mut self, pid: u32, name: &str) -> Option<&[u8]> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let opened: Result<_, Errno> =
            openat(self.proc.as_fd(), format!("{pid}/{name}").as_str(), flags, Mode::empty());
        self.buffer.clear();
        File::from(opened.ok()?).take(FILE_BYTES_MAX).read_to_end(&mut self.buffer).ok()?;
        Some(&self.buffer)
    }
}

/// Field 22 of `stat`: when it was started. The name before it may hold anything, also `)`.
fn started(stat: &[u8]) -> Option<u64> {
    let close = stat.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The second number of `Uid:`; the name, which is hostile, stands on a line before it with its line
/// ends escaped.
fn effective_uid(status: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(status);
    text.lines().find_map(|l| l.strip_prefix("Uid:"))?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn command(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(COMMAND_BYTES_MAX)];
    let joined: Vec<u8> = cut.iter().map(|&b| if b == 0 { b' ' } else { b }).collect();
    let mut text = String::from_utf8_lossy(joined.trim_ascii_end()).into_owned();
    while text.len() > COMMAND_BYTES_MAX {
        text.pop(); // a replacement character is longer than what it replaces
    }
    text
}

/// Unit and container of a `cgroup` file. systemd's own hierarchy decides about the unit.
fn groups(text: &str) -> (Option<String>, Option<String>) {
    let (mut unit, mut container) = (None, None);
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let is_unit = |name: &&str| name.ends_with(".service") || name.ends_with(".scope");
        if unit.is_none() && (controllers.is_empty() || controllers == "name=systemd") {
            unit = path.rsplit('/').find(is_unit).map(str::to_owned);
        }
        container = container.or_else(|| path.rsplit('/').find_map(container_id));
    }
    (unit, container)
}

/// `docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>.scope`, or the id alone.
fn container_id(name: &str) -> Option<String> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let id = name.rsplit('-').next()?;
    let is_id = id.len() == CONTAINER_ID_CHARS && id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| id[..CONTAINER_CHARS].to_owned())
}

/// Of several names with one id the first one counts, as for getpwuid(3).
fn users(passwd: &str) -> Vec<(u32, String)> {
    let mut users: Vec<(u32, String)> = Vec::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(|v| v.parse().ok()))
            && users.iter().all(|(id, _)| *id != uid)
        {
            users.push((uid, name.chars().take(32).collect()));
        }
    }
    users
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_process_is_itself_and_has_files_open() {
        let mut files = ProcessFiles::at(Path::new("/")).unwrap();
        files.refresh();
        let pid = std::process::id();
        let start = started(&std::fs::read("/proc/self/stat").unwrap()).unwrap();
        let identity = files.identity(pid, start).unwrap();
        assert!(identity.command.contains("palisade_sys") && !identity.user.is_empty(), "{identity:?}");
        assert_eq!(files.identity(pid, start + 1), None, "another process of the same number");
        let listed = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        let counted = files.open_files(pid).unwrap();
        assert!(counted.abs_diff(listed) <= 1, "{counted} is not {listed}");
    }

    #[test]
    fn units_and_containers_are_told_from_control_groups_of_both_versions() {
        let id = "0123456789abcdef".repeat(4);
        let of = |text: String| groups(&text);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("0::/system.slice/nginx.service\n".to_owned()), (some("nginx.service"), None));
        assert_eq!(
            of(format!("0::/system.slice/docker-{id}.scope\n")),
            (some(&format!("docker-{id}.scope")), some("0123456789ab"))
        );
        let v1 = format!("4:memory:/docker/{id}\n1:name=systemd:/system.slice/containerd.service\n0::/\n");
        assert_eq!(of(v1), (some("containerd.service"), some("0123456789ab")));
        assert_eq!(of("nonsense\n:\n0::\n".to_owned()), (None, None));
    }

    #[test]
    fn hostile_command_lines_are_cut_and_stay_text() {
        let long = [b"\xff".repeat(300), b"x".to_vec()].concat();
        let text = command(&long);
        assert!(text.len() <= COMMAND_BYTES_MAX && text.starts_with('\u{fffd}'), "{}", text.len());
        assert_eq!(command(b"nginx: worker\0-c\0/etc/nginx.conf\0"), "nginx: worker -c /etc/nginx.conf");
    }
}
