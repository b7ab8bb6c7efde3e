//! The frame that every guard is built into.
//!
//! A guard is one crate that exports `pub fn guard() -> Entry`; one line in
//! `crates/palisade/src/guards.rs` switches it on. It may follow three loops, and each is a trait:
//!
//! * [`Guard`] (always): `observe` the host, `check` what was observed. Runs in the agent and in
//!   `palisade check`.
//! * [`Keep`]: hold a state. `plan` (spec + host → steps), `apply` one step. The frame observes,
//!   plans, applies, plans again (empty = verified), and repeats that when the host drifts.
//! * [`Watch`]: follow a stream. Emits records, which the agent spools and the server hands to
//!   [`Serve::ingest`].
//! * [`Serve`]: the server's half: migrations, API, `ingest`, `resolve`, `tend`.
//!
//! What the frame does not have: endpoints or tables of a guard, and any knowledge of what a rule
//! or a package is.

pub mod api;
pub mod ban;
pub mod cli;
pub mod conformance;
pub mod context;
pub mod contract;
pub mod db;
pub mod delta;
pub mod entry;
pub mod golden;
pub mod isolate;
pub mod kind;
pub mod link;
pub mod notice;
pub mod resource;
pub mod store;
mod wake;

pub use ban::{AddressBan, BanAddress, BanOutcome};
pub use context::ServerContext;
pub use contract::{Guard, GuardError, Host, Keep, Record, Serve, SpecPair, Watch, WatchContext};
pub use entry::{Entry, Keeper, Look, Observer};
pub use isolate::IsolateHost;
pub use kind::Kind;
pub use notice::{Notice, Notify};
