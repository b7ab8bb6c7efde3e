//! How hosts are told by which alarms they are covered.

use crate::setting::{Fleet, names, web};
use palisade_guard::store as frame;
use palisade_monitor::notify::outbox;
use palisade_monitor::setting::cover::{self, Cover};
use serde_json::json;

async fn round(fleet: &Fleet) -> Vec<String> {
    names(&cover::round(&fleet.context).await.unwrap())
}

async fn told(fleet: &Fleet, host: &str) -> Option<Cover> {
    fleet.spec(host).await.cover
}

async fn answered(fleet: &Fleet, channel: &str, error: Option<&str>) {
    let mut tx = fleet.context.begin().await.unwrap();
    outbox::health_put(&mut tx, channel, error, fleet.context.now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn generation(fleet: &Fleet, host: &str) -> u64 {
    let mut db = fleet.context.db.read().acquire().await.unwrap();
    frame::generation(&mut db, &host.parse().unwrap(), "monitor").await.unwrap().n
}

fn covered(rules: u32, channels: u32, channel_works: Option<bool>) -> Option<Cover> {
    Some(Cover { rules, channels, channel_works })
}

#[tokio::test]
async fn a_host_is_told_once_of_every_change_of_what_covers_it_and_nobody_else_is() {
    let fleet = Fleet::new().await;
    assert_eq!(told(&fleet, "web-1").await, None, "nobody has told it yet");
    assert_eq!(round(&fleet).await, ["db-1", "web-1", "web-2"], "a printer has no agent to tell");
    assert_eq!(told(&fleet, "web-1").await, covered(0, 0, None));
    assert!(round(&fleet).await.is_empty());

    let policy = json!({ "metric": "load1", "operator": ">", "threshold": 1 });
    let rule = |enabled: bool| json!({ "scope": web(), "enabled": enabled, "policies": [policy] });
    fleet.apply(&[("AlarmRule", "busy", rule(true))]).await.unwrap();
    let before = generation(&fleet, "db-1").await;
    assert_eq!(round(&fleet).await, ["web-1", "web-2"]);
    assert_eq!((told(&fleet, "web-2").await, told(&fleet, "db-1").await), (covered(1, 0, None), covered(0, 0, None)));
    assert_eq!((generation(&fleet, "db-1").await, generation(&fleet, "web-1").await), (before, before + 1));
    assert_eq!(fleet.scope("web-1").await, fleet.scope("web-2").await, "they still share one spec");

    let hook = json!({ "type": "webhook", "url": "https://example.org/hook" });
    let policy = json!({ "match": { "scope": web() }, "channels": ["hook", "gone"] });
    fleet.apply(&[("NotificationChannel", "hook", hook), ("NotificationPolicy", "ops", policy)]).await.unwrap();
    round(&fleet).await;
    assert_eq!(told(&fleet, "web-1").await, covered(1, 1, None), "a channel that is not there counts for nothing");
    for (error, works) in [(None, true), (Some("410: gone"), false), (None, true)] {
        answered(&fleet, "hook", error).await;
        assert_eq!(round(&fleet).await, ["web-1", "web-2"]);
        assert_eq!(told(&fleet, "web-1").await, covered(1, 1, Some(works)));
    }
    fleet.apply(&[("AlarmRule", "busy", rule(false))]).await.unwrap();
    assert_eq!(round(&fleet).await, ["web-1", "web-2"]);
    assert_eq!(told(&fleet, "web-1").await, covered(0, 1, Some(true)));
}

#[tokio::test]
async fn without_a_policy_every_channel_is_told_and_the_built_in_rules_count() {
    let fleet = Fleet::new().await;
    let hook = json!({ "type": "webhook", "url": "https://example.org/hook" });
    fleet.apply(&[("NotificationChannel", "hook", hook.clone()), ("NotificationChannel", "more", hook)]).await.unwrap();
    let mut tx = fleet.context.begin().await.unwrap();
    palisade_monitor::alarm::store::basics_put(&mut tx, true, "ada", fleet.context.now()).await.unwrap();
    tx.commit().await.unwrap();
    round(&fleet).await;
    let cover = told(&fleet, "db-1").await.unwrap();
    assert!(cover.rules > 5 && cover.channels == 2, "{cover:?}");
    // one of two that fails is no reason to call it broken
    answered(&fleet, "hook", Some("refused")).await;
    assert!(round(&fleet).await.is_empty());
    answered(&fleet, "more", Some("refused")).await;
    assert_eq!(round(&fleet).await.len(), 3);
    assert_eq!(told(&fleet, "db-1").await.unwrap().channel_works, Some(false));
}
