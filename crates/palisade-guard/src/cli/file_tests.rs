//! Reading and writing files of documents.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use serde_json::json;

const FLEET: &str = "\
# the fleet
kind: Host
name: web-1
spec:
  tags: { role: web, answer: 'yes' }
---
- kind: AddressAllow
  name: 203.0.113.0/24
  version: 3
  spec:
    reason: the office
- {\"kind\": \"Host\", \"name\": \"db-1\", \"spec\": {\"kind\": \"agentless\", \"list\": [1, {\"x\": 2}]}}
---
";

fn failed(text: &str) -> String {
    format!("{:#}", parse("fleet.yaml", text).map(|_| ()).unwrap_err())
}

#[test]
fn documents_stand_in_streams_lists_and_json() {
    let all: Vec<Value> = parse("fleet.yaml", FLEET).unwrap().iter().map(Given::document).collect();
    assert_eq!(
        all,
        [
            json!({ "kind": "Host", "name": "web-1", "spec": { "tags": { "role": "web", "answer": "yes" } } }),
            json!({ "kind": "AddressAllow", "name": "203.0.113.0/24", "version": 3, "spec": { "reason": "the office" } }),
            json!({ "kind": "Host", "name": "db-1", "spec": { "kind": "agentless", "list": [1, { "x": 2 }] } }),
        ]
    );
}

#[test]
fn what_the_server_names_is_found_in_the_file() {
    let given = parse("fleet.yaml", FLEET).unwrap();
    for (path, expected) in [
        ("resources[0].spec.tags.role", "fleet.yaml:5: document 1, spec.tags.role"),
        ("resources[0].spec.regoin", "fleet.yaml:5: document 1, spec.regoin"),
        ("resources[1].spec.reason", "fleet.yaml:11: document 2, spec.reason"),
        ("resources[1].name", "fleet.yaml:8: document 2, name"),
        ("resources[2].spec.list[1].x", "fleet.yaml:12: document 2, spec.list[1].x"),
        ("resources[2]", "fleet.yaml:12: document 2"),
    ] {
        assert_eq!(place(path, &given).as_deref(), Some(expected));
    }
    assert_eq!(place("resources[9].name", &given), None);
    assert_eq!(place("resources", &given), None);
}

#[test]
fn errors_name_file_line_and_document() {
    for (text, expected) in [
        ("kind: Host\nname: a\nname: b\nspec: {}\n", "fleet.yaml:3: duplicate mapping key: name"),
        ("kind: Host\nname: a\nspec: {}\n---\nkind: Host\nname: [1\n", "fleet.yaml:6: "),
        ("kind: Host\nname: a\nspec: {}\n---\nkind: Host\nspec: {}\n", "fleet.yaml:5: document 2: has no `name`"),
        ("kind: Host\nnmae: a\nspec: {}\n", "document 1: line 2: unknown field `nmae`\nhint: did you mean `name`?"),
        ("just text\n", "fleet.yaml:1: document 1: is no document"),
        ("a: 1\n<<: { b: 2 }\n", "fleet.yaml:2: "),
        ("kind: !secret Host\n", "fleet.yaml:1: "),
    ] {
        let said = failed(text);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_bomb_of_aliases_is_refused_before_it_goes_off() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='i').zip('b'..='j') {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
    }
    let said = failed(&bomb);
    assert!(said.contains("alias") || said.contains("budget"), "{said}");
}

#[test]
fn depth_and_number_of_values_have_bounds() {
    let deep = format!("kind: {}{}\n", "[".repeat(100), "]".repeat(100));
    assert!(failed(&deep).starts_with("fleet.yaml"), "{}", failed(&deep));
    let wide = format!("kind: [{}]\n", "1,".repeat(NODES_MAX + 1));
    assert!(failed(&wide).contains("budget"), "{}", failed(&wide));
}

#[test]
fn a_stream_may_have_more_documents_than_the_server_takes() {
    let one = "kind: Host\nname: a\nspec: { kind: agentless, address: a.example.org, tags: { role: web } }\n---\n";
    assert_eq!(parse("a", &one.repeat(3_000)).unwrap().len(), 3_000);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.yaml");
    std::fs::write(&path, vec![b'#'; FILES_BYTES_MAX as usize + 1]).unwrap();
    let said = format!("{:#}", read(&[path]).map(|_| ()).unwrap_err());
    assert!(said.contains("more than 12582912 bytes"), "{said}");
}

fn values() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "\\PC{0,6}",
        prop::sample::select(vec![
            "yes",
            "~",
            "null",
            "1e3",
            "0x10",
            "",
            " a",
            "a: b",
            "- a",
            "#a",
            "*a",
            "<<",
            "2026-11-22",
            "a\nb\n",
            "---"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_as_yaml_is_read_as_the_same(specs in prop::collection::vec(values(), 1..4)) {
        let all: Vec<Value> = specs.into_iter().enumerate()
            .map(|(n, spec)| json!({ "kind": "Host", "name": format!("h{n}"), "version": n, "spec": spec }))
            .collect();
        let text = yaml(&all).unwrap();
        let read: Vec<Value> = parse("a", &text).unwrap().iter().map(Given::document).collect();
        prop_assert_eq!(read, all, "{}", text);
    }
}
