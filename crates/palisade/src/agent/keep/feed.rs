//! The third input of a keeper: a feed, whose parts are put in force at once, without a plan.

use super::{KeeperHandle, carry_out, reconcile};
use crate::agent::Agent;
use palisade_core::{Clock, StepOutcome, SystemClock};
use palisade_guard::contract::chain;
use palisade_guard::link::FeedPart;
use std::sync::atomic::Ordering;

/// Stores a part and carries out what follows from it. When that fails, the whole is planned.
pub fn take(agent: &Agent, handle: &KeeperHandle, part: &FeedPart) {
    if !agent.epoch.allows(part.to.epoch) {
        tracing::warn!(guard = handle.word, to = %part.to, "refused a feed of an epoch that no admin has begun");
        return;
    }
    let before = handle.keeper.stamp().ok();
    let steps = match handle.keeper.feed(part, SystemClock.now()) {
        Ok(steps) => steps,
        Err(error) => return failed(handle, &chain(&error)),
    };
    let count = steps.len() as u64;
    for step in steps {
        let report = carry_out(agent, handle, step);
        if report.outcome != StepOutcome::Done {
            tracing::warn!(guard = handle.word, step = report.step.name, error = report.message, "a part of the feed");
            reconcile(agent, handle, false);
            return agent.wake.notify_one();
        }
    }
    // what somebody else changed meanwhile has raised the stamp too, and is looked for
    let mut verified = handle.stamp.lock().expect("no panic while held");
    if verified.is_some() && *verified == before && handle.keeper.stamp().ok() == before.map(|b| b + count) {
        *verified = before.map(|before| before + count);
    }
    drop(verified);
    agent.wake.notify_one();
}

fn failed(handle: &KeeperHandle, error: &str) {
    // said once: the parts that follow do not fit then either
    if !handle.feed_failed.swap(true, Ordering::Relaxed) {
        tracing::error!(guard = handle.word, error, "a part of the feed could not be taken");
    }
    *handle.error.lock().expect("no panic while held") = Some(error.to_owned());
}
