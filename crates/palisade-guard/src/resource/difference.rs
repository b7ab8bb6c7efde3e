//! What differs between two specs, field by field. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Differences that are listed of one resource.
pub const DIFFERENCES_MAX: usize = 100;

/// Entries of a list that a difference shows; of a longer one it says how many there are.
const ENTRIES_MAX: usize = 1_000;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Which one: `spec.tags.role`, `spec.rules[2].port`, `spec.tags["a.b"]`.
    pub path: String,
    /// What it was; null when it was absent.
    pub before: Value,
    /// What it becomes; null when it is removed.
    pub after: Value,
}

/// What differs, in the order of the fields, at most [`DIFFERENCES_MAX`].
pub fn of(before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let mut found = Vec::new();
    let empty = Value::Object(serde_json::Map::new());
    walk("spec", before.unwrap_or(&empty), after.unwrap_or(&empty), &mut found);
    found
}

fn walk(path: &str, before: &Value, after: &Value, found: &mut Vec<Difference>) {
    if before == after || found.len() >= DIFFERENCES_MAX {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let side = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                walk(&below(path, key), &side(old), &side(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (n, (old, new)) in old.iter().zip(new).enumerate() {
                walk(&format!("{path}[{n}]"), old, new, found);
            }
        }
        _ => found.push(Difference { path: path.to_owned(), before: shown(before), after: shown(after) }),
    }
}

/// A long list is said by its length.
fn shown(value: &Value) -> Value {
    match value {
        Value::Array(list) if list.len() > ENTRIES_MAX => format!("{} entries", list.len()).into(),
        other => other.clone(),
    }
}

fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c));
    if plain { format!("{path}.{key}") } else { format!("{path}[{key:?}]") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(before: Value, after: Value) -> Vec<String> {
        let all = of(Some(&before), Some(&after));
        all.iter().map(|d| format!("{}: {} -> {}", d.path, d.before, d.after)).collect()
    }

    #[test]
    fn fields_are_compared_one_by_one() {
        let before = json!({ "region": "eu", "tags": { "role": "web", "a.b": "1" }, "same": 1 });
        let after = json!({ "tags": { "role": "db" }, "same": 1, "new": true });
        assert_eq!(
            said(before, after),
            [
                "spec.new: null -> true",
                "spec.region: \"eu\" -> null",
                "spec.tags[\"a.b\"]: \"1\" -> null",
                "spec.tags.role: \"web\" -> \"db\"",
            ]
        );
    }

    #[test]
    fn lists_of_one_length_are_compared_by_place_and_others_as_a_whole() {
        let rules = |ports: &[u16]| json!({ "rules": ports.iter().map(|p| json!({ "port": p })).collect::<Vec<_>>() });
        assert_eq!(said(rules(&[22, 80]), rules(&[22, 443])), ["spec.rules[1].port: 80 -> 443"]);
        assert_eq!(said(rules(&[22]), rules(&[])), ["spec.rules: [{\"port\":22}] -> []"]);
    }

    #[test]
    fn a_long_list_of_differences_is_cut() {
        let many = |n: usize| Value::Object((0..300).map(|k| (format!("k{k}"), json!(n))).collect());
        assert_eq!(of(Some(&many(1)), Some(&many(2))).len(), DIFFERENCES_MAX);
    }
}
