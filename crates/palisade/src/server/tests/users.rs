//! Users are made, changed and shut out.

use crate::server::fixture::{Bench, Browser, PASSWORD};
use serde_json::{Value, json};

#[tokio::test]
async fn a_user_without_a_password_sets_one_by_a_link_that_works_once_and_only_for_the_name() {
    let (bench, mut admin) = Bench::with_admin().await;
    let wanted = json!({ "name": "anna", "role": "operator" });
    let made = bench.ask(&mut admin, "POST", "/api/v1/users", wanted.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(bench.ask(&mut admin, "POST", "/api/v1/users", wanted).await.status, 409);
    let path = made.body["link"]["path"].as_str().unwrap().to_owned();
    assert!(path.ends_with("&name=anna"), "{path}");
    let token = path.split_once('#').unwrap().1.to_owned();
    let mut anna = Browser::at("192.0.2.20");
    let sign_in = json!({ "name": "anna", "password": "" });
    assert_eq!(bench.sign_in(&mut anna, sign_in).await.status, 401, "no password is no empty password");
    let mut welcome = async |name: &str, password: &str| {
        let wanted = json!({ "token": token, "name": name, "password": password });
        bench.ask(&mut anna, "POST", "/api/v1/welcome", wanted).await
    };
    assert_eq!(welcome("bert", PASSWORD).await.status, 400, "the link is for anna");
    assert_eq!(welcome("anna", "weak").await.code(), (400, "weak_password"));
    let used = welcome("anna", PASSWORD).await;
    assert_eq!((used.status, &used.body["role"]), (200, &json!("operator")), "the role stays");
    assert_eq!(welcome("anna", "Other-9-words!").await.code(), (401, "link_used"));
}

#[tokio::test]
async fn a_new_link_ends_the_one_before_and_a_disabled_user_has_none() {
    let (bench, mut admin) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    let link = async |admin: &mut Browser| bench.ask(admin, "POST", "/api/v1/users/anna/link", json!({})).await;
    let first = link(&mut admin).await.body["path"].as_str().unwrap().to_owned();
    assert_eq!(link(&mut admin).await.status, 200);
    let token = first.split_once('#').unwrap().1;
    let wanted = json!({ "token": token, "password": "Other-9-words!" });
    let answer = bench.ask(&mut Browser::at("192.0.2.20"), "POST", "/api/v1/welcome", wanted).await;
    assert_eq!(answer.code(), (401, "link_used"));
    bench.local("PATCH", "/api/v1/users/anna", json!({ "disabled": true })).await;
    assert_eq!(link(&mut admin).await.status, 409);
}

#[tokio::test]
async fn the_last_admin_can_be_neither_disabled_nor_demoted() {
    let (bench, mut admin) = Bench::with_admin().await;
    let mut change = async |name: &str, wanted: Value| {
        bench.ask(&mut admin, "PATCH", &format!("/api/v1/users/{name}"), wanted).await
    };
    let refused = change("root-1", json!({ "role": "viewer" })).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body["message"].as_str().unwrap().contains("last admin"), "{refused:?}");
    assert_eq!(change("root-1", json!({ "disabled": true })).await.status, 409);
    // an admin who cannot sign in yet is none
    bench.local("POST", "/api/v1/users", json!({ "name": "new-2", "role": "admin" })).await;
    assert_eq!(change("root-1", json!({ "disabled": true })).await.status, 409);
    let listed = bench.local("GET", "/api/v1/users", Value::Null).await;
    let root = listed.body["items"].as_array().unwrap().iter().find(|u| u["name"] == "root-1").unwrap().clone();
    assert_eq!(root["can"]["disable"], "the last admin who can sign in");
    bench.user("bert", "admin").await;
    assert_eq!(change("root-1", json!({ "role": "viewer" })).await.status, 200);
}

#[tokio::test]
async fn a_changed_role_and_a_disabled_user_take_effect_with_the_next_request() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "operator").await;
    let mut anna = bench.signed_in("anna").await;
    let role =
        async |anna: &mut Browser| bench.ask(anna, "GET", "/api/v1/session", Value::Null).await.body["role"].clone();
    assert_eq!(role(&mut anna).await, "operator");
    bench.local("PATCH", "/api/v1/users/anna", json!({ "role": "viewer" })).await;
    assert_eq!(role(&mut anna).await, "viewer");
    assert_eq!(bench.ask(&mut anna, "POST", "/api/v1/orders", json!({})).await.status, 403);
    bench.local("PATCH", "/api/v1/users/anna", json!({ "disabled": true })).await;
    assert_eq!(bench.ask(&mut anna, "GET", "/api/v1/session", Value::Null).await.status, 401);
    let right = json!({ "name": "anna", "password": PASSWORD });
    assert_eq!(bench.sign_in(&mut anna, right.clone()).await.code(), (401, "wrong_credentials"), "as if unknown");
    bench.local("PATCH", "/api/v1/users/anna", json!({ "disabled": false })).await;
    assert_eq!(
        bench.ask(&mut anna, "GET", "/api/v1/session", Value::Null).await.status,
        401,
        "old sessions stay ended"
    );
    assert_eq!(bench.sign_in(&mut anna, right).await.status, 200);
}

#[tokio::test]
async fn names_that_mean_palisade_itself_or_lead_elsewhere_are_refused() {
    let (bench, _) = Bench::with_admin().await;
    for name in ["local-root", "server", "token x", "", "a/b", "..", "-rf", "ä", &"x".repeat(65)] {
        let made = bench.local("POST", "/api/v1/users", json!({ "name": name, "role": "viewer" })).await;
        assert_eq!(made.status, 400, "{name}");
    }
}
