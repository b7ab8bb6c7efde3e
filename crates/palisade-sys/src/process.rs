//! The processes of the running system, from `/proc` (proc(5)).
//!
//! Each process is read through one descriptor of its `/proc` directory, so that a pid that is
//! used again in between can never mix two processes. One that ends while it is read, or that
//! `hidepid` keeps from us, is left out.

use crate::{Root, SysError};
use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstatat, stat};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// More processes than this are not listed; the kernel's default `pid_max` is 32,768 or 4,194,304.
pub const PROCESSES_MAX: usize = 100_000;
/// The longest command line that is kept, in bytes.
pub const CMDLINE_BYTES_MAX: usize = 4_096;
/// `stat`, `status` and `cgroup` are far smaller; a cgroup path has at most 4,096 bytes per hierarchy.
const PROC_FILE_BYTES_MAX: u64 = 64 << 10;
/// PF_KTHREAD of include/linux/sched.h: a thread of the kernel itself.
const PF_KTHREAD: u64 = 0x0020_0000;
const DELETED: &str = " (deleted)";

/// One process. `name`, `cmdline` and `exe` are chosen by the process: hostile text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id; 0 for the first one.
    pub ppid: u32,
    /// Its `comm`: at most 15 bytes (63 for kernel threads).
    pub name: String,
    /// The effective user id.
    pub uid: u32,
    /// The user's name in `/etc/passwd`; `None` if it is not there.
    pub user: Option<String>,
    /// Its arguments joined by spaces, at most [`CMDLINE_BYTES_MAX`]; empty for kernel threads.
    pub cmdline: String,
    /// The file that it runs, without ` (deleted)`; `None` for kernel threads or without rights.
    pub exe: Option<PathBuf>,
    /// True when we lack the rights to see `exe`.
    pub exe_denied: bool,
    /// True when that file has been removed or replaced since.
    pub exe_deleted: bool,
    /// When it was started, to 10 ms; the same at every look unless the clock is set.
    pub started_at: Timestamp,
    /// Memory that it occupies, in bytes.
    pub rss_bytes: u64,
    /// R running, S sleeping, D waiting for a disk, Z ended and not waited for, ….
    pub state: char,
    /// The systemd unit: the last `*.service` or `*.scope` of its control group.
    pub unit: Option<String>,
    /// True for a thread of the kernel.
    pub kernel_thread: bool,
    /// True when its root directory is not ours (a container, a chroot): `exe` is a path there.
    pub foreign_root: bool,
}

/// All processes of the running system, by pid.
pub fn processes() -> Result<Vec<Process>, SysError> {
    let reader = Reader::new()?;
    Ok(pids()?.into_iter().filter_map(|pid| reader.process(pid)).collect())
}

/// The pids of the running system, ascending, at most [`PROCESSES_MAX`].
pub fn pids() -> Result<Vec<u32>, SysError> {
    let path = PathBuf::from("/proc");
    let entries = std::fs::read_dir(&path).map_err(|source| SysError::Read { path, source })?;
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).take(PROCESSES_MAX).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Reads single processes; what they share (users, boot time) is read once.
#[derive(Debug)]
pub struct Reader {
    users: HashMap<u32, String>,
    booted_s: i64,
    ticks_per_s: i64,
    page_bytes: u64,
    root: Option<(u64, u64)>,
}

impl Reader {
    /// Reads what all processes share.
    pub fn new() -> Result<Reader, SysError> {
        let live = Root::live();
        let booted_s = boot_time(&live.text("/proc/stat")?).ok_or_else(|| SysError::Malformed {
            what: "`/proc/stat`".to_owned(),
            message: "has no `btime`".to_owned(),
        })?;
        let users = live.text_if_exists("/etc/passwd").ok().flatten().map(|text| users(&text)).unwrap_or_default();
        // SAFETY: sysconf only returns numbers.
        let (ticks, page) = unsafe { (libc::sysconf(libc::_SC_CLK_TCK), libc::sysconf(libc::_SC_PAGESIZE)) };
        let root = stat("/").ok().map(|s| (s.st_dev, s.st_ino));
        Ok(Reader { users, booted_s, ticks_per_s: ticks.max(1), page_bytes: page.max(1) as u64, root })
    }

    /// The process with this pid; `None` if it has ended or may not be read.
    pub fn process(&self, pid: u32) -> Option<Process> {
        let dir = Dir::open(pid)?;
        let stat = Stat::parse(&dir.bytes("stat", PROC_FILE_BYTES_MAX)?)?;
        let mut process = Process {
            pid,
            ppid: stat.ppid,
            name: stat.name,
            uid: 0,
            user: None,
            cmdline: String::new(),
            exe: None,
            exe_denied: false,
            exe_deleted: false,
            started_at: self.moment(stat.start_ticks),
            rss_bytes: stat.rss_pages.saturating_mul(self.page_bytes),
            state: stat.state,
            unit: None,
            kernel_thread: stat.flags & PF_KTHREAD != 0,
            foreign_root: false,
        };
        if !process.kernel_thread {
            process.uid = effective_uid(&dir.bytes("status", PROC_FILE_BYTES_MAX)?)?;
            process.cmdline = cmdline(&dir.bytes("cmdline", CMDLINE_BYTES_MAX as u64)?);
            process.unit =
                unit(&String::from_utf8_lossy(&dir.bytes("cgroup", PROC_FILE_BYTES_MAX).unwrap_or_default()));
            match dir.exe() {
                Ok((path, deleted)) => (process.exe, process.exe_deleted) = (Some(path), deleted),
                Err(error) => process.exe_denied = matches!(error, Errno::EACCES | Errno::EPERM),
            }
            process.foreign_root = dir.identity("root").is_some_and(|root| Some(root) != self.root);
        }
        process.user = self.users.get(&process.uid).cloned();
        Some(process)
    }

    fn moment(&self, ticks: u64) -> Timestamp {
        let ms = i64::try_from(ticks).unwrap_or(i64::MAX).saturating_mul(1000 / self.ticks_per_s.min(1000));
        Timestamp::from_millisecond(self.booted_s.saturating_mul(1000).saturating_add(ms)).unwrap_or_default()
    }
}

/// A process's directory in `/proc`.
struct Dir(OwnedFd);

impl Dir {
    fn open(pid: u32) -> Option<Dir> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
        nix::fcntl::open(format!("/proc/{pid}").as_str(), flags, Mode::empty()).ok().map(Dir)
    }

    /// The first `bytes_max` bytes of a file in it.
    fn bytes(&self, name: &str, bytes_max: u64) -> Option<Vec<u8>> {
        let fd = openat(self.0.as_fd(), name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        File::from(fd).take(bytes_max).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Device and inode of what a magic link leads to.
    fn identity(&self, name: &str) -> Option<(u64, u64)> {
        fstatat(self.0.as_fd(), name, AtFlags::empty()).ok().map(|s| (s.st_dev, s.st_ino))
    }

    /// The kernel marks a removed file by a suffix; a living file may be named so as well, and is
    /// told apart by its inode.
    fn exe(&self) -> Result<(PathBuf, bool), Errno> {
        let link = readlinkat(self.0.as_fd(), "exe")?;
        let text = link.to_string_lossy();
        let Some(path) = text.strip_suffix(DELETED) else { return Ok((link.into(), false)) };
        let named_so = stat(Path::new(&link)).ok().map(|s| (s.st_dev, s.st_ino));
        if named_so.is_some() && named_so == self.identity("exe") {
            return Ok((link.into(), false));
        }
        Ok((PathBuf::from(path), true))
    }
}

/// What Palisade needs of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    state: char,
    ppid: u32,
    flags: u64,
    start_ticks: u64,
    rss_pages: u64,
}

impl Stat {
    /// The name stands between the first `(` and the *last* `)`, since it may hold both.
    fn parse(bytes: &[u8]) -> Option<Stat> {
        let text = String::from_utf8_lossy(bytes);
        let (open, close) = (text.find('(')?, text.rfind(')')?);
        let name = text.get(open + 1..close)?.to_owned();
        let rest: Vec<&str> = text.get(close + 1..)?.split_ascii_whitespace().collect();
        // rest[0] is field 3 of proc_pid_stat(5)
        let number = |field: usize| rest.get(field - 3).and_then(|v| v.parse::<u64>().ok());
        Some(Stat {
            name,
            state: rest.first()?.chars().next()?,
            ppid: number(4)?.try_into().ok()?,
            flags: number(9)?,
            start_ticks: number(22)?,
            rss_pages: number(24).unwrap_or(0),
        })
    }
}

/// The second number of `Uid:`.
fn effective_uid(status: &[u8]) -> Option<u32> {
    // the name, which is hostile, comes before it on a line of its own with newlines escaped
    let text = String::from_utf8_lossy(status);
    text.lines().find_map(|l| l.strip_prefix("Uid:"))?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn cmdline(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    let joined: Vec<u8> = bytes[..end].iter().map(|&b| if b == 0 { b' ' } else { b }).collect();
    let mut text = String::from_utf8_lossy(&joined).into_owned();
    while text.len() > CMDLINE_BYTES_MAX {
        text.pop(); // replacement characters are longer than what they replace
    }
    text
}

/// The unit of a `/proc/PID/cgroup`: systemd's own hierarchy decides, the unified or `name=systemd`.
fn unit(cgroup: &str) -> Option<String> {
    let of = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let systemds = controllers.is_empty() || controllers == "name=systemd";
        let is_unit = |name: &&str| name.ends_with(".service") || name.ends_with(".scope");
        systemds.then(|| path.rsplit('/').find(is_unit).map(str::to_owned)).flatten()
    };
    cgroup.lines().find_map(of)
}

fn boot_time(stat: &str) -> Option<i64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// User names by id; of several names with one id the first one counts, as for getpwuid(3).
fn users(passwd: &str) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(|v| v.parse().ok())) {
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

#[cfg(test)]
mod tests;
