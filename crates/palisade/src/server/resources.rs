//! Declarative resources: kinds, what there is of each, and applying documents.

use super::Server;
use super::host_kind::HostResource;
use axum::Json;
use axum::extract::{Path, Query, State as Inject};
use palisade_core::Span;
use palisade_guard::api::{ApiError, Body, Caller, ErrorBody, Operator, Page, PageParams};
use palisade_guard::resource::{
    self, Applied, ApplyError, ApplyParams, ConflictBody, Deleting, Kinds, ResourceView, VersionView,
};
use palisade_guard::{Entry, Kind, kind, store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// All kinds: the frame's own and those of the guards.
pub fn kinds(guards: &[Entry]) -> Kinds {
    let own: Vec<Arc<dyn Kind>> = vec![Arc::new(HostResource)];
    let of_guards = guards.iter().filter_map(|g| g.server.as_ref()).flat_map(|serve| serve.kinds());
    Kinds::new(own.into_iter().chain(of_guards).collect())
}

/// A kind of resources.
#[derive(Serialize, ToSchema)]
pub struct KindView {
    /// As it stands in documents.
    kind: String,
    /// The word for several, lower case.
    plural: String,
    /// The guard that it belongs to; `frame` for the frame's own.
    guard: String,
    /// What it is for, in a sentence.
    description: String,
    /// The JSON Schema of a whole document.
    schema: Value,
}

/// How a resource is removed.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteParams {
    /// Only if this version stands.
    version: Option<u64>,
    /// Answer with the plan and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Do also what is refused because it could cut somebody off; it is then on probation in any case.
    #[serde(default)]
    force: bool,
    /// How long a change that could cut somebody off is tried before it is undone by itself; `0s` for
    /// none.
    #[param(value_type = Option<String>)]
    probation: Option<Span>,
}

/// The kinds of resources, in the order in which they are put.
#[utoipa::path(get, path = "/api/v1/kinds", tag = "frame", responses((status = 200, body = Page<KindView>)))]
pub async fn kind_list(Inject(server): Inject<Server>, _caller: Caller) -> Result<Json<Page<KindView>>, ApiError> {
    let view = |k: &Arc<dyn Kind>| KindView {
        kind: k.name().to_owned(),
        plural: k.plural().to_owned(),
        guard: k.guard().to_owned(),
        description: k.description().to_owned(),
        schema: kind::document_schema(k.as_ref()),
    };
    let all = server.kinds.iter().map(view).collect();
    Ok(Json(Page::of(all, &PageParams { limit: Some(1000), ..PageParams::default() })?))
}

/// The resources of a kind, by name.
#[utoipa::path(get, path = "/api/v1/resources/{kind}", tag = "frame", params(("kind" = String, Path), PageParams),
    responses((status = 200, body = Page<ResourceView>), (status = 404, body = ErrorBody)))]
pub async fn list(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Path(kind): Path<String>,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<ResourceView>>, ApiError> {
    let kind = server.kinds.find(&kind)?;
    let mut rows = resource::list(&server.context, kind, None).await?;
    rows.retain(|row| page.matches(&[&row.name, &row.spec.to_string()]));
    let views = rows.into_iter().map(|row| ResourceView::of(kind.name(), row)).collect();
    let reason = format!("there is no {} yet, or none matches the filter", kind.name());
    Ok(Json(Page::of(views, &page)?.because(reason)))
}

/// One resource.
#[utoipa::path(get, path = "/api/v1/resources/{kind}/{name}", tag = "frame",
    params(("kind" = String, Path), ("name" = String, Path, description = "`/` as `%2F`")),
    responses((status = 200, body = ResourceView), (status = 404, body = ErrorBody)))]
pub async fn show(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<ResourceView>, ApiError> {
    let kind = server.kinds.find(&kind)?;
    match resource::list(&server.context, kind, Some(&name)).await?.pop() {
        Some(row) => Ok(Json(ResourceView::of(kind.name(), row))),
        None => Err(resource::change::missing(&server.context, kind, &name).await?),
    }
}

/// The versions of a resource, newest first, at most 20; those of a removed one for 90 days.
#[utoipa::path(get, path = "/api/v1/resources/{kind}/{name}/versions", tag = "frame",
    params(("kind" = String, Path), ("name" = String, Path, description = "`/` as `%2F`")),
    responses((status = 200, body = Page<VersionView>), (status = 404, body = ErrorBody)))]
pub async fn versions(
    Inject(server): Inject<Server>,
    _caller: Caller,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Page<VersionView>>, ApiError> {
    let kind = server.kinds.find(&kind)?;
    // first what was changed another way, so that it is among the versions
    resource::list(&server.context, kind, Some(&name)).await?;
    let mut db = server.context.db.read().acquire().await?;
    let rows = store::resource_versions(&mut db, kind.name(), &name).await?;
    drop(db);
    if rows.is_empty() {
        return Err(resource::change::missing(&server.context, kind, &name).await?);
    }
    let views = rows.iter().enumerate().map(|(n, row)| VersionView::of(row.clone(), rows.get(n + 1))).collect();
    Ok(Json(Page::of(views, &PageParams::default())?))
}

/// Applies documents: all of them, or none.
#[utoipa::path(post, path = "/api/v1/apply", tag = "frame", request_body = ApplyParams,
    responses((status = 200, body = Applied), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 409, body = ConflictBody), (status = 413, body = ErrorBody)))]
pub async fn apply(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Body(params): Body<ApplyParams>,
) -> Result<Json<Applied>, ApplyError> {
    resource::apply(&server.context, &server.kinds, &caller, params).await.map(Json)
}

/// Removes a resource.
#[utoipa::path(delete, path = "/api/v1/resources/{kind}/{name}", tag = "frame",
    params(("kind" = String, Path), ("name" = String, Path, description = "`/` as `%2F`"), DeleteParams),
    responses((status = 200, body = Applied), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ConflictBody)))]
pub async fn delete(
    Inject(server): Inject<Server>,
    Operator(caller): Operator,
    Path((kind, name)): Path<(String, String)>,
    Query(params): Query<DeleteParams>,
) -> Result<Json<Applied>, ApplyError> {
    let which = (kind.as_str(), name.as_str());
    let DeleteParams { version, dry_run, force, probation } = params;
    let deleting = Deleting { version, dry_run, force, probation };
    resource::delete(&server.context, &caller, &server.kinds, which, deleting).await.map(Json)
}
