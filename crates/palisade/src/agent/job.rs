//! Jobs: orders being carried out, each on a thread of its own, so that nothing else waits for them.
//!
//! An order is stored before it is begun and after every part of it. The same id again changes
//! nothing, and a job that a restart interrupted goes on after its last finished part.

use super::{Agent, look, spawn, state};
use anyhow::{Context, Result};
use palisade_core::{Job, JobState, Order, OrderKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// Orders that are remembered, so that one that is sent again is known.
const KEPT_MAX: usize = 200;

/// The orders of this host by their number, and the file that keeps them.
pub struct Jobs {
    path: PathBuf,
    orders: Mutex<BTreeMap<u64, Order>>,
}

impl Jobs {
    /// Reads what was known before the agent started.
    pub fn load(dir: &Path) -> Result<Jobs> {
        let path = dir.join("jobs.json");
        let orders: BTreeMap<u64, Order> = state::read(&path).context("reading the orders of before")?;
        Ok(Jobs { path, orders: Mutex::new(orders) })
    }

    /// How far all known jobs are.
    pub fn list(&self) -> Vec<Job> {
        self.orders.lock().expect("no panic while held").values().map(|o| o.job.clone()).collect()
    }

    fn job(&self, number: u64) -> Option<Order> {
        self.orders.lock().expect("no panic while held").get(&number).cloned()
    }

    /// Changes one order, on disk first.
    fn put(&self, number: u64, order: Order) -> Result<()> {
        let mut orders = self.orders.lock().expect("no panic while held");
        let mut next = orders.clone();
        next.insert(number, order);
        while next.len() > KEPT_MAX {
            next.pop_first();
        }
        state::write(&self.path, &next)?;
        *orders = next;
        Ok(())
    }
}

/// Goes on with what a restart has interrupted.
pub fn start(agent: &Arc<Agent>) {
    let open: Vec<Order> = {
        let orders = agent.jobs.orders.lock().expect("no panic while held");
        orders.values().filter(|o| !o.job.state.is_over()).cloned().collect()
    };
    for order in open {
        begin(agent, order);
    }
}

/// Takes an order: a new one is begun, a cancelled one ends after its present part, a known one is
/// reported again.
pub fn take(agent: &Arc<Agent>, order: Order) {
    let Some(number) = number(&order.id).filter(|_| order.host == *agent.id()) else {
        tracing::warn!(order = order.id, "refused an order that is not for this host");
        return;
    };
    match agent.jobs.job(number) {
        None => begin(agent, order),
        Some(mut known) if order.cancelled && !known.job.state.is_over() => {
            known.cancelled = true;
            store(agent, number, known);
        }
        Some(_) => agent.wake.notify_one(),
    }
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix("o-")?.parse().ok()
}

fn begin(agent: &Arc<Agent>, mut order: Order) {
    let Some(number) = number(&order.id) else { return };
    let permit = order.kind.permit();
    if !agent.permit.allows(permit) {
        order.job.state = JobState::Failed;
        order.job.message = Some(format!("this host's permit file does not hold `{permit}`"));
        store(agent, number, order);
        return;
    }
    order.job.state = JobState::Running;
    store(agent, number, order);
    let agent = Arc::clone(agent);
    spawn(&format!("job-{number}"), move || run(&agent, number));
}

/// Part after part, until all are done, somebody cancels, or the agent ends.
fn run(agent: &Agent, number: u64) {
    while let Some(mut order) = agent.jobs.job(number) {
        if agent.ended.load(Ordering::Relaxed) || order.job.state.is_over() {
            return;
        }
        if order.cancelled {
            order.job.state = JobState::Cancelled;
        } else {
            match order.kind {
                OrderKind::Look => look_part(agent, &mut order.job),
            }
            // what was asked for meanwhile must not be written over
            order.cancelled = agent.jobs.job(number).is_some_and(|o| o.cancelled);
        }
        store(agent, number, order);
    }
}

/// One guard looks.
fn look_part(agent: &Agent, job: &mut Job) {
    job.total = agent.guards.len() as u32;
    if let Some(guard) = agent.guards.get(job.done as usize) {
        look::look_once(agent, guard);
        job.done += 1;
        job.message = Some(format!("{} has looked", guard.word));
    }
    if job.done >= job.total {
        job.state = JobState::Done;
    }
}

fn store(agent: &Agent, number: u64, order: Order) {
    if let Err(error) = agent.jobs.put(number, order) {
        // it stays as it was on disk, and is taken up again when the agent starts or the server asks
        tracing::error!(error = format!("{error:#}"), "an order could not be stored");
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    agent.wake.notify_one();
}
