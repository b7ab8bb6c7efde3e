//! What a visit to a host without an agent means. Pure.

use super::login::{Fault, Visit};
use palisade_core::{Actor, Event, HostId, Outcome, Severity, Timestamp};

/// A host counts as unreachable after so many failures in a row.
const FAILURES_TOLD: u32 = 2;

/// What is known of a host without an agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// The fingerprint of its host key that an operator has confirmed.
    pub pinned: Option<String>,
    /// When.
    pub pinned_at: Option<Timestamp>,
    /// The fingerprint that it showed last.
    pub seen: Option<String>,
    /// When.
    pub seen_at: Option<Timestamp>,
    /// When the newest visit began.
    pub looked_at: Option<Timestamp>,
    /// Whether that brought its figures.
    pub ok: bool,
    /// Why not.
    pub error: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
    /// Whether it was told of that it is unreachable.
    pub told: bool,
}

impl Known {
    /// What is known after a visit that began at `at`, and what is to be told. `sampled` is what came
    /// of what the visit read.
    pub fn after(
        self,
        host: &HostId,
        visit: &Visit,
        sampled: Result<(), &Fault>,
        at: Timestamp,
    ) -> (Known, Option<Event>) {
        let is_new_key = visit.shown.is_some() && visit.shown != self.seen;
        let (seen, seen_at) = match &visit.shown {
            Some(shown) => (Some(shown.clone()), Some(at)),
            None => (self.seen.clone(), self.seen_at),
        };
        let next = Known { seen, seen_at, looked_at: Some(at), error: sampled.err().map(ToString::to_string), ..self };
        match sampled {
            Ok(()) => {
                let event = next.told.then(|| back(host, at));
                (Known { ok: true, failures: 0, told: false, ..next }, event)
            }
            Err(Fault::NotPinned(_)) => (Known { ok: false, failures: 0, ..next }, None),
            Err(fault @ Fault::KeyChanged(_)) => {
                let event = is_new_key.then(|| key_changed(host, fault, at));
                (Known { ok: false, ..next }, event)
            }
            Err(fault) => {
                let failures = next.failures.saturating_add(1);
                let event = (failures >= FAILURES_TOLD && !next.told).then(|| unreachable(host, fault, at));
                let told = next.told || event.is_some();
                (Known { ok: false, failures, told, ..next }, event)
            }
        }
    }
}

fn unreachable(host: &HostId, fault: &Fault, at: Timestamp) -> Event {
    let message = format!("{host} cannot be looked at from outside: {fault}");
    event("monitor.host.unreachable", Severity::High, host, message, at)
}

fn back(host: &HostId, at: Timestamp) -> Event {
    event("monitor.host.reachable", Severity::Informational, host, format!("{host} answers again"), at)
}

fn key_changed(host: &HostId, fault: &Fault, at: Timestamp) -> Event {
    event("monitor.host-key.change", Severity::High, host, format!("{host} was not logged in to: {fault}"), at)
}

fn event(kind: &str, severity: Severity, host: &HostId, message: String, time: Timestamp) -> Event {
    Event {
        time,
        kind: kind.to_owned(),
        host: Some(host.clone()),
        severity,
        outcome: if severity == Severity::High { Outcome::Failure } else { Outcome::Success },
        actor: Actor { name: "server".to_owned(), from: None },
        message,
        object: None,
        audit: false,
        data: serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "SHA256:one";

    struct Story {
        known: Known,
        told: Vec<String>,
    }

    impl Story {
        fn pinned() -> Story {
            Story { known: Known { pinned: Some(KEY.to_owned()), ..Known::default() }, told: Vec::new() }
        }

        fn visit(&mut self, shown: Option<&str>, sampled: Result<(), Fault>) {
            let visit = Visit { shown: shown.map(str::to_owned), login_s: 0.1, output: Ok(Vec::new()) };
            let (at, host) = (Timestamp::from_second(1_795_348_800).unwrap(), "db-1".parse().unwrap());
            let (known, event) = std::mem::take(&mut self.known).after(&host, &visit, sampled.as_ref().copied(), at);
            self.known = known;
            self.told.extend(event.map(|event| event.kind));
        }

        fn lost(&mut self) {
            self.visit(None, Err(Fault::Unreached("refused".to_owned())));
        }
    }

    #[test]
    fn an_outage_is_told_once_at_its_second_failure_and_once_when_it_is_over() {
        let mut story = Story::pinned();
        story.lost();
        assert!(story.told.is_empty(), "one failure may be a packet");
        story.lost();
        story.lost();
        assert_eq!(story.told, ["monitor.host.unreachable"]);
        story.visit(Some(KEY), Ok(()));
        story.visit(Some(KEY), Ok(()));
        assert_eq!(story.told, ["monitor.host.unreachable", "monitor.host.reachable"]);
        assert!(story.known.ok && story.known.failures == 0 && story.known.error.is_none());
    }

    #[test]
    fn a_changed_key_is_told_once_for_each_key() {
        let mut story = Story::pinned();
        story.visit(Some(KEY), Ok(()));
        for key in ["SHA256:two", "SHA256:two", "SHA256:three"] {
            story.visit(Some(key), Err(Fault::KeyChanged(key.to_owned())));
        }
        assert_eq!(story.told, ["monitor.host-key.change"; 2]);
        assert_eq!(story.known.pinned.as_deref(), Some(KEY), "what was confirmed stays");
    }

    #[test]
    fn a_host_whose_key_nobody_has_confirmed_is_no_outage() {
        let mut story = Story { known: Known::default(), told: Vec::new() };
        for _ in 0..3 {
            story.visit(Some(KEY), Err(Fault::NotPinned(KEY.to_owned())));
        }
        assert!(story.told.is_empty() && story.known.seen.as_deref() == Some(KEY));
        assert!(story.known.error.unwrap().contains(KEY));
    }
}
