//! Looking: every guard observes in its own rhythm; what changed waits for the link.

use super::{Agent, spawn};
use palisade_core::{Clock, Finding, SystemClock};
use palisade_guard::Entry;
use palisade_guard::store::LookReport;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// An observation counts as fresh for this many of its guard's periods, and at least a minute.
const FRESH_PERIODS: i64 = 3;

/// What the guards last saw.
#[derive(Default)]
pub struct Looks {
    inner: Mutex<Inner>,
    woken: Condvar,
}

#[derive(Default)]
struct Inner {
    /// The last look of each guard, whole.
    last: BTreeMap<&'static str, LookReport>,
    /// Guards whose last look was not acknowledged yet.
    unsent: BTreeMap<&'static str, ()>,
    /// The hash of each section that the server has.
    sent: HashMap<(String, String), u64>,
}

/// A look that travels, and how to remember that it arrived.
pub struct Outgoing {
    /// What is sent: only the sections that the server does not have.
    pub report: LookReport,
    hashes: Vec<((String, String), u64)>,
}

impl Looks {
    fn put(&self, word: &'static str, report: LookReport) {
        let mut inner = self.inner.lock().expect("no panic while held");
        inner.last.insert(word, report);
        inner.unsent.insert(word, ());
    }

    /// Forgets what the server has: after a new connection everything is sent once.
    pub fn reconnected(&self) {
        let mut inner = self.inner.lock().expect("no panic while held");
        inner.sent.clear();
        inner.unsent = inner.last.keys().map(|word| (*word, ())).collect();
    }

    /// What waits to be sent.
    pub fn outgoing(&self) -> Vec<Outgoing> {
        let inner = self.inner.lock().expect("no panic while held");
        inner.unsent.keys().filter_map(|word| inner.last.get(word)).map(|look| changed(look, &inner.sent)).collect()
    }

    /// The server has stored these.
    pub fn acknowledged(&self, looks: &[Outgoing]) {
        let mut inner = self.inner.lock().expect("no panic while held");
        for look in looks {
            inner.sent.extend(look.hashes.iter().cloned());
            let newest = inner.last.get(look.report.guard.as_str()).map(|l| l.observed_at);
            if newest == Some(look.report.observed_at) {
                inner.unsent.remove(look.report.guard.as_str());
            }
        }
    }

    /// The last looks of all guards, for the local socket.
    pub fn last(&self) -> Vec<LookReport> {
        self.inner.lock().expect("no panic while held").last.values().cloned().collect()
    }

    /// All findings of this host, worst first.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<_> = self.last().into_iter().flat_map(|l| l.findings).collect();
        findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.check.cmp(&b.check)));
        findings
    }

    /// Ends a wait.
    pub fn wake(&self) {
        self.woken.notify_all();
    }

    fn wait(&self, length: Duration) {
        let guard = self.inner.lock().expect("no panic while held");
        let _unused = self.woken.wait_timeout(guard, length).expect("no panic while held");
    }
}

fn changed(look: &LookReport, sent: &HashMap<(String, String), u64>) -> Outgoing {
    let mut report = look.clone();
    let mut hashes = Vec::new();
    report.sections.retain(|section, body| {
        let key = (look.guard.clone(), section.clone());
        let hash = hash(&body.to_string());
        let new = sent.get(&key) != Some(&hash);
        hashes.push((key, hash));
        new
    });
    Outgoing { report, hashes }
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Starts the thread that looks: all guards at once at first, then each in its period.
pub fn start(agent: &Arc<Agent>) {
    let agent = Arc::clone(agent);
    spawn("look", move || {
        let mut due: Vec<(Instant, usize)> = (0..agent.guards.len()).map(|i| (Instant::now(), i)).collect();
        while !agent.ended.load(std::sync::atomic::Ordering::Relaxed) {
            due.sort_unstable();
            let (when, index) = due[0];
            let now = Instant::now();
            if when > now {
                agent.looks.wait((when - now).min(Duration::from_secs(5)));
                continue;
            }
            let guard = &agent.guards[index];
            look_once(&agent, guard);
            due[0].0 = now + Duration::from_secs(u64::from(guard.period_s));
        }
    });
}

/// One guard observes and judges now; what it says waits for the link.
pub fn look_once(agent: &Agent, guard: &Entry) {
    let now = SystemClock.now();
    let started = Instant::now();
    let look = guard.observer.look(&agent.host, now);
    if let Some(error) = &look.error {
        tracing::warn!(guard = guard.word, error, "could not observe");
    }
    tracing::debug!(
        guard = guard.word,
        duration_ms = started.elapsed().as_millis() as u64,
        findings = look.findings.len(),
        "observed"
    );
    let fresh_s = (i64::from(guard.period_s) * FRESH_PERIODS).max(60);
    let fresh_until = now + jiff::SignedDuration::from_secs(fresh_s);
    agent.looks.put(guard.word, LookReport::new(guard.word, look, now, fresh_until));
    agent.wake.notify_one();
}
