//! The console's paths in a real browser against the real binary.
//!
//! Palisade acts on the machine that it runs on: a ban that a path makes would be one of this
//! machine. Server, agent and browser therefore share a network namespace of their own.

use crate::{console, repository, run};
use anyhow::{Context, Error, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long Palisade may take to print its one-time link.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to end when asked to.
const END_MAX: Duration = Duration::from_secs(10);
/// What the one-time link has in its path.
const WELCOME: &str = "/welcome";

/// `cargo xtask browser`: needs the console and `target/debug/palisade` built.
pub fn run() -> Result<ExitCode> {
    leave_machine_network()?;
    // The server gives up root and must still reach its directory: not 0700.
    let dir =
        tempfile::Builder::new().prefix("palisade-paths-").permissions(PermissionsExt::from_mode(0o755)).tempdir()?;
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "")?; // so that this machine's own configuration is not read
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut palisade = run::command(repository::palisade("debug"), &["up", "--listen", &address, "--data-dir"]);
    palisade.arg(dir.path().join("data")).env("PALISADE_CONFIG", &config);
    let mut running = Running::start(palisade)?;
    let welcome = running.welcome()?;
    let mut paths = console::npm(&["run", "e2e"]);
    paths.env("PALISADE_URL", format!("https://{address}")).env("PALISADE_WELCOME", welcome);
    let ran = run::tee(paths)?;
    running.end()?;
    Ok(if ran.status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Leaves this machine's network for an empty one with a loopback, for this thread and all that it
/// starts from now on. Without root the agent could not act, and nothing is done.
pub fn leave_machine_network() -> Result<()> {
    if Uid::effective().is_root() {
        palisade_sandbox::enter_netns().map_err(Error::msg).context("leaving this machine's network")?;
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// `palisade up` while the paths run.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(mut palisade: Command) -> Result<Running> {
        println!("$ {}", run::shown(&palisade));
        let mut child = palisade.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting Palisade")?;
        let lines = read(child.stdout.take().context("no standard output")?);
        Ok(Running { child, lines })
    }

    /// The one-time sign-in link, once it is printed.
    fn welcome(&mut self) -> Result<String> {
        let until = Instant::now() + START_MAX;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    println!("palisade: {line}");
                    if let Some(link) = welcome_in(&line) {
                        return Ok(link.to_owned());
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => bail!("no one-time link within {} s", START_MAX.as_secs()),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("Palisade ended before it printed its one-time link")
                }
            }
        }
    }

    /// Asks it to end, and waits until it has.
    fn end(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("Palisade ended during the paths: {status}");
        }
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let until = Instant::now() + END_MAX;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("Palisade did not end within {} s of SIGTERM", END_MAX.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // already ended on the good path; on every other one nothing may stay behind
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, so that the program never waits for a full pipe; the first lines are handed on.
fn read(stdout: ChildStdout) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = send.send(line); // after the link nobody listens any more
        }
    });
    receive
}

fn welcome_in(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with("https://") && word.contains(WELCOME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_found_in_a_line_with_other_words() {
        let line = "  sign in once:  https://127.0.0.1:8443/welcome#abc  (valid for 15 minutes)";
        assert_eq!(welcome_in(line), Some("https://127.0.0.1:8443/welcome#abc"));
        assert_eq!(welcome_in("console: https://127.0.0.1:8443/"), None);
    }
}
