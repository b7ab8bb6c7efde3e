//! What a request costs with many hosts. `PALISADE_FIGURES_HOSTS=2000` makes a fleet; without it
//! there are 20 hosts, and only the answers are held against each other.

use super::app::{App, host};
use palisade_core::{
    CheckOutcome, CheckRun, Finding, FindingState, Fix, Generation, PRACTICES, Report, Severity, Timestamp, finding_id,
};
use palisade_guard::store::{self, HostFacts, LookReport};
use serde_json::json;
use std::time::Instant;

const FINDINGS_OF_A_GUARD: usize = 5;

/// What a guard says about a host: five findings, one of each severity, of ten checks.
pub fn look(name: &str, guard: &str, at: Timestamp) -> LookReport {
    let practices: Vec<_> = PRACTICES.iter().filter(|p| p.guard == guard).collect();
    let run = |n: usize| CheckRun {
        check: format!("{guard}.check-{n}"),
        practice: practices[n % practices.len()].id.to_owned(),
        outcome: if n < FINDINGS_OF_A_GUARD { CheckOutcome::Failed } else { CheckOutcome::Passed },
    };
    let finding = |n: usize| {
        let check = format!("{guard}.check-{n}");
        Finding {
            id: finding_id(&check, &host(name), "tcp/4444"),
            practice: practices[n % practices.len()].id.to_owned(),
            title: "A port is open to everybody".to_owned(),
            host: host(name),
            object: "tcp/4444".to_owned(),
            severity: Severity::ALL[n % 5],
            state: FindingState::Open,
            evidence: "0.0.0.0:4444 nc -l -p 4444 (pid 4711, uid 1000), reachable on all interfaces".to_owned(),
            observed_at: at,
            why: "Whoever reaches this port talks to a program that nobody has named as a service.".to_owned(),
            fix: Fix::command("Stop the program, or shut the port.", "kill 4711"),
            reference: Some("the mission, port security".to_owned()),
            check,
        }
    };
    LookReport {
        guard: guard.to_owned(),
        observed_at: at,
        fresh_until: at + jiff::SignedDuration::from_secs(180),
        sections: serde_json::Map::from_iter([("pending".to_owned(), json!([{}, {}, {}]))]),
        findings: (0..FINDINGS_OF_A_GUARD).map(finding).collect(),
        runs: (0..10).map(run).collect(),
        error: None,
    }
}

/// Hosts with what six guards say about each.
async fn fleet(app: &App, hosts: usize) {
    let mut tx = app.begin().await;
    for n in 0..hosts {
        let name = format!("web-{n:04}");
        let facts =
            HostFacts { os: "Debian GNU/Linux 13".to_owned(), permit: vec!["ban".into()], ..Default::default() };
        store::host_seen(&mut tx, &host(&name), Some(&facts), app.now()).await.unwrap();
        for guard in app.server.guards.iter() {
            store::look_put(&mut tx, &host(&name), &look(&name, guard.word, app.now())).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn lists_of_many_hosts_are_read_in_a_bounded_time() {
    let hosts: usize = std::env::var("PALISADE_FIGURES_HOSTS").map_or(20, |n| n.parse().unwrap());
    let app = App::start().await;
    fleet(&app, hosts).await;
    for path in [
        "/api/v1/hosts",
        "/api/v1/hosts?sort=-findings",
        "/api/v1/hosts?q=web-0007",
        "/api/v1/hosts/web-0007",
        "/api/v1/overview",
        "/api/v1/practices",
        "/api/v1/findings",
        "/api/v1/findings?host=web-0007",
        "/api/v1/findings?q=4444",
        "/api/v1/status",
    ] {
        let start = Instant::now();
        let answer = app.get(path).await;
        println!("{path:40} {:8.1} ms  total {}", start.elapsed().as_secs_f64() * 1e3, answer["total"]);
    }
    let start = Instant::now();
    let plan = app.change("POST", "/api/v1/firewall/bans", json!({ "address": "203.0.113.9", "for": "1h" })).await;
    println!("a ban on all hosts                       {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    for n in 0..hosts {
        let mut tx = app.begin().await;
        store::report_put(&mut tx, &report(&format!("web-{n:04}"), app.now())).await.unwrap();
        tx.commit().await.unwrap();
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / hosts as f64;
    println!("a report about it, each                  {each:8.2} ms");
    let start = Instant::now();
    let shown = app.get(&format!("/api/v1/plans/{}", plan["id"].as_str().unwrap())).await;
    println!("the plan                                 {:8.1} ms", start.elapsed().as_secs_f64() * 1e3);
    assert_eq!(shown["state"], "applied");
    assert_eq!(shown["hosts"].as_array().unwrap().len(), hosts);
}

fn report(name: &str, at: Timestamp) -> Report {
    Report {
        host: host(name),
        guard: "firewall".to_owned(),
        generation: Generation { epoch: 1, n: 1 },
        at,
        verified: true,
        drift: false,
        error: None,
        steps: Vec::new(),
        decisions: Default::default(),
    }
}
