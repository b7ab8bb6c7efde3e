//! The server under test: a real `palisade server` on a data directory of its own.

use crate::local::Local;
use crate::usage::{Usage, usage};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// How long a server may take to listen.
const START_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server; killed, and its files removed, when dropped.
pub struct Server {
    program: PathBuf,
    dir: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts one on an empty directory.
    pub async fn start(program: &Path, address: SocketAddr) -> Result<Server> {
        let dir = tempfile::Builder::new().prefix("palisade-sim-").tempdir()?;
        // so that this machine's own configuration is not read
        std::fs::write(dir.path().join("config.toml"), "")?;
        let child = spawn(program, dir.path(), address)?;
        let mut server = Server { program: program.to_owned(), dir, address, child };
        server.listens().await?;
        Ok(server)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait().context("waiting for the server's end")?;
        Ok(())
    }

    /// Starts it again on the same directory; returns when it listens, with how long that took.
    pub async fn start_again(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.child = spawn(&self.program, self.dir.path(), self.address)?;
        self.listens().await?;
        Ok(begun.elapsed())
    }

    async fn listens(&mut self) -> Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(self.address).await.is_err() || !self.local().is_there().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", self.log_end());
            }
            if begun.elapsed() > START_MAX {
                bail!("the server does not listen after {} s:\n{}", START_MAX.as_secs(), self.log_end());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Its socket for root.
    pub fn local(&self) -> Local {
        Local::new(&self.data_dir())
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.data_dir().join("server/palisade.db")
    }

    /// What its process has used.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.child.id())
    }

    /// The last lines of its log.
    pub fn log_end(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }
}

fn spawn(program: &Path, dir: &Path, address: SocketAddr) -> Result<Child> {
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    let mut command = Command::new(program);
    command.arg("server").args(["--listen", &address.to_string()]).arg("--data-dir").arg(dir.join("data"));
    // the key beside the data directory lies in our own directory, and goes with it
    command.env("PALISADE_CONFIG", dir.join("config.toml")).env_remove("PALISADE_KEY_FILE");
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("starting `{}`", program.display()))
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
