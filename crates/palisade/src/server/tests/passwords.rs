//! Passwords are changed, and have to be.

use crate::server::fixture::{Bench, Browser, PASSWORD};
use serde_json::{Value, json};

const OTHER: &str = "Other-9-words!";

async fn change(bench: &Bench, browser: &mut Browser, old: &str, new: &str) -> (u16, String) {
    let answer = bench.ask(browser, "POST", "/api/v1/account/password", json!({ "old": old, "new": new })).await;
    (answer.status, answer.body["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_password_is_changed_with_the_old_one_and_other_sessions_end() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    let (mut here, mut elsewhere) = (bench.signed_in("anna").await, bench.signed_in("anna").await);
    assert_eq!(change(&bench, &mut here, "wrong", OTHER).await, (403, "password wrong".to_owned()));
    assert_eq!(change(&bench, &mut here, PASSWORD, "password").await.0, 400);
    assert_eq!(change(&bench, &mut here, PASSWORD, OTHER).await.0, 204);
    assert_eq!(bench.ask(&mut here, "GET", "/api/v1/session", Value::Null).await.status, 200);
    assert_eq!(bench.ask(&mut elsewhere, "GET", "/api/v1/session", Value::Null).await.status, 401);
    let old = json!({ "name": "anna", "password": PASSWORD });
    assert_eq!(bench.sign_in(&mut elsewhere, old).await.status, 401);
    assert_eq!(bench.sign_in(&mut elsewhere, json!({ "name": "anna", "password": OTHER })).await.status, 200);
}

#[tokio::test]
async fn the_last_five_passwords_are_not_used_again() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    let mut anna = bench.signed_in("anna").await;
    let mut before = PASSWORD.to_owned();
    for n in 0..5 {
        let next = format!("Wind-{n}-und-Regen!");
        assert_eq!(change(&bench, &mut anna, &before, &before).await.0, 400, "the present one");
        assert_eq!(change(&bench, &mut anna, &before, PASSWORD).await.0, 400, "after {n} changes");
        bench.clock.pass_s(1);
        assert_eq!(change(&bench, &mut anna, &before, &next).await.0, 204, "{n}");
        before = next;
    }
    assert_eq!(change(&bench, &mut anna, &before, PASSWORD).await.0, 204, "five others came in between");
}

#[tokio::test]
async fn a_password_of_six_months_lets_in_only_to_change_it() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "operator").await;
    bench.clock.pass_s(180 * 86_400);
    let mut anna = bench.signed_in("anna").await;
    let session = bench.ask(&mut anna, "GET", "/api/v1/session", Value::Null).await;
    assert_eq!((session.status, &session.body["password_due"]), (200, &json!(true)));
    for (method, path) in [("GET", "/api/v1/hosts"), ("GET", "/api/v1/stream"), ("POST", "/api/v1/orders")] {
        assert_eq!(bench.ask(&mut anna, method, path, json!({})).await.code(), (403, "password_due"), "{path}");
    }
    assert_eq!(change(&bench, &mut anna, PASSWORD, OTHER).await.0, 204);
    assert_eq!(bench.ask(&mut anna, "GET", "/api/v1/hosts", Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_stolen_session_does_not_guess_the_password() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    let mut anna = bench.signed_in("anna").await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(change(&bench, &mut anna, "wrong", OTHER).await.0);
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429]);
}

#[tokio::test]
async fn a_token_and_the_local_root_have_no_account() {
    let (bench, _) = Bench::with_admin().await;
    for (method, path) in [("GET", "/api/v1/account"), ("POST", "/api/v1/account/totp")] {
        assert_eq!(bench.local(method, path, json!({})).await.code(), (403, "needs_session"), "{path}");
    }
}
