//! Cutting a host off, and letting it in again.

use super::store::{self, IsolationRow};
use super::trial::{self, PROBATION_S, Wanted};
use crate::draft::reason_checked;
use crate::resolve::Server;
use palisade_core::{HostId, Plan, PlanState, Span, Timestamp};
use palisade_guard::api::{ApiError, Caller};
use palisade_guard::contract::BoxFuture;
use palisade_guard::kind::Effects;
use palisade_guard::store as frame;
use palisade_guard::{GuardError, IsolateHost, ServerContext};
use sqlx::SqliteConnection;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Isolation<'a> {
    /// Which host.
    pub host: &'a HostId,
    /// Why; `None` to let it in again.
    pub reason: Option<&'a str>,
    /// How long.
    pub length: Option<Span>,
    /// How long it is tried, in seconds; 60 if absent.
    pub probation_s: Option<u32>,
}

/// Writes what is asked for into `db`, and says what it does. The plan has an id and is not stored yet.
pub async fn draft(
    context: &ServerContext,
    caller: &Caller,
    db: &mut SqliteConnection,
    asked: &Isolation<'_>,
) -> Result<Plan, ApiError> {
    let (host, now) = (asked.host, context.now());
    let known = frame::hosts_in_service(&mut *db).await?;
    if !known.contains(host) {
        return Err(ApiError::not_found(format!("a host `{host}` in service")));
    }
    let plan = frame::plan_id(&mut *db).await?;
    let standing = store::isolated(&mut *db).await?.into_iter().find(|row| row.host == *host);
    let row = match asked.reason {
        Some(reason) => cut(context, caller, asked, (standing.as_ref(), &plan, reason))?,
        None => released(host, standing, &plan, now)?,
    };
    store::isolation_put(&mut *db, &row).await?;
    store::revision_raise(&mut *db).await?;
    // to cut everybody off is what is asked for: it is said, not refused
    let probation_s = Some(asked.probation_s.unwrap_or(PROBATION_S));
    let wanted = Wanted { context, caller, plan: &plan, force: false, probation_s, permit: "isolate", cuts: true };
    let effects = trial::judge(&wanted, &mut *db).await?;
    let title = match asked.reason {
        Some(_) => format!("cut off {host}"),
        None => format!("let {host} in again"),
    };
    Ok(of(effects, plan, title, caller, now))
}

fn cut(
    context: &ServerContext,
    caller: &Caller,
    asked: &Isolation<'_>,
    (standing, plan, reason): (Option<&IsolationRow>, &str, &str),
) -> Result<IsolationRow, ApiError> {
    let (host, now) = (asked.host, context.now());
    if context.own.as_ref() == Some(host) {
        let error = ApiError::conflict(format!("`{host}` is the host that this server runs on"));
        return Err(error.hint("all agents would be cut off from the server; cut off what attacks it instead"));
    }
    if let Some(row) = standing {
        return Err(ApiError::conflict(format!("`{host}` is cut off already, by plan `{}`", row.plan)));
    }
    let reason = reason_checked(Some(reason)).map_err(|e| e.at("reason"))?;
    if reason.is_empty() {
        return Err(ApiError::invalid("`reason` is empty").at("reason").hint("say why; it is audited"));
    }
    Ok(IsolationRow {
        host: host.clone(),
        reason,
        by: caller.name.clone(),
        since: now,
        ends_at: asked.length.and_then(|span| after(now, span.as_secs())),
        plan: plan.to_owned(),
        until: after(now, u64::from(PROBATION_S)),
        release_plan: String::new(),
        release_until: None,
    })
}

fn released(
    host: &HostId,
    standing: Option<IsolationRow>,
    plan: &str,
    now: Timestamp,
) -> Result<IsolationRow, ApiError> {
    let row = standing.ok_or_else(|| ApiError::conflict(format!("`{host}` is not cut off")))?;
    let tried = [row.until.map(|_| &row.plan), Some(&row.release_plan).filter(|p| !p.is_empty())];
    if let Some(open) = tried.into_iter().flatten().next() {
        let error = ApiError::conflict(format!("`{host}` is on probation with plan `{open}`"));
        return Err(error.hint(format!("`palisade plan confirm {open}` or `palisade plan rollback {open}`")));
    }
    Ok(IsolationRow { release_plan: plan.to_owned(), release_until: after(now, u64::from(PROBATION_S)), ..row })
}

fn after(now: Timestamp, seconds: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(seconds).ok()?;
    now.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()
}

fn of(effects: Effects, id: String, title: String, caller: &Caller, now: Timestamp) -> Plan {
    Plan {
        id,
        guard: crate::WORD.to_owned(),
        title,
        state: PlanState::Preview,
        effects: effects.effects,
        steps: effects.steps,
        hosts: effects.hosts,
        by: caller.name.clone(),
        created_at: now,
        observed_at: effects.observed_at,
        deadline: effects.probation_s.and_then(|s| after(now, s.into())),
        probation_s: effects.probation_s,
        generation: palisade_core::Generation::default(),
        reports: Vec::new(),
        reason: None,
    }
}

impl IsolateHost for Server {
    fn isolate<'a>(
        &'a self,
        context: &'a ServerContext,
        db: &'a mut SqliteConnection,
        host: &'a HostId,
        reason: &'a str,
        length: Option<Span>,
    ) -> BoxFuture<'a, Result<Plan, GuardError>> {
        Box::pin(async move {
            let caller = Caller { name: "palisade".to_owned(), role: palisade_guard::api::Role::Admin, address: None };
            // nobody is there to keep it; it ends by its time, or by being released
            let asked = Isolation { host, reason: Some(reason), length, probation_s: Some(0) };
            let drafted = draft(context, &caller, &mut *db, &asked).await;
            let mut plan = drafted.map_err(|error| GuardError::Refused(error.message().to_owned()))?;
            context.plan_store(db, &mut plan).await?;
            Ok(plan)
        })
    }
}
