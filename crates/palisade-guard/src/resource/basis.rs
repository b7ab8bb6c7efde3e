//! Whether a document may be put: is what stands what it was made from? Pure.

use super::{Conflict, Document};
use crate::store::{ResourceRow, Source, VersionRow};
use serde_json::Value;

/// What a document stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// What it says stands already.
    Same,
    /// What stands is what it was made from.
    Good,
    /// What stands was written by somebody else, was seen, and is overwritten knowingly.
    Seen,
    /// What stands is not what it was made from.
    Stale,
}

/// Judges a document of `by`, whose spec in normal form is `spec`, against what stands.
pub fn judge(document: &Document, spec: &Value, current: Option<&ResourceRow>, by: &str) -> Basis {
    let Some(current) = current else {
        let none_seen = document.version.or(document.replaces).unwrap_or(0) == 0;
        return if none_seen { Basis::Good } else { Basis::Stale };
    };
    if *spec == current.spec {
        return Basis::Same;
    }
    let own_file = current.source == Source::File && current.updated_by == by;
    match (document.version, document.replaces) {
        (Some(version), _) if version == current.version => Basis::Good,
        (None, _) if own_file => Basis::Good,
        (None, Some(seen)) if seen == current.version => Basis::Seen,
        _ => Basis::Stale,
    }
}

/// How the new version comes to be.
pub fn source(document: &Document) -> Source {
    if document.version.is_some() { Source::Edit } else { Source::File }
}

/// The three sides of a conflict; `history` holds the versions that are kept, newest first.
pub fn conflict(
    kind: &str,
    name: &str,
    document: &Document,
    mine: &Value,
    current: Option<&ResourceRow>,
    history: &[VersionRow],
    by: &str,
) -> Conflict {
    let made_from = |row: &&VersionRow| match document.version.or(document.replaces) {
        Some(version) => row.version == version,
        None => row.source == Source::File && row.updated_by == by,
    };
    let newest = history.first();
    Conflict {
        index: None,
        kind: kind.to_owned(),
        name: name.to_owned(),
        mine: mine.clone(),
        theirs: current.map(|c| c.spec.clone()),
        base: history.iter().find(made_from).and_then(|row| row.spec.clone()),
        version: current.map_or(0, |c| c.version),
        updated_by: newest.map(|row| row.updated_by.clone()),
        updated_at: newest.map(|row| row.updated_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(version: Option<u64>, replaces: Option<u64>) -> Document {
        Document { kind: "Host".to_owned(), name: "web-1".to_owned(), version, replaces, spec: Value::Null }
    }

    fn stands(version: u64, by: &str, source: Source) -> ResourceRow {
        let spec = json!({ "region": "eu" });
        ResourceRow {
            name: "web-1".to_owned(),
            version,
            spec,
            updated_at: crate::store::at(0),
            updated_by: by.to_owned(),
            source,
        }
    }

    #[test]
    fn a_document_stands_on_what_its_writer_has_seen() {
        use Basis::{Good, Seen, Stale};
        let (mine, anna, ben, other) = (
            stands(7, "anna", Source::File),
            stands(7, "anna", Source::Edit),
            stands(7, "ben", Source::File),
            stands(7, "elsewhere", Source::Elsewhere),
        );
        for (version, replaces, current, expected) in [
            (None, None, None, Good),
            (Some(0), None, None, Good),
            (Some(3), None, None, Stale),
            (None, Some(3), None, Stale),
            (None, None, Some(&mine), Good),
            (None, None, Some(&anna), Stale),
            (None, None, Some(&ben), Stale),
            (None, None, Some(&other), Stale),
            (None, Some(7), Some(&ben), Seen),
            (None, Some(6), Some(&ben), Stale),
            (Some(7), None, Some(&ben), Good),
            (Some(6), None, Some(&mine), Stale),
            (Some(0), None, Some(&mine), Stale),
        ] {
            let judged = judge(&document(version, replaces), &json!({ "region": "us" }), current, "anna");
            assert_eq!(judged, expected, "version {version:?}, replaces {replaces:?}, {current:?}");
        }
    }

    #[test]
    fn what_stands_already_is_never_a_conflict() {
        let current = stands(7, "ben", Source::Edit);
        assert_eq!(judge(&document(Some(2), None), &current.spec, Some(&current), "anna"), Basis::Same);
    }
}
