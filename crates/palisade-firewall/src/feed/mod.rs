//! Bans of the whole fleet that engines and imports ask for: a bounded stream with its own numbers.
//!
//! Bans by operators are few and each is a plan; they are part of the spec. These are many and fast:
//! the server gives each change a number (`store`, `desk`), hosts are sent what is newer than what
//! they have, store it on their own disk (`log`), hold it in memory (`book`), and put it in force at
//! once (`held`), without resolving or planning anything. A change says how an entry *is*, so hearing
//! it twice is harmless.
//!
//! Many banned addresses of one network shut the network out (`aggregate`): each host works that out
//! for itself, because each has failsafe addresses of its own.
//!
//! **Limits.** [`ENTRIES_MAX`] bans and as many released entries per server; those that end first make
//! room. A release is kept for [`RELEASED_HOLD_S`] at most: so long its network is not shut out.

pub mod aggregate;
pub mod book;
pub mod desk;
pub mod held;
pub mod log;
pub mod model;
pub mod store;

pub use model::{Change, State};

/// Bans of the feed that a server holds; when there are more, those that end first go.
pub const ENTRIES_MAX: usize = 100_000;
/// Released entries that a server remembers; the oldest go, and hosts that have not heard of them are
/// sent the whole feed.
pub const RELEASED_MAX: usize = 100_000;
/// Entries that a host holds: room for both, and for as many that are about to be replaced.
pub const HELD_MAX: usize = 400_000;
/// A release is remembered to the end of its ban, but no longer than this, in seconds: 30 days.
pub const RELEASED_HOLD_S: i64 = 30 * 86_400;
/// Addresses in one import.
pub const IMPORT_MAX: usize = 100_000;
