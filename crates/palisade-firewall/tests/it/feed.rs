//! The feed of bans: asked for at a server, taken by hosts, in the kernel.

use crate::sandbox::{ban, entered};
use crate::server::{OWN, Server};
use axum::http::StatusCode;
use palisade_core::{Generation, Timestamp};
use palisade_firewall::feed::ENTRIES_MAX;
use palisade_firewall::feed::book::{Book, changes_of};
use palisade_firewall::feed::held::Held;
use palisade_firewall::keep::Firewall;
use palisade_firewall::ruleset::Content;
use palisade_firewall::spec::Spec;
use palisade_guard::link::FeedPart;
use palisade_guard::{AddressBan, BanAddress, BanOutcome, Keep};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// Changes in one part.
const PART: usize = 10_000;

impl Server {
    async fn import(&self, addresses: impl IntoIterator<Item = String>, length: Option<&str>) -> Value {
        let bans: Vec<Value> = addresses.into_iter().map(|address| json!({ "address": address })).collect();
        let (status, answer) =
            self.call("POST", "/api/v1/firewall/bans/import", json!({ "bans": bans, "for": length })).await;
        assert_eq!(status, StatusCode::OK, "{answer:#}");
        answer
    }

    /// What a host is sent that is at `since`.
    async fn parts(&self, since: Generation, limit: usize) -> Vec<FeedPart> {
        let mut db = self.context.db.read().acquire().await.unwrap();
        self.serve().feed(&mut db, since, limit).await.unwrap()
    }

    /// Brings a host up to date.
    async fn tell(&self, book: &mut Book) {
        for part in self.parts(book.at(), PART).await {
            assert!(book.takes(&part).unwrap());
            book.take(&part, &changes_of(&part).unwrap());
        }
    }

    async fn tend(&self) {
        let mut tx = self.context.begin().await.unwrap();
        self.serve().tend(&mut tx, self.context.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Who is banned by this host's book, as text.
fn banned(book: &Book, now: Timestamp) -> Vec<String> {
    book.banned(now.as_millisecond()).map(|(cidr, _)| cidr.to_string()).collect()
}

fn scattered(n: u32) -> String {
    Ipv4Addr::from(0x0b00_0000 + n * 256 + 7).to_string()
}

#[tokio::test]
async fn an_import_shuts_out_what_may_be_and_names_the_rest() {
    let server = Server::start().await;
    server.change("POST", "/api/v1/firewall/allow", json!({ "cidr": "203.0.113.0/28" })).await;
    server.events();
    let given =
        ["198.51.100.1", "192.0.2.3", "203.0.113.4", "127.0.0.1", OWN, "198.51.100.1", "198.51.0.0/24", "0.0.0.0/0"];
    let answer = server.import(given.map(str::to_owned), Some("1h")).await;
    assert_eq!((&answer["added"], &answer["refused_total"]), (&json!(2), &json!(5)), "{answer:#}");
    let mut book = Book::default();
    server.tell(&mut book).await;
    assert_eq!(banned(&book, server.context.now()), ["198.51.0.0/24", "198.51.100.1"]);
    let events = server.events();
    assert_eq!(events.len(), 1, "one event");
    assert_eq!(events[0].message, "2 addresses shut out of every host, 5 refused");
    let again = server.import(["198.51.100.1".to_owned()], Some("30m")).await;
    assert_eq!(again["added"], 0, "it is shut out for longer");
    let (_, feed) = server.call("GET", "/api/v1/firewall/feed", Value::Null).await;
    assert_eq!((&feed["entries"], &feed["hosts"][0]["host"]), (&json!(2), &json!("db-1")), "{feed:#}");
    let (_, list) = server.call("GET", "/api/v1/firewall/bans", Value::Null).await;
    assert_eq!(list["total"], 2);
}

#[tokio::test]
async fn a_dry_run_and_a_wrong_entry_change_nothing() {
    let server = Server::start().await;
    let body = json!({ "bans": [{ "address": "198.51.100.1" }], "dry_run": true });
    let (status, answer) = server.call("POST", "/api/v1/firewall/bans/import", body).await;
    assert_eq!((status, &answer["added"]), (StatusCode::OK, &json!(1)));
    let body = json!({ "bans": [{ "address": "198.51.100.1" }, { "address": "198.51.100.2", "reason": "a\nb" }] });
    let (status, answer) = server.call("POST", "/api/v1/firewall/bans/import", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer.to_string().contains("bans[1]"), "{answer:#}");
    assert_eq!(server.parts(Generation { epoch: 1, n: 0 }, PART).await, []);
    assert!(server.events().is_empty());
}

#[tokio::test]
async fn what_is_no_address_is_refused_by_name_and_the_others_are_taken() {
    let server = Server::start().await;
    let long = "x".repeat(1_000);
    let answer = server.import(["nobody".to_owned(), "198.51.100.1".to_owned(), long.clone()], Some("1h")).await;
    assert_eq!((&answer["added"], &answer["refused_total"]), (&json!(1), &json!(2)), "{answer:#}");
    assert_eq!(answer["refused"][0]["address"], "nobody");
    assert!(!answer["refused"][0]["why"].as_str().unwrap().is_empty());
    assert_eq!(answer["refused"][1]["address"], long[..80]);
}

#[tokio::test]
async fn a_release_an_allowed_network_and_an_end_reach_every_host() {
    let server = Server::start().await;
    let mut book = Book::default();
    server.import((0..40).map(|n| format!("198.51.100.{n}")), Some("1h")).await;
    server.tell(&mut book).await;
    let networks = |book: &Book| book.networks(&[], server.context.now().as_millisecond()).count();
    assert_eq!((banned(&book, server.context.now()).len(), networks(&book)), (40, 1));
    server.change("DELETE", "/api/v1/firewall/bans/198.51.100.3", Value::Null).await;
    server.tell(&mut book).await;
    assert!(!banned(&book, server.context.now()).contains(&"198.51.100.3".to_owned()));
    assert_eq!(networks(&book), 0, "nor is it shut out with its network");
    server.change("POST", "/api/v1/firewall/allow", json!({ "cidr": "198.51.100.16/28" })).await;
    server.tell(&mut book).await;
    assert_eq!(banned(&book, server.context.now()).len(), 23);
    server.clock.pass_s(3_600);
    server.tend().await;
    assert!(banned(&book, server.context.now()).is_empty());
    let total = server.call("GET", "/api/v1/firewall/feed", Value::Null).await.1;
    assert_eq!(total["entries"], 0, "{total:#}");
    let mut late = Book::default();
    server.tell(&mut late).await;
    assert!(late.is_empty() && late.at() == book.at());
}

#[tokio::test]
async fn the_whole_in_parts_lets_nobody_in_before_it_is_complete() {
    let server = Server::start().await;
    let mut book = Book::default();
    server.import((0..30).map(scattered), Some("1h")).await;
    server.tell(&mut book).await;
    // as after the forgotten release of the first: only the whole feed can say that it is gone
    server.change("DELETE", &format!("/api/v1/firewall/bans/{}", scattered(0)), Value::Null).await;
    let parts = server.parts(Generation::default(), 7).await;
    assert!(parts.len() > 3 && parts[0].is_whole() && parts[0].more());
    for part in &parts {
        assert!(book.takes(part).unwrap());
        book.take(part, &changes_of(part).unwrap());
        let there = banned(&book, server.context.now()).len();
        assert!(there >= 29, "{there} are left in the middle of it");
    }
    assert_eq!(banned(&book, server.context.now()).len(), 29);
    assert!(!book.takes(&parts[parts.len() - 1]).unwrap(), "again is nothing new");
}

#[tokio::test]
async fn a_host_refuses_the_feed_of_an_older_copy_until_an_epoch_begins() {
    let (server, restored) = (Server::start().await, Server::start().await);
    let mut book = Book::default();
    server.import((0..30).map(scattered), Some("1h")).await;
    server.tell(&mut book).await;
    restored.import((0..10).map(scattered), Some("1h")).await;
    assert_eq!(restored.parts(book.at(), PART).await, [], "it does not even send it");
    let older = restored.parts(Generation::default(), PART).await;
    assert!(book.takes(&older[0]).is_err());
    let mut tx = restored.context.begin().await.unwrap();
    let proof = palisade_guard::link::EpochProof { epoch: 2, signature: String::new() };
    palisade_guard::store::epoch_raise(&mut tx, &proof).await.unwrap();
    tx.commit().await.unwrap();
    restored.tell(&mut book).await;
    assert_eq!(banned(&book, restored.context.now()).len(), 10, "exactly what that server has");
}

#[tokio::test]
async fn an_engine_bans_within_its_own_transaction_and_never_what_is_safe() {
    let server = Server::start().await;
    let desk = palisade_firewall::feed::desk::Desk::new(Arc::clone(&server.context.failsafe));
    let now = server.context.now();
    let asked = |address: &str, hours: u64| AddressBan {
        address: address.parse().unwrap(),
        length: palisade_core::Span::from_secs(hours * 3_600),
        reason: "guesses passwords".to_owned(),
        by: "intrusion".to_owned(),
        now,
    };
    let mut tx = server.context.begin().await.unwrap();
    assert!(matches!(desk.ban(&mut tx, &asked("198.51.100.1", 2)).await.unwrap(), BanOutcome::Banned(Some(_))));
    assert_eq!(desk.ban(&mut tx, &asked("198.51.100.1", 1)).await.unwrap(), BanOutcome::Already);
    assert!(matches!(desk.ban(&mut tx, &asked("192.0.2.9", 1)).await.unwrap(), BanOutcome::Refused(_)));
    tx.commit().await.unwrap();
    let (_, list) = server.call("GET", "/api/v1/firewall/bans", Value::Null).await;
    assert_eq!((&list["total"], &list["items"][0]["by"]), (&json!(1), &json!("intrusion")));
}

#[tokio::test]
async fn a_full_feed_gives_up_those_that_end_first_and_counts_them() {
    let server = Server::start().await;
    let address = |n: u32| Ipv4Addr::from(0x0b00_0000 + n * 97).to_string();
    server.import((0..10).map(address), Some("1h")).await;
    server.import((10..ENTRIES_MAX as u32).map(address), Some("2h")).await;
    let answer = server.import((0..4).map(|n| format!("198.51.100.{n}")), Some("3h")).await;
    assert_eq!((&answer["added"], &answer["dropped"]), (&json!(4), &json!(4)));
    let (_, feed) = server.call("GET", "/api/v1/firewall/feed", Value::Null).await;
    assert_eq!((&feed["entries"], &feed["dropped"]), (&json!(ENTRIES_MAX), &json!(4)));
    let mut book = Book::default();
    server.tell(&mut book).await;
    assert_eq!(banned(&book, server.context.now()).len(), ENTRIES_MAX);
}

fn part(from: u64, to: u64, changes: &[Value]) -> FeedPart {
    let at = |n| Generation { epoch: 1, n };
    FeedPart { from: at(from), to: at(to), newest: to, changes: changes.to_vec() }
}

#[test]
fn what_was_stored_is_there_after_a_kill_at_any_byte() {
    let now = Timestamp::now();
    let dir = tempfile::tempdir().unwrap();
    let mut held = Held::open(dir.path()).unwrap();
    held.wanted(Content::default(), &[], now);
    let change = |n: u32| json!({ "cidr": scattered(n), "until": null });
    for n in 0..3 {
        held.take(&part(u64::from(n), u64::from(n) + 1, &[change(n)]), now).unwrap();
    }
    drop(held);
    let log = dir.path().join("feed/firewall/0.log");
    let whole = std::fs::read(&log).unwrap();
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    for cut in 0..=whole.len() {
        std::fs::write(&log, &whole[..cut]).unwrap();
        let mut held = Held::open(dir.path()).unwrap();
        let there = lines(&whole[..cut]);
        assert_eq!((held.at().n, held.banned(now).len()), (there as u64, there), "cut after {cut} bytes");
        let rest: Vec<Value> = (there as u32..3).map(change).collect();
        held.take(&part(there as u64, 3, &rest), now).unwrap();
        assert_eq!(Held::open(dir.path()).unwrap().banned(now).len(), 3);
    }
    assert!(Held::open(dir.path()).unwrap().take(&part(5, 6, &[]), now).is_err(), "a gap is refused");
}

#[test]
fn the_longer_end_of_feed_and_spec_stands_and_a_release_of_one_leaves_the_other() {
    if !entered() {
        return;
    }
    let now = Timestamp::now();
    let firewall = Firewall::new(Vec::new()).unwrap();
    let hour = Duration::from_secs(3_600);
    let spec = Spec { bans: vec![ban("198.51.100.1", Some(hour)), ban("198.51.100.2", None)], ..Spec::default() };
    let settle = |spec: &Spec| {
        for step in firewall.plan(spec, &Spec::default(), now).unwrap() {
            firewall.apply(&serde_json::from_value(step.act).unwrap(), now).unwrap();
        }
    };
    settle(&spec);
    let take = |part: FeedPart| {
        for step in Keep::feed(&firewall, &part, now).unwrap() {
            firewall.apply(&serde_json::from_value(step.act).unwrap(), now).unwrap();
        }
        let left = firewall.plan(&spec, &Spec::default(), now).unwrap();
        assert!(left.is_empty(), "the feed leaves nothing to plan: {left:?}");
    };
    let list = || palisade_sandbox::run("nft", &["list", "set", "inet", "palisade", "ban4"]).unwrap();
    let until = |hours: i64| now.as_millisecond() + hours * 3_600_000;
    let change =
        |address: &str, hours: i64, state: &str| json!({ "cidr": address, "until": until(hours), "state": state });
    take(part(
        0,
        3,
        &[
            change("198.51.100.1", 5, "banned"),
            change("198.51.100.2", 5, "banned"),
            change("198.51.100.3", 5, "banned"),
        ],
    ));
    let text = list();
    assert!(text.contains("198.51.100.1 timeout 5h") || text.contains("198.51.100.1 timeout 4h59m"), "{text}");
    assert!(!text.contains("198.51.100.2 timeout"), "the spec has no end: {text}");
    let all = ["198.51.100.1", "198.51.100.2", "198.51.100.3"].map(|address| change(address, 5, "released"));
    take(part(3, 6, &all));
    let text = list();
    assert!(text.contains("198.51.100.1 timeout 1h") || text.contains("198.51.100.1 timeout 59m"), "{text}");
    assert!(text.contains("198.51.100.2") && !text.contains("198.51.100.3"), "{text}");
    let many: Vec<Value> = (0..20).map(|n| change(&format!("203.0.113.{n}"), 5, "banned")).collect();
    take(part(6, 26, &many));
    let networks = || palisade_sandbox::run("nft", &["list", "set", "inet", "palisade", "bannet4"]).unwrap();
    assert!(networks().contains("203.0.113.0/24"), "{}", networks());
    take(part(26, 27, &[change("203.0.113.5", 5, "released")]));
    assert!(!networks().contains("203.0.113"), "{}", networks());
}
