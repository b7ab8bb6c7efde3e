//! The identity on disk.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::server::ca::Authority;
use crate::server::ca::tests::{config, days, host, start};
use std::os::unix::fs::PermissionsExt;

fn identity(authority: &Authority, name: &str) -> Identity {
    let host: HostId = name.parse().unwrap();
    let (key_pem, csr) = new_request(&host).unwrap();
    let chain_pem = authority.sign_host(&csr, &host, start()).unwrap().chain_pem;
    let server = ServerAddress { host: "203.0.113.7".to_owned(), port: 8443, root: authority.root_fingerprint() };
    Identity::new(server, Parts { key_pem, chain_pem, root_pem: authority.root_pem() }).unwrap()
}

fn authority(dir: &Path) -> Authority {
    Authority::open_at(&config(dir), start()).unwrap()
}

#[test]
fn what_is_stored_is_read_back_and_only_its_owner_can() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Identity::load(dir.path()).unwrap().is_none(), "it has not joined yet");
    let identity = identity(&authority(dir.path()), "web-1");
    identity.store(dir.path()).unwrap();
    let read = Identity::load(dir.path()).unwrap().unwrap();
    assert_eq!((read.host.clone(), &read.server, &read.facts), (host(), &identity.server, &identity.facts));
    assert_eq!(read.expires(), days(30));
    for file in [KEY, CERTIFICATE, ROOT, SERVER] {
        let mode = std::fs::metadata(dir.path().join(LINK).join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[test]
fn a_crash_at_any_point_of_a_renewal_leaves_the_old_identity_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(dir.path());
    let [first, second, third] = [0; 3].map(|_| identity(&authority, "web-1"));
    first.store(dir.path()).unwrap();
    // what a crash leaves: some files in the other place, and the link not yet turned over
    let other = dir.path().join(PLACES[1]);
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join(KEY), "half a ke").unwrap();
    std::os::unix::fs::symlink(PLACES[1], dir.path().join("identity.new")).unwrap();
    assert_eq!(Identity::load(dir.path()).unwrap().unwrap().facts, first.facts);
    second.store(dir.path()).unwrap();
    assert_eq!(Identity::load(dir.path()).unwrap().unwrap().facts, second.facts);
    assert!(!dir.path().join(PLACES[0]).exists(), "the key before is removed");
    third.store(dir.path()).unwrap();
    assert_eq!(Identity::load(dir.path()).unwrap().unwrap().facts, third.facts);
}

#[test]
fn parts_that_do_not_belong_together_are_no_identity() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority(dir.path());
    let (web, db) = (identity(&authority, "web-1"), identity(&authority, "db-1"));
    let (ours, theirs) = (web.parts().clone(), db.parts().clone());
    let said = web.renewed(ours.key_pem.clone(), theirs.chain_pem.clone()).unwrap_err().to_string();
    assert!(said.contains("do not belong together"), "{said}");
    let said = web.renewed(theirs.key_pem, theirs.chain_pem).unwrap_err().to_string();
    assert!(said.contains("for `db-1`"), "{said}");
    let other = tempfile::tempdir().unwrap();
    let root_pem = self::authority(other.path()).root_pem();
    assert!(Identity::new(web.server.clone(), Parts { root_pem, ..ours }).is_err(), "another root than the pinned one");
}

#[test]
fn a_damaged_identity_is_said_and_never_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    identity(&authority(dir.path()), "web-1").store(dir.path()).unwrap();
    std::fs::remove_file(dir.path().join(LINK).join(ROOT)).unwrap();
    let said = format!("{:#}", Identity::load(dir.path()).unwrap_err());
    assert!(said.contains("root.pem"), "{said}");
}
