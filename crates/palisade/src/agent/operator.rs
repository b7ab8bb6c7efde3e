//! Whether the operator still gets in: while a change is on probation, new connections to sshd from
//! outside are looked for. What is seen travels in the next report, and is the proof that the change
//! has cut nobody off this host.

use super::{Agent, spawn};
use palisade_core::{Clock, SystemClock, Timestamp};
use palisade_guard::contract::chain;
use palisade_sys::connection::{self, Inbound};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How often connections are listed while something is on probation.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Which ports sshd listens on is asked anew after so many looks: that walks through all processes.
const PORTS_EVERY_LOOKS: u32 = 15;
/// With nothing on probation the thread sleeps until it is woken, at most this long.
const IDLE_MAX: Duration = Duration::from_secs(3_600);

/// When an operator last got in.
#[derive(Default)]
pub struct Operator {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    seen_at: Option<Timestamp>,
    wake: bool,
}

impl Operator {
    /// When a new connection of an operator was last seen; only looked for during a probation.
    pub fn seen_at(&self) -> Option<Timestamp> {
        self.state.lock().expect("no panic while held").seen_at
    }

    /// Something is on probation, or the agent ends.
    pub fn wake(&self) {
        self.state.lock().expect("no panic while held").wake = true;
        self.woken.notify_all();
    }

    fn seen(&self, at: Timestamp) {
        self.state.lock().expect("no panic while held").seen_at = Some(at);
    }

    fn wait(&self, length: Duration) {
        let state = self.state.lock().expect("no panic while held");
        let waited = self.woken.wait_timeout_while(state, length, |state| !state.wake);
        waited.expect("no panic while held").0.wake = false;
    }
}

/// Starts the thread.
pub fn start(agent: &Arc<Agent>) {
    let agent = Arc::clone(agent);
    spawn("operator", move || {
        let mut eyes = Eyes::default();
        while !agent.ended.load(Ordering::Relaxed) {
            let now = SystemClock.now();
            // the latest change counts: what came before it proves nothing about it
            let changed_at = agent.keepers.values().filter_map(|k| k.probation(now)).map(|p| p.changed_at).max();
            let Some(changed_at) = changed_at else {
                eyes = Eyes::default();
                agent.operator.wait(IDLE_MAX);
                continue;
            };
            if eyes.look(changed_at) {
                agent.operator.seen(SystemClock.now());
                agent.wake.notify_one();
            }
            agent.operator.wait(LOOK_EVERY);
        }
    });
}

/// What was seen at the last look.
#[derive(Default)]
struct Eyes {
    ports: BTreeSet<u16>,
    looks: u32,
    last: Last,
}

impl Eyes {
    /// True when somebody has connected since the change.
    fn look(&mut self, changed_at: Timestamp) -> bool {
        let listed = self.ports().and_then(|()| {
            // before the list is made: what is in it was there by then or came later
            let now = SystemClock.now();
            Ok((now, connection::inbound(&self.ports)?))
        });
        match listed {
            Ok((now, connections)) => self.last.is_new(changed_at, now, connections),
            Err(error) => {
                tracing::warn!(error = chain(&error), "looking for connections of an operator");
                false
            }
        }
    }

    fn ports(&mut self) -> Result<(), palisade_sys::SysError> {
        if self.ports.is_empty() || self.looks.is_multiple_of(PORTS_EVERY_LOOKS) {
            self.ports = connection::ssh_ports()?;
        }
        self.looks += 1;
        Ok(())
    }
}

/// The connections of the last look, and when it was.
#[derive(Default)]
struct Last(Option<(Timestamp, BTreeSet<Inbound>)>);

impl Last {
    /// True when there is a connection that was not there at a look after the change. One that was
    /// made between the change and the first look after it is passed over: it may be older.
    fn is_new(&mut self, changed_at: Timestamp, now: Timestamp, connections: BTreeSet<Inbound>) -> bool {
        let before = self.0.as_ref().filter(|(at, _)| *at >= changed_at);
        let new = before.is_some_and(|(_, before)| connections.difference(before).next().is_some());
        self.0 = Some((now, connections));
        new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn from(ports: &[u16]) -> BTreeSet<Inbound> {
        let own = "198.51.100.4:22".parse().unwrap();
        ports.iter().map(|port| Inbound { own, peer: format!("203.0.113.9:{port}").parse().unwrap() }).collect()
    }

    #[test]
    fn only_a_connection_that_was_not_there_after_the_change_counts() {
        let mut last = Last::default();
        assert!(!last.is_new(at(10), at(8), from(&[1])), "before the change");
        assert!(!last.is_new(at(10), at(12), from(&[1, 2])), "it may have been made before the change");
        assert!(!last.is_new(at(10), at(14), from(&[2])), "one that ends is not new");
        assert!(last.is_new(at(10), at(16), from(&[2, 3])));
        assert!(!last.is_new(at(17), at(18), from(&[2, 3, 4])), "a second change begins anew");
        assert!(last.is_new(at(17), at(20), from(&[5])));
    }
}
