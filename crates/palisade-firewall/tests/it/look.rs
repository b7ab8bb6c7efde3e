//! What `observe` sees of a real kernel, in namespaces of the test's own.

use crate::sandbox::{allow, ban, bans, converge, entered, firewall, hours, nft};
use palisade_core::{HostId, Severity, Timestamp};
use palisade_firewall::guard;
use palisade_firewall::model::Observed;
use palisade_guard::{Host, Look};
use palisade_sys::Root;
use std::net::TcpListener;
use std::process::Command;

fn look() -> (Observed, Look) {
    let id: HostId = "web-1".parse().unwrap();
    let look = guard().observer.look(&Host { id, root: Root::live() }, Timestamp::now());
    assert_eq!(look.error, None);
    (serde_json::from_value(serde_json::Value::Object(look.sections.clone())).unwrap(), look)
}

fn found(look: &Look, check: &str) -> Vec<(String, Severity, String)> {
    let of = look.findings.iter().filter(|f| f.check == check);
    of.map(|f| (f.object.clone(), f.severity, f.evidence.clone())).collect()
}

#[test]
fn a_listener_and_the_chain_that_may_shut_it_are_seen() {
    if !entered() {
        return;
    }
    let _high_risk = TcpListener::bind("0.0.0.0:4444").unwrap();
    let _database = TcpListener::bind("127.0.0.1:5432").unwrap();
    let (_, before) = look();
    let [(object, severity, evidence)] = &found(&before, "firewall.high-risk-port")[..] else { panic!("{before:#?}") };
    assert_eq!((object.as_str(), *severity), ("tcp/4444", Severity::High));
    assert!(evidence.contains(&format!("pid {}", std::process::id())), "{evidence}");
    assert!(found(&before, "firewall.database-open").is_empty());
    assert_eq!(found(&before, "firewall.default-policy").len(), 1);

    nft("add table inet filter");
    nft("add chain inet filter input { type filter hook input priority 0 ; policy accept ; }");
    nft("add rule inet filter input tcp dport 22 accept");
    nft("add rule inet filter input counter reject with icmpx admin-prohibited");
    let (observed, after) = look();
    let chain = &observed.ruleset.unwrap().tables[0].chains[0];
    assert_eq!((chain.hook.as_deref(), chain.policy.as_deref(), chain.rules), (Some("input"), Some("accept"), 2));
    assert_eq!(chain.ends_in.as_deref(), Some("reject"));
    assert!(found(&after, "firewall.default-policy").is_empty());
    assert_eq!(found(&after, "firewall.high-risk-port")[0].1, Severity::Medium);

    nft("add table inet filter { flags dormant ; }");
    assert_eq!(found(&look().1, "firewall.default-policy").len(), 1, "a dormant table shuts nothing");
}

#[test]
fn a_database_is_known_by_the_name_of_its_process() {
    if !entered() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("mysqld");
    let Some(python) = ["/usr/bin/python3"].iter().find(|p| std::path::Path::new(p).exists()) else {
        println!("skipped: python3 is not there to play the database");
        return;
    };
    std::fs::copy(std::fs::canonicalize(python).unwrap(), &program).unwrap();
    let script = "import socket,sys; s=socket.create_server(('0.0.0.0',33306)); print(flush=True); sys.stdin.read()";
    let mut database = Command::new(&program);
    database.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut database = database.spawn().unwrap();
    std::io::Read::read_exact(database.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    let (_, look) = look();
    database.kill().unwrap();
    database.wait().unwrap();
    let [(object, severity, evidence)] = &found(&look, "firewall.database-open")[..] else { panic!("{look:#?}") };
    assert_eq!((object.as_str(), *severity), ("tcp/33306", Severity::High));
    assert!(
        evidence.starts_with("MySQL or MariaDB on 0.0.0.0:33306, reachable from the world: mysqld, pid "),
        "{evidence}"
    );
}

#[test]
fn our_own_table_is_counted_and_missed_when_it_is_gone() {
    if !entered() {
        return;
    }
    let firewall = firewall(&["192.0.2.1"]);
    let mut spec = bans([ban("203.0.113.9", None), ban("2001:db8::9", hours(1)), ban("198.51.100.0/24", hours(1))]);
    spec.allow.push(allow("198.51.100.7"));
    converge(&firewall, &spec);
    let (observed, sound) = look();
    let ours = observed.ruleset.unwrap().ours;
    assert_eq!((ours.present, ours.bans, ours.allow, ours.kept), (true, 3, 1, Some(3)));
    assert_eq!(ours.failsafe, ["192.0.2.1"]);
    assert!(found(&sound, "firewall.palisade-table").is_empty());

    nft("flush ruleset");
    let (_, gone) = look();
    assert_eq!(
        found(&gone, "firewall.palisade-table")[0].2,
        "the table `inet palisade` is not there; bans that the agent keeps: 3"
    );

    converge(&firewall, &bans([]));
    assert!(found(&look().1, "firewall.palisade-table").is_empty());
}
