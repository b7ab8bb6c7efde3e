//! No change without an entry in the audit log.

use crate::server::fixture::{Bench, Browser, PASSWORD};
use crate::server::{api, totp::code_at};
use palisade_core::{Clock, PlanState};
use palisade_guard::store;
use palisade_monitor::alarm::store::AlarmRow;
use palisade_monitor::notify::message::Message;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is no GET and leaves no entry, and why.
const SILENT: [(&str, &str, &str); 8] = [
    ("POST", "/api/v1/firewall/simulate", "it only reads"),
    ("POST", "/api/v1/monitor/live", "it has a host sampled faster for a minute; nothing lasts"),
    ("POST", "/api/v1/monitor/backtest", "it only reads"),
    ("POST", "/api/v1/monitor/probes/{name}/run", "it looks once more, as the server does by itself"),
    ("POST", "/api/v1/monitor/prometheus/api/v1/labels", "it only reads"),
    ("POST", "/api/v1/monitor/prometheus/api/v1/query", "it only reads"),
    ("POST", "/api/v1/monitor/prometheus/api/v1/query_range", "it only reads"),
    ("POST", "/api/v1/monitor/prometheus/api/v1/series", "it only reads"),
];

/// Changes that were made, by method and path as the document has them.
struct Walk {
    bench: Bench,
    done: BTreeSet<(String, String)>,
}

impl Walk {
    /// Makes a change, which must succeed and be audited; `ids` stand in the path for `{…}`.
    async fn change(&mut self, browser: &mut Browser, method: &str, path: &str, ids: &[&str], body: Value) -> Value {
        let before = self.bench.audited().await.len();
        let mut concrete = path.to_owned();
        for id in ids {
            let (start, end) = (concrete.find('{').unwrap(), concrete.find('}').unwrap());
            concrete.replace_range(start..=end, id);
        }
        let answer = self.bench.ask(browser, method, &concrete, body).await;
        assert!((200..300).contains(&answer.status), "{method} {concrete}: {answer:?}");
        assert!(self.bench.audited().await.len() > before, "{method} {concrete} left no entry in the audit log");
        self.done.insert((method.to_owned(), path.to_owned()));
        answer.body
    }
}

#[tokio::test]
async fn every_change_of_the_api_leaves_an_entry_in_the_audit_log() {
    let (bench, mut admin) = Bench::with_admin().await;
    let host = store::HostRow::new("web-1".parse().unwrap(), bench.clock.now());
    let mut tx = bench.server.begin().await.unwrap();
    store::host_put(&mut tx, &host).await.unwrap();
    tx.commit().await.unwrap();
    let mut walk = Walk { bench, done: BTreeSet::new() };
    accounts(&mut walk, &mut admin).await;
    frame(&mut walk, &mut admin).await;
    firewall(&mut walk, &mut admin).await;
    fleet(&mut walk, &mut admin).await;
    monitor(&mut walk, &mut admin).await;
    let document = serde_json::to_value(api::openapi()).unwrap();
    let mut missing = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|m| m.to_uppercase()).filter(|m| m != "GET") {
            let silent = SILENT.iter().any(|(m, p, _)| (*m, *p) == (method.as_str(), path.as_str()));
            if !silent && !walk.done.contains(&(method.clone(), path.clone())) {
                missing.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "make these changes in this walk too, or say why they leave no entry: {missing:#?}");
}

async fn accounts(walk: &mut Walk, admin: &mut Browser) {
    let anna = json!({ "name": "anna", "role": "operator" });
    let made = walk.change(admin, "POST", "/api/v1/users", &[], anna).await;
    let token = made["link"]["path"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
    let mut browser = Browser::at("192.0.2.40");
    let wanted = json!({ "token": token, "password": PASSWORD });
    walk.change(&mut browser, "POST", "/api/v1/welcome", &[], wanted).await;
    walk.change(admin, "PATCH", "/api/v1/users/{name}", &["anna"], json!({ "role": "viewer" })).await;
    walk.change(admin, "POST", "/api/v1/users/{name}/link", &["anna"], json!({})).await;
    walk.change(admin, "POST", "/api/v1/user-links", &[], json!({})).await;
    let secret = walk.change(&mut browser, "POST", "/api/v1/account/totp", &[], json!({})).await["secret"].clone();
    let code = |walk: &Walk| json!(code_at(secret.as_str().unwrap(), walk.bench.clock.now().as_second()));
    let first = json!({ "code": code(walk) });
    walk.change(&mut browser, "POST", "/api/v1/account/totp/confirm", &[], first.clone()).await;
    walk.bench.clock.pass_s(30);
    let end = json!({ "password": PASSWORD, "code": code(walk) });
    walk.change(&mut browser, "DELETE", "/api/v1/account/totp", &[], end).await;
    let secret = walk.change(&mut browser, "POST", "/api/v1/account/totp", &[], json!({})).await["secret"].clone();
    let first = json!({ "code": code_at(secret.as_str().unwrap(), walk.bench.clock.now().as_second()) });
    walk.change(&mut browser, "POST", "/api/v1/account/totp/confirm", &[], first).await;
    walk.change(admin, "DELETE", "/api/v1/users/{name}/totp", &["anna"], json!({})).await;
    let change = json!({ "old": PASSWORD, "new": "Other-9-words!" });
    walk.change(&mut browser, "POST", "/api/v1/account/password", &[], change).await;
    walk.change(&mut browser, "DELETE", "/api/v1/session", &[], json!({})).await;
    let sign_in = json!({ "name": "anna", "password": "Other-9-words!" });
    walk.change(&mut browser, "POST", "/api/v1/session", &[], sign_in).await;
    let listed = walk.bench.ask(&mut browser, "GET", "/api/v1/sessions", Value::Null).await;
    let id = listed.body["items"][0]["id"].as_str().unwrap().to_owned();
    walk.change(admin, "DELETE", "/api/v1/sessions/{id}", &[&id], json!({})).await;
    walk.change(admin, "DELETE", "/api/v1/sessions", &[], json!({})).await;
}

async fn frame(walk: &mut Walk, admin: &mut Browser) {
    walk.change(admin, "POST", "/api/v1/tokens", &[], json!({ "name": "ci", "role": "viewer" })).await;
    walk.change(admin, "DELETE", "/api/v1/tokens/{name}", &["ci"], json!({})).await;
    let look = json!({ "host": "web-1", "kind": "look" });
    let order = walk.change(admin, "POST", "/api/v1/orders", &[], look).await;
    let id = order["id"].as_str().unwrap().to_owned();
    walk.change(admin, "POST", "/api/v1/orders/{id}/cancel", &[&id], json!({})).await;
}

async fn fleet(walk: &mut Walk, admin: &mut Browser) {
    let made = walk.change(admin, "POST", "/api/v1/join-tokens", &[], json!({ "uses": 2 })).await;
    let token = made["token"].clone();
    for name in ["web-2", "web-3"] {
        let (_, csr) = crate::agent::identity::new_request(&name.parse().unwrap()).unwrap();
        let wanted = json!({ "token": token, "csr": csr, "name": name });
        walk.change(&mut Browser::at("192.0.2.41"), "POST", "/api/v1/join", &[], wanted).await;
    }
    let id = made["id"].as_str().unwrap().to_owned();
    walk.change(admin, "DELETE", "/api/v1/join-tokens/{id}", &[&id], json!({})).await;
    walk.change(admin, "PATCH", "/api/v1/hosts/{host}", &["web-1"], json!({ "region": "north" })).await;
    walk.change(admin, "POST", "/api/v1/hosts/{host}/revoke", &["web-3"], json!({ "reason": "stolen" })).await;
    walk.change(admin, "POST", "/api/v1/hosts/{host}/retire", &["web-2"], json!({})).await;
    let spec = json!({ "kind": "agentless", "address": "203.0.113.5" });
    let resource = json!({ "kind": "Host", "name": "switch-1", "spec": spec });
    walk.change(admin, "POST", "/api/v1/apply", &[], json!({ "resources": [resource], "dry_run": false })).await;
    walk.change(admin, "DELETE", "/api/v1/resources/{kind}/{name}", &["Host", "switch-1"], json!({})).await;
    walk.change(admin, "POST", "/api/v1/server/ca/rotate", &[], json!({})).await;
    walk.change(admin, "POST", "/api/v1/server/epoch", &[], json!({})).await;
}

async fn monitor(walk: &mut Walk, admin: &mut Browser) {
    // port 1 of this machine: nobody is told anything
    let hook = json!({ "type": "webhook", "url": "http://127.0.0.1:1/", "allow_private": true });
    let watched = json!({ "kind": "agentless", "address": "203.0.113.6" });
    let resources = json!([
        { "kind": "NotificationChannel", "name": "hook", "spec": hook },
        { "kind": "Host", "name": "switch-2", "spec": watched },
    ]);
    walk.change(admin, "POST", "/api/v1/apply", &[], json!({ "resources": resources, "dry_run": false })).await;
    walk.change(admin, "POST", "/api/v1/monitor/channels/{name}/test", &["hook"], json!({})).await;
    let fingerprint = json!({ "fingerprint": format!("SHA256:{}", "A".repeat(43)) });
    walk.change(admin, "POST", "/api/v1/monitor/agentless/{host}/pin", &["switch-2"], fingerprint).await;
    walk.change(admin, "PUT", "/api/v1/monitor/secrets/{name}", &["key"], json!({ "value": "of-no-use" })).await;
    walk.change(admin, "DELETE", "/api/v1/monitor/secrets/{name}", &["key"], json!({})).await;
    walk.change(admin, "POST", "/api/v1/monitor/rules/basics", &[], json!({ "on": true })).await;
    let (alarm, delivery) = told(walk).await;
    walk.change(admin, "POST", "/api/v1/monitor/deliveries/{id}/retry", &[&delivery], json!({})).await;
    walk.change(admin, "POST", "/api/v1/monitor/alarms/{id}/acknowledge", &[&alarm], json!({})).await;
    walk.change(admin, "DELETE", "/api/v1/monitor/alarms/{id}/acknowledge", &[&alarm], json!({})).await;
    let silence = json!({ "for": "1h", "reason": "a test" });
    walk.change(admin, "POST", "/api/v1/monitor/alarms/{id}/silence", &[&alarm], silence).await;
}

/// An alarm that fires, and a delivery that waits: their numbers.
async fn told(walk: &Walk) -> (String, String) {
    let now = walk.bench.clock.now();
    let mut row = AlarmRow {
        id: 0,
        rule: "cpu".to_owned(),
        edition: "1".to_owned(),
        policy: 0,
        host: "web-1".to_owned(),
        object: "cpu_usage_ratio".to_owned(),
        state: "firing".to_owned(),
        stale: 0,
        severity: "high".to_owned(),
        value: 1.0,
        since: now.as_millisecond(),
        ended: None,
        changed: now.as_millisecond(),
        acknowledged_by: None,
        acknowledged_at: None,
        acknowledged_note: None,
        body: "{}".to_owned(),
        cause: None,
    };
    let message = Message {
        group: "all".to_owned(),
        sequence: 1,
        policy: "all".to_owned(),
        labels: Default::default(),
        digest: false,
        at: now,
        items: Vec::new(),
        left_out: 0,
    };
    let mut tx = walk.bench.server.begin().await.unwrap();
    palisade_monitor::alarm::store::alarm_put(&mut tx, &mut row, "firing").await.unwrap();
    let delivery = palisade_monitor::notify::store::delivery_put(&mut tx, "hook", message, now).await.unwrap();
    tx.commit().await.unwrap();
    (row.id.to_string(), delivery.to_string())
}

async fn firewall(walk: &mut Walk, admin: &mut Browser) {
    let allow = json!({ "cidr": "198.51.100.0/24", "reason": "ours" });
    walk.change(admin, "POST", "/api/v1/firewall/allow", &[], allow).await;
    walk.change(admin, "DELETE", "/api/v1/firewall/allow/{cidr}", &["198.51.100.0%2F24"], json!({})).await;
    let many = json!({ "bans": [{ "address": "203.0.113.8" }] });
    walk.change(admin, "POST", "/api/v1/firewall/bans/import", &[], many).await;
    let ban = json!({ "address": "203.0.113.9", "reason": "scans" });
    let plan = walk.change(admin, "POST", "/api/v1/firewall/bans", &[], ban.clone()).await;
    let id = plan["id"].as_str().unwrap().to_owned();
    let mut tx = walk.bench.server.begin().await.unwrap();
    let mut plan = store::plan(&mut tx, &id).await.unwrap().unwrap().plan;
    (plan.id, plan.state) = (store::plan_id(&mut tx).await.unwrap(), PlanState::Probation);
    store::plan_insert(&mut tx, &plan, &[]).await.unwrap();
    let id = plan.id;
    tx.commit().await.unwrap();
    let waiver = json!({ "waiver": "a test without a host" });
    walk.change(admin, "POST", "/api/v1/plans/{id}/confirm", &[&id], waiver).await;
    walk.change(admin, "DELETE", "/api/v1/firewall/bans/{address}", &["203.0.113.9"], json!({})).await;
    let plan = walk.change(admin, "POST", "/api/v1/firewall/bans", &[], ban).await;
    let id = plan["id"].as_str().unwrap().to_owned();
    walk.change(admin, "POST", "/api/v1/plans/{id}/rollback", &[&id], json!({})).await;
    let cut = json!({ "reason": "an intruder" });
    let plan = walk.change(admin, "POST", "/api/v1/firewall/hosts/{host}/isolate", &["web-1"], cut).await;
    let mut tx = walk.bench.server.begin().await.unwrap();
    let plan = store::plan(&mut tx, plan["id"].as_str().unwrap()).await.unwrap().unwrap().plan;
    let serve = walk.bench.server.guard("firewall").and_then(|guard| guard.server.as_ref()).unwrap();
    serve.keep(&mut tx, &plan).await.unwrap();
    tx.commit().await.unwrap();
    walk.change(admin, "POST", "/api/v1/firewall/hosts/{host}/release", &["web-1"], json!({})).await;
}
