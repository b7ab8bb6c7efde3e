//! `/api/v1/firewall/feed` and `/api/v1/firewall/bans/import`: bans for the whole fleet, many at once.

use super::{Known, TOPIC, given};
use crate::draft;
use crate::events;
use crate::feed::desk::{self, Taken};
use crate::feed::{IMPORT_MAX, store};
use crate::views::{FeedHostView, FeedView, ImportParams, ImportRefusal, ImportView};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use palisade_core::{Cidr, CidrError, Generation, Timestamp};
use palisade_guard::api::{ApiError, Caller, ErrorBody, Operator};
use palisade_guard::store as frame;
use palisade_guard::{AddressBan, ServerContext};
use sqlx::SqliteConnection;
use std::collections::HashMap;

/// Refusals that an answer names; the rest is counted.
const REFUSED_NAMED_MAX: usize = 1_000;
/// How much is shown of what is no address, in characters.
const ADDRESS_SHOWN_CHARS_MAX: usize = 80;

/// Shuts many addresses out of every host, those that join later too. Without a plan and without
/// probation: addresses that must not be cut are refused one by one, the others are shut out.
#[utoipa::path(post, path = "/api/v1/firewall/bans/import", tag = "firewall", request_body = ImportParams,
    responses((status = 200, body = ImportView), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 413, body = ErrorBody)))]
pub(super) async fn ban_import(
    State(ctx): State<ServerContext>,
    Operator(caller): Operator,
    body: Result<Json<ImportParams>, JsonRejection>,
) -> Result<Json<ImportView>, ApiError> {
    let params = given::body(body)?;
    let now = ctx.now();
    let (bans, unread) = bans_of(&params, &caller, now)?;
    let mut tx = ctx.begin().await?;
    let failsafe: Vec<Cidr> = ctx.failsafe.iter().copied().chain(caller.address.map(Cidr::from)).collect();
    let taken = desk::ban_all(&mut tx, &bans, &failsafe, now).await?;
    let aggregated = desk::recount(&mut tx, now).await?;
    if params.dry_run {
        tx.rollback().await?;
        return Ok(Json(view(taken, unread, aggregated)));
    }
    ctx.record(&mut tx, &events::imported(&caller, &taken, params.reason.as_deref().unwrap_or_default(), now)).await?;
    tx.commit().await?;
    ctx.feed_changed();
    ctx.publish(&[TOPIC, "journal"]);
    Ok(Json(view(taken, unread, aggregated)))
}

/// The bans, and what of them is no address: one bad line of a long list must not refuse the others.
fn bans_of(
    params: &ImportParams,
    caller: &Caller,
    now: Timestamp,
) -> Result<(Vec<AddressBan>, Vec<ImportRefusal>), ApiError> {
    if params.bans.is_empty() {
        return Err(ApiError::invalid("`bans` is empty").at("bans"));
    }
    if params.bans.len() > IMPORT_MAX {
        let error = ApiError::invalid(format!("`bans` has {} entries, at most {IMPORT_MAX} can be", params.bans.len()));
        return Err(error.at("bans").hint("import them in parts"));
    }
    let reason = draft::reason_checked(params.reason.as_deref())?;
    let (mut bans, mut unread) = (Vec::new(), Vec::new());
    for (place, ban) in params.bans.iter().enumerate() {
        let own = ban.reason.as_deref().map(|text| draft::reason_checked(Some(text))).transpose();
        let reason = own.map_err(|e| e.at(format!("bans[{place}].reason")))?.unwrap_or_else(|| reason.clone());
        match ban.address.parse() {
            Ok(address) => {
                let length = ban.length.or(params.length);
                bans.push(AddressBan { address, length, reason, by: caller.name.clone(), now });
            }
            Err(error) => unread.push(unread_of(&ban.address, error)),
        }
    }
    Ok((bans, unread))
}

fn unread_of(address: &str, error: CidrError) -> ImportRefusal {
    ImportRefusal { address: address.chars().take(ADDRESS_SHOWN_CHARS_MAX).collect(), why: error.to_string() }
}

fn view(taken: Taken, unread: Vec<ImportRefusal>, aggregated: u64) -> ImportView {
    let refused_total = (unread.len() + taken.refused.len()) as u64;
    let judged = taken.refused.into_iter().map(|(address, why)| ImportRefusal { address: address.to_string(), why });
    let refused = unread.into_iter().chain(judged).take(REFUSED_NAMED_MAX).collect();
    ImportView { added: taken.added, refused, refused_total, dropped: taken.dropped, aggregated }
}

/// How far the feed of bans is, here and on each host.
#[utoipa::path(get, path = "/api/v1/firewall/feed", tag = "firewall",
    responses((status = 200, body = FeedView), (status = 401, body = ErrorBody)))]
pub(super) async fn feed_show(State(ctx): State<ServerContext>, _caller: Caller) -> Result<Json<FeedView>, ApiError> {
    let mut tx = ctx.db.read().begin().await?;
    let (position, total) = (store::position(&mut tx).await?, store::total(&mut tx).await?);
    let held: HashMap<String, Generation> = store::held(&mut tx).await?.into_iter().collect();
    let mut hosts = Vec::new();
    let mut known: HashMap<Generation, i64> = HashMap::from([(position, 0)]);
    for host in frame::hosts_in_service(&mut tx).await? {
        let at = held.get(host.as_str()).copied().unwrap_or_default();
        let behind_s = match known.get(&at) {
            Some(seconds) => *seconds,
            None => behind_s(&mut tx, at, position, ctx.now()).await?,
        };
        known.insert(at, behind_s);
        hosts.push(FeedHostView { host, seq: at.n, behind_s: behind_s.max(0) as u64 });
    }
    let (seq, entries, aggregated, dropped) = (total.seq, total.entries, total.aggregated, total.dropped);
    Ok(Json(FeedView { seq, entries, aggregated, dropped, hosts }))
}

/// Since when the first change waits that a host has not stored.
async fn behind_s(
    db: &mut SqliteConnection,
    at: Generation,
    position: Generation,
    now: Timestamp,
) -> Result<i64, ApiError> {
    let since = if at.epoch == position.epoch { at.n } else { 0 };
    let first_ms = store::at_after(db, since).await?;
    Ok(first_ms.map_or(0, |ms| (now.as_millisecond() - ms) / 1_000))
}

/// The bans of the feed among the others, as rows of the whole fleet.
pub(super) async fn rows(
    db: &mut SqliteConnection,
    only: Option<Cidr>,
    now: Timestamp,
) -> Result<Vec<crate::store::BanRow>, palisade_guard::GuardError> {
    let rows = match only {
        Some(cidr) => store::banned_of(db, &[cidr], now).await?,
        None => store::banned(db, now).await?,
    };
    let ban = |row: store::Row| crate::spec::Ban {
        cidr: row.cidr,
        reason: row.reason,
        by: row.by,
        since: frame::at(row.since),
        ends_at: Option::<i64>::from(row.until).map(frame::at),
        probation_until: None,
        plan: None,
    };
    Ok(rows.into_iter().map(|row| crate::store::BanRow { host: None, ban: ban(row) }).collect())
}

impl Known {
    /// With the bans of the feed that a removal of `cidr` is about.
    pub(super) async fn with_feed(
        mut self,
        db: &mut SqliteConnection,
        cidr: Cidr,
    ) -> Result<Known, palisade_guard::GuardError> {
        self.bans.extend(rows(db, Some(cidr), self.now).await?);
        Ok(self)
    }
}
