//! The tables of documents, isolated hosts, and of hosts as they were seen last. Times are milliseconds
//! since 1970.

use super::fleet::Doors;
use super::resolve::Member;
use crate::WORD;
use palisade_core::{HostId, HostIdError, Tags, Timestamp};
use palisade_guard::GuardError;
use palisade_guard::store::at;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// A document as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// `SecurityGroup`, `PrefixList`, `PortPolicy`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it says, as JSON; `None` if the plan on probation removes it.
    pub spec: Option<String>,
    /// Who wrote it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The plan on probation that wrote it; empty if there is none.
    pub plan: String,
    /// What it said before that plan; `None` if there was none.
    pub before: Option<String>,
    /// When the plan is undone by itself.
    pub until: Option<Timestamp>,
}

type DocumentTuple = (String, String, Option<String>, String, i64, String, Option<String>, Option<i64>);

/// All documents, or those of one kind, or one.
pub async fn documents(
    db: &mut SqliteConnection,
    kind: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<DocumentRow>, GuardError> {
    let rows: Vec<DocumentTuple> = sqlx::query_as(
        "SELECT kind, name, spec, by_name, at, plan, before, until FROM firewall_document
         WHERE ($1 IS NULL OR kind = $1) AND ($2 IS NULL OR name = $2) ORDER BY kind, name",
    )
    .bind(kind)
    .bind(name)
    .fetch_all(db)
    .await?;
    let row = |(kind, name, spec, by, written, plan, before, until): DocumentTuple| DocumentRow {
        kind,
        name,
        spec,
        by,
        at: at(written),
        plan,
        before,
        until: until.map(at),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Writes a document for a plan, which may be kept or undone later.
pub async fn document_put(db: &mut SqliteConnection, row: &DocumentRow) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_document (kind, name, spec, by_name, at, plan, before, until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (kind, name) DO UPDATE SET spec = excluded.spec, by_name = excluded.by_name, at = excluded.at,
           plan = excluded.plan, before = excluded.before, until = excluded.until",
    )
    .bind(&row.kind)
    .bind(&row.name)
    .bind(&row.spec)
    .bind(&row.by)
    .bind(row.at.as_millisecond())
    .bind(&row.plan)
    .bind(&row.before)
    .bind(row.until.map(Timestamp::as_millisecond))
    .execute(db)
    .await?;
    Ok(())
}

/// Puts the documents of a plan on probation.
pub async fn documents_try(db: &mut SqliteConnection, plan: &str, until: Timestamp) -> Result<(), GuardError> {
    sqlx::query("UPDATE firewall_document SET until = $2 WHERE plan = $1")
        .bind(plan)
        .bind(until.as_millisecond())
        .execute(db)
        .await?;
    Ok(())
}

/// Makes what a plan wrote permanent. Returns how many documents that were.
pub async fn documents_keep(db: &mut SqliteConnection, plan: &str) -> Result<u64, GuardError> {
    let gone = sqlx::query("DELETE FROM firewall_document WHERE plan = $1 AND spec IS NULL")
        .bind(plan)
        .execute(&mut *db)
        .await?;
    let kept = sqlx::query(
        "UPDATE firewall_document SET plan = '', before = NULL, until = NULL WHERE plan = $1 AND plan <> ''",
    )
    .bind(plan)
    .execute(db)
    .await?;
    Ok(gone.rows_affected() + kept.rows_affected())
}

/// Removes a document that no plan stands behind any more.
pub async fn document_delete(db: &mut SqliteConnection, kind: &str, name: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM firewall_document WHERE kind = $1 AND name = $2")
        .bind(kind)
        .bind(name)
        .execute(db)
        .await?;
    Ok(())
}

/// A host that is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationRow {
    /// Which.
    pub host: HostId,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub ends_at: Option<Timestamp>,
    /// The plan that made it.
    pub plan: String,
    /// When that plan is undone by itself.
    pub until: Option<Timestamp>,
    /// The plan on probation that lets it in again; empty if there is none.
    pub release_plan: String,
    /// When that one is undone by itself.
    pub release_until: Option<Timestamp>,
}

type IsolationTuple = (String, String, String, i64, Option<i64>, String, Option<i64>, String, Option<i64>);

/// The hosts that are cut off, by name; also those whose time has passed and is not cleared away.
pub async fn isolated(db: &mut SqliteConnection) -> Result<Vec<IsolationRow>, GuardError> {
    let rows: Vec<IsolationTuple> = sqlx::query_as(
        "SELECT host, reason, by_name, since, ends_at, plan, until, release_plan, release_until
         FROM firewall_isolation ORDER BY host",
    )
    .fetch_all(db)
    .await?;
    let row = |(host, reason, by, since, ends, plan, until, release_plan, release_until): IsolationTuple| {
        Ok(IsolationRow {
            host: host_id(&host)?,
            reason,
            by,
            since: at(since),
            ends_at: ends.map(at),
            plan,
            until: until.map(at),
            release_plan,
            release_until: release_until.map(at),
        })
    };
    rows.into_iter().map(row).collect()
}

/// Stores that a host is cut off.
pub async fn isolation_put(db: &mut SqliteConnection, row: &IsolationRow) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_isolation (host, reason, by_name, since, ends_at, plan, until, release_plan, release_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (host) DO UPDATE SET reason = excluded.reason, by_name = excluded.by_name, since = excluded.since,
           ends_at = excluded.ends_at, plan = excluded.plan, until = excluded.until,
           release_plan = excluded.release_plan, release_until = excluded.release_until",
    )
    .bind(row.host.as_str())
    .bind(&row.reason)
    .bind(&row.by)
    .bind(row.since.as_millisecond())
    .bind(row.ends_at.map(Timestamp::as_millisecond))
    .bind(&row.plan)
    .bind(row.until.map(Timestamp::as_millisecond))
    .bind(&row.release_plan)
    .bind(row.release_until.map(Timestamp::as_millisecond))
    .execute(db)
    .await?;
    Ok(())
}

/// Puts what a plan does to isolation on probation.
pub async fn isolation_try(db: &mut SqliteConnection, plan: &str, until: Timestamp) -> Result<(), GuardError> {
    for script in [
        "UPDATE firewall_isolation SET until = $2 WHERE plan = $1",
        "UPDATE firewall_isolation SET release_until = $2 WHERE release_plan = $1",
    ] {
        sqlx::query(script).bind(plan).bind(until.as_millisecond()).execute(&mut *db).await?;
    }
    Ok(())
}

/// Stores that a host is no longer cut off.
pub async fn isolation_delete(db: &mut SqliteConnection, host: &HostId) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM firewall_isolation WHERE host = $1").bind(host.as_str()).execute(db).await?;
    Ok(())
}

/// A host as it was seen last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Its tags then.
    pub tags: Tags,
    /// Its region then.
    pub region: Option<String>,
    /// Its addresses then.
    pub addresses: Vec<IpAddr>,
    /// What listens on it.
    pub doors: Doors,
}

type SeenTuple = (String, String, Option<String>, String, String);

/// The hosts as they were seen last, or one.
pub async fn seen(db: &mut SqliteConnection, host: Option<&HostId>) -> Result<HashMap<HostId, Seen>, GuardError> {
    let rows: Vec<SeenTuple> = sqlx::query_as(
        "SELECT host, tags, region, addresses, doors FROM firewall_member WHERE ($1 IS NULL OR host = $1)",
    )
    .bind(host.map(HostId::as_str))
    .fetch_all(db)
    .await?;
    let row = |(host, tags, region, addresses, doors): SeenTuple| {
        let seen = Seen {
            tags: read("tags", &tags)?,
            region,
            addresses: read("addresses", &addresses)?,
            doors: read("listeners", &doors)?,
        };
        Ok((host_id(&host)?, seen))
    };
    rows.into_iter().map(row).collect()
}

/// Stores how a host stands in the fleet now.
pub async fn seen_put(db: &mut SqliteConnection, host: &HostId, member: Option<&Member>) -> Result<(), GuardError> {
    let nothing = Tags::new();
    let (tags, region) = member.map_or((&nothing, None), |m| (&m.tags, m.region.as_deref()));
    sqlx::query(
        "INSERT INTO firewall_member (host, tags, region, addresses) VALUES ($1, $2, $3, $4)
         ON CONFLICT (host) DO UPDATE SET tags = excluded.tags, region = excluded.region, addresses = excluded.addresses",
    )
    .bind(host.as_str())
    .bind(json!(tags).to_string())
    .bind(region)
    .bind(json!(member.map(|m| m.addresses.as_slice()).unwrap_or_default()).to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Stores what listens on a host.
pub async fn doors_put(db: &mut SqliteConnection, host: &HostId, doors: &Doors) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_member (host, doors) VALUES ($1, $2) ON CONFLICT (host) DO UPDATE SET doors = excluded.doors",
    )
    .bind(host.as_str())
    .bind(json!(doors).to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// The number that rises with every change of what filters are made of.
pub async fn revision(db: &mut SqliteConnection) -> Result<i64, GuardError> {
    let row: Option<(i64,)> = sqlx::query_as("SELECT n FROM firewall_revision WHERE id = 1").fetch_optional(db).await?;
    Ok(row.map_or(0, |(n,)| n))
}

/// Raises it.
pub async fn revision_raise(db: &mut SqliteConnection) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_revision (id, n) VALUES (1, 1)
         ON CONFLICT (id) DO UPDATE SET n = firewall_revision.n + 1",
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Until when hosts have been told of what has ended.
pub async fn ended_at(db: &mut SqliteConnection) -> Result<Timestamp, GuardError> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT ended_at FROM firewall_revision WHERE id = 1").fetch_optional(db).await?;
    Ok(at(row.map_or(0, |(ms,)| ms)))
}

/// They have been told of everything until `until`.
pub async fn ended_at_put(db: &mut SqliteConnection, until: Timestamp) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO firewall_revision (id, n, ended_at) VALUES (1, 1, $1)
         ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at",
    )
    .bind(until.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// What a rule has decided about, over all hosts or on one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Since records began.
    pub packets: u64,
    /// In the last 24 hours.
    pub packets_24h: u64,
    /// The last of them.
    pub last_at: Option<Timestamp>,
}

/// The hits of every rule, by its id.
pub async fn hits(
    db: &mut SqliteConnection,
    host: Option<&HostId>,
    now: Timestamp,
) -> Result<BTreeMap<String, Hits>, GuardError> {
    const DAY_MS: i64 = 86_400_000;
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT rule, CAST(SUM(packets) AS BIGINT), CAST(SUM(CASE WHEN hour > $2 THEN packets ELSE 0 END) AS BIGINT),
           MAX(last_at)
         FROM firewall_hit WHERE ($1 IS NULL OR host = $1) GROUP BY rule",
    )
    .bind(host.map(HostId::as_str))
    .bind(now.as_millisecond() - DAY_MS)
    .fetch_all(db)
    .await?;
    let hits = |(rule, packets, of_day, last): (String, i64, i64, i64)| {
        let last_at = (packets > 0).then(|| at(last));
        (rule, Hits { packets: packets as u64, packets_24h: of_day as u64, last_at })
    };
    Ok(rows.into_iter().map(hits).collect())
}

fn host_id(text: &str) -> Result<HostId, GuardError> {
    text.parse().map_err(|e: HostIdError| GuardError::Refused(format!("the firewall's tables hold a row: {e}")))
}

/// What a table holds as JSON.
pub fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, GuardError> {
    serde_json::from_str(text).map_err(|source| GuardError::Decode { what, guard: WORD, source })
}

/// A spec as it is stored.
pub fn written(spec: Option<&Value>) -> Option<String> {
    spec.map(Value::to_string)
}
