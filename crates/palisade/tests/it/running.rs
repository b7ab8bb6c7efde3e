//! A running Palisade on a directory of its own, in network and mount namespaces of the test's own.

use crate::https::{self, Answer};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_palisade");
/// Nothing in these tests takes longer; a wait that does has failed.
pub const LIMIT: Duration = Duration::from_secs(60);

/// `palisade up`, running.
pub struct Palisade {
    /// Where it stores; removed at the end.
    pub dir: TempDir,
    /// The one-time link that it printed.
    pub link: String,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Palisade {
    /// Enters namespaces and starts; `Err` is why the test has to be skipped.
    pub fn up() -> Result<Palisade, String> {
        palisade_sandbox::enter_netns()?;
        Ok(Palisade::up_in(tempfile::tempdir().unwrap(), &[]))
    }

    /// Starts on a directory, which may hold the state of one before.
    pub fn up_in(dir: TempDir, more: &[&str]) -> Palisade {
        assert!(palisade_sandbox::is_isolated(), "it acts on the network that it runs in");
        // an unprivileged server must be able to pass through to its own directory
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let address: SocketAddr = "127.0.0.1:8443".parse().unwrap();
        let mut command = Command::new(BINARY);
        command.arg("up");
        if !more.contains(&"--listen") {
            command.args(["--listen", &address.to_string()]);
        }
        let mut child = command
            .args(["--host", "web-1", "--data-dir"])
            .arg(dir.path())
            .env("PALISADE_PERMIT", dir.path().join("permit.toml"))
            .args(more)
            .env("PALISADE_CONFIG", empty_config(dir.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let link = lines.by_ref().map_while(Result::ok).find(|line| line.contains("/welcome#"));
        let link = link.expect("it prints a sign-in link as long as there is no user");
        Palisade { dir, link, address, child }
    }

    /// Runs a command against this server, or its agent, as root on the same machine.
    pub fn command(&self, args: &[&str]) -> Output {
        Command::new(BINARY)
            .args(args)
            .arg("--data-dir")
            .arg(self.dir.path())
            .env("PALISADE_CONFIG", empty_config(self.dir.path()))
            .env_remove("PALISADE_SERVER")
            .output()
            .unwrap()
    }

    /// As [`Palisade::command`]; it must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// As [`Palisade::ok`], as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--output", "json"]].concat())).unwrap()
    }

    /// A new API token.
    pub fn token(&self, role: &str) -> String {
        let name = format!("{role}-{}", self.json(&["api-token", "list"])["total"]);
        self.ok(&["api-token", "create", "--role", role, "--name", &name]).trim().lines().last().unwrap().to_owned()
    }

    /// A request over the network.
    pub fn request(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let header = token.map(|t| format!("authorization: Bearer {t}"));
        let headers: Vec<&str> = header.as_deref().into_iter().collect();
        self.request_with(method, path, &headers, body)
    }

    /// A request with any headers.
    pub fn request_with(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        https::request(self.address, &self.dir.path().join("server/ca.pem"), method, path, headers, body)
    }

    /// Kills `up` and the agent in it with SIGKILL; the server ends because its parent is gone.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let socket = self.dir.path().join("server/server.sock");
        until("the server ends with its parent", || std::os::unix::net::UnixStream::connect(&socket).is_err());
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// The process of the server.
    pub fn server_pid(&self) -> i32 {
        let children =
            std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id())).unwrap_or_default();
        let all_tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let mut pids: Vec<i32> = children.split_whitespace().filter_map(|p| p.parse().ok()).collect();
        for task in all_tasks.filter_map(Result::ok) {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            pids.extend(text.split_whitespace().filter_map(|p| p.parse::<i32>().ok()));
        }
        *pids.first().expect("the server is a child of `up`")
    }
}

impl Drop for Palisade {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // the key file lies beside the data directory, by default
        let mut beside = self.dir.path().as_os_str().to_owned();
        beside.push("-key");
        let _ = std::fs::remove_dir_all(beside);
    }
}

/// A configuration with nothing in it, so that the machine's own does not take part.
fn empty_config(dir: &Path) -> PathBuf {
    let path = dir.join("config.toml");
    if !path.exists() {
        std::fs::write(&path, "").unwrap();
    }
    path
}

/// Waits for a condition.
///
/// # Panics
/// When it does not come true within [`LIMIT`].
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "waited {} s in vain: {what}", LIMIT.as_secs());
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
