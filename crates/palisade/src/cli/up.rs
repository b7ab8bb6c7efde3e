//! `palisade up`: the server as an unprivileged child, the agent here.

use super::authority::ServerCommand;
use crate::agent;
use crate::config::{Config, ConfigArgs, RunArgs, key_dir};
use crate::link::http::{Target, body, send};
use crate::process;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use nix::unistd::{Gid, Uid, User, chown, setgroups, setresgid, setresuid};
use serde_json::Value;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};

/// The user that the server runs as, if the system has it.
const SERVER_USER: &str = "palisade";
/// Else this id, from the range that systemd keeps for dynamic users, which no account has.
const SERVER_UID: u32 = 61_184 + 443;
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const RESTART_AFTER: Duration = Duration::from_secs(2);

/// `palisade server`.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ServerArgs {
    /// Ask the running server instead of running one
    #[command(subcommand)]
    pub command: Option<ServerCommand>,
    #[command(flatten)]
    pub run: RunArgs,
    /// Become this user before anything is opened
    #[arg(long, hide = true, value_name = "UID:GID")]
    pub drop_to: Option<String>,
    /// End when standard input ends
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// Runs server and agent until asked to end.
pub async fn run(config: Config, args: &ConfigArgs) -> Result<ExitCode> {
    let ids = prepare(&config)?;
    let (mut child, mut lifeline) = start(&config, args, ids)?;
    ready(&config, &mut child).await?;
    let running = agent::start(&config).await?;
    greet(&config).await?;
    let ended = process::end_asked();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = &mut ended => break,
            status = child.wait() => {
                tracing::error!(status = ?status.ok(), "the server ended; it is started again");
                tokio::time::sleep(RESTART_AFTER).await;
                (child, lifeline) = start(&config, args, ids)?;
            }
        }
    }
    running.end().await;
    drop(lifeline);
    if tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err() {
        child.kill().await.context("ending the server")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the directories, and says which user the server becomes; `None` when we are not root.
fn prepare(config: &Config) -> Result<Option<(Uid, Gid)>> {
    let make = |dir: &std::path::Path, mode| -> Result<()> {
        std::fs::create_dir_all(dir).with_context(|| {
            format!("making `{}`\nhint: run as root, or give a --data-dir that you may write", dir.display())
        })?;
        std::fs::set_permissions(dir, PermissionsExt::from_mode(mode))
            .with_context(|| format!("setting the mode of `{}`", dir.display()))
    };
    make(&config.data_dir, 0o755)?;
    make(&config.server_dir(), 0o700)?;
    if !nix::unistd::geteuid().is_root() {
        eprintln!(
            "warning: not running as root: what only root may read is `unknown`, and nothing on this host can be changed"
        );
        return Ok(None);
    }
    let user = User::from_name(SERVER_USER).context("looking for the user `palisade`")?;
    let (uid, gid) = user.map_or((Uid::from_raw(SERVER_UID), Gid::from_raw(SERVER_UID)), |u| (u.uid, u.gid));
    own(&config.server_dir(), uid, gid)?;
    prepare_key(config, uid, gid)?;
    Ok(Some((uid, gid)))
}

/// The server's user must be able to read the key file, and to make it at the first start. A
/// directory that others may use is never given away, only the file in it.
fn prepare_key(config: &Config, uid: Uid, gid: Gid) -> Result<()> {
    let file = &config.key_file;
    let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) else { return Ok(()) };
    let ours = dir == key_dir(&config.data_dir) || !dir.exists();
    if ours {
        let doing = || format!("making `{}` private", dir.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(doing)?;
        std::fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).with_context(doing)?;
        return own(dir, uid, gid);
    }
    // a link is not followed: it could lead to a file of somebody else
    if std::fs::symlink_metadata(file).is_ok_and(|m| m.is_file()) {
        chown(file, Some(uid), Some(gid))
            .with_context(|| format!("giving `{}` to the server's user", file.display()))?;
    }
    Ok(())
}

/// The server's directory belongs to its user, whoever ran it before.
fn own(dir: &std::path::Path, uid: Uid, gid: Gid) -> Result<()> {
    chown(dir, Some(uid), Some(gid)).with_context(|| format!("giving `{}` to the server's user", dir.display()))?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // a link is not followed: it could lead to a file of somebody else
        if entry.file_type()?.is_file() {
            chown(&entry.path(), Some(uid), Some(gid))
                .with_context(|| format!("giving `{}` to the server's user", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The child, and its standard input: when that is closed, however we end, it ends in order.
fn start(config: &Config, args: &ConfigArgs, ids: Option<(Uid, Gid)>) -> Result<(Child, Option<ChildStdin>)> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("palisade")
        .arg("server")
        .arg("--data-dir")
        .arg(&config.data_dir)
        .arg("--listen")
        .arg(config.listen.to_string())
        .arg("--key-file")
        .arg(&config.key_file)
        .arg("--with-parent");
    for failsafe in &config.failsafe {
        command.arg("--failsafe").arg(failsafe.to_string());
    }
    // its own host is known by this name: what would cut that off is refused
    if let Some(host) = &config.host {
        command.arg("--host").arg(host.as_str());
    }
    if let Some(file) = &args.config {
        command.arg("--config").arg(file);
    }
    if let Some((uid, gid)) = ids {
        command.arg("--drop-to").arg(format!("{uid}:{gid}"));
    }
    // a sign-in token in our environment is no business of the server's
    command.env_remove("PALISADE_TOKEN").stdin(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("starting the server")?;
    // taken out, because waiting for the child would close it
    let lifeline = child.stdin.take();
    Ok((child, lifeline))
}

/// Becomes the unprivileged user, for good: no way back, no new rights by exec.
pub fn drop_rights(args: &ServerArgs) -> Result<()> {
    // started through /proc/self/exe, it would be listed as `exe`
    nix::sys::prctl::set_name(c"palisade").context("naming the process")?;
    let Some(ids) = &args.drop_to else { return Ok(()) };
    let parsed = ids.split_once(':').and_then(|(u, g)| Some((u.parse().ok()?, g.parse().ok()?)));
    let (uid, gid): (u32, u32) = parsed.with_context(|| format!("`{ids}` is no UID:GID"))?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[]).context("giving up groups")?;
    setresgid(gid, gid, gid).context("changing the group")?;
    setresuid(uid, uid, uid).context("changing the user")?;
    nix::sys::prctl::set_no_new_privs().context("giving up new rights")?;
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        bail!("the rights of root could not be given up");
    }
    Ok(())
}

/// Waits until the server answers on its socket.
async fn ready(config: &Config, child: &mut Child) -> Result<()> {
    let deadline = tokio::time::Instant::now() + READY_TIMEOUT;
    loop {
        if ask(config, "GET", "/api/v1/status").await.is_ok() {
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server could not start ({status}); what it said stands above");
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("the server did not answer within {} s", READY_TIMEOUT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn ask(config: &Config, method: &str, path: &str) -> Result<Value> {
    let request =
        Request::builder().method(method).uri(path).header("host", "palisade").body(Full::new(Bytes::new()))?;
    let response = send(&Target::Unix(config.server_socket()), request).await?;
    anyhow::ensure!(response.status().is_success(), "the server answered {}", response.status());
    Ok(serde_json::from_slice(&body(response, 1 << 20).await?)?)
}

/// Says where the console is and, as long as nobody can sign in, prints the one-time link.
async fn greet(config: &Config) -> Result<()> {
    // the port is known to the server only when it was asked to choose one
    let status = ask(config, "GET", "/api/v1/status").await?;
    let listen = status["listen"].as_str().map_or_else(|| config.listen.to_string(), str::to_owned);
    let address = format!("https://{listen}");
    println!("Palisade runs: {address}");
    let sign_in = ask(config, "GET", "/api/v1/sign-in").await?;
    println!("Certificate (SHA-256): {}", sign_in["fingerprint"].as_str().unwrap_or_default());
    if sign_in["first_run"] == Value::Bool(true) {
        let link = ask(config, "POST", "/api/v1/user-links").await?;
        println!("Sign in for the first time, once, within 24 hours:");
        println!("{address}{}", link["path"].as_str().unwrap_or_default());
    }
    Ok(())
}
