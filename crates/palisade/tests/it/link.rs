//! The link under attack: certificates of others, messages that lie, and messages that are too much.

use crate::fleet::{Fleet, Member, copy};
use crate::raw::{Raw, Shown};
use crate::running::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::Write;

const ALPN: &[u8] = b"palisade-agent/1";

/// A fleet with one joined host, whose agent does not run; `None` if it has to be skipped.
fn scene() -> Option<(Fleet, Member)> {
    match Fleet::start() {
        Ok(fleet) => {
            let member = fleet.join(0, "web-9", &[]);
            Some((fleet, member))
        }
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn hello(name: &str) -> Value {
    let facts =
        json!({ "os": "", "kernel": "", "booted_at": null, "addresses": [], "agent_version": "", "permit": [] });
    json!({ "host": name, "facts": facts })
}

/// A certificate for this name by an authority that is nobody's, with that authority's.
fn foreign(name: &str) -> Shown {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Palisade root");
    let key = rcgen::KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let mut params = rcgen::CertificateParams::new(vec!["palisade-server".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages =
        vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth, rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Shown { chain: vec![own.der().clone(), root.der().clone()], key }
}

#[test]
fn only_a_certificate_of_this_fleet_reaches_the_link_and_nothing_else() {
    let Some((fleet, member)) = scene() else { return };
    let reaches = |shown: Option<Shown>, alpn: &[u8]| match Raw::connect(&member, shown, alpn) {
        Ok(raw) => raw.post("/link/v1/hello", &hello("web-9")).status,
        Err(_) => 0,
    };
    assert_eq!(reaches(Some(Shown::of(&member.identity())), ALPN), 200);
    assert_eq!(reaches(None, ALPN), 0, "no certificate");
    assert_eq!(reaches(Some(foreign("web-9")), ALPN), 0, "somebody else's authority");
    let own = Shown::of(&member.identity());
    assert_ne!(reaches(Some(own), b"h2"), 200, "as a browser the link is not there");
    // and with a host's certificate the API is not there
    let raw = Raw::connect(&member, Some(Shown::of(&member.identity())), ALPN).unwrap();
    for path in ["/api/v1/hosts", "/api/v1/session", "/api/v1/tokens", "/"] {
        assert_eq!(raw.post(path, &json!({})).status, 404, "{path}");
    }
    // nor does a host's own certificate sign others
    let leaf = Shown::of(&member.identity());
    let key = rcgen::KeyPair::from_pem(&std::fs::read_to_string(member.identity().join("host.key")).unwrap()).unwrap();
    let mut as_issuer = rcgen::CertificateParams::default();
    as_issuer.distinguished_name = rcgen::DistinguishedName::new();
    as_issuer.distinguished_name.push(rcgen::DnType::CommonName, "web-9");
    let issuer = rcgen::Issuer::new(as_issuer, key);
    let forged_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "web-1");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let forged = params.signed_by(&forged_key, &issuer).unwrap();
    let mut chain = vec![forged.der().clone()];
    chain.extend(leaf.chain);
    let key = rustls::pki_types::PrivateKeyDer::try_from(forged_key.serialize_der()).unwrap();
    assert_eq!(reaches(Some(Shown { chain, key }), ALPN), 0, "signed by a host");
    drop(fleet);
}

#[test]
fn who_speaks_for_another_host_is_cut_off_and_told_of() {
    let Some((fleet, member)) = scene() else { return };
    let raw = || Raw::connect(&member, Some(Shown::of(&member.identity())), ALPN).unwrap();
    let as_other = raw();
    assert_eq!(as_other.post("/link/v1/hello", &hello("web-1")).status, 403);
    until("the connection is ended", || as_other.post("/link/v1/hello", &hello("web-9")).status == 0);
    for (path, message) in [
        ("/link/v1/report", json!({ "host": "web-1", "looks": [] })),
        ("/link/v1/bye", json!({ "host": "web-1", "why": "stopped" })),
        ("/link/v1/clock", json!({ "host": "web-1", "now": "2020-01-01T00:00:00Z" })),
    ] {
        assert_eq!(raw().post(path, &message).status, 403, "{path}");
    }
    let told = fleet.events("web-9");
    assert!(told.iter().filter(|kind| *kind == "frame.host.impersonation").count() >= 4, "{told:?}");
    // the other host is not touched
    fleet.wait_for("web-1", "online");
    assert!(!fleet.events("web-1").iter().any(|kind| kind == "frame.host.silent"));
}

#[test]
fn messages_that_are_cut_too_large_packed_to_burst_or_nonsense_do_no_harm() {
    let Some((fleet, member)) = scene() else { return };
    let raw = Raw::connect(&member, Some(Shown::of(&member.identity())), ALPN).unwrap();
    assert_eq!(raw.post("/link/v1/hello", &hello("web-9")).status, 200);
    let mut bomb = lz4_flex::frame::FrameEncoder::new(Vec::new());
    (0..64).for_each(|_| bomb.write_all(&[b' '; 1 << 20]).unwrap());
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(raw.send("/link/v1/report", &[("content-encoding", "lz4")], bomb).status, 413);
    assert_eq!(raw.send("/link/v1/report", &[("content-encoding", "lz4")], b"no frame".to_vec()).status, 400);
    let nested = "[".repeat(100_000).into_bytes();
    for nonsense in [b"".to_vec(), b"{".to_vec(), b"[]".to_vec(), nested, vec![0xff; 4096]] {
        assert_eq!(raw.send("/link/v1/report", &[], nonsense).status, 400);
    }
    let huge = vec![b' '; (32 << 20) + 1];
    assert!([413, 429, 0].contains(&raw.send("/link/v1/report", &[], huge).status));
    let raw = Raw::connect(&member, Some(Shown::of(&member.identity())), ALPN).unwrap();
    // records of a guard that is not there, out of order, of a body that makes no sense
    let record = |seq: u64, body: Value| json!({ "seq": seq, "at": "2026-11-22T00:00:00Z", "body": body });
    let report = |records: Value| raw.post("/link/v1/report", &json!({ "host": "web-9", "records": records }));
    assert_eq!(report(json!({ "no-such-guard": [record(1, json!({}))] })).status, 200);
    assert_ne!(report(json!({ "monitor": [record(2, json!({})), record(1, json!({}))] })).status, 200);
    let skipped = report(json!({ "monitor": [record(1, json!("nonsense")), record(2, json!([1, 2]))] }));
    assert_eq!((skipped.status, skipped.body.contains("\"monitor\":2")), (200, true), "{}", skipped.body);
    assert_eq!(fleet.server().request("GET", "/api/v1/sign-in", None, "").status, 200, "the server lives");
}

#[test]
fn a_flood_of_one_host_is_held_back_and_the_others_go_on() {
    let Some((fleet, member)) = scene() else { return };
    let raw = Raw::connect(&member, Some(Shown::of(&member.identity())), ALPN).unwrap();
    raw.post("/link/v1/hello", &hello("web-9"));
    let statuses: Vec<u16> =
        (0..300).map(|_| raw.post("/link/v1/report", &json!({ "host": "web-9" })).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    until("it is told of", || fleet.events("web-9").iter().any(|kind| kind == "frame.host.flood"));
    fleet.wait_for("web-1", "online");
}

#[test]
fn a_host_whose_clock_is_a_year_off_is_named_so_until_it_is_right_again() {
    let Some((fleet, member)) = scene() else { return };
    let raw = Raw::connect(&member, Some(Shown::of(&member.identity())), ALPN).unwrap();
    for (year, word) in [("2020", "clock_wrong"), ("2099", "clock_wrong")] {
        let clock = json!({ "host": "web-9", "now": format!("{year}-01-01T00:00:00Z") });
        assert_eq!(raw.post("/link/v1/clock", &clock).status, 200);
        fleet.wait_for("web-9", word);
    }
    let mut right = hello("web-9");
    right["now"] = json!(jiff::Timestamp::now());
    assert_eq!(raw.post("/link/v1/hello", &right).status, 200);
    fleet.wait_for("web-9", "online");
    let events = fleet.events("web-9");
    let told: Vec<_> =
        events.iter().filter(|kind| kind.contains("host.silent") || kind.contains("host.back")).collect();
    assert_eq!(told, ["frame.host.silent", "frame.host.back"]);
}

/// A man in the middle who holds a certificate that is valid, but not of the pinned root.
#[test]
fn an_agent_tells_nothing_to_a_server_with_a_valid_foreign_certificate() {
    let Some((fleet, member)) = scene() else { return };
    let middle = foreign("palisade-server");
    let mut config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(middle.chain, middle.key).unwrap();
    config.alpn_protocols = vec![ALPN.to_vec(), b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut stranger = fleet.member(1, "web-8");
    stranger.url = "https://127.0.0.1:8443".to_owned();
    let listener = stranger.peer.run(|| std::net::TcpListener::bind("127.0.0.1:8443").unwrap());
    let heard = std::thread::spawn(move || {
        let mut bytes = 0;
        for stream in listener.incoming().take(2).map_while(Result::ok) {
            let tls = rustls::ServerConnection::new(std::sync::Arc::new(config.clone())).unwrap();
            let mut tls = rustls::StreamOwned::new(tls, stream);
            let mut buffer = [0u8; 1024];
            bytes += std::io::Read::read(&mut tls, &mut buffer).unwrap_or(0);
        }
        bytes
    });
    // joining over it: the token must not be told
    let said = stranger.join(&fleet.token(&[]), &[]);
    assert!(!said.status.success());
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("root"), "{text}");
    assert!(!stranger.identity().exists());
    // an agent that has joined, whose traffic is led to it
    copy(&member.dir.path().join("agent"), stranger.dir.path());
    let server = stranger.identity().join("server.toml");
    let address = std::fs::read_to_string(&server).unwrap().replace("10.99.0.1", "127.0.0.1");
    std::fs::write(&server, address).unwrap();
    stranger.run();
    assert_eq!(heard.join().unwrap(), 0, "bytes told to a stranger");
}

/// A server that was restored from an old copy: hosts hold newer specs than it ever gave.
#[test]
fn after_a_restore_hosts_refuse_old_specs_until_an_admin_begins_a_new_epoch() {
    let Some((mut fleet, mut member)) = scene() else { return };
    member.run();
    fleet.wait_for("web-9", "online");
    let rules = |member: &Member| member.peer.run(|| palisade_sandbox::run("nft", &["list", "ruleset"]).unwrap());
    fleet.server().ok(&["firewall", "ban", "add", "198.51.100.1", "--for", "1h", "--host", "web-9"]);
    until("the host holds the first ban", || rules(&member).contains("198.51.100.1"));
    let copied = tempfile::tempdir().unwrap();
    fleet.restart_with(|dir| copy(&dir.join("server"), copied.path()));
    for address in ["198.51.100.2", "198.51.100.3"] {
        fleet.server().ok(&["firewall", "ban", "add", address, "--for", "1h", "--host", "web-9"]);
    }
    until("the host holds all bans", || rules(&member).contains("198.51.100.3"));
    fleet.restart_with(|dir| {
        std::fs::remove_dir_all(dir.join("server")).unwrap();
        copy(&copied.path().join("server"), dir);
    });
    fleet.wait_for("web-9", "online");
    until("it is told of", || fleet.events("web-9").iter().any(|kind| kind == "frame.server.older"));
    fleet.server().ok(&["firewall", "ban", "add", "198.51.100.4", "--for", "1h", "--host", "web-9"]);
    // orders travel behind specs: when one is done, the spec has had its chance
    fleet.server().ok(&["host", "look", "web-9"]);
    until("an order is done", || fleet.server().json(&["order", "list"])["items"][0]["job"]["state"] == "done");
    let held = rules(&member);
    assert!(held.contains("198.51.100.3") && !held.contains("198.51.100.4"), "{held}");
    fleet.server().ok(&["server", "epoch", "raise"]);
    until("the host takes the restored server's specs again", || {
        let held = rules(&member);
        held.contains("198.51.100.4") && !held.contains("198.51.100.3")
    });
    member.end(Signal::SIGTERM);
}
