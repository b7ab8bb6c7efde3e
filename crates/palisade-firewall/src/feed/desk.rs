//! Bans that are asked for by engines and imports: checked, bounded, stored.

use super::aggregate::{Aggregate, touches};
use super::store::{self, Row, Total};
use super::{ENTRIES_MAX, RELEASED_HOLD_S, RELEASED_MAX, State};
use crate::plan::refuse;
use crate::ruleset::{Range, Until, merged};
use crate::spec::Allow;
use crate::store as tables;
use palisade_core::{Cidr, Timestamp};
use palisade_guard::contract::BoxFuture;
use palisade_guard::{AddressBan, BanAddress, BanOutcome, GuardError};
use sqlx::SqliteConnection;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Up to so many addresses are looked up on the allow-list one by one; for more all of it is read.
const LOOKED_UP_MAX: usize = 32;
/// Characters of a reason or a name that are kept.
const TEXT_CHARS_MAX: usize = 500;

/// Shuts addresses out of every host, for the engines of other guards.
#[derive(Debug, Clone)]
pub struct Desk {
    failsafe: Arc<Vec<Cidr>>,
}

impl Desk {
    /// One that never bans any of `failsafe`.
    pub fn new(failsafe: Arc<Vec<Cidr>>) -> Desk {
        Desk { failsafe }
    }
}

impl BanAddress for Desk {
    fn ban<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        ban: &'a AddressBan,
    ) -> BoxFuture<'a, Result<BanOutcome, GuardError>> {
        Box::pin(async move {
            let mut taken = ban_all(db, std::slice::from_ref(ban), &self.failsafe, ban.now).await?;
            Ok(match taken.refused.pop() {
                Some((_, why)) => BanOutcome::Refused(why),
                None if taken.added == 0 => BanOutcome::Already,
                None => BanOutcome::Banned(end(ban)),
            })
        })
    }
}

/// What became of a list of bans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many are banned now that were not, or for longer than they were.
    pub added: u64,
    /// Which may not be banned, and why.
    pub refused: Vec<(Cidr, String)>,
    /// How many others were given up to make room.
    pub dropped: u64,
}

/// Stores the bans that may be; of one address the longest.
pub async fn ban_all(
    db: &mut SqliteConnection,
    bans: &[AddressBan],
    failsafe: &[Cidr],
    now: Timestamp,
) -> Result<Taken, GuardError> {
    let allow = allow_of(db, bans, now).await?;
    let allowed = merged(allow.iter().map(|a| (Range::from(a.cidr), Until::Never)));
    let allowed: Vec<Range> = allowed.into_iter().map(|(range, _)| range).collect();
    let (mut taken, mut rows) = (Taken::default(), BTreeMap::new());
    for ban in bans {
        // comparing with thousands of entries one by one is for those that are refused only
        let allow: &[Allow] = if touches(&allowed, Range::from(ban.address)) { &allow } else { &[] };
        if let Some(why) = refuse(ban.address, failsafe, allow, now) {
            taken.refused.push((ban.address, why));
            continue;
        }
        let row = row_of(ban);
        let longest = rows.entry(ban.address).or_insert_with(|| row.clone());
        if row.until > longest.until {
            *longest = row;
        }
    }
    let (cidrs, rows): (Vec<Cidr>, Vec<Row>) = rows.into_iter().unzip();
    let there = store::banned_of(db, &cidrs, now).await?.len();
    taken.added = store::put(db, &rows, now).await?;
    let total = store::count(db, (rows.len() - there) as i64, 0).await?;
    taken.dropped = make_room(db, total, now).await?;
    Ok(taken)
}

/// Those that end first make room, when there are too many.
async fn make_room(db: &mut SqliteConnection, total: Total, now: Timestamp) -> Result<u64, GuardError> {
    let extra = total.entries.saturating_sub(ENTRIES_MAX as u64);
    if extra == 0 {
        return Ok(0);
    }
    let given_up: Vec<Row> =
        store::first_to_end(db, extra).await?.into_iter().map(|r| gone(r, State::Dropped, now)).collect();
    store::put(db, &given_up, now).await?;
    let count = given_up.len() as i64;
    store::count(db, -count, count).await?;
    tracing::warn!(dropped = count, "the feed of bans is full: those that end first were given up");
    Ok(given_up.len() as u64)
}

/// Releases exactly `cidr` on every host. Returns whether it was banned.
pub async fn release(db: &mut SqliteConnection, cidr: Cidr, now: Timestamp) -> Result<bool, GuardError> {
    let rows = store::banned_of(db, &[cidr], now).await?;
    release_rows(db, rows, now).await.map(|count| count > 0)
}

/// Releases all that lies in `cidr`, which was put on the allow-list: it was banned in error.
pub async fn allowed(db: &mut SqliteConnection, cidr: Cidr, now: Timestamp) -> Result<u64, GuardError> {
    let inside = |row: &Row| cidr.contains(row.cidr.network()) && cidr.contains(row.cidr.last());
    let rows = store::banned(db, now).await?.into_iter().filter(inside).collect();
    release_rows(db, rows, now).await
}

async fn release_rows(db: &mut SqliteConnection, rows: Vec<Row>, now: Timestamp) -> Result<u64, GuardError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let rows: Vec<Row> = rows.into_iter().map(|row| gone(row, State::Released, now)).collect();
    store::put(db, &rows, now).await?;
    store::count(db, -(rows.len() as i64), 0).await?;
    Ok(rows.len() as u64)
}

/// Periodic work: what has ended goes, and what there is is counted.
pub async fn tend(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    store::clear(db, RELEASED_MAX, now).await?;
    recount(db, now).await.map(|_| ())
}

/// Counts bans and the networks that are shut out for them. Returns the latter.
pub async fn recount(db: &mut SqliteConnection, now: Timestamp) -> Result<u64, GuardError> {
    let (rows, allow) = (store::banned(db, now).await?, tables::allow_list(db, now).await?);
    let mut aggregate = Aggregate::default();
    for row in rows.iter().filter(|row| row.cidr.is_address()) {
        aggregate.change(row.cidr.network(), None, Some((row.until, State::Banned)));
    }
    let safe = merged(allow.iter().map(|a| (Range::from(a.cidr), Until::Never)));
    let safe: Vec<Range> = safe.into_iter().map(|(range, _)| range).collect();
    let networks = aggregate.networks(&safe).count() as u64;
    store::counted(db, rows.len() as u64, networks).await?;
    Ok(networks)
}

/// The entries of the allow-list that may be about these bans.
async fn allow_of(db: &mut SqliteConnection, bans: &[AddressBan], now: Timestamp) -> Result<Vec<Allow>, GuardError> {
    if bans.len() > LOOKED_UP_MAX {
        return tables::allow_list(db, now).await;
    }
    let mut all = Vec::new();
    for ban in bans {
        all.extend(tables::allow_list_around(&mut *db, ban.address, now).await?);
    }
    Ok(all)
}

fn row_of(ban: &AddressBan) -> Row {
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    Row {
        cidr: ban.address,
        reason: short(&ban.reason),
        by: short(&ban.by),
        since: ban.now.as_millisecond(),
        until: Until::of(end(ban)),
        state: State::Banned,
    }
}

fn end(ban: &AddressBan) -> Option<Timestamp> {
    let length = jiff::SignedDuration::from_secs(ban.length?.as_secs() as i64);
    Some(ban.now.checked_add(length).unwrap_or(Timestamp::MAX))
}

/// The entry as it is remembered once it is no ban any more.
fn gone(row: Row, state: State, now: Timestamp) -> Row {
    let longest = Until::At(now.as_millisecond() + RELEASED_HOLD_S * 1_000);
    Row { until: row.until.min(longest), state, ..row }
}
