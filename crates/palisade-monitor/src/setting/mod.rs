//! How a host is sampled: every how many seconds, and which processes are watched by name.
//!
//! The resources `Sampling` and `ProcessWatch` ([`kind`]) are resolved to one small spec per host
//! ([`policy`]), which the agent keeps on disk like every spec, and which its sampler looks at before
//! each frame. There is nothing on the host to compare with but what the sampler goes by, so that
//! putting a spec in force is one exchange in memory.
//!
//! With the spec the host is told how alarms cover it ([`cover`]). That is no order, needs no permit,
//! and makes no step: the host says it in its own practices, and that is all.

pub mod cover;
pub mod kind;
pub mod policy;
pub mod rule;
pub mod store;

use crate::notify::secret;
use crate::server_watch::{self, Secret, WatchSpec as WatchOfServer};
use cover::Cover;
use palisade_core::{HostId, Step, Timestamp};
use palisade_guard::contract::BoxFuture;
use palisade_guard::notice::Vault;
use palisade_guard::{GuardError, Keep, Kind, ServerContext};
use rule::Rule;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Seconds between two frames of a host of which no Sampling says otherwise.
pub const INTERVAL_S: u32 = 60;
/// The longest and the shortest that can be asked for.
pub const INTERVAL_S_MAX: u32 = 60;
/// See [`INTERVAL_S_MAX`].
pub const INTERVAL_S_MIN: u32 = 1;
/// The most ProcessWatches of one host.
pub const WATCHES_MAX: usize = 64;
/// What the host's permit must hold: looking is all that a setting leads to.
pub(crate) const PERMIT: &str = "observe";

/// What a host shall do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingSpec {
    /// Seconds from frame to frame.
    #[serde(default = "interval_s")]
    pub interval_s: u32,
    /// Which processes are watched, by name of the watch.
    #[serde(default)]
    pub watches: Vec<WatchSpec>,
    /// How alarms cover the host; absent until the server has worked it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<Cover>,
    /// Whom the host tells when the server is silent; hosts with one share their spec with no other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_watches: Vec<WatchOfServer>,
}

/// One ProcessWatch as a host gets it: all that is given must be true of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchSpec {
    /// Its name: the label of its series.
    pub watch: String,
    /// The process's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A regular expression that its command line matches somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

fn interval_s() -> u32 {
    INTERVAL_S
}

impl Default for SettingSpec {
    fn default() -> SettingSpec {
        SettingSpec { interval_s: INTERVAL_S, watches: Vec::new(), cover: None, server_watches: Vec::new() }
    }
}

/// What is in force, ready to be used.
#[derive(Debug, Default)]
pub struct InForce {
    /// As it was asked for.
    pub spec: SettingSpec,
    /// Its watches, in the same order.
    pub rules: Vec<Rule>,
    /// Rises with every exchange.
    pub revision: u64,
}

/// What this host is told; shared by who looks, the keeper and the watcher.
#[derive(Debug, Default)]
pub struct Settings {
    in_force: Mutex<Arc<InForce>>,
    cover: Mutex<Option<Cover>>,
    state_dir: OnceLock<PathBuf>,
}

impl Settings {
    /// What is in force now.
    pub fn now(&self) -> Arc<InForce> {
        Arc::clone(&self.lock())
    }

    /// Puts a spec in force. One that is out of bounds or cannot be understood changes nothing: the
    /// server may be in hostile hands.
    pub fn put(&self, spec: &SettingSpec) -> Result<(), GuardError> {
        let rules = checked(spec)?;
        let mut held = self.lock();
        *held = Arc::new(InForce { spec: to_do(spec), rules, revision: held.revision + 1 });
        Ok(())
    }

    /// Where the agent keeps its state; said once, when it starts.
    pub fn live_in(&self, dir: &Path) {
        let _ = self.state_dir.set(dir.to_owned());
    }

    /// Where the agent keeps its state; `None` without one.
    pub fn state_dir(&self) -> Option<&Path> {
        self.state_dir.get().map(PathBuf::as_path)
    }

    /// How alarms cover this host, as a server has told; `None` if none has.
    pub fn cover(&self) -> Option<Cover> {
        self.cover.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server has told how alarms cover this host.
    pub fn cover_put(&self, cover: Option<Cover>) {
        *self.cover.lock().unwrap_or_else(PoisonError::into_inner) = cover;
    }

    fn lock(&self) -> MutexGuard<'_, Arc<InForce>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a spec the host has to do, without what it is only told.
fn to_do(spec: &SettingSpec) -> SettingSpec {
    SettingSpec { cover: None, ..spec.clone() }
}

/// The rules of a spec that is within its bounds.
fn checked(spec: &SettingSpec) -> Result<Vec<Rule>, GuardError> {
    let refused = |why: String| Err(GuardError::Refused(why));
    if !(INTERVAL_S_MIN..=INTERVAL_S_MAX).contains(&spec.interval_s) {
        return refused(format!(
            "a sample every {} s is not between {INTERVAL_S_MIN} and {INTERVAL_S_MAX}",
            spec.interval_s
        ));
    }
    if spec.watches.len() > WATCHES_MAX {
        return refused(format!("{} watches are more than {WATCHES_MAX}", spec.watches.len()));
    }
    server_watch::checked(&spec.server_watches)?;
    let rule =
        |watch| Rule::new(watch).map_err(|why| GuardError::Refused(format!("the watch `{}`: {why}", watch.watch)));
    spec.watches.iter().map(rule).collect()
}

/// Holds the settings of the sampler.
pub struct SettingKeep(pub Arc<Settings>);

impl Keep for SettingKeep {
    type Spec = SettingSpec;
    type Act = SettingSpec;

    fn stamp(&self) -> Result<u64, GuardError> {
        Ok(self.0.now().revision)
    }

    fn plan(&self, server: &SettingSpec, _local: &SettingSpec, _now: Timestamp) -> Result<Vec<Step>, GuardError> {
        // news, not an act: a host that lets nobody order anything is told all the same
        self.0.cover_put(server.cover.clone());
        let (held, wanted) = (self.0.now(), to_do(server));
        if held.spec == wanted {
            return Ok(Vec::new());
        }
        checked(&wanted)?;
        Ok(vec![step(&wanted, &format!("it was {}", said(&held.spec)))])
    }

    fn apply(&self, act: &SettingSpec, _now: Timestamp) -> Result<(), GuardError> {
        self.0.put(act)
    }
}

fn step(spec: &SettingSpec, reason: &str) -> Step {
    Step {
        name: "SetSampling".to_owned(),
        object: said(spec),
        reason: reason.to_owned(),
        permit: PERMIT.to_owned(),
        act: json!(spec),
    }
}

/// In words: `every 10 s, 2 watches`.
fn said(spec: &SettingSpec) -> String {
    let watches = match spec.watches.len() {
        0 => String::new(),
        1 => ", 1 watch".to_owned(),
        n => format!(", {n} watches"),
    };
    let of_server = match spec.server_watches.len() {
        0 => String::new(),
        1 => ", 1 watch of the server".to_owned(),
        n => format!(", {n} watches of the server"),
    };
    format!("every {} s{watches}{of_server}", spec.interval_s)
}

/// The kinds of resources.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![Arc::new(kind::Sampling), Arc::new(kind::ProcessWatch)]
}

/// What runs beside the requests.
pub fn tasks(context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    vec![Box::pin(cover::run(context.clone()))]
}

/// The spec of a host. Every host has one, so that the removal of the last resource reaches it too.
/// `vault` opens the secrets that this host is given; without one a host that is given some has no spec.
pub async fn resolve(
    db: &mut SqliteConnection,
    host: &HostId,
    vault: Option<&dyn Vault>,
) -> Result<Option<Value>, GuardError> {
    let mut spec = spec_of(db, host).await?;
    for watch in &mut spec.server_watches {
        let Some(name) = watch.secret.take() else { continue };
        let vault = vault.ok_or_else(|| GuardError::Refused("nothing opens secrets yet".to_owned()))?;
        watch.secret = secret::open(db, vault, &name.0).await?.map(Secret);
        if watch.secret.is_none() {
            tracing::warn!(host.id = %host, watch = watch.name, secret = name.0, "the secret is not set; not signed");
        }
    }
    Ok(Some(json!(spec)))
}

/// What hosts must share to have the same spec: the spec itself. One with a secret is shared with none.
pub async fn scope(db: &mut SqliteConnection, host: &HostId) -> Result<Option<String>, GuardError> {
    let spec = spec_of(db, host).await?;
    Ok(spec.server_watches.is_empty().then(|| palisade_guard::link::spec_hash(&json!(spec))))
}

/// With the *names* of secrets in their places.
async fn spec_of(db: &mut SqliteConnection, host: &HostId) -> Result<SettingSpec, GuardError> {
    let policy = policy::Policy::read(db).await?;
    let cover = store::cover(db, host).await?;
    if policy.is_empty() {
        return Ok(SettingSpec { cover, ..SettingSpec::default() });
    }
    let row = palisade_guard::store::host(db, host).await?;
    Ok(SettingSpec { cover, ..row.map(|row| policy.spec(&row)).unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use palisade_guard::conformance::{self, Fixture};
    use palisade_guard::{SpecPair, entry};

    #[test]
    fn the_keeper_does_what_every_keeper_does() {
        let settings = Arc::new(Settings::default());
        let server = json!({ "interval_s": 5, "watches": [{ "watch": "web", "name": "nginx" }] });
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        conformance::keeper(&Fixture {
            keeper: entry::keeper("monitor", SettingKeep(Arc::clone(&settings))).as_ref(),
            specs: SpecPair { server, local: Value::Null },
            now,
            destroy: &|| settings.put(&SettingSpec::default()).unwrap(),
        });
        assert_eq!((settings.now().spec.interval_s, settings.now().rules.len()), (5, 1));
    }

    #[test]
    fn how_alarms_cover_the_host_is_news_without_a_step() {
        let settings = Arc::new(Settings::default());
        let cover = Some(Cover { rules: 3, channels: 1, channel_works: Some(true) });
        let spec = SettingSpec { cover: cover.clone(), ..SettingSpec::default() };
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let steps = SettingKeep(Arc::clone(&settings)).plan(&spec, &SettingSpec::default(), now).unwrap();
        assert!(steps.is_empty(), "{steps:?}");
        assert_eq!((settings.cover(), settings.now().revision), (cover, 0));
    }

    #[test]
    fn what_is_out_of_bounds_changes_nothing() {
        let settings = Arc::new(Settings::default());
        let keep = SettingKeep(Arc::clone(&settings));
        let watch = |command: &str| WatchSpec {
            watch: "w".to_owned(),
            command: Some(command.to_owned()),
            ..WatchSpec::default()
        };
        let of = |interval_s, watches| SettingSpec { interval_s, watches, ..SettingSpec::default() };
        for spec in [
            of(0, Vec::new()),
            of(61, Vec::new()),
            of(60, vec![watch("x"); WATCHES_MAX + 1]),
            of(60, vec![watch("(")]),
            of(60, vec![watch("(x{1000}){1000}")]),
            of(60, vec![WatchSpec { watch: "all".to_owned(), ..WatchSpec::default() }]),
        ] {
            let now = "2026-11-22T12:00:00Z".parse().unwrap();
            assert!(keep.plan(&spec, &SettingSpec::default(), now).is_err(), "{spec:?}");
            assert!(keep.apply(&spec, now).is_err(), "{spec:?}");
        }
        assert_eq!((settings.now().spec.clone(), settings.now().revision), (SettingSpec::default(), 0));
    }
}
