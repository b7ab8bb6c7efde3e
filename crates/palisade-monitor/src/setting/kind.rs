//! The kinds `Sampling` and `ProcessWatch`. Both live in the frame's own table of resources.

use super::policy::{PROCESS_WATCH, Policy, SAMPLING, moved};
use super::rule::{Rule, expression};
use super::{INTERVAL_S_MAX, INTERVAL_S_MIN, WATCHES_MAX, WatchSpec};
use crate::scope::Scope;
use palisade_core::{Effect, EffectKind, HostId, Severity, Step};
use palisade_guard::Kind;
use palisade_guard::api::ApiError;
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::{self, Asked, Effects, Refused, SpecChange};
use palisade_guard::store::{self, HostRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

/// How often hosts are sampled.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sampling;

/// Which processes are watched.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessWatch;

/// How often the hosts of a scope are sampled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplingSpec {
    /// Which hosts; all if absent.
    #[serde(default)]
    pub scope: Scope,
    /// From frame to frame, in whole seconds from `1s` to `60s`. Of several for one host the shortest
    /// counts.
    #[schema(example = "10s")]
    pub interval: String,
}

impl SamplingSpec {
    /// The interval in seconds, if it is one.
    pub(super) fn interval_s(&self) -> Option<u32> {
        let length: jiff::SignedDuration = self.interval.parse().ok()?;
        let whole = length.subsec_nanos() == 0;
        let seconds = u32::try_from(length.as_secs()).ok().filter(|_| whole)?;
        (INTERVAL_S_MIN..=INTERVAL_S_MAX).contains(&seconds).then_some(seconds)
    }
}

/// Processes that are counted and measured by themselves, also when there is none. What is given must
/// all be true of a process; at least one is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessWatchSpec {
    /// On which hosts; all if absent.
    #[serde(default)]
    pub scope: Scope,
    /// The name as the kernel has it; of a longer one the first 15 bytes count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub name: Option<String>,
    /// The systemd unit; `nginx` means `nginx.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub unit: Option<String>,
    /// The account that it runs as; a number where it has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub user: Option<String>,
    /// A regular expression that matches somewhere in the first 256 bytes of its command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub command: Option<String>,
}

impl Kind for Sampling {
    fn name(&self) -> &'static str {
        SAMPLING
    }

    fn plural(&self) -> &'static str {
        "samplings"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "How often hosts are sampled: every minute where nothing is said, up to every second."
    }

    fn after(&self) -> &'static [&'static str] {
        &["Host", "ResourceGroup"]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<SamplingSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        let mut spec: SamplingSpec = kind::spec_of(spec)?;
        spec.scope.checked("spec.scope")?;
        let Some(seconds) = spec.interval_s() else {
            let why = format!("`interval` must be whole seconds from {INTERVAL_S_MIN}s to {INTERVAL_S_MAX}s");
            return Err(ApiError::invalid(why).at("spec.interval").hint("write `10s`"));
        };
        spec.interval = format!("{seconds}s");
        Ok((name.to_owned(), json!(spec)))
    }

    fn apply<'a>(
        &'a self,
        _asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(apply(SAMPLING, db, changes))
    }
}

impl Kind for ProcessWatch {
    fn name(&self) -> &'static str {
        PROCESS_WATCH
    }

    fn plural(&self) -> &'static str {
        "processwatches"
    }

    fn guard(&self) -> &'static str {
        crate::WORD
    }

    fn description(&self) -> &'static str {
        "Processes that have series of their own, also when none runs: how many, CPU, memory, files, threads, I/O, starts."
    }

    fn after(&self) -> &'static [&'static str] {
        &["Host", "ResourceGroup"]
    }

    fn schema(&self) -> Value {
        kind::schema_of::<ProcessWatchSpec>()
    }

    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError> {
        kind::name_checked(name)?;
        let mut spec: ProcessWatchSpec = kind::spec_of(spec)?;
        spec.scope.checked("spec.scope")?;
        spec.unit = spec.unit.map(|unit| if unit.contains('.') { unit } else { format!("{unit}.service") });
        let ProcessWatchSpec { name: comm, unit, user, command, .. } = spec.clone();
        if let Some(command) = &command {
            expression(command).map_err(|why| ApiError::invalid(why).at("spec.command"))?;
        }
        let wrong = |why| ApiError::invalid(why).at("spec");
        Rule::new(&WatchSpec { watch: name.to_owned(), name: comm, unit, user, command }).map_err(wrong)?;
        Ok((name.to_owned(), json!(spec)))
    }

    fn apply<'a>(
        &'a self,
        _asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>> {
        Box::pin(apply(PROCESS_WATCH, db, changes))
    }
}

/// The frame stores the documents; here is said what they do, and on which hosts.
async fn apply(kind: &str, db: &mut SqliteConnection, changes: &[SpecChange]) -> Result<Effects, Refused> {
    let before = Policy::with_groups(db).await?;
    let hosts = store::hosts(db).await?;
    let after = before.clone().changed(kind, changes);
    let mut effects = Effects { hosts: moved(&before, &after, &hosts), ..Effects::default() };
    for (index, change) in changes.iter().enumerate() {
        let policy = if change.new.is_some() { &after } else { &before };
        let reached: Vec<&HostRow> = hosts.iter().filter(|host| policy.reaches(kind, &change.name, host)).collect();
        room(&after, &reached).map_err(|error| Refused { index: Some(index), error })?;
        effects.effects.push(effect(kind, change, &reached));
    }
    effects.steps = steps(&effects.hosts, "its sampling or its watches change");
    effects.observed_at = store::freshness_oldest(db, crate::WORD, &effects.hosts).await?;
    Ok(effects)
}

fn room(after: &Policy, reached: &[&HostRow]) -> Result<(), ApiError> {
    let full = reached.iter().find(|host| after.watch_count(host) > WATCHES_MAX);
    full.map_or(Ok(()), |host| {
        let error = ApiError::conflict(format!("host `{}` would have more than {WATCHES_MAX} watches", host.id));
        Err(error.at("spec.scope").hint("narrow the scope, or remove a ProcessWatch that is no longer needed"))
    })
}

fn effect(kind: &str, change: &SpecChange, reached: &[&HostRow]) -> Effect {
    let on = match reached {
        [] => "no host yet; hosts that come into its scope join by themselves".to_owned(),
        [one] => one.id.to_string(),
        all => format!("{} hosts", all.len()),
    };
    let interval = |spec: &Value| spec["interval"].as_str().unwrap_or_default().to_owned();
    let sentence = match (kind, &change.new) {
        (SAMPLING, Some(spec)) => format!("`{}` asks for a sample every {} on {on}", change.name, interval(spec)),
        (SAMPLING, None) => format!("`{}` asks for nothing any more on {on}", change.name),
        (_, Some(_)) => format!("the processes of `{}` are watched on {on}", change.name),
        (_, None) => format!("nobody watches the processes of `{}` any more on {on}", change.name),
    };
    let hosts: Vec<HostId> = reached.iter().map(|host| host.id.clone()).collect();
    Effect { kind: EffectKind::Changes, severity: Severity::Informational, sentence, hosts }
}

/// What the hosts carry out, if there are any; each has its own spec, so that the act, and a secret,
/// stand in none of them.
pub(crate) fn steps(hosts: &[HostId], reason: &str) -> Vec<Step> {
    if hosts.is_empty() {
        return Vec::new();
    }
    vec![Step {
        name: "SetSampling".to_owned(),
        object: if hosts.len() == 1 { "1 host".to_owned() } else { format!("{} hosts", hosts.len()) },
        reason: reason.to_owned(),
        permit: super::PERMIT.to_owned(),
        act: Value::Null,
    }]
}
