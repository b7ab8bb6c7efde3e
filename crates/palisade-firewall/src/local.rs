//! The same paths and bodies as on the server, on the agent's own socket: they act on this host's
//! local spec and work without the server. Only root reaches the socket, so there are no roles.

mod book;
mod host;
pub mod in_force;

pub use book::Book;

use crate::api::{exposure, given};
use crate::draft::{self, Reach, Scene};
use crate::exposure::{Rules, joined};
use crate::feed::held::Held;
use crate::model::Observed;
use crate::ruleset::Until;
use crate::spec::{Allow, Ban, Decision, Spec};
use crate::store::BanRow;
use crate::views::{
    AllowParams, AllowView, BanParams, BanView, ExposureParams, ExposureView, Origin, RemoveParams, RulesetView,
};
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use palisade_core::{Cidr, Clock, HostId, Plan, SystemClock, Timestamp, Verdicts};
use palisade_guard::api::{ApiError, Can, Page, PageParams};
use palisade_guard::contract::LocalDesk;
use palisade_guard::{GuardError, SpecPair};
use palisade_sys::{Root, facts};
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;

/// Who changes something on the agent's own socket.
const LOCAL_ROOT: &str = "local-root";
/// Who asked for the bans that came by the feed, as far as a host knows.
const FEED: &str = "feed";

#[derive(Clone)]
struct Local {
    desk: Arc<dyn LocalDesk>,
    failsafe: Arc<Vec<Cidr>>,
    feed: Feed,
    clock: Arc<dyn Clock>,
    /// Held from reading the specs to storing the changed one, so that two changes do not undo each other.
    writing: Arc<Mutex<()>>,
}

type Answer<T> = Result<Json<T>, ApiError>;

/// The feed that the keeper holds.
type Feed = Arc<std::sync::Mutex<Held>>;

/// The local API of this guard.
pub fn router(desk: Arc<dyn LocalDesk>, failsafe: Vec<Cidr>, feed: Feed) -> Router {
    router_with(desk, failsafe, feed, Arc::new(SystemClock))
}

/// As [`router`], with a clock of its own and no feed.
pub fn router_at(desk: Arc<dyn LocalDesk>, failsafe: Vec<Cidr>, clock: Arc<dyn Clock>) -> Router {
    router_with(desk, failsafe, Feed::default(), clock)
}

fn router_with(desk: Arc<dyn LocalDesk>, failsafe: Vec<Cidr>, feed: Feed, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/api/v1/firewall/bans", get(ban_list).post(ban_add))
        .route("/api/v1/firewall/bans/{address}", delete(ban_remove))
        .route("/api/v1/firewall/allow", get(allow_list).post(allow_add))
        .route("/api/v1/firewall/allow/{cidr}", delete(allow_remove))
        .route("/api/v1/firewall/exposure", get(exposure_list))
        .route("/api/v1/firewall/ruleset", get(ruleset_list))
        .route("/api/v1/firewall/effective", get(host::effective))
        .route("/api/v1/firewall/isolated", get(host::isolated))
        .route("/api/v1/firewall/hosts/{host}/isolate", post(host::isolate))
        .route("/api/v1/firewall/hosts/{host}/release", post(host::release))
        .route("/api/v1/plans/{id}/confirm", post(confirm))
        .route("/api/v1/plans/{id}/rollback", post(rollback))
        .with_state(Local { desk, failsafe: Arc::new(failsafe), feed, clock, writing: Arc::default() })
}

impl Local {
    fn book(&self) -> Result<Book, GuardError> {
        let SpecPair { server, local } = self.desk.specs();
        let now = self.clock.now();
        let mut server = spec(&server)?;
        // what the feed shuts out is the server's too, and is released here in the same way
        server.bans.extend(self.fed(now));
        Ok(Book { server, local: spec(&local)?, now })
    }

    fn fed(&self, now: Timestamp) -> Vec<Ban> {
        let banned = self.feed.lock().unwrap_or_else(PoisonError::into_inner).banned(now);
        let ban = |(cidr, until): (Cidr, Until)| Ban {
            cidr,
            reason: String::new(),
            by: FEED.to_owned(),
            since: now,
            ends_at: Option::<i64>::from(until).map(palisade_guard::store::at),
            probation_until: None,
            plan: None,
        };
        banned.into_iter().map(ban).collect()
    }

    fn scene<'a>(&'a self, book: &Book, bans: &'a [BanRow], allow: &'a [Allow]) -> Scene<'a> {
        Scene {
            now: book.now,
            by: LOCAL_ROOT,
            caller: None,
            failsafe: &self.failsafe,
            reach: Reach::ThisHost,
            bans,
            allow,
            observed_at: None,
        }
    }

    /// Carries a change out, and says so in the agent's log.
    async fn change(&self, local: Spec, plan: Plan) -> Answer<Plan> {
        let decode = |source| GuardError::Decode { what: "spec", guard: crate::WORD, source };
        let local = serde_json::to_value(local).map_err(decode)?;
        let plan = self.desk.change(local, plan).await?;
        tracing::info!(
            guard = crate::WORD,
            plan = plan.id,
            title = plan.title,
            by = LOCAL_ROOT,
            "changed on this host"
        );
        Ok(Json(plan))
    }
}

fn spec(value: &Value) -> Result<Spec, GuardError> {
    if value.is_null() {
        return Ok(Spec::default());
    }
    Spec::deserialize(value).map_err(|source| GuardError::Decode { what: "spec", guard: crate::WORD, source })
}

fn only(list: Vec<(Allow, Origin)>) -> Vec<Allow> {
    list.into_iter().map(|(allow, _)| allow).collect()
}

async fn ban_list(
    State(local): State<Local>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Answer<Page<BanView>> {
    let params = given::query(params)?;
    let view = |(ban, origin)| BanView { origin: Some(origin), ..BanView::of(ban, Vec::new(), Can::Yes(true)) };
    let mut views: Vec<BanView> = local.book()?.bans().into_iter().map(view).collect();
    views.retain(|v| params.matches(&[&v.address.to_string(), &v.reason, &v.by]));
    views.sort_by_key(|v| v.address);
    Ok(Json(Page::of(views, &params)?.because("nobody is shut out of this host")))
}

async fn ban_add(State(local): State<Local>, body: Result<Json<BanParams>, JsonRejection>) -> Answer<Plan> {
    let params = given::body(body)?;
    if params.hosts.is_some() {
        return Err(ApiError::invalid("`hosts` has no meaning on a host's own socket").hint("ask the server"));
    }
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    let (rows, allow) = (book.rows(), only(book.allow()));
    let (mut plan, mut ban) = draft::ban(&params, &local.scene(&book, &rows, &allow))?;
    if params.dry_run {
        return Ok(Json(plan));
    }
    plan.id = format!("l-{}", book.now.as_microsecond());
    ban.plan = Some(plan.id.clone());
    local.change(book.banned(ban), plan).await
}

async fn ban_remove(
    State(local): State<Local>,
    Path(address): Path<String>,
    params: Result<Query<RemoveParams>, QueryRejection>,
) -> Answer<Plan> {
    let (cidr, params) = (given::cidr(&address)?, given::query(params)?);
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    let plan = draft::unban(cidr, &local.scene(&book, &book.rows(), &[]))?;
    if params.dry_run {
        return Ok(Json(plan));
    }
    local.change(book.released(cidr), plan).await
}

async fn allow_list(
    State(local): State<Local>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Answer<Page<AllowView>> {
    let params = given::query(params)?;
    let can = |origin| match origin {
        Origin::Local => Can::Yes(true),
        Origin::Server => Can::No(SERVERS.to_owned()),
    };
    let view = |(allow, origin)| AllowView { origin: Some(origin), ..AllowView::of(allow, can(origin)) };
    let mut views: Vec<AllowView> = local.book()?.allow().into_iter().map(view).collect();
    views.retain(|v| params.matches(&[&v.cidr.to_string(), &v.reason, &v.by]));
    views.sort_by_key(|v| v.cidr);
    Ok(Json(Page::of(views, &params)?.because("the allow-list of this host is empty")))
}

const SERVERS: &str = "the server has set it; remove it there";

async fn allow_add(State(local): State<Local>, body: Result<Json<AllowParams>, JsonRejection>) -> Answer<Plan> {
    let params = given::body(body)?;
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    let (rows, allow) = (book.rows(), only(book.allow()));
    let (plan, entry) = draft::allow(&params, &local.scene(&book, &rows, &allow))?;
    if params.dry_run {
        return Ok(Json(plan));
    }
    local.change(book.allowed(entry), plan).await
}

async fn allow_remove(
    State(local): State<Local>,
    Path(cidr): Path<String>,
    params: Result<Query<RemoveParams>, QueryRejection>,
) -> Answer<Plan> {
    let (cidr, params) = (given::cidr(&cidr)?, given::query(params)?);
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    let own = book.allow().iter().any(|(a, origin)| a.cidr == cidr && *origin == Origin::Local);
    let plan = draft::disallow(cidr, &local.scene(&book, &book.rows(), &only(book.allow())))?;
    if !own {
        return Err(ApiError::conflict(format!("`{cidr}` is not on the local allow-list: {SERVERS}")));
    }
    if params.dry_run {
        return Ok(Json(plan));
    }
    local.change(book.disallowed(cidr), plan).await
}

async fn confirm(State(local): State<Local>, Path(id): Path<String>) -> Answer<Plan> {
    decide(&local, &id, Decision::Kept).await
}

async fn rollback(State(local): State<Local>, Path(id): Path<String>) -> Answer<Plan> {
    decide(&local, &id, Decision::RolledBack).await
}

async fn decide(local: &Local, id: &str, decision: Decision) -> Answer<Plan> {
    let _writing = local.writing.lock().await;
    let book = local.book()?;
    let cidrs = book.on_probation(id);
    let plan = match book.is_tried(id) {
        true => draft::decision_of_filter(id, &cidrs, decision, &local.scene(&book, &[], &[])),
        false => draft::decision(id, &cidrs, decision, &local.scene(&book, &[], &[]))?,
    };
    local.change(book.decide(id, decision), plan).await
}

/// Looks at the host now: no server is needed for it.
async fn observed() -> Result<(HostId, Observed), ApiError> {
    let look =
        || Ok::<_, GuardError>((facts::facts(env!("CARGO_PKG_VERSION"))?.host, crate::observe::observe(&Root::live())));
    let failed = |error| GuardError::Refused(format!("looking at this host: {error}"));
    Ok(tokio::task::spawn_blocking(look).await.map_err(failed)??)
}

async fn exposure_list(
    State(local): State<Local>,
    which: Result<Query<ExposureParams>, QueryRejection>,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Answer<Page<ExposureView>> {
    let (which, params) = (given::query(which)?, given::query(params)?);
    let (host, observed) = observed().await?;
    let mut verdicts = Verdicts::new(host.clone(), local.clock.now());
    crate::check::check(&observed, &mut verdicts);
    let worst = exposure::worst_findings(verdicts.findings);
    let listeners = observed.listeners.unwrap_or_default();
    let wanted = observed.filter.as_ref().map(|told| told.segments.clone()).unwrap_or_default();
    let rows = joined(&listeners, &observed.published.unwrap_or_default(), &Rules { wanted, told: observed.filter });
    let mut views: Vec<ExposureView> = rows.into_iter().map(|row| exposure::view(&host, row, &worst, None)).collect();
    let nothing = if views.is_empty() { "nothing listens" } else { "no socket matches" };
    views.retain(|v| exposure::matches(v, &params) && which.open.is_none_or(|open| v.open == open));
    Ok(Json(Page::of(views, &params)?.because(listeners.unreadable.unwrap_or_else(|| nothing.to_owned()))))
}

async fn ruleset_list(params: Result<Query<PageParams>, QueryRejection>) -> Answer<Page<RulesetView>> {
    let (host, observed) = observed().await?;
    let views = observed.ruleset.map(|ruleset| exposure::ruleset_view(&host, ruleset, None)).into_iter().collect();
    Ok(Json(Page::of(views, &given::query(params)?)?))
}
