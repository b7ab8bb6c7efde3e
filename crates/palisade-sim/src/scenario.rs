//! What is tried: each scenario starts a server on a fresh directory and gives rows of figures.

mod alarm;
mod chaos;
mod idle;
mod judged;
mod load;
mod restart;
mod spec;

use crate::host::{Fleet, Host, Phase};
use crate::identity::{Identity, Joiner, root_of};
use crate::server::Server;
use crate::source::{KIND, Load, Source};
use crate::store::{self, Stored};
use crate::tally::Tally;
use crate::trust::Pinned;
use anyhow::{Context, Result, bail};
use palisade_core::{Clock, HostId, SystemClock};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections over which hosts join at the same time: a server that counts wrong tokens by address
/// lets four try at once.
const JOINERS: usize = 4;
/// How long hosts may take to have everything acknowledged.
const END_MAX: Duration = Duration::from_secs(300);
/// How long all hosts may take to connect.
const CONNECT_MAX: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Metrics and events of all hosts, for minutes
    Load,
    /// Connections that only live
    Idle,
    /// A ban on all hosts
    Spec,
    /// The server is killed once
    Restart,
    /// Server and connections are killed again and again, while alarms are judged and told
    Chaos,
    /// Alarms of many hosts at once: how long until they are told
    Alarm,
}

/// What all scenarios need.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The program under test
    #[arg(long, value_name = "FILE")]
    pub palisade: PathBuf,
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:8443", value_name = "ADDR:PORT")]
    pub address: SocketAddr,
    /// How large the fleet is
    #[command(flatten)]
    pub size: Size,
}

/// How large the fleet is.
#[derive(Debug, Clone, clap::Args)]
pub struct Size {
    /// Hosts that report
    #[arg(long, default_value_t = 2_000)]
    pub hosts: usize,
    /// Series that each host reports a minute
    #[arg(long, default_value_t = 120)]
    pub series: usize,
    /// Events of all hosts together
    #[arg(long, default_value_t = 5_000.0)]
    pub events_per_s: f64,
    /// How long they report
    #[arg(long, default_value_t = 5)]
    pub minutes: u64,
    /// Connections that only live
    #[arg(long, default_value_t = 10_000)]
    pub idle: usize,
    /// Hosts that are sent a ban
    #[arg(long, default_value_t = 1_000)]
    pub spec_hosts: usize,
    /// Bans that are there before it
    #[arg(long, default_value_t = 10_000)]
    pub bans: usize,
    /// How long server and connections are killed, in seconds
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub chaos: u64,
    /// Seconds between two frames of a host where alarms are judged
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub step: u32,
    /// Hosts whose alarms begin and end in the same moment
    #[arg(long, default_value_t = 50, value_name = "HOSTS")]
    pub alarms: usize,
}

/// A row of the table of figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure.
    pub measured: String,
    /// What it should be, if there is a goal.
    pub goal: String,
}

/// A row; an empty goal is none.
pub fn row(what: impl Into<String>, measured: impl Into<String>, goal: impl Into<String>) -> Row {
    Row { what: what.into(), measured: measured.into(), goal: goal.into() }
}

/// Runs one scenario.
pub async fn run(scenario: Scenario, settings: &Settings) -> Result<Vec<Row>> {
    match scenario {
        Scenario::Load => load::run(settings).await,
        Scenario::Idle => idle::run(settings).await,
        Scenario::Spec => spec::run(settings).await,
        Scenario::Restart => restart::run(settings).await,
        Scenario::Chaos => chaos::run(settings).await,
        Scenario::Alarm => alarm::run(settings).await,
    }
}

impl Size {
    fn load(&self) -> Load {
        let Size { hosts, series, events_per_s, .. } = *self;
        Load { hosts, series, events_per_s, step_s: 60, is_chorus: false }
    }
}

/// A server with hosts that have joined it.
struct Stage {
    server: Server,
    identities: Vec<Identity>,
}

impl Stage {
    /// Starts the server, and lets so many hosts join.
    async fn set(settings: &Settings, hosts: usize, prepare: impl AsyncFnOnce(&Server) -> Result<()>) -> Result<Stage> {
        let server = Server::start(&settings.palisade, settings.address).await?;
        prepare(&server).await?;
        let begun = Instant::now();
        let identities = join(&server, hosts).await.with_context(|| server.log_end())?;
        eprintln!("{hosts} hosts joined in {:.1} s", begun.elapsed().as_secs_f64());
        Ok(Stage { server, identities })
    }

    /// Lets the hosts live, with what `source` says that they report.
    fn live(&self, fleet: &Arc<Fleet>, source: impl Fn(usize) -> Option<Source>) -> JoinSet<Host> {
        let mut hosts = JoinSet::new();
        for (index, identity) in self.identities.iter().enumerate() {
            hosts.spawn(Host::new(identity.clone(), source(index), index == 0).live(Arc::clone(fleet)));
        }
        hosts
    }

    /// Lets the hosts live and report `load`.
    fn report(&self, fleet: &Arc<Fleet>, load: Load) -> JoinSet<Host> {
        let begun = SystemClock.now();
        self.live(fleet, |index| Some(Source::new(load, index, begun)))
    }
}

async fn join(server: &Server, hosts: usize) -> Result<Vec<Identity>> {
    let token = server.local().join_token(hosts).await?;
    let root = Pinned::new(root_of(&token)?);
    let mut joiners = JoinSet::new();
    for part in 0..JOINERS {
        let (address, token, root) = (server.address, token.clone(), Arc::clone(&root));
        joiners.spawn(async move {
            let joiner = Joiner::connect(address, &token, root).await?;
            let mut identities = Vec::new();
            for index in (part..hosts).step_by(JOINERS) {
                let name: HostId = format!("sim-{index:05}").parse().context("a host's name")?;
                identities.push(joiner.join(&name).await.with_context(|| format!("{name} joins"))?);
            }
            anyhow::Ok(identities)
        });
    }
    let mut identities = Vec::with_capacity(hosts);
    while let Some(joined) = joiners.join_next().await {
        identities.extend(joined??);
    }
    identities.sort_by(|a, b| a.host.cmp(&b.host));
    Ok(identities)
}

/// Waits for a condition; an error when it takes longer than `longest`.
async fn until(what: &str, longest: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > longest {
            bail!("waited {} s in vain: {what}", longest.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn all_connected(tally: &Tally, hosts: usize) -> Result<()> {
    let what = format!("{hosts} hosts are connected");
    until(&what, CONNECT_MAX, || tally.connected_now() == hosts)
        .await
        .with_context(|| format!("{} are connected", tally.connected_now()))
}

/// Ends the fleet: nothing new is made, and everything that was made gets acknowledged.
async fn end(fleet: &Fleet, mut hosts: JoinSet<Host>) -> Result<Vec<Host>> {
    fleet.phase.send_replace(Phase::Ending);
    let mut ended = Vec::with_capacity(hosts.len());
    let all = async {
        while let Some(host) = hosts.join_next().await {
            ended.push(host?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(END_MAX, all).await.context("the server does not take what is left")??;
    Ok(ended)
}

/// What was made, acknowledged and stored, all hosts together, and where they differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Made by hosts.
    pub made: u64,
    /// Acknowledged by the server.
    pub acknowledged: u64,
    /// Found in its database.
    pub stored: u64,
    /// Hosts whose numbers differ, with them.
    pub wrong: Vec<String>,
}

/// Compares, per host, records with rows. `series` is how many each host must have, if it has any.
pub fn balance(hosts: &[Host], stored: &HashMap<String, Stored>, series: usize) -> Balance {
    let mut balance = Balance::default();
    for host in hosts {
        let name = host.identity.host.as_str();
        let has = stored.get(name).copied().unwrap_or_default();
        let (frames, events) = (host.spool.counts("monitor"), host.spool.counts("journal"));
        balance.made += frames.made + events.made;
        balance.acknowledged += frames.acknowledged + events.acknowledged;
        balance.stored += has.frames + has.events;
        let right = Stored {
            frames: frames.made,
            series: if frames.made > 0 { series as u64 } else { 0 },
            events: events.made,
            events_distinct: events.made,
            event_last: events.made,
        };
        if has != right || frames.acknowledged != frames.made || events.acknowledged != events.made {
            balance.wrong.push(format!("{name}: {frames:?} and {events:?}, stored {has:?}"));
        }
    }
    balance
}

/// The balance as rows; an error when it does not hold.
async fn balanced(server: &Server, fleet: &Fleet, hosts: &[Host], series: usize) -> Result<Vec<Row>> {
    let stored = store::counts(&server.database(), KIND).await?;
    let balance = balance(hosts, &stored, series);
    let faults = fleet.tally.faults();
    if !balance.wrong.is_empty() || !faults.is_empty() {
        let wrong: Vec<_> = balance.wrong.iter().take(10).collect();
        let log = server.log_end();
        bail!("{} hosts do not balance: {wrong:#?}\nfaults: {faults:#?}\n{log}", balance.wrong.len());
    }
    let counts = format!("{} = {} = {}", number(balance.made), number(balance.acknowledged), number(balance.stored));
    Ok(vec![row("records made = acknowledged = stored, per host", counts, "equal")])
}

/// With thousands set apart.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(",")
}

fn ms(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

/// Makes sure that this process may have so many connections.
pub fn enough_files(hosts: usize) -> Result<()> {
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = hosts as u64 + 256;
    if soft < needed {
        bail!("{soft} open files are allowed, {needed} are needed: `cargo xtask fleet-sim` raises the limit");
    }
    Ok(())
}

/// The file that is tested must be there.
pub fn program_is_there(program: &Path) -> Result<()> {
    if program.is_file() { Ok(()) } else { bail!("`{}` is no file: build it first", program.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
