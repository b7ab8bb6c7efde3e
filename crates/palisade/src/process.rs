//! What every running role needs of its process: a directory of its own, and to know when to end.

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// Makes the directory, private to its owner, and takes the lock that keeps a second `role` out
/// for as long as the result lives.
pub fn claim(dir: &Path, role: &str) -> Result<Flock<File>> {
    std::fs::create_dir_all(dir).with_context(|| format!("making `{}`", dir.display()))?;
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))
        .with_context(|| format!("making `{}` private", dir.display()))?;
    let path = dir.join("lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    let file = opened.with_context(|| format!("opening `{}`", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, Errno::EWOULDBLOCK)) => {
            bail!("another Palisade {role} runs on `{}`\nhint: end it first, or give another --data-dir", dir.display())
        }
        Err((_, error)) => Err(error).with_context(|| format!("locking `{}`", path.display())),
    }
}

/// Returns when SIGTERM or SIGINT asks for the end.
pub async fn end_asked() {
    let mut term = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// Starts this program anew in place of itself, with the same arguments. Returns only when that fails.
pub fn start_anew() -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    let error = std::process::Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).exec();
    anyhow::Error::new(error).context("starting this program anew\nhint: start it by hand")
}
