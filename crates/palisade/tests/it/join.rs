//! A host joins with one command.

use crate::joining::{Joiner, holds, open_book, token, watch_until_end};
use crate::running::{Palisade, until};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

#[test]
fn a_host_joins_with_a_token_that_nobody_else_on_it_can_see() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let (token, url) = token(&palisade, &["--profile", "protect", "--region", "eu", "--tag", "role=web"]);
    let host = Joiner::new();
    let mut child = host.start(&["--join", &url, "--token-file", "-", "--name", "web-2"]);
    until("the test sees what others see", || open_book(child.id()).contains("--token-file -"));
    let mut input = child.stdin.take().unwrap();
    input.write_all(token.as_bytes()).unwrap();
    drop(input);
    assert!(watch_until_end(&mut child, &token) > 1);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["as web-2", "profile protect", "region: eu", "tag: role=web", "permit.toml (new)", "systemctl"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!holds(host.dir.path(), &token), "the token is kept nowhere on the host");
    assert!(!holds(palisade.dir.path(), &token), "nor on the server");
    let hosts = palisade.json(&["host", "list"]);
    assert!(hosts["items"].as_array().unwrap().iter().any(|h| h["name"] == "web-2"), "{hosts}");
    let tokens = palisade.json(&["join-token", "list"]);
    assert_eq!((&tokens["items"][0]["joined"][0], &tokens["items"][0]["uses_left"]), (&"web-2".into(), &0.into()));
}

#[test]
fn the_token_may_come_from_a_file_and_one_that_others_can_read_is_warned_of() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    for (mode, warned) in [(0o600, false), (0o644, true)] {
        let (token, url) = token(&palisade, &[]);
        let host = Joiner::new();
        let file = host.dir.path().join("token");
        std::fs::write(&file, format!("{token}\n")).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let name = format!("file-{mode}");
        let child = host.start(&["--join", &url, "--token-file", file.to_str().unwrap(), "--name", &name]);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("warning: others can read"), warned, "{said}");
    }
}

#[test]
fn a_host_joins_once_and_again_only_by_force_and_its_permit_stays_the_operators() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let (token, url) = token(&palisade, &["--uses", "3"]);
    let host = Joiner::new();
    std::fs::write(host.permit(), "allow = [\"observe\"]\n").unwrap();
    let join = |more: &[&str]| {
        let output = host.join(&url, &token, &[&["--name", "web-2"], more].concat());
        let said = [output.stdout, output.stderr].map(|s| String::from_utf8_lossy(&s).into_owned()).join("");
        (output.status.code(), said)
    };
    let first = join(&[]);
    assert!(first.0 == Some(0) && first.1.contains("(yours, unchanged)"), "{first:?}");
    assert_eq!(std::fs::read_to_string(host.permit()).unwrap(), "allow = [\"observe\"]\n");
    let certificate = std::fs::read(host.identity().join("host.pem")).unwrap();
    let second = join(&[]);
    assert!(second.0 == Some(2) && second.1.contains("--force"), "{second:?}");
    assert_eq!(std::fs::read(host.identity().join("host.pem")).unwrap(), certificate);
    let forced = join(&["--force"]);
    assert!(forced.0 == Some(0), "{forced:?}");
    assert_ne!(std::fs::read(host.identity().join("host.pem")).unwrap(), certificate);
    assert_eq!(palisade.json(&["join-token", "list"])["items"][0]["uses_left"], 1, "the refused one used nothing");
}

#[test]
fn a_wrong_token_and_a_wrong_address_are_said_with_what_to_do() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let (token, url) = token(&palisade, &[]);
    let host = Joiner::new();
    let fails = |url: &str, token: &str, parts: &[&str]| {
        let output = host.join(url, token, &["--name", "web-2"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "{part}: {said}"));
        assert!(!said.contains(token), "{said}");
        assert!(!host.identity().exists());
    };
    fails("https://127.0.0.1:1", &token, &["connecting to https://127.0.0.1:1", "hint: ", "firewall"]);
    fails("http://127.0.0.1:8443", &token, &["write https://HOST"]);
    fails(&url, "plj_abc", &["no join token", "join-token create"]);
    palisade.ok(&["join-token", "delete", palisade.json(&["join-token", "list"])["items"][0]["id"].as_str().unwrap()]);
    fails(&url, &token, &["does not know the join token", "hint: make a new one"]);
}

/// Somebody between host and server who has a certificate for every name, from another authority.
#[test]
fn a_man_in_the_middle_never_gets_to_see_the_token() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let (token, _) = token(&palisade, &[]);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = ["palisade-server".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let middle = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let mut got = Vec::new();
        let ended = tls.read_to_end(&mut got);
        (got, ended.is_err())
    });
    let host = Joiner::new();
    let output = host.join(&url, &token, &["--name", "web-2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("another root") && said.contains("the token was not sent"), "{said}");
    let (got, refused) = middle.join().unwrap();
    assert!(got.is_empty() && refused, "{} bytes", got.len());
    assert!(!host.identity().exists());
}

#[test]
fn everybody_gets_the_program_that_runs_and_the_root_that_signed_it_and_nothing_beside() {
    let palisade = match Palisade::up() {
        Ok(palisade) => palisade,
        Err(why) => return println!("skipped: {why}"),
    };
    let path = format!("/install/palisade-{}", std::env::consts::ARCH);
    let head = palisade.request("HEAD", &path, None, "");
    let program = std::fs::read(crate::running::BINARY).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &program);
    let hash: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(head.status, 200);
    assert!(head.head.contains(&format!("etag: \"{hash}\"")), "{}", head.head);
    assert!(head.head.contains(&format!("content-length: {}", program.len())), "{}", head.head);
    assert!(palisade.request("GET", "/install/ca.pem", None, "").body.contains("BEGIN CERTIFICATE"));
    assert_eq!(palisade.request("GET", "/install/ca.key", None, "").status, 404);
    assert_eq!(palisade.request("GET", "/install/palisade", None, "").status, 404);
}
