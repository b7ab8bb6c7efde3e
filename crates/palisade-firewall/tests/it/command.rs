//! `palisade firewall …`: what each command asks of the API.

use palisade_guard::cli::{ApiClient, CliContext, Output};
use palisade_guard::contract::BoxFuture;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Answers every call with the same, and keeps what was asked for.
struct TestClient {
    asked: Mutex<Vec<(String, Value)>>,
    answer: Value,
}

impl ApiClient for TestClient {
    fn call<'a>(
        &'a self,
        method: &'static str,
        path: &'a str,
        body: Option<Value>,
    ) -> BoxFuture<'a, anyhow::Result<Value>> {
        self.asked.lock().unwrap().push((format!("{method} {path}"), body.unwrap_or_default()));
        Box::pin(async { Ok(self.answer.clone()) })
    }
}

/// Runs `palisade <words>`, and returns the one call that it made, or the parser's refusal.
async fn asked(words: &str) -> Result<(String, Value), String> {
    let command = palisade_firewall::guard().command.unwrap();
    let matches = (command.command)().try_get_matches_from(words.split_whitespace()).map_err(|e| e.to_string())?;
    let answer = json!({ "items": [], "total": 0, "reason": "nobody is shut out" });
    let client = Arc::new(TestClient { asked: Mutex::default(), answer });
    (command.run)(matches, CliContext { client: client.clone(), output: Output::Table })
        .await
        .map_err(|e| e.to_string())?;
    let mut asked = client.asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "{words}");
    Ok(asked.remove(0))
}

#[tokio::test]
async fn every_command_asks_for_what_its_words_say() {
    for (words, call, body) in [
        (
            "firewall ban add 203.0.113.9",
            "POST /api/v1/firewall/bans",
            json!({ "address": "203.0.113.9", "dry_run": false }),
        ),
        (
            "firewall ban add 203.0.113.0/24 --for 12h --reason scans --probation 60s --host web-1 --host db-1 --dry-run",
            "POST /api/v1/firewall/bans",
            json!({ "address": "203.0.113.0/24", "for": "12h", "reason": "scans", "probation": "1m", "hosts": ["web-1", "db-1"], "dry_run": true }),
        ),
        ("firewall ban list", "GET /api/v1/firewall/bans", Value::Null),
        ("firewall ban remove 203.0.113.0/24", "DELETE /api/v1/firewall/bans/203.0.113.0%2F24", Value::Null),
        (
            "firewall ban remove 2001:db8::1 --dry-run",
            "DELETE /api/v1/firewall/bans/2001:db8::1?dry_run=true",
            Value::Null,
        ),
        (
            "firewall allow add 192.0.2.0/24 --reason office",
            "POST /api/v1/firewall/allow",
            json!({ "cidr": "192.0.2.0/24", "reason": "office", "dry_run": false }),
        ),
        ("firewall allow list", "GET /api/v1/firewall/allow", Value::Null),
        ("firewall allow remove 192.0.2.0/24", "DELETE /api/v1/firewall/allow/192.0.2.0%2F24", Value::Null),
        ("firewall exposure --open named", "GET /api/v1/firewall/exposure?limit=1000&open=named", Value::Null),
        ("firewall group propose", "GET /api/v1/firewall/groups/starter", Value::Null),
        (
            "firewall group propose --host web-1 --host db-1",
            "GET /api/v1/firewall/groups/starter?hosts=web-1,db-1",
            Value::Null,
        ),
        ("firewall group list", "GET /api/v1/firewall/groups?limit=1000", Value::Null),
        ("firewall group show web", "GET /api/v1/firewall/groups/web", Value::Null),
        ("firewall group show ../x", "GET /api/v1/firewall/groups/..%2Fx", Value::Null),
        ("firewall group show web -o yaml", "GET /api/v1/resources/SecurityGroup/web", Value::Null),
        ("firewall policy show web-1", "GET /api/v1/firewall/effective?host=web-1", Value::Null),
        ("firewall policy show", "GET /api/v1/firewall/effective", Value::Null),
        (
            "firewall isolate web-1 --reason odd --for 4h --dry-run",
            "POST /api/v1/firewall/hosts/web-1/isolate",
            json!({ "reason": "odd", "for": "4h", "dry_run": true }),
        ),
        ("firewall release web-1", "POST /api/v1/firewall/hosts/web-1/release", json!({ "dry_run": false })),
        ("firewall isolated", "GET /api/v1/firewall/isolated", Value::Null),
        ("firewall exposure --host web-1", "GET /api/v1/firewall/exposure?limit=1000&host=web-1", Value::Null),
    ] {
        assert_eq!(asked(words).await, Ok((call.to_owned(), body)), "{words}");
    }
}

#[tokio::test]
async fn a_wrong_address_or_span_is_refused_before_anything_is_asked_for() {
    for (words, said) in [
        ("firewall ban add 10.0.0.1/8", "did you mean `10.0.0.0/8`?"),
        ("firewall ban add example.org", "neither an address nor a network"),
        ("firewall ban add 203.0.113.9 --for 12", "no length of time"),
        ("firewall ban add 203.0.113.9 --host ../x", "no host name"),
        ("firewall ban add", "required arguments"),
        ("firewall isolate web-1", "--reason"),
        ("firewall release", "required arguments"),
    ] {
        let error = asked(words).await.unwrap_err();
        assert!(error.contains(said), "{words}: {error}");
    }
}
