//! `palisade agent --join`: this host becomes one of a server's fleet.
//!
//! The key is made here and never leaves the host. The token says which root the server must have: the
//! connection is refused before anything is sent if it has another one. The token comes from a file or
//! from standard input, because arguments and the environment of a process can be read by others.

use super::client;
use crate::agent::identity::{self, Identity, Parts, ServerAddress};
use crate::agent::{self, permit::Permit};
use crate::config::{Config, RunArgs};
use crate::link::http;
use crate::link::join::{JoinParams, JoinToken, Joined, ServerUrl};
use crate::link::tls::{Clock, Pinned, Refusal, server_name};
use crate::process;
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::rt::TokioIo;
use palisade_core::{HostId, Profile};
use palisade_guard::link::SERVER_NAME;
use palisade_sys::{Root, facts, machine};
use rustls::ClientConfig;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// From the first packet to the whole answer.
const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A token has 90; what is longer is another file.
const TOKEN_FILE_BYTES_MAX: u64 = 4_096;
const ANSWER_BYTES_MAX: usize = 256 << 10;
const PERMIT: &str = include_str!("../../units/permit.toml");

/// `palisade agent`.
#[derive(Debug, Clone, clap::Args)]
pub struct AgentArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Join this server's fleet, and end
    #[arg(long, value_name = "https://HOST:PORT", requires = "token_file")]
    pub join: Option<ServerUrl>,
    /// File with the join token, or `-` for standard input
    #[arg(long, value_name = "PATH|-", requires = "join")]
    token_file: Option<PathBuf>,
    /// Name under which this host would like to join, if not the one that the system has
    #[arg(long, value_name = "NAME", requires = "join")]
    name: Option<HostId>,
    /// Join although this host has joined before; its old certificate is no longer used
    #[arg(long, requires = "join")]
    force: bool,
}

/// Joins and says what was done.
pub async fn run(url: &ServerUrl, args: &AgentArgs, config: &Config) -> Result<ExitCode> {
    let token_file = args.token_file.as_deref().context("there is no token\nhint: give it with --token-file")?;
    let dir = config.agent_dir();
    make_data_dir(&config.data_dir)?;
    // an agent that runs must not find another identity under its hands
    let _lock = process::claim(&dir, "agent")?;
    refuse_second(&dir, args.force)?;
    let token = read_token(token_file)?;
    let permit = Permit::load(&config.permit)?;
    let name = wanted_name(args, config)?;
    let (key_pem, csr) = identity::new_request(&name)?;
    let params = JoinParams {
        token: token.secret(),
        csr,
        name: name.clone(),
        machine: machine::id(&Root::live()),
        facts: Some(agent::host_facts(&permit)),
    };
    let joined = ask(url, &token, &params).await?;
    let server = ServerAddress { host: url.host.clone(), port: url.port, root: token.root_fingerprint() };
    let parts = Parts { key_pem, chain_pem: joined.chain.clone(), root_pem: joined.root.clone() };
    let identity = Identity::new(server, parts).context("the server's answer does not fit together")?;
    identity.store(&dir).with_context(|| {
        format!("the server has taken `{}` in, but its identity could not be stored here\nhint: mend this and join again with a new token", identity.host)
    })?;
    let permit_said = write_permit(&config.permit, joined.profile);
    report(url, &name, &joined, &identity, &permit_said);
    Ok(ExitCode::SUCCESS)
}

/// The data directory lets the server's user through, as `palisade up` makes it.
fn make_data_dir(dir: &Path) -> Result<()> {
    if dir.exists() {
        return Ok(());
    }
    let doing = || format!("making `{}`\nhint: run as root, or give a --data-dir that you may write", dir.display());
    std::fs::create_dir_all(dir).with_context(doing)?;
    std::fs::set_permissions(dir, Permissions::from_mode(0o755)).with_context(doing)
}

fn refuse_second(dir: &Path, force: bool) -> Result<()> {
    match Identity::load(dir) {
        Ok(Some(identity)) if !force => bail!(
            "this host has joined {} as `{}` before\nhint: start the agent with `palisade agent`; `--force` joins anew",
            identity.server.host,
            identity.host
        ),
        Ok(_) => Ok(()),
        Err(error) => {
            eprintln!("warning: the identity that this host has cannot be used and is replaced: {error:#}");
            Ok(())
        }
    }
}

fn read_token(path: &Path) -> Result<JoinToken> {
    let mut text = String::new();
    if path == Path::new("-") {
        if std::io::stdin().is_terminal() {
            eprintln!("paste the join token, then press Enter and Ctrl-D:");
        }
        std::io::stdin().take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text).context("reading the join token")?;
    } else {
        let doing = || format!("reading the join token from `{}`", path.display());
        let file = File::open(path).with_context(doing)?;
        if file.metadata().with_context(doing)?.mode() & 0o077 != 0 {
            eprintln!("warning: others can read `{}`; remove it when this host has joined", path.display());
        }
        file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text).with_context(doing)?;
    }
    text.parse().context("reading the join token\nhint: `palisade join-token create` prints one on its last line")
}

fn wanted_name(args: &AgentArgs, config: &Config) -> Result<HostId> {
    if let Some(name) = args.name.as_ref().or(config.host.as_ref()) {
        return Ok(name.clone());
    }
    Ok(facts::facts("").context("the system's host name\nhint: give one with --name")?.host)
}

async fn ask(url: &ServerUrl, token: &JoinToken, params: &JoinParams) -> Result<Joined> {
    let body = serde_json::to_vec(params).context("writing the request")?;
    let request = Request::post("/api/v1/join")
        .header("host", format!("{SERVER_NAME}:{}", url.port))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let io = connect(url, token).await?;
        let response = http::exchange(io, request).await?;
        let status = response.status();
        anyhow::Ok((status, http::body(response, ANSWER_BYTES_MAX).await?))
    };
    let timed = tokio::time::timeout(JOIN_TIMEOUT, exchange).await;
    let (status, bytes) =
        timed.with_context(|| format!("{url} did not answer within {} s", JOIN_TIMEOUT.as_secs()))??;
    let answer = client::answer(status, &bytes).with_context(|| format!("{url} does not let this host join"))?;
    serde_json::from_value(answer)
        .with_context(|| format!("the answer of {url}\nhint: use an agent of the same version as the server"))
}

/// TLS with the server whose root the token names, and with nobody else.
async fn connect(url: &ServerUrl, token: &JoinToken) -> Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>> {
    let unreachable = || {
        format!(
            "connecting to {url}\nhint: does the server listen on an address that this host reaches (`--listen`), and does a firewall let it through?"
        )
    };
    let tcp = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((url.host.as_str(), url.port)))
        .await
        .map_err(|_| anyhow!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))
        .and_then(|connected| Ok(connected?))
        .with_context(unreachable)?;
    let pinned = Pinned::new(&token.root_fingerprint(), None, Clock::Counts);
    let mut config =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(pinned)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = TlsConnector::from(Arc::new(config)).connect(server_name(), tcp).await;
    tls.map(TokioIo::new).map_err(|error| refused(url, error))
}

/// Why no connection was made; the token was not sent.
fn refused(url: &ServerUrl, error: std::io::Error) -> anyhow::Error {
    let hint = match Refusal::of(&error) {
        Some(Refusal::WrongRoot) => {
            "the token was not sent. Is this the server that made the token? If it is, somebody else answers at its address"
        }
        Some(refusal) if refusal.is_clock() => {
            "the token was not sent. Set the clocks of this host and of the server, then try again"
        }
        Some(_) => "the token was not sent. Check the address",
        None => "is this the port of a Palisade server?",
    };
    match Refusal::of(&error) {
        Some(refusal) => anyhow!("{url} is not trusted: {refusal}\nhint: {hint}"),
        None => anyhow::Error::new(error).context(format!("TLS with {url}\nhint: {hint}")),
    }
}

/// Writes what the server may order here, unless the operator has; says what was done.
///
/// Both profiles permit the same: `protect` switches guards on at the server, and what they need, to
/// observe and to ban, is in the default. Nothing that joins ever widens a permit by itself.
fn write_permit(path: &Path, profile: Profile) -> String {
    let written = (|| {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
        file.write_all(permit_text(profile).as_bytes())?;
        file.sync_all()
    })();
    match written {
        Ok(()) => format!("{} (new)", path.display()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => format!("{} (yours, unchanged)", path.display()),
        Err(error) => format!("none could be written to {}: {error}; without one, observe and ban", path.display()),
    }
}

fn permit_text(profile: Profile) -> String {
    let joined = match profile {
        Profile::Observe => "",
        Profile::Protect => "# This host joined with the profile `protect`, which needs no more than these words.\n",
    };
    PERMIT.replace("allow = ", &format!("{joined}allow = "))
}

fn report(url: &ServerUrl, wanted: &HostId, joined: &Joined, identity: &Identity, permit: &str) {
    println!("joined {url} as {} with the profile {}", joined.host, joined.profile.as_str());
    if joined.host != *wanted {
        println!("  the name {wanted} belongs to another host; `--name` asks for one of your choice");
    }
    if let Some(region) = &joined.region {
        println!("  region: {}", palisade_guard::cli::printable(region));
    }
    for (key, value) in joined.tags.iter() {
        println!("  tag: {key}={}", palisade_guard::cli::printable(value));
    }
    println!("  certificate until: {} (it renews itself)", identity.expires().strftime("%Y-%m-%d"));
    println!("  permit: {permit}");
    println!("next, to start it now and at every boot:");
    println!("  systemctl enable --now palisade-agent");
    println!("or, without systemd: palisade agent");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_profiles_write_a_permit_to_observe_and_to_ban_and_never_over_one_that_is_there() {
        for profile in [Profile::Observe, Profile::Protect] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("etc/permit.toml");
            assert!(write_permit(&path, profile).ends_with("(new)"));
            assert_eq!(Permit::load(&path).unwrap().words(), ["ban", "observe"]);
            std::fs::write(&path, "allow = [\"observe\"]").unwrap();
            assert!(write_permit(&path, profile).contains("unchanged"));
            assert_eq!(Permit::load(&path).unwrap().words(), ["observe"]);
        }
        assert_ne!(permit_text(Profile::Observe), permit_text(Profile::Protect));
    }

    #[test]
    fn what_is_no_token_is_an_error_that_does_not_repeat_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "plj_nearly-a-token").unwrap();
        let said = format!("{:#}", read_token(&path).err().unwrap());
        assert!(said.contains("join-token create") && !said.contains("nearly"), "{said}");
        let said = format!("{:#}", read_token(&dir.path().join("none")).err().unwrap());
        assert!(said.contains("none"), "{said}");
    }
}
