//! The process table: one `PID/stat` per process (proc(5)); command line and user only when asked.

use super::fields::{lines, number, set_text, words};
use super::kept::read_all;
use super::rows::Rows;
use super::users::Users;
use crate::SysError;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;
use std::sync::OnceLock;

/// The longest command line that [`Detail`] carries, in bytes.
pub const COMMAND_LINE_BYTES_MAX: usize = 256;
/// The largest pid that Linux gives out is 2^22; more rows than this are not read.
const PROCESSES_MAX: usize = 200_000;
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
    pids: Vec<u32>,
    users: Users,
}

impl Table {
    /// Of the tree at `root`.
    pub fn open(root: &Path) -> Result<Table, SysError> {
        let path = root.join("proc");
        let proc = File::open(&path).map_err(|source| SysError::Read { path, source })?;
        let users = Users::new(root.join("etc/passwd"));
        Ok(Table { proc, pids: Vec::new(), users })
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
        Ok(states)
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
        // the pid may have been given to another process between the sample and now
        let length = self.read(process.pid, "stat", buffer).ok()?;
        let mut now = Process::default();
        let same = parse(process.pid, &buffer[..length], &mut now) && now.start_ticks == process.start_ticks;
        same.then_some(detail)
    }

    fn read(&self, pid: u32, file: &str, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let mut path = [0_u8; 32]; // ends with a zero byte: 10 digits, a slash and at most 7 letters
        write!(&mut path[..31], "{pid}/{file}")?;
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: the path is a C string that lives across the call.
        let fd = unsafe { libc::openat(self.proc.as_raw_fd(), path.as_ptr().cast(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just handed us this descriptor.
        read_all(&unsafe { File::from_raw_fd(fd) }, buffer)
    }
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

/// The numbers among the names in `/proc`, in order, by getdents64(2): `read_dir` allocates each name.
fn pids(proc: &File, buffer: &mut Vec<u8>, pids: &mut Vec<u32>) -> io::Result<()> {
    const HEAD: usize = 19; // inode 8, offset 8, length 2, type 1, then the name
    pids.clear();
    buffer.resize(buffer.len().max(32 << 10), 0);
    // SAFETY: lseek has no preconditions.
    if unsafe { libc::lseek(proc.as_raw_fd(), 0, libc::SEEK_SET) } < 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        // SAFETY: the kernel writes at most the given length into the buffer.
        let got = unsafe { libc::syscall(libc::SYS_getdents64, proc.as_raw_fd(), buffer.as_mut_ptr(), buffer.len()) };
        let mut left = match usize::try_from(got) {
            Err(_) => return Err(io::Error::last_os_error()),
            Ok(0) => break,
            Ok(length) => &buffer[..length],
        };
        while let Some(entry_length) = left.get(16..18).map(|b| usize::from(u16::from_ne_bytes([b[0], b[1]]))) {
            let Some(entry) = left.get(HEAD..entry_length) else { break };
            let name = entry.split(|&b| b == 0).next().unwrap_or_default();
            pids.extend(number(name).and_then(|n| u32::try_from(n).ok()));
            left = &left[entry_length..];
        }
        if pids.len() > PROCESSES_MAX {
            pids.truncate(PROCESSES_MAX);
            break;
        }
    }
    pids.sort_unstable();
    Ok(())
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
