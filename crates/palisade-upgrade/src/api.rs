//! `/api/v1/upgrade`: what waits, and how hosts stand.

use crate::model::{Pending, UpgradeState};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use palisade_core::{HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Page, PageParams};
use palisade_guard::{GuardError, Serve, ServerContext, store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The server's half.
#[derive(Debug, Clone, Copy)]
pub struct UpgradeServer;

impl Serve for UpgradeServer {
    fn api(&self) -> OpenApiRouter<ServerContext> {
        OpenApiRouter::new().routes(routes!(pending_list)).routes(routes!(status_list))
    }
}

/// Of which hosts.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HostParams {
    /// One host; all if absent.
    pub host: Option<String>,
    /// True for updates that mend security only, false for the others only.
    pub security: Option<bool>,
    /// At most this many, 1 to 1,000; 100 if absent.
    pub limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Words that must all occur in the name, source, archive or host.
    pub q: Option<String>,
}

impl HostParams {
    fn page(&self) -> PageParams {
        PageParams { limit: self.limit, cursor: self.cursor.clone(), q: self.q.clone(), sort: None }
    }
}

/// An update that waits on a host.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PendingView {
    /// The host.
    pub host: HostId,
    /// The update.
    #[serde(flatten)]
    pub update: Pending,
}

/// How a host stands with its upgrades.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// The host.
    pub host: HostId,
    /// When it was last looked at.
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Timestamp,
    /// Until when that counts as fresh.
    #[schema(value_type = String, format = DateTime)]
    pub fresh_until: Timestamp,
    /// How many updates wait.
    pub pending: usize,
    /// How many of them mend security.
    pub security: usize,
    /// Everything else.
    #[serde(flatten)]
    pub state: UpgradeState,
}

/// Updates that wait; those that mend security first, then by package and host.
#[utoipa::path(get, path = "/api/v1/upgrade/pending", tag = "upgrade", params(HostParams),
    responses((status = 200, body = Page<PendingView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn pending_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    params: Result<Query<HostParams>, QueryRejection>,
) -> Result<Json<Page<PendingView>>, ApiError> {
    let Query(params) = params.map_err(|e| ApiError::invalid(e.body_text()))?;
    let (mut db, page) = (ctx.db.read().acquire().await?, params.page());
    let mut views = Vec::new();
    for host in hosts(&mut db, params.host.as_deref()).await? {
        let pending: Vec<Pending> = section(&mut db, &host, "pending").await?.unwrap_or_default();
        views.extend(pending.into_iter().map(|update| PendingView { host: host.clone(), update }));
    }
    views.retain(|v| params.security.is_none_or(|s| s == v.update.security));
    views.retain(|v| page.matches(&[&v.update.name, &v.update.source, &v.update.archive, v.host.as_str()]));
    views.sort_by(|a, b| {
        (!a.update.security, &a.update.name, &a.host).cmp(&(!b.update.security, &b.update.name, &b.host))
    });
    Ok(Json(
        Page::of(views, &page)?
            .because("no update waits on the hosts that were looked at; see their status for the age of the lists"),
    ))
}

/// How hosts stand: release, lists, restart, services.
#[utoipa::path(get, path = "/api/v1/upgrade/status", tag = "upgrade", params(HostParams),
    responses((status = 200, body = Page<StatusView>), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn status_list(
    State(ctx): State<ServerContext>,
    _: Caller,
    params: Result<Query<HostParams>, QueryRejection>,
) -> Result<Json<Page<StatusView>>, ApiError> {
    let Query(params) = params.map_err(|e| ApiError::invalid(e.body_text()))?;
    let (mut db, page) = (ctx.db.read().acquire().await?, params.page());
    let mut views = Vec::new();
    for host in hosts(&mut db, params.host.as_deref()).await? {
        views.extend(status(&mut db, host).await?);
    }
    views.retain(|v| page.matches(&[v.host.as_str(), &v.state.os.name]));
    Ok(Json(Page::of(views, &page)?.because("no host has been looked at yet")))
}

async fn status(db: &mut SqliteConnection, host: HostId) -> Result<Option<StatusView>, GuardError> {
    let Some(fresh) = store::freshness(db, &host).await?.into_iter().find(|f| f.guard == "upgrade") else {
        return Ok(None);
    };
    let Some(state) = section::<UpgradeState>(db, &host, "state").await? else { return Ok(None) };
    let pending: Vec<Pending> = section(db, &host, "pending").await?.unwrap_or_default();
    let security = pending.iter().filter(|p| p.security).count();
    Ok(Some(StatusView {
        host,
        observed_at: fresh.observed_at,
        fresh_until: fresh.fresh_until,
        pending: pending.len(),
        security,
        state,
    }))
}

/// The one host asked for, or all.
async fn hosts(db: &mut SqliteConnection, host: Option<&str>) -> Result<Vec<HostId>, ApiError> {
    let Some(name) = host else { return Ok(store::hosts_in_service(db).await?) };
    let id: HostId = name.parse().map_err(ApiError::invalid)?;
    let known = store::host(db, &id).await?;
    known.map(|row| vec![row.id]).ok_or_else(|| ApiError::not_found(format!("host `{id}`")))
}

async fn section<T: DeserializeOwned>(
    db: &mut SqliteConnection,
    host: &HostId,
    name: &str,
) -> Result<Option<T>, GuardError> {
    let Some((_, body)) = store::section(db, host, "upgrade", name).await? else { return Ok(None) };
    let decode = |source| GuardError::Decode { what: "observation", guard: "upgrade", source };
    serde_json::from_value(body).map(Some).map_err(decode)
}
