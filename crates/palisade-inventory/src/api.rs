//! Endpoints below `/api/v1/inventory`: lists over one host or all, and what has changed.

mod rows;

use crate::difference::SectionName;
use crate::store::{self, ChangeRow};
use axum::Json;
use axum::extract::{Path, Query, State};
use palisade_core::{HostId, Span, Timestamp};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The guard's endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new().routes(routes!(changes)).routes(routes!(list))
}

/// Whose assets.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HostParams {
    /// One host; all if absent.
    host: Option<String>,
}

/// A part of a list of assets.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct InventoryPage {
    /// Flat objects with `host` and the fields of the section.
    #[schema(value_type = Vec<Object>)]
    pub items: Vec<Value>,
    /// How many there are in all, with the same filter.
    pub total: u64,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Why the list is empty, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the hosts were last observed; of several hosts, the one seen longest ago.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub observed_at: Option<Timestamp>,
    /// What the list lacks: rows beyond a limit, files that could not be read, silent hosts.
    pub notes: Vec<String>,
}

/// The assets of one kind on one host or on all
#[utoipa::path(
    get,
    path = "/api/v1/inventory/{section}",
    tag = "inventory",
    operation_id = "inventory_list",
    params(("section" = SectionName, Path, description = "The kind of asset"), HostParams, PageParams),
    responses(
        (status = 200, body = InventoryPage),
        (status = 400, body = ErrorBody, description = "A parameter makes no sense"),
        (status = 404, body = ErrorBody, description = "There is no such section or host")
    )
)]
async fn list(
    _: Caller,
    State(context): State<ServerContext>,
    Path(section): Path<String>,
    Query(host): Query<HostParams>,
    Query(params): Query<PageParams>,
) -> Result<Json<InventoryPage>, ApiError> {
    let section = section_named(&section)?;
    let host = host.host.as_deref().map(host_named).transpose()?;
    rows::page(&context, section, host.as_ref(), &params).await.map(Json)
}

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangeParams {
    /// One host; all if absent.
    host: Option<String>,
    /// One section; all if absent.
    section: Option<String>,
    /// From when on: a moment (RFC 3339), or a length of time before now such as `24h`; `7d` if absent.
    since: Option<String>,
}

/// One thing that was added, removed or changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// Where.
    #[schema(value_type = String)]
    pub host: String,
    /// Of which section.
    #[schema(value_type = SectionName)]
    pub section: String,
    /// When it was observed.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// added, removed or changed.
    #[schema(value_type = crate::difference::ChangeKind)]
    pub kind: String,
    /// The thing, in words: `tcp 0.0.0.0 22 sshd`.
    pub key: String,
    /// The row; for a changed one `{before, after}` with the fields that differ.
    #[schema(value_type = Object)]
    pub body: Value,
}

/// What has changed, the newest first
///
/// Kept for 90 days; of one question the newest 10,000 are answered.
#[utoipa::path(
    get,
    path = "/api/v1/inventory/changes",
    tag = "inventory",
    operation_id = "inventory_changes",
    params(ChangeParams, PageParams),
    responses(
        (status = 200, body = Page<ChangeView>),
        (status = 400, body = ErrorBody, description = "A parameter makes no sense")
    )
)]
async fn changes(
    _: Caller,
    State(context): State<ServerContext>,
    Query(which): Query<ChangeParams>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<ChangeView>>, ApiError> {
    let host = which.host.as_deref().map(host_named).transpose()?;
    let section = which.section.as_deref().map(section_named).transpose()?;
    let since = since(which.since.as_deref().unwrap_or("7d"), context.now())?;
    let mut db = context.db.read().acquire().await?;
    let rows = store::changes(&mut db, host.as_ref(), section, since).await?;
    let fits = |row: &ChangeRow| params.matches(&[&row.host, &row.section, &row.kind, &row.key, &row.body.to_string()]);
    let views = rows.into_iter().filter(fits).map(view).collect();
    Ok(Json(Page::of(views, &params)?.because("nothing has changed in this time")))
}

fn view(row: ChangeRow) -> ChangeView {
    ChangeView { host: row.host, section: row.section, at: row.at, kind: row.kind, key: row.key, body: row.body }
}

fn section_named(word: &str) -> Result<SectionName, ApiError> {
    let known = SectionName::ALL.map(SectionName::as_str).join(", ");
    SectionName::parse(word).ok_or_else(|| {
        let word: String = word.chars().take(64).collect();
        ApiError::not_found(format!("section `{word}`")).hint(format!("there are {known}"))
    })
}

fn host_named(word: &str) -> Result<HostId, ApiError> {
    word.parse().map_err(|error| ApiError::invalid(format!("`host`: {error}")))
}

fn since(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let span: Span = text.parse().map_err(|_| {
        ApiError::invalid("`since` is neither a moment such as 2026-11-22T12:00:00Z nor a length of time such as 24h")
    })?;
    Ok(store::before(now, span))
}
