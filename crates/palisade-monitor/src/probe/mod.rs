//! Watching from outside: probes, and hosts without an agent.
//!
//! A *probe* looks from the server at something, again and again; what it measures becomes series of
//! a host. A *host without an agent* is logged in to every five minutes ([`agentless`]).
//!
//! **In order.** [`round`] starts what is due ([`schedule`]) and keeps how it ended ([`store`]);
//! [`look`] is one look of a probe at its target.
//!
//! **Limits.** 1,000 probes, 256 looks and 16 logins at a time, each with a time limit of its own: a
//! target that hangs delays no other. What a target sends is read up to a limit and shown cut.
//! Addresses that only the server reaches are refused unless an admin allows it ([`crate::outbound`]).
//!
//! **Not here.** Judging over time: that a target is down for three looks is a matter of alarm rules.

pub mod agentless;
pub mod api;
pub mod cli;
pub mod kind;
pub mod look;
pub mod round;
pub mod schedule;
pub mod spec;
pub mod store;
pub mod target;

use crate::Monitor;
use palisade_guard::contract::BoxFuture;
use palisade_guard::{Kind, ServerContext};
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// What pages of probes look at.
pub const TOPIC: &str = "monitor/probes";

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    api::router().merge(agentless::api::router())
}

/// The kinds of resources.
pub fn kinds() -> Vec<Arc<dyn Kind>> {
    vec![Arc::new(kind::ProbeKind)]
}

/// What runs beside the requests.
pub fn tasks(monitor: &Monitor, context: &ServerContext) -> Vec<BoxFuture<'static, ()>> {
    vec![Box::pin(round::run(monitor.store.clone(), context.clone()))]
}
