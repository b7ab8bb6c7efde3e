//! The endpoints of notifications.

use super::message::{Item, Message};
use super::outbox::{self, DeliveryState, DeliveryView};
use super::roster::Silence;
use super::secret::{self, SecretView};
use super::spec::{ChannelSpec, SilenceSpec};
use super::standing::Standing;
use super::{deliver, kind, store};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use http::StatusCode;
use palisade_core::{Event, HostId, Outcome, Severity, Timestamp};
use palisade_guard::api::{Admin, ApiError, Body, Caller, Operator, Page, PageParams};
use palisade_guard::notice::{NoticeState, Urgency};
use palisade_guard::{GuardError, Notice, ServerContext, store as frame_store};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Deliveries in one answer.
const DELIVERIES_MAX: i64 = 1_000;

/// The router.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
        .routes(routes!(channels_list))
        .routes(routes!(channel_test))
        .routes(routes!(deliveries_list))
        .routes(routes!(delivery_retry))
        .routes(routes!(silences_list))
        .routes(routes!(secrets_list))
        .routes(routes!(secret_set, secret_delete))
}

/// A channel and how it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// What is written about it.
    pub spec: ChannelSpec,
    /// When it last took something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_ok_at: Option<Timestamp>,
    /// What went wrong since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Deliveries that wait for it.
    pub waiting: u64,
    /// Deliveries that were given up.
    pub dead: u64,
}

/// Every channel, and how it does.
#[utoipa::path(get, path = "/api/v1/monitor/channels", tag = "monitor", params(PageParams), responses((status = 200, body = Page<ChannelView>)))]
async fn channels_list(
    _: Caller,
    State(context): State<ServerContext>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<ChannelView>>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let mut db = context.db.read().acquire().await?;
    let specs = store::documents::<ChannelSpec>(&mut db, kind::CHANNEL).await?;
    let mut health = outbox::health(&mut db).await?;
    let view = |(name, spec): (String, ChannelSpec)| {
        let health = health.remove(&name).unwrap_or_default();
        let (last_ok_at, last_error) = (health.ok_at, health.error);
        ChannelView { name, spec, last_ok_at, last_error, waiting: health.waiting, dead: health.dead }
    };
    let views = specs.into_iter().map(view).filter(|view| params.matches(&[&view.name])).collect();
    let none = "nobody is told of anything: there is no channel yet; apply a NotificationChannel";
    Ok(Json(Page::of(views, &params)?.because(none)))
}

/// What a test brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestView {
    /// True if the receiver has taken it.
    pub ok: bool,
    /// What it answered, or what went wrong.
    pub answer: String,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}

/// Sends a test by a channel, past policies, silences and the outbox.
#[utoipa::path(post, path = "/api/v1/monitor/channels/{name}/test", tag = "monitor", params(("name" = String, Path)), responses((status = 200, body = TestView)))]
async fn channel_test(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Path(name): Path<String>,
) -> Result<Json<TestView>, ApiError> {
    let mut db = context.db.read().acquire().await?;
    if !store::documents::<ChannelSpec>(&mut db, kind::CHANNEL).await?.contains_key(&name) {
        return Err(channel_missing(&name));
    }
    drop(db);
    let message = test_message(&caller.name, context.now());
    let begun = std::time::Instant::now();
    let result = deliver::send(&context, &name, &message).await;
    let took_ms = begun.elapsed().as_millis() as u64;
    let mut tx = context.begin().await?;
    let failure = result.as_ref().err().map(super::channel::Failure::said);
    outbox::health_put(&mut tx, &name, failure, context.now()).await?;
    let said = format!("a test was sent to the channel {name}");
    context.record(&mut tx, &event(&context, &caller, "monitor.channel.test", said, name.clone())).await?;
    tx.commit().await?;
    context.publish(&[super::TOPIC_CHANNELS, "journal"]);
    let ok = result.is_ok();
    let answer = result.unwrap_or_else(|failure| failure.said().to_owned());
    Ok(Json(TestView { ok, answer, took_ms }))
}

fn channel_missing(name: &str) -> ApiError {
    let shown = palisade_guard::cli::printable(name);
    ApiError::not_found(format!("the channel `{shown}`")).hint("`GET /api/v1/monitor/channels` lists the channels")
}

fn test_message(by: &str, now: Timestamp) -> Message {
    let notice = Notice {
        key: "test".to_owned(),
        state: NoticeState::Once,
        urgency: Urgency::Page,
        severity: Severity::Informational,
        title: "Test of a notification channel".to_owned(),
        text: format!("{by} has asked for this test. Nothing is wrong."),
        host: None,
        labels: BTreeMap::from([("alertname".to_owned(), "test".to_owned())]),
        annotations: BTreeMap::new(),
        starts_at: now,
        ends_at: None,
        settle_ms: 0,
    };
    Message {
        group: "test".to_owned(),
        // a test is never the same as another
        sequence: now.as_millisecond().unsigned_abs(),
        policy: String::new(),
        labels: notice.labels.clone(),
        digest: false,
        at: now,
        items: vec![Item::of(&Standing::new(notice, now))],
        left_out: 0,
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DeliveryParams {
    /// Only those that stand so: waiting, sending, sent or dead.
    state: Option<DeliveryState>,
    /// At most this many, 1 to 1,000; 100 if absent.
    limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The newest 1,000 deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/monitor/deliveries", tag = "monitor", params(DeliveryParams), responses((status = 200, body = Page<DeliveryView>)))]
async fn deliveries_list(
    _: Caller,
    State(context): State<ServerContext>,
    params: Result<Query<DeliveryParams>, QueryRejection>,
) -> Result<Json<Page<DeliveryView>>, ApiError> {
    let Query(DeliveryParams { state, limit, cursor }) = params.map_err(ApiError::invalid)?;
    let all = outbox::list(&mut *context.db.read().acquire().await?, state, DELIVERIES_MAX).await?;
    let page = PageParams { limit, cursor, ..PageParams::default() };
    Ok(Json(Page::of(all, &page)?.because("nothing was sent in the last 7 days that stands so")))
}

/// Sends a delivery that waits or was given up now.
#[utoipa::path(post, path = "/api/v1/monitor/deliveries/{id}/retry", tag = "monitor", params(("id" = i64, Path)), responses((status = 204)))]
async fn delivery_retry(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Path(id): Path<i64>,
) -> Result<StatusCode, ApiError> {
    let mut tx = context.begin().await?;
    if !outbox::retry(&mut tx, id, context.now()).await? {
        let error = ApiError::not_found(format!("a delivery {id} that waits or was given up"));
        return Err(error.hint("`GET /api/v1/monitor/deliveries?state=dead` lists those"));
    }
    let said = format!("delivery {id} is tried again");
    context.record(&mut tx, &event(&context, &caller, "monitor.delivery.retry", said, id.to_string())).await?;
    tx.commit().await?;
    context.publish(&[super::TOPIC_DELIVERIES, "journal"]);
    Ok(StatusCode::NO_CONTENT)
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SilenceView {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// What is written about it.
    pub spec: SilenceSpec,
    /// True while it hides what it matches.
    pub active: bool,
    /// Who wrote it.
    pub author: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// Every silence, active ones first.
#[utoipa::path(get, path = "/api/v1/monitor/silences", tag = "monitor", params(PageParams), responses((status = 200, body = Page<SilenceView>)))]
async fn silences_list(
    _: Caller,
    State(context): State<ServerContext>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<SilenceView>>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let now = context.now();
    let rows = frame_store::resources(&mut *context.db.read().acquire().await?, kind::SILENCE, None).await?;
    let view = |row: frame_store::ResourceRow| {
        let spec: SilenceSpec = serde_json::from_value(row.spec).ok()?;
        let active = Silence::of(&row.name, spec.clone()).is_ok_and(|silence| silence.active(now));
        let (name, author) = (row.name, row.updated_by);
        Some(SilenceView { name, version: row.version, spec, active, author, updated_at: row.updated_at })
    };
    let mut views: Vec<SilenceView> = rows.into_iter().filter_map(view).collect();
    views.retain(|view| params.matches(&[&view.name, &view.spec.reason, &view.author]));
    views.sort_by_key(|view| (!view.active, view.spec.until));
    Ok(Json(Page::of(views, &params)?.because("nothing is silenced")))
}

/// The secrets, by name; what is secret is never shown.
#[utoipa::path(get, path = "/api/v1/monitor/secrets", tag = "monitor", params(PageParams), responses((status = 200, body = Page<SecretView>)))]
async fn secrets_list(
    _: Operator,
    State(context): State<ServerContext>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<SecretView>>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let all = secret::list(&mut *context.db.read().acquire().await?).await?;
    Ok(Json(Page::of(all, &params)?.because("no secret is set")))
}

/// A secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretParams {
    /// One line of at most 4,096 bytes.
    value: String,
}

/// Sets a secret, or sets it anew.
#[utoipa::path(put, path = "/api/v1/monitor/secrets/{name}", tag = "monitor", params(("name" = String, Path)), request_body = SecretParams, responses((status = 204)))]
async fn secret_set(
    Admin(caller): Admin,
    State(context): State<ServerContext>,
    Path(name): Path<String>,
    Body(params): Body<SecretParams>,
) -> Result<StatusCode, ApiError> {
    secret::checked(&name, &params.value)?;
    let mut tx = context.begin().await?;
    let value = (name.as_str(), params.value.as_str());
    secret::put(&mut tx, context.vault.as_ref(), value, (&caller.name, context.now())).await?;
    let said = format!("the secret `{name}` is set");
    context.record(&mut tx, &event(&context, &caller, "monitor.secret.set", said, name.clone())).await?;
    let hosts = given_anew(&mut tx, &name).await?;
    tx.commit().await?;
    context.publish(&[super::TOPIC_CHANNELS, "journal"]);
    context.wake_agents_of(&hosts);
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a secret; channels that name it wait until it is set again.
#[utoipa::path(delete, path = "/api/v1/monitor/secrets/{name}", tag = "monitor", params(("name" = String, Path)), responses((status = 204)))]
async fn secret_delete(
    Admin(caller): Admin,
    State(context): State<ServerContext>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let mut tx = context.begin().await?;
    if !secret::delete(&mut tx, &name).await? {
        return Err(ApiError::not_found(format!("the secret `{}`", palisade_guard::cli::printable(&name))));
    }
    let said = format!("the secret `{name}` is removed");
    context.record(&mut tx, &event(&context, &caller, "monitor.secret.delete", said, name.clone())).await?;
    let hosts = given_anew(&mut tx, &name).await?;
    tx.commit().await?;
    context.publish(&[super::TOPIC_CHANNELS, "journal"]);
    context.wake_agents_of(&hosts);
    Ok(StatusCode::NO_CONTENT)
}

/// The hosts that a ServerWatch gives this secret get a new spec.
async fn given_anew(tx: &mut SqliteConnection, secret: &str) -> Result<Vec<HostId>, GuardError> {
    let hosts = crate::server_watch::kind::hosts_of_secret(tx, secret).await?;
    if !hosts.is_empty() {
        palisade_guard::store::generations_raise(tx, &hosts, crate::WORD).await?;
    }
    Ok(hosts)
}

fn event(context: &ServerContext, caller: &Caller, kind: &str, message: String, object: String) -> Event {
    Event {
        time: context.now(),
        kind: kind.to_owned(),
        host: None,
        severity: Severity::Informational,
        outcome: Outcome::Success,
        actor: caller.actor(),
        message,
        object: Some(object),
        audit: true,
        data: serde_json::Value::Null,
    }
}
