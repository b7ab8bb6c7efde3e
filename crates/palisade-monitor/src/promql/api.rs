//! The addresses below `/api/v1/monitor/prometheus`, which answer as Prometheus' HTTP API does: what
//! Grafana asks of a data source of that kind. They change nothing, so that any role may use them.

use super::answer::Success;
use super::budget::SERIES_MAX;
use super::error::{QueryError, Unreadable};
use super::labels::{Labels, NAME};
use super::list;
use super::params::Params;
use super::run::{self, Ask};
use super::value::Grid;
use crate::Monitor;
use crate::catalogue::{CATALOGUE, metric};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use palisade_guard::ServerContext;
use palisade_guard::api::Caller;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The version of Prometheus whose answers these are.
const SPEAKS: &str = "2.42.0";

/// The router.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
        .routes(routes!(query_get, query_post))
        .routes(routes!(query_range_get, query_range_post))
        .routes(routes!(series_get, series_post))
        .routes(routes!(labels_get, labels_post))
        .routes(routes!(label_values))
        .routes(routes!(metadata))
        .routes(routes!(build))
}

/// What every handler is given: the server and the samples.
type Given = (State<ServerContext>, Extension<Monitor>);

/// What an expression in PromQL is worth now, or at `time`.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/query", tag = "monitor", params(("query" = String, Query, description = "PromQL"), ("time" = Option<String>, Query, description = "Unix seconds or RFC 3339; now if absent")), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn query_get(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    instant(given, params).await
}

/// The same, with a form as body.
#[utoipa::path(post, path = "/api/v1/monitor/prometheus/api/v1/query", tag = "monitor", request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn query_post(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    instant(given, params).await
}

/// What an expression in PromQL is worth from `start` to `end`, every `step`.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/query_range", tag = "monitor", params(("query" = String, Query, description = "PromQL"), ("start" = String, Query, description = "Unix seconds or RFC 3339"), ("end" = String, Query, description = "Unix seconds or RFC 3339"), ("step" = String, Query, description = "Seconds, or a length such as 5m")), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn query_range_get(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    range(given, params).await
}

/// The same, with a form as body.
#[utoipa::path(post, path = "/api/v1/monitor/prometheus/api/v1/query_range", tag = "monitor", request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn query_range_post(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    range(given, params).await
}

/// The series that any of the selectors `match[]` finds.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/series", tag = "monitor", params(("match[]" = Vec<String>, Query, description = "Selectors"), ("limit" = Option<u32>, Query, description = "At most so many")), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn series_get(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    series(given, params).await
}

/// The same, with a form as body.
#[utoipa::path(post, path = "/api/v1/monitor/prometheus/api/v1/series", tag = "monitor", request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn series_post(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    series(given, params).await
}

/// The names of all labels, or of those of the series that `match[]` finds.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/labels", tag = "monitor", params(("match[]" = Option<Vec<String>>, Query, description = "Selectors")), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn labels_get(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    labels(given, params).await
}

/// The same, with a form as body.
#[utoipa::path(post, path = "/api/v1/monitor/prometheus/api/v1/labels", tag = "monitor", request_body(content = String, content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn labels_post(_: Caller, given: Given, params: Params) -> Result<Response, QueryError> {
    labels(given, params).await
}

/// The values of a label, of all series or of those that `match[]` finds.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/label/{name}/values", tag = "monitor", params(("name" = String, Path, description = "The label"), ("match[]" = Option<Vec<String>>, Query, description = "Selectors")), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn label_values(
    _: Caller,
    Path(name): Path<String>,
    given: Given,
    params: Params,
) -> Result<Response, QueryError> {
    let found = found(&given, &params).await?;
    let values: BTreeSet<&str> = found.iter().map(|labels| labels.get(&name)).filter(|v| !v.is_empty()).collect();
    let limit = params.limit(SERIES_MAX)?;
    Ok(success(values.into_iter().take(limit).collect::<Vec<_>>(), Vec::new()))
}

/// What each metric is: type, help, unit.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/metadata", tag = "monitor", params(("metric" = Option<String>, Query, description = "Only this one")), responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn metadata(_: Caller, params: Params) -> Result<Response, QueryError> {
    let limit = params.limit(CATALOGUE.len())?;
    let wanted = |name: &str| params.get("metric").is_none_or(|asked| asked == name);
    let about: BTreeMap<&str, Value> = CATALOGUE
        .iter()
        .filter(|m| wanted(m.name))
        .take(limit)
        .map(|m| (m.name, json!([{ "type": kind(m.name), "help": m.help, "unit": m.unit }])))
        .collect();
    Ok(success(about, Vec::new()))
}

/// What answers here.
#[utoipa::path(get, path = "/api/v1/monitor/prometheus/api/v1/status/buildinfo", tag = "monitor", responses((status = 200, body = Value, description = "As Prometheus has it")))]
async fn build(_: Caller) -> Response {
    let palisade = env!("CARGO_PKG_VERSION");
    let about = json!({
        "version": SPEAKS, "revision": format!("palisade {palisade}"), "branch": "", "buildUser": "", "buildDate": "",
        "goVersion": "",
    });
    success(about, Vec::new())
}

/// Prometheus' word for how a metric moves.
pub fn kind(name: &str) -> &'static str {
    if metric(name).is_some() && name.ends_with("_total") { "counter" } else { "gauge" }
}

fn success(data: impl serde::Serialize, warnings: Vec<String>) -> Response {
    Json(Success::new(data, warnings)).into_response()
}

async fn instant((State(context), Extension(monitor)): Given, params: Params) -> Result<Response, QueryError> {
    let now_ms = context.now().as_millisecond();
    let at_ms = params.moment_ms("time")?.unwrap_or(now_ms);
    let text = params.needed("query")?.to_owned();
    let ask = Ask { text, grid: Grid::instant(at_ms), is_instant: true, now_ms };
    answered(&context, &monitor, ask).await
}

async fn range((State(context), Extension(monitor)): Given, params: Params) -> Result<Response, QueryError> {
    let moment = |name: &str| params.moment_ms(name)?.ok_or_else(|| QueryError::bad(format!("`{name}` is missing")));
    let (start_ms, end_ms, step_ms) = (moment("start")?, moment("end")?, params.step_ms("step")?);
    if end_ms < start_ms {
        return Err(QueryError::bad("`end` must not lie before `start`"));
    }
    let grid = Grid { start_ms, end_ms, step_ms };
    let ask = Ask {
        text: params.needed("query")?.to_owned(),
        grid,
        is_instant: false,
        now_ms: context.now().as_millisecond(),
    };
    answered(&context, &monitor, ask).await
}

async fn answered(context: &ServerContext, monitor: &Monitor, ask: Ask) -> Result<Response, QueryError> {
    let answered = run::run(&context.db, &monitor.store, ask).await?;
    Ok(success(answered.outcome, answered.warnings))
}

async fn series(given: Given, params: Params) -> Result<Response, QueryError> {
    params.needed("match[]")?;
    let limit = params.limit(SERIES_MAX)?;
    Ok(success(found(&given, &params).await?.into_iter().take(limit).collect::<Vec<_>>(), Vec::new()))
}

async fn labels(given: Given, params: Params) -> Result<Response, QueryError> {
    let found = found(&given, &params).await?;
    let mut names: BTreeSet<&str> = found.iter().flat_map(|labels| labels.iter().map(|(label, _)| label)).collect();
    names.insert(NAME);
    let limit = params.limit(SERIES_MAX)?;
    Ok(success(names.into_iter().take(limit).collect::<Vec<_>>(), Vec::new()))
}

/// The series that `match[]` finds, each once; all of them without it.
async fn found((State(context), Extension(monitor)): &Given, params: &Params) -> Result<BTreeSet<Labels>, QueryError> {
    let selectors = params.all("match[]").map(run::selector).collect::<Result<Vec<_>, _>>()?;
    let mut db = context.db.read().acquire().await.map_err(|error| Unreadable(error.to_string()))?;
    list::found(&mut db, &monitor.store, &selectors).await
}
