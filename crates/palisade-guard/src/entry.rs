//! A guard as the frame holds it: its traits erased, panics caught.

use crate::cli::GuardCommand;
use crate::contract::{AgentFacts, Guard, GuardError, Host, Keep, LocalDesk, Serve, SpecPair, Watch, chain};
use crate::link::FeedPart;
use palisade_core::{Check, CheckRun, Finding, Generation, HostId, Step, Timestamp, Verdicts};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one look at a host brought.
#[derive(Debug, Default)]
pub struct Look {
    /// The sections: the fields of the guard's `Observed`.
    pub sections: Map<String, Value>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Which checks ran.
    pub runs: Vec<CheckRun>,
    /// Why nothing could be observed, if so.
    pub error: Option<String>,
}

/// [`Guard`], erased.
pub trait Observer: Send + Sync {
    /// Observes and checks. Never panics out: a panic in a guard becomes [`Look::error`].
    fn look(&self, host: &Host, now: Timestamp) -> Look;
    /// Judges an observation given as JSON (goldens, replay).
    fn judge(&self, sections: Value, host: &HostId, now: Timestamp) -> Result<Verdicts, GuardError>;
}

struct ObserverOf<G>(G);

impl<G: Guard> Observer for ObserverOf<G> {
    fn look(&self, host: &Host, now: Timestamp) -> Look {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| -> Result<Look, GuardError> {
            let observed = self.0.observe(host)?;
            let mut verdicts = Verdicts::new(host.id.clone(), now);
            self.0.check(&observed, &mut verdicts);
            let decode = |source| GuardError::Decode { what: "observation", guard: G::WORD, source };
            let sections = match serde_json::to_value(&observed).map_err(decode)? {
                Value::Object(map) => map,
                other => Map::from_iter([("observed".to_owned(), other)]),
            };
            Ok(Look { sections, findings: verdicts.findings, runs: verdicts.runs, error: None })
        }));
        let failed = |message: String| Look { error: Some(message), ..Look::default() };
        match caught {
            Ok(Ok(look)) => look,
            Ok(Err(error)) => failed(chain(&error)),
            Err(panic) => failed(format!("the {} guard panicked: {}", G::WORD, panic_text(&*panic))),
        }
    }

    fn judge(&self, sections: Value, host: &HostId, now: Timestamp) -> Result<Verdicts, GuardError> {
        let observed = serde_json::from_value(sections).map_err(|source| GuardError::Decode {
            what: "observation",
            guard: G::WORD,
            source,
        })?;
        let mut verdicts = Verdicts::new(host.clone(), now);
        self.0.check(&observed, &mut verdicts);
        Ok(verdicts)
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

/// [`Keep`], erased.
pub trait Keeper: Send + Sync {
    /// See [`Keep::stamp`].
    fn stamp(&self) -> Result<u64, GuardError>;
    /// See [`Keep::plan`]. Null specs are empty ones.
    fn plan(&self, specs: &SpecPair, now: Timestamp) -> Result<Vec<Step>, GuardError>;
    /// See [`Keep::is_due`].
    fn is_due(&self) -> bool;
    /// See [`Keep::apply`].
    fn apply(&self, step: &Step, now: Timestamp) -> Result<(), GuardError>;
    /// See [`Keep::decisions`]; empty for a spec that cannot be read.
    fn decisions(&self, specs: &SpecPair) -> BTreeMap<String, bool>;
    /// See [`Keep::probation_until`]; none for a spec that cannot be read.
    fn probation_until(&self, specs: &SpecPair, now: Timestamp) -> Option<Timestamp>;
    /// See [`Keep::feed_at`].
    fn feed_at(&self) -> Option<Generation>;
    /// See [`Keep::feed`].
    fn feed(&self, part: &FeedPart, now: Timestamp) -> Result<Vec<Step>, GuardError>;
    /// See [`Keep::local_api`].
    fn local_api(&self, desk: Arc<dyn LocalDesk>) -> axum::Router;
    /// Whether the value is a spec that this version understands.
    fn spec_valid(&self, spec: &Value) -> Result<(), GuardError>;
}

struct KeeperOf<K> {
    keep: K,
    word: &'static str,
}

impl<K: Keep> KeeperOf<K> {
    fn spec(&self, value: &Value) -> Result<K::Spec, GuardError> {
        if value.is_null() {
            return Ok(K::Spec::default());
        }
        K::Spec::deserialize(value).map_err(|source| GuardError::Decode { what: "spec", guard: self.word, source })
    }
}

impl<K: Keep> Keeper for KeeperOf<K> {
    fn stamp(&self) -> Result<u64, GuardError> {
        self.keep.stamp()
    }

    fn plan(&self, specs: &SpecPair, now: Timestamp) -> Result<Vec<Step>, GuardError> {
        self.keep.plan(&self.spec(&specs.server)?, &self.spec(&specs.local)?, now)
    }

    fn apply(&self, step: &Step, now: Timestamp) -> Result<(), GuardError> {
        let act = K::Act::deserialize(&step.act).map_err(|source| GuardError::Decode {
            what: "step",
            guard: self.word,
            source,
        })?;
        self.keep.apply(&act, now)
    }

    fn is_due(&self) -> bool {
        self.keep.is_due()
    }

    fn decisions(&self, specs: &SpecPair) -> BTreeMap<String, bool> {
        self.spec(&specs.local).map(|local| self.keep.decisions(&local)).unwrap_or_default()
    }

    fn probation_until(&self, specs: &SpecPair, now: Timestamp) -> Option<Timestamp> {
        self.keep.probation_until(&self.spec(&specs.server).ok()?, now)
    }

    fn feed_at(&self) -> Option<Generation> {
        self.keep.feed_at()
    }

    fn feed(&self, part: &FeedPart, now: Timestamp) -> Result<Vec<Step>, GuardError> {
        self.keep.feed(part, now)
    }

    fn local_api(&self, desk: Arc<dyn LocalDesk>) -> axum::Router {
        self.keep.local_api(desk)
    }

    fn spec_valid(&self, spec: &Value) -> Result<(), GuardError> {
        self.spec(spec).map(|_| ())
    }
}

/// Makes the erased keeper once the agent's facts are known.
pub type KeeperMaker = Arc<dyn Fn(&AgentFacts) -> Result<Arc<dyn Keeper>, GuardError> + Send + Sync>;

/// A guard as the frame holds it: one line in `guards.rs`.
#[derive(Clone)]
pub struct Entry {
    /// See [`Guard::WORD`].
    pub word: &'static str,
    /// See [`Guard::PRACTICES`].
    pub practices: &'static [&'static str],
    /// See [`Guard::CHECKS`].
    pub checks: &'static [Check],
    /// See [`Guard::PERIOD_S`].
    pub period_s: u32,
    /// Looking and judging.
    pub observer: Arc<dyn Observer>,
    /// Holding a state.
    pub keeper: Option<KeeperMaker>,
    /// Following a stream.
    pub watcher: Option<Arc<dyn Watch>>,
    /// The server's half.
    pub server: Option<Arc<dyn Serve>>,
    /// The CLI noun.
    pub command: Option<GuardCommand>,
}

impl Entry {
    /// A guard that observes and checks.
    pub fn new<G: Guard>(guard: G) -> Entry {
        Entry {
            word: G::WORD,
            practices: G::PRACTICES,
            checks: G::CHECKS,
            period_s: G::PERIOD_S,
            observer: Arc::new(ObserverOf(guard)),
            keeper: None,
            watcher: None,
            server: None,
            command: None,
        }
    }

    /// It also holds a state.
    pub fn keeps(
        mut self,
        maker: impl Fn(&AgentFacts) -> Result<Arc<dyn Keeper>, GuardError> + Send + Sync + 'static,
    ) -> Entry {
        self.keeper = Some(Arc::new(maker));
        self
    }

    /// It also follows a stream.
    pub fn watches(mut self, watch: impl Watch) -> Entry {
        self.watcher = Some(Arc::new(watch));
        self
    }

    /// It has a half on the server.
    pub fn serves(mut self, serve: impl Serve) -> Entry {
        self.server = Some(Arc::new(serve));
        self
    }

    /// It has a noun on the command line.
    pub fn commands(mut self, command: GuardCommand) -> Entry {
        self.command = Some(command);
        self
    }
}

/// Erases a keeper; used by a guard's [`KeeperMaker`].
pub fn keeper<K: Keep>(word: &'static str, keep: K) -> Arc<dyn Keeper> {
    Arc::new(KeeperOf { keep, word })
}
