//! Periodic work on the server: forgetting, a bounded piece at each call. Sealing has a loop of its
//! own, see [`crate::store::seal`].

use crate::store::{self, Retention};
use palisade_core::Timestamp;
use palisade_guard::GuardError;
use sqlx::SqliteConnection;

/// A host's clock may be this far ahead; what lies further in the future is removed.
pub const AHEAD_S_MAX: i64 = 3_600;

/// One call, about once a minute.
pub async fn tend(db: &mut SqliteConnection, retention: Retention, now: Timestamp) -> Result<(), GuardError> {
    store::forget(db, retention, now.as_second(), now.as_second() + AHEAD_S_MAX).await
}
