//! The filter of this host on its own socket: what is in force, cutting the host off, letting it in
//! again. Works without the server.

use super::in_force::is_cut_off;
use super::{Answer, LOCAL_ROOT, Local};
use crate::api::given;
use crate::draft::{PROBATION_S_MAX, end_said, reason_checked};
use crate::filter::verdict::{group_of, peers_said};
use crate::filter::{Filter, Layer, Peers, Rule};
use crate::group::model::{Action, Direction, Protocol};
use crate::spec::OwnIsolation;
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use palisade_core::{Effect, EffectKind, HostId, Plan, PlanState, Severity, Span, Step, Timestamp};
use palisade_guard::api::{ApiError, Page, PageParams};
use palisade_sys::facts;
use serde::{Deserialize, Serialize};

/// How long cutting off is tried unless another time is asked for.
const PROBATION_S: u64 = 60;

/// What is asked for to cut a host off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IsolateParams {
    reason: String,
    #[serde(rename = "for", default)]
    length: Option<Span>,
    #[serde(default)]
    probation: Option<Span>,
    #[serde(default)]
    dry_run: bool,
}

/// What is asked for to let a host in again.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReleaseParams {
    dry_run: bool,
}

/// Which host is asked about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfHost {
    host: Option<HostId>,
}

/// What this host lets in and out, as the server says it of any host.
#[derive(Debug, Serialize)]
pub(super) struct EffectiveView {
    host: HostId,
    filtered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    probation: Option<TriedView>,
    rules: Vec<RuleView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    defaults: Option<crate::filter::Defaults>,
    sentence: String,
    observed_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct TriedView {
    plan: String,
    until: Timestamp,
}

#[derive(Debug, Serialize)]
struct RuleView {
    id: String,
    layer: Layer,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    priority: u8,
    direction: Direction,
    action: Action,
    protocol: Protocol,
    ports: Vec<crate::group::model::Ports>,
    peers: Vec<String>,
    addresses: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
}

/// A host that is cut off.
#[derive(Debug, Serialize)]
pub(super) struct IsolatedView {
    host: HostId,
    reason: String,
    by: String,
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    plan: Option<String>,
}

pub(super) async fn effective(
    State(local): State<Local>,
    params: Result<Query<OfHost>, QueryRejection>,
) -> Answer<EffectiveView> {
    let host = this_host(&local, given::query(params)?.host.as_ref())?;
    let book = local.book()?;
    let in_force = book.in_force();
    let filter = in_force.acting();
    Ok(Json(EffectiveView {
        host,
        filtered: filter.defaults.is_some(),
        rules: filter.rules.iter().map(|rule| rule_view(filter, rule)).collect(),
        defaults: filter.defaults,
        sentence: sentence(filter),
        observed_at: book.now,
        probation: in_force.candidate.map(|tried| TriedView { plan: tried.plan, until: tried.until }),
    }))
}

fn rule_view(filter: &Filter, rule: &Rule) -> RuleView {
    RuleView {
        id: rule.id.clone(),
        layer: rule.layer,
        group: group_of(rule).map(str::to_owned),
        priority: rule.priority,
        direction: rule.direction,
        action: rule.action,
        protocol: rule.protocol,
        ports: rule.ports.clone(),
        peers: peers_said(filter, rule),
        addresses: ranges(filter, &rule.peers),
        ends_at: rule.ends_at,
    }
}

/// How many networks stand behind the peers of a rule.
fn ranges(filter: &Filter, peers: &Peers) -> usize {
    let sets = match peers {
        Peers::Any => return 0,
        Peers::Of { sets, .. } | Peers::Except { sets } => sets,
    };
    filter.sets.iter().filter(|set| sets.contains(&set.name)).map(|set| set.ranges.len()).sum()
}

fn sentence(filter: &Filter) -> String {
    match (filter.defaults, filter.rules.len()) {
        (None, _) => "no group and no policy filters this host".to_owned(),
        _ if is_cut_off(filter) => "cut off from everything but the failsafe addresses".to_owned(),
        (_, 1) => "1 rule decides what it lets in and out".to_owned(),
        (_, count) => format!("{count} rules decide what it lets in and out"),
    }
}

pub(super) async fn isolate(
    State(local): State<Local>,
    Path(host): Path<String>,
    body: Result<Json<IsolateParams>, JsonRejection>,
) -> Answer<Plan> {
    let host = this_host(&local, Some(&named(&host)?))?;
    let params = given::body(body)?;
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    let in_force = book.in_force();
    if let Some(tried) = &in_force.candidate {
        let error = ApiError::conflict(format!("plan `{}` is on probation on this host", tried.plan));
        return Err(error.hint("keep it or roll it back first: `palisade plan confirm`, `palisade plan rollback`"));
    }
    if is_cut_off(&in_force.filter) {
        return Err(ApiError::conflict(format!("`{host}` is cut off already")).hint("release it first"));
    }
    let mut own = isolation(&params, book.now)?;
    let mut plan = isolate_plan(&local, &host, &own);
    if params.dry_run {
        return Ok(Json(plan));
    }
    plan.id = format!("l-{}", book.now.as_microsecond());
    own.plan = plan.id.clone();
    local.change(book.isolated(own), plan).await
}

fn isolation(params: &IsolateParams, now: Timestamp) -> Result<OwnIsolation, ApiError> {
    let reason = reason_checked(Some(&params.reason))?;
    if reason.is_empty() {
        return Err(ApiError::invalid("`reason` is empty: say why this host is cut off").at("reason"));
    }
    let probation_s = params.probation.map_or(PROBATION_S, Span::as_secs);
    if probation_s > PROBATION_S_MAX {
        return Err(ApiError::invalid("`probation` is longer than 1d").at("probation"));
    }
    let after = |seconds: u64| crate::draft::after(now, seconds);
    let ends_at = params.length.map(|length| after(length.as_secs()));
    let probation_until = Some(after(probation_s)).filter(|until| ends_at.is_none_or(|end| *until < end));
    Ok(OwnIsolation { cut_off: true, reason, since: now, ends_at, probation_until, plan: String::new() })
}

fn isolate_plan(local: &Local, host: &HostId, own: &OwnIsolation) -> Plan {
    let until = end_said(own.ends_at, own.since);
    let mut effects = vec![effect(
        EffectKind::Closes,
        Severity::High,
        format!("nobody but the failsafe addresses reaches {host}, and it reaches nobody else, {until}"),
    )];
    effects.push(effect(EffectKind::Cuts, Severity::High, "open connections end at once".to_owned()));
    let outside = local.failsafe.iter().any(|cidr| !cidr.network().is_loopback());
    if !outside {
        let said = "no failsafe address is configured: only its own console reaches this host then";
        effects.push(effect(EffectKind::Cuts, Severity::Critical, said.to_owned()));
    }
    let mut plan = plan(format!("cut {host} off"), "isolation", &own.reason, effects, own.since);
    plan.deadline = own.probation_until;
    plan
}

pub(super) async fn release(
    State(local): State<Local>,
    Path(host): Path<String>,
    body: Result<Json<ReleaseParams>, JsonRejection>,
) -> Answer<Plan> {
    let host = this_host(&local, Some(&named(&host)?))?;
    let params = given::body(body)?;
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    if !is_cut_off(book.in_force().acting()) {
        let error = ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("`{host}` is not cut off"));
        return Err(error.hint("`palisade firewall status --local` shows what is in force"));
    }
    let said = format!("{host} speaks again, within its groups and policies");
    let effects = vec![effect(EffectKind::Opens, Severity::Medium, said)];
    let mut plan = plan(format!("let {host} speak again"), "isolation", "released on the host", effects, book.now);
    if params.dry_run {
        return Ok(Json(plan));
    }
    plan.id = format!("l-{}", book.now.as_microsecond());
    let changed = book.let_in(&plan.id);
    local.change(changed, plan).await
}

pub(super) async fn isolated(
    State(local): State<Local>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Answer<Page<IsolatedView>> {
    let params = given::query(params)?;
    let host = this_host(&local, None)?;
    let book = local.book()?;
    let own = book.local.isolation.clone().filter(|own| own.cut_off);
    let view = is_cut_off(book.in_force().acting()).then(|| match own {
        Some(own) => IsolatedView {
            host,
            reason: own.reason.clone(),
            by: LOCAL_ROOT.to_owned(),
            since: Some(own.since),
            ends_at: own.ends_at,
            plan: Some(own.plan),
        },
        None => IsolatedView {
            host,
            reason: "the server has cut it off".to_owned(),
            by: "server".to_owned(),
            since: None,
            ends_at: None,
            plan: book.server.candidate.map(|candidate| candidate.plan),
        },
    });
    Ok(Json(Page::of(view.into_iter().collect(), &params)?.because("this host is not cut off")))
}

/// The name of this host; another one is refused, so that nobody cuts off the host on which they
/// happen to sit.
pub(super) fn this_host(local: &Local, asked: Option<&HostId>) -> Result<HostId, ApiError> {
    let own = match local.desk.host() {
        Some(host) => host,
        None => facts::facts(env!("CARGO_PKG_VERSION")).map_err(palisade_guard::GuardError::from)?.host,
    };
    match asked.filter(|asked| **asked != own) {
        None => Ok(own),
        Some(other) => {
            let error = ApiError::not_found(format!("`{other}` on the socket of the host `{own}`"));
            Err(error.hint("ask the server, or on that host"))
        }
    }
}

fn named(host: &str) -> Result<HostId, ApiError> {
    host.parse().map_err(|e: palisade_core::HostIdError| ApiError::invalid(e))
}

fn effect(kind: EffectKind, severity: Severity, sentence: String) -> Effect {
    Effect { kind, severity, sentence, hosts: Vec::new() }
}

/// A preview with its one step.
fn plan(title: String, object: &str, reason: &str, effects: Vec<Effect>, now: Timestamp) -> Plan {
    let step = Step {
        name: "ReplaceRuleset".to_owned(),
        object: object.to_owned(),
        reason: reason.to_owned(),
        permit: "isolate".to_owned(),
        act: serde_json::Value::Null,
    };
    Plan {
        id: String::new(),
        guard: crate::WORD.to_owned(),
        title,
        state: PlanState::Preview,
        effects,
        steps: vec![step],
        hosts: Vec::new(),
        by: LOCAL_ROOT.to_owned(),
        created_at: now,
        observed_at: None,
        deadline: None,
        probation_s: None,
        generation: palisade_core::Generation::default(),
        reports: Vec::new(),
        reason: None,
    }
}
