//! Alarms from stored samples, events and findings to notices, on a database.

use crate::stored::{NOON, Stored, at, host};
use axum::body::Body;
use axum::{Extension, Router};
use http::Request;
use http_body_util::BodyExt;
use palisade_core::{Actor, Clock, Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::api::{Caller, Role};
use palisade_guard::context::RecordEvent;
use palisade_guard::contract::BoxFuture;
use palisade_guard::notice::{NoVault, Notice, NoticeState};
use palisade_guard::store::{self as frame_store, FindingChange, HostRow, Source};
use palisade_guard::{GuardError, Notify, Record, ServerContext};
use palisade_monitor::Monitor;
use palisade_monitor::alarm::engine::Engine;
use palisade_monitor::alarm::{RULES_TOPIC, cause, event};
use palisade_monitor::model::{Cause, CauseProcess, Frame, TopProcess};
use palisade_monitor::store;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

#[derive(Clone, Default)]
struct Now(Arc<AtomicI64>);

impl Clock for Now {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

struct NoJournal;

impl RecordEvent for NoJournal {
    fn record<'a>(&'a self, _: &'a mut SqliteConnection, _: &'a Event) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Remembers what was told, and fails when it is told to.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Notice>>>, Arc<Mutex<bool>>);

impl Notify for Told {
    fn notify<'a>(&'a self, _: &'a mut SqliteConnection, notice: &'a Notice) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async move {
            if *self.1.lock().unwrap() {
                return Err(GuardError::Refused("the disk is full".to_owned()));
            }
            self.0.lock().unwrap().push(notice.clone());
            Ok(())
        })
    }

    fn acknowledge<'a>(
        &'a self,
        _: &'a mut SqliteConnection,
        _: &'a str,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(), GuardError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A server with one host, its clock, and what it tells.
struct Server {
    stored: Stored,
    now: Now,
    told: Told,
    context: ServerContext,
    monitor: Monitor,
    engine: Engine,
}

impl Server {
    async fn new() -> Server {
        let (stored, now, told) = (Stored::new().await, Now::default(), Told::default());
        now.0.store(NOON, Ordering::Relaxed);
        let context = ServerContext::new(stored.db.clone(), Arc::new(now.clone()), Arc::new(NoJournal), Vec::new());
        let context = context.with(Arc::new(told.clone()), Arc::new(NoVault), None);
        let monitor = Monitor::default();
        let engine = Engine::new(monitor.clone(), context.clone());
        let mut tx = stored.db.begin().await.unwrap();
        frame_store::host_put(&mut tx, &HostRow::new(host(), at(NOON))).await.unwrap();
        tx.commit().await.unwrap();
        Server { stored, now, told, context, monitor, engine }
    }

    async fn rule(&mut self, name: &str, spec: Option<Value>) {
        let kinds = palisade_monitor::alarm::kinds();
        let spec = spec.map(|spec| kinds[0].normalise(name, &spec).map_err(|e| e.message().to_owned()).unwrap().1);
        let mut tx = self.stored.db.begin().await.unwrap();
        let author = frame_store::Author { by: "t", at: self.context.now(), source: Source::File, plan: "" };
        frame_store::resource_put(&mut tx, "AlarmRule", name, spec.as_ref(), author).await.unwrap();
        let part = spec.and_then(|spec| serde_json::from_value(spec["event"].clone()).ok());
        palisade_monitor::alarm::store::event_rule_put(&mut tx, name, part.as_ref()).await.unwrap();
        tx.commit().await.unwrap();
        self.engine.changed(&[RULES_TOPIC.to_owned()], 0).await.unwrap();
    }

    /// A sample of the minute `minute` after noon, which arrives at its end.
    async fn sample(&mut self, minute: i64, cpu: f64) {
        let at_s = NOON + minute * 60 + 17;
        let body = json!({ "at": at(at_s), "interval_s": 60, "metrics": { "cpu_usage_ratio": cpu },
            "by_cpu": [{ "pid": 7, "name": "miner\u{1b}[31m", "cpu": 1.5, "rss_bytes": 4096, "unit": "miner.service" }] });
        self.now.0.store(at_s, Ordering::Relaxed);
        let mut tx = self.stored.db.begin().await.unwrap();
        let record = Record { seq: at_s as u64, at: at(at_s), body };
        store::ingest(&mut tx, &self.monitor.store, &host(), &[record]).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn samples(&mut self, from: i64, values: &[f64]) {
        for (n, value) in (from..).zip(values) {
            self.sample(n, *value).await;
            self.engine.changed(&["monitor".to_owned()], n * 60).await.unwrap();
        }
    }

    /// The server is killed and started again.
    async fn restart(&mut self) {
        self.monitor = Monitor::default();
        self.engine = Engine::new(self.monitor.clone(), self.context.clone());
        self.engine.tick(0).await.unwrap();
    }

    fn told(&self) -> Vec<(String, NoticeState)> {
        self.told.0.lock().unwrap().iter().map(|n| (n.key.clone(), n.state)).collect()
    }

    fn last(&self) -> Notice {
        self.told.0.lock().unwrap().last().cloned().unwrap()
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let caller = Caller { name: "ann".to_owned(), role: Role::Operator, address: None };
        let (router, _) = palisade_monitor::api::router(self.monitor.clone()).split_for_parts();
        let router: Router = router.layer(Extension(caller)).with_state(self.context.clone());
        let body = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
        let request = Request::builder().method(method).uri(format!("/api/v1/monitor/{path}")).body(body).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

fn cpu_rule() -> Value {
    json!({ "policies": [{ "metric": "cpu_usage_ratio", "operator": ">", "threshold": 0.9, "recover": 0.8, "count": 2 }] })
}

fn key(n: u64) -> String {
    format!("alarm/{n}")
}

#[tokio::test]
async fn what_a_probe_and_the_agent_measure_of_one_host_is_all_judged() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    for minute in 0..4 {
        // the look of 12:0x:50 is there before the agent's samples, which stand for 12:0x:00
        let at_s = NOON + minute * 60 + 50;
        let looked =
            json!({ "at": at(at_s), "interval_s": 10, "step_s": 10, "metrics": { "probe_up{probe=\"a\"}": 1.0 } });
        let looked: Frame = serde_json::from_value(looked).unwrap();
        let mut tx = server.stored.db.begin().await.unwrap();
        server.monitor.store.put(&mut tx, &host(), &[looked]).await.unwrap();
        tx.commit().await.unwrap();
        server.engine.changed(&["monitor".to_owned()], minute * 60).await.unwrap();
        server.samples(minute, &[0.95]).await;
    }
    assert_eq!(server.told(), [(key(1), NoticeState::Firing)]);
}

#[tokio::test]
async fn an_alarm_is_told_once_with_its_cause_and_once_when_it_is_over() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    server.samples(0, &[0.5, 0.95, 0.96, 0.97, 0.98]).await;
    assert_eq!(server.told(), [(key(1), NoticeState::Firing)]);
    let notice = server.last();
    assert_eq!(notice.title, "cpu_usage_ratio on web-1 is 96 %, above 90 %");
    assert!(
        notice.annotations["cause"].starts_with("miner\\u{1b}[31m (pid 7, unit miner.service) used 150 % CPU"),
        "{:?}",
        notice.annotations
    );
    assert_eq!((notice.labels["alertname"].as_str(), notice.settle_ms), ("cpu", 1_000));
    let asked = server.context.asked(&host());
    assert_eq!((asked.len(), asked[0].body["freeze"]["alarm"].as_str()), (1, Some("1")));
    server.samples(5, &[0.85, 0.85, 0.5, 0.95, 0.5]).await;
    assert_eq!(server.told().len(), 1, "nothing has shown that it is over");
    server.samples(10, &[0.5, 0.5]).await;
    assert_eq!(server.told(), [(key(1), NoticeState::Firing), (key(1), NoticeState::Resolved)]);
    server.samples(12, &[0.95, 0.95]).await;
    assert_eq!(server.last().key, key(2), "the next time is another alarm");
}

#[tokio::test]
async fn the_answer_of_the_host_names_the_process_and_another_hosts_answer_is_nothing() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    server.samples(0, &[0.95, 0.95]).await;
    let process = TopProcess {
        pid: 812,
        name: "mysqld".to_owned(),
        unit: Some("mysql.service".to_owned()),
        cpu: Some(0.71),
        ..TopProcess::default()
    };
    let frozen = Cause {
        alarm: "1".to_owned(),
        step_s: 5,
        processes: vec![CauseProcess { process, ended: true, ..CauseProcess::default() }],
        ..Cause::default()
    };
    for (from, count) in [("web-2", 1), ("web-1", 2), ("web-1", 2)] {
        let mut tx = server.stored.db.begin().await.unwrap();
        cause::arrived(&mut tx, &server.told, &from.parse().unwrap(), &frozen).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(server.told().len(), count, "{from}");
    }
    assert_eq!(server.last().settle_ms, 0, "nothing is waited for any more");
    let said = server.last().annotations;
    assert_eq!(said["cause"], "mysqld (pid 812, unit mysql.service) used 71 % CPU, and has ended");
    assert_eq!(
        (said["process"].as_str(), said["pid"].as_str(), said["unit"].as_str()),
        ("mysqld", "812", "mysql.service")
    );
}

#[tokio::test]
async fn a_restart_at_any_minute_tells_nothing_twice_and_loses_nothing() {
    for killed_after in 0..9 {
        let mut server = Server::new().await;
        server.rule("cpu", Some(cpu_rule())).await;
        for (n, value) in (0..).zip([0.5, 0.95, 0.95, 0.95, 0.5, 0.5, 0.5, 0.95, 0.95]) {
            server.sample(n, value).await;
            if n == killed_after {
                server.restart().await; // the sample is stored and was not judged
            } else {
                server.engine.changed(&["monitor".to_owned()], n * 60).await.unwrap();
            }
        }
        let expected = [(key(1), NoticeState::Firing), (key(1), NoticeState::Resolved), (key(2), NoticeState::Firing)];
        assert_eq!(server.told(), expected, "killed after minute {killed_after}");
    }
}

#[tokio::test]
async fn what_could_not_be_stored_is_decided_again() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    server.samples(0, &[0.5, 0.95]).await;
    *server.told.1.lock().unwrap() = true;
    server.sample(2, 0.95).await;
    assert!(server.engine.changed(&["monitor".to_owned()], 120).await.is_err());
    assert_eq!(server.stored.count("SELECT COUNT(*) FROM monitor_alarm").await, 0);
    *server.told.1.lock().unwrap() = false;
    server.engine.tick(122).await.unwrap();
    assert_eq!(server.told(), [(key(1), NoticeState::Firing)]);
}

#[tokio::test]
async fn silence_makes_an_alarm_stale_and_a_jump_of_the_clock_does_nothing() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    server.samples(0, &[0.95, 0.95]).await;
    server.now.0.store(NOON + 90_000, Ordering::Relaxed);
    server.engine.tick(70).await.unwrap();
    assert_eq!(server.call("GET", "alarms", None).await.1["items"][0]["stale"], false, "ten seconds have passed");
    server.engine.tick(400).await.unwrap();
    let (_, alarms) = server.call("GET", "alarms", None).await;
    assert_eq!((&alarms["items"][0]["stale"], &alarms["items"][0]["state"]), (&json!(true), &json!("firing")));
    server.engine.tick(1_000_000).await.unwrap();
    assert_eq!(server.told().len(), 1);
}

#[tokio::test]
async fn a_changed_rule_ends_its_alarms_and_says_so() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    server.samples(0, &[0.95, 0.95]).await;
    server.rule("cpu", None).await;
    let notice = server.last();
    assert_eq!(
        (notice.state, notice.annotations["reason"].contains("the rule was changed")),
        (NoticeState::Resolved, true)
    );
    let (_, all) = server.call("GET", "alarms?state=all", None).await;
    assert_eq!(all["items"][0]["state"], "expired");
}

fn event_of(kind: &str, severity: Severity, at_s: i64) -> Event {
    Event {
        time: at(at_s),
        kind: kind.to_owned(),
        host: Some(host()),
        severity,
        outcome: Outcome::Success,
        actor: Actor { name: "server".to_owned(), from: None },
        message: "web-1 is silent".to_owned(),
        object: None,
        audit: false,
        data: Value::Null,
    }
}

async fn recorded(server: &Server, kind: &str, severity: Severity, at_s: i64) {
    let mut tx = server.stored.db.begin().await.unwrap();
    event::recorded(&mut tx, &server.told, &event_of(kind, severity, at_s)).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_host_that_falls_silent_is_told_of_once_and_when_it_is_back() {
    let mut server = Server::new().await;
    let (status, _) = server.call("POST", "rules/basics", Some(json!({ "on": true }))).await;
    assert_eq!(status, 200);
    server.engine.changed(&[RULES_TOPIC.to_owned()], 0).await.unwrap();
    recorded(&server, "frame.host.silent", Severity::Low, NOON).await;
    assert!(server.told().is_empty(), "an orderly stop is no alarm");
    recorded(&server, "frame.host.silent", Severity::High, NOON).await;
    recorded(&server, "frame.host.silent", Severity::High, NOON + 10).await;
    assert_eq!(server.told(), [(key(1), NoticeState::Firing)]);
    let notice = server.last();
    assert_eq!((notice.labels["host_down"].as_str(), notice.settle_ms), ("true", 45_000));
    recorded(&server, "frame.host.back", Severity::Informational, NOON + 60).await;
    assert_eq!(server.told()[1..], [(key(1), NoticeState::Resolved)]);
}

#[tokio::test]
async fn events_are_told_once_in_a_while_and_only_when_there_were_enough() {
    let mut server = Server::new().await;
    server.rule("many", Some(json!({ "event": { "kind": "intrusion.*", "times": 3, "within": "10m" } }))).await;
    for n in 0..5 {
        recorded(&server, "intrusion.login.fail", Severity::Low, NOON + n).await;
        recorded(&server, "firewall.ban.add", Severity::Low, NOON + n).await;
    }
    assert_eq!(server.told(), [(key(1), NoticeState::Once)]);
    for n in [700, 1_400, 2_100, 2_110, 2_120] {
        recorded(&server, "intrusion.login.fail", Severity::Low, NOON + n).await;
    }
    assert_eq!(server.told().len(), 2);
}

#[tokio::test]
async fn a_finding_is_an_alarm_until_it_is_mended() {
    let mut server = Server::new().await;
    server.rule("found", Some(json!({ "event": { "finding": { "severity": "high" } } }))).await;
    let finding: palisade_core::Finding = serde_json::from_value(json!({
        "id": "f1", "check": "c", "practice": "p", "title": "disk is read-only", "host": "web-1", "object": "/srv",
        "severity": "high", "state": "open", "evidence": "ro", "observed_at": at(NOON), "why": "writes fail", "fix": { "text": "look at the disk" } }))
    .unwrap();
    let low = palisade_core::Finding { id: "f2".to_owned(), severity: Severity::Low, ..finding.clone() };
    let look = async |opened: Vec<palisade_core::Finding>, mended: Vec<String>| {
        let mut tx = server.stored.db.begin().await.unwrap();
        let change = FindingChange { opened, mended };
        event::findings_changed(&mut tx, &server.told, &host(), &change, at(NOON)).await.unwrap();
        tx.commit().await.unwrap();
    };
    look(vec![finding.clone(), low], Vec::new()).await;
    assert_eq!(server.told(), [(key(1), NoticeState::Firing)]);
    look(Vec::new(), vec!["f1".to_owned(), "f2".to_owned()]).await;
    assert_eq!(server.told()[1..], [(key(1), NoticeState::Resolved)]);
}

#[tokio::test]
async fn alarms_are_shown_taken_on_and_tried_on_the_past() {
    let mut server = Server::new().await;
    let (_, none) = server.call("GET", "alarms", None).await;
    assert!(none["reason"].as_str().unwrap().contains("there is no alarm rule"));
    server.rule("cpu", Some(cpu_rule())).await;
    server.samples(0, &[0.5, 0.95]).await;
    let (_, alarms) = server.call("GET", "alarms?state=pending", None).await;
    assert_eq!((&alarms["items"][0]["state"], &alarms["items"][0]["threshold"]), (&json!("pending"), &json!(0.9)));
    server.samples(2, &[0.97, 0.5, 0.5, 0.5]).await;
    server.samples(6, &[0.99, 0.99]).await;
    let (status, shown) = server.call("GET", "alarms/1", None).await;
    let words: Vec<_> = shown["history"].as_array().unwrap().iter().map(|h| h["state"].as_str().unwrap()).collect();
    assert_eq!((status, words), (200, vec!["firing", "resolved"]));
    assert_eq!(server.call("POST", "alarms/1/acknowledge", None).await.0, 409);
    let (_, taken) = server.call("POST", "alarms/2/acknowledge", Some(json!({ "note": "on it" }))).await;
    assert_eq!((&taken["acknowledged"]["by"], &taken["acknowledged"]["note"]), (&json!("ann"), &json!("on it")));
    let (_, rules) = server.call("GET", "rules", None).await;
    assert_eq!((&rules["items"][0]["firing"], &rules["items"][0]["version"]), (&json!(1), &json!(1)));
    let (status, tried) = server.call("POST", "backtest", Some(json!({ "rule": cpu_rule(), "since": "1h" }))).await;
    assert_eq!(
        (status, &tried["fired"], &tried["shorter_than_5m"], &tried["series"]),
        (200, &json!(2), &json!(1), &json!(1)),
        "{tried}"
    );
    assert_eq!(tried["firings"][1]["peak"].as_f64().map(|p| (p * 100.0).round()), Some(97.0));
    assert!(tried["suggestions"].as_array().unwrap().iter().any(|s| s["fired"] == 0), "{tried}");
    let (status, wrong) = server
        .call(
            "POST",
            "backtest",
            Some(json!({ "rule": { "policies": [{ "metric": "load", "operator": ">", "threshold": 1 }] } })),
        )
        .await;
    assert_eq!((status, wrong["path"].as_str()), (400, Some("rule.policies[0].metric")));
}

#[tokio::test]
async fn a_host_that_joins_later_is_judged_by_itself() {
    let mut server = Server::new().await;
    server.rule("cpu", Some(cpu_rule())).await;
    let late: HostId = "web-9".parse().unwrap();
    let mut tx = server.stored.db.begin().await.unwrap();
    frame_store::host_put(&mut tx, &HostRow::new(late.clone(), at(NOON))).await.unwrap();
    for n in 0..2 {
        let at_s = NOON + 60 * n;
        let body = json!({ "at": at(at_s), "interval_s": 60, "metrics": { "cpu_usage_ratio": 0.99 } });
        store::ingest(&mut tx, &server.monitor.store, &late, &[Record { seq: n as u64, at: at(at_s), body }])
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    server.engine.changed(&["monitor".to_owned()], 60).await.unwrap();
    server.engine.tick(62).await.unwrap();
    assert_eq!(server.told(), [(key(1), NoticeState::Firing)]);
}
