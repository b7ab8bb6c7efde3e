//! Applying documents, and deleting one resource: read, judge, carry out, or leave all as it was.

use super::basis::{self, Basis};
use super::carry::{self, Carried, Edit, Trying};
use super::kinds::Kinds;
use super::{
    Applied, ApplyParams, Conflict, ConflictBody, DOCUMENTS_MAX, Document, NAME_BYTES_MAX, Overwritten,
    PROBATION_S_MAX, RESOURCES_PER_KIND_MAX, current,
};
use crate::ServerContext;
use crate::api::{ApiError, Caller};
use crate::contract::GuardError;
use crate::db::Write;
use crate::kind::Kind;
use crate::store::{self, ResourceRow, Source};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use palisade_core::{Event, Outcome, Severity, Span, Timestamp};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use std::collections::BTreeMap;

/// Conflicts that one answer lists.
const CONFLICTS_MAX: usize = 100;

/// Why nothing was applied.
#[derive(Debug)]
pub enum ApplyError {
    /// Resources were changed since the documents were made.
    Conflict(Box<ConflictBody>),
    /// Anything else.
    Other(ApiError),
}

impl<E: Into<ApiError>> From<E> for ApplyError {
    fn from(error: E) -> ApplyError {
        ApplyError::Other(error.into())
    }
}

impl IntoResponse for ApplyError {
    fn into_response(self) -> Response {
        match self {
            ApplyError::Conflict(body) => (StatusCode::CONFLICT, Json(body)).into_response(),
            ApplyError::Other(error) => error.into_response(),
        }
    }
}

/// A document that makes sense by itself.
struct Read<'k> {
    kind: &'k dyn Kind,
    name: String,
    spec: Value,
    document: Document,
}

/// What stands, by kind and name.
type Standing = BTreeMap<&'static str, BTreeMap<String, ResourceRow>>;

/// Applies documents: all of them, or none.
pub async fn apply(
    context: &ServerContext,
    kinds: &Kinds,
    caller: &Caller,
    params: ApplyParams,
) -> Result<Applied, ApplyError> {
    let trying = trying(params.force, params.probation)?;
    let all = read(kinds, params.resources)?;
    let mut tx = context.begin().await?;
    let now = context.now();
    let mut standing = Standing::new();
    for Read { kind, .. } in &all {
        if !standing.contains_key(kind.name()) {
            standing.insert(kind.name(), current::settle(&mut tx, *kind, None, now).await?);
        }
    }
    let edits = match judged(&mut tx, caller, all, &standing).await {
        Ok(edits) => edits,
        Err(error) => return Err(refused(context, tx, caller, params.dry_run, error).await?),
    };
    end(context, kinds, (caller, trying), tx, edits, params.dry_run).await
}

fn trying(force: bool, probation: Option<Span>) -> Result<Trying, ApiError> {
    let probation_s = probation.map(|span| span.as_secs());
    if probation_s.is_some_and(|s| s > PROBATION_S_MAX) {
        return Err(ApiError::invalid("`probation` is longer than 1d").at("probation"));
    }
    Ok(Trying { force, probation_s: probation_s.and_then(|s| u32::try_from(s).ok()) })
}

/// How one resource is deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deleting {
    /// The version that was seen, if any was.
    pub version: Option<u64>,
    /// Only said, not done.
    pub dry_run: bool,
    /// Done although it would be refused, because it could cut somebody off.
    pub force: bool,
    /// How long it is tried, if the caller says so.
    pub probation: Option<Span>,
}

/// Deletes one resource.
pub async fn delete(
    context: &ServerContext,
    caller: &Caller,
    kinds: &Kinds,
    (kind, name): (&str, &str),
    deleting: Deleting,
) -> Result<Applied, ApplyError> {
    let Deleting { version, dry_run, force, probation } = deleting;
    let trying = trying(force, probation)?;
    let kind = kinds.find(kind)?;
    let mut tx = context.begin().await?;
    let mut standing = current::settle(&mut tx, kind, Some(name), context.now()).await?;
    let Some(row) = standing.remove(name) else {
        tx.commit().await.map_err(GuardError::from)?;
        return Err(missing(context, kind, name).await?.into());
    };
    if version.is_some_and(|seen| seen != row.version) {
        let document = Document {
            kind: kind.name().to_owned(),
            name: name.to_owned(),
            version,
            replaces: None,
            spec: Value::Null,
        };
        let conflict = conflict(&mut tx, caller, kind, &document, &Value::Null, Some(&row)).await?;
        return Err(refused(context, tx, caller, dry_run, conflicting(vec![conflict])).await?);
    }
    let edit = Edit {
        kind,
        name: name.to_owned(),
        old: Some(row),
        new: None,
        written: None,
        source: Source::Edit,
        overwrites: None,
    };
    end(context, kinds, (caller, trying), tx, vec![edit], dry_run).await
}

/// The error about a resource that is not there, with the name that is most like it.
pub async fn missing(context: &ServerContext, kind: &dyn Kind, name: &str) -> Result<ApiError, GuardError> {
    let all = current::list(context, kind, None).await?;
    let shown: String = name.chars().take(80).flat_map(char::escape_default).collect();
    let error = ApiError::not_found(format!("{} `{shown}`", kind.name()));
    Ok(match crate::kind::nearest(name, all.iter().map(|row| row.name.as_str())) {
        Some(nearest) => error.hint(format!("did you mean `{nearest}`?")),
        None => error.hint(format!("`palisade get {}` shows what there is", kind.name())),
    })
}

/// Carries the edits out inside `tx` and keeps that, or undoes it when it is a dry run or fails.
async fn end(
    context: &ServerContext,
    kinds: &Kinds,
    (caller, trying): (&Caller, Trying),
    mut tx: Write,
    edits: Vec<Edit<'_>>,
    dry_run: bool,
) -> Result<Applied, ApplyError> {
    let mut inner = Connection::begin(&mut *tx).await.map_err(GuardError::from)?;
    match carry::carry(context, kinds, (caller, trying), &mut inner, &edits).await {
        Ok(carried) if dry_run || carried.plans.is_empty() => {
            inner.rollback().await.map_err(GuardError::from)?;
            tx.commit().await.map_err(GuardError::from)?;
            Ok(carried.preview())
        }
        Ok(carried) => {
            inner.commit().await.map_err(GuardError::from)?;
            tx.commit().await.map_err(GuardError::from)?;
            tell(context, &carried);
            Ok(carried.applied())
        }
        Err(error) => {
            inner.rollback().await.map_err(GuardError::from)?;
            Err(refused(context, tx, caller, dry_run, error.into()).await?)
        }
    }
}

fn tell(context: &ServerContext, carried: &Carried) {
    let topics: Vec<&str> = carried.topics.iter().map(String::as_str).collect();
    context.publish(&topics);
    for plan in &carried.plans {
        context.wake_agents_of(&plan.hosts);
        // whose place has changed is no host of a plan, and may have got other specs by it
        plan.effects.iter().for_each(|effect| context.wake_agents_of(&effect.hosts));
    }
}

/// Ends a change that is refused: what was settled stays, and the audit log shows what was tried.
async fn refused(
    context: &ServerContext,
    mut tx: Write,
    caller: &Caller,
    dry_run: bool,
    error: ApplyError,
) -> Result<ApplyError, GuardError> {
    let message = match &error {
        ApplyError::Conflict(body) => Some(body.message.clone()),
        ApplyError::Other(error) => error.status().is_client_error().then(|| error.message().to_owned()),
    };
    if let Some(message) = message.filter(|_| !dry_run) {
        context.record(&mut tx, &refusal(caller, message, context.now())).await?;
    }
    tx.commit().await?;
    Ok(error)
}

fn refusal(caller: &Caller, message: String, now: Timestamp) -> Event {
    Event {
        time: now,
        kind: "frame.resource.apply".to_owned(),
        host: None,
        severity: Severity::Low,
        outcome: Outcome::Refused,
        actor: caller.actor(),
        message,
        object: None,
        audit: true,
        data: Value::Null,
    }
}

/// What can be said of the documents without looking at what stands.
fn read(kinds: &Kinds, documents: Vec<Document>) -> Result<Vec<Read<'_>>, ApiError> {
    if documents.len() > DOCUMENTS_MAX {
        let why = format!("{} resources are more than the {DOCUMENTS_MAX} of one change", documents.len());
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", why)
            .at("resources")
            .hint("split them; each part is applied by itself"));
    }
    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut all = Vec::new();
    for (n, document) in documents.into_iter().enumerate() {
        let place = format!("resources[{n}]");
        let one = read_one(kinds, document).map_err(|error| error.at(place.as_str()))?;
        if let Some(first) = seen.insert((one.kind.name(), one.name.clone()), n) {
            let why = format!("{} `{}` is there twice: resources[{first}] and {place}", one.kind.name(), one.name);
            return Err(ApiError::invalid(why).at(place));
        }
        all.push(one);
    }
    Ok(all)
}

fn read_one(kinds: &Kinds, document: Document) -> Result<Read<'_>, ApiError> {
    // a kind that is not known is the document's fault, not that of the address
    let kind = kinds.find(&document.kind).map_err(|error| {
        let hint = error.hinted().unwrap_or_default().to_owned();
        ApiError::invalid(error.message()).at("kind").hint(hint)
    })?;
    if document.name.len() > NAME_BYTES_MAX {
        return Err(ApiError::invalid(format!("the name has more than {NAME_BYTES_MAX} bytes")).at("name"));
    }
    if document.version.is_some() && document.replaces.is_some() {
        return Err(ApiError::invalid("`replaces` goes with a document without `version`").at("replaces"));
    }
    let (name, spec) = kind.normalise(&document.name, &document.spec)?;
    let bytes_max = kind.spec_bytes_max();
    if spec.to_string().len() > bytes_max {
        return Err(ApiError::invalid(format!("the spec has more than {bytes_max} bytes")).at("spec"));
    }
    Ok(Read { kind, name, spec, document })
}

/// The edits that the documents ask for; an error if one is stale or not allowed.
async fn judged<'k>(
    db: &mut SqliteConnection,
    caller: &Caller,
    all: Vec<Read<'k>>,
    standing: &Standing,
) -> Result<Vec<Edit<'k>>, ApplyError> {
    let (mut edits, mut conflicts) = (Vec::new(), Vec::new());
    for (n, Read { kind, name, spec, document }) in all.into_iter().enumerate() {
        let row = standing.get(kind.name()).and_then(|rows| rows.get(&name));
        let basis = basis::judge(&document, &spec, row, &caller.name);
        if basis == Basis::Stale && conflicts.len() < CONFLICTS_MAX {
            let named = Document { name: name.clone(), ..document.clone() };
            let conflict = conflict(db, caller, kind, &named, &spec, row).await?;
            conflicts.push(Conflict { index: Some(n), ..conflict });
        }
        let overwrites = row.filter(|_| basis == Basis::Seen).map(|row| Overwritten {
            version: row.version,
            updated_by: row.updated_by.clone(),
            updated_at: row.updated_at,
        });
        let source = basis::source(&document);
        let written = Some(document.spec);
        edits.push(Edit { kind, name, old: row.cloned(), new: Some(spec), written, source, overwrites });
    }
    if !conflicts.is_empty() {
        return Err(conflicting(conflicts));
    }
    room(&edits, standing)?;
    Ok(edits)
}

/// No kind grows beyond its bound.
fn room(edits: &[Edit<'_>], standing: &Standing) -> Result<(), ApiError> {
    for (kind, rows) in standing {
        let made = edits.iter().filter(|e| e.kind.name() == *kind && e.old.is_none()).count();
        if made > 0 && rows.len() + made > RESOURCES_PER_KIND_MAX {
            return Err(ApiError::conflict(format!("more than {RESOURCES_PER_KIND_MAX} resources of kind {kind}")));
        }
    }
    Ok(())
}

async fn conflict(
    db: &mut SqliteConnection,
    caller: &Caller,
    kind: &dyn Kind,
    document: &Document,
    spec: &Value,
    row: Option<&ResourceRow>,
) -> Result<Conflict, GuardError> {
    let history = store::resource_versions(db, kind.name(), &document.name).await?;
    Ok(basis::conflict(kind.name(), &document.name, document, spec, row, &history, &caller.name))
}

fn conflicting(conflicts: Vec<Conflict>) -> ApplyError {
    let message = match conflicts.as_slice() {
        [one] => {
            let what = format!("{} `{}`", one.kind, one.name);
            let by = one.updated_by.as_deref().unwrap_or("somebody");
            match one.theirs {
                Some(_) => format!("{what} was changed by {by} (version {})", one.version),
                None => format!("{what} was removed by {by}"),
            }
        }
        all => {
            let named: Vec<String> = all.iter().take(3).map(|c| format!("{} `{}`", c.kind, c.name)).collect();
            let more = if all.len() > 3 { ", …" } else { "" };
            format!("{} resources were changed by others: {}{more}", all.len(), named.join(", "))
        }
    };
    ApplyError::Conflict(Box::new(ConflictBody {
        code: "conflict".to_owned(),
        message,
        hint: Some(
            "look at what stands now; then change that version, or overwrite it knowingly with `replaces`".to_owned(),
        ),
        conflict: conflicts,
    }))
}
