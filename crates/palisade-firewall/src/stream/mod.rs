//! What a host tells of its filter while it works: packets that were denied, counters of rules, who has
//! changed the ruleset, and, when asked, who speaks with whom.
//!
//! On the host [`watch`] follows three sources of the kernel: packets that rules log to a group
//! ([`denied`]), the notices of every change of nf_tables ([`foreign`]), and the counters of our table
//! ([`hits`]). [`connections`] answers the question who speaks with whom now. All of it travels as
//! [`record::Told`], is taken in by [`ingest`], and rests in the tables of [`store`].
//!
//! [`revoke`] says which conversations have to be judged anew when the elements of sets change.

pub mod connections;
pub mod denied;
pub mod foreign;
pub mod hits;
pub mod ingest;
pub mod record;
pub mod revoke;
pub mod store;
pub mod views;
pub mod watch;

pub use crate::ruleset::{LOG_GROUP, MARK_MASK};
