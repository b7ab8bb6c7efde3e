//! The event store: what goes in comes out, words, retention, limits.

use crate::server::{context, event, moment, put};
use palisade_core::{Event, Severity};
use palisade_guard::ServerContext;
use palisade_journal::store::{self, EXPIRED_MAX, Filter, RETENTION_DAYS};
use proptest::prelude::*;

async fn list(ctx: &ServerContext, filter: &Filter) -> Vec<Event> {
    let mut db = ctx.db.read().acquire().await.unwrap();
    store::event_list(&mut db, filter, 1_000).await.unwrap().into_iter().map(|s| s.event).collect()
}

async fn found(ctx: &ServerContext, words: &str) -> usize {
    list(ctx, &Filter { words: Some(words.to_owned()), ..Filter::default() }).await.len()
}

#[tokio::test]
async fn an_event_comes_out_as_it_went_in() {
    let (_dir, ctx) = context().await;
    let mut one = event(0, "firewall.ban.add", "banned \u{1b}[31m198.51.100.7");
    (one.audit, one.severity, one.data) = (true, Severity::High, serde_json::json!({ "plan": "p-1" }));
    let mut other = event(1, "frame.start", "started");
    (other.host, other.object, other.actor.from) = (None, None, None);
    put(&ctx, &[one.clone(), other.clone()]).await;
    assert_eq!(list(&ctx, &Filter::default()).await, [other, one]);
}

#[tokio::test]
async fn an_event_of_a_change_that_was_not_made_is_not_there() {
    let (_dir, ctx) = context().await;
    let mut tx = ctx.begin().await.unwrap();
    store::event_put(&mut tx, &event(0, "a.b.c", "never")).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(list(&ctx, &Filter::default()).await.is_empty());
}

#[tokio::test]
async fn words_are_found_by_their_beginning_in_any_order() {
    let (_dir, ctx) = context().await;
    put(
        &ctx,
        &[
            event(0, "firewall.ban.add", "banned 198.51.100.7 for 12h"),
            event(1, "access.account.lock", "locked mallory"),
        ],
    )
    .await;
    for (words, count) in [
        ("banned", 1),
        ("ban", 1),
        ("12h banned", 1),
        ("198.51.100.7", 2),
        ("198.51.100", 2),
        ("BANNED", 1),
        ("anna", 2),
        ("firewall.ban", 1),
        ("banned mallory", 0),
        ("anned", 0),
        ("!!!", 0),
    ] {
        assert_eq!(found(&ctx, words).await, count, "{words}");
    }
}

#[tokio::test]
async fn the_syntax_of_the_index_is_never_a_users() {
    let (_dir, ctx) = context().await;
    put(&ctx, &[event(0, "a.b.c", "plain NEAR OR text \"quoted\"")]).await;
    for words in [
        "\"",
        "plain\"",
        "plain OR",
        "NOT plain",
        "message:plain",
        "plain*",
        "NEAR(plain, 2)",
        "(",
        "a AND",
        "^plain",
        "{x}:plain",
        "\0plain",
        "'; --",
    ] {
        // an error would panic here; what is found does not matter
        found(&ctx, words).await;
    }
    assert_eq!(found(&ctx, "plain \"quoted\"").await, 1);
    assert_eq!(found(&ctx, "message:plain").await, 0, "a column filter is no word");
}

#[tokio::test]
async fn filters_and_cursors_cut_the_list_and_lose_nothing() {
    let (_dir, ctx) = context().await;
    let events: Vec<Event> =
        (0..25).map(|n| event(n / 5, if n % 2 == 0 { "a.b.c" } else { "a.bc.d" }, &n.to_string())).collect();
    put(&ctx, &events).await;
    let mut filter = Filter::default();
    let mut seen = Vec::new();
    loop {
        let mut db = ctx.db.read().acquire().await.unwrap();
        let part = store::event_list(&mut db, &filter, 7).await.unwrap();
        let Some(last) = part.last() else { break };
        filter.before = Some(last.id);
        seen.extend(part.into_iter().map(|s| s.event.message));
    }
    let wanted: Vec<String> = (0..25).rev().map(|n: i64| n.to_string()).collect();
    assert_eq!(seen, wanted);
    let count = async |filter: Filter| list(&ctx, &filter).await.len();
    assert_eq!(count(Filter { kind: Some("a.b".to_owned()), ..Filter::default() }).await, 13);
    assert_eq!(count(Filter { kind: Some("a".to_owned()), ..Filter::default() }).await, 25);
    assert_eq!(count(Filter { from: Some(moment(1)), to: Some(moment(2)), ..Filter::default() }).await, 10);
    assert_eq!(count(Filter { severities: vec![Severity::High], ..Filter::default() }).await, 0);
    assert_eq!(count(Filter { audit: true, ..Filter::default() }).await, 0);
    assert_eq!(count(Filter { host: Some("web-2".parse().unwrap()), ..Filter::default() }).await, 0);
}

#[tokio::test]
async fn an_event_that_arrives_late_stands_where_it_happened() {
    let (_dir, ctx) = context().await;
    put(&ctx, &[event(10, "a.b.c", "ten"), event(20, "a.b.c", "twenty"), event(15, "a.b.c", "late")]).await;
    let messages = async |words: Option<&str>| -> Vec<String> {
        let filter = Filter { words: words.map(str::to_owned), ..Filter::default() };
        list(&ctx, &filter).await.into_iter().map(|e| e.message).collect()
    };
    assert_eq!(messages(None).await, ["twenty", "late", "ten"]);
    assert_eq!(messages(Some("anna")).await, ["twenty", "late", "ten"]);
}

#[tokio::test]
async fn more_events_in_a_millisecond_than_it_has_ids_are_all_kept() {
    let (_dir, ctx) = context().await;
    let mut before_1970 = event(0, "a.b.c", "first");
    before_1970.time = "1969-01-01T00:00:00Z".parse().unwrap();
    let mut events = vec![before_1970.clone(), before_1970];
    events.extend((0..5_000).map(|n| event(0, "a.b.c", &n.to_string())));
    put(&ctx, &events).await;
    let mut db = ctx.db.read().acquire().await.unwrap();
    assert_eq!(store::event_count(&mut db, &Filter::default()).await.unwrap(), 5_002);
}

#[tokio::test]
async fn old_events_go_with_their_words_and_never_all_at_once() {
    let (_dir, ctx) = context().await;
    let old = -RETENTION_DAYS * 86_400;
    let mut events: Vec<Event> = (0..EXPIRED_MAX + 10).map(|_| event(old - 1, "a.b.c", "old")).collect();
    events.push(event(old, "a.b.c", "kept old"));
    put(&ctx, &events).await;
    let mut tx = ctx.begin().await.unwrap();
    assert_eq!(store::event_expire(&mut tx, moment(0)).await.unwrap(), EXPIRED_MAX as u64);
    assert_eq!(store::event_expire(&mut tx, moment(0)).await.unwrap(), 10);
    assert_eq!(store::event_expire(&mut tx, moment(0)).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(found(&ctx, "old").await, 1);
    put(&ctx, &[event(0, "a.b.c", "new")]).await;
    assert_eq!((found(&ctx, "old").await, found(&ctx, "new").await), (1, 1));
}

#[tokio::test]
async fn hostile_events_are_cut() {
    let (_dir, ctx) = context().await;
    let mut huge = event(0, &"k".repeat(100_000), &"é".repeat(1 << 20));
    (huge.actor.name, huge.object) = ("a".repeat(1 << 20), Some("\0\u{202e}".repeat(1 << 16)));
    huge.data = serde_json::json!({ "x": "y".repeat(1 << 20) });
    put(&ctx, &[huge]).await;
    let kept = list(&ctx, &Filter::default()).await.remove(0);
    let sizes = [kept.kind.len(), kept.actor.name.len(), kept.message.len(), kept.data.to_string().len()];
    assert!(sizes.iter().all(|s| *s <= 4 << 10), "{sizes:?}");
    assert!(kept.data["left_out"].is_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_words_are_searched_without_error(words in "\\PC{0,40}|[\"*():^{}+ a-]{0,20}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_dir, ctx) = context().await;
            put(&ctx, &[event(0, "a.b.c", &words)]).await;
            found(&ctx, &words).await;
        });
    }
}
