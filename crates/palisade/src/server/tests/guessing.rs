//! Guessing is braked, seen in the journal, and not forgotten by a restart.

use crate::server::fixture::{Bench, Browser, PASSWORD};
use serde_json::{Value, json};

async fn tried(bench: &Bench, from: &str, name: &str, password: &str) -> u16 {
    bench.sign_in(&mut Browser::at(from), json!({ "name": name, "password": password })).await.status
}

#[tokio::test]
async fn a_lock_outlives_a_restart_and_the_journal_shows_it() {
    let (bench, _) = Bench::with_admin().await;
    for n in 0..5 {
        assert_eq!(tried(&bench, "198.51.100.7", "anna", &format!("wrong {n}")).await, 401);
    }
    assert_eq!(tried(&bench, "198.51.100.7", "anna", "x").await, 429);
    let kinds = bench.audited().await;
    let count = |kind: &str| kinds.iter().filter(|k| *k == kind).count();
    assert_eq!((count("frame.session.fail"), count("frame.session.lock")), (5, 1), "{kinds:?}");
    let bench = bench.restarted().await;
    assert_eq!(tried(&bench, "198.51.100.7", "anna", "x").await, 429);
    bench.clock.pass_s(15 * 60);
    assert_eq!(tried(&bench, "198.51.100.7", "anna", "x").await, 401);
}

#[tokio::test]
async fn a_hundred_tries_at_once_are_five_guesses() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "admin").await;
    let passwords: Vec<String> = (0..100).map(|n| format!("wrong {n}")).collect();
    let tries = passwords.iter().map(|password| tried(&bench, "198.51.100.7", "anna", password));
    let statuses = futures_util::future::join_all(tries).await;
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(401), count(429)), (5, 95), "{statuses:?}");
}

#[tokio::test]
async fn who_signed_in_from_an_address_gets_in_there_while_the_name_is_guessed_at_from_everywhere() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "admin").await;
    bench.signed_in("anna").await;
    let mut statuses = Vec::new();
    for n in 0..60 {
        statuses.push(tried(&bench, &format!("198.51.100.{n}"), "anna", "wrong").await);
    }
    assert_eq!(statuses.iter().filter(|s| **s == 401).count(), 50, "then one a second and slower");
    assert_eq!(tried(&bench, "203.0.113.9", "anna", PASSWORD).await, 429, "from where nobody knows anna");
    assert_eq!(tried(&bench, "192.0.2.10", "anna", PASSWORD).await, 200, "from where anna was before");
    bench.clock.pass_s(60);
    assert_eq!(tried(&bench, "203.0.113.9", "anna", PASSWORD).await, 200, "a minute later");
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_a_disabled_user_get_one_answer() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    bench.user("bert", "viewer").await;
    bench.local("PATCH", "/api/v1/users/bert", json!({ "disabled": true })).await;
    bench.local("POST", "/api/v1/users", json!({ "name": "carl", "role": "viewer" })).await;
    let mut answers = Vec::new();
    for (name, password) in [("nobody", PASSWORD), ("anna", "wrong"), ("bert", PASSWORD), ("carl", "")] {
        let answer =
            bench.sign_in(&mut Browser::at("198.51.100.7"), json!({ "name": name, "password": password })).await;
        answers.push((answer.status, answer.body));
    }
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_name_of_any_length_and_kind_is_counted_and_harmless() {
    let (bench, _) = Bench::with_admin().await;
    for name in ["", "\u{202e}\0<script>", &"é".repeat(5000), "' OR 1=1 --"] {
        assert_eq!(tried(&bench, "198.51.100.8", name, "x").await, 401, "{name}");
    }
    let audit = bench.local("GET", "/api/v1/audit?kind=frame.session.fail", Value::Null).await;
    let longest = audit.body["items"].as_array().unwrap().iter().map(|e| e["object"].as_str().unwrap().len()).max();
    assert_eq!(longest, Some(64));
}
