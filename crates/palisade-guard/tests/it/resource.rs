//! Applying, deleting and undoing resources of two kinds: one in the frame's table, one in its own.

mod bench;
mod locking;
mod undo;

use bench::{Bench, file, note, switch};
use palisade_core::PlanState;
use palisade_guard::api::Role;
use palisade_guard::kind::Action;
use palisade_guard::resource::{ApplyError, DOCUMENTS_MAX, Document};
use palisade_guard::store::Source;
use proptest::prelude::*;
use serde_json::json;

#[tokio::test]
async fn a_file_is_one_change_and_the_second_time_none() {
    let bench = Bench::start().await;
    let file = [switch("lamp", true), note("a", "one"), note("b", "two")];
    let done = bench.apply("anna", &file).await.unwrap();
    assert_eq!(bench::said(&done), ["create Switch lamp 1", "create Note a 1", "create Note b 1"]);
    assert_eq!(done.plans, ["p-1", "p-2"], "one plan for each guard");
    let again = bench.apply("anna", &file).await.unwrap();
    assert_eq!(bench::said(&again), ["unchanged Switch lamp 1", "unchanged Note a 1", "unchanged Note b 1"]);
    assert!(again.plans.is_empty() && again.plan.effects.is_empty() && again.plan.state == PlanState::Preview);
    assert_eq!(bench.versions("Note", "a").await.len(), 1, "what is unchanged makes no version");
}

#[tokio::test]
async fn a_kind_is_put_behind_those_that_it_refers_to_and_removed_before_them() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "of lamp"), switch("lamp", true)]).await.unwrap();
    assert_eq!(bench.acts(), ["put Switch lamp", "put Note a"]);
    let plan = bench.apply("anna", &[note("a", "of lamp 2"), switch("lamp", false)]).await.unwrap();
    assert_eq!(bench.acts(), ["put Switch lamp", "put Note a"]);
    // each guard's plan is undone by itself
    bench.undo("anna", &plan.plans[0]).await.unwrap();
    bench.undo("anna", &plan.plans[1]).await.unwrap();
    assert_eq!(bench.specs("Note").await, [("a".to_owned(), json!({ "text": "of lamp" }))]);
}

#[tokio::test]
async fn an_error_in_the_third_document_leaves_all_as_it_was() {
    let bench = Bench::start().await;
    for third in [note("c", "forbidden"), Document { spec: json!({ "txet": "c" }), ..note("c", "") }] {
        let refused = bench.refused("anna", &[switch("lamp", true), note("a", "one"), third]).await;
        assert!(refused.path().unwrap().starts_with("resources[2].spec"), "{refused:?}");
    }
    assert!(bench.specs("Note").await.is_empty() && bench.specs("Switch").await.is_empty());
    assert_eq!(bench.plans().await, 0);
    // what could not be read was not tried; what the kind refused is in the audit log
    let events = bench.events().await;
    assert_eq!(events.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(), ["frame.resource.apply"]);
}

#[tokio::test]
async fn a_dry_run_gives_the_same_plan_and_stores_nothing() {
    let bench = Bench::start().await;
    let file = [switch("lamp", true), note("a", "one")];
    let preview = bench.dry_run("anna", &file).await.unwrap();
    assert!(bench.specs("Note").await.is_empty() && bench.specs("Switch").await.is_empty());
    assert!(bench.plans().await == 0 && bench.events().await.is_empty() && preview.plans.is_empty());
    assert_eq!((preview.plan.id.as_str(), preview.plan.state), ("", PlanState::Preview));
    let done = bench.apply("anna", &file).await.unwrap();
    assert_eq!(preview.results, done.results);
    assert_eq!(preview.plan.effects, done.plan.effects);
    assert_eq!(preview.plan.hosts, done.plan.hosts);
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_before_and_after() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "one")]).await.unwrap();
    bench.apply("anna", &[note("a", "two")]).await.unwrap();
    bench.delete("anna", "Note", "a").await.unwrap();
    let events = bench.events().await;
    let said: Vec<String> = events.iter().map(|e| format!("{}: {}", e.kind, e.message)).collect();
    assert_eq!(
        said,
        [
            "notes.resource.create: made Note a",
            "notes.resource.change: changed Note a: spec.text \"one\" -> \"two\"",
            "notes.resource.delete: removed Note a",
        ]
    );
    assert_eq!(events[1].data["before"], json!({ "text": "one" }));
    assert_eq!(events[1].data["after"], json!({ "text": "two" }));
    assert!(events.iter().all(|e| e.audit && e.object.as_deref() == Some("Note a") && e.data["plan"].is_string()));
}

#[tokio::test]
async fn the_hosts_of_a_plan_get_a_new_generation_and_are_told() {
    let bench = Bench::start().await;
    let mut told = bench.context.specs_of(&"web-1".parse().unwrap());
    told.mark_unchanged();
    let done = bench.apply("anna", &[switch("lamp", true)]).await.unwrap();
    assert_eq!(done.plan.hosts.len(), 2);
    assert_eq!((done.plan.state, done.plan.generation.n), (PlanState::Applying, 1));
    assert!(told.has_changed().unwrap());
    told.mark_unchanged();
    let done = bench.apply("anna", &[note("a", "one")]).await.unwrap();
    assert_eq!(done.plan.state, PlanState::Applied, "nobody has to report");
    assert!(!told.has_changed().unwrap());
}

#[tokio::test]
async fn who_may_not_do_it_is_refused_and_what_is_unchanged_needs_no_right() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "one")]).await.unwrap();
    let refused = bench.refused_as("olga", Role::Operator, &[note("a", "one"), note("b", "admin only")]).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.message().contains("making Note b: needs role admin"), "{refused:?}");
    bench.try_as("olga", Role::Operator, &[note("a", "one")], false).await.unwrap();
}

#[tokio::test]
async fn names_are_found_without_case_and_plural_and_unknown_ones_name_the_nearest() {
    let bench = Bench::start().await;
    for kind in ["Note", "note", "NOTES"] {
        assert_eq!(bench.kinds.find(kind).unwrap().name(), "Note", "{kind}");
    }
    let unknown = bench.refused("anna", &[Document { kind: "Noet".to_owned(), ..note("a", "one") }]).await;
    assert_eq!(
        (unknown.status().as_u16(), unknown.path(), unknown.hinted()),
        (400, Some("resources[0].kind"), Some("did you mean `Note`?"))
    );
    bench.apply("anna", &[note("alpha", "one")]).await.unwrap();
    let Err(ApplyError::Other(missing)) = bench.delete("anna", "Note", "alhpa").await else {
        panic!("it is not there");
    };
    assert_eq!((missing.status().as_u16(), missing.hinted()), (404, Some("did you mean `alpha`?")));
}

#[tokio::test]
async fn a_resource_stands_once_in_a_file_whatever_way_its_name_is_written() {
    let bench = Bench::start().await;
    let refused = bench.refused("anna", &[note("a", "one"), note("b", "two"), note("A", "three")]).await;
    assert_eq!(refused.path(), Some("resources[2]"));
    assert!(refused.message().contains("resources[0] and resources[2]"), "{refused:?}");
}

#[tokio::test]
async fn more_documents_than_the_bound_are_refused_by_name() {
    let bench = Bench::start().await;
    let many: Vec<Document> = (0..=DOCUMENTS_MAX).map(|n| note(&format!("n{n}"), "x")).collect();
    let refused = bench.refused("anna", &many).await;
    assert_eq!(refused.status(), 413);
    assert!(refused.message().contains("2001 resources are more than the 2000"), "{refused:?}");
    let done = bench.apply("anna", &many[1..]).await.unwrap();
    assert_eq!(
        (done.results.len(), done.plan.effects.len()),
        (DOCUMENTS_MAX, 101),
        "a plan lists 100 and counts the rest"
    );
}

#[tokio::test]
async fn what_was_changed_another_way_is_a_version_before_anybody_sees_it() {
    let bench = Bench::start().await;
    bench.apply("anna", &[switch("lamp", true)]).await.unwrap();
    bench.turn_by_hand("lamp", Some(false)).await;
    bench.turn_by_hand("fan", Some(true)).await;
    let rows = bench.rows("Switch").await;
    let said: Vec<_> = rows.iter().map(|r| (r.name.as_str(), r.version, r.updated_by.as_str(), r.source)).collect();
    assert_eq!(said, [("fan", 1, "hand", Source::Elsewhere), ("lamp", 2, "hand", Source::Elsewhere)]);
    bench.turn_by_hand("fan", None).await;
    assert_eq!(bench.rows("Switch").await.len(), 1);
    let gone = bench.versions("Switch", "fan").await;
    assert_eq!((gone[0].version, &gone[0].spec), (2, &None));
    // a name that is used again goes on counting
    let done = bench.apply("anna", &[switch("fan", true)]).await.unwrap();
    assert_eq!(bench::said(&done), ["create Switch fan 3"]);
}

#[tokio::test]
async fn the_last_20_versions_are_kept() {
    let bench = Bench::start().await;
    for n in 0..25 {
        bench.apply("anna", &[note("a", &format!("text {n}"))]).await.unwrap();
    }
    let kept = bench.versions("Note", "a").await;
    assert_eq!((kept.len(), kept[0].version, kept[19].version), (20, 25, 6));
}

#[tokio::test]
async fn versions_of_a_removed_resource_are_forgotten_after_90_days() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "one"), note("stays", "one")]).await.unwrap();
    bench.clock.pass_s(100 * 86_400);
    bench.delete("anna", "Note", "a").await.unwrap();
    bench.tend().await;
    assert_eq!(bench.versions("Note", "a").await.len(), 2, "it was removed just now");
    bench.clock.pass_s(91 * 86_400);
    bench.tend().await;
    assert!(bench.versions("Note", "a").await.is_empty());
    assert_eq!(bench.versions("Note", "stays").await.len(), 1, "what stands keeps its versions");
}

#[tokio::test]
async fn removing_takes_the_version_that_was_seen() {
    let bench = Bench::start().await;
    bench.apply("anna", &[note("a", "one")]).await.unwrap();
    bench.apply("anna", &[note("a", "two")]).await.unwrap();
    let Err(ApplyError::Conflict(body)) = bench.delete_version("anna", "Note", "a", Some(1), false).await else {
        panic!("version 2 stands");
    };
    let one = &body.conflict[0];
    assert_eq!(
        (one.version, &one.theirs, &one.base),
        (2, &Some(json!({ "text": "two" })), &Some(json!({ "text": "one" })))
    );
    bench.delete_version("anna", "Note", "a", Some(2), true).await.unwrap();
    assert_eq!(bench.specs("Note").await.len(), 1, "a dry run removes nothing");
    let done = bench.delete_version("anna", "Note", "a", Some(2), false).await.unwrap();
    assert_eq!((done.results[0].action, done.results[0].version), (Action::Delete, 3));
    assert!(bench.specs("Note").await.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_can_be_applied_and_changes_nothing(
        notes in prop::collection::btree_map("[a-z]{1,6}", "\\PC{0,20}", 0..5),
        switches in prop::collection::btree_map("[a-z]{1,6}", any::<bool>(), 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::start().await;
            let given: Vec<Document> = notes.iter().map(|(n, t)| note(n, t))
                .chain(switches.iter().map(|(n, on)| switch(n, *on))).collect();
            bench.apply("anna", &given).await.unwrap();
            let shown = file(&bench).await;
            assert_eq!(shown.len(), given.len());
            let again = bench.apply("somebody else", &shown).await.unwrap();
            assert!(again.results.iter().all(|r| r.action == Action::Unchanged), "{:?}", again.results);
        });
    }
}
