//! Hosts: what they say about themselves, where they stand in the fleet, how they were last heard of.

use super::{at, from_json, host_id, json, ms};
use crate::GuardError;
use palisade_core::{HostId, HostKind, Profile, Standing, Tags, Timestamp, VerdictWord};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a host says about itself when it connects, and after every reboot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostFacts {
    /// PRETTY_NAME of os-release.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// When it was started; changes with a reboot.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub booted_at: Option<Timestamp>,
    /// Its addresses, loopback left out.
    pub addresses: Vec<String>,
    /// The version of its agent.
    pub agent_version: String,
    /// Which words its permit file holds.
    pub permit: Vec<String>,
}

/// A host as the server knows it.
#[derive(Debug, Clone)]
pub struct HostRow {
    /// Its name.
    pub id: HostId,
    /// What it says about itself.
    pub facts: HostFacts,
    /// When it was first seen.
    pub joined_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Where it stands, in the operator's own words.
    pub region: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Whether an agent is expected on it.
    pub kind: HostKind,
    /// What it joined with.
    pub profile: Profile,
    /// Whether it belongs to the fleet.
    pub standing: Standing,
    /// Of an agentless host: where it is reached.
    pub address: Option<String>,
    /// What tells this machine from a copy of its disk; `None` before its first hello.
    pub machine: Option<String>,
    /// The serial number of its newest certificate; `None` for the server's own host.
    pub serial: Option<String>,
    /// How it was last heard of, as of `verdict_at`.
    pub verdict: VerdictWord,
    /// Since when.
    pub verdict_at: Timestamp,
    /// The verdict in a sentence.
    pub verdict_reason: Option<String>,
    /// Records that its agent had to give up because the server was away too long, by guard.
    pub lost: BTreeMap<String, u64>,
}

impl HostRow {
    /// A host that was just made.
    pub fn new(id: HostId, now: Timestamp) -> HostRow {
        HostRow {
            id,
            facts: HostFacts::default(),
            joined_at: now,
            seen_at: now,
            region: None,
            tags: Tags::new(),
            kind: HostKind::Agent,
            profile: Profile::Observe,
            standing: Standing::Active,
            address: None,
            machine: None,
            serial: None,
            verdict: VerdictWord::Never,
            verdict_at: now,
            verdict_reason: None,
            lost: BTreeMap::new(),
        }
    }
}

fn row(row: &SqliteRow) -> Result<HostRow, GuardError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let option = |column: &str| row.try_get::<Option<String>, _>(column);
    let moment = |column: &str| row.try_get::<i64, _>(column).map(at);
    let refused = |error: String| GuardError::Refused(format!("a stored host: {error}"));
    Ok(HostRow {
        id: host_id(&text("id")?)?,
        facts: from_json("host facts", &text("facts")?)?,
        joined_at: moment("joined_at")?,
        seen_at: moment("seen_at")?,
        region: option("region")?,
        tags: from_json("tags", &text("tags")?)?,
        kind: text("kind")?.parse().map_err(refused)?,
        profile: text("profile")?.parse().map_err(refused)?,
        standing: text("standing")?.parse().map_err(refused)?,
        address: option("address")?,
        machine: option("machine")?,
        serial: option("serial")?,
        verdict: from_json("verdict", &format!("\"{}\"", text("verdict")?))?,
        verdict_at: moment("verdict_at")?,
        verdict_reason: option("verdict_reason")?,
        lost: from_json("lost records", &text("lost")?)?,
    })
}

/// All hosts, by name; also the retired and revoked ones.
pub async fn hosts(db: &mut SqliteConnection) -> Result<Vec<HostRow>, GuardError> {
    sqlx::query("SELECT * FROM frame_host ORDER BY id").fetch_all(db).await?.iter().map(row).collect()
}

/// The names of the hosts that changes reach when none is named: those in service that have an agent.
pub async fn hosts_in_service(db: &mut SqliteConnection) -> Result<Vec<HostId>, GuardError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM frame_host WHERE standing = 'active' AND kind = 'agent' ORDER BY id")
            .fetch_all(db)
            .await?;
    rows.iter().map(|(id,)| host_id(id)).collect()
}

/// The hosts in service that have no agent, by name.
pub async fn hosts_agentless(db: &mut SqliteConnection) -> Result<Vec<HostRow>, GuardError> {
    sqlx::query("SELECT * FROM frame_host WHERE standing = 'active' AND kind = 'agentless' ORDER BY id")
        .fetch_all(db)
        .await?
        .iter()
        .map(row)
        .collect()
}

/// One host.
pub async fn host(db: &mut SqliteConnection, id: &HostId) -> Result<Option<HostRow>, GuardError> {
    let found = sqlx::query("SELECT * FROM frame_host WHERE id = $1").bind(id.as_str()).fetch_optional(db).await?;
    found.as_ref().map(row).transpose()
}

/// Stores a host, new or changed; its verdict and when it was heard of are left as they are.
pub async fn host_put(db: &mut SqliteConnection, host: &HostRow) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_host (id, facts, joined_at, seen_at, region, tags, kind, profile, standing, address, machine,
           serial, verdict, verdict_at, lost)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, region = excluded.region, tags = excluded.tags,
           kind = excluded.kind, profile = excluded.profile, standing = excluded.standing, address = excluded.address,
           machine = excluded.machine, serial = excluded.serial, lost = excluded.lost",
    )
    .bind(host.id.as_str())
    .bind(json(&host.facts))
    .bind(ms(host.joined_at))
    .bind(ms(host.seen_at))
    .bind(&host.region)
    .bind(json(&host.tags))
    .bind(host.kind.as_str())
    .bind(host.profile.as_str())
    .bind(host.standing.as_str())
    .bind(&host.address)
    .bind(&host.machine)
    .bind(&host.serial)
    .bind(host.verdict.as_str())
    .bind(ms(host.verdict_at))
    .bind(json(&host.lost))
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a host's own row; what guards know of it stays until their retention ends it. False if
/// there is none.
pub async fn host_delete(db: &mut SqliteConnection, id: &HostId) -> Result<bool, GuardError> {
    let done = sqlx::query("DELETE FROM frame_host WHERE id = $1").bind(id.as_str()).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// Stores a new verdict and when the host was last heard of.
pub async fn verdict_put(
    db: &mut SqliteConnection,
    id: &HostId,
    verdict: VerdictWord,
    reason: Option<&str>,
    seen_at: Timestamp,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query("UPDATE frame_host SET verdict = $2, verdict_reason = $3, seen_at = $4, verdict_at = $5 WHERE id = $1")
        .bind(id.as_str())
        .bind(verdict.as_str())
        .bind(reason)
        .bind(ms(seen_at))
        .bind(ms(now))
        .execute(db)
        .await?;
    Ok(())
}

/// Stores that a host was heard of, making it if it is new; `facts` only when it sent them.
pub async fn host_seen(
    db: &mut SqliteConnection,
    host: &HostId,
    facts: Option<&HostFacts>,
    now: Timestamp,
) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO frame_host (id, facts, joined_at, seen_at, verdict_at) VALUES ($1, $2, $3, $3, $3)
         ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
    )
    .bind(host.as_str())
    .bind(json(&facts.cloned().unwrap_or_default()))
    .bind(ms(now))
    .execute(&mut *db)
    .await?;
    if let Some(facts) = facts {
        sqlx::query("UPDATE frame_host SET facts = $2 WHERE id = $1")
            .bind(host.as_str())
            .bind(json(facts))
            .execute(db)
            .await?;
    }
    Ok(())
}

/// Stores which machine a host is.
pub async fn machine_put(db: &mut SqliteConnection, host: &HostId, machine: &str) -> Result<(), GuardError> {
    sqlx::query("UPDATE frame_host SET machine = $2 WHERE id = $1")
        .bind(host.as_str())
        .bind(machine)
        .execute(db)
        .await?;
    Ok(())
}

/// Stores how many records a host's agent had to give up, by guard.
pub async fn lost_put(
    db: &mut SqliteConnection,
    host: &HostId,
    lost: &BTreeMap<String, u64>,
) -> Result<(), GuardError> {
    sqlx::query("UPDATE frame_host SET lost = $2 WHERE id = $1")
        .bind(host.as_str())
        .bind(json(lost))
        .execute(db)
        .await?;
    Ok(())
}
