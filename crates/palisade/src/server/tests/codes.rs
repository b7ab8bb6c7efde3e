//! Sign-in with a second factor.

use crate::server::fixture::{Bench, Browser, PASSWORD};
use crate::server::totp::code_at;
use palisade_core::Clock;
use serde_json::{Value, json};

const NAME: &str = "anna";

/// A user with a second factor: the browser that set it up, its secret and recovery codes.
async fn with_factor(bench: &Bench) -> (Browser, String, Vec<String>) {
    bench.user(NAME, "operator").await;
    let mut browser = bench.signed_in(NAME).await;
    let begun = bench.ask(&mut browser, "POST", "/api/v1/account/totp", json!({})).await;
    let secret = begun.body["secret"].as_str().unwrap().to_owned();
    assert!(begun.body["uri"].as_str().unwrap().contains(&secret));
    assert!(begun.body["qr_svg"].as_str().unwrap().contains("<svg"));
    let wrong = bench.ask(&mut browser, "POST", "/api/v1/account/totp/confirm", json!({ "code": "000000" })).await;
    assert_eq!(wrong.code(), (400, "wrong_code"));
    let code = code_at(&secret, bench.clock.now().as_second());
    let confirmed = bench.ask(&mut browser, "POST", "/api/v1/account/totp/confirm", json!({ "code": code })).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let recovery = serde_json::from_value(confirmed.body["recovery"].clone()).unwrap();
    (browser, secret, recovery)
}

async fn sign_in(bench: &Bench, from: &str, password: &str, code: Option<&str>) -> (u16, String) {
    let wanted = json!({ "name": NAME, "password": password, "code": code });
    let answer = bench.sign_in(&mut Browser::at(from), wanted).await;
    (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_code_is_asked_for_after_a_right_password_only_and_accepted_once() {
    let (bench, _) = Bench::with_admin().await;
    let (_, secret, _) = with_factor(&bench).await;
    let here = "192.0.2.30";
    let used = code_at(&secret, bench.clock.now().as_second());
    let ask = async |password, code| sign_in(&bench, here, password, code).await;
    let (required, wrong) = ((401, "totp_required".to_owned()), (401, "wrong_credentials".to_owned()));
    assert_eq!(ask(PASSWORD, None).await, required);
    assert_eq!(ask(PASSWORD, Some("")).await, required);
    assert_eq!(ask("not it", None).await, wrong);
    assert_eq!(ask(PASSWORD, Some(&used)).await, wrong, "the code that confirmed it");
    bench.clock.pass_s(30);
    let next = code_at(&secret, bench.clock.now().as_second());
    assert_eq!(ask("not it", Some(&next)).await, wrong);
    assert_eq!(ask(PASSWORD, Some(&next)).await.0, 200, "a wrong password has not used it up");
    assert_eq!(ask(PASSWORD, Some(&next)).await, wrong, "once");
}

#[tokio::test]
async fn wrong_codes_lock_as_wrong_passwords_do_and_a_right_password_resets_nothing() {
    let (bench, _) = Bench::with_admin().await;
    with_factor(&bench).await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        assert!(matches!(sign_in(&bench, "192.0.2.30", PASSWORD, None).await.0, 401 | 429));
        statuses.push(sign_in(&bench, "192.0.2.30", PASSWORD, Some("000000")).await.0);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    let events = bench.local("GET", "/api/v1/audit?kind=frame.session.fail", Value::Null).await;
    assert_eq!(events.body["items"][0]["severity"], "high", "somebody knows the password");
}

#[tokio::test]
async fn each_recovery_code_signs_in_once() {
    let (bench, _) = Bench::with_admin().await;
    let (mut browser, _, recovery) = with_factor(&bench).await;
    assert_eq!(recovery.len(), 10);
    let typed = recovery[3].to_uppercase().replace('-', " ");
    assert_eq!(sign_in(&bench, "192.0.2.30", PASSWORD, Some(&typed)).await.0, 200);
    assert_eq!(sign_in(&bench, "192.0.2.30", PASSWORD, Some(&recovery[3])).await.0, 401);
    let account = bench.ask(&mut browser, "GET", "/api/v1/account", Value::Null).await;
    assert_eq!((&account.body["totp"], &account.body["recovery_left"]), (&json!(true), &json!(9)));
}

#[tokio::test]
async fn a_second_factor_ends_with_a_code_of_it_or_by_an_admin() {
    let (bench, mut admin) = Bench::with_admin().await;
    let (mut browser, secret, _) = with_factor(&bench).await;
    let end = async |browser: &mut Browser, code: &str| {
        bench.ask(browser, "DELETE", "/api/v1/account/totp", json!({ "password": PASSWORD, "code": code })).await.status
    };
    assert_eq!(end(&mut browser, "000000").await, 403);
    bench.clock.pass_s(30);
    assert_eq!(end(&mut browser, &code_at(&secret, bench.clock.now().as_second())).await, 204);
    assert_eq!(sign_in(&bench, "192.0.2.30", PASSWORD, None).await.0, 200);
    assert_eq!(bench.ask(&mut admin, "DELETE", "/api/v1/users/anna/totp", json!({})).await.status, 409, "has none");
}

#[tokio::test]
async fn a_link_for_a_new_password_needs_the_second_factor_too() {
    let (bench, mut admin) = Bench::with_admin().await;
    let (_, secret, _) = with_factor(&bench).await;
    let link = bench.ask(&mut admin, "POST", "/api/v1/users/anna/link", json!({})).await;
    let token = link.body["path"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
    let welcome = async |from: &str, code: Option<&str>| {
        let wanted = json!({ "token": token, "password": "Other-9-words!", "totp_code": code });
        bench.ask(&mut Browser::at(from), "POST", "/api/v1/welcome", wanted).await
    };
    assert_eq!(welcome("192.0.2.31", None).await.code(), (401, "totp_required"));
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(welcome("192.0.2.31", Some("000000")).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429], "a link is no way around the lock");
    bench.clock.pass_s(30);
    let code = code_at(&secret, bench.clock.now().as_second());
    assert_eq!(welcome("192.0.2.32", Some(&code)).await.status, 200);
    bench.local("DELETE", "/api/v1/users/anna/totp", json!({})).await;
    assert_eq!(sign_in(&bench, "192.0.2.33", "Other-9-words!", None).await.0, 200);
}
