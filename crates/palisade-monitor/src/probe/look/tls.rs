//! A TLS greeting: who answers with which certificates, and for how long these are good.
//!
//! The greeting goes on whatever the certificate is, so that one that has ended or has a wrong name
//! is described and not only refused; what is wrong with it is judged afterwards, before anything is
//! said to the other side.

use super::{Seen, said, shown, tcp};
use crate::probe::spec::ProbeSpec;
use palisade_core::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

const DAY_S: f64 = 86_400.0;
/// Certificates of one answer that are read.
const CHAIN_MAX: usize = 10;

pub(super) async fn look(spec: &ProbeSpec, seen: &mut Seen) -> Result<(), String> {
    let host = spec.target.rsplit_once(':').map_or(spec.target.as_str(), |(host, _)| host);
    let stream = tcp::connected(spec, &spec.target, seen).await?;
    let (_stream, chain) = greeted(spec, host, stream).await?;
    chain.remember(seen);
    chain.judge(spec.verify)
}

/// The certificates of a text.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = read.map_err(|e| format!("no certificates in PEM form: {e:?}"))?;
    if read.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(read) }
}

/// Greets; the answer's certificates are not judged yet.
pub(super) async fn greeted(
    spec: &ProbeSpec,
    host: &str,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Chain), String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|e| said(&e))?;
    let verifier = Arc::new(Noting::new(spec)?);
    let noting: Arc<dyn ServerCertVerifier> = Arc::clone(&verifier) as _;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| said(&e))?
        .dangerous()
        .with_custom_certificate_verifier(noting)
        .with_no_client_auth();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| said(&e))?;
    let chain = verifier.noted.lock().expect("no panic while held").take();
    Ok((stream, chain.ok_or("no certificate was shown")?))
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// The authorities that this machine trusts; read once.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

/// Takes every certificate and notes what is to be said of it. The signature of the greeting is
/// checked as ever: who answers holds the key.
#[derive(Debug)]
struct Noting {
    judge: Option<Arc<WebPkiServerVerifier>>,
    noted: Mutex<Option<Chain>>,
}

impl Noting {
    fn new(spec: &ProbeSpec) -> Result<Noting, String> {
        let mut roots = system_roots().clone();
        roots.add_parsable_certificates(spec.ca_pem.as_deref().map(certificates).transpose()?.unwrap_or_default());
        // fails only when nothing is trusted: then nobody is
        let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok();
        Ok(Noting { judge, noted: Mutex::new(None) })
    }
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trusted = match &self.judge {
            Some(judge) => judge.verify_server_cert(leaf, others, name, ocsp, now).map(|_| ()),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let named = ParsedCertificate::try_from(leaf).and_then(|leaf| verify_server_name(&leaf, name));
        let mut chain = Chain::read(leaf, others, now.as_secs() as i64);
        chain.untrusted = trusted.err().map(|e| shown(&explained(&e)));
        chain.misnamed = named.err().map(|e| shown(&explained(&e)));
        *self.noted.lock().expect("no panic while held") = Some(chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn explained(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody whom this server trusts issued it".to_owned()
        }
        other => other.to_string(),
    }
}

/// What is to be said of the certificates of an answer.
#[derive(Debug, Default)]
pub(super) struct Chain {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_after: Option<Timestamp>,
    /// The days until the first of the chain ends; less than 0 when one has.
    days_left: Option<f64>,
    unreadable: bool,
    untrusted: Option<String>,
    misnamed: Option<String>,
}

impl Chain {
    fn read(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now_s: i64) -> Chain {
        let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
            return Chain { unreadable: true, ..Chain::default() };
        };
        let end_s = |der: &CertificateDer<'_>| {
            let (_, other) = X509Certificate::from_der(der).ok()?;
            // a root that is sent along proves nothing and may end: everybody has their own
            (other.subject() != other.issuer()).then(|| other.validity().not_after.timestamp())
        };
        let leaf_end_s = parsed.validity().not_after.timestamp();
        let first_end_s = others.iter().take(CHAIN_MAX).filter_map(end_s).chain([leaf_end_s]).min();
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let names = alternative.map(|names| names.value.general_names.iter().map(|n| shown(&n.to_string())).collect());
        Chain {
            subject: shown(&parsed.subject().to_string()),
            issuer: shown(&parsed.issuer().to_string()),
            names: names.unwrap_or_default(),
            not_after: Timestamp::from_second(leaf_end_s).ok(),
            days_left: first_end_s.map(|end_s| (end_s - now_s) as f64 / DAY_S),
            ..Chain::default()
        }
    }

    pub(super) fn remember(&self, seen: &mut Seen) {
        seen.fact("subject", self.subject.as_str());
        seen.fact("issuer", self.issuer.as_str());
        seen.fact("names", self.names.iter().take(CHAIN_MAX).cloned().collect::<Vec<_>>());
        seen.fact("trusted", self.untrusted.is_none());
        if let Some(not_after) = self.not_after {
            seen.fact("not_after", not_after.to_string());
        }
        if let Some(days_left) = self.days_left {
            seen.fact("days_left", (days_left * 10.0).floor() / 10.0);
            seen.values.push(("probe_tls_days_left", days_left.max(0.0)));
        }
    }

    /// Why it is not good; `verify` is false to take any issuer.
    pub(super) fn judge(&self, verify: bool) -> Result<(), String> {
        if self.unreadable {
            return Err("the certificate cannot be read".to_owned());
        }
        if self.days_left.is_some_and(|days| days < 0.0) {
            return Err("a certificate of its chain has ended".to_owned());
        }
        if let Some(why) = &self.misnamed {
            return Err(format!("the certificate is for another name: {why}"));
        }
        match &self.untrusted {
            Some(why) if verify => Err(format!("the certificate is not trusted: {why}")),
            _ => Ok(()),
        }
    }
}
