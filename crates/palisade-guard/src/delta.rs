//! Changes of a spec: how they are found on the server and made on the agent.
//!
//! A spec is an object whose fields are lists of entries (bans, rules, members) or small values. A
//! list that keeps the order of what stays becomes one [`Splice`] per run of changes; any other
//! field is replaced whole. The agent checks the hash of the result, so a delta that does not fit
//! is never put in force.

use crate::link::Splice;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Why a delta does not fit the spec that it was applied to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the change of `{field}` does not fit the spec that is held")]
pub struct DeltaError {
    field: String,
}

/// The changes from `old` to `new`; `None` if one of them is no object.
pub fn diff(old: &Value, new: &Value) -> Option<Vec<Splice>> {
    let (old, new) = (old.as_object()?, new.as_object()?);
    if old.keys().any(|key| !new.contains_key(key)) {
        return None;
    }
    let changed = new.iter().filter(|(field, value)| old.get(*field) != Some(*value));
    Some(changed.flat_map(|(field, value)| field_changes(field, old.get(field), value)).collect())
}

fn field_changes(field: &str, old: Option<&Value>, new: &Value) -> Vec<Splice> {
    let whole = || vec![Splice { field: field.to_owned(), at: None, removed: 0, inserted: vec![new.clone()] }];
    match (old, new) {
        (Some(Value::Array(old)), Value::Array(new)) => list_changes(field, old, new).unwrap_or_else(whole),
        _ => whole(),
    }
}

/// One splice per run of changes, each to be made after the ones before it; `None` if what stays
/// has another order, or an entry stands twice.
fn list_changes(field: &str, old: &[Value], new: &[Value]) -> Option<Vec<Splice>> {
    let (old, new): (Vec<String>, Vec<String>) = (texts(old), texts(new));
    let (in_old, in_new): (HashSet<&String>, HashSet<&String>) = (old.iter().collect(), new.iter().collect());
    if in_old.len() != old.len() || in_new.len() != new.len() {
        return None;
    }
    let stays = |list: &'_ [String], other: &HashSet<&String>| {
        list.iter().filter(|entry| other.contains(entry)).cloned().collect::<Vec<_>>()
    };
    if stays(&old, &in_new) != stays(&new, &in_old) {
        return None;
    }
    let mut splices = Vec::new();
    let (mut from, mut to) = (0, 0);
    while from < old.len() || to < new.len() {
        let removed = old[from..].iter().take_while(|entry| !in_new.contains(entry)).count();
        let inserted = new[to..].iter().take_while(|entry| !in_old.contains(entry)).count();
        if removed + inserted == 0 {
            (from, to) = (from + 1, to + 1);
            continue;
        }
        let values = new[to..to + inserted].iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        splices.push(Splice { field: field.to_owned(), at: Some(to), removed, inserted: values });
        (from, to) = (from + removed, to + inserted);
    }
    Some(splices)
}

fn texts(list: &[Value]) -> Vec<String> {
    list.iter().map(Value::to_string).collect()
}

/// The spec after the changes.
pub fn patch(spec: &Value, splices: Vec<Splice>) -> Result<Value, DeltaError> {
    let mut fields = spec.as_object().cloned().unwrap_or_default();
    for splice in splices {
        let field = splice.field.clone();
        make(&mut fields, splice).ok_or(DeltaError { field })?;
    }
    Ok(Value::Object(fields))
}

fn make(fields: &mut Map<String, Value>, mut splice: Splice) -> Option<()> {
    let Some(at) = splice.at else {
        let value = splice.inserted.pop().filter(|_| splice.inserted.is_empty())?;
        fields.insert(splice.field, value);
        return Some(());
    };
    let list = fields.get_mut(&splice.field)?.as_array_mut()?;
    let end = at.checked_add(splice.removed).filter(|end| *end <= list.len())?;
    list.splice(at..end, splice.inserted);
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn one_new_ban_among_many_is_one_small_change() {
        let list: Vec<u32> = (0..1000).map(|n| n * 2).collect();
        let mut more = list.clone();
        more.insert(500, 999);
        let old = json!({ "bans": list, "allow": [] });
        let new = json!({ "bans": more, "allow": [] });
        let splices = diff(&old, &new).unwrap();
        assert_eq!(splices, [Splice { field: "bans".into(), at: Some(500), removed: 0, inserted: vec![json!(999)] }]);
        assert_eq!(patch(&old, splices).unwrap(), new);
    }

    #[test]
    fn a_change_that_does_not_fit_is_refused() {
        let spec = json!({ "bans": [1, 2] });
        let splice = |field: &str, at, removed| Splice { field: field.into(), at, removed, inserted: Vec::new() };
        for splice in [
            splice("bans", Some(1), 2),
            splice("bans", Some(usize::MAX), 1),
            splice("other", Some(0), 0),
            splice("bans", None, 0),
        ] {
            assert!(patch(&spec, vec![splice.clone()]).is_err(), "{splice:?}");
        }
    }

    #[test]
    fn a_field_that_is_gone_needs_a_whole_spec() {
        assert_eq!(diff(&json!({ "a": 1 }), &json!({})), None);
        assert_eq!(diff(&json!([]), &json!({})), None);
    }

    fn entries() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0u8..12, 0..10)
    }

    proptest! {
        #[test]
        fn what_was_found_leads_from_old_to_new(a in entries(), b in entries(), c in 0u8..3, d in 0u8..3) {
            let (old, new) = (json!({ "list": a, "small": c }), json!({ "list": b, "small": d, "more": [] }));
            prop_assert_eq!(patch(&old, diff(&old, &new).unwrap()).unwrap(), new);
        }

        #[test]
        fn sorted_lists_without_doubles_never_need_the_whole_field(mut a in entries(), mut b in entries()) {
            for list in [&mut a, &mut b] {
                list.sort_unstable();
                list.dedup();
            }
            let (old, new) = (json!({ "list": a }), json!({ "list": b }));
            let splices = diff(&old, &new).unwrap();
            prop_assert!(splices.iter().all(|s| s.at.is_some()));
            prop_assert_eq!(patch(&old, splices).unwrap(), new);
        }
    }
}
