//! Exposure and matrix over a fleet, and how the practices stand.

use crate::server::Server;
use palisade_core::{Judgement, PRACTICES, State, Timestamp, judge};
use palisade_firewall::exposure::{HostLook, Kept, Rules, at, joined, matrix, notes, segments};
use palisade_firewall::filter::{AddressSet, Defaults, Filter, Layer, Peers, Rule};
use palisade_firewall::group::model::{Action, Direction, Ports, Protocol as Spoken};
use palisade_firewall::group::resolve::{Fleet, Member};
use palisade_firewall::model::{Listener, Listeners, Protocol};
use palisade_firewall::spec::{Candidate, Spec};
use palisade_guard::entry::Look;
use palisade_guard::store::{self, LookReport};
use serde_json::{Value, json};
use std::time::Instant;

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn rule(id: &str, action: Action, ports: &[u16], peers: Peers) -> Rule {
    Rule {
        id: id.to_owned(),
        layer: Layer::Group,
        priority: 50,
        direction: Direction::In,
        action,
        protocol: Spoken::Tcp,
        ports: ports.iter().map(|port| Ports::one(*port)).collect(),
        types: Vec::new(),
        peers,
        log: false,
        starts_at: None,
        ends_at: None,
    }
}

fn of(sets: &[&str]) -> Peers {
    Peers::Of { sets: sets.iter().map(|s| (*s).to_owned()).collect(), interfaces: Vec::new() }
}

fn set(name: &str, ranges: &[&str]) -> AddressSet {
    AddressSet { name: name.to_owned(), ranges: ranges.iter().map(|r| r.parse().unwrap()).collect() }
}

/// Web open, SSH from an office, a database from private networks, 8080 shut for one network, tunnels.
fn filter() -> Filter {
    let inner = Peers::Of { sets: vec![], interfaces: vec!["wg0".to_owned()] };
    let outer = Peers::Of { sets: vec![], interfaces: vec!["eth0".to_owned()] };
    Filter {
        rules: vec![
            rule("policy/databases", Action::Deny, &[5432], Peers::Except { sets: vec!["policy/private".to_owned()] }),
            rule("app/blocked", Action::Deny, &[8080], of(&["list/bad"])),
            rule("web/http", Action::Allow, &[80, 443], Peers::Any),
            rule("base/ssh", Action::Allow, &[22], of(&["list/office"])),
            rule("db/all", Action::Allow, &[5432], Peers::Any),
            rule("app/8080", Action::Allow, &[8080], Peers::Any),
            rule("app/nobody", Action::Allow, &[8081], of(&["group/empty"])),
            rule("app/inner", Action::Allow, &[9000], inner),
            rule("app/outer", Action::Allow, &[9001], outer),
            Rule { ends_at: Some(now()), ..rule("app/ended", Action::Allow, &[9002], Peers::Any) },
        ],
        sets: vec![
            set("policy/private", &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]),
            set("list/office", &["203.0.113.0/24"]),
            set("list/bad", &["198.51.100.0/24"]),
            set("group/empty", &[]),
        ],
        defaults: Some(Defaults { inbound: Action::Deny, outbound: Action::Allow }),
    }
}

#[test]
fn each_port_is_open_to_those_whom_the_first_matching_rule_lets_in() {
    let segments = segments(&filter(), now());
    let said = |port| at(&segments, Protocol::Tcp, port).map(|s| format!("{} {} {}", s.from, s.private, s.rule));
    for (port, expected) in [
        (80, "world true web/http"),
        (22, "named false base/ssh"),
        (5432, "private true db/all"),
        (8080, "world true app/8080"),
        (8081, "none false default/in"),
        (9000, "named true app/inner"),
        (9001, "world true app/outer"),
        (9002, "none false default/in"),
        (1, "none false default/in"),
        (65535, "none false default/in"),
    ] {
        assert_eq!(said(port).as_deref(), Some(expected), "{port}");
    }
    assert_eq!(at(&segments, Protocol::Udp, 80).map(|s| s.rule.as_str()), Some("default/in"));
    assert!(palisade_firewall::exposure::segments(&Filter::default(), now()).is_empty());
    let mut isolated = filter();
    isolated.rules.insert(0, Rule { protocol: Spoken::All, ..rule("isolation/in", Action::Deny, &[], Peers::Any) });
    let shut = palisade_firewall::exposure::segments(&isolated, now());
    assert!(shut.iter().all(|s| s.rule == "isolation/in" && (s.first, s.last) == (0, u16::MAX)), "{shut:?}");
}

#[test]
fn the_agent_tells_of_the_candidate_while_it_is_tried_and_of_rules_without_peers() {
    let until = "2026-11-22T12:01:00Z".parse().unwrap();
    let candidate = Candidate { plan: "p-1".to_owned(), until, filter: filter() };
    let spec = Spec { candidate: Some(candidate), ..Spec::default() };
    let tried = Kept::of(&spec, &Spec::default(), now()).filtering(now());
    assert!(tried.probation && tried.defaults.is_some());
    assert_eq!(tried.unresolved.iter().map(|u| u.rule.as_str()).collect::<Vec<_>>(), ["app/nobody"]);
    let over = Kept::of(&spec, &Spec::default(), until).filtering(until);
    assert_eq!((over.probation, over.defaults), (false, None));
}

#[test]
fn a_host_in_no_group_is_told_so_and_exceptions_travel_with_their_end() {
    let member = |id: &str, role: &str| Member {
        id: id.parse().unwrap(),
        tags: serde_json::from_value(json!({ "role": role })).unwrap(),
        region: None,
        addresses: vec![],
        databases: vec![],
        isolated: false,
    };
    let group = json!({ "members": { "tags": { "role": "web" } } });
    let policy = json!({ "hosts": { "all": true }, "web_ports": ["80"], "exceptions": [
        { "hosts": { "hosts": ["web-1"] }, "protocol": "tcp", "ports": ["5900"], "peers": ["198.51.100.0/24"], "reason": "lab", "ends_at": "2026-12-01T00:00:00Z" }] });
    let fleet = Fleet {
        hosts: vec![member("db-1", "db"), member("web-1", "web")],
        groups: [("web".to_owned(), serde_json::from_value(group).unwrap())].into(),
        policies: [("all".to_owned(), serde_json::from_value(policy).unwrap())].into(),
        ..Fleet::default()
    };
    let (web, db) = (notes(&fleet, &"web-1".parse().unwrap()), notes(&fleet, &"db-1".parse().unwrap()));
    assert_eq!((web.groups_without, db.groups_without), (0, 1));
    assert_eq!((web.exceptions.len(), db.exceptions.len(), web.web_ports().len()), (1, 0, 1));
    assert_eq!(web.exceptions[0].peers, ["198.51.100.0/24"]);
}

async fn report(server: &Server, host: &str, observed: Value) {
    let (host, now) = (host.parse().unwrap(), server.context.now());
    let verdicts = server.guard.observer.judge(observed.clone(), &host, now).unwrap();
    let sections = observed.as_object().unwrap().clone();
    let look = Look { sections, findings: verdicts.findings, runs: verdicts.runs, error: None };
    let look = LookReport::new("firewall", look, now, now + jiff::SignedDuration::from_secs(45));
    let mut tx = server.context.begin().await.unwrap();
    store::look_put(&mut tx, &host, &look).await.unwrap();
    tx.commit().await.unwrap();
}

fn observed(in_force: bool) -> Value {
    let spec = Spec { filter: filter(), ..Spec::default() };
    let told = Kept::of(&spec, &Spec::default(), now()).filtering(now());
    let mut told = serde_json::to_value(told).unwrap();
    told["in_force"] = json!(in_force);
    json!({
        "listeners": { "as_root": true, "sockets": [
            { "protocol": "tcp", "address": "0.0.0.0", "port": 22, "process": "sshd", "pid": 1, "package": "openssh-server" },
            { "protocol": "tcp", "address": "0.0.0.0", "port": 80, "process": "nginx", "pid": 2 },
            { "protocol": "tcp", "address": "0.0.0.0", "port": 4444, "process": "ncat", "pid": 3 },
            { "protocol": "tcp", "address": "0.0.0.0", "port": 5432, "process": "postgres", "pid": 4 },
            { "protocol": "tcp", "address": "127.0.0.1", "port": 6379, "process": "redis-server", "pid": 5 },
        ]},
        "ruleset": { "tables": [] },
        "published": [{ "protocol": "tcp", "port": 8080, "port_last": 8080, "to": "172.17.0.2:80", "rule": "ip nat DOCKER" }],
        "filter": told,
    })
}

#[tokio::test]
async fn open_in_fact_is_what_address_and_rules_in_force_leave() {
    let server = Server::start().await;
    report(&server, "web-1", observed(true)).await;
    report(&server, "db-1", observed(false)).await;
    let (_, page) = server.call("GET", "/api/v1/firewall/exposure", Value::Null).await;
    let open = |host: &str, port: u64| {
        let items = page["items"].as_array().unwrap();
        let row = items.iter().find(|r| r["host"] == host && r["port"] == port).unwrap_or_else(|| panic!("{page:#}"));
        (row["open"].as_str().unwrap().to_owned(), row["path"].as_str().unwrap().to_owned())
    };
    let is = |open: &str, path: &str| (open.to_owned(), path.to_owned());
    assert_eq!(open("web-1", 22), is("named", "host"));
    assert_eq!(open("web-1", 80), is("world", "host"));
    assert_eq!(open("web-1", 4444), is("none", "host"));
    assert_eq!(open("web-1", 5432), is("private", "host"));
    assert_eq!(open("web-1", 6379), is("none", "host"));
    assert_eq!(open("web-1", 8080), is("world", "docker"));
    assert_eq!(open("db-1", 4444), is("world", "host"), "rules that are not in force shut nothing");
    let (_, page) = server.call("GET", "/api/v1/firewall/exposure?open=named", Value::Null).await;
    assert_eq!((page["total"].as_u64(), &page["items"][0]["rule"]), (Some(1), &json!("base/ssh")));
    let (_, page) = server.call("GET", "/api/v1/firewall/exposure?q=8080", Value::Null).await;
    assert_eq!(page["items"][0]["to"], "172.17.0.2:80");
}

#[tokio::test]
async fn the_matrix_shows_hosts_by_ports() {
    let server = Server::start().await;
    report(&server, "web-1", observed(true)).await;
    let (_, answer) = server.call("GET", "/api/v1/firewall/matrix", Value::Null).await;
    let ports: Vec<u64> = answer["ports"].as_array().unwrap().iter().map(|p| p["port"].as_u64().unwrap()).collect();
    assert_eq!(ports, [22, 80, 4444, 5432, 8080], "loopback is no column");
    let hosts = answer["hosts"].as_array().unwrap();
    assert_eq!((&hosts[0]["host"], &hosts[0]["stale"], &hosts[0]["cells"]), (&json!("db-1"), &json!(true), &json!([])));
    let states: Vec<&str> =
        hosts[1]["cells"].as_array().unwrap().iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["named", "world", "shut", "private", "world"]);
    assert_eq!(answer["ports"][2]["high_risk"], true);
    let (_, answer) = server.call("GET", "/api/v1/firewall/matrix?q=postgres", Value::Null).await;
    assert_eq!((answer["ports"].as_array().unwrap().len(), answer["hosts"].as_array().unwrap().len()), (1, 1));
    server.clock.pass_s(46);
    let (_, answer) = server.call("GET", "/api/v1/firewall/matrix?q=web-1", Value::Null).await;
    assert_eq!(answer["hosts"][0]["stale"], true);
}

#[tokio::test]
async fn first_groups_are_proposed_from_what_listens_and_ssh_from_the_callers_network_only() {
    let server = Server::start().await;
    report(&server, "web-1", observed(true)).await;
    let path = "/api/v1/firewall/groups/starter?hosts=web-1";
    let (_, answer) = server.call("GET", path, Value::Null).await;
    let resources = answer["resources"].as_array().unwrap();
    let names: Vec<&str> = resources.iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["starter-base", "starter-database-postgresql", "starter-tcp-8080", "starter-web"]);
    let base = &resources[0]["spec"];
    assert_eq!((&base["rules"][0]["ports"], &base["rules"][0]["peers"]), (&json!(["22"]), &json!(["198.51.100.77"])));
    assert_eq!(base["members"]["hosts"], json!(["web-1"]));
    assert!(resources.iter().any(|r| r["name"] == "starter-web" && r["spec"]["rules"][0]["peers"] == json!(["any"])));
    let database = &resources[1]["spec"]["rules"][0];
    assert_eq!((&database["ports"], &database["peers"][0]), (&json!(["5432"]), &json!("10.0.0.0/8")));
    assert_eq!(answer["left_out"], json!(["web-1: tcp/4444 is a high-risk port"]));
    for resource in resources {
        let spec: Result<palisade_firewall::group::model::SecurityGroupSpec, _> =
            serde_json::from_value(resource["spec"].clone());
        assert!(spec.is_ok(), "{resource:#}");
    }
}

/// How a practice of the firewall stands by this observation.
fn stands(observed: &Value, practice: &str) -> State {
    let guard = palisade_firewall::guard();
    let verdicts = guard.observer.judge(observed.clone(), &"web-1".parse().unwrap(), now()).unwrap();
    let practice = PRACTICES.iter().find(|p| p.id == practice).unwrap();
    judge(practice, Judgement { served: true, runs: &verdicts.runs, findings: &verdicts.findings }).state
}

#[test]
fn the_practices_are_good_behind_rules_attention_where_they_are_wide_and_bad_without() {
    let (behind, without) = (observed(true), observed(false));
    assert_eq!(stands(&behind, "high-risk-ports"), State::Good);
    assert_eq!(stands(&without, "high-risk-ports"), State::Bad);
    assert_eq!(stands(&behind, "database-ports"), State::Good);
    assert_eq!(stands(&without, "database-ports"), State::Bad);
    assert_eq!(stands(&behind, "port-security"), State::Attention, "8080 and 9001 are open to everybody");
    assert_eq!(stands(&behind, "security-groups"), State::Attention, "one rule lets nobody in");
    assert_eq!(stands(&without, "security-groups"), State::Bad);
    let mut clean = observed(true);
    clean["filter"]["unresolved"] = json!([]);
    clean["filter"]["segments"] =
        json!([{ "protocol": "tcp", "first": 0, "last": 65535, "from": "none", "rule": "default/in" }]);
    clean["published"] = json!([]);
    for practice in ["security-groups", "port-security", "high-risk-ports", "database-ports"] {
        assert_eq!(stands(&clean, practice), State::Good, "{practice}");
    }
    assert_eq!(stands(&json!({}), "port-security"), State::Unknown);
}

/// 1,000 hosts with 30 listeners each; a figure, and a limit far above it for slow machines.
#[test]
fn a_thousand_hosts_are_joined_within_a_second() {
    let sockets = |n: u16| (0..30).map(move |k| Listener { port: 1 + n % 7 + 300 * k, ..Listener::default() });
    let fleet: Vec<Listeners> =
        (0..1_000).map(|n| Listeners { sockets: sockets(n).collect(), ..Listeners::default() }).collect();
    let began = Instant::now();
    let looks: Vec<HostLook> = fleet
        .iter()
        .enumerate()
        .map(|(n, listeners)| {
            let rules = Rules { wanted: segments(&filter(), now()), told: None };
            HostLook {
                host: format!("host-{n}").parse().unwrap(),
                observed_at: Some(now()),
                stale: false,
                rows: joined(listeners, &[], &rules),
                rules: rules.wanted,
            }
        })
        .collect();
    let answer = matrix(&looks, |_, _, _| true);
    let took = began.elapsed();
    println!("1,000 hosts x 30 listeners, filters swept for each: {} ms", took.as_millis());
    assert_eq!((answer.hosts.len(), answer.ports.len()), (1_000, 200));
    assert!(answer.reason.is_some_and(|r| r.contains("ports more")));
    assert!(took.as_secs() < 5, "{took:?}");
}
