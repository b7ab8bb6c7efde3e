//! When an operator last made a new connection to each host: the proof that a change has cut nobody off.
//!
//! Kept in memory: agents send it with every report as long as a plan is on probation there, so that
//! a server that was started anew knows it again within seconds.

use super::super::Server;
use palisade_core::{HostId, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// By host, by the host's own clock.
#[derive(Debug, Default)]
pub struct Operators(Mutex<HashMap<HostId, Timestamp>>);

impl Operators {
    /// When an operator last made a new connection to the host.
    pub fn seen_at(&self, host: &HostId) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    /// True if that is news.
    fn seen(&self, host: &HostId, at: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(host) {
            Some(last) if *last >= at => false,
            Some(last) => {
                *last = at;
                true
            }
            None => {
                all.insert(host.clone(), at);
                true
            }
        }
    }
}

/// Takes in that an operator made a new connection to sshd of `host` at `at`, by the host's clock.
pub fn operator_seen(server: &Server, host: &HostId, at: Timestamp) {
    if server.operators.seen(host, at) {
        server.context.publish(&["plans"]);
    }
}
