//! Nothing that somebody wrote is lost unseen.

use super::bench::{Bench, note, said, switch};
use palisade_guard::resource::{Applied, ApplyError, Conflict, Document};
use palisade_guard::store::Source;
use serde_json::{Value, json};

fn conflict(done: Result<Applied, ApplyError>) -> Conflict {
    match done {
        Err(ApplyError::Conflict(body)) => body.conflict.into_iter().next().unwrap(),
        other => panic!("it is no conflict: {other:?}"),
    }
}

fn at(version: u64, document: Document) -> Document {
    Document { version: Some(version), ..document }
}

fn over(version: u64, document: Document) -> Document {
    Document { replaces: Some(version), ..document }
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

#[tokio::test]
async fn two_people_who_edit_one_version_get_a_conflict_with_all_three_sides() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "base")]).await.unwrap();
    bench.apply("ben", &[at(1, note("a", "theirs"))]).await.unwrap();
    let found = conflict(bench.apply("anna", &[at(1, note("a", "mine"))]).await);
    assert_eq!((found.mine, found.theirs, found.base), (text("mine"), Some(text("theirs")), Some(text("base"))));
    assert_eq!((found.version, found.updated_by.as_deref(), found.index), (2, Some("ben"), Some(0)));
    assert_eq!(bench.specs("Note").await[0].1, text("theirs"));
    bench.apply("anna", &[at(2, note("a", "both"))]).await.unwrap();
}

#[tokio::test]
async fn a_file_builds_on_what_its_own_writer_put_last_and_on_nothing_else() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "from git 1")]).await.unwrap();
    bench.apply("anna", &[note("a", "from git 2")]).await.unwrap();
    // an edit, even of the same person, is not in the file
    bench.apply("anna", &[at(2, note("a", "edited"))]).await.unwrap();
    let found = conflict(bench.apply("anna", &[note("a", "from git 3")]).await);
    assert_eq!((found.theirs, found.base), (Some(text("edited")), Some(text("from git 2"))));
    let done = bench.apply("anna", &[over(3, note("a", "from git 3"))]).await.unwrap();
    let overwritten = done.results[0].overwrites.as_ref().unwrap();
    assert_eq!((overwritten.version, overwritten.updated_by.as_str()), (3, "anna"));
    // from here on it is the file's again
    bench.apply("anna", &[note("a", "from git 4")]).await.unwrap();
    // another one's file is somebody else
    let found = conflict(bench.apply("ben", &[note("a", "from another checkout")]).await);
    assert_eq!((found.version, found.base), (5, None));
}

#[tokio::test]
async fn what_was_seen_and_has_changed_again_is_not_overwritten() {
    let bench = Bench::start().await;
    bench.apply("ben", &[note("a", "one")]).await.unwrap();
    let seen = conflict(bench.apply("anna", &[note("a", "mine")]).await).version;
    bench.apply("ben", &[note("a", "two")]).await.unwrap();
    let found = conflict(bench.apply("anna", &[over(seen, note("a", "mine"))]).await);
    assert_eq!((found.version, found.theirs), (2, Some(text("two"))));
    bench.apply("anna", &[over(2, note("a", "mine"))]).await.unwrap();
}

#[tokio::test]
async fn a_change_by_hand_is_seen_in_the_conflict_and_keeps_the_version_that_was_shown() {
    let bench = Bench::start().await;
    bench.apply("anna", &[switch("lamp", true)]).await.unwrap();
    bench.turn_by_hand("lamp", Some(false)).await;
    bench.turn_by_hand("fan", Some(true)).await;
    // the conflict is the first to see both; what it shows must be stored although nothing is applied
    let found = conflict(bench.dry_run("anna", &[switch("fan", false)]).await);
    assert_eq!((found.version, found.updated_by.as_deref()), (1, Some("hand")));
    assert_eq!(bench.versions("Switch", "fan").await.len(), 1);
    bench.turn_by_hand("fan", None).await;
    let found = conflict(bench.apply("anna", &[over(1, switch("fan", false))]).await);
    assert_eq!((found.version, found.theirs), (0, None), "it was removed since");
}

#[tokio::test]
async fn a_document_that_must_be_new_is_refused_when_there_is_one() {
    let bench = Bench::start().await;
    bench.apply("anna", &[at(0, note("a", "one"))]).await.unwrap();
    let found = conflict(bench.apply("anna", &[at(0, note("a", "two"))]).await);
    assert_eq!(found.version, 1);
    bench.delete("anna", "Note", "a").await.unwrap();
    let found = conflict(bench.apply("anna", &[at(1, note("a", "two"))]).await);
    assert_eq!((found.theirs, found.base), (None, Some(text("one"))), "an edit of what was removed since");
    bench.apply("anna", &[at(0, note("a", "two"))]).await.unwrap();
}

#[tokio::test]
async fn one_conflict_keeps_the_whole_file_from_being_applied() {
    let bench = Bench::start().await;
    bench.apply("ben", &[note("b", "one")]).await.unwrap();
    let Err(ApplyError::Conflict(body)) = bench.apply("anna", &[note("a", "one"), note("b", "two")]).await else {
        panic!("b was written by ben");
    };
    assert_eq!(body.message, "Note `b` was changed by ben (version 1)");
    assert_eq!(bench.specs("Note").await.len(), 1);
    assert!(bench.events().await.iter().any(|e| e.kind == "frame.resource.apply" && e.message == body.message));
}

#[tokio::test]
async fn the_source_of_a_version_tells_files_from_edits() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "one")]).await.unwrap();
    let done = bench.apply("anna", &[at(1, note("a", "two"))]).await.unwrap();
    assert_eq!(said(&done), ["change Note a 2"]);
    let sources: Vec<Source> = bench.versions("Note", "a").await.iter().map(|v| v.source).collect();
    assert_eq!(sources, [Source::Edit, Source::File]);
}
