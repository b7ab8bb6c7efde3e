//! What a kind of declarative resources is.
//!
//! A *resource* is a document `{kind, name, version, spec}` that says what something shall be. A
//! *kind* checks such documents, knows what stands now, and puts a change into the tables that it
//! lives in; the frame ([`crate::resource`]) keeps versions, finds conflicts, makes the plan and
//! holds all of it in one transaction. A spec holds no secrets: whoever may look may read it, and
//! its history.

use crate::ServerContext;
use crate::api::{ApiError, Caller, Role};
use crate::contract::{BoxFuture, GuardError};
use palisade_core::{Effect, HostId, Step, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::SqliteConnection;
use utoipa::ToSchema;

/// How like a word must be to be offered instead of a wrong one.
const LIKENESS_MIN: f64 = 0.7;
/// The longest name of a resource of a kind that has no grammar of its own.
pub const NAME_CHARS_MAX: usize = 63;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Create,
    /// It becomes another.
    Change,
    /// It is as it should be.
    Unchanged,
    /// It is removed.
    Delete,
}

/// A kind of resources. All of its methods but `held` and `apply` are pure.
pub trait Kind: Send + Sync + 'static {
    /// As it stands in documents: `Host`, `AddressAllow`.
    fn name(&self) -> &'static str;
    /// The word for several, lower case: `hosts`.
    fn plural(&self) -> &'static str;
    /// The guard whose specs it changes; `frame` for the frame's own kinds.
    fn guard(&self) -> &'static str;
    /// What it is for, in a sentence.
    fn description(&self) -> &'static str;
    /// Kinds that its specs refer to by name, and which are therefore put first.
    fn after(&self) -> &'static [&'static str] {
        &[]
    }
    /// What pages show it, to be told of a change.
    fn topics(&self) -> &'static [&'static str] {
        &[]
    }
    /// Who may do `action`; everybody may look.
    fn role(&self, _action: Action) -> Role {
        Role::Operator
    }
    /// The JSON Schema of the spec, its definitions in `$defs`; see [`schema_of`].
    fn schema(&self) -> Value;
    /// Name and spec in normal form, in which two that mean the same are equal; what is absent has
    /// its default. An error names the part with [`ApiError::at`]: `spec.region`, or `name`.
    fn normalise(&self, name: &str, spec: &Value) -> Result<(String, Value), ApiError>;
    /// What stands now in tables of the kind's own, in normal form, all of it or the one named;
    /// `None` for a kind that lives in the frame's table.
    fn held<'a>(
        &'a self,
        _db: &'a mut SqliteConnection,
        _only: Option<&'a str>,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<Held>>, GuardError>> {
        Box::pin(async { Ok(None) })
    }
    /// The longest spec, as JSON.
    fn spec_bytes_max(&self) -> usize {
        crate::resource::SPEC_BYTES_MAX
    }
    /// What this kind's changes are judged together with: of the kinds with the same answer, the last
    /// one that is asked within a change ([`Asked::last`]) says what all of them do.
    fn together(&self) -> &'static str {
        self.name()
    }
    /// Puts changes into the kind's own tables, in the caller's transaction, and says what they do.
    /// All of them in one call, so that what they need is read once. A dry run does the same and is
    /// undone.
    fn apply<'a>(
        &'a self,
        asked: &'a Asked<'a>,
        db: &'a mut SqliteConnection,
        changes: &'a [SpecChange],
    ) -> BoxFuture<'a, Result<Effects, Refused>>;
}

/// A resource as it stands in tables of its kind's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Its spec, in normal form.
    pub spec: Value,
    /// Who wrote it, where the kind knows.
    pub by: Option<String>,
    /// When, where the kind knows.
    pub at: Option<Timestamp>,
}

/// Who asks for changes, and within which plan.
pub struct Asked<'a> {
    /// The server.
    pub context: &'a ServerContext,
    /// Who asks.
    pub caller: &'a Caller,
    /// The present moment.
    pub now: Timestamp,
    /// The plan that the changes belong to.
    pub plan: &'a str,
    /// What would be refused because it could cut somebody off is done all the same, on probation.
    pub force: bool,
    /// How long to try what is on probation, in seconds, if the caller says so.
    pub probation_s: Option<u32>,
    /// No other kind that is judged together with this one is still to come in this change.
    pub last: bool,
}

/// One change that a kind is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecChange {
    /// Which resource.
    pub name: String,
    /// What stands now; `None` to make it.
    pub old: Option<Value>,
    /// What shall stand; `None` to remove it.
    pub new: Option<Value>,
    /// The same as it was given, before it was put in normal form: where an error says its place.
    pub written: Option<Value>,
}

/// What changes do.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// The consequences, in sentences. One without hosts means all that the plan touches.
    pub effects: Vec<Effect>,
    /// What hosts will carry out.
    pub steps: Vec<Step>,
    /// The hosts whose spec of the kind's guard changes: they report on the plan.
    pub hosts: Vec<HostId>,
    /// The age of what was known about them.
    pub observed_at: Option<Timestamp>,
    /// The hosts try it for so many seconds, and go back by themselves unless the plan is kept.
    pub probation_s: Option<u32>,
}

/// A kind refuses one of the changes that it was asked for.
#[derive(Debug)]
pub struct Refused {
    /// Which one; `None` when it was not about one.
    pub index: Option<usize>,
    /// Why.
    pub error: ApiError,
}

impl From<GuardError> for Refused {
    fn from(error: GuardError) -> Refused {
        Refused { index: None, error: error.into() }
    }
}

/// The spec as its type; an error names the part that is wrong and, for an unknown field, the
/// nearest one.
pub fn spec_of<T: DeserializeOwned>(spec: &Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(spec).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => String::new(),
            inner => inner,
        };
        let (said, hint) = explained(&error.into_inner().to_string());
        let refused = ApiError::invalid(said).at(path).at("spec");
        match hint {
            Some(hint) => refused.hint(hint),
            None => refused,
        }
    })
}

/// What serde says, cut to its first sentence, and the nearest of the fields that it names.
fn explained(error: &str) -> (String, Option<String>) {
    let Some((_, rest)) = error.split_once("unknown field `") else { return (error.to_owned(), None) };
    let Some((unknown, expected)) = rest.split_once('`') else { return (error.to_owned(), None) };
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let hint = match nearest(unknown, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("the fields are {}", known.join(", ")),
    };
    (format!("unknown field `{}`", crate::cli::printable(unknown)), Some(hint))
}

/// The one of `known` that is most like `wanted`, if one is.
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let like = |word: &str| strsim::jaro_winkler(&word.to_lowercase(), &wanted.to_lowercase());
    known.filter(|word| like(word) >= LIKENESS_MIN).max_by(|a, b| like(a).total_cmp(&like(b)))
}

/// A name as most kinds have it: 1 to 63 of `a-z 0-9 . _ -`, letters or digits at both ends.
pub fn name_checked(name: &str) -> Result<(), ApiError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ok = name.len() <= NAME_CHARS_MAX && name.starts_with(end) && name.ends_with(end) && name.chars().all(inner);
    if ok {
        return Ok(());
    }
    let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
    let why = format!("`{shown}` is no name: 1 to {NAME_CHARS_MAX} of a-z, 0-9, `.`, `_`, `-`, with no mark at an end");
    Err(ApiError::invalid(why).at("name"))
}

/// The JSON Schema of a spec's type: OpenAPI 3.1 schemas are JSON Schemas, only the place of the
/// definitions differs.
pub fn schema_of<T: ToSchema>() -> Value {
    let mut definitions = Vec::new();
    T::schemas(&mut definitions);
    let mut schema = json!(T::schema());
    if !definitions.is_empty() {
        schema["$defs"] =
            definitions.into_iter().map(|(name, schema)| (name, json!(schema))).collect::<Map<_, _>>().into();
    }
    moved(schema)
}

/// The schema with its references below `$defs`.
pub fn moved(schema: Value) -> Value {
    const FROM: &str = "#/components/schemas/";
    match schema {
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, moved(value))).collect::<Map<_, _>>().into(),
        Value::Array(list) => list.into_iter().map(moved).collect(),
        Value::String(text) if text.starts_with(FROM) => text.replacen(FROM, "#/$defs/", 1).into(),
        other => other,
    }
}

/// The JSON Schema of a whole document of a kind.
pub fn document_schema(kind: &dyn Kind) -> Value {
    let mut spec = kind.schema();
    let definitions = spec.as_object_mut().and_then(|map| map.remove("$defs"));
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.name(),
        "description": kind.description(),
        "type": "object",
        "required": ["kind", "name", "spec"],
        "additionalProperties": false,
        "properties": {
            "kind": { "const": kind.name() },
            "name": { "type": "string", "minLength": 1 },
            "version": {
                "type": "integer",
                "minimum": 0,
                "description": "The version that this is an edit of; 0 if there must be none yet. Leave it out in a file that is kept elsewhere."
            },
            "spec": spec,
        },
    });
    if let Some(definitions) = definitions {
        document["$defs"] = definitions;
    }
    document
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Rule {
        port: u16,
    }

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Spec {
        region: Option<String>,
        rules: Vec<Rule>,
    }

    fn refused(spec: Value) -> (String, String, String) {
        let error = spec_of::<Spec>(&spec).unwrap_err();
        let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
        (text(error.path()), error.message().to_owned(), text(error.hinted()))
    }

    #[test]
    fn what_is_wrong_in_a_spec_is_named_with_its_path() {
        let (path, message, _) = refused(json!({ "rules": [{ "port": 22 }, { "port": "ssh" }] }));
        assert_eq!(path, "spec.rules[1].port");
        assert!(message.contains("invalid type: string \"ssh\""), "{message}");
        assert_eq!(refused(json!({})).0, "spec");
        assert_eq!(refused(json!([])).0, "spec");
    }

    #[test]
    fn an_unknown_field_names_the_nearest_one() {
        let (path, message, hint) = refused(json!({ "regoin": "eu", "rules": [] }));
        assert_eq!((path.as_str(), message.as_str()), ("spec.regoin", "unknown field `regoin`"));
        assert_eq!(hint, "did you mean `region`?");
        let (path, _, hint) = refused(json!({ "rules": [{ "x": 1 }] }));
        assert_eq!((path.as_str(), hint.as_str()), ("spec.rules[0].x", "the fields are port"));
    }

    #[test]
    fn a_schema_holds_its_own_definitions() {
        let schema = schema_of::<Spec>();
        assert_eq!(schema["properties"]["rules"]["items"]["$ref"], "#/$defs/Rule");
        assert_eq!(schema["$defs"]["Rule"]["additionalProperties"], false);
    }

    #[test]
    fn names_are_lower_case_and_short() {
        for (name, ok) in
            [("web", true), ("web-1.eu_a", true), ("", false), ("Web", false), ("-a", false), ("a/b", false)]
        {
            assert_eq!(name_checked(name).is_ok(), ok, "{name}");
        }
        assert!(name_checked(&"a".repeat(64)).is_err());
    }
}
