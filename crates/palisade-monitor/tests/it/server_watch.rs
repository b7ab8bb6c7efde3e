//! Hosts that tell when the server is silent: who is given what, and what a host refuses.

use crate::notify::Reversed;
use crate::setting::{Fleet, names};
use palisade_guard::Keep;
use palisade_guard::notice::NoNotify;
use palisade_guard::resource::ApplyError;
use palisade_monitor::notify::secret;
use palisade_monitor::server_watch::{Secret, WatchSpec, kind};
use palisade_monitor::setting::{SettingKeep, SettingSpec, Settings};
use serde_json::{Value, json};
use std::sync::Arc;

async fn fleet() -> Fleet {
    let mut fleet = Fleet::new().await;
    fleet.context = fleet.context.clone().with(Arc::new(NoNotify), Arc::new(Reversed), None);
    set(&fleet, "first").await;
    fleet
}

async fn set(fleet: &Fleet, value: &str) {
    let mut tx = fleet.context.begin().await.unwrap();
    let by = ("ada", fleet.context.now());
    secret::put(&mut tx, fleet.context.vault.as_ref(), ("outside", value), by).await.unwrap();
    tx.commit().await.unwrap();
}

fn watch(scope: Value) -> Value {
    let channel = json!({ "url": "https://example.org/gone", "secret": "outside" });
    json!({ "scope": scope, "after": "10m", "channel": channel })
}

async fn refused(fleet: &Fleet, spec: Value) -> (u16, String) {
    match fleet.apply_as_admin(&[("ServerWatch", "w", spec)]).await {
        Err(ApplyError::Other(error)) => (error.status().as_u16(), error.path().unwrap_or_default().to_owned()),
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn only_the_hosts_of_its_scope_are_given_the_secret_and_share_their_spec_with_nobody() {
    let fleet = fleet().await;
    let done = fleet.apply_as_admin(&[("ServerWatch", "w", watch(json!({ "hosts": ["web-1"] })))]).await.unwrap();
    assert_eq!(names(&done.plan.hosts), ["web-1"]);
    assert_eq!(done.plan.effects.len(), 1, "one host is not too many: {:?}", done.plan.effects);
    assert!(!serde_json::to_string(&done).unwrap().contains("first"), "the plan shows no secret");
    let given = fleet.spec("web-1").await.server_watches;
    assert_eq!((given[0].after_s, given[0].secret.as_ref()), (600, Some(&Secret("first".to_owned()))));
    assert!(!format!("{given:?}").contains("first"), "nor does a log");
    assert!(fleet.spec("web-2").await.server_watches.is_empty());
    assert_eq!(fleet.scope("web-1").await, None);
    assert!(fleet.scope("web-2").await.is_some());
    // a new value of the secret reaches them, and nobody else
    let mut db = fleet.context.db.read().acquire().await.unwrap();
    assert_eq!(names(&kind::hosts_of_secret(&mut db, "outside").await.unwrap()), ["web-1"]);
    assert!(kind::hosts_of_secret(&mut db, "other").await.unwrap().is_empty());
    drop(db);
    set(&fleet, "second").await;
    assert_eq!(fleet.spec("web-1").await.server_watches[0].secret, Some(Secret("second".to_owned())));
}

#[tokio::test]
async fn a_watch_by_an_operator_without_its_secret_or_out_of_bounds_is_refused_where_it_is_wrong() {
    let fleet = fleet().await;
    let all = || watch(json!({}));
    match fleet.apply(&[("ServerWatch", "w", all())]).await {
        Err(ApplyError::Other(error)) => assert_eq!(error.status().as_u16(), 403, "{error:?}"),
        other => panic!("an operator may not: {other:?}"),
    }
    let with = |part: &str, value: Value| {
        let mut spec = all();
        *spec.pointer_mut(part).unwrap() = value;
        spec
    };
    for (spec, status, path) in [
        (with("/after", json!("4s")), 400, "resources[0].spec.after"),
        (with("/after", json!("2d")), 400, "resources[0].spec.after"),
        (with("/channel/url", json!("ftp://example.org/")), 400, "resources[0].spec.channel.url"),
        (with("/channel/url", json!("https://a:b@example.org/")), 400, "resources[0].spec.channel.url"),
        (with("/channel/secret", json!("Not A Name")), 400, "resources[0].spec.channel.secret"),
        (with("/channel/secret", json!("unset")), 409, "resources[0].spec.channel.secret"),
    ] {
        assert_eq!(refused(&fleet, spec.clone()).await, (status, path.to_owned()), "{spec}");
    }
    for name in ["a", "b", "c", "d"] {
        fleet.apply_as_admin(&[("ServerWatch", name, all())]).await.unwrap();
    }
    assert_eq!(refused(&fleet, all()).await, (409, "resources[0].spec.scope".to_owned()), "a fifth for one host");
}

#[tokio::test]
async fn more_than_three_hosts_are_warned_of() {
    let fleet = fleet().await;
    let mut tx = fleet.context.begin().await.unwrap();
    let more = palisade_guard::store::HostRow::new("web-3".parse().unwrap(), fleet.context.now());
    palisade_guard::store::host_put(&mut tx, &more).await.unwrap();
    tx.commit().await.unwrap();
    let done = fleet.apply_as_admin(&[("ServerWatch", "w", watch(json!({})))]).await.unwrap();
    let said: Vec<&str> = done.plan.effects.iter().map(|effect| effect.sentence.as_str()).collect();
    assert!(said.len() == 2 && said[0].starts_with("4 hosts store the address"), "the worst comes first: {said:?}");
}

#[test]
fn a_host_refuses_what_a_server_must_not_ask_for() {
    let settings = Arc::new(Settings::default());
    let keep = SettingKeep(Arc::clone(&settings));
    let good = WatchSpec {
        name: "w".to_owned(),
        after_s: 600,
        url: "https://example.org/gone".to_owned(),
        secret: Some(Secret("s".to_owned())),
        ca_pem: None,
        allow_private: false,
    };
    let spec = |watches: Vec<WatchSpec>| SettingSpec { server_watches: watches, ..SettingSpec::default() };
    let now = crate::stored::at(crate::stored::NOON);
    let bad = [
        spec(vec![good.clone(); 5]),
        spec(vec![WatchSpec { after_s: 1, ..good.clone() }]),
        spec(vec![WatchSpec { after_s: u32::MAX, ..good.clone() }]),
        spec(vec![WatchSpec { url: "file:///etc/passwd".to_owned(), ..good.clone() }]),
        spec(vec![WatchSpec { name: "../../x".to_owned(), ..good.clone() }]),
        spec(vec![WatchSpec { secret: Some(Secret("s".repeat(4_097))), ..good.clone() }]),
    ];
    for spec in bad {
        assert!(keep.plan(&spec, &SettingSpec::default(), now).is_err(), "{spec:?}");
        assert!(keep.apply(&spec, now).is_err(), "{spec:?}");
    }
    let steps = keep.plan(&spec(vec![good]), &SettingSpec::default(), now).unwrap();
    assert_eq!((steps[0].permit.as_str(), steps[0].object.as_str()), ("observe", "every 60 s, 1 watch of the server"));
}
