//! What hosts tell, on the server: tables, journal, and what the API shows of it.

use crate::server::Server;
use jiff::Timestamp;
use palisade_core::Severity;
use palisade_firewall::group::model::Direction;
use palisade_firewall::stream::record::{
    Changer, Connection, Connections, Foreign, Hit, Logged, LoggedRow, Outcome, Tampered, Told,
};
use palisade_firewall::stream::{ingest, store};
use palisade_guard::contract::Record;
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    noon + jiff::SignedDuration::from_secs(second)
}

fn row(peer: &str, port: Option<u16>, packets: u64, second: i64) -> LoggedRow {
    LoggedRow {
        rule: "default/in".to_owned(),
        generation: 7,
        allowed: false,
        peer: peer.parse().unwrap(),
        protocol: "tcp".to_owned(),
        port,
        direction: Direction::In,
        interface: Some("eth0".to_owned()),
        packets,
        first: at(second),
        last: at(second),
    }
}

fn denied(rows: Vec<LoggedRow>) -> Told {
    Told::Logged(Logged { rows, more: 0, lost: 0 })
}

async fn tell(server: &Server, host: &str, second: i64, told: &[Told]) {
    let record = |(n, told): (usize, &Told)| Record {
        seq: second as u64 * 100 + n as u64 + 1,
        at: at(second),
        body: serde_json::to_value(told).unwrap(),
    };
    let records: Vec<Record> = told.iter().enumerate().map(record).collect();
    let mut tx = server.context.begin().await.unwrap();
    server.serve().ingest(&mut tx, &host.parse().unwrap(), &records).await.unwrap();
    tx.commit().await.unwrap();
    ingest::drain(&server.context).await.unwrap();
}

async fn get(server: &Server, path: &str) -> Value {
    let (status, answer) = server.call("GET", &format!("/api/v1/firewall/{path}"), Value::Null).await;
    assert_eq!(status, 200, "{answer:#}");
    answer
}

fn column(page: &Value, name: &str) -> Vec<Value> {
    page["items"].as_array().unwrap().iter().map(|row| row[name].clone()).collect()
}

#[tokio::test]
async fn denied_packets_are_summed_up_sorted_and_found() {
    let server = Server::start().await;
    assert_eq!(get(&server, "denied").await["reason"], "nothing has been denied in 30 days");
    let rows =
        vec![row("203.0.113.9", Some(22), 3, 1), row("203.0.113.9", Some(23), 1, 2), row("2001:db8::9", None, 9, 1)];
    tell(&server, "web-1", 5, &[denied(rows)]).await;
    tell(&server, "web-1", 10, &[denied(vec![row("203.0.113.9", Some(22), 4, 9)])]).await;
    tell(&server, "db-1", 10, &[denied(vec![row("203.0.113.9", Some(5432), 2, 8)])]).await;

    let all = get(&server, "denied").await;
    assert_eq!(column(&all, "packets"), [7, 2, 1, 9]);
    assert_eq!(column(&all, "last_at")[0], "2026-11-22T12:00:09Z");
    assert_eq!(all["items"][3]["port"], Value::Null);
    assert_eq!(all["items"][0]["can"]["ban"], true);
    assert_eq!(column(&get(&server, "denied?host=db-1").await, "port"), [5432]);
    assert_eq!(column(&get(&server, "denied?sort=-packets").await, "packets"), [9, 7, 2, 1]);
    assert_eq!(column(&get(&server, "denied?sort=packets").await, "packets"), [1, 2, 7, 9]);
    assert_eq!(column(&get(&server, "denied?q=WEB-1%20tcp/23").await, "packets"), [1]);
    assert_eq!(get(&server, "denied?q=100%25").await["total"], 0);
    let first = get(&server, "denied?limit=3").await;
    assert_eq!((first["total"].as_u64(), first["next_cursor"].as_str()), (Some(4), Some("3")));
    assert_eq!(column(&get(&server, "denied?limit=3&cursor=3").await, "packets"), [9]);
    let (status, refused) = server.call("GET", "/api/v1/firewall/denied?sort=drop", Value::Null).await;
    assert_eq!((status.as_u16(), refused["code"].as_str()), (400, Some("invalid")));
}

#[tokio::test]
async fn the_journal_hears_of_a_source_at_a_rule_once_in_ten_minutes() {
    let server = Server::start().await;
    for second in [0, 5, 10, 599] {
        let rows = vec![row("203.0.113.9", Some(22), 2, second), row("203.0.113.9", Some(23), 1, second)];
        tell(&server, "web-1", second, &[denied(rows)]).await;
    }
    let said = |server: &Server| server.events().into_iter().map(|e| (e.kind, e.message)).collect::<Vec<_>>();
    let first = "3 packets with 203.0.113.9 denied by rule default/in: tcp/22, tcp/23";
    assert_eq!(said(&server), [("firewall.denied".to_owned(), first.to_owned())]);
    tell(&server, "web-1", 600, &[denied(vec![row("203.0.113.9", None, 1, 600)])]).await;
    let later = "10 packets with 203.0.113.9 denied by rule default/in: tcp and more";
    assert_eq!(said(&server), [("firewall.denied".to_owned(), later.to_owned())]);
}

#[tokio::test]
async fn a_flood_from_everywhere_is_a_few_events_and_bounded_rows() {
    let server = Server::start().await;
    for batch in 0..20u32 {
        let rows = (0..200).map(|n| row(&format!("10.{batch}.0.{n}"), Some(22), 1, 1)).collect();
        let logged = Told::Logged(Logged { rows, more: 1_000, lost: 7 });
        tell(&server, "web-1", 1 + i64::from(batch), &[logged]).await;
    }
    let events = server.events();
    assert_eq!(events.len() as i64, ingest::SOURCES_TOLD_MAX + 1, "{events:?}");
    assert!(events.last().unwrap().message.ends_with("or more further sources"), "{events:?}");
    assert_eq!(get(&server, "denied?limit=1").await["total"], 4_000);
}

#[tokio::test]
async fn the_oldest_denied_packets_make_room() {
    let server = Server::start().await;
    let host = "web-1".parse().unwrap();
    let mut tx = server.context.begin().await.unwrap();
    for n in 0..store::DENIED_MAX + 500 {
        let peer = std::net::Ipv4Addr::from(0x0a00_0000 + n as u32).to_string();
        store::denied_add(&mut tx, &host, &row(&peer, Some(22), 1, n / 10)).await.unwrap();
    }
    store::denied_trim(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let page = get(&server, "denied?sort=last_at&limit=1").await;
    assert_eq!(page["total"], store::DENIED_MAX);
    assert_eq!(page["items"][0]["source"], "10.0.1.244");
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let server = Server::start().await;
    tell(&server, "web-1", 0, &[denied(vec![row("203.0.113.9", Some(22), 1, 0)])]).await;
    for (days, left) in [(29, 1), (31, 0)] {
        let mut tx = server.context.begin().await.unwrap();
        server.serve().tend(&mut tx, at(days * 86_400)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(get(&server, "denied").await["total"], left);
    }
}

fn hit(rule: &str, packets: u64, second: i64) -> Hit {
    Hit { rule: rule.to_owned(), packets, bytes: packets * 60, last: at(second) }
}

#[tokio::test]
async fn hits_are_summed_up_by_rule_over_hosts_and_days() {
    let server = Server::start().await;
    tell(&server, "web-1", 60, &[Told::Hits(vec![hit("web/ssh", 3, 50), hit("default/in", 9, 55)])]).await;
    tell(&server, "db-1", 60, &[Told::Hits(vec![hit("web/ssh", 4, 58)])]).await;
    tell(&server, "web-1", 7_200, &[Told::Hits(vec![hit("web/ssh", 1, 7_190)])]).await;
    let all = get(&server, "hits").await;
    assert_eq!(
        (column(&all, "id"), column(&all, "packets")),
        (vec!["default/in".into(), "web/ssh".into()], vec![9.into(), 8.into()])
    );
    assert_eq!(
        (column(&all, "hosts"), column(&all, "layer")),
        (vec![1.into(), 2.into()], vec!["default".into(), "group".into()])
    );
    assert_eq!(all["items"][1]["last_hit_at"], "2026-11-22T13:59:50Z");
    assert_eq!(column(&get(&server, "hits?host=db-1").await, "packets"), [4]);
    assert_eq!(column(&get(&server, "hits?group=web").await, "id"), ["web/ssh"]);

    server.clock.pass_s(5 * 86_400);
    let mut tx = server.context.begin().await.unwrap();
    store::hits_by_day(&mut tx, server.context.now()).await.unwrap();
    store::hits_by_day(&mut tx, server.context.now()).await.unwrap();
    let (rows,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM firewall_hit").fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rows, 3, "one per host and rule");
    let later = get(&server, "hits").await;
    assert_eq!(
        (column(&later, "packets"), column(&later, "packets_24h")),
        (vec![9.into(), 8.into()], vec![0.into(), 0.into()])
    );
}

#[tokio::test]
async fn who_tampers_is_told_at_once_and_how_it_ended() {
    let server = Server::start().await;
    let by = || Changer { pid: 812, process: "nft".to_owned(), cmdline: None, user: None };
    let tampered = |outcome, flushed| {
        Told::Tampered(Tampered { at: at(1), by: by(), flushed, what: "1 rule".to_owned(), outcome })
    };
    let foreign = Foreign {
        at: at(1),
        by: by(),
        tables: vec!["ip filter".to_owned()],
        what: "ip filter: 1 rule".to_owned(),
        transactions: 3,
    };
    let all = [tampered(Outcome::Repaired, true), tampered(Outcome::Gone, false), Told::Foreign(foreign)];
    tell(&server, "web-1", 2, &all).await;
    let events = server.events();
    let said: Vec<(Severity, &str)> = events.iter().map(|e| (e.severity, e.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (Severity::High, "nft (pid 812) flushed the ruleset; the table of Palisade was repaired"),
            (
                Severity::Critical,
                "nft (pid 812) changed the table of Palisade (1 rule); the table of Palisade is gone, and whoever was shut out is let in"
            ),
            (Severity::Low, "nft (pid 812) changed nftables in 3 transactions: ip filter: 1 rule"),
        ]
    );
    assert!(events.iter().all(|e| e.host == Some("web-1".parse().unwrap()) && e.actor.name == "nft (pid 812)"));
}

fn connections(second: i64) -> Told {
    let row = Connection {
        direction: Direction::In,
        protocol: "tcp".to_owned(),
        peer: "203.0.113.9".parse().unwrap(),
        peer_port: 40_000,
        port: 22,
        forwarded: false,
        process: Some("sshd".to_owned()),
        pid: Some(7),
        bytes: None,
        marked: false,
    };
    Told::Connections(Connections { at: at(second), rows: vec![row], total: 1, missing: None })
}

#[tokio::test]
async fn a_host_is_asked_who_speaks_with_whom_and_its_answer_shown() {
    let server = Server::start().await;
    let reason = get(&server, "connections?host=web-1").await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("web-1 has not said"), "{reason}");
    let (status, _) = server.call("GET", "/api/v1/firewall/connections?host=nobody", Value::Null).await;
    assert_eq!(status, 404);

    let answering = async {
        let asked = loop {
            let asked = server.context.asked(&"web-1".parse().unwrap());
            if !asked.is_empty() {
                break asked;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((asked.len(), &asked[0].body), (1, &json!("connections")));
        tell(&server, "web-1", 30, &[connections(30)]).await;
        server.context.publish(&["firewall"]);
    };
    let (page, ()) = tokio::join!(get(&server, "connections?host=web-1&refresh=true"), answering);
    let row = &page["items"][0];
    assert_eq!((&row["peer"], &row["port"], &row["process"]), (&json!("203.0.113.9"), &json!(22), &json!("sshd")));
    assert_eq!((&row["allowed"], &row["observed_at"]), (&json!(true), &json!("2026-11-22T12:00:30Z")));
    assert_eq!(column(&get(&server, "connections?host=web-1").await, "port"), [22]);
}

#[tokio::test]
async fn a_record_that_makes_no_sense_is_refused_as_one_that_cannot_be_read() {
    let server = Server::start().await;
    let mut tx = server.context.begin().await.unwrap();
    for body in [Value::Null, json!({ "run": "x" }), json!({ "hits": [{ "rule": 7 }] })] {
        let record = Record { seq: 1, at: at(0), body };
        let refused = server.serve().ingest(&mut tx, &"web-1".parse().unwrap(), &[record]).await;
        assert!(matches!(refused, Err(palisade_guard::GuardError::Decode { .. })), "{refused:?}");
    }
}
