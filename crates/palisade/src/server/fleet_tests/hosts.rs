//! The place of a host in the fleet, as the API changes and shows it.

use super::app::{App, host};
use super::figures::look;
use crate::server::trust_store;
use axum::http::StatusCode;
use palisade_core::VerdictWord;
use palisade_guard::store;
use serde_json::{Value, json};

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|h| h["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_host_is_shown_with_its_place_its_verdict_and_its_certificate() {
    let app = App::start().await;
    let row = app.host("web-1", false).await;
    app.verdict("web-1", VerdictWord::ClockWrong).await;
    let shown = app.get("/api/v1/hosts/web-1").await;
    assert_eq!(shown["verdict"], json!({ "word": "clock_wrong", "since": "2026-11-22T12:00:00Z", "reason": "said" }));
    assert_eq!(shown["certificate"]["serial"], json!(row.serial));
    assert!(shown["certificate"]["not_after"].as_str().unwrap() > "2026-12-20", "{}", shown["certificate"]);
    assert_eq!(shown["state"], "unknown", "a host that is silent");
    let place = ["region", "tags", "kind", "profile", "standing", "lost"].map(|field| shown[field].clone());
    assert_eq!(place, [json!(null), json!({}), json!("agent"), json!("observe"), json!("active"), json!({})]);
    app.host("own", true).await;
    assert_eq!(app.get("/api/v1/hosts/own").await["certificate"], Value::Null);
}

#[tokio::test]
async fn tags_region_and_profile_are_changed_and_the_change_is_audited_once() {
    let app = App::start().await;
    app.host("web-1", false).await;
    let wanted = json!({ "region": "north", "tags": { "role": "web", "stage": "test" }, "profile": "protect" });
    let shown = app.change("PATCH", "/api/v1/hosts/web-1", wanted.clone()).await;
    assert_eq!((&shown["region"], &shown["profile"]), (&json!("north"), &json!("protect")));
    assert_eq!(shown["tags"], json!({ "role": "web", "stage": "test" }));
    app.change("PATCH", "/api/v1/hosts/web-1", wanted).await;
    let tags = json!({ "tags": { "stage": null } });
    assert_eq!(app.change("PATCH", "/api/v1/hosts/web-1", tags).await["tags"], json!({ "role": "web" }));
    let shown = app.change("PATCH", "/api/v1/hosts/web-1", json!({ "region": null })).await;
    assert_eq!((&shown["region"], &shown["tags"]), (&Value::Null, &json!({ "role": "web" })));
    let kinds = app.events().await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "frame.host.tag").count(), 3, "what changes nothing is no event");
    for wrong in [
        json!({ "tags": { "Role": "web" } }),
        json!({ "region": "" }),
        json!({ "region": "a\nb" }),
        json!({ "profile": "all" }),
        json!({ "name": "web-2" }),
    ] {
        let (status, said) = app.call("PATCH", "/api/v1/hosts/web-1", wrong.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {said}");
    }
}

#[tokio::test]
async fn hosts_are_found_by_region_tag_verdict_and_words_and_sorted() {
    let app = App::start().await;
    for (name, region, role) in [("web-1", "north", "web"), ("web-2", "south", "web"), ("db-1", "north", "db")] {
        app.host(name, false).await;
        let place = json!({ "region": region, "tags": { "role": role } });
        app.change("PATCH", &format!("/api/v1/hosts/{name}"), place).await;
    }
    let mut tx = app.begin().await;
    store::look_put(&mut tx, &host("web-2"), &look("web-2", "access", app.now())).await.unwrap();
    tx.commit().await.unwrap();
    app.verdict("web-1", VerdictWord::Killed).await;
    for (query, found) in [
        ("", vec!["db-1", "web-1", "web-2"]),
        ("region=north", vec!["db-1", "web-1"]),
        ("tag=role%3Dweb&region=north", vec!["web-1"]),
        ("tag=role%3Dweb&tag=role%3Dweb", vec!["web-1", "web-2"]),
        ("verdict=killed", vec!["web-1"]),
        ("q=SOUTH%20web", vec!["web-2"]),
        ("sort=-name", vec!["web-2", "web-1", "db-1"]),
        ("sort=verdict", vec!["web-1", "db-1", "web-2"]),
        ("sort=-state", vec!["web-2", "db-1", "web-1"]),
        ("sort=-findings&limit=2", vec!["web-2", "db-1"]),
        ("limit=2&cursor=2", vec!["web-2"]),
    ] {
        assert_eq!(names(&app.get(&format!("/api/v1/hosts?{query}")).await), found, "{query}");
    }
    let page = app.get("/api/v1/hosts?limit=2").await;
    assert_eq!((&page["total"], &page["next_cursor"]), (&json!(3), &json!("2")));
}

#[tokio::test]
async fn a_revoked_host_is_cut_its_certificates_count_no_more_and_it_is_unknown() {
    let app = App::start().await;
    app.host("web-1", false).await;
    let mut cuts = app.server.context.cuts();
    let (status, _) = app.call("POST", "/api/v1/hosts/web-1/revoke", json!({})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "why is asked for");
    let shown = app.change("POST", "/api/v1/hosts/web-1/revoke", json!({ "reason": "stolen" })).await;
    assert_eq!((&shown["standing"], &shown["verdict"]["word"]), (&json!("revoked"), &json!("revoked")));
    assert!(shown["verdict"]["reason"].as_str().unwrap().contains("stolen"));
    assert_eq!(shown["can"]["tag"], "its certificate was revoked");
    assert_eq!(cuts.try_recv().unwrap(), host("web-1"));
    let mut db = app.server.context.db.read().acquire().await.unwrap();
    let certificates = trust_store::certificates_of(&mut db, &host("web-1")).await.unwrap();
    assert!(!certificates.is_empty() && certificates.iter().all(|c| c.revoked_at.is_some()));
    assert_eq!(names(&app.get("/api/v1/hosts").await), ["web-1"]);
    assert_eq!(names(&app.get("/api/v1/hosts?standing=active").await), Vec::<&str>::new());
    let overview = app.get("/api/v1/overview").await;
    assert_eq!(overview["hosts"][0]["state"], "unknown");
    assert_eq!(app.call("PATCH", "/api/v1/hosts/web-1", json!({ "region": "x" })).await.0, StatusCode::CONFLICT);
    let (again, _) = app.call("POST", "/api/v1/hosts/web-1/revoke", json!({ "reason": "stolen" })).await;
    assert_eq!(again, StatusCode::CONFLICT);
    assert_eq!(app.events().await[0], "frame.host.revoke");
}

#[tokio::test]
async fn a_retired_host_is_nowhere_until_it_is_asked_for() {
    let app = App::start().await;
    app.host("web-1", false).await;
    app.host("web-2", false).await;
    app.change("POST", "/api/v1/hosts/web-1/retire", json!({})).await;
    assert_eq!(names(&app.get("/api/v1/hosts").await), ["web-2"]);
    assert_eq!(names(&app.get("/api/v1/hosts?standing=retired").await), ["web-1"]);
    assert_eq!(names(&app.get("/api/v1/hosts?standing=all").await), ["web-1", "web-2"]);
    assert_eq!(app.get("/api/v1/hosts/web-1").await["standing"], "retired", "its history stays");
    assert_eq!(app.get("/api/v1/overview").await["hosts_total"], 1);
    assert_eq!(app.get("/api/v1/status").await["hosts_total"], 1);
    let plan = app.change("POST", "/api/v1/firewall/bans", json!({ "address": "203.0.113.9", "for": "1h" })).await;
    assert_eq!(plan["hosts"], json!(["web-2"]));
    let (status, _) = app.call("POST", "/api/v1/orders", json!({ "host": "web-1", "kind": "look" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(app.call("POST", "/api/v1/hosts/web-1/retire", json!({})).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn the_servers_own_host_has_nothing_to_revoke_and_is_retired_only_when_its_agent_is_away() {
    let app = App::start().await;
    app.host("own", true).await;
    assert_eq!(app.call("POST", "/api/v1/hosts/own/retire", json!({})).await.0, StatusCode::CONFLICT);
    let (status, said) = app.call("POST", "/api/v1/hosts/own/revoke", json!({ "reason": "x" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(said["message"].as_str().unwrap().contains("no certificate"), "{said}");
    app.verdict("own", VerdictWord::Ended).await;
    app.change("POST", "/api/v1/hosts/own/retire", json!({})).await;
}

#[tokio::test]
async fn what_a_caller_may_do_with_a_host_follows_the_role() {
    let app = App::start().await;
    app.host("web-1", false).await;
    let tokens = [app.token("viewer").await, app.token("operator").await, app.token("admin").await];
    let may = async |token: &str, method: &str, path: &str, body: Value| {
        app.call_as(token, method, path, body).await.0.is_success()
    };
    for (token, [tag, retire]) in tokens.iter().zip([[false, false], [true, false], [true, true]]) {
        let (_, shown) = app.call_as(token, "GET", "/api/v1/hosts/web-1", Value::Null).await;
        assert_eq!(shown["can"]["tag"] == json!(true), tag, "{}", shown["can"]);
        assert_eq!(shown["can"]["ban"] == json!(true), tag, "{}", shown["can"]);
        assert_eq!(shown["can"]["revoke"] == json!(true), retire, "{}", shown["can"]);
        assert_eq!(may(token, "PATCH", "/api/v1/hosts/web-1", json!({ "region": "n" })).await, tag);
        assert_eq!(may(token, "POST", "/api/v1/hosts/web-1/retire", json!({})).await, retire);
    }
}

#[tokio::test]
async fn a_new_host_gets_the_specs_that_hold_for_the_fleet() {
    let app = App::start().await;
    let mut tx = app.begin().await;
    crate::server::fleet::welcome(&app.server, &mut tx, &host("web-1")).await.unwrap();
    assert_eq!(store::generation(&mut tx, &host("web-1"), "firewall").await.unwrap().to_string(), "1.1");
}
