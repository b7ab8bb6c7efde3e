//! Configuration: one TOML file, overridden by the environment, overridden by flags, merged once
//! into [`Config`]. An unknown key is an error that names the nearest one.

use anyhow::{Context, Result, bail};
use palisade_core::{Failsafe, HostId};
use palisade_monitor::store::Retention;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the file lies unless `--config` or `PALISADE_CONFIG` says otherwise.
pub const CONFIG_FILE: &str = "/etc/palisade/config.toml";
/// What may be ordered on this host, unless the configuration says otherwise.
pub const PERMIT_FILE: &str = "/etc/palisade/permit.toml";
const DATA_DIR: &str = "/var/lib/palisade";
const LISTEN: &str = "127.0.0.1:8443";

/// Flags and environment variables that every role understands.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file
    #[arg(long, env = "PALISADE_CONFIG", global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is stored
    #[arg(long, env = "PALISADE_DATA_DIR", global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Flags and environment variables of the roles that run.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunArgs {
    /// Address and port of the console and the API
    #[arg(long, env = "PALISADE_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Key that wraps the keys of the server's authority; outside the data directory
    #[arg(long, env = "PALISADE_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Name of this host, if not the one that the system has
    #[arg(long, env = "PALISADE_HOST", value_name = "NAME")]
    pub host: Option<HostId>,
    /// What the server may order on this host
    #[arg(long, env = "PALISADE_PERMIT", value_name = "FILE")]
    pub permit: Option<PathBuf>,
    /// Address or network that no change may ever cut, such as 203.0.113.9 or, on one port only,
    /// 198.51.100.0/24:22; may be given several times
    #[arg(long, env = "PALISADE_FAILSAFE", value_name = "CIDR[:PORT]", value_delimiter = ',')]
    pub failsafe: Vec<Failsafe>,
}

/// The file, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data_dir: Option<PathBuf>,
    server: ServerFile,
    agent: AgentFile,
    monitor: MonitorFile,
    firewall: FirewallFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServerFile {
    listen: Option<SocketAddr>,
    names: Vec<String>,
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AgentFile {
    host: Option<HostId>,
    permit: Option<PathBuf>,
    failsafe: Vec<Failsafe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MonitorFile {
    raw_days: Option<u32>,
    five_minutes_days: Option<u32>,
    hour_days: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FirewallFile {
    own_table: Option<bool>,
}

/// Everything that can be configured, with its final value.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is stored: `server/` and `agent/` below it.
    pub data_dir: PathBuf,
    /// Where the console and the API listen.
    pub listen: SocketAddr,
    /// More names and addresses for the server's certificate.
    pub names: Vec<String>,
    /// What wraps the keys of the server's authority; never below `data_dir`.
    pub key_file: PathBuf,
    /// The name of this host.
    pub host: Option<HostId>,
    /// What the server may order on this host.
    pub permit: PathBuf,
    /// Who no change may cut, on one port or on all.
    pub failsafe: Vec<Failsafe>,
    /// The nftables table of this host is one that no other process can change, where the kernel can do that.
    pub own_table: bool,
    /// For how long the server keeps samples.
    pub retention: Retention,
}

impl Config {
    /// Merges file, environment and flags.
    pub fn load(args: &ConfigArgs, run: &RunArgs) -> Result<Config> {
        let file = match &args.config {
            Some(path) => read(path)?,
            None if Path::new(CONFIG_FILE).exists() => read(Path::new(CONFIG_FILE))?,
            None => File::default(),
        };
        let mut failsafe = run.failsafe.clone();
        failsafe.extend(file.agent.failsafe);
        let data_dir = args.data_dir.clone().or(file.data_dir).unwrap_or_else(default_data_dir);
        let key_file = run.key_file.clone().or(file.server.key_file);
        Ok(Config {
            key_file: key_file.unwrap_or_else(|| key_dir(&data_dir).join("wrap.key")),
            data_dir,
            listen: run.listen.or(file.server.listen).unwrap_or_else(|| LISTEN.parse().expect("a constant address")),
            names: file.server.names,
            host: run.host.clone().or(file.agent.host),
            permit: run.permit.clone().or(file.agent.permit).unwrap_or_else(|| PERMIT_FILE.into()),
            failsafe,
            own_table: file.firewall.own_table.unwrap_or(true),
            retention: retention(&file.monitor)?,
        })
    }

    /// Where the server stores, owned by the server's user.
    pub fn server_dir(&self) -> PathBuf {
        self.data_dir.join("server")
    }

    /// Where the agent stores, root only.
    pub fn agent_dir(&self) -> PathBuf {
        self.data_dir.join("agent")
    }

    /// The server's socket for root on the same machine and for its agent.
    pub fn server_socket(&self) -> PathBuf {
        self.server_dir().join("server.sock")
    }

    /// The agent's socket for root on its host.
    pub fn agent_socket(&self) -> PathBuf {
        self.agent_dir().join("agent.sock")
    }
}

/// The directory of the key file, unless one is configured: beside the data directory, so that a
/// copy of the data does not hold what opens it.
pub fn key_dir(data_dir: &Path) -> PathBuf {
    let whole = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let mut name = whole.file_name().unwrap_or("palisade".as_ref()).to_owned();
    name.push("-key");
    whole.with_file_name(name)
}

fn retention(file: &MonitorFile) -> Result<Retention> {
    Retention::new(file.raw_days, file.five_minutes_days, file.hour_days).map_err(anyhow::Error::msg)
}

/// The default place: the system's for root, the user's own otherwise.
fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return DATA_DIR.into();
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state"));
    state.or(home).map_or_else(|| DATA_DIR.into(), |dir| dir.join("palisade"))
}

fn read(path: &Path) -> Result<File> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading the configuration `{}`", path.display()))?;
    parse(&text).with_context(|| format!("in the configuration `{}`", path.display()))
}

fn parse(text: &str) -> Result<File> {
    match toml::from_str(text) {
        Ok(file) => Ok(file),
        Err(error) => bail!("{}", with_nearest(&error.to_string())),
    }
}

/// Adds `hint: did you mean …` to an error about an unknown key.
pub fn with_nearest(error: &str) -> String {
    let error = error.trim_end();
    let Some((_, rest)) = error.split_once("unknown field `") else { return error.to_owned() };
    let Some((unknown, expected)) = rest.split_once('`') else { return error.to_owned() };
    let known = expected.split('`').skip(1).step_by(2);
    match known.max_by(|a, b| strsim::jaro_winkler(a, unknown).total_cmp(&strsim::jaro_winkler(b, unknown))) {
        Some(nearest) => format!("{error}\nhint: the nearest key is `{nearest}`"),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_key() {
        let said = error("data_dir = \"/x\"\n[server]\nlisten_to = \"127.0.0.1:1\"\n");
        assert!(said.contains("listen_to") && said.contains("line 3"), "{said}");
        assert!(said.ends_with("hint: the nearest key is `listen`"), "{said}");
    }

    #[test]
    fn days_that_make_no_sense_end_the_start_and_name_the_key() {
        let days = |text: &str| retention(&parse(text).unwrap().monitor).map_err(|error| error.to_string());
        assert_eq!(days(""), Ok(Retention::default()));
        assert_eq!(days("[monitor]\nraw_days = 30\n"), Ok(Retention::new(Some(30), None, None).unwrap()));
        let said = days("[monitor]\nraw_days = 30\nfive_minutes_days = 7\n").unwrap_err();
        assert!(said.contains("`monitor.five_minutes_days` is 7") && said.contains("30 to 400 days"), "{said}");
        assert!(error("[monitor]\nraw = 3\n").ends_with("hint: the nearest key is `raw_days`"));
    }

    #[test]
    fn a_duplicate_key_is_an_error() {
        assert!(error("data_dir = \"/x\"\ndata_dir = \"/y\"\n").contains("duplicate"));
    }

    #[test]
    fn the_key_file_lies_beside_the_data_directory() {
        for (data, expected) in [
            ("/var/lib/palisade", "/var/lib/palisade-key"),
            ("/srv/palisade/", "/srv/palisade-key"),
            ("/", "/palisade-key"),
        ] {
            assert_eq!(key_dir(Path::new(data)), Path::new(expected), "{data}");
        }
    }

    #[test]
    fn a_network_with_host_bits_is_refused_with_the_one_that_was_meant() {
        assert!(error("[agent]\nfailsafe = [\"10.0.0.1/8\"]\n").contains("10.0.0.0/8"));
    }

    #[test]
    fn a_failsafe_entry_may_have_a_port() {
        let file = parse("[agent]\nfailsafe = [\"203.0.113.9\", \"[2001:db8::1]:22\"]\n").unwrap();
        let said: Vec<String> = file.agent.failsafe.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["203.0.113.9", "[2001:db8::1]:22"]);
        assert!(error("[agent]\nfailsafe = [\"203.0.113.9:ssh\"]\n").contains("no port from 1 to 65535"));
    }
}
