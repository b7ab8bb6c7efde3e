//! The server's own certificate, and what TLS needs of it.

use super::error::CaError;
use super::file;
use super::issuer::Issuer;
use super::root::Root;
use crate::config::Config;
use crate::link::certificate::{Facts, facts};
use crate::link::http;
use palisade_core::Timestamp;
use palisade_guard::link::{ALPN, SERVER_NAME};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The key, then certificate, issuer and root: one file, so that they cannot fall apart.
const FILE: &str = "server.pem";
/// Where versions before the issuer kept them; the names now stand in the certificate itself.
const OLD_FILES: [&str; 2] = ["server.key", "server.names"];
const LIFE_DAYS: i64 = 90;
/// A certificate that ends with its issuer is not made anew for less than this.
const WORTH_S: i64 = 24 * 3600;

/// What a connection is accepted with, by what the other end asked for.
#[derive(Clone)]
pub struct TlsConfigs {
    /// Browsers and tools: no certificate is asked for.
    pub browser: Arc<ServerConfig>,
    /// Agents: a certificate that leads to our root is demanded, nothing is resumed.
    pub agent: Arc<ServerConfig>,
}

/// The certificate that the server shows.
pub struct Served {
    /// What is in it.
    pub facts: Facts,
    /// Its SHA-256.
    pub fingerprint: String,
    /// Ready for use.
    pub tls: TlsConfigs,
    /// Who signed it.
    issuer: CertificateDer<'static>,
}

impl Served {
    /// Reads it; `None` if there is none, or one that this version has no use for.
    pub fn load(dir: &Path, root: &Root) -> Result<Option<Served>, CaError> {
        let Some(text) = file::read(&dir.join(FILE))? else { return Ok(None) };
        Ok(Served::new(&text, root)
            .inspect_err(|error| tracing::warn!(%error, "the server's certificate is made anew"))
            .ok())
    }

    /// Makes a new one and stores it in place of the one before.
    pub fn create(
        dir: &Path,
        root: &Root,
        issuer: &Issuer,
        names: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Served, CaError> {
        let key = KeyPair::generate()?;
        let chain = issuer.sign_server(&key, names, now)?;
        let text = format!("{}{chain}{}", key.serialize_pem(), root.pem);
        file::write(&dir.join(FILE), &text, 0o600)?;
        OLD_FILES.iter().try_for_each(|old| file::remove(&dir.join(old)))?;
        Served::new(&text, root)
    }

    fn new(text: &str, root: &Root) -> Result<Served, CaError> {
        let damaged = |why: String| CaError::Damaged { path: FILE.into(), why };
        let chain = http::pem_certificates(text).map_err(|e| damaged(e.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|e| damaged(e.to_string()))?;
        let [own, issuer, _] = &chain[..] else { return Err(damaged("the chain has not three parts".to_owned())) };
        Ok(Served {
            facts: facts(own)?,
            fingerprint: http::fingerprint(own),
            issuer: issuer.clone(),
            tls: TlsConfigs { browser: Arc::new(browser(&chain, &key)?), agent: Arc::new(agent(&chain, &key, root)?) },
        })
    }

    /// Whether the next one shall be made.
    pub fn due(&self, issuer: &Issuer, names: &BTreeSet<String>, now: Timestamp) -> bool {
        let longer = issuer.leaf_end(LIFE_DAYS, now).as_second() - self.facts.not_after.as_second() > WORTH_S;
        let late = now >= self.renew_at() && longer;
        self.issuer != issuer.der || self.facts.names != *names || late || now < self.facts.not_before
    }

    /// When the next one shall be made.
    pub fn renew_at(&self) -> Timestamp {
        self.facts.part_over(2, 3)
    }
}

/// All names and addresses that the certificate is for.
pub fn names(config: &Config) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = config.names.iter().cloned().collect();
    let always = ["localhost", "127.0.0.1", "::1", SERVER_NAME];
    names.extend(always.map(str::to_owned));
    names.insert(super::host_name());
    let own = config.listen.ip();
    if !own.is_unspecified() {
        names.insert(own.to_string());
    }
    names
}

fn browser(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>) -> Result<ServerConfig, CaError> {
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain.to_vec(), key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn agent(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    root: &Root,
) -> Result<ServerConfig, CaError> {
    let mut roots = RootCertStore::empty();
    roots.add(root.der.clone())?;
    let verifier =
        WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(|e| rustls::Error::General(e.to_string()))?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.to_vec(), key.clone_key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // a resumed session would bring back the certificate of its beginning, ended or revoked since
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
