//! The issuer: the certificate that signs hosts and the server for 90 days.

use super::error::CaError;
use super::request;
use super::root::Root;
use super::wrap::WrapKey;
use super::{days_after, file, hour_before, new_serial};
use crate::link::certificate::{Facts, facts};
use crate::link::http;
use palisade_core::{HostId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::path::Path;

/// First line the sealed key, then the certificate: one file, so that they cannot fall apart.
pub const FILE: &str = "issuer.pem";
/// What the key is sealed as.
const SEALED_AS: &str = "issuer.key";
const COMMON_NAME: &str = "Palisade issuer";
const LIFE_DAYS: i64 = 90;
/// How long a host's certificate lives; its agent asks for the next one at two thirds.
const HOST_DAYS: i64 = 30;

/// An issuer whose key is open.
pub struct Issuer {
    /// The certificate.
    pub pem: String,
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// What is in it.
    pub facts: Facts,
    signer: rcgen::Issuer<'static, KeyPair>,
}

/// A host's certificate, just signed.
#[derive(Debug, Clone)]
pub struct SignedHost {
    /// The host's certificate and its issuer's.
    pub chain_pem: String,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// Its end.
    pub not_after: Timestamp,
}

impl Issuer {
    /// Reads the issuer; `None` if there is none yet.
    pub fn load(dir: &Path, key_file: &Path) -> Result<Option<Issuer>, CaError> {
        let path = dir.join(FILE);
        let Some(text) = file::read(&path)? else { return Ok(None) };
        let opened = WrapKey::load(key_file)?.open(SEALED_AS, &text)?;
        let damaged = |why: &str| CaError::Damaged { path: path.clone(), why: why.to_owned() };
        let key = KeyPair::from_pem(&String::from_utf8_lossy(&opened))?;
        let (_, pem) = text.split_once('\n').ok_or_else(|| damaged("it holds no certificate"))?;
        Issuer::new(pem, key).map(Some)
    }

    /// Makes a new issuer, signed by the root, and stores it in place of the one before.
    pub fn create(dir: &Path, key_file: &Path, root: &Root, now: Timestamp) -> Result<Issuer, CaError> {
        let key = KeyPair::generate()?;
        let mut params = params(COMMON_NAME, hour_before(now), days_after(now, LIFE_DAYS).min(root.facts.not_after));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.signed_by(&key, &root.signer()?)?;
        let sealed = WrapKey::load(key_file)?.seal(SEALED_AS, key.serialize_pem().as_bytes());
        file::write(&dir.join(FILE), &format!("{sealed}{}", certificate.pem()), 0o600)?;
        Issuer::new(&certificate.pem(), key)
    }

    fn new(pem: &str, key: KeyPair) -> Result<Issuer, CaError> {
        let damaged = |why: String| CaError::Damaged { path: FILE.into(), why };
        let certificates = http::pem_certificates(pem).map_err(|e| damaged(e.to_string()))?;
        let der = certificates.into_iter().next().ok_or_else(|| damaged("it holds no certificate".to_owned()))?;
        let facts = facts(&der)?;
        if key.public_key_raw() != facts.public_key {
            return Err(damaged("key and certificate do not belong together".to_owned()));
        }
        Ok(Issuer { pem: pem.to_owned(), facts, signer: rcgen::Issuer::from_ca_cert_der(&der, key)?, der })
    }

    /// Whether the next issuer shall be made: half of its life is over, or it lies in the future
    /// because it was made by a clock that was wrong.
    pub fn due(&self, now: Timestamp) -> bool {
        now >= self.renew_at() || now < self.facts.not_before
    }

    /// When the next issuer shall be made.
    pub fn renew_at(&self) -> Timestamp {
        self.facts.part_over(1, 2)
    }

    /// Signs the key of a request for a host. Nothing else of the request counts: not its names, not
    /// its uses, not its wish to be an authority.
    pub fn sign_host(&self, csr_pem: &str, host: &HostId, now: Timestamp) -> Result<SignedHost, CaError> {
        let key = request::public_key(csr_pem)?;
        let mut params = self.leaf(host.as_str(), HOST_DAYS, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (pem, facts) = self.sign(&params, &key)?;
        Ok(SignedHost { chain_pem: format!("{pem}{}", self.pem), serial: facts.serial, not_after: facts.not_after })
    }

    /// Signs a certificate for the server itself; the chain without the root.
    pub fn sign_server(&self, key: &KeyPair, names: &BTreeSet<String>, now: Timestamp) -> Result<String, CaError> {
        let mut params = self.leaf(&super::host_name(), LIFE_DAYS, now)?;
        params.subject_alt_names = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (pem, _) = self.sign(&params, key)?;
        Ok(format!("{pem}{}", self.pem))
    }

    /// Until when a certificate that is made now can be valid.
    pub fn leaf_end(&self, days: i64, now: Timestamp) -> Timestamp {
        days_after(now, days).min(self.facts.not_after)
    }

    fn leaf(&self, name: &str, days: i64, now: Timestamp) -> Result<CertificateParams, CaError> {
        if now >= self.facts.not_after {
            return Err(CaError::IssuerEnded);
        }
        // begins within the issuer's life, so that at its first moment the whole chain is valid
        let mut params = params(name, hour_before(now).max(self.facts.not_before), self.leaf_end(days, now));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        Ok(params)
    }

    fn sign(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Result<(String, Facts), CaError> {
        let certificate = params.signed_by(key, &self.signer)?;
        Ok((certificate.pem(), facts(certificate.der())?))
    }
}

fn params(name: &str, not_before: Timestamp, not_after: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = std::time::SystemTime::from(not_before).into();
    params.not_after = std::time::SystemTime::from(not_after).into();
    params.serial_number = Some(new_serial());
    params.use_authority_key_identifier_extension = true;
    params
}
