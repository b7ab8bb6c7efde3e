//! Documents of security groups on a server: checked, resolved, tried, kept, undone.

use crate::server::{OWN, Server};
use palisade_core::{HostId, PlanState};
use palisade_firewall::filter::{Filter, Layer};
use palisade_firewall::spec::Spec;
use palisade_guard::api::{ApiError, Caller, Role};
use palisade_guard::resource::{self, Applied, ApplyError, ApplyParams, Document, Kinds};
use palisade_guard::store::{self as frame, HostFacts};
use serde_json::{Value, json};

fn kinds(server: &Server) -> Kinds {
    Kinds::new(server.serve().kinds())
}

fn caller() -> Caller {
    Caller { name: "ada".to_owned(), role: Role::Operator, address: Some(OWN.parse().unwrap()) }
}

pub fn document(kind: &str, name: &str, spec: Value) -> Document {
    Document { kind: kind.to_owned(), name: name.to_owned(), version: None, replaces: None, spec }
}

pub fn group(name: &str, hosts: &[&str], rules: Value) -> Document {
    document("SecurityGroup", name, json!({ "members": { "hosts": hosts }, "rules": rules }))
}

/// A rule that keeps the operator's own way open.
pub fn ssh() -> Value {
    json!({ "action": "allow", "protocol": "tcp", "ports": [22], "peers": ["any"] })
}

async fn apply_as(server: &Server, params: ApplyParams) -> Result<Applied, ApiError> {
    match resource::apply(&server.context, &kinds(server), &caller(), params).await {
        Ok(done) => Ok(done),
        Err(ApplyError::Other(error)) => Err(error),
        Err(ApplyError::Conflict(body)) => panic!("{body:?}"),
    }
}

pub async fn apply(server: &Server, given: &[Document]) -> Result<Applied, ApiError> {
    apply_as(server, ApplyParams::of(given.to_vec())).await
}

/// Applies for good, without a trial.
pub async fn keep(server: &Server, given: &[Document]) -> Applied {
    let params = ApplyParams { probation: palisade_core::Span::from_secs(0), ..ApplyParams::of(given.to_vec()) };
    let params = ApplyParams { probation: params.probation.or("0s".parse().ok()), ..params };
    let done = apply_as(server, params).await.unwrap();
    if done.plan.probation_s.is_some() {
        keep_plan(server, &done.plan.id).await;
    }
    done
}

async fn keep_plan(server: &Server, id: &str) {
    let mut tx = server.context.begin().await.unwrap();
    let plan = frame::plan(&mut tx, id).await.unwrap().unwrap().plan;
    server.serve().keep(&mut tx, &plan).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn spec(server: &Server, host: &str) -> Spec {
    let host: HostId = host.parse().unwrap();
    let mut db = server.context.db.read().acquire().await.unwrap();
    let spec = server.serve().resolve(&mut db, &host, server.context.now()).await.unwrap().unwrap();
    serde_json::from_value(spec).unwrap()
}

fn ids(filter: &Filter) -> Vec<&str> {
    filter.rules.iter().filter(|r| r.layer != Layer::Policy).map(|r| r.id.as_str()).collect()
}

fn set(filter: &Filter, name: &str) -> Vec<String> {
    let found = filter.sets.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("no set {name}"));
    found.ranges.iter().map(ToString::to_string).collect()
}

pub async fn host(server: &Server, name: &str, addresses: &[&str], tags: &[(&str, &str)]) -> Vec<String> {
    let id: HostId = name.parse().unwrap();
    let mut tx = server.context.begin().await.unwrap();
    let facts = HostFacts { addresses: addresses.iter().map(|a| (*a).to_owned()).collect(), ..HostFacts::default() };
    frame::host_seen(&mut tx, &id, Some(&facts), server.context.now()).await.unwrap();
    let mut row = frame::host(&mut tx, &id).await.unwrap().unwrap();
    for (key, value) in tags {
        row.tags.set(key, value).unwrap();
    }
    frame::host_put(&mut tx, &row).await.unwrap();
    let touched = server.serve().host_changed(&mut tx, &id, server.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    touched.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_is_wrong_in_a_document_is_named_with_its_place() {
    let server = Server::start().await;
    let rule = |over: Value| {
        let mut rule = ssh();
        over.as_object().unwrap().iter().for_each(|(k, v)| rule[k] = v.clone());
        json!([ssh(), rule])
    };
    let with = |over: Value| group("web", &["web-1"], rule(over));
    let end = "2027-01-01T00:00:00Z";
    let except = |protocol: &str, port: &str, peer: &str, ends: &str| {
        let one = json!({ "protocol": protocol, "ports": [port], "peers": [peer], "reason": "x", "ends_at": ends });
        document("PortPolicy", "p", json!({ "hosts": { "all": true }, "exceptions": [one] }))
    };
    for (given, status, path, says) in [
        (with(json!({ "ports": ["90-80"] })), 400, "spec.rules[1].ports[0]", "did you mean `80-90`?"),
        (with(json!({ "peers": ["10.0.0.1/8"] })), 400, "spec.rules[1].peers[0]", "did you mean `10.0.0.0/8`?"),
        (with(json!({ "peers": ["::ffff:10.0.0.0/104"] })), 400, "spec.rules[1].peers[0]", "neither an address"),
        (with(json!({ "peers": [] })), 400, "spec.rules[1].peers", "names nobody"),
        (with(json!({ "priority": 0 })), 400, "spec.rules[1].priority", "between 1 and 100"),
        (with(json!({ "priority": 101 })), 400, "spec.rules[1].priority", "between 1 and 100"),
        (with(json!({ "protocol": "icmp" })), 400, "spec.rules[1].ports", "icmp has no ports"),
        (with(json!({ "types": [8] })), 400, "spec.rules[1].types", "tcp has no types"),
        (
            with(json!({ "protocol": "icmp", "ports": [], "peers": ["2001:db8::/32"] })),
            400,
            "spec.rules[1].peers",
            "icmp is of IPv4",
        ),
        (with(json!({ "id": "A b" })), 400, "spec.rules[1].id", "is no id"),
        (with(json!({ "peers": ["group:wep"] })), 409, "spec.rules[1].peers[0]", "no security group `wep`"),
        (with(json!({ "peers": ["list:nobody"] })), 409, "spec.rules[1].peers[0]", "no prefix list `nobody`"),
        (with(json!({ "peers": ["host:web-9"] })), 409, "spec.rules[1].peers[0]", "no host `web-9`"),
        (except("tcp", "445", "any", "2030-01-01T00:00:00Z"), 400, "spec.exceptions[0].ends_at", "at most 366 days"),
        (except("tcp", "5432", "203.0.113.0/24", end), 400, "spec.exceptions[0].ports", "only private networks"),
        (except("tcp", "445", "interface:wg0", end), 400, "spec.exceptions[0].peers", "for addresses"),
    ] {
        let error = apply(&server, &[given]).await.unwrap_err();
        // where the rules were put in order, the place is that of the rule in the normal form
        let place = error.path().unwrap_or_default().replace("resources[0].", "").replace("rules[0]", "rules[1]");
        assert_eq!((error.status().as_u16(), place.as_str()), (status, path), "{error:?}");
        assert!(error.message().contains(says), "{error:?}");
    }
}

#[tokio::test]
async fn a_document_in_normal_form_is_merged_sorted_and_named_by_what_it_matches() {
    let server = Server::start().await;
    let rules = json!([
        { "action": "allow", "protocol": "tcp", "ports": ["443", "80-90", "85-100"], "peers": ["10.0.1.0/24", "10.0.0.0/24"] },
        { "action": "allow", "protocol": "udp", "peers": ["any", "10.0.0.0/8"], "priority": 10 },
        { "action": "allow", "protocol": "udp", "peers": ["0.0.0.0/0", "::/0"], "priority": 60, "comment": "again" },
    ]);
    keep(&server, &[group("web", &[], rules.clone())]).await;
    let row = resource::list(&server.context, kinds(&server).find("SecurityGroup").unwrap(), None).await.unwrap();
    let spec = &row[0].spec;
    let id = |n: usize| spec["rules"][n]["id"].as_str().unwrap();
    assert_eq!(spec["rules"][0]["peers"], json!(["any"]));
    assert_eq!(spec["rules"][1]["ports"], json!(["80-100", "443"]));
    assert_eq!(spec["rules"][1]["peers"], json!(["10.0.0.0/23"]));
    assert_eq!((id(1).len(), id(2)), (8, format!("{}-2", id(0)).as_str()));
    // the same again changes nothing
    let again = apply(&server, &[group("web", &[], rules)]).await.unwrap();
    assert!(again.plans.is_empty(), "{:?}", again.results);
}

#[tokio::test]
async fn groups_that_name_each_other_resolve_to_their_members_and_layers_stand_in_order() {
    let server = Server::start().await;
    host(&server, "web-1", &["10.0.0.1", "fe80::1", "127.0.0.1"], &[]).await;
    host(&server, "db-1", &["10.0.0.2", "2001:db8::2"], &[("domain", "prod")]).await;
    let web = json!([
        { "id": "ssh", "action": "allow", "protocol": "tcp", "ports": [22], "peers": ["any"], "priority": 10 },
        { "id": "no-db", "action": "deny", "protocol": "tcp", "ports": [22], "peers": ["domain:prod"], "priority": 10 },
        { "id": "off", "action": "allow", "protocol": "all", "peers": ["any"], "enabled": false },
    ]);
    let db =
        json!([ssh(), { "id": "sql", "action": "allow", "protocol": "tcp", "ports": [5432], "peers": ["group:web"] }]);
    let list = document("PrefixList", "office", json!({ "prefixes": ["203.0.113.0/25", "203.0.113.128/25"] }));
    let mut web = group("web", &["web-1"], web);
    web.spec["intra"] = json!("allow");
    let ring = json!([{ "id": "in", "action": "allow", "protocol": "tcp", "peers": ["group:db", "list:office"] }]);
    keep(&server, &[group("db", &["db-1"], db), web, group("ring", &["web-1"], ring), list]).await;
    let filter = spec(&server, "web-1").await.filter;
    assert_eq!(ids(&filter), ["web/no-db", "web/ssh", "ring/in", "intra/web"]);
    assert_eq!(filter.rules[0].layer, Layer::Policy);
    assert_eq!(set(&filter, "list/office"), ["203.0.113.0/24"]);
    assert_eq!(set(&filter, "group/db"), ["10.0.0.2", "2001:db8::2"]);
    assert_eq!(set(&filter, "domain/prod"), ["10.0.0.2", "2001:db8::2"]);
    assert_eq!(set(&filter, "group/web"), ["10.0.0.1"], "loopback and local link are left out");
    assert_eq!(set(&spec(&server, "db-1").await.filter, "group/web"), ["10.0.0.1"]);
}

#[tokio::test]
async fn a_change_is_tried_and_kept_or_undone() {
    let server = Server::start().await;
    let done = apply(&server, &[group("web", &["web-1"], json!([ssh()]))]).await.unwrap();
    assert_eq!((done.plan.probation_s, done.plan.state), (Some(60), PlanState::Applying));
    assert_eq!(done.plan.hosts.iter().map(HostId::as_str).collect::<Vec<_>>(), ["web-1"]);
    let tried = spec(&server, "web-1").await;
    assert!(tried.filter.defaults.is_none(), "what is confirmed stays below");
    let candidate = tried.candidate.unwrap();
    assert_eq!((candidate.plan.as_str(), Some(candidate.until)), (done.plan.id.as_str(), done.plan.deadline));
    assert!(candidate.filter.defaults.is_some());
    assert!(spec(&server, "db-1").await.candidate.is_none());
    // another change over the same host has to wait
    let error = apply(&server, &[group("more", &["web-1"], json!([ssh()]))]).await.unwrap_err();
    assert!(error.message().contains(&format!("plan `{}`", done.plan.id)), "{error:?}");
    // one over another host has not
    let other = apply(&server, &[group("db", &["db-1"], json!([ssh()]))]).await.unwrap();
    assert_eq!(spec(&server, "db-1").await.candidate.unwrap().plan, other.plan.id);
    keep_plan(&server, &done.plan.id).await;
    let kept = spec(&server, "web-1").await;
    assert!(kept.candidate.is_none() && kept.filter.defaults.is_some());
    let mut tx = server.context.begin().await.unwrap();
    let undone = resource::undo(&server.context, &kinds(&server), &caller(), &mut tx, &other.plan.id).await;
    assert!(undone.unwrap());
    tx.commit().await.unwrap();
    let spec = spec(&server, "db-1").await;
    assert!(spec.candidate.is_none() && spec.filter.defaults.is_none());
    assert_eq!(server.call("GET", "/api/v1/firewall/groups", Value::Null).await.1["total"], 1);
}

#[tokio::test]
async fn a_probation_that_ran_out_is_tried_no_longer_whoever_tells() {
    let server = Server::start().await;
    apply(&server, &[group("web", &["web-1"], json!([ssh()]))]).await.unwrap();
    server.clock.pass_s(61);
    let spec = spec(&server, "web-1").await;
    assert!(spec.candidate.is_none() && spec.filter.defaults.is_none());
}

#[tokio::test]
async fn who_would_be_cut_is_named_and_only_force_goes_on_on_probation() {
    let server = Server::start().await;
    let shut = group("web", &["web-1"], json!([]));
    let error = apply(&server, std::slice::from_ref(&shut)).await.unwrap_err();
    assert!(
        error.message().contains("your own address 198.51.100.77 could no longer reach tcp/22 on web-1"),
        "{error:?}"
    );
    let forced = ApplyParams { force: true, probation: "0s".parse().ok(), ..ApplyParams::of(vec![shut]) };
    let done = apply_as(&server, forced).await.unwrap();
    assert_eq!(done.plan.probation_s, Some(60));
    assert!(done.plan.effects[0].sentence.starts_with("forced: your own address"), "{:?}", done.plan.effects);
    let named = json!([ssh(), { "action": "deny", "protocol": "tcp", "peers": ["192.0.2.0/24"], "priority": 1 }]);
    let error = apply(&server, &[group("db", &["db-1"], named)]).await.unwrap_err();
    assert!(error.message().contains("denies the failsafe address"), "{error:?}");
}

#[tokio::test]
async fn a_change_says_what_it_opens_to_whom_and_that_the_own_path_stands() {
    let server = Server::start().await;
    let rules = |more: &[Value]| group("web", &["web-1", "db-1"], json!([&[ssh()], more].concat()));
    keep(&server, &[rules(&[])]).await;
    let web = json!({ "action": "allow", "protocol": "tcp", "ports": [8080], "peers": ["0.0.0.0/0"] });
    let done = apply(&server, &[rules(&[web])]).await.unwrap();
    let said: Vec<&str> = done.plan.effects.iter().map(|e| e.sentence.as_str()).collect();
    assert!(said.contains(&"newly opens tcp/8080 from 0.0.0.0/0 to db-1 and web-1"), "{said:#?}");
    assert!(said.iter().any(|s| s.starts_with("does not touch your own path (198.51.100.77 → :22 on")), "{said:#?}");
}

#[tokio::test]
async fn what_is_named_is_not_removed() {
    let server = Server::start().await;
    let list = document("PrefixList", "office", json!({ "prefixes": ["203.0.113.0/24"] }));
    let rule = json!({ "action": "allow", "protocol": "tcp", "peers": ["list:office"] });
    keep(&server, &[list, group("web", &["web-1"], json!([ssh(), rule]))]).await;
    let which = ("PrefixList", "office");
    let refused =
        resource::delete(&server.context, &caller(), &kinds(&server), which, resource::Deleting::default()).await;
    let Err(ApplyError::Other(error)) = refused else { panic!("it is named") };
    assert!(error.message().contains("`list:office` is named by SecurityGroup `web`"), "{error:?}");
}

#[tokio::test]
async fn a_host_that_moves_changes_the_sets_of_those_who_name_it_and_of_nobody_else() {
    let server = Server::start().await;
    host(&server, "app-1", &["10.0.0.7"], &[]).await;
    let members = json!({ "members": { "tags": { "role": "app" } }, "rules": [ssh()] });
    let rule = json!({ "action": "allow", "protocol": "tcp", "peers": ["group:app"] });
    let app = document("SecurityGroup", "app", members);
    keep(&server, &[app, group("db", &["db-1"], json!([ssh(), rule]))]).await;
    assert_eq!(host(&server, "app-1", &["10.0.0.7"], &[("role", "app")]).await, ["db-1"]);
    assert_eq!(set(&spec(&server, "db-1").await.filter, "group/app"), ["10.0.0.7"]);
    assert_eq!(host(&server, "app-1", &["10.0.0.8"], &[("role", "app")]).await, ["db-1"]);
    assert_eq!(host(&server, "app-1", &["10.0.0.8"], &[("role", "app"), ("x", "y")]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_database_that_listens_elsewhere_is_shut_there_too() {
    let server = Server::start().await;
    keep(&server, &[group("db", &["db-1"], json!([ssh()]))]).await;
    let socket = json!({ "protocol": "tcp", "address": "0.0.0.0", "port": 33060, "process": "mysqld" });
    let listeners = json!({ "as_root": true, "sockets": [socket] });
    let mut tx = server.context.begin().await.unwrap();
    let (id, now) = ("db-1".parse().unwrap(), server.context.now());
    server.serve().section_changed(&mut tx, &id, "listeners", None, &listeners, now).await.unwrap();
    tx.commit().await.unwrap();
    let filter = spec(&server, "db-1").await.filter;
    let rule = filter.rules.iter().find(|r| r.id == "policy/databases").unwrap();
    assert!(rule.ports.iter().any(|p| p.contains(33060)), "{rule:?}");
}

#[tokio::test]
async fn a_list_of_100_000_networks_is_taken_and_reaches_the_host() {
    let server = Server::start().await;
    // every second /24, so that nothing can be merged
    let prefixes: Vec<String> =
        (0..100_000u32).map(|n| format!("{}.{}.{}.0/24", 16 + n / 32_768, n / 128 % 256, n % 128 * 2)).collect();
    let rule = json!({ "action": "deny", "protocol": "all", "peers": ["list:bad"], "priority": 1 });
    let list = document("PrefixList", "bad", json!({ "prefixes": prefixes }));
    let done = keep(&server, &[list, group("web", &["web-1"], json!([ssh(), rule]))]).await;
    assert_eq!(done.results.len(), 2);
    assert_eq!(set(&spec(&server, "web-1").await.filter, "list/bad").len(), 100_000);
    let more = document("PrefixList", "more", json!({ "prefixes": vec!["10.0.0.0/8"; 100_001] }));
    let error = apply(&server, &[more]).await.unwrap_err();
    assert!(error.message().contains("100001 networks are more than the 100000"), "{error:?}");
}

#[tokio::test]
async fn too_many_rules_on_one_host_are_refused_with_their_number() {
    let server = Server::start().await;
    let rules = |n: u16| -> Value {
        let rule = |port| json!({ "action": "allow", "protocol": "tcp", "ports": [port], "peers": ["any"] });
        (20..20 + n).map(rule).collect()
    };
    let error = apply(&server, &[group("a", &["web-1"], rules(600)), group("b", &["web-1"], rules(600))]).await;
    let error = error.unwrap_err();
    assert!(error.message().contains("`web-1` would evaluate 1204 rules"), "{error:?}");
}

#[tokio::test]
async fn a_host_is_cut_off_and_let_in_again() {
    let server = Server::start().await;
    let path = "/api/v1/firewall/hosts/web-1/isolate";
    let body = json!({ "reason": "an intruder", "for": "4h" });
    let plan = server.change("POST", path, body.clone()).await;
    assert_eq!((plan.probation_s, plan.hosts.len(), plan.steps[0].permit.as_str()), (Some(60), 1, "isolate"));
    assert!(plan.effects.iter().any(|e| e.sentence.contains("your own address")), "{:?}", plan.effects);
    let candidate = spec(&server, "web-1").await.candidate.unwrap();
    assert_eq!(ids(&candidate.filter), ["isolation/in", "isolation/out"]);
    assert_eq!(server.call("POST", path, body).await.0.as_u16(), 409);
    let release = "/api/v1/firewall/hosts/web-1/release";
    assert_eq!(server.call("POST", release, json!({})).await.0.as_u16(), 409, "it is on probation");
    keep_plan(&server, &plan.id).await;
    assert_eq!(ids(&spec(&server, "web-1").await.filter), ["isolation/in", "isolation/out"]);
    let (_, listed) = server.call("GET", "/api/v1/firewall/isolated", Value::Null).await;
    assert_eq!((&listed["items"][0]["host"], &listed["items"][0]["reason"]), (&json!("web-1"), &json!("an intruder")));
    let plan = server.change("POST", release, json!({})).await;
    assert!(spec(&server, "web-1").await.candidate.is_some_and(|c| c.filter.defaults.is_none()));
    keep_plan(&server, &plan.id).await;
    assert!(spec(&server, "web-1").await.filter.defaults.is_none());
}

#[tokio::test]
async fn a_group_and_a_host_are_shown_with_what_their_rules_stand_for() {
    let server = Server::start().await;
    let rules = json!([ssh(), { "id": "empty", "action": "deny", "protocol": "tcp", "peers": ["domain:none"] }]);
    keep(&server, &[group("web", &["web-1"], rules)]).await;
    let (_, list) = server.call("GET", "/api/v1/firewall/groups", Value::Null).await;
    let one = &list["items"][0];
    assert_eq!((&one["name"], &one["version"], &one["unresolved"]), (&json!("web"), &json!(1), &json!(1)));
    assert_eq!((&one["hosts"], &one["can"]["change"]), (&json!(["web-1"]), &json!(true)));
    let (status, shown) = server.call("GET", "/api/v1/firewall/groups/web", Value::Null).await;
    assert_eq!(status.as_u16(), 200, "{shown:#}");
    assert_eq!(shown["rules"].as_array().unwrap().len(), 2);
    let (_, effective) = server.call("GET", "/api/v1/firewall/effective?host=web-1", Value::Null).await;
    assert_eq!(effective["filtered"], true, "{effective:#}");
    let rule = effective["rules"].as_array().unwrap().iter().find(|r| r["id"] == "web/empty").unwrap();
    assert_eq!((&rule["nobody"], &rule["group"]), (&json!(true), &json!("web")));
    assert_eq!(server.call("GET", "/api/v1/firewall/groups/wep", Value::Null).await.1["hint"], "did you mean `web`?");
}
