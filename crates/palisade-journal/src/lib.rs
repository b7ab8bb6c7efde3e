//! Security information: what happened on the server and its hosts, kept for 180 days, searched
//! and exported; and whether each host keeps its own logs.
//!
//! # What it protects against
//!
//! Not knowing what happened: changes that nobody remembers, a host whose logs are gone after a
//! restart, sign-ins that are rotated away before anybody asks, clocks that cannot be compared.
//!
//! # Words
//!
//! *Event*: one thing that happened, with time, kind (`guard.noun.verb`), severity, outcome and
//! actor. *Audit*: the events that are changes made, or refused, by people.
//!
//! # What happens, in order
//!
//! 1. Guards and the frame hand events to [`Journal`], inside the transaction of the change that
//!    they tell of: no change without its event, no event without its change.
//! 2. Events of hosts arrive as records of the stream `journal`: the body is an [`Event`], its host
//!    is set here. What a host must not say is passed over and told of ([`store::ingest`]).
//! 3. `/api/v1/journal/events` searches, `/api/v1/audit` shows audit events only,
//!    `/api/v1/journal/export` gives JSON lines.
//! 4. `tend` removes events older than [`store::RETENTION_DAYS`].
//! 5. On hosts `observe` and `check` look at log daemons, their storage, rights and rotation, and
//!    at the clock: see [`check::CHECKS`].
//!
//! # Limits
//!
//! A message of 4 kB, data of 64 kB; 16 words in a search; 100,000 events in an export; 5,000
//! events removed per minute.
//!
//! # What it does not do
//!
//! It collects no log lines of hosts: what sensors judge arrives as events of their guards. The
//! search by words needs SQLite (FTS5); it stands in a migration of its own.

pub mod api;
pub mod check;
pub mod cli;
pub mod model;
pub mod observe;
pub mod store;

use model::Observed;
use palisade_core::{Check, Clock, Event, HostId, SystemClock, Timestamp, Verdicts};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{Entry, Guard, GuardError, Host, Record, Serve, ServerContext};
use sqlx::SqliteConnection;
use utoipa_axum::router::OpenApiRouter;

pub use cli::AUDIT_COMMAND;

/// The event store: owner of [`RecordEvent`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Journal;

impl RecordEvent for Journal {
    fn record<'a>(&'a self, db: &'a mut SqliteConnection, event: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(store::event_put(db, event))
    }
}

impl Serve for Journal {
    fn migrations(&self) -> &'static [&'static str] {
        store::MIGRATIONS
    }

    fn api(&self) -> OpenApiRouter<ServerContext> {
        api::router()
    }

    fn ingest<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move { store::ingest(db, host, records, SystemClock.now()).await })
    }

    fn tend<'a>(&'a self, db: &'a mut SqliteConnection, now: Timestamp) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move { store::event_expire(db, now).await.map(|_| ()) })
    }
}

impl Guard for Journal {
    type Observed = Observed;
    const WORD: &'static str = "journal";
    const PRACTICES: &'static [&'static str] = &["security-information"];
    const CHECKS: &'static [Check] = check::CHECKS;
    const PERIOD_S: u32 = 300;

    fn observe(&self, host: &Host) -> Result<Observed, GuardError> {
        Ok(observe::observe(&host.root)?)
    }

    fn check(&self, observed: &Observed, verdicts: &mut Verdicts) {
        check::check(observed, verdicts);
    }
}

/// The guard as the frame holds it.
pub fn guard() -> Entry {
    Entry::new(Journal).serves(Journal).commands(cli::COMMAND)
}
