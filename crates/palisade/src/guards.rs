//! The one list of guards, and every relation between them.

use crate::config::Config;
use palisade_core::{CheckRun, Cidr, Event, Finding};
use palisade_core::{HostId, Judgement, PRACTICES, PracticeState, judge};
use palisade_guard::cli::GuardCommand;
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{BanAddress, Entry, GuardError, IsolateHost, Notify, store};
use palisade_monitor::Shares;
use sqlx::SqliteConnection;
use std::collections::HashMap;
use std::sync::Arc;

/// The words of all eleven guards, in the order in which they are shown; the last field says
/// what a guard that is not built yet will do.
pub const WORDS: [(&str, &str); 11] = [
    ("firewall", "security groups, port policy, bans and isolation"),
    ("mesh", "private networks per security domain, and logon only through them"),
    ("access", "accounts, password rules, SSH settings and keys"),
    ("backup", "vaults, policies, consistent backups, proven restores"),
    ("waf", "a web application firewall that runs the OWASP Core Rule Set"),
    ("intrusion", "log and kernel sensors, account cracking prevention, incidents"),
    ("integrity", "file integrity, web tamper protection, malware"),
    ("inventory", "accounts, ports, processes, packages, autostart, baselines"),
    ("upgrade", "pending updates, end of life, rings and windows"),
    ("monitor", "system and process metrics, alarms, notifications"),
    ("journal", "events, audit log, search and export"),
];

/// The guards that are built, in the order of [`WORDS`].
pub fn all() -> Vec<Entry> {
    vec![
        palisade_firewall::guard(),
        palisade_access::guard(),
        palisade_inventory::guard(),
        palisade_upgrade::guard(),
        palisade_monitor::guard(),
        palisade_journal::guard(),
    ]
}

/// The same on a server with this configuration.
pub fn configured(config: &Config) -> Vec<Entry> {
    let monitor = || palisade_monitor::guard_that_keeps(config.retention);
    all().into_iter().map(|guard| if guard.word == palisade_monitor::WORD { monitor() } else { guard }).collect()
}

/// The nouns of the guards on the command line.
pub fn commands() -> Vec<GuardCommand> {
    let own = all().into_iter().filter_map(|g| g.command);
    own.chain([palisade_journal::cli::AUDIT_COMMAND]).collect()
}

/// Who records events: the journal keeps them, and alarms may go by them.
pub fn recorder() -> Arc<dyn RecordEvent> {
    Arc::new(Recorder)
}

/// Who tells people.
pub fn notify() -> Arc<dyn Notify> {
    Arc::new(palisade_monitor::notify::Desk)
}

/// Who shuts addresses out of every host; never one of `failsafe`.
pub fn ban_address(failsafe: Arc<Vec<Cidr>>) -> Arc<dyn BanAddress> {
    Arc::new(palisade_firewall::feed::desk::Desk::new(failsafe))
}

/// Who cuts hosts off.
pub fn isolate_host() -> Arc<dyn IsolateHost> {
    Arc::new(palisade_firewall::resolve::Server::default())
}

struct Recorder;

impl RecordEvent for Recorder {
    fn record<'a>(&'a self, db: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            palisade_journal::Journal.record(db, event).await?;
            palisade_monitor::alarm::event_recorded(db, event).await
        })
    }
}

/// How one host stands against every practice, from what ran on it and what was found.
pub fn practices(guards: &[Entry], runs: &[CheckRun], findings: &[Finding]) -> Vec<PracticeState> {
    let judged = |(practice, served)| judge(practice, Judgement { served, runs, findings });
    PRACTICES.iter().zip(served(guards)).map(judged).collect()
}

/// The few figures of a host that lists show beside its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Busy share of all processors, 0 to 1.
    pub cpu: Option<f64>,
    /// Used share of the memory, 0 to 1.
    pub memory: Option<f64>,
    /// Used share of the fullest file system, 0 to 1.
    pub disk: Option<f64>,
    /// Pending updates.
    pub updates: Option<u64>,
}

/// The figures of these hosts, from the guards that know them.
pub async fn figures(db: &mut SqliteConnection, hosts: &[HostId]) -> Result<HashMap<HostId, Figures>, GuardError> {
    let shares = palisade_monitor::figures(db, hosts).await?;
    let pending = store::sections(db, hosts, "upgrade", "pending").await?;
    let of = |host: &HostId| {
        let Shares { cpu, memory, disk } = shares.get(host).copied().unwrap_or_default();
        let updates = pending.get(host).and_then(|body| body.as_array().map(|list| list.len() as u64));
        (host.clone(), Figures { cpu, memory, disk, updates })
    };
    Ok(hosts.iter().map(of).collect())
}

/// How many alarms fire.
pub async fn alarms_firing(db: &mut SqliteConnection) -> Result<usize, GuardError> {
    palisade_monitor::alarm::store::alarms_firing(db).await
}

/// Which of [`PRACTICES`] a guard serves, in their order.
pub fn served(guards: &[Entry]) -> Vec<bool> {
    PRACTICES.iter().map(|practice| guards.iter().any(|g| g.practices.contains(&practice.id))).collect()
}
