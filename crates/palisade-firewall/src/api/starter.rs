//! `/api/v1/firewall/groups/starter`: first groups, from what listens.

use super::{exposure, given, look};
use crate::exposure::joined;
use crate::group::fleet::Fleets;
use crate::group::starter::{Looked, Starter, starter};
use crate::views::StarterParams;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use palisade_guard::ServerContext;
use palisade_guard::api::{ApiError, Caller, ErrorBody};
use palisade_guard::store as frame;
use std::sync::Arc;

/// Groups for hosts that have none, proposed from what listens on them; nothing is stored.
#[utoipa::path(get, path = "/api/v1/firewall/groups/starter", tag = "firewall", params(StarterParams),
    responses((status = 200, body = Starter), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn starter_show(
    State(ctx): State<ServerContext>,
    Extension(fleets): Extension<Arc<Fleets>>,
    caller: Caller,
    params: Result<Query<StarterParams>, QueryRejection>,
) -> Result<Json<Starter>, ApiError> {
    let params = given::query(params)?;
    let mut db = ctx.db.read().acquire().await?;
    let mut hosts = Vec::new();
    for name in params.hosts.iter().flat_map(|names| names.split(',')).filter(|name| !name.is_empty()) {
        hosts.append(&mut exposure::chosen(&mut db, Some(name)).await?);
    }
    if params.hosts.is_none() {
        hosts = frame::hosts_in_service(&mut db).await?;
    }
    hosts.sort();
    hosts.dedup();
    let ready = fleets.ready(&mut db, ctx.now(), true).await?;
    let looks = look::looks(&mut db, &ready, &hosts, ctx.now()).await?;
    let looked: Vec<Looked> = looks
        .into_iter()
        .filter(|look| look.reported)
        .map(|look| Looked { rows: joined(&look.listeners, &look.published, &look.rules), host: look.host })
        .collect();
    let mut answer = starter(&looked, caller.address);
    if looked.is_empty() {
        answer.left_out.push(exposure::nothing(&hosts));
    }
    Ok(Json(answer))
}
