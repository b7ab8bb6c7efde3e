//! A child process that can be killed at any moment.

use crate::{differ, id, is_isolated};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// A copy of this process that runs one function. Killed when dropped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    ended: bool,
}

impl Child {
    /// Forks; the child runs `work` in this thread's namespaces and exits with 0, or with 101 if it
    /// panicked. Only the calling thread lives on in the child: `work` must not wait for another.
    ///
    /// # Panics
    /// Outside a namespace of the test's own, or when the process cannot fork.
    pub fn start(work: impl FnOnce()) -> Child {
        assert!(is_isolated(), "children are started in namespaces of the test's own only");
        // SAFETY: the child runs on the only thread that it has; glibc makes its allocator usable
        // after a fork of a process with threads.
        match unsafe { fork() }.expect("forking") {
            ForkResult::Parent { child } => Child { pid: child, ended: false },
            ForkResult::Child => {
                let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                // SAFETY: ends the child at once, without the parent's exit handlers.
                unsafe { libc::_exit(if worked.is_ok() { 0 } else { 101 }) }
            }
        }
    }

    /// As [`Child::start`], in a new process id namespace, of which the child is the first process:
    /// when it ends, all that it started is killed. `Err` is why the test has to be skipped.
    ///
    /// # Panics
    /// As [`Child::start`]. The child ends with 101 before it does anything when its namespace
    /// cannot be read or is still the one of before.
    pub fn start_in_pid_namespace(work: impl FnOnce() + Send) -> Result<Child, String> {
        let before = id("pid");
        assert!(!before.is_empty(), "the id of the pid namespace cannot be read; refusing to go on");
        let guarded = || {
            assert!(differ(&before, &id("pid")), "still in the pid namespace of before; refusing to go on");
            work();
        };
        // on a thread of its own: a thread that has left for a pid namespace can start no others
        let forked = std::thread::scope(|scope| {
            let thread = scope.spawn(|| unshare(CloneFlags::CLONE_NEWPID).map(|()| Child::start(guarded)));
            thread.join().expect("the thread that forks panicked")
        });
        forked.map_err(|e| format!("this kernel makes no pid namespaces here: {e}"))
    }

    /// Kills it with SIGKILL, wherever it is, and waits until it is gone. True if it had not ended
    /// by itself before.
    pub fn kill(mut self) -> bool {
        self.end()
    }

    /// Waits for its end; true if it ended well.
    pub fn wait(mut self) -> bool {
        self.ended = true;
        matches!(waitpid(self.pid, None), Ok(WaitStatus::Exited(_, 0)))
    }

    fn end(&mut self) -> bool {
        self.ended = true;
        let _ = kill(self.pid, Signal::SIGKILL);
        matches!(waitpid(self.pid, None), Ok(WaitStatus::Signaled(..)))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
        }
    }
}
