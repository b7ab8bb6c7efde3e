//! Whom a change wakes: one counter per connected host, made when a link subscribes.

use palisade_core::HostId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Below this many counters nobody looks for those that no link holds any more.
const SWEPT_FROM: usize = 64;

/// The links to the agents, by host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links(Arc<Mutex<Counters>>);

#[derive(Debug, Default)]
struct Counters {
    by_host: HashMap<HostId, watch::Sender<u64>>,
    /// How many there may be before the next sweep: twice as many as were held at the last one, so
    /// that sweeping costs little however many come and go.
    swept_at: usize,
}

impl Links {
    /// A receiver that ticks when the host is woken.
    pub(crate) fn subscribe(&self, host: &HostId) -> watch::Receiver<u64> {
        let mut counters = self.counters();
        if counters.by_host.len() >= counters.swept_at.max(SWEPT_FROM) {
            counters.by_host.retain(|_, sender| sender.receiver_count() > 0);
            counters.swept_at = counters.by_host.len() * 2;
        }
        match counters.by_host.get(host) {
            Some(sender) => sender.subscribe(),
            None => counters.by_host.entry(host.clone()).or_insert_with(|| watch::channel(0).0).subscribe(),
        }
    }

    /// Ticks the receivers of one host.
    pub(crate) fn wake(&self, host: &HostId) {
        let mut counters = self.counters();
        let Some(sender) = counters.by_host.get(host) else { return };
        if sender.receiver_count() == 0 {
            counters.by_host.remove(host);
            return;
        }
        sender.send_modify(|n| *n += 1);
    }

    /// Ticks all receivers.
    pub(crate) fn wake_all(&self) {
        let mut counters = self.counters();
        counters.by_host.retain(|_, sender| sender.receiver_count() > 0);
        counters.by_host.values().for_each(|sender| sender.send_modify(|n| *n += 1));
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: usize) -> HostId {
        format!("web-{n}").parse().expect("a host name")
    }

    #[test]
    fn only_the_links_of_the_host_are_woken() {
        let links = Links::default();
        let (mut one, mut same, mut other) =
            (links.subscribe(&host(1)), links.subscribe(&host(1)), links.subscribe(&host(2)));
        links.wake(&host(1));
        let ticked = |r: &mut watch::Receiver<u64>| r.has_changed().is_ok_and(|changed| changed);
        assert!(ticked(&mut one) && ticked(&mut same) && !ticked(&mut other));
        links.wake_all();
        assert!(ticked(&mut other));
    }

    #[test]
    fn a_link_that_is_gone_leaves_nothing_behind() {
        let links = Links::default();
        let held: Vec<_> = (0..10).map(|n| links.subscribe(&host(n))).collect();
        (10..10_000).for_each(|n| drop(links.subscribe(&host(n))));
        assert!(links.counters().by_host.len() <= SWEPT_FROM, "{}", links.counters().by_host.len());
        drop(held);
        links.wake(&host(0));
        assert!(!links.counters().by_host.contains_key(&host(0)));
    }
}
