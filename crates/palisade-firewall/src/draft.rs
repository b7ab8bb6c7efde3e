//! From what is asked for to a plan, or to the reason why not. Pure; the server and the host's own
//! socket use the same.

mod scene;

pub use scene::{Reach, Scene};

use crate::plan::refuse;
use crate::resolve::{no_sooner, until};
use crate::spec::{Allow, Ban, Decision};
use crate::store::BanRow;
use crate::views::{AllowParams, BanParams};
use axum::http::StatusCode;
use palisade_core::{Cidr, Effect, EffectKind, Plan, Severity, Span, Timestamp};
use palisade_guard::api::ApiError;
pub(crate) use scene::{after, end_said};
use scene::{listed, named};

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// How long a network ban is on probation unless told otherwise, in seconds.
pub const NETWORK_PROBATION_S: u64 = 60;
/// The longest probation, in seconds.
pub const PROBATION_S_MAX: u64 = 86_400;
/// The widest networks of the allow-list: wider ones would switch every ban off.
pub const ALLOW_PREFIX_MIN: (u8, u8) = (8, 7);

/// A ban and the plan that makes it; `plan` of the ban is left for the caller to fill in.
pub fn ban(params: &BanParams, scene: &Scene<'_>) -> Result<(Plan, Ban), ApiError> {
    let (cidr, now) = (params.address, scene.now);
    let reason = reason_checked(params.reason.as_deref())?;
    let probation_s = probation_s(params)?;
    may_be_cut(cidr, scene)?;
    let ends_at = params.length.map(|span| after(now, span.as_secs()));
    let deadline = probation_s.map(|s| after(now, s));
    let mut plan = scene.plan(
        format!("shut out {cidr}"),
        if cidr.is_address() { "AddBan" } else { "SetBanNetworks" },
        cidr,
        &reason,
    );
    plan.effects.push(scene.effect(
        EffectKind::Closes,
        if cidr.is_address() { Severity::Medium } else { Severity::High },
        format!("{} can no longer reach {} {}", named(cidr), scene.places(), end_said(ends_at, now)),
    ));
    plan.effects.extend(extended(cidr, ends_at, scene)?);
    plan.effects.extend(inside(cidr, scene));
    if let Reach::Fleet(_) = scene.reach {
        plan.effects.push(scene.effect(
            EffectKind::Changes,
            Severity::Informational,
            "hosts that join later hold it too".to_owned(),
        ));
    }
    if let (Some(deadline), Some(seconds)) = (deadline, probation_s) {
        let said = format!("unless it is kept, it is undone by itself at {} UTC", deadline.strftime("%H:%M:%S"));
        plan.effects.push(scene.effect(EffectKind::Changes, Severity::Informational, said));
        (plan.deadline, plan.probation_s) = (Some(deadline), Some(seconds as u32));
    }
    let by = scene.by.to_owned();
    Ok((plan, Ban { cidr, reason, by, since: now, ends_at, probation_until: deadline, plan: None }))
}

/// The plan that ends every ban of exactly this address or network.
pub fn unban(cidr: Cidr, scene: &Scene<'_>) -> Result<Plan, ApiError> {
    if !scene.bans.iter().any(|row| row.ban.cidr == cidr) {
        let missing = ApiError::not_found(format!("a ban of `{cidr}`"));
        return Err(match scene.covering(cidr).first() {
            Some(wider) => missing.hint(format!("`{}` is shut out and covers it", wider.ban.cidr)),
            None => missing,
        });
    }
    let mut plan = scene.plan(
        format!("let in {cidr} again"),
        if cidr.is_address() { "RemoveBan" } else { "SetBanNetworks" },
        cidr,
        "released",
    );
    let said = format!("{} can reach {} again", named(cidr), scene.places());
    plan.effects.push(scene.effect(EffectKind::Opens, Severity::Medium, said));
    plan.effects.extend(inside(cidr, scene));
    Ok(plan)
}

/// An entry of the allow-list and the plan that makes it; one that is there can be made longer only.
pub fn allow(params: &AllowParams, scene: &Scene<'_>) -> Result<(Plan, Allow), ApiError> {
    let (cidr, now) = (params.cidr, scene.now);
    let reason = reason_checked(params.reason.as_deref())?;
    let ends_at = params.length.map(|span| after(now, span.as_secs()));
    let there = scene.allow.iter().find(|a| a.cidr == cidr);
    if let Some(there) = there.filter(|a| no_sooner(a.ends_at, ends_at)) {
        let why = format!("`{cidr}` is on the allow-list already, {}", end_said(there.ends_at, now));
        return Err(ApiError::conflict(why).hint("remove it first to shorten it"));
    }
    allow_entry(cidr, reason, ends_at, scene)
}

/// An entry of the allow-list as it shall be, whatever there is, and the plan that makes it.
pub fn allow_entry(
    cidr: Cidr,
    reason: String,
    ends_at: Option<Timestamp>,
    scene: &Scene<'_>,
) -> Result<(Plan, Allow), ApiError> {
    let now = scene.now;
    let prefix_min = if cidr.network().is_ipv4() { ALLOW_PREFIX_MIN.0 } else { ALLOW_PREFIX_MIN.1 };
    if cidr.prefix_len() < prefix_min {
        let why = format!(
            "`{cidr}` is too wide for the allow-list: no ban would cut anybody in it; the widest is /{prefix_min}"
        );
        return Err(refused(why).hint("name the networks that must always get in"));
    }
    let mut plan = scene.plan(format!("never shut out {cidr}"), "SetAllow", cidr, &reason);
    let said = format!("no ban cuts {} from {} {}", named(cidr), scene.places(), end_said(ends_at, now));
    plan.effects.push(scene.effect(EffectKind::Keeps, Severity::Low, said));
    let mut overlapping: Vec<Cidr> = scene.bans.iter().map(|r| r.ban.cidr).filter(|c| c.overlaps(cidr)).collect();
    overlapping.dedup();
    if !overlapping.is_empty() {
        let said = format!("the ban of {} no longer cuts what lies in {cidr}", listed(&overlapping));
        plan.effects.push(scene.effect(EffectKind::Opens, Severity::Medium, said));
    }
    let by = scene.by.to_owned();
    Ok((plan, Allow { cidr, reason, by, since: now, ends_at }))
}

/// The plan that takes an entry off the allow-list.
pub fn disallow(cidr: Cidr, scene: &Scene<'_>) -> Result<Plan, ApiError> {
    if !scene.allow.iter().any(|a| a.cidr == cidr) {
        return Err(ApiError::not_found(format!("an entry `{cidr}` of the allow-list")));
    }
    let mut again: Vec<Cidr> = scene.bans.iter().map(|r| r.ban.cidr).filter(|c| c.overlaps(cidr)).collect();
    again.dedup();
    if let (Some(me), Some(ban)) = (scene.caller, again.iter().find(|c| scene.caller.is_some_and(|me| c.contains(me))))
        && cidr.contains(me)
    {
        let why = format!("without `{cidr}` on the allow-list the ban of `{ban}` would cut your own address `{me}`");
        return Err(refused(why).hint(format!("remove the ban of `{ban}` first")));
    }
    let mut plan = scene.plan(format!("take {cidr} off the allow-list"), "SetAllow", cidr, "no longer allowed");
    let said = format!("bans can cut {} from {} again", named(cidr), scene.places());
    plan.effects.push(scene.effect(EffectKind::Changes, Severity::Low, said));
    if !again.is_empty() {
        let said = format!("the ban of {} cuts what lies in {cidr} at once", listed(&again));
        plan.effects.push(scene.effect(EffectKind::Closes, Severity::Medium, said));
    }
    Ok(plan)
}

/// The plan by which a host's operator keeps or undoes a plan on probation.
pub fn decision(id: &str, cidrs: &[Cidr], decision: Decision, scene: &Scene<'_>) -> Result<Plan, ApiError> {
    let Some(first) = cidrs.first() else {
        return Err(ApiError::not_found(format!("a plan `{id}` on probation on this host")));
    };
    let (verb, kind, what) = match decision {
        Decision::Kept => ("keep", EffectKind::Keeps, "stays shut out"),
        Decision::RolledBack => ("roll back", EffectKind::Opens, "can reach this host again"),
    };
    let mut plan = scene.plan(format!("{verb} plan {id}"), "SetBanNetworks", *first, &format!("{verb} plan {id}"));
    plan.effects.push(scene.effect(kind, Severity::Medium, format!("{} {what}", listed(cidrs))));
    Ok(plan)
}

/// As [`decision`], of a plan that has a filter on probation, and may have bans of `cidrs` too.
pub fn decision_of_filter(id: &str, cidrs: &[Cidr], decision: Decision, scene: &Scene<'_>) -> Plan {
    let (verb, kind, what) = match decision {
        Decision::Kept => ("keep", EffectKind::Keeps, "stay in force"),
        Decision::RolledBack => ("roll back", EffectKind::Changes, "are gone; those before them hold again"),
    };
    let title = format!("{verb} plan {id}");
    let mut plan = scene.plan(title.clone(), "ReplaceRuleset", Cidr::ANY_V4, &title);
    plan.steps.iter_mut().for_each(|step| (step.object, step.permit) = ("rules".to_owned(), "firewall".to_owned()));
    plan.effects.push(scene.effect(kind, Severity::Medium, format!("the rules of plan {id} {what}")));
    if !cidrs.is_empty() {
        let bans = if decision == Decision::Kept { "stay in force" } else { "are gone" };
        plan.effects.push(scene.effect(kind, Severity::Medium, format!("its bans of {} {bans}", listed(cidrs))));
    }
    plan
}

/// The text of a refusal that a rule demands, not the form of the request.
fn refused(why: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "refused", why)
}

/// First what nobody may ban at all, then the own address, which is told in its own words.
fn may_be_cut(cidr: Cidr, scene: &Scene<'_>) -> Result<(), ApiError> {
    if let Some(why) = refuse(cidr, &[], &[], scene.now) {
        return Err(refused(why));
    }
    if let Some(me) = scene.caller.filter(|me| cidr.contains(*me)) {
        let what =
            if cidr.is_address() { "is your own address".to_owned() } else { format!("holds your own address `{me}`") };
        return Err(refused(format!("`{cidr}` {what}: you would shut yourself out")).hint("ask from another address"));
    }
    match refuse(cidr, scene.failsafe, scene.allow, scene.now) {
        Some(why) => Err(refused(why)),
        None => Ok(()),
    }
}

/// One line of text without characters that could repaint a terminal.
pub fn reason_checked(reason: Option<&str>) -> Result<String, ApiError> {
    let reason = reason.unwrap_or_default().trim();
    let chars = reason.chars().take(REASON_CHARS_MAX + 1).count();
    if chars > REASON_CHARS_MAX {
        return Err(ApiError::invalid(format!("`reason` is longer than {REASON_CHARS_MAX} characters")));
    }
    if palisade_guard::cli::printable(reason) != reason {
        return Err(ApiError::invalid("`reason` holds control characters; write one line of plain text"));
    }
    Ok(reason.to_owned())
}

/// What was asked for, or the default of a network; a ban that ends sooner needs none.
fn probation_s(params: &BanParams) -> Result<Option<u64>, ApiError> {
    let length_s = params.length.map_or(u64::MAX, Span::as_secs);
    match params.probation.map(Span::as_secs) {
        Some(s) if s > PROBATION_S_MAX => Err(ApiError::invalid("`probation` is longer than 1d")),
        Some(s) if s >= length_s => {
            Err(ApiError::invalid("`probation` is not shorter than `for`: the ban would end by itself"))
        }
        Some(s) => Ok(Some(s)),
        None => Ok((!params.address.is_address() && NETWORK_PROBATION_S < length_s).then_some(NETWORK_PROBATION_S)),
    }
}

/// A ban that is there already is made longer; one that is long enough is a conflict.
fn extended(cidr: Cidr, ends_at: Option<Timestamp>, scene: &Scene<'_>) -> Result<Option<Effect>, ApiError> {
    let there: Vec<&BanRow> = scene.bans.iter().filter(|row| row.ban.cidr == cidr && scene.touches(row)).collect();
    let Some(first) = there.first() else { return Ok(None) };
    let long_enough = |row: &&&BanRow| no_sooner(until(&row.ban), ends_at);
    let done = match &scene.reach {
        Reach::Hosts(hosts) => {
            hosts.iter().all(|h| there.iter().filter(long_enough).any(|row| row.host.as_ref().is_none_or(|r| r == h)))
        }
        Reach::Fleet(_) | Reach::ThisHost => there.iter().filter(long_enough).any(|row| row.host.is_none()),
    };
    let before = end_said(until(&first.ban), scene.now);
    if done {
        let why = format!("`{cidr}` is shut out already, {before}");
        return Err(ApiError::conflict(why).hint("remove the ban first to make it shorter"));
    }
    let said = format!("it was shut out already, {before}: this goes beyond");
    Ok(Some(scene.effect(EffectKind::Changes, Severity::Informational, said)))
}

/// Said when another ban holds the address anyway.
fn inside(cidr: Cidr, scene: &Scene<'_>) -> Option<Effect> {
    let wider: Vec<Cidr> = scene.covering(cidr).iter().map(|row| row.ban.cidr).collect();
    let said = format!("{cidr} lies in {}, which is shut out too", listed(&wider));
    (!wider.is_empty()).then(|| scene.effect(EffectKind::Keeps, Severity::Informational, said))
}
