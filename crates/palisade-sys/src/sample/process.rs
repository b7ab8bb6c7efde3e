//! The process table: one `PID/stat` per process (proc(5)), and `PID/io` of those that have used CPU
//! time since the last reading; command line, user, cgroup and open files only when asked.

use super::cgroup::{self, Place};
use super::fields::{lines, number, set_text, words};
use super::kept::read_all;
use super::rows::Rows;
use super::users::Users;
use crate::SysError;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

/// The longest command line that [`Detail`] carries, in bytes.
pub const COMMAND_LINE_BYTES_MAX: usize = 256;
/// The largest pid that Linux gives out is 2^22; more rows than this are not read.
const PROCESSES_MAX: usize = 200_000;
/// `PID/io` is read of so many processes in one reading of the table.
const IO_READS_MAX: usize = 1_000;
/// Where the kernel does not say how many files a process has open, they are counted up to here.
const OPEN_FILES_COUNTED_MAX: u64 = 10_000;
/// The kernel's own names (`kworker/u16:3-events_unbound`) have up to 64 bytes, others up to 15.
const NAME_BYTES_MAX: usize = 64;

/// What a process is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each name says it
pub enum State {
    Running,
    #[default]
    Sleeping,
    /// Waiting for a disk or the like; cannot be ended.
    Blocked,
    /// Ended, its parent has not asked how.
    Zombie,
    Stopped,
    /// A kernel thread without work.
    Idle,
}

/// One process at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in ticks since the host was: with the pid it names one process for good.
    pub start_ticks: u64,
    /// Its name as the kernel has it; may hold any character.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// CPU time of all its threads, in ticks of 1/100 s.
    pub cpu_ticks: u64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Bytes read from and written to disks, as of the last reading before which it had used CPU time;
    /// absent when it has not been read yet, or must not be.
    pub io_bytes: Option<u64>,
}

/// How many processes are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each name says it
pub struct ProcessStates {
    pub running: u64,
    pub sleeping: u64,
    pub blocked: u64,
    pub zombie: u64,
    pub stopped: u64,
    pub idle: u64,
}

/// What is read of a process that is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// The account it runs as; its number where it has no name.
    pub user: String,
    /// Its arguments, joined by blanks; empty for kernel threads.
    pub command_line: String,
    /// The systemd unit it belongs to: `nginx.service`.
    pub unit: Option<String>,
    /// The container it runs in: the first 12 characters of its id, or its name.
    pub container: Option<String>,
    /// Files it has open; absent when that must not be read.
    pub open_files: Option<u64>,
}

/// A process at the last reading of the table.
#[derive(Debug, Clone, Copy)]
struct Seen {
    pid: u32,
    start_ticks: u64,
    cpu_ticks: u64,
    io_bytes: Option<u64>,
}

/// The size of a page of memory, in which `PID/stat` and `statm` count.
pub fn page_bytes() -> u64 {
    static PAGE: OnceLock<u64> = OnceLock::new();
    // SAFETY: sysconf has no preconditions.
    *PAGE.get_or_init(|| u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096))
}

/// Reads processes below an open `/proc`.
#[derive(Debug)]
pub struct Table {
    proc: File,
    /// False for a tree of plain files, whose directories have sizes of another meaning.
    is_procfs: bool,
    pids: Vec<u32>,
    users: Users,
    /// Whether [`Detail::open_files`] is read.
    pub counts_open_files: bool,
    /// By pid; used again at the next reading.
    seen: Vec<Seen>,
    seen_before: Vec<Seen>,
}

impl Table {
    /// Of the tree at `root`.
    pub fn open(root: &Path) -> Result<Table, SysError> {
        let path = root.join("proc");
        let proc = File::open(&path).map_err(|source| SysError::Read { path, source })?;
        let users = Users::new(root.join("etc/passwd"));
        let is_procfs = is_procfs(&proc);
        Ok(Table {
            proc,
            is_procfs,
            pids: Vec::new(),
            users,
            counts_open_files: true,
            seen: Vec::new(),
            seen_before: Vec::new(),
        })
    }

    /// Every process that is there to the end of its reading, by pid.
    pub fn take(&mut self, buffer: &mut Vec<u8>, into: &mut Rows<Process>) -> io::Result<ProcessStates> {
        pids(&self.proc, buffer, &mut self.pids)?;
        let mut states = ProcessStates::default();
        for &pid in &self.pids {
            let Ok(length) = self.read(pid, "stat", buffer) else { continue }; // ended meanwhile
            let row = into.add();
            if parse(pid, &buffer[..length], row) {
                states.count(row.state);
            } else {
                into.drop_last();
            }
        }
        self.add_io(buffer, into.as_mut_slice());
        Ok(states)
    }

    /// Who has used no CPU time since the last reading has moved next to nothing: what was read then stands.
    fn add_io(&mut self, buffer: &mut Vec<u8>, rows: &mut [Process]) {
        let mut seen = std::mem::replace(&mut self.seen_before, std::mem::take(&mut self.seen));
        seen.clear();
        let mut before = 0;
        let mut reads_left = IO_READS_MAX;
        for row in rows {
            before += self.seen_before[before..].iter().take_while(|old| old.pid < row.pid).count();
            let old = self.seen_before.get(before);
            let old = old.filter(|old| old.pid == row.pid && old.start_ticks == row.start_ticks);
            row.io_bytes = old.and_then(|old| old.io_bytes);
            if old.map_or(0, |old| old.cpu_ticks) != row.cpu_ticks && reads_left > 0 {
                reads_left -= 1;
                row.io_bytes = self.read(row.pid, "io", buffer).ok().and_then(|length| io_bytes(&buffer[..length]));
            }
            let Process { pid, start_ticks, cpu_ticks, io_bytes, .. } = *row;
            seen.push(Seen { pid, start_ticks, cpu_ticks, io_bytes });
        }
        self.seen = seen;
    }

    /// See [`super::Sampler::detail`].
    pub fn detail(&mut self, process: &Process, buffer: &mut Vec<u8>) -> Option<Detail> {
        let mut detail = Detail::default();
        let length = self.read(process.pid, "cmdline", buffer).ok()?;
        let line = buffer[..length.min(COMMAND_LINE_BYTES_MAX + 1)].trim_ascii_end();
        let joined: Vec<u8> = line.iter().map(|&b| if b == 0 { b' ' } else { b }).collect();
        set_text(&mut detail.command_line, joined.trim_ascii_end(), COMMAND_LINE_BYTES_MAX);
        let length = self.read(process.pid, "status", buffer).ok()?;
        let uid = lines(&buffer[..length]).find_map(|l| words(l.strip_prefix(b"Uid:")?).nth(1).and_then(number))?;
        detail.user = self.users.name(uid);
        if let Ok(length) = self.read(process.pid, "cgroup", buffer) {
            let Place { unit, container } = cgroup::place(&buffer[..length]);
            (detail.unit, detail.container) = (unit, container);
        }
        if self.counts_open_files {
            detail.open_files = self.open_files(process.pid, buffer);
        }
        // the pid may have been given to another process between the sample and now
        let length = self.read(process.pid, "stat", buffer).ok()?;
        let mut now = Process::default();
        let same = parse(process.pid, &buffer[..length], &mut now) && now.start_ticks == process.start_ticks;
        same.then_some(detail)
    }

    fn read(&self, pid: u32, file: &str, buffer: &mut Vec<u8>) -> io::Result<usize> {
        read_all(&File::from(self.open_at(pid, file, 0)?), buffer)
    }

    fn open_at(&self, pid: u32, file: &str, flags: i32) -> io::Result<OwnedFd> {
        let path = path(pid, file)?;
        // SAFETY: the path is a C string that lives across the call.
        let fd = unsafe {
            libc::openat(self.proc.as_raw_fd(), path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC | flags)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just handed us this descriptor.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Since Linux 6.2 the size of `PID/fd` is the number of files; before, it is 0 and they are counted.
    fn open_files(&self, pid: u32, buffer: &mut Vec<u8>) -> Option<u64> {
        let path = path(pid, "fd").ok()?;
        // SAFETY: stat is plain data for which all zeroes is a valid value.
        let mut answer: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the path is a C string and the kernel fills a stat that we own.
        if unsafe { libc::fstatat(self.proc.as_raw_fd(), path.as_ptr().cast(), &raw mut answer, 0) } != 0 {
            return None;
        }
        if self.is_procfs && answer.st_size > 0 {
            return u64::try_from(answer.st_size).ok();
        }
        let directory = File::from(self.open_at(pid, "fd", libc::O_DIRECTORY).ok()?);
        let mut count = 0;
        names(&directory, buffer, &mut |name| {
            count += u64::from(number(name).is_some());
            count < OPEN_FILES_COUNTED_MAX
        })
        .ok()?;
        Some(count)
    }
}

fn is_procfs(directory: &File) -> bool {
    // SAFETY: statfs is plain data for which all zeroes is a valid value.
    let mut answer: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a statfs that we own.
    let failed = unsafe { libc::fstatfs(directory.as_raw_fd(), &raw mut answer) } != 0;
    !failed && answer.f_type == libc::PROC_SUPER_MAGIC
}

/// Ends with a zero byte: 10 digits, a slash and at most 7 letters.
fn path(pid: u32, file: &str) -> io::Result<[u8; 32]> {
    let mut path = [0; 32];
    write!(&mut path[..31], "{pid}/{file}")?;
    Ok(path)
}

/// `read_bytes` and `write_bytes` of `PID/io`: what went through the disks, not through caches.
fn io_bytes(text: &[u8]) -> Option<u64> {
    let value = |name: &[u8]| lines(text).find_map(|l| l.strip_prefix(name)).and_then(|v| number(v.trim_ascii()));
    Some(value(b"read_bytes:")?.saturating_add(value(b"write_bytes:")?))
}

impl ProcessStates {
    fn count(&mut self, state: State) {
        *match state {
            State::Running => &mut self.running,
            State::Sleeping => &mut self.sleeping,
            State::Blocked => &mut self.blocked,
            State::Zombie => &mut self.zombie,
            State::Stopped => &mut self.stopped,
            State::Idle => &mut self.idle,
        } += 1;
    }
}

/// The numbers among the names in `/proc`, in order.
fn pids(proc: &File, buffer: &mut Vec<u8>, pids: &mut Vec<u32>) -> io::Result<()> {
    pids.clear();
    names(proc, buffer, &mut |name| {
        pids.extend(number(name).and_then(|n| u32::try_from(n).ok()));
        pids.len() < PROCESSES_MAX
    })?;
    pids.sort_unstable();
    Ok(())
}

/// The names in a directory until `each` says no, by getdents64(2): `read_dir` allocates each name.
fn names(directory: &File, buffer: &mut Vec<u8>, each: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
    const HEAD: usize = 19; // inode 8, offset 8, length 2, type 1, then the name
    buffer.resize(buffer.len().max(32 << 10), 0);
    let fd = directory.as_raw_fd();
    // SAFETY: lseek has no preconditions.
    if unsafe { libc::lseek(fd, 0, libc::SEEK_SET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        // SAFETY: the kernel writes at most the given length into the buffer.
        let got = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len()) };
        let mut left = match usize::try_from(got) {
            Err(_) => return Err(io::Error::last_os_error()),
            Ok(0) => return Ok(()),
            Ok(length) => &buffer[..length],
        };
        while let Some(entry_length) = left.get(16..18).map(|b| usize::from(u16::from_ne_bytes([b[0], b[1]]))) {
            let Some(entry) = left.get(HEAD..entry_length) else { break };
            if !each(entry.split(|&b| b == 0).next().unwrap_or_default()) {
                return Ok(());
            }
            left = &left[entry_length..];
        }
    }
}

/// The name is in parentheses and may itself hold `)` and line ends: the last `)` ends it.
fn parse(pid: u32, stat: &[u8], into: &mut Process) -> bool {
    let (Some(open), Some(close)) = (stat.iter().position(|&b| b == b'('), stat.iter().rposition(|&b| b == b')'))
    else {
        return false;
    };
    if open >= close {
        return false;
    }
    let mut n = [0_u64; 25]; // by the numbers of proc(5)
    let mut state = None;
    for (field, word) in (3..25).zip(words(&stat[close + 1..])) {
        match field {
            3 => state = state_of(word),
            14 | 15 | 20 | 22 | 24 => match number(word) {
                Some(value) => n[field] = value,
                None => return false,
            },
            _ => {}
        }
    }
    let Some(state) = state.filter(|_| n[20] > 0 || n[22] > 0) else { return false };
    set_text(&mut into.name, &stat[open + 1..close], NAME_BYTES_MAX);
    (into.pid, into.state, into.start_ticks, into.threads) = (pid, state, n[22], n[20]);
    into.cpu_ticks = n[14].saturating_add(n[15]);
    into.rss_bytes = n[24].saturating_mul(page_bytes());
    true
}

fn state_of(word: &[u8]) -> Option<State> {
    Some(match word.first()? {
        b'R' => State::Running,
        b'S' => State::Sleeping,
        b'D' => State::Blocked,
        b'Z' | b'X' => State::Zombie,
        b'T' | b't' => State::Stopped,
        b'I' => State::Idle,
        _ => State::Sleeping, // states that came and went with old kernels (K, W, P)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses_and_line_ends() {
        let stat = b"7 (a) R\n) Z 1 1 1 0 -1 4 0 0 0 0 5 6 0 0 20 0 3 0 99 4096 2 0 0";
        let mut process = Process::default();
        assert!(parse(7, stat, &mut process));
        assert_eq!((process.name.as_str(), process.state, process.cpu_ticks), ("a) R\n", State::Zombie, 11));
        assert_eq!((process.threads, process.start_ticks, process.rss_bytes), (3, 99, 2 * page_bytes()));
    }

    #[test]
    fn cut_and_reversed_lines_are_no_processes() {
        for stat in ["", "7", "7 )(", "7 (a)", "7 (a) S 1 1", "7 (a) S 1 1 1 0 -1 4 0 0 0 0 x 6 0 0 20 0 1 0 9 1 1"] {
            assert!(!parse(7, stat.as_bytes(), &mut Process::default()), "{stat}");
        }
    }
}
