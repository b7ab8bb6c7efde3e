//! Cutting a host off from everything but the failsafe addresses, for guards that find an intruder.

use crate::contract::BoxFuture;
use crate::{GuardError, ServerContext};
use palisade_core::{HostId, Plan, Span};
use sqlx::SqliteConnection;

/// Cuts hosts off; owned by the firewall.
pub trait IsolateHost: Send + Sync {
    /// Cuts `host` off in the given transaction, for `length` or until it is released. Wake its agent
    /// after the commit.
    ///
    /// # Errors
    /// [`GuardError::Refused`] for the server's own host, for one that is not in service, and for one
    /// that is cut off already.
    fn isolate<'a>(
        &'a self,
        context: &'a ServerContext,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        reason: &'a str,
        length: Option<Span>,
    ) -> BoxFuture<'a, Result<Plan, GuardError>>;
}

/// Cuts nothing off: for tests and tools that have no firewall.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoIsolation;

impl IsolateHost for NoIsolation {
    fn isolate<'a>(
        &'a self,
        _: &'a ServerContext,
        _: &'a mut SqliteConnection,
        _: &'a HostId,
        _: &'a str,
        _: Option<Span>,
    ) -> BoxFuture<'a, Result<Plan, GuardError>> {
        Box::pin(async { Err(GuardError::Refused("this server has no firewall guard".to_owned())) })
    }
}
