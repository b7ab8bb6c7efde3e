//! How a client of the server trusts it: by the SHA-256 of its root, whatever address it dialled.

use super::certificate::facts;
use super::http::fingerprint;
use palisade_guard::link::SERVER_NAME;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;

/// Why a server was not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else answers.
    #[error(
        "another root than the pinned one: whoever answers is not the server that this host joined; somebody may sit between the two"
    )]
    WrongRoot,
    /// Its certificate has ended by our clock.
    #[error("the server's certificate has ended by the clock of this host: one of the two clocks may be wrong")]
    Expired,
    /// Its certificate has not begun by our clock.
    #[error("the server's certificate has not begun by the clock of this host: one of the two clocks may be wrong")]
    NotYetValid,
    /// It has the right root, but is no server's.
    #[error("the certificate is not the server's: {0}")]
    NotTheServer(String),
}

impl Refusal {
    /// Why a handshake failed, if the server's certificate was why.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Option<Refusal> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // an `io::Error` says what it wraps only when asked this way
            let inner = error.downcast_ref::<std::io::Error>().and_then(|e| e.get_ref());
            let tls = inner.and_then(|e| e.downcast_ref::<Error>()).or_else(|| error.downcast_ref::<Error>());
            if let Some(Error::InvalidCertificate(reason)) = tls {
                return Some(Refusal::from(reason));
            }
            cause = error.source();
        }
        None
    }

    /// Whether the clocks are why.
    pub fn is_clock(&self) -> bool {
        matches!(self, Refusal::Expired | Refusal::NotYetValid)
    }
}

impl From<&CertificateError> for Refusal {
    fn from(error: &CertificateError) -> Refusal {
        match error {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Refusal::WrongRoot,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Refusal::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Refusal::NotYetValid,
            CertificateError::Other(OtherError(own)) => match own.downcast_ref::<Refusal>() {
                Some(refusal) => refusal.clone(),
                None => Refusal::NotTheServer(own.to_string()),
            },
            other => Refusal::NotTheServer(other.to_string()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// Trusts chains that lead to one root, and in them only the server.
#[derive(Debug)]
pub struct Pinned {
    /// SHA-256 of the root, lower-case hexadecimal.
    root: String,
    /// The root itself, once it is known; before that it is taken from the chain, by its SHA-256.
    stored: Option<CertificateDer<'static>>,
    /// Whether the time counts.
    clock: Clock,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Whether a chain has to be valid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// As usual.
    Counts,
    /// At some time: for telling the server what our clock says, and nothing else. A server key
    /// that was stolen long ago could answer.
    Ignored,
}

impl Pinned {
    /// Pins the root with this SHA-256 (hexadecimal, with or without colons).
    pub fn new(root: &str, stored: Option<CertificateDer<'static>>, clock: Clock) -> Pinned {
        let algorithms = provider().signature_verification_algorithms;
        Pinned { root: root.to_lowercase().replace(':', ""), stored, clock, algorithms }
    }

    /// Whether the chain leads to the root and its first certificate is the server's.
    pub fn check(&self, end: &CertificateDer<'_>, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let known = self.stored.iter().find(|c| fingerprint(c) == self.root);
        let root = known.or_else(|| chain.iter().find(|c| fingerprint(c) == self.root)).ok_or(Refusal::WrongRoot)?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|e| Error::General(e.to_string()))?;
        let now = match self.clock {
            Clock::Counts => now,
            Clock::Ignored => first_moment(end)?,
        };
        verifier.verify_server_cert(end, chain, &server_name(), &[], now).map(|_| ())
    }
}

/// When the certificate begins: at that moment its issuer was valid, or it could not have signed.
fn first_moment(end: &CertificateDer<'_>) -> Result<UnixTime, Error> {
    let begins = facts(end).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?.not_before;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(begins.as_second().max(0).unsigned_abs())))
}

/// The one name that is checked.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("a constant name")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end, chain, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use anyhow::Context;

    #[test]
    fn why_a_handshake_failed_is_found_below_whatever_was_said_about_it() {
        let failed = |error: Error| -> anyhow::Error {
            let io: Result<(), _> = Err(std::io::Error::other(error));
            io.context("TLS with 203.0.113.7:8443").context("joining").unwrap_err()
        };
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        for (error, expected) in [
            (Error::from(Refusal::WrongRoot), Some(Refusal::WrongRoot)),
            (expired, Some(Refusal::Expired)),
            (Error::NoApplicationProtocol, None),
        ] {
            assert_eq!(Refusal::of(failed(error).as_ref()), expected);
        }
    }
}
