//! A second host beside a running server, and what everybody on a machine can see of its processes.

use crate::running::{BINARY, LIMIT, Palisade};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// A host that may join: directories of its own.
pub struct Joiner {
    /// Below it: its data, its permit, its configuration.
    pub dir: TempDir,
}

impl Joiner {
    /// One that has not joined.
    pub fn new() -> Joiner {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), "").unwrap();
        Joiner { dir }
    }

    /// `palisade agent` with these arguments; standard input is a pipe.
    pub fn start(&self, args: &[&str]) -> Child {
        let mut command = Command::new(BINARY);
        command.arg("agent").args(args).arg("--data-dir").arg(self.dir.path().join("data"));
        command.env("PALISADE_CONFIG", self.dir.path().join("config.toml"));
        command.env("PALISADE_PERMIT", self.permit());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Joins with the token on standard input.
    pub fn join(&self, url: &str, token: &str, more: &[&str]) -> Output {
        let args = [&["--join", url, "--token-file", "-"], more].concat();
        let mut child = self.start(&args);
        // a program that refuses before it reads closes the pipe
        let _ = child.stdin.take().unwrap().write_all(token.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Its permit.
    pub fn permit(&self) -> std::path::PathBuf {
        self.dir.path().join("permit.toml")
    }

    /// Where its identity is, once it has one.
    pub fn identity(&self) -> std::path::PathBuf {
        self.dir.path().join("data/agent/identity")
    }
}

/// A new token and the address to join at.
pub fn token(palisade: &Palisade, more: &[&str]) -> (String, String) {
    let made = palisade.json(&[&["join-token", "create"], more].concat());
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    let url = text("command").split_whitespace().nth(3).unwrap().to_owned();
    (text("token"), url)
}

/// What a process says to whoever asks: its arguments and its environment. Empty when it is gone.
pub fn open_book(pid: u32) -> String {
    let part = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    [part("cmdline"), part("environ")].map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).join(" ")
}

/// Waits for the end of a process; until then, looks at all processes of the machine again and again.
/// Returns how often it looked.
///
/// # Panics
/// When the secret stands in the arguments or the environment of any, or the process takes too long.
pub fn watch_until_end(child: &mut Child, secret: &str) -> usize {
    let (start, mut looks) = (Instant::now(), 0);
    loop {
        for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
            let seen = open_book(pid);
            assert!(!seen.contains(secret), "the token stands in the open: {}", seen.replace(secret, "TOKEN"));
        }
        looks += 1;
        if child.try_wait().unwrap().is_some() {
            return looks;
        }
        assert!(start.elapsed() < LIMIT * 4, "it does not end");
    }
}

/// True if any file below `dir` holds `secret`; links are not followed.
pub fn holds(dir: &Path, secret: &str) -> bool {
    let find = memchr::memmem::Finder::new(secret.as_bytes());
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().filter_map(Result::ok) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() && find.find(&std::fs::read(entry.path()).unwrap_or_default()).is_some() {
                return true;
            }
        }
    }
    false
}
