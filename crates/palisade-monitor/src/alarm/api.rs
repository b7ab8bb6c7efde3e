//! The endpoints of alarms and rules.

use super::backtest::{self, Answer, Ask};
use super::book::Book;
use super::rule::RuleSpec;
use super::store::{self, AlarmRow};
use super::view::{self, AlarmDetail, AlarmView, HistoryEntry, RuleView};
use super::{RULES_TOPIC, TOPIC, tell};
use crate::Monitor;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use palisade_core::{Event, HostId, Outcome, Severity, Span};
use palisade_guard::api::{ApiError, Body, Caller, Operator, Page, PageParams};
use palisade_guard::resource::{ApplyError, ApplyParams, Document, Kinds};
use palisade_guard::store::{self as frame_store, at};
use palisade_guard::{GuardError, ServerContext, kind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Alarms in all that one answer is made of.
const ALARMS_MAX: i64 = 20_000;
/// Alarms that are over are listed so far back.
const ENDED_DAYS: i64 = 180;
/// The longest note, in characters.
const NOTE_CHARS_MAX: usize = 500;
/// How far back a rule is tried when that is not said, and at most.
const SINCE_DEFAULT_S: i64 = 30 * 86_400;
const SINCE_MAX_S: i64 = 400 * 86_400;

/// The endpoints.
pub fn router() -> OpenApiRouter<ServerContext> {
    OpenApiRouter::new()
        .routes(routes!(alarms_list))
        .routes(routes!(alarm_show))
        .routes(routes!(alarm_acknowledge, alarm_unacknowledge))
        .routes(routes!(alarm_silence))
        .routes(routes!(rules_list))
        .routes(routes!(basics_switch))
        .routes(routes!(backtest_run))
}

/// Which alarms.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AlarmParams {
    /// `active` (all that are not over; the default), `pending`, `firing`, `no_data`, `resolved`, `all`.
    state: Option<String>,
    /// Of one host.
    host: Option<String>,
    /// Of one rule.
    rule: Option<String>,
    /// That matter at least so much.
    severity: Option<String>,
    /// At most this many, 1 to 1,000; 100 if absent.
    limit: Option<u32>,
    /// From the `next_cursor` of the page before.
    cursor: Option<String>,
    /// Words that must all occur.
    q: Option<String>,
}

/// Alarms: those that are not over first, newest first.
#[utoipa::path(get, path = "/api/v1/monitor/alarms", tag = "monitor", params(AlarmParams), responses((status = 200, body = Page<AlarmView>)))]
async fn alarms_list(
    caller: Caller,
    State(context): State<ServerContext>,
    Extension(monitor): Extension<Monitor>,
    params: Result<Query<AlarmParams>, QueryRejection>,
) -> Result<Json<Page<AlarmView>>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let state = params.state.as_deref().unwrap_or("active");
    let least: Option<Severity> =
        params.severity.as_deref().map(|s| s.parse().map_err(ApiError::invalid)).transpose()?;
    let ended_after = match state {
        "active" | "pending" | "firing" | "no_data" => i64::MAX,
        "resolved" | "all" => context.now().as_millisecond() - ENDED_DAYS * 86_400_000,
        _ => return Err(ApiError::invalid("`state` is active, pending, firing, no_data, resolved or all")),
    };
    let mut db = context.db.read().acquire().await?;
    let rows = store::alarms_since(&mut db, ended_after, ALARMS_MAX).await?;
    let book = Book::read(&mut db).await?;
    let mut all: Vec<AlarmView> = rows.iter().map(|row| view::of_row(row, &caller)).collect();
    let pending = monitor.alarms.pending();
    let of_pending = |(host, outcome): &(HostId, super::live::Outcome)| {
        Some(view::of_pending(book.rule(&outcome.watched.rule)?, host, outcome, &caller))
    };
    all.extend(pending.iter().filter_map(of_pending));
    let in_state = |alarm: &AlarmView| match state {
        "all" => true,
        "active" => alarm.resolved_at.is_none(),
        "resolved" => alarm.resolved_at.is_some(),
        other => alarm.state == other,
    };
    let page = PageParams { limit: params.limit, cursor: params.cursor, q: params.q, sort: None };
    all.retain(|alarm| {
        in_state(alarm)
            && params.host.as_ref().is_none_or(|host| alarm.host.as_ref().is_some_and(|own| own.as_str() == host))
            && params.rule.as_ref().is_none_or(|rule| *rule == alarm.rule)
            && least.is_none_or(|least| alarm.severity >= least)
            && page.matches(&[&alarm.sentence, &alarm.rule, alarm.host.as_ref().map_or("", |h| h.as_str())])
    });
    let reason = match book.rules.iter().any(|rule| rule.spec.enabled) {
        true => "nothing is wrong by any rule",
        false => "there is no alarm rule; switch the built-in ones on with POST /api/v1/monitor/rules/basics",
    };
    let mut page = Page::of(all, &page)?.because(reason);
    view::fated(&mut db, &mut page.items, context.now()).await?;
    Ok(Json(page))
}

/// One alarm, what became of it, and what its host saw.
#[utoipa::path(get, path = "/api/v1/monitor/alarms/{id}", tag = "monitor", params(("id" = String, Path, description = "Its number")), responses((status = 200, body = AlarmDetail)))]
async fn alarm_show(
    caller: Caller,
    State(context): State<ServerContext>,
    Path(id): Path<String>,
) -> Result<Json<AlarmDetail>, ApiError> {
    let mut db = context.db.read().acquire().await?;
    let row = found(store::alarm(&mut db, number(&id)?).await?, &id)?;
    let history = store::changes(&mut db, row.id).await?.into_iter();
    let history = history.map(|(ms, state, value)| HistoryEntry { at: at(ms), state, value }).collect();
    let mut alarm = [view::of_row(&row, &caller)];
    view::fated(&mut db, &mut alarm, context.now()).await?;
    let [alarm] = alarm;
    Ok(Json(AlarmDetail { alarm, history, ring: super::cause::kept(&row).and_then(|kept| kept.ring) }))
}

fn number(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| ApiError::not_found(format!("alarm `{}`", id.escape_default())))
}

fn found(row: Option<AlarmRow>, id: &str) -> Result<AlarmRow, ApiError> {
    row.ok_or_else(|| ApiError::not_found(format!("alarm `{}`", id.escape_default())))
}

/// What is said with it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AcknowledgeParams {
    /// For the others, at most 500 characters.
    #[serde(default)]
    note: Option<String>,
}

/// Takes an alarm on: while somebody has it, it is neither repeated nor escalated.
#[utoipa::path(post, path = "/api/v1/monitor/alarms/{id}/acknowledge", tag = "monitor", params(("id" = String, Path, description = "Its number")), request_body = AcknowledgeParams, responses((status = 200, body = AlarmView)))]
async fn alarm_acknowledge(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Path(id): Path<String>,
    Body(params): Body<AcknowledgeParams>,
) -> Result<Json<AlarmView>, ApiError> {
    if params.note.as_ref().is_some_and(|note| note.chars().count() > NOTE_CHARS_MAX) {
        return Err(ApiError::invalid(format!("more than {NOTE_CHARS_MAX} characters")).at("note"));
    }
    acknowledge(&context, &caller, &id, Some(params.note)).await
}

/// Hands an alarm back.
#[utoipa::path(delete, path = "/api/v1/monitor/alarms/{id}/acknowledge", tag = "monitor", params(("id" = String, Path, description = "Its number")), responses((status = 200, body = AlarmView)))]
async fn alarm_unacknowledge(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Path(id): Path<String>,
) -> Result<Json<AlarmView>, ApiError> {
    acknowledge(&context, &caller, &id, None).await
}

async fn acknowledge(
    context: &ServerContext,
    caller: &Caller,
    id: &str,
    taken: Option<Option<String>>,
) -> Result<Json<AlarmView>, ApiError> {
    let mut tx = context.begin().await?;
    let mut row = found(store::alarm(&mut tx, number(id)?).await?, id)?;
    if row.ended.is_some() {
        return Err(ApiError::conflict(format!("alarm {id} is over")));
    }
    let by = taken.is_some().then(|| caller.name.clone());
    row.acknowledged_at = by.as_ref().map(|_| context.now().as_millisecond());
    row.acknowledged_note = taken.flatten().filter(|note| !note.is_empty());
    row.acknowledged_by = by;
    store::alarm_put(&mut tx, &mut row, "").await?;
    context.notify.acknowledge(&mut tx, &tell::key(id), row.acknowledged_by.as_deref()).await?;
    let (verb, did) =
        if row.acknowledged_by.is_some() { ("acknowledge", "taken on") } else { ("hand-back", "handed back") };
    let message = format!("alarm {id} ({}) {did}", row.read_body().title);
    context.record(&mut tx, &audited(context, caller, verb, row.read_host(), message, id)).await?;
    tx.commit().await.map_err(GuardError::from)?;
    context.publish(&[TOPIC, "journal"]);
    Ok(Json(view::of_row(&row, caller)))
}

fn audited(
    context: &ServerContext,
    caller: &Caller,
    verb: &str,
    host: Option<HostId>,
    message: String,
    object: &str,
) -> Event {
    Event {
        time: context.now(),
        kind: format!("monitor.alarm.{verb}"),
        host,
        severity: Severity::Informational,
        outcome: Outcome::Success,
        actor: caller.actor(),
        message,
        object: Some(object.to_owned()),
        audit: true,
        data: Value::Null,
    }
}

/// For how long, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SilenceParams {
    /// For how long, such as `1h`.
    r#for: Span,
    /// Why.
    reason: String,
}

/// What was made.
#[derive(Debug, Serialize, ToSchema)]
struct SilenceMade {
    /// The name of the Silence.
    name: String,
}

/// Makes a Silence of this rule on this host and series.
#[utoipa::path(post, path = "/api/v1/monitor/alarms/{id}/silence", tag = "monitor", params(("id" = String, Path, description = "Its number")), request_body = SilenceParams, responses((status = 200, body = SilenceMade)))]
async fn alarm_silence(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Path(id): Path<String>,
    Body(params): Body<SilenceParams>,
) -> Result<Json<SilenceMade>, ApplyError> {
    let mut db = context.db.read().acquire().await.map_err(GuardError::from)?;
    let row = found(store::alarm(&mut db, number(&id)?).await?, &id)?;
    drop(db);
    let until = context.now() + params.r#for.as_duration();
    let mut labels = row.read_body().labels;
    labels.insert("alertname".to_owned(), row.rule.clone());
    let mut matched = json!({ "labels": labels });
    if let Some(host) = row.read_host() {
        matched["scope"] = json!({ "hosts": [host] });
    }
    let name = format!("alarm-{}-{}", row.id, context.now().as_second());
    let spec = json!({ "match": matched, "until": until, "reason": params.reason });
    let document = Document { kind: "Silence".to_owned(), name: name.clone(), version: Some(0), replaces: None, spec };
    let kinds = Kinds::new(crate::notify::kinds());
    palisade_guard::resource::apply(&context, &kinds, &caller, ApplyParams::of(vec![document])).await?;
    context.publish(&[TOPIC]);
    Ok(Json(SilenceMade { name }))
}

/// Every rule, the built-in ones that are switched on included, and where its series stand.
#[utoipa::path(get, path = "/api/v1/monitor/rules", tag = "monitor", params(PageParams), responses((status = 200, body = Page<RuleView>)))]
async fn rules_list(
    _: Caller,
    State(context): State<ServerContext>,
    Extension(monitor): Extension<Monitor>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Result<Json<Page<RuleView>>, ApiError> {
    let Query(params) = params.map_err(ApiError::invalid)?;
    let mut db = context.db.read().acquire().await?;
    let book = Book::read(&mut db).await?;
    let open = store::alarms_open(&mut db).await?;
    let (counts, evaluated_at) = (monitor.alarms.counts(), monitor.alarms.evaluated_at());
    let events = |name: &str| open.iter().filter(|row| row.policy < 0 && row.rule == name).count() as u64;
    let shown =
        book.rules.iter().filter(|rule| params.matches(&[&rule.name, rule.spec.description.as_deref().unwrap_or("")]));
    let all = shown.map(|rule| {
        view::of_rule(rule, counts.get(&rule.name).copied().unwrap_or_default(), events(&rule.name), evaluated_at)
    });
    let page = Page::of(all.collect(), &params)?;
    Ok(Json(page.because("there is no alarm rule; switch the built-in ones on with POST /api/v1/monitor/rules/basics")))
}

/// On or off.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Basics {
    /// Whether the built-in rules are judged.
    on: bool,
}

/// Switches the built-in rules on or off.
#[utoipa::path(post, path = "/api/v1/monitor/rules/basics", tag = "monitor", request_body = Basics, responses((status = 200, body = Basics)))]
async fn basics_switch(
    Operator(caller): Operator,
    State(context): State<ServerContext>,
    Body(basics): Body<Basics>,
) -> Result<Json<Basics>, ApiError> {
    let mut tx = context.begin().await?;
    store::basics_put(&mut tx, basics.on, &caller.name, context.now()).await?;
    let message = format!("the built-in alarm rules are switched {}", if basics.on { "on" } else { "off" });
    context.record(&mut tx, &audited(&context, &caller, "basics", None, message, "basics")).await?;
    tx.commit().await.map_err(GuardError::from)?;
    context.publish(&[RULES_TOPIC, TOPIC, "journal"]);
    Ok(Json(basics))
}

/// What is tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BacktestParams {
    /// The spec of an AlarmRule.
    #[schema(value_type = RuleSpec)]
    rule: Value,
    /// How far back, such as `30d`; 30 days if absent.
    #[serde(default)]
    since: Option<Span>,
    /// From this moment instead.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<palisade_core::Timestamp>,
    /// To this moment; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<palisade_core::Timestamp>,
    /// Of these hosts only.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    hosts: Option<Vec<HostId>>,
}

/// What a rule would have done. Changes nothing.
#[utoipa::path(post, path = "/api/v1/monitor/backtest", tag = "monitor", request_body = BacktestParams, responses((status = 200, body = Answer)))]
async fn backtest_run(
    _: Caller,
    State(context): State<ServerContext>,
    Extension(monitor): Extension<Monitor>,
    Body(params): Body<BacktestParams>,
) -> Result<Json<Answer>, ApiError> {
    let spec: RuleSpec = kind::spec_of(&params.rule).map_err(|e| renamed(&e))?;
    spec.checked().map_err(|e| renamed(&e))?;
    let now_s = context.now().as_second();
    let to_s = params.to.map_or(now_s, |to| to.as_second()).min(now_s);
    let since_s = params.since.map_or(SINCE_DEFAULT_S, |since| since.as_secs() as i64);
    let from_s = params.from.map_or(to_s - since_s, |from| from.as_second());
    if from_s >= to_s || to_s - from_s > SINCE_MAX_S {
        return Err(ApiError::invalid("the time is empty, or longer than 400 days").at("from"));
    }
    let mut db = context.db.read().acquire().await?;
    let spec = with_template(&mut db, spec).await?;
    let groups = Book::read(&mut db).await?.groups;
    let mut hosts = frame_store::hosts(&mut db).await?;
    hosts.retain(|row| {
        spec.scope.holds(row, &groups) && params.hosts.as_ref().is_none_or(|only| only.contains(&row.id))
    });
    let ask = Ask { spec, from_s, to_s, now_s, retention: monitor.store.retention() };
    Ok(Json(backtest::backtest(&mut db, &monitor.store, &hosts, &ask).await?))
}

/// The path as it is in this request: `rule.policies[0].metric`.
fn renamed(error: &ApiError) -> ApiError {
    let path = error.path().unwrap_or("spec").replacen("spec", "rule", 1);
    let renamed = ApiError::invalid(error.message()).at(path);
    match error.hinted() {
        Some(hint) => renamed.hint(hint),
        None => renamed,
    }
}

/// With the policies of its template written out.
async fn with_template(db: &mut sqlx::SqliteConnection, mut spec: RuleSpec) -> Result<RuleSpec, ApiError> {
    let Some(name) = spec.template.take() else { return Ok(spec) };
    let stored = frame_store::resources(db, "AlarmTemplate", Some(&name)).await?.pop();
    let policies = match stored {
        Some(row) => serde_json::from_value::<super::kinds::TemplateSpec>(row.spec).ok().map(|t| t.policies),
        None => super::builtin::template(&name),
    };
    let missing =
        || ApiError::invalid(format!("there is no AlarmTemplate `{}`", name.escape_default())).at("rule.template");
    spec.policies.extend(policies.ok_or_else(missing)?);
    Ok(spec)
}
