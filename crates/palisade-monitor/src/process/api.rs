//! `GET /api/v1/monitor/processes`.

use super::pack::Minute;
use crate::api::{host, moment, never};
use crate::model::TopProcess;
use crate::store;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use palisade_core::Timestamp;
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new().routes(routes!(processes_list))
}

/// Which host, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ProcessesParams {
    /// Its name.
    host: String,
    /// Unix seconds or RFC 3339: what stood out in that minute, of the last 15 days; the newest if absent.
    at: Option<String>,
}

/// The processes that stand out in one interval of a host.
#[derive(Debug, Serialize, ToSchema)]
struct ProcessesView {
    /// When the interval ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    observed_at: Option<Timestamp>,
    /// Those of all lists, each once: by CPU time, then by memory, then by reads and writes.
    items: Vec<TopProcess>,
    /// How many are in `items`.
    total: u64,
    /// The pids that used the most CPU time, first the most.
    by_cpu: Vec<u32>,
    /// The pids that hold the most memory, first the most.
    by_memory: Vec<u32>,
    /// The pids that read from and wrote to disks the most, first the most.
    by_io: Vec<u32>,
    /// Why there is nothing, if there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The processes that used the most CPU time, hold the most memory, and read and wrote the most.
#[utoipa::path(get, path = "/api/v1/monitor/processes", tag = "monitor", params(ProcessesParams), responses((status = 200, body = ProcessesView)))]
async fn processes_list(
    _: Caller,
    State(context): State<ServerContext>,
    params: Result<Query<ProcessesParams>, QueryRejection>,
) -> Result<Json<ProcessesView>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let host = host(&params.host)?;
    let at = params.at.as_deref().map(|text| moment("at", text)).transpose()?;
    let mut db = context.db.read().acquire().await?;
    let (minute, reason) = match at {
        Some(at) => {
            let minute = super::at_minute(&mut db, &host, at.as_second()).await?;
            (minute, format!("no processes of {host} are kept of the five minutes before {at}; lists are kept 15 days"))
        }
        None => {
            let frame = store::latest(&mut db, &host).await?;
            let minute = |f: crate::model::Frame| Minute::new(f.at.as_second(), [&f.by_cpu, &f.by_memory, &f.by_io]);
            (frame.map(minute), never(&host))
        }
    };
    Ok(Json(view(minute, reason)))
}

fn view(minute: Option<Minute>, reason: String) -> ProcessesView {
    let reason = minute.is_none().then_some(reason);
    let observed_at = minute.as_ref().and_then(|minute| Timestamp::from_second(minute.at_s).ok());
    let minute = minute.unwrap_or_default();
    let pids = |places: &[usize]| minute.list(places).map(|process| process.pid).collect::<Vec<_>>();
    let (by_cpu, by_memory, by_io) = (pids(&minute.by_cpu), pids(&minute.by_memory), pids(&minute.by_io));
    let items = minute.processes;
    ProcessesView { observed_at, total: items.len() as u64, items, by_cpu, by_memory, by_io, reason }
}
