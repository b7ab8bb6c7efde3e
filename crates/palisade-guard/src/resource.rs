//! Declarative resources: documents in, one plan out.
//!
//! **What is applied.** A list of documents is one change: all of it or nothing, in one transaction.
//! A document that says what stands already makes no new version. A dry run does everything and
//! then undoes it, so that its plan is the plan.
//!
//! **Whose edit counts.** Nothing that somebody wrote is lost unseen ([`basis`]):
//! * `version: 7` is an edit of version 7, and fails when another one stands; `version: 0` means
//!   that there must be none yet.
//! * Without a version a document is a file that is kept elsewhere. It builds on what *the same
//!   caller's* files wrote last; when anything else stands, it fails.
//! * `replaces: 7` goes with a document without a version and says: version 7 was seen, and is
//!   overwritten knowingly.
//!
//! **What was changed another way.** Many resources live in tables of their kinds, which other
//! commands change too. Before a resource is shown or changed, what stands is compared with its
//! newest version and, if it differs, becomes a version ([`current`]). So every version that
//! anybody ever saw is stored as it was seen.

pub mod basis;
pub mod carry;
pub mod change;
pub mod current;
pub mod difference;
pub mod kinds;
pub mod undo;

pub use change::{ApplyError, Deleting, apply, delete};
pub use current::{list, noted};
pub use kinds::Kinds;
pub use undo::undo;

use crate::kind::Action;
use crate::store::{ResourceRow, Source, VersionRow};
use difference::Difference;
use palisade_core::{Plan, Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Documents in one change.
pub const DOCUMENTS_MAX: usize = 2_000;
/// One spec as JSON, in bytes, of kinds that say nothing else; events hold no longer ones.
pub const SPEC_BYTES_MAX: usize = 256 << 10;
/// The longest probation of a change, in seconds.
pub const PROBATION_S_MAX: u64 = 86_400;
/// A name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;
/// Resources of one kind.
pub const RESOURCES_PER_KIND_MAX: usize = 20_000;

/// What one thing shall be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Which kind, without regard to case.
    pub kind: String,
    /// Its name, unique in its kind.
    pub name: String,
    /// The version that this is an edit of; 0 if there must be none yet; absent in a file that is
    /// kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The version that was seen and is overwritten knowingly; only without `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// What it shall be; `GET /api/v1/kinds` has the schema.
    pub spec: Value,
}

/// What to apply.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyParams {
    /// The documents, at most 2,000.
    pub resources: Vec<Document>,
    /// Answer with the plan and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Do also what would be refused because it could cut somebody off; that is on probation in any case.
    #[serde(default)]
    pub force: bool,
    /// How long a change that could cut somebody off is tried before it is undone by itself, unless its
    /// plan is kept: `1s` to `1d`; what the kind says if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "60s")]
    pub probation: Option<Span>,
}

impl ApplyParams {
    /// These documents, as they are.
    pub fn of(resources: Vec<Document>) -> ApplyParams {
        ApplyParams { resources, dry_run: false, force: false, probation: None }
    }
}

/// What a change does, or would do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// Its plan; with resources of several guards, their plans as one, without an id.
    pub plan: Plan,
    /// The ids of the plans that were stored: one per guard; empty for a dry run, and when nothing
    /// was changed.
    pub plans: Vec<String>,
    /// What happens to each resource, in the order of the documents.
    pub results: Vec<ResultView>,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResultView {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What happens.
    pub action: Action,
    /// Its version afterwards.
    pub version: u64,
    /// What differs, at most 100.
    pub changes: Vec<Difference>,
    /// What somebody else wrote and is overwritten knowingly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrites: Option<Overwritten>,
}

/// A version that is overwritten knowingly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overwritten {
    /// Which one.
    pub version: u64,
    /// Who wrote it.
    pub updated_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A resource as it stands. With `kind`, `name`, `version` and `spec` it is a document again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResourceView {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its newest version, from 1.
    pub version: u64,
    /// What it shall be.
    pub spec: Value,
    /// When that was written.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Who wrote it; `elsewhere` when that is not known.
    pub updated_by: String,
    /// How.
    pub source: Source,
}

impl ResourceView {
    /// A stored resource as it is shown.
    pub fn of(kind: &str, row: ResourceRow) -> ResourceView {
        ResourceView {
            kind: kind.to_owned(),
            name: row.name,
            version: row.version,
            spec: row.spec,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
            source: row.source,
        }
    }
}

/// One version of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Its number, from 1.
    pub version: u64,
    /// What the resource was to be; null when this version removed it.
    pub spec: Option<Value>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Who wrote it; `elsewhere` when that is not known.
    pub updated_by: String,
    /// How.
    pub source: Source,
    /// The plan that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What differs from the version before, at most 100; empty for the oldest one that is kept.
    pub changes: Vec<Difference>,
}

impl VersionView {
    /// A version as it is shown; `before` is the one before it.
    pub fn of(row: VersionRow, before: Option<&VersionRow>) -> VersionView {
        let changes = before.map(|b| difference::of(b.spec.as_ref(), row.spec.as_ref())).unwrap_or_default();
        VersionView {
            version: row.version,
            spec: row.spec,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
            source: row.source,
            plan: row.plan,
            changes,
        }
    }
}

/// A resource that was changed since the version that a document was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The place of its document in the request, from 0; absent for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the document says.
    pub mine: Value,
    /// What stands; null when there is nothing.
    pub theirs: Option<Value>,
    /// What the document was made from, if that is still known.
    pub base: Option<Value>,
    /// The version that stands; 0 when there is nothing.
    pub version: u64,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// The body of the answer to a change that conflicts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConflictBody {
    /// `conflict`.
    pub code: String,
    /// Which resources.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Each of them, at most 100.
    pub conflict: Vec<Conflict>,
}
