//! Certificate requests: hostile until shown otherwise, and good for one thing only, the key.

use super::error::CaError;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, SubjectPublicKeyInfo};
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// Far more than a request for an elliptic key needs.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// The key of a request, when whoever sent it has proven to hold it.
pub fn public_key(csr_pem: &str) -> Result<SubjectPublicKeyInfo, CaError> {
    if csr_pem.len() > REQUEST_BYTES_MAX {
        return Err(CaError::Request(format!("it has more than {REQUEST_BYTES_MAX} bytes")));
    }
    let unreadable = |e: &dyn std::fmt::Display| CaError::Request(e.to_string());
    let der = CertificateSigningRequestDer::from_pem_slice(csr_pem.as_bytes()).map_err(|e| unreadable(&e))?;
    let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|e| unreadable(&e))?;
    if !rest.is_empty() {
        return Err(CaError::Request("something follows it".to_owned()));
    }
    let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
        .map_err(|_| CaError::RequestKey)?;
    let taken = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];
    if !taken.contains(&key.algorithm()) {
        return Err(CaError::RequestKey);
    }
    request.verify_signature().map_err(|_| CaError::RequestSignature)?;
    Ok(key)
}
