//! The server's own authority: a root that agents pin, a 90-day issuer below it, and the server's
//! certificate. All three are made at the first start; issuer and certificate renew themselves.
//!
//! The keys of root and issuer rest sealed under a key file outside the data directory. Without it,
//! or with the root key taken away, the server goes on with what it has and says so in its status.

mod error;
mod file;
mod issuer;
mod request;
mod root;
mod served;
pub mod standing;
#[cfg(test)]
pub mod tests;
mod wrap;

pub use error::CaError;
pub use issuer::SignedHost;
pub use served::TlsConfigs;

use super::host_name;
use crate::config::Config;
use crate::link::certificate;
use crate::link::http;
use anyhow::{Context, Result};
use issuer::Issuer;
use palisade_core::{HostId, Timestamp};
use palisade_guard::link::EpochProof;
use rcgen::SerialNumber;
use root::Root;
use rustls::pki_types::CertificateDer;
use served::Served;
use std::sync::{Arc, RwLock, RwLockReadGuard};
use wrap::WrapKey;

/// The authority. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    config: Config,
    root: Root,
    held: RwLock<Held>,
}

/// What changes while the server runs.
struct Held {
    /// `None` while its key cannot be opened.
    issuer: Option<Issuer>,
    served: Served,
}

/// Whose certificate an agent has shown on its connection. Put into its requests by the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPeer {
    /// The subject.
    pub host: HostId,
    /// The serial number, lower-case hexadecimal.
    pub serial: String,
}

/// What [`Authority::renew`] has made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Renewed {
    /// The issuer.
    pub issuer: bool,
    /// The server's certificate.
    pub certificate: bool,
}

impl Authority {
    /// Reads everything, makes what is missing and renews what is due.
    pub fn open(config: &Config) -> Result<Authority> {
        Authority::open_at(config, Timestamp::now())
    }

    /// As [`Authority::open`], at a time.
    pub fn open_at(config: &Config, now: Timestamp) -> Result<Authority> {
        outside(config)?;
        let (dir, names) = (config.server_dir(), served::names(config));
        let root = Root::open(&dir, &config.key_file, now).map_err(explained)?;
        let issuer = issuer_at_start(config, &root, now);
        let served = match (Served::load(&dir, &root).map_err(explained)?, &issuer) {
            (Some(served), _) => served,
            (None, Ok(issuer)) => Served::create(&dir, &root, issuer, &names, now).map_err(explained)?,
            (None, Err(_)) => return Err(explained(issuer.err().unwrap_or(CaError::IssuerEnded))),
        };
        let issuer = issuer.inspect_err(|error| {
            tracing::error!(%error, "hosts can neither join nor renew their certificates until the keys are back");
        });
        let held = RwLock::new(Held { issuer: issuer.ok(), served });
        let authority = Authority(Arc::new(Inner { config: config.clone(), root, held }));
        if let Err(error) = authority.renew(now) {
            tracing::warn!(error = palisade_guard::contract::chain(&error), "renewing the server's certificates");
        }
        Ok(authority)
    }

    /// The root's certificate.
    pub fn root_pem(&self) -> String {
        self.0.root.pem.clone()
    }

    /// SHA-256 of the root's certificate: what agents pin.
    pub fn root_fingerprint(&self) -> String {
        http::fingerprint(&self.0.root.der)
    }

    /// SHA-256 of the server's own certificate, until it is renewed.
    pub fn fingerprint(&self) -> String {
        self.read().served.fingerprint.clone()
    }

    /// What connections are accepted with now.
    pub fn tls(&self) -> TlsConfigs {
        self.read().served.tls.clone()
    }

    /// Signs the key of a host's request; the name is `host`, whatever the request says.
    pub fn sign_host(&self, csr_pem: &str, host: &HostId, now: Timestamp) -> Result<SignedHost, CaError> {
        let held = self.read();
        match &held.issuer {
            Some(issuer) => issuer.sign_host(csr_pem, host, now),
            None => Err(self.why_no_issuer()),
        }
    }

    /// Signs that an epoch has begun; needs the root key.
    pub fn sign_epoch(&self, epoch: u32) -> Result<EpochProof, CaError> {
        self.0.root.sign_epoch(epoch)
    }

    /// Renews what is due: an issuer at half of its life, the server's certificate at two thirds or
    /// when it is for other names. To be called every minute; it does nothing when nothing is due.
    pub fn renew(&self, now: Timestamp) -> Result<Renewed, CaError> {
        let (dir, key_file) = (self.0.config.server_dir(), &self.0.config.key_file);
        let mut held = self.0.held.write().expect("no panic while held");
        let mut renewed = Renewed::default();
        if held.issuer.is_none() {
            // the key file may be back
            held.issuer = Issuer::load(&dir, key_file).ok().flatten();
        }
        let due = held.issuer.as_ref().is_none_or(|issuer| issuer.due(now));
        if due {
            match Issuer::create(&dir, key_file, &self.0.root, now) {
                Ok(issuer) => (held.issuer, renewed.issuer) = (Some(issuer), true),
                // half of an issuer's life is left to bring the key back; the status says so
                Err(CaError::RootAway | CaError::KeyFile(_) | CaError::Wrapped(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let names = served::names(&self.0.config);
        if let Some(issuer) = held.issuer.as_ref().filter(|issuer| held.served.due(issuer, &names, now)) {
            let served = Served::create(&dir, &self.0.root, issuer, &names, now)?;
            (held.served, renewed.certificate) = (served, true);
        }
        Ok(renewed)
    }

    /// Makes issuer and server certificate anew, due or not.
    pub fn rotate(&self, now: Timestamp) -> Result<(), CaError> {
        let dir = self.0.config.server_dir();
        let mut held = self.0.held.write().expect("no panic while held");
        let issuer = Issuer::create(&dir, &self.0.config.key_file, &self.0.root, now)?;
        let names = served::names(&self.0.config);
        held.served = Served::create(&dir, &self.0.root, &issuer, &names, now)?;
        held.issuer = Some(issuer);
        Ok(())
    }

    /// The root key in the clear (PEM).
    pub fn root_export(&self) -> Result<String, CaError> {
        Ok(self.0.root.key()?.serialize_pem())
    }

    /// Brings the root key back.
    pub fn root_import(&self, pem: &str) -> Result<(), CaError> {
        self.0.root.import(pem)
    }

    /// Takes the root key off this server; it must open, so that no other than the exported one is
    /// removed.
    pub fn root_remove(&self) -> Result<(), CaError> {
        self.0.root.key()?;
        self.0.root.remove()
    }

    fn why_no_issuer(&self) -> CaError {
        match Issuer::load(&self.0.config.server_dir(), &self.0.config.key_file) {
            Err(error) => error,
            Ok(_) => self.0.root.key().err().unwrap_or(CaError::IssuerEnded),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.0.held.read().expect("no panic while held")
    }
}

/// Whose certificate this is, and which.
pub fn subject(certificate: &CertificateDer<'_>) -> Result<AgentPeer, CaError> {
    let facts = certificate::facts(certificate)?;
    let host = facts.common_name.parse().map_err(|e: palisade_core::HostIdError| CaError::Request(e.to_string()))?;
    Ok(AgentPeer { host, serial: facts.serial })
}

/// The issuer that is stored, or the first one. One that does not open is replaced, if the root key
/// is at hand.
fn issuer_at_start(config: &Config, root: &Root, now: Timestamp) -> std::result::Result<Issuer, CaError> {
    let dir = config.server_dir();
    let create = || Issuer::create(&dir, &config.key_file, root, now);
    match Issuer::load(&dir, &config.key_file) {
        Ok(Some(issuer)) if issuer.due(now) => Ok(create().unwrap_or(issuer)),
        Ok(Some(issuer)) => Ok(issuer),
        Ok(None) => create(),
        Err(error) => create().map_err(|_| error),
    }
}

fn explained(error: CaError) -> anyhow::Error {
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    anyhow::Error::new(error).context(format!("preparing the server's certificates{hint}"))
}

/// A key file among the data would be copied with it, and protect nothing.
fn outside(config: &Config) -> Result<()> {
    let whole = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let inside = whole(&config.key_file).starts_with(whole(&config.data_dir));
    (!inside).then_some(()).with_context(|| {
        format!(
            "the key file `{}` lies in the data directory that it shall protect\nhint: name a file elsewhere, or leave the default",
            config.key_file.display()
        )
    })
}

fn hour_before(now: Timestamp) -> Timestamp {
    // for clocks that lag
    now - jiff::SignedDuration::from_hours(1)
}

fn days_after(now: Timestamp, days: i64) -> Timestamp {
    now + jiff::SignedDuration::from_hours(24 * days)
}

/// 126 random bits in 16 bytes: the first two are fixed, so that every way to write it has the same
/// length.
fn new_serial() -> SerialNumber {
    let mut bytes = wrap::random::<16>();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

impl palisade_guard::notice::Vault for Authority {
    fn seal(&self, name: &str, secret: &[u8]) -> Result<String, palisade_guard::GuardError> {
        let key = WrapKey::load(&self.0.config.key_file).map_err(refused)?;
        Ok(key.seal(&format!("secret {name}"), secret))
    }

    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, palisade_guard::GuardError> {
        let key = WrapKey::load(&self.0.config.key_file).map_err(refused)?;
        key.open(&format!("secret {name}"), sealed).map_err(refused)
    }
}

fn refused(error: CaError) -> palisade_guard::GuardError {
    palisade_guard::GuardError::Refused(palisade_guard::contract::chain(&error))
}
