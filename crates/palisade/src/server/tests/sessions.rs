//! Sessions end by themselves, one by one, and all together.

use crate::server::fixture::{Bench, Browser};
use serde_json::{Value, json};

const HOUR_S: i64 = 3600;

async fn is_in(bench: &Bench, browser: &mut Browser) -> bool {
    bench.ask(browser, "GET", "/api/v1/hosts", Value::Null).await.status == 200
}

async fn ids(bench: &Bench, browser: &mut Browser, query: &str) -> (u16, Vec<(String, String, bool)>) {
    let page = bench.ask(browser, "GET", &format!("/api/v1/sessions{query}"), Value::Null).await;
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = page.body["items"].as_array().into_iter().flatten();
    (page.status, rows.map(|r| (text(r, "user"), text(r, "id"), r["current"] == json!(true))).collect())
}

#[tokio::test]
async fn a_session_ends_two_hours_after_its_last_use_and_twelve_after_its_beginning() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    let mut anna = bench.signed_in("anna").await;
    for hour in 1..=11 {
        bench.clock.pass_s(HOUR_S);
        assert!(is_in(&bench, &mut anna).await, "hour {hour}: used every hour");
    }
    bench.clock.pass_s(HOUR_S);
    assert!(!is_in(&bench, &mut anna).await, "twelve hours");
    let mut anna = bench.signed_in("anna").await;
    bench.clock.pass_s(2 * HOUR_S);
    assert!(!is_in(&bench, &mut anna).await, "two hours of silence");
}

#[tokio::test]
async fn what_a_page_asks_by_itself_keeps_no_session_alive() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("anna", "viewer").await;
    let mut anna = bench.signed_in("anna").await;
    let mut page = anna.clone();
    page.background = true;
    bench.clock.pass_s(2 * HOUR_S - 60);
    assert!(is_in(&bench, &mut page).await);
    bench.clock.pass_s(60);
    assert!(!is_in(&bench, &mut anna).await);
}

#[tokio::test]
async fn sessions_of_others_do_not_exist_for_who_is_no_admin() {
    let (bench, mut admin) = Bench::with_admin().await;
    bench.user("anna", "operator").await;
    bench.user("bert", "viewer").await;
    let (mut anna, mut bert) = (bench.signed_in("anna").await, bench.signed_in("bert").await);
    let (_, own) = ids(&bench, &mut bert, "").await;
    assert_eq!((own.len(), own[0].0.as_str(), own[0].2), (1, "bert", true));
    for query in ["?user=bert", "?all=true", "?user=nobody"] {
        assert_eq!(ids(&bench, &mut anna, query).await.0, 403, "{query}");
    }
    let berts = format!("/api/v1/sessions/{}", own[0].1);
    assert_eq!(bench.ask(&mut anna, "DELETE", &berts, json!({})).await.status, 404);
    assert_eq!(bench.ask(&mut anna, "DELETE", "/api/v1/sessions?user=bert", json!({})).await.status, 403);
    assert!(is_in(&bench, &mut bert).await);
    assert_eq!(ids(&bench, &mut admin, "?all=true").await.1.len(), 3);
    assert_eq!(bench.ask(&mut admin, "DELETE", &berts, json!({})).await.status, 204);
    assert!(!is_in(&bench, &mut bert).await);
}

#[tokio::test]
async fn a_viewer_ends_own_sessions_one_by_one_or_all_others() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("bert", "viewer").await;
    let mut here = bench.signed_in("bert").await;
    let mut others = [bench.signed_in("bert").await, bench.signed_in("bert").await];
    let (_, listed) = ids(&bench, &mut others[0], "").await;
    let current = listed.iter().find(|row| row.2).unwrap().1.clone();
    let path = format!("/api/v1/sessions/{current}");
    assert_eq!(bench.ask(&mut here, "DELETE", &path, json!({})).await.status, 204);
    assert!(!is_in(&bench, &mut others[0]).await);
    let ended = bench.ask(&mut here, "DELETE", "/api/v1/sessions", json!({})).await;
    assert_eq!(ended.body["ended"], 1);
    assert!(!is_in(&bench, &mut others[1]).await && is_in(&bench, &mut here).await);
}

#[tokio::test]
async fn the_twenty_first_session_of_a_user_ends_the_oldest() {
    let (bench, _) = Bench::with_admin().await;
    bench.user("bert", "viewer").await;
    let mut first = bench.signed_in("bert").await;
    for _ in 0..20 {
        bench.clock.pass_s(1);
        bench.signed_in("bert").await;
    }
    assert!(!is_in(&bench, &mut first).await);
    let mut admin = bench.signed_in("root-1").await;
    assert_eq!(ids(&bench, &mut admin, "?user=bert").await.1.len(), 20);
}
