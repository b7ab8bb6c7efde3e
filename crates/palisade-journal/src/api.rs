//! `/api/v1/journal` and `/api/v1/audit`.

use crate::store::{self, Filter, Stored};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use palisade_core::{Event, Severity, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page};
use palisade_guard::contract::chain;
use palisade_guard::db::Database;
use palisade_guard::{GuardError, ServerContext};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Most events of one export, and how many are read at a time: no read holds the database long.
const EXPORTED_MAX: usize = 100_000;
const EXPORT_PAGE: usize = 1_000;

/// All endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new().routes(routes!(event_list)).routes(routes!(audit_list)).routes(routes!(event_export))
}

/// Which events.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventParams {
    /// Words that must all occur in message, object, actor or kind; each may go on (`ban` finds `banned`).
    pub q: Option<String>,
    /// Of one host.
    pub host: Option<String>,
    /// Of this kind and those below it: `firewall`, `firewall.ban`, `firewall.ban.add`.
    pub kind: Option<String>,
    /// Of this actor, whole: a user, `token NAME`, `local-root`, `server`.
    pub actor: Option<String>,
    /// Of these severities, separated by commas.
    pub severity: Option<String>,
    /// Not before this moment (RFC 3339).
    pub from: Option<String>,
    /// Not after this moment (RFC 3339).
    pub to: Option<String>,
    /// At most this many, 1 to 1,000; 100 if absent.
    pub limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl EventParams {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 1_000) as usize
    }

    fn filter(&self, audit: bool) -> Result<Filter, ApiError> {
        fn given(field: &Option<String>) -> Option<&str> {
            field.as_deref().map(str::trim).filter(|t| !t.is_empty())
        }
        let moment = |name: &str, field: &Option<String>| -> Result<Option<Timestamp>, ApiError> {
            let wrong = |_| ApiError::invalid(format!("`{name}` is no moment such as 2026-11-22T12:00:00Z"));
            given(field).map(|text| text.parse().map_err(wrong)).transpose()
        };
        let severities = given(&self.severity).unwrap_or_default().split(',').map(str::trim).filter(|s| !s.is_empty());
        Ok(Filter {
            host: given(&self.host).map(|h| h.parse().map_err(ApiError::invalid)).transpose()?,
            kind: given(&self.kind).map(|k| k.trim_end_matches(['.', '*']).to_owned()),
            actor: given(&self.actor).map(str::to_owned),
            severities: severities
                .map(|s| s.parse::<Severity>().map_err(ApiError::invalid))
                .collect::<Result<_, _>>()?,
            from: moment("from", &self.from)?,
            to: moment("to", &self.to)?,
            audit,
            words: given(&self.q).map(str::to_owned),
            before: given(&self.cursor).map(cursor).transpose()?,
        })
    }
}

fn cursor(text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::invalid("`cursor` is not one that this server gave"))
}

/// An event with its id.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Unique on this server; rises with the time of events.
    pub id: i64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl From<Stored> for EventView {
    fn from(stored: Stored) -> EventView {
        EventView { id: stored.id, event: stored.event }
    }
}

type Given = Result<Query<EventParams>, QueryRejection>;

/// Events, newest first. The total is counted up to 10,000.
#[utoipa::path(get, path = "/api/v1/journal/events", tag = "journal", params(EventParams),
    responses((status = 200, body = Page<EventView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
async fn event_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    params: Given,
) -> Result<Json<Page<EventView>>, ApiError> {
    page(&ctx, params, false).await
}

/// Changes made and refused, newest first. The total is counted up to 10,000.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(EventParams),
    responses((status = 200, body = Page<EventView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
async fn audit_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    params: Given,
) -> Result<Json<Page<EventView>>, ApiError> {
    page(&ctx, params, true).await
}

async fn page(ctx: &ServerContext, params: Given, audit: bool) -> Result<Json<Page<EventView>>, ApiError> {
    let Query(params) = params.map_err(|e| ApiError::invalid(e.body_text()))?;
    let (filter, limit) = (params.filter(audit)?, params.limit());
    let mut db = ctx.db.read().acquire().await?;
    // one more than asked for tells whether there is a next page
    let mut rows = store::event_list(&mut db, &filter, limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|last| last.id.to_string());
    let total = store::event_count(&mut db, &filter).await?;
    let items = rows.into_iter().map(EventView::from).collect();
    let reason = format!("no event fits; events are kept for {} days", store::RETENTION_DAYS);
    Ok(Json(Page { items, total, next_cursor, reason: None }.because(reason)))
}

/// Events as JSON lines, newest first, at most 100,000. If there are more, the last line is
/// `{"next_cursor": …}`; an export that breaks off ends with `{"error": …}`.
#[utoipa::path(get, path = "/api/v1/journal/export", tag = "journal", params(EventParams),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody)))]
async fn event_export(State(ctx): State<ServerContext>, _: Caller, params: Given) -> Result<Response, ApiError> {
    let Query(params) = params.map_err(|e| ApiError::invalid(e.body_text()))?;
    let rest = params.limit.map_or(EXPORTED_MAX, |n| (n as usize).clamp(1, EXPORTED_MAX));
    let start = Some(Export { db: ctx.db.clone(), filter: params.filter(false)?, rest });
    let lines = futures_util::stream::unfold(start, |export| async move {
        let mut export = export?;
        let (text, more) = match export.part().await {
            Ok(part) => part,
            Err(error) => (format!("{}\n", serde_json::json!({ "error": chain(&error) })), false),
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), more.then_some(export)))
    });
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CONTENT_DISPOSITION, "attachment; filename=\"palisade-events.jsonl\""),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// An export in progress.
struct Export {
    db: Database,
    filter: Filter,
    rest: usize,
}

impl Export {
    /// The next lines, and whether there are more.
    async fn part(&mut self) -> Result<(String, bool), GuardError> {
        let count = self.rest.min(EXPORT_PAGE);
        let mut db = self.db.read().acquire().await?;
        let mut rows = store::event_list(&mut db, &self.filter, count + 1).await?;
        let more = rows.len() > count;
        rows.truncate(count);
        self.rest -= rows.len();
        self.filter.before = rows.last().map(|last| last.id).or(self.filter.before);
        let mut text = String::new();
        for row in rows {
            let decode = |source| GuardError::Decode { what: "event", guard: "journal", source };
            text.push_str(&serde_json::to_string(&EventView::from(row)).map_err(decode)?);
            text.push('\n');
        }
        if let (true, 0, Some(next)) = (more, self.rest, self.filter.before) {
            text.push_str(&format!("{}\n", serde_json::json!({ "next_cursor": next.to_string() })));
        }
        Ok((text, more && self.rest > 0))
    }
}
