//! The dead man's switch from the other side: a few hosts tell somebody when the *server* falls
//! silent, since who is dead cannot say so.
//!
//! **In order.** The resource `ServerWatch` ([`kind`]) names hosts and a webhook. These hosts, and no
//! other, get its address and its secret in their spec and keep them on disk, readable by root only.
//! On the host [`run`] looks every second whether the server has acknowledged a report lately; [`judge`]
//! is pure and says what is to be told; [`tell`] is the one message, with a fixed text.
//!
//! **Against a server in hostile hands.** An agent sends nothing but this message, by HTTP or HTTPS,
//! and no more than one a minute on average (two at once). Addresses that only the host reaches need
//! `allow_private`.
//!
//! **Limits.** 4 watches of one host. What was told is on disk before the next look, so that an agent
//! that is started anew tells nothing twice; only one that is killed while it waits for the receiver's
//! answer sends the same message again, with the same `Idempotency-Key`.

pub mod judge;
pub mod kind;
pub mod run;
pub mod tell;

use crate::notify::http;
use crate::notify::secret::SECRET_BYTES_MAX;
use palisade_guard::{GuardError, kind as names};
use serde::{Deserialize, Serialize};

/// The most ServerWatches of one host.
pub const WATCHES_MAX: usize = 4;
/// The shortest silence that can be asked for.
pub const AFTER_S_MIN: u32 = 5;
/// The longest.
pub const AFTER_S_MAX: u32 = 86_400;
/// Certificates of one watch, in bytes.
const CA_PEM_BYTES_MAX: usize = 64 << 10;

/// A ServerWatch as a host gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchSpec {
    /// Its name.
    pub name: String,
    /// A server that has acknowledged nothing for so long is told of.
    pub after_s: u32,
    /// To whom: `http` or `https`.
    pub url: String,
    /// What signs the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Authorities that are trusted besides the host's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// An admin has allowed an address that only the host reaches.
    #[serde(default)]
    pub allow_private: bool,
}

/// A text that no message shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Refuses what a host must not do, whoever asks for it.
pub fn checked(watches: &[WatchSpec]) -> Result<(), GuardError> {
    if watches.len() > WATCHES_MAX {
        return Err(GuardError::Refused(format!(
            "{} watches of the server are more than {WATCHES_MAX}",
            watches.len()
        )));
    }
    watches.iter().try_for_each(|watch| {
        let refused = |why: &str| GuardError::Refused(format!("a watch of the server: {why}"));
        names::name_checked(&watch.name).map_err(|_| refused("its name is none"))?;
        if !(AFTER_S_MIN..=AFTER_S_MAX).contains(&watch.after_s) {
            return Err(refused("its time is out of bounds"));
        }
        http::parsed(&watch.url).map_err(|why| refused(&format!("its address {why}")))?;
        let secret = watch.secret.as_ref().map_or(0, |secret| secret.0.len());
        let pem = watch.ca_pem.as_ref().map_or(0, String::len);
        if secret > SECRET_BYTES_MAX || pem > CA_PEM_BYTES_MAX {
            return Err(refused("its secret or its certificates are too long"));
        }
        Ok(())
    })
}
