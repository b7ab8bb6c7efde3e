//! The authority as a whole: what it makes is held against real handshakes.
#![allow(clippy::unwrap_used)]

mod life;
mod request;

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

/// When everything begins.
pub fn start() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// So many days later.
pub fn days(n: i64) -> Timestamp {
    days_after(start(), n)
}

/// A configuration with everything below `dir`.
pub fn config(dir: &Path) -> Config {
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
        own_table: true,
        retention: Default::default(),
    }
}

fn authority() -> (TempDir, Config, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let authority = Authority::open_at(&config, start()).unwrap();
    (dir, config, authority)
}

/// A host.
pub fn host() -> HostId {
    "web-1".parse().unwrap()
}

/// A host that has joined.
fn joined(authority: &Authority, now: Timestamp) -> Identity {
    let (key_pem, csr) = new_request(&host()).unwrap();
    let signed = authority.sign_host(&csr, &host(), now).unwrap();
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
    let signed = authority.sign_host(&csr, &"palisade-server".parse().unwrap(), start()).unwrap();
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
