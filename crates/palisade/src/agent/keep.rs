//! Holding a state: one thread per guard that observes, plans, applies, and plans again.

mod feed;

use super::{Agent, spawn, state};
use anyhow::Result;
use palisade_core::{
    Clock, Generation, HostId, Plan, PlanState, Report, Step, StepOutcome, StepReport, SystemClock, Timestamp,
};
use palisade_guard::contract::{BoxFuture, LocalDesk, chain};
use palisade_guard::entry::panic_text;
use palisade_guard::link::{FeedPart, SpecHeld, Splice, spec_hash};
use palisade_guard::{GuardError, Keeper, SpecPair, delta};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the stamp is compared: drift is seen within this time.
const STAMP_EVERY: Duration = Duration::from_secs(2);
/// A failed plan is tried again after this time.
const RETRY_AFTER_TICKS: u32 = 15;
/// Plans of the host's own operator that are remembered.
const LOCAL_PLANS_MAX: usize = 200;

/// What is stored on disk for one guard.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Stored {
    #[serde(default)]
    generation: Generation,
    #[serde(default)]
    specs: SpecPair,
    /// Plans made on this host, oldest first.
    #[serde(default)]
    plans: Vec<Plan>,
}

enum Message {
    /// A spec from the server.
    Spec { generation: Generation, spec: Value },
    /// Changes to the spec that is held.
    Delta { from: Generation, generation: Generation, splices: Vec<Splice>, hash: String },
    /// What is new in the guard's feed.
    Feed(FeedPart),
    /// A spec of the host's own operator, with the plan that it is for.
    Local { spec: Value, plan: Box<Plan>, answer: oneshot::Sender<Result<Plan, GuardError>> },
    /// Look again.
    Wake,
}

/// A change that is undone unless it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Probation {
    /// When it was in force here: what is tried later shows that it has cut nobody off.
    pub changed_at: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// One guard's keeper and its thread.
pub struct KeeperHandle {
    word: &'static str,
    keeper: Arc<dyn Keeper>,
    path: PathBuf,
    stored: Mutex<Stored>,
    report: Mutex<Option<Report>>,
    error: Mutex<Option<String>>,
    /// The stamp of the host as it was verified last.
    stamp: Mutex<Option<u64>>,
    /// What is on probation, as of the last report.
    probation: Mutex<Option<Probation>>,
    /// A part of the feed could not be taken; it is asked for again after a while.
    feed_failed: AtomicBool,
    sender: mpsc::Sender<Message>,
    receiver: Mutex<Option<mpsc::Receiver<Message>>>,
}

impl KeeperHandle {
    /// Reads what was in force before the agent started.
    pub fn load(word: &'static str, keeper: Arc<dyn Keeper>, dir: &Path) -> Result<KeeperHandle> {
        let path = dir.join("spec").join(format!("{word}.json"));
        let stored: Stored = state::read(&path)?;
        let (sender, receiver) = mpsc::channel();
        Ok(KeeperHandle {
            word,
            keeper,
            path,
            stored: Mutex::new(stored),
            report: Mutex::default(),
            error: Mutex::default(),
            stamp: Mutex::default(),
            probation: Mutex::default(),
            feed_failed: AtomicBool::new(false),
            sender,
            receiver: Mutex::new(Some(receiver)),
        })
    }

    /// Starts the thread.
    pub fn start(&self, agent: &Arc<Agent>) {
        let Some(receiver) = self.receiver.lock().expect("no panic while held").take() else { return };
        let (agent, word) = (Arc::clone(agent), self.word);
        spawn(&format!("keep-{word}"), move || run(&agent, word, &receiver));
    }

    /// A spec from the server.
    pub fn spec(&self, generation: Generation, spec: Value) {
        // the thread lives as long as the agent
        let _ = self.sender.send(Message::Spec { generation, spec });
    }

    /// Changes to the spec that is held, from the server.
    pub fn delta(&self, from: Generation, generation: Generation, splices: Vec<Splice>, hash: String) {
        let _ = self.sender.send(Message::Delta { from, generation, splices, hash });
    }

    /// What is new in the guard's feed, from the server.
    pub fn feed(&self, part: FeedPart) {
        let _ = self.sender.send(Message::Feed(part));
    }

    /// How far the guard's feed is stored; `None` if it takes none.
    pub fn feed_at(&self) -> Option<Generation> {
        self.keeper.feed_at()
    }

    /// Which spec is held; `None` before the first one.
    pub fn held(&self) -> Option<SpecHeld> {
        let stored = self.stored.lock().expect("no panic while held");
        let hash = (!stored.specs.server.is_null()).then(|| spec_hash(&stored.specs.server))?;
        Some(SpecHeld { generation: stored.generation, hash })
    }

    /// This host becomes another one, whose specs the server numbers from the beginning. What is held
    /// stays in force until the first of them comes.
    pub fn begin_anew(&self) -> Result<()> {
        self.store(|stored| stored.generation = Generation::default())
    }

    /// Ends a wait.
    pub fn wake(&self) {
        let _ = self.sender.send(Message::Wake);
    }

    /// The last report, to be repeated after a new connection.
    pub fn report(&self) -> Option<Report> {
        self.report.lock().expect("no panic while held").clone()
    }

    /// The generation in force.
    pub fn generation(&self) -> Generation {
        self.stored.lock().expect("no panic while held").generation
    }

    /// Why the state cannot be held, if so.
    pub fn error(&self) -> Option<String> {
        self.error.lock().expect("no panic while held").clone()
    }

    /// What is on probation at `now`.
    pub fn probation(&self, now: Timestamp) -> Option<Probation> {
        self.probation.lock().expect("no panic while held").filter(|probation| probation.until > now)
    }

    /// Plans made on this host, newest first.
    pub fn plans(&self) -> Vec<Plan> {
        self.stored.lock().expect("no panic while held").plans.iter().rev().cloned().collect()
    }

    /// The guard's part of the local API.
    pub fn local_api(&self, agent: &Arc<Agent>) -> axum::Router {
        self.keeper.local_api(Arc::new(Desk { agent: Arc::downgrade(agent), word: self.word }))
    }

    /// Whether somebody else has changed what is kept since it was verified.
    fn drifted(&self) -> bool {
        let verified = *self.stamp.lock().expect("no panic while held");
        verified.is_some() && self.keeper.stamp().ok() != verified
    }

    fn store(&self, change: impl FnOnce(&mut Stored)) -> Result<()> {
        let mut stored = self.stored.lock().expect("no panic while held");
        let mut next = stored.clone();
        change(&mut next);
        // first on disk, then in force: after a crash the agent enforces what it had promised
        state::write(&self.path, &next)?;
        *stored = next;
        Ok(())
    }
}

struct Desk {
    agent: Weak<Agent>,
    word: &'static str,
}

impl LocalDesk for Desk {
    fn host(&self) -> Option<HostId> {
        self.agent.upgrade().map(|agent| agent.id().clone())
    }

    fn specs(&self) -> SpecPair {
        let agent = self.agent.upgrade();
        agent
            .map(|a| a.keepers[self.word].stored.lock().expect("no panic while held").specs.clone())
            .unwrap_or_default()
    }

    fn change(&self, local: Value, plan: Plan) -> BoxFuture<'_, Result<Plan, GuardError>> {
        Box::pin(async move {
            let gone = || GuardError::Refused("the agent is ending; try again when it runs".to_owned());
            let agent = self.agent.upgrade().ok_or_else(gone)?;
            let (answer, done) = oneshot::channel();
            let message = Message::Local { spec: local, plan: Box::new(plan), answer };
            agent.keepers[self.word].sender.send(message).map_err(|_| gone())?;
            done.await.map_err(|_| gone())?
        })
    }
}

fn run(agent: &Arc<Agent>, word: &'static str, messages: &mpsc::Receiver<Message>) {
    let handle = &agent.keepers[word];
    let mut ticks_since_try = 0u32;
    // what was in force before the start is put back at once, less what has ended meanwhile
    reconcile(agent, handle, false);
    while !agent.ended.load(Ordering::Relaxed) {
        match messages.recv_timeout(STAMP_EVERY) {
            Ok(Message::Spec { generation, spec }) => take_spec(agent, handle, generation, spec),
            Ok(Message::Delta { from, generation, splices, hash }) => {
                take_delta(agent, handle, from, generation, splices, &hash);
            }
            Ok(Message::Feed(part)) => feed::take(agent, handle, &part),
            Ok(Message::Local { spec, plan, answer }) => {
                let _ = answer.send(take_local(agent, handle, spec, *plan));
            }
            Ok(Message::Wake) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => {
                ticks_since_try += 1;
                let retry = handle.error().is_some() && ticks_since_try >= RETRY_AFTER_TICKS;
                if retry && handle.feed_failed.swap(false, Ordering::Relaxed) {
                    // what could not be taken is sent again on a new connection
                    agent.respec.notify_one();
                }
                if retry || handle.drifted() {
                    ticks_since_try = 0;
                    let drift = !handle.keeper.is_due();
                    reconcile(agent, handle, drift);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn take_spec(agent: &Agent, handle: &KeeperHandle, generation: Generation, spec: Value) {
    let have = handle.generation();
    if generation < have {
        tracing::warn!(guard = handle.word, %generation, %have, "refused an older spec");
        return;
    }
    if !agent.epoch.allows(generation.epoch) {
        tracing::warn!(guard = handle.word, %generation, "refused a spec of an epoch that no admin has begun");
        return;
    }
    if let Err(error) = handle.keeper.spec_valid(&spec) {
        tracing::error!(guard = handle.word, %generation, error = chain(&error), "refused a spec that this version does not understand");
        return;
    }
    if let Err(error) = handle.store(|s| (s.generation, s.specs.server) = (generation, spec)) {
        tracing::error!(
            guard = handle.word,
            error = format!("{error:#}"),
            "a spec could not be stored and is not applied"
        );
        *handle.error.lock().expect("no panic while held") = Some(format!("{error:#}"));
        return;
    }
    reconcile(agent, handle, false);
}

/// Makes the changes; when they do not lead from the spec that is held to the one that was meant,
/// nothing changes and the whole spec is asked for by a new connection.
fn take_delta(
    agent: &Agent,
    handle: &KeeperHandle,
    from: Generation,
    generation: Generation,
    splices: Vec<Splice>,
    hash: &str,
) {
    let held = handle.stored.lock().expect("no panic while held").clone();
    let changed = (held.generation == from).then(|| delta::patch(&held.specs.server, splices));
    match changed {
        Some(Ok(spec)) if spec_hash(&spec) == hash => take_spec(agent, handle, generation, spec),
        _ => {
            tracing::warn!(guard = handle.word, %from, held = %held.generation, "a change does not fit the spec that is held");
            agent.respec.notify_one();
        }
    }
}

fn take_local(agent: &Agent, handle: &KeeperHandle, spec: Value, mut plan: Plan) -> Result<Plan, GuardError> {
    handle.keeper.spec_valid(&spec)?;
    let before = handle.stored.lock().expect("no panic while held").specs.local.clone();
    let store = |spec: Value| handle.store(|s| s.specs.local = spec).map_err(|e| GuardError::Refused(format!("{e:#}")));
    store(spec)?;
    let report = reconcile(agent, handle, false);
    let failed = report.as_ref().and_then(|r| r.steps.iter().find(|s| s.outcome != StepOutcome::Done)).cloned();
    if let Some(step) = failed {
        // nothing is half-applied: back to what was in force
        store(before)?;
        reconcile(agent, handle, false);
        return Err(GuardError::Refused(format!(
            "{} {}: {}",
            step.step.name,
            step.step.object,
            step.message.unwrap_or_default()
        )));
    }
    if plan.id.is_empty() {
        // a guard that writes the id into its spec gives one
        plan.id = format!("l-{}", SystemClock.now().as_microsecond());
    }
    plan.state = if plan.deadline.is_some() { PlanState::Probation } else { PlanState::Applied };
    plan.generation = handle.generation();
    plan.reports = report.into_iter().collect();
    plan.steps = plan.reports.iter().flat_map(|r| r.steps.iter().map(|s| s.step.clone())).collect();
    let kept = plan.clone();
    let stored = handle.store(|s| {
        s.plans.push(kept);
        let extra = s.plans.len().saturating_sub(LOCAL_PLANS_MAX);
        s.plans.drain(..extra);
    });
    stored.map_err(|e| GuardError::Refused(format!("{e:#}")))?;
    Ok(plan)
}

/// Plans and applies until the host is as it should be; `None` when nothing could be planned.
fn reconcile(agent: &Agent, handle: &KeeperHandle, drift: bool) -> Option<Report> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| converge(agent, handle)));
    let (steps, verified, error) = match caught {
        Ok(Ok((steps, verified))) => (steps, verified, None),
        Ok(Err(error)) => (Vec::new(), false, Some(chain(&error))),
        Err(panic) => (Vec::new(), false, Some(format!("the {} guard panicked: {}", handle.word, panic_text(&*panic)))),
    };
    let failed = steps.iter().find(|s: &&StepReport| s.outcome != StepOutcome::Done);
    let error =
        error.or_else(|| failed.map(|s| format!("{}: {}", s.step.name, s.message.as_deref().unwrap_or("failed"))));
    let before = handle.error();
    if let Some(error) = error.as_ref().filter(|now| before.as_ref() != Some(now)) {
        tracing::error!(guard = handle.word, error, "the host is not as it should be");
    }
    *handle.error.lock().expect("no panic while held") = error.clone();
    let report = Report {
        host: agent.id().clone(),
        guard: handle.word.to_owned(),
        generation: handle.generation(),
        at: SystemClock.now(),
        verified: verified && error.is_none(),
        error,
        drift: drift && !steps.is_empty(),
        steps,
        decisions: handle.keeper.decisions(&handle.stored.lock().expect("no panic while held").specs),
    };
    let specs = handle.stored.lock().expect("no panic while held").specs.clone();
    let until = handle.keeper.probation_until(&specs, report.at);
    *handle.probation.lock().expect("no panic while held") =
        until.map(|until| Probation { changed_at: report.at, until });
    *handle.report.lock().expect("no panic while held") = Some(report.clone());
    agent.wake.notify_one();
    if until.is_some() {
        agent.operator.wake();
    }
    Some(report)
}

fn converge(agent: &Agent, handle: &KeeperHandle) -> Result<(Vec<StepReport>, bool), GuardError> {
    let specs = handle.stored.lock().expect("no panic while held").specs.clone();
    // the stamp is taken before the look that it stands for, so that a change in between is seen later
    let stamp = |stamp: u64| *handle.stamp.lock().expect("no panic while held") = Some(stamp);
    let before = handle.keeper.stamp()?;
    let steps = handle.keeper.plan(&specs, SystemClock.now())?;
    if steps.is_empty() {
        stamp(before);
        return Ok((Vec::new(), true));
    }
    let mut reports = Vec::new();
    for step in steps {
        let report = carry_out(agent, handle, step);
        let failed = report.outcome != StepOutcome::Done;
        reports.push(report);
        if failed {
            return Ok((reports, false));
        }
    }
    stamp(handle.keeper.stamp()?);
    let left = handle.keeper.plan(&specs, SystemClock.now())?;
    Ok((reports, left.is_empty()))
}

fn carry_out(agent: &Agent, handle: &KeeperHandle, mut step: Step) -> StepReport {
    if !agent.permit.allows(&step.permit) {
        let message = format!("this host's permit file does not hold `{}`", step.permit);
        return StepReport { step, outcome: StepOutcome::Refused, message: Some(message) };
    }
    let applied = handle.keeper.apply(&step, SystemClock.now());
    // what was done is said by name, object and reason; the act itself may be megabytes of addresses
    step.act = Value::Null;
    match applied {
        Ok(()) => StepReport { step, outcome: StepOutcome::Done, message: None },
        Err(error) => StepReport { step, outcome: StepOutcome::Failed, message: Some(chain(&error)) },
    }
}
