//! Alarms in the database. Moments are milliseconds.

use super::rule::EventPart;
use palisade_core::{HostId, Severity, Timestamp};
use palisade_guard::{GuardError, store as frame_store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection};

/// Alarms that are over are kept for so many days; those of security too.
const ENDED_KEPT_DAYS: i64 = 180;
/// Alarms removed in one call.
const REMOVED_MAX: i64 = 500;
/// Changes of one alarm that are kept; the newest count.
const CHANGES_MAX: i64 = 200;
/// Hits of one rule and host that are kept.
const HITS_MAX: i64 = 1_000;

/// An alarm as it lies in its table.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmRow {
    /// Its number.
    pub id: i64,
    /// Of which rule.
    pub rule: String,
    /// Of which edition of it.
    pub edition: String,
    /// The place of the policy; -1 for an event.
    pub policy: i64,
    /// Where; empty for the server itself.
    pub host: String,
    /// The series, `event`, or `finding:ID`.
    pub object: String,
    /// firing, no_data, resolved, expired.
    pub state: String,
    /// Fires without data.
    pub stale: i64,
    /// How much it matters.
    pub severity: String,
    /// The last value that was judged.
    pub value: f64,
    /// When it began.
    pub since: i64,
    /// When it was over.
    pub ended: Option<i64>,
    /// When it last changed.
    pub changed: i64,
    /// Who has taken it on.
    pub acknowledged_by: Option<String>,
    /// When.
    pub acknowledged_at: Option<i64>,
    /// What they said.
    pub acknowledged_note: Option<String>,
    /// See [`AlarmBody`].
    pub body: String,
    /// See [`super::cause::Kept`].
    pub cause: Option<String>,
}

impl FromRow<'_, SqliteRow> for AlarmRow {
    fn from_row(row: &SqliteRow) -> Result<AlarmRow, sqlx::Error> {
        Ok(AlarmRow {
            id: row.try_get("id")?,
            rule: row.try_get("rule")?,
            edition: row.try_get("edition")?,
            policy: row.try_get("policy")?,
            host: row.try_get("host")?,
            object: row.try_get("object")?,
            state: row.try_get("state")?,
            stale: row.try_get("stale")?,
            severity: row.try_get("severity")?,
            value: row.try_get("value")?,
            since: row.try_get("since")?,
            ended: row.try_get("ended")?,
            changed: row.try_get("changed")?,
            acknowledged_by: row.try_get("acknowledged_by")?,
            acknowledged_at: row.try_get("acknowledged_at")?,
            acknowledged_note: row.try_get("acknowledged_note")?,
            body: row.try_get("body")?,
            cause: row.try_get("cause")?,
        })
    }
}

/// What of an alarm is only shown.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmBody {
    /// What is told: one line.
    pub title: String,
    /// A sentence or more.
    pub sentence: String,
    /// The policy as it was; null for an event.
    #[serde(default)]
    pub policy: Value,
    /// The metric by our name; empty for an event.
    #[serde(default)]
    pub metric: String,
    /// Its unit.
    #[serde(default)]
    pub unit: String,
    /// What tells the series apart.
    #[serde(default)]
    pub labels: std::collections::BTreeMap<String, String>,
    /// How the rule has it told.
    #[serde(default)]
    pub told: Told,
}

/// How a rule has its alarms told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// At once or with the digest.
    pub urgency: palisade_guard::notice::Urgency,
    /// How often again.
    pub repeat: String,
    /// After how long.
    pub settle_ms: u64,
    /// How long it waits for what its host says about the cause.
    #[serde(default)]
    pub cause_ms: u64,
    /// What to do, by the rule.
    #[serde(default)]
    pub description: Option<String>,
    /// It says that the host is away, so that its other alarms need not be told.
    #[serde(default)]
    pub host_down: bool,
}

impl AlarmRow {
    /// Its body; what cannot be read is empty.
    pub fn read_body(&self) -> AlarmBody {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Its severity.
    pub fn read_severity(&self) -> Severity {
        self.severity.parse().unwrap_or(Severity::Medium)
    }

    /// Its host.
    pub fn read_host(&self) -> Option<HostId> {
        self.host.parse().ok()
    }
}

/// Every alarm that is not over.
pub async fn alarms_open(db: &mut SqliteConnection) -> Result<Vec<AlarmRow>, GuardError> {
    Ok(sqlx::query_as("SELECT * FROM monitor_alarm WHERE ended IS NULL ORDER BY id").fetch_all(db).await?)
}

/// How many alarms fire.
pub async fn alarms_firing(db: &mut SqliteConnection) -> Result<usize, GuardError> {
    let (count,): (i64,) =
        sqlx::query_as("SELECT COUNT(*) FROM monitor_alarm WHERE ended IS NULL AND state = 'firing'")
            .fetch_one(db)
            .await?;
    Ok(count as usize)
}

/// Every alarm that is not over, and those that ended since, newest first.
pub async fn alarms_since(
    db: &mut SqliteConnection,
    ended_after_ms: i64,
    limit: i64,
) -> Result<Vec<AlarmRow>, GuardError> {
    Ok(sqlx::query_as(
        "SELECT * FROM monitor_alarm
         WHERE ended IS NULL OR ended > $1 ORDER BY (ended IS NULL) DESC, id DESC LIMIT $2",
    )
    .bind(ended_after_ms)
    .bind(limit)
    .fetch_all(db)
    .await?)
}

/// One alarm.
pub async fn alarm(db: &mut SqliteConnection, id: i64) -> Result<Option<AlarmRow>, GuardError> {
    Ok(sqlx::query_as("SELECT * FROM monitor_alarm WHERE id = $1").bind(id).fetch_optional(db).await?)
}

/// The alarm of a rule on an object that is not over.
pub async fn alarm_open(
    db: &mut SqliteConnection,
    (rule, policy): (&str, i64),
    host: &str,
    object: &str,
) -> Result<Option<AlarmRow>, GuardError> {
    Ok(sqlx::query_as(
        "SELECT * FROM monitor_alarm
         WHERE rule = $1 AND policy = $2 AND host = $3 AND object = $4 AND ended IS NULL",
    )
    .bind(rule)
    .bind(policy)
    .bind(host)
    .bind(object)
    .fetch_optional(db)
    .await?)
}

/// The newest alarm of an event rule on a host, over or not.
pub async fn alarm_of_event(db: &mut SqliteConnection, rule: &str, host: &str) -> Result<Option<AlarmRow>, GuardError> {
    Ok(sqlx::query_as(
        "SELECT * FROM monitor_alarm
         WHERE rule = $1 AND host = $2 AND policy = -1 AND object = 'event' ORDER BY id DESC LIMIT 1",
    )
    .bind(rule)
    .bind(host)
    .fetch_optional(db)
    .await?)
}

/// Stores an alarm, with a new number if it has none, and this change of it.
pub async fn alarm_put(db: &mut SqliteConnection, row: &mut AlarmRow, change: &str) -> Result<(), GuardError> {
    if row.id == 0 {
        let (last,): (i64,) =
            sqlx::query_as("SELECT COALESCE(MAX(id), 0) FROM monitor_alarm").fetch_one(&mut *db).await?;
        row.id = last + 1;
    }
    sqlx::query(
        "INSERT INTO monitor_alarm (id, rule, edition, policy, host, object, state, stale, severity, value, since, ended, changed,
           acknowledged_by, acknowledged_at, acknowledged_note, body, cause)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, stale = excluded.stale, value = excluded.value,
           ended = excluded.ended, changed = excluded.changed, acknowledged_by = excluded.acknowledged_by,
           acknowledged_at = excluded.acknowledged_at, acknowledged_note = excluded.acknowledged_note,
           body = excluded.body, cause = excluded.cause",
    )
    .bind(row.id)
    .bind(&row.rule)
    .bind(&row.edition)
    .bind(row.policy)
    .bind(&row.host)
    .bind(&row.object)
    .bind(&row.state)
    .bind(row.stale)
    .bind(&row.severity)
    .bind(row.value)
    .bind(row.since)
    .bind(row.ended)
    .bind(row.changed)
    .bind(&row.acknowledged_by)
    .bind(row.acknowledged_at)
    .bind(&row.acknowledged_note)
    .bind(&row.body)
    .bind(&row.cause)
    .execute(&mut *db)
    .await?;
    if change.is_empty() { Ok(()) } else { change_put(db, row, change).await }
}

async fn change_put(db: &mut SqliteConnection, row: &AlarmRow, change: &str) -> Result<(), GuardError> {
    let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM monitor_alarm_change WHERE alarm = $1")
        .bind(row.id)
        .fetch_one(&mut *db)
        .await?;
    if count >= CHANGES_MAX {
        return Ok(());
    }
    sqlx::query("INSERT INTO monitor_alarm_change (alarm, at, n, state, value) VALUES ($1, $2, $3, $4, $5)")
        .bind(row.id)
        .bind(row.changed)
        .bind(count)
        .bind(change)
        .bind(row.value)
        .execute(db)
        .await?;
    Ok(())
}

/// What became of an alarm, oldest first: moment, word, value.
pub async fn changes(db: &mut SqliteConnection, id: i64) -> Result<Vec<(i64, String, f64)>, GuardError> {
    Ok(sqlx::query_as("SELECT at, state, value FROM monitor_alarm_change WHERE alarm = $1 ORDER BY n")
        .bind(id)
        .fetch_all(db)
        .await?)
}

/// Where judging stands on a host.
pub async fn judged(db: &mut SqliteConnection, host: &HostId) -> Result<Option<(i64, String)>, GuardError> {
    Ok(sqlx::query_as("SELECT at, body FROM monitor_alarm_judged WHERE host = $1")
        .bind(host.as_str())
        .fetch_optional(db)
        .await?)
}

/// Notes where judging stands on a host.
pub async fn judged_put(db: &mut SqliteConnection, host: &HostId, at_s: i64, body: &str) -> Result<(), GuardError> {
    sqlx::query(
        "INSERT INTO monitor_alarm_judged (host, at, body) VALUES ($1, $2, $3)
         ON CONFLICT (host) DO UPDATE SET at = excluded.at, body = excluded.body",
    )
    .bind(host.as_str())
    .bind(at_s)
    .bind(body)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a rule goes by events, or that it no longer does.
pub async fn event_rule_put(
    db: &mut SqliteConnection,
    rule: &str,
    event: Option<&EventPart>,
) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_alarm_event_rule WHERE rule = $1").bind(rule).execute(&mut *db).await?;
    let Some(event) = event else { return Ok(()) };
    let kind = event.kind.clone().unwrap_or_default();
    let prefix = kind.strip_suffix('*');
    sqlx::query(
        "INSERT INTO monitor_alarm_event_rule (rule, kind, is_prefix, clear, finding) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(rule)
    .bind(prefix.unwrap_or(&kind))
    .bind(i64::from(prefix.is_some()))
    .bind(&event.clear)
    .bind(i64::from(event.finding.is_some()))
    .execute(db)
    .await?;
    Ok(())
}

/// The rules that an event of this kind may begin or end an alarm of.
pub async fn event_rules(db: &mut SqliteConnection, kind: &str) -> Result<Vec<String>, GuardError> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT rule FROM monitor_alarm_event_rule
         WHERE (kind <> '' AND kind = $1) OR clear = $1 OR (is_prefix = 1 AND substr($1, 1, length(kind)) = kind) ORDER BY rule",
    )
    .bind(kind)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(rule,)| rule).collect())
}

/// The rules that go by findings.
pub async fn finding_rules(db: &mut SqliteConnection) -> Result<Vec<String>, GuardError> {
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT rule FROM monitor_alarm_event_rule WHERE finding = 1 ORDER BY rule")
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|(rule,)| rule).collect())
}

/// Counts an event towards a rule; how many there were since `after_ms`.
pub async fn hit_put(
    db: &mut SqliteConnection,
    (rule, host): (&str, &str),
    at_ms: i64,
    after_ms: i64,
) -> Result<i64, GuardError> {
    sqlx::query("DELETE FROM monitor_alarm_hit WHERE rule = $1 AND host = $2 AND at <= $3")
        .bind(rule)
        .bind(host)
        .bind(after_ms)
        .execute(&mut *db)
        .await?;
    let (count, last): (i64, i64) =
        sqlx::query_as("SELECT COUNT(*), COALESCE(MAX(n), 0) FROM monitor_alarm_hit WHERE rule = $1 AND host = $2")
            .bind(rule)
            .bind(host)
            .fetch_one(&mut *db)
            .await?;
    if count < HITS_MAX {
        sqlx::query("INSERT INTO monitor_alarm_hit (rule, host, at, n) VALUES ($1, $2, $3, $4)")
            .bind(rule)
            .bind(host)
            .bind(at_ms)
            .bind(last + 1)
            .execute(db)
            .await?;
    }
    Ok(count + 1)
}

/// Begins to count anew.
pub async fn hits_remove(db: &mut SqliteConnection, rule: &str, host: &str) -> Result<(), GuardError> {
    sqlx::query("DELETE FROM monitor_alarm_hit WHERE rule = $1 AND host = $2")
        .bind(rule)
        .bind(host)
        .execute(db)
        .await?;
    Ok(())
}

/// Since when the built-in rules are on.
pub async fn basics_since(db: &mut SqliteConnection) -> Result<Option<Timestamp>, GuardError> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT since FROM monitor_alarm_basics WHERE id = 1").fetch_optional(db).await?;
    Ok(row.map(|(since,)| frame_store::at(since)))
}

/// Switches the built-in rules on or off; what is on stays on since then.
pub async fn basics_put(db: &mut SqliteConnection, on: bool, by: &str, now: Timestamp) -> Result<(), GuardError> {
    let statement = match on {
        true => "INSERT INTO monitor_alarm_basics (id, since, by) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING",
        false => "DELETE FROM monitor_alarm_basics WHERE $1 > 0 AND $2 <> ''",
    };
    sqlx::query(statement).bind(now.as_millisecond()).bind(by).execute(&mut *db).await?;
    for (name, spec) in super::builtin::rules() {
        event_rule_put(db, name, spec.event.as_ref().filter(|_| on)).await?;
    }
    Ok(())
}

/// Forgets alarms that ended long ago, and counts that nobody waits for.
pub async fn forget(db: &mut SqliteConnection, now: Timestamp) -> Result<(), GuardError> {
    let before_ms = now.as_millisecond() - ENDED_KEPT_DAYS * 86_400_000;
    let rows: Vec<(i64,)> = sqlx::query_as("SELECT id FROM monitor_alarm WHERE ended < $1 LIMIT $2")
        .bind(before_ms)
        .bind(REMOVED_MAX)
        .fetch_all(&mut *db)
        .await?;
    for (id,) in rows {
        sqlx::query("DELETE FROM monitor_alarm_change WHERE alarm = $1").bind(id).execute(&mut *db).await?;
        sqlx::query("DELETE FROM monitor_alarm WHERE id = $1").bind(id).execute(&mut *db).await?;
    }
    sqlx::query("DELETE FROM monitor_alarm_hit WHERE at < $1").bind(before_ms).execute(&mut *db).await?;
    // hosts that are gone; one that comes back begins anew
    sqlx::query("DELETE FROM monitor_alarm_judged WHERE at < $1").bind(before_ms / 1_000).execute(db).await?;
    Ok(())
}
