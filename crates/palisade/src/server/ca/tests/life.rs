//! The authority over time: renewed, without its keys, taken over from an older version.
#![allow(clippy::unwrap_used)]

use super::*;

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
    assert!(matches!(again.sign_host(&csr, &host(), days(91)), Err(CaError::IssuerEnded)));
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
        let error = without.sign_host(&csr, &host(), days(1)).unwrap_err();
        assert!(error.hint().unwrap().contains("--key-file"), "{error}");
        assert_eq!(config.key_file.exists(), wrong.is_some(), "no new key hides that the right one is missing");
        let _ = std::fs::remove_file(&config.key_file);
        std::fs::copy(&aside, &config.key_file).unwrap();
        without.renew(days(1)).unwrap();
        without.sign_host(&csr, &host(), days(1)).unwrap();
        std::fs::remove_file(&config.key_file).unwrap();
    }
}

#[test]
fn a_server_that_was_off_for_longer_than_its_issuer_lived_starts_with_a_new_one() {
    let (_dir, config, authority) = authority();
    std::fs::remove_file(config.server_dir().join("server.pem")).unwrap();
    let again = Authority::open_at(&config, days(200)).unwrap();
    assert_ne!(issuer_serial(&again), issuer_serial(&authority));
    let identity = joined(&again, days(200));
    handshake(pinned(&identity, Clock::Counts), &again.tls().agent, days(200)).unwrap();
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
