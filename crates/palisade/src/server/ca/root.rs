//! The root: what every agent pins. Its key signs an issuer every few weeks and the epochs, and
//! nothing else; it rests sealed, is opened for each use, and can be taken away.

use super::error::CaError;
use super::wrap::WrapKey;
use super::{file, hour_before};
use crate::link::certificate::{Facts, facts};
use crate::link::http;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use palisade_core::Timestamp;
use palisade_guard::link::{EpochProof, epoch_message};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SigningKey};
use rustls::pki_types::CertificateDer;
use std::path::{Path, PathBuf};

const CERTIFICATE: &str = "ca.pem";
const SEALED_KEY: &str = "ca.key.wrapped";
/// The key as versions before the key file stored it: taken over, sealed and removed.
const PLAIN_KEY: &str = "ca.key";
/// What the key is sealed as.
const SEALED_AS: &str = "ca.key";
const COMMON_NAME: &str = "Palisade root";
const LIFE_DAYS: i64 = 3650;

/// The root's certificate, and where its key may lie.
pub struct Root {
    /// The certificate.
    pub pem: String,
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// What is in it.
    pub facts: Facts,
    dir: PathBuf,
    key_file: PathBuf,
}

impl Root {
    /// Reads the root, or makes it at the first start.
    pub fn open(dir: &Path, key_file: &Path, now: Timestamp) -> Result<Root, CaError> {
        let path = dir.join(CERTIFICATE);
        let damaged = |why: String| CaError::Damaged { path: path.clone(), why };
        if file::read(&path)?.is_none() {
            if dir.join(super::issuer::FILE).exists() {
                // another root would lock every host out, and its key would replace the sealed one
                return Err(damaged("it is missing; the last certificate in `server.pem` is the same".to_owned()));
            }
            create(dir, key_file, now)?;
        }
        let pem = file::read(&path)?.unwrap_or_default();
        let certificates = http::pem_certificates(&pem).map_err(|e| damaged(e.to_string()))?;
        let der = certificates.into_iter().next().ok_or_else(|| damaged("it holds no certificate".to_owned()))?;
        let root = Root { facts: facts(&der)?, pem, der, dir: dir.to_owned(), key_file: key_file.to_owned() };
        root.take_over()?;
        Ok(root)
    }

    /// The key, opened.
    pub fn key(&self) -> Result<KeyPair, CaError> {
        let sealed = file::read(&self.dir.join(SEALED_KEY))?.ok_or(CaError::RootAway)?;
        let opened = WrapKey::load(&self.key_file)?.open(SEALED_AS, &sealed)?;
        self.own_key(&String::from_utf8_lossy(&opened))
    }

    /// The root as the signer of an issuer.
    pub fn signer(&self) -> Result<Issuer<'static, KeyPair>, CaError> {
        Ok(Issuer::from_ca_cert_der(&self.der, self.key()?)?)
    }

    /// Brings a key back that was taken away.
    pub fn import(&self, pem: &str) -> Result<(), CaError> {
        let key = self.own_key(pem)?;
        let sealed = wrap_key(&self.dir, &self.key_file)?.seal(SEALED_AS, key.serialize_pem().as_bytes());
        file::write(&self.dir.join(SEALED_KEY), &sealed, 0o600)
    }

    /// Takes the key away; whoever calls has stored it elsewhere.
    pub fn remove(&self) -> Result<(), CaError> {
        file::remove(&self.dir.join(SEALED_KEY))
    }

    /// Signs that an epoch has begun.
    pub fn sign_epoch(&self, epoch: u32) -> Result<EpochProof, CaError> {
        let signature = self.key()?.sign(&epoch_message(epoch))?;
        Ok(EpochProof { epoch, signature: STANDARD.encode(signature) })
    }

    /// The key in this text, if it is this root's.
    fn own_key(&self, pem: &str) -> Result<KeyPair, CaError> {
        let key = KeyPair::from_pem(pem).map_err(|_| CaError::OtherRoot)?;
        if key.public_key_raw() != self.facts.public_key {
            return Err(CaError::OtherRoot);
        }
        Ok(key)
    }

    /// Seals the plain key of an older version. It is removed only once the sealed one opens.
    fn take_over(&self) -> Result<(), CaError> {
        let plain = self.dir.join(PLAIN_KEY);
        let Some(pem) = file::read(&plain)? else { return Ok(()) };
        self.import(&pem)?;
        self.key()?;
        tracing::info!(path = %plain.display(), "the root key is sealed from now on; its plain file is removed");
        file::remove(&plain)
    }
}

/// The key is stored before the certificate: a certificate without its key would be no root.
fn create(dir: &Path, key_file: &Path, now: Timestamp) -> Result<(), CaError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = std::time::SystemTime::from(hour_before(now)).into();
    params.not_after = std::time::SystemTime::from(super::days_after(now, LIFE_DAYS)).into();
    params.serial_number = Some(super::new_serial());
    let certificate = params.self_signed(&key)?;
    let sealed = wrap_key(dir, key_file)?.seal(SEALED_AS, key.serialize_pem().as_bytes());
    file::write(&dir.join(SEALED_KEY), &sealed, 0o600)?;
    // of a first start that ended too early
    file::remove(&dir.join(PLAIN_KEY))?;
    file::write(&dir.join(CERTIFICATE), &certificate.pem(), 0o600)
}

/// The key file's key. It is made only where nothing is sealed yet: beside sealed keys a new one
/// would open nothing, and hide that the right one is missing.
fn wrap_key(dir: &Path, key_file: &Path) -> Result<WrapKey, CaError> {
    let sealed = dir.join(SEALED_KEY).exists() || dir.join(super::issuer::FILE).exists();
    if sealed || key_file.exists() { WrapKey::load(key_file) } else { WrapKey::create(key_file) }
}
