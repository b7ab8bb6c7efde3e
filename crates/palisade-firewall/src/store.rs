//! The tables of the firewall: who is shut out, and who never is. An empty host is the whole fleet.
//!
//! A ban is known by address, host and plan: a plan that extends a ban stands beside it, so that
//! rolling the plan back leaves the ban of before. Times are milliseconds since 1970.

use crate::spec::{Allow, Ban};
use palisade_core::{Cidr, CidrError, HostId, HostIdError, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::at;
use sqlx::SqliteConnection;
use std::net::IpAddr;

/// The scripts, in order.
pub const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/1_bans.sql"),
    include_str!("../migrations/2_groups.sql"),
    include_str!("../migrations/3_stream.sql"),
    include_str!("../migrations/4_feed.sql"),
];

/// Most bans that a server holds.
pub const BANS_MAX: u64 = 100_000;
/// Most entries of the allow-list.
pub const ALLOW_MAX: u64 = 10_000;

/// A ban as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanRow {
    /// Where; `None` is every host.
    pub host: Option<HostId>,
    /// What.
    pub ban: Ban,
}

type BanTuple = (String, String, String, String, String, i64, Option<i64>, Option<i64>);
type AllowTuple = (String, String, String, i64, Option<i64>);

/// Adds a ban: one row for the fleet if `hosts` is empty, else one per host.
pub async fn ban_insert(db: &mut SqliteConnection, hosts: &[HostId], ban: &Ban) -> Result<(), GuardError> {
    let fleet = [""];
    let named: Vec<&str> = hosts.iter().map(HostId::as_str).collect();
    for host in if named.is_empty() { fleet.as_slice() } else { &named } {
        sqlx::query(
            "INSERT INTO firewall_ban (cidr, host, plan, reason, by_name, since, ends_at, probation_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (cidr, host, plan) DO NOTHING",
        )
        .bind(ban.cidr.to_string())
        .bind(host)
        .bind(ban.plan.as_deref().unwrap_or_default())
        .bind(&ban.reason)
        .bind(&ban.by)
        .bind(ban.since.as_millisecond())
        .bind(ban.ends_at.map(Timestamp::as_millisecond))
        .bind(ban.probation_until.map(Timestamp::as_millisecond))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The bans in force at `now`, of every host or of one (the fleet's among them).
pub async fn ban_list(
    db: &mut SqliteConnection,
    host: Option<&HostId>,
    now: Timestamp,
) -> Result<Vec<BanRow>, GuardError> {
    let rows: Vec<BanTuple> = sqlx::query_as(
        "SELECT cidr, host, plan, reason, by_name, since, ends_at, probation_until FROM firewall_ban
         WHERE (ends_at IS NULL OR ends_at > $1) AND (probation_until IS NULL OR probation_until > $1)
           AND ($2 IS NULL OR host = $2 OR host = '')
         ORDER BY cidr, host, since",
    )
    .bind(now.as_millisecond())
    .bind(host.map(HostId::as_str))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(ban_row).collect()
}

/// The bans in force at `now` of exactly `cidr` and of the networks that hold all of it, whatever
/// else there is.
pub async fn ban_list_around(db: &mut SqliteConnection, cidr: Cidr, now: Timestamp) -> Result<Vec<BanRow>, GuardError> {
    let mut query = sqlx::QueryBuilder::new(
        "SELECT cidr, host, plan, reason, by_name, since, ends_at, probation_until FROM firewall_ban WHERE cidr IN (",
    );
    let mut list = query.separated(", ");
    for wider in around(cidr) {
        list.push_bind(wider);
    }
    query.push(") AND (ends_at IS NULL OR ends_at > ").push_bind(now.as_millisecond());
    query.push(") AND (probation_until IS NULL OR probation_until > ").push_bind(now.as_millisecond());
    query.push(") ORDER BY cidr, host, since");
    let rows: Vec<BanTuple> = query.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(ban_row).collect()
}

/// `cidr` and every network that holds it, as they are stored: at most 129 of them.
fn around(cidr: Cidr) -> Vec<String> {
    let of_length = |length: u8| {
        let network = match cidr.network() {
            IpAddr::V4(a) => {
                IpAddr::from((u32::from(a) & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_be_bytes())
            }
            IpAddr::V6(a) => IpAddr::from(
                (u128::from(a) & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)).to_be_bytes(),
            ),
        };
        format!("{network}/{length}").parse::<Cidr>().map(|c| c.to_string())
    };
    (0..=cidr.prefix_len()).filter_map(|length| of_length(length).ok()).collect()
}

fn ban_row((cidr, host, plan, reason, by, since, ends, probation): BanTuple) -> Result<BanRow, GuardError> {
    let host = if host.is_empty() { None } else { Some(host.parse().map_err(|e: HostIdError| broken(&e))?) };
    let ban = Ban {
        cidr: cidr_stored(&cidr)?,
        reason,
        by,
        since: at(since),
        ends_at: ends.map(at),
        probation_until: probation.map(at),
        plan: (!plan.is_empty()).then_some(plan),
    };
    Ok(BanRow { host, ban })
}

fn cidr_stored(text: &str) -> Result<Cidr, GuardError> {
    text.parse().map_err(|e: CidrError| broken(&e))
}

fn broken(error: &dyn std::fmt::Display) -> GuardError {
    GuardError::Refused(format!("the firewall's tables hold a row that makes no sense: {error}"))
}

/// Whether there are bans of this host alone.
pub async fn ban_of_host(db: &mut SqliteConnection, host: &HostId) -> Result<bool, GuardError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT 1 FROM firewall_ban WHERE host = $1 LIMIT 1")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// How many bans there are, ended ones that have not been cleared away among them.
pub async fn ban_count(db: &mut SqliteConnection) -> Result<u64, GuardError> {
    let (n,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM firewall_ban").fetch_one(db).await?;
    Ok(n as u64)
}

/// Removes every ban of exactly this address or network. Returns how many rows there were.
pub async fn ban_delete(db: &mut SqliteConnection, cidr: Cidr) -> Result<u64, GuardError> {
    let done = sqlx::query("DELETE FROM firewall_ban WHERE cidr = $1").bind(cidr.to_string()).execute(db).await?;
    Ok(done.rows_affected())
}

/// Ends the probation of a plan's bans: they stay.
pub async fn ban_keep(db: &mut SqliteConnection, plan: &str) -> Result<u64, GuardError> {
    let done =
        sqlx::query("UPDATE firewall_ban SET probation_until = NULL WHERE plan = $1").bind(plan).execute(db).await?;
    Ok(done.rows_affected())
}

/// Removes what a plan has added to bans and allow-list. Returns how many rows there were.
pub async fn plan_delete(db: &mut SqliteConnection, plan: &str) -> Result<u64, GuardError> {
    let bans = sqlx::query("DELETE FROM firewall_ban WHERE plan = $1").bind(plan).execute(&mut *db).await?;
    let allow = sqlx::query("DELETE FROM firewall_allow WHERE plan = $1").bind(plan).execute(db).await?;
    Ok(bans.rows_affected() + allow.rows_affected())
}

/// Clears away what has ended.
pub async fn ended_delete(db: &mut SqliteConnection, now: Timestamp) -> Result<u64, GuardError> {
    let now = now.as_millisecond();
    let bans = sqlx::query("DELETE FROM firewall_ban WHERE ends_at <= $1 OR probation_until <= $1")
        .bind(now)
        .execute(&mut *db)
        .await?;
    let allow = sqlx::query("DELETE FROM firewall_allow WHERE ends_at <= $1").bind(now).execute(db).await?;
    Ok(bans.rows_affected() + allow.rows_affected())
}

/// Adds an entry to the allow-list of all hosts, or replaces the one of the same network.
pub async fn allow_put(db: &mut SqliteConnection, allow: &Allow, plan: &str) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_allow (cidr, host, plan, reason, by_name, since, ends_at) VALUES ($1, '', $2, $3, $4, $5, $6)
         ON CONFLICT (cidr, host) DO UPDATE SET plan = excluded.plan, reason = excluded.reason, by_name = excluded.by_name,
           since = excluded.since, ends_at = excluded.ends_at",
    )
    .bind(allow.cidr.to_string())
    .bind(plan)
    .bind(&allow.reason)
    .bind(&allow.by)
    .bind(allow.since.as_millisecond())
    .bind(allow.ends_at.map(Timestamp::as_millisecond))
    .execute(db)
    .await?;
    Ok(())
}

/// The allow-list in force at `now`.
pub async fn allow_list(db: &mut SqliteConnection, now: Timestamp) -> Result<Vec<Allow>, GuardError> {
    let rows: Vec<AllowTuple> = sqlx::query_as(
        "SELECT cidr, reason, by_name, since, ends_at FROM firewall_allow
         WHERE host = '' AND (ends_at IS NULL OR ends_at > $1) ORDER BY cidr",
    )
    .bind(now.as_millisecond())
    .fetch_all(db)
    .await?;
    rows.into_iter().map(allow_row).collect()
}

fn allow_row((cidr, reason, by, since, ends): AllowTuple) -> Result<Allow, GuardError> {
    Ok(Allow { cidr: cidr_stored(&cidr)?, reason, by, since: at(since), ends_at: ends.map(at) })
}

/// The entries in force at `now` of `cidr` and of the networks that hold all of it.
pub async fn allow_list_around(
    db: &mut SqliteConnection,
    cidr: Cidr,
    now: Timestamp,
) -> Result<Vec<Allow>, GuardError> {
    let mut query = sqlx::QueryBuilder::new(
        "SELECT cidr, reason, by_name, since, ends_at FROM firewall_allow WHERE host = '' AND cidr IN (",
    );
    let mut list = query.separated(", ");
    for wider in around(cidr) {
        list.push_bind(wider);
    }
    query.push(") AND (ends_at IS NULL OR ends_at > ").push_bind(now.as_millisecond()).push(")");
    let rows: Vec<AllowTuple> = query.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(allow_row).collect()
}

/// Removes the entry of exactly this network. Returns how many there were.
pub async fn allow_delete(db: &mut SqliteConnection, cidr: Cidr) -> Result<u64, GuardError> {
    let done = sqlx::query("DELETE FROM firewall_allow WHERE cidr = $1").bind(cidr.to_string()).execute(db).await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_around_an_address_is_found_and_holds_it() {
        for (text, first, count) in
            [("203.0.113.9", "0.0.0.0/0", 33), ("2001:db8::/32", "::/0", 33), ("2001:db8::1", "::/0", 129)]
        {
            let cidr: Cidr = text.parse().expect("a network");
            let all = around(cidr);
            assert_eq!((all.len(), all[0].as_str(), all[count - 1].as_str()), (count, first, text));
            assert!(
                all.iter()
                    .all(|c| c.parse::<Cidr>().is_ok_and(|c| c.contains(cidr.network()) && c.contains(cidr.last())))
            );
        }
    }
}
