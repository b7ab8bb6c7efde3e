//! Rolling back what documents have made.

use super::bench::{Bench, note, switch};
use palisade_guard::resource::Document;
use palisade_guard::store::Source;
use serde_json::json;

#[tokio::test]
async fn made_changed_and_removed_resources_go_back_to_the_version_before() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("changed", "one"), note("removed", "one")]).await.unwrap();
    let change = bench.apply("anna", &[note("changed", "two"), note("made", "one")]).await.unwrap();
    let removal = bench.delete("anna", "Note", "removed").await.unwrap();
    assert!(bench.undo("ben", &removal.plans[0]).await.unwrap());
    assert!(bench.undo("ben", &change.plans[0]).await.unwrap());
    let specs = bench.specs("Note").await;
    assert_eq!(specs, ["changed", "removed"].map(|n| (n.to_owned(), json!({ "text": "one" }))));
    let newest = bench.versions("Note", "changed").await.remove(0);
    assert_eq!((newest.version, newest.updated_by.as_str(), newest.source), (3, "ben", Source::Edit));
}

#[tokio::test]
async fn a_kind_with_its_own_table_is_put_back_there() {
    let bench = Bench::start().await;
    let done = bench.apply("anna", &[switch("lamp", true)]).await.unwrap();
    bench.undo("anna", &done.plans[0]).await.unwrap();
    assert!(bench.specs("Switch").await.is_empty());
}

#[tokio::test]
async fn what_was_changed_since_is_not_put_back() {
    let bench = Bench::start().await;
    let done = bench.apply("anna", &[note("a", "one"), switch("lamp", true)]).await.unwrap();
    bench.apply("ben", &[Document { version: Some(1), ..note("a", "two") }]).await.unwrap();
    bench.turn_by_hand("lamp", Some(false)).await;
    for plan in &done.plans {
        let error = bench.undo("anna", plan).await.unwrap_err();
        assert_eq!(error.status(), 409);
        assert!(error.message().contains("was changed since"), "{error:?}");
    }
    assert_eq!(bench.specs("Note").await[0].1, json!({ "text": "two" }));
}

#[tokio::test]
async fn a_plan_that_no_document_made_is_left_to_its_guard() {
    let bench = Bench::start().await;
    assert!(!bench.undo("anna", "p-7").await.unwrap());
    assert!(!bench.undo("anna", "").await.unwrap());
}
