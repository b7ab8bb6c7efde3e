//! What Palisade reads from certificates: whose, which, and for how long.

use palisade_core::Timestamp;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// The fields of a certificate that Palisade has a use for. Nothing about trust: who signed it is
/// checked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The subject's common name; empty if it has none.
    pub common_name: String,
    /// The serial number, lower-case hexadecimal.
    pub serial: String,
    /// Valid from then on.
    pub not_before: Timestamp,
    /// Valid until then.
    pub not_after: Timestamp,
    /// The public key, as it stands in the certificate: for an elliptic curve the point.
    pub public_key: Vec<u8>,
    /// The DNS names and addresses that it is for.
    pub names: BTreeSet<String>,
}

/// The bytes are no certificate that Palisade understands.
#[derive(Debug, Clone, thiserror::Error)]
#[error("reading a certificate: {0}")]
pub struct CertificateError(String);

/// Reads a certificate.
pub fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, CertificateError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|e| CertificateError(e.to_string()))?;
    let common_name = parsed.subject().iter_common_name().next().map(|cn| cn.as_str().map(str::to_owned)).transpose();
    Ok(Facts {
        common_name: common_name.map_err(|e| CertificateError(e.to_string()))?.unwrap_or_default(),
        serial: serial(parsed.raw_serial()),
        not_before: moment(&parsed.validity().not_before)?,
        not_after: moment(&parsed.validity().not_after)?,
        public_key: parsed.public_key().subject_public_key.data.to_vec(),
        names: names(&parsed),
    })
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(alternative)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    let name = |general: &GeneralName<'_>| match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    };
    alternative.value.general_names.iter().filter_map(name).collect()
}

impl Facts {
    /// When `numerator`/`denominator` of its life are over.
    pub fn part_over(&self, numerator: i64, denominator: i64) -> Timestamp {
        let life_s = self.not_after.as_second() - self.not_before.as_second();
        let part_s = life_s * numerator / denominator;
        Timestamp::from_second(self.not_before.as_second() + part_s).unwrap_or(self.not_after)
    }
}

/// Two texts of one number must be equal: without the zero byte that DER puts before a high bit.
fn serial(bytes: &[u8]) -> String {
    let significant = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    bytes[significant..].iter().map(|b| format!("{b:02x}")).collect()
}

fn moment(time: &ASN1Time) -> Result<Timestamp, CertificateError> {
    Timestamp::from_second(time.timestamp()).map_err(|e| CertificateError(e.to_string()))
}
