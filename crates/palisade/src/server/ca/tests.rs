//! The authority as a whole: what it makes is held against real handshakes.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::agent::identity::{Identity, Parts, ServerAddress, new_request};
use crate::link::tls::{Clock, Pinned, Refusal, server_name};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const RSA_REQUEST: &str = include_str!("rsa-request.pem");

fn start() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn days(n: i64) -> Timestamp {
    days_after(start(), n)
}

fn config(dir: &Path) -> Config {
    let data_dir = dir.join("data");
    std::fs::create_dir_all(data_dir.join("server")).unwrap();
    Config {
        key_file: crate::config::key_dir(&data_dir).join("wrap.key"),
        data_dir,
        listen: "127.0.0.1:8443".parse().unwrap(),
        names: Vec::new(),
        host: None,
        permit: "/nonexistent".into(),
        failsafe: Vec::new(),
    }
}

fn authority() -> (TempDir, Config, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let authority = Authority::open_at(&config, start()).unwrap();
    (dir, config, authority)
}

fn host() -> HostId {
    "web-1".parse().unwrap()
}

/// A host that has joined.
fn joined(authority: &Authority, now: Timestamp) -> Identity {
    let (key_pem, csr) = new_request(&host()).unwrap();
    let signed = authority.sign_host_at(&csr, &host(), now).unwrap();
    let root = authority.root_fingerprint();
    let server = ServerAddress { host: "203.0.113.7".to_owned(), port: 8443, root };
    Identity::new(server, Parts { key_pem, chain_pem: signed.chain_pem, root_pem: authority.root_pem() }).unwrap()
}

#[derive(Debug)]
struct At(Timestamp);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.as_second().unsigned_abs())))
    }
}

/// A handshake at a time: whom the server saw, or what went wrong, on the client's side first.
fn handshake(
    mut client: ClientConfig,
    server: &ServerConfig,
    now: Timestamp,
) -> Result<Option<AgentPeer>, rustls::Error> {
    let mut server = server.clone();
    client.time_provider = Arc::new(At(now));
    server.time_provider = Arc::new(At(now));
    let mut client = ClientConnection::new(Arc::new(client), server_name()).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..8 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut unread = &wire[..];
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
        }
        let said = server.process_new_packets().map(|_| ());
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        let mut unread = &wire[..];
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
        }
        // the alert of the side that refused arrives at the other, which says less
        match (client.process_new_packets(), said) {
            (Err(rustls::Error::AlertReceived(_)), Err(error)) => return Err(error),
            (Err(error), _) | (_, Err(error)) => return Err(error),
            _ => {}
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server.peer_certificates().map(|chain| subject(&chain[0]).unwrap()))
}

fn refusal(result: Result<Option<AgentPeer>, rustls::Error>) -> Refusal {
    let error = result.unwrap_err();
    Refusal::of(&error).unwrap_or_else(|| panic!("{error}"))
}

/// A server with a chain of its own choice.
fn impostor(text: &str) -> ServerConfig {
    let chain = http::pem_certificates(text).unwrap();
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![palisade_guard::link::ALPN.to_vec()];
    config
}

fn pinned(identity: &Identity, clock: Clock) -> ClientConfig {
    identity.tls(clock).unwrap()
}

#[test]
fn a_host_and_its_server_trust_each_other_and_the_subject_is_the_host() {
    let (_dir, config, authority) = authority();
    let identity = joined(&authority, start());
    let peer = handshake(pinned(&identity, Clock::Counts), &authority.tls().agent, start()).unwrap().unwrap();
    assert_eq!(peer, AgentPeer { host: host(), serial: identity.facts.serial.clone() });
    assert_eq!(peer.serial.len(), 32, "{}", peer.serial);
    assert_eq!(identity.expires(), days(30));
    let sent = std::fs::read_to_string(config.server_dir().join("server.pem")).unwrap();
    let chain = http::pem_certificates(&sent).unwrap();
    assert_eq!(chain.len(), 3);
    assert_eq!(http::fingerprint(&chain[0]), authority.fingerprint());
    assert_eq!(http::fingerprint(&chain[2]), authority.root_fingerprint());
}

#[test]
fn before_it_has_the_root_a_host_takes_it_from_the_chain_by_its_fingerprint() {
    let (_dir, _, authority) = authority();
    let client = |root: &str| {
        ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::new(root, None, Clock::Counts)))
            .with_no_client_auth()
    };
    let browser = authority.tls().browser;
    handshake(client(&authority.root_fingerprint().to_uppercase()), &browser, start()).unwrap();
    let other = refusal(handshake(client(&"0".repeat(64)), &browser, start()));
    assert_eq!(other, Refusal::WrongRoot);
}

#[test]
fn a_valid_chain_of_somebody_else_is_refused_even_with_our_root_at_its_end() {
    let (_dir, _, ours) = authority();
    let (_other_dir, other_config, other) = authority();
    let identity = joined(&ours, start());
    for clock in [Clock::Counts, Clock::Ignored] {
        let said = refusal(handshake(pinned(&identity, clock), &other.tls().agent, start()));
        assert_eq!(said, Refusal::WrongRoot);
        let stolen = std::fs::read_to_string(other_config.server_dir().join("server.pem")).unwrap() + &ours.root_pem();
        assert_eq!(refusal(handshake(pinned(&identity, clock), &impostor(&stolen), start())), Refusal::WrongRoot);
    }
    let foreign = joined(&other, start());
    let ours = ours.tls().agent;
    let verifier_off = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Pinned::new(
        &identity.server.root,
        None,
        Clock::Counts,
    )));
    let (chain, key) = credentials(&foreign_text(&foreign));
    let mut client = verifier_off.with_client_auth_cert(chain, key).unwrap();
    client.alpn_protocols = vec![palisade_guard::link::ALPN.to_vec()];
    assert!(handshake(client, &ours, start()).is_err(), "a host of another fleet");
}

fn foreign_text(identity: &Identity) -> String {
    let parts = identity.parts();
    format!("{}{}", parts.key_pem, parts.chain_pem)
}

fn credentials(text: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (http::pem_certificates(text).unwrap(), PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap())
}

#[test]
fn no_client_without_a_certificate_reaches_the_agents_door() {
    let (_dir, _, authority) = authority();
    let identity = joined(&authority, start());
    let verifier = Arc::new(Pinned::new(&identity.server.root, None, Clock::Counts));
    let mut client =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    client.alpn_protocols = vec![palisade_guard::link::ALPN.to_vec()];
    assert!(handshake(client.clone(), &authority.tls().agent, start()).is_err());
    client.alpn_protocols = vec![b"h2".to_vec()];
    let said = handshake(client, &authority.tls().agent, start()).unwrap_err();
    assert_eq!(said, rustls::Error::NoApplicationProtocol);
}

#[test]
fn a_host_cannot_pass_for_the_server_nor_the_server_for_a_host() {
    let (_dir, config, authority) = authority();
    let (key_pem, csr) = new_request(&host()).unwrap();
    let signed = authority.sign_host_at(&csr, &"palisade-server".parse().unwrap(), start()).unwrap();
    let identity = joined(&authority, start());
    let host_as_server = impostor(&format!("{key_pem}{}", signed.chain_pem));
    let said = refusal(handshake(pinned(&identity, Clock::Counts), &host_as_server, start()));
    assert!(matches!(said, Refusal::NotTheServer(_)), "{said}");

    let text = std::fs::read_to_string(config.server_dir().join("server.pem")).unwrap();
    let (chain, key) = credentials(&text);
    let verifier = Arc::new(Pinned::new(&identity.server.root, None, Clock::Counts));
    let mut server_as_host = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(chain, key)
        .unwrap();
    server_as_host.alpn_protocols = vec![palisade_guard::link::ALPN.to_vec()];
    assert!(handshake(server_as_host, &authority.tls().agent, start()).is_err());
}

#[test]
fn a_certificate_of_our_issuer_for_another_name_is_not_the_servers() {
    let (_dir, _, authority) = authority();
    let identity = joined(&authority, start());
    let key = KeyPair::generate().unwrap();
    let held = authority.read();
    let other = held.issuer.as_ref().unwrap().sign_server(&key, &["console.example.org".to_owned()].into(), start());
    let server = impostor(&format!("{}{}", key.serialize_pem(), other.unwrap()));
    let said = refusal(handshake(pinned(&identity, Clock::Counts), &server, start()));
    assert!(matches!(said, Refusal::NotTheServer(_)), "{said}");
}

#[test]
fn an_ended_or_future_certificate_is_told_apart_from_a_foreign_one() {
    let (_dir, config, authority) = authority();
    let identity = joined(&authority, start());
    let text = std::fs::read_to_string(config.server_dir().join("server.pem")).unwrap();
    for (now, expected) in [(days(366), Refusal::Expired), (days(-366), Refusal::NotYetValid)] {
        // without its demand for our certificate, which has ended too
        let server = impostor(&text);
        let said = refusal(handshake(pinned(&identity, Clock::Counts), &server, now));
        assert_eq!(said, expected);
        assert!(said.is_clock());
        handshake(pinned(&identity, Clock::Ignored), &server, now).unwrap();
    }
    assert!(handshake(pinned(&identity, Clock::Ignored), &authority.tls().agent, days(31)).is_err(), "ours has ended");
}

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
    let signed = authority.sign_host_at(&csr, &host(), start()).unwrap();
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
    let refused = |csr: &str| authority.sign_host_at(csr, &host(), start()).unwrap_err();
    let (_, csr) = new_request(&host()).unwrap();
    let mut der = rustls::pki_types::CertificateSigningRequestDer::from_pem_slice(csr.as_bytes()).unwrap().to_vec();
    let name = der.windows(5).position(|w| w == b"web-1").unwrap();
    der[name + 4] = b'2';
    let changed = {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(&der);
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
    };
    assert!(matches!(refused(&changed), CaError::RequestSignature));
    assert!(matches!(refused(RSA_REQUEST), CaError::RequestKey));
    assert!(matches!(refused(""), CaError::Request(_)));
    assert!(matches!(refused(&authority.root_pem()), CaError::Request(_)));
    assert!(matches!(refused(&csr.repeat(100)), CaError::Request(_)), "too large");
}

#[test]
fn issuer_and_certificate_renew_themselves_when_due_and_older_hosts_stay_valid() {
    let (_dir, _, authority) = authority();
    let identity = joined(&authority, days(44));
    let (first, issuer) = (authority.fingerprint(), issuer_serial(&authority));
    assert_eq!(authority.renew(days(44)).unwrap(), Renewed::default());
    assert_eq!(authority.renew(days(45)).unwrap(), Renewed { issuer: true, certificate: true });
    assert_ne!((authority.fingerprint(), issuer_serial(&authority)), (first, issuer));
    let peer = handshake(pinned(&identity, Clock::Counts), &authority.tls().agent, days(70)).unwrap().unwrap();
    assert_eq!(peer.host, host(), "signed by the issuer before");
    assert_eq!(authority.renew(days(89)).unwrap(), Renewed::default());
    assert!(!identity.needs_renewal(days(63)) && identity.needs_renewal(days(65)));
}

fn issuer_serial(authority: &Authority) -> String {
    authority.read().issuer.as_ref().unwrap().facts.serial.clone()
}

#[test]
fn without_the_root_key_the_issuer_lives_to_its_end_and_renews_when_the_key_is_back() {
    let (_dir, config, authority) = authority();
    let root = authority.0.root.key().unwrap().serialize_pem();
    authority.0.root.remove().unwrap();
    assert!(matches!(authority.sign_epoch(2), Err(CaError::RootAway)));
    assert_eq!(authority.renew(days(80)).unwrap(), Renewed::default());
    let late = joined(&authority, days(80));
    assert_eq!(late.expires(), days(90), "no longer than its issuer");
    let again = Authority::open_at(&config, days(85)).unwrap();
    assert_eq!(again.fingerprint(), authority.fingerprint());
    let csr = new_request(&host()).unwrap().1;
    assert!(matches!(again.sign_host_at(&csr, &host(), days(91)), Err(CaError::IssuerEnded)));
    let (_other_dir, _, other) = self::authority();
    let foreign = other.0.root.key().unwrap().serialize_pem();
    assert!(matches!(again.0.root.import(&foreign), Err(CaError::OtherRoot)));
    again.0.root.import(&root).unwrap();
    assert_eq!(again.renew(days(91)).unwrap(), Renewed { issuer: true, certificate: true });
}

#[test]
fn a_missing_or_wrong_key_file_leaves_the_server_running_and_is_said() {
    let (dir, config, authority) = authority();
    let aside = dir.path().join("aside.key");
    std::fs::rename(&config.key_file, &aside).unwrap();
    let csr = new_request(&host()).unwrap().1;
    for wrong in [None, Some("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=\n")] {
        let _ = wrong.map(|text| std::fs::write(&config.key_file, text).unwrap());
        let without = Authority::open_at(&config, days(1)).unwrap();
        assert_eq!(without.fingerprint(), authority.fingerprint(), "it shows the certificate that it has");
        let error = without.sign_host_at(&csr, &host(), days(1)).unwrap_err();
        assert!(error.hint().unwrap().contains("--key-file"), "{error}");
        assert_eq!(config.key_file.exists(), wrong.is_some(), "no new key hides that the right one is missing");
        let _ = std::fs::remove_file(&config.key_file);
        std::fs::copy(&aside, &config.key_file).unwrap();
        without.renew(days(1)).unwrap();
        without.sign_host_at(&csr, &host(), days(1)).unwrap();
        std::fs::remove_file(&config.key_file).unwrap();
    }
}

#[test]
fn other_names_need_another_certificate() {
    let (_dir, mut config, authority) = authority();
    assert_eq!(Authority::open_at(&config, days(1)).unwrap().fingerprint(), authority.fingerprint());
    config.names = vec!["console.example.org".to_owned(), "203.0.113.7".to_owned()];
    let renamed = Authority::open_at(&config, days(1)).unwrap();
    assert_ne!(renamed.fingerprint(), authority.fingerprint());
    let names = renamed.read().served.facts.names.clone();
    for name in ["console.example.org", "203.0.113.7", "palisade-server", "localhost", "::1"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    assert_eq!(Authority::open_at(&config, days(1)).unwrap().fingerprint(), renamed.fingerprint());
}

#[test]
fn a_key_file_in_the_data_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.key_file = config.data_dir.join("wrap.key");
    let said = format!("{:#}", Authority::open_at(&config, start()).err().unwrap());
    assert!(said.contains("lies in the data directory"), "{said}");
}

#[test]
fn the_authority_of_an_older_version_becomes_the_root_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let old = config.server_dir();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Palisade CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key).unwrap().pem();
    std::fs::write(old.join("ca.pem"), &pem).unwrap();
    std::fs::write(old.join("ca.key"), key.serialize_pem()).unwrap();
    std::fs::write(old.join("server.pem"), &pem).unwrap();
    std::fs::write(old.join("server.key"), key.serialize_pem()).unwrap();
    std::fs::write(old.join("server.names"), "localhost").unwrap();

    let authority = Authority::open_at(&config, start()).unwrap();
    assert_eq!(authority.root_pem(), pem);
    for gone in ["ca.key", "server.key", "server.names"] {
        assert!(!old.join(gone).exists(), "{gone}");
    }
    assert_eq!(authority.0.root.key().unwrap().serialize_pem(), key.serialize_pem());
    let identity = joined(&authority, start());
    handshake(pinned(&identity, Clock::Counts), &authority.tls().agent, start()).unwrap();
    assert_eq!(Authority::open_at(&config, days(1)).unwrap().fingerprint(), authority.fingerprint());
}

#[test]
fn a_first_start_that_ended_anywhere_is_made_up_for() {
    let (_dir, config, _) = authority();
    let dir = config.server_dir();
    for lost in [&["server.pem"][..], &["server.pem", "issuer.pem"], &["server.pem", "issuer.pem", "ca.pem"]] {
        lost.iter().for_each(|name| std::fs::remove_file(dir.join(name)).unwrap());
        let again = Authority::open_at(&config, start()).unwrap();
        handshake(pinned(&joined(&again, start()), Clock::Counts), &again.tls().agent, start()).unwrap();
    }
    let root = std::fs::read(dir.join("ca.pem")).unwrap();
    std::fs::remove_file(dir.join("ca.pem")).unwrap();
    assert!(Authority::open_at(&config, start()).is_err(), "a lost root is not replaced by another");
    std::fs::write(dir.join("ca.pem"), root).unwrap();
    std::fs::write(dir.join("issuer.pem"), "palisade-wrapped-1 AAAA\n").unwrap();
    let again = Authority::open_at(&config, start()).unwrap();
    handshake(pinned(&joined(&again, start()), Clock::Counts), &again.tls().agent, start()).unwrap();
}

#[test]
fn an_epoch_is_proven_by_the_root_alone() {
    let (_dir, _, authority) = authority();
    let identity = joined(&authority, start());
    let proof = authority.sign_epoch(2).unwrap();
    assert!(identity.epoch_is_proven(&proof).unwrap());
    assert!(!identity.epoch_is_proven(&EpochProof { epoch: 3, ..proof.clone() }).unwrap());
    let (_other_dir, _, other) = self::authority();
    assert!(!identity.epoch_is_proven(&other.sign_epoch(2).unwrap()).unwrap());
    assert!(!identity.epoch_is_proven(&EpochProof { epoch: 2, signature: "?".to_owned() }).unwrap());
}
