//! Shutting an address out everywhere, for guards that see an attack.

use crate::GuardError;
use crate::contract::BoxFuture;
use palisade_core::{Cidr, Span, Timestamp};
use sqlx::SqliteConnection;

/// Whom to shut out of every host.
#[derive(Debug, Clone, PartialEq)]
pub struct AddressBan {
    /// The address, or a network.
    pub address: Cidr,
    /// How long; until it is released if absent.
    pub length: Option<Span>,
    /// Why, for people: one line.
    pub reason: String,
    /// Who asks for it: a guard, or the name of a user.
    pub by: String,
    /// The present moment.
    pub now: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BanOutcome {
    /// It is shut out until then; absent is until it is released.
    Banned(Option<Timestamp>),
    /// It was shut out already, as long or longer.
    Already,
    /// It may not be shut out; the text says why.
    Refused(String),
}

/// Shuts addresses out of every host; owned by the firewall.
pub trait BanAddress: Send + Sync {
    /// Shuts one out, in the given transaction. After the commit, call
    /// [`ServerContext::feed_changed`](crate::ServerContext::feed_changed): the hosts are told then.
    fn ban<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        ban: &'a AddressBan,
    ) -> BoxFuture<'a, Result<BanOutcome, GuardError>>;
}

/// Shuts nobody out: for tests and tools that have no firewall.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBan;

impl BanAddress for NoBan {
    fn ban<'a>(
        &'a self,
        _: &'a mut SqliteConnection,
        _: &'a AddressBan,
    ) -> BoxFuture<'a, Result<BanOutcome, GuardError>> {
        Box::pin(async { Ok(BanOutcome::Refused("this server has no firewall guard".to_owned())) })
    }
}
