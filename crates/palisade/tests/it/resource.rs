//! Resources as files, through the whole product.

use crate::check::holds;
use crate::running::{BINARY, Palisade, until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Output;

fn up() -> Option<Palisade> {
    match Palisade::up() {
        Ok(palisade) => {
            until("this host has joined", || {
                palisade.json(&["get", "Host"]).as_array().is_some_and(|all| all.len() == 1)
            });
            Some(palisade)
        }
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn file(palisade: &Palisade, text: &str) -> PathBuf {
    let path = palisade.dir.path().join("fleet.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn apply(palisade: &Palisade, text: &str, more: &[&str]) -> Output {
    let path = file(palisade, text);
    palisade.command(&[&["apply", "-f", path.to_str().unwrap()], more].concat())
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The examples of the page in the documentation.
fn examples() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/resources.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    blocks.map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn the_documented_example_is_applied_shown_and_given_back() {
    let Some(palisade) = up() else { return };
    let example = examples().concat();
    let (code, out, _) = said(&apply(&palisade, &example, &["--dry-run"]));
    assert_eq!(code, 0);
    assert!(out.contains("+ AddressAllow 203.0.113.0/24\n") && out.contains("+ Host printer\n"), "{out}");
    assert!(out.contains("effect: no ban cuts 203.0.113.0/24 (256 addresses)"), "{out}");
    assert_eq!(palisade.json(&["get", "hosts"]).as_array().unwrap().len(), 1, "a dry run stores nothing");
    let (code, out, _) = said(&apply(&palisade, &example, &[]));
    assert!(code == 0 && out.contains("applied: plan p-1, p-2"), "{out}");
    let (code, out, _) = said(&apply(&palisade, &example, &[]));
    assert_eq!((code, out.as_str()), (0, "= 2 resources are as the file says\n"));
    let all = [palisade.ok(&["get", "host", "-o", "yaml"]), palisade.ok(&["get", "addressallow", "-o", "yaml"])];
    let (code, out, _) = said(&apply(&palisade, &all.join("---\n"), &[]));
    assert_eq!((code, out.as_str()), (0, "= 3 resources are as the file says\n"));
    assert_eq!(palisade.json(&["host", "list"])["total"], 2);
    assert!(palisade.ok(&["get", "HOSTS"]).contains("printer"));
    // each guard's plan is rolled back by itself
    until("the agent has taken the allow-list over", || palisade.json(&["plan", "show", "p-2"])["state"] == "applied");
    palisade.ok(&["plan", "rollback", "p-1"]);
    palisade.ok(&["plan", "rollback", "p-2"]);
    assert_eq!(palisade.json(&["get", "AddressAllow"]), json!([]));
    assert_eq!(palisade.json(&["get", "Host"]).as_array().unwrap().len(), 1);
    let audit = palisade.ok(&["audit", "list"]);
    assert!(audit.contains("made Host printer") && audit.contains("removed Host printer"), "{audit}");
}

#[test]
fn a_conflict_shows_all_sides_and_is_overwritten_only_knowingly() {
    let Some(palisade) = up() else { return };
    let ours = "kind: Host\nname: web-1\nspec: { region: us-1 }\n";
    let (code, _, err) = said(&apply(&palisade, ours, &[]));
    assert_eq!(code, 3, "the host has joined, no file has made it: {err}");
    assert!(err.contains("your file would make:\n      spec.region: nothing -> \"us-1\""), "{err}");
    assert!(err.contains("hint: with --yes it is overwritten"), "{err}");
    let (code, out, _) = said(&apply(&palisade, ours, &["--yes"]));
    assert!(code == 0 && out.contains("~ Host web-1  (over version 1 by elsewhere)"), "{out}");
    // somebody edits what stands
    let edit = palisade.ok(&["get", "Host", "web-1"]).replace("us-1", "eu-2");
    assert_eq!(said(&apply(&palisade, &edit, &[])).0, 0);
    let stale = edit.replace("eu-2", "ap-3");
    let (code, _, err) = said(&apply(&palisade, &stale, &["--yes"]));
    assert_eq!(code, 3, "an edit of an old version is never forced: {err}");
    assert!(err.contains("changed there:\n      spec.region: \"us-1\" -> \"eu-2\""), "{err}");
    assert!(err.contains("palisade get KIND NAME -o yaml"), "{err}");
    let token = palisade.token("operator");
    let body =
        json!({ "resources": [{ "kind": "Host", "name": "web-1", "version": 2, "spec": { "region": "ap-3" } }] });
    let answer = palisade.request("POST", "/api/v1/apply", Some(&token), &body.to_string());
    assert_eq!(answer.status, 409);
    let conflict = answer.json()["conflict"][0].clone();
    let regions = ["mine", "theirs", "base"].map(|side| conflict[side]["region"].as_str().unwrap().to_owned());
    assert_eq!(regions, ["ap-3", "eu-2", "us-1"]);
    let versions = palisade.request("GET", "/api/v1/resources/host/web-1/versions", Some(&token), "").json();
    assert_eq!((&versions["total"], &versions["items"][0]["changes"][0]["after"]), (&json!(3), &json!("eu-2")));
}

#[test]
fn errors_say_where_in_the_file_and_nothing_of_it_is_applied() {
    let Some(palisade) = up() else { return };
    let good = "kind: AddressAllow\nname: 203.0.113.9\nspec: {}\n---\n";
    for (bad, expected) in [
        (
            "kind: Host\nname: a\nspec:\n  kind: agentless\n  adress: b.example.org\n",
            "fleet.yaml:9: document 2, spec.adress: unknown field `adress`\nhint: did you mean `address`?",
        ),
        (
            "kind: Hots\nname: a\nspec: {}\n",
            "fleet.yaml:5: document 2, kind: a kind `Hots` does not exist\nhint: did you mean `Host`?",
        ),
        (
            "kind: Host\nname: web-1\nspec: { tags: { Role: web } }\n",
            "fleet.yaml:7: document 2, spec.tags: `Role` is no key of a tag",
        ),
        ("kind: Host\nname: b\nspec: {}\n", "fleet.yaml:6: document 2, name: no host `b` has joined"),
        ("kind: Host\nname: [\n", "fleet.yaml:6: "),
    ] {
        let (code, _, err) = said(&apply(&palisade, &format!("{good}{bad}"), &[]));
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(expected), "{err}\nexpected: {expected}");
    }
    assert_eq!(palisade.json(&["get", "AddressAllow"]), json!([]));
    let (code, _, err) = said(&palisade.command(&["get", "hsot"]));
    assert!(code == 2 && err.contains("hint: did you mean `Host`?"), "{err}");
    let (code, _, err) = said(&palisade.command(&["get", "Host", "web-2"]));
    assert!(code == 2 && err.contains("hint: did you mean `web-1`?"), "{err}");
}

#[test]
fn files_and_requests_have_bounds_that_are_named() {
    let Some(palisade) = up() else { return };
    let entry =
        |n: usize| json!({ "kind": "AddressAllow", "name": format!("10.{}.{}.0/24", n / 250, n % 250), "spec": {} });
    let many: Vec<Value> = (0..10_000).map(entry).collect();
    let (code, _, err) = said(&apply(&palisade, &Value::from(many.clone()).to_string(), &[]));
    assert!(code == 2 && err.contains("10000 resources are more than the 2000 of one change"), "{err}");
    let token = palisade.token("operator");
    let send = |token: Option<&str>, path: &str, body: &str| palisade.request("POST", path, token, body);
    let part = json!({ "resources": many[..2_000] }).to_string();
    assert!(part.len() < 256 << 10);
    let padded = format!("{part}{}", " ".repeat(3 << 20));
    let done = send(Some(&token), "/api/v1/apply", &padded);
    assert_eq!(done.status, 200, "{}", done.body);
    let large = " ".repeat((12 << 20) + 1);
    let answer = send(Some(&token), "/api/v1/apply", &large);
    assert!(answer.status == 413 && answer.body.contains("12582912 bytes"), "{}", answer.body);
    assert_eq!(send(None, "/api/v1/apply", &padded).status, 401, "of who is not known nothing is kept");
    assert_eq!(send(Some(&token), "/api/v1/firewall/allow", &padded).status, 413, "other addresses take less");
    assert_eq!(palisade.json(&["get", "AddressAllow"]).as_array().unwrap().len(), 2_000);
}

#[test]
fn viewers_look_operators_change_and_admins_make_hosts() {
    let Some(palisade) = up() else { return };
    let [viewer, operator, admin] = ["viewer", "operator", "admin"].map(|role| palisade.token(role));
    let printer = json!({ "resources": [{ "kind": "Host", "name": "printer", "spec": { "kind": "agentless", "address": "203.0.113.9" } }] });
    let allow = json!({ "resources": [{ "kind": "AddressAllow", "name": "203.0.113.9", "spec": {} }] });
    let send =
        |token: &str, body: &Value| palisade.request("POST", "/api/v1/apply", Some(token), &body.to_string()).status;
    let statuses = [send(&viewer, &allow), send(&operator, &allow), send(&operator, &printer), send(&admin, &printer)];
    assert_eq!(statuses, [403, 200, 403, 200]);
    let call = |method: &str, token: &str, path: &str| palisade.request(method, path, Some(token), "").status;
    for path in [
        "/api/v1/kinds",
        "/api/v1/resources/Host",
        "/api/v1/resources/Host/printer",
        "/api/v1/resources/Host/printer/versions",
    ] {
        assert_eq!(call("GET", &viewer, path), 200, "{path}");
    }
    let printer = "/api/v1/resources/Host/printer";
    let statuses =
        [call("DELETE", &viewer, printer), call("DELETE", &operator, printer), call("DELETE", &admin, printer)];
    assert_eq!(statuses, [403, 403, 200]);
    assert_eq!(call("DELETE", &operator, "/api/v1/resources/AddressAllow/203.0.113.9?dry_run=true"), 200);
    assert_eq!(call("GET", &viewer, "/api/v1/resources/AddressAllow/203.0.113.9"), 200);
}

/// What a command prints that needs no server.
fn printed(args: &[&str]) -> String {
    let output = std::process::Command::new(BINARY).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The published schemas are made anew and compared by `cargo xtask test`; here documents are held
/// against them.
#[test]
fn documents_keep_to_the_published_schema_of_their_kind() {
    let list = printed(&["schema"]);
    for (kind, published) in [("Host", "host"), ("AddressAllow", "address-allow")] {
        assert!(list.contains(kind), "{list}");
        let schema: Value = serde_json::from_str(&printed(&["schema", kind])).unwrap();
        let path = format!("{}/../../schemas/resources/{published}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(schema, serde_json::from_str::<Value>(&text).unwrap());
        assert_eq!(schema["properties"]["kind"]["const"], kind);
        assert_eq!(schema["properties"]["spec"]["additionalProperties"], false);
    }
    let schema = |kind: &str| serde_json::from_str::<Value>(&printed(&["schema", kind])).unwrap();
    let host = json!({ "kind": "Host", "name": "a", "spec": { "kind": "agentless", "address": "a.example.org", "tags": { "a": "b" } } });
    holds(&schema("host"), &schema("hosts"), &host, "document");
    let allow = json!({ "kind": "AddressAllow", "name": "203.0.113.9", "version": 3, "spec": { "reason": "x", "ends_at": "2026-11-22T12:00:00Z" } });
    holds(&schema("AddressAllow"), &schema("address-allow"), &allow, "document");
}
