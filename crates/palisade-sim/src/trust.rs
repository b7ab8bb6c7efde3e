//! How simulated hosts trust the server: by the SHA-256 of its root, whatever address they dial.

use palisade_guard::link::SERVER_NAME;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// Trusts chains that hold the pinned root, and in them only the server.
#[derive(Debug)]
pub struct Pinned {
    /// SHA-256 of the root.
    root: [u8; 32],
    /// Made from the first chain that holds the root: thousands of handshakes share it.
    verifier: OnceLock<Arc<WebPkiServerVerifier>>,
}

impl Pinned {
    /// Pins the root with this SHA-256.
    pub fn new(root: [u8; 32]) -> Arc<Pinned> {
        Arc::new(Pinned { root, verifier: OnceLock::new() })
    }

    fn verifier(&self, chain: &[CertificateDer<'_>]) -> Result<&WebPkiServerVerifier, Error> {
        if let Some(known) = self.verifier.get() {
            return Ok(known);
        }
        let is_root = |c: &&CertificateDer<'_>| fingerprint(c) == self.root;
        let root = chain.iter().find(is_root).ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let made = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let made = made.map_err(|error| Error::General(error.to_string()))?;
        Ok(self.verifier.get_or_init(|| made))
    }
}

/// The name that every server's certificate holds.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("a constant name")
}

/// The cryptography that is used everywhere.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// SHA-256 of a certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, certificate);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier(chain)?.verify_server_cert(end, chain, &server_name(), ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
