//! A fleet that is not there: simulated hosts that speak the agents' protocol with a real server.
//!
//! **Against** believing that a server holds what it promises: every record that it acknowledges is
//! counted here and in its database, per host, and both must be equal after load, restarts and kills.
//!
//! **Words.** A simulated [`host::Host`] has its own key and certificate from a real join, its own
//! [`spool`] in memory and its own connection. A [`source`] says what it reports and when. The
//! [`tally`] is what all of them together measured. A [`sink`] is told of alarms, and a [`verdict`] says
//! whether what the server lists and tells is what the frames give. A [`scenario`] starts a [`server`], lets hosts
//! work, and judges.
//!
//! **In order.** `main` reads the flags and runs scenarios one after the other, each on a fresh data
//! directory; `cargo xtask fleet-sim` builds both programs and starts this one in a network namespace.
//!
//! **What it does not do**: it observes nothing, enforces nothing, and keeps nothing on disk. Bad
//! input and hostile agents are tested elsewhere.

pub mod host;
pub mod identity;
pub mod line;
pub mod local;
pub mod orders;
pub mod scenario;
pub mod server;
pub mod sink;
pub mod source;
pub mod spool;
pub mod store;
pub mod tally;
pub mod trust;
pub mod usage;
pub mod verdict;

/// A number from 0 to 1, other at every call.
pub fn random() -> f64 {
    let mut bytes = [0u8; 8];
    // without randomness everybody does the same, which shows in the figures and harms nothing
    let _ = getrandom::fill(&mut bytes);
    (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
}
