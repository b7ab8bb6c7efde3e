//! The endpoints below `/api/v1/monitor`. All of them only look; asking for a live view changes
//! nothing on the host but how often it is sampled, so that any role may.

use crate::catalogue::{self, MetricView};
use crate::model::{Frame, SeriesKey};
use crate::series::{self, Ask, SeriesAnswer};
use crate::{Monitor, store};
use axum::Extension;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use palisade_core::{HostId, Span, Timestamp};
use palisade_guard::api::{ApiError, Body, Caller, Page};
use palisade_guard::{ServerContext, store as frame_store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What one request for a live view lasts; a page that stays open asks again.
const LIVE: Duration = Duration::from_secs(15);
/// The range when none is given.
const RANGE_DEFAULT: Duration = Duration::from_secs(3_600);

/// The router.
pub fn router(monitor: Monitor) -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
        .merge(crate::alarm::router())
        .merge(crate::notify::router())
        .merge(crate::probe::router())
        .merge(crate::process::router())
        .merge(crate::promql::router())
        .routes(routes!(metrics_list))
        .routes(routes!(series_show))
        .routes(routes!(latest_show))
        .routes(routes!(live_start))
        .layer(axum::Extension(monitor))
}

/// Every metric.
#[utoipa::path(get, path = "/api/v1/monitor/metrics", tag = "monitor", responses((status = 200, body = Page<MetricView>)))]
async fn metrics_list(_: Caller) -> Json<Page<MetricView>> {
    let items = catalogue::views();
    Json(Page { total: items.len() as u64, items, next_cursor: None, reason: None })
}

/// A range of one metric.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SeriesParams {
    /// Of which host.
    host: String,
    /// Which metric.
    name: String,
    /// Unix seconds or RFC 3339; an hour before `to` if absent.
    from: Option<String>,
    /// Unix seconds or RFC 3339; now if absent.
    to: Option<String>,
    /// Seconds, or `5m`; what the stored data has if absent.
    step: Option<String>,
}

/// One metric over time, at most 2,000 points per series.
#[utoipa::path(get, path = "/api/v1/monitor/series", tag = "monitor", params(SeriesParams), responses((status = 200, body = SeriesAnswer)))]
async fn series_show(
    _: Caller,
    State(context): State<ServerContext>,
    Extension(monitor): Extension<Monitor>,
    params: Result<Query<SeriesParams>, QueryRejection>,
) -> Result<Json<SeriesAnswer>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let host = host(&params.host)?;
    let now = context.now();
    let to = params.to.as_deref().map(|text| moment("to", text)).transpose()?.unwrap_or(now);
    let from = match params.from.as_deref() {
        Some(text) => moment("from", text)?,
        None => to.checked_sub(RANGE_DEFAULT).map_err(|_| ApiError::invalid("`to` is too early"))?,
    };
    if from >= to {
        return Err(ApiError::invalid("`from` must lie before `to`"));
    }
    let step_s = params.step.as_deref().map(step).transpose()?;
    let mut db = context.db.read().acquire().await?;
    let ask = Ask { host: &host, name: &params.name, from, to, step_s, now };
    Ok(Json(series::series(&mut db, &monitor.store, &ask).await?))
}

/// Which host.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HostParams {
    /// Its name.
    host: String,
}

/// A value of the newest frame.
#[derive(Debug, Serialize, ToSchema)]
struct LatestValue {
    /// The metric.
    name: String,
    /// Its unit.
    unit: &'static str,
    /// What tells its series apart.
    labels: BTreeMap<String, String>,
    /// The value.
    value: f64,
}

/// The newest frame of a host.
#[derive(Debug, Serialize, ToSchema)]
struct LatestView {
    /// The host.
    host: HostId,
    /// When its interval ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
    /// The length of its interval.
    interval_s: Option<f64>,
    /// Every value.
    items: Vec<LatestValue>,
    /// Sources that gave nothing, with the reason.
    missing: Vec<String>,
    /// Why there is nothing, if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// All metrics of the newest frame of a host.
#[utoipa::path(get, path = "/api/v1/monitor/latest", tag = "monitor", params(HostParams), responses((status = 200, body = LatestView)))]
async fn latest_show(
    _: Caller,
    State(context): State<ServerContext>,
    params: Result<Query<HostParams>, QueryRejection>,
) -> Result<Json<LatestView>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let host = host(&params.host)?;
    let frame = newest(&context, &host).await?;
    let value = |(key, &value): (&String, &f64)| {
        let key = SeriesKey::parse(key)?;
        let unit = catalogue::metric(&key.name)?.unit;
        Some(LatestValue { unit, labels: key.labels(), name: key.name, value })
    };
    Ok(Json(LatestView {
        observed_at: frame.as_ref().map(|f| f.at),
        interval_s: frame.as_ref().map(|f| f.interval_s),
        items: frame.iter().flat_map(|f| &f.metrics).filter_map(value).collect(),
        missing: frame.as_ref().map(|f| f.missing.clone()).unwrap_or_default(),
        reason: frame.is_none().then(|| never(&host)),
        host,
    }))
}

/// Which host to look at.
#[derive(Debug, Deserialize, ToSchema)]
struct LiveParams {
    /// Its name.
    host: String,
}

/// Until when it is sampled every second.
#[derive(Debug, Serialize, ToSchema)]
struct LiveView {
    /// Ask again before this.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// Asks for a sample every second for the next 15 seconds.
#[utoipa::path(post, path = "/api/v1/monitor/live", tag = "monitor", request_body = LiveParams, responses((status = 200, body = LiveView)))]
async fn live_start(
    _: Caller,
    State(context): State<ServerContext>,
    Body(params): Body<LiveParams>,
) -> Result<Json<LiveView>, ApiError> {
    let host = host(&params.host)?;
    let mut db = context.db.read().acquire().await?;
    // an unknown name is refused: it would be remembered for nothing
    let has_looked = !frame_store::freshness(&mut db, &host).await?.is_empty();
    if !has_looked && store::latest_at(&mut db, &host).await?.is_none() {
        return Err(ApiError::not_found(format!("host `{host}`")));
    }
    let until = context.now().checked_add(LIVE).map_err(ApiError::invalid)?;
    context.look_on(&host, until);
    Ok(Json(LiveView { until }))
}

async fn newest(context: &ServerContext, host: &HostId) -> Result<Option<Frame>, ApiError> {
    let mut db = context.db.read().acquire().await?;
    Ok(store::latest(&mut db, host).await?)
}

pub(crate) fn never(host: &HostId) -> String {
    format!("no metrics of {host} have arrived yet; the first come within seconds of the start of its agent")
}

pub(crate) fn host(text: &str) -> Result<HostId, ApiError> {
    text.parse().map_err(|e| ApiError::invalid(format!("`host`: {e}")))
}

pub(crate) fn moment(field: &str, text: &str) -> Result<Timestamp, ApiError> {
    let parsed = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    };
    // far from both ends of what a timestamp can hold, so that sums cannot overflow
    let sound = parsed.filter(|at| (0..=32_503_680_000).contains(&at.as_second()));
    sound.ok_or_else(|| {
        ApiError::invalid(format!("`{field}` must be Unix seconds or RFC 3339, such as 2026-11-22T12:00:00Z"))
    })
}

fn step(text: &str) -> Result<i64, ApiError> {
    let seconds = text.parse::<u64>().ok().or_else(|| text.parse::<Span>().ok().map(Span::as_secs));
    seconds
        .and_then(Span::from_secs)
        .map(|span| span.as_secs() as i64)
        .ok_or_else(|| ApiError::invalid("`step` must be seconds or a length such as 5m"))
}
