//! Probes as documents, in the loop that looks, and through the endpoints.

use crate::outside::{Outside, until};
use http::StatusCode;
use palisade_guard::api::Role;
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn tcp(target: &str) -> Value {
    json!({ "type": "tcp", "target": target, "interval": "60s", "timeout": "2s", "allow_private": true })
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn only_an_admin_may_reach_what_only_the_server_reaches() {
    let server = Outside::new().await;
    let error = server.apply(Role::Operator, &[("inside", tcp("127.0.0.1:22"))]).await.unwrap_err();
    assert!(
        error.starts_with("resources[0].spec.allow_private: a probe with `allow_private` needs role admin"),
        "{error}"
    );
    let outside = json!({ "type": "tcp", "target": "www.example.org:443" });
    server.apply(Role::Operator, &[("outside", outside.clone())]).await.unwrap();
    let error = server.apply(Role::Operator, &[("outside", tcp("127.0.0.1:22"))]).await.unwrap_err();
    assert!(error.contains("needs role admin"), "{error}");
    let mut foreign = outside;
    foreign["host"] = json!("nobody");
    let error = server.apply(Role::Admin, &[("foreign", foreign)]).await.unwrap_err();
    assert_eq!(error, "resources[0].spec.host: there is no host `nobody` in the fleet");
}

#[tokio::test]
async fn a_probe_is_looked_at_at_once_then_every_interval_and_its_outage_is_seen() {
    let server = Outside::new().await;
    let list = server.get("probes").await;
    assert_eq!(list["reason"], "there are no probes; apply a document of kind `Probe`");
    let (listening, address) = listener().await;
    server.apply(Role::Admin, &[("db", tcp(&address))]).await.unwrap();
    server.run();
    let last = || async { server.get("probes").await["items"][0]["last"].clone() };
    let first = until("the first look", || async { Some(last().await).filter(Value::is_object) }).await;
    assert!(first["up"] == true && first["facts"]["address"] == "127.0.0.1", "{first}");
    assert_eq!(server.newest("own").await["probe_up{probe=\"db\"}"], 1.0);

    drop(listening);
    server.advance(60);
    let second =
        until("the second look", || async { Some(last().await).filter(|look| look["at"] != first["at"]) }).await;
    assert!(second["up"] == false && second["error"].as_str().unwrap().contains("refused"), "{second}");
    assert_eq!(server.newest("own").await["probe_up{probe=\"db\"}"], 0.0);

    let list = server.get("probes").await;
    assert_eq!(
        (&list["items"][0]["host"], &list["items"][0]["can"]["run"]),
        (&json!("own"), &json!("needs role operator"))
    );
}

#[tokio::test]
async fn targets_that_hang_delay_no_other() {
    let server = Outside::new().await;
    // accepts and never says anything
    let (_silent, silent) = listener().await;
    let (_listening, address) = listener().await;
    let hanging =
        json!({ "type": "tls", "target": silent, "interval": "60s", "timeout": "30s", "allow_private": true });
    let names: Vec<String> = (0..50).map(|n| format!("hanging-{n}")).collect();
    let mut probes: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), hanging.clone())).collect();
    probes.push(("zebra", tcp(&address)));
    server.apply(Role::Admin, &probes).await.unwrap();
    let started = std::time::Instant::now();
    server.run();
    until("the look behind fifty that hang", || async {
        let list = server.get("probes?q=zebra").await;
        (list["items"][0]["last"]["up"] == true).then_some(())
    })
    .await;
    assert!(started.elapsed().as_secs() < 20, "it did not wait for the others");
}

#[tokio::test]
async fn a_look_that_is_asked_for_is_answered_and_kept() {
    let server = Outside::new().await;
    let (_listening, address) = listener().await;
    server.apply(Role::Admin, &[("db", tcp(&address))]).await.unwrap();
    let run = |role| server.call("POST", "probes/db/run", role, None);
    assert_eq!(run(Role::Viewer).await.0, StatusCode::FORBIDDEN);
    let (status, look) = run(Role::Operator).await;
    assert!(status == StatusCode::OK && look["up"] == true, "{look}");
    assert_eq!(server.get("probes").await["items"][0]["last"], look);
    assert_eq!(server.newest("own").await["probe_up{probe=\"db\"}"], 1.0);
    assert_eq!(server.call("POST", "probes/none/run", Role::Operator, None).await.0, StatusCode::NOT_FOUND);
}
