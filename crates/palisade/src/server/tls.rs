//! The server's own certificate authority and certificate, made at the first start.

use super::host_name;
use crate::config::Config;
use crate::link::http;
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";
const NAMES: &str = "server.names";
/// How long the authority and the certificate are valid. The certificate is made anew at every
/// start whose names differ.
const CA_DAYS: i64 = 3650;
const CERTIFICATE_DAYS: i64 = 397;

/// What the listener needs.
pub struct Identity {
    /// For the TLS acceptor.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate.
    pub fingerprint: String,
}

/// Reads the certificate, or makes it.
pub fn load_or_create(dir: &Path, config: &Config) -> Result<Identity> {
    let names = names(config);
    if !dir.join(CA_CERTIFICATE).exists() {
        create_ca(dir)?;
    }
    let wanted = names.iter().cloned().collect::<Vec<_>>().join("\n");
    let current = std::fs::read_to_string(dir.join(NAMES)).unwrap_or_default();
    if current != wanted || expires_soon(&dir.join(CERTIFICATE)) {
        create_certificate(dir, &names)?;
        write_private(&dir.join(NAMES), &wanted)?;
    }
    read(dir)
}

fn read(dir: &Path) -> Result<Identity> {
    let path = dir.join(CERTIFICATE);
    let chain = http::pem_certificates(
        &std::fs::read_to_string(&path).with_context(|| format!("reading `{}`", path.display()))?,
    )?;
    let key = PrivateKeyDer::from_pem_file(dir.join(KEY)).context("reading the server's key")?;
    let fingerprint = chain.first().map(http::fingerprint).context("the certificate file is empty")?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).context("using the certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Identity { config: Arc::new(config), fingerprint })
}

/// All names and addresses that the certificate is for.
fn names(config: &Config) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = config.names.iter().cloned().collect();
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), host_name()]);
    let own = config.listen.ip();
    if !own.is_unspecified() {
        names.insert(own.to_string());
    }
    names
}

fn create_ca(dir: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    write_private(&dir.join(CA_KEY), &key.serialize_pem())?;
    write_private(&dir.join(CA_CERTIFICATE), &ca_params().self_signed(&key)?.pem())
}

/// The authority's name and uses; the name is fixed, since certificates refer to it.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Palisade CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, CA_DAYS);
    params
}

fn create_certificate(dir: &Path, names: &BTreeSet<String>) -> Result<()> {
    let ca_pem = std::fs::read_to_string(dir.join(CA_CERTIFICATE)).context("reading the CA's certificate")?;
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(dir.join(CA_KEY)).context("reading the CA's key")?)?;
    let issuer = Issuer::new(ca_params(), ca_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, host_name());
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, CERTIFICATE_DAYS);
    let certificate = params.signed_by(&key, &issuer)?;
    write_private(&dir.join(KEY), &key.serialize_pem())?;
    write_private(&dir.join(CERTIFICATE), &format!("{}{ca_pem}", certificate.pem()))
}

fn valid(params: &mut CertificateParams, days: i64) {
    let now = std::time::SystemTime::now();
    // an hour back, for clocks that lag
    params.not_before = (now - std::time::Duration::from_secs(3600)).into();
    params.not_after = (now + std::time::Duration::from_secs(days as u64 * 86_400)).into();
}

/// Made more than 300 days ago, by the file's own time.
fn expires_soon(path: &Path) -> bool {
    let age = std::fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
    age.is_none_or(|age| age.as_secs() > 300 * 86_400)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("writing `{}`", path.display());
    let temporary = path.with_extension("new");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary).with_context(doing)?;
    file.write_all(text.as_bytes()).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    std::fs::rename(&temporary, path).with_context(doing)
}
