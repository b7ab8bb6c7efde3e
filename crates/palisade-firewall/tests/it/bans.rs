//! `/api/v1/firewall/bans` and `/api/v1/firewall/allow`.

use crate::server::{OWN, Server};
use axum::http::StatusCode;
use palisade_core::{Outcome, PlanState};
use palisade_guard::api::Role;
use serde_json::{Value, json};

const BANS: &str = "/api/v1/firewall/bans";
const ALLOW: &str = "/api/v1/firewall/allow";

fn effects(plan: &palisade_core::Plan) -> Vec<&str> {
    plan.effects.iter().map(|e| e.sentence.as_str()).collect()
}

#[tokio::test]
async fn a_ban_reaches_every_host_until_its_end_and_is_audited() {
    let server = Server::start().await;
    let plan = server.change("POST", BANS, json!({ "address": "203.0.113.9", "for": "2h", "reason": "scans" })).await;
    assert_eq!(
        effects(&plan),
        ["203.0.113.9 can no longer reach 2 hosts until 14:00 UTC", "hosts that join later hold it too"]
    );
    assert_eq!((plan.id.as_str(), plan.state, plan.deadline), ("p-1", PlanState::Applying, None));
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.9 2026-11-22T14:00:00Z"]);
    let event = server.events().pop().unwrap();
    assert_eq!((event.kind.as_str(), event.outcome, event.audit), ("firewall.ban.add", Outcome::Success, true));
    assert_eq!(event.message, "203.0.113.9 can no longer reach 2 hosts until 14:00 UTC: scans");
    assert_eq!((event.object.as_deref(), event.actor.name.as_str()), (Some("203.0.113.9"), "ada"));

    let (_, page) = server.call("GET", BANS, Value::Null).await;
    assert_eq!(page["total"], 1);
    let ban = &page["items"][0];
    assert_eq!(
        (&ban["address"], &ban["by"], &ban["plan"], &ban["hosts"]),
        (&json!("203.0.113.9"), &json!("ada"), &json!("p-1"), &json!([]))
    );
    assert_eq!(ban["can"], json!({ "remove": true }));

    server.clock.pass_s(2 * 3600);
    assert!(server.spec_of("web-1").await.is_empty());
    let mut tx = server.context.begin().await.unwrap();
    server.serve().tend(&mut tx, server.context.now()).await.unwrap();
    assert_eq!(palisade_firewall::store::ban_count(&mut tx).await.unwrap(), 0);
}

#[tokio::test]
async fn what_makes_no_sense_or_would_harm_is_refused_recorded_and_changes_nothing() {
    let server = Server::start().await;
    let cases: Vec<(Value, StatusCode, &str)> = vec![
        (json!({ "address": "203.0.113.9/24" }), StatusCode::BAD_REQUEST, "did you mean `203.0.113.0/24`"),
        (json!({ "address": "0.0.0.0/0" }), StatusCode::CONFLICT, "larger than /8"),
        (json!({ "address": "::/0" }), StatusCode::CONFLICT, "larger than /16"),
        (json!({ "address": "127.0.0.1" }), StatusCode::CONFLICT, "loopback"),
        (json!({ "address": "::1" }), StatusCode::CONFLICT, "loopback"),
        (json!({ "address": OWN }), StatusCode::CONFLICT, "your own address"),
        (json!({ "address": format!("::ffff:{OWN}") }), StatusCode::CONFLICT, "your own address"),
        (json!({ "address": "198.51.100.0/24" }), StatusCode::CONFLICT, "holds your own address `198.51.100.77`"),
        (json!({ "address": "192.0.2.7" }), StatusCode::CONFLICT, "failsafe"),
        (json!({ "address": "192.0.0.0/16" }), StatusCode::CONFLICT, "failsafe"),
        (json!({ "address": "::ffff:203.0.113.0/120" }), StatusCode::BAD_REQUEST, "neither an address nor a network"),
        (json!({ "address": "; rm -rf /" }), StatusCode::BAD_REQUEST, "neither an address nor a network"),
        (json!({ "address": "-o" }), StatusCode::BAD_REQUEST, "neither an address nor a network"),
        (json!({ "address": "203.0.113.9\n" }), StatusCode::BAD_REQUEST, "\\n"),
        (json!({ "address": 7 }), StatusCode::BAD_REQUEST, "address: invalid type"),
        (json!({}), StatusCode::BAD_REQUEST, "missing field `address`"),
        (json!([]), StatusCode::BAD_REQUEST, "invalid length"),
        (json!({ "address": "203.0.113.9", "reason": "x".repeat(501) }), StatusCode::BAD_REQUEST, "longer than 500"),
        (
            json!({ "address": "203.0.113.9", "reason": "x".repeat(1 << 20) }),
            StatusCode::BAD_REQUEST,
            "longer than 500",
        ),
        (json!({ "address": "203.0.113.9", "reason": "a\u{1b}[2J" }), StatusCode::BAD_REQUEST, "control characters"),
        (json!({ "address": "203.0.113.9", "reason": "a\u{202e}b" }), StatusCode::BAD_REQUEST, "control characters"),
        (json!({ "address": "203.0.113.9", "until": "12h" }), StatusCode::BAD_REQUEST, "unknown field `until`"),
        (json!({ "address": "203.0.113.9", "for": "0s" }), StatusCode::BAD_REQUEST, "no length of time"),
        (json!({ "address": "203.0.113.9", "for": "-1h" }), StatusCode::BAD_REQUEST, "no length of time"),
        (json!({ "address": "203.0.113.9", "for": 3600 }), StatusCode::BAD_REQUEST, "for: invalid type"),
        (
            json!({ "address": "203.0.113.9", "for": "1m", "probation": "60s" }),
            StatusCode::BAD_REQUEST,
            "not shorter than `for`",
        ),
        (json!({ "address": "203.0.113.9", "probation": "2d" }), StatusCode::BAD_REQUEST, "longer than 1d"),
        (json!({ "address": "203.0.113.9", "hosts": [] }), StatusCode::BAD_REQUEST, "`hosts` is empty"),
        (json!({ "address": "203.0.113.9", "hosts": ["web-2"] }), StatusCode::BAD_REQUEST, "`web-2` is no host"),
        (json!({ "address": "203.0.113.9", "hosts": ["../x"] }), StatusCode::BAD_REQUEST, "no host name"),
    ];
    for (body, status, said) in cases {
        let (got, answer) = server.call("POST", BANS, body.clone()).await;
        let message = answer["message"].as_str().unwrap_or_default();
        let shown: String = body.to_string().chars().take(80).collect();
        assert_eq!(got, status, "{shown}: {message}");
        assert!(message.contains(said) && message.chars().count() <= 400, "{shown}: {message}");
        let events = server.events();
        assert_eq!(events.len(), 1, "{shown}");
        assert_eq!(
            (events[0].outcome, events[0].audit, events[0].kind.as_str()),
            (Outcome::Refused, true, "firewall.ban.add")
        );
        assert!(events[0].message.len() <= 2_000, "{shown}");
    }
    assert_eq!(server.call("GET", BANS, Value::Null).await.1["total"], 0);
    assert!(server.spec_of("web-1").await.is_empty());
}

#[tokio::test]
async fn a_request_that_is_no_json_or_too_large_gets_an_error_like_all_others() {
    let server = Server::start().await;
    for (body, status) in [
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        ("\u{0}".to_owned(), StatusCode::BAD_REQUEST),
        (format!("{{\"address\": \"{}\"}}", "1".repeat(3 << 20)), StatusCode::PAYLOAD_TOO_LARGE),
        (format!("{{\"{}\": 1}}", "f\u{1b}".repeat(100_000)), StatusCode::BAD_REQUEST),
    ] {
        let (got, answer) = server.call_as(Some(Role::Operator), "POST", BANS, body).await;
        let message = answer["message"].as_str().unwrap();
        assert_eq!(got, status, "{message}");
        assert!(message.len() < 2_500 && !message.contains('\u{1b}'), "{message}");
    }
    for path in ["?limit=many", "?cursor=x", "?sort=drop%20table"] {
        let (status, answer) = server.call("GET", &format!("{BANS}{path}"), Value::Null).await;
        assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("invalid")), "{path}");
    }
    let (status, _) = server.call("DELETE", &format!("{BANS}/203.0.113.0%2F33"), Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_the_nearest_name() {
    let server = Server::start().await;
    let (_, answer) = server.call("POST", BANS, json!({ "address": "203.0.113.9", "hosts": ["web-2"] })).await;
    assert_eq!(answer["hint"], "did you mean `web-1`?");
}

#[tokio::test]
async fn a_ban_of_named_hosts_reaches_those_alone() {
    let server = Server::start().await;
    let plan = server.change("POST", BANS, json!({ "address": "203.0.113.9", "hosts": ["web-1", "web-1"] })).await;
    assert_eq!(effects(&plan), ["203.0.113.9 can no longer reach 1 host until it is released"]);
    assert_eq!((server.spec_of("web-1").await.len(), server.spec_of("db-1").await.len()), (1, 0));
    let (_, page) = server.call("GET", BANS, Value::Null).await;
    assert_eq!(page["items"][0]["hosts"], json!(["web-1"]));
}

#[tokio::test]
async fn a_mapped_address_is_banned_as_its_ipv4_address() {
    let server = Server::start().await;
    let plan = server.change("POST", BANS, json!({ "address": "::ffff:203.0.113.9" })).await;
    assert_eq!(plan.steps[0].object, "203.0.113.9");
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.9 never"]);
}

#[tokio::test]
async fn a_ban_that_is_there_already_is_made_longer_or_refused() {
    let server = Server::start().await;
    server.change("POST", BANS, json!({ "address": "203.0.113.9", "for": "2h" })).await;
    let (status, answer) = server.call("POST", BANS, json!({ "address": "203.0.113.9", "for": "1h" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(answer["message"], "`203.0.113.9` is shut out already, until 14:00 UTC");
    let plan = server.change("POST", BANS, json!({ "address": "203.0.113.9", "for": "4h" })).await;
    assert_eq!(effects(&plan)[1], "it was shut out already, until 14:00 UTC: this goes beyond");
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.9 2026-11-22T16:00:00Z"]);
    assert_eq!(server.call("GET", BANS, Value::Null).await.1["total"], 1);
}

#[tokio::test]
async fn a_network_is_on_probation_and_ends_by_itself_unless_it_is_kept() {
    let server = Server::start().await;
    let plan = server.change("POST", BANS, json!({ "address": "203.0.113.0/24" })).await;
    assert_eq!(plan.probation_s, Some(60));
    assert_eq!(effects(&plan)[0], "203.0.113.0/24 (256 addresses) can no longer reach 2 hosts until it is released");
    assert_eq!(effects(&plan)[2], "unless it is kept, it is undone by itself at 12:01:00 UTC");
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.0/24 2026-11-22T12:01:00Z"]);

    let mut tx = server.context.begin().await.unwrap();
    server.serve().keep(&mut tx, &plan).await.unwrap();
    tx.commit().await.unwrap();
    server.clock.pass_s(61);
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.0/24 never"]);

    server.change("POST", BANS, json!({ "address": "198.18.0.0/15", "probation": "30s" })).await;
    server.clock.pass_s(30);
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.0/24 never"]);
}

#[tokio::test]
async fn rolling_back_an_extension_leaves_the_ban_of_before() {
    let server = Server::start().await;
    server.change("POST", BANS, json!({ "address": "203.0.113.9", "for": "30s" })).await;
    let longer = server.change("POST", BANS, json!({ "address": "203.0.113.9", "probation": "60s" })).await;
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.9 2026-11-22T12:01:00Z"]);
    let mut tx = server.context.begin().await.unwrap();
    server.serve().rollback(&mut tx, &longer).await.unwrap();
    // once more changes nothing: the frame may try again after a crash
    server.serve().rollback(&mut tx, &longer).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.9 2026-11-22T12:00:30Z"]);
}

#[tokio::test]
async fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let server = Server::start().await;
    server.change("POST", ALLOW, json!({ "cidr": "198.18.0.1" })).await;
    server.change("POST", BANS, json!({ "address": "203.0.113.9" })).await;
    server.events();
    for (method, path, body) in [
        ("POST", BANS.to_owned(), json!({ "address": "203.0.113.0/24", "dry_run": true })),
        ("DELETE", format!("{BANS}/203.0.113.9?dry_run=true"), Value::Null),
        ("POST", ALLOW.to_owned(), json!({ "cidr": "203.0.113.9", "dry_run": true })),
        ("DELETE", format!("{ALLOW}/198.18.0.1?dry_run=true"), Value::Null),
    ] {
        let plan = server.change(method, &path, body).await;
        assert_eq!((plan.id.as_str(), plan.state), ("", PlanState::Preview), "{method} {path}");
        assert!(!plan.effects.is_empty() && plan.hosts.len() == 2, "{method} {path}");
    }
    let (status, _) = server.call("POST", BANS, json!({ "address": "127.0.0.1", "dry_run": true })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(server.events().is_empty());
    assert_eq!(server.spec_of("web-1").await, ["203.0.113.9 never"]);
    assert_eq!(server.call("GET", ALLOW, Value::Null).await.1["total"], 1);
}

#[tokio::test]
async fn a_ban_is_removed_by_the_network_that_was_banned() {
    let server = Server::start().await;
    server.change("POST", BANS, json!({ "address": "203.0.113.0/24" })).await;
    let (status, answer) = server.call("DELETE", &format!("{BANS}/203.0.113.9"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(answer["hint"], "`203.0.113.0/24` is shut out and covers it");
    assert_eq!(server.events().pop().unwrap().outcome, Outcome::Refused);
    let plan = server.change("DELETE", &format!("{BANS}/203.0.113.0%2F24"), Value::Null).await;
    assert_eq!(effects(&plan), ["203.0.113.0/24 (256 addresses) can reach 2 hosts again"]);
    assert!(server.spec_of("web-1").await.is_empty());
}

#[tokio::test]
async fn the_allow_list_comes_before_every_ban_and_says_what_it_opens() {
    let server = Server::start().await;
    server.change("POST", BANS, json!({ "address": "203.0.113.9" })).await;
    let plan = server.change("POST", ALLOW, json!({ "cidr": "203.0.113.0/24", "reason": "partner" })).await;
    assert_eq!(effects(&plan)[1], "the ban of 203.0.113.9 no longer cuts what lies in 203.0.113.0/24");
    let (status, answer) = server.call("POST", BANS, json!({ "address": "203.0.113.10" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(answer["message"].as_str().unwrap().contains("on the allow-list"), "{answer}");
    assert_eq!(server.call("POST", ALLOW, json!({ "cidr": "203.0.113.0/24" })).await.0, StatusCode::CONFLICT);
    for wide in ["0.0.0.0/0", "0.0.0.0/7", "::/0"] {
        let (status, answer) = server.call("POST", ALLOW, json!({ "cidr": wide })).await;
        assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("refused")), "{wide}");
    }
    let plan = server.change("DELETE", &format!("{ALLOW}/203.0.113.0%2F24"), Value::Null).await;
    assert_eq!(effects(&plan)[1], "the ban of 203.0.113.9 cuts what lies in 203.0.113.0/24 at once");
    assert_eq!(server.call("DELETE", &format!("{ALLOW}/203.0.113.0%2F24"), Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_operator_cannot_cut_himself_by_taking_the_exception_away() {
    let server = Server::start().await;
    server.change("POST", ALLOW, json!({ "cidr": OWN })).await;
    // made from elsewhere: another operator may ban the network, since the exception stands
    let ban = palisade_firewall::spec::Ban {
        cidr: "198.51.100.0/24".parse().unwrap(),
        reason: String::new(),
        by: "bob".to_owned(),
        since: server.context.now(),
        ends_at: None,
        probation_until: None,
        plan: None,
    };
    let mut tx = server.context.begin().await.unwrap();
    palisade_firewall::store::ban_insert(&mut tx, &[], &ban).await.unwrap();
    tx.commit().await.unwrap();
    let (status, answer) = server.call("DELETE", &format!("{ALLOW}/{OWN}"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(answer["message"].as_str().unwrap().contains("would cut your own address"), "{answer}");
}

#[tokio::test]
async fn a_viewer_looks_and_nobody_is_let_in_without_signing_in() {
    let server = Server::start().await;
    server.change("POST", BANS, json!({ "address": "203.0.113.9" })).await;
    server.change("POST", ALLOW, json!({ "cidr": "198.18.0.1" })).await;
    let change = json!({ "address": "203.0.113.10", "cidr": "198.18.0.2" }).to_string();
    for (method, path, viewer) in [
        ("GET", BANS, StatusCode::OK),
        ("GET", ALLOW, StatusCode::OK),
        ("GET", "/api/v1/firewall/exposure", StatusCode::OK),
        ("GET", "/api/v1/firewall/ruleset", StatusCode::OK),
        ("POST", BANS, StatusCode::FORBIDDEN),
        ("POST", ALLOW, StatusCode::FORBIDDEN),
        ("DELETE", "/api/v1/firewall/bans/203.0.113.9", StatusCode::FORBIDDEN),
        ("DELETE", "/api/v1/firewall/allow/198.18.0.1", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(server.call_as(Some(Role::Viewer), method, path, change.clone()).await.0, viewer, "{method} {path}");
        assert_eq!(
            server.call_as(None, method, path, change.clone()).await.0,
            StatusCode::UNAUTHORIZED,
            "{method} {path}"
        );
    }
    let (_, page) = server.call_as(Some(Role::Viewer), "GET", BANS, "").await;
    assert_eq!(page["items"][0]["can"], json!({ "remove": "needs role operator" }));
}

#[tokio::test]
async fn of_two_operators_who_ban_the_same_address_at_once_one_is_told() {
    let server = Server::start().await;
    let body = json!({ "address": "203.0.113.9" });
    let (a, b) = tokio::join!(server.call("POST", BANS, body.clone()), server.call("POST", BANS, body.clone()));
    let mut said = [a.0, b.0];
    said.sort();
    assert_eq!(said, [StatusCode::OK, StatusCode::CONFLICT]);
    assert_eq!(server.call("GET", BANS, Value::Null).await.1["total"], 1);
}

#[tokio::test]
async fn a_list_is_searched_sorted_and_paged_and_says_why_it_is_empty() {
    let server = Server::start().await;
    assert_eq!(server.call("GET", BANS, Value::Null).await.1["reason"], "nobody is shut out");
    for n in 1..=5 {
        server
            .change("POST", BANS, json!({ "address": format!("203.0.113.{n}"), "reason": format!("case {n}") }))
            .await;
    }
    let (_, page) = server.call("GET", &format!("{BANS}?sort=-address&limit=2"), Value::Null).await;
    assert_eq!((page["items"][0]["address"].as_str(), page["next_cursor"].as_str()), (Some("203.0.113.5"), Some("2")));
    let (_, page) = server.call("GET", &format!("{BANS}?q=CASE%20113.3"), Value::Null).await;
    assert_eq!((page["total"].as_u64(), page["items"][0]["address"].as_str()), (Some(1), Some("203.0.113.3")));
}

#[tokio::test]
async fn every_endpoint_is_described() {
    let server = Server::start().await;
    let described = serde_json::to_value(server.serve().api().split_for_parts().1).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let methods = |path: &str| paths[path].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(paths.keys().all(|path| path.starts_with("/api/v1/firewall/")), "{:?}", paths.keys());
    assert_eq!(methods("/api/v1/firewall/simulate"), ["post"]);
    assert_eq!(methods(BANS), ["get", "post"]);
    assert_eq!(methods(ALLOW), ["get", "post"]);
    assert_eq!(methods("/api/v1/firewall/bans/{address}"), ["delete"]);
    assert_eq!(methods("/api/v1/firewall/allow/{cidr}"), ["delete"]);
    assert_eq!(methods("/api/v1/firewall/bans/import"), ["post"]);
    assert_eq!(methods("/api/v1/firewall/feed"), ["get"]);
    let body = &described["components"]["schemas"]["BanParams"];
    assert_eq!(body["required"], json!(["address"]));
    assert_eq!(body["properties"]["for"]["type"], json!(["string", "null"]));
    assert_eq!(body["additionalProperties"], json!(false));
}
