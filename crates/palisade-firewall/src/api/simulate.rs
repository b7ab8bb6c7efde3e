//! `/api/v1/firewall/simulate`: what becomes of a packet, as things stand and as a draft would have it.

use super::{given, with_nearest};
use crate::filter::Filter;
use crate::filter::judge::Host;
use crate::filter::packet::PacketText;
use crate::filter::verdict::{Verdict, verdict};
use crate::group::fleet::Stored;
use crate::group::overlay::lay;
use crate::group::resolve::{Fleet, resolve};
use crate::ruleset::Range;
use crate::store;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use palisade_core::{Cidr, HostId, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody};
use palisade_guard::{GuardError, ServerContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use utoipa::ToSchema;

/// Documents of one draft.
const DRAFT_MAX: usize = 2_000;

/// A packet, and documents that are laid over those that stand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateParams {
    /// In words: what is spoken, who begins, whom it is for. One side is a host by its name.
    #[schema(example = "tcp 203.0.113.9:40000 -> web-1:22", max_length = 300)]
    packet: String,
    /// A draft: `SecurityGroup`, `PrefixList`, `PortPolicy`, and `Host` for its tags and addresses.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    resources: Option<Vec<Value>>,
}

/// What becomes of the packet. Failsafe addresses are known of the server's own host only; what is
/// failsafe by the configuration of another one is not taken into account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FirewallSimulation)]
pub struct Simulation {
    /// The packet, in normal form.
    packet: String,
    /// Whose rules were asked.
    #[schema(value_type = String)]
    host: HostId,
    /// By what stands now, with what is on probation.
    now: Verdict,
    /// By the draft, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    draft: Option<Verdict>,
}

/// Who is shut out of a host, and whom no ban cuts.
struct Shut {
    banned: Vec<Range>,
    allow: Vec<Range>,
}

/// Says what becomes of a packet, and why. Changes nothing.
#[utoipa::path(post, path = "/api/v1/firewall/simulate", tag = "firewall", request_body = SimulateParams,
    responses((status = 200, body = Simulation), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
pub(super) async fn simulate(
    State(ctx): State<ServerContext>,
    _caller: Caller,
    body: Result<Json<SimulateParams>, JsonRejection>,
) -> Result<Json<Simulation>, ApiError> {
    let params = given::body(body)?;
    let text: PacketText = params
        .packet
        .parse()
        .map_err(|e: crate::filter::packet::PacketError| ApiError::invalid(&e).at("packet").hint(e.hint))?;
    let now = ctx.now();
    let mut db = ctx.db.read().acquire().await?;
    let stored = Stored::read(&mut db, now).await?;
    let shut = shut(&ctx, (&text.host, text.probe.peer), &mut db).await?;
    drop(db);
    let tried: Vec<String> = stored.tried().into_keys().collect();
    let tried: Vec<&str> = tried.iter().map(String::as_str).collect();
    let mut fleet = stored.fleet(&tried)?;
    let present = filter(&fleet, &text.host, now)?;
    let draft = match &params.resources {
        None => None,
        Some(documents) => Some(drafted(&mut fleet, documents, &text.host, now)?),
    };
    let own = ctx.own.as_ref() == Some(&text.host);
    let failsafe: Vec<Range> = ctx.failsafe.iter().filter(|_| own).map(|cidr| Range::from(*cidr)).collect();
    let judged = |filter: &Filter| {
        verdict(&Host { failsafe: &failsafe, allow: &shut.allow, banned: &shut.banned, filter }, &text.probe, now)
    };
    let (present, draft) = (judged(&present), draft.as_ref().map(judged));
    Ok(Json(Simulation { packet: text.to_string(), host: text.host, now: present, draft }))
}

fn filter(fleet: &Fleet, host: &HostId, now: Timestamp) -> Result<Filter, ApiError> {
    resolve(fleet, host, now).ok_or_else(|| {
        let known: Vec<HostId> = fleet.hosts.iter().map(|member| member.id.clone()).collect();
        with_nearest(ApiError::not_found(format!("the host `{host}`")).at("packet"), host.as_str(), &known)
    })
}

fn drafted(fleet: &mut Fleet, documents: &[Value], host: &HostId, now: Timestamp) -> Result<Filter, ApiError> {
    if documents.len() > DRAFT_MAX {
        let why = format!("{} documents; a draft has at most {DRAFT_MAX}", documents.len());
        return Err(ApiError::invalid(why).at("resources"));
    }
    for (n, document) in documents.iter().enumerate() {
        lay(fleet, document).map_err(|error| error.at(format!("resources[{n}]")))?;
    }
    filter(fleet, host, now)
}

/// Of the feed only what holds the peer: there may be very many others.
async fn shut(
    ctx: &ServerContext,
    (host, peer): (&HostId, IpAddr),
    db: &mut SqliteConnection,
) -> Result<Shut, GuardError> {
    let now = ctx.now();
    let bans = store::ban_list(&mut *db, Some(host), now).await?;
    let feed = crate::feed::store::banned_of(&mut *db, &networks_of(peer), now).await?;
    let allow = store::allow_list(db, now).await?;
    // what is failsafe on the server is in no ban that it makes
    let allow = allow.into_iter().map(|entry| entry.cidr).chain(ctx.failsafe.iter().copied());
    let ranges = |cidrs: Vec<Cidr>| cidrs.into_iter().map(Range::from).collect();
    let banned = crate::resolve::spec(host, &bans, &[], now).bans.into_iter().map(|ban| ban.cidr);
    let banned = banned.chain(feed.into_iter().map(|row| row.cidr));
    Ok(Shut { banned: ranges(banned.collect()), allow: ranges(allow.collect()) })
}

/// Every network that an address is in, itself too.
fn networks_of(address: IpAddr) -> Vec<Cidr> {
    let network = |len: u32| match address.to_canonical() {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::BITS - len).unwrap_or(0);
            format!("{}/{len}", Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u128::BITS - len).unwrap_or(0);
            format!("{}/{len}", Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    };
    let bits = if address.to_canonical().is_ipv4() { u32::BITS } else { u128::BITS };
    (0..=bits).filter_map(|len| network(len).parse().ok()).collect()
}
