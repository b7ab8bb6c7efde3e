//! The authority of a running server: its keys leave only by root on its own machine, and what is
//! left goes on working.

use crate::running::{BINARY, Palisade, until};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

#[test]
fn the_root_key_is_taken_away_brought_back_and_never_on_the_network() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let admin = palisade.token("admin");
    for (method, path) in [("POST", "export"), ("POST", "import"), ("DELETE", "key")] {
        let path = format!("/api/v1/server/ca/{path}");
        let status = palisade.request(method, &path, Some(&admin), "{}").status;
        assert_ne!(status / 100, 2, "{method} {path} over the network");
    }
    let shown = palisade.request("GET", "/api/v1/server/ca", Some(&admin), "").json();
    assert_eq!((&shown["root"]["key"]["state"], &shown["issuer"]["key"]["state"]), (&"here".into(), &"here".into()));

    let away = tempfile::tempdir().unwrap();
    let file = away.path().join("root.pem");
    let to = file.to_str().unwrap();
    palisade.ok(&["server", "ca", "export", "--to", to, "--remove"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!palisade.command(&["server", "ca", "export", "--to", to]).status.success(), "no file is written over");
    assert_eq!(palisade.json(&["status"])["root_key"]["state"], "away");
    let refused = palisade.command(&["server", "ca", "rotate"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("hint: ") && said.contains("ca import"), "{said}");

    palisade.ok(&["server", "ca", "import", "--from", to]);
    assert_eq!(palisade.json(&["status"])["root_key"]["state"], "here");
    let before = palisade.json(&["server", "ca", "show"]);
    palisade.ok(&["server", "ca", "rotate"]);
    let after = palisade.json(&["server", "ca", "show"]);
    assert_eq!(before["root"]["fingerprint"], after["root"]["fingerprint"]);
    assert_ne!(before["certificate"]["fingerprint"], after["certificate"]["fingerprint"]);
    assert_eq!(palisade.request("GET", "/api/v1/status", Some(&admin), "").status, 200, "the root still leads to it");
    let audit = palisade.json(&["audit", "list"]).to_string();
    for kind in ["frame.ca.export", "frame.ca.remove", "frame.ca.import", "frame.ca.rotate"] {
        assert!(audit.contains(kind), "{kind} in {audit}");
    }
}

#[test]
fn a_command_trusts_the_server_by_the_fingerprint_of_its_root_or_of_its_own_certificate() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let token = palisade.token("viewer");
    let shown = palisade.json(&["server", "ca", "show"]);
    let status = |fingerprint: &str| {
        let output = Command::new(BINARY)
            .args(["status", "--data-dir"])
            .arg(palisade.dir.path().join("nothing"))
            .env("PALISADE_CONFIG", palisade.dir.path().join("config.toml"))
            .env("PALISADE_SERVER", format!("https://127.0.0.1:{}", palisade.address.port()))
            .env("PALISADE_TOKEN", &token)
            .env("PALISADE_FINGERPRINT", fingerprint)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for of in ["root", "certificate"] {
        let (ok, said) = status(shown[of]["fingerprint"].as_str().unwrap());
        assert!(ok, "{of}: {said}");
    }
    let (ok, said) = status(&"0".repeat(64));
    assert!(!ok && said.contains("neither the server's certificate nor its root"), "{said}");
}

#[test]
fn the_key_file_lies_where_it_is_configured_and_only_the_server_can_read_it() {
    if let Err(why) = palisade_sandbox::enter_netns() {
        return println!("skipped: {why}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::set_permissions(elsewhere.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let key = elsewhere.path().join("keys/wrap.key");
    let dir = tempfile::tempdir().unwrap();
    let (data, option) = (dir.path().to_owned(), ["--key-file", key.to_str().unwrap()]);
    let palisade = Palisade::up_in(dir, &option);
    let server = std::fs::metadata(data.join("server")).unwrap().uid();
    for (path, mode) in [(key.as_path(), 0o400), (key.parent().unwrap(), 0o700)] {
        let found = std::fs::metadata(path).unwrap();
        assert_eq!((found.uid(), found.permissions().mode() & 0o777), (server, mode), "{}", path.display());
    }
    let root = palisade.json(&["server", "ca", "show"])["root"].clone();
    // as after a restore by root: the file belongs to somebody else
    let dir = palisade.kill();
    std::os::unix::fs::chown(&key, Some(0), Some(0)).unwrap();
    std::os::unix::fs::chown(key.parent().unwrap(), Some(0), Some(0)).unwrap();
    std::fs::set_permissions(key.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let palisade = Palisade::up_in(dir, &option);
    assert_eq!(palisade.json(&["server", "ca", "show"])["root"], root);
    assert_eq!(std::fs::metadata(key.parent().unwrap()).unwrap().uid(), 0, "a directory of others is not taken");
}

#[test]
fn a_new_epoch_is_begun_by_an_admin_and_the_host_holds_its_specs() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    palisade.ok(&["firewall", "ban", "add", "198.51.100.7", "--for", "1h"]);
    let applied = |epoch: &str| {
        let events = palisade.json(&["journal", "list"]).to_string();
        events.contains(&format!("firewall applied {epoch}."))
    };
    until("the first spec is applied", || applied("1"));
    assert_eq!(palisade.ok(&["server", "epoch", "show"]).trim(), "1");
    palisade.ok(&["server", "epoch", "raise"]);
    assert_eq!(palisade.ok(&["server", "epoch", "show"]).trim(), "2");
    let lower = palisade.command(&["server", "epoch", "raise", "--to", "2"]);
    assert!(!lower.status.success(), "an epoch never falls, nor begins twice");
    palisade.ok(&["server", "epoch", "raise", "--to", "7"]);
    palisade.ok(&["firewall", "ban", "add", "198.51.100.8", "--for", "1h"]);
    until("a spec of the new epoch is applied", || applied("7"));
}
