//! Requests that hosts, or somebody else, may send.
#![allow(clippy::unwrap_used)]

use super::*;
use base64::Engine;

const RSA_REQUEST: &str = include_str!("rsa-request.pem");

#[test]
fn a_request_that_asks_for_more_gets_a_plain_host_certificate() {
    let (_dir, _, authority) = authority();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["palisade-server".to_owned(), "localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "db-1");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let csr = params.serialize_request(&key).unwrap().pem().unwrap();
    let signed = authority.sign_host(&csr, &host(), start()).unwrap();
    let chain = http::pem_certificates(&signed.chain_pem).unwrap();
    let (_, read) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
    assert_eq!(read.subject().to_string(), "CN=web-1");
    assert!(!read.is_ca());
    assert!(read.subject_alternative_name().unwrap().is_none());
    let usage = read.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    let usage = read.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
}

#[test]
fn a_request_without_its_keys_signature_or_with_another_kind_of_key_is_refused() {
    let (_dir, _, authority) = authority();
    let refused = |csr: &str| authority.sign_host(csr, &host(), start()).unwrap_err();
    let (_, csr) = new_request(&host()).unwrap();
    let mut der = rustls::pki_types::CertificateSigningRequestDer::from_pem_slice(csr.as_bytes()).unwrap().to_vec();
    let name = der.windows(5).position(|w| w == b"web-1").unwrap();
    der[name + 4] = b'2';
    assert!(matches!(refused(&pem(&der)), CaError::RequestSignature));
    for at in 0..der.len() {
        der[at] ^= 1;
        authority.sign_host(&pem(&der), &host(), start()).unwrap_err();
        der[at] ^= 1;
    }
    assert!(matches!(refused(RSA_REQUEST), CaError::RequestKey));
    assert!(matches!(refused(""), CaError::Request(_)));
    assert!(matches!(refused(&authority.root_pem()), CaError::Request(_)));
    assert!(matches!(refused(&csr.repeat(100)), CaError::Request(_)), "too large");
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}
