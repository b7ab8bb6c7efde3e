//! Copies of a host at the link: refused under the name of their original, let in under one of their own.

use super::app::{App, host};
use crate::agent::identity::new_request;
use crate::server::peer::Peer;
use axum::http::StatusCode;
use palisade_guard::link::Hello;
use palisade_guard::store::{self, HostFacts, HostRow};
use serde_json::{Value, json};

fn hello(name: &str, machine: &str, run: &str) -> Value {
    let hello = Hello {
        host: host(name),
        facts: HostFacts::default(),
        now: None,
        machine: Some(machine.to_owned()),
        run: Some(run.to_owned()),
        specs: Default::default(),
        epoch: 1,
        feeds: Default::default(),
    };
    serde_json::to_value(hello).unwrap()
}

/// A new connection with the certificate of `row`.
fn peer(app: &App, row: &HostRow) -> Peer {
    Peer::new(row.id.clone(), app.server.presence.connection())
}

async fn stored(app: &App, name: &str) -> HostRow {
    let mut db = app.server.context.db.read().acquire().await.unwrap();
    store::host(&mut db, &host(name)).await.unwrap().unwrap()
}

fn renew() -> Value {
    json!({ "host": "web-1", "csr": new_request(&host("web-1")).unwrap().1, "clone": true })
}

#[tokio::test]
async fn a_copy_is_not_let_in_under_the_name_of_its_original_and_gets_one_of_its_own() {
    let app = App::start().await;
    let row = app.host("web-1", false).await;
    app.change("PATCH", "/api/v1/hosts/web-1", json!({ "region": "north", "profile": "protect" })).await;
    let original = peer(&app, &row);
    assert_eq!(app.link(&original, "/link/v1/hello", hello("web-1", "aa", "run-a")).await.0, StatusCode::OK);

    let copy = peer(&app, &row);
    let (status, _) = app.link(&copy, "/link/v1/renew", renew()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "nobody has found it to be a copy");
    let (status, said) = app.link(&copy, "/link/v1/hello", hello("web-1", "bb", "run-b")).await;
    assert_eq!((status, said["code"].as_str()), (StatusCode::CONFLICT, Some("clone")));
    assert!(said.to_string().starts_with("{\"code\":\"clone\""), "agents look at the beginning: {said}");
    assert_eq!(stored(&app, "web-1").await.machine.as_deref(), Some("aa"));
    assert_eq!(app.server.presence.runs(&host("web-1")), ["run-a"], "the copy is nothing heard of the original");

    let (status, answer) = app.link(&copy, "/link/v1/renew", renew()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer["chain"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    let new = stored(&app, "web-1-2").await;
    assert_eq!((new.machine.as_deref(), new.region.as_deref()), (Some("bb"), Some("north")));
    assert_eq!(new.profile.as_str(), "observe");
    assert_eq!(app.link(&copy, "/link/v1/renew", renew()).await.0, StatusCode::FORBIDDEN, "once");
    assert_eq!(app.events().await.iter().filter(|kind| *kind == "frame.host.clone").count(), 1);
    let own = peer(&app, &new);
    assert_eq!(app.link(&own, "/link/v1/hello", hello("web-1-2", "bb", "run-c")).await.0, StatusCode::OK);
    let mut db = app.server.context.db.read().acquire().await.unwrap();
    assert_eq!(store::generation(&mut db, &host("web-1-2"), "firewall").await.unwrap().to_string(), "1.1");
}

#[tokio::test]
async fn a_host_that_was_silent_long_enough_has_moved_and_its_new_machine_is_remembered() {
    let app = App::start().await;
    let row = app.host("web-1", false).await;
    app.clock.pass_s(601);
    let moved = peer(&app, &row);
    assert_eq!(app.link(&moved, "/link/v1/hello", hello("web-1", "bb", "run-b")).await.0, StatusCode::OK);
    assert_eq!(stored(&app, "web-1").await.machine.as_deref(), Some("bb"));
    assert_eq!(app.events().await[0], "frame.host.moved");
    // the machine of before is the copy now
    let old = peer(&app, &row);
    assert_eq!(app.link(&old, "/link/v1/hello", hello("web-1", "aa", "run-a")).await.0, StatusCode::CONFLICT);
}
