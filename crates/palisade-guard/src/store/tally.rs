//! When each guard last looked at a host, and what that amounts to: counts that are made once, when
//! a look is stored, so that a list of thousands of hosts reads no finding.

use super::finding::findings_open;
use super::{LookReport, among, at, from_json, host_id, json, ms};
use crate::GuardError;
use palisade_core::{CheckRun, Finding, FindingState, HostId, PracticeTally, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::{BTreeMap, HashMap};

/// What one guard last said about one host: one row per host and guard.
#[derive(Debug, Clone)]
pub struct Freshness {
    /// The guard.
    pub guard: String,
    /// When it last observed.
    pub observed_at: Timestamp,
    /// Until when that counts as fresh.
    pub fresh_until: Timestamp,
    /// Why it could not observe, if so.
    pub error: Option<String>,
    /// What it amounts to.
    pub tally: GuardTally,
}

/// What a look of one guard at one host amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardTally {
    /// Checks and open findings, by practice.
    pub practices: BTreeMap<String, PracticeTally>,
    /// The checks that have open findings.
    pub checks: Vec<OpenCheck>,
}

/// A check with open findings on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCheck {
    /// Its id.
    pub check: String,
    /// Of its worst finding.
    pub severity: Severity,
    /// How many are open.
    pub open: usize,
    /// The id of the worst one.
    pub worst: String,
}

impl GuardTally {
    /// Counts checks and findings of one look.
    pub fn of<'a>(runs: &[CheckRun], findings: impl IntoIterator<Item = &'a Finding>) -> GuardTally {
        let mut tally = GuardTally::default();
        for run in runs {
            tally.practice(&run.practice).ran(run.outcome);
        }
        let mut checks: BTreeMap<&str, OpenCheck> = BTreeMap::new();
        for finding in findings.into_iter().filter(|f| f.state == FindingState::Open) {
            tally.practice(&finding.practice).found(finding);
            let (check, severity, worst) = (finding.check.clone(), finding.severity, finding.id.clone());
            let of = checks.entry(&finding.check).or_insert(OpenCheck { check, severity, open: 0, worst });
            of.open += 1;
            if finding.severity > of.severity {
                (of.severity, of.worst) = (finding.severity, finding.id.clone());
            }
        }
        tally.checks = checks.into_values().collect();
        tally
    }

    /// How many findings are open.
    pub fn open(&self) -> usize {
        self.checks.iter().map(|check| check.open).sum()
    }

    /// The check with the worst open finding.
    pub fn worst(&self) -> Option<&OpenCheck> {
        self.checks.iter().max_by_key(|check| check.severity)
    }

    fn practice(&mut self, id: &str) -> &mut PracticeTally {
        if !self.practices.contains_key(id) {
            self.practices.insert(id.to_owned(), PracticeTally::default());
        }
        self.practices.get_mut(id).expect("put there if it was missing")
    }

    /// Nothing could be looked at: no check ran, and what was found before stands.
    fn unobserved(mut self) -> GuardTally {
        self.practices.values_mut().for_each(|tally| (tally.runs, tally.unknown) = (0, 0));
        self
    }
}

/// Stores when a guard looked, and what that amounts to.
pub(super) async fn freshness_put(
    db: &mut SqliteConnection,
    host: &HostId,
    look: &LookReport,
) -> Result<(), GuardError> {
    let tally = match &look.error {
        None => GuardTally::of(&look.runs, &look.findings),
        Some(_) => tally(db, host, &look.guard).await?.unobserved(),
    };
    sqlx::query(
        "INSERT INTO frame_freshness (host, guard, observed_at, fresh_until, error, runs, tally)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (host, guard) DO UPDATE SET observed_at = excluded.observed_at, fresh_until = excluded.fresh_until,
           error = excluded.error, runs = excluded.runs, tally = excluded.tally",
    )
    .bind(host.as_str())
    .bind(&look.guard)
    .bind(ms(look.observed_at))
    .bind(ms(look.fresh_until))
    .bind(&look.error)
    .bind(json(&look.runs))
    .bind(json(&tally))
    .execute(db)
    .await?;
    Ok(())
}

async fn tally(db: &mut SqliteConnection, host: &HostId, guard: &str) -> Result<GuardTally, GuardError> {
    let row: Option<(String,)> = sqlx::query_as("SELECT tally FROM frame_freshness WHERE host = $1 AND guard = $2")
        .bind(host.as_str())
        .bind(guard)
        .fetch_optional(db)
        .await?;
    row.map_or_else(|| Ok(GuardTally::default()), |(tally,)| from_json("tally", &tally))
}

type Row = (String, String, i64, i64, Option<String>, String);

/// What every guard last said about one host.
pub async fn freshness(db: &mut SqliteConnection, host: &HostId) -> Result<Vec<Freshness>, GuardError> {
    let mut all = fleet_freshness(db, Some(std::slice::from_ref(host))).await?;
    Ok(all.remove(host).unwrap_or_default())
}

/// What every guard last said about each of these hosts, or about each that there ever was.
pub async fn fleet_freshness(
    db: &mut SqliteConnection,
    hosts: Option<&[HostId]>,
) -> Result<HashMap<HostId, Vec<Freshness>>, GuardError> {
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT host, guard, observed_at, fresh_until, error, tally FROM frame_freshness");
    if let Some(hosts) = hosts {
        among(&mut query, " WHERE host IN (", hosts);
    }
    query.push(" ORDER BY host, guard");
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    let mut fleet: HashMap<HostId, Vec<Freshness>> = HashMap::new();
    for (host, guard, observed, fresh, error, tally) in rows {
        let tally = from_json("tally", &tally)?;
        let (observed_at, fresh_until) = (at(observed), at(fresh));
        fleet.entry(host_id(&host)?).or_default().push(Freshness { guard, observed_at, fresh_until, error, tally });
    }
    Ok(fleet)
}

/// When the host that a guard looked at longest ago was looked at; `None` if it never looked at any.
pub async fn freshness_oldest(
    db: &mut SqliteConnection,
    guard: &str,
    hosts: &[HostId],
) -> Result<Option<Timestamp>, GuardError> {
    let mut oldest: Option<i64> = None;
    for part in hosts.chunks(1_000) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT MIN(observed_at) FROM frame_freshness WHERE guard = ");
        query.push_bind(guard);
        among(&mut query, " AND host IN (", part);
        let (least,): (Option<i64>,) = query.build_query_as().fetch_one(&mut *db).await?;
        oldest = oldest.into_iter().chain(least).min();
    }
    Ok(oldest.map(at))
}

/// Counts the looks of a database from before there were counts. Returns how many.
pub async fn tallies_backfill(db: &mut SqliteConnection) -> Result<u64, GuardError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT host, guard, runs FROM frame_freshness WHERE tally = ''").fetch_all(&mut *db).await?;
    for (host, guard, runs) in &rows {
        let runs: Vec<CheckRun> = from_json("check runs", runs)?;
        let tally = GuardTally::of(&runs, &findings_open(db, Some(&host_id(host)?), guard).await?);
        sqlx::query("UPDATE frame_freshness SET tally = $3 WHERE host = $1 AND guard = $2")
            .bind(host)
            .bind(guard)
            .bind(json(&tally))
            .execute(&mut *db)
            .await?;
    }
    Ok(rows.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_core::{CheckOutcome, Fix};

    fn finding(check: &str, object: &str, severity: Severity, state: FindingState) -> Finding {
        Finding {
            id: format!("{check}/{object}"),
            check: check.to_owned(),
            practice: "port-security".to_owned(),
            title: String::new(),
            host: "web-1".parse().expect("a host name"),
            object: object.to_owned(),
            severity,
            state,
            evidence: String::new(),
            observed_at: Timestamp::default(),
            why: String::new(),
            fix: Fix::text(""),
            reference: None,
        }
    }

    #[test]
    fn only_open_findings_count_and_the_worst_one_stands_for_its_check() {
        let run = |outcome| CheckRun { check: "a".into(), practice: "port-security".into(), outcome };
        let tally = GuardTally::of(
            &[run(CheckOutcome::Failed), run(CheckOutcome::Unknown)],
            &[
                finding("a", "1", Severity::Low, FindingState::Open),
                finding("a", "2", Severity::High, FindingState::Open),
                finding("b", "1", Severity::Critical, FindingState::Unknown),
            ],
        );
        assert_eq!((tally.open(), tally.checks.len()), (2, 1));
        assert_eq!(tally.worst().map(|w| (w.worst.as_str(), w.severity)), Some(("a/2", Severity::High)));
        let practice = tally.practices["port-security"];
        assert_eq!((practice.runs, practice.unknown, practice.open), (2, 1, [0, 1, 0, 1, 0]));
        let blind = tally.unobserved();
        assert_eq!((blind.open(), blind.practices["port-security"].runs), (2, 0));
    }
}
