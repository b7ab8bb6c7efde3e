//! How full file systems are, asked on a thread of its own: a file system whose server is gone
//! holds whoever asks for ever (statvfs(2) cannot be interrupted), and must not hold the sample.

use std::ffi::{CStr, CString};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

/// How long a sample waits for the file systems.
pub const ANSWER_LIMIT: Duration = Duration::from_millis(250);

/// How full a file system is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total_bytes: u64,
    /// Not in use.
    pub free_bytes: u64,
    /// Not in use, and not reserved for root.
    pub available_bytes: u64,
    /// How many files it can have; 0 where there is no limit (btrfs).
    pub inodes: u64,
    /// How many more it can have.
    pub inodes_free: u64,
}

/// Asks one mount point.
pub type Statvfs = fn(&CStr) -> io::Result<Space>;

/// statvfs(3).
pub fn statvfs(path: &CStr) -> io::Result<Space> {
    // SAFETY: statvfs is plain data for which all zeroes is a valid value.
    let mut answer: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path is a C string and the kernel fills a statvfs that we own.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut answer) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let bytes = |blocks: u64| blocks.saturating_mul(answer.f_frsize);
    Ok(Space {
        total_bytes: bytes(answer.f_blocks),
        free_bytes: bytes(answer.f_bfree),
        available_bytes: bytes(answer.f_bavail),
        inodes: answer.f_files,
        inodes_free: answer.f_ffree,
    })
}

/// What travels to the thread and back, so that nothing is copied.
#[derive(Debug, Default)]
struct Job {
    paths: Vec<(String, CString)>,
    spaces: Vec<Option<Space>>,
}

struct Thread {
    ask: SyncSender<Job>,
    answer: Receiver<Job>,
    /// The index of the path that is being asked.
    at: Arc<AtomicUsize>,
}

/// Asks a list of mount points, again and again, never waiting longer than [`ANSWER_LIMIT`].
pub struct Worker {
    statvfs: Statvfs,
    thread: Option<Thread>,
    points: Vec<String>,
    new_paths: Option<Vec<(String, CString)>>,
    job: Option<Job>,
    /// It did not answer in time, and has not since: it is not waited for again.
    silent: bool,
}

impl Worker {
    /// No thread is started before there is something to ask.
    pub fn new(statvfs: Statvfs) -> Worker {
        Worker { statvfs, thread: None, points: Vec::new(), new_paths: None, job: Some(Job::default()), silent: false }
    }

    /// Replaces what is asked: pairs of mount point and path.
    pub fn set_paths(&mut self, paths: Vec<(String, CString)>) {
        self.points = paths.iter().map(|(point, _)| point.clone()).collect();
        self.new_paths = Some(paths);
    }

    /// Hands the question over, unless the thread is still busy with one from before.
    pub fn ask(&mut self) {
        self.collect(Duration::ZERO);
        let Some(mut job) = self.job.take() else { return };
        if let Some(paths) = self.new_paths.take() {
            job.paths = paths;
        }
        job.spaces.clear();
        if job.paths.is_empty() {
            self.job = Some(job);
            return;
        }
        let statvfs = self.statvfs;
        let thread = self.thread.get_or_insert_with(|| start(statvfs));
        if let Err(error) = thread.ask.send(job) {
            self.job = Some(error.0);
            self.thread = None; // could not be started; tried again next time
        }
    }

    /// Waits for the answer; the mount point that is silent when the time is up.
    pub fn wait(&mut self) -> Option<String> {
        self.collect(if self.silent { Duration::ZERO } else { ANSWER_LIMIT });
        self.silent = self.job.is_none();
        if !self.silent {
            return None;
        }
        let at = self.thread.as_ref().map_or(0, |thread| thread.at.load(Ordering::Relaxed));
        Some(self.points.get(at).cloned().unwrap_or_else(|| "an earlier mount".to_owned()))
    }

    /// What the last answer, if there is one, says about a mount point.
    pub fn space(&self, point: &str) -> Option<Space> {
        let job = self.job.as_ref()?;
        let at = job.paths.iter().position(|(p, _)| p == point)?;
        job.spaces.get(at).copied().flatten()
    }

    fn collect(&mut self, limit: Duration) {
        let (None, Some(thread)) = (&self.job, &self.thread) else { return };
        let answer = if limit.is_zero() {
            thread.answer.try_recv().map_err(|e| e == TryRecvError::Disconnected)
        } else {
            thread.answer.recv_timeout(limit).map_err(|e| e == RecvTimeoutError::Disconnected)
        };
        match answer {
            Ok(job) => self.job = Some(job),
            Err(true) => (self.thread, self.job) = (None, Some(Job::default())), // it has panicked
            Err(false) => {}
        }
    }
}

fn start(statvfs: Statvfs) -> Thread {
    let (ask, asked) = sync_channel::<Job>(1);
    let (answered, answer) = sync_channel::<Job>(1);
    let at = Arc::new(AtomicUsize::new(0));
    let index = Arc::clone(&at);
    let run = move || {
        while let Ok(mut job) = asked.recv() {
            for (n, (_, path)) in job.paths.iter().enumerate() {
                index.store(n, Ordering::Relaxed);
                job.spaces.push(statvfs(path).ok());
            }
            if answered.send(job).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("file-systems".to_owned()).spawn(run) {
        tracing::warn!(error = error.to_string(), "cannot ask file systems: no thread");
    }
    Thread { ask, answer, at }
}
