//! Copies of a host: a disk that was copied holds the identity of its original.
//!
//! What tells two machines apart is a hash over their hardware ids, which is not on the disk. A host
//! that shows itself under a known name from another machine is a copy as long as the original is
//! there; when the original has been silent for a while, the host has moved or was rebuilt. A copy is
//! not let in under the name of its original: it asks for a name of its own, with the certificate
//! that it has, on the connection on which it was refused.

use super::join_name::{self, Place};
use super::peer::{self, Peer};
use super::{Server, fleet, trust_store as certificates};
use axum::http::StatusCode;
use palisade_core::{Actor, Event, HostId, Outcome, Profile, Severity, Timestamp};
use palisade_guard::api::ApiError;
use palisade_guard::contract::chain;
use palisade_guard::db::Write;
use palisade_guard::link::Hello;
use palisade_guard::store::{self, HostRow};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A host that has been silent for longer may come back on another machine.
const MOVED_AFTER_S: i64 = 600;
/// Copies that were refused and have not asked for a name yet.
const REFUSED_MAX: usize = 10_000;
/// Names that copies of one host are given within [`WINDOW_S`].
const NAMED_MAX: usize = 200;
const WINDOW_S: i64 = 3_600;

/// Who shows itself under a known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// The machine that it was, as far as anybody can tell.
    Same,
    /// Another one, and the one before is gone.
    Moved,
    /// Another one beside the one before.
    Clone,
}

/// What is known of a name when somebody shows itself under it.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The machine that had it; `None` if it never said.
    pub machine: Option<&'a str>,
    /// The runs of agents that are connected under it now.
    pub runs: &'a [String],
    /// When it was last heard of.
    pub seen_at: Timestamp,
}

/// Decides. A machine that does not say who it is cannot be told apart; an agent that is connected
/// already is the same machine whatever it says, since its network cards count and come and go.
pub fn judge(known: &Known<'_>, machine: Option<&str>, run: Option<&str>, now: Timestamp) -> Judged {
    let (Some(before), Some(machine)) = (known.machine, machine) else { return Judged::Same };
    if before == machine || run.is_some_and(|run| known.runs.iter().any(|live| live == run)) {
        return Judged::Same;
    }
    let silent_s = now.duration_since(known.seen_at).as_secs();
    if known.runs.is_empty() && silent_s > MOVED_AFTER_S { Judged::Moved } else { Judged::Clone }
}

/// Copies that were refused, by the number of their connection, with their machine.
#[derive(Debug, Default)]
pub struct Clones {
    refused: Mutex<BTreeMap<u64, String>>,
    /// When copies of a host were given names.
    named: Mutex<BTreeMap<HostId, Vec<Timestamp>>>,
}

impl Clones {
    fn refuse(&self, connection: u64, machine: &str) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.insert(connection, machine.to_owned());
        if refused.len() > REFUSED_MAX {
            // the oldest connection is the likeliest to be gone
            refused.pop_first();
        }
    }

    fn take(&self, connection: u64) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection)
    }

    /// Counts a name for a copy of `host`; false when there were too many of late.
    fn may_name(&self, host: &HostId, now: Timestamp) -> bool {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|_, times| {
            times.retain(|at| now.duration_since(*at).as_secs() < WINDOW_S);
            !times.is_empty()
        });
        let times = named.entry(host.clone()).or_default();
        if times.len() < NAMED_MAX {
            times.push(now);
            return true;
        }
        false
    }
}

/// Lets an agent in that shows itself under the name of `row`, last heard of at `heard_at`. A copy is
/// refused with the code `clone`; a host that has moved is told of, and its new machine remembered.
pub async fn admit(
    server: &Server,
    peer: &Peer,
    row: &HostRow,
    hello: &Hello,
    heard_at: Option<Timestamp>,
) -> Result<(), ApiError> {
    let runs = server.presence.runs(&row.id);
    let seen_at = heard_at.map_or(row.seen_at, |heard| heard.max(row.seen_at));
    let known = Known { machine: row.machine.as_deref(), runs: &runs, seen_at };
    let judged = judge(&known, hello.machine.as_deref(), hello.run.as_deref(), server.context.now());
    let Some(machine) = hello.machine.as_deref().filter(|machine| row.machine.as_deref() != Some(machine)) else {
        return Ok(());
    };
    if judged == Judged::Clone {
        server.clones.refuse(peer.connection, machine);
        let message = format!(
            "a copy of {} has connected from another machine while {0} itself is there; it was not let in as {0}",
            row.id
        );
        tell(server, &row.id, "frame.host.clone", message).await;
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "clone",
            format!("another machine is `{}`, and it is there", row.id),
        )
        .hint("ask for a name of its own"));
    }
    let mut tx = server.begin().await?;
    store::machine_put(&mut tx, &row.id, machine).await?;
    tx.commit().await?;
    if judged == Judged::Moved {
        tell(server, &row.id, "frame.host.moved", format!("{} is back on another machine", row.id)).await;
    }
    Ok(())
}

async fn tell(server: &Server, host: &HostId, kind: &str, message: String) {
    let event = event(host, kind, Severity::High, message, server.context.now());
    if let Err(error) = server.record(&event).await {
        tracing::warn!(host.id = %host, error = chain(&error), "could not record what became of a host");
    }
    server.context.publish(&["journal"]);
}

/// A copy with a name of its own.
pub struct NewIdentity {
    /// Its name.
    pub host: HostId,
    /// Its certificate and its issuer's (PEM).
    pub chain: String,
    /// The other hosts that get other specs by it: their agents are told after the commit.
    pub others: Vec<HostId>,
}

/// Gives a copy that was refused on this connection the next free name, with region and tags of its
/// original and profile observe. Written into `tx`, which the caller commits.
pub async fn new_identity(server: &Server, tx: &mut Write, peer: &Peer, csr: &str) -> Result<NewIdentity, ApiError> {
    let now = server.context.now();
    let none = || peer::refused("no_clone", "nobody on this connection was found to be a copy".to_owned());
    let machine = server.clones.take(peer.connection).ok_or_else(none)?;
    if !server.clones.may_name(&peer.host, now) {
        let said = format!("{NAMED_MAX} copies of `{}` within {WINDOW_S} s are enough", peer.host);
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", said));
    }
    let hosts = store::hosts(tx).await?;
    let place = join_name::place(&peer.host, None, &hosts).map_err(|e| ApiError::conflict(e.to_string()))?;
    let (Place::New(name) | Place::Taken(name)) = place;
    let original = hosts.into_iter().find(|row| row.id == peer.host).ok_or_else(none)?;
    let signed = server.authority.sign_host(csr, &name, now)?;
    let row = HostRow {
        region: original.region,
        tags: original.tags,
        facts: original.facts,
        profile: Profile::Observe,
        machine: Some(machine),
        serial: Some(signed.serial.clone()),
        ..HostRow::new(name.clone(), now)
    };
    store::host_put(tx, &row).await?;
    certificates::certificate_insert(tx, &name, &signed, now).await?;
    fleet::welcome(server, tx, &name).await?;
    let others = server.context.host_changed(tx, &name).await?;
    let message = format!("the copy of {} is {name} now, with profile observe", peer.host);
    server.context.record(tx, &event(&name, "frame.host.join", Severity::Informational, message, now)).await?;
    Ok(NewIdentity { host: name, chain: signed.chain_pem, others })
}

fn event(host: &HostId, kind: &str, severity: Severity, message: String, now: Timestamp) -> Event {
    Event {
        time: now,
        kind: kind.to_owned(),
        host: Some(host.clone()),
        severity,
        outcome: Outcome::Success,
        actor: Actor { name: "agent".to_owned(), from: None },
        message,
        object: Some(host.to_string()),
        audit: true,
        data: serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_is_told_from_a_host_that_has_moved_by_the_original() {
        use Judged::{Clone, Moved, Same};
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let live = ["run-a".to_owned()];
        // machine before, runs that are live, silent for s; machine and run that show themselves
        let cases: [(_, &[String], _, _, _, _); 12] = [
            (Some("a"), &live, 5, Some("a"), Some("run-b"), Same),
            (Some("a"), &[], 5, Some("a"), Some("run-b"), Same),
            (None, &live, 5, Some("b"), Some("run-b"), Same),
            (Some("a"), &live, 5, None, Some("run-b"), Same),
            (Some("a"), &live, 5, Some("b"), Some("run-b"), Clone),
            (Some("a"), &live, 5, Some("b"), None, Clone),
            (Some("a"), &live, 5, Some("b"), Some("run-a"), Same),
            (Some("a"), &[], 5, Some("b"), Some("run-b"), Clone),
            (Some("a"), &[], 600, Some("b"), Some("run-b"), Clone),
            (Some("a"), &[], 601, Some("b"), Some("run-b"), Moved),
            (Some("a"), &live, 601, Some("b"), Some("run-b"), Clone),
            (Some("a"), &[], 86_400, Some("a"), Some("run-b"), Same),
        ];
        for (n, (before, runs, silent_s, machine, run, judged)) in cases.into_iter().enumerate() {
            let seen_at = now - jiff::SignedDuration::from_secs(silent_s);
            let known = Known { machine: before, runs, seen_at };
            assert_eq!(judge(&known, machine, run, now), judged, "case {n}");
        }
    }

    #[test]
    fn only_so_many_copies_of_one_host_are_named_in_an_hour() {
        let (clones, host) = (Clones::default(), "web-1".parse().unwrap());
        let at = |second| Timestamp::from_second(1_800_000_000 + second).unwrap();
        assert!((0..NAMED_MAX).all(|_| clones.may_name(&host, at(0))));
        assert!(!clones.may_name(&host, at(WINDOW_S - 1)));
        assert!(clones.may_name(&"web-2".parse().unwrap(), at(1)), "another host");
        assert!(clones.may_name(&host, at(WINDOW_S)));
    }
}
