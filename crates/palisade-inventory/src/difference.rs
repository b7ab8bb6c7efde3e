//! What has changed between two bodies of one section. Pure.
//!
//! Rows are told apart by what an operator would call the thing (a port, a package, a program), so
//! that a restart, which changes pids, is no change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How many changes of one section at one observation are kept.
pub const CHANGES_MAX: usize = 1_000;

/// A kind of asset that is listed and whose changes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SectionName {
    /// Accounts of `/etc/passwd`.
    Accounts,
    /// Sockets that wait.
    Ports,
    /// What runs.
    Processes,
    /// What is installed.
    Packages,
    /// Kernel modules.
    Modules,
    /// What is started by itself.
    Autostart,
    /// What web servers show.
    Webroots,
}

impl SectionName {
    /// All of them.
    pub const ALL: [SectionName; 7] = [
        SectionName::Accounts,
        SectionName::Ports,
        SectionName::Processes,
        SectionName::Packages,
        SectionName::Modules,
        SectionName::Autostart,
        SectionName::Webroots,
    ];

    /// The word as it stands in JSON and in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            SectionName::Accounts => "accounts",
            SectionName::Ports => "ports",
            SectionName::Processes => "processes",
            SectionName::Packages => "packages",
            SectionName::Modules => "modules",
            SectionName::Autostart => "autostart",
            SectionName::Webroots => "webroots",
        }
    }

    /// The section with this name.
    pub fn parse(word: &str) -> Option<SectionName> {
        SectionName::ALL.into_iter().find(|section| section.as_str() == word)
    }

    /// The fields that make two rows the same thing.
    fn key(self) -> &'static [&'static str] {
        match self {
            SectionName::Accounts | SectionName::Modules => &["name"],
            SectionName::Ports => &["protocol", "address", "port", "process"],
            SectionName::Processes => &["name", "exe", "user"],
            SectionName::Packages => &["name", "arch"],
            SectionName::Autostart => &["kind", "name", "path"],
            SectionName::Webroots => &["path", "config"],
        }
    }

    /// Whether a field that differs makes a thing a changed one.
    fn counts(self, field: &str) -> bool {
        match self {
            SectionName::Ports => field != "pid",
            SectionName::Modules => field != "used_by",
            // one program may run many times; that it runs is what counts
            SectionName::Processes => false,
            _ => true,
        }
    }
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// Something about it is different.
    Changed,
}

impl ChangeKind {
    /// The word as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Removed => "removed",
            ChangeKind::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The thing: the values of its key fields, separated by blanks.
    pub key: String,
    /// The row; for a changed one `{before, after}` with the fields that differ.
    pub body: Value,
}

type Rows<'a> = BTreeMap<String, &'a Map<String, Value>>;

/// The differences, removed ones first. None if either body is not complete (it says why in
/// `error`): what could not be read has not gone.
pub fn difference(section: SectionName, old: &Value, new: &Value) -> Vec<Change> {
    if [old, new].iter().any(|body| body.get("rows").is_none() || body.get("error").is_some()) {
        return Vec::new();
    }
    let (old, new) = (rows(section, old), rows(section, new));
    let gone =
        old.iter().filter(|(key, _)| !new.contains_key(*key)).map(|(key, row)| said(ChangeKind::Removed, key, row));
    let come =
        new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|(key, row)| said(ChangeKind::Added, key, row));
    let both = new.iter().filter_map(|(key, row)| changed(section, key, old.get(key)?, row));
    let mut changes: Vec<Change> = gone.chain(come).chain(both).collect();
    if changes.len() > CHANGES_MAX {
        let left_off = changes.len() - CHANGES_MAX;
        changes.truncate(CHANGES_MAX);
        changes.push(Change {
            kind: ChangeKind::Changed,
            key: "more".to_owned(),
            body: json!({ "left_off": left_off }),
        });
    }
    changes
}

/// Rows by key. Of several with one key, those that do not differ in what counts are one.
fn rows(section: SectionName, body: &Value) -> Rows<'_> {
    let mut rows: Rows<'_> = BTreeMap::new();
    for row in body["rows"].as_array().into_iter().flatten().filter_map(Value::as_object) {
        let key = section.key().iter().map(|field| text(row.get(*field))).collect::<Vec<_>>().join(" ");
        let mut name = key.clone();
        let mut nth = 1;
        while let Some(other) = rows.get(&name) {
            if !differs(section, other, row) {
                break;
            }
            nth += 1;
            name = format!("{key} #{nth}");
            if nth > 1_000 {
                break; // hostile: thousands of rows with one name
            }
        }
        rows.insert(name, row);
    }
    rows
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn differs(section: SectionName, a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    !differing(section, a, b).is_empty()
}

fn differing<'a>(section: SectionName, a: &'a Map<String, Value>, b: &'a Map<String, Value>) -> Vec<&'a str> {
    let mut fields: Vec<&str> = a.keys().chain(b.keys()).map(String::as_str).collect();
    fields.sort_unstable();
    fields.dedup();
    fields.retain(|field| section.counts(field) && a.get(*field) != b.get(*field));
    fields
}

fn changed(section: SectionName, key: &str, old: &Map<String, Value>, new: &Map<String, Value>) -> Option<Change> {
    let fields = differing(section, old, new);
    let pick = |row: &Map<String, Value>| -> Value {
        fields
            .iter()
            .map(|field| ((*field).to_owned(), row.get(*field).cloned().unwrap_or_default()))
            .collect::<Map<_, _>>()
            .into()
    };
    let body = json!({ "before": pick(old), "after": pick(new) });
    (!fields.is_empty()).then(|| Change { kind: ChangeKind::Changed, key: key.to_owned(), body })
}

fn said(kind: ChangeKind, key: &str, row: &Map<String, Value>) -> Change {
    Change { kind, key: key.to_owned(), body: Value::Object(row.clone()) }
}
